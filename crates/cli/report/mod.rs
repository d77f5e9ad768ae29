//! What people and programs read: one file a form.

mod broom;
mod columns;
pub(crate) mod format;
mod groups;
mod iterative;
mod learning_curve;
mod markdown;
mod number;
mod penalized;
mod plain;
mod table;

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use streamreg::{Details, FitReport, LeftOut, ReadCounts, RowLedger};

pub(crate) use self::format::Format;
pub(crate) use self::groups::{GroupForm, GroupWriter};
pub(crate) use self::learning_curve::learning_curve;
pub(crate) use self::number::{count, short};
pub(crate) use self::plain::{evaluation, inspection};
use crate::text::printable;

/// Fits of several responses in JSON.
#[derive(Serialize)]
struct Targets<'r> {
    schema_version: u32,
    targets: &'r [FitReport],
}

/// Fits, one a response, in the form that was asked for.
pub(crate) fn fits(reports: &[FitReport], format: Format) -> Result<String> {
    let each = |one: fn(&FitReport) -> String| reports.iter().map(one).collect::<Vec<_>>().join("\n");
    Ok(match (format, reports) {
        (Format::Table, _) => each(table::fit),
        (Format::Markdown, _) => each(markdown::fit),
        (Format::Json, [only]) => json(only)?,
        (Format::Json, _) => json(&Targets { schema_version: 1, targets: reports })?,
        (Format::Tidy, _) => broom::tidy(reports),
        (Format::Glance, _) => broom::glance(reports),
    })
}

/// JSON with the shortest numbers that read back exactly.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The result, on stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Whether estimates have nothing beside them: neither standard errors nor tests.
fn is_bare(report: &FitReport) -> bool {
    report.details != Details::LeastSquares
}

/// What became of the rows, a line each.
fn ledger_lines(report: &FitReport) -> Vec<String> {
    let mut lines = dropped_rows(&report.ledger, &report.reading);
    lines.extend(left_out(&report.left_out));
    if let Some(reason) = &report.solver.escalation {
        lines.push(format!("Solved by QR on a second pass: {}", printable(reason)));
    }
    lines.extend(report.warnings.iter().map(|w| format!("Warning: {}", printable(&w.message))));
    lines
}

fn dropped_rows(ledger: &RowLedger, reading: &ReadCounts) -> Vec<String> {
    let mut lines = Vec::new();
    if ledger.rows_dropped() > 0 {
        let causes: Vec<String> = ledger
            .dropped
            .iter()
            .map(|d| format!("{} for {} {}", number::count(d.rows), printable(&d.column), d.reason))
            .collect();
        lines.push(format!(
            "{} of {} rows dropped: {}",
            number::count(ledger.rows_dropped()),
            number::count(ledger.rows_read),
            causes.join(", ")
        ));
    }
    if !ledger.filled.is_empty() {
        let filled = ledger.filled.iter();
        let filled = filled.map(|f| format!("{} of {}", number::count(f.rows), printable(&f.column)));
        lines
            .push(format!("Missing numbers filled with the mean: {}", filled.collect::<Vec<_>>().join(", ")));
    }
    if ledger.rows_filtered > 0 {
        let skipped = match reading.row_groups_skipped {
            0 => String::new(),
            groups => {
                let all = reading.row_groups + groups;
                format!("; {} of {} row groups were not read", number::count(groups), number::count(all))
            }
        };
        lines.push(format!("{} rows did not pass the filter{skipped}", number::count(ledger.rows_filtered)));
    }
    lines
}

fn left_out(columns: &[LeftOut]) -> Option<String> {
    let each = columns.iter().map(|l| format!("{} ({})", printable(&l.column), printable(&l.reason)));
    (!columns.is_empty()).then(|| format!("Left out: {}", each.collect::<Vec<_>>().join(", ")))
}
