//! Fits files and reads the result: `cargo run -p streamreg --example fit_files`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{Error, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    let report = Regression::new("arr_delay")
        .features(["dep_delay", "air_time", "distance", "hour", "minute", "sched_dep_time"])
        .fit_paths(&[FLIGHTS])?;

    for row in &report.coefficients {
        match (row.estimate, row.std_error) {
            (Some(estimate), Some(error)) => println!("{:<16} {estimate:>10.5} ± {error:.5}", row.term),
            // A column that depends on others keeps its row, without numbers.
            _ => println!("{:<16} set aside", row.term),
        }
    }
    for dependent in &report.aliased {
        println!("dependent: {dependent}");
    }
    println!(
        "R² {:?}, condition number {:.1}",
        report.glance.r_squared,
        report.condition_number.unwrap_or(f64::NAN)
    );
    println!(
        "{} of {} rows used, {} passes",
        report.ledger.rows_used, report.ledger.rows_read, report.solver.passes
    );
    for dropped in &report.ledger.dropped {
        println!("{} rows dropped for {} ({:?})", dropped.rows, dropped.column, dropped.reason);
    }
    Ok(())
}
