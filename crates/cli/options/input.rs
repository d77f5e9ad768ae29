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

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// How files are read.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Input")]
pub(crate) struct FormatArgs {
    /// Delimiter of CSV files
    #[arg(
        long,
        value_name = "CHAR",
        hide_short_help = true,
        long_help = "Delimiter of CSV files [default: tab for .tsv; else comma, semicolon, tab or |, whichever \
        gives the first lines the same number of fields]"
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
        long_help = "Spelling of a missing value in CSV files; may be repeated. In text it stands for NA, NaN, nan, null and \
        NULL, which are missing without it. In other columns these are missing in any case, and N/A, n/a, #N/A, #NA, <NA>, \
        \\N, None, -, . and .. (points). An empty field is always missing."
    )]
    pub(crate) nulls: Vec<String>,

    /// Decimal mark of numbers in CSV files
    #[arg(
        long,
        value_name = "MARK",
        hide_short_help = true,
        long_help = "Decimal mark of numbers in CSV files: . (a point) or a comma [default: .]"
    )]
    pub(crate) decimal: Option<String>,

    /// Mark between groups of digits in CSV files
    #[arg(
        long,
        value_name = "MARK",
        hide_short_help = true,
        long_help = "Mark between groups of three digits in CSV files, as in 1,234.5: a comma, a point, a space, ' or _ \
        [default: none]"
    )]
    pub(crate) thousands: Option<String>,

    /// How CSV files write dates and times
    #[arg(
        long = "date-format",
        value_name = "FORMAT",
        hide_short_help = true,
        long_help = "How CSV files write dates, or timestamps, or times of day, in the notation of strftime: %d.%m.%Y, \
        '%m/%d/%Y %I:%M %p', %Y-%m (the first of the month) [default: ISO 8601]; once for each of the three"
    )]
    pub(crate) date_formats: Vec<String>,

    /// Type of a CSV column
    #[arg(
        long = "schema",
        value_name = "COLUMN=TYPE",
        hide_short_help = true,
        long_help = "Type of a CSV column instead of the inferred one: number, boolean, date, timestamp, time or text; also of a key in the \
        names of folders (key=value); may be repeated"
    )]
    pub(crate) types: Vec<String>,

    /// Files may lack columns that others have
    #[arg(
        long,
        hide_short_help = true,
        long_help = "Files may lack columns that others have: their values are missing. Without it every file must have all \
        columns."
    )]
    pub(crate) union_by_name: bool,
}

impl InputArgs {
    /// How the files are read, in a text that is the same whenever that is.
    pub(crate) fn reading(&self) -> String {
        self.format.reading()
    }

    /// How the files are read.
    pub(crate) fn dataset(&self) -> Result<DatasetOptions> {
        self.format.dataset()
    }
}

impl FormatArgs {
    /// Whether any of them is given.
    pub(crate) fn is_given(&self) -> bool {
        let one = self.delimiter.is_some() || self.decimal.is_some() || self.thousands.is_some();
        let several = [&self.nulls, &self.date_formats, &self.types].iter().any(|texts| !texts.is_empty());
        one || several || self.no_header || self.union_by_name
    }

    /// How the files are read, in a text that is the same whenever that is.
    pub(crate) fn reading(&self) -> String {
        format!(
            "{:?}",
            (
                (&self.delimiter, self.no_header, &self.nulls, &self.decimal),
                (&self.thousands, &self.date_formats, &self.types, self.union_by_name),
            )
        )
    }

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
        if let Some(text) = &self.decimal {
            csv.decimal = mark("decimal", text)?;
        }
        if let Some(text) = &self.thousands {
            csv.thousands = Some(mark("thousands", text)?);
        }
        csv.date_formats.clone_from(&self.date_formats);
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
        let options = DatasetOptions::default().csv(csv);
        Ok(if self.union_by_name { options.union_by_name() } else { options })
    }
}

fn mark(option: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(usage(format!("--{option} takes one ASCII character, not {text:?}"))),
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
