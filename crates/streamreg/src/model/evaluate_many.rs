//! How well many models predict data: measured on their predictions, as they come.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use streamreg_core::{DroppedRows, Level, MissingReason, RowLedger, cell_levels};
use streamreg_reader::Source;
use streamreg_solve::Warning;

use crate::error::{Error, Result};
use crate::model::augment::RowStatistic;
use crate::model::evaluate::{Errors, EvaluateOptions, Evaluation, GroupErrors};
use crate::model::many::Models;
use crate::model::predict::{PredictOptions, PredictSummary};
use crate::output::TableWriter;
use crate::request::selection::open;

/// Sums of the prediction errors of a target.
#[derive(Default)]
struct OfTarget {
    all: Errors,
    /// By the values of the columns that split the rows.
    groups: BTreeMap<Vec<Level>, Errors>,
}

impl Models {
    /// [`Model::evaluate_paths`](crate::Model::evaluate_paths), of each row by the model of its group; of several targets one after
    /// the other.
    ///
    /// # Errors
    /// As [`Model::evaluate_paths`](crate::Model::evaluate_paths).
    pub fn evaluate_paths<P: AsRef<Path>>(
        &self,
        paths: &[P],
        options: &EvaluateOptions,
    ) -> Result<Vec<Evaluation>> {
        self.evaluate_source(&open(paths, &options.dataset)?, options)
    }

    /// The same for the rows of any source.
    ///
    /// # Errors
    /// As [`Model::evaluate_paths`](crate::Model::evaluate_paths).
    pub fn evaluate_source(&self, source: &dyn Source, options: &EvaluateOptions) -> Result<Vec<Evaluation>> {
        if let Some(model) = self.only() {
            return Ok(vec![model.evaluate_source(source, options)?]);
        }
        let (targets, weights) = (self.targets(), self.any().evaluation_warnings());
        let mut of_targets: Vec<OfTarget> = targets.iter().map(|_| OfTarget::default()).collect();
        // Columns that are copied come as they are written: computed ones have the type that tells groups apart.
        let key =
            |column: &String| (format!("{column} (group)"), format!("\"{}\"", column.replace('"', "\"\"")));
        let keys: Vec<(String, String)> = options.by.iter().map(key).collect();
        let predict = PredictOptions {
            keep: keys.iter().map(|(name, _)| name.clone()).collect(),
            columns: vec![RowStatistic::Fitted, RowStatistic::Resid],
            unseen: options.unseen,
            with: options.with.iter().cloned().chain(keys).collect(),
            filter: options.filter.clone(),
            execution: options.execution.clone(),
            ..PredictOptions::default()
        };
        let take = |batch: &RecordBatch| add(&mut of_targets, batch, options.by.len());
        let summary = self.predict_to(source, &predict, |_| Ok(TableWriter::Each(Box::new(take))))?;
        let total: Option<u64> = source.inputs().iter().map(|input| input.rows).sum();
        let filtered = total.filter(|_| options.filter.is_some()).map_or(0, |rows| rows - summary.rows);
        let several = targets.len() > 1;
        let evaluation = |(target, sums): (String, OfTarget)| {
            let ledger = ledger(&self.keys().join(", "), &summary, (sums.all.rows, filtered))?;
            let has_offset = !self.any().spec().offsets.is_empty();
            let measures = |errors: &Errors| {
                let mut measures = errors.measures();
                // It is about the response less the offset, which predictions do not tell.
                measures.r_squared = measures.r_squared.filter(|_| !has_offset);
                measures
            };
            let group = |(values, errors): (&Vec<Level>, &Errors)| GroupErrors {
                values: values.iter().map(ToString::to_string).collect(),
                measures: measures(errors),
            };
            let mut warnings = weights.clone();
            warnings.extend(summary.warnings.iter().cloned());
            warnings.extend(left_out(&summary));
            Ok(Evaluation {
                response: several.then_some(target),
                measures: measures(&sums.all),
                by: options.by.clone(),
                groups: sums.groups.iter().map(group).collect(),
                warnings,
                ledger,
            })
        };
        targets.into_iter().zip(of_targets).map(evaluation).collect()
    }
}

/// Takes in fitted values and residuals, which stand behind `by` columns that split the rows.
fn add(of_targets: &mut [OfTarget], batch: &RecordBatch, by: usize) -> Result<()> {
    let mut keys = Vec::new();
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()).take(by) {
        keys.push(cell_levels(field.name(), array.as_ref())?);
    }
    let level = |levels: &Vec<Option<Level>>, row: usize| levels[row].clone().unwrap_or(Level::Missing);
    let key = |row: usize| keys.iter().map(|levels| level(levels, row)).collect::<Vec<Level>>();
    for (target, sums) in of_targets.iter_mut().enumerate() {
        let numbers = |at: usize| batch.column(by + 2 * target + at).as_primitive::<Float64Type>();
        let (fitted, residuals) = (numbers(0), numbers(1));
        let used = (0..batch.num_rows()).filter(|&row| fitted.is_valid(row) && residuals.is_valid(row));
        let used: Vec<usize> = used.collect();
        let predictions: &[f64] = fitted.values();
        let responses: Vec<f64> = predictions.iter().zip(residuals.values()).map(|(p, e)| p + e).collect();
        sums.all.add(&used, &responses, predictions);
        let mut groups: BTreeMap<Vec<Level>, Vec<usize>> = BTreeMap::new();
        if by > 0 {
            used.iter().for_each(|&row| groups.entry(key(row)).or_default().push(row));
        }
        for (key, rows) in groups {
            sums.groups.entry(key).or_default().add(&rows, &responses, predictions);
        }
    }
    Ok(())
}

/// What became of the rows.
///
/// # Errors
/// When none was used.
fn ledger(keys: &str, summary: &PredictSummary, (used, filtered): (u64, u64)) -> Result<RowLedger> {
    if used == 0 {
        let read = summary.rows;
        return Err(Error::data(format!("no row can be used: {read} were read")));
    }
    let mut ledger = RowLedger::default();
    (ledger.rows_read, ledger.rows_used, ledger.rows_filtered) = (summary.rows, used, filtered);
    let rest = summary.rows.saturating_sub(used + summary.unknown_groups);
    let dropped = [
        DroppedRows::new(keys, MissingReason::UnseenLevel, summary.unknown_groups),
        DroppedRows::new("an input or the response", MissingReason::Null, rest),
    ];
    ledger.dropped = dropped.into_iter().filter(|dropped| dropped.rows > 0).collect();
    Ok(ledger)
}

/// What the reader should know of rows that are left out.
fn left_out(summary: &PredictSummary) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if summary.unknown_groups > 0 {
        let message = format!("{} rows are left out: their group has no model", summary.unknown_groups);
        warnings.push(Warning::new("unknown_group", message));
    }
    if summary.inestimable > 0 {
        let message = format!(
            "{} rows are left out: they combine levels as no row of the fit did, so that their prediction cannot be estimated",
            summary.inestimable
        );
        warnings.push(Warning::new("inestimable", message));
    }
    warnings
}
