//! Which files, and how they are read.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{ColumnType, CsvOptions, DatasetOptions};

use crate::text::usage;

/// Which files, and how they are read.
#[derive(Debug, ClapArgs)]
pub(crate) struct InputArgs {
    /// Parquet or CSV files (also .gz and .zst text), directories, or quoted glob patterns
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,

    /// Field delimiter of CSV files [default: comma; tab for .tsv; ; tab or | if the header has no comma]
    #[arg(long, value_name = "CHAR", help_heading = "CSV")]
    pub(crate) delimiter: Option<String>,

    /// CSV files have no header line: columns are called column_1, column_2, ...
    #[arg(long, help_heading = "CSV")]
    pub(crate) no_header: bool,

    /// Spelling of a missing value in CSV files; may be repeated, and replaces the default
    /// (NA, NaN, nan, null, NULL); an empty field is always missing
    #[arg(long = "null", value_name = "TEXT", allow_hyphen_values = true, help_heading = "CSV")]
    pub(crate) nulls: Vec<String>,

    /// Type of a CSV column instead of the inferred one: number, boolean, date, timestamp or text;
    /// may be repeated
    #[arg(long = "schema", value_name = "COLUMN=TYPE", help_heading = "CSV")]
    pub(crate) types: Vec<String>,
}

impl InputArgs {
    /// How the files are read.
    pub(crate) fn dataset(&self) -> Result<DatasetOptions> {
        let mut csv = CsvOptions { header: !self.no_header, ..CsvOptions::default() };
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
            csv.types.push((column.to_owned(), kind));
        }
        Ok(DatasetOptions { csv })
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
