//! Queries of [polars](https://pola.rs) as sources of streamreg. A crate of its own, because polars takes much longer to
//! build than all the rest.
//!
//! | to | start at |
//! |---|---|
//! | fit a lazy frame | [`LazyFrameSource::new`] |
//! | fit the result of SQL over several files | [`query`] |
//!
//! ```
//! use polars::prelude::{IntoLazy, df};
//! use streamreg_polars::LazyFrameSource;
//! use streamreg_reader::{ScanRequest, Source};
//!
//! let frame = df!("x" => [1.0, 2.0], "y" => [3.0, 5.0])?;
//! let source = LazyFrameSource::new(frame.lazy())?;
//! assert!(source.scan(&ScanRequest::new(["x"]))?.next_partition().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bridge;
mod lazy;
mod query;

pub use self::lazy::LazyFrameSource;
pub use self::query::query;

use polars::prelude::PolarsError;
use streamreg_reader::contain::contain_as;
use streamreg_reader::{Error, ErrorKind, Result};

/// Runs code of polars; a panic in it becomes an error.
fn quiet<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    contain_as("polars cannot evaluate this: it panicked", work)
}

/// The error for values that a query cannot be computed of.
fn failed(error: &PolarsError) -> Error {
    Error::new(ErrorKind::Expression, words(error))
}

/// What polars says, in one line.
fn words(error: &PolarsError) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
