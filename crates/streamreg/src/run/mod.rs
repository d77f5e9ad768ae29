//! A fit under way: the passes that it needs, and what is made of their sums.

mod descent;
mod groups;
mod hypothesis;
mod inference;
mod penalized;

use std::time::Instant;

use streamreg_core::{
    Accumulator, Coding, CrossProducts, Design, DoubledProducts, Expanded, Group, Groups, Layout, LeftOut,
    LevelMeans, Levels, Missing, MissingReason, ModelSpec, Precision, RowLedger, Statistics as Sums,
    TriangularFactor, Unseen, WeightType,
};
use streamreg_reader::{InputFile, Source};
use streamreg_solve::{
    Absorbed, Attempt, Collinear, Equation, Fit, SolveOptions, Solver, Statistics, Warning, fit as solve,
};

pub use self::groups::{GroupFit, GroupSummary};
use crate::error::{Error, Result};
use crate::model::columns::model_columns;
use crate::pass::Rows;
use crate::pass::folds::FoldPlan;
use crate::report::{Common, FitReport, Reading, SolverReport, Timings};
use crate::request::regression::Regression;

/// Most columns of a design matrix: a matrix of this width takes 0.8 GB, and a thread holds two or three.
const MAX_COLUMNS: usize = 10_000;

/// Most columns that are read a second time unasked: the work grows with their square.
const MAX_ESCALATED: usize = 500;

/// Most columns that are solved in double-double arithmetic unasked: its work grows with the cube, and it costs ten
/// times that of float64. Beyond, exact sums are rounded first.
const MAX_DOUBLED: usize = 500;

/// One fit under way.
pub(crate) struct Run<'a, R> {
    regression: &'a Regression,
    rows: &'a R,
    inputs: Vec<InputFile>,
    source: Option<&'a dyn Source>,
    /// Columns that are known to have no value before anything is read.
    empty: Vec<String>,
    timings: Timings,
    start: Instant,
}

/// A model whose rows were summed.
pub(crate) struct Summed {
    pub(crate) spec: ModelSpec,
    left_out: Vec<LeftOut>,
    pub(crate) design: Design,
    levels: Levels,
    sums: Sums,
    pub(crate) ledger: RowLedger,
}

impl Summed {
    /// The levels for another pass over the same rows: those of the terms by their positions in the coding. Every level
    /// of a used row is known; rows with others are dropped for something else.
    pub(crate) fn levels_again(&self, coding: &Coding) -> Result<Levels> {
        let mut sets = self.design.fixed_level_sets(&coding.levels)?;
        // Clusters keep the numbers that they have.
        sets.extend(self.levels.sets.iter().skip(sets.len()).cloned());
        Ok(Levels { sets, unseen: Unseen::Null, ..Levels::default() })
    }

    /// How many levels the clusters have, in rows that were used or not.
    pub(crate) fn cluster_levels(&self) -> Vec<usize> {
        self.design.clusters().iter().map(|&c| self.levels.sets[c].len()).collect()
    }
}

impl<'a, R: Rows> Run<'a, R> {
    pub(crate) fn new(
        regression: &'a Regression,
        rows: &'a R,
        inputs: Vec<InputFile>,
        source: Option<&'a dyn Source>,
    ) -> Self {
        let empty = source.map(empty_columns).unwrap_or_default();
        Self { regression, rows, inputs, source, empty, timings: Timings::default(), start: Instant::now() }
    }

    pub(crate) fn options(&self) -> &'a SolveOptions {
        &self.regression.options
    }

    /// The fit of every response.
    pub(crate) fn reports(mut self) -> Result<Vec<FitReport>> {
        if let Some(solver) = self.iterative()? {
            return self.descend(solver);
        }
        if let Some(asked) = &self.regression.penalization {
            return self.penalized(asked);
        }
        self.options().validate()?;
        let triangular = matches!(self.options().solver, Solver::Qr | Solver::Svd);
        if triangular && self.regression.precision == Precision::Exact {
            let message = "qr and svd factor the data in float64: exact sums are solved by auto or cholesky";
            return Err(Error::invalid_request(message));
        }
        let (mut spec, mut left_out) = self.spec(&[])?;
        check_width(spec.terms.len())?;
        let inference = self.regression.inference.resolve(&spec, self.rows.reopens())?;
        if !spec.by.is_empty() {
            return Err(Error::invalid_request("rows are split into groups: `fit_groups` fits them"));
        }
        let design = Design::new(&spec, &self.rows.schema())?;
        let plain = spec.weights.is_none() && design.is_plain() && !inference.needs_bread();
        if triangular && plain && !design.needs_centre() {
            // Nothing has to be known of the data before their columns are; weights are summed in a pass before.
            check_width(design.variables())?;
            let layout = Layout::new(&design, &Coding::default(), false)?;
            let (factor, ledger) = self.triangular_factor(&design, &layout, &Levels::default(), 1)?;
            if !self.has_new_empty_columns(&ledger, &spec) {
                let equation = equation(&spec, &layout, ledger.rows_used, &factor_weight(&factor), 0.0);
                let fits = self.solve_all(&factor, &layout, equation, &spec, &ledger)?;
                let solver = |_: &Fit| {
                    SolverReport::direct(self.options().solver, self.options().solver, Precision::Float, 1)
                };
                let fits = fits.into_iter().map(|fit| (solver(&fit), fit)).collect();
                return self.finish(spec, left_out, &design, Coding::default(), ledger, fits);
            }
        }
        let summed = self.sum()?;
        (spec, left_out) = (summed.spec.clone(), summed.left_out.clone());
        let groups = Groups::new(&summed.design, &summed.sums, &summed.levels.sets, &summed.ledger);
        if summed.ledger.rows_used == 0 {
            return Err(no_rows(&summed.ledger, self.filters()));
        }
        let group = groups.group(0)?;
        let coding = group.coding().clone();
        let start = Instant::now();
        inference.check_columns(&summed, &group)?;
        let absorb = self.options().collinear != Collinear::MinNorm && !inference.needs_columns();
        let options = SolveOptions { bread: inference.needs_bread(), ..*self.options() };
        let beyond = self.regression.precision == Precision::Exact;
        let Attempts { layout, precision, attempts } =
            attempts(&options, (absorb, beyond), &summed.design, &group, &spec)?;
        left_out.extend(layout.left_out().iter().cloned());
        self.timings.solve_seconds += start.elapsed().as_secs_f64();
        let doubt = attempts.iter().find_map(|a| a.doubt.clone());
        let wide = layout.absorbed().is_some() || layout.len() > MAX_ESCALATED;
        let may_escalate = self.options().solver == Solver::Auto && self.regression.escalate && !wide;
        let again = triangular || (doubt.is_some() && may_escalate);
        let fits = if again && self.rows.reopens() {
            self.second_pass(&summed, &group, &coding, doubt.filter(|_| !triangular))?
        } else if triangular {
            let message = "QR needs the levels of categories beforehand, and the data cannot be read twice";
            return Err(Error::invalid_request(message));
        } else {
            let solver = SolverReport::direct(self.options().solver, Solver::Cholesky, precision, 1);
            let accept = |a: Attempt| Ok((solver.clone(), a.accept(self.options())?));
            attempts.into_iter().map(accept).collect::<Result<_>>()?
        };
        let fits = self.infer(&inference, &summed, &group, fits)?;
        self.finish(spec, left_out, &summed.design, coding, summed.ledger.clone(), fits)
    }

    /// The model, without the terms of columns that have no value anywhere.
    fn spec(&self, more_empty: &[String]) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let (mut spec, mut left_out) = self.regression.spec(&self.rows.schema())?;
        if spec.missing == Missing::Error {
            return Ok((spec, left_out));
        }
        for column in self.empty.iter().chain(more_empty) {
            let before = spec.terms.len();
            spec.terms.retain(|t| !t.columns().contains(&column.as_str()));
            if spec.terms.len() < before {
                let reason = "no value in any row".into();
                left_out.push(LeftOut { column: column.clone(), reason });
            }
        }
        let empty = |column: &String| left_out.iter().any(|l| l.column == *column);
        spec.references.retain(|(column, _)| !empty(column));
        spec.categorical.retain(|column| !empty(column));
        Ok((spec, left_out))
    }

    /// The columns of terms that turned out to have no value in any row.
    fn new_empty_columns(&self, ledger: &RowLedger, spec: &ModelSpec) -> Vec<String> {
        if spec.missing == Missing::Error || !self.rows.reopens() {
            return Vec::new();
        }
        let named: Vec<&str> = spec.terms.iter().flat_map(|t| t.columns()).collect();
        let responses: Vec<&str> = spec.responses.iter().flat_map(|f| f.columns()).collect();
        let feature = |c: &&String| named.contains(&c.as_str()) && !responses.contains(&c.as_str());
        ledger.all_null.iter().filter(feature).cloned().collect()
    }

    fn has_new_empty_columns(&self, ledger: &RowLedger, spec: &ModelSpec) -> bool {
        !self.new_empty_columns(ledger, spec).is_empty()
    }

    /// Sums all rows; once more if columns turn out to have no value.
    fn sum(&mut self) -> Result<Summed> {
        let sum = |run: &mut Self, design: &Design, levels: &Levels| {
            let (sums, ledger) = run.pass(None, design, levels, 1, || Sums::new(design))?;
            Ok((sums, ledger, ()))
        };
        Ok(self.sum_by(sum)?.0)
    }

    /// The same with `sum` as the pass, and what else it makes.
    fn sum_by<T>(
        &mut self,
        sum: impl Fn(&mut Self, &Design, &Levels) -> Result<(Sums, RowLedger, T)>,
    ) -> Result<(Summed, T)> {
        let mut empty = Vec::new();
        loop {
            let (spec, left_out) = self.spec(&empty)?;
            check_width(spec.terms.len())?;
            let design = Design::new(&spec, &self.rows.schema())?;
            // QR needs the levels alone, and what the weights sum to.
            let triangular = matches!(self.options().solver, Solver::Qr | Solver::Svd);
            let precision = if triangular { Precision::Float } else { self.regression.precision };
            let mut design = design.with_precision(precision);
            check_width(design.variables())?;
            if design.needs_centre()
                && let Some(first) = self.rows.first(&design, &self.regression.execution)?
            {
                design.centre_on(&first)?;
            }
            let levels = Levels { sets: design.level_sets(), ..Levels::default() };
            let (sums, ledger, beside) = sum(self, &design, &levels)?;
            let more = self.new_empty_columns(&ledger, &spec);
            if more.is_empty() {
                return Ok((Summed { spec, left_out, design, levels, sums, ledger }, beside));
            }
            empty.extend(more);
        }
    }

    pub(crate) fn pass<A: Accumulator>(
        &mut self,
        plan: Option<&FoldPlan>,
        design: &Design,
        levels: &Levels,
        pass: usize,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let start = Instant::now();
        let done = self.rows.accumulate(plan, design, levels, &self.regression.execution, pass, make)?;
        self.timings.pass_seconds.push(start.elapsed().as_secs_f64());
        Ok(done)
    }

    fn triangular_factor(
        &mut self,
        design: &Design,
        layout: &Layout,
        levels: &Levels,
        pass: usize,
    ) -> Result<(TriangularFactor, RowLedger)> {
        let responses = design.responses();
        let width = layout.len() + responses;
        check_width(width)?;
        let make = || Expanded::new(layout, responses, TriangularFactor::new(width));
        let (expanded, ledger) = self.pass(None, design, levels, pass, make)?;
        Ok((expanded.into_inner(), ledger))
    }

    /// Reads the data again, now that the columns of the design matrix are known, and solves by QR.
    fn second_pass(
        &mut self,
        summed: &Summed,
        group: &Group<'_>,
        coding: &Coding,
        doubt: Option<Warning>,
    ) -> Result<Vec<(SolverReport, Fit)>> {
        let layout = Layout::new(&summed.design, coding, false)?;
        let levels = summed.levels_again(coding)?;
        let (factor, _) = self.triangular_factor(&summed.design, &layout, &levels, 2)?;
        let weight = factor_weight(&factor);
        let equation = equation(&summed.spec, &layout, group.rows(), &weight, group.log_weights());
        let fits = self.solve_all(&factor, &layout, equation, &summed.spec, &summed.ledger)?;
        let requested = self.options().solver;
        let solver = match doubt {
            Some(doubt) => SolverReport::escalated(doubt.message),
            None => SolverReport::direct(requested, requested, Precision::Float, 2),
        };
        Ok(fits.into_iter().map(|fit| (solver.clone(), fit)).collect())
    }

    fn solve_all(
        &mut self,
        factor: &TriangularFactor,
        layout: &Layout,
        mut equation: Equation,
        spec: &ModelSpec,
        ledger: &RowLedger,
    ) -> Result<Vec<Fit>> {
        let start = Instant::now();
        let mut fits = Vec::new();
        for (response, name) in spec.response_names().into_iter().enumerate() {
            equation.response = name;
            let own = factor.with_last(layout.len(), layout.len() + response);
            let options = SolveOptions { bread: true, ..*self.options() };
            let attempt = solve(Statistics::TriangularFactor(&own), &equation, &options);
            let attempt = attempt.map_err(|error| match error {
                streamreg_solve::Error::NoRows => no_rows(ledger, self.filters()),
                other => other.into(),
            })?;
            fits.push(attempt.accept(self.options())?);
        }
        self.timings.solve_seconds += start.elapsed().as_secs_f64();
        Ok(fits)
    }

    fn filters(&self) -> bool {
        self.source.is_some_and(Source::filters)
    }

    fn reading(&self) -> Reading {
        self.source.map(|s| s.counts().into()).unwrap_or_default()
    }

    fn finished_timings(&self) -> Result<Timings> {
        let mut timings = self.timings.clone();
        timings.threads = self.regression.execution.resolved_threads()?;
        timings.total_seconds = self.start.elapsed().as_secs_f64();
        Ok(timings)
    }

    fn finish(
        self,
        spec: ModelSpec,
        left_out: Vec<LeftOut>,
        design: &Design,
        coding: Coding,
        ledger: RowLedger,
        fits: Vec<(SolverReport, Fit)>,
    ) -> Result<Vec<FitReport>> {
        let timings = self.finished_timings()?;
        let columns = model_columns(design, &self.rows.schema());
        let conf_level = self.options().conf_level;
        let reading = self.reading();
        let selection = self.regression.selection.clone();
        let inputs = self.inputs;
        let common =
            Common { spec, columns, ledger, left_out, inputs, reading, timings, conf_level, selection };
        let report = |(index, (solver, fit))| FitReport::new(&common, index, fit, solver, coding.clone());
        Ok(fits.into_iter().enumerate().map(report).collect())
    }
}

/// Digits that cross-products must have, or else the data are read again.
const WANTED_DIGITS: f64 = 8.0;

/// The attempt, with what is known of the digits of the cross-products it started from.
fn with_digits(mut attempt: Attempt, digits: f64, exact: bool) -> Attempt {
    let fit = &mut attempt.fit;
    let digits = digits.clamp(0.0, fit.digits);
    fit.digits = digits;
    fit.digits_input = fit.digits_input.min(digits);
    for own in fit.coefficients.iter_mut().filter_map(|c| c.digits_arithmetic.as_mut()) {
        *own = own.min(digits);
    }
    let polynomials = format!("combining powers leaves the orthogonal polynomials only {digits:.1} digits");
    if exact && digits < FEW_DIGITS {
        fit.warnings.push(Warning::new("few_digits", polynomials));
    } else if !exact && digits < WANTED_DIGITS && attempt.doubt.is_none() {
        attempt.doubt = Some(Warning::new("coarse", polynomials));
    }
    attempt
}

/// Digits below which there is a warning.
const FEW_DIGITS: f64 = 6.0;

/// The fits of all responses as far as cross-products carry.
struct Attempts {
    layout: Layout,
    /// That of the sums and of solving, the lesser of both.
    precision: Precision,
    attempts: Vec<Attempt>,
}

/// `absorb` a large category, and go `beyond` float64 for any number of columns, or not.
fn attempts(
    options: &SolveOptions,
    (absorb, beyond): (bool, bool),
    design: &Design,
    group: &Group<'_>,
    spec: &ModelSpec,
) -> Result<Attempts> {
    let layout = Layout::new(design, group.coding(), absorb)?;
    check_width(layout.len() + spec.responses.len())?;
    let solves = beyond || layout.len() <= MAX_DOUBLED;
    let doubled = if solves { group.doubled_products(&layout)? } else { None };
    let rounded = (doubled.is_none() || layout.absorbed().is_some()).then(|| group.cross_products(&layout));
    let means = rounded.as_ref().and_then(|products| group.absorbed(&layout, products, doubled.as_ref()));
    let precision = if doubled.is_some() { Precision::Exact } else { Precision::Float };
    let sums = GroupSums { rounded: rounded.as_ref(), doubled: doubled.as_ref(), means: means.as_ref() };
    let attempt = |response: usize| attempt(options, &layout, sums, group, spec, response);
    let attempts = (0..spec.responses.len()).map(attempt).collect::<Result<_>>()?;
    drop(means);
    Ok(Attempts { layout, precision, attempts })
}

/// What a group is solved from: double-double where sums are exact, else float64; of a category that is eliminated the
/// means in its levels.
#[derive(Clone, Copy)]
struct GroupSums<'a> {
    rounded: Option<&'a CrossProducts>,
    doubled: Option<&'a DoubledProducts>,
    means: Option<&'a LevelMeans<'a>>,
}

fn attempt(
    options: &SolveOptions,
    layout: &Layout,
    sums: GroupSums<'_>,
    group: &Group<'_>,
    spec: &ModelSpec,
    response: usize,
) -> Result<Attempt> {
    let mut equation = equation(spec, layout, group.rows(), &group.weight(), group.log_weights());
    equation.response = spec.response_names().swap_remove(response);
    let columns: Vec<usize> = (0..layout.len()).chain([layout.len() + response]).collect();
    let attempt = match (sums.means.zip(layout.absorbed()), sums.doubled, sums.rounded) {
        (Some((means, term)), ..) => {
            let absorbed = Absorbed { means, term, columns: &columns };
            solve(Statistics::Absorbed(absorbed), &equation, options)?
        }
        (_, Some(doubled), _) => solve(Statistics::Exact(&doubled.select(&columns)), &equation, options)?,
        (.., Some(products)) => {
            solve(Statistics::CrossProducts(&products.select(&columns)), &equation, options)?
        }
        _ => return Err(Error::data("there are no sums to solve from")),
    };
    Ok(match group.digits() {
        Some(digits) => with_digits(attempt, digits, sums.doubled.is_some()),
        None => attempt,
    })
}

/// Columns that have no value, as far as the files' statistics say so.
fn empty_columns(source: &dyn Source) -> Vec<String> {
    let summary = source.summary();
    let Some(rows) = summary.rows.filter(|&rows| rows > 0) else { return Vec::new() };
    let fields = source.schema().fields().iter().zip(&summary.null_counts);
    fields.filter(|(_, nulls)| **nulls == Some(rows)).map(|(f, _)| f.name().clone()).collect()
}

fn check_width(columns: usize) -> Result<()> {
    if columns > MAX_COLUMNS {
        return Err(Error::data(format!(
            "{columns} columns are too many: a fit with standard errors holds matrices of columns x columns, up to {MAX_COLUMNS}; \
             the solvers cg and sgd need none"
        )));
    }
    Ok(())
}

fn factor_weight(factor: &TriangularFactor) -> f64 {
    factor.moments().weight()
}

/// Names of the columns, and what the rows stand for. The response is the first one.
fn equation(spec: &ModelSpec, layout: &Layout, rows: u64, weight: &f64, log_weights: f64) -> Equation {
    let kind = spec.weights.as_ref().map(|w| w.kind);
    let (nobs, log_weights) = match kind {
        // Whole numbers, so the sum is exact up to 2^53.
        Some(WeightType::Frequency) => (*weight as u64, 0.0),
        Some(_) => (rows, log_weights),
        None => (rows, 0.0),
    };
    let response = spec.response_names().into_iter().next().unwrap_or_default();
    Equation { response, features: layout.names(), intercept: spec.intercept, nobs, log_weights }
}

/// The error for data of which no row can be used: it says why.
fn no_rows(ledger: &RowLedger, filters: bool) -> Error {
    if ledger.rows_read == 0 {
        let what = if filters { ": the filter lets none pass" } else { "" };
        return Error::data(format!("there are no rows to fit{what}"));
    }
    let causes = ledger.dropped.iter().map(|d| {
        let what = match d.reason {
            MissingReason::Null => "null",
            MissingReason::NonFinite => "not finite",
            MissingReason::ZeroWeight => "zero",
            _ => "unknown",
        };
        format!("{} for {:?} {what}", d.rows, d.column)
    });
    let causes: Vec<String> = causes.collect();
    Error::data(format!(
        "no row is left to fit: all {} were dropped, {}",
        ledger.rows_read,
        causes.join(", ")
    ))
}
