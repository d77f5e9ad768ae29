//! Counts of what was read of a file.

use std::sync::atomic::{AtomicU64, Ordering};

use super::page_header::PageHeader;
use crate::source::{Checksums, ReadCounts};

/// Counts of what was read: how much a verification is worth, how much a scan could pass over.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pages: AtomicU64,
    protected: AtomicU64,
    bytes: AtomicU64,
    row_groups: AtomicU64,
    row_groups_skipped: AtomicU64,
    rows_skipped: AtomicU64,
}

impl Seen {
    pub(super) fn count(&self, header: &PageHeader) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.protected.fetch_add(u64::from(header.checksum.is_some()), Ordering::Relaxed);
        self.bytes.fetch_add(header.stored_bytes(), Ordering::Relaxed);
    }

    /// Adds what others counted.
    pub(super) fn add(&self, other: &Self) {
        let add = |to: &AtomicU64, from: &AtomicU64| {
            to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        add(&self.pages, &other.pages);
        add(&self.protected, &other.protected);
        add(&self.bytes, &other.bytes);
        add(&self.row_groups, &other.row_groups);
        add(&self.row_groups_skipped, &other.row_groups_skipped);
        add(&self.rows_skipped, &other.rows_skipped);
    }

    pub(super) fn count_row_groups(&self, row_groups: usize) {
        self.row_groups.fetch_add(row_groups as u64, Ordering::Relaxed);
    }

    /// A row group of `rows` rows is not read.
    pub(super) fn count_skipped(&self, rows: u64) {
        self.row_groups_skipped.fetch_add(1, Ordering::Relaxed);
        self.rows_skipped.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> ReadCounts {
        ReadCounts {
            bytes: self.bytes.load(Ordering::Relaxed),
            row_groups: self.row_groups.load(Ordering::Relaxed),
            row_groups_skipped: self.row_groups_skipped.load(Ordering::Relaxed),
            rows_skipped: self.rows_skipped.load(Ordering::Relaxed),
            ..ReadCounts::default()
        }
    }

    pub(super) fn checksums(&self) -> Checksums {
        let (pages, protected) = (self.pages.load(Ordering::Relaxed), self.protected.load(Ordering::Relaxed));
        Checksums { pages, protected }
    }
}
