//! Reports as text: for people, for programs, for papers.
//!
//! [`FitReport`], [`Evaluation`] and [`Inspection`] print as tables. [`render()`] has the other forms, [`write_groups`]
//! those of many groups.

mod broom;
pub(crate) mod columns;
mod comparison;
mod exact;
pub(crate) mod format;
pub(crate) mod groups;
mod iterative;
mod lines;
mod markdown;
pub(crate) mod number;
mod penalized;
mod plain;
pub(crate) mod printable;
pub(crate) mod rows;
mod table;

use std::fmt;

use serde::Serialize;

use self::format::{Format, RenderOptions};
use crate::compare::Comparison;
use crate::error::{Error, Result};
use crate::fit::GroupSummary;
use crate::inspect::Inspection;
use crate::model::evaluate::Evaluation;
use crate::report::{FitReport, REPORT_SCHEMA_VERSION};

/// Fits of several responses in JSON.
#[derive(Serialize)]
struct Targets<'r> {
    schema_version: u32,
    targets: &'r [FitReport],
}

/// Fits, one a response, as text.
///
/// ```
/// use streamreg::{Format, Regression, RenderOptions, render};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("d.csv");
/// # std::fs::write(&path, "y,x\n1,1\n2.5,2\n3,3\n")?;
/// let report = Regression::new("y").fit_paths(&[&path])?;
/// let tidy = render(&[report], &RenderOptions::new(Format::Tidy))?;
/// assert!(tidy.starts_with("term,estimate,std.error,"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the numbers cannot be written as JSON.
pub fn render(reports: &[FitReport], options: &RenderOptions) -> Result<String> {
    let tables = || reports.iter().map(|report| table::fit(report, options.width)).collect::<Vec<_>>();
    Ok(match (options.format, reports) {
        (Format::Table, _) => tables().join("\n"),
        (Format::Markdown, _) => reports.iter().map(markdown::fit).collect::<Vec<_>>().join("\n"),
        (Format::Json, [only]) => json(only)?,
        (Format::Json, _) => json(&Targets { schema_version: REPORT_SCHEMA_VERSION, targets: reports })?,
        (Format::Tidy, _) => broom::tidy(reports),
        (Format::Glance, _) => broom::glance(reports),
    })
}

/// JSON with the shortest numbers that read back exactly.
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|e| Error::invalid_request(format!("not to be written as JSON: {e}")))? + "\n")
}

impl FitReport {
    /// What became of the rows and columns, and what to beware of: the lines below the table.
    pub fn notices(&self) -> Vec<String> {
        lines::notices(self)
    }
}

impl GroupSummary {
    /// What became of the rows and columns.
    pub fn notices(&self) -> Vec<String> {
        lines::dropped_rows(&self.ledger, &self.reading)
            .into_iter()
            .chain(lines::left_out(&self.left_out))
            .chain(lines::warnings(&self.warnings))
            .collect()
    }
}

/// The table that `streamreg fit` prints; a width (`{:60}`) is that of the terminal.
impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&table::fit(self, f.width()))
    }
}

/// The table that `streamreg evaluate` prints; a width (`{:60}`) is that of the terminal.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain::evaluation(self, f.width()))
    }
}

/// The tables that `streamreg compare` prints; a width (`{:60}`) is that of the terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&comparison::table(self, f.width()))
    }
}

/// The tables that `streamreg inspect` prints; a width (`{:60}`) is that of the terminal.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain::inspection(self, f.width()))
    }
}
