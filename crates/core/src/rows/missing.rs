//! The ledger: what became of every row that was read.

use std::fmt;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::design::Design;

/// Why a row cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MissingReason {
    /// The value is null.
    Null,
    /// The value is NaN or infinite.
    NonFinite,
    /// The weight is zero.
    ZeroWeight,
    /// The level is not one of the model's.
    UnseenLevel,
}

impl fmt::Display for MissingReason {
    /// What the value is, in a word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::NonFinite => "not finite",
            Self::ZeroWeight => "zero",
            Self::UnseenLevel => "unknown",
        })
    }
}

/// Rows left out because of one column.
///
/// A row that lacks several values counts once, for the first of the used columns (response, weight and
/// groups first, then the features in order), so the counts add up to the number of dropped rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DroppedRows {
    /// The column, or the arithmetic whose result is not finite.
    pub column: String,
    /// What is wrong with its value.
    pub reason: MissingReason,
    /// How many rows.
    pub rows: u64,
}

impl DroppedRows {
    /// Rows that were left out by somebody else than a pass over a design.
    #[doc(hidden)]
    pub fn new(column: impl Into<String>, reason: MissingReason, rows: u64) -> Self {
        Self { column: column.into(), reason, rows }
    }
}

/// Integers that float64 cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoundedIntegers {
    /// The column.
    pub column: String,
    /// Cells beyond 2^53 whose value is not a float64.
    pub cells: u64,
}

/// Used rows in which a column had no value of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplacedRows {
    /// The column, or the arithmetic.
    pub column: String,
    /// How many rows.
    pub rows: u64,
}

/// What became of the rows: `rows_read = rows_used + ` the sum over `dropped`. What a filter left out is not
/// among those read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RowLedger {
    /// Rows that came out of the files.
    pub rows_read: u64,
    /// Rows in the fit.
    pub rows_used: u64,
    /// Rows left out, by column and reason, in the order in which columns are looked at.
    pub dropped: Vec<DroppedRows>,
    /// Missing numbers that were replaced by the mean of the others.
    #[serde(default)]
    pub filled: Vec<ReplacedRows>,
    /// Levels unknown to the model that were taken for the reference level.
    #[serde(default)]
    pub unseen: Vec<ReplacedRows>,
    /// Columns with integers beyond 2^53, which were rounded to the nearest float64.
    pub rounded_integers: Vec<RoundedIntegers>,
    /// Columns that have no value in any row.
    #[serde(default)]
    pub all_null: Vec<String>,
    /// The counts that it was made of, which add up over parts of the rows; nothing in one that was read back.
    #[serde(skip)]
    pub(crate) tally: Tally,
    /// Rows that did not pass the filter, as far as their number is known: those of whole CSV files that were
    /// passed over are not.
    #[serde(default)]
    pub rows_filtered: u64,
}

impl RowLedger {
    /// The same for a report, without what it was made of.
    #[must_use]
    pub fn for_report(self) -> Self {
        Self { tally: Tally::default(), ..self }
    }

    /// Rows left out for any reason.
    pub fn rows_dropped(&self) -> u64 {
        self.dropped.iter().map(|d| d.rows).sum()
    }
}

/// Counts of one pass; cheap to keep for every partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows_read: u64,
    pub(crate) rows_used: u64,
    pub(crate) columns: Vec<ColumnTally>,
    pub(crate) variables: Vec<VariableTally>,
    /// The groups that rows were dropped from, numbers of their levels, and how many.
    pub(crate) dropped_groups: HashMap<Vec<u32>, u64>,
}

/// Counts of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ColumnTally {
    /// Rows dropped for it: null, not finite, weight zero, level unseen.
    pub(crate) dropped: [u64; 4],
    pub(crate) rounded: u64,
    /// Cells that are null, in used rows or not.
    pub(crate) nulls: u64,
    /// Rows with an unknown level that were not dropped for it.
    pub(crate) unseen: u64,
}

/// Counts of a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VariableTally {
    /// Rows dropped because the result of arithmetic is not finite.
    pub(crate) dropped: u64,
    /// Used rows in which it was replaced.
    pub(crate) filled: u64,
}

const REASONS: [MissingReason; 4] =
    [MissingReason::Null, MissingReason::NonFinite, MissingReason::ZeroWeight, MissingReason::UnseenLevel];

impl Tally {
    pub(crate) fn new(design: &Design) -> Self {
        Self {
            columns: vec![ColumnTally::default(); design.columns.len()],
            variables: vec![VariableTally::default(); design.variables.len()],
            ..Self::default()
        }
    }

    pub(crate) fn drop_for(&mut self, column: usize, reason: MissingReason) {
        self.columns[column].dropped[reason as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.combine(other, |own, theirs| Some(own + theirs));
    }

    /// Takes the rows of `other` away again; false, and then nothing is to be said of the counts, where they were not
    /// among these.
    pub(crate) fn subtract(&mut self, other: &Self) -> bool {
        let known = self.combine(other, u64::checked_sub);
        self.dropped_groups.retain(|_, rows| *rows > 0);
        known
    }

    /// Puts the counts of both together; false where `with` could not.
    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> Option<u64>) -> bool {
        let mut all = true;
        let mut put = |own: &mut u64, theirs: u64| match with(*own, theirs) {
            Some(both) => *own = both,
            None => all = false,
        };
        for (group, &rows) in &other.dropped_groups {
            put(self.dropped_groups.entry(group.clone()).or_default(), rows);
        }
        put(&mut self.rows_read, other.rows_read);
        put(&mut self.rows_used, other.rows_used);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.dropped.iter_mut().zip(theirs.dropped).for_each(|(own, theirs)| put(own, theirs));
            put(&mut mine.rounded, theirs.rounded);
            put(&mut mine.nulls, theirs.nulls);
            put(&mut mine.unseen, theirs.unseen);
        }
        for (mine, theirs) in self.variables.iter_mut().zip(&other.variables) {
            put(&mut mine.dropped, theirs.dropped);
            put(&mut mine.filled, theirs.filled);
        }
        all
    }

    /// What the report says of the counts.
    pub(crate) fn into_ledger(self, design: &Design) -> RowLedger {
        let mut ledger =
            RowLedger { rows_read: self.rows_read, rows_used: self.rows_used, ..RowLedger::default() };
        for (name, tally) in design.columns.iter().zip(&self.columns) {
            for (reason, rows) in REASONS.into_iter().zip(tally.dropped) {
                if rows > 0 {
                    ledger.dropped.push(DroppedRows { column: name.clone(), reason, rows });
                }
            }
            if tally.rounded > 0 {
                ledger.rounded_integers.push(RoundedIntegers { column: name.clone(), cells: tally.rounded });
            }
            if tally.unseen > 0 {
                ledger.unseen.push(ReplacedRows { column: name.clone(), rows: tally.unseen });
            }
            if tally.nulls == self.rows_read && self.rows_read > 0 {
                ledger.all_null.push(name.clone());
            }
        }
        for (variable, tally) in design.variables.iter().zip(&self.variables) {
            let column = variable.label.clone();
            if tally.dropped > 0 {
                let reason = MissingReason::NonFinite;
                ledger.dropped.push(DroppedRows { column, reason, rows: tally.dropped });
            } else if tally.filled > 0 && !ledger.filled.iter().any(|f| f.column == column) {
                // The powers of a polynomial have one name, and are missing together.
                ledger.filled.push(ReplacedRows { column, rows: tally.filled });
            }
        }
        ledger.tally = self;
        ledger
    }
}
