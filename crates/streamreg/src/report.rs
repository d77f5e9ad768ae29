//! The result of a fit, as programs read it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use streamreg_core::descent::{LearningRate, Loss};
use streamreg_core::{Coding, LeftOut, ModelSpec, Precision, RowLedger, factor_name};
use streamreg_reader::{InputFile, ReadCounts};
use streamreg_solve::{
    Aliased, Covariance, Fit, Glance, RankMargin, Solver, TermEstimate, VcovSummary, WaldTest, Warning,
};

use crate::error::{Error, Result};
use crate::model::columns::{ModelColumn, WideCoefficients};
use crate::output::TableWriter;
use crate::request::penalty::{PenalizedReport, PenaltyRecord};
use crate::request::selection::Selection;

/// Version of the JSON form of [`FitReport`]. Fields may be added within a version, never change.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// How the numbers came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SolverReport {
    /// What was asked for.
    pub requested: Solver,
    /// What produced the numbers.
    pub used: Solver,
    /// How the sums were carried: `exact`, or `float`.
    pub precision: Precision,
    /// Passes over the data.
    pub passes: usize,
    /// Why the data were read a second time.
    pub escalation: Option<String>,
    /// Correct digits of the coefficients that the arithmetic leaves, estimated.
    pub digits: f64,
}

impl SolverReport {
    pub(crate) fn direct(requested: Solver, used: Solver, precision: Precision, passes: usize) -> Self {
        Self { requested, used, precision, passes, escalation: None, digits: 0.0 }
    }

    pub(crate) fn escalated(reason: String) -> Self {
        Self { escalation: Some(reason), ..Self::direct(Solver::Auto, Solver::Qr, Precision::Float, 2) }
    }
}

/// What can be relied on: correct digits, and how clear the decision about the rank was. Of a penalised fit only the
/// digits of the arithmetic are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accuracy {
    /// Correct digits that the arithmetic guarantees every coefficient, beside the least squares solution of the float64
    /// cells; 15 are the most that are claimed. A coefficient next to zero is measured by its standard error. Each has
    /// its own in the table of coefficients.
    pub digits_arithmetic: f64,
    /// Correct digits that the input supports, if every cell is a number that was rounded to float64. Whole numbers are
    /// not, and then there are more.
    pub digits_input: f64,
    /// The same for the residual sum of squares, on which standard errors rest.
    pub residual_digits_arithmetic: f64,
    /// The same, by the input.
    pub residual_digits_input: f64,
    /// What was left of the columns beside those before them.
    pub rank_margin: RankMargin,
}

/// Wall-clock times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Of each pass over the data.
    pub pass_seconds: Vec<f64>,
    /// Of solving.
    pub solve_seconds: f64,
    /// Of everything.
    pub total_seconds: f64,
    /// Threads that read and accumulated.
    pub threads: usize,
}

/// What was read of the files, in all passes. Unlike the ledger, it depends on how the files are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Bytes.
    pub bytes: u64,
    /// Row groups of Parquet files that were decoded.
    pub row_groups: u64,
    /// Row groups that were passed over, because statistics rule out that a row passes the filter.
    pub row_groups_skipped: u64,
    /// Rows in them, and in whole files that were passed over, where their number is known.
    pub rows_skipped: u64,
}

impl From<ReadCounts> for Reading {
    fn from(counts: ReadCounts) -> Self {
        Self {
            bytes: counts.bytes,
            row_groups: counts.row_groups,
            row_groups_skipped: counts.row_groups_skipped,
            rows_skipped: counts.rows_skipped,
        }
    }
}

/// An input file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Path as it was given or found.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub modified: Option<u64>,
    /// Rows, where the format says so without reading the data.
    pub rows: Option<u64>,
}

impl From<InputFile> for InputRecord {
    fn from(file: InputFile) -> Self {
        let since = |t: std::time::SystemTime| t.duration_since(UNIX_EPOCH).ok();
        Self {
            path: file.path.to_string_lossy().into_owned(),
            bytes: file.bytes,
            modified: file.modified.and_then(since).map(|d| d.as_secs()),
            rows: file.rows,
        }
    }
}

/// A fitted regression with everything there is to say about it. Its `Serialize` form is the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FitReport {
    /// [`REPORT_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What is explained.
    pub response: String,
    /// The model as a formula.
    pub formula: String,
    /// Columns that were computed from those of the data: name and SQL expression.
    pub with: Vec<(String, String)>,
    /// The condition that the rows had to fulfil, in SQL.
    pub filter: Option<String>,
    /// One row a term, `(Intercept)` first.
    pub coefficients: Vec<TermEstimate>,
    /// What standard errors, tests and intervals rest on, the overall F included.
    pub vcov: VcovSummary,
    /// Joint tests, in the order in which they were asked for.
    pub tests: Vec<WaldTest>,
    /// Statistics of the whole fit.
    pub glance: Glance,
    /// Number of independent columns, the constant included.
    pub rank: usize,
    /// Columns that depend on others.
    pub aliased: Vec<Aliased>,
    /// Condition number of the independent columns, centred where there is an intercept, scaled.
    pub condition_number: f64,
    /// What can be relied on.
    pub accuracy: Accuracy,
    /// How the numbers came about.
    pub solver: SolverReport,
    /// The penalty, where there was one. Then there are no standard errors, and `df` and `rank` count the
    /// coefficients that are not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalized: Option<PenalizedReport>,
    /// How an iterative solver came to it, where one did. Then there are no standard errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descent: Option<DescentReport>,
    /// Level of the confidence intervals.
    pub conf_level: f64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
    /// What became of the rows.
    pub ledger: RowLedger,
    /// Columns that are not features although nobody excluded them.
    pub left_out: Vec<LeftOut>,
    /// The files.
    pub inputs: Vec<InputRecord>,
    /// What was read of them.
    pub reading: Reading,
    /// Wall-clock times.
    pub timings: Timings,
    /// The model as it was fitted.
    #[serde(skip)]
    pub spec: ModelSpec,
    /// The columns that were read, and the kinds of their values.
    #[serde(skip)]
    pub(crate) columns: Vec<ModelColumn>,
    /// What the data decided about the columns of the design matrix: levels, polynomials, fills.
    #[serde(skip)]
    pub coding: Coding,
    /// Covariance of the estimated coefficients; `None` without residual degrees of freedom.
    #[serde(skip)]
    pub covariance: Option<Covariance>,
    /// Coefficients of list columns and hashes.
    #[serde(skip)]
    pub(crate) wide: Option<WideCoefficients>,
}

/// What all fits of one pass share.
pub(crate) struct Common {
    pub(crate) spec: ModelSpec,
    pub(crate) columns: Vec<ModelColumn>,
    pub(crate) ledger: RowLedger,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) inputs: Vec<InputFile>,
    pub(crate) reading: Reading,
    pub(crate) timings: Timings,
    pub(crate) conf_level: f64,
    pub(crate) selection: Selection,
}

impl FitReport {
    /// The report of the response at position `response`.
    pub(crate) fn new(
        common: &Common,
        response: usize,
        fit: Fit,
        solver: SolverReport,
        coding: Coding,
    ) -> Self {
        let mut spec = common.spec.clone();
        spec.responses = vec![spec.responses[response].clone()];
        let (ledger, conf_level) = (common.ledger.clone(), common.conf_level);
        let mut warnings = fit.warnings;
        for rounded in &ledger.rounded_integers {
            let message = format!(
                "{} integers of column {:?} are beyond 2^53 and were rounded to the nearest float64",
                rounded.cells, rounded.column
            );
            warnings.push(Warning::new("rounded_integers", message));
        }
        warnings.extend(shared_name(&fit.coefficients));
        Self {
            schema_version: REPORT_SCHEMA_VERSION,
            response: factor_name(&spec.responses[0]),
            formula: formula_of(&spec),
            with: common.selection.with.clone(),
            filter: common.selection.filter.clone(),
            coefficients: fit.coefficients,
            vcov: fit.vcov,
            tests: fit.tests,
            glance: fit.glance,
            rank: fit.rank,
            aliased: fit.aliased,
            condition_number: fit.condition_number,
            accuracy: Accuracy {
                digits_arithmetic: fit.digits,
                digits_input: fit.digits_input,
                residual_digits_arithmetic: fit.residual_digits,
                residual_digits_input: fit.residual_digits_input,
                rank_margin: fit.rank_margin,
            },
            solver: SolverReport { digits: fit.digits, ..solver },
            penalized: None,
            descent: None,
            wide: None,
            conf_level,
            warnings,
            ledger,
            left_out: common.left_out.clone(),
            inputs: common.inputs.iter().cloned().map(InputRecord::from).collect(),
            reading: common.reading,
            timings: common.timings.clone(),
            spec,
            columns: common.columns.clone(),
            coding,
            covariance: fit.covariance,
        }
    }

    /// Writes the covariance of the coefficients that were estimated to a .csv or .parquet file, whole or not at all: a
    /// column `term`, and one for every term.
    ///
    /// # Errors
    /// When there is none, the name has another ending, or the file cannot be written.
    pub fn save_covariance(&self, path: &Path) -> Result<()> {
        let none = || Error::data("there is no covariance: the fit leaves no residual degrees of freedom");
        let covariance = self.covariance.as_ref().ok_or_else(none)?;
        let names: Vec<&str> = covariance.terms.iter().map(|&t| self.coefficients[t].term.as_str()).collect();
        let k = names.len();
        let number = |name: &&str| Field::new(*name, DataType::Float64, false);
        let fields =
            std::iter::once(Field::new("term", DataType::Utf8, false)).chain(names.iter().map(number));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let column = |j: usize| (0..k).map(|i| covariance.values[i * k + j]).collect::<Vec<f64>>();
        let columns = (0..k).map(|j| Arc::new(Float64Array::from(column(j))) as ArrayRef);
        let terms = Arc::new(StringArray::from(names.clone())) as ArrayRef;
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), std::iter::once(terms).chain(columns).collect())?;
        let mut writer = TableWriter::file(path, &schema)?;
        writer.write(&batch)?;
        writer.finish()
    }

    /// The estimate of a term, if it has one.
    pub fn estimate(&self, term: &str) -> Option<f64> {
        self.coefficients.iter().find(|c| c.term == term)?.estimate
    }
}

/// The warning for a name that two coefficients have, such as a column `a[T.q]` beside a category `a`.
fn shared_name(coefficients: &[TermEstimate]) -> Option<Warning> {
    let mut seen = HashSet::new();
    let again = coefficients.iter().find(|c| !seen.insert(&c.term))?;
    let message =
        format!("two coefficients are called {:?}; they come in the order of the terms", again.term);
    Some(Warning::new("shared_name", message))
}

/// The model as a formula, with all its terms.
pub(crate) fn formula_of(spec: &ModelSpec) -> String {
    let mut terms: Vec<String> = spec.terms.iter().map(ToString::to_string).collect();
    match (spec.intercept, terms.is_empty()) {
        (true, true) => terms.push("1".into()),
        (false, _) => terms.insert(0, "0".into()),
        _ => {}
    }
    let responses: Vec<String> = spec.responses.iter().map(ToString::to_string).collect();
    format!("{} ~ {}", responses.join(" + "), terms.join(" + "))
}

/// How an iterative fit came about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DescentReport {
    /// What residuals cost.
    pub loss: Loss,
    /// The mean loss of the rows that were learnt from.
    pub mean_loss: f64,
    /// The same with the penalty: what was minimised.
    pub objective: f64,
    /// Mean absolute residual.
    pub mae: f64,
    /// Passes over the data, the first look among them.
    pub epochs: usize,
    /// Steps.
    pub steps: u64,
    /// Rows of a batch, of stochastic steps.
    pub batch_size: Option<usize>,
    /// How the length of the steps was decided.
    pub learning_rate: LearningRate,
    /// The length of the last step, in standardised units.
    pub step: Option<f64>,
    /// What steps are preconditioned with: `scale`, `diagonal` or `sample`.
    pub curvature: String,
    /// Whether the tolerance was reached, or the loss of the rows held out got no better.
    pub converged: bool,
    /// Why it ended.
    pub ended: String,
    /// What is left to gain, relative to the objective, as gradient and curvature tell it.
    pub gap: f64,
    /// The gap that was asked for.
    pub tolerance: f64,
    /// Root mean square of the gradient of the objective by standardised parameters.
    pub gradient_norm: f64,
    /// The largest distance of a coefficient from the exact solution, in its standard errors, estimated; of squares without
    /// a penalty, where the curvature is that of a sample.
    pub distance: Option<f64>,
    /// Mean loss of the rows held out.
    pub held_out_loss: Option<f64>,
    /// Rows held out.
    pub held_out_rows: u64,
    /// The seed.
    pub seed: u64,
    /// The penalty, where there is one.
    pub penalty: Option<PenaltyRecord>,
    /// Columns beside the constant.
    pub columns: usize,
    /// Coefficients that are not zero, the constant apart.
    pub nonzero: usize,
}
