//! Watches a fit and stops it half-way: `cargo run -p streamreg --example progress`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use streamreg::{Error, ErrorKind, Progress, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Called from any of the threads, about once a record batch: it must be quick.
    let watch = move |progress: Progress| {
        println!("pass {}: {} of {:?} rows", progress.pass, progress.rows, progress.total);
        if progress.total.is_some_and(|total| progress.rows > total / 2) {
            flag.store(true, Ordering::Relaxed);
        }
    };
    let regression = Regression::formula("arr_delay ~ dep_delay + distance").threads(2);
    match regression.progress(Arc::new(watch)).interrupt(stop).fit_paths(&[FLIGHTS]) {
        Err(error) if error.kind() == ErrorKind::Interrupted => println!("stopped, as it was told to"),
        Err(error) => return Err(error),
        Ok(report) => println!("finished first: R² {:?}", report.glance.r_squared),
    }
    Ok(())
}
