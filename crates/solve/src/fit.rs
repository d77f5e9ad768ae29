//! From sufficient statistics to a [`Fit`].

use serde::{Deserialize, Serialize};
use streamreg_core::{CrossProducts, ModelSpec, Moments, TriangularFactor};

use crate::aliased::{Aliased, Relation};
use crate::error::{Error, Result};
use crate::factor::svd::extremes;
use crate::factor::{Factor, cholesky, qr};
use crate::inference::{Glance, TermEstimate, estimates, glance};
use crate::options::{Collinear, SolveOptions, Solver};
use crate::precision::Precision;
use crate::solution::{Covariance, Solution};

/// The sufficient statistics that a fit starts from.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// For the normal equations.
    CrossProducts(&'a CrossProducts),
    /// For QR and SVD.
    TriangularFactor(&'a TriangularFactor),
}

impl Statistics<'_> {
    fn moments(&self) -> &Moments {
        match self {
            Self::CrossProducts(c) => c.moments(),
            Self::TriangularFactor(t) => t.moments(),
        }
    }
}

/// Something the reader of a fit should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable name for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    /// A warning with a stable name and a sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// A fitted linear regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One estimate a term, in the order of the model, `(Intercept)` first.
    pub coefficients: Vec<TermEstimate>,
    /// Their covariance; `None` without residual degrees of freedom.
    pub covariance: Option<Covariance>,
    /// What is said of the fit as a whole.
    pub glance: Glance,
    /// Number of independent columns, the constant included.
    pub rank: usize,
    /// Columns that depend on others.
    pub aliased: Vec<Aliased>,
    /// Condition number (2-norm) of the independent columns, centred where there is an intercept and
    /// scaled to unit norm.
    pub condition_number: f64,
    /// The solver that produced the numbers.
    pub solver: Solver,
    /// Correct digits that the arithmetic leaves the coefficients, estimated from the condition number.
    pub digits: f64,
    /// Correct digits that it leaves the residual sum of squares, on which all standard errors rest.
    pub residual_digits: f64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

/// A fit, and why it should be computed from a [`TriangularFactor`] instead, if it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The fit as far as these statistics carry.
    pub fit: Fit,
    /// The reason not to rely on it.
    pub doubt: Option<Warning>,
}

impl Attempt {
    /// Takes the fit as final: a doubt becomes a warning.
    ///
    /// # Errors
    /// [`Error::Collinear`] where dependent columns were not to be accepted.
    pub fn accept(self, options: &SolveOptions) -> Result<Fit> {
        let mut fit = self.fit;
        if options.collinear == Collinear::Error && !fit.aliased.is_empty() {
            return Err(Error::Collinear(fit.aliased));
        }
        if let Some(doubt) = self.doubt {
            let message = format!("{}; the solver `qr` does better", doubt.message);
            fit.warnings.push(Warning::new(&doubt.code, message));
        }
        Ok(fit)
    }
}

/// Solves the least-squares problem that `statistics` describe.
///
/// With an intercept the features are centred and the constant is recovered from the means:
/// `b0 = mean(y) - sum of b_j mean(x_j)`, whose variance is `sigma² (1/n + m' (X'X)^-1 m)`.
///
/// # Errors
/// [`Error::NoRows`], [`Error::Overflow`], [`Error::Option`].
pub fn fit(statistics: Statistics<'_>, model: &ModelSpec, options: &SolveOptions) -> Result<Attempt> {
    options.validate()?;
    let moments = statistics.moments();
    if moments.rows() == 0 {
        return Err(Error::NoRows);
    }
    let factor = match statistics {
        Statistics::CrossProducts(c) => cholesky::factor(c, model.intercept, options.rank_tol),
        Statistics::TriangularFactor(t) => qr::factor(t, model.intercept, options.rank_tol),
    };
    check_finite(&factor, model)?;
    let (largest, smallest) = extremes(&factor)?;
    let condition = largest / smallest;
    let relations: Vec<_> = factor.aside.iter().map(|a| Relation::new(a, &factor, moments, model)).collect();
    let aliased = relations.iter().map(|r| r.describe(model, condition)).collect();
    let precision = Precision::new(statistics, &factor, largest, smallest);
    let doubt = match statistics {
        Statistics::CrossProducts(_) => precision.doubt(&factor, model),
        Statistics::TriangularFactor(_) => None,
    };
    let solver = match (statistics, options.solver) {
        (Statistics::CrossProducts(_), _) => Solver::Cholesky,
        (_, Solver::Svd) => Solver::Svd,
        _ => Solver::Qr,
    };
    let mut solution = Solution::new(&factor, moments, model, solver)?;
    if options.collinear == Collinear::MinNorm {
        solution.minimise_norm(&relations, model);
    }
    let rank = factor.rank() + usize::from(model.intercept);
    let glance = glance(&factor, moments, model.intercept);
    let coefficients = estimates(&model.terms(), &solution, &glance, options.conf_level);
    let covariance = glance.sigma.and_then(|sigma| solution.covariance(sigma));
    let mut warnings = precision.warnings(&factor);
    if factor.tss == 0.0 {
        warnings
            .push(Warning::new("constant_response", "the response is constant: there is nothing to explain"));
    }
    if glance.df_residual == 0 {
        let message = "as many coefficients as rows: no degrees of freedom are left for standard errors";
        warnings.push(Warning::new("no_residual_df", message));
    }
    let fit = Fit {
        coefficients,
        covariance,
        glance,
        rank,
        aliased,
        condition_number: condition,
        solver,
        digits: precision.coefficients,
        residual_digits: precision.residual,
        warnings,
    };
    Ok(Attempt { fit, doubt })
}

fn check_finite(factor: &Factor, model: &ModelSpec) -> Result<()> {
    let names = model.features.iter().chain([&model.response]);
    let response = factor.tss + factor.rss + factor.explained.iter().sum::<f64>();
    let sizes = factor.scale.iter().chain([&response]);
    match names.zip(sizes).find(|(_, size)| !size.is_finite()) {
        Some((name, _)) => Err(Error::Overflow { column: name.clone() }),
        None => Ok(()),
    }
}
