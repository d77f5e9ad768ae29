//! Least squares: from the sums of one pass, and where these leave too few digits by QR on a second.

use std::time::Instant;

use streamreg_core::{
    Coding, Design, Expanded, Group, Groups, Layout, Levels, ModelSpec, Precision, RowLedger,
    TriangularFactor,
};
use streamreg_solve::{Attempt, Collinear, Equation, Fit, SolveInput, Solver, Warning, fit as solve};

use super::attempt::{Attempts, attempts, equation, equation_of};
use super::summed::{Summed, no_rows};
use super::{Fitted, beside, conclude, factor_tests, robust};
use crate::error::Result;
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::plan::limits::{MAX_DOUBLE_DOUBLE, MAX_ESCALATED, check_width};
use crate::report::{FitReport, Found, SolverReport};
use crate::request::inference::Inferred;
use crate::state::{Scores, State};

/// The fit of every response.
pub(super) fn fit<R: Rows>(
    plan: &Plan<'_>,
    inferred: &Inferred<'_>,
    (at_once, folds): (bool, Option<&RowIdPlan>),
    mut passes: Passes<'_, R>,
) -> Result<Vec<FitReport>> {
    let mut solving = Solving { plan, passes: &mut passes, seconds: 0.0, doubt: None };
    let first = if at_once { solving.at_once()? } else { None };
    let (design, fitted) = match first {
        Some(fitted) => fitted,
        None => solving.by_sums(inferred, folds)?,
    };
    let seconds = solving.seconds;
    conclude(plan, &passes, &design, seconds, fitted)
}

/// What a second pass of a fit from a state computes, and of which model: its rows are elsewhere.
pub(super) fn scores<R: Rows>(
    plan: &Plan<'_>,
    inferred: &Inferred<'_>,
    mut passes: Passes<'_, R>,
) -> Result<Scores> {
    let mut solving = Solving { plan, passes: &mut passes, seconds: 0.0, doubt: None };
    let state = Summed::sum(plan, solving.passes)?;
    let groups = Groups::new(&state.design, &state.sums, &state.levels.sets, &state.ledger);
    let group = groups.group(0)?;
    inferred.check_columns(&state, &group)?;
    let tried = solving.attempts(inferred, &state, &group)?;
    let mut fits = solving.accepted(tried.attempts, state.design.precision())?;
    let breads = fits.iter_mut().map(|(_, fit)| robust::bread(fit)).collect::<Result<Vec<_>>>()?;
    let scores = robust::plan(inferred, &state, &group, &breads, &fits)?;
    let columns = plan.regression.state().map_or_else(Vec::new, |own| own.columns_of(&state.design));
    let of = (state.design.precision(), &state.design.origins());
    let model = State::new(state.spec.clone(), columns, plan.regression.selection.clone(), None, of)?;
    Scores::new(model, group.coding().clone(), scores)
}

/// A least squares fit under way.
struct Solving<'p, 'a, R> {
    plan: &'p Plan<'p>,
    passes: &'p mut Passes<'a, R>,
    /// Seconds that solving took.
    seconds: f64,
    /// Why the data are read again.
    doubt: Option<Warning>,
}

impl<R: Rows> Solving<'_, '_, R> {
    /// QR or the singular values in the first pass. `None` where it finds columns without a value.
    fn at_once(&mut self) -> Result<Option<(Design, Fitted)>> {
        let (spec, left_out) = self.plan.spec(&[])?;
        let design = Design::new(&spec, &self.passes.schema())?;
        check_width(design.variables())?;
        let layout = Layout::new(&design, &Coding::default())?;
        let (factor, ledger) = self.triangular_factor(&design, &layout, &Levels::default())?;
        if !self.plan.new_empty_columns(&ledger, &spec).is_empty() {
            return Ok(None);
        }
        let weight = factor.moments().weight();
        let cell_errors = layout.cell_errors(&design, 1.0, false);
        let equation = Equation { cell_errors, ..equation(&spec, &layout, (ledger.rows_used, weight, 0.0)) };
        let fits = self.solve_all(&factor, &layout, equation, &spec, &ledger)?;
        let used = self.plan.options().solver;
        let report = |fit| Found::least_squares(fit, self.report(used, Precision::Float));
        let found = fits.into_iter().map(report).collect();
        Ok(Some((design, Fitted { spec, left_out, coding: Coding::default(), ledger, found })))
    }

    /// From the sums of a pass. Where these leave too few digits, from exact sums, or where float64 was asked for by QR.
    fn by_sums(&mut self, inferred: &Inferred<'_>, ids: Option<&RowIdPlan>) -> Result<(Design, Fitted)> {
        let (plan, asked) = (self.plan, self.plan.options());
        let cv = plan.regression.cross_validation.as_ref().zip(ids);
        let (state, folds) = match cv {
            Some((cv, ids)) => Summed::sum_folds(plan, ids, cv.folds, self.passes)?,
            None => (Summed::sum(plan, self.passes)?, Vec::new()),
        };
        let groups = Groups::new(&state.design, &state.sums, &state.levels.sets, &state.ledger);
        let group = groups.group(0)?;
        let tests = &inferred.asked.tests;
        let beyond = plan.regression.precision == Precision::Exact;
        inferred.check_columns(&state, &group)?;
        let tried = self.attempts(inferred, &state, &group);
        if let Some((exact, doubt)) = exactly(plan, &state, &group, &tried) {
            // The sums in float64 make room.
            drop((tried, group));
            drop(groups);
            drop((state, folds));
            return self.again(&exact, doubt, inferred, ids);
        }
        let Attempts { layout, attempts } = tried?;
        let doubt = attempts.iter().find_map(|a| a.doubt.clone());
        let wide = layout.absorbed().is_some() || layout.len() > MAX_ESCALATED;
        let escalates = asked.solver == Solver::Auto && plan.regression.escalate && !wide;
        let again = plan.is_triangular() || (doubt.is_some() && escalates);
        let fits = if again && self.passes.rows.reopens() {
            self.doubt = doubt.filter(|_| !plan.is_triangular());
            self.second_pass(&state, &group)?
        } else {
            self.accepted(attempts, state.design.precision())?
        };
        let start = Instant::now();
        let mut fits: Vec<(SolverReport, Fit)> = fits;
        let mut own: Vec<&mut Fit> = fits.iter_mut().map(|(_, fit)| fit).collect();
        if layout.absorbed().is_some() {
            factor_tests::by_squares(tests, &layout, asked, beyond, (&group, &state.spec), &mut own)?;
        }
        let errors = match cv {
            Some((cv, _)) => beside::test_errors(plan, cv, &folds, &state, &group, &mut own)?,
            None => Vec::new(),
        };
        if plan.regression.standardized {
            beside::standardize(&group, &layout, state.spec.intercept, &mut own);
        }
        self.seconds += start.elapsed().as_secs_f64();
        if layout.absorbed().is_none() {
            fits = robust::infer(inferred, asked.conf_level, &state, &group, fits, self.passes)?;
        }
        let found = fits.into_iter().map(|(solver, fit)| Found::least_squares(fit, solver));
        let mut found: Vec<Found> = found.collect();
        found.iter_mut().zip(errors).for_each(|(found, error)| found.test_error = Some(error));
        let coding = group.coding().clone();
        let Summed { spec, mut left_out, ledger, design, .. } = state;
        left_out.extend(layout.left_out().iter().cloned());
        Ok((design, Fitted { spec, left_out, coding, ledger, found }))
    }

    /// From the sums of a second pass, by another plan.
    fn again(
        &mut self,
        plan: &Plan<'_>,
        doubt: Warning,
        inferred: &Inferred<'_>,
        ids: Option<&RowIdPlan>,
    ) -> Result<(Design, Fitted)> {
        let mut again = Solving { plan, passes: self.passes, seconds: self.seconds, doubt: Some(doubt) };
        let found = again.by_sums(inferred, ids)?;
        self.seconds = again.seconds;
        Ok(found)
    }

    /// The fits as far as the sums carry.
    fn attempts(&mut self, inferred: &Inferred<'_>, state: &Summed, group: &Group<'_>) -> Result<Attempts> {
        let (plan, asked) = (self.plan, self.plan.options());
        let start = Instant::now();
        let absorb = asked.collinear != Collinear::MinNorm && !inferred.needs_columns(&state.spec);
        let options = asked.with_bread(inferred.needs_bread()).with_wanted_digits(plan.wanted_digits());
        let beyond = plan.regression.precision == Precision::Exact;
        let execution = self.passes.execution;
        let tried = attempts(&options, (absorb, beyond), execution, &state.design, group, &state.spec);
        self.seconds += start.elapsed().as_secs_f64();
        tried
    }

    /// The fits, whatever doubt there is.
    fn accepted(&self, attempts: Vec<Attempt>, precision: Precision) -> Result<Vec<(SolverReport, Fit)>> {
        let solver = self.report(Solver::Cholesky, precision);
        let accept = |attempt: Attempt| Ok((solver.clone(), attempt.accept(self.plan.options())?));
        attempts.into_iter().map(accept).collect()
    }

    /// Reads the data again, now that the columns of the design matrix are known, and solves by QR.
    fn second_pass(&mut self, state: &Summed, group: &Group<'_>) -> Result<Vec<(SolverReport, Fit)>> {
        let layout = Layout::new(&state.design, group.coding())?;
        let levels = state.levels_again(group.coding())?;
        let (factor, _) = self.triangular_factor(&state.design, &layout, &levels)?;
        let equation = equation_of(&state.spec, &layout, group, false);
        let fits = self.solve_all(&factor, &layout, equation, &state.spec, &state.ledger)?;
        let asked = self.plan.options().solver;
        let solver = self.report(if asked == Solver::Auto { Solver::Qr } else { asked }, Precision::Float);
        Ok(fits.into_iter().map(|fit| (solver.clone(), fit)).collect())
    }

    fn triangular_factor(
        &mut self,
        design: &Design,
        layout: &Layout,
        levels: &Levels,
    ) -> Result<(TriangularFactor, RowLedger)> {
        let responses = design.responses();
        let width = layout.len() + responses;
        check_width(width)?;
        let make = || Expanded::new(layout, responses, TriangularFactor::new(width));
        let (expanded, ledger) = self.passes.accumulate((design, levels), None, make)?;
        Ok((expanded.into_inner(), ledger))
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
        let asked = self.plan.options();
        let mut fits = Vec::new();
        for (response, name) in spec.response_names().into_iter().enumerate() {
            equation.response = name;
            let own = factor.with_last(layout.len(), layout.len() + response);
            let options = asked.with_bread(true);
            let attempt = solve(SolveInput::TriangularFactor(&own), &equation, &options);
            let attempt = attempt.map_err(|error| match error {
                streamreg_solve::Error::NoRows => no_rows(ledger, self.passes.filters()),
                other => other.into(),
            })?;
            fits.push(attempt.accept(asked)?);
        }
        self.seconds += start.elapsed().as_secs_f64();
        Ok(fits)
    }

    fn report(&self, used: Solver, precision: Precision) -> SolverReport {
        let report = SolverReport::new(self.plan.options().solver, used, precision, self.passes.count());
        SolverReport { escalation: self.doubt.as_ref().map(|doubt| doubt.message.clone()), ..report }
    }
}

/// The plan for exact sums on a second read, and why; `None` where the sums will do, or have to. Of what went wrong, exact
/// sums mend columns that float64 cannot make, as those of a polynomial.
fn exactly<'a>(
    plan: &Plan<'a>,
    state: &Summed,
    group: &Group<'_>,
    tried: &Result<Attempts>,
) -> Option<(Plan<'a>, Warning)> {
    let exact = plan.exactly().filter(|_| state.design.precision() == Precision::Float)?;
    let doubt = match tried {
        Ok(tried) if tried.layout.len() > MAX_DOUBLE_DOUBLE => None,
        Ok(tried) => tried.attempts.iter().find_map(|a| a.doubt.clone()),
        Err(_) => {
            let unmade = Layout::new(&state.design, group.coding()).err();
            unmade.map(|error| Warning::new("coarse", format!("in float64, {error}")))
        }
    };
    Some((exact, doubt?))
}
