//! NDJSON files: an object of JSON on every line, parsed in parallel. Files may be compressed with gzip or Zstandard.
//!
//! The columns and their types are those of the first 10,000 lines: booleans, int64, float64 or text. A later value of
//! another type is an error that names its line. A key that first occurs later is no column; a key that a line lacks is
//! null. Empty lines are passed over. The entries of an object `a` are columns `a.b`; arrays have a column, which cannot be read.
//!
//! Text is cut into chunks behind line ends, under a lock; the rest happens on the thread that asks for the rows.

mod line;
mod sample;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};

use self::line::{Column, Keys};
use self::sample::{Sample, SampledColumn};
use crate::csv::DEFAULT_CHUNK_BYTES;
use crate::csv::chunk::Chunker;
use crate::csv::input::Input;
use crate::error::{Error, ErrorKind, Result};
use crate::lines::{LineFormat, LineScan, Lines};
use crate::source::{InputFile, NoPartitions, ReadCounts, Scan, ScanRequest, Source, Summary, position};
use crate::storage::ahead::ReadAhead;

/// One NDJSON file.
#[derive(Debug)]
pub struct NdJsonFile {
    input: Input,
    schema: SchemaRef,
    columns: Vec<SampledColumn>,
    bytes_read: Arc<AtomicU64>,
}

impl NdJsonFile {
    /// Opens a file and settles the types of its columns. Those that have no value in the sample are of the types in
    /// `types`, if they are there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Malformed`] for a line of the sample that is no object of JSON.
    pub fn open(path: &Path, types: &[(String, DataType)]) -> Result<Self> {
        let open = || {
            let input = Input::open(path)?;
            let reader = input.reader(0, &Arc::default(), &ReadAhead::new(0))?;
            let mut chunks = Chunker::without_quotes(reader, DEFAULT_CHUNK_BYTES);
            let sample = Sample::read(&mut chunks)?;
            let columns = sample.columns(types);
            let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>());
            Ok(Self { input, schema: Arc::new(schema), columns, bytes_read: Arc::default() })
        };
        open().map_err(|e: Error| e.at_path(path))
    }

    /// Columns of which the sample has no value.
    pub fn blank_columns(&self) -> impl Iterator<Item = &str> {
        let fields = self.schema.fields().iter();
        fields.filter(|field| field.data_type() == &DataType::Null).map(|field| field.name().as_str())
    }

    /// The position of a column that can be read.
    fn readable(&self, name: &str) -> Result<usize> {
        let index = position(&self.schema, name)?;
        match &self.columns[index].problem {
            None => Ok(index),
            Some(problem) => Err(Error::new(ErrorKind::Unsupported, problem).in_column(name)),
        }
    }
}

impl Source for NdJsonFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let at_path = |e: Error| e.at_path(self.input.path());
        let names = request.columns.iter().chain(&request.verbatim);
        let output = names.map(|name| self.readable(name)).collect::<Result<Vec<_>>>().map_err(at_path)?;
        if request.wants_nothing() {
            return Ok(Box::new(NoPartitions));
        }
        self.input.verify_unchanged()?;
        let reader = self
            .input
            .reader(0, &self.bytes_read, &request.ahead(|| self.bytes_to_read(request)))
            .map_err(at_path)?;
        let fields: Vec<_> = output.iter().map(|&column| self.schema.field(column).clone()).collect();
        let mut wanted = output.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let keys = wanted.iter().map(|&column| self.columns[column].path.clone());
        let plan = Plan {
            keys: Keys::new(keys),
            kinds: wanted.iter().map(|&column| self.schema.field(column).data_type().clone()).collect(),
            output: output.iter().map(|column| wanted.partition_point(|other| other < column)).collect(),
            schema: Arc::new(Schema::new(fields)),
            batch_rows: request.batch_rows.max(1),
            path: self.input.path().to_string_lossy().into(),
        };
        let chunker = Chunker::without_quotes(reader, DEFAULT_CHUNK_BYTES);
        Ok(Box::new(LineScan::new(chunker, request.row_numbers, plan)))
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.input.file().clone()]
    }

    fn summary(&self) -> Summary {
        let columns = self.schema.fields().len();
        Summary {
            null_counts: vec![None; columns],
            decode_bytes: vec![0; columns],
            partition_bytes: 2 * DEFAULT_CHUNK_BYTES as u64,
            ..Summary::default()
        }
    }

    fn counts(&self) -> ReadCounts {
        ReadCounts { bytes: self.bytes_read.load(Ordering::Relaxed), ..ReadCounts::default() }
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.input.verify_unchanged()
    }
}

/// What a scan delivers.
struct Plan {
    /// The keys that are read.
    keys: Keys,
    /// Their types.
    kinds: Vec<DataType>,
    /// For every column of a batch, which of the keys it is.
    output: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    path: Arc<str>,
}

impl LineFormat for Plan {
    fn is_row(line: &[u8]) -> bool {
        !line.trim_ascii().is_empty()
    }

    fn path(&self) -> &Arc<str> {
        &self.path
    }

    fn batch(&self, lines: &mut Lines) -> Result<Option<RecordBatch>> {
        let mut columns: Vec<Column> = self.kinds.iter().map(Column::new).collect();
        let mut rows = 0;
        while rows < self.batch_rows {
            let read = |line: &[u8]| match Self::is_row(line) {
                true => self.keys.read(line, &mut columns).map(|()| true),
                false => Ok(false),
            };
            let Some(row) = lines.next(read).transpose()? else { break };
            rows += usize::from(row);
            columns.iter_mut().for_each(|column| column.fill(rows));
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays: Vec<ArrayRef> = columns.iter_mut().map(Column::finish).collect();
        let output = self.output.iter().map(|&column| Arc::clone(&arrays[column])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), output, &options);
        batch.map(Some).map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
    }
}
