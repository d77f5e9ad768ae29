//! Looks at files before they are fitted: `cargo run -p streamreg --example inspect`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{DatasetOptions, Error, Execution, inspect};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    // From the metadata alone; with `true` instead of `false` every page is decoded.
    let execution = Execution { threads: Some(4), ..Execution::default() };
    let inspection = inspect(&[FLIGHTS], false, &DatasetOptions::default(), &execution)?;
    println!("{:?} rows in {:?} row groups", inspection.rows, inspection.row_groups);
    for column in inspection.columns.iter().filter(|column| column.feature) {
        println!("{:<16} {:<8} nulls: {:?}", column.name, column.kind, column.nulls);
    }
    println!(
        "a fit of all of them with {} threads: {} bytes",
        inspection.threads, inspection.predicted_memory
    );
    Ok(())
}
