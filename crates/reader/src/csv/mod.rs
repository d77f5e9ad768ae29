//! CSV files: byte ranges cut on record edges, parsed in parallel.
//!
//! # How a file is read
//! [`CsvFile::open`] reads the header and a sample that settles the type of each column. A scan hands
//! out *chunks*: under a lock the next bytes are read (and decompressed) and cut behind the last record
//! that ends within [`CsvOptions::chunk_bytes`]; everything costly happens outside of the lock, on the
//! thread that asks for the rows. Where a chunk ends depends on the text alone.
//!
//! | module | what it knows |
//! |---|---|
//! | `input` | files, compression (told by magic bytes) |
//! | `chunk` | where records end |
//! | `field` | where fields end, quotes, line numbers |
//! | `number`, `value` | text to values |
//! | `layout` | delimiter, header, types |
//! | `column` | fields to Arrow arrays |
//! | `rows` | chunks to record batches |
//! | `scan` | the lock, one chunk after the other |
//!
//! # The dialect
//! - A record ends at LF or CR LF, the last one also at the end of the file. Empty lines are skipped,
//!   also in a file of one column (where a missing value must then be spelled `""` or `NA`).
//! - A field is quoted if its first byte is `"`; in it `""` is one quote, and delimiters and line ends are
//!   text. Behind the closing quote only a delimiter or the end of the record may follow. A quote further
//!   on in an unquoted field is an ordinary character.
//! - Every record has as many fields as the header. Blanks (spaces, tabs) around names and around
//!   values other than text do not count, unless they are quoted.
//! - A UTF-8 byte-order mark is skipped. UTF-16 is refused. A NUL byte is never part of a value.
//!
//! # Values
//! - A number is always a float64, the one nearest to the decimal text: `12`, `-1.5`, `+.5`, `5.`,
//!   `1e-3`. `inf` and `infinity` in any case are infinities, as is `1e400`; `nan` in any case is a NaN
//!   unless it is a null. Hexadecimal, `1_000` and `1,000` are not numbers.
//! - A boolean is `true` or `false` in any case; a date is `2024-02-29`; a timestamp is a date, a blank or
//!   `T`, `HH:MM`, then optionally `:SS`, a fraction of 1 to 9 digits (kept to microseconds), and `Z`.
//!   A date in a column of timestamps is its midnight.
//! - An empty field is null, and so is one spelled like one of [`CsvOptions::nulls`].
//! - The type of a column is the first of number, boolean, date, timestamp and text that fits all of the
//!   sample (the first megabyte, at most 10,000 records). A later field that does not fit is an error
//!   that names its line; [`CsvOptions::types`] then says what the column is.

pub(crate) mod chunk;
mod column;
mod field;
pub(crate) mod input;
mod layout;
pub(crate) mod number;
mod options;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;
use crate::source::{InputFile, NoPartitions, ReadCounts, Scan, ScanRequest, Source, Summary, position};

pub use self::options::{ColumnType, CsvOptions, DEFAULT_CHUNK_BYTES};

use self::input::Input;
use self::layout::Layout;
use self::options::Nulls;
use self::rows::{Plan, Wanted};
use self::scan::CsvScan;

/// One CSV file, plain or compressed with gzip or Zstandard.
#[derive(Debug)]
pub struct CsvFile {
    input: Input,
    layout: Layout,
    schema: SchemaRef,
    /// Positions of the columns: a request for all of 100,000 must not search a list for each.
    positions: HashMap<String, usize>,
    nulls: Nulls,
    chunk_bytes: usize,
    /// Bytes that scans have read.
    bytes_read: Arc<AtomicU64>,
}

impl CsvFile {
    /// Opens a file: reads its header and settles the types of its columns.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io); [`Request`](crate::ErrorKind::Request) for a directory, a pipe or an
    /// option that makes no sense; [`Malformed`](crate::ErrorKind::Malformed) if there is no header or
    /// the sample breaks the rules of the module; [`Column`](crate::ErrorKind::Column) if two columns
    /// share a name or [`CsvOptions::types`] names one that is not there;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for UTF-16; [`Limit`](crate::ErrorKind::Limit).
    pub fn open(path: &Path, options: &CsvOptions) -> Result<Self> {
        Self::open_at(path, options).map_err(|e| e.at_path(path))
    }

    fn open_at(path: &Path, options: &CsvOptions) -> Result<Self> {
        options.validate()?;
        let input = Input::open(path)?;
        let nulls = Nulls::new(&options.nulls);
        let mut layout = layout::read(&input, options, &nulls)?;
        let positions: HashMap<String, usize> =
            layout.names.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        for (name, column_type) in &options.types {
            match positions.get(name) {
                Some(&i) => {
                    layout.types[i] = *column_type;
                    layout.blank[i] = false;
                }
                None => return Err(no_such_column(&layout.schema(), name)),
            }
        }
        let schema = Arc::new(layout.schema());
        Ok(Self {
            input,
            layout,
            schema,
            positions,
            nulls,
            chunk_bytes: options.chunk_bytes,
            bytes_read: Arc::default(),
        })
    }

    /// Columns whose type is a guess, because the sample has no value of theirs.
    pub fn blank_columns(&self) -> impl Iterator<Item = &str> {
        let columns = self.layout.names.iter().zip(&self.layout.blank);
        columns.filter(|(_, blank)| **blank).map(|(name, _)| name.as_str())
    }

    /// Positions of the named columns.
    fn find(&self, names: &[String]) -> Result<Vec<usize>> {
        let find = |name: &String| {
            self.positions.get(name).copied().ok_or_else(|| no_such_column(&self.schema, name))
        };
        names.iter().map(find).collect()
    }
}

impl Source for CsvFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let open = || {
            let columns = self.find(&request.columns)?;
            let verbatim = self.find(&request.verbatim)?;
            let wanted = Wanted { columns: &columns, verbatim: &verbatim, batch_rows: request.batch_rows };
            if request.wants_nothing() {
                return Ok(None);
            }
            let plan = Plan::new(&self.layout, &self.nulls, &wanted, self.input.path());
            self.input.verify_unchanged()?;
            let numbered = request.row_numbers;
            CsvScan::start(&self.input, &self.layout, plan, self.chunk_bytes, &self.bytes_read, numbered)
                .map(Some)
        };
        match open() {
            Ok(Some(scan)) => Ok(Box::new(scan)),
            Ok(None) => Ok(Box::new(NoPartitions)),
            Err(e) => Err(e.at_path(self.input.path())),
        }
    }

    fn verbatim_type(&self, _index: usize) -> DataType {
        DataType::Utf8
    }

    fn summary(&self) -> Summary {
        let columns = self.layout.names.len();
        Summary {
            null_counts: vec![None; columns],
            decode_bytes: vec![0; columns],
            // A buffer may grow to twice what it holds.
            partition_bytes: 2 * self.chunk_bytes as u64,
            ..Summary::default()
        }
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.input.file().clone()]
    }

    fn counts(&self) -> ReadCounts {
        ReadCounts { bytes: self.bytes_read.load(Ordering::Relaxed), ..ReadCounts::default() }
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.input.verify_unchanged()
    }
}

/// The error for a column that is not in the file; it says which may be meant.
fn no_such_column(schema: &Schema, name: &str) -> crate::Error {
    match position(schema, name) {
        Err(e) => e,
        // Not reached: the positions were made from the same names.
        Ok(_) => crate::Error::new(crate::ErrorKind::Column, "no such column").in_column(name),
    }
}

impl Layout {
    fn schema(&self) -> Schema {
        let field = |(name, t): (&String, &ColumnType)| Field::new(name, t.data_type(), true);
        Schema::new(self.names.iter().zip(&self.types).map(field).collect::<Vec<_>>())
    }
}
