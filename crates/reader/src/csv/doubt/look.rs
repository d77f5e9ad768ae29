//! What a cell is under another convention than that of the file.

use super::dates::DatePattern;

/// What a cell reads as under another convention than that of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::csv) enum Look {
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
    /// A date, or a date with a time.
    Date,
    /// A time of day.
    Time,
}

impl Look {
    pub(in crate::csv) fn is_number(self) -> bool {
        !matches!(self, Self::Date | Self::Time)
    }

    /// What a trimmed cell reads as, if not as text.
    pub(in crate::csv) fn of(cell: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(cell).ok().filter(|text| text.len() <= 64)?;
        if !text.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        number_look(text).or_else(|| {
            let pattern = DatePattern::of(text)?;
            Some(if pattern.is_time { Self::Time } else { Self::Date })
        })
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
pub(super) fn around_number(text: &str) -> Option<(&str, &str, &str)> {
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
pub(super) fn mantissa_look(text: &str) -> Option<Look> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
