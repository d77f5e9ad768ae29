//! SQL over several files.

use std::path::{Path, PathBuf};
use std::sync::Once;

use polars::prelude as pl;
use polars::prelude::{LazyFrame, PlRefPath};
use polars::sql::SQLContext;
use streamreg_reader::{Error, ErrorKind, InputFile, Result};

use crate::lazy::LazyFrameSource;
use crate::{quiet, words};

/// The rows of an SQL query over files, each a table. A table is called as its file is, up to the first point, or as
/// `NAME=FILE` says. Parquet, CSV, NDJSON and Arrow IPC files are read, told apart by their endings.
///
/// The query runs in polars' streaming engine, again in every pass over the source, so it must give the same rows in the
/// same order every time.
///
/// # Errors
/// [`ErrorKind::Request`] for a query that is not valid, with the names of the tables, and for two tables of one name;
/// [`ErrorKind::Unsupported`] for a file of another format; [`ErrorKind::Io`] for one that cannot be opened.
pub fn query<P: AsRef<Path>>(sql: &str, files: &[P]) -> Result<LazyFrameSource> {
    static SILENCE: Once = Once::new();
    // A library writes nothing to stderr; polars would, of casts that it means to rename.
    SILENCE.call_once(|| polars::error::set_warning_function(|_, _| {}));
    let context = SQLContext::new();
    let mut tables: Vec<String> = Vec::new();
    let mut inputs = Vec::new();
    for file in files {
        let (name, path) = table(file.as_ref())?;
        if tables.contains(&name) {
            let message =
                format!("two files make the table {name:?}; name one of them: NAME={}", path.display());
            return Err(Error::new(ErrorKind::Request, message));
        }
        inputs.push(InputFile::of(&path)?);
        let frame = quiet(|| scan(&path).map_err(|e| e.at_path(&path)))?;
        context.register(&name, frame);
        tables.push(name);
    }
    let frame = quiet(|| {
        let mut context = context.clone();
        context.execute(sql).map_err(|e| {
            let message = format!("the query cannot be planned: {}", words(&e));
            Error::new(ErrorKind::Request, message).with_help(format!("the tables are {}", tables.join(", ")))
        })
    })?;
    LazyFrameSource::of_files(frame, inputs)
}

/// The name of a table and its file.
fn table(argument: &Path) -> Result<(String, PathBuf)> {
    let text = argument.to_string_lossy();
    if let Some((name, path)) = text.split_once('=')
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !argument.exists()
    {
        return Ok((name.to_owned(), PathBuf::from(path)));
    }
    let stem = argument.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match stem.split('.').next() {
        Some(name) if !name.is_empty() => Ok((name.to_owned(), argument.to_path_buf())),
        _ => {
            let message = "the file has no name that a table could have; name it: NAME=FILE";
            Err(Error::new(ErrorKind::Request, message).at_path(argument))
        }
    }
}

/// The rows of a file as polars reads them.
fn scan(path: &Path) -> Result<LazyFrame> {
    use pl::LazyFileListReader;
    let failed = |e: pl::PolarsError| Error::new(ErrorKind::Malformed, words(&e));
    let absolute = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
    let place = PlRefPath::try_from_path(&absolute).map_err(failed)?;
    let ending =
        path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let frame = match ending.as_str() {
        "parquet" | "pq" => {
            LazyFrame::scan_parquet(place, pl::ScanArgsParquet { glob: false, ..Default::default() })
        }
        "csv" | "tsv" => {
            let separator = if ending == "tsv" { b'\t' } else { b',' };
            pl::LazyCsvReader::new(place).with_glob(false).with_separator(separator).finish()
        }
        "ndjson" | "jsonl" => pl::LazyJsonLineReader::new(place).finish(),
        "arrow" | "ipc" | "feather" => LazyFrame::scan_ipc(
            place,
            pl::IpcScanOptions::default(),
            pl::UnifiedScanArgs { glob: false, ..Default::default() },
        ),
        _ => {
            let message = "a table of a query is a Parquet, CSV, NDJSON or Arrow IPC file";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    frame.map_err(failed)
}
