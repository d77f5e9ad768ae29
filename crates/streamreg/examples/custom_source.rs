//! A source of one's own: a data set with a column that is computed while it is read, and that can be
//! read again. `cargo run -p streamreg --example custom_source`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use streamreg::{Dataset, DatasetOptions, Regression, Source};
use streamreg_reader::{Error, ErrorKind, InputFile, Partition, Result, Scan, ScanRequest, Summary};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

/// The computed column, in miles per hour, and the columns it is computed from.
const SPEED: &str = "speed";
const INPUTS: [&str; 2] = ["distance", "air_time"];

fn main() -> std::result::Result<(), streamreg::Error> {
    let flights = WithSpeed::new(Dataset::open(&[FLIGHTS], &DatasetOptions::default())?);
    let report =
        Regression::new("arr_delay").features(["dep_delay", "distance", SPEED]).fit_source(&flights)?;
    for row in &report.coefficients {
        println!("{:<12} {:?} ± {:?}", row.term, row.estimate, row.std_error);
    }
    println!("{} of {} rows used", report.ledger.rows_used, report.ledger.rows_read);
    Ok(())
}

/// A data set and its computed column.
struct WithSpeed {
    dataset: Dataset,
    schema: SchemaRef,
}

impl WithSpeed {
    fn new(dataset: Dataset) -> Self {
        let mut fields: Vec<Field> = dataset.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(Field::new(SPEED, DataType::Float64, true));
        Self { dataset, schema: Arc::new(Schema::new(fields)) }
    }
}

impl Source for WithSpeed {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Every pass is a new scan, so the rows can be read as often as a solver wants them.
    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let wanted = request.columns.clone();
        let mut columns: Vec<String> = wanted.iter().filter(|name| *name != SPEED).cloned().collect();
        for input in INPUTS {
            if !columns.iter().any(|name| name == input) {
                columns.push(input.to_owned());
            }
        }
        let inner = self.dataset.scan(&ScanRequest { columns, ..request.clone() })?;
        Ok(Box::new(SpeedScan { inner, wanted: wanted.into(), verbatim: request.verbatim.len() }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.dataset.inputs()
    }

    fn summary(&self) -> Summary {
        let mut summary = self.dataset.summary();
        summary.null_counts.push(None);
        summary.decode_bytes.push(0);
        summary
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.dataset.verify_unchanged()
    }
}

/// One pass: the partitions of the data set, their batches with the computed column.
struct SpeedScan<'a> {
    inner: Box<dyn Scan + 'a>,
    wanted: Arc<[String]>,
    verbatim: usize,
}

impl Scan for SpeedScan<'_> {
    /// Partitions keep their rows and their order, so results still do not depend on threads.
    fn next_partition(&self) -> Option<Result<Partition>> {
        let partition = self.inner.next_partition()?;
        let (wanted, verbatim) = (Arc::clone(&self.wanted), self.verbatim);
        Some(partition.map(|partition| {
            let failed = |e: ArrowError| Error::new(ErrorKind::Malformed, e.to_string()).in_column(SPEED);
            let complete = move |batch: RecordBatch| with_speed(&batch, &wanted, verbatim).map_err(failed);
            let batches = partition.batches.map(move |batch| batch.and_then(&complete));
            Partition { batches: Box::new(batches), ..partition }
        }))
    }
}

/// The wanted columns in their order, and behind them the last `verbatim` ones of `batch`.
fn with_speed(
    batch: &RecordBatch,
    wanted: &[String],
    verbatim: usize,
) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = batch.schema_ref();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for name in wanted {
        if name == SPEED {
            fields.push(Arc::new(Field::new(SPEED, DataType::Float64, true)));
            columns.push(speed(batch)?);
        } else {
            let index = schema.index_of(name)?;
            fields.push(Arc::clone(&schema.fields()[index]));
            columns.push(Arc::clone(batch.column(index)));
        }
    }
    for index in batch.num_columns() - verbatim..batch.num_columns() {
        fields.push(Arc::clone(&schema.fields()[index]));
        columns.push(Arc::clone(batch.column(index)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Distance over time; null where either is.
fn speed(batch: &RecordBatch) -> std::result::Result<ArrayRef, ArrowError> {
    let [distance, minutes] = INPUTS.map(|name| -> std::result::Result<Float64Array, ArrowError> {
        let column = cast(batch.column(batch.schema_ref().index_of(name)?), &DataType::Float64)?;
        Ok(Float64Array::from(column.to_data()))
    });
    let (distance, minutes) = (distance?, minutes?);
    let rows = distance.iter().zip(minutes.iter());
    let speed: Float64Array = rows.map(|(miles, minutes)| Some(miles? / (minutes? / 60.0))).collect();
    Ok(Arc::new(speed))
}
