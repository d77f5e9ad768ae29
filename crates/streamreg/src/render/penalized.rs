//! Penalised fits for people: no standard errors, but the penalty and how it was chosen.

use streamreg_solve::penalized::CvRule;

use super::columns::aligned;
use super::number::{count, optional, short};
use super::printable::printable;
use crate::report::{CvReport, FitReport, PenalizedReport};

/// Rows of the curve that are shown, beside the two that rules choose.
const CURVE_ROWS: usize = 8;

/// Terms and estimates, as a table.
pub(super) fn coefficients(report: &FitReport, most: usize, width: Option<usize>) -> String {
    let all = &report.coefficients;
    let shown = if all.len() > most { most / 5 } else { all.len() };
    let mut rows = vec![vec![String::new(), "Estimate".to_owned()]];
    rows.extend(all[..shown].iter().map(|c| vec![printable(&c.term), optional(c.estimate)]));
    let mut out = aligned(&rows, width);
    if shown < all.len() {
        let hidden = count((all.len() - shown) as u64);
        out.push_str(&format!("… {hidden} more coefficients: --format tidy has them all\n"));
    }
    out
}

/// The lines below the table.
pub(super) fn summary(report: &FitReport, penalized: &PenalizedReport) -> Vec<String> {
    let chosen = penalized.cross_validation.as_ref().map(|cv| {
        let rule = if cv.rule == CvRule::Min { "smallest error" } else { "one standard error" };
        let group = cv.group.as_ref().map_or(String::new(), |g| format!(" by {}", printable(g)));
        format!(", chosen by {} folds{group}: {rule}", cv.folds)
    });
    let ratio = match penalized.kind.as_str() {
        "elastic net" => format!(", L1 ratio {}", short(penalized.l1_ratio)),
        _ => String::new(),
    };
    let slopes = report.coefficients.len() - usize::from(report.spec.intercept);
    let mut letters = penalized.kind.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let name = first + letters.as_str();
    let mut lines = vec![
        format!("{name} penalty: {}{ratio}{}", short(penalized.lambda), chosen.unwrap_or_default()),
        format!(
            "{} of {} coefficients are not zero (effective degrees of freedom {})",
            count(penalized.nonzero as u64),
            count(slopes as u64),
            short(penalized.effective_df)
        ),
        format!(
            "R-squared: {},  RMSE: {} ({} rows, in-sample)",
            optional(report.glance.r_squared),
            short(report.glance.rmse),
            count(report.ledger.rows_used)
        ),
        "A penalty biases estimates: standard errors and p-values have no meaning here".into(),
    ];
    if let Some(path) = penalized.path.as_ref().filter(|_| penalized.cross_validation.is_none()) {
        lines.push(format!("The path of {} is in the JSON report", penalties(path.len())));
    }
    lines
}

fn penalties(count: usize) -> String {
    if count == 1 { "1 penalty".into() } else { format!("{count} penalties") }
}

/// A few lines of the curve, with those of the two rules among them.
pub(super) fn curve(cv: &CvReport) -> Vec<Vec<String>> {
    let header = ["Penalty", "Error", "Std. Error", "Nonzero", ""].map(str::to_owned);
    let step = cv.curve.len().div_ceil(CURVE_ROWS).max(1);
    let chosen = |lambda: f64| {
        let rules = [(cv.lambda_min, "smallest error"), (cv.lambda_1se, "one standard error")];
        let which = rules.into_iter().filter(|(own, _)| *own == lambda).map(|(_, name)| name);
        which.collect::<Vec<_>>().join(", ")
    };
    let last = cv.curve.len().saturating_sub(1);
    let shown = cv.curve.iter().enumerate();
    let shown = shown.filter(|(i, p)| i % step == 0 || *i == last || !chosen(p.lambda).is_empty());
    let rows = shown.map(|(_, p)| {
        vec![short(p.lambda), short(p.mean), short(p.std_error), count(p.nonzero as u64), chosen(p.lambda)]
    });
    std::iter::once(header.to_vec()).chain(rows).collect()
}
