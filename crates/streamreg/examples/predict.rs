//! Saves a model, loads it, and predicts: files, and a batch. `cargo run -p streamreg --example predict`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use streamreg::{Interval, Model, PredictOptions, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (saved, output) = (folder.path().join("model.json"), folder.path().join("predictions.parquet"));
    Regression::formula("arr_delay ~ dep_delay + distance").fit_paths(&[FLIGHTS])?.model()?.save(&saved)?;
    let model = Model::load(&saved)?;

    // Files are streamed, in order: one output row for every input row.
    let options = PredictOptions::new().keep(["carrier", "flight"]).interval(Interval::Prediction, 0.9);
    let summary = model.predict_paths(&[FLIGHTS], &output, &options)?;
    println!("{} rows written, {} of them null", summary.rows, summary.nulls);

    // The columns of a batch are found by name.
    let column = |values: [f64; 2]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let batch = [("distance", column([1400.0, 200.0])), ("dep_delay", column([30.0, -5.0]))];
    println!("{:?}", model.predict(&RecordBatch::try_from_iter(batch)?)?);
    Ok(())
}
