//! Any polars query as a source.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use polars::prelude as pl;
use polars::prelude::{Engine, LazyFrame, PlanCallback};

use crate::bridge::{arrow_type, to_arrow};
use crate::{failed, quiet, words};
use streamreg_reader::{
    Error, ErrorKind, InputFile, Partition, Result, RowNumbers, Scan, ScanRequest, Source, Summary,
};
use streamreg_reader::{NoPartitions, position};

/// Rows of a partition, but for the last one. Part of the definition of floating-point results.
const PARTITION_ROWS: usize = 65_536;

/// What polars computes, row by row in its order.
///
/// A scan runs the query in polars's streaming engine, on threads of polars, with the columns that are asked
/// for and no others. Its rows are cut into partitions of 65,536, however the engine cuts them, and the
/// engine waits while two partitions are not taken. What the engine itself holds is its own business: little
/// for a query that only reads, selects and filters, much for one that sorts or joins. Nor does anyone count
/// the bytes that it reads.
///
/// The query must give the same rows in the same order every time: nothing here can check that.
pub struct LazyFrameSource {
    frame: LazyFrame,
    schema: SchemaRef,
    /// The files that the query reads, where they are known.
    files: Vec<InputFile>,
}

impl LazyFrameSource {
    /// The rows of `frame`. Settles the types of the columns, for which polars may read the beginnings of
    /// files.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where polars cannot tell the columns.
    pub fn new(frame: LazyFrame) -> Result<Self> {
        Self::of_files(frame, Vec::new())
    }

    /// The rows of `frame`, which reads these files.
    pub(crate) fn of_files(mut frame: LazyFrame, files: Vec<InputFile>) -> Result<Self> {
        let schema = quiet(|| frame.collect_schema().map_err(|e| malformed(&e)))?;
        let fields = schema.iter().map(|(name, kind)| Field::new(name.as_str(), shown_type(kind), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { frame, schema, files })
    }
}

/// The Arrow type of a column in the schema. Types that are not delivered are named all the same.
fn shown_type(kind: &pl::DataType) -> DataType {
    let item = |kind: &pl::DataType| Arc::new(Field::new("item", shown_type(kind), true));
    match kind {
        pl::DataType::List(inner) => DataType::List(item(inner)),
        pl::DataType::Array(inner, width) => {
            DataType::FixedSizeList(item(inner), i32::try_from(*width).unwrap_or(i32::MAX))
        }
        pl::DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|f| Field::new(f.name().as_str(), shown_type(f.dtype()), true)).collect(),
        ),
        pl::DataType::Binary | pl::DataType::BinaryOffset => DataType::Binary,
        kind => arrow_type(kind).unwrap_or(DataType::Null),
    }
}

fn malformed(error: &pl::PolarsError) -> Error {
    let kind = match error {
        pl::PolarsError::IO { .. } => ErrorKind::Io,
        _ => ErrorKind::Malformed,
    };
    Error::new(kind, words(error))
}

impl Source for LazyFrameSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let names: Vec<&String> = request.columns.iter().chain(&request.verbatim).collect();
        for name in &names {
            let kind = self.schema.field(position(&self.schema, name)?).data_type();
            if kind.is_nested() || matches!(kind, DataType::Null | DataType::Binary) {
                let message = match kind {
                    DataType::Null => "the column has no value from which its type could be told".to_string(),
                    kind => format!("columns of the type {kind} are not read"),
                };
                return Err(Error::new(ErrorKind::Unsupported, message).in_column(name.as_str()));
            }
        }
        self.verify_unchanged()?;
        if request.wants_nothing() {
            return Ok(Box::new(NoPartitions));
        }
        let mut distinct = names.clone();
        distinct.sort_unstable();
        distinct.dedup();
        // Without a column there would be no rows to count.
        if distinct.is_empty() {
            let any = self.schema.fields().first();
            let any = any.ok_or_else(|| Error::new(ErrorKind::Malformed, "there are no columns"))?;
            distinct.push(any.name());
        }
        let columns: Vec<pl::Expr> = distinct.iter().map(|name| pl::col(name.as_str())).collect();
        let plan = Arc::new(Plan {
            columns: names.into_iter().cloned().collect(),
            batch_rows: request.batch_rows.max(1),
        });
        let query = self.frame.clone().select(columns);
        Ok(Box::new(LazyScan { plan, queue: Mutex::new(Queue::Waiting(Box::new(query))) }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.files.clone()
    }

    fn summary(&self) -> Summary {
        let columns = self.schema.fields().len();
        let mut summary = Summary::unknown(columns);
        // Two partitions wait for those who take them, one is being cut; text is longer than this.
        summary.decode_bytes = vec![3 * 16 * PARTITION_ROWS as u64; columns];
        summary
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(InputFile::verify_unchanged)
    }
}

struct Plan {
    /// Names of the columns of a batch.
    columns: Vec<String>,
    batch_rows: usize,
}

struct LazyScan {
    plan: Arc<Plan>,
    queue: Mutex<Queue>,
}

/// Frames of a running query, in order.
enum Queue {
    /// Nobody has asked yet.
    Waiting(Box<LazyFrame>),
    Running(Running),
    Done,
}

struct Running {
    frames: Receiver<Result<pl::DataFrame>>,
    /// Rows that arrived and belong to no partition yet.
    rest: VecDeque<pl::DataFrame>,
    rows: usize,
    next_index: usize,
    /// Rows of the partitions so far.
    taken: u64,
}

impl Scan for LazyScan {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Queue::Waiting(_) = &*queue
            && let Queue::Waiting(query) = std::mem::replace(&mut *queue, Queue::Done)
        {
            match start(*query) {
                Ok(running) => *queue = Queue::Running(running),
                Err(e) => return Some(Err(e)),
            }
        }
        let Queue::Running(running) = &mut *queue else { return None };
        let index = running.next_index;
        match running.take() {
            Ok(frames) if frames.is_empty() => {
                *queue = Queue::Done;
                None
            }
            Ok(frames) => {
                let first = running.taken;
                running.taken += frames.iter().map(|frame| frame.height() as u64).sum::<u64>();
                let numbers = RowNumbers::Run(first..running.taken);
                Some(Ok(partition(index, frames, &self.plan).numbered(numbers)))
            }
            Err(e) => {
                *queue = Queue::Done;
                Some(Err(e))
            }
        }
    }
}

/// Runs a query on a thread of its own, which ends with it or when nobody takes its frames any more.
fn start(query: LazyFrame) -> Result<Running> {
    // One frame waits here, one in the callback.
    let (send, frames) = sync_channel(1);
    let failure = send.clone();
    let callback = PlanCallback::new(move |frame: pl::DataFrame| Ok(send.send(Ok(frame)).is_err()));
    let query = query.sink_batches(callback, true, NonZeroUsize::new(PARTITION_ROWS));
    let query = query.map_err(|e| malformed(&e))?;
    let run = move || {
        let outcome = quiet(|| query.collect_with_engine(Engine::Streaming).map_err(|e| malformed(&e)));
        if let Err(e) = outcome {
            // Nobody to tell if nobody listens.
            let _ = failure.send(Err(e));
        }
    };
    let thread = std::thread::Builder::new().name("polars-query".into()).spawn(run);
    thread.map_err(|e| Error::new(ErrorKind::Io, format!("no thread for the query: {e}")))?;
    Ok(Running { frames, rest: VecDeque::new(), rows: 0, next_index: 0, taken: 0 })
}

impl Running {
    /// The rows of the next partition; none at the end.
    fn take(&mut self) -> Result<Vec<pl::DataFrame>> {
        while self.rows < PARTITION_ROWS {
            match self.frames.recv() {
                Ok(Ok(frame)) => {
                    self.rows += frame.height();
                    self.rest.push_back(frame);
                }
                Ok(Err(e)) => return Err(e),
                // The query is done.
                Err(_) => break,
            }
        }
        let mut missing = PARTITION_ROWS.min(self.rows);
        self.rows -= missing;
        self.next_index += 1;
        let mut taken = Vec::new();
        while missing > 0 {
            let Some(frame) = self.rest.pop_front() else { break };
            if frame.height() > missing {
                self.rest.push_front(frame.slice(missing as i64, frame.height() - missing));
                taken.push(frame.slice(0, missing));
                missing = 0;
            } else {
                missing -= frame.height();
                if frame.height() > 0 {
                    taken.push(frame);
                }
            }
        }
        Ok(taken)
    }
}

fn partition(index: usize, frames: Vec<pl::DataFrame>, plan: &Arc<Plan>) -> Partition {
    let rows = plan.batch_rows;
    let plan = Arc::clone(plan);
    let slices = frames.into_iter().flat_map(move |frame| {
        (0..frame.height()).step_by(rows).map(move |start| frame.slice(start as i64, rows))
    });
    let batches = slices.map(move |frame| quiet(|| record_batch(&frame, &plan.columns)));
    Partition::new(index, batches)
}

fn record_batch(frame: &pl::DataFrame, columns: &[String]) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|name| -> Result<ArrayRef> {
        let column = frame.column(name).map_err(|e| failed(&e))?;
        to_arrow(column).map_err(|e| e.in_column(name))
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let fields = columns.iter().zip(&arrays).map(|(name, a)| Field::new(name, a.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(frame.height()));
    RecordBatch::try_new_with_options(schema, arrays, &options)
        .map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
}
