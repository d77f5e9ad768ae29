//! Arrow IPC files (Feather, version 2).
//!
//! A file is a list of record batches, each of which is read and decoded as a whole: unlike the row groups of
//! Parquet they have no pages. So memory is a record batch a thread, as large as the writer made it
//! ([`Summary::partition_bytes`]). A partition is a run of small record batches or one large one; their rows
//! are known from the headers, which opening a file reads.
//!
//! The stream format, which has no list of its batches, is not read.

mod check;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use self::check::{check_batch, check_places, check_schema};
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_COLUMNS, MAX_FOOTER_BYTES, MAX_IPC_BATCH_BYTES, MAX_ROWS};
use crate::source::{
    InputFile, NoPartitions, Partition, ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary,
    first_dictionary, position,
};
use crate::storage;
use crate::storage::ahead::ReadAhead;

/// The bytes that a file begins and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";

/// Consecutive record batches are joined into one partition until it has this many rows.
const MIN_PARTITION_ROWS: u64 = 1 << 15;

/// An open Arrow IPC file.
pub struct IpcFile {
    file: InputFile,
    /// The columns as they are delivered.
    schema: SchemaRef,
    /// The columns as they are stored.
    stored: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Arc<[Batch]>,
    bytes_read: Arc<AtomicU64>,
}

/// A record batch of a file.
#[derive(Clone, Copy)]
struct Batch {
    block: Block,
    rows: u64,
}

impl IpcFile {
    /// Opens a file: reads its footer and the headers of its record batches.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Malformed`], [`ErrorKind::Limit`] for what the footer or a header
    /// says.
    pub fn open(path: &Path) -> Result<Self> {
        contain(|| Self::open_inner(path)).map_err(|e| e.at_path(path))
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let mut file = storage::open(path)?;
        let found = InputFile::found(path, &file.metadata().map_err(|e| Error::io(path, e))?);
        let footer = footer_bytes(&mut file, found.bytes)?;
        let footer = arrow_ipc::root_as_footer(&footer)
            .map_err(|e| malformed(format!("the footer is damaged: {e}")))?;
        let schema = footer.schema().ok_or_else(|| malformed("the footer has no schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(Error::new(ErrorKind::Unsupported, "numbers in the other byte order are not read"));
        }
        let stored = arrow_ipc::convert::try_fb_to_schema(schema).map_err(|e| of_arrow(&e))?;
        if let Some(front) = front_schema(&mut file, found.bytes)? {
            check_schema(&front, &stored)?;
        }
        let schema = delivered(&stored)?;
        let dictionaries: Vec<Block> = footer.dictionaries().into_iter().flatten().copied().collect();
        let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
        let mut batches = Vec::new();
        let mut rows = 0;
        for block in blocks {
            check_block(&block, found.bytes)?;
            let count = batch_rows(&mut file, &block)?;
            rows += count;
            if rows > MAX_ROWS.unsigned_abs() {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("more than {MAX_ROWS} rows are beyond the limit"),
                ));
            }
            batches.push(Batch { block, rows: count });
        }
        dictionaries.iter().try_for_each(|block| check_block(block, found.bytes))?;
        check_places(dictionaries.iter().chain(batches.iter().map(|batch| &batch.block)))?;
        Ok(Self {
            file: found.with_rows(rows),
            schema: Arc::new(schema),
            stored: Arc::new(stored),
            version: footer.version(),
            dictionaries,
            batches: batches.into(),
            bytes_read: Arc::default(),
        })
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

fn of_arrow(error: &ArrowError) -> Error {
    malformed(error.to_string())
}

/// The bytes of the footer, between the last record batch and the length and magic bytes at the end.
fn footer_bytes(file: &mut File, bytes: u64) -> Result<Vec<u8>> {
    let not_ipc =
        "not an Arrow IPC file: it must begin and end with ARROW1 (cut short while it was written?)";
    let (mut head, mut tail) = ([0; 6], [0; 10]);
    if bytes < 18 {
        return Err(malformed(not_ipc).with_help("the stream format is not read"));
    }
    read_at(file, 0, &mut head)?;
    read_at(file, bytes - 10, &mut tail)?;
    if &head != MAGIC || &tail[4..] != MAGIC {
        return Err(malformed(not_ipc).with_help("the stream format is not read"));
    }
    let length = read_footer_length(tail).map_err(|e| of_arrow(&e))?;
    if length as u64 > bytes - 18 {
        return Err(malformed("the footer is longer than the file"));
    }
    if length as u64 > MAX_FOOTER_BYTES {
        let message = format!("a footer of {length} bytes is beyond the limit of {MAX_FOOTER_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut footer = vec![0; length];
    read_at(file, bytes - 10 - length as u64, &mut footer)?;
    Ok(footer)
}

fn read_at(file: &mut File, at: u64, buffer: &mut [u8]) -> Result<()> {
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(buffer));
    read.map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => malformed("the file ends where data should be"),
        _ => Error::new(ErrorKind::Io, e.to_string()),
    })
}

/// The columns as they are delivered: text is `Utf8`, however it is stored.
fn delivered(stored: &Schema) -> Result<Schema> {
    let fields = stored.fields();
    if fields.is_empty() {
        return Err(malformed("the file has no columns"));
    }
    if fields.len() > MAX_COLUMNS {
        let message = format!("{} columns are beyond the limit of {MAX_COLUMNS}", fields.len());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let plain = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            kind if is_text(kind) => DataType::Utf8,
            DataType::Dictionary(_, values) if is_text(values) => DataType::Utf8,
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            kind => kind.clone(),
        };
        Field::new(field.name(), kind, field.is_nullable())
    };
    Ok(Schema::new(fields.iter().map(plain).collect::<Vec<_>>()))
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A block must lie in the file and within the limits.
fn check_block(block: &Block, bytes: u64) -> Result<()> {
    let (offset, header, body) = (block.offset(), block.metaDataLength(), block.bodyLength());
    let length = i64::from(header).checked_add(body);
    let end = length.and_then(|length| offset.checked_add(length));
    let inside = offset >= 0 && header >= 8 && body >= 0 && end.is_some_and(|end| end as u64 <= bytes);
    if !inside {
        return Err(malformed("a record batch lies outside the file"));
    }
    let length = length.unwrap_or(0).unsigned_abs();
    if length > MAX_IPC_BATCH_BYTES {
        let message =
            format!("a record batch of {length} bytes is beyond the limit of {MAX_IPC_BATCH_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// A message's header behind its length, and the continuation marker that newer files put first.
fn message(header: &[u8]) -> Result<arrow_ipc::Message<'_>> {
    let start = if header.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let header = header.get(start..).unwrap_or_default();
    arrow_ipc::root_as_message(header).map_err(|e| malformed(format!("a record batch is damaged: {e}")))
}

/// The rows of a record batch, from its header.
fn batch_rows(file: &mut File, block: &Block) -> Result<u64> {
    let mut header = vec![0; block.metaDataLength().unsigned_abs() as usize];
    read_at(file, block.offset().unsigned_abs(), &mut header)?;
    let message = message(&header)?;
    let batch = message.header_as_record_batch().ok_or_else(|| malformed("a record batch has no header"))?;
    u64::try_from(batch.length()).map_err(|_| malformed(format!("a record batch of {} rows", batch.length())))
}

/// Reads a block whose message is of `fields`, and checks it before it is decoded; without fields it is a dictionary.
fn read_block(file: &mut File, block: &Block, fields: Option<&Schema>) -> Result<Buffer> {
    let header = block.metaDataLength().unsigned_abs() as usize;
    let length = header + block.bodyLength().unsigned_abs() as usize;
    // Reading up to a limit fills fresh memory without clearing it first.
    let mut bytes = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(block.offset().unsigned_abs()))
        .and_then(|_| file.take(length as u64).read_to_end(&mut bytes))
        .map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
    if bytes.len() < length {
        return Err(malformed("the file ends inside a record batch"));
    }
    let message = message(&bytes[..header])?;
    if message.bodyLength() != block.bodyLength() {
        let (here, there) = (message.bodyLength(), block.bodyLength());
        return Err(malformed(format!("a record batch of {here} bytes, of which the footer says {there}")));
    }
    let batch = match fields {
        Some(_) => message.header_as_record_batch(),
        None => message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()),
    };
    let batch = batch.ok_or_else(|| malformed("a record batch has no header"))?;
    let fields: Option<Vec<&Field>> =
        fields.map(|schema| schema.fields().iter().map(AsRef::as_ref).collect());
    check_batch(&batch, fields.as_deref(), &bytes[header..])?;
    Ok(bytes.into())
}

/// Bytes among which the first message begins: writers align it to up to 64.
const MOST_FILLED: u64 = 128;

/// The schema that stands at the front of a file, where there is one.
fn front_schema(file: &mut File, bytes: u64) -> Result<Option<Schema>> {
    // Behind the magic bytes, filled up with zeros: a marker, the length of the message, the message.
    let mut start = vec![0; bytes.min(MOST_FILLED) as usize];
    read_at(file, 0, &mut start)?;
    let filled = start[MAGIC.len()..].iter().take_while(|&&byte| byte == 0).count();
    let at = MAGIC.len() + filled;
    let Some(&[0xff, 0xff, 0xff, 0xff, a, b, c, d]) = start[at..].first_chunk::<8>() else { return Ok(None) };
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > MAX_FOOTER_BYTES || at as u64 + 8 + length > bytes {
        return Err(malformed("the schema at the front is longer than the file"));
    }
    let mut header = vec![0; length as usize];
    read_at(file, at as u64 + 8, &mut header)?;
    let message = arrow_ipc::root_as_message(&header);
    let message = message.map_err(|e| malformed(format!("the schema at the front is damaged: {e}")))?;
    let schema = message.header_as_schema().ok_or_else(|| malformed("there is no schema at the front"))?;
    arrow_ipc::convert::try_fb_to_schema(schema).map(Some).map_err(|e| of_arrow(&e))
}

impl Source for IpcFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let at_path = |e: Error| e.at_path(&self.file.path);
        let find = |name: &String| position(&self.schema, name);
        let wanted = request.columns.iter().chain(&request.verbatim).map(find);
        let wanted: Vec<usize> = wanted.collect::<Result<_>>().map_err(at_path)?;
        if request.wants_nothing() {
            return Ok(Box::new(NoPartitions));
        }
        // Dictionaries are whole before the first batch: an IPC file may extend them in any place.
        let decoder = contain(|| self.decoder(&wanted)).map_err(at_path)?;
        let keep =
            |(i, name): (usize, &String)| i < request.columns.len() && request.dictionaries.contains(name);
        let names = request.columns.iter().chain(&request.verbatim);
        let plan = Plan {
            decoder,
            ahead: request.ahead(|| self.bytes_to_read(request)),
            stored: Arc::clone(&self.stored),
            keep_dictionary: names.enumerate().map(keep).collect(),
            batch_rows: request.batch_rows.max(1),
            path: self.file.path.to_string_lossy().into(),
        };
        let pieces = pieces(&self.batches);
        request.order.of(Box::new(IpcScan {
            ipc: self,
            plan: Arc::new(plan),
            pieces,
            next: AtomicUsize::new(0),
        }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.file.clone()]
    }

    fn summary(&self) -> Summary {
        let columns = self.schema.fields().len();
        let largest = self.batches.iter().map(|batch| batch.block.bodyLength().unsigned_abs()).max();
        Summary {
            rows: self.file.rows,
            null_counts: vec![None; columns],
            decode_bytes: vec![0; columns],
            partition_bytes: largest.unwrap_or(0),
            ..Summary::default()
        }
    }

    fn counts(&self) -> ReadCounts {
        ReadCounts { bytes: self.bytes_read.load(Ordering::Relaxed), ..ReadCounts::default() }
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        let field = self.stored.field(position(&self.schema, column)?);
        match field.dict_is_ordered() {
            Some(true) => first_dictionary(self, column),
            _ => Ok(None),
        }
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.file.verify_unchanged()
    }
}

impl IpcFile {
    /// A decoder of the columns at `wanted`, with all dictionaries.
    fn decoder(&self, wanted: &[usize]) -> Result<FileDecoder> {
        let mut file = self.file.open_unchanged()?;
        let mut decoder = FileDecoder::new(Arc::clone(&self.stored), self.version);
        for block in &self.dictionaries {
            let bytes = read_block(&mut file, block, None)?;
            decoder.read_dictionary(block, &bytes).map_err(|e| of_arrow(&e))?;
            self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(decoder.with_projection(wanted.to_vec()))
    }
}

/// Runs of record batches that make a partition.
fn pieces(batches: &[Batch]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut rows = u64::MAX;
    for (index, batch) in batches.iter().enumerate() {
        match pieces.last_mut() {
            Some(last) if rows < MIN_PARTITION_ROWS => {
                last.end = index + 1;
                rows += batch.rows;
            }
            _ => {
                pieces.push(index..index + 1);
                rows = batch.rows;
            }
        }
    }
    pieces
}

/// What is done to each record batch of a scan.
struct Plan {
    decoder: FileDecoder,
    ahead: Arc<ReadAhead>,
    /// The columns of the file as they are stored.
    stored: SchemaRef,
    /// For each column that is delivered whether its dictionary stays.
    keep_dictionary: Vec<bool>,
    batch_rows: usize,
    path: Arc<str>,
}

struct IpcScan<'a> {
    ipc: &'a IpcFile,
    plan: Arc<Plan>,
    pieces: Vec<Range<usize>>,
    next: AtomicUsize,
}

impl Scan for IpcScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces.get(index)?;
        let batches = IpcBatches {
            plan: Arc::clone(&self.plan),
            bytes_read: Arc::clone(&self.ipc.bytes_read),
            input: self.ipc.file.clone(),
            file: None,
            batches: Arc::clone(&self.ipc.batches),
            left: piece.clone(),
            current: None,
        };
        let rows = |range: &[Batch]| range.iter().map(|batch| batch.rows).sum::<u64>();
        let first = rows(&self.ipc.batches[..piece.start]);
        let numbers = RowNumbers::Run(first..first + rows(&self.ipc.batches[piece.clone()]));
        let path = Arc::clone(&self.plan.path);
        Some(Ok(Partition { path, ..Partition::new(index, batches).numbered(numbers) }))
    }
}

/// The rows of one partition, in slices of its record batches.
struct IpcBatches {
    plan: Arc<Plan>,
    bytes_read: Arc<AtomicU64>,
    input: InputFile,
    /// Opened for the first batch, on the thread that decodes.
    file: Option<File>,
    batches: Arc<[Batch]>,
    /// Those that are still to be read.
    left: Range<usize>,
    current: Option<RecordBatch>,
}

impl IpcBatches {
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.take().filter(|batch| batch.num_rows() > 0) {
                let rows = batch.num_rows().min(self.plan.batch_rows);
                self.current = Some(batch.slice(rows, batch.num_rows() - rows));
                return self.plan.deliver(&batch.slice(0, rows)).map(Some);
            }
            let next = self.left.next().and_then(|index| self.batches.get(index));
            let Some(&Batch { block, rows }) = next else { return Ok(None) };
            let file = match &mut self.file {
                Some(file) => file,
                closed => closed.insert(self.input.open_unchanged()?),
            };
            let bytes = read_block(file, &block, Some(&self.plan.stored))?;
            let start = block.offset().unsigned_abs();
            self.plan.ahead.let_go(file, start..start + bytes.len() as u64);
            self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let batch = self.plan.decoder.read_record_batch(&block, &bytes).map_err(|e| of_arrow(&e))?;
            let batch = batch.ok_or_else(|| malformed("a record batch has no header"))?;
            if batch.num_rows() as u64 != rows {
                return Err(malformed(format!("{} rows in a record batch of {rows}", batch.num_rows())));
            }
            self.current = Some(batch);
        }
    }
}

impl Iterator for IpcBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = contain(|| self.step());
        if outcome.is_err() {
            self.left = 0..0;
            self.current = None;
        }
        outcome.map_err(|e| e.at_path(Path::new(self.plan.path.as_ref()))).transpose()
    }
}

impl Plan {
    /// Columns in the types of the schema, but for dictionaries that are wanted.
    fn deliver(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        let mut fields = Vec::with_capacity(batch.num_columns());
        for (i, column) in batch.columns().iter().enumerate() {
            let name = batch.schema_ref().field(i).name();
            let kept = self.keep_dictionary.get(i).is_some_and(|&keep| keep);
            let column = plain(column, kept).map_err(|e| e.in_column(name))?;
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|e| of_arrow(&e))
    }
}

/// Narrow keys of a dictionary, as pandas writes them, as those that were promised.
fn wide_keys(keys: &dyn Array) -> Option<Int32Array> {
    macro_rules! from {
        ($kind:ident) => {
            Some(keys.as_primitive::<$kind>().unary(i32::from))
        };
    }
    match keys.data_type() {
        DataType::Int8 => from!(Int8Type),
        DataType::Int16 => from!(Int16Type),
        DataType::UInt8 => from!(UInt8Type),
        DataType::UInt16 => from!(UInt16Type),
        DataType::Int32 => Some(keys.as_primitive::<Int32Type>().clone()),
        DataType::UInt32 => keys.as_primitive::<UInt32Type>().try_unary(i32::try_from).ok(),
        _ => None,
    }
}

/// A column without its dictionary, unless that is kept and of the type that was promised; text as `Utf8`.
fn plain(column: &ArrayRef, keep_dictionary: bool) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(keys, values)
            if keep_dictionary && **keys == DataType::Int32 && **values == DataType::Utf8 =>
        {
            Ok(Arc::clone(column))
        }
        DataType::Dictionary(_, values) if keep_dictionary && is_text(values) => {
            let dictionary = column.as_any_dictionary();
            match wide_keys(dictionary.keys()) {
                Some(keys) => {
                    let values = plain(dictionary.values(), false)?;
                    let wide = DictionaryArray::<Int32Type>::try_new(keys, values);
                    Ok(Arc::new(wide.map_err(|e| of_arrow(&e))?))
                }
                None => plain(column, false),
            }
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let taken = arrow_select::take::take(dictionary.values(), dictionary.keys(), None);
            plain(&taken.map_err(|e| of_arrow(&e))?, false)
        }
        DataType::LargeUtf8 => Ok(Arc::new(column.as_string::<i64>().iter().collect::<StringArray>())),
        DataType::Utf8View => Ok(Arc::new(column.as_string_view().iter().collect::<StringArray>())),
        _ => Ok(Arc::clone(column)),
    }
}
