//! A large category is eliminated before the rest is solved for.
//!
//! With the 0/1 columns `D` of all levels of a category beside the columns `X`, the normal equations have the
//! diagonal block `D'D` of the levels' weights. Its Schur complement `X'X - X'D (D'D)^-1 D'X` is the
//! cross-products of `X` about the means of each level (Frisch & Waugh 1933; the within transformation), and
//! has the size of `X` alone. The coefficients `b` of `X` follow from it, and then the effect of level `l`,
//! `mean_l(y) - mean_l(x)' b`, with variance `sigma² (1 / n_l + mean_l(x)' S^-1 mean_l(x))`.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par};
use serde::{Deserialize, Serialize};
use streamreg_core::layout::AbsorbedTerm;
use streamreg_core::{Contrasts, LevelMeans};

use crate::factor::{Factor, cholesky, rounding_share};
use crate::precision::Quality;
use crate::scalar::Scalar;
use crate::solution::Solution;

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

/// Levels that are taken in at a time.
const CHUNK: usize = 256;

impl Absorbed<'_> {
    /// Calls `each` with the rows of some levels at a time: for every column the mean in the level less that
    /// over all rows.
    fn chunks(&self, mut each: impl FnMut(std::ops::Range<usize>, &Mat<f64>)) {
        let all = self.means.products().moments().variables();
        let mut row = vec![0.0; all];
        let levels = self.means.len();
        for from in (0..levels).step_by(CHUNK) {
            let range = from..levels.min(from + CHUNK);
            let mut deviations = Mat::zeros(range.len(), self.columns.len());
            for (index, level) in range.clone().enumerate() {
                self.means.deviations(level, &mut row);
                for (cell, &column) in self.columns.iter().enumerate() {
                    deviations[(index, cell)] = row[column];
                }
            }
            each(range, &deviations);
        }
    }

    /// The cross-products that differences between levels explain: lower triangle.
    fn between(&self) -> Mat<f64> {
        let m = self.columns.len();
        let mut between = Mat::zeros(m, m);
        self.chunks(|range, deviations| {
            let weight = |index: usize| self.means.weight(range.start + index).sqrt();
            let scaled = Mat::from_fn(deviations.nrows(), m, |i, j| weight(i) * deviations[(i, j)]);
            let rows: MatRef<'_, f64> = scaled.as_ref();
            let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            matmul(between.as_mut(), lower, Accum::Add, rows.transpose(), full, rows, full, 1.0, Par::Seq);
        });
        between
    }

    /// The factor of the columns about the means of the levels. A column's norm is that about its overall
    /// mean, so one that hardly differs within levels is as badly determined as it is.
    pub(crate) fn factor(&self, intercept: bool, rank_tol: f64) -> Factor<f64> {
        let products = self.means.products();
        let between = self.between();
        let y = self.columns.len() - 1;
        let total = |i: usize, j: usize| products.centred(self.columns[i], self.columns[j]);
        let within = |i: usize, j: usize| total(i, j) - between[(i.max(j), i.min(j))];
        let scale: Vec<f64> = (0..y).map(|j| total(j, j).non_negative().sqrt()).collect();
        let rounding = |j: usize| rounding_share(products.moments(), self.columns[j], scale[j]);
        let of_response = within(y, y).non_negative();
        let mut factor = cholesky::factor_gram(&scale, within, of_response, rounding, rank_tol);
        factor.tss = if intercept {
            total(y, y).non_negative()
        } else {
            products.uncentred(self.columns[y], self.columns[y])
        };
        factor.absorbed = self.means.len();
        factor.absorbed_explained = (factor.tss - of_response).non_negative();
        factor
    }

    /// Square of the norm, about its mean, of a combination of the columns.
    pub(crate) fn square(&self, vector: &[f64]) -> f64 {
        let products = self.means.products();
        let terms = vector.iter().zip(self.columns).filter(|(v, _)| **v != 0.0);
        let terms: Vec<(f64, usize)> = terms.map(|(v, c)| (*v, *c)).collect();
        let pairs = terms.iter().flat_map(|a| terms.iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| a.0 * b.0 * products.centred(a.1, b.1)).sum()
    }

    /// The effects of all levels, put before the coefficient at the term's position.
    pub(crate) fn effects<T: Scalar>(&self, rest: &Solution<T>) -> Effects {
        let moments = self.means.products().moments();
        let (&response, features) = self.columns.split_last().unwrap_or((&0, &[]));
        let slopes: Vec<f64> = rest.values.iter().map(|b| b.map_or(0.0, T::near)).collect();
        let root = Mat::from_fn(rest.root.nrows(), rest.root.ncols(), |i, j| rest.root[(i, j)].near());
        let levels = self.means.len();
        let mut effects = Effects {
            values: Vec::with_capacity(levels),
            weights: (0..levels).map(|l| self.means.weight(l)).collect(),
            means: Mat::zeros(levels, features.len()),
            leverage: Mat::zeros(levels, rest.root.ncols()),
        };
        self.chunks(|range, deviations| {
            for (index, level) in range.clone().enumerate() {
                let y = moments.mean(response) + deviations[(index, features.len())];
                let mut effect = y;
                for (j, &column) in features.iter().enumerate() {
                    let x = moments.mean(column) + deviations[(index, j)];
                    effects.means[(level, j)] = x;
                    effect -= slopes[j] * x;
                }
                effects.values.push(effect);
            }
            let means = effects.means.as_ref().subrows(range.start, range.len());
            let leverage = means * root.as_ref();
            effects.leverage.as_mut().subrows_mut(range.start, range.len()).copy_from(&leverage);
        });
        effects
    }
}

/// The effects of the levels, and what their variances are made of.
pub(crate) struct Effects {
    values: Vec<f64>,
    weights: Vec<f64>,
    /// Means of the columns, a row a level.
    means: Mat<f64>,
    /// `A' mean` for `S^-1 = A A'`, a row a level.
    leverage: Mat<f64>,
}

/// A coefficient on its way into the table.
pub(crate) struct Coefficient {
    pub(crate) term: String,
    /// `None` for a column that was set aside.
    pub(crate) value: Option<f64>,
    /// Its standard error in units of sigma.
    pub(crate) unit_error: f64,
    /// How well it is known; `None` for the levels of an eliminated category and for a solution of minimum norm.
    pub(crate) quality: Option<Quality>,
}

impl Coefficient {
    fn level(term: &str, value: f64, unit_error: f64) -> Self {
        Self { term: term.to_owned(), value: Some(value), unit_error, quality: None }
    }
}

impl Effects {
    /// The intercept, where there is one, and the coefficients of the levels.
    pub(crate) fn coefficients(&self, term: &AbsorbedTerm) -> (Option<(f64, f64)>, Vec<Coefficient>) {
        let all = 0..self.values.len();
        let Some(reference) = term.reference else {
            let own = |l: usize| Coefficient::level(&term.names[l], self.values[l], self.error(l, None));
            return (None, all.map(own).collect());
        };
        let base = match term.contrasts {
            Contrasts::Sum => Base::mean(self),
            _ => Base::level(self, reference),
        };
        let others = all.filter(|&l| l != reference);
        let own = |l: usize| {
            Coefficient::level(&term.names[l], self.values[l] - base.value, self.error(l, Some(&base)))
        };
        (Some((base.value, base.error())), others.map(own).collect())
    }

    /// Standard error, in units of sigma, of a level's effect less a base.
    fn error(&self, level: usize, base: Option<&Base>) -> f64 {
        let own = 1.0 / self.weights[level];
        let columns = 0..self.leverage.ncols();
        let distance = |c: usize| self.leverage[(level, c)] - base.map_or(0.0, |b| b.leverage[c]);
        let spread: f64 = columns.map(|c| distance(c) * distance(c)).sum();
        let between = base.map_or(own, |b| own * (1.0 - 2.0 * b.share) + b.variance);
        (between + spread).sqrt()
    }

    /// What intervals of predictions need, if it is not too much to keep.
    pub(crate) fn for_intervals(self) -> Option<LevelCovariance> {
        const MOST: usize = 2_000_000;
        let (levels, columns) = (self.means.nrows(), self.means.ncols());
        (levels * columns <= MOST).then(|| {
            let means = (0..levels).flat_map(|l| (0..columns).map(move |j| (l, j)));
            let means = means.map(|at| self.means[at]).collect();
            LevelCovariance { weights: self.weights, means }
        })
    }
}

/// What the effects of levels are measured from.
struct Base {
    value: f64,
    leverage: Vec<f64>,
    /// Share of every single level in it, besides the reference itself.
    share: f64,
    /// Its own variance that levels contribute.
    variance: f64,
}

impl Base {
    fn level(effects: &Effects, level: usize) -> Self {
        let leverage = (0..effects.leverage.ncols()).map(|c| effects.leverage[(level, c)]).collect();
        Self { value: effects.values[level], leverage, share: 0.0, variance: 1.0 / effects.weights[level] }
    }

    fn mean(effects: &Effects) -> Self {
        let n = effects.values.len() as f64;
        let leverage = (0..effects.leverage.ncols())
            .map(|c| (0..effects.values.len()).map(|l| effects.leverage[(l, c)]).sum::<f64>() / n);
        let value = effects.values.iter().sum::<f64>() / n;
        let variance = effects.weights.iter().map(|w| 1.0 / w).sum::<f64>() / (n * n);
        Self { value, leverage: leverage.collect(), share: 1.0 / n, variance }
    }

    fn error(&self) -> f64 {
        (self.variance + self.leverage.iter().map(|v| v * v).sum::<f64>()).sqrt()
    }
}

/// For intervals of predictions where a category was eliminated: the variance of the expected value at `x` in
/// level `l` is `sigma² / weight_l + (x - mean_l)' V (x - mean_l)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelCovariance {
    /// Sum of the weights of every level.
    pub weights: Vec<f64>,
    /// Means of the other columns, row-major, a row a level.
    pub means: Vec<f64>,
}
