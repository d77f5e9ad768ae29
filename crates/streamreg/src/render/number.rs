//! Numbers for people.

/// Digits that tables show.
const DIGITS: usize = 6;

/// A number with six significant digits, as short as that allows.
pub fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let decimals = (DIGITS as i32 - 1 - exponent).max(0) as usize;
        trim(&format!("{value:.decimals$}")).to_owned()
    } else {
        format!("{}e{exponent}", trim(mantissa))
    }
}

/// Without zeros at the end of the decimals.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A number, or R's `NA`.
pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or("NA".into(), short)
}

/// A t statistic: three decimals, as far as they are worth showing.
pub(super) fn t_value(value: Option<f64>) -> String {
    match value {
        Some(t) if t.abs() < 1e5 => format!("{t:.3}"),
        other => optional(other),
    }
}

/// A p-value as R prints it.
pub(super) fn p_value(value: Option<f64>) -> String {
    match value {
        None => "NA".into(),
        Some(p) if p < 2e-16 => "<2e-16".into(),
        Some(p) if p < 1e-4 => format!("{p:.2e}"),
        Some(p) => trim(&format!("{p:.6}")).into(),
    }
}

/// R's significance stars.
pub(super) fn stars(p: Option<f64>) -> &'static str {
    match p {
        Some(p) if p < 0.001 => "***",
        Some(p) if p < 0.01 => "**",
        Some(p) if p < 0.05 => "*",
        Some(p) if p < 0.1 => ".",
        _ => "",
    }
}

/// A count with thousands separated.
pub fn count(value: impl Into<u128>) -> String {
    let value = value.into();
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
pub(super) fn counted(value: impl Into<u128>, what: &str) -> String {
    let value = value.into();
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(value))
}

/// Bytes in the unit that keeps three digits.
pub fn bytes(value: u64) -> String {
    let (mut size, mut unit) = (value as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    let decimals = if unit == "B" || size >= 99.95 { 0 } else { 1 };
    format!("{size:.decimals$} {unit}")
}

/// As [`bytes`], rounded up: a limit of so many is enough.
pub(crate) fn at_least(value: u64) -> String {
    let step = match value {
        0..100_000_000 => 100_000,
        100_000_000..1_000_000_000 => 1_000_000,
        1_000_000_000..100_000_000_000 => 100_000_000,
        _ => 1_000_000_000,
    };
    bytes(value.div_ceil(step) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-16.0, "-16"),
            (0.123_456_789, "0.123457"),
            (1_234_567.8, "1234568"),
            (9.999_999_9, "10"),
            (1.5e-7, "1.5e-7"),
            (2.5e300, "2.5e300"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn counts_and_bytes() {
        assert_eq!(count(336_776u64), "336,776");
        assert_eq!(count(12u64), "12");
        assert_eq!(bytes(999), "999 B");
        let up = [
            (47_400_001, "47.5 MB"),
            (99_970_000, "100 MB"),
            (250_000_001, "251 MB"),
            (1_000_000_001, "1.1 GB"),
        ];
        up.into_iter().for_each(|(value, text)| assert_eq!(at_least(value), text));
        assert_eq!(bytes(47_400_000), "47.4 MB");
        assert_eq!(bytes(999_600), "1.0 MB");
    }

    #[test]
    fn p_values() {
        assert_eq!(p_value(Some(1e-20)), "<2e-16");
        assert_eq!(p_value(Some(0.042)), "0.042");
        assert_eq!((stars(Some(0.042)), stars(None)), ("*", ""));
    }
}
