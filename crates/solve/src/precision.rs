//! How many digits the arithmetic leaves, and what is said about it.

use crate::equation::Equation;
use crate::factor::Factor;
use crate::fit::{Statistics, Warning};

/// Digits that `Solver::Auto` wants from cross-products.
const WANTED_DIGITS: f64 = 8.0;

/// Digits below which a warning is given.
const WARNING_DIGITS: f64 = 6.0;

/// What the arithmetic leaves of float64's digits.
pub(crate) struct Precision {
    /// Of the coefficients.
    pub(crate) coefficients: f64,
    /// Of the residual sum of squares.
    pub(crate) residual: f64,
}

impl Precision {
    /// First-order bounds with `eps = 2^-53` in the place of the backward error. Coefficients: for
    /// cross-products the condition number `k` enters squared; for a triangular factor the relative error is at
    /// most about `eps k (1 + (k + 1) rho)`, `rho = |residual| / (|X| |w|)` (Golub & Van Loan, Matrix
    /// Computations, 4th ed., theorem 5.3.1). The residual `y - X w` is a difference of columns of norm 1 times
    /// the `w`, so the error of its norm is about `eps s`, `s = |y| + sum |w|`; its square is a quadratic form
    /// of the cross-products, each off by `eps`, so the error of that is about `eps s²`.
    pub(crate) fn new(statistics: Statistics<'_>, factor: &Factor, largest: f64, smallest: f64) -> Self {
        let eps = f64::EPSILON / 2.0;
        let condition = largest / smallest;
        let scaled = factor.solve_upper(&factor.explained);
        let terms = factor.tss.sqrt() + scaled.iter().map(|v| v.abs()).sum::<f64>();
        let (coefficients, residual) = match statistics {
            Statistics::CrossProducts(_) | Statistics::Absorbed(_) => {
                (eps * condition * condition, eps * (terms * terms / factor.rss))
            }
            Statistics::TriangularFactor(_) => {
                let size = scaled.iter().map(|v| v * v).sum::<f64>().sqrt();
                let rho = if size > 0.0 { factor.rss.sqrt() / (largest * size) } else { 0.0 };
                (eps * condition * (1.0 + (condition + 1.0) * rho), 2.0 * eps * (terms / factor.rss.sqrt()))
            }
        };
        let digits = |error: f64| if error.is_nan() { 16.0 } else { (-error.log10()).clamp(0.0, 16.0) };
        Self { coefficients: digits(coefficients), residual: digits(residual) }
    }

    /// Why cross-products should not be relied on, if they should not.
    pub(crate) fn doubt(&self, factor: &Factor, equation: &Equation) -> Option<Warning> {
        let undecided: Vec<&str> = factor
            .aside
            .iter()
            .filter(|a| a.undecided)
            .map(|a| equation.features[a.column].as_str())
            .collect();
        if !undecided.is_empty() {
            let message = format!(
                "float64 cross-products cannot tell whether {} depends on the columns before",
                undecided.join(", ")
            );
            return Some(Warning::new("undecided", message));
        }
        let coarse = |what: &str, digits: f64| {
            Warning::new("coarse", format!("cross-products leave {what} only {digits:.1} digits"))
        };
        if self.coefficients < WANTED_DIGITS {
            return Some(coarse("the coefficients", self.coefficients));
        }
        (self.residual < WANTED_DIGITS).then(|| coarse("the residual sum of squares", self.residual))
    }

    pub(crate) fn warnings(&self, factor: &Factor) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let noise = factor.tss > 0.0 && self.residual < 2.0;
        if noise {
            let message =
                "essentially perfect fit: the residuals are rounding noise, and so are the standard errors";
            warnings.push(Warning::new("perfect_fit", message));
        }
        let digits = if noise { self.coefficients } else { self.coefficients.min(self.residual) };
        if digits < WARNING_DIGITS {
            let message = format!(
                "the design is ill-conditioned: about {digits:.0} digits of the results are reliable"
            );
            warnings.push(Warning::new("few_digits", message));
        }
        warnings
    }
}
