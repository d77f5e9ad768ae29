//! What is read: files, columns computed from theirs, and the rows that pass a filter.

use std::path::Path;

use streamreg_reader::{Dataset, DatasetOptions, Source};

use crate::error::Result;

/// Opens files: paths, directories, glob patterns.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Dataset> {
    Ok(Dataset::open(paths, options)?)
}

/// Which rows of a source, and which columns beside its own: SQL expressions, as polars reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Columns to compute: name and expression. Later ones may use earlier ones.
    pub(crate) with: Vec<(String, String)>,
    /// The condition that rows must fulfil.
    pub(crate) filter: Option<String>,
}

impl Selection {
    /// Whether a source is taken as it is.
    pub(crate) fn is_everything(&self) -> bool {
        self.with.is_empty() && self.filter.is_none()
    }

    /// The part that is needed for `columns`; what other columns are computed from need not be in the data.
    pub(crate) fn for_columns(self, columns: impl IntoIterator<Item = String>) -> Result<Self> {
        if self.with.is_empty() {
            return Ok(self);
        }
        needed(self, columns.into_iter().collect())
    }

    /// The source with the computed columns behind its own, and without the rows that fail the filter.
    ///
    /// # Errors
    /// When an expression is not valid for the columns; for every expression without the cargo feature
    /// `polars`.
    pub(crate) fn of<'s>(&self, source: &'s dyn Source) -> Result<Box<dyn Source + 's>> {
        if self.is_everything() {
            return Ok(Box::new(source));
        }
        expressions(source, self)
    }
}

#[cfg(feature = "polars")]
fn needed(selection: Selection, columns: Vec<String>) -> Result<Selection> {
    let with = streamreg_reader::polars::needed(&selection.with, selection.filter.as_deref(), columns)?;
    Ok(Selection { with, ..selection })
}

#[cfg(feature = "polars")]
fn expressions<'s>(source: &'s dyn Source, selection: &Selection) -> Result<Box<dyn Source + 's>> {
    let (with, filter) = (&selection.with, selection.filter.as_deref());
    Ok(Box::new(streamreg_reader::polars::Expressions::new(Box::new(source), with, filter)?))
}

#[cfg(not(feature = "polars"))]
fn needed(_: Selection, _: Vec<String>) -> Result<Selection> {
    Err(without_polars())
}

#[cfg(not(feature = "polars"))]
fn expressions<'s>(_: &'s dyn Source, _: &Selection) -> Result<Box<dyn Source + 's>> {
    Err(without_polars())
}

#[cfg(not(feature = "polars"))]
fn without_polars() -> crate::error::Error {
    crate::error::Error::invalid_request(
        "filters and computed columns need the cargo feature `polars`, which is off here",
    )
}
