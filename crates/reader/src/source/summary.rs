//! What is known of a source: without reading it, and of what was read.

use serde::{Deserialize, Serialize};

/// Pages that were read, and those among them whose bytes a checksum protects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checksums {
    /// Pages read.
    pub pages: u64,
    /// Pages with a checksum; it was right, or reading had failed.
    pub protected: u64,
}

/// What scans have read, and what they could pass over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Bytes read from files: pages with their headers of Parquet, text as it is stored of CSV. What
    /// opening a file reads (footers, samples) is not among them.
    pub bytes: u64,
    /// Row groups that were decoded, in whole or in part, once for every scan.
    pub row_groups: u64,
    /// Row groups that were not read because no row of theirs can pass the filter.
    pub row_groups_skipped: u64,
    /// Rows of those row groups, and of whole files passed over, where their number is known.
    pub rows_skipped: u64,
    /// Rows that were decoded and did not pass the filter; a report tells of them with the other rows.
    #[serde(skip)]
    pub rows_filtered: u64,
}

impl std::ops::Add for ReadCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            row_groups: self.row_groups + other.row_groups,
            row_groups_skipped: self.row_groups_skipped + other.row_groups_skipped,
            rows_skipped: self.rows_skipped + other.rows_skipped,
            rows_filtered: self.rows_filtered + other.rows_filtered,
        }
    }
}

/// What a source knows of its data without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Rows, where the format says so.
    pub rows: Option<u64>,
    /// Row groups of Parquet files.
    pub row_groups: Option<usize>,
    /// Rows of the largest row group.
    pub largest_row_group: Option<u64>,
    /// Nulls of every column of the schema, where statistics say so.
    pub null_counts: Vec<Option<u64>>,
    /// An estimate of the bytes that one thread holds while it decodes a column: a page and a dictionary.
    pub decode_bytes: Vec<u64>,
    /// Bytes that one thread holds whatever columns it decodes: a chunk of text.
    pub partition_bytes: u64,
}

impl Summary {
    /// Nothing is known of `columns` columns.
    pub fn unknown(columns: usize) -> Self {
        Self { null_counts: vec![None; columns], decode_bytes: vec![0; columns], ..Self::default() }
    }

    /// No file yet, of `columns` columns.
    pub(crate) fn of_no_file(columns: usize) -> Self {
        Self {
            rows: Some(0),
            row_groups: Some(0),
            null_counts: vec![Some(0); columns],
            decode_bytes: vec![0; columns],
            ..Self::default()
        }
    }

    /// Adds a file, whose columns `order` finds for each column of this one; one that it lacks is null in all rows.
    pub(crate) fn add(&mut self, other: &Self, order: &[Option<usize>]) {
        let sum = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
        self.rows = sum(self.rows, other.rows);
        self.row_groups = self.row_groups.zip(other.row_groups).map(|(a, b)| a + b);
        self.largest_row_group = self.largest_row_group.max(other.largest_row_group);
        self.partition_bytes = self.partition_bytes.max(other.partition_bytes);
        for (column, &theirs) in order.iter().enumerate() {
            let nulls = theirs.map_or(other.rows, |theirs| other.null_counts[theirs]);
            self.null_counts[column] = sum(self.null_counts[column], nulls);
            let bytes = theirs.map_or(0, |theirs| other.decode_bytes[theirs]);
            self.decode_bytes[column] = self.decode_bytes[column].max(bytes);
        }
    }
}
