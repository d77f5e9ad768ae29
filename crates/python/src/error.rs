//! Errors as exceptions.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use streamreg::{Error, ErrorKind};

pyo3::create_exception!(
    streamreg,
    StreamregError,
    PyException,
    "What went wrong, in one line that says what to do."
);

/// The exception for an error, with what is known of the place.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let message = match error.excerpt() {
        Some(excerpt) => format!("{}\n{excerpt}", error.message()),
        None => error.message().to_owned(),
    };
    let kind = match error.kind() {
        ErrorKind::Request => "request",
        ErrorKind::Data => "data",
        ErrorKind::Collinear => "collinear",
        ErrorKind::NotConverged => "not_converged",
        ErrorKind::Memory => "memory",
        ErrorKind::Locked => "locked",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::System => "system",
        _ => "output",
    };
    let exception = StreamregError::new_err(message);
    let value = exception.value(py);
    let file = error.path().map(|path| path.display().to_string());
    let known = value
        .setattr("kind", kind)
        .and_then(|()| value.setattr("file", file))
        .and_then(|()| value.setattr("place", error.place()))
        .and_then(|()| value.setattr("column", error.column()));
    known.err().unwrap_or(exception)
}
