//! Exact fits of losses other than squares, for people.

use streamreg_core::iterative::Loss;
use streamreg_solve::Vcov;

use super::iterative::{loss_name, two};
use super::lines::is_bare;
use super::number::{count, counted, optional, short};
use crate::report::{ExactReport, FitReport};

/// The lines below the table.
pub(super) fn summary(report: &FitReport, exact: &ExactReport) -> Vec<String> {
    let state = if exact.converged { "Solved exactly" } else { "NOT CONVERGED" };
    // Below this it is rounding, of which every processor has its own.
    let gap = if exact.gap < 1e-12 { "below 1e-12".to_owned() } else { two(exact.gap) };
    let iterations = counted(exact.iterations as u64, "iteration");
    let mut lines = vec![format!("{state}: interior point, {iterations}, duality gap {gap}")];
    let objective = match &exact.penalty {
        Some(penalty) => {
            let (size, objective) = (short(penalty.lambda), short(exact.objective));
            format!("; with the {} penalty {size}: {objective}", penalty.kind)
        }
        None => String::new(),
    };
    lines.push(format!("{}: {}{objective}", loss_name(exact.loss), short(exact.mean_loss)));
    lines.extend(standard_errors(report, exact));
    if exact.nonzero < exact.columns && exact.penalty.is_some() {
        let (nonzero, columns) = (count(exact.nonzero as u64), count(exact.columns as u64));
        lines.push(format!("{nonzero} of {columns} coefficients are not zero"));
    }
    lines.push(format!(
        "Pseudo R-squared: {},  R-squared: {},  RMSE: {},  MAE: {} ({})",
        optional(exact.pseudo_r_squared),
        optional(report.glance.r_squared),
        short(report.glance.rmse),
        short(exact.mae),
        counted(report.glance.nobs, "row")
    ));
    lines
}

/// What standard errors rest on, or why there are none.
fn standard_errors(report: &FitReport, exact: &ExactReport) -> Option<String> {
    if is_bare(report) {
        let why = match exact.loss {
            _ if exact.penalty.is_some() => return None,
            Loss::Quantile { .. } | Loss::Huber { .. } if report.glance.df_residual == 0 => {
                "no residual degrees of freedom"
            }
            Loss::Quantile { .. } | Loss::Huber { .. } if report.spec.weights.is_some() => {
                "the weights are no counts of rows"
            }
            Loss::Quantile { .. } => "half of the rows or more lie on the fit",
            Loss::Huber { .. } => "too few residuals lie within delta, or they have no spread",
            _ => "this loss has none",
        };
        return Some(format!("No standard errors: {why}"));
    }
    let what = match (exact.loss, report.vcov.kind) {
        (Loss::Quantile { .. }, Vcov::Iid) => "errors of one density",
        (Loss::Quantile { .. }, _) => "robust to unequal densities (Powell's kernel)",
        (_, Vcov::Iid) => "Huber's H1, errors of one distribution",
        (_, Vcov::Hc0) => "robust to unequal variances (sandwich, HC0)",
        _ => "robust to unequal variances (sandwich, HC1)",
    };
    let bandwidth =
        exact.bandwidth.map_or(String::new(), |h| format!(", bandwidth {} (Hall-Sheather)", short(h)));
    let df = count(report.glance.df_residual);
    Some(format!("Standard errors: {what}{bandwidth}; t with {df} DF"))
}
