//! Batches with the folds of their rows, and the file that says which row was in which.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use streamreg_core::{AssignedBatch, FoldRule, MAX_FOLDS, in_order};
use streamreg_reader::{Partition, RowNumbers, ScanRequest, Source};

use crate::error::{Error, Result};
use crate::output::{TableWriter, refuse_input_as_output};
use crate::pass::Failure;
use crate::penalized::CrossValidation;
use crate::regression::Regression;

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
    fn row_numbers(&mut self, batch: &RecordBatch) -> Option<UInt64Array> {
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

    fn folds(&self, batch: &RecordBatch, numbers: Option<&UInt64Array>) -> Result<Vec<u32>> {
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

impl Regression {
    /// Writes the number (from 0) and the fold (from 0) of every row that passes the filter, as CSV or Parquet by the
    /// ending of `path`: what the cross-validation of [`Regression::penalized`] uses, for other programs to use too.
    /// Reads the column that decides folds, or counts rows, once more. Rows with a missing value are in the file.
    ///
    /// # Errors
    /// Where no cross-validation is asked for, the data cannot be read, or the file not written.
    pub fn write_folds(&self, source: &dyn Source, path: &Path) -> Result<()> {
        let cv = self.penalization.as_ref().and_then(|p| p.cv.as_ref());
        let cv = cv.ok_or_else(|| Error::invalid_request("without cross-validation there are no folds"))?;
        let plan = FoldPlan::new(cv)?;
        refuse_input_as_output(source, path)?;
        let source = self.selection.of(source)?;
        let request = plan.extend(self.execution.request(&[]), source.schema())?;
        let request = ScanRequest { row_numbers: true, ..request };
        let scan = source.scan(&request)?;
        let field = |name: &str, kind: DataType| Field::new(name, kind, false);
        let schema =
            Arc::new(Schema::new(vec![field("row", DataType::UInt64), field("fold", DataType::UInt32)]));
        let mut writer = TableWriter::file(path, &schema)?;
        let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p)).map_err(Failure::from));
        let work = |partition: Partition| -> std::result::Result<Vec<RecordBatch>, Failure> {
            let mut assigner = plan.assigner(&request, 0, partition.numbers, partition.index);
            let rows = |batch: streamreg_reader::Result<RecordBatch>| {
                let batch = batch?;
                let numbers = assigner.row_numbers(&batch);
                let folds = assigner.folds(&batch, numbers.as_ref())?;
                let unknown = || Error::invalid_request("this source does not number its rows");
                let columns: [ArrayRef; 2] =
                    [Arc::new(numbers.ok_or_else(unknown)?), Arc::new(UInt32Array::from(folds))];
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).map_err(Error::from)?)
            };
            partition.batches.map(rows).collect()
        };
        let threads = self.execution.resolved_threads()?;
        in_order(threads, next, work, |batches: Vec<RecordBatch>| {
            Ok(batches.iter().try_for_each(|batch| writer.write(batch))?)
        })
        .map_err(Error::from)?;
        source.verify_unchanged()?;
        writer.finish()
    }
}
