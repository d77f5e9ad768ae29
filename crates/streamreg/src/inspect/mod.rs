//! What is in files, what a fit of them would need, and whether they are sound.

mod levels;

use std::collections::HashSet;
use std::path::Path;

use arrow_schema::{DataType, Schema};
use serde::Serialize;
use streamreg_core::{Design, Factor, ModelSpec, Precision, Unseen, in_order, is_text};
use streamreg_reader::{Dataset, DatasetOptions, Source};
use streamreg_solve::Warning;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::pass::{Execution, Pass, data_set_warnings};
use crate::plan::limits::MAX_DOUBLE_DOUBLE;
pub use crate::plan::memory::LevelEstimate;
use crate::plan::memory::{self, FitMemory, Reading, Work};
use crate::report::InputRecord;
use crate::request::regression::Regression;
use crate::request::selection::{Selection, without_parts};
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
    /// Predicted peak of resident memory, in bytes.
    pub predicted_memory: u64,
    /// What it is predicted for: `a fit` of one numeric column on all others, `the fit` that was asked about, or `predictions`.
    pub predicted_for: String,
    /// What of the data the prediction rests on: levels of categories, groups and clusters, estimated from some of the rows.
    pub levels: Vec<LevelEstimate>,
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
    /// The fit whose memory is predicted.
    pub fit: Option<Box<Regression>>,
    /// The model for whose predictions it is.
    pub model: Option<Box<Model>>,
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

    /// Predicts the memory of this fit.
    #[must_use]
    pub fn fit(mut self, regression: Regression) -> Self {
        self.fit = Some(Box::new(regression));
        self
    }

    /// Predicts the memory of the predictions of this model.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.model = Some(Box::new(model));
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
    let (predicted_for, (predicted_memory, levels)) = match (&options.fit, &options.model) {
        (Some(fit), _) => ("the fit", of_fit(&dataset, fit, execution)?),
        (None, Some(model)) => ("predictions", (of_predictions(&dataset, model, threads)?, Vec::new())),
        (None, None) => ("a fit", (of_all(&dataset, &names, threads), Vec::new())),
    };
    let verified = if options.verify { Some(verify_all(&dataset, summary.rows, execution)?) } else { None };
    Ok(Inspection {
        columns: columns.collect(),
        rows: summary.rows,
        row_groups: summary.row_groups,
        largest_row_group: summary.largest_row_group,
        threads,
        predicted_memory,
        predicted_for: predicted_for.to_owned(),
        levels,
        warnings: data_set_warnings(&dataset),
        verified,
        inputs: dataset.inputs().into_iter().map(InputRecord::from).collect(),
    })
}

/// What a fit of one numeric column on all others takes.
fn of_all(source: &dyn Source, names: &[String], threads: usize) -> u64 {
    let reading = Reading::new(source, threads as u64);
    let design = names.split_last().and_then(|(response, features)| {
        let terms = features.iter().map(|name| Factor::Column(name.clone()).into()).collect();
        // A column may have the name of the constant, which takes no memory.
        let mut spec = ModelSpec::new(response.as_str(), terms);
        spec.intercept = false;
        Design::new(&spec, source.schema()).ok()
    });
    let Some(design) = design else { return memory::of_predictions(&reading, names, names.len(), 0) };
    let work = Work::Sums { states: 1, cluster_numbers: 0 };
    // Sums in float64 may be followed by exact ones.
    let second = if names.len() <= MAX_DOUBLE_DOUBLE { Precision::Exact } else { Precision::Float };
    let of = |precision| {
        memory::of_fit(&reading, &design.clone().with_precision(precision), (&work, true), (&[], &[]))
    };
    of(Precision::Auto).max(of(second))
}

/// What a fit takes, which is checked as it would be before it starts, and the levels that this rests on.
fn of_fit(source: &dyn Source, fit: &Regression, execution: &Execution) -> Result<(u64, Vec<LevelEstimate>)> {
    let source = fit.rows_of(source)?;
    let source = source.as_ref();
    let memory = FitMemory::of(source, fit, execution.resolved_threads()? as u64)?;
    let mut found = levels::estimate(source, &memory.keys(), memory.rows(), execution)?;
    found.iter_mut().for_each(|known| known.forget_numbers(source.schema()));
    let bytes = memory.bytes(&found);
    let mut told: Vec<LevelEstimate> = Vec::new();
    for known in found.into_iter().filter(|known| !known.columns.is_empty()) {
        if !told.iter().any(|other| other.columns == known.columns) {
            told.push(known);
        }
    }
    Ok((bytes, told))
}

/// What the predictions of a model take.
fn of_predictions(source: &dyn Source, model: &Model, threads: usize) -> Result<u64> {
    let predictor = model.predictor(Unseen::Null)?;
    let columns = predictor.design.columns();
    let source = model.selection(Selection::default(), &[], columns.iter().cloned())?.of(source)?;
    model.check_columns(columns, source.schema(), Some(source.as_ref()))?;
    let reading = Reading::new(source.as_ref(), threads as u64);
    Ok(memory::of_predictions(&reading, columns, predictor.design.variables(), 1))
}

impl LevelEstimate {
    /// Levels of numbers take no text.
    fn forget_numbers(&mut self, schema: &Schema) {
        let has_text =
            |name: &String| schema.field_with_name(name).is_ok_and(|field| is_text(field.data_type()));
        if !self.columns.iter().any(has_text) {
            self.text_bytes = 0;
        }
    }
}

fn type_name(kind: &DataType) -> String {
    if is_text(kind) { "text".into() } else { kind.to_string() }
}

/// Decodes every column of every row, which checks page checksums and row counts on the way.
fn verify_all(source: &dyn Source, declared: Option<u64>, execution: &Execution) -> Result<Verified> {
    let names: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let scan = source.scan(&execution.request(&names))?;
    let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p.batches)).map_err(Error::from));
    let mut rows = 0;
    execution.control(Pass::only(), declared, &|| source.counts().bytes, |control| {
        let count = |batches: Box<dyn Iterator<Item = streamreg_reader::Result<_>> + Send>| {
            let mut rows = 0;
            for batch in batches {
                let batch: arrow_array::RecordBatch = batch?;
                control.checkpoint(batch.num_rows(), 0)?;
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
