//! Cells that do not fit, and what would make them fit: the words of errors about values.
//!
//! A column is text as soon as one cell of the sample is neither a number nor a date nor a time. If most of its cells
//! are, the owner hardly meant a category: the column is a [`Misfit`], and whoever makes it a feature or a response is
//! told so.

use super::cells::Cells;
use super::field::trim;
use super::options::ColumnType;
use crate::error::{Error, ErrorKind, Place};

/// Characters of an offending cell that an error shows.
const SHOWN_CHARS: usize = 40;

/// What a cell reads as under another convention than that of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A number with a decimal comma.
    DecimalComma,
    /// A number whose digits are in groups, with this between them.
    Thousands(char),
    /// A number with a comma before three digits: decimals or thousands.
    AnyComma,
    /// A number with a sign of a currency, of per cent, or in parentheses.
    Signs,
    /// A date, or a date with a time, and the formats it may have.
    Date,
    /// A time of day.
    Time,
}

impl Look {
    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Date | Self::Time)
    }

    /// What a trimmed cell reads as, if not as text.
    pub(super) fn of(cell: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(cell).ok().filter(|text| text.len() <= 64)?;
        if !text.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        number_look(text).or_else(|| DatePattern::of(text).map(DatePattern::look))
    }
}

/// Signs that stand before or behind an amount.
const SIGNS: [char; 9] = ['$', '€', '£', '¥', '₹', '%', '‰', '(', ')'];

fn number_look(text: &str) -> Option<Look> {
    let unsigned =
        text.trim_matches(|c: char| SIGNS.contains(&c) || matches!(c, '+' | '-') || c.is_whitespace());
    let signs = text.chars().any(|c| SIGNS.contains(&c)) || text.ends_with('-');
    // `1-2` is no number: only the ends were trimmed.
    let mantissa = unsigned.split_once(['e', 'E']).map_or(unsigned, |(mantissa, _)| mantissa);
    let look = mantissa_look(mantissa)?;
    match look {
        _ if signs => Some(Look::Signs),
        Some(look) => Some(look),
        None => None,
    }
}

/// `None` for what is no number under any convention; `Some(None)` for digits with or without a point.
#[allow(clippy::option_option, reason = "no number, a plain number, a number under another convention")]
fn mantissa_look(text: &str) -> Option<Option<Look>> {
    let marks: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let three = |groups: &[&str]| groups.iter().all(|group| group.len() == 3);
    let (&first, rest) = groups.split_first()?;
    let grouped = |rest: &[&str]| !rest.is_empty() && (1..=3).contains(&first.len()) && three(rest);
    match marks.as_slice() {
        [] | ['.'] => Some(None),
        [','] if grouped(rest) => Some(Some(Look::AnyComma)),
        [','] if !rest[0].is_empty() => Some(Some(Look::DecimalComma)),
        [mark, others @ ..] if ",.'’_ \u{a0}\u{202f}".contains(*mark) => {
            let (last, before) = others.split_last().map_or((mark, others), |(last, before)| (last, before));
            if others.iter().all(|other| other == mark) && grouped(rest) {
                return Some(Some(Look::Thousands(*mark)));
            }
            let decimals = ".,".contains(*last) && last != mark && before.iter().all(|other| other == mark);
            (decimals && grouped(&rest[..rest.len() - 1])).then_some(Some(if *last == ',' {
                Look::DecimalComma
            } else {
                Look::Thousands(*mark)
            }))
        }
        _ => None,
    }
}

/// A date or a time as a person writes it.
struct DatePattern {
    look: Look,
    /// In the notation of `strftime`; more than one where the order of day and month cannot be told.
    formats: Vec<String>,
}

impl DatePattern {
    fn look(self) -> Look {
        self.look
    }

    fn of(text: &str) -> Option<Self> {
        if let Some(time) = time_format(text) {
            return Some(Self { look: Look::Time, formats: vec![time] });
        }
        let (date, time) = match text.split_once([' ', 'T']).filter(|(date, _)| !date.ends_with(',')) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let (dates, time) = match date_formats(date) {
            Some(formats) => (formats, time),
            // `3 Jan 2024`, `Jan 3, 2024`: the whole of it.
            None => (date_formats(text)?, None),
        };
        let between = if text.contains('T') && time.is_some() { "T" } else { " " };
        let behind = match time {
            Some(time) => format!("{between}{}", time_format(time)?),
            None => String::new(),
        };
        let formats = dates.into_iter().map(|date| date + &behind).collect();
        Some(Self { look: Look::Date, formats })
    }
}

/// `%H:%M`, `%I:%M:%S %p` and the like.
fn time_format(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match upper.strip_suffix("AM").or_else(|| upper.strip_suffix("PM")) {
        Some(clock) if clock.ends_with(' ') => (clock.trim_end(), " %p"),
        Some(clock) => (clock, "%p"),
        None => (upper.as_str(), ""),
    };
    let (clock, fraction) =
        clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    let digits = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(digits) {
        return None;
    }
    let hour = if half.is_empty() { "%H" } else { "%I" };
    let seconds = if parts.len() == 3 { ":%S" } else { "" };
    let fraction = match fraction {
        Some(digits) if parts.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()) => "%.f",
        Some(_) => return None,
        None => "",
    };
    Some(format!("{hour}:%M{seconds}{fraction}{half}"))
}

/// What three groups, or a year and a month, may mean.
fn date_formats(text: &str) -> Option<Vec<String>> {
    let separator = text.chars().find(|c| !c.is_alphanumeric())?;
    let groups: Vec<&str> = text.split([separator, ',', ' ']).filter(|group| !group.is_empty()).collect();
    let numbers: Vec<Option<u32>> = groups.iter().map(|group| group.parse().ok()).collect();
    let between =
        if text.contains(", ") { "" } else { &text[text.find(separator)?..][..separator.len_utf8()] };
    if !"./- ".contains(separator) || groups.len() > 3 {
        return None;
    }
    let year = |at: usize| match groups[at].len() {
        4 => Some("%Y"),
        2 => Some("%y"),
        _ => None,
    };
    let day = |number: Option<u32>| number.is_some_and(|number| (1..=31).contains(&number));
    let month = |number: Option<u32>| number.is_some_and(|number| (1..=12).contains(&number));
    let joined = |parts: [&str; 3]| parts.join(between);
    match numbers.as_slice() {
        // A point would make it a number.
        [Some(_), second] if groups[0].len() == 4 && month(*second) && separator != '.' => {
            Some(vec![format!("%Y{between}%m")])
        }
        [Some(_), second, third] if groups[0].len() == 4 && month(*second) && day(*third) => {
            Some(vec![joined(["%Y", "%m", "%d"])])
        }
        [first, None, Some(_)] if day(*first) && is_month(groups[1]) => {
            Some(vec![joined(["%d", "%b", year(2)?])])
        }
        [None, second, Some(_)] if day(*second) && is_month(groups[0]) => Some(vec![if between.is_empty() {
            format!("%b %d, {}", year(2)?)
        } else {
            joined(["%b", "%d", year(2)?])
        }]),
        [first, second, Some(_)] => {
            let year = year(2)?;
            let day_first = (day(*first) && month(*second)).then(|| joined(["%d", "%m", year]));
            let month_first = (month(*first) && day(*second)).then(|| joined(["%m", "%d", year]));
            // Points are written where days come first.
            let month_first = month_first.filter(|_| separator != '.' || day_first.is_none());
            let formats: Vec<String> = day_first.into_iter().chain(month_first).collect();
            (!formats.is_empty()).then_some(formats)
        }
        _ => None,
    }
}

fn is_month(name: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    name.get(..3).is_some_and(|start| MONTHS.contains(&start.to_ascii_lowercase().as_str()))
}

/// A column of text that is nearly one of numbers, dates or times: the first cell that is not.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) line: u64,
    pub(super) cell: Vec<u8>,
    /// What most cells are.
    pub(super) most: ColumnType,
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
        let text = format!("--schema {}=text takes every value for a level", quoted(column));
        Error::new(ErrorKind::Column, message)
            .in_column(column)
            .at(Place::Line(self.line))
            .with_help(helps(way_out(&self.cell, column, self.most, cells), text))
    }
}

/// The error for a cell that is not what its column was found or declared to be.
pub(super) fn misfit(cell: &[u8], column: &str, column_type: ColumnType, cells: &Cells) -> Error {
    let message = format!("{:?} is not {}", shown(cell), column_type.described());
    let text = format!("--schema {}=text reads the column as text", quoted(column));
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
    let typed = TYPES.iter().any(|t| cells.fits(*t, text.as_bytes()));
    if column_type == ColumnType::Boolean || typed {
        return None;
    }
    let Some(look) = Look::of(text.as_bytes()) else {
        return Some(format!("--null {} makes it a missing value", quoted(&text)));
    };
    if look.is_number() != (column_type == ColumnType::Number) {
        return None;
    }
    Some(match look {
        Look::DecimalComma => {
            let points = if text.contains('.') { " --thousands ." } else { "" };
            format!("--decimal ,{points} reads decimal commas")
        }
        Look::AnyComma => {
            "--decimal , reads the comma as the decimal mark, --thousands , as that of thousands".into()
        }
        Look::Thousands(mark) => {
            let mark = match mark {
                '’' => '\'',
                mark if mark.is_whitespace() => ' ',
                mark => mark,
            };
            let point = if mark == '.' { " --decimal ," } else { "" };
            format!("--thousands {}{point} reads groups of digits", quoted(&mark.to_string()))
        }
        Look::Signs => {
            let sign = text.chars().find(|c| SIGNS.contains(c)).unwrap_or('-');
            let name = if plain_name(column) { column.to_owned() } else { format!("\\\"{column}\\\"") };
            format!(
                "--with \"NAME = CAST(replace({name}, '{sign}', '') AS double)\" makes a column NAME of the numbers"
            )
        }
        Look::Date | Look::Time => {
            let formats = DatePattern::of(&text)?.formats;
            let formats: Vec<String> = formats.iter().map(|f| quoted(f)).collect();
            format!("--date-format {} reads such dates and times", formats.join(" or "))
        }
    })
}

/// The types that a cell may be a value of.
const TYPES: [ColumnType; 5] =
    [ColumnType::Number, ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp, ColumnType::Time];

fn plain_name(name: &str) -> bool {
    let letters = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && name.chars().all(letters)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.,/:%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::CsvOptions;

    #[test]
    fn numbers_under_other_conventions() {
        for (text, look) in [
            ("3,5", Look::DecimalComma),
            ("-1.234,5", Look::DecimalComma),
            ("1 234,5", Look::DecimalComma),
            ("1,5e3", Look::DecimalComma),
            ("1,605", Look::AnyComma),
            ("1,234,567", Look::Thousands(',')),
            ("1,234.5", Look::Thousands(',')),
            ("1.234.567", Look::Thousands('.')),
            ("1'234", Look::Thousands('\'')),
            ("12 345", Look::Thousands(' ')),
            ("3.5%", Look::Signs),
            ("$3.50", Look::Signs),
            ("-$1,200.00", Look::Signs),
            ("(12)", Look::Signs),
            ("12-", Look::Signs),
            ("3,50 €", Look::Signs),
        ] {
            assert_eq!(Look::of(text.as_bytes()), Some(look), "{text}");
        }
    }

    #[test]
    fn dates_and_times_under_other_conventions() {
        for (text, formats) in [
            ("03.01.2024", &["%d.%m.%Y"][..]),
            ("13/1/24", &["%d/%m/%y"]),
            ("1/13/2024", &["%m/%d/%Y"]),
            ("1/2/2024", &["%d/%m/%Y", "%m/%d/%Y"]),
            ("2024/01/03", &["%Y/%m/%d"]),
            ("2024-01", &["%Y-%m"]),
            ("03-Jan-2024", &["%d-%b-%Y"]),
            ("3 Jan 2024", &["%d %b %Y"]),
            ("Jan 3, 2024", &["%b %d, %Y"]),
            ("03.01.2024 14:30", &["%d.%m.%Y %H:%M"]),
            ("1/13/2024 2:30:05 PM", &["%m/%d/%Y %I:%M:%S %p"]),
            ("2:30 PM", &["%I:%M %p"]),
            ("36:15:00", &["%H:%M:%S"]),
        ] {
            let found = DatePattern::of(text).unwrap();
            assert_eq!(found.formats, formats, "{text}");
            let options = formats.iter().map(|format| CsvOptions::default().date_format(*format));
            for cells in options.map(|options| Cells::new(&options).unwrap()).filter(|_| text != "36:15:00") {
                assert!(TYPES[2..].iter().any(|t| cells.fits(*t, text.as_bytes())), "{text} {formats:?}");
            }
        }
    }

    #[test]
    fn text_that_is_neither() {
        for text in [
            "",
            "oops",
            "N/A",
            "10.0.0.1",
            "555-1234",
            "1-2",
            "A12",
            "12 kg",
            "12,34,56",
            "1,2345,678",
            "K1A 0B1",
            "3rd",
            "45/2024",
            "2024-13-01x",
            "a.b.c",
            "1.2.3",
            "v1.2",
            "99/99/9999",
            "-",
            "1,",
            "user@1.com",
        ] {
            assert_eq!(Look::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ways_out_are_what_a_shell_takes() {
        let cells = Cells::new(&CsvOptions::default()).unwrap();
        for (cell, words) in [
            ("oops", "--null oops makes"),
            ("not known", "--null 'not known' makes"),
            ("3,5", "--decimal , reads"),
            ("1.234,5", "--decimal , --thousands . reads"),
            ("1 234", "--thousands ' ' reads"),
            ("5%", "replace(\\\"the x\\\", '%', '')"),
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
