//! Record batches that are there already, or can be made again, as a source.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef};

use super::{InputFile, Partition, PartitionOrder, RowNumbers, Scan, ScanRequest, Source, Summary, position};
use crate::error::{Error, ErrorKind, Result};

/// Rows of a partition that is cut from batches: a constant, so that results do not depend on how they were cut.
pub const BATCH_PARTITION_ROWS: usize = 1 << 16;

type Batch = Result<RecordBatch>;
type Iter<'a> = Box<dyn Iterator<Item = Batch> + Send + 'a>;

/// Record batches as a source that can be read as often as needed: batches in memory, or a function that makes them.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Float64Array, RecordBatch};
/// use streamreg_reader::{Batches, Source};
///
/// let x = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
/// let batch = RecordBatch::try_from_iter([("x", x as _)])?;
/// let source = Batches::new(batch.schema(), vec![batch]);
/// assert_eq!(source.summary().rows, Some(3));
/// # Ok::<(), arrow_schema::ArrowError>(())
/// ```
pub struct Batches {
    schema: SchemaRef,
    origin: Origin,
    once: bool,
    /// What there is to say of them.
    warnings: Mutex<Vec<String>>,
}

enum Origin {
    Memory(Arc<[RecordBatch]>),
    Function(Box<dyn Fn() -> Iter<'static> + Send + Sync>),
}

impl Batches {
    /// Batches in memory. They may be of any length; all have the columns of the schema.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, origin: Origin::Memory(batches.into()), once: false, warnings: Mutex::default() }
    }

    /// Batches that `make` makes, the same ones whenever it is called: once for every pass over the data. Nothing is kept
    /// of them, so every pass has them in the same order, those of stochastic gradient descent too: mix sorted rows beforehand.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Float64Array, RecordBatch};
    /// use arrow_schema::{ArrowError, DataType, Field, Schema};
    /// use streamreg_reader::Batches;
    ///
    /// let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, false)]));
    /// let batch = |i: i32| {
    ///     let x = Float64Array::from_iter_values((0..1_000).map(|j| f64::from(1_000 * i + j)));
    ///     RecordBatch::try_from_iter([("x", Arc::new(x) as _)])
    /// };
    /// let source = Batches::from_fn(schema, move || (0..50).map(batch));
    /// # Ok::<(), ArrowError>(())
    /// ```
    pub fn from_fn<I, E>(schema: SchemaRef, make: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        I::IntoIter: Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let failed =
            |e: E| match (Box::new(e) as Box<dyn std::error::Error + Send + Sync>).downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::new(ErrorKind::Io, other.to_string()).caused_by(other),
            };
        let make =
            move || -> Iter<'static> { Box::new(make().into_iter().map(move |batch| batch.map_err(failed))) };
        Self { schema, origin: Origin::Function(Box::new(make)), once: false, warnings: Mutex::default() }
    }

    /// The same rows, of which it is known that they come once: what takes more than one pass refuses them. The first ones may be
    /// asked for before that pass, and must be there again when it begins.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    fn iter(&self) -> Iter<'_> {
        match &self.origin {
            Origin::Memory(batches) => Box::new(batches.iter().cloned().map(Ok)),
            Origin::Function(make) => make(),
        }
    }
}

impl Source for Batches {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let names = request.columns.iter().chain(&request.verbatim);
        names.clone().try_for_each(|name| position(&self.schema, name).map(|_| ()))?;
        let scan = Box::new(BatchScan {
            schema: &self.schema,
            names: names.cloned().collect(),
            batch_rows: request.batch_rows.max(1),
            cutter: Mutex::new(Cutter::new(self.iter())),
        });
        match &self.origin {
            Origin::Memory(_) => request.order.of(scan),
            // To mix them all would have to be held.
            Origin::Function(_) => PartitionOrder::Stored.of(scan),
        }
    }

    fn inputs(&self) -> Vec<InputFile> {
        Vec::new()
    }

    fn reopens(&self) -> bool {
        !self.once
    }

    /// That of the dictionary in the first batch, for fields that say it is ordered.
    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        let field = self.schema.field(position(&self.schema, column)?);
        if field.dict_is_ordered() != Some(true) {
            return Ok(None);
        }
        let Some(first) = self.iter().next().transpose()? else { return Ok(None) };
        let array = first.column(position(first.schema_ref(), column)?);
        let Some(levels) = array.as_any_dictionary_opt().map(|array| array.values()) else { return Ok(None) };
        let of = |texts: &mut dyn Iterator<Item = Option<&str>>| texts.flatten().map(str::to_owned).collect();
        Ok(match levels.data_type() {
            DataType::Utf8 => Some(of(&mut levels.as_string::<i32>().iter())),
            DataType::LargeUtf8 => Some(of(&mut levels.as_string::<i64>().iter())),
            DataType::Utf8View => Some(of(&mut levels.as_string_view().iter())),
            kind => {
                let message =
                    format!("column {column:?} is an ordered category of {kind}: its levels are sorted");
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                if !warnings.contains(&message) {
                    warnings.push(message);
                }
                None
            }
        })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn summary(&self) -> Summary {
        let unknown = Summary::unknown(self.schema.fields().len());
        let Origin::Memory(batches) = &self.origin else { return unknown };
        let nulls = |name: &str| -> Option<u64> {
            let own = |batch: &RecordBatch| Some(batch.column_by_name(name)?.logical_null_count() as u64);
            batches.iter().map(own).sum()
        };
        Summary {
            rows: Some(batches.iter().map(|batch| batch.num_rows() as u64).sum()),
            null_counts: self.schema.fields().iter().map(|field| nulls(field.name())).collect(),
            ..unknown
        }
    }
}

struct BatchScan<'s> {
    schema: &'s SchemaRef,
    /// The columns that are wanted.
    names: Vec<String>,
    batch_rows: usize,
    cutter: Mutex<Cutter<Iter<'s>>>,
}

impl Scan for BatchScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let mut cutter = self.cutter.lock().unwrap_or_else(PoisonError::into_inner);
        let (index, batches) = match cutter.next_partition()? {
            Ok(partition) => partition,
            Err(error) => return Some(Err(error)),
        };
        drop(cutter);
        let first = (index * BATCH_PARTITION_ROWS) as u64;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let wanted: Result<Vec<RecordBatch>> = batches.iter().map(|batch| self.wanted(batch)).collect();
        let most = self.batch_rows;
        Some(wanted.map(|batches| {
            let batches = batches.into_iter().flat_map(move |batch| pieces(&batch, most)).map(Ok);
            Partition::new(index, batches).numbered(RowNumbers::Run(first..first + rows as u64))
        }))
    }
}

impl BatchScan<'_> {
    /// The wanted columns of a batch. A batch whose column has no value, and so no type, has that of the others.
    fn wanted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let own = batch.schema_ref();
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for name in &self.names {
            let index = position(own, name)?;
            let (mut field, mut column) = (Arc::clone(&own.fields()[index]), Arc::clone(batch.column(index)));
            let first = &self.schema.fields()[position(self.schema, name)?];
            if field.data_type() != first.data_type() {
                if *field.data_type() != DataType::Null {
                    return Err(other_type(first.data_type(), field.data_type()).in_column(name));
                }
                (field, column) = (Arc::clone(first), new_null_array(first.data_type(), batch.num_rows()));
            }
            fields.push(field);
            columns.push(column);
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)
            .map_err(|e| Error::new(ErrorKind::Schema, e.to_string()))
    }
}

/// The error for batches that do not agree.
fn other_type(first: &DataType, now: &DataType) -> Error {
    let message = match first {
        DataType::Null => format!("{now} in a batch, and no value in the first, which has no type for it"),
        _ => format!("{now} in a batch and {first} in the first"),
    };
    Error::new(ErrorKind::Schema, message).with_help("cast it to one type")
}

/// Slices of at most `most` rows.
fn pieces(batch: &RecordBatch, most: usize) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    (0..rows).step_by(most).map(|from| batch.slice(from, most.min(rows - from))).collect()
}

/// Cuts batches into partitions of [`BATCH_PARTITION_ROWS`] rows, however they came.
#[doc(hidden)]
pub struct Cutter<I> {
    batches: I,
    /// Batches that were put back, and what is left of the one that the last partition ended in.
    rest: VecDeque<RecordBatch>,
    index: usize,
    failed: bool,
}

impl<I, E> Cutter<I>
where
    I: Iterator<Item = std::result::Result<RecordBatch, E>>,
{
    /// Nothing is taken yet.
    pub fn new(batches: I) -> Self {
        Self { batches, rest: VecDeque::new(), index: 0, failed: false }
    }

    /// The next batch as it came.
    pub fn next_batch(&mut self) -> Option<I::Item> {
        self.rest.pop_front().map(Ok).or_else(|| self.batches.next())
    }

    /// Puts batches back that were taken, in their order.
    pub fn put_back(&mut self, batches: Vec<RecordBatch>) {
        batches.into_iter().rev().for_each(|batch| self.rest.push_front(batch));
    }

    /// The next partition and its position; nothing after an error.
    pub fn next_partition(&mut self) -> Option<std::result::Result<(usize, Vec<RecordBatch>), E>> {
        if self.failed {
            return None;
        }
        let (mut taken, mut rows) = (Vec::new(), 0);
        while rows < BATCH_PARTITION_ROWS {
            let batch = match self.next_batch() {
                None => break,
                Some(Ok(batch)) => batch,
                Some(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            };
            let count = batch.num_rows().min(BATCH_PARTITION_ROWS - rows);
            if count < batch.num_rows() {
                self.rest.push_front(batch.slice(count, batch.num_rows() - count));
            }
            taken.push(batch.slice(0, count));
            rows += count;
        }
        if taken.is_empty() {
            return None;
        }
        self.index += 1;
        Some(Ok((self.index - 1, taken)))
    }
}
