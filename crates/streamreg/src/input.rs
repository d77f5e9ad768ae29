//! What is read: files, columns computed from theirs, and the rows that pass a filter.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use streamreg_reader::rows::{Expressions, needed};
use streamreg_reader::{Dataset, DatasetOptions, Source};

use crate::error::Result;
use crate::regression::Regression;

/// Opens files: paths, directories, glob patterns.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Dataset> {
    Ok(Dataset::open(paths, options)?)
}

/// Which rows of a source, and which columns beside its own: SQL expressions, as [`rows`](streamreg_reader::rows) reads them.
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

impl Regression {
    /// Uses only the rows for which an SQL expression is true: `year >= 2000 and carrier <> 'UA'`. What is null
    /// is not true. Row groups that statistics rule out are not read.
    ///
    /// ```
    /// use streamreg::Regression;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, "y,x,g\n1,1,a\n2.5,2,a\n3,3,a\n4.4,4,b\n,5,a\n6.5,6,a\n")?;
    /// let regression = Regression::new("y").features(["z"]).with("z", "x * x").filter("g <> 'b' and y is not null");
    /// let report = regression.fit_paths(&[&path])?;
    /// assert_eq!((report.ledger.rows_used, report.ledger.rows_filtered), (4, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.selection.filter = Some(expression.into());
        self
    }

    /// Adds a column computed by an SQL expression, which later ones, the filter and the model may name. A saved
    /// model computes it again.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, expression: impl Into<String>) -> Self {
        self.selection.with.push((column.into(), expression.into()));
        self
    }

    /// Opens files as this regression reads them. Filter and computed columns come later, when it is fitted.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn open<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Box<dyn Source>> {
        Ok(Box::new(open(paths, &self.dataset)?))
    }

    /// The columns that the model may name: those of the source, and those that are computed.
    ///
    /// # Errors
    /// When an expression is not valid for the columns of the source.
    pub fn schema(&self, source: &dyn Source) -> Result<SchemaRef> {
        Ok(Arc::clone(self.selection.of(source)?.schema()))
    }
}
