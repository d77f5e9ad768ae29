//! Derived columns, filters, NDJSON files and any query, by [polars](https://pola.rs). Only with the cargo
//! feature `polars`, which compiles many crates.
//!
//! | module | what it knows |
//! |---|---|
//! | `expressions` | [`Expressions`]: any source with derived columns and a filter in SQL |
//! | `sql` | from text to an expression that a row determines; [`needed`]: the derived columns that others need |
//! | `formula` | an expression, compiled once, evaluated on every batch |
//! | `known` | what a filter's statistics can tell: from an expression to a [`Predicate`](crate::Predicate) |
//! | `lazy` | [`LazyFrameSource`]: any polars query as a source |
//! | `ndjson` | files with an object of JSON on every line |
//! | `bridge` | columns of one library as columns of the other |
//!
//! # Who does what
//! polars parses and evaluates. Reading stays with the source underneath: its order, its memory, its counts,
//! its errors. An expression is compiled once, when it is given; a batch costs a few microseconds to hand
//! over, and then what the expression costs. polars is not asked to use threads: batches are evaluated
//! where they are decoded. Its warnings, which go to stderr, are switched off for the process when the first
//! expression is compiled.
//!
//! # The SQL
//! Whatever polars calls an expression in SQL: arithmetic, comparisons, `AND`, `OR`, `NOT`, `IN`, `BETWEEN`,
//! `LIKE`, `IS NULL`, `CASE`, `CAST`, `COALESCE`, `EXTRACT`, `LN`, `ROUND`, `LOWER` and many more
//! functions. Text stands in single quotes, names with blanks in double quotes. `/` divides as numbers do
//! (`1 / 2` is 0.5), a NaN equals itself and is greater than every number. What needs more than one row
//! (`SUM`, `ROW_NUMBER`, subqueries) is refused.

mod bridge;
mod expressions;
mod formula;
mod known;
mod lazy;
mod ndjson;
mod sql;

pub use self::expressions::Expressions;
pub use self::lazy::LazyFrameSource;
pub(crate) use self::ndjson::NdJsonFile;
pub use self::sql::needed;

use std::sync::Once;

use polars::prelude::PolarsError;

use crate::contain::contain_as;
use crate::error::{Error, ErrorKind, Result};

/// Runs code of polars; a panic in it becomes an error.
fn quiet<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    contain_as("polars cannot evaluate this: it panicked", work)
}

/// Runs `work` of polars where its recursion has room: parser and optimiser go as deep as an expression
/// has operators, and unoptimised they take tens of kilobytes for each.
fn with_room<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    static SILENCE: Once = Once::new();
    // A library writes nothing to stderr; polars would, of casts that it means to rename.
    SILENCE.call_once(|| polars::error::set_warning_function(|_, _| {}));
    let no_thread = |e: std::io::Error| Error::new(ErrorKind::Io, format!("no thread for polars: {e}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("polars-parse".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || quiet(work)).map_err(no_thread)?;
        thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Decoder, "polars panicked")))
    })
}

/// Address space of the thread that parses; pages that are not touched cost nothing.
const STACK_BYTES: usize = 256 << 20;

/// The error for values that an expression cannot be computed of.
fn failed(error: &PolarsError) -> Error {
    Error::new(ErrorKind::Expression, words(error))
}

/// What polars says, in one line.
fn words(error: &PolarsError) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
