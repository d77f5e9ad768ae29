//! The fitted model: saved, loaded, applied to batches.

pub(crate) mod columns;
pub(crate) mod evaluate;
pub(crate) mod predict;
pub(crate) mod predictor;

use std::collections::HashMap;
use std::path::Path;

use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};
use streamreg_core::iterative::Standardizer;
use streamreg_core::{
    Coding, Design, DesignBlock, INTERCEPT, Layout, MAX_HASH_BITS, MAX_SPARSE_INDEX, ModelSpec, RowLedger,
    RowReader, Unseen, choices, factor_name,
};
use streamreg_reader::{Source, position};
use streamreg_solve::distributions::student_t_quantile_two_sided;
use streamreg_solve::{Aliased, Covariance, Glance, TermEstimate};

use crate::error::{Error, Failure, Result};
use crate::model::columns::{ColumnKind, ModelColumn, WideCoefficients};
use crate::model::predictor::Predictor;
use crate::output::write_atomically;
use crate::pass::project;
use crate::report::{Coded, Details, FitReport, InputRecord, PenaltyRecord};
use crate::request::selection::Selection;

/// Version of the model file. A reader of this version refuses any other.
pub const MODEL_SCHEMA_VERSION: u32 = 2;

/// A fitted model, as it is saved: a JSON file with the coefficients, their covariance, and where they
/// come from.
///
/// ```
/// use streamreg::{Model, Regression};
/// # let dir = tempfile::tempdir()?;
/// # let (data, path) = (dir.path().join("d.csv"), dir.path().join("model.json"));
/// # std::fs::write(&data, "x,y\n1,1.5\n2,2.5\n3,3.25\n")?;
/// Regression::new("y").fit_paths(&[&data])?.model()?.save(&path)?;
/// let model = Model::load(&path)?;
/// assert_eq!(model.features()?, ["x"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Model(Contents);

/// The model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Contents {
    streamreg_model: u32,
    spec: ModelSpec,
    columns: Vec<ModelColumn>,
    coding: Coding,
    /// Columns that are computed before anything else: name and SQL expression.
    #[serde(default)]
    with: Vec<(String, String)>,
    /// The filter of the fit, to be known; nothing applies it again.
    #[serde(default)]
    filter: Option<String>,
    coefficients: Vec<TermEstimate>,
    /// Those of list columns and hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wide: Option<WideCoefficients>,
    covariance: Option<Covariance>,
    glance: Glance,
    aliased: Vec<Aliased>,
    /// The penalty of the fit, to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    penalty: Option<PenaltyRecord>,
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

choices!(Interval { Confidence => "confidence", Prediction => "prediction" });

/// Predictions for the rows of a batch; null where an input is null or not finite.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prediction {
    /// The expected response.
    pub fit: Float64Array,
    /// Lower and upper ends of the interval, if one was asked for.
    pub interval: Option<(Float64Array, Float64Array)>,
}

impl FitReport {
    /// The part that predictions need, to be saved.
    ///
    /// # Errors
    /// When this report was read back from JSON: that has the numbers, but not what predictions need.
    pub fn model(&self) -> Result<Model> {
        Model::from_report(self)
    }
}

impl Model {
    fn from_report(report: &FitReport) -> Result<Self> {
        let Some(Coded { columns, coding, wide }) = report.coded.clone() else {
            let message = "a report that was read back from JSON makes no model: save the model beside it";
            return Err(Error::invalid_request(message));
        };
        Ok(Self(Contents {
            streamreg_model: MODEL_SCHEMA_VERSION,
            spec: report.spec.clone(),
            columns,
            coding,
            with: report.with.clone(),
            filter: report.filter.clone(),
            coefficients: match &wide {
                Some(wide) => report.coefficients[..wide.named].to_vec(),
                None => report.coefficients.clone(),
            },
            wide,
            // Intervals of predictions are those of least squares.
            covariance: report.covariance.clone().filter(|_| report.exact().is_none()),
            glance: report.glance.clone(),
            aliased: report.aliased.clone(),
            penalty: match &report.details {
                Details::LeastSquares => None,
                Details::Penalized(penalized) => Some(PenaltyRecord::of(penalized)),
                Details::Iterative(descent) => descent.penalty.clone(),
                Details::Exact(exact) => exact.penalty.clone(),
            },
            conf_level: report.conf_level,
            ledger: report.ledger.clone(),
            inputs: report.inputs.clone(),
        }))
    }

    /// Writes the model file: whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path.as_ref(), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            std::io::Write::write_all(file, b"\n")
        })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When the file cannot be read, is not a model file, or of another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
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

    /// What is explained.
    pub fn response(&self) -> String {
        self.0.spec.responses.first().map(factor_name).unwrap_or_default()
    }

    /// The column with the weights of the fit, if it had any.
    pub(crate) fn weights(&self) -> Option<&str> {
        self.0.spec.weights.as_ref().map(|weights| weights.column.as_str())
    }

    /// The columns that predictions need: those of terms whose coefficient was estimated.
    ///
    /// # Errors
    /// When the model file does not fit together.
    pub fn features(&self) -> Result<Vec<String>> {
        Ok(self.predictor(Unseen::Error)?.design.columns().to_vec())
    }

    /// The columns the model was fitted to, as a schema.
    fn schema(&self) -> Schema {
        let field = |c: &ModelColumn| Field::new(&c.name, c.kind.example(), true);
        Schema::new(self.0.columns.iter().map(field).collect::<Vec<_>>())
    }

    /// The model's terms, ready to be applied.
    pub(crate) fn predictor(&self, unseen: Unseen) -> Result<Predictor> {
        self.bound_predictor(Design::of_terms(&self.0.spec, &self.schema())?, unseen)
    }

    /// The same, beside the response: for data that have one.
    pub(crate) fn evaluator(&self, unseen: Unseen) -> Result<Predictor> {
        let design = Design::new(&self.0.spec.for_new_rows(), &self.schema())?;
        self.bound_predictor(design, unseen)
    }

    fn bound_predictor(&self, design: Design, unseen: Unseen) -> Result<Predictor> {
        let coding = &self.0.coding;
        let design = design.with_coding(coding)?;
        let layout = Layout::new(&design, coding)?;
        let first = usize::from(self.0.spec.intercept);
        let slopes: Vec<Option<f64>> = self.0.coefficients.iter().skip(first).map(|c| c.estimate).collect();
        let wide = self.0.wide.as_ref().map(WideCoefficients::dense);
        Predictor::new(design, layout, &coding.levels, unseen, self.constant(), &slopes, wide)
    }

    /// Checks that the data have the columns, with values of the kinds they had in the fit.
    pub(crate) fn check_columns(
        &self,
        columns: &[String],
        schema: &Schema,
        source: Option<&dyn Source>,
    ) -> Result<()> {
        for name in columns {
            let found = schema.field(position(schema, name)?).data_type();
            let fitted = self.0.columns.iter().find(|c| c.name == *name).map(|c| c.kind);
            if let Some(fitted) = fitted.filter(|kind| !kind.accepts(found)) {
                let numeric = fitted != ColumnKind::Text;
                if let Some(doubt) = source.filter(|_| numeric).and_then(|source| source.doubt(name)) {
                    return Err(doubt.error.into());
                }
                let here = ColumnKind::of(found);
                let message = format!(
                    "column {name:?}: {here} column here, but the model was fitted to {fitted} column"
                );
                return Err(Error::data(message));
            }
        }
        Ok(())
    }

    /// What is read for `columns` of this model: the computed ones among what they need, and a filter.
    pub(crate) fn selection(
        &self,
        filter: Option<String>,
        columns: impl IntoIterator<Item = String>,
    ) -> Result<Selection> {
        Selection { with: self.0.with.clone(), filter }.for_columns(columns)
    }

    /// Columns that were computed from those of the data: name and SQL expression.
    pub fn with(&self) -> &[(String, String)] {
        &self.0.with
    }

    /// The filter of the fit. Predictions are made for all rows.
    pub fn filter(&self) -> Option<&str> {
        self.0.filter.as_deref()
    }

    /// The coefficient table.
    pub fn coefficients(&self) -> &[TermEstimate] {
        &self.0.coefficients
    }

    /// The penalty of the fit, if it had one.
    pub fn penalty(&self) -> Option<&PenaltyRecord> {
        self.0.penalty.as_ref()
    }

    /// Level of the confidence intervals of the fit.
    pub fn conf_level(&self) -> f64 {
        self.0.conf_level
    }

    /// Statistics of the fit.
    pub fn glance(&self) -> &Glance {
        &self.0.glance
    }

    /// The slopes that this model has for the columns of another design, by their names; 0 for others.
    pub(crate) fn slopes_for(&self, standardizer: &Standardizer) -> Vec<f64> {
        let known: HashMap<&str, f64> =
            self.0.coefficients.iter().filter_map(|c| Some((c.term.as_str(), c.estimate?))).collect();
        let named = (0..standardizer.named())
            .map(|j| known.get(standardizer.name(j).as_str()).copied().unwrap_or(0.0));
        let mut slopes: Vec<f64> = named.collect();
        slopes.resize(standardizer.columns(), 0.0);
        if let Some(wide) = &self.0.wide {
            let (lists, hashed) = wide.dense();
            let own = standardizer.wide(&slopes);
            let (of_lists, of_hashes) = (own.0.len(), own.1.len());
            let from = slopes.len() - of_hashes - of_lists;
            let copy = |to: &mut [f64], values: &[f64]| to.iter_mut().zip(values).for_each(|(t, v)| *t = *v);
            copy(&mut slopes[from..from + of_lists], &lists);
            copy(&mut slopes[from + of_lists..], &hashed);
        }
        slopes
    }

    /// The constant; 0 where there is none.
    pub(crate) fn constant(&self) -> f64 {
        let first = self.0.coefficients.first().filter(|_| self.0.spec.intercept);
        first.and_then(|c| c.estimate).unwrap_or(0.0)
    }

    /// Predicts the response for every row of `batch`, `b0 + sum of b_j x_j`. Columns are found by name, computed
    /// ones (see [`Model::with`]) too. A level that the model does not know is an error.
    ///
    /// # Errors
    /// When a column is missing from the batch or of another kind than in the fit.
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
        let predictor = self.predictor(Unseen::Error)?;
        self.check_columns(predictor.design.columns(), batch.schema_ref(), None)?;
        let batch = project(batch, predictor.design.columns())?;
        Ok(self.predict_with(&predictor, &mut predictor.reader(), &batch, interval)?)
    }

    /// Predicts for a batch that has the columns of the predictor's design.
    pub(crate) fn predict_with(
        &self,
        predictor: &Predictor,
        reader: &mut RowReader<'_>,
        batch: &RecordBatch,
        interval: Option<(Interval, f64)>,
    ) -> std::result::Result<Prediction, Failure> {
        let rows = batch.num_rows();
        let width = interval.map(|(kind, level)| self.width(kind, level)).transpose()?;
        let mut fit: Vec<Option<f64>> = Vec::with_capacity(rows);
        let mut half_widths: Vec<Option<f64>> = Vec::new();
        predictor.blocks(reader, batch, |block, predictions| {
            let used = |row: usize| block.uses(row);
            fit.extend(predictions.iter().enumerate().map(|(row, p)| used(row).then_some(*p)));
            if let Some(width) = &width {
                let own = width.of(predictor.layout(), block);
                half_widths.extend(
                    own.into_iter()
                        .enumerate()
                        .map(|(row, w)| used(row).then_some(w).filter(|w| !w.is_nan())),
                );
            }
        })?;
        let interval = width.is_some().then(|| {
            let end = |sign: f64| -> Float64Array {
                let pairs = fit.iter().zip(&half_widths);
                pairs.map(|(f, w)| f.zip(*w).map(|(f, w)| f + sign * w)).collect()
            };
            (end(-1.0), end(1.0))
        });
        Ok(Prediction { fit: Float64Array::from(fit), interval })
    }

    /// Checks that intervals of this level can be told.
    pub(crate) fn check_interval(&self, level: f64) -> Result<()> {
        if self.0.covariance.is_none() {
            let message = "the model has no covariance, so there are no intervals: the fit had a penalty, minimised another loss than squares, came from an iterative solver, left no \
                           residual degrees of freedom, or has a category with too many levels for it";
            return Err(Error::invalid_request(message));
        }
        if !(level > 0.0 && level < 1.0) {
            let message = format!("the confidence level must lie between 0 and 1, not {level}");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }

    /// What the half-width of an interval is computed from.
    fn width(&self, kind: Interval, level: f64) -> Result<Width<'_>> {
        self.check_interval(level)?;
        let no_interval = || Error::invalid_request("the fit has no covariance");
        let covariance = self.0.covariance.as_ref().ok_or_else(no_interval)?;
        let sigma = self.0.glance.sigma.ok_or_else(no_interval)?;
        let df = covariance.vcov.df.unwrap_or(self.0.glance.df_residual);
        let quantile = student_t_quantile_two_sided(1.0 - level, df as f64);
        let own = if kind == Interval::Prediction { sigma * sigma } else { 0.0 };
        let first = usize::from(self.0.spec.intercept);
        let terms = covariance.terms.iter().filter(|&&t| t >= first);
        let columns: Vec<usize> = terms.map(|t| t - first).collect();
        let design = Design::of_terms(&self.0.spec, &self.schema())?;
        let layout = Layout::absorbing(&design, &self.0.coding)?;
        let category = layout.absorbed().map(streamreg_core::AbsorbedTerm::category);
        Ok(Width { covariance, columns, category, quantile, own, sigma })
    }
}

/// The half-width of an interval: `t sqrt(x' V x [+ sigma²])`.
struct Width<'m> {
    covariance: &'m Covariance,
    /// The layout's columns that the covariance is of.
    columns: Vec<usize>,
    /// The category whose levels were eliminated.
    category: Option<usize>,
    quantile: f64,
    own: f64,
    sigma: f64,
}

impl Width<'_> {
    fn of(&self, layout: &Layout, block: &DesignBlock<'_>) -> Vec<f64> {
        let cells: Vec<Vec<f64>> = (self.columns.iter())
            .map(|&column| {
                let mut cells = vec![0.0; block.rows];
                layout.fill(column, block, &mut cells);
                cells
            })
            .collect();
        (0..block.rows).map(|row| self.of_row(row, &cells, block)).collect()
    }

    fn of_row(&self, row: usize, cells: &[Vec<f64>], block: &DesignBlock<'_>) -> f64 {
        let (k, q) = (self.covariance.terms.len(), cells.len());
        let mut x = vec![1.0; k];
        let mut constant = 0.0;
        let mut means = self.covariance.means.as_deref();
        // About the means the constant has a variance of its own, and where the covariance is robust one with the rest.
        let from = usize::from(means.is_some());
        if means.is_some() {
            constant = self.covariance.variance_at_means;
        }
        if let (Some(levels), Some(category)) = (&self.covariance.levels, self.category) {
            // Rows of other levels are masked.
            let level = Some(block.codes[category][row] as usize).filter(|&l| l < levels.weights.len());
            let level = level.unwrap_or(0);
            constant = self.sigma * self.sigma / levels.weights[level];
            means = Some(&levels.means[level * q..(level + 1) * q]);
        }
        for (j, column) in cells.iter().enumerate() {
            x[k - q + j] = column[row] - means.map_or(0.0, |m| m[j]);
        }
        let dot = |v: &[f64]| -> f64 { v[from..].iter().zip(&x[from..]).map(|(a, b)| a * b).sum() };
        let with_means = self.covariance.covariance_at_means.iter().zip(&x[from..]);
        let constant = constant + 2.0 * with_means.map(|(c, xi)| c * xi).sum::<f64>();
        let lines = self.covariance.values.chunks_exact(k.max(1)).zip(&x).skip(from);
        let variance: f64 = constant + lines.map(|(line, xi)| xi * dot(line)).sum::<f64>();
        // A difference of variances may be none: then there is no interval.
        let difference = self.covariance.vcov.clusters.len() > 1;
        let variance = if difference && variance < 0.0 { f64::NAN } else { variance.max(0.0) };
        self.quantile * (variance + self.own).sqrt()
    }
}

impl Contents {
    /// Whether the coefficients of list columns and hashes are there where the model has such features, and are theirs:
    /// room is made for all up to the last position.
    fn check_wide(&self) -> std::result::Result<(), String> {
        let lists = if self.spec.sparse.is_some() { MAX_SPARSE_INDEX + 1 } else { 0 };
        let slots = self.spec.hash_bits.map_or(0, |bits| 1 << bits.min(MAX_HASH_BITS));
        match &self.wide {
            None if lists + slots > 0 => {
                Err("the coefficients of list columns or hashes (`wide`) are missing".into())
            }
            Some(wide) if !wide.lists.fits(lists) || !wide.hashed.fits(slots) => {
                Err("the coefficients of list columns or hashes (`wide`) are not those of the model".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the parts fit together, so that predictions cannot go wrong later.
    fn check(&self) -> std::result::Result<(), String> {
        let schema = Schema::new(
            self.columns.iter().map(|c| Field::new(&c.name, c.kind.example(), true)).collect::<Vec<_>>(),
        );
        let design = Design::of_terms(&self.spec, &schema).and_then(|d| d.with_coding(&self.coding));
        let layout = design.and_then(|d| Layout::new(&d, &self.coding)).map_err(|e| e.to_string())?;
        let constant = self.spec.intercept.then(|| INTERCEPT.to_owned());
        let expected = constant.into_iter().chain(layout.names());
        let names: Vec<&str> = self.coefficients.iter().map(|c| c.term.as_str()).collect();
        if !expected.eq(names.iter().copied()) {
            return Err("the coefficients do not belong to the model's terms".into());
        }
        let lost = self
            .coefficients
            .iter()
            .find(|c| c.estimate.is_none() && !self.aliased.iter().any(|a| a.term == c.term));
        if let Some(c) = lost {
            return Err(format!("the estimate of {:?} is missing", c.term));
        }
        self.check_wide()?;
        if let Some(c) = &self.covariance {
            let estimated: Vec<usize> =
                (0..names.len()).filter(|&t| self.coefficients[t].estimate.is_some()).collect();
            let k = c.terms.len();
            let means = c.means.as_ref().is_none_or(|m| self.spec.intercept && m.len() + 1 == k);
            let terms = match &c.levels {
                None => c.terms == estimated,
                Some(levels) => {
                    c.terms.iter().all(|t| estimated.contains(t))
                        && levels.means.len() == levels.weights.len() * k
                        && self.coding.levels.iter().any(|l| l.len() == levels.weights.len())
                }
            };
            let with_means = c.covariance_at_means.len();
            let with_means = with_means == 0 || (c.means.is_some() && with_means + 1 == k);
            if !terms || c.values.len() != k * k || !means || !with_means {
                return Err("the covariance does not belong to the coefficients".into());
            }
            if self.glance.df_residual == 0 || self.glance.sigma.is_none() {
                return Err("a covariance without residual degrees of freedom".into());
            }
        }
        Ok(())
    }
}
