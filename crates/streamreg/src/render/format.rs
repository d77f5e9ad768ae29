//! The forms of a result, and how wide a line may be.

use std::path::Path;

use streamreg_core::choices;

use crate::error::{Error, Result};

/// What a fit is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Tables for people, in the order of R's `summary.lm`.
    #[default]
    Table,
    /// Everything, with numbers that read back exactly.
    Json,
    /// CSV with a line a coefficient, and the column names of R's broom.
    Tidy,
    /// CSV with a line a fit, and the column names of R's broom.
    Glance,
    /// Tables for reports and issue threads.
    Markdown,
}

choices!(Format { Table => "table", Json => "json", Tidy => "tidy", Glance => "glance", Markdown => "markdown" });

/// Endings of files, and the forms they stand for.
const ENDINGS: [(&str, Format); 6] = [
    ("json", Format::Json),
    ("csv", Format::Tidy),
    ("md", Format::Markdown),
    ("markdown", Format::Markdown),
    ("txt", Format::Table),
    ("out", Format::Table),
];

impl Format {
    /// The form that the ending of a file stands for; without an ending it is a table.
    ///
    /// # Errors
    /// When the ending stands for none.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let Some(ending) = path.extension() else { return Ok(Self::Table) };
        let ending = ending.to_string_lossy().to_ascii_lowercase();
        let known = ENDINGS.into_iter().find(|(known, _)| *known == ending);
        known.map(|(_, format)| format).ok_or_else(|| {
            let shown = path.display();
            Error::invalid_request(format!(
                "{shown}: no form of a result ends in .{ending}: .json, .csv (tidy), .md and .txt do, or name the format"
            ))
        })
    }
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderOptions {
    /// The form.
    pub format: Format,
    /// The most columns of a line of a table, such as those of a terminal; any number where absent.
    pub width: Option<usize>,
}

impl RenderOptions {
    /// Lines as long as they come.
    pub fn new(format: Format) -> Self {
        Self { format, width: None }
    }

    /// Lines of a table of at most `columns`, as far as names and numbers allow.
    #[must_use]
    pub fn width(mut self, columns: usize) -> Self {
        self.width = Some(columns);
        self
    }
}
