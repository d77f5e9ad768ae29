//! libsvm (svmlight) files: sparse rows as text, parsed in parallel.
//!
//! A line is `label index:value index:value ... # comment`. The columns are `label` (float64), and as lists of equal length
//! `indices` (uint32, as they are written: many files count from 1) and `values` (float64). Indices may come in any order,
//! and more than once. `qid:7` is passed over, as are empty lines and lines of nothing but a comment. A label may be missing:
//! it is null then. Numbers are spelled as in CSV files. Files may be compressed with gzip or Zstandard.
//!
//! Text is cut into chunks behind line ends, under a lock; the rest happens on the thread that asks for the rows.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{Float64Builder, ListBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::csv::chunk::Chunker;
use crate::csv::input::Input;
use crate::csv::{DEFAULT_CHUNK_BYTES, number};
use crate::error::{Error, ErrorKind, Result};
use crate::lines::{LineFormat, LineScan, Lines};
use crate::source::{InputFile, NoPartitions, ReadCounts, Scan, ScanRequest, Source, Summary, position};

/// Largest index.
const MAX_INDEX: u64 = u32::MAX as u64 - 1;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let list = |kind| DataType::List(Arc::new(Field::new("item", kind, true)));
    Arc::new(Schema::new(vec![
        Field::new("label", DataType::Float64, true),
        Field::new("indices", list(DataType::UInt32), true),
        Field::new("values", list(DataType::Float64), true),
    ]))
});

/// One libsvm file.
#[derive(Debug)]
pub struct LibsvmFile {
    input: Input,
    bytes_read: Arc<AtomicU64>,
}

impl LibsvmFile {
    /// Opens a file. What its lines hold is seen when they are read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Request`] for what is no regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let input = Input::open(path).map_err(|e| e.at_path(path))?;
        Ok(Self { input, bytes_read: Arc::default() })
    }
}

impl Source for LibsvmFile {
    fn schema(&self) -> &SchemaRef {
        &SCHEMA
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let at_path = |e: Error| e.at_path(self.input.path());
        let find = |name: &String| position(&SCHEMA, name);
        let columns = request.columns.iter().map(find).collect::<Result<Vec<_>>>().map_err(at_path)?;
        let verbatim = request.verbatim.iter().map(find).collect::<Result<Vec<_>>>().map_err(at_path)?;
        if request.wants_nothing() {
            return Ok(Box::new(NoPartitions));
        }
        self.input.verify_unchanged()?;
        let reader = self
            .input
            .reader(0, &self.bytes_read, &request.ahead(|| self.bytes_to_read(request)))
            .map_err(at_path)?;
        let fields = columns.iter().map(|&column| SCHEMA.field(column).clone());
        // Verbatim columns come as text, as they do from a CSV file.
        let texts =
            verbatim.iter().map(|&column| Field::new(SCHEMA.field(column).name(), DataType::Utf8, true));
        let plan = Plan {
            schema: Arc::new(Schema::new(fields.chain(texts).collect::<Vec<_>>())),
            columns,
            verbatim,
            batch_rows: request.batch_rows.max(1),
            path: self.input.path().to_string_lossy().into(),
        };
        let chunker = Chunker::without_quotes(reader, DEFAULT_CHUNK_BYTES);
        Ok(Box::new(LineScan::new(chunker, request.row_numbers, plan)))
    }

    fn verbatim_type(&self, _index: usize) -> DataType {
        DataType::Utf8
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.input.file().clone()]
    }

    fn summary(&self) -> Summary {
        Summary {
            null_counts: vec![None; 3],
            decode_bytes: vec![0; 3],
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
    columns: Vec<usize>,
    verbatim: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    path: Arc<str>,
}

/// What a line says: without its comment, and without blanks around it.
fn content(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    line[..end].trim_ascii()
}

/// Columns under construction.
#[derive(Default)]
struct Columns {
    rows: usize,
    label: Float64Builder,
    indices: ListBuilder<UInt32Builder>,
    values: ListBuilder<Float64Builder>,
    /// Labels, indices and values as they stand.
    texts: [Vec<String>; 3],
}

impl LineFormat for Plan {
    fn is_row(line: &[u8]) -> bool {
        !content(line).is_empty()
    }

    fn path(&self) -> &Arc<str> {
        &self.path
    }

    fn batch(&self, lines: &mut Lines) -> Result<Option<RecordBatch>> {
        let mut columns = Columns::default();
        while columns.rows < self.batch_rows {
            let read = lines.next(|line| columns.append(line, !self.verbatim.is_empty()));
            if read.transpose()?.is_none() {
                break;
            }
        }
        if columns.rows == 0 {
            return Ok(None);
        }
        let rows = columns.rows;
        let arrays: [ArrayRef; 3] = [
            Arc::new(columns.label.finish()),
            Arc::new(columns.indices.finish()),
            Arc::new(columns.values.finish()),
        ];
        let typed = self.columns.iter().map(|&column| Arc::clone(&arrays[column]));
        let text =
            |&column: &usize| -> ArrayRef { Arc::new(StringArray::from(columns.texts[column].clone())) };
        let all = typed.chain(self.verbatim.iter().map(text)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), all, &options);
        batch.map(Some).map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
    }
}

impl Columns {
    /// Appends the row of a line, if it has one.
    fn append(&mut self, line: &[u8], texts: bool) -> Result<()> {
        let content = content(line);
        if content.is_empty() {
            return Ok(());
        }
        let mut words = content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
        let label = words.next_if(|word| !word.contains(&b':'));
        let number_of = |text: &[u8], what: &str| {
            number::parse(text).ok_or_else(|| malformed(&format!("{what} is not a number"), text))
        };
        self.label.append_option(label.map(|label| number_of(label, "the label")).transpose()?);
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        for word in words.filter(|word| !word.starts_with(b"qid:")) {
            let colon = memchr::memchr(b':', word);
            let colon = colon.ok_or_else(|| malformed("expected index:value", word))?;
            let (index, value) = (&word[..colon], &word[colon + 1..]);
            let parsed = std::str::from_utf8(index).ok().and_then(|text| text.parse::<u64>().ok());
            let parsed =
                parsed.filter(|index| *index <= MAX_INDEX).and_then(|index| u32::try_from(index).ok());
            let wrong = format!("the index is not a whole number from 0 to {MAX_INDEX}");
            self.indices.values().append_value(parsed.ok_or_else(|| malformed(&wrong, index))?);
            self.values.values().append_value(number_of(value, "the value")?);
            if texts {
                indices.push(String::from_utf8_lossy(index).into_owned());
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        self.indices.append(true);
        self.values.append(true);
        if texts {
            self.texts[0]
                .push(label.map_or(String::new(), |label| String::from_utf8_lossy(label).into_owned()));
            self.texts[1].push(indices.join(" "));
            self.texts[2].push(values.join(" "));
        }
        self.rows += 1;
        Ok(())
    }
}

fn malformed(message: &str, found: &[u8]) -> Error {
    let shown = String::from_utf8_lossy(&found[..found.len().min(60)]).into_owned();
    Error::new(ErrorKind::Malformed, format!("{message}: {shown:?}"))
        .with_help("a line is `label index:value index:value ...`")
}
