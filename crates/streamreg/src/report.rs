//! The result of a fit, as programs read it.

use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use streamreg_core::{LeftOut, ModelSpec, RowLedger};
use streamreg_reader::InputFile;
use streamreg_solve::{Aliased, Covariance, Fit, Glance, Solver, TermEstimate, Warning};

use crate::model::{FeatureKind, Model};

/// Version of the JSON form of [`FitReport`]. Fields may be added within a version, never change.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// How the numbers came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SolverReport {
    /// What was asked for.
    pub requested: Solver,
    /// What produced the numbers.
    pub used: Solver,
    /// Passes over the data.
    pub passes: usize,
    /// Why the data were read a second time.
    pub escalation: Option<String>,
    /// Correct digits of the coefficients that the arithmetic leaves, estimated.
    pub digits: f64,
}

impl SolverReport {
    pub(crate) fn direct(requested: Solver, used: Solver) -> Self {
        Self { requested, used, passes: 1, escalation: None, digits: 0.0 }
    }

    pub(crate) fn escalated(reason: String) -> Self {
        let escalation = Some(reason);
        Self { requested: Solver::Auto, used: Solver::Qr, passes: 2, escalation, digits: 0.0 }
    }
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
    /// The column that is explained.
    pub response: String,
    /// One row a term, `(Intercept)` first.
    pub coefficients: Vec<TermEstimate>,
    /// Statistics of the whole fit.
    pub glance: Glance,
    /// Number of independent columns, the constant included.
    pub rank: usize,
    /// Columns that depend on others.
    pub aliased: Vec<Aliased>,
    /// Condition number of the independent columns, centred where there is an intercept, scaled.
    pub condition_number: f64,
    /// How the numbers came about.
    pub solver: SolverReport,
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
    /// Wall-clock times.
    pub timings: Timings,
    /// The model as it was fitted.
    #[serde(skip)]
    pub spec: ModelSpec,
    /// What kind of values each feature has.
    #[serde(skip)]
    pub(crate) kinds: Vec<FeatureKind>,
    /// Covariance of the estimated coefficients; `None` without residual degrees of freedom.
    #[serde(skip)]
    pub covariance: Option<Covariance>,
}

impl FitReport {
    pub(crate) fn new(
        spec: ModelSpec,
        fit: Fit,
        solver: SolverReport,
        ledger: RowLedger,
        left_out: Vec<LeftOut>,
        inputs: Vec<InputFile>,
        timings: Timings,
        conf_level: f64,
    ) -> Self {
        let mut warnings = fit.warnings;
        for rounded in &ledger.rounded_integers {
            let message = format!(
                "{} integers of column {:?} are beyond 2^53 and were rounded to the nearest float64",
                rounded.cells, rounded.column
            );
            warnings.push(Warning::new("rounded_integers", message));
        }
        Self {
            schema_version: REPORT_SCHEMA_VERSION,
            response: spec.response.clone(),
            coefficients: fit.coefficients,
            glance: fit.glance,
            rank: fit.rank,
            aliased: fit.aliased,
            condition_number: fit.condition_number,
            solver: SolverReport { digits: fit.digits, ..solver },
            conf_level,
            warnings,
            ledger,
            left_out,
            inputs: inputs.into_iter().map(InputRecord::from).collect(),
            timings,
            spec,
            kinds: Vec::new(),
            covariance: fit.covariance,
        }
    }

    /// The part that predictions need, to be saved.
    pub fn model(&self) -> Model {
        Model::from_report(self)
    }

    /// The estimate of a term, if it has one.
    pub fn estimate(&self, term: &str) -> Option<f64> {
        self.coefficients.iter().find(|c| c.term == term)?.estimate
    }
}
