//! The file of the models of many groups, or of several targets.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use streamreg_core::{Coding, Level};
use streamreg_solve::{Aliased, Covariance, Glance, TermEstimate};

use crate::error::{Error, Result};
use crate::fit::GroupFit;
use crate::model::columns::WideCoefficients;
use crate::model::shared::Shared;
use crate::model::{Contents, MODEL_SCHEMA_VERSION, Model};
use crate::output::write_whole;
use crate::report::{FitReport, PenaltyRecord};

/// Version of the file of many models. A reader of this version refuses any other.
pub const MODELS_SCHEMA_VERSION: u32 = 1;

/// What stands before the models.
#[derive(Deserialize)]
pub(super) struct ManyModels {
    pub(super) models: Vec<Entry>,
    pub(super) common: Shared,
}

/// The model of a group and a response.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    /// The values that the rows of the group share, in the order of the columns in `by`.
    pub(super) key: Vec<Level>,
    pub(super) response: String,
    /// Why there is no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<Box<Own>>,
}

/// What a model has of its own; [`Shared`] has the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    coding: Coding,
    coefficients: Vec<TermEstimate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wide: Option<WideCoefficients>,
    pub(super) covariance: Option<Covariance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_covariance: Option<String>,
    glance: Glance,
    aliased: Vec<Aliased>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    penalty: Option<PenaltyRecord>,
}

impl Entry {
    fn of_group(fit: &GroupFit) -> Self {
        let (error, model) = match (&fit.result, &fit.coding) {
            (Err(message), _) => (Some(message.clone()), None),
            (Ok(_), None) => (Some("the group has no columns".to_owned()), None),
            (Ok(own), Some(coding)) => {
                let why = match own.glance.df_residual {
                    0 => "the fit left no residual degrees of freedom",
                    _ => "the fit has a category with too many levels for it",
                };
                // The columns that split the rows are the first categories of the pass, and none of the model.
                let mut coding = Coding::clone(coding);
                coding.levels.drain(..fit.levels.len().min(coding.levels.len()));
                let model = Own {
                    coding,
                    coefficients: own.coefficients.clone(),
                    wide: None,
                    covariance: own.covariance.clone(),
                    no_covariance: own.covariance.is_none().then(|| why.to_owned()),
                    glance: own.glance.clone(),
                    aliased: own.aliased.clone(),
                    penalty: None,
                };
                (None, Some(Box::new(model)))
            }
        };
        Self { key: fit.levels.clone(), response: fit.response.clone(), error, model }
    }

    /// The entry of one of several targets, and what it has in common with the others.
    fn of_target(model: Model) -> (Self, Shared) {
        let response = model.response();
        let Model(Contents { spec, columns, coding, with, filter, coefficients, wide, covariance, .. }) =
            model.clone();
        let Model(Contents { no_covariance, glance, aliased, penalty, conf_level, ledger, inputs, .. }) =
            model;
        let own = Own { coding, coefficients, wide, covariance, no_covariance, glance, aliased, penalty };
        let selection = crate::request::selection::Selection { with, filter };
        let shared = Shared { spec, columns, selection, conf_level, ledger, inputs };
        (Self { key: Vec::new(), response, error: None, model: Some(Box::new(own)) }, shared)
    }
}

impl Own {
    /// The model, with what all have in common.
    ///
    /// # Errors
    /// When the two do not fit together.
    pub(super) fn with(self, shared: &Shared, response: usize) -> Result<Model> {
        let mut spec = shared.spec.clone();
        let responses = spec.responses.get(response).cloned().into_iter().collect();
        (spec.responses, spec.by) = (responses, Vec::new());
        let Self { coding, coefficients, wide, covariance, no_covariance, glance, aliased, penalty } = self;
        let contents = Contents {
            streamreg_model: MODEL_SCHEMA_VERSION,
            spec,
            columns: shared.columns.clone(),
            coding,
            with: shared.selection.with.clone(),
            filter: shared.selection.filter.clone(),
            coefficients,
            wide,
            covariance,
            no_covariance,
            glance,
            aliased,
            penalty,
            conf_level: shared.conf_level,
            ledger: shared.ledger.clone(),
            inputs: shared.inputs.clone(),
        };
        contents.check().map_err(Error::data)?;
        Ok(Model(contents))
    }
}

/// Writes one model after the other: there may be more than memory holds.
pub(crate) struct ModelsWriter<'w> {
    out: &'w mut (dyn Write + Send),
    written: u64,
}

impl<'w> ModelsWriter<'w> {
    pub(crate) fn new(out: &'w mut (dyn Write + Send)) -> Self {
        Self { out, written: 0 }
    }

    /// The text of a group's model.
    pub(crate) fn text(fit: &GroupFit) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Entry::of_group(fit))?)
    }

    /// Writes what [`ModelsWriter::text`] made.
    pub(crate) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.written == 0 {
            writeln!(self.out, "{{\n\"streamreg_models\": {MODELS_SCHEMA_VERSION},\n\"models\": [")?;
        } else {
            self.out.write_all(b",\n")?;
        }
        self.written += 1;
        self.out.write_all(text)
    }

    /// What all models have in common.
    pub(crate) fn finish(self, shared: &Shared) -> io::Result<()> {
        writeln!(self.out, "\n],\n\"common\": {}\n}}", serde_json::to_string(shared)?)
    }
}

/// Saves the models of several targets to one file, whole or not at all; that of one target as [`Model::save`] does.
///
/// # Errors
/// When the file cannot be written; when a report was read back from JSON, and when there is none.
pub fn save_models(reports: &[FitReport], path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let models = reports.iter().map(FitReport::model).collect::<Result<Vec<_>>>()?;
    if let [only] = models.as_slice() {
        return only.save(path);
    }
    let responses = models.iter().flat_map(|model| model.spec().responses.clone()).collect();
    let mut entries: Vec<(Entry, Shared)> = models.into_iter().map(Entry::of_target).collect();
    let (_, shared) = entries.first_mut().ok_or_else(|| Error::invalid_request("there is no fit to save"))?;
    let mut shared = shared.clone();
    shared.spec.responses = responses;
    let failed = |e: io::Error| Error::output(path, e);
    write_whole(path, |file| {
        let mut writer = ModelsWriter::new(file);
        for (entry, _) in &entries {
            let text = serde_json::to_vec(entry).map_err(|e| failed(e.into()))?;
            writer.write(&text).map_err(failed)?;
        }
        writer.finish(&shared).map_err(failed)
    })
}
