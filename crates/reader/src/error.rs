//! The one error type of this crate: what went wrong, where, and what would be valid.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Result of everything that reads.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused: no such file, no permission, a failing disk.
    Io,
    /// The operating system refused something that has nothing to do with a file, such as a thread.
    System,
    /// The bytes are not what the format says they must be.
    Malformed,
    /// The file asks for more than the limits of the reader allow.
    Limit,
    /// The file is well formed and uses something that is not supported here.
    Unsupported,
    /// A column that was asked for is not there, or is there twice.
    Column,
    /// Files of one data set do not share a schema.
    Schema,
    /// A file changed between opening it and the end of the read.
    Changed,
    /// A decoder panicked; the panic was contained.
    Decoder,
    /// An expression cannot be computed for some row.
    Expression,
    /// The request itself cannot be met: no file matches, a bad option.
    Request,
}

/// Where in a file an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Line of a text file, counted from 1.
    Line(u64),
    /// Row group of a Parquet file, counted from 0.
    RowGroup(usize),
    /// Row of the data set, counted from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::RowGroup(n) => write!(f, "row group {n}"),
            Self::Row(n) => write!(f, "row {n}"),
        }
    }
}

/// An error of this crate. Its `Display` is one line that a user can act on.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    path: Option<PathBuf>,
    place: Option<Place>,
    column: Option<String>,
    message: String,
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error of `kind`; say what was expected and what was found.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            path: None,
            place: None,
            column: None,
            message: message.into(),
            help: None,
            source: None,
        }))
    }

    /// Wraps an error of the operating system for `path`.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, source.to_string()).at_path(path)
    }

    /// Names the file, unless one is named already.
    #[must_use]
    pub fn at_path(mut self, path: &Path) -> Self {
        self.0.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// Names the place in the file, unless one is named already.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// Names the column, unless one is named already.
    #[must_use]
    pub fn in_column(mut self, column: impl Into<String>) -> Self {
        self.0.column.get_or_insert_with(|| column.into());
        self
    }

    /// Says what would be valid, or what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says more of what would be valid.
    #[must_use]
    pub(crate) fn and_help(mut self, more: String) -> Self {
        self.0.help = Some(self.0.help.map_or(more.clone(), |help| format!("{help}; {more}")));
        self
    }

    /// Keeps the error underneath as the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file, where one is to blame.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The place in the file, where it is known.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// The column, where one is to blame.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }
}

/// A word as a shell takes it, for what a message proposes to type.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.,/:%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        if let Some(path) = &e.path {
            write!(f, "{}: ", path.display())?;
        }
        if let Some(place) = e.place {
            write!(f, "{place}: ")?;
        }
        if let Some(column) = &e.column {
            write!(f, "column {column:?}: ")?;
        }
        f.write_str(&e.message)?;
        if let Some(help) = &e.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
