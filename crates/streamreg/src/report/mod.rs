//! The result of a fit, as programs read it.

mod details;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use streamreg_core::{Coding, LeftOut, ModelSpec, Precision, RowLedger, factor_name};
use streamreg_reader::{InputFile, ReadCounts};
use streamreg_solve::{
    Aliased, Covariance, Fit, Glance, RankMargin, Solver, TermEstimate, VcovSummary, WaldTest, Warning,
};

pub use self::details::{
    CvErrorReport, CvReport, DescentReport, Details, ExactReport, PenalizedReport, PenaltyRecord,
};
use crate::error::{Error, Result};
use crate::model::columns::{ModelColumn, WideCoefficients};
use crate::output::TableWriter;
use crate::request::selection::Selection;

/// Version of the JSON form of [`FitReport`]. Fields may be added within a version, never change.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// How the numbers came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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
    /// Correct digits of the coefficients that the arithmetic leaves, estimated; absent where an iteration ends by its
    /// tolerance.
    pub digits: Option<f64>,
}

impl SolverReport {
    pub(crate) fn new(requested: Solver, used: Solver, precision: Precision, passes: usize) -> Self {
        Self { requested, used, precision, passes, escalation: None, digits: None }
    }
}

/// What can be relied on: correct digits, and how clear the decision about the rank was. Of a penalised fit only the
/// digits of the arithmetic are known, of an iterative one nothing here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accuracy {
    /// Correct digits that the arithmetic guarantees every coefficient, beside the least squares solution of the float64
    /// cells; 15 are the most that are claimed. A coefficient next to zero is measured by its standard error. Each has
    /// its own in the table of coefficients.
    pub digits_arithmetic: Option<f64>,
    /// Correct digits that the input supports, if every cell is a number that was rounded to float64. Whole numbers are
    /// not, and then there are more.
    pub digits_input: Option<f64>,
    /// The same for the residual sum of squares, on which standard errors rest.
    pub residual_digits_arithmetic: Option<f64>,
    /// The same, by the input.
    pub residual_digits_input: Option<f64>,
    /// What was left of the columns beside those before them.
    pub rank_margin: RankMargin,
}

/// Wall-clock times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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

/// An input file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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

/// A fitted regression with everything there is to say about it.
///
/// Its `Display` form is the table that `streamreg fit` prints, its `Serialize` form the JSON report. A report that was
/// read back from JSON has the same numbers, but not what predictions need: save its [`Model`](crate::Model) for them.
///
/// ```
/// use streamreg::{FitReport, Regression};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("d.csv");
/// # std::fs::write(&path, "y,x\n1,1\n2.5,2\n3,3\n")?;
/// let report = Regression::new("y").fit_paths(&[&path])?;
/// println!("{report}");
/// let again: FitReport = serde_json::from_str(&serde_json::to_string(&report)?)?;
/// assert_eq!(again.to_string(), report.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FitReport {
    /// [`REPORT_SCHEMA_VERSION`].
    #[serde(deserialize_with = "known_version")]
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
    /// The error on rows that were held out, where [`Regression::cross_validate`](crate::Regression::cross_validate) asked for it.
    #[serde(default, rename = "cross_validation", skip_serializing_if = "Option::is_none")]
    pub test_error: Option<CvErrorReport>,
    /// Number of independent columns, the constant included.
    pub rank: usize,
    /// Columns that depend on others.
    pub aliased: Vec<Aliased>,
    /// Condition number of the independent columns, centred where there is an intercept, scaled; of least squares.
    pub condition_number: Option<f64>,
    /// The category whose levels were eliminated before the rest was solved for: the condition number is that of the other columns,
    /// about their means within its levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eliminated: Option<String>,
    /// What can be relied on.
    pub accuracy: Accuracy,
    /// How the numbers came about.
    pub solver: SolverReport,
    /// What else there is to say of the way it was fitted.
    #[serde(flatten)]
    pub details: Details,
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
    /// What was read of them, in all passes. Unlike the ledger, it depends on how the files are laid out.
    pub reading: ReadCounts,
    /// The model as it was fitted.
    pub spec: ModelSpec,
    /// Wall-clock times.
    pub timings: Timings,
    /// Covariance of the estimated coefficients; `None` without residual degrees of freedom, and in a report that was read
    /// back from JSON.
    #[serde(skip)]
    pub covariance: Option<Covariance>,
    /// What predictions need beside it; absent from a report that was read back from JSON.
    #[serde(skip)]
    pub(crate) coded: Option<Coded>,
}

/// What the data decided about the design matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coded {
    /// The columns that were read, and the kinds of their values.
    pub(crate) columns: Vec<ModelColumn>,
    /// Levels, polynomials, fills.
    pub(crate) coding: Coding,
    /// Coefficients of list columns and hashes.
    pub(crate) wide: Option<WideCoefficients>,
}

/// The version of a report that is read back, if it is one that this program knows.
fn known_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == REPORT_SCHEMA_VERSION {
        return Ok(version);
    }
    let message = format!("a report of version {version}; this program reads {REPORT_SCHEMA_VERSION}");
    Err(serde::de::Error::custom(message))
}

/// What all fits of one pass share.
pub(crate) struct Common {
    pub(crate) spec: ModelSpec,
    pub(crate) columns: Vec<ModelColumn>,
    pub(crate) coding: Coding,
    pub(crate) ledger: RowLedger,
    pub(crate) left_out: Vec<LeftOut>,
    /// What is to be said of every response's fit.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) inputs: Vec<InputRecord>,
    pub(crate) reading: ReadCounts,
    pub(crate) timings: Timings,
    pub(crate) conf_level: f64,
    pub(crate) selection: Selection,
}

/// What was found for one response.
pub(crate) struct Found {
    pub(crate) coefficients: Vec<TermEstimate>,
    pub(crate) glance: Glance,
    pub(crate) test_error: Option<CvErrorReport>,
    pub(crate) rank: usize,
    pub(crate) aliased: Vec<Aliased>,
    pub(crate) condition_number: Option<f64>,
    pub(crate) eliminated: Option<String>,
    pub(crate) accuracy: Accuracy,
    pub(crate) vcov: VcovSummary,
    pub(crate) tests: Vec<WaldTest>,
    pub(crate) covariance: Option<Covariance>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) solver: SolverReport,
    pub(crate) details: Details,
    /// Coefficients of list columns and hashes.
    pub(crate) wide: Option<WideCoefficients>,
}

impl Found {
    /// A least squares fit.
    pub(crate) fn least_squares(fit: Fit, solver: SolverReport) -> Self {
        // What is not a number is not known.
        let known = |value: f64| (!value.is_nan()).then_some(value);
        Self {
            coefficients: fit.coefficients,
            glance: fit.glance,
            test_error: None,
            rank: fit.rank,
            aliased: fit.aliased,
            condition_number: known(fit.condition_number),
            eliminated: fit.eliminated,
            accuracy: Accuracy {
                digits_arithmetic: known(fit.digits),
                digits_input: known(fit.digits_input),
                residual_digits_arithmetic: known(fit.residual_digits),
                residual_digits_input: known(fit.residual_digits_input),
                rank_margin: fit.rank_margin,
            },
            vcov: fit.vcov,
            tests: fit.tests,
            covariance: fit.covariance,
            warnings: fit.warnings,
            solver: SolverReport { digits: known(fit.digits), ..solver },
            details: Details::LeastSquares,
            wide: None,
        }
    }

    /// Estimates without inference; `digits` of them are due to the arithmetic.
    pub(crate) fn without_inference(
        coefficients: impl IntoIterator<Item = (String, f64)>,
        glance: Glance,
        intercept: bool,
        (solver, digits): (SolverReport, Option<f64>),
        details: Details,
    ) -> Self {
        let estimate = |(term, value)| TermEstimate::bare(term, value);
        Self {
            coefficients: coefficients.into_iter().map(estimate).collect(),
            rank: glance.df + usize::from(intercept),
            glance,
            test_error: None,
            aliased: Vec::new(),
            condition_number: None,
            eliminated: None,
            accuracy: Accuracy { digits_arithmetic: digits, ..Accuracy::default() },
            vcov: VcovSummary::default(),
            tests: Vec::new(),
            covariance: None,
            warnings: Vec::new(),
            solver: SolverReport { digits, ..solver },
            details,
            wide: None,
        }
    }
}

impl FitReport {
    /// The report of the response at position `response`.
    pub(crate) fn new(common: &Common, response: usize, found: Found) -> Self {
        let mut spec = common.spec.clone();
        spec.responses = vec![spec.responses[response].clone()];
        let ledger = common.ledger.clone();
        let mut warnings = found.warnings;
        for rounded in &ledger.rounded_integers {
            let message = format!(
                "{} integers of column {:?} are beyond 2^53 and were rounded to the nearest float64",
                rounded.cells, rounded.column
            );
            warnings.push(Warning::new("rounded_integers", message));
        }
        warnings.extend(common.warnings.iter().cloned());
        warnings.extend(shared_name(&found.coefficients));
        Self {
            schema_version: REPORT_SCHEMA_VERSION,
            response: factor_name(&spec.responses[0]),
            formula: formula_of(&spec),
            with: common.selection.with.clone(),
            filter: common.selection.filter.clone(),
            coefficients: found.coefficients,
            vcov: found.vcov,
            tests: found.tests,
            glance: found.glance,
            test_error: found.test_error,
            rank: found.rank,
            aliased: found.aliased,
            condition_number: found.condition_number,
            eliminated: found.eliminated,
            accuracy: found.accuracy,
            solver: found.solver,
            details: found.details,
            conf_level: common.conf_level,
            warnings,
            ledger,
            left_out: common.left_out.clone(),
            inputs: common.inputs.clone(),
            reading: common.reading,
            timings: common.timings.clone(),
            spec,
            covariance: found.covariance,
            coded: Some(Coded {
                columns: common.columns.clone(),
                coding: common.coding.clone(),
                wide: found.wide,
            }),
        }
    }

    /// The penalty, where there was one.
    pub fn penalized(&self) -> Option<&PenalizedReport> {
        match &self.details {
            Details::Penalized(penalized) => Some(penalized),
            _ => None,
        }
    }

    /// How an iterative solver came to it, where one did.
    pub fn descent(&self) -> Option<&DescentReport> {
        match &self.details {
            Details::Iterative(descent) => Some(descent),
            _ => None,
        }
    }

    /// How a loss other than squares was minimised exactly, where one was.
    pub fn exact(&self) -> Option<&ExactReport> {
        match &self.details {
            Details::Exact(exact) => Some(exact),
            _ => None,
        }
    }

    /// Writes the covariance of the coefficients that were estimated to a .csv or .parquet file, whole or not at all: a
    /// column `term`, and one for every term.
    ///
    /// # Errors
    /// When there is none, the name has another ending, or the file cannot be written.
    pub fn save_covariance(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
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
    terms.extend(spec.offsets.iter().map(|offset| format!("offset({offset})")));
    let responses: Vec<String> = spec.responses.iter().map(ToString::to_string).collect();
    format!("{} ~ {}", responses.join(" + "), terms.join(" + "))
}
