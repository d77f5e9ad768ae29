//! What tables of sums take, before anything is summed.

use super::{INDEX_BYTES, Summed};
use crate::design::Design;

/// Bytes of rows that may wait to be added to exact sums by level, those of all tables of a pass together, where their
/// records do not take more than four times as much.
pub const WAITING_TABLE_BYTES: u64 = 96 << 20;

/// Rows of a table of sums by level that a thread sums, or hands over, at a time.
pub const TABLE_ROWS_AT_ONCE: u64 = 1 << 14;

/// What a table of sums takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// The columns whose levels make the key.
    pub key: Vec<String>,
    /// Bytes of the sums of one combination of levels.
    pub record: usize,
    /// Bytes of a row that waits to be summed.
    pub row: usize,
}

impl Design {
    /// What its tables of sums take.
    pub fn table_sizes(&self) -> Vec<TableSize> {
        let size = |spec: &crate::design::TableSpec| {
            let summed = Summed::new(spec, self);
            let numbers = summed.variables.len() + summed.with_low.len() + 2 * usize::from(summed.weighted);
            TableSize {
                key: spec.key.iter().map(|&c| self.columns[self.categories[c].column].clone()).collect(),
                record: INDEX_BYTES + 4 * spec.key.len() + summed.record_bytes(),
                row: 4 * spec.key.len() + 8 * numbers,
            }
        };
        self.tables.iter().map(size).collect()
    }

    /// Whether its rows are split into groups.
    pub fn splits(&self) -> bool {
        !self.by.is_empty()
    }

    /// The columns whose levels are numbered, and whether these have coefficients: the others split the rows into groups or
    /// clusters.
    pub fn category_columns(&self) -> Vec<(&str, bool)> {
        self.categories.iter().map(|c| (self.columns[c.column].as_str(), !c.by)).collect()
    }
}
