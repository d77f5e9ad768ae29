//! From sufficient statistics to a [`Fit`].

pub(crate) mod absorb;
pub(crate) mod aliased;
pub(crate) mod centre;
pub(crate) mod error_analysis;
pub(crate) mod solution;

use serde::{Deserialize, Serialize};
use streamreg_core::{CrossProducts, DoubleDoubleProducts, TriangularFactor};

use crate::coefficient::Coefficient;
use crate::covariance::{Bread, VcovSummary};
use crate::equation::Equation;
use crate::error::{Error, Result};
use crate::factor::svd::extremes;
use crate::factor::{Aside, Factor, cholesky, qr};
use crate::fit::absorb::{Absorbed, Averaged, roundings};
use crate::fit::aliased::{Aliased, Relation};
use crate::fit::centre::Centre;
use crate::fit::error_analysis::{ErrorAnalysis, Errors, Known, undecided};
use crate::fit::solution::{Covariance, Scaled, Solution};
use crate::inference::wald::WaldTest;
use crate::inference::{Glance, TermEstimate, estimates, glance};
use crate::options::{Collinear, SolveOptions, Solver};
use crate::scalar::Scalar;
use crate::warning::Warning;

/// The sufficient statistics that a fit starts from.
#[derive(Clone, Copy, Debug)]
pub enum SolveInput<'a> {
    /// For the normal equations.
    CrossProducts(&'a CrossProducts),
    /// For the normal equations beyond float64, from sums that are exact.
    Exact(&'a DoubleDoubleProducts),
    /// For QR and SVD.
    TriangularFactor(&'a TriangularFactor),
    /// For the normal equations that are left when a category is eliminated.
    Absorbed(Absorbed<'a>),
}

impl SolveInput<'_> {
    fn rows(&self) -> u64 {
        match self {
            Self::CrossProducts(c) => c.moments().rows(),
            Self::Exact(d) => d.rows(),
            Self::TriangularFactor(t) => t.moments().rows(),
            Self::Absorbed(a) => a.means.products().moments().rows(),
        }
    }
}

/// A fitted linear regression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// The category whose levels were eliminated: the condition number is that of the other columns, about their means within
    /// its levels.
    pub eliminated: Option<String>,
    /// The solver that produced the numbers.
    pub solver: Solver,
    /// How clear the decision about the rank was.
    pub rank_margin: RankMargin,
    /// Correct digits that the arithmetic guarantees the coefficients: the fewest of one, as
    /// [`TermEstimate::digits_arithmetic`], but one that is next to zero is measured by its standard error, or by
    /// what would explain a millionth of the response.
    pub digits: f64,
    /// Correct digits of it that the input supports if every cell is off by half a unit in the last place.
    pub digits_input: f64,
    /// Correct digits that it guarantees the residual sum of squares, on which all standard errors rest.
    pub residual_digits: f64,
    /// Correct digits of it that the input supports if every cell carries half a unit in the last place.
    pub residual_digits_input: f64,
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

/// The decision about the rank, and how far from another one it was: every column's residual on the columns kept
/// before it, as a share of its norm, beside the tolerance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RankMargin {
    /// Columns with at most this share left are set aside.
    pub tolerance: f64,
    /// The smallest share of a column that was kept; `None` without one.
    pub smallest_kept: Option<f64>,
    /// The largest share of a column that was set aside; `None` without one.
    pub largest_aside: Option<f64>,
    /// All shares, in the order of the features.
    pub residuals: Vec<f64>,
}

impl RankMargin {
    fn new<T>(factor: &Factor<T>, tolerance: f64) -> Self {
        let kept = factor.kept.iter().map(|&k| factor.residuals[k]);
        let aside = factor.aside.iter().map(|a| a.residual);
        Self {
            tolerance,
            smallest_kept: kept.reduce(f64::min),
            largest_aside: aside.reduce(f64::max),
            residuals: factor.residuals.clone(),
        }
    }
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
pub fn fit(statistics: SolveInput<'_>, equation: &Equation, options: &SolveOptions) -> Result<Attempt> {
    options.validate()?;
    if statistics.rows() == 0 {
        return Err(Error::NoRows);
    }
    let (intercept, tolerance) = (equation.intercept, options.rank_tol);
    let columns = equation.features.len();
    match statistics {
        SolveInput::CrossProducts(c) => {
            let centre = Centre::of(c.moments());
            let factor = cholesky::factor(c, intercept, tolerance);
            let errors = Errors::of_products(columns, centre.rows);
            let (decompose, solver) = (Scaled::new as Decompose<f64>, Solver::Cholesky);
            Problem { factor, centre, errors, decompose, solver, absorbed: None }.fit(equation, options)
        }
        SolveInput::Exact(d) => {
            let factor = cholesky::factor_double_double(d, intercept, tolerance);
            let errors = Errors::of_double_double(&factor, 0);
            let centre = Centre::of_double_double(d);
            let (decompose, solver) = (Scaled::new as Decompose<_>, Solver::Cholesky);
            Problem { factor, centre, errors, decompose, solver, absorbed: None }.fit(equation, options)
        }
        SolveInput::TriangularFactor(t) => {
            let centre = Centre::of(t.moments());
            let factor = qr::factor(t, intercept, tolerance);
            let errors = Errors::of_rows(columns, centre.rows);
            let (decompose, solver) = match options.solver {
                Solver::Svd => (Scaled::by_svd as Decompose<f64>, Solver::Svd),
                _ => (Scaled::new as Decompose<f64>, Solver::Qr),
            };
            Problem { factor, centre, errors, decompose, solver, absorbed: None }.fit(equation, options)
        }
        SolveInput::Absorbed(a) => match a.means.double_double_products() {
            Some(d) => {
                let factor = a.factor(intercept, tolerance);
                let errors = Errors::of_double_double(&factor, roundings(a.means.len()));
                let centre = Centre::of_double_double(d).select(a.columns);
                let (decompose, solver) = (Scaled::new as Decompose<faer::fx128>, Solver::Cholesky);
                Problem { factor, centre, errors, decompose, solver, absorbed: Some(a) }
                    .fit(equation, options)
            }
            None => {
                let factor = a.factor(intercept, tolerance);
                let centre = Centre::of(a.means.products().moments()).select(a.columns);
                let errors = Errors::of_products(columns, centre.rows);
                let (decompose, solver) = (Scaled::new as Decompose<f64>, Solver::Cholesky);
                Problem { factor, centre, errors, decompose, solver, absorbed: Some(a) }
                    .fit(equation, options)
            }
        },
    }
}

/// From a factor to the coefficients of its scaled columns.
type Decompose<T> = fn(&Factor<T>) -> Result<Scaled<T>>;

/// A least-squares problem in one of the arithmetics.
struct Problem<'a, T> {
    factor: Factor<T>,
    centre: Centre,
    errors: Errors,
    decompose: Decompose<T>,
    solver: Solver,
    absorbed: Option<Absorbed<'a>>,
}

impl<T: Averaged> Problem<'_, T> {
    fn fit(self, equation: &Equation, options: &SolveOptions) -> Result<Attempt> {
        let Self { factor, centre, .. } = &self;
        check_finite(factor, equation)?;
        let scaled = (self.decompose)(factor)?;
        let (largest, smallest) = extremes(factor, &scaled.inverse)?;
        let condition = largest / smallest;
        // Without the levels of a category, which stand for the constant, columns are those about their means.
        let own_constant = equation.intercept && self.absorbed.is_none();
        let centred = equation.intercept || self.absorbed.is_some();
        let errors = (self.errors.amplified(equation.amplification), equation.cell_errors.as_slice());
        let constant = (own_constant, centred);
        let precision = ErrorAnalysis::new(factor, &scaled, centre, constant, errors, condition);
        let solved = self.solve(&scaled, &precision, equation, options, condition)?;
        // Matrices of columns x columns that nobody needs any more go before others come.
        drop(scaled);
        let Solved { mut coefficients, solution, shortest, covariance_of, aliased } = solved;
        let glance = glance(factor, centre.weight(), equation);
        let variance = factor.rss / T::rounded(faer::fx128::from_f64(glance.df_residual as f64));
        let sigma = (glance.df_residual > 0).then(|| variance.root());
        let covariance = sigma.and_then(|sigma| solution.covariance(sigma)).and_then(covariance_of);
        let whole = self.absorbed.is_none() && !shortest;
        let bread = (options.bread && whole).then(|| Bread::new(&solution, centre, equation.intercept));
        let known = Known::all(&coefficients, sigma.map(T::near));
        let constant = factor.tss == T::ZERO;
        let [digits, digits_input] = Known::fewest(&known, constant);
        // What is left is next to nothing, and may be rounding.
        let perfect = !constant && factor.rss.near() <= 1e-10 * factor.tss.near();
        let mut warnings = precision.warnings(&known, constant, perfect);
        warnings.extend(self.remarks(constant, glance.df_residual));
        if shortest {
            coefficients.iter_mut().for_each(|c| c.quality = None);
        }
        let coefficients = estimates(coefficients, &glance, options.conf_level);
        let beyond = T::UNIT < f64::UNIT;
        // Rows in float64 know no more than this.
        warnings.extend(beyond.then(|| undecided(factor, equation)).flatten());
        let doubts = !beyond && matches!(self.errors, Errors::Products(_));
        let doubt =
            doubts.then(|| precision.doubt(factor, equation, (digits, options.wanted_digits))).flatten();
        let fit = Fit {
            vcov: VcovSummary::iid(glance.df_residual),
            coefficients,
            covariance,
            rank: factor.coefficients(equation.intercept),
            glance,
            aliased,
            condition_number: condition,
            eliminated: self.absorbed.map(|absorbed| absorbed.term.label.clone()),
            solver: self.solver,
            rank_margin: RankMargin::new(factor, options.rank_tol),
            digits,
            digits_input,
            residual_digits: precision.residual,
            residual_digits_input: precision.residual_input,
            warnings,
            tests: Vec::new(),
            bread,
        };
        Ok(Attempt { fit, doubt })
    }

    fn remarks(&self, constant: bool, df_residual: u128) -> impl Iterator<Item = Warning> {
        let message = "the response is constant: there is nothing to explain, and R² has no value";
        let constant = constant.then(|| Warning::new("constant_response", message));
        let message = "as many coefficients as rows: no degrees of freedom are left for standard errors";
        let saturated = (df_residual == 0).then(|| Warning::new("no_residual_df", message));
        constant.into_iter().chain(saturated)
    }

    fn solve(
        &self,
        scaled: &Scaled<T>,
        precision: &ErrorAnalysis,
        equation: &Equation,
        options: &SolveOptions,
        condition: f64,
    ) -> Result<Solved<T>> {
        let Self { factor, centre, .. } = self;
        let own_constant = equation.intercept && self.absorbed.is_none();
        let mut solution = Solution::new(factor, scaled, centre, own_constant);
        let relation = |a: &Aside<T>| Relation::new(a, factor, centre, own_constant);
        let relations: Vec<_> = factor.aside.iter().map(relation).collect();
        if let Some(absorbed) = self.absorbed {
            return Ok(solve_absorbed(
                absorbed,
                (factor, centre),
                solution,
                relations,
                precision,
                equation,
                condition,
            ));
        }
        let aliased = relations.iter().map(|r| r.describe(equation, condition)).collect();
        let shortest = options.collinear == Collinear::MinNorm && !relations.is_empty();
        if shortest {
            solution.minimise_norm(&relations, equation);
        }
        let unit_errors = solution.unit_errors();
        let row = |(t, term): (usize, String)| Coefficient {
            term,
            value: solution.values[t].map(T::near),
            unit_error: unit_errors[t],
            quality: precision.terms[t].clone(),
        };
        let coefficients = equation.terms().into_iter().enumerate().map(row).collect();
        Ok(Solved { coefficients, solution, shortest, covariance_of: Box::new(Some), aliased })
    }
}

/// What comes out of a factor.
struct Solved<T> {
    coefficients: Vec<Coefficient>,
    solution: Solution<T>,
    /// Whether its norm was minimised: then nothing is said of single coefficients' digits.
    shortest: bool,
    /// Completes the covariance of the solution to that of all coefficients.
    covariance_of: Box<dyn FnOnce(Covariance) -> Option<Covariance>>,
    aliased: Vec<Aliased>,
}

/// The coefficients where a category was eliminated, in the order of the terms.
fn solve_absorbed<T: Averaged>(
    absorbed: Absorbed<'_>,
    (factor, centre): (&Factor<T>, &Centre),
    solution: Solution<T>,
    relations: Vec<Relation<T>>,
    precision: &ErrorAnalysis,
    equation: &Equation,
    condition: f64,
) -> Solved<T> {
    let without = Equation { intercept: false, ..equation.clone() };
    let describe = |relation: &Relation<T>| {
        let mut aliased = relation.describe(&without, condition);
        let own = factor.scale[relation.column()].near();
        let between = absorbed.square(&relation.remainder(equation.features.len()));
        // What the other columns leave of it is constant within levels. Is there more than rounding?
        if between > 1e-12 * own * own || aliased.depends_on.is_empty() {
            aliased.levels_of = Some(absorbed.term.label.clone());
        }
        aliased
    };
    let aliased = relations.iter().map(describe).collect();
    let effects = absorbed.effects(&solution, centre);
    let (constant, levels) = effects.coefficients(absorbed.term, precision.bounds.as_ref());
    let unit_errors = solution.unit_errors();
    let row = |(t, name): (usize, &String)| Coefficient {
        term: name.clone(),
        value: solution.values[t].map(T::near),
        unit_error: unit_errors[t],
        quality: precision.terms[t].clone(),
    };
    let mut coefficients: Vec<Coefficient> = equation.features.iter().enumerate().map(row).collect();
    let (at, width) = (absorbed.term.at, levels.len());
    coefficients.splice(at..at, levels);
    let first = usize::from(constant.is_some());
    coefficients.splice(0..0, constant);
    let kept: Vec<usize> = factor.kept.clone();
    let covariance_of = move |mut covariance: Covariance| {
        // Positions among all terms: the levels stand in between.
        covariance.terms.iter_mut().for_each(|t| *t += first + if *t >= at { width } else { 0 });
        let (means, levels) = effects.for_intervals(&kept)?;
        (covariance.fitted.means, covariance.fitted.levels) = (Some(means), Some(levels));
        Some(covariance)
    };
    let covariance_of = Box::new(covariance_of);
    Solved { coefficients, solution, shortest: false, covariance_of, aliased }
}

fn check_finite<T: Scalar>(factor: &Factor<T>, equation: &Equation) -> Result<()> {
    let names = equation.features.iter().chain([&equation.response]);
    let explained = factor.explained.iter().fold(T::ZERO, |sum, v| sum + *v);
    let response = factor.tss + factor.rss + explained;
    let mut sizes = factor.scale.iter().chain([&response]);
    match names.zip(&mut sizes).find(|(_, size)| !size.near().is_finite()) {
        Some((name, _)) => Err(Error::Overflow { column: name.clone() }),
        None => Ok(()),
    }
}
