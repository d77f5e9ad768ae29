//! Fits files and prints the report: `cargo run -p streamreg --example fit_files`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{Error, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    let report =
        Regression::formula("arr_delay ~ dep_delay + air_time + distance + hour").fit_paths(&[FLIGHTS])?;
    // The table that the command line prints; `{report:80}` is at most 80 columns wide.
    println!("{report}");

    // Everything in it is a field.
    for row in &report.coefficients {
        println!("{:<12} {:?} ± {:?}", row.term, row.estimate, row.std_error);
    }
    println!("{} of {} rows used", report.ledger.rows_used, report.ledger.rows_read);
    report.ledger.dropped.iter().for_each(|d| println!("{} rows: {} {}", d.rows, d.column, d.reason));
    report.warnings.iter().for_each(|warning| println!("{}", warning.message));
    Ok(())
}
