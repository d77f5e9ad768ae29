//! How well a model predicts data: streamed, rows with missing values dropped and counted.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use streamreg_core::{Accumulator, BlockError, DesignBlock, Level, RowLedger, Unseen};
use streamreg_reader::{DatasetOptions, Source, position};
use streamreg_solve::Warning;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::predictor::Predictor;
use crate::pass::{Execution, Pass, Rows, Scope, SourceRows, data_set_warnings};
use crate::request::selection::{Selection, open};
use crate::setters::setters;

/// How a model is evaluated.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct EvaluateOptions {
    /// What happens to rows with a level that the model does not know.
    pub unseen: Unseen,
    /// Columns computed by SQL expressions, beside those that the model computes: name and expression.
    pub with: Vec<(String, String)>,
    /// Uses only the rows for which an SQL expression is true.
    pub filter: Option<String>,
    /// Columns whose values split the rows into groups with measures of their own.
    pub by: Vec<String>,
    /// How files are read.
    pub dataset: DatasetOptions,
    /// Threads, progress, interruption.
    pub execution: Execution,
}

impl EvaluateOptions {
    /// All rows; an unknown level is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column computed by an SQL expression, which the model, later ones and the filter may name.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, expression: impl Into<String>) -> Self {
        self.with.push((column.into(), expression.into()));
        self
    }

    /// Uses only the rows for which an SQL expression is true.
    #[must_use]
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.filter = Some(expression.into());
        self
    }

    /// Gives measures for every group of rows that share the values of these columns, too.
    #[must_use]
    pub fn by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.by = columns.into_iter().map(Into::into).collect();
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

/// Measures of prediction error.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorMeasures {
    /// Rows that were predicted and have a response.
    pub rows: u64,
    /// Mean squared error.
    pub mse: f64,
    /// Its square root.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// `1 - sum (y - p)² / sum (y - mean(y))²` on these rows, of the response less the offset where the model has one;
    /// `None` where it is constant.
    pub r_squared: Option<f64>,
    /// Mean of prediction minus response.
    pub bias: f64,
}

/// The measures of a group of rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupErrors {
    /// The values that the rows share, in the order of [`Evaluation::by`].
    pub values: Vec<String>,
    /// What is measured, R² about the mean of the group.
    #[serde(flatten)]
    pub measures: ErrorMeasures,
}

/// How well a model predicts data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// What was predicted, where it is one of several targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// The measures of all rows.
    #[serde(flatten)]
    pub measures: ErrorMeasures,
    /// The columns that split the rows into groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The groups, in the order of their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupErrors>,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
    /// What became of the rows.
    pub ledger: RowLedger,
}

impl Model {
    /// Predicts the response of files and compares with what they hold. All rows weigh the same.
    ///
    /// # Errors
    /// When the data cannot be read or lack a column, or no row can be used.
    pub fn evaluate_paths<P: AsRef<Path>>(
        &self,
        paths: &[P],
        options: &EvaluateOptions,
    ) -> Result<Evaluation> {
        self.evaluate_source(&open(paths, &options.dataset)?, options)
    }

    /// The same for the rows of any source.
    ///
    /// # Errors
    /// As [`Model::evaluate_paths`].
    pub fn evaluate_source(&self, source: &dyn Source, options: &EvaluateOptions) -> Result<Evaluation> {
        let needed = self.evaluator(options.unseen, &[], None)?.design.columns().to_vec();
        let columns = needed.into_iter().chain(options.by.iter().cloned());
        let own = Selection { with: options.with.clone(), filter: options.filter.clone() };
        let source = self.selection(own, &[], columns)?.of(source)?;
        for column in &options.by {
            position(source.schema(), column)?;
        }
        let predictor = self.evaluator(options.unseen, &options.by, Some(source.schema()))?;
        let columns = predictor.design.columns();
        self.check_columns(columns, source.schema(), Some(source.as_ref()))?;
        let make = || PredictionErrors::new(&predictor);
        let rows = SourceRows(source.as_ref());
        let Predictor { design, levels, .. } = &predictor;
        let reads = (columns, design.variables());
        let execution = &options.execution.within_predictions(source.as_ref(), reads, 0)?;
        let scope = Scope { design, levels, ids: None, execution, pass: Pass::only() };
        let (errors, ledger) = rows.accumulate(&scope, make)?;
        if errors.all.rows == 0 {
            let what = match (ledger.rows_read, source.filters()) {
                (0, true) => "the filter lets none pass".into(),
                (rows, _) => format!("{rows} were read"),
            };
            return Err(Error::data(format!("no row can be used: {what}")));
        }
        let mut warnings = self.evaluation_warnings();
        warnings.extend(data_set_warnings(source.as_ref()));
        if errors.inestimable > 0 {
            let message = format!(
                "{} rows are left out: they combine levels as no row of the fit did, so that their prediction cannot be estimated",
                errors.inestimable
            );
            warnings.push(Warning::new("inestimable", message));
        }
        let (measures, groups) = (errors.all.measures(), errors.sorted());
        Ok(Evaluation { response: None, measures, by: options.by.clone(), groups, warnings, ledger })
    }

    pub(super) fn evaluation_warnings(&self) -> Vec<Warning> {
        let message = |column: &str| {
            let what =
                format!("the model was fitted with the weights {column:?}; here every row weighs the same");
            Warning::new("unweighted", what)
        };
        self.weights().map(message).into_iter().collect()
    }
}

/// Sums of prediction errors, of all rows and of groups.
struct PredictionErrors<'m> {
    predictor: &'m Predictor,
    all: Errors,
    /// Rows whose prediction the fit does not tell.
    inestimable: u64,
    /// By the numbers of their levels.
    groups: HashMap<Vec<u32>, Errors>,
}

/// Sums of the prediction errors of some rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Errors {
    pub(super) rows: u64,
    sum: f64,
    absolute: f64,
    squares: f64,
    mean: f64,
    /// Sum of squares of the response about its mean.
    spread: f64,
}

impl Errors {
    /// Takes in the given rows, in their order.
    pub(super) fn add(&mut self, rows: &[usize], responses: &[f64], predictions: &[f64]) {
        let Some(&first) = rows.first() else { return };
        let origin = responses[first];
        let mean = origin + rows.iter().map(|&row| responses[row] - origin).sum::<f64>() / rows.len() as f64;
        let mut spread = 0.0;
        for &row in rows {
            let (y, error) = (responses[row], predictions[row] - responses[row]);
            spread += (y - mean) * (y - mean);
            self.sum += error;
            self.absolute += error.abs();
            self.squares += error * error;
        }
        self.add_response(rows.len() as u64, mean, spread);
    }

    /// Takes in the mean and spread of the response in further rows (Chan, Golub & LeVeque 1979).
    fn add_response(&mut self, rows: u64, mean: f64, spread: f64) {
        let (a, b) = (self.rows as f64, rows as f64);
        let shift = mean - self.mean;
        self.spread += spread + shift * shift * (a * b / (a + b));
        self.mean += shift * (b / (a + b));
        self.rows += rows;
    }

    fn merge(&mut self, other: &Self) {
        if other.rows == 0 {
            return;
        }
        self.sum += other.sum;
        self.absolute += other.absolute;
        self.squares += other.squares;
        self.add_response(other.rows, other.mean, other.spread);
    }

    pub(super) fn measures(&self) -> ErrorMeasures {
        let n = self.rows as f64;
        let mse = self.squares / n;
        ErrorMeasures {
            rows: self.rows,
            mse,
            rmse: mse.sqrt(),
            mae: self.absolute / n,
            r_squared: Some(1.0 - self.squares / self.spread).filter(|r| r.is_finite()),
            bias: self.sum / n,
        }
    }
}

impl<'m> PredictionErrors<'m> {
    fn new(predictor: &'m Predictor) -> Self {
        Self { predictor, all: Errors::default(), inestimable: 0, groups: HashMap::new() }
    }

    /// The groups in the order of their levels.
    fn sorted(&self) -> Vec<GroupErrors> {
        let categories = self.predictor.design.clusters();
        let sets = &self.predictor.levels.sets;
        let levels = |codes: &[u32]| -> Vec<Level> {
            codes.iter().zip(categories).map(|(&code, &category)| sets[category].level(code)).collect()
        };
        let mut groups: Vec<(Vec<Level>, &Errors)> =
            self.groups.iter().map(|(codes, errors)| (levels(codes), errors)).collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        let texts = |levels: Vec<Level>| levels.iter().map(ToString::to_string).collect();
        groups
            .into_iter()
            .map(|(own, e)| GroupErrors { values: texts(own), measures: e.measures() })
            .collect()
    }
}

impl Accumulator for PredictionErrors<'_> {
    fn variables(&self) -> usize {
        self.predictor.design.variables()
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        let Some(response) = block.columns.last() else { return Ok(()) };
        let predictions = self.predictor.predict(block);
        let mut used: Vec<usize> = (0..block.rows).filter(|&row| block.mask.is_none_or(|m| m[row])).collect();
        if used.iter().any(|&row| !(predictions[row] - response.values[row]).is_finite()) {
            return Err(BlockError::Value { variable: 0 });
        }
        if let Some(known) = self.predictor.known_rows(block) {
            let before = used.len();
            used.retain(|&row| known[row]);
            self.inestimable += (before - used.len()) as u64;
        }
        self.all.add(&used, response.values, &predictions);
        let categories = self.predictor.design.clusters();
        if categories.is_empty() {
            return Ok(());
        }
        let mut rows: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
        for row in used {
            let key = categories.iter().map(|&category| block.codes[category][row]).collect();
            rows.entry(key).or_default().push(row);
        }
        for (key, rows) in rows {
            self.groups.entry(key).or_default().add(&rows, response.values, &predictions);
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> std::result::Result<(), BlockError> {
        self.all.merge(&other.all);
        self.inestimable += other.inestimable;
        for (key, errors) in other.groups {
            self.groups.entry(key).or_default().merge(&errors);
        }
        Ok(())
    }
}
