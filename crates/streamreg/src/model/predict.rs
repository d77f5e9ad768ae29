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
use crate::model::augment::{Augment, RowStatistic};
use crate::model::interval::Width;
use crate::model::predictor::Predictor;
use crate::model::{Coarse, Interval, Model};
use crate::output::{TableWriter, refuse_input_as_output};
use crate::pass::{Execution, Pass, SourceRows, data_set_warnings};
use crate::render::number::count;
use crate::request::selection::{Selection, open};
use crate::setters::setters;

/// Name of the column with the predictions.
pub const PREDICTION: &str = "prediction";

/// How predictions for files are made.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PredictOptions {
    /// Input columns to copy to the output, in front of the predictions; `*` stands for all.
    pub keep: Vec<String>,
    /// What to write of every row in place of the column [`PREDICTION`], in this order; nothing but that where empty.
    pub columns: Vec<RowStatistic>,
    /// Interval around each prediction, with its confidence level.
    pub interval: Option<(Interval, f64)>,
    /// What happens to rows with a level that the model does not know.
    pub unseen: Unseen,
    /// Columns computed by SQL expressions, beside those that the model computes: name and expression.
    pub with: Vec<(String, String)>,
    /// Predicts only for the rows for which an SQL expression is true.
    pub filter: Option<String>,
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

    /// Copies input columns to the output, in front of the predictions; `*` stands for all.
    #[must_use]
    pub fn keep<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.keep = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Writes these statistics of every row in place of the column [`PREDICTION`], under the names of broom's `augment`.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = RowStatistic>) -> Self {
        self.columns = columns.into_iter().collect();
        self
    }

    /// Adds an interval of the given confidence level, such as 0.95.
    #[must_use]
    pub fn interval(mut self, kind: Interval, level: f64) -> Self {
        self.interval = Some((kind, level));
        self
    }

    /// Adds a column computed by an SQL expression, which the model, later ones, the filter and [`PredictOptions::keep`] may name.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, expression: impl Into<String>) -> Self {
        self.with.push((column.into(), expression.into()));
        self
    }

    /// Predicts only for the rows for which an SQL expression is true.
    #[must_use]
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.filter = Some(expression.into());
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
    /// Rows among them whose inputs are there, but whose prediction cannot be estimated: a combination of levels that no row of the fit
    /// had.
    pub inestimable: u64,
    /// Cells with a level that the model does not know.
    pub unseen: u64,
    /// Rows of groups that have no model, among those without a prediction.
    pub unknown_groups: u64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

impl PredictSummary {
    /// Rows without a prediction and levels that the model does not know, in a line; `unseen` is what was asked for these.
    pub fn notice(&self, unseen: Unseen) -> Option<String> {
        let mut parts = Vec::new();
        if self.unknown_groups > 0 {
            let (own, rows) = (count(self.unknown_groups), count(self.rows));
            parts.push(format!("{own} of {rows} rows have no prediction: their group has no model"));
        }
        let missing = self.nulls.saturating_sub(self.inestimable + self.unknown_groups);
        if missing > 0 {
            let (nulls, rows) = (count(missing), count(self.rows));
            parts.push(format!("{nulls} of {rows} rows have no prediction: an input is missing or unknown"));
        }
        if self.inestimable > 0 {
            let (own, rows) = (count(self.inestimable), count(self.rows));
            parts.push(format!(
                "{own} of {rows} rows have no prediction: they combine levels as no row of the fit did, so it cannot be estimated"
            ));
        }
        if self.unseen > 0 {
            let cells = if self.unseen == 1 { "cell has" } else { "cells have" };
            let taken = if unseen == Unseen::Other { ", taken for the reference level" } else { "" };
            let unseen = count(self.unseen);
            parts.push(format!("{unseen} {cells} a level that the model does not know{taken}"));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Takes in what was done for another file.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.inestimable += other.inestimable;
        self.unseen += other.unseen;
        self.unknown_groups += other.unknown_groups;
        let new = other.warnings.into_iter().filter(|new| !self.warnings.contains(new));
        self.warnings.extend(new.collect::<Vec<_>>());
    }
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
        self.predict_to(&files, options, |schema| TableWriter::file(output, schema))
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
        self.predict_to(&files, options, |schema| TableWriter::stream(Box::new(output), schema))
    }

    /// Predicts for the rows of a source.
    pub(crate) fn predict_to<'w>(
        &self,
        files: &dyn Source,
        options: &PredictOptions,
        open: impl FnOnce(&SchemaRef) -> Result<TableWriter<'w>>,
    ) -> Result<PredictSummary> {
        let job = Job::new(self, files, options)?;
        let source = job.with_computed(files, &[], options)?;
        let schema = job.schema(source.as_ref(), options)?;
        job.run(source.as_ref(), &schema, options, || open(&schema))
    }
}

/// The columns to copy; `*` stands for all that the files have and that are not named besides.
pub(super) fn kept(names: &[String], schema: &Schema) -> Vec<String> {
    const ALL: &str = "*";
    if !names.iter().any(|name| name == ALL) || schema.field_with_name(ALL).is_ok() {
        return names.to_vec();
    }
    let all = || schema.fields().iter().map(|field| field.name().clone());
    let mut keep: Vec<String> = Vec::new();
    for name in names {
        let own = if name == ALL {
            all().filter(|name| !names.contains(name)).collect()
        } else {
            vec![name.clone()]
        };
        keep.extend(own);
    }
    keep
}

/// What is written for every row, and what it is made of.
pub(crate) struct Job<'m> {
    model: &'m Model,
    predictor: Predictor,
    augment: Augment<'m>,
    /// Of the interval that was asked for.
    width: Option<Width<'m>>,
    /// Whether the statistics were asked for by name; else the fitted value is called [`PREDICTION`].
    named: bool,
    /// Columns that are read.
    pub(crate) columns: Vec<String>,
    /// Columns that are copied.
    keep: Vec<String>,
}

/// What came of a batch.
pub(super) struct Written {
    pub(super) batch: RecordBatch,
    pub(super) nulls: u64,
    pub(super) inestimable: u64,
    /// Rows of groups that have no model.
    pub(super) unknown: u64,
    pub(super) coarse: Coarse,
    leverage: f64,
}

impl Written {
    pub(super) fn none(schema: &SchemaRef) -> Self {
        let batch = RecordBatch::new_empty(Arc::clone(schema));
        Self { batch, nulls: 0, inestimable: 0, unknown: 0, coarse: Coarse::default(), leverage: 0.0 }
    }
}

impl<'m> Job<'m> {
    /// # Errors
    /// For statistics or an interval that the model cannot give.
    pub(crate) fn new(model: &'m Model, files: &dyn Source, options: &PredictOptions) -> Result<Self> {
        let wanted =
            if options.columns.is_empty() { &[RowStatistic::Fitted] } else { options.columns.as_slice() };
        let augment = Augment::new(model, wanted)?;
        let predictor = model.predictor(options.unseen)?;
        let features = predictor.design.columns();
        let more = augment.columns().iter().filter(|name| !features.contains(name));
        let columns = features.iter().chain(more).cloned().collect();
        let width = options.interval.map(|(kind, level)| model.width(kind, level)).transpose()?;
        let named = !options.columns.is_empty();
        let keep = kept(&options.keep, files.schema());
        Ok(Self { model, predictor, augment, width, named, columns, keep })
    }

    /// The rows of the files that pass the filter, with the computed columns that the model needs or that are kept, but for those
    /// that are `given`.
    pub(crate) fn with_computed<'s>(
        &self,
        files: &'s dyn Source,
        given: &[String],
        options: &PredictOptions,
    ) -> Result<Box<dyn Source + 's>> {
        let own = Selection { with: options.with.clone(), filter: options.filter.clone() };
        let columns = self.columns.iter().chain(&self.keep).cloned();
        self.model.selection(own, given, columns)?.of(files)
    }

    /// Kept columns, statistics, interval.
    pub(crate) fn schema(&self, source: &dyn Source, options: &PredictOptions) -> Result<SchemaRef> {
        if let Some(name) =
            self.augment.columns().iter().find(|name| source.schema().field_with_name(name).is_err())
        {
            let message = format!(
                "column {name:?} is not in the data: residuals and leverage are of rows with the response of the fit, and leverage \
                 needs its weights"
            );
            return Err(Error::data(message));
        }
        self.model.check_columns(&self.columns, source.schema(), Some(source))?;
        let mut fields = Vec::new();
        for name in &self.keep {
            let index = streamreg_reader::position(source.schema(), name)?;
            fields.push(Field::new(name, source.verbatim_type(index), true));
        }
        let number = |name: &str| Field::new(name, DataType::Float64, true);
        if self.named {
            fields.extend(self.augment.wanted.iter().map(|statistic| number(&statistic.column())));
        } else {
            fields.push(number(PREDICTION));
        }
        if let Some((kind, _)) = options.interval {
            fields.extend(kind.columns().map(|name| number(&name)));
        }
        refuse_twins(&fields)?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Streams predictions to what `open` opens, once the request has proved valid.
    pub(crate) fn run<'w>(
        &self,
        source: &dyn Source,
        schema: &SchemaRef,
        options: &PredictOptions,
        open: impl FnOnce() -> Result<TableWriter<'w>>,
    ) -> Result<PredictSummary> {
        let read = Reads {
            columns: &self.columns,
            keep: &self.keep,
            dictionaries: self.dictionaries(),
            variables: self.predictor.design.variables(),
            written: schema.fields().len(),
        };
        let (mut summary, leverage) = stream(source, read, options, open, |batches| {
            let mut out = Vec::new();
            let mut reader = self.predictor.reader();
            for batch in batches {
                out.push(self.written(&mut reader, &batch?, schema)?);
            }
            Ok((out, unseen_levels(&reader.into_ledger())))
        })?;
        let doubt = self.augment.doubt(leverage);
        summary.warnings.extend(doubt.map(|message| Warning::new("other_rows", message)));
        Ok(summary)
    }

    /// Columns of text that are wanted as dictionaries.
    pub(super) fn dictionaries(&self) -> Vec<String> {
        self.predictor.design.dictionaries()
    }

    /// A reader of batches with the columns of the model's terms.
    pub(super) fn reader(&self) -> RowReader<'_> {
        self.predictor.reader()
    }

    pub(super) fn written(
        &self,
        reader: &mut RowReader<'_>,
        batch: &RecordBatch,
        schema: &SchemaRef,
    ) -> std::result::Result<Written, Failure> {
        let own: Vec<usize> = (0..self.predictor.design.columns().len()).collect();
        let inputs = batch.project(&own).map_err(Error::from)?;
        let widths: Vec<&Width<'_>> = self.width.iter().chain(self.augment.widths()).collect();
        let mut rows = self.predictor.fitted(reader, &inputs, &widths)?;
        let nulls = rows.fit.iter().filter(|fit| fit.is_none()).count() as u64;
        let (inestimable, coarse) = (rows.inestimable, rows.coarse);
        let of_statistics = rows.widths.split_off(usize::from(self.width.is_some()));
        let read: Vec<usize> = (0..self.columns.len()).collect();
        let observed = batch.project(&read).map_err(Error::from)?;
        let augmented = self.augment.of(&observed, &rows.fit, &of_statistics)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().take(self.keep.len()).enumerate() {
            let wide = widened(batch.column(self.columns.len() + index), field.data_type());
            columns.push(wide.map_err(|e| Error::data(format!("column {:?}: {e}", field.name())))?);
        }
        columns.extend(augmented.columns);
        if let Some((low, high)) = rows.into_prediction().interval {
            columns.extend([Arc::new(low) as ArrayRef, Arc::new(high)]);
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::from)?;
        Ok(Written { batch, nulls, inestimable, unknown: 0, coarse, leverage: augmented.leverage })
    }
}

/// Refuses output columns of the same name.
pub(super) fn refuse_twins(fields: &[Field]) -> Result<()> {
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|f| f.name() == field.name()) {
            let message = format!("two output columns would be called {:?}", field.name());
            return Err(Error::invalid_request(message));
        }
    }
    Ok(())
}

/// What predictions read, and how much they hold.
pub(super) struct Reads<'r> {
    /// Columns that predictions are made from.
    pub(super) columns: &'r [String],
    /// Columns that are copied.
    pub(super) keep: &'r [String],
    /// Columns of text that are wanted as dictionaries.
    pub(super) dictionaries: Vec<String>,
    /// Numbers that are computed for every row.
    pub(super) variables: usize,
    /// Columns of the output.
    pub(super) written: usize,
}

/// The batches of a partition.
pub(super) type BatchesOf<'b> = &'b mut dyn Iterator<Item = std::result::Result<RecordBatch, Failure>>;

/// Reads columns, and after them those that are kept; has `work` make the output of every partition, with
/// the number of cells whose level is not known, and writes it in order to what `open` opens. With the sum of leverages.
pub(super) fn stream<'w>(
    source: &dyn Source,
    read: Reads<'_>,
    options: &PredictOptions,
    open: impl FnOnce() -> Result<TableWriter<'w>>,
    work: impl Fn(BatchesOf<'_>) -> std::result::Result<(Vec<Written>, u64), Failure> + Sync,
) -> Result<(PredictSummary, f64)> {
    let request = options.execution.request(read.columns).dictionaries(read.dictionaries);
    let request = request.verbatim(read.keep.iter().cloned());
    let scan = source.scan(&request)?;
    let reads = (read.columns, read.variables);
    let execution = options.execution.within_predictions(source, reads, read.written)?;
    let mut writer = open()?;
    let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p.batches)).map_err(Failure::from));
    let mut summary = PredictSummary { warnings: data_set_warnings(source), ..PredictSummary::default() };
    let (mut leverage, mut coarse) = (0.0, Coarse::default());
    let total = source.inputs().iter().map(|input| input.rows).sum();
    execution.control(Pass::only(), total, &|| source.counts().bytes, |control| {
        let work = |batches: Box<dyn Iterator<Item = streamreg_reader::Result<RecordBatch>> + Send>| {
            let checked = |batch: streamreg_reader::Result<RecordBatch>| {
                let batch = batch?;
                control.checkpoint(batch.num_rows(), 0)?;
                Ok(batch)
            };
            work(&mut batches.map(checked))
        };
        let done = in_order(control.threads, next, work, |(batches, unseen): (Vec<Written>, u64)| {
            summary.unseen += unseen;
            for written in batches {
                summary.rows += written.batch.num_rows() as u64;
                summary.nulls += written.nulls;
                summary.inestimable += written.inestimable;
                summary.unknown_groups += written.unknown;
                leverage += written.leverage;
                coarse.absorb(written.coarse);
                writer.write(&written.batch)?;
            }
            Ok(())
        });
        // All partitions before the one that failed are written: their rows come before its own.
        done.map_err(|failure| SourceRows(source).locate_after(summary.rows, failure))
    })?;
    source.verify_unchanged()?;
    writer.finish()?;
    summary.warnings.extend(coarse.warning());
    Ok((summary, leverage))
}

/// Cells with a level that the model does not know, dropped or taken for the reference.
pub(super) fn unseen_levels(ledger: &RowLedger) -> u64 {
    let dropped = ledger.dropped.iter().filter(|d| d.reason == MissingReason::UnseenLevel);
    dropped.map(|d| d.rows).chain(ledger.unseen.iter().map(|u| u.rows)).sum()
}
