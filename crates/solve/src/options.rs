//! What can be asked of the solution.

use serde::{Deserialize, Serialize};
use streamreg_core::{Choice, choices};

use crate::error::{Error, Result};
use crate::fit::error_analysis::WANTED_DIGITS;

/// How the least-squares problem is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Solver {
    /// Cholesky from exact sums, or from those of float64 where it leaves enough digits. Else the data are read again: for exact
    /// sums, or where float64 was asked for, for QR.
    #[default]
    Auto,
    /// Normal equations from the cross-products.
    Cholesky,
    /// The triangular factor of the data, in the order of the columns.
    Qr,
    /// The singular value decomposition of that factor.
    Svd,
    /// Coordinate descent on the cross-products; of penalised fits, not to be asked for.
    #[serde(rename = "coordinate-descent")]
    CoordinateDescent,
    /// An interior point method over rows in memory; of losses other than squares, not to be asked for.
    #[serde(rename = "interior-point")]
    InteriorPoint,
    /// Mini-batch stochastic gradient descent, epoch by epoch.
    Sgd,
    /// Gradient descent with the gradient of all rows.
    Gd,
    /// Conjugate gradients on the normal equations, which are never made.
    Cg,
}

impl Solver {
    /// Whether passes over the data are its steps.
    pub fn is_iterative(self) -> bool {
        matches!(self, Self::Sgd | Self::Gd | Self::Cg)
    }
}

impl Choice for Solver {
    const ALL: &'static [Self] =
        &[Self::Auto, Self::Cholesky, Self::Qr, Self::Svd, Self::Sgd, Self::Gd, Self::Cg];

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cholesky => "cholesky",
            Self::Qr => "qr",
            Self::Svd => "svd",
            Self::CoordinateDescent => "coordinate-descent",
            Self::InteriorPoint => "interior-point",
            Self::Sgd => "sgd",
            Self::Gd => "gd",
            Self::Cg => "cg",
        }
    }
}

choices!(text Solver);

/// What happens to columns that depend linearly on columns before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Collinear {
    /// The later column gets no coefficient, as in R.
    #[default]
    Drop,
    /// An error that names the columns.
    Error,
    /// The solution of minimum Euclidean norm over all coefficients, intercept included, in the units of
    /// the data (Moore-Penrose), as numpy's `lstsq` gives it.
    MinNorm,
}

choices!(Collinear { Drop => "drop", Error => "error", MinNorm => "min-norm" });

/// Options of a fit that do not concern the data.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SolveOptions {
    /// The solver.
    pub solver: Solver,
    /// Treatment of dependent columns.
    pub collinear: Collinear,
    /// A column whose residual on the columns before it is smaller than this share of its own norm is
    /// dependent.
    pub rank_tol: f64,
    /// Confidence level of the intervals.
    pub conf_level: f64,
    /// Whether a fit keeps its [`Bread`](crate::Bread).
    pub bread: bool,
    /// Digits that float64 cross-products should leave; with fewer there is a [doubt](crate::Attempt::doubt).
    pub wanted_digits: f64,
}

/// The default of [`SolveOptions::rank_tol`]: well above the rounding of a triangular factor of many
/// blocks, well below what data measured in float64 show by chance.
pub const DEFAULT_RANK_TOL: f64 = 1e-11;

impl Default for SolveOptions {
    fn default() -> Self {
        Self {
            solver: Solver::Auto,
            collinear: Collinear::Drop,
            rank_tol: DEFAULT_RANK_TOL,
            conf_level: 0.95,
            bread: false,
            wanted_digits: WANTED_DIGITS,
        }
    }
}

impl SolveOptions {
    /// The same, with or without the [`Bread`](crate::Bread).
    #[must_use]
    pub fn with_bread(mut self, bread: bool) -> Self {
        self.bread = bread;
        self
    }

    /// The same, with so many digits wanted of float64 cross-products.
    #[must_use]
    pub fn with_wanted_digits(mut self, digits: f64) -> Self {
        self.wanted_digits = digits;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Option`] that says what is valid.
    pub fn validate(&self) -> Result<()> {
        let inside = |value: f64| value > 0.0 && value < 1.0;
        if !inside(self.conf_level) {
            let message = format!("the confidence level must lie between 0 and 1, not {}", self.conf_level);
            return Err(Error::Option(message));
        }
        if self.solver == Solver::CoordinateDescent {
            let message = "coordinate descent solves penalised problems alone, and is not to be asked for";
            return Err(Error::Option(message.into()));
        }
        if self.solver == Solver::InteriorPoint {
            let message = "the interior point method solves losses other than squares by itself, and is not to be asked for";
            return Err(Error::Option(message.into()));
        }
        if !inside(self.rank_tol) {
            return Err(Error::Option(format!(
                "the rank tolerance must lie between 0 and 1, not {}",
                self.rank_tol
            )));
        }
        Ok(())
    }
}
