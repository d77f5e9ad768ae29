//! A large category is eliminated before the rest is solved for.
//!
//! With the 0/1 columns `D` of all levels of a category beside the columns `X`, the normal equations have the
//! diagonal block `D'D` of the levels' weights. Its Schur complement `X'X - X'D (D'D)^-1 D'X` is the
//! cross-products of `X` about the means of each level (Frisch & Waugh 1933; the within transformation), and
//! has the size of `X` alone. The coefficients `b` of `X` follow from it, and then the effect of level `l`,
//! `mean_l(y) - mean_l(x)' b`, with variance `sigma² (1 / n_l + mean_l(x)' S^-1 mean_l(x))`.

use faer::{Mat, fx128};
use streamreg_core::AbsorbedTerm;
use streamreg_core::{Contrasts, INTERCEPT, LevelMeans};

use crate::coefficient::Coefficient;
use crate::factor::{Factor, cholesky, exact_rounding_share, rounding_share};
use crate::fit::centre::Centre;
use crate::fit::error_analysis::Bounds;
use crate::fit::solution::{LevelVariance, Solution};
use crate::scalar::{Scalar, dot};

/// A category to eliminate, and the columns that are left: positions among those of `means`, the response
/// last.
#[derive(Clone, Copy)]
pub struct Absorbed<'a> {
    /// Weights of the levels, means of the columns in each.
    pub means: &'a LevelMeans<'a>,
    /// What becomes of the levels.
    pub term: &'a AbsorbedTerm,
    /// Positions of the columns, the response last.
    pub columns: &'a [usize],
}

impl std::fmt::Debug for Absorbed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Absorbed").field("term", self.term).field("columns", &self.columns).finish()
    }
}

/// An arithmetic in which the sums by level are known: float64 always, double-double where they are exact.
pub(crate) trait Averaged: Scalar {
    /// Writes the means of all columns in a level less those over all rows; returns the level's weight.
    fn deviations(means: &LevelMeans<'_>, level: usize, out: &mut [Self]) -> Self;

    /// Sum of products about the means over all rows, or about zero.
    fn product(means: &LevelMeans<'_>, about_means: bool, i: usize, j: usize) -> Self;

    /// The residual share of a column that the rounding of its cells can make up, if it is to count as none.
    fn rounding(means: &LevelMeans<'_>, column: usize, scale: Self) -> f64;
}

impl Averaged for f64 {
    fn deviations(means: &LevelMeans<'_>, level: usize, out: &mut [Self]) -> Self {
        means.deviations(level, out);
        means.weight(level)
    }

    fn product(means: &LevelMeans<'_>, about_means: bool, i: usize, j: usize) -> Self {
        let products = means.products();
        if about_means { products.centred(i, j) } else { products.uncentred(i, j) }
    }

    fn rounding(means: &LevelMeans<'_>, column: usize, scale: Self) -> f64 {
        rounding_share(means.products().moments(), column, scale)
    }
}

impl Averaged for fx128 {
    fn deviations(means: &LevelMeans<'_>, level: usize, out: &mut [Self]) -> Self {
        // NaN, where there are no exact sums, does not go unnoticed.
        means.double_double_deviations(level, out).unwrap_or(fx128::from_f64(f64::NAN))
    }

    fn product(means: &LevelMeans<'_>, about_means: bool, i: usize, j: usize) -> Self {
        let product = |p: &streamreg_core::DoubleDoubleProducts| match about_means {
            true => p.centred(i, j),
            false => p.uncentred(i, j),
        };
        means.double_double_products().map_or(fx128::from_f64(f64::NAN), product)
    }

    fn rounding(means: &LevelMeans<'_>, column: usize, scale: Self) -> f64 {
        let share = |products| exact_rounding_share(products, column, scale.near());
        means.double_double_products().map_or(0.0, share)
    }
}

/// Levels that are taken in at a time.
const CHUNK: usize = 256;

/// The roundings that an entry of the cross-products between levels has behind it: of the deviations, of the sum
/// over the levels of a chunk, and of that over chunks.
pub(crate) fn roundings(levels: usize) -> usize {
    24 + CHUNK + levels.div_ceil(CHUNK)
}

impl Absorbed<'_> {
    /// Calls `each` with some levels at a time: their weights, and in a column a level the means of the columns
    /// less those over all rows.
    fn chunks<T: Averaged>(&self, mut each: impl FnMut(std::ops::Range<usize>, &[T], &Mat<T>)) {
        let mut row = vec![T::ZERO; self.means.products().moments().variables()];
        let mut weights = Vec::with_capacity(CHUNK);
        let levels = self.means.len();
        for from in (0..levels).step_by(CHUNK) {
            let range = from..levels.min(from + CHUNK);
            let mut deviations = Mat::zeros(self.columns.len(), range.len());
            weights.clear();
            for (index, level) in range.clone().enumerate() {
                weights.push(T::deviations(self.means, level, &mut row));
                let own = deviations.col_as_slice_mut(index).iter_mut().zip(self.columns);
                own.for_each(|(cell, &column)| *cell = row[column]);
            }
            each(range, &weights, &deviations);
        }
    }

    /// The cross-products that differences between levels explain.
    fn between<T: Averaged>(&self) -> Mat<T> {
        let m = self.columns.len();
        let mut between = Mat::<T>::zeros(m, m);
        self.chunks(|_, weights: &[T], deviations| {
            let roots: Vec<T> = weights.iter().map(|w| w.root()).collect();
            let scaled = Mat::from_fn(m, roots.len(), |i, l| roots[l] * deviations[(i, l)]);
            let products = T::outer(&scaled);
            for j in 0..m {
                let sums = between.col_as_slice_mut(j).iter_mut();
                sums.zip(products.col_as_slice(j)).for_each(|(sum, product)| *sum += *product);
            }
        });
        between
    }

    /// The factor of the columns about the means of the levels. A column's norm is that about its overall
    /// mean, so one that hardly differs within levels is as badly determined as it is.
    pub(crate) fn factor<T: Averaged>(&self, intercept: bool, rank_tol: f64) -> Factor<T> {
        let between = self.between::<T>();
        let y = self.columns.len() - 1;
        let product =
            |means, i: usize, j: usize| T::product(self.means, means, self.columns[i], self.columns[j]);
        let within = |i: usize, j: usize| product(true, i, j) - between[(i.max(j), i.min(j))];
        let scale: Vec<T> = (0..y).map(|j| product(true, j, j).non_negative().root()).collect();
        let rounding = |j: usize| T::rounding(self.means, self.columns[j], scale[j]);
        let of_response = within(y, y).non_negative();
        let levels = self.means.len();
        let most = cholesky::most(self.means.products().moments().rows(), levels);
        let rank = cholesky::Rank { tolerance: rank_tol, most };
        let mut factor =
            cholesky::factor_gram(&scale, within, of_response, rounding, rank, roundings(levels));
        factor.tss = product(intercept, y, y).non_negative();
        factor.absorbed = levels;
        factor.absorbed_explained = (factor.tss - of_response).non_negative();
        factor
    }

    /// Square of the norm, about its mean, of a combination of the columns.
    pub(crate) fn square<T: Averaged>(&self, vector: &[T]) -> f64 {
        let terms = vector.iter().zip(self.columns).filter(|(v, _)| **v != T::ZERO);
        let terms: Vec<(T, usize)> = terms.map(|(v, c)| (*v, *c)).collect();
        let pairs = terms.iter().flat_map(|a| terms.iter().map(move |b| (a, b)));
        let product = |(a, b): (&(T, usize), &(T, usize))| a.0 * b.0 * T::product(self.means, true, a.1, b.1);
        pairs.map(product).fold(T::ZERO, |sum, part| sum + part).near()
    }

    /// The effects of all levels, where `rest` is the solution for the columns and `centre` has their means.
    pub(crate) fn effects<T: Averaged>(&self, rest: &Solution<T>, centre: &Centre) -> Effects<T> {
        let features = self.columns.len() - 1;
        let slopes: Vec<T> = rest.values.iter().map(|b| b.unwrap_or(T::ZERO)).collect();
        let means: Vec<T> = (0..features).map(|j| centre.mean(j)).collect();
        let response: T = centre.response();
        let levels = self.means.len();
        let origin = T::inner(&rest.root, &Mat::from_fn(features, 1, |j, _| means[j]));
        let mut effects = Effects {
            constant: (centre.constant(&rest.values), absolute_terms(response, &slopes, &means)),
            values: Vec::with_capacity(levels),
            sizes: Vec::with_capacity(levels),
            weights: Vec::with_capacity(levels),
            deviations: Mat::zeros(features, levels),
            leverage: Mat::zeros(rest.root.ncols(), levels),
            origin: origin.col_as_slice(0).to_vec(),
            means,
        };
        self.chunks(|range, weights, deviations| {
            effects.weights.extend_from_slice(weights);
            for (index, level) in range.clone().enumerate() {
                let (x, y) = deviations.col_as_slice(index).split_at(features);
                effects.values.push(y[0] - dot(&slopes, x));
                effects.sizes.push(absolute_terms(y[0], &slopes, x));
                let own = effects.deviations.col_as_slice_mut(level).iter_mut().zip(x);
                own.for_each(|(cell, x)| *cell = x.near());
            }
            let x = Mat::from_fn(features, range.len(), |j, l| deviations[(j, l)]);
            let leverage = T::inner(&rest.root, &x);
            for (index, level) in range.enumerate() {
                effects.leverage.col_as_slice_mut(level).copy_from_slice(leverage.col_as_slice(index));
            }
        });
        effects
    }
}

/// `|y| + sum |b_k x_k|`.
fn absolute_terms<T: Scalar>(y: T, slopes: &[T], x: &[T]) -> f64 {
    slopes.iter().zip(x).fold(y.near().abs(), |sum, (b, x)| sum + (b.near() * x.near()).abs())
}

/// The effects of the levels, and what their variances are made of.
///
/// All but the constant is about the means over all rows, where nothing cancels that need not.
pub(crate) struct Effects<T> {
    /// The effect at the means over all rows, and the size of the terms that it is the sum of.
    constant: (T, f64),
    /// Effect of every level less the constant.
    values: Vec<T>,
    /// The size of the terms that these are sums of.
    sizes: Vec<f64>,
    weights: Vec<T>,
    /// Means of the columns over all rows.
    means: Vec<T>,
    /// What means in the levels differ from them, a column a level.
    deviations: Mat<f64>,
    /// `A'` times these for `S^-1 = A A'`, a column a level.
    leverage: Mat<T>,
    /// `A'` times the means over all rows.
    origin: Vec<T>,
}

impl<T: Scalar> Effects<T> {
    /// The intercept, where there is one, and the coefficients of the levels. `bounds` are those of the columns.
    pub(crate) fn coefficients(
        &self,
        term: &AbsorbedTerm,
        bounds: Option<&Bounds>,
    ) -> (Option<Coefficient>, Vec<Coefficient>) {
        let all = 0..self.values.len();
        let own = |l: usize, base: &Point<T>| self.level(l).less(base).coefficient(&term.names[l], bounds);
        let Some(reference) = term.reference else {
            let zero = self.zero();
            return (None, all.map(|l| own(l, &zero)).collect());
        };
        let base = match term.contrasts {
            Contrasts::Sum => self.mean(),
            _ => self.level(reference),
        };
        let levels = all.filter(|&l| l != reference).map(|l| own(l, &base)).collect();
        let constant = base.less(&self.zero()).coefficient(INTERCEPT, bounds);
        (Some(constant), levels)
    }
}

impl<T: Scalar> Effects<T> {
    /// The effect of a level.
    fn level(&self, level: usize) -> Point<T> {
        Point {
            value: self.values[level],
            size: self.sizes[level],
            deviations: self.deviations.col_as_slice(level).to_vec(),
            leverage: self.leverage.col_as_slice(level).to_vec(),
            variance: T::ONE / self.weights[level],
            share: T::ZERO,
        }
    }

    /// The mean of the effects of all levels.
    fn mean(&self) -> Point<T> {
        let n = T::rounded(fx128::from_f64(self.values.len() as f64));
        let mut mean = Point::zero(self.means.len(), self.origin.len());
        for level in (0..self.values.len()).map(|l| self.level(l)) {
            mean.value += level.value / n;
            mean.size += level.size / n.near();
            mean.variance += level.variance / n / n;
            mean.deviations.iter_mut().zip(&level.deviations).for_each(|(sum, x)| *sum += x / n.near());
            mean.leverage.iter_mut().zip(&level.leverage).for_each(|(sum, v)| *sum += *v / n);
        }
        mean.share = T::ONE / n;
        mean
    }

    /// Zero, seen from the constant.
    fn zero(&self) -> Point<T> {
        let mut zero = Point::zero(self.means.len(), self.origin.len());
        (zero.value, zero.size) = (T::ZERO - self.constant.0, self.constant.1);
        zero.deviations.iter_mut().zip(&self.means).for_each(|(x, mean)| *x = -mean.near());
        zero.leverage.iter_mut().zip(&self.origin).for_each(|(v, own)| *v -= *own);
        zero
    }

    /// What intervals of predictions need of the columns in `kept`, if it is not too much to keep: the means of these over all
    /// rows, and the levels.
    pub(crate) fn for_intervals(&self, kept: &[usize]) -> Option<(Vec<(f64, f64)>, LevelVariance)> {
        const MOST: usize = 2_000_000;
        let levels = self.deviations.ncols();
        let cells = (0..levels).flat_map(|l| kept.iter().map(move |&j| (j, l)));
        let own = |&j: &usize| {
            let mean = self.means[j].double_double();
            (mean.0, mean.1)
        };
        (levels * self.deviations.nrows() <= MOST).then(|| {
            let weights = self.weights.iter().map(|w| w.near()).collect();
            let deviations = cells.map(|at| self.deviations[at]).collect();
            (kept.iter().map(own).collect(), LevelVariance { weights, deviations })
        })
    }
}

/// An effect of levels less the constant, and what its variance is made of.
struct Point<T> {
    value: T,
    /// The size of the terms that the value is the sum of.
    size: f64,
    /// Means of the columns there, less those over all rows.
    deviations: Vec<f64>,
    /// `A'` times these.
    leverage: Vec<T>,
    /// The variance that the levels themselves contribute, in units of sigma squared.
    variance: T,
    /// The share of every level in it, besides the one that it is the effect of.
    share: T,
}

impl<T: Scalar> Point<T> {
    fn zero(columns: usize, rank: usize) -> Self {
        let (deviations, leverage) = (vec![0.0; columns], vec![T::ZERO; rank]);
        Self { value: T::ZERO, size: 0.0, deviations, leverage, variance: T::ZERO, share: T::ZERO }
    }

    /// The difference to a base.
    fn less(mut self, base: &Self) -> Self {
        self.value -= base.value;
        self.size += base.size;
        self.deviations.iter_mut().zip(&base.deviations).for_each(|(x, other)| *x -= other);
        self.leverage.iter_mut().zip(&base.leverage).for_each(|(v, other)| *v -= *other);
        self.variance = self.variance * (T::ONE - base.share - base.share) + base.variance;
        self
    }

    fn coefficient(&self, term: &str, bounds: Option<&Bounds>) -> Coefficient {
        let unit_error = (self.variance + dot(&self.leverage, &self.leverage)).root().near();
        let quality = bounds.map(|bounds| {
            bounds.of_effect(&self.deviations, self.size, unit_error, self.variance.root().near())
        });
        Coefficient { term: term.to_owned(), value: Some(self.value.near()), unit_error, quality }
    }
}
