//! What was asked for becomes what is done: decided once, before rows are read.
//!
//! A [`Plan`] knows with which precision sums are carried, and the [`Route`] that a fit takes. What does not go together is
//! refused here, and so is what would have no effect ([`unused`]), and text that its owner hardly means as a category
//! ([`doubtful`]); what only the data can tell (their levels, their rank) is left to the routes in `fit`. [`limits`] has what
//! a fit may ask of memory, [`memory`] predicts what it takes.

mod doubtful;
pub(crate) mod limits;
pub(crate) mod memory;
mod unused;

use std::borrow::Cow;

use arrow_schema::SchemaRef;
use streamreg_core::iterative::{LearningRate, Loss};
use streamreg_core::{Design, EXACT_VARIABLES_ONCE, LeftOut, Missing, ModelSpec, Precision, RowLedger};
use streamreg_reader::Source;
use streamreg_solve::{Collinear, SolveOptions, Solver, WANTED_DIGITS};

pub(crate) use self::doubtful::{doubtful_categories, refuse_doubtful};
use self::limits::{MAX_COLUMNS, check_folds, check_width};
use self::unused::{Way, refuse_unused};
use crate::error::{Error, Result};
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows};
use crate::request::inference::{Inferred, SecondPass};
use crate::request::iterative::Descent;
use crate::request::penalty::{CrossValidation, Penalization};
use crate::request::regression::Regression;

/// Digits that are wanted from sums in float64 that nobody asked for.
const DIGITS_UNASKED: f64 = 10.0;

/// A fit as it will be done.
#[derive(Clone)]
pub(crate) struct Plan<'a> {
    pub(crate) regression: &'a Regression,
    /// How sums are carried.
    pub(crate) precision: Precision,
    schema: SchemaRef,
    reopens: bool,
    /// Columns that are known to have no value before anything is read.
    empty: Vec<String>,
}

impl Route<'_> {
    /// Whether the fit starts from sums, and does not take one pass after the other.
    pub(crate) fn is_from_sums(&self) -> bool {
        matches!(self, Route::Direct { .. } | Route::Penalized { .. })
    }
}

/// The ways to fit all rows. Groups of rows have a way of their own: [`Plan::of_groups`].
pub(crate) enum Route<'a> {
    /// Least squares from one pass, or two; by the triangular factor `at_once`, in the first.
    /// With `folds`, the error on rows held out is told, too.
    Direct { inferred: Inferred<'a>, at_once: bool, folds: Option<RowIdPlan> },
    /// From the sums of one pass, with those of folds where they choose the penalty.
    Penalized { asked: &'a Penalization, folds: Option<RowIdPlan> },
    /// Pass by pass.
    Iterative { solver: Solver, asked: Cow<'a, Descent> },
    /// A loss other than squares, by a solver of the program's choice: exactly, if the rows fit into memory.
    Loss { asked: &'a Descent },
}

impl<'a> Plan<'a> {
    /// The plan for a fit of every response, and its way.
    ///
    /// # Errors
    /// Where what was asked for does not go together, or not with the columns of the data.
    pub(crate) fn new<R: Rows>(
        regression: &'a Regression,
        rows: &R,
        source: Option<&dyn Source>,
    ) -> Result<(Self, Route<'a>)> {
        let mut plan = Self::any(regression, rows, source);
        let route = if let Some(asked) = plan.asked_loss() {
            plan.loss(asked)?
        } else if let Some(solver) = plan.iterative_solver()? {
            plan.iterative(solver)?
        } else if let Some(asked) = &regression.penalization {
            plan.check_penalized(asked)?;
            Route::Penalized { asked, folds: asked.cv.as_ref().map(|cv| plan.folds(cv)).transpose()? }
        } else {
            plan.direct()?
        };
        refuse_unused(&plan, Way::from(&route))?;
        if regression.checkpoint.is_some() && route.is_from_sums() {
            let message = "only iterative fits save steps: others go on from their sums (`Regression::sum_source_with`)";
            return Err(Error::invalid_request(message));
        }
        if plan.is_triangular() || matches!(route, Route::Iterative { .. } | Route::Loss { .. }) {
            // Of the sums only the levels are needed, and what the weights sum to.
            plan.precision = Precision::Float;
        } else if matches!(route, Route::Direct { .. }) && !plan.may_read_again() {
            plan.sum_once()?;
        }
        Ok((plan, route))
    }

    /// The plan for a fit of every group.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub(crate) fn of_groups<R: Rows>(
        regression: &'a Regression,
        rows: &R,
        source: Option<&dyn Source>,
    ) -> Result<Self> {
        let mut plan = Self::any(regression, rows, source);
        let refuse = |message: &str| Err(Error::invalid_request(message));
        plan.options().validate()?;
        if regression.penalization.is_some() {
            return refuse("groups of rows are not fitted with a penalty");
        }
        if let Some(solver) = plan.iterative_solver()? {
            let other = regression.descent.as_ref().is_some_and(|descent| descent.loss != Loss::Squared);
            return if other && !plan.options().solver.is_iterative() {
                refuse(
                    "groups of rows are fitted by least squares: fit each with another loss by itself, with a filter",
                )
            } else {
                refuse(&format!("the solver {solver} fits no groups"))
            };
        }
        if regression.cross_validation.is_some() {
            return refuse("groups of rows are not cross-validated: fit each by itself, with a filter");
        }
        if plan.is_triangular() {
            return refuse(
                "groups are fitted from their cross-products: the solver must be auto or cholesky",
            );
        }
        let (spec, _) = plan.spec(&[])?;
        regression.inference.refuse_groups(&spec)?;
        if spec.by.is_empty() {
            return refuse("no column splits the rows into groups");
        }
        check_width(spec.terms.len())?;
        refuse_unused(&plan, Way::Groups)?;
        // Of many groups one nearly always has columns that float64 cannot tell from dependent ones.
        plan.sum_once()?;
        Ok(plan)
    }

    fn any<R: Rows>(regression: &'a Regression, rows: &R, source: Option<&dyn Source>) -> Self {
        let empty = source.map(empty_columns).unwrap_or_default();
        let (schema, reopens) = (rows.schema(), rows.reopens());
        Self { regression, precision: regression.precision, schema, reopens, empty }
    }

    pub(crate) fn options(&self) -> &'a SolveOptions {
        &self.regression.options
    }

    /// Whether sums that leave too few digits may be followed by a second read.
    fn may_read_again(&self) -> bool {
        self.reopens && self.regression.escalate && self.options().solver == Solver::Auto
    }

    /// Sums are not made again: they are exact for more columns unless another precision was asked for.
    fn sum_once(&mut self) -> Result<()> {
        let variables = Design::new(&self.spec(&[])?.0, &self.schema)?.variables();
        if self.precision == Precision::Auto && variables <= EXACT_VARIABLES_ONCE {
            self.precision = Precision::Exact;
        }
        Ok(())
    }

    /// Digits that the sums of a fit should leave, or it is to be read again.
    pub(crate) fn wanted_digits(&self) -> f64 {
        if self.precision == Precision::Auto { DIGITS_UNASKED } else { WANTED_DIGITS }
    }

    /// The same plan with exact sums, if it was free to take those of float64, and rows may be read again.
    pub(crate) fn exactly(&self) -> Option<Self> {
        let free = self.precision == Precision::Auto && self.may_read_again();
        free.then(|| Self { precision: Precision::Exact, ..self.clone() })
    }

    /// Whether the solver factors the data themselves, and not their cross-products.
    pub(crate) fn is_triangular(&self) -> bool {
        matches!(self.options().solver, Solver::Qr | Solver::Svd)
    }

    /// The model, without the terms of columns that have no value anywhere: those of `more_empty`, too.
    pub(crate) fn spec(&self, more_empty: &[String]) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let (mut spec, mut left_out) = self.regression.spec(&self.schema)?;
        if spec.missing == Missing::Error {
            return Ok((spec, left_out));
        }
        for column in self.empty.iter().chain(more_empty) {
            let before = spec.terms.len();
            spec.terms.retain(|t| !t.columns().contains(&column.as_str()));
            if spec.terms.len() < before {
                left_out.push(LeftOut::new(column, "no value in any row"));
            }
        }
        let empty = |column: &String| left_out.iter().any(|l| l.column == *column);
        spec.references.retain(|(column, _)| !empty(column));
        spec.categorical.retain(|column| !empty(column));
        Ok((spec, left_out))
    }

    /// The columns of terms that turned out to have no value in any row.
    pub(crate) fn new_empty_columns(&self, ledger: &RowLedger, spec: &ModelSpec) -> Vec<String> {
        if spec.missing == Missing::Error || !self.reopens {
            return Vec::new();
        }
        let named: Vec<&str> = spec.terms.iter().flat_map(|t| t.columns()).collect();
        let responses: Vec<&str> = spec.responses.iter().flat_map(|f| f.columns()).collect();
        let feature = |c: &&String| named.contains(&c.as_str()) && !responses.contains(&c.as_str());
        ledger.all_null.iter().filter(feature).cloned().collect()
    }

    /// A design, bound to the columns of the data, and what it needs to know of the first rows.
    pub(crate) fn design<R: Rows>(&self, spec: &ModelSpec, passes: &Passes<'_, R>) -> Result<Design> {
        let design = Design::new(spec, &self.schema)?.with_precision(self.precision);
        let mut design = passes.execution.bounded(design);
        check_width(design.variables())?;
        passes.order_levels(&mut design)?;
        if design.needs_centre()
            && let Some(first) = passes.rows.first(&design, passes.execution)?
        {
            design.centre_on(&first)?;
        }
        Ok(design)
    }

    /// Least squares.
    fn direct(&self) -> Result<Route<'a>> {
        let refuse = |message: &str| Err(Error::invalid_request(message));
        self.options().validate()?;
        if self.is_triangular() && self.precision == Precision::Exact {
            return refuse(
                "qr and svd factor the data in float64: exact sums are solved by auto or cholesky",
            );
        }
        let (spec, _) = self.spec(&[])?;
        check_width(spec.terms.len())?;
        let inferred = self.regression.inference.resolve(&spec, self.reopens)?;
        if let SecondPass::Done(scores) = &inferred.asked.second_pass {
            scores.check_model((&spec, &self.regression.selection))?;
        }
        if !spec.by.is_empty() {
            return refuse("rows are split into groups: `fit_groups` fits them");
        }
        let at_once = self.is_triangular() && {
            // Nothing has to be known of the data before their columns are; weights are summed in a pass before.
            let design = Design::new(&spec, &self.schema)?;
            let plain = spec.weights.is_none() && design.has_only_numbers() && !inferred.needs_bread();
            // The sums have the folds, and the spread of the columns.
            let beside = self.regression.cross_validation.is_some() || self.regression.standardized;
            plain && !design.needs_centre() && !beside
        };
        if self.is_triangular() && !at_once && !self.reopens {
            return refuse("QR needs the levels of categories beforehand, and the data cannot be read twice");
        }
        let cv = self.regression.cross_validation.as_ref();
        if cv.is_some() && self.is_triangular() {
            return refuse(
                "cross-validation starts from the cross-products of the folds: the solver must be auto or cholesky",
            );
        }
        let folds = cv.map(|cv| self.folds(cv)).transpose()?;
        Ok(Route::Direct { inferred, at_once, folds })
    }

    fn check_penalized(&self, asked: &Penalization) -> Result<()> {
        self.options().validate()?;
        asked.validate()?;
        let refuse = |message: &str| Err(Error::invalid_request(message));
        if self.regression.cross_validation.is_some() {
            return refuse(
                "a penalty has a cross-validation of its own, which chooses its size: `Penalization::chosen`",
            );
        }
        if self.is_triangular() {
            return refuse("penalised fits start from cross-products: the solver must be auto or cholesky");
        }
        if self.regression.inference.is_asked() {
            return refuse("penalised estimates have no standard errors: neither covariances nor tests");
        }
        if !self.spec(&[])?.0.by.is_empty() {
            return refuse("groups of rows are not fitted with a penalty");
        }
        Ok(())
    }

    /// The folds of a cross-validation. Every thread has a state a fold.
    fn folds(&self, cv: &CrossValidation) -> Result<RowIdPlan> {
        let folds = RowIdPlan::folds(cv)?;
        if self.regression.state().is_some() {
            // Its sums are there already.
            return Ok(folds);
        }
        let (spec, _) = self.spec(&[])?;
        let variables = Design::new(&spec, &self.schema)?.variables();
        let threads = self.regression.execution.resolved_threads()?;
        check_folds(cv.folds, variables, self.precision, threads)?;
        Ok(folds)
    }

    /// The solver that an iterative fit takes, if it is one.
    fn iterative_solver(&self) -> Result<Option<Solver>> {
        let regression = self.regression;
        let asked = self.options().solver;
        if asked.is_iterative() {
            return Ok(Some(asked));
        }
        let descent = regression.descent.as_ref();
        let smooth = !regression.penalization.as_ref().is_some_and(|p| p.form.penalty.l1_ratio() > 0.0);
        let wide = regression.base.sparse.is_some() || regression.base.hash_bits.is_some();
        if descent.is_none() && !wide {
            return Ok(self.is_too_wide()?.then_some(if smooth { Solver::Cg } else { Solver::Sgd }));
        }
        if asked != Solver::Auto {
            let what =
                if wide { "sparse and hashed designs" } else { "losses other than squares, and epochs," };
            let message = format!("{what} need an iterative solver, not {}", asked);
            return Err(Error::invalid_request(message));
        }
        let squares = descent.is_none_or(|d| d.loss == Loss::Squared);
        let plain = descent.is_none_or(|d| d.options.rate == LearningRate::Auto && d.held_out == 0.0);
        Ok(Some(if wide && squares && smooth && plain { Solver::Cg } else { Solver::Sgd }))
    }

    /// Whether nobody asked for a solver or what only cross-products give, and these would not fit into memory.
    fn is_too_wide(&self) -> Result<bool> {
        let free = self.options().solver == Solver::Auto
            && self.options().collinear == Collinear::Drop
            && self.regression.precision == Precision::Auto
            && !self.regression.inference.is_asked()
            && self.regression.cross_validation.is_none()
            && !self.regression.standardized
            && self.reopens;
        if !free {
            return Ok(false);
        }
        let (spec, _) = self.spec(&[])?;
        Ok(spec.terms.len() > MAX_COLUMNS && spec.by.is_empty() && spec.responses.len() == 1)
    }

    /// What was asked for, if it is a loss other than squares and no solver.
    fn asked_loss(&self) -> Option<&'a Descent> {
        let regression = self.regression;
        let wide = regression.base.sparse.is_some() || regression.base.hash_bits.is_some();
        let free = self.options().solver == Solver::Auto && !wide;
        regression.descent.as_ref().filter(|descent| free && descent.loss != Loss::Squared)
    }

    fn loss(&self, asked: &'a Descent) -> Result<Route<'a>> {
        let refuse = |message: String| Err(Error::invalid_request(message));
        asked.validate(Solver::Sgd)?;
        if let Some(what) = asked.of_steps() {
            return refuse(format!(
                "{what} would have no effect: losses other than squares are minimised exactly unless the solver sgd or gd is \
                 asked for"
            ));
        }
        self.options().validate()?;
        self.regression.inference.check_loss(
            asked.loss,
            self.regression.penalization.is_some(),
            &self.spec(&[])?.0,
        )?;
        self.check_passes(|message| format!("a loss other than squares {message}"))?;
        Ok(Route::Loss { asked })
    }

    fn iterative(&self, solver: Solver) -> Result<Route<'a>> {
        let unasked = || Cow::Owned(Descent::default());
        let asked = self.regression.descent.as_ref().map_or_else(unasked, Cow::Borrowed);
        asked.validate(solver)?;
        self.check_iterative(solver)?;
        Ok(Route::Iterative { solver, asked })
    }

    fn check_iterative(&self, solver: Solver) -> Result<()> {
        let what = |message: &str| format!("the solver {solver} {message}");
        let refuse = |message: &str| Err(Error::invalid_request(what(message)));
        if self.regression.inference.is_asked() {
            return refuse("has no standard errors: neither covariances nor tests");
        }
        let ratio = self.regression.penalization.as_ref().map_or(0.0, |p| p.form.penalty.l1_ratio());
        if solver == Solver::Cg && ratio > 0.0 {
            return refuse("minimises squares: a penalty on absolute values takes sgd or gd");
        }
        self.check_passes(what)
    }

    /// Checks what a fit needs that reads the data more than once, and what it has no place for.
    fn check_passes(&self, what: impl Fn(&str) -> String) -> Result<()> {
        let refuse = |message: &str| Err(Error::invalid_request(what(message)));
        if !self.reopens {
            return refuse(
                "reads the data more than once, and they come as a stream that cannot be read again",
            );
        }
        if self.regression.cross_validation.is_some() {
            return refuse(
                "tells no error of rows held out by folds: --held-out does, or --cv with least squares",
            );
        }
        if let Some(penalization) = &self.regression.penalization {
            penalization.validate()?;
            if penalization.cv.is_some() || penalization.lambda.is_none() || penalization.has_path() {
                return refuse("takes a penalty of a given size: neither a path nor cross-validation");
            }
            if penalization.form.plain(1.0, 1.0).is_none() {
                return refuse("takes penalties in the units of the data: the penalty scale must be sklearn");
            }
        }
        let (spec, _) = self.spec(&[])?;
        if !spec.by.is_empty() {
            return refuse("fits no groups");
        }
        if spec.responses.len() != 1 {
            return refuse("fits one target: fit them one by one");
        }
        if spec.missing == Missing::Indicator {
            return refuse(
                "has no indicators of missing values: drop the rows, or fill them beforehand (--with)",
            );
        }
        let design = Design::new(&spec, &self.schema)?;
        if design.has_polynomials() {
            let message =
                "orthogonal polynomials depend on all rows: iterative solvers take poly(x, k, raw=TRUE)";
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }
}

/// Columns that have no value, as far as the files' statistics say so.
fn empty_columns(source: &dyn Source) -> Vec<String> {
    let summary = source.summary();
    let Some(rows) = summary.rows.filter(|&rows| rows > 0) else { return Vec::new() };
    let fields = source.schema().fields().iter().zip(&summary.null_counts);
    fields.filter(|(_, nulls)| **nulls == Some(rows)).map(|(f, _)| f.name().clone()).collect()
}
