//! How the equations are solved.

use clap::Args as ClapArgs;
use streamreg::{Collinear, Precision, Regression, Solver};

use super::choice::choice;

/// How the equations are solved.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Solver")]
pub(crate) struct SolvingArgs {
    /// auto, cholesky, qr, svd, sgd, gd or cg
    #[arg(
        long,
        value_parser = choice::<Solver>(), ignore_case = true,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "NAME",
        long_help = "How to solve. auto: Cholesky on cross-products; under --precision float only where that leaves 8 digits, else QR on a \
        second pass. cholesky, qr or svd (the singular value decomposition): that one. sgd, gd or cg: pass by \
        pass, by stochastic gradient descent, gradient descent or conjugate gradients"
    )]
    pub(crate) solver: Solver,

    /// How sums are carried: auto, exact or float
    #[arg(
        long,
        value_parser = choice::<Precision>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "HOW",
        hide_short_help = true,
        long_help = "How sums are carried. exact: the same rows give the same bits in any order (but for poly()), layout or \
        number of files. float: in float64, which is faster. auto: exact up to 11 columns, the target included, and up to 64 for at most 65,536 rows; \
        beyond float, and exact on a second read where that leaves too few digits. What is read once, and groups, \
        are exact up to 64 columns [default: auto]"
    )]
    precision: Option<Precision>,

    /// Never read the data a second time for more digits
    #[arg(long, hide_short_help = true)]
    no_escalate: bool,

    /// Dependent columns: drop, error, min-norm
    #[arg(
        long,
        value_parser = choice::<Collinear>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "HOW",
        hide_short_help = true,
        long_help = "Columns that depend on columns before them: set them aside (drop), stop (error), or give the solution of \
        minimum norm (min-norm) [default: drop]"
    )]
    collinear: Option<Collinear>,

    /// When a column counts as dependent
    #[arg(
        long,
        value_name = "SHARE",
        hide_short_help = true,
        long_help = "A column is dependent if less than this share of its norm is left beside the columns before it [default: \
        1e-11]"
    )]
    rank_tol: Option<f64>,

    /// Exit with code 4 if the result is doubtful
    #[arg(
        long,
        hide_short_help = true,
        long_help = "Exit with code 4 if columns are dependent, fewer than 6 digits are reliable, the rank is undecided, or \
        the fit is perfect but for rounding; with a penalty, if fewer than 6 digits are reliable"
    )]
    pub(crate) strict: bool,
}

impl SolvingArgs {
    pub(super) fn apply(&self, regression: Regression) -> Regression {
        let mut regression = regression.solver(self.solver).escalate(!self.no_escalate);
        if let Some(precision) = self.precision {
            regression = regression.precision(precision);
        }
        if let Some(collinear) = self.collinear {
            regression = regression.collinear(collinear);
        }
        if let Some(tolerance) = self.rank_tol {
            regression = regression.rank_tol(tolerance);
        }
        regression
    }
}
