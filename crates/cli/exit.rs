//! Exit codes.

use std::path::Path;

use serde_json::Value;
use streamreg::ErrorKind;

use crate::log;

/// The result could not be written, or the system refused something.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The data cannot be read, or do not fit the request.
pub(crate) const DATA: u8 = 3;
/// Rank-deficient or ill-conditioned, where that was not to be accepted.
pub(crate) const CONDITION: u8 = 4;
/// An iteration did not converge.
pub(crate) const NOT_CONVERGED: u8 = 5;
/// The memory that may be taken is not enough.
pub(crate) const MEMORY: u8 = 6;
/// A condition of the user's is not met.
pub(crate) const ASSERTION: u8 = 7;
/// A bug.
pub(crate) const INTERNAL: u8 = 70;
/// Another process is at work on the same file: try again later.
pub(crate) const LOCKED: u8 = 75;
/// Ended by the user, as shells count SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// What programs call a failure with an exit code.
pub(crate) fn kind(code: u8) -> &'static str {
    match code {
        USAGE => "usage",
        DATA => "data",
        CONDITION => "condition",
        NOT_CONVERGED => "not_converged",
        MEMORY => "memory",
        ASSERTION => "assertion",
        INTERNAL => "internal",
        LOCKED => "locked",
        128.. => "signal",
        _ => "output",
    }
}

/// What is to blame, where that is known.
#[derive(Default)]
struct Blamed {
    file: Option<String>,
    place: Option<String>,
    column: Option<String>,
    /// Whether the system refused something that has nothing to do with an output.
    system: bool,
}

/// How the process ends.
pub(crate) struct Exit {
    code: u8,
    message: Option<String>,
    /// Lines that show the place; safe for a terminal.
    excerpt: Option<String>,
    blamed: Blamed,
}

impl Exit {
    /// Done, with a code.
    pub(crate) fn code(code: u8) -> Self {
        Self { code, message: None, excerpt: None, blamed: Blamed::default() }
    }

    /// Failed, with a line for stderr.
    pub(crate) fn with_message(code: u8, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::code(code) }
    }

    /// The same end; where it is that of a mistake on the command line, its message says what else is to blame.
    pub(crate) fn blaming(self, blame: impl FnOnce(&str) -> Option<String>) -> Self {
        let message = self.message.map(|message| match blame(&message).filter(|_| self.code == USAGE) {
            Some(blamed) => format!("{message}; {blamed}"),
            None => message,
        });
        Self { message, ..self }
    }

    /// The same, with what else is to be said.
    pub(crate) fn with_more(self, more: &str) -> Self {
        let message = self.message.map_or_else(|| more.to_owned(), |message| format!("{message}; {more}"));
        Self { message: Some(message), ..self }
    }

    /// The same of a step of a job, which the message names.
    pub(crate) fn of(self, step: &str) -> Self {
        let message = self.message.unwrap_or_else(|| format!("exit code {}", self.code));
        Self { message: Some(format!("{step}: {message}")), ..self }
    }

    /// The line for stderr.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        self.code
    }

    /// Whether the code is 0.
    pub(crate) fn is_success(&self) -> bool {
        self.code == 0
    }

    /// The code for an error, and one line that says what went wrong. An error of the library already says
    /// what its causes said; of others the chain is printed.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            return Self::code(0);
        }
        let Some(own) = error.downcast_ref::<streamreg::Error>() else {
            return Self::with_message(FAILED, format!("{error:#}"));
        };
        if own.is_broken_pipe() {
            return Self::code(0);
        }
        let code = match own.kind() {
            ErrorKind::Request => USAGE,
            ErrorKind::Data => DATA,
            ErrorKind::Collinear => CONDITION,
            ErrorKind::NotConverged => NOT_CONVERGED,
            ErrorKind::Memory => MEMORY,
            ErrorKind::Locked => LOCKED,
            ErrorKind::Interrupted => INTERRUPTED,
            _ => FAILED,
        };
        let blamed = Blamed {
            file: own.path().map(|path: &Path| path.display().to_string()),
            place: own.place(),
            column: own.column().map(str::to_owned),
            system: own.kind() == ErrorKind::System,
        };
        Self { excerpt: own.excerpt().map(str::to_owned), blamed, ..Self::with_message(code, own.message()) }
    }

    /// Prints the message, if there is one, and gives the code.
    pub(crate) fn report(self) -> u8 {
        if log::is_json() {
            if self.message.is_some() {
                log::event("error", &self.fields());
            }
            return self.code;
        }
        if let Some(message) = self.message {
            log::write(&(log::told(&message) + "\n"));
        }
        if let Some(excerpt) = self.excerpt {
            log::write(&(excerpt + "\n"));
        }
        self.code
    }

    /// What programs want to know of a failure.
    fn fields(&self) -> [(&'static str, Value); 7] {
        let kind = if self.blamed.system { "system" } else { kind(self.code) };
        [
            ("kind", kind.into()),
            ("exit_code", self.code.into()),
            ("message", self.message.clone().into()),
            ("file", self.blamed.file.clone().into()),
            ("place", self.blamed.place.clone().into()),
            ("column", self.blamed.column.clone().into()),
            ("excerpt", self.excerpt.clone().into()),
        ]
    }
}
