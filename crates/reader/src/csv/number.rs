//! Decimal text to the nearest float64.
//!
//! Nearly all numbers of real files are decimals without an exponent: a whole number m whose last d digits stand behind the
//! point. If m ≤ 2⁵³ and d ≤ 22, then m and 10^d are exact, and the one division m / 10^d rounds correctly (Clinger, How to
//! read floating point numbers accurately, 1990); `rounding` has the division for longer ones. Everything else goes to
//! `fast-float2`, which is correctly rounded for any input.

use super::lanes::{LOOK, Lanes, repeat, value};
use super::rounding::{MOST_DIGITS, POWERS, quotient};

/// What [`leading_plain_decimal`] looks at; it may reach beyond the field.
const WINDOW: usize = 48;

const FLOAT_POWERS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// The largest number before the point with which all digits, as many as given behind it, make one of 64 bits.
const MOST_WHOLE: [u64; MOST_DIGITS + 1] = {
    let mut most = [0; MOST_DIGITS + 1];
    let mut digits = 0;
    while digits <= MOST_DIGITS {
        most[digits] = u64::MAX / POWERS[digits] - 1;
        digits += 1;
    }
    most
};

/// The number that `text` spells, all of it.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    fast_float2::parse(text).ok()
}

/// Reads a decimal (`-12.5`, `3`, `.25`, `1e6`) off the start of `text`: its value and its length. What
/// follows it is the caller's business.
pub(super) fn leading_decimal(text: &[u8]) -> Option<(f64, usize)> {
    let first = text.strip_prefix(b"-").unwrap_or(text).first()?;
    if first.is_ascii_digit() || *first == b'.' { fast_float2::parse_partial(text).ok() } else { None }
}

/// The same for a decimal of at most 16 digits before the point and [`MOST_DIGITS`] behind it that make up a number of 64
/// bits, and no exponent: if one follows, the length is that of what stands before it. `None` if it is any longer, or near the
/// end of the text.
#[inline(always)]
pub(super) fn leading_plain_decimal(lanes: impl Lanes, text: &[u8]) -> Option<(f64, usize)> {
    plain_decimal(lanes, text.first_chunk()?)
}

/// One look at all 32 bytes finds the point and the end. Only that stands between this field and the next
/// one; the processor computes the value while it is on its way already.
#[inline(always)]
fn plain_decimal(lanes: impl Lanes, window: &[u8; WINDOW]) -> Option<(f64, usize)> {
    // Signs are too random to branch on.
    let negative = usize::from(window[0] == b'-');
    let sign = negative as u64;
    let others = lanes.not_digits(window.first_chunk()?) & !(negative as u32);
    let point = others.trailing_zeros() as usize;
    let before = point - negative;
    if before > 16 {
        return None;
    }
    let whole = lanes.number(bytes_at(window, negative), before);
    if window[point] != b'.' {
        return (before > 0).then(|| (signed(whole as i64 as f64, sign), point));
    }
    // Without an end in sight there are too many digits.
    let end = (others & (others - 1)).trailing_zeros() as usize;
    let length = end - point - 1;
    if length > MOST_DIGITS || whole > MOST_WHOLE[length] || before + length == 0 {
        return None;
    }
    // The number of digits is too random to branch on, too.
    let more = length.saturating_sub(16);
    let behind = lanes.number(bytes_at(window, point + 1), length - more);
    let behind = behind * POWERS[more] + value(word_at(window, point + 17), more);
    let mantissa = whole * POWERS[length] + behind;
    let magnitude = if length <= 8 && mantissa <= 1 << 53 {
        mantissa as i64 as f64 / FLOAT_POWERS[length]
    } else {
        quotient(mantissa, length)
    };
    Some((signed(magnitude, sign), end))
}

/// The bytes from `at` on. Beyond what was looked at they mean nothing.
#[inline(always)]
fn bytes_at<const N: usize>(window: &[u8; WINDOW], at: usize) -> [u8; N] {
    let at = at % LOOK;
    let mut bytes = [0; N];
    bytes.copy_from_slice(&window[at..at + N]);
    bytes
}

/// Eight bytes, the first one lowest, digits as the values 0 to 9.
#[inline(always)]
fn word_at(window: &[u8; WINDOW], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(window, at)) ^ repeat(b'0')
}

/// The number with its sign bit set if `sign` is 1.
#[inline(always)]
fn signed(magnitude: f64, sign: u64) -> f64 {
    f64::from_bits(magnitude.to_bits() | sign << 63)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::lanes::Words;
    use crate::csv::tests::Random;

    /// By lanes of every kind, which agree.
    fn plain_decimal_of(text: &[u8]) -> Option<(f64, usize)> {
        let found = leading_plain_decimal(Words, text);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            let bits = |found: Option<(f64, usize)>| found.map(|(value, length)| (value.to_bits(), length));
            assert_eq!(bits(leading_plain_decimal(simd, text)), bits(found), "{text:?}");
        }
        found
    }

    /// All ways to read a number, two of them with text behind it.
    #[track_caller]
    fn agrees_with_std(text: &str) {
        let expected: f64 = text.parse().unwrap();
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!(found.to_bits(), expected.to_bits(), "{text}: {found:e} is not {expected:e}");
        let more = format!("{text},1.5,a field that is long enough to be more than a window");
        let found = [leading_decimal(more.as_bytes()), plain_decimal_of(more.as_bytes())];
        for (found, length) in found.into_iter().flatten().filter(|(_, length)| *length == text.len()) {
            assert_eq!(found.to_bits(), expected.to_bits(), "{text}: {found:e} of {length}");
        }
    }

    #[test]
    fn spellings_that_are_numbers() {
        let huge = "9".repeat(400);
        let long = format!("0.{}1", "0".repeat(320));
        for text in [
            "0",
            "-0",
            "5.",
            ".5",
            "-.5",
            "+5",
            "007",
            "1e5",
            "1E-5",
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551616",
            "12345678.12345678",
            "1234567812345678.5",
            "0.1234567812345678",
            "0.1234567890123456789",
            "123456789012345678901234567890",
            "1e400",
            "-1e400",
            "4.9e-324",
            "2.2250738585072011e-308",
            "0.30000000000000004",
            "inf",
            "-Infinity",
            "+INF",
            "00000000000000000000000000000001.5",
            "1.00000000000000000000000000000000000000000000000000005",
            huge.as_str(),
            long.as_str(),
        ] {
            agrees_with_std(text);
        }
    }

    #[test]
    fn spellings_that_are_not() {
        for text in [
            "", ".", "-", "+", "+-5", "--5", "0x10", "1_000", "1,000", "1 000", "1e", "e5", "1.2.3", "1d5",
            "infi",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn any_decimal_is_rounded_like_std() {
        let mut random = Random::new(7);
        for round in 0..300_000 {
            let mut text = String::new();
            if random.below(2) == 0 {
                text.push('-');
            }
            let longest = if round % 10 == 0 { 30 } else { 10 };
            for _ in 0..=random.below(longest) {
                text.push(char::from(b'0' + random.below(10) as u8));
            }
            if random.below(4) > 0 {
                text.push('.');
                for _ in 0..random.below(longest) {
                    text.push(char::from(b'0' + random.below(10) as u8));
                }
            }
            if random.below(8) == 0 {
                text.push_str(&format!("e{}", random.below(700) as i64 - 350));
            }
            agrees_with_std(&text);
        }
    }

    #[test]
    fn a_decimal_ends_at_any_other_byte() {
        assert_eq!(plain_decimal_of(&[b'-'; WINDOW]), None);
        for other in (0..=255).filter(|b| !b"0123456789.eE".contains(b)) {
            for text in ["12.25?34567", "-1225?3.4567", "-.5?", ".?", "-.?", "5.?"] {
                let end = text.find('?').unwrap();
                let mut padded = text.as_bytes().to_vec();
                padded[end] = other;
                padded.extend([b'7'; WINDOW]);
                let expected = text[..end].parse().ok().map(|value: f64| (value, end));
                assert_eq!(plain_decimal_of(&padded).filter(|(_, n)| *n >= end), expected, "{text} {other}");
                assert_eq!(leading_decimal(&padded), expected, "{text} {other}");
            }
        }
    }
}
