//! The fitted model: saved, loaded, applied to batches.

use std::path::Path;

use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use serde::{Deserialize, Serialize};
use streamreg_core::{ModelSpec, RowLedger, to_float64, usable_as_number};
use streamreg_reader::source::position;
use streamreg_solve::distributions::student_t_quantile_two_sided;
use streamreg_solve::{Aliased, Covariance, Glance, TermEstimate};

use crate::error::{Error, Result};
use crate::output::write_atomically;
use crate::report::{FitReport, InputRecord};

/// Version of the model file. A reader of this version refuses any other.
pub const MODEL_SCHEMA_VERSION: u32 = 1;

/// A fitted model, as it is saved: a JSON file with the coefficients, their covariance, and where they
/// come from.
///
/// ```
/// use streamreg::{Model, Regression};
/// # let dir = tempfile::tempdir()?;
/// # let (data, path) = (dir.path().join("d.csv"), dir.path().join("model.json"));
/// # std::fs::write(&data, "x,y\n1,1.5\n2,2.5\n3,3.25\n")?;
/// Regression::new("y").fit_paths(&[&data])?.model().save(&path)?;
/// let model = Model::load(&path)?;
/// assert_eq!(model.features(), ["x"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Model(Contents);

/// What kind of values a feature has: the same number means something else as days than as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FeatureKind {
    Number,
    Date,
    Timestamp,
}

impl std::fmt::Display for FeatureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
        })
    }
}

/// The kinds of the named columns.
pub(crate) fn feature_kinds(features: &[String], schema: &Schema) -> Vec<FeatureKind> {
    let kind =
        |name: &String| schema.field_with_name(name).map_or(FeatureKind::Number, |f| kind_of(f.data_type()));
    features.iter().map(kind).collect()
}

fn kind_of(kind: &DataType) -> FeatureKind {
    match kind {
        DataType::Date32 | DataType::Date64 => FeatureKind::Date,
        DataType::Timestamp(..) => FeatureKind::Timestamp,
        _ => FeatureKind::Number,
    }
}

/// The model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Contents {
    streamreg_model: u32,
    spec: ModelSpec,
    kinds: Vec<FeatureKind>,
    coefficients: Vec<TermEstimate>,
    covariance: Option<Covariance>,
    glance: Glance,
    aliased: Vec<Aliased>,
    conf_level: f64,
    ledger: RowLedger,
    inputs: Vec<InputRecord>,
}

/// Which uncertainty an interval around a prediction covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interval {
    /// That of the mean response: of the coefficients alone.
    Confidence,
    /// That of a new observation: of the coefficients and of its own deviation.
    Prediction,
}

/// Predictions for the rows of a batch; null where an input is null or not finite.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The expected response.
    pub fit: Float64Array,
    /// Lower and upper ends of the interval, if one was asked for.
    pub interval: Option<(Float64Array, Float64Array)>,
}

impl Model {
    pub(crate) fn from_report(report: &FitReport) -> Self {
        Self(Contents {
            streamreg_model: MODEL_SCHEMA_VERSION,
            spec: report.spec.clone(),
            kinds: report.kinds.clone(),
            coefficients: report.coefficients.clone(),
            covariance: report.covariance.clone(),
            glance: report.glance.clone(),
            aliased: report.aliased.clone(),
            conf_level: report.conf_level,
            ledger: report.ledger.clone(),
            inputs: report.inputs.clone(),
        })
    }

    /// Writes the model file: whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomically(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            std::io::Write::write_all(file, b"\n")
        })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When the file cannot be read, is not a model file, or of another version.
    pub fn load(path: &Path) -> Result<Self> {
        let invalid = |what: String| Error::data(format!("{}: {what}", path.display()));
        let text = std::fs::read(path).map_err(|e| invalid(e.to_string()))?;
        #[derive(Deserialize)]
        struct Version {
            streamreg_model: Option<u32>,
        }
        let not_a_model =
            |e| invalid(format!("not a model file (`streamreg fit --save-model` writes one): {e}"));
        let version: Version = serde_json::from_slice(&text).map_err(not_a_model)?;
        match version.streamreg_model {
            Some(MODEL_SCHEMA_VERSION) => {}
            Some(other) => {
                return Err(invalid(format!(
                    "a model file of version {other}; this program reads {MODEL_SCHEMA_VERSION}"
                )));
            }
            None => return Err(invalid("not a model file (`streamreg fit --save-model` writes one)".into())),
        }
        let model: Contents =
            serde_json::from_slice(&text).map_err(|e| invalid(format!("a damaged model file: {e}")))?;
        model.check().map_err(|what| invalid(format!("a damaged model file: {what}")))?;
        Ok(Self(model))
    }

    /// The column that is explained.
    pub fn response(&self) -> &str {
        &self.0.spec.response
    }

    /// The columns that predictions need: those whose coefficient was estimated.
    pub fn features(&self) -> Vec<&str> {
        self.estimated().map(|(_, c)| c.term.as_str()).collect()
    }

    /// The features whose coefficient was estimated, with their positions among the features.
    fn estimated(&self) -> impl Iterator<Item = (usize, &TermEstimate)> {
        let features = self.0.coefficients.iter().skip(usize::from(self.0.spec.intercept));
        features.enumerate().filter(|(_, c)| c.estimate.is_some())
    }

    /// Checks that a schema has the features, as numbers of the kinds they had in the fit.
    pub(crate) fn check_columns(&self, schema: &Schema) -> Result<()> {
        self.check_kinds(schema)?;
        for name in self.features() {
            let found = schema.field(position(schema, name)?).data_type();
            if !usable_as_number(found) {
                return Err(Error::data(format!("column {name:?}: {found} where the model needs numbers")));
            }
        }
        Ok(())
    }

    /// Checks that dates are still dates and timestamps timestamps: their numbers mean different things.
    fn check_kinds(&self, schema: &Schema) -> Result<()> {
        for (index, coefficient) in self.estimated() {
            let name = &coefficient.term;
            let found = schema.field(position(schema, name)?).data_type();
            let fitted = self.0.kinds[index];
            let is_number = usable_as_number(found) && *found != DataType::Null;
            if is_number && kind_of(found) != fitted {
                let message =
                    format!("column {name:?}: {found} here, but the model was fitted to {fitted} column");
                return Err(Error::data(message));
            }
        }
        Ok(())
    }

    /// The coefficient table.
    pub fn coefficients(&self) -> &[TermEstimate] {
        &self.0.coefficients
    }

    /// Statistics of the fit.
    pub fn glance(&self) -> &Glance {
        &self.0.glance
    }

    /// Whether the model has a constant.
    pub(crate) fn has_intercept(&self) -> bool {
        self.0.spec.intercept
    }

    /// The constant; 0 where there is none.
    pub(crate) fn constant(&self) -> f64 {
        let first = self.0.coefficients.first().filter(|_| self.0.spec.intercept);
        first.and_then(|c| c.estimate).unwrap_or(0.0)
    }

    /// One coefficient for each of [`Model::features`].
    pub(crate) fn slopes(&self) -> Vec<f64> {
        self.estimated().filter_map(|(_, c)| c.estimate).collect()
    }

    /// Predicts the response for every row of `batch`, `b0 + sum of b_j x_j`. Columns are found by name.
    ///
    /// # Errors
    /// When a feature is missing from the batch or not numeric.
    pub fn predict(&self, batch: &RecordBatch) -> Result<Float64Array> {
        Ok(self.predict_interval(batch, None)?.fit)
    }

    /// Predicts, with an interval at the given confidence level where one is asked for.
    ///
    /// # Errors
    /// As [`Model::predict`]; also when the fit left no degrees of freedom to tell an interval from.
    pub fn predict_interval(
        &self,
        batch: &RecordBatch,
        interval: Option<(Interval, f64)>,
    ) -> Result<Prediction> {
        self.check_kinds(batch.schema_ref())?;
        let mut columns = Vec::new();
        for name in self.features() {
            let array = batch.column(position(batch.schema_ref(), name)?);
            columns.push(to_float64(array).map_err(|e| Error::data(format!("column {name:?}: {e}")))?);
        }
        let slopes = self.slopes();
        let mut fit = vec![self.constant(); batch.num_rows()];
        for (column, slope) in columns.iter().zip(&slopes) {
            fit.iter_mut().zip(column).for_each(|(sum, x)| *sum += slope * x);
        }
        let interval = match interval {
            None => None,
            Some((kind, level)) => Some(self.bounds(&columns, &fit, kind, level)?),
        };
        let null = |row: usize| columns.iter().any(|c| !c[row].is_finite());
        let valid = |values: Vec<f64>| -> Float64Array {
            values.into_iter().enumerate().map(|(row, v)| (!null(row)).then_some(v)).collect()
        };
        let interval = interval.map(|(low, high)| (valid(low), valid(high)));
        Ok(Prediction { fit: valid(fit), interval })
    }

    /// Checks that intervals of this level can be told.
    pub(crate) fn check_interval(&self, level: f64) -> Result<()> {
        if self.0.covariance.is_none() {
            let message = "the fit left no residual degrees of freedom, so there are no intervals";
            return Err(Error::invalid_request(message));
        }
        if !(level > 0.0 && level < 1.0) {
            let message = format!("the confidence level must lie between 0 and 1, not {level}");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }

    /// Lower and upper ends: `fit ± t sqrt(x' V x [+ sigma²])`.
    fn bounds(
        &self,
        columns: &[Vec<f64>],
        fit: &[f64],
        kind: Interval,
        level: f64,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        self.check_interval(level)?;
        let (Some(covariance), Some(sigma)) = (&self.0.covariance, self.0.glance.sigma) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let quantile = student_t_quantile_two_sided(1.0 - level, self.0.glance.df_residual as f64);
        let own = if kind == Interval::Prediction { sigma * sigma } else { 0.0 };
        let k = covariance.terms.len();
        let first = k - columns.len();
        let mut x = vec![1.0; k];
        let half_width = |row: usize| {
            for (j, column) in columns.iter().enumerate() {
                x[first + j] = column[row] - covariance.means.as_ref().map_or(0.0, |m| m[j]);
            }
            // About the means the constant has no covariance with the rest: its own variance is enough.
            let (from, constant) =
                if covariance.means.is_some() { (1, covariance.variance_at_means) } else { (0, 0.0) };
            let dot = |v: &[f64]| -> f64 { v[from..].iter().zip(&x[from..]).map(|(a, b)| a * b).sum() };
            let lines = covariance.values.chunks_exact(k).zip(&x).skip(from);
            let variance: f64 = constant + lines.map(|(line, xi)| xi * dot(line)).sum::<f64>();
            quantile * (variance.max(0.0) + own).sqrt()
        };
        let widths: Vec<f64> = (0..fit.len()).map(half_width).collect();
        let low = fit.iter().zip(&widths).map(|(f, w)| f - w).collect();
        let high = fit.iter().zip(&widths).map(|(f, w)| f + w).collect();
        Ok((low, high))
    }
}

impl Contents {
    /// Whether the parts fit together, so that predictions cannot go wrong later.
    fn check(&self) -> std::result::Result<(), String> {
        let names: Vec<&str> = self.coefficients.iter().map(|c| c.term.as_str()).collect();
        if self.spec.terms() != names {
            return Err("the coefficients do not belong to the model's terms".into());
        }
        let lost = self
            .coefficients
            .iter()
            .find(|c| c.estimate.is_none() && !self.aliased.iter().any(|a| a.term == c.term));
        if let Some(c) = lost {
            return Err(format!("the estimate of {:?} is missing", c.term));
        }
        if self.kinds.len() != self.spec.features.len() {
            return Err("the kinds do not belong to the model's features".into());
        }
        if let Some(c) = &self.covariance {
            let estimated = (0..names.len()).filter(|&t| self.coefficients[t].estimate.is_some());
            let means = c.means.as_ref().is_none_or(|m| self.spec.intercept && m.len() + 1 == c.terms.len());
            if c.terms != estimated.collect::<Vec<_>>() || c.values.len() != c.terms.len().pow(2) || !means {
                return Err("the covariance does not belong to the coefficients".into());
            }
            if self.glance.df_residual == 0 || self.glance.sigma.is_none() {
                return Err("a covariance without residual degrees of freedom".into());
            }
        }
        Ok(())
    }
}
