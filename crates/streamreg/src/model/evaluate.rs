//! How well a model predicts data: streamed, rows with missing values dropped and counted.

use std::path::Path;

use serde::Serialize;
use streamreg_core::{Accumulator, BlockError, DesignBlock, RowLedger, Unseen};
use streamreg_reader::DatasetOptions;
use streamreg_solve::Warning;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::predictor::Predictor;
use crate::pass::{Execution, Pass, Rows, Scope, SourceRows, data_set_warnings};
use crate::request::selection::open;
use crate::setters::setters;

/// How a model is evaluated.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct EvaluateOptions {
    /// What happens to rows with a level that the model does not know.
    pub unseen: Unseen,
    /// Uses only the rows for which an SQL expression is true.
    pub filter: Option<String>,
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

    /// Uses only the rows for which an SQL expression is true.
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

/// Measures of prediction error.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Rows that were predicted and have a response.
    pub rows: u64,
    /// Mean squared error.
    pub mse: f64,
    /// Its square root.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// `1 - sum (y - p)² / sum (y - mean(y))²` on these data, of the response less the offset where the model has one;
    /// `None` where it is constant.
    pub r_squared: Option<f64>,
    /// Mean of prediction minus response.
    pub bias: f64,
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
        let files = open(paths, &options.dataset)?;
        let predictor = self.evaluator(options.unseen)?;
        let columns = predictor.design.columns();
        let selection = self.selection(options.filter.clone(), columns.iter().cloned())?;
        let source = selection.of(&files)?;
        self.check_columns(columns, source.schema(), Some(source.as_ref()))?;
        let make = || PredictionErrors::new(&predictor);
        let rows = SourceRows(source.as_ref());
        let Predictor { design, levels, .. } = &predictor;
        let scope = Scope { design, levels, ids: None, execution: &options.execution, pass: Pass::only() };
        let (errors, ledger) = rows.accumulate(&scope, make)?;
        if errors.rows == 0 {
            let what = match (ledger.rows_read, source.filters()) {
                (0, true) => "the filter lets none pass".into(),
                (rows, _) => format!("{rows} were read"),
            };
            return Err(Error::data(format!("no row can be used: {what}")));
        }
        let mut warnings = self.evaluation_warnings();
        warnings.extend(data_set_warnings(source.as_ref()));
        Ok(errors.into_evaluation(warnings, ledger))
    }

    fn evaluation_warnings(&self) -> Vec<Warning> {
        let message = |column: &str| {
            let what =
                format!("the model was fitted with the weights {column:?}; here every row weighs the same");
            Warning::new("unweighted", what)
        };
        self.weights().map(message).into_iter().collect()
    }
}

/// Sums of prediction errors.
struct PredictionErrors<'m> {
    predictor: &'m Predictor,
    rows: u64,
    sum: f64,
    absolute: f64,
    squares: f64,
    mean: f64,
    /// Sum of squares of the response about its mean.
    spread: f64,
}

impl<'m> PredictionErrors<'m> {
    fn new(predictor: &'m Predictor) -> Self {
        Self { predictor, rows: 0, sum: 0.0, absolute: 0.0, squares: 0.0, mean: 0.0, spread: 0.0 }
    }

    /// Takes in the mean and spread of the response in further rows (Chan, Golub & LeVeque 1979).
    fn add_response(&mut self, rows: u64, mean: f64, spread: f64) {
        let (a, b) = (self.rows as f64, rows as f64);
        let shift = mean - self.mean;
        self.spread += spread + shift * shift * (a * b / (a + b));
        self.mean += shift * (b / (a + b));
        self.rows += rows;
    }

    fn into_evaluation(self, warnings: Vec<Warning>, ledger: RowLedger) -> Evaluation {
        let n = self.rows as f64;
        let mse = self.squares / n;
        Evaluation {
            rows: self.rows,
            mse,
            rmse: mse.sqrt(),
            mae: self.absolute / n,
            r_squared: Some(1.0 - self.squares / self.spread).filter(|r| r.is_finite()),
            bias: self.sum / n,
            warnings,
            ledger,
        }
    }
}

impl Accumulator for PredictionErrors<'_> {
    fn variables(&self) -> usize {
        self.predictor.design.variables()
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        let Some(response) = block.columns.last() else { return Ok(()) };
        let predictions = self.predictor.predict(block);
        let used = || (0..block.rows).filter(|&row| block.mask.is_none_or(|m| m[row]));
        let rows = block.rows_used();
        if rows == 0 {
            return Ok(());
        }
        if used().any(|row| !(predictions[row] - response.values[row]).is_finite()) {
            return Err(BlockError::Value { variable: 0 });
        }
        let origin = used().next().map_or(0.0, |row| response.values[row]);
        let mean = origin + used().map(|row| response.values[row] - origin).sum::<f64>() / rows as f64;
        let mut spread = 0.0;
        for row in used() {
            let (y, error) = (response.values[row], predictions[row] - response.values[row]);
            spread += (y - mean) * (y - mean);
            self.sum += error;
            self.absolute += error.abs();
            self.squares += error * error;
        }
        self.add_response(rows as u64, mean, spread);
        Ok(())
    }

    fn merge(&mut self, other: Self) -> std::result::Result<(), BlockError> {
        if other.rows == 0 {
            return Ok(());
        }
        self.sum += other.sum;
        self.absolute += other.absolute;
        self.squares += other.squares;
        self.add_response(other.rows, other.mean, other.spread);
        Ok(())
    }
}
