//! The ledger: what became of every row that was read.

use serde::{Deserialize, Serialize};

/// Why a cell cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MissingReason {
    /// The value is null.
    Null,
    /// The value is NaN or infinite.
    NonFinite,
}

/// Rows left out because of one column.
///
/// A row that lacks several values counts once, for the first of the used columns (response first, then
/// the features in order), so the counts add up to the number of dropped rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRows {
    /// The column.
    pub column: String,
    /// What is wrong with its value.
    pub reason: MissingReason,
    /// How many rows.
    pub rows: u64,
}

/// Integers that float64 cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundedIntegers {
    /// The column.
    pub column: String,
    /// Cells beyond 2^53 whose value is not a float64.
    pub cells: u64,
}

/// What became of the rows: `rows_read = rows_used + ` the sum over `dropped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowLedger {
    /// Rows that came out of the files.
    pub rows_read: u64,
    /// Rows in the fit.
    pub rows_used: u64,
    /// Rows left out, by column and reason, in the order of the columns.
    pub dropped: Vec<DroppedRows>,
    /// Columns with integers beyond 2^53, which were rounded to the nearest float64.
    pub rounded_integers: Vec<RoundedIntegers>,
}

impl RowLedger {
    /// Rows left out for any reason.
    pub fn rows_dropped(&self) -> u64 {
        self.dropped.iter().map(|d| d.rows).sum()
    }
}

/// Counts of one pass, by position of the column; cheap to keep for every partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rows_read: u64,
    pub(crate) rows_used: u64,
    /// For every column: rows dropped for a null, rows dropped for a non-finite value, integers rounded.
    pub(crate) columns: Vec<[u64; 3]>,
}

impl Tally {
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns: vec![[0; 3]; columns], ..Self::default() }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows_read += other.rows_read;
        self.rows_used += other.rows_used;
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }

    pub(crate) fn into_ledger(self, names: &[String]) -> RowLedger {
        let mut ledger =
            RowLedger { rows_read: self.rows_read, rows_used: self.rows_used, ..RowLedger::default() };
        for (name, &[null, non_finite, rounded]) in names.iter().zip(&self.columns) {
            for (reason, rows) in [(MissingReason::Null, null), (MissingReason::NonFinite, non_finite)] {
                if rows > 0 {
                    ledger.dropped.push(DroppedRows { column: name.clone(), reason, rows });
                }
            }
            if rounded > 0 {
                ledger.rounded_integers.push(RoundedIntegers { column: name.clone(), cells: rounded });
            }
        }
        ledger
    }
}
