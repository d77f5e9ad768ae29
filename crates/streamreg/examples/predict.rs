//! Saves a model, loads it, predicts: a whole file, and one batch.
//! `cargo run -p streamreg --example predict`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use streamreg::{Interval, Model, PredictOptions, Regression};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.json");
    let regression = Regression::new("arr_delay").features(["dep_delay", "air_time", "distance"]);
    regression.fit_paths(&[FLIGHTS])?.model().save(&path)?;

    let model = Model::load(&path)?;
    println!("{} is explained by {:?}", model.response(), model.features());

    // Files are streamed, in order: one output row for every input row.
    let options =
        PredictOptions { keep: vec!["carrier".into(), "flight".into()], ..PredictOptions::default() };
    let output = folder.path().join("predictions.parquet");
    let summary = model.predict_paths(&[FLIGHTS], &output, &options)?;
    println!("{} rows written, {} of them null", summary.rows, summary.nulls);

    // The columns of a batch are found by name.
    let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("distance", column(vec![Some(1400.0), Some(1400.0)])),
        ("dep_delay", column(vec![Some(30.0), None])),
        ("air_time", column(vec![Some(200.0), Some(200.0)])),
    ])?;
    let prediction = model.predict_interval(&batch, Some((Interval::Prediction, 0.9)))?;
    println!("{:?}", prediction.fit);
    if let Some((low, high)) = prediction.interval {
        println!("90 % of such flights lie between {:.1} and {:.1} minutes", low.value(0), high.value(0));
    }
    Ok(())
}
