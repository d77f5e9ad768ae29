//! Queries of polars as sources, and polars as an oracle of row expressions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod frames;
mod queries;
mod rows;
