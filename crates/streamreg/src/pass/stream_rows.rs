//! The rows of an iterator of record batches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use streamreg_core::iterative::RowBlock;
use streamreg_core::{Accumulator, AssignedBatch, Design, RowLedger, accumulate};
use streamreg_reader::{BATCH_PARTITION_ROWS, Cutter, RowNumbers};

use crate::error::{Error, Result};
use crate::pass::{Execution, Rows, Scope, Shuffled, Taken, project};

/// The rows of an iterator of record batches: one pass, no second.
pub(crate) struct StreamRows<I> {
    schema: SchemaRef,
    stream: Mutex<Cutter<I>>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> StreamRows<I> {
    pub(crate) fn new(schema: SchemaRef, batches: I) -> Self {
        Self { schema, stream: Mutex::new(Cutter::new(batches)) }
    }

    fn stream(&self) -> MutexGuard<'_, Cutter<I>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut stream = self.stream();
        let mut taken = Taken::default();
        let mut seen = Vec::new();
        while let Some(batch) = stream.next_batch() {
            let batch = batch?;
            let enough = taken.add(project(&batch, design.columns())?);
            seen.push(batch);
            if enough {
                break;
            }
        }
        stream.put_back(seen);
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
            let taken = self.stream().next_partition()?;
            let columns = request.columns.clone();
            Some(taken.map(|(index, batches)| {
                let first = (index * BATCH_PARTITION_ROWS) as u64;
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
        let done =
            execution.control(pass, None, &|| 0, |control| accumulate(design, levels, control, make, next));
        done.map_err(|error| scope.explained(error))
    }

    fn shuffled(
        &self,
        _: &Scope<'_>,
        _: &Shuffled<'_>,
        _: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger> {
        Err(Error::invalid_request(
            "record batches cannot be read twice: epochs need batches in memory, or a source",
        ))
    }
}
