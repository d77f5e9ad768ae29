//! What the models of one pass have in common.

use serde::{Deserialize, Serialize};
use streamreg_core::{ModelSpec, RowLedger};

use crate::model::columns::ModelColumn;
use crate::report::InputRecord;
use crate::request::selection::Selection;

/// What the models of one pass have in common: their request, and the rows that they are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// With all responses, and the columns that split the rows.
    pub(crate) spec: ModelSpec,
    pub(crate) columns: Vec<ModelColumn>,
    #[serde(flatten)]
    pub(crate) selection: Selection,
    pub(crate) conf_level: f64,
    pub(crate) ledger: RowLedger,
    pub(crate) inputs: Vec<InputRecord>,
}
