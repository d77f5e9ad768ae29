//! Damaged files: each is an error that names the file, or gives the numbers of the sound one.

mod bits;
mod ipc;
mod mutants;
mod numbers;
mod parquet;
mod relaid;
mod text;
mod thrift;

use std::path::PathBuf;

/// A file of `tests/golden/damaged`, where small sound files of several writers lie.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/damaged").join(name)
}

/// The sound Parquet files there.
const SOUND: [&str; 5] = [
    "pyarrow_v1.parquet",
    "pyarrow_v2.parquet",
    "pyarrow_delta.parquet",
    "duckdb.parquet",
    "duckdb_v2.parquet",
];
