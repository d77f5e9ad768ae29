//! Fits record batches that the caller makes, here with a column that the file does not have:
//! `cargo run -p streamreg --example fit_batches`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use streamreg::{Regression, Solver};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(FLIGHTS)?)?.build()?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("log_distance", DataType::Float64, true),
        Field::new("air_time", DataType::Int64, true),
    ]));

    // Batches of any size will do: results do not depend on it. They are taken one by one, never collected.
    let batches = reader.map(|batch| {
        batch
            .and_then(|batch| with_log_distance(&batch, &schema))
            .map_err(|error| streamreg::Error::invalid_request(error.to_string()))
    });
    let report = Regression::new("air_time")
        // An iterator can be read once, so there is no second pass for `Solver::Auto` to ask for.
        .solver(Solver::Qr)
        .fit_batches(Arc::clone(&schema), batches)?;

    for row in &report.coefficients {
        println!("{:<14} {:?} ± {:?}", row.term, row.estimate, row.std_error);
    }
    println!("{} of {} rows used", report.ledger.rows_used, report.ledger.rows_read);
    Ok(())
}

fn with_log_distance(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch, ArrowError> {
    let column = |name: &str| batch.schema_ref().index_of(name).map(|index| Arc::clone(batch.column(index)));
    let distance = column("distance")?;
    let miles = distance.as_primitive_opt::<Int64Type>();
    let miles = miles.ok_or_else(|| ArrowError::SchemaError("distance is not an integer".into()))?;
    let logs: Float64Array = miles.iter().map(|miles| miles.map(|miles| (miles as f64).ln())).collect();
    RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(logs), column("air_time")?])
}
