//! From sufficient statistics to a [`Fit`].

use serde::{Deserialize, Serialize};
use streamreg_core::{CrossProducts, INTERCEPT, Moments, TriangularFactor};

use crate::absorb::{Absorbed, Coefficient};
use crate::aliased::{Aliased, Relation};
use crate::covariance::{Bread, VcovSummary};
use crate::equation::Equation;
use crate::error::{Error, Result};
use crate::factor::svd::extremes;
use crate::factor::{Factor, cholesky, qr};
use crate::inference::{Glance, TermEstimate, estimates, glance};
use crate::options::{Collinear, SolveOptions, Solver};
use crate::precision::Precision;
use crate::solution::{Covariance, Solution};
use crate::wald::WaldTest;

/// The sufficient statistics that a fit starts from.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// For the normal equations.
    CrossProducts(&'a CrossProducts),
    /// For QR and SVD.
    TriangularFactor(&'a TriangularFactor),
    /// For the normal equations that are left when a category is eliminated.
    Absorbed(Absorbed<'a>),
}

impl Statistics<'_> {
    fn moments(&self) -> &Moments {
        match self {
            Self::CrossProducts(c) => c.moments(),
            Self::TriangularFactor(t) => t.moments(),
            Self::Absorbed(a) => a.means.products().moments(),
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
    /// What the standard errors rest on.
    pub vcov: VcovSummary,
    /// Joint tests.
    pub tests: Vec<WaldTest>,
    /// What other covariances start from, where [`SolveOptions::bread`] asks for it; `None` for a solution of minimum
    /// norm and where a category was eliminated.
    pub bread: Option<Bread>,
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
pub fn fit(statistics: Statistics<'_>, equation: &Equation, options: &SolveOptions) -> Result<Attempt> {
    options.validate()?;
    let moments = statistics.moments();
    if moments.rows() == 0 {
        return Err(Error::NoRows);
    }
    let factor = match statistics {
        Statistics::CrossProducts(c) => cholesky::factor(c, equation.intercept, options.rank_tol),
        Statistics::TriangularFactor(t) => qr::factor(t, equation.intercept, options.rank_tol),
        Statistics::Absorbed(a) => a.factor(equation.intercept, options.rank_tol),
    };
    check_finite(&factor, equation)?;
    let (largest, smallest) = extremes(&factor)?;
    let condition = largest / smallest;
    let precision = Precision::new(statistics, &factor, largest, smallest);
    let doubt = match statistics {
        Statistics::TriangularFactor(_) => None,
        _ => precision.doubt(&factor, equation),
    };
    let solver = match (statistics, options.solver) {
        (Statistics::TriangularFactor(_), Solver::Svd) => Solver::Svd,
        (Statistics::TriangularFactor(_), _) => Solver::Qr,
        _ => Solver::Cholesky,
    };
    let Solved { coefficients, solution, covariance_of, aliased } =
        solve(statistics, &factor, equation, options, solver, condition)?;
    let glance = glance(&factor, moments.weight(), equation);
    let whole = !matches!(statistics, Statistics::Absorbed(_))
        && (options.collinear != Collinear::MinNorm || aliased.is_empty());
    let bread = (options.bread && whole).then(|| Bread::new(&solution, moments, equation.intercept));
    let coefficients = estimates(coefficients, &glance, options.conf_level);
    let covariance = glance.sigma.and_then(|sigma| solution.covariance(sigma)).and_then(covariance_of);
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
        rank: factor.coefficients(equation.intercept),
        vcov: VcovSummary::iid(glance.df_residual),
        tests: Vec::new(),
        bread,
        glance,
        aliased,
        condition_number: condition,
        solver,
        digits: precision.coefficients,
        residual_digits: precision.residual,
        warnings,
    };
    Ok(Attempt { fit, doubt })
}

/// What comes out of a factor.
struct Solved {
    coefficients: Vec<Coefficient>,
    solution: Solution,
    /// Completes the covariance of the solution to that of all coefficients.
    covariance_of: Box<dyn FnOnce(Covariance) -> Option<Covariance>>,
    aliased: Vec<Aliased>,
}

fn solve(
    statistics: Statistics<'_>,
    factor: &Factor,
    equation: &Equation,
    options: &SolveOptions,
    solver: Solver,
    condition: f64,
) -> Result<Solved> {
    let moments = statistics.moments();
    if let Statistics::Absorbed(absorbed) = statistics {
        return solve_absorbed(absorbed, factor, equation, condition);
    }
    let intercept = equation.intercept;
    let relations: Vec<_> =
        factor.aside.iter().map(|a| Relation::new(a, factor, moments, intercept)).collect();
    let aliased = relations.iter().map(|r| r.describe(equation, condition)).collect();
    let mut solution = Solution::new(factor, moments, intercept, solver)?;
    if options.collinear == Collinear::MinNorm {
        solution.minimise_norm(&relations, equation);
    }
    let named = equation.terms().into_iter().enumerate();
    let coefficients = named.map(|(t, name)| (name, solution.values[t], solution.unit_error(t))).collect();
    Ok(Solved { coefficients, solution, covariance_of: Box::new(Some), aliased })
}

/// The coefficients where a category was eliminated, in the order of the terms.
fn solve_absorbed(
    absorbed: Absorbed<'_>,
    factor: &Factor,
    equation: &Equation,
    condition: f64,
) -> Result<Solved> {
    let products = absorbed.means.products();
    let without = Equation { intercept: false, ..equation.clone() };
    let aliased = factor.aside.iter().map(|aside| {
        let relation = Relation::new(aside, factor, products.moments(), false);
        let mut aliased = relation.describe(&without, condition);
        // What the other columns leave of it is constant within levels. Is there more than rounding?
        let vector = relation.remainder(equation.features.len());
        let terms = vector.iter().enumerate().filter(|(_, v)| **v != 0.0);
        let terms: Vec<(usize, f64)> = terms.map(|(k, v)| (absorbed.columns[k], *v)).collect();
        let pairs = terms.iter().flat_map(|a| terms.iter().map(move |b| (a, b)));
        let square: f64 = pairs.map(|(a, b)| a.1 * b.1 * products.centred(a.0, b.0)).sum();
        let own = factor.scale[relation.column()];
        if square > 1e-12 * own * own || aliased.depends_on.is_empty() {
            aliased.levels_of = Some(absorbed.term.label.clone());
        }
        aliased
    });
    let aliased = aliased.collect();
    let solution = Solution::new(factor, products.moments(), false, Solver::Cholesky)?;
    let effects = absorbed.effects(&solution);
    let (constant, levels) = effects.coefficients(absorbed.term);
    let rest = equation.features.iter().enumerate();
    let mut coefficients: Vec<Coefficient> =
        rest.map(|(t, name)| (name.clone(), solution.values[t], solution.unit_error(t))).collect();
    let (at, width) = (absorbed.term.at, levels.len());
    coefficients.splice(at..at, levels);
    let first = usize::from(constant.is_some());
    if let Some((value, error)) = constant {
        coefficients.insert(0, (INTERCEPT.to_owned(), Some(value), error));
    }
    let kept: Vec<usize> = factor.kept.clone();
    let covariance_of = move |mut covariance: Covariance| {
        // Positions among all terms: the levels stand in between.
        covariance.terms.iter_mut().for_each(|t| *t += first + if *t >= at { width } else { 0 });
        let mut levels = effects.for_intervals()?;
        let all = levels.means.len().checked_div(levels.weights.len()).unwrap_or(0);
        let rows = levels.means.chunks_exact(all.max(1));
        levels.means = rows.flat_map(|row| kept.iter().map(|&k| row[k])).collect();
        covariance.levels = Some(levels);
        Some(covariance)
    };
    Ok(Solved { coefficients, solution, covariance_of: Box::new(covariance_of), aliased })
}

fn check_finite(factor: &Factor, equation: &Equation) -> Result<()> {
    let names = equation.features.iter().chain([&equation.response]);
    let response = factor.tss + factor.rss + factor.explained.iter().sum::<f64>();
    let sizes = factor.scale.iter().chain([&response]);
    match names.zip(sizes).find(|(_, size)| !size.is_finite()) {
        Some((name, _)) => Err(Error::Overflow { column: name.clone() }),
        None => Ok(()),
    }
}
