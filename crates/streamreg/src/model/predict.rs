//! Predictions for files: streamed, in order, one output row for every input row.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use streamreg_core::{MissingReason, RowLedger, RowReader, Unseen, in_order, widened};
use streamreg_reader::{DatasetOptions, Source};

use streamreg_solve::Warning;

use crate::error::{Error, Failure, Result};
use crate::model::predictor::Predictor;
use crate::model::{Coarse, Interval, Model};
use crate::output::{TableWriter, refuse_input_as_output};
use crate::pass::{Execution, Pass, SourceRows, data_set_warnings};
use crate::request::selection::open;
use crate::setters::setters;

/// Name of the column with the predictions.
pub const PREDICTION: &str = "prediction";

/// How predictions for files are made.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PredictOptions {
    /// Input columns to copy to the output, in front of the predictions.
    pub keep: Vec<String>,
    /// Interval around each prediction, with its confidence level.
    pub interval: Option<(Interval, f64)>,
    /// What happens to rows with a level that the model does not know.
    pub unseen: Unseen,
    /// How files are read.
    pub dataset: DatasetOptions,
    /// Threads, progress, interruption.
    pub execution: Execution,
}

impl PredictOptions {
    /// Nothing but the predictions; an unknown level is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies input columns to the output, in front of the predictions.
    #[must_use]
    pub fn keep<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.keep = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an interval of the given confidence level, such as 0.95.
    #[must_use]
    pub fn interval(mut self, kind: Interval, level: f64) -> Self {
        self.interval = Some((kind, level));
        self
    }

    setters! {
        /// Sets what happens to rows with a level that the model does not know.
        unseen: Unseen,
        /// Sets how files are read.
        dataset: DatasetOptions,
        /// Threads, progress, interruption.
        execution: Execution,
    }
}

/// What a prediction run did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PredictSummary {
    /// Rows read, and written.
    pub rows: u64,
    /// Rows without a prediction, because an input is null or not finite, or a level unknown.
    pub nulls: u64,
    /// Cells with a level that the model does not know.
    pub unseen: u64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

impl Model {
    /// Predicts for files and writes a Parquet or CSV file, by the ending of `output`, through a temporary
    /// file that is renamed at the end.
    ///
    /// # Errors
    /// When the data cannot be read or lack a column, the output is one of the inputs, or writing fails.
    pub fn predict_paths<P: AsRef<Path>>(
        &self,
        paths: &[P],
        output: impl AsRef<Path>,
        options: &PredictOptions,
    ) -> Result<PredictSummary> {
        let output = output.as_ref();
        let files = open(paths, &options.dataset)?;
        refuse_input_as_output(&files, output)?;
        let predictor = self.predictor(options.unseen)?;
        let source = self.with_computed(&files, &predictor, options)?;
        let schema = self.output_schema(&predictor, source.as_ref(), options)?;
        self.predict_to(&predictor, source.as_ref(), &schema, options, || TableWriter::file(output, &schema))
    }

    /// Predicts for files and writes CSV to a stream.
    ///
    /// # Errors
    /// As [`Model::predict_paths`].
    pub fn predict_stream<P: AsRef<Path>>(
        &self,
        paths: &[P],
        output: impl Write + Send,
        options: &PredictOptions,
    ) -> Result<PredictSummary> {
        let files = open(paths, &options.dataset)?;
        let predictor = self.predictor(options.unseen)?;
        let source = self.with_computed(&files, &predictor, options)?;
        let schema = self.output_schema(&predictor, source.as_ref(), options)?;
        let writer = || TableWriter::stream(Box::new(output), &schema);
        self.predict_to(&predictor, source.as_ref(), &schema, options, writer)
    }

    /// The files with the computed columns that the model needs or that are kept.
    fn with_computed<'s>(
        &self,
        files: &'s dyn Source,
        predictor: &Predictor,
        options: &PredictOptions,
    ) -> Result<Box<dyn Source + 's>> {
        let columns = predictor.design.columns().iter().chain(&options.keep);
        self.selection(None, columns.cloned())?.of(files)
    }

    /// Kept columns, prediction, interval.
    fn output_schema(
        &self,
        predictor: &Predictor,
        source: &dyn Source,
        options: &PredictOptions,
    ) -> Result<SchemaRef> {
        self.check_columns(predictor.design.columns(), source.schema(), Some(source))?;
        let mut fields = Vec::new();
        for name in &options.keep {
            let index = streamreg_reader::position(source.schema(), name)?;
            fields.push(Field::new(name, source.verbatim_type(index), true));
        }
        let number = |name: &str| Field::new(name, DataType::Float64, true);
        fields.push(number(PREDICTION));
        if let Some((kind, level)) = options.interval {
            self.check_interval(level)?;
            let prefix = if kind == Interval::Confidence { "conf" } else { "pred" };
            fields.extend(["low", "high"].map(|end| number(&format!("{prefix}_{end}"))));
        }
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|f| f.name() == field.name()) {
                return Err(Error::invalid_request(format!(
                    "two output columns would be called {:?}",
                    field.name()
                )));
            }
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Streams predictions to what `open` opens, once the request has proved valid.
    fn predict_to<'w>(
        &self,
        predictor: &Predictor,
        source: &dyn Source,
        schema: &SchemaRef,
        options: &PredictOptions,
        open: impl FnOnce() -> Result<TableWriter<'w>>,
    ) -> Result<PredictSummary> {
        let request = options.execution.request_for(&predictor.design);
        let request = request.verbatim(options.keep.iter().cloned());
        let scan = source.scan(&request)?;
        let mut writer = open()?;
        let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p.batches)).map_err(Failure::from));
        let mut summary = PredictSummary { warnings: data_set_warnings(source), ..PredictSummary::default() };
        let mut coarse = Coarse::default();
        let total = source.inputs().iter().map(|input| input.rows).sum();
        options.execution.control(Pass::only(), total, |control| {
            let work = |batches: Box<dyn Iterator<Item = streamreg_reader::Result<RecordBatch>> + Send>| {
                let (mut out, mut coarse) = (Vec::new(), Coarse::default());
                let mut reader = predictor.reader();
                for batch in batches {
                    let batch = batch?;
                    control.checkpoint(batch.num_rows())?;
                    let (batch, own) = self.output_batch(predictor, &mut reader, &batch, schema, options)?;
                    coarse.absorb(own);
                    out.push(batch);
                }
                Ok((out, coarse, unseen_levels(&reader.into_ledger())))
            };
            let done =
                in_order(control.threads, next, work, |(batches, own, unseen): (Vec<_>, Coarse, u64)| {
                    summary.unseen += unseen;
                    coarse.absorb(own);
                    for batch in batches {
                        summary.rows += batch.num_rows() as u64;
                        summary.nulls += batch.column(options.keep.len()).null_count() as u64;
                        writer.write(&batch)?;
                    }
                    Ok(())
                });
            // All partitions before the one that failed are written: their rows come before its own.
            done.map_err(|failure| SourceRows(source).locate_after(summary.rows, failure))
        })?;
        source.verify_unchanged()?;
        writer.finish()?;
        summary.warnings.extend(coarse.warning());
        Ok(summary)
    }

    fn output_batch(
        &self,
        predictor: &Predictor,
        reader: &mut RowReader<'_>,
        batch: &RecordBatch,
        schema: &SchemaRef,
        options: &PredictOptions,
    ) -> std::result::Result<(RecordBatch, Coarse), Failure> {
        let features = predictor.design.columns().len();
        let own: Vec<usize> = (0..features).collect();
        let inputs = batch.project(&own).map_err(Error::from)?;
        let prediction = self.predict_with(predictor, reader, &inputs, options.interval)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().take(options.keep.len()).enumerate() {
            let kept = batch.column(features + index);
            let wide = widened(kept, field.data_type());
            columns.push(wide.map_err(|e| Error::data(format!("column {:?}: {e}", field.name())))?);
        }
        columns.push(Arc::new(prediction.fit));
        if let Some((low, high)) = prediction.interval {
            columns.extend([Arc::new(low) as ArrayRef, Arc::new(high)]);
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::from)?;
        Ok((batch, prediction.coarse))
    }
}

/// Cells with a level that the model does not know, dropped or taken for the reference.
fn unseen_levels(ledger: &RowLedger) -> u64 {
    let dropped = ledger.dropped.iter().filter(|d| d.reason == MissingReason::UnseenLevel);
    dropped.map(|d| d.rows).chain(ledger.unseen.iter().map(|u| u.rows)).sum()
}
