//! Exit codes.

use std::io::Write;

use streamreg::ErrorKind;

use crate::text::stderr_width;

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
/// A bug.
pub(crate) const INTERNAL: u8 = 70;
/// Another process is at work on the same file: try again later.
pub(crate) const LOCKED: u8 = 75;
/// Ended by the user, as shells count SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// A message as it stands on stderr: behind the name of the program, in lines that fit a terminal.
pub(crate) fn told(message: &str) -> String {
    let line = format!("streamreg: {}", streamreg::printable(message));
    streamreg::wrapped(&line, stderr_width())
}

/// How the process ends.
pub(crate) struct Exit {
    code: u8,
    message: Option<String>,
    /// Lines that show the place; safe for a terminal.
    excerpt: Option<String>,
}

impl Exit {
    /// Done, with a code.
    pub(crate) fn code(code: u8) -> Self {
        Self { code, message: None, excerpt: None }
    }

    /// Failed, with a line for stderr.
    pub(crate) fn with_message(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), excerpt: None }
    }

    /// The same of a step of a job, which the message names.
    pub(crate) fn of(self, step: &str) -> Self {
        let message = self.message.map_or_else(|| format!("exit code {}", self.code), |message| message);
        Self { message: Some(format!("{step}: {message}")), ..self }
    }

    /// The line for stderr.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
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
        Self { excerpt: own.excerpt().map(str::to_owned), ..Self::with_message(code, own.message()) }
    }

    /// Prints the message, if there is one, and gives the code.
    pub(crate) fn report(self) -> u8 {
        if let Some(message) = self.message {
            // Nothing can be done about a closed stderr.
            let _ = writeln!(std::io::stderr(), "{}", told(&message));
        }
        if let Some(excerpt) = self.excerpt {
            let _ = writeln!(std::io::stderr(), "{excerpt}");
        }
        self.code
    }
}
