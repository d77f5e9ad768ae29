//! How a file is to be read, and the types a column can have.

use std::str::FromStr;

use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_RECORD_BYTES;

/// [`CsvOptions::chunk_bytes`] unless asked otherwise: large enough that the lock is rarely contended,
/// small enough that a chunk for every thread is little memory.
pub const DEFAULT_CHUNK_BYTES: usize = 4 << 20;

/// How CSV files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvOptions {
    /// The byte between fields. `None`: a tab in files called `.tsv` or `.tab` (`.gz` or `.zst` may
    /// follow), else the one of comma, semicolon, tab and bar with which the first records have the same number of fields.
    pub delimiter: Option<u8>,
    /// Whether the first record names the columns; else they are `column_1`, `column_2` and so on.
    pub header: bool,
    /// Spellings of a missing value besides the empty field, which is always one. Compared exactly, after
    /// trimming blanks. By default `NA`, `NaN`, `nan`, `null` and `NULL`.
    pub nulls: Vec<String>,
    /// Further spellings in columns that are not text: in text nobody can tell them from a level. By default the same,
    /// and those of spreadsheets, databases and statistics programs: `N/A`, `n/a`, `#N/A`, `#N/A N/A`, `#NA`, `<NA>`, `\N`,
    /// `None`, `-`, `.`, `..`.
    pub typed_nulls: Vec<String>,
    /// The decimal mark of numbers: a point, or a comma.
    pub decimal: u8,
    /// What stands between groups of three digits: a comma, a point, a space, an apostrophe or an underscore.
    pub thousands: Option<u8>,
    /// How dates, timestamps and times of day are written, where it is not as ISO 8601 has them: formats in the
    /// notation of `strftime`, at most one of each. Without a day the first of the month is meant.
    pub date_formats: Vec<String>,
    /// Types of columns, in place of those the sample suggests; the last one counts if a name repeats.
    pub types: Vec<(String, ColumnType)>,
    /// Partitions end at the last record edge within this many bytes of (decompressed) text. They are the
    /// units in which sums are merged, so this is part of the definition of a floating-point result,
    /// like the order of the rows. At most 16 MiB, the most that a record may have.
    pub chunk_bytes: usize,
}

/// [`CsvOptions::nulls`] unless asked otherwise.
const NULLS: [&str; 5] = ["NA", "NaN", "nan", "null", "NULL"];

/// Those of [`CsvOptions::typed_nulls`] beside them.
const TYPED_NULLS: [&str; 11] =
    ["N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "\\N", "None", "-", ".", ".."];

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            header: true,
            nulls: NULLS.map(String::from).to_vec(),
            typed_nulls: NULLS.iter().chain(&TYPED_NULLS).map(|&word| word.to_owned()).collect(),
            decimal: b'.',
            thousands: None,
            date_formats: Vec::new(),
            types: Vec::new(),
            chunk_bytes: DEFAULT_CHUNK_BYTES,
        }
    }
}

impl CsvOptions {
    /// Sets the byte between fields.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// Takes the first record as data.
    #[must_use]
    pub fn no_header(mut self) -> Self {
        self.header = false;
        self
    }

    /// Sets how missing values are spelt, in place of the default. Columns that are not text keep theirs beside it.
    #[must_use]
    pub fn nulls<S: Into<String>>(mut self, spellings: impl IntoIterator<Item = S>) -> Self {
        self.nulls = spellings.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the decimal mark of numbers.
    #[must_use]
    pub fn decimal(mut self, mark: u8) -> Self {
        self.decimal = mark;
        self
    }

    /// Sets what stands between groups of three digits.
    #[must_use]
    pub fn thousands(mut self, mark: u8) -> Self {
        self.thousands = Some(mark);
        self
    }

    /// Sets how dates, timestamps or times of day are written; once for each of them.
    #[must_use]
    pub fn date_format(mut self, format: impl Into<String>) -> Self {
        self.date_formats.push(format.into());
        self
    }

    /// Sets the type of a column.
    #[must_use]
    pub fn column_type(mut self, column: impl Into<String>, kind: ColumnType) -> Self {
        self.types.push((column.into(), kind));
        self
    }

    /// Bytes of text in a partition.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// # Errors
    /// [`ErrorKind::Request`] for an option that makes no sense.
    pub(super) fn validate(&self) -> Result<()> {
        if self.chunk_bytes == 0 || self.chunk_bytes > MAX_RECORD_BYTES {
            return Err(Error::new(
                ErrorKind::Request,
                format!("chunks of {} bytes: expected 1 to {MAX_RECORD_BYTES}", self.chunk_bytes),
            ));
        }
        match self.delimiter {
            // Anything that may stand in a number would make `1.5` two fields or one, by accident.
            Some(d) if !d.is_ascii() || d.is_ascii_alphanumeric() || b"\"\r\n\0+-.".contains(&d) => {
                let shown = char::from(d);
                Err(Error::new(ErrorKind::Request, format!("{shown:?} cannot be a delimiter"))
                    .with_help("use one byte such as ',', ';', '|' or a tab"))
            }
            _ => Ok(()),
        }
    }
}

/// What the fields of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// A number, whole or not: `Float64`.
    Number,
    /// `true` or `false`: `Boolean`.
    Boolean,
    /// A day: `Date32`.
    Date,
    /// A point in time: `Timestamp` in microseconds, without a zone.
    Timestamp,
    /// A time of day: `Time64` in microseconds.
    Time,
    /// Anything: `Utf8`.
    Text,
}

impl ColumnType {
    /// Those that not every cell is of, in the order in which they are preferred. A timestamp may be a date alone.
    pub(super) const TYPED: [Self; 5] =
        [Self::Number, Self::Boolean, Self::Date, Self::Timestamp, Self::Time];

    /// The Arrow type a column of this type is delivered in.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Text => DataType::Utf8,
        }
    }

    /// For messages: `"x1" is not …`.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date (YYYY-MM-DD)",
            Self::Timestamp => "a timestamp (YYYY-MM-DD HH:MM:SS)",
            Self::Time => "a time of day (HH:MM:SS)",
            Self::Text => "text",
        }
    }
}

impl ColumnType {
    /// The type whose values an Arrow column of type `kind` holds.
    pub(crate) fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            kind if kind.is_numeric() => Self::Number,
            _ => Self::Text,
        }
    }
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "number" | "float" | "double" | "float64" | "int" | "integer" | "int64" => Self::Number,
            "boolean" | "bool" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" | "datetime" => Self::Timestamp,
            "time" => Self::Time,
            "text" | "string" => Self::Text,
            _ => {
                return Err(Error::new(ErrorKind::Request, format!("no such column type: {name:?}"))
                    .with_help("the types are number, boolean, date, timestamp, time, text"));
            }
        })
    }
}
