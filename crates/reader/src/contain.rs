//! Containment of panics in decoders and engines we did not write.
//!
//! A damaged file can make a decoder panic. Where this crate calls one, such a panic becomes an ordinary error.
//! The panic hook still runs first; a program that wants a clean stderr installs a hook that stays
//! silent while [`is_containing`] holds on the panicking thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether the current thread runs decoder code whose panics are turned into errors.
pub fn is_containing() -> bool {
    DEPTH.with(|d| d.get() > 0)
}

/// Runs `decode`; a panic inside becomes an [`ErrorKind::Decoder`] error.
///
/// After a panic the decoder's state may be inconsistent, so the caller must drop it.
pub(crate) fn contain<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    contain_as("the data are damaged: they cannot be decoded", decode)
}

/// Runs `work`; a panic inside becomes an [`ErrorKind::Decoder`] error with this message.
pub fn contain_as<T>(message: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    DEPTH.with(|d| d.set(d.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.with(|d| d.set(d.get() - 1));
    outcome.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        // The panic's own words help nobody who reads the message; they stay as its cause.
        Err(Error::new(ErrorKind::Decoder, message).caused_by(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_marker_is_reset() {
        assert!(!is_containing());
        let error = contain::<()>(|| {
            assert!(is_containing());
            std::panic::resume_unwind(Box::new("index 7 out of range"))
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decoder);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("index 7 out of range"));
        assert!(!is_containing());
    }
}
