//! What is said of an iterative fit.

use streamreg_core::iterative::{Certificate, GapBasis, GradientSums, LearningRate, Loss};
use streamreg_solve::{Glance, Solver, Warning};

use super::{Known, Outcome, Prepared};
use crate::error::Result;
use crate::fit::{Fitted, conclude as conclude_all};
use crate::model::columns::WideCoefficients;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::plan::limits::{MAX_AFFORDABLE, MAX_COLUMNS};
use crate::report::{DescentReport, Details, FitReport, Found, PenaltyRecord, SolverReport};
use crate::request::iterative::Descent;

/// The report of what came out.
pub(super) fn conclude<R: Rows>(
    plan: &Plan<'_>,
    solver: Solver,
    asked: &Descent,
    passes: &Passes<'_, R>,
    solve_seconds: f64,
    prepared: Prepared,
    outcome: &Outcome,
) -> Result<Vec<FitReport>> {
    let scaling = prepared.standardizer.scaling();
    let (slopes, constant) = scaling.coefficients(&outcome.known.point);
    let squares = outcome.known.sums.squares * scaling.response_scale * scaling.response_scale;
    let report = descent_report(plan, asked, passes.count(), &prepared, outcome, &slopes);
    let named = prepared.standardizer.named();
    let wide = prepared.design.is_sparse().then(|| WideCoefficients::new(&prepared.standardizer, &slopes));
    // Of list columns and hashes, those that have any effect.
    let shown = (0..slopes.len()).filter(|&j| j < named || slopes[j] != 0.0);
    let terms = shown.map(|j| (prepared.standardizer.name(j), slopes[j]));
    let constant = constant.map(|c| (streamreg_core::INTERCEPT.to_owned(), c));
    let warnings = warnings(plan, solver, &prepared, &report, outcome);
    let glance = prepared.glance(&outcome.known.sums, squares, report.nonzero);
    let used = SolverReport::new(plan.options().solver, solver, plan.precision, passes.count());
    let (intercept, details) = (prepared.spec.intercept, Details::Iterative(Box::new(report)));
    let found =
        Found::without_inference(constant.into_iter().chain(terms), glance, intercept, (used, None), details);
    let found = vec![Found { warnings, wide, ..found }];
    let Prepared { spec, left_out, design, coding, ledger, .. } = prepared;
    conclude_all(plan, passes, &design, solve_seconds, Fitted { spec, left_out, coding, ledger, found })
}

/// How it came about, in the units of the data.
fn descent_report(
    plan: &Plan<'_>,
    asked: &Descent,
    passes: usize,
    prepared: &Prepared,
    outcome: &Outcome,
    slopes: &[f64],
) -> DescentReport {
    let response_scale = prepared.standardizer.scaling().response_scale;
    let unit = asked.loss.unit(response_scale);
    let Known { point, sums, certificate } = &outcome.known;
    DescentReport {
        loss: asked.loss,
        mean_loss: sums.loss * unit,
        objective: (sums.loss + prepared.penalties.value(point)) * unit,
        mae: sums.absolute * response_scale,
        epochs: passes,
        steps: outcome.steps,
        batch_size: outcome.batch_rows,
        learning_rate: asked.options.rate,
        step: outcome.step,
        curvature: outcome.curvature.into(),
        converged: outcome.converged,
        stopped_early: outcome.stopped_early,
        ended: outcome.ended.clone(),
        gap: certificate.left(),
        gap_basis: certificate.basis,
        tolerance: outcome.tolerance,
        gradient_norm: certificate.gradient_norm,
        distance: certificate.distance,
        held_out_loss: sums.held_out_loss.map(|loss| loss * unit),
        held_out_rows: sums.held_out_rows,
        seed: asked.options.seed,
        penalty: plan.regression.penalization.as_ref().map(PenaltyRecord::asked),
        columns: slopes.len(),
        nonzero: slopes.iter().filter(|slope| **slope != 0.0).count(),
    }
}

/// What the reader should know.
fn warnings(
    plan: &Plan<'_>,
    solver: Solver,
    prepared: &Prepared,
    report: &DescentReport,
    outcome: &Outcome,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !(report.converged || report.stopped_early) {
        warnings.push(not_converged(solver, report, &outcome.known.certificate));
    }
    if plan.options().solver == Solver::Auto && report.columns > MAX_COLUMNS && !prepared.design.is_sparse() {
        let message = format!(
            "{} columns are too many for cross-products, so there are no standard errors: solved by {}",
            report.columns, solver
        );
        warnings.push(Warning::new("too_wide", message));
    }
    if outcome.known.certificate.unseen.is_some() && (report.converged || report.stopped_early) {
        let message = "some columns depend on others: their coefficients are not unique; without --solver, they are told apart, and \
                       named";
        warnings.push(Warning::new("dependent_columns", message));
    }
    if outcome.known.sums.response_squares == 0.0 {
        let message = "the response is constant: there is nothing to explain";
        warnings.push(Warning::new("constant_response", message));
    }
    let plain = plan.regression.penalization.is_none() && report.loss == Loss::Squared;
    let columns = report.columns;
    if plain && columns <= MAX_AFFORDABLE && !prepared.design.is_sparse() && plan.options().solver == solver {
        // As measured: up to 50 columns both take about as long as reading does.
        let share = columns as f64 / 25.0;
        let cost =
            if share <= 2.0 { "about what an epoch does".into() } else { format!("about {share:.0} epochs") };
        let what = if columns == 1 { "column" } else { "columns" };
        let message = format!(
            "the design is small ({columns} {what}): without --solver {solver}, one pass gives the exact solution with \
             standard errors, and costs {cost}"
        );
        warnings.push(Warning::new("exact_affordable", message));
    }
    warnings
}

/// How far it still is, and what goes on from there.
fn not_converged(solver: Solver, report: &DescentReport, certificate: &Certificate) -> Warning {
    let given = report.learning_rate != LearningRate::Auto;
    let limited = report.ended.starts_with("the limit");
    let unseen = certificate.unseen.is_some_and(|unseen| unseen > report.tolerance);
    let way_out = match (given, limited) {
        _ if unseen && report.loss == Loss::Squared => "without --solver, or with cg, they are told apart",
        _ if unseen => "without --solver they are told apart, where the rows fit into memory",
        (true, false) => {
            "steps of this length come no nearer: a smaller --eta0 does, and --learning-rate auto finds its own steps"
        }
        (false, true) if solver != Solver::Cg && report.loss != Loss::Squared => {
            "more --epochs go on from a --warm-start; fewer rows or columns are solved exactly, without --solver"
        }
        _ => "more --epochs go on from a --warm-start",
    };
    let left = if unseen {
        "columns depend on each other, or nearly so, and what is left to gain along them is not known"
            .to_owned()
    } else if report.gap > report.tolerance {
        format!(
            "about {:.1e} of the objective is left to gain, and {:.1e} was asked for",
            report.gap, report.tolerance
        )
    } else if !report.loss.is_smooth() && report.gap_basis == GapBasis::Curvature {
        format!("with so many columns what is left to gain is an estimate, {:.1e}, and no bound", report.gap)
    } else {
        "the steps had not come to rest".to_owned()
    };
    let message = format!("not converged after {} epochs: {left}; {way_out}", report.epochs);
    Warning::new("not_converged", message)
}

impl Prepared {
    /// Statistics of the rows that were learnt from, whose residuals have the mean square `squares`.
    fn glance(&self, sums: &GradientSums, squares: f64, nonzero: usize) -> Glance {
        let scale = self.standardizer.scaling().response_scale;
        let counts =
            self.spec.weights.as_ref().is_some_and(|w| w.kind == streamreg_core::WeightType::Frequency);
        let nobs = if counts { sums.weight as u128 } else { sums.rows.into() };
        let about_zero = if self.spec.intercept { 0.0 } else { sums.response * sums.response };
        let total = (sums.response_squares + about_zero) * scale * scale;
        Glance::bare(nobs, sums.weight, nonzero, self.spec.intercept, squares, total)
    }
}
