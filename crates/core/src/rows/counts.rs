//! The counts behind a ledger, to be saved, put together and taken apart.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::error::{Error, ErrorKind, Result};
use crate::levels::{Level, LevelSet};
use crate::rows::missing::{ColumnTally, RowLedger, Tally, VariableTally};

/// The counts that a [`RowLedger`] is made of, in a form that does not depend on the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedCounts {
    rows_read: u64,
    rows_used: u64,
    rows_filtered: u64,
    /// In the order of the columns of the design.
    columns: Vec<ColumnTally>,
    /// In the order of its variables.
    variables: Vec<VariableTally>,
    /// The groups that rows were dropped from, in order, and how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped_groups: Vec<(Vec<Level>, u64)>,
}

impl RowLedger {
    /// That of no rows.
    pub fn none(design: &Design) -> Self {
        Tally::new(design).into_ledger(design)
    }

    /// Its counts, to be saved; `sets` number the levels.
    pub fn saved(&self, design: &Design, sets: &[Arc<LevelSet>]) -> SavedCounts {
        let tally = &self.tally;
        let level = |(&category, &code): (&usize, &u32)| sets[category].level(code);
        let levels = |group: &Vec<u32>| design.by.iter().zip(group).map(level).collect::<Vec<_>>();
        let mut dropped_groups: Vec<(Vec<Level>, u64)> =
            tally.dropped_groups.iter().map(|(group, &rows)| (levels(group), rows)).collect();
        dropped_groups.sort();
        SavedCounts {
            rows_read: tally.rows_read,
            rows_used: tally.rows_used,
            rows_filtered: self.rows_filtered,
            columns: tally.columns.clone(),
            variables: tally.variables.clone(),
            dropped_groups,
        }
    }

    /// Takes in the rows of `other`, a ledger of the same design.
    pub fn merge(&mut self, design: &Design, other: &Self) {
        let mut tally = std::mem::take(&mut self.tally);
        tally.merge(&other.tally);
        let rows_filtered = self.rows_filtered + other.rows_filtered;
        *self = RowLedger { rows_filtered, ..tally.into_ledger(design) };
    }

    /// Takes the rows of `other` away again.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] when they are not among these.
    pub fn subtract(&mut self, design: &Design, other: &Self) -> Result<()> {
        let mut tally = std::mem::take(&mut self.tally);
        let known = tally.subtract(&other.tally);
        let rows_filtered = self.rows_filtered.checked_sub(other.rows_filtered).filter(|_| known);
        let no_part = || Error::new(ErrorKind::Model, "the rows to take away are not among these");
        *self = RowLedger { rows_filtered: rows_filtered.ok_or_else(no_part)?, ..tally.into_ledger(design) };
        Ok(())
    }
}

impl SavedCounts {
    /// The ledger of these counts.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for counts of another design; for too many levels.
    pub fn ledger(&self, design: &Design, sets: &[Arc<LevelSet>]) -> Result<RowLedger> {
        let by = &design.by;
        let fits = self.columns.len() == design.columns.len()
            && self.variables.len() == design.variables.len()
            && self.dropped_groups.iter().all(|(levels, _)| levels.len() == by.len());
        if !fits {
            return Err(Error::new(ErrorKind::Model, "the counts do not belong to the model's columns"));
        }
        let mut dropped_groups = HashMap::new();
        for (levels, rows) in &self.dropped_groups {
            let code = |(&category, level): (&usize, &Level)| sets[category].code(Some(level.clone()));
            let group = by.iter().zip(levels).map(code).collect::<Result<Vec<u32>>>()?;
            dropped_groups.insert(group, *rows);
        }
        let tally = Tally {
            rows_read: self.rows_read,
            rows_used: self.rows_used,
            columns: self.columns.clone(),
            variables: self.variables.clone(),
            dropped_groups,
        };
        Ok(RowLedger { rows_filtered: self.rows_filtered, ..tally.into_ledger(design) })
    }
}
