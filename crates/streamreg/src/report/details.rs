//! What is reported of one way to fit, and not of the others.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize as DeriveSerialize};
use streamreg_core::iterative::{GapBasis, LearningRate, Loss};
use streamreg_solve::TestError;
use streamreg_solve::penalized::{CurvePoint, CvRule, PathPoint, PenaltyForm, PenaltyScale};

use crate::request::penalty::Penalization;

/// How a fit came about. In JSON it is the key `penalized`, `descent` or `exact` of the report, or none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Details {
    /// By least squares, with standard errors.
    LeastSquares,
    /// With a penalty. There are no standard errors, and `df` and `rank` count the coefficients that are not zero.
    Penalized(Box<PenalizedReport>),
    /// By an iterative solver. There are no standard errors.
    Iterative(Box<DescentReport>),
    /// A loss other than squares, exactly.
    Exact(Box<ExactReport>),
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::LeastSquares => {}
            Self::Penalized(penalized) => map.serialize_entry("penalized", penalized)?,
            Self::Iterative(descent) => map.serialize_entry("descent", descent)?,
            Self::Exact(exact) => map.serialize_entry("exact", exact)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Keys {
            penalized: Option<Box<PenalizedReport>>,
            descent: Option<Box<DescentReport>>,
            exact: Option<Box<ExactReport>>,
        }
        let Keys { penalized, descent, exact } = Keys::deserialize(deserializer)?;
        let iterative = || descent.map(Self::Iterative);
        let other = penalized.map(Self::Penalized).or_else(iterative).or_else(|| exact.map(Self::Exact));
        Ok(other.unwrap_or(Self::LeastSquares))
    }
}

/// How a penalised fit came about.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
#[non_exhaustive]
pub struct PenalizedReport {
    /// `ridge`, `lasso` or `elastic net`.
    pub kind: String,
    /// The size of the penalty.
    pub lambda: f64,
    /// The share of absolute values.
    pub l1_ratio: f64,
    /// Whose units it is in.
    pub scale: PenaltyScale,
    /// Slopes that are not zero.
    pub nonzero: usize,
    /// Degrees of freedom, the constant apart: the trace of the matrix that makes fitted values of responses, over
    /// the columns that are not set to zero.
    pub effective_df: f64,
    /// Bound on what the objective exceeds its minimum by, as a share of that of no slopes; 0 for ridge.
    pub duality_gap: f64,
    /// Rounds of coordinate descent; 0 for ridge.
    pub rounds: usize,
    /// The path, from the largest penalty on; its slopes are in the order of the terms.
    pub path: Option<Vec<PathPoint>>,
    /// How the penalty was chosen.
    pub cross_validation: Option<CvReport>,
}

/// The penalty of a fit, as a model file keeps it.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
#[non_exhaustive]
pub struct PenaltyRecord {
    /// `ridge`, `lasso` or `elastic net`.
    pub kind: String,
    /// The size of the penalty.
    pub lambda: f64,
    /// The share of absolute values.
    pub l1_ratio: f64,
    /// Whose units it is in.
    pub scale: PenaltyScale,
}

impl PenaltyRecord {
    /// What was asked for: a penalty of a given size.
    pub(crate) fn asked(penalization: &Penalization) -> Self {
        let PenaltyForm { penalty, scale } = penalization.form;
        let lambda = penalization.lambda.unwrap_or(0.0);
        Self { kind: penalty.name().into(), lambda, l1_ratio: penalty.l1_ratio(), scale }
    }

    pub(crate) fn of(report: &PenalizedReport) -> Self {
        let PenalizedReport { kind, lambda, l1_ratio, scale, .. } = report;
        Self { kind: kind.clone(), lambda: *lambda, l1_ratio: *l1_ratio, scale: *scale }
    }
}

/// How cross-validation chose a penalty.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
#[non_exhaustive]
pub struct CvReport {
    /// Number of folds that were asked for.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// The column whose values stay together.
    pub group: Option<String>,
    /// The rule of the choice.
    pub rule: CvRule,
    /// Rows used in each fold.
    pub fold_rows: Vec<u64>,
    /// The penalty of the smallest mean error.
    pub lambda_min: f64,
    /// The largest penalty whose mean error is within one standard error of the smallest.
    pub lambda_1se: f64,
    /// Errors of all penalties, from the largest on: means over the folds that have rows, each counting the same.
    pub curve: Vec<CurvePoint>,
    /// Mean squared errors of every fold that has rows, in the order of the curve.
    pub fold_errors: Vec<Vec<f64>>,
}

/// The error of least squares on rows that were held out.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
#[non_exhaustive]
pub struct CvErrorReport {
    /// Number of folds that were asked for.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// The column whose values stay together.
    pub group: Option<String>,
    /// The errors.
    #[serde(flatten)]
    pub error: TestError,
}

/// How an iterative fit came about.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
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
    /// Whether the tolerance was reached.
    pub converged: bool,
    /// Whether it ended before, because the loss of the rows held out got no better.
    #[serde(default)]
    pub stopped_early: bool,
    /// Why it ended.
    pub ended: String,
    /// What is left to gain of the loss that was asked for, relative to the objective.
    pub gap: f64,
    /// What that rests on.
    #[serde(default)]
    pub gap_basis: GapBasis,
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

/// How a loss other than squares was minimised over all rows at once.
#[derive(Clone, Debug, PartialEq, DeriveSerialize, Deserialize)]
#[non_exhaustive]
pub struct ExactReport {
    /// What residuals cost.
    pub loss: Loss,
    /// The mean loss of the rows.
    pub mean_loss: f64,
    /// The same with the penalty: what was minimised.
    pub objective: f64,
    /// What the loss gains beside a constant alone, as a share: of quantiles R1 of Koenker & Machado (1999). Absent without an
    /// intercept.
    pub pseudo_r_squared: Option<f64>,
    /// Mean absolute residual.
    pub mae: f64,
    /// Iterations of the interior point method.
    pub iterations: usize,
    /// What the objective exceeds its minimum by at most, as a share of it: the duality gap.
    pub gap: f64,
    /// Whether the gap is next to nothing.
    pub converged: bool,
    /// Of the standard errors of quantiles, half of the length over which the density of the residuals is taken, in the units of
    /// the response.
    pub bandwidth: Option<f64>,
    /// The penalty, where there is one.
    pub penalty: Option<PenaltyRecord>,
    /// Columns beside the constant.
    pub columns: usize,
    /// Coefficients that are not zero, the constant apart.
    pub nonzero: usize,
}
