//! The rows of an iterator of record batches.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use streamreg_core::iterative::RowBlock;
use streamreg_core::{Accumulator, AssignedBatch, Design, RowLedger, accumulate};
use streamreg_reader::RowNumbers;

use crate::error::{Error, Result};
use crate::pass::{Execution, Rows, Scope, Shuffled, Taken, project};

/// Rows of a partition that is cut from a stream of batches.
const STREAM_PARTITION_ROWS: usize = 1 << 16;

/// The rows of an iterator of record batches: one pass, no second.
pub(crate) struct StreamRows<I> {
    schema: SchemaRef,
    stream: Mutex<Stream<I>>,
}

struct Stream<I> {
    batches: I,
    /// Batches that were looked at, and what is left of the one that the last partition ended in.
    rest: VecDeque<RecordBatch>,
    index: usize,
    failed: bool,
}

impl<I> StreamRows<I> {
    pub(crate) fn new(schema: SchemaRef, batches: I) -> Self {
        Self {
            schema,
            stream: Mutex::new(Stream { batches, rest: VecDeque::new(), index: 0, failed: false }),
        }
    }
}

impl<I: Iterator<Item = Result<RecordBatch>>> Stream<I> {
    /// The next partition: as many rows as every partition has, however the batches were cut.
    fn take(&mut self) -> Result<Vec<RecordBatch>> {
        let (mut taken, mut rows) = (Vec::new(), 0);
        while rows < STREAM_PARTITION_ROWS {
            let Some(batch) = self.rest.pop_front().map(Ok).or_else(|| self.batches.next()).transpose()?
            else {
                break;
            };
            let count = batch.num_rows().min(STREAM_PARTITION_ROWS - rows);
            if count < batch.num_rows() {
                self.rest.push_front(batch.slice(count, batch.num_rows() - count));
            }
            taken.push(batch.slice(0, count));
            rows += count;
        }
        Ok(taken)
    }
}

impl<I: Iterator<Item = Result<RecordBatch>> + Send> Rows for StreamRows<I> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn reopens(&self) -> bool {
        false
    }

    fn first(&self, design: &Design, _: &Execution) -> Result<Option<RecordBatch>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Taken::default();
        let mut seen = VecDeque::new();
        for batch in stream.batches.by_ref() {
            let batch = batch?;
            let enough = taken.add(project(&batch, design.columns())?);
            seen.push_back(batch);
            if enough {
                break;
            }
        }
        stream.rest.extend(seen);
        taken.join()
    }

    fn accumulate<A: Accumulator>(
        &self,
        scope: &Scope<'_>,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let Scope { design, levels, ids, execution, pass } = *scope;
        let request = scope.extended(execution.request(design.columns()), &self.schema)?;
        let width = design.columns().len();
        let next = || {
            let taken = self.take()?;
            let columns = request.columns.clone();
            Some(taken.map(|(index, batches)| {
                let first = (index * STREAM_PARTITION_ROWS) as u64;
                let numbers = RowNumbers::Run(first..u64::MAX);
                let mut assigner = ids.map(|ids| ids.assigner(&request, width, numbers, index));
                let assign = move |batch| {
                    let batch = project(&batch, &columns)?;
                    match &mut assigner {
                        Some(assigner) => Ok(assigner.assign(&batch)?),
                        None => Ok(AssignedBatch::from(batch)),
                    }
                };
                (index, batches.into_iter().map(assign))
            }))
        };
        execution.control(pass, None, |control| accumulate(design, levels, control, make, next))
    }

    fn shuffled(
        &self,
        _: &Scope<'_>,
        _: &Shuffled<'_>,
        _: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger> {
        Err(Error::invalid_request("record batches cannot be read twice: epochs need a source of files"))
    }
}

impl<I: Iterator<Item = Result<RecordBatch>>> StreamRows<I> {
    /// The next partition and its position.
    fn take(&self) -> Option<Result<(usize, Vec<RecordBatch>)>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.failed {
            return None;
        }
        let taken = match stream.take() {
            Ok(taken) if taken.is_empty() => return None,
            Ok(taken) => taken,
            Err(error) => {
                stream.failed = true;
                return Some(Err(error));
            }
        };
        let index = stream.index;
        stream.index += 1;
        Some(Ok((index, taken)))
    }
}
