//! Text to booleans and to ISO 8601 dates and timestamps.

/// `true` or `false` in any case.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// The day `YYYY-MM-DD`, counted from 1970-01-01.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let (days, rest) = leading_date(text)?;
    rest.is_empty().then_some(days)
}

/// `YYYY-MM-DD[( |T)HH:MM[:SS[.f…]][offset]]` in microseconds since 1970-01-01; further digits are dropped. With an
/// offset from UTC (`Z`, `+02`, `+0200`, `+02:00`) the time in UTC.
pub(crate) fn timestamp(text: &[u8]) -> Option<i64> {
    let (days, rest) = leading_date(text)?;
    let midnight = i64::from(days) * 86_400_000_000;
    match rest.split_first() {
        None => Some(midnight),
        Some((b' ' | b'T' | b't', time)) => {
            let (micros, zone) = leading_time(time)?;
            Some(midnight + micros - offset(zone)?)
        }
        Some(_) => None,
    }
}

/// `HH:MM[:SS[.f…]]` in microseconds since midnight. One digit of the hour is too few: `1:20` may be a ratio.
pub(crate) fn time(text: &[u8]) -> Option<i64> {
    let (micros, rest) = leading_time(text)?;
    rest.is_empty().then_some(micros)
}

/// An offset from UTC in microseconds; 0 where there is none.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.trim_ascii_start() {
        [] if text.is_empty() => return Some(0),
        [b'Z' | b'z'] | b"UTC" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match *digits {
        [h1, h2] => (two_digits(h1, h2)?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two_digits(h1, h2)?, two_digits(m1, m2)?),
        _ => return None,
    };
    Some(sign * minutes_of_day(hours, minutes)?)
}

fn leading_date(text: &[u8]) -> Option<(i32, &[u8])> {
    let (&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2], rest) = text.split_first_chunk()? else {
        return None;
    };
    let year = 100 * two_digits(y1, y2)? + two_digits(y3, y4)?;
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        _ => return None,
    };
    (1..=last).contains(&day).then(|| (days_from_civil(year, month, day), rest))
}

/// Days since 1970-01-01 in the Gregorian calendar: Howard Hinnant, chrono-compatible low-level date
/// algorithms. Years are counted from March, so that the leap day is the last.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `HH:MM[:SS[.f…]]` in microseconds, and what follows it.
fn leading_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (&[h1, h2, b':', m1, m2], rest) = text.split_first_chunk()? else { return None };
    let minutes = minutes_of_day(two_digits(h1, h2)?, two_digits(m1, m2)?)?;
    let Some((&[b':', s1, s2], rest)) = rest.split_first_chunk() else { return Some((minutes, rest)) };
    let second = two_digits(s1, s2).filter(|&second| second < 60)?;
    let micros = minutes + i64::from(second) * 1_000_000;
    let Some((b'.' | b',', fraction)) = rest.split_first() else { return Some((micros, rest)) };
    let length = fraction.iter().position(|b| !b.is_ascii_digit()).unwrap_or(fraction.len());
    Some((micros + microseconds(&fraction[..length])?, &fraction[length..]))
}

fn minutes_of_day(hour: i32, minute: i32) -> Option<i64> {
    (hour < 24 && minute < 60).then_some(i64::from(60 * hour + minute) * 60_000_000)
}

/// The digits behind a decimal point, 1 to 9 of them.
fn microseconds(fraction: &[u8]) -> Option<i64> {
    if fraction.is_empty() || fraction.len() > 9 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |i| fraction.get(i).map_or(0, |&b| i64::from(b - b'0'));
    Some((0..6).fold(0, |micros, i| 10 * micros + digit(i)))
}

fn two_digits(tens: u8, ones: u8) -> Option<i32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| 10 * i32::from(tens - b'0') + i32::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2024-12-31", 20_088),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(date(text.as_bytes()), Some(days), "{text}");
        }
        for text in
            ["2023-02-29", "1900-02-29", "2023-13-01", "2023-00-10", "2023-01-00", "2023-04-31", "23-01-01"]
        {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_add_to_the_day() {
        for (text, micros) in [
            ("1970-01-01", 0),
            ("1970-01-01 00:01", 60_000_000),
            ("1970-01-01T01:00:01Z", 3_601_000_000),
            ("1970-01-01 00:00:00.5", 500_000),
            ("1970-01-01 00:00:00.123456789", 123_456),
            ("1969-12-31 23:59:59.999999", -1),
            ("1970-01-02T00:00Z", 86_400_000_000),
            ("1970-01-01 02:00+02:00", 0),
            ("1970-01-01T02:00:00.5+0200", 500_000),
            ("1969-12-31 22:30:00-01:30", 0),
            ("1970-01-01 02:00+02", 0),
            ("1970-01-01 00:00:00,250 UTC", 250_000),
            ("1970-01-01 02:00:00 +0200", 0),
            ("1970-01-01t00:01z", 60_000_000),
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(micros), "{text}");
        }
        for text in [
            "1970-01-01 ",
            "1970-01-01 24:00",
            "1970-01-01 00:60",
            "1970-01-01 00:00:60",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00+2",
            "1970-01-01 00:00+25:00",
            "1970-01-01 00:00+0:200",
            "1970-01-01 00:00 CET",
            "1970-01-01 00:00ZZ",
            "1970-01-01 00:00:00.1234567890",
            "1970-01-01Z",
            "1970-01-01 00:00:",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        for (text, seconds) in [("00:00", 0), ("09:30", 34_200), ("09:30:05", 34_205), ("23:59:59", 86_399)] {
            assert_eq!(time(text.as_bytes()), Some(seconds * 1_000_000), "{text}");
        }
        assert_eq!(time(b"00:00:00.25"), Some(250_000));
        for text in ["24:00", "9:30", "9:3", "123:00", "09:30Z", "09", "-9:30", "9:30 PM", ":30"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }
}
