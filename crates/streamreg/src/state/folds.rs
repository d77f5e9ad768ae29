//! The folds of a state. The value of a key decides the fold of a row, and not its place: states are put together in any order.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::columns::ModelColumn;
use crate::pass::row_ids::RowIdPlan;
use crate::request::penalty::CrossValidation;

/// How a state splits its rows into folds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateFolds {
    /// How many there are.
    pub(super) number: usize,
    /// Seed of the hash of the key.
    seed: u64,
    /// The column whose value decides.
    pub(super) key: ModelColumn,
}

impl StateFolds {
    /// The folds of a cross-validation by the column `key`.
    pub(crate) fn new(cv: &CrossValidation, key: ModelColumn) -> Self {
        Self { number: cv.folds, seed: cv.resolved_seed(), key }
    }

    /// The cross-validation that has these folds.
    pub(super) fn cross_validation(&self) -> CrossValidation {
        let mut cv = CrossValidation::new(self.number);
        (cv.seed, cv.group) = (Some(self.seed), Some(self.key.name.clone()));
        cv
    }

    /// What gives rows their folds.
    ///
    /// # Errors
    /// When there can be no such number of folds.
    pub(super) fn row_ids(&self) -> Result<RowIdPlan> {
        RowIdPlan::folds(&self.cross_validation())
    }

    /// Fills in what a cross-validation does not say.
    ///
    /// # Errors
    /// When it says something else.
    pub(super) fn fill_in(&self, cv: &mut CrossValidation) -> Result<()> {
        let refuse = |what: String, way: &str| {
            let message = format!("{what}, and rows cannot be dealt anew without being read: {way}");
            Err(Error::invalid_request(message))
        };
        let key = &self.key.name;
        if cv.folds != self.number {
            let what = format!("the state has the sums of {} folds, not of {}", self.number, cv.folds);
            return refuse(what, &format!("take {} (--cv {0})", self.number));
        }
        if let Some(other) = cv.group.as_ref().filter(|group| *group != key) {
            let what = format!("the state has folds by the key {key:?}, not by {other:?}");
            return refuse(what, "leave the key out (--cv-group)");
        }
        if let Some(other) = cv.seed.filter(|&seed| seed != self.seed) {
            let what = format!("the state has folds of the seed {}, not of {other}", self.seed);
            return refuse(what, "leave the seed out (--seed)");
        }
        let own = self.cross_validation();
        (cv.seed, cv.group) = (own.seed, own.group);
        Ok(())
    }
}

/// In words, what tells the folds of one state from those of another; `None` where nothing does.
pub(super) fn difference(a: Option<&StateFolds>, b: Option<&StateFolds>) -> Option<String> {
    let rule = |folds: Option<&StateFolds>| folds.map(StateFolds::cross_validation);
    difference_of_rules(rule(a).as_ref(), rule(b).as_ref()).or_else(|| {
        let (a, b) = (&a?.key, &b?.key);
        let what = format!(
            "column {:?}, the key of the folds, is {} column in one and {} column in the other",
            a.name, a.kind, b.kind
        );
        (a.kind != b.kind).then_some(what)
    })
}

/// The same of what was asked for.
pub(super) fn difference_of_rules(
    a: Option<&CrossValidation>,
    b: Option<&CrossValidation>,
) -> Option<String> {
    let number = |cv: Option<&CrossValidation>| cv.map_or("none".into(), |cv| cv.folds.to_string());
    let key = |cv: Option<&CrossValidation>| {
        cv.and_then(|cv| cv.group.clone()).unwrap_or_else(|| "row number".into())
    };
    let seed = |cv: Option<&CrossValidation>| cv.map_or(0, CrossValidation::resolved_seed).to_string();
    differs("the folds differ", number(a), number(b))
        .or_else(|| differs("the keys of the folds differ", key(a), key(b)))
        .or_else(|| differs("the seeds of the folds differ", seed(a), seed(b)))
}

/// In words, what something is here and there; `None` where it is the same.
pub(super) fn differs(what: &str, a: String, b: String) -> Option<String> {
    (a != b).then(|| format!("{what}: {a} and {b}"))
}
