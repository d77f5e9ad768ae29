//! The contract between files and everything else: a [`Source`] is scanned, a [`Scan`] hands out
//! [`Partition`]s in order, a partition is an iterator of Arrow record batches.

pub(crate) mod batches;
mod input_file;
pub(crate) mod names;
pub(crate) mod nearest;
mod summary;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, SchemaRef};

pub use self::input_file::InputFile;
use self::nearest::suggestion;
pub use self::summary::{Checksums, ReadCounts, Summary};
use crate::error::{Error, ErrorKind, Result, shell_word};
use crate::predicate::Predicate;
use crate::storage::ahead::ReadAhead;

/// Rows of a record batch unless a scan asks otherwise. Larger batches leave the caches and cost more.
pub const DEFAULT_BATCH_ROWS: usize = 4_096;

/// In the metadata of a field that is part of a struct or an object, whose name is the value.
pub const PART_OF: &str = "streamreg.part_of";

/// A data set that can be read, as often as needed.
pub trait Source: Send + Sync {
    /// The columns, each with the type that holds the values of every file.
    fn schema(&self) -> &SchemaRef;

    /// Starts a pass over the data. The source must outlive it.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] when a requested column does not exist.
    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>>;

    /// The files behind the source, in the order they are read. They are watched for changes, and no output goes over them.
    fn inputs(&self) -> Vec<InputFile>;

    /// The type in which [`ScanRequest::verbatim`] delivers column `index` of the schema.
    fn verbatim_type(&self, index: usize) -> DataType {
        self.schema().field(index).data_type().clone()
    }

    /// What is known without reading the data; nothing unless it says so.
    fn summary(&self) -> Summary {
        Summary::unknown(self.schema().fields().len())
    }

    /// Bytes that a scan for `request` reads, about: all files unless it says otherwise.
    fn bytes_to_read(&self, _request: &ScanRequest) -> u64 {
        self.inputs().iter().map(|input| input.bytes).sum()
    }

    /// How many of the pages read so far carry a checksum.
    fn checksums(&self) -> Checksums {
        Checksums::default()
    }

    /// What all scans so far have read and passed over. Other threads may be at work; each count is right
    /// once they are done.
    fn counts(&self) -> ReadCounts {
        ReadCounts::default()
    }

    /// What speaks against taking a column of text for one of categories. Nothing unless it says so.
    fn doubt(&self, _column: &str) -> Option<Doubt> {
        None
    }

    /// The levels of a column of text in the order that its writer gave them: those of an ordered category. `None` where
    /// nobody gave one; empty where one was given and is not in the file. Of rows that come once none is taken.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn level_order(&self, _column: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// What is to be known of the data set as a whole, such as files that were passed over: a sentence each.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether [`Source::scan`] can be called again; false for a pipe.
    fn reopens(&self) -> bool {
        true
    }

    /// Whether a filter leaves rows out, so that the numbers of the rows are not those in the files.
    fn filters(&self) -> bool {
        false
    }

    /// Fails when a file is no longer the one that was opened (size, times or identity differ).
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], [`ErrorKind::Io`].
    fn verify_unchanged(&self) -> Result<()> {
        self.inputs().iter().try_for_each(InputFile::verify_unchanged)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn schema(&self) -> &SchemaRef {
        (**self).schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        (**self).scan(request)
    }

    fn inputs(&self) -> Vec<InputFile> {
        (**self).inputs()
    }

    fn verbatim_type(&self, index: usize) -> DataType {
        (**self).verbatim_type(index)
    }

    fn summary(&self) -> Summary {
        (**self).summary()
    }

    fn bytes_to_read(&self, request: &ScanRequest) -> u64 {
        (**self).bytes_to_read(request)
    }

    fn checksums(&self) -> Checksums {
        (**self).checksums()
    }

    fn counts(&self) -> ReadCounts {
        (**self).counts()
    }

    fn doubt(&self, column: &str) -> Option<Doubt> {
        (**self).doubt(column)
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        (**self).level_order(column)
    }

    fn warnings(&self) -> Vec<String> {
        (**self).warnings()
    }

    fn reopens(&self) -> bool {
        (**self).reopens()
    }

    fn filters(&self) -> bool {
        (**self).filters()
    }

    fn verify_unchanged(&self) -> Result<()> {
        (**self).verify_unchanged()
    }
}

/// The dictionary of a column in its first batch, if it has one of text.
pub(crate) fn first_dictionary(source: &dyn Source, column: &str) -> Result<Option<Vec<String>>> {
    // A batch of several row groups has a dictionary of its own.
    let scan = source.scan(&ScanRequest::new([column]).dictionaries([column]).batch_rows(1))?;
    let Some(partition) = scan.next_partition() else { return Ok(None) };
    let Some(batch) = partition?.batches.next() else { return Ok(None) };
    let batch = batch?;
    let dictionary = batch.column(0).as_any_dictionary_opt().map(|array| array.values());
    let values = dictionary.and_then(|values| values.as_string_opt::<i32>());
    Ok(values.map(|values| values.iter().flatten().map(str::to_owned).collect()))
}

/// Why a column is text although most of its cells are numbers, or dates and times: some cell is neither.
#[derive(Debug)]
#[non_exhaustive]
pub struct Doubt {
    /// The error for making a feature or a response of the column: it shows the cell, its line and the way out.
    pub error: Error,
    /// Whether nearly all cells are numbers.
    pub nearly_number: bool,
}

impl Doubt {
    /// The error for a column that would be a feature if it were one of numbers.
    pub fn or_exclude(self, column: &str) -> Error {
        self.error.and_help(format!("--exclude {} leaves it out", shell_word(column)))
    }
}

/// What one pass reads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanRequest {
    /// Names of the columns, in the order the batches shall have them.
    pub columns: Vec<String>,
    /// Names of columns to append behind them exactly as the file has them: text from a CSV file,
    /// the column's own type from a Parquet file. May repeat names of `columns`.
    pub verbatim: Vec<String>,
    /// Names among `columns` whose text may come as `Dictionary(Int32, Utf8)`, so that nobody makes a
    /// string for every row. This is a permission: where the file has no dictionary the column is `Utf8`,
    /// so a consumer must take both, and the type may differ between the files of a data set. Batches of
    /// a Parquet row group share one values array (the same `Arc`) as long as its pages use the
    /// dictionary; where pages are plain, each batch has a dictionary of its own.
    pub dictionaries: Vec<String>,
    /// What rows must fulfil that anyone wants. A source leaves out row groups and files of which it can
    /// tell that no row does, and delivers everything else; the exact filter is its owner's business.
    pub prune: Option<Arc<Predicate>>,
    /// Whether the consumer needs to know the numbers of the rows ([`Partition::numbers`]). Some sources must count
    /// for it, and none leaves out a file whose rows nobody has counted.
    pub row_numbers: bool,
    /// In which order partitions come.
    pub order: PartitionOrder,
    /// The most rows that a partition should have, where the format lets it be cut so; the reader's default where absent.
    pub partition_rows: Option<u64>,
    /// Rows of a record batch at most; a matter of memory and speed, never of results.
    pub batch_rows: usize,
    /// What is read ahead: a data set hands it to its files.
    pub(crate) ahead: Option<Arc<ReadAhead>>,
}

impl PartitionOrder {
    /// A scan whose partitions cost nothing before their first batch, in this order.
    ///
    /// # Errors
    /// Those of its partitions.
    pub(crate) fn of<'s>(self, scan: Box<dyn Scan + 's>) -> Result<Box<dyn Scan + 's>> {
        let Self::Shuffled(seed) = self else { return Ok(scan) };
        let mut partitions = Vec::new();
        while let Some(partition) = scan.next_partition() {
            partitions.push(partition?);
        }
        // Fisher & Yates, with the numbers of SplitMix64 (Steele, Lea & Flood 2014).
        let mut state = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((u128::from(z ^ (z >> 31)) * bound as u128) >> 64) as usize
        };
        for i in (1..partitions.len()).rev() {
            partitions.swap(i, below(i + 1));
        }
        partitions.iter_mut().enumerate().for_each(|(index, partition)| partition.index = index);
        Ok(Box::new(Collected { partitions: Mutex::new(partitions.into_iter()) }))
    }
}

/// Partitions that were all taken beforehand.
struct Collected {
    partitions: Mutex<std::vec::IntoIter<Partition>>,
}

impl Scan for Collected {
    fn next_partition(&self) -> Option<Result<Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).next().map(Ok)
    }
}

/// The order of the partitions of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionOrder {
    /// As they are stored: file after file, row after row.
    #[default]
    Stored,
    /// A pseudo-random order that the seed and the cuts of the files decide. Parquet and Arrow IPC files can be entered
    /// anywhere; others are read as they are stored.
    Shuffled(u64),
}

impl ScanRequest {
    /// A pass over the named columns with the default batch size.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            verbatim: Vec::new(),
            dictionaries: Vec::new(),
            prune: None,
            row_numbers: false,
            order: PartitionOrder::Stored,
            partition_rows: None,
            batch_rows: DEFAULT_BATCH_ROWS,
            ahead: None,
        }
    }
}

impl ScanRequest {
    /// Appends columns as the file has them: [`ScanRequest::verbatim`].
    #[must_use]
    pub fn verbatim<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.verbatim = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Permits dictionaries: [`ScanRequest::dictionaries`].
    #[must_use]
    pub fn dictionaries<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.dictionaries = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what rows must fulfil: [`ScanRequest::prune`].
    #[must_use]
    pub fn prune(mut self, predicate: Predicate) -> Self {
        self.prune = Some(Arc::new(predicate));
        self
    }

    /// Asks for the numbers of the rows: [`ScanRequest::row_numbers`].
    #[must_use]
    pub fn numbered(mut self) -> Self {
        self.row_numbers = true;
        self
    }

    /// Rows of a record batch at most.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// What reads ahead for this scan; made for `bytes` where no data set did.
    pub(crate) fn ahead(&self, bytes: impl FnOnce() -> u64) -> Arc<ReadAhead> {
        self.ahead.clone().unwrap_or_else(|| Arc::new(ReadAhead::new(bytes())))
    }

    /// Whether it is known beforehand that no row passes.
    pub fn wants_nothing(&self) -> bool {
        self.prune.as_deref() == Some(&Predicate::Never)
    }
}

/// A scan without partitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPartitions;

impl Scan for NoPartitions {
    fn next_partition(&self) -> Option<Result<Partition>> {
        None
    }
}

/// Position of the column `name` in `schema`.
///
/// # Errors
/// [`ErrorKind::Column`] that names the missing column, and those that may be meant; also where two have the name.
pub fn position(schema: &arrow_schema::Schema, name: &str) -> Result<usize> {
    let mut found = schema.fields().iter().enumerate().filter(|(_, f)| f.name() == name);
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some((first, _)), Some((second, _))) => {
            let message = format!("ambiguous: columns {} and {} have this name", first + 1, second + 1);
            Err(Error::new(ErrorKind::Column, message).in_column(name))
        }
        (None, _) => {
            let known = schema.fields().iter().map(|f| f.name().as_str());
            Err(Error::new(ErrorKind::Column, "no such column")
                .in_column(name)
                .with_help(suggestion(name, known, "columns")))
        }
    }
}

/// One pass over a source: a queue of partitions, shared by all threads that work on it.
///
/// Partitions are cut by the content of the files and what [`ScanRequest::prune`] leaves of it, so their
/// number, order and rows are the same for any number of threads and any batch size.
pub trait Scan: Send + Sync {
    /// The next partition, or `None` after the last. Indices run from 0 without gaps.
    fn next_partition(&self) -> Option<Result<Partition>>;
}

/// A run of consecutive rows of one file.
#[non_exhaustive]
pub struct Partition {
    /// Position in the order of the data set.
    pub index: usize,
    /// The file the rows come from, as the user named it; empty where there is none.
    pub path: Arc<str>,
    /// The numbers of its rows, where they are known.
    pub numbers: RowNumbers,
    /// The rows. Every batch has the columns of the request, in its order, the verbatim ones last.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
    /// Finds out what will be read first, so that it can be read before it is wanted.
    pub(crate) prepare: Option<Box<dyn FnOnce() + Send>>,
}

impl Partition {
    /// The partition at position `index`; of no file, its rows not numbered.
    pub fn new(index: usize, batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static) -> Self {
        let batches = Box::new(batches);
        Self { index, path: "".into(), numbers: RowNumbers::Unknown, batches, prepare: None }
    }

    /// Sets the numbers of its rows.
    #[must_use]
    pub fn numbered(mut self, numbers: RowNumbers) -> Self {
        self.numbers = numbers;
        self
    }
}

/// The numbers of a partition's rows: positions in the data set, from 0 on, file after file. Rows that a filter leaves
/// out are counted, so that a row has the same number under any filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RowNumbers {
    /// Nobody has counted.
    #[default]
    Unknown,
    /// Consecutive ones.
    Run(Range<u64>),
    /// Those of a UInt64 column behind all others of the batches, as a filter leaves them.
    Column,
}

impl RowNumbers {
    /// Behind `rows` further rows.
    pub(crate) fn after(self, rows: u64) -> Self {
        match self {
            Self::Run(own) => Self::Run(own.start + rows..own.end + rows),
            other => other,
        }
    }
}
