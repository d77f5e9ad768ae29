//! Pairs of list columns, as the entries of sparse rows.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::error::{Error, ErrorKind, Result};
use crate::model::spec::MAX_SPARSE_INDEX;
use crate::rows::block::SparseEntries;
use crate::rows::convert::{fill, is_null};

/// What is wrong with the lists of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    Null,
    NonFinite,
}

/// The entries of the rows of a block.
#[derive(Debug)]
pub(crate) struct Lists {
    offsets: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f64>,
    /// Rows that cannot be used.
    gaps: Vec<(usize, Gap)>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { offsets: vec![0], indices: Vec::new(), values: Vec::new(), gaps: Vec::new() }
    }
}

impl Lists {
    pub(crate) fn clear(&mut self) {
        self.offsets.truncate(1);
        self.indices.clear();
        self.values.clear();
        self.gaps.clear();
    }

    pub(crate) fn entries(&self) -> SparseEntries<'_> {
        SparseEntries { offsets: &self.offsets, indices: &self.indices, values: &self.values }
    }

    /// What is wrong with a row.
    pub(crate) fn gap(&self, row: usize) -> Option<Gap> {
        self.gaps.iter().find(|(at, _)| *at == row).map(|(_, gap)| *gap)
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Appends rows `from..from + rows` of a pair of arrays.
    ///
    /// # Errors
    /// [`ErrorKind::Batch`] for a row, counted from 0 in the batch, whose lists differ in length, or with an index that
    /// is negative, no whole number, or too large.
    pub(crate) fn append(
        &mut self,
        indices: &ArrayRef,
        values: &ArrayRef,
        from: usize,
        rows: usize,
    ) -> Result<()> {
        let (of_indices, of_values) = (Items::of(indices, from, rows)?, Items::of(values, from, rows)?);
        for row in 0..rows {
            let at = self.offsets.len() - 1;
            let wrong =
                |message: String| Err(Error::new(ErrorKind::Batch, message).at_row((from + row) as u64));
            let (own, cells) = match (of_indices.row(row), of_values.row(row)) {
                (Some(own), Some(cells)) if own.len() == cells.len() => (own, cells),
                (Some(own), Some(cells)) => {
                    return wrong(format!("{} indices, but {} values", own.len(), cells.len()));
                }
                _ => {
                    self.gaps.push((at, Gap::Null));
                    (&[][..], &[][..])
                }
            };
            let fits = |index: &f64| (0.0..=f64::from(MAX_SPARSE_INDEX)).contains(index) || is_null(*index);
            if let Some(bad) = own.iter().find(|index| !fits(index)) {
                return wrong(format!(
                    "the index {bad} is not a whole number from 0 to {MAX_SPARSE_INDEX}: every one up to the largest has a \
                     coefficient, so number the features densely, or hash them"
                ));
            }
            let null = own.iter().chain(cells).any(|cell| is_null(*cell));
            if null || cells.iter().any(|cell| !cell.is_finite()) {
                self.gaps.push((at, if null { Gap::Null } else { Gap::NonFinite }));
            } else {
                self.indices.extend(own.iter().map(|&index| index as u32));
                self.values.extend_from_slice(cells);
            }
            self.offsets.push(self.indices.len() as u32);
        }
        Ok(())
    }
}

/// The items of some rows of a list array, as float64.
struct Items {
    cells: Vec<f64>,
    /// For every row its items; `None` for a null.
    rows: Vec<Option<std::ops::Range<usize>>>,
}

impl Items {
    fn of(array: &ArrayRef, from: usize, rows: usize) -> Result<Self> {
        let ends: Vec<usize> = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().value_offsets()[from..=from + rows]
                .iter()
                .map(|&o| o as usize)
                .collect(),
            DataType::LargeList(_) => array.as_list::<i64>().value_offsets()[from..=from + rows]
                .iter()
                .map(|&o| o as usize)
                .collect(),
            other => return Err(Error::new(ErrorKind::Batch, format!("expected lists, found {other}"))),
        };
        let items: &ArrayRef = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().values(),
            _ => array.as_list::<i64>().values(),
        };
        let (first, last) = (ends.first().copied().unwrap_or(0), ends.last().copied().unwrap_or(0));
        let mut cells = vec![0.0; last - first];
        fill(items, first, &mut cells)?;
        let range = |row: usize| array.is_valid(from + row).then(|| ends[row] - first..ends[row + 1] - first);
        Ok(Self { cells, rows: (0..rows).map(range).collect() })
    }

    fn row(&self, row: usize) -> Option<&[f64]> {
        self.rows[row].clone().map(|range| &self.cells[range])
    }
}
