//! Measures how well a model predicts: `cargo run -p streamreg --example evaluate`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{Error, EvaluateOptions, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    let by_distance = Regression::new("air_time").features(["distance"]).fit_paths(&[FLIGHTS])?.model()?;

    // The same files here; other ones with the same columns will do as well.
    let evaluation = by_distance.evaluate_paths(&[FLIGHTS], &EvaluateOptions::new())?;
    println!(
        "RMSE {:.3}, MAE {:.3}, bias {:.1e}",
        evaluation.measures.rmse, evaluation.measures.mae, evaluation.measures.bias
    );
    println!("R² {:?} on {} rows", evaluation.measures.r_squared, evaluation.measures.rows);
    println!("{} rows lack a value", evaluation.ledger.rows_dropped());
    Ok(())
}
