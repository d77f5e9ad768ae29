//! Iterative fits for people: no standard errors, but how they came about and how far it still is.

use streamreg_core::iterative::{GapBasis, Loss};
use streamreg_solve::Solver;

use super::number::{count, counted, optional, short};
use crate::report::{DescentReport, FitReport};

/// The lines below the table.
pub(super) fn summary(report: &FitReport, descent: &DescentReport) -> Vec<String> {
    let state = match (descent.converged, descent.stopped_early) {
        (true, _) => "Converged",
        (false, true) => "Stopped early",
        (false, false) => "NOT CONVERGED",
    };
    let solver = report.solver.used;
    let batches = descent.batch_size.map_or(String::new(), |rows| format!(" of {} rows", count(rows as u64)));
    let mut lines = vec![format!(
        "{state}: {solver}, {} epochs, {} steps{batches}; ended by: {}",
        count(descent.epochs as u64),
        count(descent.steps),
        descent.ended
    )];
    let objective = match &descent.penalty {
        Some(penalty) => {
            format!(
                "; with the {} penalty {}: {}",
                penalty.kind,
                short(penalty.lambda),
                short(descent.objective)
            )
        }
        None => String::new(),
    };
    lines.push(format!("{}: {}{objective}", loss_name(descent.loss), short(descent.mean_loss)));
    if let Some(held_out) = descent.held_out_loss {
        lines.push(format!(
            "Held out: {}, mean loss {}",
            counted(descent.held_out_rows, "row"),
            short(held_out)
        ));
    }
    lines.push(left_to_gain(descent));
    let step = descent.step.map_or(String::new(), |step| format!(", step {}", two(step)));
    // Conjugate gradients find the length of every step.
    let rate = match report.solver.used {
        Solver::Cg => String::new(),
        _ => format!("Learning rate: {}{step}.  ", descent.learning_rate.name()),
    };
    lines.push(format!("{rate}Preconditioned by: {}", descent.curvature));
    if descent.nonzero < descent.columns {
        let (nonzero, columns) = (count(descent.nonzero as u64), count(descent.columns as u64));
        lines.push(format!("{nonzero} of {columns} coefficients are not zero"));
    }
    lines.push(format!(
        "R-squared: {},  RMSE: {},  MAE: {} ({})",
        optional(report.glance.r_squared),
        short(report.glance.rmse),
        short(descent.mae),
        counted(report.glance.nobs, "row")
    ));
    lines
}

/// How far the minimum is.
fn left_to_gain(descent: &DescentReport) -> String {
    let distance = descent.distance.map_or(String::new(), |distance| {
        format!(", every coefficient within about {} standard errors of the exact one", two(distance))
    });
    let basis = match descent.gap_basis {
        GapBasis::Minimum => ", beside the exact minimum",
        GapBasis::Duality => ", bounded by duality",
        _ => "",
    };
    let about = if descent.gap_basis == GapBasis::Minimum { "" } else { "about " };
    format!(
        "Left to gain: {about}{} of the objective{basis} (gradient norm {}){distance}",
        two(descent.gap),
        two(descent.gradient_norm)
    )
}

/// What the mean loss is of.
pub(super) fn loss_name(loss: Loss) -> String {
    match loss {
        Loss::Squared => "Mean squared error / 2".to_owned(),
        Loss::Huber { delta } => format!("Mean Huber loss (delta {})", short(delta)),
        Loss::Quantile { tau } => format!("Mean quantile loss ({})", short(tau)),
        Loss::EpsilonInsensitive { epsilon } => {
            format!("Mean epsilon-insensitive loss (epsilon {})", short(epsilon))
        }
        _ => "Mean loss".to_owned(),
    }
}

/// A number with two digits.
pub(super) fn two(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}") }
}
