//! Record batches as files and streams.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use streamreg_core::{cell_text, choices};

use super::unfinished::Unfinished;
use super::whole::AtomicFile;
use crate::error::{Error, Result};

/// What takes in record batches one by one.
type Taker<'w> = Box<dyn FnMut(&RecordBatch) -> Result<()> + Send + 'w>;

/// Where record batches are written to.
pub(crate) enum TableWriter<'w> {
    CsvFile(AtomicFile),
    CsvStream(Box<dyn Write + Send + 'w>),
    /// In memory.
    Rows(&'w mut Vec<RecordBatch>),
    /// Taken in batch by batch.
    Each(Taker<'w>),
    Parquet {
        target: Box<ArrowWriter<BufWriter<File>>>,
        unfinished: Option<Unfinished>,
        path: PathBuf,
    },
}

/// The forms of files of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowsForm {
    /// Parquet, which keeps types.
    #[default]
    Parquet,
    /// CSV with a header line.
    Csv,
}

choices!(RowsForm { Parquet => "parquet", Csv => "csv" });

/// The name of a stream in messages.
const STREAM: &str = "standard output";

impl<'w> TableWriter<'w> {
    /// A file in the format of its ending.
    pub(crate) fn file(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let csv = name.ends_with(".csv");
        if !csv && !name.ends_with(".parquet") {
            let message = format!("{}: the output must end in .parquet or .csv", path.display());
            return Err(Error::invalid_request(message));
        }
        let mut target = AtomicFile::create(path)?;
        if csv {
            csv_header(&mut target.writer, schema).map_err(|e| Error::output(path, e))?;
            return Ok(Self::CsvFile(target));
        }
        let AtomicFile { unfinished, writer, path } = target;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let target = ArrowWriter::try_new(writer, SchemaRef::clone(schema), Some(properties))
            .map_err(|e| Error::output(&path, e))?;
        Ok(Self::Parquet { target: Box::new(target), unfinished, path })
    }

    /// CSV to a stream, such as standard output.
    pub(crate) fn stream(mut stream: Box<dyn Write + Send + 'w>, schema: &SchemaRef) -> Result<Self> {
        csv_header(&mut stream, schema).map_err(|e| Error::output(Path::new(STREAM), e))?;
        Ok(Self::CsvStream(stream))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::CsvFile(file) => {
                write_csv(&mut file.writer, batch).map_err(|e| Error::output(&file.path, e))
            }
            Self::CsvStream(stream) => {
                write_csv(stream, batch).map_err(|e| Error::output(Path::new(STREAM), e))
            }
            Self::Rows(rows) => {
                rows.push(batch.clone());
                Ok(())
            }
            Self::Each(take) => take(batch),
            Self::Parquet { target, path, .. } => target.write(batch).map_err(|e| Error::output(path, e)),
        }
    }

    /// Writes a text beside the rows, under a key. Only Parquet files have room for it.
    pub(crate) fn note(&mut self, key: &str, text: &str) {
        if let Self::Parquet { target, .. } = self {
            target.append_key_value_metadata(KeyValue::new(key.to_owned(), text.to_owned()));
        }
    }

    /// Completes the output; before this, nothing stands under its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::CsvFile(file) => file.commit(),
            Self::Rows(_) | Self::Each(_) => Ok(()),
            Self::CsvStream(mut stream) => stream.flush().map_err(|e| Error::output(Path::new(STREAM), e)),
            Self::Parquet { target, unfinished, path } => {
                let writer = target.into_inner().map_err(|e| Error::output(&path, e))?;
                AtomicFile { path, unfinished, writer }.commit()
            }
        }
    }
}

fn csv_header(out: &mut dyn Write, schema: &SchemaRef) -> io::Result<()> {
    let names: Vec<String> = schema.fields().iter().map(|f| csv_field(f.name())).collect();
    writeln!(out, "{}", names.join(","))
}

fn write_csv(out: &mut dyn Write, batch: &RecordBatch) -> io::Result<()> {
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (column, array) in batch.columns().iter().enumerate() {
            if column > 0 {
                line.push(',');
            }
            if array.is_null(row) {
                // A line must not be empty: readers would pass over it.
                line.push_str(if batch.num_columns() == 1 { "\"\"" } else { "" });
                continue;
            }
            let value = cell_text(array.as_ref(), row).map_err(io::Error::other)?;
            match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    line.push_str(&csv_field(&value))
                }
                _ => line.push_str(&value),
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// A CSV field, quoted where it must be.
pub(crate) fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
