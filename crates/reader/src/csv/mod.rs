//! CSV files: byte ranges cut on record edges, parsed in parallel.
//!
//! # How a file is read
//! [`CsvFile::open`] reads the header and a sample that settles the type of each column. A scan hands
//! out *chunks*: the next bytes up to the last record that ends within [`CsvOptions::chunk_bytes`]. Compressed
//! files, and what follows the first quote of a file, are read in order, under a lock; other files are read
//! side by side. Parsing happens outside of the lock, on the thread that asks for the rows. Where a chunk
//! ends depends on the text alone.
//!
//! | module | what it knows |
//! |---|---|
//! | `input` | files, compression (told by magic bytes) |
//! | `chunk` | where records end |
//! | `ranges` | chunks of large files without quotes, read side by side |
//! | `field` | where fields end, quotes, line numbers |
//! | `lanes` | many bytes at once |
//! | `number`, `rounding`, `value` | text to values, as this module has them |
//! | `cells` | the same, as the options say |
//! | `doubt` | cells that do not fit, and the way out |
//! | `layout`, `sample` | delimiter and header; types |
//! | `column` | fields to Arrow arrays |
//! | `rows` | chunks to record batches |
//! | `scan` | the lock, one chunk after the other |
//!
//! # The dialect
//! - A record ends at LF or CR LF, the last one also at the end of the file. Empty lines are skipped,
//!   but for a file of one column, behind its header: there each is a record with a missing value.
//! - A field is quoted if its first byte is `"`; in it `""` is one quote, and delimiters and line ends are
//!   text. Behind the closing quote only a delimiter or the end of the record may follow. A quote further
//!   on in an unquoted field is an ordinary character.
//! - Every record has as many fields as the header. Blanks (spaces, tabs) around names and around text do
//!   not count unless they are quoted; around other values they never count.
//! - A first line `sep=;` names the delimiter. Without one, and without [`CsvOptions::delimiter`], it is a
//!   comma if that gives the first 50 records the same number of fields, else the one of semicolon, tab and bar that
//!   gives them most.
//! - A UTF-8 byte-order mark is skipped. UTF-16 is refused. A NUL byte is never part of a value.
//!
//! # Values
//! - A number is always a float64, the one nearest to the decimal text: `12`, `-1.5`, `+.5`, `5.`,
//!   `1e-3`. `inf` and `infinity` in any case are infinities, as is `1e400`; `nan` in any case is a NaN
//!   unless it is a null. Hexadecimal is none. [`CsvOptions::decimal`] and [`CsvOptions::thousands`] read
//!   `1.234,5` and `1,234.5`.
//! - A boolean is `true` or `false` in any case; a date is `2024-02-29`; a timestamp is a date, a blank or
//!   `T`, `HH:MM`, then optionally `:SS`, a fraction of 1 to 9 digits (kept to microseconds), and `Z` or an
//!   offset such as `+02:00`, with which the time is taken to UTC. A date in a column of timestamps is its
//!   midnight. A time of day is `HH:MM`, then optionally `:SS` and a fraction.
//!   [`CsvOptions::date_formats`] reads others.
//! - An empty field is null, and so is one spelled like one of [`CsvOptions::nulls`]; in columns that are not
//!   text also one of [`CsvOptions::typed_nulls`].
//! - The type of a column is the first of number, boolean, date, timestamp, time and text that fits all of the
//!   sample (the first megabyte, at most 10,000 records). A later field that does not fit is an error
//!   that names its line; [`CsvOptions::types`] then says what the column is.
//! - A column of text that is mostly numbers, or mostly dates and times, also as other conventions write them, is one of
//!   text [in doubt](Source::doubt).

pub(crate) mod cells;
pub(crate) mod chunk;
mod column;
mod doubt;
mod field;
pub(crate) mod input;
mod lanes;
mod layout;
pub(crate) mod number;
mod options;
mod ranges;
mod rounding;
mod rows;
mod sample;
mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::source::{
    Doubt, InputFile, NoPartitions, ReadCounts, Scan, ScanRequest, Source, Summary, names::Names,
};

pub use self::doubt::{ReadsAs, reads_as};
pub use self::options::{ColumnType, CsvOptions, DEFAULT_CHUNK_BYTES};

use self::cells::Cells;
use self::input::Input;
use self::layout::Layout;
use self::rows::{Plan, Wanted};
use self::sample::Guess;
use self::scan::CsvScan;

/// One CSV file, plain or compressed with gzip or Zstandard.
#[derive(Debug)]
pub struct CsvFile {
    input: Input,
    layout: Layout,
    schema: SchemaRef,
    positions: Names,
    cells: Arc<Cells>,
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
    /// the sample breaks the rules of the module; [`Column`](crate::ErrorKind::Column) if
    /// [`CsvOptions::types`] names a column that is not there;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for UTF-16; [`Limit`](crate::ErrorKind::Limit).
    pub fn open(path: &Path, options: &CsvOptions) -> Result<Self> {
        Self::open_at(path, options).map_err(|e| e.at_path(path))
    }

    fn open_at(path: &Path, options: &CsvOptions) -> Result<Self> {
        options.validate()?;
        let input = Input::open(path)?;
        let cells = Arc::new(Cells::new(options)?);
        let mut layout = layout::read(&input, options, &cells)?;
        let positions = Names::new(&layout.schema());
        for (name, column_type) in &options.types {
            let i = positions.find(&layout.schema(), name)?;
            layout.guesses[i] = Guess { column_type: *column_type, blank: false, misfit: None };
        }
        let schema = Arc::new(layout.schema());
        Ok(Self {
            input,
            layout,
            schema,
            positions,
            cells,
            chunk_bytes: options.chunk_bytes,
            bytes_read: Arc::default(),
        })
    }

    /// Columns whose type is a guess, because the sample has no value of theirs.
    pub fn blank_columns(&self) -> impl Iterator<Item = &str> {
        let columns = self.layout.names.iter().zip(&self.layout.guesses);
        columns.filter(|(_, guess)| guess.blank).map(|(name, _)| name.as_str())
    }

    /// The error for a format of dates or times that reads no column.
    pub(crate) fn unused_format(&self) -> Option<Error> {
        let found: Vec<ColumnType> = self.layout.guesses.iter().map(|guess| guess.column_type).collect();
        let format = self.cells.unused_formats(&found).filter(|_| !self.layout.empty)?;
        let columns = self.layout.names.iter().zip(&self.layout.guesses);
        let mut misfits = columns.filter_map(|(name, guess)| Some((name, guess.misfit.as_ref()?)));
        let error = match misfits.find(|(_, misfit)| misfit.most != ColumnType::Number) {
            // Hardly meant otherwise than for this column.
            Some((name, misfit)) => misfit.error(name, &self.cells),
            None => Error::new(ErrorKind::Request, format!("--date-format {format:?} reads no column")),
        };
        Some(error.at_path(self.input.path()))
    }

    /// Positions of the named columns.
    fn find(&self, names: &[String]) -> Result<Vec<usize>> {
        let find = |name: &String| self.positions.find(&self.schema, name);
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
            let plan = Plan::new(&self.layout, &self.cells, &wanted, self.input.path());
            self.input.verify_unchanged()?;
            let numbered = request.row_numbers;
            let ahead = request.ahead(|| self.bytes_to_read(request));
            let reads = (&self.bytes_read, ahead);
            CsvScan::start(&self.input, &self.layout, plan, self.chunk_bytes, reads, numbered).map(Some)
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
            rows: self.layout.empty.then_some(0),
            ..Summary::default()
        }
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.input.file().clone()]
    }

    fn counts(&self) -> ReadCounts {
        ReadCounts { bytes: self.bytes_read.load(Ordering::Relaxed), ..ReadCounts::default() }
    }

    fn doubt(&self, column: &str) -> Option<Doubt> {
        let guess = &self.layout.guesses[self.positions.get(column)?];
        let misfit = guess.misfit.as_ref()?;
        let error = misfit.error(column, &self.cells).at_path(self.input.path());
        Some(Doubt { error, nearly_number: misfit.nearly_all && misfit.most == ColumnType::Number })
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.input.verify_unchanged()
    }
}

impl Layout {
    fn schema(&self) -> Schema {
        let field = |(name, guess): (&String, &Guess)| Field::new(name, guess.column_type.data_type(), true);
        Schema::new(self.names.iter().zip(&self.guesses).map(field).collect::<Vec<_>>())
    }
}
