//! Derived columns, filters, NDJSON files and any query, by [polars](https://pola.rs). Only with the cargo
//! feature `polars`, which compiles many crates.
//!
//! | module | what it knows |
//! |---|---|
//! | `expressions` | [`Expressions`]: any source with derived columns and a filter in SQL |
//! | `sql` | from text to an expression that a row determines |
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
//! where they are decoded.
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

use polars::prelude::PolarsError;

use crate::contain::contain_as;
use crate::error::{Error, ErrorKind, Result};

/// Runs code of polars; a panic in it becomes an error.
fn quiet<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    contain_as("polars cannot evaluate this: it panicked", work)
}

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
