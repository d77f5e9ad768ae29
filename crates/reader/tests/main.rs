//! Tests of the reader from outside, one file a theme.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod batches;
mod counts;
mod damage;
mod dictionaries;
mod duckdb;
mod expressions;
mod formats;
mod in_place;
mod pruning;
mod util;
