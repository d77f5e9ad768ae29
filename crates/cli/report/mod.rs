//! What people and programs read: one file a form.

mod broom;
mod columns;
mod markdown;
mod number;
mod plain;
mod table;

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use streamreg::FitReport;

pub(crate) use self::number::count;
pub(crate) use self::plain::{evaluation, inspection};
use crate::args::Format;

/// A fit in the form that was asked for.
pub(crate) fn fit(report: &FitReport, format: Format) -> Result<String> {
    Ok(match format {
        Format::Table => table::fit(report),
        Format::Json => json(report)?,
        Format::Tidy => broom::tidy(report),
        Format::Glance => broom::glance(report),
        Format::Markdown => markdown::fit(report),
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

/// Text from a file, safe for a terminal: control characters are escaped.
pub(crate) fn printable(text: &str) -> String {
    // Marks that change the direction of text would let a name rewrite the rest of its line.
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escape = |c: char| {
        if c.is_control() || turns(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// What became of the rows, a line each.
fn ledger_lines(report: &FitReport) -> Vec<String> {
    let ledger = &report.ledger;
    let mut lines = Vec::new();
    if ledger.rows_dropped() > 0 {
        let causes: Vec<String> = ledger
            .dropped
            .iter()
            .map(|d| {
                let what = match d.reason {
                    streamreg::MissingReason::Null => "null",
                    streamreg::MissingReason::NonFinite => "not finite",
                    _ => "unusable",
                };
                format!("{} for {} {what}", number::count(d.rows), printable(&d.column))
            })
            .collect();
        lines.push(format!(
            "{} of {} rows dropped: {}",
            number::count(ledger.rows_dropped()),
            number::count(ledger.rows_read),
            causes.join(", ")
        ));
    }
    if !report.left_out.is_empty() {
        let columns: Vec<String> =
            report.left_out.iter().map(|l| format!("{} ({})", printable(&l.column), l.reason)).collect();
        lines.push(format!("Left out: {}", columns.join(", ")));
    }
    if let Some(reason) = &report.solver.escalation {
        lines.push(format!("Solved by QR on a second pass: {}", printable(reason)));
    }
    lines.extend(report.warnings.iter().map(|w| format!("Warning: {}", printable(&w.message))));
    lines
}
