//! What is read: files, columns computed from theirs, and the rows that pass a filter.

use std::path::Path;

use streamreg_reader::{Dataset, DatasetOptions, Source};

use crate::error::{Error, Result};

/// Which rows of the files, and which columns beside theirs: SQL expressions, as polars reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Columns to compute: name and expression. Later ones may use earlier ones.
    pub with: Vec<(String, String)>,
    /// The condition that rows must fulfil.
    pub filter: Option<String>,
}

impl Selection {
    /// Whether the files are taken as they are.
    pub fn is_everything(&self) -> bool {
        self.with.is_empty() && self.filter.is_none()
    }
}

/// Opens files: paths, directories, glob patterns.
///
/// # Errors
/// When a file cannot be opened or an expression is not valid for its columns; for every expression without
/// the cargo feature `polars`.
pub fn open<P: AsRef<Path>>(
    paths: &[P],
    options: &DatasetOptions,
    selection: &Selection,
) -> Result<Box<dyn Source>> {
    let dataset = Dataset::open(paths, options)?;
    if selection.is_everything() {
        return Ok(Box::new(dataset));
    }
    select(Box::new(dataset), selection)
}

#[cfg(feature = "polars")]
fn select(source: Box<dyn Source>, selection: &Selection) -> Result<Box<dyn Source>> {
    let expressions =
        streamreg_reader::polars::Expressions::new(source, &selection.with, selection.filter.as_deref())?;
    Ok(Box::new(expressions))
}

#[cfg(not(feature = "polars"))]
fn select(_: Box<dyn Source>, _: &Selection) -> Result<Box<dyn Source>> {
    Err(Error::invalid_request("filters and computed columns need the cargo feature `polars`"))
}
