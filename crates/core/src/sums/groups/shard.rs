//! The records of some of the keys.

use super::exact::ExactRecords;
use super::float::FloatRecords;
use super::index::Index;
use super::rows::RowSlice;
use super::units::Units;
use super::{INDEX_BYTES, Row, Summed};
use crate::rows::block::BlockError;
use crate::sums::saved::SavedSums;

/// Sums for every combination of levels that was met, numbered as they came.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    index: Index,
    pub(super) records: Records,
    /// Cells of a row that are no weights.
    numbers: usize,
}

/// The sums of one combination of levels after the other.
#[derive(Clone, Debug)]
pub(super) enum Records {
    Float(FloatRecords),
    Exact(ExactRecords),
}

impl Shard {
    /// No records of keys that have, if they are one number, the lowest `shift` bits in common.
    pub(super) fn new(summed: &Summed, shift: u32) -> Self {
        Self {
            index: Index::new(summed.key.len(), shift),
            records: if summed.exact {
                let low = |v: &usize| summed.with_low.iter().position(|l| l == v);
                Records::Exact(ExactRecords::new(summed.shape, summed.variables.iter().map(low).collect()))
            } else {
                Records::Float(FloatRecords::new(summed.shape))
            },
            numbers: summed.variables.len() + summed.with_low.len(),
        }
    }

    /// Number of combinations of levels.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The level numbers of a record.
    pub(super) fn codes(&self, record: usize) -> &[u32] {
        self.index.key(record)
    }

    pub(super) fn find(&self, codes: &[u32]) -> Option<u32> {
        self.index.find(codes)
    }

    #[cfg(test)]
    pub(super) fn rows(&self, record: usize) -> f64 {
        match &self.records {
            Records::Float(records) => records.rows(record),
            Records::Exact(records) => records.rows(record) as f64,
        }
    }

    /// Bytes that the records take, with what finds them.
    pub(super) fn bytes(&self) -> usize {
        let records = match &self.records {
            Records::Float(records) => records.bytes(),
            Records::Exact(records) => records.bytes(),
        };
        records + self.len() * INDEX_BYTES
    }

    /// Makes records for the keys that have none.
    fn extend(&mut self) {
        match &mut self.records {
            Records::Float(records) => records.extend(self.index.len()),
            Records::Exact(records) => records.extend(self.index.len()),
        }
    }

    /// Adds rows to their records, in their order.
    pub(super) fn add(&mut self, slices: &[RowSlice<'_>]) {
        let mut ids = Vec::with_capacity(slices.iter().map(RowSlice::len).sum());
        for slice in slices {
            ids.extend((0..slice.len()).map(|row| self.index.insert(slice.codes(row))));
        }
        if ids.is_empty() {
            return;
        }
        self.extend();
        match &mut self.records {
            Records::Float(records) => {
                let rows = slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)));
                for (&id, cells) in ids.iter().zip(rows) {
                    records.add(id as usize, Row::of(cells, self.numbers));
                }
            }
            Records::Exact(records) => records.add_rows(&ids, slices, self.numbers),
        }
    }

    /// Adds the rows at `used` of a block to their records, in exact sums: to [`Shard::settle`] before these are read.
    pub(super) fn add_block(&mut self, codes: &[&[u32]], used: &[usize], units: &Units, ids: &mut Vec<u32>) {
        ids.clear();
        match codes {
            [own] => ids.extend(used.iter().map(|&row| self.index.insert(&[own[row]]))),
            [a, b] => ids.extend(used.iter().map(|&row| self.index.insert(&[a[row], b[row]]))),
            _ => {
                let mut key = vec![0; codes.len()];
                for &row in used {
                    key.iter_mut().zip(codes).for_each(|(own, codes)| *own = codes[row]);
                    ids.push(self.index.insert(&key));
                }
            }
        }
        self.extend();
        if let Records::Exact(records) = &mut self.records {
            records.add_block(ids, units);
        }
    }

    /// Adds to the records what [`Shard::add_block`] added up.
    pub(super) fn settle(&mut self) {
        if let Records::Exact(records) = &mut self.records {
            records.settle();
        }
    }

    /// Takes in some records of `other`.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when the sums of `other` are of another kind.
    pub(super) fn merge(
        &mut self,
        other: &Self,
        records: impl Iterator<Item = usize>,
    ) -> Result<(), BlockError> {
        for record in records {
            let at = self.index.insert(other.codes(record)) as usize;
            self.extend();
            match (&mut self.records, &other.records) {
                (Records::Float(own), Records::Float(theirs)) => own.merge(at, theirs, record),
                (Records::Exact(own), Records::Exact(theirs)) => own.merge(at, theirs, record),
                _ => return Err(BlockError::Shape),
            }
        }
        Ok(())
    }

    /// Takes the records of `other` away again.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when its rows were not added before, or sums are not exact.
    pub(super) fn subtract(&mut self, other: &Self) -> Result<(), BlockError> {
        let (Records::Exact(own), Records::Exact(theirs)) = (&mut self.records, &other.records) else {
            return Err(BlockError::Shape);
        };
        for record in 0..other.index.len() {
            let at = self.index.find(other.index.key(record)).ok_or(BlockError::Shape)?;
            if !own.subtract(at as usize, theirs, record) {
                return Err(BlockError::Shape);
            }
        }
        Ok(())
    }

    /// Makes a record of what was saved of one.
    ///
    /// # Errors
    /// [`BlockError::Shape`] for a key that has one, and sums of another kind or number.
    pub(super) fn restore(&mut self, codes: &[u32], rows: u64, sums: &SavedSums) -> Result<(), BlockError> {
        let at = self.index.insert(codes) as usize;
        self.extend();
        match (&mut self.records, sums) {
            (Records::Exact(records), SavedSums::Exact(sums)) if records.rows(at) == 0 => {
                records.restore(at, rows, sums);
            }
            (Records::Float(records), SavedSums::Float { sums, .. }) if records.rows(at) == 0.0 => {
                records.restore(at, rows, sums);
            }
            _ => return Err(BlockError::Shape),
        }
        Ok(())
    }

    /// Frees the memory of the rows that were added last.
    pub(super) fn release(&mut self) {
        if let Records::Exact(records) = &mut self.records {
            records.release();
        }
    }

    /// Frees what only taking in rows needs.
    pub(super) fn finish(&mut self) {
        if let Records::Exact(records) = &mut self.records {
            records.finish();
        }
    }
}
