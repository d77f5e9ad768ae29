//! Penalised least squares from centred cross-products: ridge, lasso and elastic net, paths of penalties, and
//! cross-validation, with no further look at the rows.
//!
//! With weights `w` that sum to `W`, and columns about their means beside an intercept, the sums of a pass
//! are `G = X'WX / W`, `c = X'Wy / W` and `v = y'Wy / W`, and what is minimised is
//!
//! ```text
//! P(b) = v/2 - c'b + b'Gb/2 + sum of l1_j |b_j| + 1/2 sum of l2_j b_j²
//! ```
//!
//! | [`PenaltyScale`] | penalty | `l1_j` | `l2_j` |
//! |---|---|---|---|
//! | `Sklearn` | ridge | 0 | `lambda / W`, as `sum w r² + lambda |b|²` has it |
//! | `Sklearn` | elastic net | `lambda ratio` | `lambda (1 - ratio)`, as `1/(2n) sum w' r² + ...`, `w'` of sum `n` |
//! | `Glmnet` | both | `lambda ratio s_j` | `lambda (1 - ratio) s_j² / sd(y)` |
//! | `GlmnetRaw` | both | `lambda ratio` | `lambda (1 - ratio) / sd(y)` |
//!
//! `s_j` and `sd(y)` are population standard deviations. The intercept is never penalised. The method is that
//! of Friedman, Hastie & Tibshirani (2010, "Regularization paths for generalized linear models via coordinate
//! descent"), J. Statistical Software 33(1).
//!
//! | module | what it knows |
//! |---|---|
//! | `gram` | the centred sums, and which of their columns are constant |
//! | `descent` | one penalty: coordinate descent, then the exact solution on the active set |
//! | `system` | symmetric systems: Cholesky of the equilibrated matrix, with refinement |
//! | `path` | grids of penalties, one after the other |
//! | `cv` | errors of held-out folds, and the choice |

mod cv;
mod descent;
mod gram;
mod path;
mod system;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use streamreg_core::choices;

use crate::error::{Error, Result};

pub use cv::{CrossValidated, CurvePoint, CvRule, Fold, cross_validate};
pub use gram::Gram;
pub use path::{PathPoint, grid, path, solve_one};

/// What is added to the sum of squares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Penalty {
    /// Squares of the coefficients.
    Ridge,
    /// Absolute values, in the share `l1_ratio`, and squares. The lasso has the share 1.
    ElasticNet {
        /// Between 0 (squares alone) and 1 (absolute values alone).
        l1_ratio: f64,
    },
}

impl Penalty {
    /// The lasso.
    pub const LASSO: Self = Self::ElasticNet { l1_ratio: 1.0 };

    /// The share of the absolute values.
    pub fn l1_ratio(self) -> f64 {
        match self {
            Self::Ridge => 0.0,
            Self::ElasticNet { l1_ratio } => l1_ratio,
        }
    }

    /// Its name: `ridge`, `lasso` or `elastic net`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ridge => "ridge",
            Self::ElasticNet { l1_ratio: 1.0 } => "lasso",
            Self::ElasticNet { .. } => "elastic net",
        }
    }
}

/// Whose units a penalty is given in: see the [module](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PenaltyScale {
    /// As scikit-learn's `Ridge`, `Lasso` and `ElasticNet`: columns in the units of the data.
    #[default]
    Sklearn,
    /// As R's glmnet for a Gaussian response: columns in units of their standard deviation, and the squares
    /// divided by that of the response.
    Glmnet,
    /// As glmnet with `standardize = FALSE`.
    GlmnetRaw,
}

choices!(PenaltyScale { Sklearn => "sklearn", Glmnet => "glmnet", GlmnetRaw => "glmnet-raw" });

/// A penalty and its units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PenaltyForm {
    /// What is penalised.
    pub penalty: Penalty,
    /// In which units.
    pub scale: PenaltyScale,
}

impl PenaltyForm {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Option`] for a share that is none.
    pub fn validate(&self) -> Result<()> {
        let ratio = self.penalty.l1_ratio();
        if (0.0..=1.0).contains(&ratio) {
            return Ok(());
        }
        Err(Error::Option(format!("the L1 ratio must lie between 0 and 1, not {ratio}")))
    }

    /// What a penalty of scikit-learn's scale, for rows of weight `weight` in all, takes of the absolute value of a
    /// coefficient and of half its square; `None` for a scale that depends on the spread of the data.
    pub fn plain(&self, lambda: f64, weight: f64) -> Option<(f64, f64)> {
        let ratio = self.penalty.l1_ratio();
        let squares = match self.penalty {
            Penalty::Ridge => lambda / weight,
            Penalty::ElasticNet { .. } => lambda * (1.0 - ratio),
        };
        (self.scale == PenaltyScale::Sklearn).then_some((lambda * ratio, squares))
    }

    /// The penalties of every coefficient at `lambda`.
    fn weights(&self, lambda: f64, gram: &Gram) -> Weights {
        let ratio = self.penalty.l1_ratio();
        let squares = match self.plain(lambda, gram.weight()) {
            Some((_, squares)) => squares,
            // Of a constant response nothing is explained, whatever the penalty.
            _ if gram.response_sd() == 0.0 => lambda * (1.0 - ratio),
            _ => lambda * (1.0 - ratio) / gram.response_sd(),
        };
        let unit = |j: usize| if self.scale == PenaltyScale::Glmnet { gram.sd(j) } else { 1.0 };
        let columns = 0..gram.len();
        Weights {
            l1: columns.clone().map(|j| lambda * ratio * unit(j)).collect(),
            l2: columns.map(|j| squares * unit(j) * unit(j)).collect(),
        }
    }
}

/// The penalties of every coefficient.
struct Weights {
    l1: Vec<f64>,
    l2: Vec<f64>,
}

/// The slopes at one penalty, and how sure they are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Penalized {
    /// One a column; 0 for those that are set to zero, and for constant columns.
    pub slopes: Vec<f64>,
    /// Residual mean square, `v - 2 c'b + b'Gb`, weighted.
    pub mean_square: f64,
    /// Bound on what the objective exceeds its minimum by, as a share of `v/2`; 0 for ridge, which is solved
    /// directly.
    pub gap: f64,
    /// Rounds of coordinate descent; 0 for ridge.
    pub rounds: usize,
    /// Whether it is the minimum; if not, it is the last iterate.
    pub converged: bool,
    /// Decimal digits that the arithmetic leaves the slopes, estimated from the system of equations that they
    /// solve.
    pub digits: f64,
}

impl Penalized {
    /// Number of coefficients that are not zero, the constant apart.
    pub fn nonzero(&self) -> usize {
        self.slopes.iter().filter(|b| **b != 0.0).count()
    }
}
