//! The one error type of the library.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

use arrow_schema::ArrowError;
use streamreg_core::FormulaError;
use streamreg_reader::suggestion;

/// Result of the library's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option is outside its range, or the request contradicts itself.
    Request,
    /// The data cannot be read, or do not have the columns that are needed.
    Data,
    /// Columns are collinear and that was not to be accepted.
    Collinear,
    /// An iteration did not come close enough to its end.
    NotConverged,
    /// A result could not be written.
    Output,
    /// The computation was told to stop.
    Interrupted,
    /// Another process is at work on the same file.
    Locked,
    /// The memory that may be taken is not enough.
    Memory,
    /// The system refused something that has nothing to do with the data.
    System,
}

/// An error. Its `Display` is one line that says what to do; [`std::error::Error::source`] has the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// Lines that show the place.
    excerpt: Option<String>,
    broken_pipe: bool,
    /// The file to blame, where the cause does not name it.
    file: Option<PathBuf>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), excerpt: None, broken_pipe: false, file: None, source: None }
    }

    /// An error of a program that found a request invalid before the library saw it.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Request, message)
    }

    /// An error of a program that found data missing or unfit before the library saw them.
    pub fn invalid_data(message: impl Into<String>) -> Self {
        Self::data(message)
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted")
    }

    pub(crate) fn memory(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Memory, message)
    }

    pub(crate) fn locked(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Locked, message)
    }

    /// A failure to write `path`.
    pub(crate) fn output(path: &Path, source: impl StdError + Send + Sync + 'static) -> Self {
        let message = format!("{}: cannot write: {source}", path.display());
        let io = (&source as &dyn std::any::Any).downcast_ref::<std::io::Error>();
        let broken_pipe = io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
        let file = Some(path.to_path_buf());
        let source: Option<Box<dyn StdError + Send + Sync>> = Some(Box::new(source));
        Self { kind: ErrorKind::Output, message, excerpt: None, broken_pipe, file, source }
    }

    /// The same error, of a file.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        let located = self.located(&path.display().to_string());
        Self { file: Some(path.to_path_buf()), ..located }
    }

    /// Puts where it happened in front of the message.
    pub(crate) fn located(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Adds the way out to the message.
    pub(crate) fn with_help(mut self, help: &str) -> Self {
        self.message = format!("{}; {help}", self.message);
        self
    }

    fn caused_by(kind: ErrorKind, source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            kind,
            message: source.to_string(),
            excerpt: None,
            broken_pipe: false,
            file: None,
            source: Some(Box::new(source)),
        }
    }

    /// What is wrong, in one line, without [`Error::excerpt`].
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Lines that show where, such as a formula with a mark below; control characters are escaped.
    pub fn excerpt(&self) -> Option<&str> {
        self.excerpt.as_deref()
    }

    fn of_reader(&self) -> Option<&streamreg_reader::Error> {
        self.source.as_ref()?.downcast_ref()
    }

    fn of_core(&self) -> Option<&streamreg_core::Error> {
        self.source.as_ref()?.downcast_ref()
    }

    /// The file to blame, where that is known.
    pub fn path(&self) -> Option<&Path> {
        self.of_reader().and_then(streamreg_reader::Error::path).or(self.file.as_deref())
    }

    /// The place in the file, in words: `line 3`, `row 3`, both counted from 1, or `row group 3`, counted from 0.
    pub fn place(&self) -> Option<String> {
        let of_reader = || Some(self.of_reader()?.place()?.to_string());
        let of_core = || Some(format!("row {}", self.of_core()?.row()? + 1));
        of_reader().or_else(of_core)
    }

    /// The column to blame, where that is known.
    pub fn column(&self) -> Option<&str> {
        let of_core = || self.of_core().and_then(streamreg_core::Error::column);
        self.of_reader().and_then(streamreg_reader::Error::column).or_else(of_core)
    }

    /// Whether the reader of the output went away, which is no failure for a filter in a pipeline.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.excerpt.iter().try_for_each(|excerpt| write!(f, "\n{excerpt}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The message already says what the wrapped error says: its own causes come next.
        self.source.as_ref().and_then(|e| e.source())
    }
}

impl From<FormulaError> for Error {
    fn from(error: FormulaError) -> Self {
        let text = error.to_string();
        let excerpt = text.strip_prefix(error.message()).map(|e| e.trim_start_matches('\n').to_owned());
        Self { excerpt, ..Self::new(ErrorKind::Request, format!("the formula: {}", error.message())) }
    }
}

impl From<streamreg_reader::Error> for Error {
    fn from(error: streamreg_reader::Error) -> Self {
        let kind = match error.kind() {
            streamreg_reader::ErrorKind::Request => ErrorKind::Request,
            streamreg_reader::ErrorKind::System => ErrorKind::System,
            _ => ErrorKind::Data,
        };
        Self::caused_by(kind, error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Core(error) => error.into(),
            Failure::Other(error) => error,
        }
    }
}

/// For callers that make record batches of their own.
impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::caused_by(ErrorKind::Data, error)
    }
}

impl From<streamreg_core::Error> for Error {
    fn from(error: streamreg_core::Error) -> Self {
        let kind = match error.kind() {
            streamreg_core::ErrorKind::Interrupted => ErrorKind::Interrupted,
            streamreg_core::ErrorKind::Threads => ErrorKind::System,
            streamreg_core::ErrorKind::Memory => ErrorKind::Memory,
            streamreg_core::ErrorKind::Diverged => ErrorKind::NotConverged,
            // What the error says is about the data, whatever it is.
            _ => ErrorKind::Data,
        };
        let meant = error
            .unknown()
            .map(|unknown| suggestion(&unknown.name, unknown.known.iter().map(String::as_str), unknown.what));
        let own = Self::caused_by(kind, error);
        match meant {
            Some(meant) => Self { message: format!("{}; {meant}", own.message), ..own },
            None => own,
        }
    }
}

impl From<streamreg_solve::Error> for Error {
    fn from(error: streamreg_solve::Error) -> Self {
        let kind = match error {
            streamreg_solve::Error::Collinear(_) | streamreg_solve::Error::Singular { .. } => {
                ErrorKind::Collinear
            }
            streamreg_solve::Error::NotConverged => ErrorKind::NotConverged,
            streamreg_solve::Error::Option(_) => ErrorKind::Request,
            _ => ErrorKind::Data,
        };
        Self::caused_by(kind, error)
    }
}

/// Why a pass over files failed: while a row was used, or before.
pub(crate) enum Failure {
    Core(streamreg_core::Error),
    Other(Error),
}

impl From<streamreg_core::Error> for Failure {
    fn from(error: streamreg_core::Error) -> Self {
        Self::Core(error)
    }
}

impl From<streamreg_reader::Error> for Failure {
    fn from(error: streamreg_reader::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
