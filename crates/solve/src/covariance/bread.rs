//! What a fit hands to the second pass, and to tests.

use streamreg_core::scores::ScoreModel;

use crate::fit::centre::Centre;
use crate::fit::solution::Solution;
use crate::scalar::Scalar;

/// Coefficients and a root of the inverse of the cross-products, as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Bread {
    /// Whether the constant is among the terms; it is then the first.
    pub intercept: bool,
    /// Positions, among all terms, of those that were estimated: `k` of them.
    pub terms: Vec<usize>,
    /// Their estimates.
    pub estimates: Vec<f64>,
    /// Row-major `k x k` matrix `T`, `T T'` the inverse of the cross-products of these terms' columns.
    pub root: Vec<f64>,
    /// Beside a constant, the mean of every other column and last that of the response, as a number and what it lacks
    /// to the mean; zeros else.
    pub centre: Vec<(f64, f64)>,
    /// Sum of the weights.
    pub weight: f64,
}

impl Bread {
    /// Of a solution that is not one of minimum norm. The response is the last variable of `centre`.
    pub(crate) fn new<T: Scalar>(solution: &Solution<T>, centre: &Centre, intercept: bool) -> Self {
        let estimated = solution.values.iter().enumerate().filter_map(|(t, b)| b.map(|b| (t, b.near())));
        let (terms, estimates): (Vec<usize>, Vec<f64>) = estimated.unzip();
        let first = usize::from(intercept);
        let width = terms.len();
        let cells = terms.iter().flat_map(|&t| (0..width).map(move |c| (t, c)));
        let root = cells.map(|at| solution.root[at].near()).collect();
        let variables = terms.iter().skip(first).map(|t| t - first).chain([centre.response_position()]);
        let mean = |v: usize| if intercept { centre.mean_in_two(v) } else { (0.0, 0.0) };
        let means = variables.map(mean).collect();
        Self { intercept, terms, estimates, root, centre: means, weight: centre.weight() }
    }

    /// Number of terms that were estimated.
    pub fn width(&self) -> usize {
        self.terms.len()
    }

    /// Row `i` of the root.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.root[i * self.width()..(i + 1) * self.width()]
    }

    /// The root of the centred columns alone, row-major.
    fn slope_root(&self) -> Vec<f64> {
        let first = usize::from(self.intercept);
        (first..self.width()).flat_map(|i| &self.row(i)[first..]).copied().collect()
    }

    /// The root of the centred columns, the constant among them: block-diagonal, because they are centred.
    pub(super) fn centred_root(&self) -> Vec<f64> {
        let mut root = self.root.clone();
        if self.intercept {
            root[1..self.width()].fill(0.0);
        }
        root
    }

    /// What the scores of response number `response` are computed from.
    pub fn score_model(&self, response: usize) -> ScoreModel {
        let first = usize::from(self.intercept);
        ScoreModel {
            response,
            intercept: self.intercept,
            columns: self.terms.iter().skip(first).map(|t| t - first).collect(),
            slopes: self.estimates[first..].to_vec(),
            centre: self.centre.clone(),
            root: self.slope_root(),
            weight: self.weight,
        }
    }
}
