//! Formats: told by the first bytes of a file, then by its name.

use std::path::Path;

use arrow_schema::DataType;

use super::DatasetOptions;
use super::nested::flat;
use super::paths::{IPC, LIBSVM, NDJSON, PARQUET, ends_with_any, first_bytes};
use crate::csv::{ColumnType, CsvFile};
use crate::error::{Error, ErrorKind, Result};
use crate::ipc::IpcFile;
use crate::libsvm::LibsvmFile;
use crate::ndjson::NdJsonFile;
use crate::parquet::ParquetFile;
use crate::source::Source;

/// A file, and its columns whose type is open.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    pub(super) blank: Vec<String>,
    pub(super) format: FileFormat,
    /// What is wrong with a format of dates that was given.
    pub(super) unused_format: Option<Error>,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Parquet,
    Csv,
    NdJson,
    Ipc,
    Libsvm,
}

/// Opens one file by what it is.
pub(super) fn open_file(path: &Path, options: &DatasetOptions) -> Result<Opened> {
    // Opening a pipe could wait forever, and a pipe cannot be read twice.
    if !std::fs::metadata(path).map_err(|e| Error::io(path, e))?.is_file() {
        let message = "not a regular file; pipes, devices and standard input are not read";
        return Err(Error::new(ErrorKind::Request, message).at_path(path));
    }
    let format = format_of(path, &first_bytes(path)?)?;
    open_as(path, format, options, &[])
}

/// Opens a file of a known format; `types` are those of columns without a value in its sample.
pub(super) fn open_as(
    path: &Path,
    format: FileFormat,
    options: &DatasetOptions,
    types: &[(String, DataType)],
) -> Result<Opened> {
    match format {
        FileFormat::Parquet => Ok(Opened {
            source: flat(Box::new(ParquetFile::open(path)?)),
            blank: Vec::new(),
            format,
            unused_format: None,
        }),
        FileFormat::Csv => {
            let mut csv = options.csv.clone();
            csv.types.extend(types.iter().map(|(name, kind)| (name.clone(), ColumnType::of(kind))));
            let file = CsvFile::open(path, &csv)?;
            let blank = file.blank_columns().map(str::to_owned).collect();
            let unused_format = file.unused_format();
            Ok(Opened { source: Box::new(file), blank, format, unused_format })
        }
        FileFormat::Ipc => Ok(Opened {
            source: flat(Box::new(IpcFile::open(path)?)),
            blank: Vec::new(),
            format,
            unused_format: None,
        }),
        FileFormat::Libsvm => Ok(Opened {
            source: Box::new(LibsvmFile::open(path)?),
            blank: Vec::new(),
            format,
            unused_format: None,
        }),
        FileFormat::NdJson => {
            let file = NdJsonFile::open(path, types)?;
            let blank = file.blank_columns().map(str::to_owned).collect();
            Ok(Opened { source: Box::new(file), blank, format, unused_format: None })
        }
    }
}

/// What begins with these bytes is no table that is read, and what to do about it.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a zip archive", "unpack it (unzip FILE)"),
    (b"PK\x05\x06", "an empty zip archive", "unpack it (unzip FILE)"),
    (b"BZh", "compressed with bzip2", "unpack it (bunzip2 FILE), or compress it with gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it (unxz FILE), or compress it with gzip or zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it (unlz4 FILE), or compress it with gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of an old Excel", "save the sheet as CSV"),
    (b"%PDF", "a PDF", "export the table as CSV"),
    (b"SQLite format 3", "a SQLite database", "export the table as CSV or Parquet"),
    (b"\x89HDF", "an HDF5 file", "convert it to Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "convert it to Parquet or CSV"),
    (b"FEA1", "a Feather file of version 1", "write it again as Arrow IPC (Feather version 2)"),
    (b"<!DOCTYPE", "a web page", "download the data, not the page that shows them"),
    (b"<!doctype", "a web page", "download the data, not the page that shows them"),
    (b"<html", "a web page", "download the data, not the page that shows them"),
    (b"<?xml", "an XML file", "convert it to CSV or Parquet"),
    (b"version https://", "a pointer of Git LFS, not the file", "fetch it (git lfs pull)"),
];

/// Tells a file's format by its first bytes, then by its name.
fn format_of(path: &Path, bytes: &[u8]) -> Result<FileFormat> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let unsupported = |what: &str, help: &str| {
        let error = Error::new(ErrorKind::Unsupported, format!("this is {what}")).with_help(help.to_owned());
        Err(error.at_path(path))
    };
    if bytes.starts_with(b"PK\x03\x04") && ends_with_any(&name, &[".xlsx", ".xlsm", ".xlsb", ".ods"]) {
        return unsupported("a workbook of a spreadsheet", "save the sheet as CSV");
    }
    let text = bytes.trim_ascii_start();
    if let Some((_, what, help)) = OTHERS.iter().find(|(magic, ..)| text.starts_with(magic)) {
        return unsupported(what, help);
    }
    if bytes.starts_with(b"PAR1") || bytes.starts_with(b"PARE") || ends_with_any(&name, PARQUET) {
        return Ok(FileFormat::Parquet);
    }
    if bytes.starts_with(b"ARROW1") || ends_with_any(&name, IPC) {
        return Ok(FileFormat::Ipc);
    }
    if bytes.starts_with(b"ORC") && name.ends_with(".orc") {
        return unsupported("an ORC file", "convert it to Parquet or CSV");
    }
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    if stem.is_some_and(|stem| ends_with_any(stem, PARQUET) || ends_with_any(stem, IPC)) {
        return unsupported("compressed as a whole", "unpack it: such files are compressed inside");
    }
    if stem.is_some_and(|stem| stem.ends_with(".tar")) || name.ends_with(".tgz") {
        return unsupported("a tar archive", "unpack it (tar -xf FILE)");
    }
    if ends_with_any(stem.unwrap_or(&name), LIBSVM) {
        return Ok(FileFormat::Libsvm);
    }
    if ends_with_any(stem.unwrap_or(&name), NDJSON) {
        return Ok(FileFormat::NdJson);
    }
    if ends_with_any(stem.unwrap_or(&name), &[".json"]) {
        let help =
            "write an object on every line (NDJSON), for example with jq -c '.[]', and call the file .ndjson";
        return unsupported("a file of JSON", help);
    }
    if ends_with_any(&name, &[".xlsx", ".xls", ".ods"]) {
        return unsupported("a workbook of a spreadsheet", "save the sheet as CSV");
    }
    Ok(FileFormat::Csv)
}
