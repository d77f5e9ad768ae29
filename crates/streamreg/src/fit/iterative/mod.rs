//! Iterative fits: a look at the data, then passes until the minimum is near enough.
//!
//! | file | what it knows |
//! |---|---|
//! | `prepared` | the first pass |
//! | `exact` | other losses than squares, of rows that fit into memory |
//! | `stochastic` | epochs of mini-batches |
//! | `full` | full gradients, and conjugate gradients |
//! | `curve` | the learning curve |
//! | `report` | what is said of it |
//!
//! With a [`Checkpoint`](crate::Checkpoint) what the fit came to is saved after passes, and in epochs; a fit that goes on takes the
//! first pass again.

mod curve;
mod exact;
mod full;
mod prepared;
mod report;
mod stochastic;

use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use streamreg_core::iterative::{
    Certificate, FullGradient, GradientSums, Loss, Population, Smoothed, Start, TracePoint,
};
use streamreg_solve::Solver;

use self::curve::Curve;
use self::prepared::Prepared;
use crate::error::{Error, ErrorKind, Result};
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::report::FitReport;
use crate::request::iterative::Descent;
use crate::state::steps::{Command, Steps};

/// What came out, in standardised units.
struct Outcome {
    known: Known,
    curvature: &'static str,
    converged: bool,
    /// Whether it ended before, because rows held out gained nothing more.
    stopped_early: bool,
    ended: String,
    steps: u64,
    batch_rows: Option<usize>,
    step: Option<f64>,
    tolerance: f64,
}

/// A point whose gradient is known.
#[derive(Serialize, Deserialize)]
struct Known {
    point: Vec<f64>,
    sums: GradientSums,
    certificate: Certificate,
}

/// The iterative fit.
pub(super) fn fit<R: Rows>(
    plan: &Plan<'_>,
    solver: Solver,
    asked: &Descent,
    mut passes: Passes<'_, R>,
) -> Result<Vec<FitReport>> {
    let steps = steps(plan, solver, asked, &passes)?;
    let steps = steps.as_ref();
    tell_stopped(steps, || {
        let prepared = Prepared::new(plan, asked, &mut passes)?;
        descend((plan, steps), solver, asked, passes, prepared)
    })
}

/// The exact fit of a loss other than squares, where its rows fit into memory, else the stochastic one.
pub(super) fn fit_loss<R: Rows>(
    plan: &Plan<'_>,
    asked: &Descent,
    mut passes: Passes<'_, R>,
) -> Result<Vec<FitReport>> {
    let steps = steps(plan, Solver::Sgd, asked, &passes)?;
    let steps = steps.as_ref();
    tell_stopped(steps, || {
        let prepared = Prepared::new(plan, asked, &mut passes)?;
        if prepared.is_collectable() {
            return exact::fit(plan, asked, passes, prepared);
        }
        if plan.regression.inference.is_asked() {
            return Err(exact::too_large(&prepared));
        }
        descend((plan, steps), Solver::Sgd, asked, passes, prepared)
    })
}

/// What saves the steps, where that is asked for.
fn steps<'p, R: Rows>(
    plan: &Plan<'p>,
    solver: Solver,
    asked: &Descent,
    passes: &Passes<'_, R>,
) -> Result<Option<Steps<'p>>> {
    let Some((checkpoint, reading)) = &plan.regression.checkpoint else { return Ok(None) };
    let mut said = asked.said(solver)?;
    said.push(("the penalty", format!("{:?}", plan.regression.penalization)));
    let asked = said.into_iter().map(|(what, value)| (what.to_owned(), value)).collect();
    let (spec, _) = plan.spec(&[])?;
    let command = Command { spec, selection: plan.regression.selection.clone(), asked };
    Steps::new((checkpoint, reading.as_str()), command, &passes.inputs()).map(Some)
}

/// Fits, and tells that a signal has stopped it.
fn tell_stopped<T>(steps: Option<&Steps<'_>>, fit: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = fit();
    if let (Some(steps), Err(error)) = (steps, &done)
        && error.kind() == ErrorKind::Interrupted
    {
        steps.stopped();
    }
    done
}

fn descend<R: Rows>(
    (plan, steps): (&Plan<'_>, Option<&Steps<'_>>),
    solver: Solver,
    asked: &Descent,
    mut passes: Passes<'_, R>,
    prepared: Prepared,
) -> Result<Vec<FitReport>> {
    let (minimum, looks) = least_objective(&prepared, asked, &mut passes)?;
    let start = Instant::now();
    let before = passes.seconds();
    let curve = Curve::new(asked, &prepared.standardizer);
    let mut descending =
        Descending { asked, prepared: &prepared, passes: &mut passes, curve, steps, minimum, looks };
    let outcome = match solver {
        Solver::Sgd => descending.stochastic()?,
        Solver::Gd => descending.full_gradients()?,
        _ => descending.conjugate_gradients()?,
    };
    let seconds = (start.elapsed().as_secs_f64() - (passes.seconds() - before)).max(0.0);
    report::conclude(plan, solver, asked, &passes, seconds, prepared, &outcome)
}

/// Most rows whose exact minimum is found beside an iterative fit: of more a bound by duality is near enough.
const MOST_LOOKED_AT: u64 = 200_000;

/// The least objective of a loss other than squares, where all rows fit into memory, and the passes that it took: what a
/// gradient tells of kinks is rough, and of few rows next to nothing.
fn least_objective<R: Rows>(
    prepared: &Prepared,
    asked: &Descent,
    passes: &mut Passes<'_, R>,
) -> Result<(Option<f64>, usize)> {
    let few = prepared.rows <= MOST_LOOKED_AT && prepared.is_collectable();
    if asked.loss == Loss::Squared || asked.held_out > 0.0 || !few {
        return Ok((None, 0));
    }
    let before = passes.count();
    let rows = prepared.collect(passes)?;
    let exact = prepared.minimum(rows, asked);
    Ok((exact.is_minimum().then_some(exact.objective), passes.count() - before))
}

/// An iterative fit under way.
struct Descending<'d, 'a, R> {
    asked: &'d Descent,
    prepared: &'d Prepared,
    passes: &'d mut Passes<'a, R>,
    curve: Curve<'d>,
    /// What saves the steps, if that is asked for.
    steps: Option<&'d Steps<'d>>,
    /// The least objective, where it is known, and the passes that it took.
    minimum: Option<f64>,
    looks: usize,
}

/// A fit under way as it is saved.
#[derive(Serialize)]
struct Saving<'s, S> {
    /// Of every pass, how long it took.
    seconds: &'s [f64],
    curve: &'s [TracePoint],
    run: &'s S,
}

/// The same, read again.
#[derive(Deserialize)]
struct Saved<S> {
    seconds: Vec<f64>,
    curve: Vec<TracePoint>,
    run: S,
}

/// Saves a fit under way, if it is time to.
fn save_if_due<S: Serialize, R: Rows>(
    steps: &Steps<'_>,
    run: &S,
    (passes, curve): (&Passes<'_, R>, &Curve<'_>),
) -> Result<()> {
    steps.save_if_due(&Saving { seconds: passes.each(), curve: &curve.told(), run })
}

impl<R: Rows> Descending<'_, '_, R> {
    /// Where a fit was that was killed, if there is one to go on with.
    fn saved<S: DeserializeOwned>(&mut self) -> Result<Option<S>> {
        let saved: Option<Saved<S>> = self.steps.map_or(Ok(None), Steps::saved)?;
        Ok(saved.map(|Saved { seconds, curve, run }| {
            self.passes.resume(seconds);
            self.curve.tell_again(&curve, self.passes);
            run
        }))
    }

    fn save_if_due<S: Serialize>(&self, run: &S) -> Result<()> {
        self.steps.map_or(Ok(()), |steps| save_if_due(steps, run, (self.passes, &self.curve)))
    }

    /// What a pass came to; where it was stopped, what the fit came to before is saved.
    fn or_save<S: Serialize, T>(&self, run: &S, done: Result<T>) -> Result<T> {
        if let (Some(steps), Err(error)) = (self.steps, &done)
            && error.kind() == ErrorKind::Interrupted
        {
            steps.save(&Saving { seconds: self.passes.each(), curve: &self.curve.told(), run })?;
        }
        done
    }

    /// The sums of all rows at a point, and along a direction.
    fn gradient(&mut self, loss: Smoothed, point: &[f64], direction: Option<&[f64]>) -> Result<GradientSums> {
        let Prepared { design, levels, standardizer, keys, .. } = self.prepared;
        let variables = design.variables();
        let make = || FullGradient::new(standardizer, variables, loss, point, direction);
        let (state, ledger) = self.passes.accumulate((design, levels), Some(keys), make)?;
        self.prepared.check_rows(&ledger)?;
        Ok(state.into_sums())
    }

    fn population(&self) -> Population {
        let parameters = self.prepared.standardizer.scaling().parameters();
        Population { rows: self.prepared.rows, parameters }
    }

    /// Where to begin, with a model's coefficients found by name.
    fn start(&self) -> Result<Start> {
        let Some(model) = &self.asked.warm else { return Ok(self.asked.options.start.clone()) };
        let standardizer = &self.prepared.standardizer;
        let slopes = model.slopes_for(standardizer);
        if slopes.iter().all(|slope| *slope == 0.0) && standardizer.columns() > 0 {
            let message = "the model of the warm start has none of the terms";
            return Err(Error::invalid_request(message));
        }
        let constant = self.prepared.spec.intercept.then(|| model.constant());
        Ok(Start::At(standardizer.scaling().parameters_of(&slopes, constant)))
    }
}

/// The error where a certificate is missing.
fn no_gradient() -> Error {
    Error::data("no gradient is known")
}
