//! What is read: files, columns computed from theirs, and the rows that pass a filter.

use std::path::Path;

use arrow_schema::Schema;
use serde::{Deserialize, Serialize};
use streamreg_reader::rows::{Expressions, needed};
use streamreg_reader::{Dataset, DatasetOptions, PART_OF, Source};

use crate::error::Result;

/// Opens files: paths, directories, glob patterns.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Dataset> {
    Ok(Dataset::open(paths, options)?)
}

/// The columns without the parts of structs, which are features only where they are named.
pub(crate) fn without_parts(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().filter(|field| !field.metadata().contains_key(PART_OF));
    Schema::new(fields.cloned().collect::<Vec<_>>())
}

/// Which rows of a source, and which columns beside its own: SQL expressions, as [`rows`](streamreg_reader::rows) reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        let with = needed(&self.with, self.filter.as_deref(), columns)?;
        Ok(Self { with, ..self })
    }

    /// The source with the computed columns behind its own, and without the rows that fail the filter.
    ///
    /// # Errors
    /// When an expression is not valid for the columns.
    pub(crate) fn of<'s>(&self, source: &'s dyn Source) -> Result<Box<dyn Source + 's>> {
        if self.is_everything() {
            return Ok(Box::new(source));
        }
        let (with, filter) = (&self.with, self.filter.as_deref());
        Ok(Box::new(Expressions::new(Box::new(source), with, filter)?))
    }
}
