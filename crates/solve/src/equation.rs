//! What the numbers belong to: names, and what a row stands for.

use streamreg_core::INTERCEPT;

/// One regression: the columns of its design in the order of the statistics' variables, the response last.
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// What is explained.
    pub response: String,
    /// Names of the columns beside the constant.
    pub features: Vec<String>,
    /// Whether a constant is estimated too.
    pub intercept: bool,
    /// Observations: rows, or the sum of the weights where these are frequencies.
    pub nobs: u128,
    /// Sum of the logarithms of analytic weights; 0 for others.
    pub log_weights: f64,
    /// How far rounding may have moved the cells of every feature, as a share of its norm about zero; all 0 where it is empty.
    pub cell_errors: Vec<f64>,
    /// How many times larger the sums are that cross-products were combined from; 1 where they were not.
    pub amplification: f64,
}

impl Equation {
    /// Names of the coefficients, `(Intercept)` first where there is one.
    pub fn terms(&self) -> Vec<String> {
        let intercept = self.intercept.then(|| INTERCEPT.to_owned());
        intercept.into_iter().chain(self.features.iter().cloned()).collect()
    }
}
