//! The fitted model: saved, loaded, applied to batches.

pub(crate) mod augment;
pub(crate) mod columns;
pub(crate) mod estimable;
pub(crate) mod evaluate;
pub(crate) mod evaluate_many;
pub(crate) mod folder;
pub(crate) mod interval;
pub(crate) mod many;
pub(crate) mod many_file;
pub(crate) mod points;
pub(crate) mod predict;
pub(crate) mod predictor;
pub(crate) mod shared;

use std::collections::HashMap;
use std::path::Path;

use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};
use streamreg_core::iterative::{Loss, Standardizer};
use streamreg_core::{
    Coding, Design, INTERCEPT, Layout, MAX_HASH_BITS, MAX_SPARSE_INDEX, ModelSpec, RowLedger, RowReader,
    Unseen, factor_name,
};
use streamreg_reader::{Source, position};
use streamreg_solve::{Aliased, Covariance, Glance, TermEstimate};

use crate::error::{Error, Failure, Result};
use crate::model::columns::{ColumnKind, ModelColumn, WideCoefficients};
use crate::model::estimable::Estimable;
use crate::model::interval::Width;
pub use crate::model::interval::{Coarse, Interval};
use crate::model::predictor::{Prediction, Predictor};
use crate::output::write_atomically;
use crate::pass::project;
use crate::report::{Coded, Details, FitReport, InputRecord, PenaltyRecord};
use crate::request::selection::Selection;

/// Version of the model file. A reader of this version refuses any other.
pub const MODEL_SCHEMA_VERSION: u32 = 3;

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
    /// Why it is not there. Files of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_covariance: Option<String>,
    glance: Glance,
    aliased: Vec<Aliased>,
    /// The penalty of the fit, to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    penalty: Option<PenaltyRecord>,
    conf_level: f64,
    ledger: RowLedger,
    inputs: Vec<InputRecord>,
}

/// Why a fit gives predictions no covariance; nothing where it does.
fn no_covariance(report: &FitReport) -> Option<String> {
    let other = |loss: Loss| loss != Loss::Squared;
    let why = match &report.details {
        Details::LeastSquares if report.covariance.is_some() => return None,
        Details::Penalized(_) => "the fit had a penalty",
        Details::Exact(exact) if exact.penalty.is_some() => "the fit had a penalty",
        Details::Exact(exact) if other(exact.loss) => "the fit minimised another loss than squares",
        Details::Iterative(own) if own.penalty.is_some() => "the fit had a penalty",
        Details::Iterative(own) if other(own.loss) => "the fit minimised another loss than squares",
        Details::Exact(_) | Details::Iterative(_) => "the fit came from an iterative solver",
        Details::LeastSquares if report.glance.df_residual == 0 => {
            "the fit left no residual degrees of freedom"
        }
        Details::LeastSquares => "the fit has a category with too many levels for it",
    };
    Some(why.into())
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
            no_covariance: no_covariance(report),
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

    /// The model file in one line: [`Model::from_json`] reads it.
    ///
    /// # Errors
    /// When a number has no place in JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::data(e.to_string()))
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When the file cannot be read, is not a model file, or of another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let invalid = |what: String| Error::data(format!("{}: {what}", path.display()));
        Self::parse(&std::fs::read(path).map_err(|e| invalid(e.to_string()))?, invalid)
    }

    /// Reads what [`Model::to_json`] gives.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self> {
        Self::parse(text.as_ref(), Error::data)
    }

    fn parse(text: &[u8], invalid: impl Fn(String) -> Error) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            streamreg_model: Option<u32>,
            streamreg_models: Option<u32>,
        }
        let not_a_model =
            |e| invalid(format!("not a model file (`streamreg fit --save-model` writes one): {e}"));
        let version: Version = serde_json::from_slice(text).map_err(not_a_model)?;
        match version.streamreg_model {
            Some(MODEL_SCHEMA_VERSION) => {}
            Some(other) => {
                return Err(invalid(format!(
                    "a model file of version {other}; this program reads {MODEL_SCHEMA_VERSION}"
                )));
            }
            None if version.streamreg_models.is_some() => {
                let what = "the file has the models of many groups or targets, and one model is wanted here: `streamreg predict` and \
                            `evaluate` take it";
                return Err(invalid(what.into()));
            }
            None => return Err(invalid("not a model file (`streamreg fit --save-model` writes one)".into())),
        }
        let model: Contents =
            serde_json::from_slice(text).map_err(|e| invalid(format!("a damaged model file: {e}")))?;
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
        let predictor = self.bound_predictor(Design::of_terms(&self.0.spec, &self.schema())?, unseen)?;
        Ok(if self.0.spec.offsets.is_empty() { predictor } else { predictor.with_offset() })
    }

    /// The same, beside the response: for data that have one. Offsets are taken from the response. The columns `by`, which are those of `data` where the model
    /// does not have them, split the rows into groups: the clusters of the design.
    pub(crate) fn evaluator(
        &self,
        unseen: Unseen,
        by: &[String],
        data: Option<&Schema>,
    ) -> Result<Predictor> {
        let mut spec = self.0.spec.for_new_rows();
        spec.clusters = by.to_vec();
        let mut fields: Vec<Field> = self.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        let more = data.into_iter().flat_map(Schema::fields).filter(|field| by.contains(field.name()));
        let unknown = more.filter(|field| !self.0.columns.iter().any(|c| c.name == *field.name()));
        fields.extend(unknown.map(|field| field.as_ref().clone()).collect::<Vec<_>>());
        let design = Design::new(&spec, &Schema::new(fields))?;
        self.bound_predictor(design, unseen)
    }

    fn bound_predictor(&self, design: Design, unseen: Unseen) -> Result<Predictor> {
        let coding = &self.0.coding;
        let design = design.with_coding(coding)?;
        let layout = Layout::new(&design, coding)?;
        let first = usize::from(self.0.spec.intercept);
        let slopes: Vec<Option<f64>> = self.0.coefficients.iter().skip(first).map(|c| c.estimate).collect();
        let wide = self.0.wide.as_ref().map(WideCoefficients::dense);
        // The solution of minimum norm has a coefficient for every column, by convention.
        let shortest = self.0.coefficients.iter().all(|c| c.estimate.is_some());
        let aliased = if shortest { &[] } else { self.0.aliased.as_slice() };
        let estimable = Estimable::new(aliased, &layout);
        let mut predictor =
            Predictor::new(design, layout, &coding.levels, unseen, self.constant(), &slopes, wide)?;
        predictor.estimable = estimable;
        Ok(predictor)
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

    /// What is read for `columns` of this model: a filter and computed columns of one's own, with those of the model that are not
    /// `given`.
    ///
    /// # Errors
    /// For a computed column that nothing needs, or that the model has.
    pub(crate) fn selection(
        &self,
        own: Selection,
        given: &[String],
        columns: impl IntoIterator<Item = String>,
    ) -> Result<Selection> {
        let refused = |name: &str, why: &str| {
            Err(Error::invalid_request(format!("the computed column {name:?} (--with) {why}")))
        };
        let of_model = |name: &String| self.0.with.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = own.with.iter().find(|(name, _)| of_model(name)) {
            return refused(name, "is one that the model computes itself: give it another name");
        }
        let names: Vec<String> = own.with.iter().map(|(name, _)| name.clone()).collect();
        let mut of_model = self.0.with.clone();
        of_model.retain(|(name, _)| !given.contains(name));
        // The model's may be computed from one's own, and the other way round.
        let (mut with, mut behind) = (Vec::new(), of_model);
        for column in own.with {
            let all = behind.iter().cloned().chain([column.clone()]).collect();
            let needed = Selection { with: all, filter: None }.for_columns([column.0.clone()])?;
            if needed.with.len() > 1 { behind.push(column) } else { with.push(column) }
        }
        with.append(&mut behind);
        let needed = Selection { with, filter: own.filter }.for_columns(columns)?;
        match names.iter().find(|name| !needed.with.iter().any(|(known, _)| known == *name)) {
            Some(name) => {
                refused(name, "would have no effect: neither the model nor another option needs it")
            }
            None => Ok(needed),
        }
    }

    /// The covariance of the coefficients.
    fn covariance(&self) -> Result<&Covariance> {
        self.0.covariance.as_ref().ok_or_else(|| Error::invalid_request("the fit has no covariance"))
    }

    /// Why there is no covariance.
    pub(crate) fn why_no_covariance(&self) -> &str {
        self.0.no_covariance.as_deref().unwrap_or(
            "the fit had a penalty or another loss than squares, came from an iterative solver, left no residual degrees of freedom, \
             or has a category with too many levels for it",
        )
    }

    /// Number of coefficients that were estimated, and are not determined by others.
    fn rank(&self) -> usize {
        self.0.glance.df + usize::from(self.0.spec.intercept)
    }

    /// The kind of a column that the model was fitted to.
    fn kind(&self, name: &str) -> Option<ColumnKind> {
        self.0.columns.iter().find(|c| c.name == name).map(|c| c.kind)
    }

    fn spec(&self) -> &ModelSpec {
        &self.0.spec
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

    /// The files of the fit.
    pub(crate) fn inputs(&self) -> &[InputRecord] {
        &self.0.inputs
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
        let width = interval.map(|(kind, level)| self.width(kind, level)).transpose()?;
        let widths: Vec<&Width<'_>> = width.iter().collect();
        Ok(predictor.fitted(reader, batch, &widths)?.into_prediction())
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
            let (width, first) = (c.fitted.width(k), usize::from(self.spec.intercept));
            let terms = match &c.fitted.levels {
                None => c.terms == estimated,
                Some(levels) => {
                    c.terms.iter().all(|t| estimated.contains(t))
                        && levels.deviations.len() == levels.weights.len() * k
                        && self.coding.levels.iter().any(|l| l.len() == levels.weights.len())
                }
            };
            let others = if c.fitted.levels.is_some() { Some(k) } else { k.checked_sub(first) };
            let means = c.fitted.means.as_ref().is_none_or(|m| Some(m.len()) == others);
            let means = means && (c.fitted.means.is_some() || c.fitted.levels.is_none());
            let root = c.fitted.root.len() == width * k;
            let root = root && c.fitted.middle.as_ref().is_none_or(|m| m.len() == width * width);
            if !terms || c.values.len() != k * k || !means || !root {
                return Err("the covariance does not belong to the coefficients".into());
            }
            if self.glance.df_residual == 0 || self.glance.sigma.is_none() {
                return Err("a covariance without residual degrees of freedom".into());
            }
        }
        Ok(())
    }
}
