//! What all reports say below their tables.

use streamreg_core::{LeftOut, Precision, RowLedger};
use streamreg_reader::ReadCounts;
use streamreg_solve::Warning;

use super::number::count;
use super::printable::printable;
use crate::report::{Details, FitReport};

/// Names that a line lists.
const MOST_NAMES: usize = 10;

/// Whether estimates have nothing beside them: neither standard errors nor tests.
pub(super) fn is_bare(report: &FitReport) -> bool {
    match &report.details {
        Details::LeastSquares => false,
        Details::Exact(_) => {
            report.covariance.is_none() && report.coefficients.iter().all(|c| c.std_error.is_none())
        }
        _ => true,
    }
}

/// What the data decided and what to beware of, a line each.
pub(super) fn notices(report: &FitReport) -> Vec<String> {
    let aliased = report.aliased.iter().map(|a| format!("Dependent: {}", printable(&a.to_string())));
    aliased.chain(ledger_lines(report)).collect()
}

/// What became of the rows, a line each.
pub(super) fn ledger_lines(report: &FitReport) -> Vec<String> {
    let mut lines = dropped_rows(&report.ledger, &report.reading);
    lines.extend(left_out(&report.left_out));
    if let Some(reason) = &report.solver.escalation {
        let how = match report.solver.precision {
            Precision::Exact => "Summed exactly",
            _ => "Solved by QR",
        };
        lines.push(format!("{how} on a second pass: {}", printable(reason)));
    }
    // That a fit did not converge is the first line below the table.
    let others = report.warnings.iter().filter(|warning| warning.code != "not_converged" || !says_so(report));
    lines.extend(others.map(warning));
    lines
}

/// Whether the summary says by itself that a fit did not converge.
fn says_so(report: &FitReport) -> bool {
    matches!(report.details, Details::Iterative(_) | Details::Exact(_))
}

fn warning(warning: &Warning) -> String {
    format!("Warning: {}", printable(&warning.message))
}

pub(super) fn warnings(warnings: &[Warning]) -> impl Iterator<Item = String> {
    warnings.iter().map(warning)
}

pub(super) fn dropped_rows(ledger: &RowLedger, reading: &ReadCounts) -> Vec<String> {
    let mut lines = Vec::new();
    if ledger.rows_dropped() > 0 {
        let causes: Vec<String> = ledger
            .dropped
            .iter()
            .map(|d| format!("{} for {} {}", count(d.rows), printable(&d.column), d.reason))
            .collect();
        lines.push(format!(
            "{} of {} rows dropped: {}",
            count(ledger.rows_dropped()),
            count(ledger.rows_read),
            causes.join(", ")
        ));
    }
    if !ledger.filled.is_empty() {
        let filled = ledger.filled.iter();
        let filled = filled.map(|f| format!("{} of {}", count(f.rows), printable(&f.column)));
        lines
            .push(format!("Missing numbers filled with the mean: {}", filled.collect::<Vec<_>>().join(", ")));
    }
    if ledger.rows_filtered > 0 {
        let skipped = match reading.row_groups_skipped {
            0 => String::new(),
            groups => {
                let all = reading.row_groups + groups;
                format!("; {} of {} row groups were not read", count(groups), count(all))
            }
        };
        lines.push(format!("{} rows did not pass the filter{skipped}", count(ledger.rows_filtered)));
    }
    lines
}

/// The columns that are no features although nobody excluded them.
pub(super) fn left_out(columns: &[LeftOut]) -> Option<String> {
    let each = columns.iter().map(|l| format!("{} ({})", printable(&l.column), printable(&l.reason)));
    let mut each: Vec<String> = each.collect();
    if each.len() > MOST_NAMES {
        each.splice(
            MOST_NAMES - 1..,
            [format!("and {} more", count((columns.len() + 1 - MOST_NAMES) as u64))],
        );
    }
    (!each.is_empty()).then(|| format!("Left out: {}", each.join(", ")))
}
