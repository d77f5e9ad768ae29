//! Cells that do not fit, and what would make them fit: the words of errors about values.
//!
//! A column is text as soon as one cell of the sample is neither a number nor a date nor a time. If most of its cells
//! are, the owner hardly meant a category: the column is a [`Misfit`], and whoever makes it a feature or a response is
//! told so.
//!
//! | file | what it knows |
//! |---|---|
//! | `look` | numbers under other conventions |
//! | `dates` | dates and times |
//! | `expression` | what makes a number of a cell, in SQL |

mod dates;
mod expression;
mod look;

use self::dates::DatePattern;
use self::expression::{number_expression, sql_name, with_option};
pub(in crate::csv) use self::look::Look;
use super::cells::Cells;
use super::field::trim;
use super::options::{ColumnType, CsvOptions};
use crate::error::{Error, ErrorKind, Place, shell_word};

/// Characters of an offending cell that an error shows.
const SHOWN_CHARS: usize = 40;

/// What a text reads as that nobody declared to be one: a number with a fraction, or under another convention, a date or a
/// time. Whole numbers may be codes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadsAs {
    /// Whether it is a number, and not a date or time.
    pub number: bool,
    /// The option of the command line that makes a column of such values, where there is one.
    pub option: Option<String>,
}

/// What a text of the column `column` reads as.
pub fn reads_as(text: &str, column: &str) -> Option<ReadsAs> {
    let cells = Cells::new(&CsvOptions::default()).ok()?;
    let text = text.trim();
    if let Some(kind) = ColumnType::TYPED[2..].iter().find(|t| cells.fits(**t, text.as_bytes())) {
        let kind = match kind {
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            _ => "time",
        };
        return Some(ReadsAs {
            number: false,
            option: Some(with_option(&format!("CAST({} AS {kind})", sql_name(column)), column)),
        });
    }
    match Look::of(text.as_bytes())? {
        Look::Point if !text.contains('.') => None,
        look if look.is_number() => Some(ReadsAs {
            number: true,
            option: number_expression(text, column).map(|expression| with_option(&expression, column)),
        }),
        _ => Some(ReadsAs { number: false, option: None }),
    }
}

/// A column of text that is nearly one of numbers, dates or times: the first cell that is not.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) line: u64,
    pub(super) cell: Vec<u8>,
    /// What most cells are.
    pub(super) most: ColumnType,
    /// Whether nine in ten cells are, so that the column is hardly meant to be anything else.
    pub(super) nearly_all: bool,
}

impl Misfit {
    /// The error for making a feature or a response of the column.
    pub(super) fn error(&self, column: &str, cells: &Cells) -> Error {
        let cell = shown(&self.cell);
        let kind = if self.most == ColumnType::Number { "a number" } else { "a date or time" };
        let looks_so = Look::of(trim(&self.cell))
            .is_some_and(|look| look.is_number() == (self.most == ColumnType::Number));
        let message = if looks_so {
            format!("{cell:?} looks like {kind}, and would be read as text")
        } else {
            format!("{cell:?} is not {kind}, but most cells of the column are")
        };
        let text = format!("--schema {}=text takes every value for a level", shell_word(column));
        Error::new(ErrorKind::Column, message)
            .in_column(column)
            .at(Place::Line(self.line))
            .with_help(helps(way_out(&self.cell, column, self.most, cells), text))
    }
}

/// The error for a cell that is not what its column was found or declared to be.
pub(super) fn misfit(cell: &[u8], column: &str, column_type: ColumnType, cells: &Cells) -> Error {
    let message = format!("{:?} is not {}", shown(cell), column_type.described());
    let text = format!("--schema {}=text reads the column as text", shell_word(column));
    Error::new(ErrorKind::Malformed, message)
        .in_column(column)
        .with_help(helps(way_out(cell, column, column_type, cells), text))
}

fn helps(first: Option<String>, second: String) -> String {
    first.into_iter().chain([second]).collect::<Vec<_>>().join("; ")
}

/// The beginning of a cell.
pub(super) fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What makes a value of the cell, or a missing one, if it is no value of another type.
fn way_out(cell: &[u8], column: &str, column_type: ColumnType, cells: &Cells) -> Option<String> {
    let text = String::from_utf8_lossy(trim(cell)).into_owned();
    let typed = ColumnType::TYPED.iter().any(|t| cells.fits(*t, text.as_bytes()));
    if column_type == ColumnType::Boolean || typed {
        return None;
    }
    let null = || Some(format!("--null {} makes it a missing value", shell_word(&text)));
    let Some(look) = Look::of(text.as_bytes()) else { return null() };
    if look.is_number() != (column_type == ColumnType::Number) {
        return None;
    }
    let marks = |mark: char| match mark {
        '’' | '\'' => "\"'\"".to_owned(),
        mark if mark.is_whitespace() => "' '".to_owned(),
        mark => mark.to_string(),
    };
    Some(match look {
        Look::DecimalComma(None) => "--decimal , reads decimal commas".into(),
        Look::DecimalComma(Some(mark)) => {
            format!("--decimal , --thousands {} reads such numbers", marks(mark))
        }
        Look::Point => "--decimal . reads decimal points".into(),
        Look::AnyComma => {
            "--decimal , reads the comma as the decimal mark, --thousands , as that of thousands".into()
        }
        Look::Thousands('.') => "--decimal , --thousands . reads such numbers".into(),
        Look::Thousands(mark) => format!("--thousands {} reads groups of digits", marks(mark)),
        Look::Affixes => {
            let expression = number_expression(&text, column)?;
            format!("{} makes a column NAME of such numbers", with_option(&expression, column))
        }
        Look::Date | Look::Time => {
            let formats = DatePattern::of(&text)?.formats;
            let reads = |format: &&String| !cells.has_format(format) && reads_cell(format, text.as_bytes());
            let formats: Vec<String> = formats.iter().filter(reads).map(|f| shell_word(f)).collect();
            if formats.is_empty() {
                return null();
            }
            format!("--date-format {} reads such dates and times", formats.join(" or "))
        }
    })
}

/// Whether a format reads a cell: it may name the 31st of February.
fn reads_cell(format: &str, cell: &[u8]) -> bool {
    let cells = Cells::new(&CsvOptions::default().date_format(format));
    cells.is_ok_and(|cells| ColumnType::TYPED[2..].iter().any(|t| cells.fits(*t, cell)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;

    #[test]
    fn ways_out_are_what_a_shell_takes() {
        let cells = Cells::new(&CsvOptions::default()).unwrap();
        for (cell, words) in [
            ("oops", "--null oops makes"),
            ("not known", "--null 'not known' makes"),
            ("3,5", "--decimal , reads"),
            ("1.234,5", "--decimal , --thousands . reads"),
            ("1 234", "--thousands ' ' reads"),
            ("1 234,5", "--decimal , --thousands ' ' reads"),
            ("5%", "replace(\"the x\", '\\''%'\\'', "),
            ("12-", "* CASE WHEN \"the x\" LIKE '\\''%-'\\'' THEN -1 ELSE 1 END"),
        ] {
            let found = way_out(cell.as_bytes(), "the x", ColumnType::Number, &cells).unwrap();
            assert!(found.contains(words), "{cell}: {found}");
        }
        let dates = way_out(b"1/2/2024", "d", ColumnType::Date, &cells).unwrap();
        for (cell, column_type) in [("yes", ColumnType::Boolean), ("2024-01-01", ColumnType::Number)] {
            assert_eq!(way_out(cell.as_bytes(), "x", column_type, &cells), None, "{cell}");
        }
        assert!(dates.contains("--date-format %d/%m/%Y or %m/%d/%Y"), "{dates}");
    }
}
