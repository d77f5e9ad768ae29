//! What a state file says beside the sums.

use serde::{Deserialize, Serialize};
use streamreg_core::{ModelSpec, Origins, Precision, SavedCounts, factor_name};

use super::checkpoint::Progress;
use super::folds::{self, StateFolds, differs};
use super::{State, StateInput};
use crate::error::{Error, Result};
use crate::model::columns::ModelColumn;
use crate::request::selection::Selection;

/// The versions of files without folds, and with folds.
const WITHOUT_FOLDS: u32 = 1;
const WITH_FOLDS: u32 = 2;

/// What comes with the sums, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Version of the file.
    pub(super) streamreg_state: u32,
    pub(super) spec: ModelSpec,
    pub(super) columns: Vec<ModelColumn>,
    /// Columns that are computed: name and SQL expression.
    with: Vec<(String, String)>,
    filter: Option<String>,
    precision: Precision,
    origins: Origins,
    /// The names of the variables, as the sums have them.
    pub(super) variables: Vec<String>,
    /// For every table of sums the columns whose levels its records have.
    tables: Vec<Vec<String>>,
    counts: SavedCounts,
    pub(super) inputs: Vec<StateInput>,
    /// Which rows are in which fold; from version 2 on, and only where there are folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) folds: Option<StateFolds>,
    /// Of a checkpoint: how far the pass has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) progress: Option<Progress>,
}

impl Header {
    pub(super) fn of(state: &State, progress: Option<Progress>) -> Self {
        let design = &state.design;
        let owned = |columns: Vec<&str>| columns.into_iter().map(str::to_owned).collect();
        Self {
            streamreg_state: if state.folds.is_some() { WITH_FOLDS } else { WITHOUT_FOLDS },
            spec: state.spec.clone(),
            columns: state.columns.clone(),
            with: state.selection.with.clone(),
            filter: state.selection.filter.clone(),
            precision: state.precision(),
            origins: design.origins(),
            variables: design.variable_names(),
            tables: design.tables_of_sums().into_iter().map(owned).collect(),
            counts: state.ledger.saved(design, &state.sets),
            inputs: state.inputs.clone(),
            folds: state.folds.clone(),
            progress,
        }
    }

    /// A state of this model before its sums are read, but with the ledger and the files.
    pub(super) fn state(&self) -> Result<State> {
        let selection = Selection { with: self.with.clone(), filter: self.filter.clone() };
        let of = (self.precision, &self.origins);
        let folds = self.folds.clone();
        let mut state = State::without_sums(self.spec.clone(), self.columns.clone(), selection, folds, of)?;
        state.row_ids()?;
        state.inputs.clone_from(&self.inputs);
        state.ledger = self.counts.ledger(&state.design, &state.sets)?;
        let mine = Self::of(&state, None);
        if (&mine.variables, &mine.tables) != (&self.variables, &self.tables) {
            return Err(Error::data("the sums are of other variables than the model has"));
        }
        if mine.streamreg_state != self.streamreg_state {
            return Err(Error::data("folds came with version 2 of the file, and this is of another one"));
        }
        Ok(state)
    }
}

/// What is summed: the model, and what is made of the files before.
pub(crate) type Asked<'a> = (&'a ModelSpec, &'a Selection);

/// In words, what tells the model of one state from that of another; `None` where nothing does.
pub(super) fn difference(a: &State, b: &State) -> Option<String> {
    let kinds = || {
        let (a, b) = a.columns.iter().zip(&b.columns).find(|(a, b)| a != b)?;
        let zone = |column: &ModelColumn| column.zone.clone().unwrap_or_else(|| "none".to_owned());
        Some(match a.kind == b.kind {
            true => format!(
                "column {:?} has the time zone {} in one and {} in the other",
                a.name,
                zone(a),
                zone(b)
            ),
            false => {
                format!("column {:?} is {} column in one and {} column in the other", a.name, a.kind, b.kind)
            }
        })
    };
    let origins = || {
        let what = a.design.origins().difference(&b.design.origins())?;
        Some(format!("{what} differ; make one of them with `--like` the other"))
    };
    difference_of_models((&a.spec, &a.selection), (&b.spec, &b.selection))
        .or_else(|| differs("the precision differs", a.precision().to_string(), b.precision().to_string()))
        .or_else(kinds)
        .or_else(|| folds::difference(a.folds.as_ref(), b.folds.as_ref()))
        .or_else(origins)
}

/// The same of what was asked for.
pub(super) fn difference_of_models((a, of_a): Asked<'_>, (b, of_b): Asked<'_>) -> Option<String> {
    let terms = |spec: &ModelSpec| spec.terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    let responses = |spec: &ModelSpec| spec.responses.iter().map(factor_name).collect::<Vec<_>>().join(" + ");
    let filter = |selection: &Selection| selection.filter.clone().unwrap_or_else(|| "none".into());
    let computed = |selection: &Selection| {
        let each = selection.with.iter().map(|(name, sql)| format!("{name} = {sql}"));
        each.collect::<Vec<_>>().join("; ")
    };
    let json = |spec: &ModelSpec| {
        // A limit, and no part of the model.
        let mut spec = spec.clone();
        spec.max_levels = 0;
        serde_json::to_value(spec).unwrap_or_default()
    };
    let other = || {
        let (a, b) = (json(a), json(b));
        let keys = a.as_object().into_iter().chain(b.as_object()).flat_map(|object| object.keys());
        let key = keys.into_iter().find(|&key| a.get(key) != b.get(key))?;
        let value =
            |json: &serde_json::Value| json.get(key).map_or_else(|| "none".into(), ToString::to_string);
        Some(format!("{key} differs: {} and {}", value(&a), value(&b)))
    };
    differs("the targets differ", responses(a), responses(b))
        .or_else(|| differs("the terms differ", terms(a), terms(b)))
        .or_else(|| differs("the groups differ", a.by.join(", "), b.by.join(", ")))
        .or_else(|| differs("the filters differ", filter(of_a), filter(of_b)))
        .or_else(|| differs("the computed columns differ", computed(of_a), computed(of_b)))
        .or_else(other)
}
