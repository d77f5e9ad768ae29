//! Coefficients and their covariance from a factor.

use faer::Mat;
use serde::{Deserialize, Serialize};
use streamreg_core::{ModelSpec, Moments};

use crate::aliased::Aliased;
use crate::error::Result;
use crate::factor::Factor;
use crate::factor::svd::Singular;
use crate::options::Solver;

/// Covariance of the estimated coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covariance {
    /// Positions, among the terms, of the coefficients that were estimated.
    pub terms: Vec<usize>,
    /// Row-major square matrix over those terms.
    pub values: Vec<f64>,
}

/// Coefficients, and a matrix `A` such that `sigma² A A'` is their covariance.
pub(crate) struct Solution {
    /// One a term; `None` for a column that was set aside.
    pub(crate) values: Vec<Option<f64>>,
    /// Rows are terms.
    root: Mat<f64>,
}

impl Solution {
    pub(crate) fn new(factor: &Factor, moments: &Moments, model: &ModelSpec, solver: Solver) -> Result<Self> {
        let (scaled, inverse) = if solver == Solver::Svd && factor.rank() > 0 {
            let singular = Singular::new(factor)?;
            (singular.solve(&factor.explained), singular.inverse())
        } else {
            (factor.solve_upper(&factor.explained), factor.inverse())
        };
        let first = usize::from(model.intercept);
        let mut values = vec![None; model.features.len() + first];
        let mut root = Mat::zeros(values.len(), factor.rank() + first);
        for (c, &k) in factor.kept.iter().enumerate() {
            values[first + k] = Some(scaled[c] / factor.scale[k]);
            for column in 0..factor.rank() {
                root[(first + k, first + column)] = inverse[(c, column)] / factor.scale[k];
            }
        }
        if model.intercept {
            values[0] = Some(intercept(&values[1..], moments));
            root[(0, 0)] = 1.0 / moments.weight().sqrt();
            for column in 1..root.ncols() {
                root[(0, column)] =
                    -factor.kept.iter().map(|&k| moments.mean(k) * root[(1 + k, column)]).sum::<f64>();
            }
        }
        Ok(Self { values, root })
    }

    /// Takes from the solution its part in the null space of the design, which changes no fitted value;
    /// what remains is the Moore-Penrose solution. The null space is known from the columns set aside, so
    /// it rests on the same rank decision as everything else.
    pub(crate) fn minimise_norm(&mut self, aliased: &[Aliased], model: &ModelSpec) {
        if aliased.is_empty() {
            return;
        }
        let terms = model.terms();
        let position = |name: &str| terms.iter().position(|t| t == name);
        let mut null = Mat::zeros(terms.len(), aliased.len());
        for (d, a) in aliased.iter().enumerate() {
            for (name, value) in a.depends_on.iter().zip(&a.coefficients) {
                position(name).into_iter().for_each(|t| null[(t, d)] = -value);
            }
            position(&a.term).into_iter().for_each(|t| null[(t, d)] = 1.0);
        }
        let basis = null.qr().compute_thin_Q();
        let basic = Mat::from_fn(terms.len(), 1, |t, _| self.values[t].unwrap_or(0.0));
        let shortest = &basic - &basis * (basis.transpose() * &basic);
        self.root = &self.root - &basis * (basis.transpose() * &self.root);
        self.values = (0..terms.len()).map(|t| Some(shortest[(t, 0)])).collect();
    }

    /// `(A A')` of a term, whose square root times sigma is the standard error.
    pub(crate) fn variance(&self, term: usize) -> f64 {
        (0..self.root.ncols()).map(|c| self.root[(term, c)] * self.root[(term, c)]).sum()
    }

    pub(crate) fn covariance(&self, sigma: f64) -> Covariance {
        let terms: Vec<usize> = (0..self.values.len()).filter(|&t| self.values[t].is_some()).collect();
        let product = &self.root * self.root.transpose();
        let pairs = terms.iter().flat_map(|&i| terms.iter().map(move |&j| (i, j)));
        let values = pairs.map(|(i, j)| sigma * sigma * product[(i, j)]).collect();
        Covariance { terms, values }
    }
}

/// `mean(y) - sum of b_j mean(x_j)`, as if computed with twice the precision (Ogita, Rump & Oishi 2005,
/// "Accurate sum and dot product").
fn intercept(slopes: &[Option<f64>], moments: &Moments) -> f64 {
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
