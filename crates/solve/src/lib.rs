//! Estimates and inference of linear regression from sufficient statistics.
//!
//! Least squares for `y = Xw + b + e`: where the columns are independent the normal equations
//! `X'X w = X'y` have one solution; where they are not, the later of dependent columns are set aside or the
//! Moore-Penrose solution (of minimum norm) is taken. `sigma² = RSS / (n - rank)` and
//! `Cov(w) = sigma² (X'X)^-1`.
//!
//! Everything goes through a triangular factor of the equilibrated design, from cross-products (Cholesky)
//! or from the factor of the data (QR), and through one decision about its rank.
//!
//! | module | what it knows |
//! |---|---|
//! | [`fit()`] | statistics to [`Fit`]: the place to start |
//! | `factor` | `cholesky`, `qr`, `svd` of the equilibrated columns; the rank decision |
//! | [`Equation`] | names of the columns, what a row stands for |
//! | `absorb` | a large category, eliminated before the rest is solved for |
//! | `scalar`, `centre` | float64 and double-double, one algorithm for both; the means |
//! | `solution` | coefficients and covariance from a factor; the minimum norm |
//! | `aliased`, `error_analysis` | what depends on what; how many digits are left |
//! | `inference` | standard errors, tests, intervals, the statistics of the whole fit |
//! | `covariance` | sandwiches: robust to unequal variances, lags, clusters |
//! | [`test_error()`] | what least squares misses on rows that were held out |
//! | [`WaldTest`] | joint tests of restrictions |
//! | [`distributions`] | tails and quantiles of Student's t and Fisher's F |
//! | [`penalized`] | ridge, lasso, elastic net; paths; cross-validation from the sums of folds |
//! | [`SolveOptions`] | solver, collinear columns, rank tolerance |

mod coefficient;
mod covariance;
mod equation;
mod error;
mod factor;
mod fit;
mod inference;
mod options;
pub mod penalized;
mod scalar;
mod test_error;
mod warning;

pub use covariance::{
    Bread, ClusterCount, LossInference, LossTerms, LossVcov, Meat, Sizes, SmallSample, Vcov, VcovSummary,
    loss_has_vcov, loss_inference,
};
pub use equation::Equation;
pub use error::{Error, Result};
pub use fit::absorb::Absorbed;
pub use fit::aliased::Aliased;
pub use fit::error_analysis::{WANTED_DIGITS, WARNING_DIGITS};
pub use fit::solution::{Covariance, FittedVariance, LevelVariance};
pub use fit::{Attempt, Fit, RankMargin, SolveInput, fit};
pub use inference::wald::{Restriction, WaldTest};
pub use inference::{Glance, TermEstimate, distributions};
pub use options::{Collinear, DEFAULT_RANK_TOL, SolveOptions, Solver};
pub use test_error::{TestError, empty_folds, test_error};
pub use warning::Warning;
