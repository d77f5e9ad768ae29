//! The rows of a [`Source`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use streamreg_core::iterative::RowBlock;
use streamreg_core::{
    Accumulator, AssignedBatch, Design, PassControl, RowLedger, accumulate, accumulate_into, shuffled_pass,
};
use streamreg_reader::{Partition, PartitionOrder, Scan, ScanRequest, Source};

use crate::error::{Error, Failure, Result};
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Execution, Rows, Scope, Shuffled, Taken};

/// The rows of files.
pub(crate) struct SourceRows<'a>(pub(crate) &'a dyn Source);

impl Rows for SourceRows<'_> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.0.schema())
    }

    fn reopens(&self) -> bool {
        self.0.reopens()
    }

    fn first(&self, design: &Design, execution: &Execution) -> Result<Option<RecordBatch>> {
        let scan = self.0.scan(&execution.request_for(design))?;
        let mut taken = Taken::default();
        while let Some(partition) = scan.next_partition() {
            for batch in partition?.batches {
                if taken.add(batch?) {
                    return taken.join();
                }
            }
        }
        taken.join()
    }

    fn accumulate<A: Accumulator>(
        &self,
        scope: &Scope<'_>,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let Scope { design, levels, ids, execution, .. } = *scope;
        let request = scope.extended(execution.request_for(design), self.0.schema())?;
        let width = design.columns().len();
        self.pass(&request, scope, |control, scan| {
            accumulate(design, levels, control, make, || next_assigned(ids, &request, width, scan))
        })
    }

    fn shuffled(
        &self,
        scope: &Scope<'_>,
        order: &Shuffled<'_>,
        sink: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger> {
        let Scope { design, levels, ids, execution, .. } = *scope;
        let Shuffled { standardizer, seed } = *order;
        let mut request = scope.extended(execution.request_for(design), self.0.schema())?;
        request.order = PartitionOrder::Shuffled(seed);
        // Short partitions cost a page at each end more, and few ones would not mix.
        let rows = self.0.summary().rows.unwrap_or(u64::MAX);
        request.partition_rows = Some((rows / 16).clamp(MIXED_PARTITION_ROWS / 4, MIXED_PARTITION_ROWS));
        let width = design.columns().len();
        let done = self.pass(&request, scope, |control, scan| {
            let next = || next_assigned(ids, &request, width, scan);
            let sink = |group: &[RowBlock]| sink(group).map_err(Failure::from);
            Ok(((), shuffled_pass(design, levels, standardizer, control, seed, next, sink)?))
        });
        Ok(done?.1)
    }
}

/// Rows of a partition, at most, where partitions are mixed: the fewer, the better.
const MIXED_PARTITION_ROWS: u64 = 1 << 18;

/// Batches of a partition, and what a plan assigns to their rows.
type Assigned = Box<dyn Iterator<Item = std::result::Result<AssignedBatch, Failure>> + Send>;

/// The next partition of a scan.
fn next_assigned(
    plan: Option<&RowIdPlan>,
    request: &ScanRequest,
    width: usize,
    scan: &dyn Scan,
) -> Option<std::result::Result<(usize, Assigned), Failure>> {
    let assigned = |partition: Partition| {
        let Partition { index, numbers, batches, .. } = partition;
        let batches: Assigned = match plan.map(|plan| plan.assigner(request, width, numbers, index)) {
            Some(mut assigner) => Box::new(batches.map(move |batch| assigner.assign(&batch?))),
            None => Box::new(batches.map(|batch| Ok(batch?.into()))),
        };
        (index, batches)
    };
    Some(scan.next_partition()?.map(assigned).map_err(Failure::from))
}

/// A pass that stops now and then, so that what it came to can be saved.
pub(crate) struct Stops<'a, A> {
    /// What partitions before came to: how many of them, and rows of theirs that did not pass the filter.
    pub(crate) before: (A, RowLedger),
    pub(crate) partitions: usize,
    pub(crate) rows_filtered: u64,
    /// Whether it is time to stop.
    pub(crate) pause: &'a (dyn Fn() -> bool + Sync),
}

/// How far a pass has come.
pub(crate) struct Stopped<'a, A> {
    pub(crate) total: &'a mut A,
    pub(crate) ledger: &'a RowLedger,
    pub(crate) partitions: usize,
    pub(crate) rows_filtered: u64,
}

impl SourceRows<'_> {
    /// Runs a pass that goes on where `stops` begins, and calls `save` whenever it stops on the way: then nothing is under way.
    pub(crate) fn accumulate_with_stops<A: Accumulator>(
        &self,
        scope: &Scope<'_>,
        stops: Stops<'_, A>,
        make: impl Fn() -> A + Sync,
        mut save: impl FnMut(Stopped<'_, A>) -> Result<()>,
    ) -> Result<(A, RowLedger)> {
        let Scope { design, levels, ids, execution, .. } = *scope;
        let request = scope.extended(execution.request_for(design), self.0.schema())?;
        let width = design.columns().len();
        let Stops { before: (mut total, mut ledger), partitions, rows_filtered, pause } = stops;
        let start = self.0.counts().rows_filtered;
        let filtered = || rows_filtered + (self.0.counts().rows_filtered - start);
        let (total, mut ledger) = self.pass(&request, scope, |control, scan| {
            for _ in 0..partitions {
                // What was summed is not read again.
                drop(scan.next_partition().transpose()?);
            }
            let (taken, ended) = (AtomicUsize::new(partitions), AtomicBool::new(false));
            loop {
                let base = taken.load(Ordering::Relaxed);
                let next = || {
                    if taken.load(Ordering::Relaxed) > base && pause() {
                        return None;
                    }
                    let Some(next) = next_assigned(ids, &request, width, scan) else {
                        ended.store(true, Ordering::Relaxed);
                        return None;
                    };
                    Some(next.map(|(index, batches)| {
                        taken.fetch_max(index + 1, Ordering::Relaxed);
                        (index - base, batches)
                    }))
                };
                accumulate_into(design, levels, control, (&mut total, &mut ledger), &make, next)?;
                let partitions = taken.load(Ordering::Relaxed);
                if ended.load(Ordering::Relaxed) && !pause() {
                    break;
                }
                let (total, ledger, rows_filtered) = (&mut total, &ledger, filtered());
                save(Stopped { total, ledger, partitions, rows_filtered })?;
                if ended.load(Ordering::Relaxed) {
                    break;
                }
            }
            let no_form = |_| Error::data("the sums have another form than their model");
            total.complete(control.threads).map_err(no_form)?;
            Ok((total, ledger))
        })?;
        ledger.rows_filtered += rows_filtered;
        Ok((total, ledger))
    }

    /// Runs a pass, and counts what did not pass the filter.
    fn pass<S>(
        &self,
        request: &ScanRequest,
        scope: &Scope<'_>,
        work: impl FnOnce(&PassControl<'_>, &dyn Scan) -> std::result::Result<(S, RowLedger), Failure>,
    ) -> Result<(S, RowLedger)> {
        let before = self.0.counts();
        let scan = self.0.scan(request)?;
        // What passes a filter is not known beforehand.
        let total = self.0.inputs().iter().map(|input| input.rows.filter(|_| !self.0.filters())).sum();
        let bytes = || self.0.counts().bytes;
        let done = scope.execution.control(scope.pass, total, &bytes, |control| {
            work(control, scan.as_ref()).map_err(|failure| match failure {
                Failure::Core(error) => self.locate(error),
                Failure::Other(error) => error,
            })
        });
        let (state, mut ledger) = done.map_err(|error| scope.explained(error))?;
        self.0.verify_unchanged()?;
        let after = self.0.counts();
        ledger.rows_filtered =
            (after.rows_filtered - before.rows_filtered) + (after.rows_skipped - before.rows_skipped);
        Ok((state, ledger))
    }

    /// The error of a partition before which `rows` rows were read.
    pub(crate) fn locate_after(&self, rows: u64, failure: Failure) -> Error {
        match failure {
            Failure::Other(error) => error,
            Failure::Core(error) => match error.row() {
                Some(row) => self.locate(error.at_row(row + rows)),
                None => error.into(),
            },
        }
    }

    /// Says which file a row is in, as far as the numbers of rows of the files before it are known.
    fn locate(&self, error: streamreg_core::Error) -> Error {
        let Some(mut row) = error.row() else { return error.into() };
        if self.0.filters() {
            // Rows are counted behind the filter, so no file can be named.
            return Error::from(error).located("among the rows that pass the filter");
        }
        let inputs = self.0.inputs();
        for (index, input) in inputs.iter().enumerate() {
            let here = index + 1 == inputs.len() || input.rows.is_some_and(|rows| row < rows);
            if here {
                return Error::from(error.at_row(row)).in_file(&input.path);
            }
            let Some(rows) = input.rows else { break };
            row -= rows;
        }
        error.into()
    }
}
