//! Looks at files before they are fitted: `cargo run -p streamreg --example inspect`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{Error, Execution, InspectOptions, inspect};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    // From the metadata alone; `.verify()` decodes every page.
    let options = InspectOptions::new().execution(Execution::default().threads(4));
    let inspection = inspect(&[FLIGHTS], &options)?;
    println!("{inspection}");
    for column in inspection.columns.iter().filter(|column| column.feature) {
        println!("{:<16} {:<8} nulls: {:?}", column.name, column.kind, column.nulls);
    }
    Ok(())
}
