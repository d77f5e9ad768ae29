//! The error type of this crate.

use std::fmt;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The model names a column that is absent, repeated, or of a type it cannot use.
    Model,
    /// A missing or non-finite value under [`crate::model::spec::Missing::Error`].
    Missing,
    /// The batches do not have the columns that the design was bound to.
    Batch,
    /// A weight is negative, or no count where counts are needed.
    Weight,
    /// A level is not one that the model was fitted to.
    Unseen,
    /// Values are so large or small that their squares leave float64's range.
    Overflow,
    /// Steps are too long: the loss grows without end.
    Diverged,
    /// The pass was told to stop.
    Interrupted,
    /// What grows with the data has taken the memory that it may take.
    Memory,
    /// The operating system refused a thread.
    Threads,
}

/// An error of this crate.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    column: Option<String>,
    message: String,
    row: Option<u64>,
    unknown: Option<Box<Unknown>>,
}

/// A name that stands for nothing, and the names that stand for something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// The name as it was written.
    pub name: String,
    /// What the names are of: `columns`, `levels`.
    pub what: &'static str,
    /// All that are known.
    pub known: Vec<String>,
}

impl Error {
    /// The error of work that was stopped from outside.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted")
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, column: None, message: message.into(), row: None, unknown: None }
    }

    /// A missing value under [`crate::model::spec::Missing::Error`], in row `row` (from 0) of its partition.
    pub(crate) fn missing(column: &str, what: &str, row: u64) -> Self {
        let mut error = Self::new(ErrorKind::Missing, format!("the value is {what}")).in_column(column);
        error.row = Some(row);
        error
    }

    /// The same error, with the row counted from elsewhere, such as the beginning of its file.
    #[must_use]
    pub fn at_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    /// Turns a row of a partition into one of the whole data.
    pub(crate) fn after_rows(mut self, before: u64) -> Self {
        self.row = self.row.map(|row| row + before);
        self
    }

    pub(crate) fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Says which names there are instead of `name`.
    pub(crate) fn unknown_among(
        mut self,
        name: &str,
        what: &'static str,
        known: impl IntoIterator<Item = String>,
    ) -> Self {
        self.unknown =
            Some(Box::new(Unknown { name: name.into(), what, known: known.into_iter().collect() }));
        self
    }

    /// The name that stands for nothing, where one is to blame.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.unknown.as_deref()
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The row to blame, counted from 0 over all rows as read, where there is one.
    pub fn row(&self) -> Option<u64> {
        self.row
    }

    /// The column to blame, where there is one.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            write!(f, "column {column:?}: ")?;
        }
        if let Some(row) = self.row {
            write!(f, "row {}: ", row + 1)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
