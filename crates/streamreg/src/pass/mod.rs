//! Where the rows of a pass come from: a [`Source`], or batches that a caller hands over.

pub(crate) mod folds;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use streamreg_core::descent::{Expander, RowBlock};
use streamreg_core::{Accumulator, AssignedBatch, Design, Levels, PassControl, RowLedger, accumulate, feed};
use streamreg_reader::{Partition, PartitionOrder, RowNumbers, Scan, ScanRequest, Source};

use crate::error::{Error, Failure, Result};
use crate::pass::folds::FoldPlan;

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows read since the beginning of this pass.
    pub rows: u64,
    /// Rows in all, where that is known.
    pub total: Option<u64>,
    /// 1 for the first pass over the data, 2 for the second.
    pub pass: usize,
    /// Whether the pass is over, for better or worse.
    pub done: bool,
}

/// Called from any thread, about once a record batch.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// How to run, as opposed to what to compute.
#[derive(Clone, Default)]
pub struct Execution {
    /// Threads; all processors where absent.
    pub threads: Option<usize>,
    /// Rows of a record batch; the reader's default where absent. Never changes a result.
    pub batch_rows: Option<usize>,
    /// Told how far the work has come.
    pub progress: Option<ProgressFn>,
    /// Set from outside to stop early.
    pub interrupt: Option<Arc<AtomicBool>>,
}

impl Execution {
    /// The number of threads to use.
    ///
    /// # Errors
    /// When zero were asked for.
    pub fn resolved_threads(&self) -> Result<usize> {
        match self.threads {
            Some(0) => Err(Error::invalid_request("at least one thread is needed, not 0")),
            Some(n) => Ok(n),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// Runs `work` with the pass control that these settings stand for.
    pub(crate) fn control<T>(
        &self,
        pass: usize,
        total: Option<u64>,
        work: impl FnOnce(&PassControl<'_>) -> Result<T>,
    ) -> Result<T> {
        let done = std::sync::atomic::AtomicU64::new(0);
        let report = |rows: u64| {
            if let Some(progress) = &self.progress {
                let rows = done.fetch_add(rows, std::sync::atomic::Ordering::Relaxed) + rows;
                progress(Progress { rows, total, pass, done: false });
            }
        };
        let control = PassControl {
            threads: self.resolved_threads()?,
            progress: Some(&report),
            interrupt: self.interrupt.as_deref(),
        };
        let outcome = work(&control);
        if let Some(progress) = &self.progress {
            let rows = done.load(std::sync::atomic::Ordering::Relaxed);
            progress(Progress { rows, total, pass, done: true });
        }
        outcome
    }

    /// A scan request for the columns of a design.
    pub(crate) fn request_for(&self, design: &Design) -> ScanRequest {
        ScanRequest { dictionaries: design.dictionaries(), ..self.request(design.columns()) }
    }

    /// A scan request for `columns`.
    pub(crate) fn request(&self, columns: &[String]) -> ScanRequest {
        let mut request = ScanRequest::new(columns);
        request.batch_rows = self.batch_rows.unwrap_or(request.batch_rows);
        request
    }
}

/// Rows that can be accumulated, once or more often.
pub(crate) trait Rows {
    fn schema(&self) -> SchemaRef;

    /// Whether another pass is possible.
    fn reopens(&self) -> bool;

    /// The first rows of the columns of `design`: some, unless there is none.
    fn first(&self, design: &Design, execution: &Execution) -> Result<Option<RecordBatch>>;

    /// Runs pass number `pass` over the columns of `design`, whose categories `levels` numbers. With a `plan` the
    /// accumulators are told the folds or keys of the rows.
    fn accumulate<A: Accumulator>(
        &self,
        plan: Option<&FoldPlan>,
        design: &Design,
        levels: &Levels,
        execution: &Execution,
        pass: usize,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)>;

    /// Runs a pass whose rows are mixed, as `seed` says, and come to `sink` one group after the other.
    fn feed(
        &self,
        plan: &FoldPlan,
        to: &Mixed<'_>,
        execution: &Execution,
        pass: usize,
        sink: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger>;
}

/// What rows that are mixed are made into.
pub(crate) struct Mixed<'a> {
    pub(crate) design: &'a Design,
    pub(crate) levels: &'a Levels,
    pub(crate) expander: &'a Expander,
    /// Decides the order.
    pub(crate) seed: u64,
}

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
        plan: Option<&FoldPlan>,
        design: &Design,
        levels: &Levels,
        execution: &Execution,
        pass: usize,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let request = extended(plan, execution.request_for(design), self.0.schema())?;
        let width = design.columns().len();
        self.pass(&request, execution, pass, |control, scan| {
            accumulate(design, levels, control, make, || next_assigned(plan, &request, width, scan))
        })
    }

    fn feed(
        &self,
        plan: &FoldPlan,
        to: &Mixed<'_>,
        execution: &Execution,
        pass: usize,
        sink: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger> {
        let mut request = plan.extend(execution.request_for(to.design), self.0.schema())?;
        request.order = PartitionOrder::Shuffled(to.seed);
        // Short partitions cost a page at each end more, and few ones would not mix.
        let rows = self.0.summary().rows.unwrap_or(u64::MAX);
        request.partition_rows = Some((rows / 16).clamp(MIXED_PARTITION_ROWS / 4, MIXED_PARTITION_ROWS));
        let width = to.design.columns().len();
        let done = self.pass(&request, execution, pass, |control, scan| {
            let next = || next_assigned(Some(plan), &request, width, scan);
            let sink = |group: &[RowBlock]| sink(group).map_err(Failure::from);
            let Mixed { design, levels, expander, seed } = to;
            Ok(((), feed(design, levels, expander, control, *seed, next, sink)?))
        });
        Ok(done?.1)
    }
}

/// Rows of a partition, at most, where partitions are mixed: the fewer, the better.
const MIXED_PARTITION_ROWS: u64 = 1 << 18;

/// `request`, and what a plan needs beside it.
fn extended(plan: Option<&FoldPlan>, request: ScanRequest, schema: &Schema) -> Result<ScanRequest> {
    plan.map_or(Ok(request.clone()), |plan| plan.extend(request, schema))
}

/// Batches of a partition, and what a plan assigns to their rows.
type Assigned = Box<dyn Iterator<Item = std::result::Result<AssignedBatch, Failure>> + Send>;

/// The next partition of a scan.
fn next_assigned(
    plan: Option<&FoldPlan>,
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

impl SourceRows<'_> {
    /// Runs a pass, and counts what did not pass the filter.
    fn pass<S>(
        &self,
        request: &ScanRequest,
        execution: &Execution,
        pass: usize,
        work: impl FnOnce(&PassControl<'_>, &dyn Scan) -> std::result::Result<(S, RowLedger), Failure>,
    ) -> Result<(S, RowLedger)> {
        let before = self.0.counts();
        let scan = self.0.scan(request)?;
        // What passes a filter is not known beforehand.
        let total = self.0.inputs().iter().map(|input| input.rows.filter(|_| !self.0.filters())).sum();
        let (state, mut ledger) = execution.control(pass, total, |control| {
            work(control, scan.as_ref()).map_err(|failure| match failure {
                Failure::Core(error) => self.locate(error),
                Failure::Other(error) => error,
            })
        })?;
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
                return Error::from(error.at_row(row)).located(&input.path.to_string_lossy());
            }
            let Some(rows) = input.rows else { break };
            row -= rows;
        }
        error.into()
    }
}

/// Rows that [`Rows::first`] wants.
const FIRST_ROWS: usize = 1_024;

/// The first rows of the data, in one batch, whatever the batches they came in.
#[derive(Default)]
struct Taken {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Taken {
    /// Takes what is needed of a batch; true once there is enough.
    fn add(&mut self, batch: RecordBatch) -> bool {
        let count = batch.num_rows().min(FIRST_ROWS - self.rows);
        self.rows += count;
        self.batches.push(batch.slice(0, count));
        self.rows == FIRST_ROWS
    }

    fn join(self) -> Result<Option<RecordBatch>> {
        let Some(first) = self.batches.first() else { return Ok(None) };
        let schema = first.schema();
        Ok(Some(arrow_select::concat::concat_batches(&schema, &self.batches)?))
    }
}

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
        plan: Option<&FoldPlan>,
        design: &Design,
        levels: &Levels,
        execution: &Execution,
        pass: usize,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let request = extended(plan, execution.request(design.columns()), &self.schema)?;
        let width = design.columns().len();
        let next = || {
            let taken = self.take()?;
            let columns = request.columns.clone();
            Some(taken.map(|(index, batches)| {
                let first = (index * STREAM_PARTITION_ROWS) as u64;
                let numbers = RowNumbers::Run(first..u64::MAX);
                let mut assigner = plan.map(|plan| plan.assigner(&request, width, numbers, index));
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

    fn feed(
        &self,
        _: &FoldPlan,
        _: &Mixed<'_>,
        _: &Execution,
        _: usize,
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

/// The named columns of `batch`, in that order.
pub(crate) fn project(batch: &RecordBatch, columns: &[String]) -> Result<RecordBatch> {
    let schema = batch.schema_ref();
    let find = |name: &String| Ok(streamreg_reader::source::position(schema, name)?);
    let positions = columns.iter().map(find).collect::<Result<Vec<_>>>()?;
    batch.project(&positions).map_err(|e| Error::data(e.to_string()))
}
