//! What the text of a cell means: missing, a number, a date, a time, as the options say.

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse};
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, Timelike};

use super::field::trim;
use super::options::{ColumnType, CsvOptions};
use super::{number, value};
use crate::error::{Error, ErrorKind, Result};

/// How cells are read.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    /// Missing in every column.
    nulls: Spellings,
    /// Missing in columns that are not text.
    typed_nulls: Spellings,
    numbers: NumberFormat,
    /// In place of ISO's dates, timestamps and times of day.
    formats: Vec<TimeFormat>,
    /// Whether a decimal that makes up a field is the number of that field, whatever else may be asked for.
    pub(super) plain_decimals: bool,
}

impl Cells {
    /// # Errors
    /// [`ErrorKind::Request`] for an option that makes no sense.
    pub(crate) fn new(options: &CsvOptions) -> Result<Self> {
        let nulls = Spellings::new(&options.nulls);
        let numbers = NumberFormat::new(options)?;
        let mut formats: Vec<TimeFormat> = Vec::new();
        for text in &options.date_formats {
            let format = TimeFormat::new(text)?;
            if let Some(other) = formats.iter().find(|other| other.reads == format.reads) {
                let message = format!("{text:?} and {:?} are two formats of the same", other.text);
                return Err(Error::new(ErrorKind::Request, message)
                    .with_help("one for dates, one for timestamps and one for times of day can be given"));
            }
            formats.push(format);
        }
        let typed_nulls = Spellings::new(&options.typed_nulls);
        let plain_decimals = numbers.decimal == b'.' && !nulls.numeric() && !typed_nulls.numeric();
        Ok(Self { nulls, typed_nulls, numbers, formats, plain_decimals })
    }

    /// Whether a trimmed field is missing in any column.
    pub(super) fn is_null(&self, field: &[u8]) -> bool {
        field.is_empty() || self.nulls.contain(field)
    }

    /// Whether a trimmed field is missing in a column that is not text.
    pub(super) fn is_typed_null(&self, field: &[u8]) -> bool {
        self.is_null(field) || self.typed_nulls.contain(field)
    }

    /// The number that a trimmed field spells.
    pub(super) fn number(&self, field: &[u8]) -> Option<f64> {
        self.numbers.parse(field)
    }

    /// The day, counted from 1970-01-01.
    pub(crate) fn date(&self, field: &[u8]) -> Option<i32> {
        match self.format_of(ColumnType::Date) {
            Some(format) => Some(format.date(field)?.num_days_from_ce() - DAYS_BEFORE_1970),
            None => value::date(field),
        }
    }

    /// Microseconds since 1970-01-01, in UTC where the field has an offset.
    pub(crate) fn timestamp(&self, field: &[u8]) -> Option<i64> {
        match self.format_of(ColumnType::Timestamp) {
            Some(format) => Some(format.timestamp(field)?.and_utc().timestamp_micros()),
            // Dates alone are days, or in another format.
            None if self.format_of(ColumnType::Date).is_some() && value::date(field).is_some() => None,
            None => value::timestamp(field),
        }
    }

    /// Microseconds since midnight.
    pub(crate) fn time(&self, field: &[u8]) -> Option<i64> {
        match self.format_of(ColumnType::Time) {
            Some(format) => format.time(field),
            None => value::time(field),
        }
    }

    /// Whether a trimmed field is a value of a type.
    pub(super) fn fits(&self, column_type: ColumnType, field: &[u8]) -> bool {
        match column_type {
            ColumnType::Number => self.number(field).is_some(),
            ColumnType::Boolean => value::boolean(field).is_some(),
            ColumnType::Date => self.date(field).is_some(),
            ColumnType::Timestamp => self.timestamp(field).is_some(),
            ColumnType::Time => self.time(field).is_some(),
            ColumnType::Text => true,
        }
    }

    /// Whether dates or times are read in this format.
    pub(super) fn has_format(&self, text: &str) -> bool {
        self.formats.iter().any(|format| format.text == text)
    }

    /// The formats that read none of these types, as they were given.
    pub(super) fn unused_formats(&self, types: &[ColumnType]) -> Option<&str> {
        self.formats.iter().find(|format| !types.contains(&format.reads)).map(|format| format.text.as_str())
    }

    fn format_of(&self, column_type: ColumnType) -> Option<&TimeFormat> {
        self.formats.iter().find(|format| format.reads == column_type)
    }
}

/// Days from 0001-01-01 to 1970-01-01, the first counted as 1.
const DAYS_BEFORE_1970: i32 = 719_163;

/// Spellings of a missing value.
#[derive(Clone, Debug)]
struct Spellings {
    texts: Vec<Vec<u8>>,
    longest: usize,
}

impl Spellings {
    fn new(texts: &[String]) -> Self {
        let texts: Vec<Vec<u8>> = texts.iter().map(|s| trim(s.as_bytes()).to_vec()).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        Self { texts, longest }
    }

    /// Whether one would pass for a number, such as `-999`: numbers cannot then be read without looking for it first.
    fn numeric(&self) -> bool {
        self.texts.iter().any(|s| number::leading_decimal(s).is_some())
    }

    fn contain(&self, field: &[u8]) -> bool {
        field.len() <= self.longest && self.texts.iter().any(|s| s == field)
    }
}

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
struct NumberFormat {
    decimal: u8,
    thousands: Option<u8>,
}

/// Signs that may stand between groups of digits.
const GROUP_MARKS: &[u8] = b",. '_";

impl NumberFormat {
    fn new(options: &CsvOptions) -> Result<Self> {
        let refuse = |message: String, help: &str| {
            Err(Error::new(ErrorKind::Request, message).with_help(help.to_owned()))
        };
        let (decimal, thousands) = (options.decimal, options.thousands);
        if !b".,".contains(&decimal) {
            return refuse(
                format!("{:?} cannot be the decimal mark", char::from(decimal)),
                "it is a point or a comma",
            );
        }
        match thousands {
            Some(mark) if !GROUP_MARKS.contains(&mark) => refuse(
                format!("{:?} cannot be the mark of thousands", char::from(mark)),
                "it is a comma, a point, a space, an apostrophe or an underscore",
            ),
            Some(mark) if mark == decimal => refuse(
                "decimals and thousands cannot have the same mark".into(),
                "--decimal , beside --thousands . reads 1.234,5",
            ),
            _ => Ok(Self { decimal, thousands }),
        }
    }

    fn parse(self, text: &[u8]) -> Option<f64> {
        if self.decimal == b'.' && self.thousands.is_none() {
            return number::parse(text);
        }
        let end = text.iter().position(|&b| b == self.decimal || matches!(b, b'e' | b'E'));
        let (whole, rest) = text.split_at(end.unwrap_or(text.len()));
        let mut plain = Vec::with_capacity(text.len());
        self.push_whole(whole, &mut plain)?;
        match rest.split_first() {
            Some((&mark, fraction)) if mark == self.decimal => {
                plain.push(b'.');
                plain.extend_from_slice(fraction);
                // A second mark of any kind is none of a number.
                if fraction.iter().any(|b| b".,".contains(b)) {
                    return None;
                }
            }
            _ => plain.extend_from_slice(rest),
        }
        number::parse(&plain)
    }

    /// Appends the digits before the decimal mark, which are groups of three where they are groups: also of two, as in
    /// India, before the last.
    fn push_whole(self, whole: &[u8], plain: &mut Vec<u8>) -> Option<()> {
        let (sign, digits) = match whole.split_first() {
            Some((sign @ (b'-' | b'+'), digits)) => (Some(*sign), digits),
            _ => (None, whole),
        };
        plain.extend(sign);
        let Some(mark) = self.thousands else {
            plain.extend_from_slice(digits);
            return (!digits.contains(&b'.')).then_some(());
        };
        let ascii = ascii_marks(digits, mark);
        let mut groups = ascii.split(|&b| b == mark);
        let first = groups.next()?;
        plain.extend_from_slice(first);
        let others: Vec<&[u8]> = groups.collect();
        let Some((last, middle)) = others.split_last() else {
            // Words such as `inf` have no groups; a point that is no mark is none of a number.
            return (self.decimal == b'.' || !first.contains(&b'.')).then_some(());
        };
        let of_digits = |group: &[u8], sizes: std::ops::RangeInclusive<usize>| {
            sizes.contains(&group.len()) && group.iter().all(u8::is_ascii_digit)
        };
        if !of_digits(first, 1..=3) || !of_digits(last, 3..=3) || !middle.iter().all(|g| of_digits(g, 2..=3))
        {
            return None;
        }
        others.iter().for_each(|group| plain.extend_from_slice(group));
        Some(())
    }
}

/// The text with the typographic forms of a mark (narrow and other blanks that do not break, a curled apostrophe) as the
/// plain one.
fn ascii_marks(text: &[u8], mark: u8) -> Vec<u8> {
    let forms: &[&[u8]] = match mark {
        b' ' => &["\u{a0}".as_bytes(), "\u{202f}".as_bytes(), "\u{2009}".as_bytes()],
        b'\'' => &["\u{2019}".as_bytes()],
        _ => &[],
    };
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&byte, behind)) = rest.split_first() {
        match forms.iter().find_map(|form| rest.strip_prefix(*form)) {
            Some(behind) => {
                plain.push(mark);
                rest = behind;
            }
            None => {
                plain.push(byte);
                rest = behind;
            }
        }
    }
    plain
}

/// A format of dates or times in the notation of C's `strftime`.
#[derive(Clone, Debug)]
struct TimeFormat {
    text: String,
    items: Vec<Item<'static>>,
    reads: ColumnType,
    /// Whether it has a month and no day: the first is meant.
    first_of_month: bool,
}

impl TimeFormat {
    fn new(text: &str) -> Result<Self> {
        let refuse = |message: String| {
            Err(Error::new(ErrorKind::Request, message)
                .with_help("such as %d.%m.%Y, %m/%d/%Y, %d.%m.%Y %H:%M, %I:%M %p"))
        };
        let Ok(items) = StrftimeItems::new(text).parse_to_owned() else {
            return refuse(format!("{text:?} is not a format of dates or times"));
        };
        if items.iter().any(|item| matches!(item, Item::Fixed(Fixed::TimezoneName))) {
            return refuse(format!("{text:?}: names of time zones are not read; offsets are, as %z"));
        }
        let mut format =
            Self { text: text.to_owned(), items, reads: ColumnType::Date, first_of_month: false };
        match format.what_it_reads() {
            Some((reads, first_of_month)) => {
                (format.reads, format.first_of_month) = (reads, first_of_month);
                Ok(format)
            }
            None => refuse(format!("{text:?} has neither a whole date nor a time of day")),
        }
    }

    /// Told by a moment that is written and read back.
    fn what_it_reads(&self) -> Option<(ColumnType, bool)> {
        let moment = NaiveDate::from_ymd_opt(2001, 2, 13)?.and_hms_opt(14, 15, 16)?;
        let moment = moment.and_local_timezone(FixedOffset::east_opt(0)?).single()?;
        let written = moment.format_with_items(self.items.iter()).to_string();
        let mut parsed = self.parsed(written.as_bytes())?;
        if parsed.to_naive_datetime_with_offset(0).is_ok() {
            return Some((ColumnType::Timestamp, false));
        }
        if parsed.to_naive_date().is_ok() {
            return Some((ColumnType::Date, false));
        }
        if parsed.to_naive_time().is_ok() {
            return Some((ColumnType::Time, false));
        }
        parsed.set_day(1).ok()?;
        parsed.to_naive_date().is_ok().then_some((ColumnType::Date, true))
    }

    fn parsed(&self, field: &[u8]) -> Option<Parsed> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, std::str::from_utf8(field).ok()?, self.items.iter()).ok()?;
        // A year of two digits is meant to be one of this century, or the last: that is %y.
        let short = parsed.year().is_some_and(|year| year < 1000);
        (!short).then_some(parsed)
    }

    fn date(&self, field: &[u8]) -> Option<NaiveDate> {
        let mut parsed = self.parsed(field)?;
        if self.first_of_month {
            parsed.set_day(1).ok()?;
        }
        parsed.to_naive_date().ok()
    }

    /// In UTC, if the field has an offset.
    fn timestamp(&self, field: &[u8]) -> Option<NaiveDateTime> {
        let parsed = self.parsed(field)?;
        let offset = parsed.offset().unwrap_or(0);
        let local = parsed.to_naive_datetime_with_offset(offset).ok()?;
        local.checked_sub_offset(FixedOffset::east_opt(offset)?)
    }

    fn time(&self, field: &[u8]) -> Option<i64> {
        let time = self.parsed(field)?.to_naive_time().ok()?;
        Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond()) / 1_000)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;

    fn numbers(decimal: u8, thousands: Option<u8>) -> impl Fn(&str) -> Option<f64> {
        let options = CsvOptions { decimal, thousands, ..CsvOptions::default() };
        let cells = Cells::new(&options).unwrap();
        move |text| cells.number(text.as_bytes())
    }

    #[test]
    fn decimal_commas_and_groups_of_digits() {
        let german = numbers(b',', Some(b'.'));
        for (text, number) in
            [("3,5", 3.5), ("-1.234.567,25", -1_234_567.25), ("12", 12.0), ("1,5e3", 1500.0), (",5", 0.5)]
        {
            assert_eq!(german(text), Some(number), "{text}");
        }
        for text in ["3.5", "1.23,4", "1.2345", "1,234.5", "1,2,3", "", ".", "1..234", "x"] {
            assert_eq!(german(text), None, "{text}");
        }
        let comma = numbers(b',', None);
        assert_eq!((comma("3,5"), comma("3.5"), comma("inf")), (Some(3.5), None, Some(f64::INFINITY)));
        let english = numbers(b'.', Some(b','));
        for (text, number) in
            [("1,605", 1605.0), ("12,34,567.5", 1_234_567.5), ("605", 605.0), ("+1,000", 1000.0)]
        {
            assert_eq!(english(text), Some(number), "{text}");
        }
        for text in ["1,6", "1605,000", "1,605,00", "1,605.0,0", ",605"] {
            assert_eq!(english(text), None, "{text}");
        }
        let swiss = numbers(b'.', Some(b'\''));
        assert_eq!((swiss("1'234.5"), swiss("1\u{2019}234")), (Some(1234.5), Some(1234.0)));
        let french = numbers(b',', Some(b' '));
        assert_eq!((french("1 234,5"), french("1\u{202f}234")), (Some(1234.5), Some(1234.0)));
    }

    #[test]
    fn marks_that_exclude_each_other() {
        for (decimal, thousands) in [(b',', Some(b',')), (b';', None), (b'.', Some(b'x'))] {
            let options = CsvOptions { decimal, thousands, ..CsvOptions::default() };
            assert_eq!(Cells::new(&options).unwrap_err().kind(), ErrorKind::Request);
        }
    }

    fn formatted(formats: &[&str]) -> Result<Cells> {
        let date_formats = formats.iter().map(|&f| f.to_owned()).collect();
        Cells::new(&CsvOptions { date_formats, ..CsvOptions::default() })
    }

    #[test]
    fn dates_and_times_in_any_order() {
        let cells = formatted(&["%d.%m.%Y", "%m/%d/%Y %I:%M %p", "%H.%M"]).unwrap();
        assert_eq!(cells.date(b"03.01.2024"), value::date(b"2024-01-03"));
        assert_eq!(cells.date(b"3.1.2024"), value::date(b"2024-01-03"));
        assert_eq!((cells.date(b"31.02.2024"), cells.date(b"2024-01-03")), (None, None));
        assert_eq!(cells.timestamp(b"2/13/2024 02:30 PM"), value::timestamp(b"2024-02-13 14:30"));
        assert_eq!(cells.time(b"14.30"), Some(52_200_000_000));
        let month = formatted(&["%Y-%m"]).unwrap();
        assert_eq!(month.date(b"2024-02"), value::date(b"2024-02-01"));
        let offset = formatted(&["%d/%m/%Y %H:%M %z"]).unwrap();
        assert_eq!(offset.timestamp(b"03/01/2024 10:00 +0200"), value::timestamp(b"2024-01-03 08:00"));
        assert_eq!(formatted(&["%d-%b-%y"]).unwrap().date(b"03-Jan-24"), value::date(b"2024-01-03"));
    }

    #[test]
    fn formats_that_say_too_little() {
        for formats in [&["%d.%m"][..], &["%Q"], &["day"], &["%H:%M %Z"], &["%d.%m.%Y", "%m/%d/%Y"]] {
            assert_eq!(formatted(formats).unwrap_err().kind(), ErrorKind::Request, "{formats:?}");
        }
    }
}
