//! Batches with the folds or keys of their rows.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::Schema;
use streamreg_core::{AssignedBatch, RowIds};
use streamreg_reader::{RowNumbers, ScanRequest};

use crate::error::{Error, Failure, Result};
use crate::request::penalty::CrossValidation;

/// What decides the fold or the key of a row: its number, or its value in a column.
pub(crate) struct RowIdPlan {
    ids: RowIds,
    column: Option<String>,
}

impl RowIdPlan {
    /// The folds of a cross-validation.
    pub(crate) fn folds(cv: &CrossValidation) -> Result<Self> {
        // What is wrong with it is wrong with the request, not with the data.
        let ids =
            RowIds::folds(cv.folds, cv.resolved_seed()).map_err(|e| Error::invalid_request(e.to_string()))?;
        Ok(Self { ids, column: cv.group.clone() })
    }

    /// A key for every row, by its number.
    pub(crate) fn keys(seed: u64) -> Self {
        Self { ids: RowIds::keys(seed), column: None }
    }

    /// `request`, and what the ids need beside it.
    pub(crate) fn extend(&self, mut request: ScanRequest, schema: &Schema) -> Result<ScanRequest> {
        let Some(column) = &self.column else { return Ok(request.numbered()) };
        streamreg_reader::position(schema, column)?;
        if !request.columns.contains(column) {
            request.columns.push(column.clone());
            request.dictionaries.push(column.clone());
        }
        Ok(request)
    }

    /// What gives the batches of a partition, whose columns are those of `request`, their ids; the first `width`
    /// columns remain. Keys of rows that nobody has numbered go by their place in partition number `index`.
    pub(crate) fn assigner(
        &self,
        request: &ScanRequest,
        width: usize,
        numbers: RowNumbers,
        index: usize,
    ) -> Assigner {
        let numbers = match numbers {
            RowNumbers::Unknown if self.ids.are_keys() => RowNumbers::Run((index as u64) << 32..u64::MAX),
            known => known,
        };
        let column = self.column.as_ref();
        let column = column.map(|column| (request.columns.iter().position(|c| c == column), column.clone()));
        Assigner { ids: self.ids, column, width, numbers }
    }
}

/// Gives the rows of the batches of one partition their ids.
pub(crate) struct Assigner {
    ids: RowIds,
    /// Position and name of the column that decides.
    column: Option<(Option<usize>, String)>,
    width: usize,
    numbers: RowNumbers,
}

impl Assigner {
    /// The batch without the columns that are not the design's.
    pub(crate) fn assign(&mut self, batch: &RecordBatch) -> std::result::Result<AssignedBatch, Failure> {
        let numbers = self.row_numbers(batch);
        let ids = self.ids(batch, numbers.as_ref())?;
        let columns: Vec<usize> = (0..self.width).collect();
        let batch = batch.project(&columns).map_err(Error::from)?;
        Ok(AssignedBatch { batch, ids: Some(ids) })
    }

    /// The numbers of the rows, if they are known. Batches come in order.
    pub(crate) fn row_numbers(&mut self, batch: &RecordBatch) -> Option<UInt64Array> {
        match &mut self.numbers {
            RowNumbers::Unknown => None,
            RowNumbers::Run(rows) => {
                let from = rows.start;
                rows.start += batch.num_rows() as u64;
                Some(UInt64Array::from_iter_values(from..rows.start))
            }
            RowNumbers::Column => {
                batch.columns().last().and_then(|c| c.as_primitive_opt::<UInt64Type>()).cloned()
            }
        }
    }

    /// The ids of the rows of a batch.
    pub(crate) fn ids(&self, batch: &RecordBatch, numbers: Option<&UInt64Array>) -> Result<Vec<u32>> {
        match (&self.column, numbers) {
            (Some((at, name)), _) => {
                let values = at.and_then(|at| batch.columns().get(at));
                let values =
                    values.ok_or_else(|| Error::data(format!("no column {name:?} among the batches")))?;
                let located = |e: streamreg_core::Error| Error::from(e).located(&format!("column {name:?}"));
                self.ids.of_values(values).map_err(located)
            }
            (None, Some(numbers)) => Ok(self.ids.of_rows(numbers.values())),
            (None, None) => Err(Error::invalid_request(
                "this source does not number its rows, so they cannot be split into folds; name a column to split by",
            )),
        }
    }
}
