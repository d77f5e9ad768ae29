//! Markdown, for reports and issue threads.

use streamreg_solve::TermEstimate;

use super::lines::{is_bare, notices};
use super::number::{optional, p_value, t_value};
use super::penalized;
use super::printable::printable;
use super::table::{folds, model, summary};
use crate::report::{CvReport, FitReport};

pub(super) fn fit(report: &FitReport) -> String {
    if is_bare(report) {
        let cv = report.penalized().and_then(|penalized| penalized.cross_validation.as_ref());
        return fit_bare(report, cv);
    }
    let level = (report.conf_level * 1e4).round() / 1e2;
    let mut out = format!("**{}**\n\n", escape(&model(report)));
    let standardized = report.coefficients.iter().any(|c| c.standardized.is_some());
    let [name, line] = if standardized { [" standardized |", "---:|"] } else { ["", ""] };
    out.push_str(&format!(
        "| term | estimate | std. error | t | p | {level} % interval |{name}\n|---|---:|---:|---:|---:|---|{line}\n"
    ));
    for c in &report.coefficients {
        let beta = if standardized { format!(" {} |", optional(c.standardized)) } else { String::new() };
        out.push_str(&format!("| {} |{beta}\n", row(c)));
    }
    out.push('\n');
    for line in summary(report).into_iter().chain(notices(report)) {
        out.push_str(&format!("- {}\n", escape(&line)));
    }
    for (index, row) in report.test_error.as_ref().map(folds).into_iter().flatten().enumerate() {
        let line = format!("| {} |\n", row.join(" | "));
        out.push_str(&if index == 0 { format!("\n{line}|---|---:|---:|---:|\n") } else { line });
    }
    out
}

/// The same without the columns that such a fit has no numbers for.
fn fit_bare(report: &FitReport, cv: Option<&CvReport>) -> String {
    let mut out = format!("**{}**\n\n| term | estimate |\n|---|---:|\n", escape(&model(report)));
    for c in &report.coefficients {
        out.push_str(&format!("| {} | {} |\n", escape(&printable(&c.term)), optional(c.estimate)));
    }
    out.push('\n');
    for line in summary(report).into_iter().chain(notices(report)) {
        out.push_str(&format!("- {}\n", escape(&line)));
    }
    for (index, row) in cv.map(penalized::curve).into_iter().flatten().enumerate() {
        let line = format!("| {} |\n", row.join(" | "));
        out.push_str(&if index == 0 { format!("\n{line}|---:|---:|---:|---:|---|\n") } else { line });
    }
    out
}

/// The cells of a coefficient.
pub(super) fn row(c: &TermEstimate) -> String {
    let interval = match (c.conf_low, c.conf_high) {
        (Some(low), Some(high)) => format!("{} to {}", optional(Some(low)), optional(Some(high))),
        _ => "NA".into(),
    };
    format!(
        "{} | {} | {} | {} | {} | {interval}",
        escape(&printable(&c.term)),
        optional(c.estimate),
        optional(c.std_error),
        t_value(c.statistic),
        p_value(c.p_value)
    )
}

/// Text that Markdown must not read as markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
