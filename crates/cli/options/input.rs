//! Which files, and how they are read.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{ColumnType, CsvOptions, DatasetOptions};

use crate::text::usage;

/// Which files, and how they are read.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Parquet, CSV, Arrow or NDJSON files, folders, globs
    #[arg(
        required = true,
        value_name = "FILE",
        long_help = "Files, folders, or quoted glob patterns: Parquet, CSV (also compressed, .gz or .zst), Arrow IPC, NDJSON, \
        libsvm"
    )]
    pub(crate) files: Vec<PathBuf>,

    /// Delimiter of CSV files
    #[arg(
        long,
        value_name = "CHAR",
        hide_short_help = true,
        long_help = "Delimiter of CSV files [default: comma; tab for .tsv; ; tab or | if the header has no comma]"
    )]
    pub(crate) delimiter: Option<String>,

    /// CSV files have no header line
    #[arg(
        long,
        hide_short_help = true,
        long_help = "CSV files have no header line: columns are called column_1, column_2, ..."
    )]
    pub(crate) no_header: bool,

    /// Spelling of a missing value in CSV files
    #[arg(
        long = "null",
        value_name = "TEXT",
        allow_hyphen_values = true,
        hide_short_help = true,
        long_help = "Spelling of a missing value in CSV files, instead of NA, NaN, nan, null and NULL; may be repeated. An \
        empty field is always missing."
    )]
    pub(crate) nulls: Vec<String>,

    /// Type of a CSV column
    #[arg(
        long = "schema",
        value_name = "COLUMN=TYPE",
        hide_short_help = true,
        long_help = "Type of a CSV column instead of the inferred one: number, boolean, date, timestamp or text; may be \
        repeated"
    )]
    pub(crate) types: Vec<String>,
}

impl InputArgs {
    /// How the files are read.
    pub(crate) fn dataset(&self) -> Result<DatasetOptions> {
        let mut csv = CsvOptions::default();
        csv.header = !self.no_header;
        if let Some(text) = &self.delimiter {
            csv.delimiter = Some(delimiter(text)?);
        }
        if !self.nulls.is_empty() {
            csv.nulls.clone_from(&self.nulls);
        }
        for text in &self.types {
            let pair = text.rsplit_once('=');
            let (column, kind) =
                pair.ok_or_else(|| usage(format!("--schema takes COLUMN=TYPE, not {text:?}")))?;
            let kind: ColumnType = kind.parse().map_err(|e| usage(format!("--schema {text}: {e}")))?;
            if csv.types.iter().any(|(other, _)| other == column) {
                return Err(usage(format!("--schema gives column {column:?} two types")));
            }
            csv.types.push((column.to_owned(), kind));
        }
        Ok(DatasetOptions::default().csv(csv))
    }
}

fn delimiter(text: &str) -> Result<u8> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(usage(format!("--delimiter takes one ASCII character, or \\t, not {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn delimiters() {
        assert_eq!(delimiter(";").unwrap(), b';');
        assert_eq!(delimiter("\\t").unwrap(), b'\t');
        assert!(delimiter("ab").is_err());
        assert!(delimiter("\"").is_err());
    }
}
