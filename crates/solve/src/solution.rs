//! Coefficients and their covariance from a factor.

use faer::Mat;
use serde::{Deserialize, Serialize};
use streamreg_core::Moments;

use crate::absorb::LevelCovariance;
use crate::aliased::Relation;
use crate::covariance::VcovSummary;
use crate::equation::Equation;
use crate::error::Result;
use crate::factor::svd::Singular;
use crate::factor::{Factor, norm};
use crate::options::Solver;

/// Covariance of the estimated coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covariance {
    /// Positions, among the terms, of the coefficients that were estimated.
    pub terms: Vec<usize>,
    /// Row-major square matrix over those terms.
    pub values: Vec<f64>,
    /// Beside an intercept, the mean of every other term in `terms`: there the fitted value has its smallest
    /// variance, and from there variances are computed without loss of digits. Absent for a solution of
    /// minimum norm.
    pub means: Option<Vec<f64>>,
    /// Variance of the fitted value at those means, `sigma² / n` for independent errors of one variance.
    pub variance_at_means: f64,
    /// Its covariance with every other term in `terms`; empty where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariance_at_means: Vec<f64>,
    /// How it was estimated.
    #[serde(default)]
    pub vcov: VcovSummary,
    /// Where a category was eliminated, what its levels add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<LevelCovariance>,
}

/// Coefficients, and a matrix `A` such that `sigma² A A'` is their covariance.
pub(crate) struct Solution {
    /// One a term; `None` for a column that was set aside.
    pub(crate) values: Vec<Option<f64>>,
    /// Rows are terms.
    pub(crate) root: Mat<f64>,
    /// Means of the features beside an intercept, unless the norm was minimised.
    means: Option<Vec<f64>>,
    weight: f64,
}

impl Solution {
    /// The solution for the columns; with `intercept`, for the constant too.
    pub(crate) fn new(factor: &Factor, moments: &Moments, intercept: bool, solver: Solver) -> Result<Self> {
        let (scaled, inverse) = if solver == Solver::Svd && factor.rank() > 0 {
            let singular = Singular::new(factor)?;
            (singular.solve(&factor.explained), singular.inverse())
        } else {
            (factor.solve_upper(&factor.explained), factor.inverse())
        };
        let first = usize::from(intercept);
        let mut values = vec![None; factor.scale.len() + first];
        let mut root = Mat::zeros(values.len(), factor.rank() + first);
        for (c, &k) in factor.kept.iter().enumerate() {
            values[first + k] = Some(scaled[c] / factor.scale[k]);
            for column in 0..factor.rank() {
                root[(first + k, first + column)] = inverse[(c, column)] / factor.scale[k];
            }
        }
        if intercept {
            values[0] = Some(constant(&values[1..], moments));
            root[(0, 0)] = 1.0 / moments.weight().sqrt();
            for column in 1..root.ncols() {
                root[(0, column)] =
                    -factor.kept.iter().map(|&k| moments.mean(k) * root[(1 + k, column)]).sum::<f64>();
            }
        }
        let means = (0..factor.scale.len()).map(|k| moments.mean(k)).collect();
        let means = intercept.then_some(means);
        Ok(Self { values, root, means, weight: moments.weight() })
    }

    /// Takes from the solution its part in the null space of the design, which changes no fitted value;
    /// what remains is the Moore-Penrose solution. The null space is known from the columns set aside, so
    /// it rests on the same rank decision as everything else.
    pub(crate) fn minimise_norm(&mut self, relations: &[Relation], equation: &Equation) {
        if relations.is_empty() {
            return;
        }
        self.means = None;
        let vectors: Vec<Vec<f64>> = relations.iter().map(|r| r.null_vector(equation)).collect();
        let terms = self.values.len();
        let basis = Mat::from_fn(terms, vectors.len(), |t, d| vectors[d][t]).qr().compute_thin_Q();
        let basic = Mat::from_fn(terms, 1, |t, _| self.values[t].unwrap_or(0.0));
        let shortest = &basic - &basis * (basis.transpose() * &basic);
        self.root = &self.root - &basis * (basis.transpose() * &self.root);
        self.values = (0..terms).map(|t| Some(shortest[(t, 0)])).collect();
    }

    /// The square root of `(A A')` of a term: its standard error in units of sigma.
    pub(crate) fn unit_error(&self, term: usize) -> f64 {
        let row: Vec<f64> = (0..self.root.ncols()).map(|c| self.root[(term, c)]).collect();
        norm(&row)
    }

    /// The covariance; `None` where it is beyond float64's range.
    pub(crate) fn covariance(&self, sigma: f64) -> Option<Covariance> {
        let terms: Vec<usize> = (0..self.values.len()).filter(|&t| self.values[t].is_some()).collect();
        let scaled = Mat::from_fn(self.root.nrows(), self.root.ncols(), |i, j| sigma * self.root[(i, j)]);
        let product = &scaled * scaled.transpose();
        let pairs = terms.iter().flat_map(|&i| terms.iter().map(move |&j| (i, j)));
        let values: Vec<f64> = pairs.map(|(i, j)| product[(i, j)]).collect();
        let means = self.means.as_ref().map(|m| terms.iter().skip(1).map(|&t| m[t - 1]).collect());
        let variance_at_means = sigma * sigma / self.weight;
        let finite = values.iter().all(|v| v.is_finite());
        finite.then_some(Covariance {
            terms,
            values,
            means,
            variance_at_means,
            covariance_at_means: Vec::new(),
            vcov: VcovSummary::default(),
            levels: None,
        })
    }
}

/// `mean(y) - sum of b_j mean(x_j)`, as if computed with twice the precision (Ogita, Rump & Oishi 2005,
/// "Accurate sum and dot product").
fn constant(slopes: &[Option<f64>], moments: &Moments) -> f64 {
    let y = moments.variables() - 1;
    let (mut sum, mut low) = (moments.mean(y), moments.mean_low(y));
    for (k, slope) in slopes.iter().enumerate() {
        let Some(b) = slope else { continue };
        let product = -b * moments.mean(k);
        let product_low = (-b).mul_add(moments.mean(k), -product) - b * moments.mean_low(k);
        let next = sum + product;
        let back = next - sum;
        low += (sum - (next - back)) + (product - back) + product_low;
        sum = next;
    }
    sum + low
}
