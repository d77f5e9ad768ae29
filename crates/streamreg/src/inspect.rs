//! What is in files, what a fit of them would need, and whether they are sound.

use std::collections::HashSet;
use std::path::Path;

use arrow_schema::DataType;
use serde::Serialize;
use streamreg_core::{ModelSpec, Precision, in_order};
use streamreg_reader::{Dataset, DatasetOptions, Source};

use streamreg_solve::Warning;

use crate::error::{Error, Result};
use crate::pass::{Execution, Pass, data_set_warnings};
use crate::plan::limits::state_bytes;
use crate::report::InputRecord;
use crate::request::selection::without_parts;
use crate::setters::setters;

/// A column of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Nulls, where the files' statistics say so.
    pub nulls: Option<u64>,
    /// Whether it is a feature unless excluded.
    pub feature: bool,
}

/// What is known of a data set from its metadata, or from reading all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The files.
    pub inputs: Vec<InputRecord>,
    /// The columns.
    pub columns: Vec<ColumnSummary>,
    /// Rows, where the metadata say so.
    pub rows: Option<u64>,
    /// Row groups, where all files are Parquet.
    pub row_groups: Option<usize>,
    /// Rows of the largest row group.
    pub largest_row_group: Option<u64>,
    /// Threads that the memory is predicted for.
    pub threads: usize,
    /// Predicted anonymous memory of a fit of one numeric column on all others, in bytes.
    pub predicted_memory: u64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
    /// What reading everything showed, if that was asked for.
    pub verified: Option<Verified>,
}

/// What was read without finding damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// Rows that were decoded.
    pub rows: u64,
    /// Pages of Parquet files that were decoded.
    pub pages: u64,
    /// Pages whose bytes a checksum protects; changed bytes in others may go unnoticed.
    pub checksummed_pages: u64,
}

/// How files are inspected.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct InspectOptions {
    /// Whether everything is decoded, which checks page checksums, every field and the number of rows.
    pub verify: bool,
    /// How files are read.
    pub dataset: DatasetOptions,
    /// Threads, progress, interruption.
    pub execution: Execution,
}

impl InspectOptions {
    /// Metadata alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes everything.
    #[must_use]
    pub fn verify(mut self) -> Self {
        self.verify = true;
        self
    }

    setters! {
        /// Sets how files are read.
        dataset: DatasetOptions,
        /// Threads, progress, interruption.
        execution: Execution,
    }
}

/// Inspects files: their metadata, or every page of every column.
///
/// # Errors
/// When a file cannot be opened; with [`InspectOptions::verify`], for the first damage found.
pub fn inspect<P: AsRef<Path>>(paths: &[P], options: &InspectOptions) -> Result<Inspection> {
    let execution = &options.execution;
    let dataset = Dataset::open(paths, &options.dataset)?;
    let summary = dataset.summary();
    let schema = dataset.schema();
    let (names, _) = ModelSpec::new("", Vec::new()).default_features(&[], &without_parts(schema));
    let features: HashSet<&String> = names.iter().collect();
    let columns = schema.fields().iter().zip(&summary.null_counts).map(|(field, &nulls)| ColumnSummary {
        name: field.name().clone(),
        kind: type_name(field.data_type()),
        nulls,
        feature: features.contains(field.name()),
    });
    let threads = execution.resolved_threads()?;
    let decode = schema
        .fields()
        .iter()
        .zip(&summary.decode_bytes)
        .filter(|(f, _)| features.contains(f.name()))
        .map(|(_, b)| b);
    let predicted_memory =
        predict_memory(threads as u64, names.len() as u64, decode.sum::<u64>() + summary.partition_bytes);
    let verified = if options.verify { Some(verify_all(&dataset, summary.rows, execution)?) } else { None };
    Ok(Inspection {
        columns: columns.collect(),
        rows: summary.rows,
        row_groups: summary.row_groups,
        largest_row_group: summary.largest_row_group,
        threads,
        predicted_memory,
        warnings: data_set_warnings(&dataset),
        verified,
        inputs: dataset.inputs().into_iter().map(InputRecord::from).collect(),
    })
}

/// Bytes of anonymous memory: the process itself, and for each thread what decoding holds, two record
/// batches, and its sums; two more wait for merging.
fn predict_memory(threads: u64, variables: u64, decode: u64) -> u64 {
    const PROCESS: u64 = 8 << 20;
    let batch = streamreg_reader::DEFAULT_BATCH_ROWS as u64 * variables * 8;
    let matrix = variables * variables * 8;
    PROCESS + threads * (decode + 2 * batch + state_bytes(variables as usize, Precision::Auto) + 2 * matrix)
}

fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        other => other.to_string(),
    }
}

/// Decodes every column of every row, which checks page checksums and row counts on the way.
fn verify_all(source: &dyn Source, declared: Option<u64>, execution: &Execution) -> Result<Verified> {
    let names: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let scan = source.scan(&execution.request(&names))?;
    let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p.batches)).map_err(Error::from));
    let mut rows = 0;
    execution.control(Pass::only(), declared, |control| {
        let count = |batches: Box<dyn Iterator<Item = streamreg_reader::Result<_>> + Send>| {
            let mut rows = 0;
            for batch in batches {
                let batch: arrow_array::RecordBatch = batch?;
                control.checkpoint(batch.num_rows())?;
                rows += batch.num_rows() as u64;
            }
            Ok(rows)
        };
        in_order(control.threads, next, count, |n: u64| {
            rows += n;
            Ok(())
        })
    })?;
    source.verify_unchanged()?;
    match declared {
        Some(declared) if declared != rows => {
            Err(Error::data(format!("{rows} rows were read, the metadata declare {declared}")))
        }
        _ => {
            let seen = source.checksums();
            Ok(Verified { rows, pages: seen.pages, checksummed_pages: seen.protected })
        }
    }
}
