//! Dates, times and timestamps: their fields, their spelling, and what comes some months later.
//!
//! All is counted in the proleptic Gregorian calendar and without leap seconds, as SQL does.

use arrow_schema::TimeUnit;
use chrono::{
    Datelike, MappedLocalTime, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone,
    Timelike,
};

use super::kind::{Kind, Zone, per_second};

/// Nanoseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000_000;

/// A length of time as SQL's `INTERVAL` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) nanoseconds: i128,
}

impl Shift {
    /// Reads `3 days`, `1 month 2 hours`, or a number alone in `unit`.
    pub(super) fn parse(text: &str, unit: Option<&str>) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut shift = Self::default();
        let mut any = false;
        while let Some(count) = words.next() {
            any = true;
            if count.contains(':') {
                let (sign, clock) = count.strip_prefix('-').map_or((1, count), |clock| (-1, clock));
                shift.nanoseconds += sign * i128::from(parse_time(clock)?);
                continue;
            }
            let unit = match unit {
                Some(unit) => unit.to_owned(),
                None => words.next()?.to_lowercase(),
            };
            shift.add(count, &unit)?;
        }
        any.then_some(shift)
    }

    fn add(&mut self, count: &str, unit: &str) -> Option<()> {
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let whole = || count.parse::<i64>().ok().filter(|count| count.unsigned_abs() < 1 << 40);
        match unit {
            "year" => self.months += 12 * whole()?,
            "quarter" => self.months += 3 * whole()?,
            "month" => self.months += whole()?,
            "week" => self.days += 7 * whole()?,
            "day" => self.days += whole()?,
            _ => {
                let nanoseconds: i128 = match unit {
                    "hour" => 3_600_000_000_000,
                    "minute" => 60_000_000_000,
                    "second" => 1_000_000_000,
                    "millisecond" => 1_000_000,
                    "microsecond" => 1_000,
                    _ => return None,
                };
                self.nanoseconds += match whole() {
                    Some(whole) => i128::from(whole) * nanoseconds,
                    None => (count.parse::<f64>().ok().filter(|c| c.abs() < 1e12)? * nanoseconds as f64)
                        .round() as i128,
                };
            }
        }
        Some(())
    }

    #[must_use]
    pub(super) fn negated(self) -> Self {
        Self { months: -self.months, days: -self.days, nanoseconds: -self.nanoseconds }
    }

    /// The length in nanoseconds, if it is one: a month has none.
    pub(super) fn length(self) -> Option<i128> {
        (self.months == 0).then_some(i128::from(self.days) * i128::from(DAY) + self.nanoseconds)
    }

    /// A local time so many months and days later. In a month that is too short, the last day.
    fn days_after(self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let months = Months::new(u32::try_from(self.months.unsigned_abs()).ok()?);
        let moved = if self.months < 0 {
            local.checked_sub_months(months)
        } else {
            local.checked_add_months(months)
        }?;
        moved.checked_add_signed(TimeDelta::try_days(self.days)?)
    }

    /// A value of `kind`, a date or timestamp, that much later, as a timestamp in `unit`, which is not coarser. Months and
    /// days go by the calendar of the zone, shorter times by the instant.
    pub(super) fn apply(self, kind: &Kind, value: i64, unit: TimeUnit) -> Option<i64> {
        let instant = match kind {
            Kind::Timestamp(own, _) if self.months == 0 && self.days == 0 => {
                i128::from(value) * i128::from(per_second(unit) / per_second(*own))
            }
            Kind::Timestamp(_, zone) => {
                count(self.days_after(local(kind, value)?)?, unit, zone.as_ref())?.into()
            }
            _ => count(self.days_after(local(kind, value)?)?, unit, None)?.into(),
        };
        i64::try_from(instant + self.nanoseconds / i128::from(1_000_000_000 / per_second(unit))).ok()
    }
}

/// A date or timestamp as what clock and calendar show.
pub(super) fn local(kind: &Kind, value: i64) -> Option<NaiveDateTime> {
    let (unit, zone) = match kind {
        Kind::Date => return Some(day(value)?.and_time(NaiveTime::MIN)),
        Kind::Time => return Some(day(0)?.and_time(time(value)?)),
        Kind::Timestamp(unit, zone) => (*unit, zone.as_ref()),
        _ => return None,
    };
    let units = per_second(unit);
    let nanoseconds = value.rem_euclid(units) * (1_000_000_000 / units);
    let utc = chrono::DateTime::from_timestamp(value.div_euclid(units), nanoseconds as u32)?.naive_utc();
    match zone {
        None => Some(utc),
        Some(zone) => utc.checked_add_offset(zone.rules.offset_from_utc_datetime(&utc).fix()),
    }
}

/// A local time as a count of units since 1970, in UTC if there is a zone. A time that occurs twice is the later one;
/// one that a clock passes over is read by the offset from before.
pub(super) fn count(local: NaiveDateTime, unit: TimeUnit, zone: Option<&Zone>) -> Option<i64> {
    let utc = match zone {
        None => local,
        Some(zone) => {
            let offset = match zone.rules.offset_from_local_datetime(&local) {
                MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(_, offset) => offset,
                MappedLocalTime::None => {
                    let before = local.checked_sub_signed(TimeDelta::hours(24))?;
                    zone.rules.offset_from_utc_datetime(&before)
                }
            };
            local.checked_sub_offset(offset.fix())?
        }
    };
    let utc = utc.and_utc();
    let units = per_second(unit);
    let part = i64::from(utc.timestamp_subsec_nanos()) / (1_000_000_000 / units);
    // Before 1970 the product alone may be out of range where the sum is not.
    i64::try_from(i128::from(utc.timestamp()) * i128::from(units) + i128::from(part)).ok()
}

/// The day so many days after 1970-01-01.
pub(super) fn day(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
}

/// Days since 1970-01-01.
pub(super) fn days(day: NaiveDate) -> i64 {
    i64::from(day.to_epoch_days())
}

fn time(nanoseconds: i64) -> Option<NaiveTime> {
    let seconds = u32::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanoseconds.rem_euclid(1_000_000_000) as u32)
}

/// A part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    /// Of the minute, with those of the seconds.
    Millisecond,
    Microsecond,
    /// Seconds since 1970, with their fraction.
    Epoch,
}

impl Field {
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        Some(match name.as_str() {
            "millennium" | "millenniums" | "millennia" => Self::Millennium,
            "century" | "centuries" => Self::Century,
            "decade" | "decades" => Self::Decade,
            "year" | "years" | "y" => Self::Year,
            "isoyear" => Self::IsoYear,
            "quarter" | "quarters" => Self::Quarter,
            "month" | "months" | "mon" => Self::Month,
            "week" | "weeks" | "w" | "weekofyear" => Self::Week,
            "day" | "days" | "d" | "dayofmonth" => Self::Day,
            "dayofyear" | "doy" => Self::DayOfYear,
            "dayofweek" | "dow" | "weekday" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "hour" | "hours" | "h" | "hr" => Self::Hour,
            "minute" | "minutes" | "m" | "min" => Self::Minute,
            "second" | "seconds" | "s" | "sec" => Self::Second,
            "millisecond" | "milliseconds" | "ms" => Self::Millisecond,
            "microsecond" | "microseconds" | "us" => Self::Microsecond,
            "epoch" => Self::Epoch,
            _ => return None,
        })
    }

    /// Whether the field needs a time of day; a date has midnight.
    pub(super) fn is_of_the_day(self) -> bool {
        matches!(
            self,
            Self::Hour | Self::Minute | Self::Second | Self::Millisecond | Self::Microsecond | Self::Epoch
        )
    }

    /// The field of a local time; not for [`Self::Epoch`].
    pub(super) fn of(self, local: NaiveDateTime) -> i64 {
        let year = i64::from(local.year());
        match self {
            Self::Millennium if year > 0 => (year - 1) / 1_000 + 1,
            Self::Millennium => -((-year) / 1_000 + 1),
            Self::Century if year > 0 => (year - 1) / 100 + 1,
            Self::Century => -((-year) / 100 + 1),
            Self::Decade => year / 10,
            Self::Year => year,
            Self::IsoYear => i64::from(local.iso_week().year()),
            Self::Quarter => i64::from(local.month0() / 3 + 1),
            Self::Month => local.month().into(),
            Self::Week => local.iso_week().week().into(),
            Self::Day => local.day().into(),
            Self::DayOfYear => local.ordinal().into(),
            Self::DayOfWeek => local.weekday().num_days_from_sunday().into(),
            Self::IsoDayOfWeek => local.weekday().number_from_monday().into(),
            Self::Hour => local.hour().into(),
            Self::Minute => local.minute().into(),
            Self::Second => local.second().into(),
            Self::Millisecond => {
                i64::from(local.second()) * 1_000 + i64::from(local.nanosecond() / 1_000_000)
            }
            Self::Microsecond => {
                i64::from(local.second()) * 1_000_000 + i64::from(local.nanosecond() / 1_000)
            }
            Self::Epoch => local.and_utc().timestamp(),
        }
    }

    /// The beginning of the year, month, … that a local time lies in; `None` where the field has none.
    pub(super) fn begin(self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let first_day = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1);
        let day = local.date();
        let year = local.year();
        let back = |days: u32| day.checked_sub_days(chrono::Days::new(days.into()));
        let begin = match self {
            Self::Millennium => first_day(year.div_euclid(1_000) * 1_000, 1)?,
            Self::Century => first_day(year.div_euclid(100) * 100, 1)?,
            Self::Decade => first_day(year.div_euclid(10) * 10, 1)?,
            Self::Year => first_day(year, 1)?,
            Self::Quarter => first_day(year, local.month0() / 3 * 3 + 1)?,
            Self::Month => first_day(year, local.month())?,
            Self::Week => back(local.weekday().num_days_from_monday())?,
            Self::IsoYear => NaiveDate::from_isoywd_opt(local.iso_week().year(), 1, chrono::Weekday::Mon)?,
            Self::Day | Self::DayOfYear | Self::DayOfWeek | Self::IsoDayOfWeek => day,
            Self::Hour => return day.and_hms_opt(local.hour(), 0, 0),
            Self::Minute => return day.and_hms_opt(local.hour(), local.minute(), 0),
            Self::Second => return local.with_nanosecond(0),
            Self::Millisecond => return local.with_nanosecond(local.nanosecond() / 1_000_000 * 1_000_000),
            Self::Microsecond => return local.with_nanosecond(local.nanosecond() / 1_000 * 1_000),
            Self::Epoch => return None,
        };
        Some(begin.and_time(NaiveTime::MIN))
    }
}

/// Reads `2024-02-29`.
pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let (rest, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let mut parts = rest.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str, from: usize, to: usize| {
        let fits = (from..=to).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<i32>().ok()).flatten()
    };
    let year = digits(year, 4, 6)?;
    let (month, day) = (digits(month, 2, 2)?, digits(day, 2, 2)?);
    NaiveDate::from_ymd_opt(
        if negative { -year } else { year },
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )
}

/// Reads `23:59:59.5`; nanoseconds since midnight.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let number = |text: &str, below: i64| {
        let fits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<i64>().ok()).flatten().filter(|&n| n < below)
    };
    let whole = (number(hour, 24)? * 60 + number(minute, 60)?) * 60 + number(second, 60)?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    Some(whole * 1_000_000_000 + fraction)
}

/// Reads a day, or a day and a time with a blank or a `T` between and perhaps an offset from UTC behind. Says the local
/// time, and the seconds that it is ahead of UTC if the text has them.
pub(super) fn parse_timestamp(text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
    let text = text.trim();
    let Some(cut) = text.find(['T', 't', ' ']) else {
        return Some((parse_date(text)?.and_time(NaiveTime::MIN), None));
    };
    let (date, rest) = (parse_date(&text[..cut])?, text[cut + 1..].trim());
    let cut = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let clock = rest[..cut].trim();
    let offset = match rest[cut..].trim() {
        "" => None,
        "Z" | "z" => Some(0),
        signed => {
            let (sign, digits) = (if signed.starts_with('-') { -1 } else { 1 }, signed[1..].replace(':', ""));
            let fits = (digits.len() == 2 || digits.len() == 4) && digits.bytes().all(|b| b.is_ascii_digit());
            let number =
                |range: std::ops::Range<usize>| digits.get(range).map_or(Some(0), |t| t.parse::<i32>().ok());
            if !fits {
                return None;
            }
            Some(sign * (number(0..2)? * 3_600 + number(2..4)? * 60))
        }
    };
    Some((date.and_time(time(parse_time(clock)?)?), offset))
}

/// `unit`, or a finer one if a timestamp in this text needs it.
pub(super) fn unit_for(text: &str, unit: TimeUnit) -> TimeUnit {
    let nanoseconds = parse_timestamp(text).map_or(0, |(local, _)| i64::from(local.nanosecond()));
    let holds = |unit: &TimeUnit| nanoseconds % (1_000_000_000 / per_second(*unit)) == 0;
    [unit, TimeUnit::Microsecond, TimeUnit::Nanosecond].into_iter().find(holds).unwrap_or(unit)
}

/// A date, time or timestamp as text.
pub(super) fn spell(kind: &Kind, value: i64) -> Option<String> {
    let local_time = local(kind, value)?;
    let clock = |time: NaiveTime| match time.nanosecond() {
        0 => time.format("%H:%M:%S").to_string(),
        _ => time.format("%H:%M:%S%.f").to_string().trim_end_matches('0').to_owned(),
    };
    let date = local_time.date();
    let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " (BC)") };
    let date = format!("{year:04}-{:02}-{:02}{era}", date.month(), date.day());
    Some(match kind {
        Kind::Date => date,
        Kind::Time => clock(local_time.time()),
        Kind::Timestamp(_, zone) => {
            let text = format!("{date} {}", clock(local_time.time()));
            let Some(zone) = zone else { return Some(text) };
            let utc = local(&Kind::Timestamp(unit_of(kind), None), value)?;
            let ahead = zone.rules.offset_from_utc_datetime(&utc).fix().local_minus_utc();
            let (hours, minutes) = (ahead.abs() / 3_600, ahead.abs() / 60 % 60);
            let sign = if ahead < 0 { '-' } else { '+' };
            let minutes = if minutes == 0 { String::new() } else { format!(":{minutes:02}") };
            format!("{text}{sign}{hours:02}{minutes}")
        }
        _ => return None,
    })
}

fn unit_of(kind: &Kind) -> TimeUnit {
    match kind {
        Kind::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Nanosecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: TimeUnit = TimeUnit::Microsecond;

    /// A timestamp in microseconds since 1970, UTC.
    fn utc(text: &str) -> i64 {
        count(parse_timestamp(text).unwrap().0, MICROSECOND, None).unwrap()
    }

    #[test]
    fn hours_go_by_the_instant_and_days_by_the_clock() {
        let zurich = Kind::Timestamp(MICROSECOND, Zone::named("Europe/Zurich"));
        for (from, interval, to) in [
            ("2024-10-27 00:30:00", "0 seconds", "2024-10-27 00:30:00"),
            ("2024-10-27 00:30:00", "1 hour", "2024-10-27 01:30:00"),
            ("2024-03-31 00:30:00", "2 hours", "2024-03-31 02:30:00"),
            ("2024-03-31 00:30:00", "24 hours", "2024-04-01 00:30:00"),
            ("2024-10-27 00:30:00", "-30 minutes", "2024-10-27 00:00:00"),
            ("2024-03-30 12:00:00", "1 day", "2024-03-31 11:00:00"),
            ("2024-03-30 12:00:00", "1 day 1 hour", "2024-03-31 12:00:00"),
        ] {
            let shift = Shift::parse(interval, None).unwrap();
            assert_eq!(shift.apply(&zurich, utc(from), MICROSECOND), Some(utc(to)), "{from} + {interval}");
        }
        let month = Shift::parse("1 month", None).unwrap();
        let day = days(parse_date("2024-01-31").unwrap());
        assert_eq!(month.apply(&Kind::Date, day, MICROSECOND), Some(utc("2024-02-29")));
        let seconds = Kind::Timestamp(TimeUnit::Second, None);
        let half = Shift::parse("0.5", Some("second")).unwrap();
        assert_eq!(half.apply(&seconds, 3, MICROSECOND), Some(3_500_000));
    }
}
