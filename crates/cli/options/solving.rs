//! How the equations are solved.

use clap::Args as ClapArgs;
use streamreg::{Collinear, Precision, Regression, Solver};

use super::choice::choice;

/// How the equations are solved.
#[derive(Debug, ClapArgs)]
pub(crate) struct SolvingArgs {
    /// How to solve: Cholesky on cross-products (auto; in float64 where it leaves 8 digits, else QR on a second pass), or
    /// one of them, or the singular value decomposition; or, pass by pass, stochastic gradient descent (sgd), full gradient
    /// descent (gd), conjugate gradients (cg)
    #[arg(long, value_parser = choice::<Solver>(), default_value_t, value_name = "NAME", help_heading = "Solving")]
    pub(crate) solver: Solver,

    /// How sums are carried: exactly, so that the same rows give the same bits in any order (but for poly()), layout or
    /// number of files, or in float64, which is faster for wide designs [auto: exact up to 64 numbers, responses
    /// included]
    #[arg(long, value_parser = choice::<Precision>(), default_value_t, value_name = "HOW", help_heading = "Solving")]
    precision: Precision,

    /// Never read the data a second time
    #[arg(long, help_heading = "Solving")]
    no_escalate: bool,

    /// Columns that depend on columns before them: drop them, stop, or give the minimum-norm solution
    #[arg(long, value_parser = choice::<Collinear>(), default_value_t, value_name = "HOW", help_heading = "Solving")]
    collinear: Collinear,

    /// A column is dependent if less than this share of its norm is left beside the columns before it
    /// [default: 1e-11]
    #[arg(long, value_name = "SHARE", help_heading = "Solving")]
    rank_tol: Option<f64>,

    /// Exit with code 4 if columns are dependent, fewer than 6 digits are reliable, the rank is undecided,
    /// or the fit is perfect but for rounding
    #[arg(long, help_heading = "Solving")]
    pub(crate) strict: bool,
}

impl SolvingArgs {
    pub(super) fn apply(&self, regression: Regression) -> Regression {
        let regression = regression
            .solver(self.solver)
            .precision(self.precision)
            .escalate(!self.no_escalate)
            .collinear(self.collinear);
        match self.rank_tol {
            Some(tolerance) => regression.rank_tol(tolerance),
            None => regression,
        }
    }
}
