//! Batches with the folds of their rows, and the file that says which row was in which.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::Schema;
use streamreg_core::{AssignedBatch, FoldRule, MAX_FOLDS};
use streamreg_reader::{RowNumbers, ScanRequest};

use crate::error::{Error, Failure, Result};
use crate::request::penalty::CrossValidation;

/// What decides the fold of a row.
pub(crate) struct FoldPlan {
    rule: FoldRule,
    group: Option<String>,
}

impl FoldPlan {
    pub(crate) fn new(cv: &CrossValidation) -> Result<Self> {
        // What is wrong with it is wrong with the request, not with the data.
        let rule = FoldRule::new(cv.folds, cv.seed).map_err(|e| Error::invalid_request(e.to_string()))?;
        Ok(Self { rule, group: cv.group.clone() })
    }

    /// Gives every row a key instead of a fold: the upper half of the hash of its number.
    pub(crate) fn keys(seed: u64) -> Self {
        Self { rule: FoldRule::keys(seed), group: None }
    }

    pub(crate) fn folds(&self) -> usize {
        self.rule.folds()
    }

    /// `request`, and what the folds need beside it.
    pub(crate) fn extend(&self, mut request: ScanRequest, schema: &Schema) -> Result<ScanRequest> {
        let Some(group) = &self.group else { return Ok(ScanRequest { row_numbers: true, ..request }) };
        streamreg_reader::source::position(schema, group)?;
        if !request.columns.contains(group) {
            request.columns.push(group.clone());
            request.dictionaries.push(group.clone());
        }
        Ok(request)
    }

    /// What gives the batches of a partition, whose columns are those of `request`, their folds; the first `width`
    /// columns remain. Keys of rows that nobody has numbered go by their place in partition number `index`.
    pub(crate) fn assigner(
        &self,
        request: &ScanRequest,
        width: usize,
        numbers: RowNumbers,
        index: usize,
    ) -> Assigner {
        let numbers = match numbers {
            RowNumbers::Unknown if self.rule.folds() > MAX_FOLDS => {
                RowNumbers::Run((index as u64) << 32..u64::MAX)
            }
            known => known,
        };
        let group = self.group.as_ref();
        let group = group.map(|group| (request.columns.iter().position(|c| c == group), group.clone()));
        Assigner { rule: self.rule, group, width, numbers }
    }
}

/// Gives the batches of one partition their folds.
pub(crate) struct Assigner {
    rule: FoldRule,
    /// Position and name of the column that decides.
    group: Option<(Option<usize>, String)>,
    width: usize,
    numbers: RowNumbers,
}

impl Assigner {
    /// The batch without the columns that are not the design's.
    pub(crate) fn assign(&mut self, batch: &RecordBatch) -> std::result::Result<AssignedBatch, Failure> {
        let numbers = self.row_numbers(batch);
        let folds = self.folds(batch, numbers.as_ref())?;
        let columns: Vec<usize> = (0..self.width).collect();
        let batch = batch.project(&columns).map_err(Error::from)?;
        Ok(AssignedBatch { batch, folds: Some(folds) })
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

    pub(crate) fn folds(&self, batch: &RecordBatch, numbers: Option<&UInt64Array>) -> Result<Vec<u32>> {
        match (&self.group, numbers) {
            (Some((at, name)), _) => {
                let values = at.and_then(|at| batch.columns().get(at));
                let values =
                    values.ok_or_else(|| Error::data(format!("no column {name:?} among the batches")))?;
                let located = |e: streamreg_core::Error| Error::from(e).located(&format!("column {name:?}"));
                self.rule.of_values(values).map_err(located)
            }
            (None, Some(numbers)) => Ok(numbers.values().iter().map(|&row| self.rule.of_row(row)).collect()),
            (None, None) => Err(Error::invalid_request(
                "this source does not number its rows, so they cannot be split into folds; name a column to split by",
            )),
        }
    }
}
