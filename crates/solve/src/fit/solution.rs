//! Coefficients and their covariance from a factor.

use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::covariance::VcovSummary;
use crate::equation::Equation;
use crate::error::Result;
use crate::factor::svd::Singular;
use crate::factor::{Factor, norm, power_of_two};
use crate::fit::aliased::Relation;
use crate::fit::centre::Centre;
use crate::scalar::{Scalar, dot};

/// Covariance of the estimated coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Covariance {
    /// Positions, among the terms, of the coefficients that were estimated.
    pub terms: Vec<usize>,
    /// Row-major square matrix over those terms.
    pub values: Vec<f64>,
    /// How it was estimated.
    #[serde(default)]
    pub vcov: VcovSummary,
    /// For variances of fitted values.
    pub fitted: FittedVariance,
}

impl Covariance {
    /// That of the terms at some positions, without what intervals of predictions need.
    pub(crate) fn plain(terms: Vec<usize>, values: Vec<f64>, vcov: VcovSummary) -> Self {
        Self { terms, values, vcov, fitted: FittedVariance::default() }
    }
}

/// The variance of the fitted value at a row `x`: `z' M z` with `z = T' (x - means)`.
///
/// A covariance has the condition number of the design squared, and in `x' V x` it cancels; a root of it has the number itself.
/// So the root is kept, and what stands between it and its transpose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FittedVariance {
    /// `T`, row-major, a row a term in [`Covariance::terms`]. Beside `means` its first row and column are those of the constant
    /// alone.
    pub root: Vec<f64>,
    /// `M`, row-major, symmetric, as wide as the root; absent for errors of one variance, where it is the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<Vec<f64>>,
    /// The mean of every term but the constant, as a number and what it lacks to the mean. Absent without an intercept, and for a
    /// solution of minimum norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<Vec<(f64, f64)>>,
    /// Where a category was eliminated, what its levels add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<LevelVariance>,
}

/// What the levels of a category add, where it was eliminated: the variance at `x` in level `l` is `sigma² / weight_l + z'z`
/// with `z = T' (x - means - deviations_l)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LevelVariance {
    /// Sum of the weights of every level.
    pub weights: Vec<f64>,
    /// Means of the terms in every level less those over all rows; row-major, a row a level.
    pub deviations: Vec<f64>,
}

impl FittedVariance {
    /// `z' M z`.
    pub fn square(&self, z: &[f64]) -> f64 {
        let dot = |a: &[f64]| a.iter().zip(z).map(|(a, z)| a * z).sum::<f64>();
        match &self.middle {
            None => dot(z),
            Some(middle) => middle.chunks_exact(z.len().max(1)).zip(z).map(|(line, z)| z * dot(line)).sum(),
        }
    }

    /// Columns of the root.
    pub fn width(&self, terms: usize) -> usize {
        self.root.len().checked_div(terms).unwrap_or(0)
    }
}

/// Coefficients of the scaled columns, and a matrix `A` with `(R'R)^-1 = A A'`.
pub(crate) struct Scaled<T> {
    pub(crate) values: Vec<T>,
    /// Rows are the independent columns.
    pub(crate) inverse: Mat<T>,
}

impl<T: Scalar> Scaled<T> {
    /// By back substitution.
    pub(crate) fn new(factor: &Factor<T>) -> Result<Self> {
        Ok(Self { values: factor.solve_upper(&factor.explained), inverse: T::inverse(&factor.r) })
    }
}

impl Scaled<f64> {
    /// By the singular value decomposition.
    pub(crate) fn by_svd(factor: &Factor<f64>) -> Result<Self> {
        if factor.rank() == 0 {
            return Self::new(factor);
        }
        let singular = Singular::new(factor)?;
        Ok(Self { values: singular.solve(&factor.explained), inverse: singular.inverse() })
    }
}

/// Coefficients, and a matrix `A` such that `sigma² A A'` is their covariance.
pub(crate) struct Solution<T> {
    /// One a term; `None` for a column that was set aside.
    pub(crate) values: Vec<Option<T>>,
    /// Rows are terms.
    pub(crate) root: Mat<T>,
    /// Means of the features beside an intercept, unless the norm was minimised.
    means: Option<Vec<(f64, f64)>>,
}

impl<T: Scalar> Solution<T> {
    /// The solution for the columns; with `intercept`, for the constant too.
    pub(crate) fn new(factor: &Factor<T>, scaled: &Scaled<T>, centre: &Centre, intercept: bool) -> Self {
        let first = usize::from(intercept);
        let mut values = vec![None; factor.scale.len() + first];
        let mut root = Mat::<T>::zeros(values.len(), factor.rank() + first);
        for (c, &k) in factor.kept.iter().enumerate() {
            values[first + k] = Some(scaled.values[c] / factor.scale[k]);
            let inverse = T::ONE / factor.scale[k];
            for column in 0..factor.rank() {
                root[(first + k, first + column)] =
                    scaled.inverse[(c, column)].over(factor.scale[k], inverse);
            }
        }
        if intercept {
            values[0] = Some(centre.constant(&values[1..]));
            root[(0, 0)] = T::ONE / centre.weight::<T>().root();
            for column in 1..root.ncols() {
                let part = |&k: &usize| centre.mean::<T>(k) * root[(1 + k, column)];
                root[(0, column)] = factor.kept.iter().map(part).fold(T::ZERO, |sum, v| sum - v);
            }
        }
        let means = (0..factor.scale.len()).map(|k| centre.mean_in_two(k)).collect();
        let means = intercept.then_some(means);
        Self { values, root, means }
    }

    /// Takes from the solution its part in the null space of the design, which changes no fitted value;
    /// what remains is the Moore-Penrose solution. The null space is known from the columns set aside, so
    /// it rests on the same rank decision as everything else.
    pub(crate) fn minimise_norm(&mut self, relations: &[Relation<T>], equation: &Equation) {
        if relations.is_empty() {
            return;
        }
        self.means = None;
        let basis = orthonormal(relations.iter().map(|r| r.null_vector(equation)).collect());
        let mut values: Vec<T> = self.values.iter().map(|v| v.unwrap_or(T::ZERO)).collect();
        remove(&basis, &mut values);
        self.values = values.into_iter().map(Some).collect();
        for column in 0..self.root.ncols() {
            remove(&basis, self.root.col_as_slice_mut(column));
        }
    }

    /// The standard errors of all terms in units of sigma.
    pub(crate) fn unit_errors(&self) -> Vec<f64> {
        (0..self.values.len()).map(|t| self.unit_error(t)).collect()
    }

    /// The square root of `(A A')` of a term: its standard error in units of sigma.
    fn unit_error(&self, term: usize) -> f64 {
        let row: Vec<T> = (0..self.root.ncols()).map(|c| self.root[(term, c)]).collect();
        // The root of a sum of squares in the wider arithmetic, where nothing over- or underflows.
        let square = dot(&row, &row);
        if T::UNIT < f64::UNIT && (1e-200..1e200).contains(&square.near()) {
            return square.root().near();
        }
        let row: Vec<f64> = row.iter().map(|v| v.near()).collect();
        norm(&row)
    }

    /// The covariance; `None` where it is beyond float64's range.
    pub(crate) fn covariance(&self, sigma: T) -> Option<Covariance> {
        let terms: Vec<usize> = (0..self.values.len()).filter(|&t| self.values[t].is_some()).collect();
        let scaled =
            Mat::<T>::from_fn(self.root.nrows(), self.root.ncols(), |i, j| sigma * self.root[(i, j)]);
        let product = T::outer(&scaled);
        let pairs = terms.iter().flat_map(|&i| terms.iter().map(move |&j| (i, j)));
        let values: Vec<f64> = pairs.map(|(i, j)| product[(i, j)].near()).collect();
        drop(product);
        let cells = terms.iter().flat_map(|&t| (0..scaled.ncols()).map(move |c| (t, c)));
        let mut root: Vec<f64> = cells.map(|at| scaled[at].near()).collect();
        let means = self.means.as_ref().map(|m| terms.iter().skip(1).map(|&t| m[t - 1]).collect());
        if means.is_some() {
            // About the means the fitted value is that of the constant alone.
            root[1..scaled.ncols()].fill(0.0);
        }
        let finite = values.iter().chain(&root).all(|v| v.is_finite());
        let fitted = FittedVariance { root, middle: None, means, levels: None };
        finite.then_some(Covariance { terms, values, vcov: VcovSummary::default(), fitted })
    }
}

/// Takes its parts along orthonormal vectors from a vector.
fn remove<T: Scalar>(basis: &[Vec<T>], vector: &mut [T]) {
    for direction in basis {
        let share = dot(direction, vector);
        vector.iter_mut().zip(direction).for_each(|(v, d)| *v -= share * *d);
    }
}

/// Orthonormal vectors that span the same space, by the modified method of Gram and Schmidt, twice (Giraud, Langou &
/// Rozloznik 2005: twice is enough).
fn orthonormal<T: Scalar>(vectors: Vec<Vec<T>>) -> Vec<Vec<T>> {
    let mut basis: Vec<Vec<T>> = Vec::with_capacity(vectors.len());
    for mut vector in vectors {
        for _ in 0..2 {
            // Sizes in the units of the data may be of any magnitude; a power of two changes no digit.
            let largest = vector.iter().fold(0.0f64, |m, v| m.max(v.near().abs()));
            let unit = T::rounded(faer::fx128::from_f64(power_of_two(largest)));
            vector.iter_mut().for_each(|v| *v /= unit);
            remove(&basis, &mut vector);
            let norm = dot(&vector, &vector).root();
            vector.iter_mut().for_each(|v| *v /= norm);
        }
        basis.push(vector);
    }
    basis
}
