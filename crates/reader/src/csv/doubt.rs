//! Cells that do not fit, and what would make them fit: the words of errors about values.
//!
//! A column is text as soon as one cell of the sample is neither a number nor a date nor a time. If most of its cells
//! are, the owner hardly meant a category: the column is a [`Misfit`], and whoever makes it a feature or a response is
//! told so.

use super::cells::Cells;
use super::field::trim;
use super::options::{ColumnType, CsvOptions};
use crate::error::{Error, ErrorKind, Place, shell_word};

/// Characters of an offending cell that an error shows.
const SHOWN_CHARS: usize = 40;

/// What a cell reads as under another convention than that of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A number with a decimal comma, and what stands between groups of its digits.
    DecimalComma(Option<char>),
    /// A number with a decimal point, or none.
    Point,
    /// A number whose digits are in groups, with this between them.
    Thousands(char),
    /// A number with a comma before three digits: decimals or thousands.
    AnyComma,
    /// A number with something about it: a currency, per cent, a unit, parentheses, a minus behind it.
    Affixes,
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
const SIGNS: [char; 12] = ['$', '€', '£', '¥', '₹', '%', '‰', '(', ')', '*', '\'', '"'];

/// Words that stand before an amount.
const CURRENCIES: [&str; 30] = [
    "US", "R", "Rs", "kr", "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "BRL", "CAD", "AUD", "NZD",
    "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RUB", "TRY", "ZAR", "MXN", "KRW", "SGD", "HKD", "THB", "ILS",
];

fn number_look(text: &str) -> Option<Look> {
    let (before, number, behind) = around_number(text)?;
    let number = number.strip_suffix(['.', ',']).unwrap_or(number);
    let (mantissa, exponent) = match number.split_once(['e', 'E', 'd', 'D']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    };
    let whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if exponent.is_some_and(|exponent| !whole(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))) {
        return None;
    }
    let look = mantissa_look(mantissa)?;
    let plain =
        before.trim_matches(['-', '+']).is_empty() && behind.is_empty() && !number.contains(['d', 'D']);
    Some(if plain { look } else { Look::Affixes })
}

/// What stands before a number, the number, and what stands behind it; `None` where that makes a word or a code of it.
fn around_number(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    // `.5` and `,5` are numbers, too.
    let start = if text[..start].ends_with(['.', ',']) { start - 1 } else { start };
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (before, number, behind) = (&text[..start], &text[start..end], &text[end..]);
    let signs = |text: &str| {
        text.chars().all(|c| SIGNS.contains(&c) || c.is_whitespace() || "=+-\u{2212}.".contains(c))
    };
    let of_letters = |text: &str| text.chars().all(char::is_alphabetic) && text.chars().count() <= 8;
    let currency = |text: &str| {
        let code = text.trim_end_matches(|c: char| SIGNS.contains(&c) || c.is_whitespace() || c == '-');
        CURRENCIES.contains(&code.trim_start_matches(['-', '+']))
    };
    // `12 kg`, `12.5 b` and `12.5K`, not `12A` and `3rd`.
    let unit = |text: &str| {
        let name = text.trim_start();
        let apart = name.len() < text.len() || (number.contains(['.', ',']) && name.chars().count() == 1);
        apart && of_letters(name.trim_end_matches('.'))
    };
    ((signs(before) || currency(before)) && (signs(behind) || unit(behind)))
        .then_some((before, number, behind))
}

/// What digits and the marks between them are.
fn mantissa_look(text: &str) -> Option<Look> {
    let marks: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let (&first, rest) = groups.split_first()?;
    // Of three digits; as in India of two before the last three.
    let grouped = |rest: &[&str]| {
        let Some((last, middle)) = rest.split_last() else { return false };
        let same = |length| middle.iter().all(|group: &&str| group.len() == length);
        (1..=3).contains(&first.len()) && last.len() == 3 && (same(3) || same(2))
    };
    match marks.as_slice() {
        [] | ['.'] => Some(Look::Point),
        [','] if grouped(rest) => Some(Look::AnyComma),
        [','] if !rest[0].is_empty() => Some(Look::DecimalComma(None)),
        [mark, others @ ..] if ",.'’_ \u{a0}\u{202f}\u{2009}".contains(*mark) => {
            let (last, before) = others.split_last().map_or((mark, others), |(last, before)| (last, before));
            if others.iter().all(|other| other == mark) && grouped(rest) {
                return Some(Look::Thousands(*mark));
            }
            let decimals = ".,".contains(*last) && last != mark && before.iter().all(|other| other == mark);
            if !decimals || !grouped(&rest[..rest.len() - 1]) {
                return None;
            }
            Some(if *last == ',' { Look::DecimalComma(Some(*mark)) } else { Look::Thousands(*mark) })
        }
        _ => None,
    }
}

/// The words and the signs of what stands about a number, without those that say whether it is negative.
fn affixes(text: &str) -> Vec<String> {
    let mut affixes: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let letter = c.is_alphabetic();
        match affixes.last_mut() {
            Some(word) if letter && in_word => word.push(c),
            _ if c.is_whitespace() || "+-().\u{2212}".contains(c) => {}
            _ => affixes.push(c.to_string()),
        }
        in_word = letter;
    }
    affixes
}

/// An SQL expression of the number in such cells, made of what stands about this one.
fn number_expression(text: &str, column: &str) -> Option<String> {
    let (before, number, behind) = around_number(text)?;
    let name = sql_name(column);
    let minus = |text: &str| text.contains(['-', '\u{2212}']);
    let mut stripped = name.clone();
    let strip = |inner: String, what: &str, by: &str| {
        // The only sign of a shell among them is that of the dollar, which means nothing before a quote.
        let what = what.replace('\'', "''").replace('"', if plain_name(column) { "\\\"" } else { "\"" });
        format!("replace({inner}, '{what}', '{by}')")
    };
    if behind.trim().chars().count() == 1 && behind.contains(['K', 'M', 'B', 'k', 'm', 'b']) {
        // A factor, which other cells need not have.
        return None;
    }
    for affix in affixes(before).into_iter().chain(affixes(behind)) {
        stripped = strip(stripped, &affix, "");
    }
    for (sign, by) in [("+", ""), ("D", "E"), ("d", "e")] {
        if behind.contains(sign) && by.is_empty() || number.contains(sign) && !by.is_empty() {
            stripped = strip(stripped, sign, by);
        }
    }
    if before.contains('\u{2212}') {
        stripped = strip(stripped, "\u{2212}", "-");
    }
    let (group, comma) = match mantissa_look(number.strip_suffix(['.', ',']).unwrap_or(number)) {
        Some(Look::DecimalComma(group)) => (group, true),
        Some(Look::Thousands(group)) => (Some(group), false),
        Some(Look::AnyComma) => (Some(','), false),
        _ => (None, number.ends_with(',')),
    };
    if let Some(group) = group {
        stripped = strip(stripped, &group.to_string(), "");
    }
    if comma {
        stripped = strip(stripped, ",", ".");
    }
    let negative = match (before.contains('('), minus(behind)) {
        (true, _) => format!("{name} LIKE '%(%'"),
        (false, true) => format!("{name} LIKE '%-'"),
        (false, false) => return Some(format!("CAST({stripped} AS double)")),
    };
    let (stripped, last) = match before.contains('(') {
        true => (strip(stripped, "(", ""), ")"),
        false => (stripped, "-"),
    };
    let positive = strip(stripped, last, "");
    Some(format!("CAST({positive} AS double) * CASE WHEN {negative} THEN -1 ELSE 1 END"))
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
        let apart = text.split_once([' ', 'T']).or_else(|| text.split_once(':'));
        let (date, time) = match apart.filter(|(date, _)| !date.ends_with(',')) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let (dates, time) = match date_formats(date) {
            Some(formats) => (formats, time),
            // `3 Jan 2024`, `Jan 3, 2024`: the whole of it.
            None => (date_formats(text)?, None),
        };
        let behind = match time {
            Some(time) => format!("{}{}", &text[date.len()..=date.len()], time_format(time)?),
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
    // `03JAN2024`, as SAS has it.
    if let (Some(day), Some(month), Some(year)) = (text.get(..2), text.get(2..5), text.get(5..))
        && is_month(month)
        && day.bytes().chain(year.bytes()).all(|b| b.is_ascii_digit())
        && matches!(year.len(), 2 | 4)
    {
        return Some(vec![if year.len() == 4 { "%d%b%Y".into() } else { "%d%b%y".into() }]);
    }
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
            Some(vec![joined(["%d", month_format(groups[1]), year(2)?])])
        }
        [None, second, Some(_)] if day(*second) && is_month(groups[0]) => Some(vec![if between.is_empty() {
            format!("{} %d, {}", month_format(groups[0]), year(2)?)
        } else {
            joined([month_format(groups[0]), "%d", year(2)?])
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

/// Of a name, or its first three letters.
fn month_format(name: &str) -> &'static str {
    if name.len() > 3 { "%B" } else { "%b" }
}

fn is_month(name: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    name.get(..3).is_some_and(|start| MONTHS.contains(&start.to_ascii_lowercase().as_str()))
}

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
    if let Some(kind) = TYPES[2..].iter().find(|t| cells.fits(**t, text.as_bytes())) {
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
    let typed = TYPES.iter().any(|t| cells.fits(*t, text.as_bytes()));
    if column_type == ColumnType::Boolean || typed {
        return None;
    }
    let null = || Some(format!("--null {} makes it a missing value", shell_word(&text)));
    let Some(look) = Look::of(text.as_bytes()) else { return null() };
    if look.is_number() != (column_type == ColumnType::Number) {
        return None;
    }
    let marks = |mark: char| match mark {
        '’' => "\"'\"".to_owned(),
        '\'' => "\"'\"".to_owned(),
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
    cells.is_ok_and(|cells| TYPES[2..].iter().any(|t| cells.fits(*t, cell)))
}

/// The types that a cell may be a value of.
const TYPES: [ColumnType; 5] =
    [ColumnType::Number, ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp, ColumnType::Time];

/// A column in SQL.
fn sql_name(column: &str) -> String {
    if plain_name(column) { column.to_owned() } else { format!("\"{}\"", column.replace('"', "\"\"")) }
}

/// The option that makes a column of an expression, as a shell takes it. A name from a file is never left to the shell.
fn with_option(expression: &str, column: &str) -> String {
    let text = format!("NAME = {expression}");
    if plain_name(column) { format!("--with \"{text}\"") } else { format!("--with {}", shell_word(&text)) }
}

fn plain_name(name: &str) -> bool {
    let letters = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && name.chars().all(letters)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::CsvOptions;

    #[test]
    fn numbers_under_other_conventions() {
        for (text, look) in [
            ("3,5", Look::DecimalComma(None)),
            ("-1.234,5", Look::DecimalComma(Some('.'))),
            ("1 234,5", Look::DecimalComma(Some(' '))),
            ("1,5e3", Look::DecimalComma(None)),
            ("1,605", Look::AnyComma),
            ("1,234,567", Look::Thousands(',')),
            ("1,234.5", Look::Thousands(',')),
            ("1.234.567", Look::Thousands('.')),
            ("1'234", Look::Thousands('\'')),
            ("12 345", Look::Thousands(' ')),
            ("3.5%", Look::Affixes),
            ("$3.50", Look::Affixes),
            ("-$1,200.00", Look::Affixes),
            ("(12)", Look::Affixes),
            ("12-", Look::Affixes),
            ("3,50 €", Look::Affixes),
            ("1,23,45,678", Look::Thousands(',')),
            ("12 kg", Look::Affixes),
            ("EUR 12", Look::Affixes),
            ("US$ 12", Look::Affixes),
            ("12.5K", Look::Affixes),
            ("12.3 b", Look::Affixes),
            ("1.2D+04", Look::Affixes),
            ("=\"12\"", Look::Affixes),
            ("\u{2212}5", Look::Affixes),
            ("'12.5", Look::Affixes),
            ("12*", Look::Affixes),
            ("2.5", Look::Point),
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
            ("3 January 2024", &["%d %B %Y"]),
            ("03JAN2024", &["%d%b%Y"]),
            ("03JAN2024:07:05:00", &["%d%b%Y:%H:%M:%S"]),
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
            "Room 12",
            "Q1",
            "12A",
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
