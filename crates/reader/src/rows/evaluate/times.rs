//! Dates and times that are computed with.

use super::{Failure, Outcome, all_there, both_valid, zip};
use crate::rows::calendar::{self, DAY, Field, Shift};
use crate::rows::column::{Column, Values};
use crate::rows::kind::{Kind, per_second};

/// Dates and times some months, days and nanoseconds later. A time of day goes round.
pub(super) fn shift(of: &Column, from: &Kind, shift: Shift, to: &Kind) -> Outcome<Column> {
    let Values::Integer(values) = &of.values else { return Ok(of.clone()) };
    let later = |value: i64| match to {
        Kind::Timestamp(unit, _) => shift.apply(from, value, *unit),
        _ => {
            let later = i128::from(value) + shift.nanoseconds;
            i64::try_from(later.rem_euclid(i128::from(DAY))).ok()
        }
    };
    let moved = values.iter().map(|&value| later(value)).collect();
    let message = |_| "the date is out of range".into();
    Ok(Column::new(Values::Integer(all_there(moved, of.nulls.as_ref(), message)?.into()), of.nulls.clone()))
}

/// Seconds from `b` to `a`, timestamps of one unit.
pub(super) fn elapsed(a: &Column, b: &Column, kind: &Kind) -> Column {
    let units = match kind {
        Kind::Timestamp(unit, _) => per_second(*unit),
        _ => 1,
    };
    let seconds = |a: i64, b: i64| {
        let units_between = i128::from(a) - i128::from(b);
        units_between as f64 / units as f64
    };
    let values = match (&a.values, &b.values) {
        (Values::Integer(x), Values::Integer(y)) => zip(x, y, seconds),
        _ => vec![f64::NAN; a.len().max(b.len())],
    };
    Column::new(Values::Double(values.into()), both_valid(a, b))
}

/// A field of dates and times.
pub(super) fn field(of: &Column, kind: &Kind, field: Field) -> Outcome<Column> {
    let Values::Integer(values) = &of.values else { return Ok(of.clone()) };
    let nulls = of.nulls.clone();
    if field == Field::Epoch {
        let units = match kind {
            Kind::Timestamp(unit, _) => per_second(*unit) as f64,
            Kind::Time => 1e9,
            _ => 1.0,
        };
        let factor = if *kind == Kind::Date { 86_400.0 } else { 1.0 };
        let seconds = values.iter().map(|&value| value as f64 * factor / units).collect::<Vec<_>>();
        return Ok(Column::new(Values::Double(seconds.into()), nulls));
    }
    let fields = values.iter().map(|&value| Some(field.of(calendar::local(kind, value)?))).collect();
    let message = |_| "the date is out of range".into();
    Ok(Column::new(Values::Integer(all_there(fields, nulls.as_ref(), message)?.into()), nulls))
}

/// The beginnings of what dates and times lie in, as timestamps.
pub(super) fn begin(of: &Column, from: &Kind, field: Field, to: &Kind) -> Outcome<Column> {
    let (Values::Integer(values), Kind::Timestamp(unit, zone)) = (&of.values, to) else {
        return Ok(of.clone());
    };
    let begin =
        |value: i64| calendar::count(field.begin(calendar::local(from, value)?)?, *unit, zone.as_ref());
    let begins = values.iter().map(|&value| begin(value)).collect();
    let message = |_| "the date is out of range".into();
    Ok(Column::new(Values::Integer(all_there(begins, of.nulls.as_ref(), message)?.into()), of.nulls.clone()))
}

/// Days of year, month and day.
pub(super) fn make_date(parts: &[Column]) -> Outcome<Column> {
    let wrong = || Failure { row: 0, message: "a date has a year, a month and a day".into() };
    let numbers = parts.iter().map(|part| match &part.values {
        Values::Integer(values) => Ok(values),
        _ => Err(wrong()),
    });
    let [years, months, days] = numbers.collect::<Outcome<Vec<_>>>()?[..] else { return Err(wrong()) };
    let rows = parts.iter().map(Column::len).max().unwrap_or_default();
    let at = |values: &[i64], row: usize| values[if values.len() == 1 { 0 } else { row }];
    let day = |row: usize| {
        let (year, month) = (i32::try_from(at(years, row)).ok()?, u32::try_from(at(months, row)).ok()?);
        let day = u32::try_from(at(days, row)).ok()?;
        Some(calendar::days(chrono::NaiveDate::from_ymd_opt(year, month, day)?))
    };
    let valid = |row: usize| parts.iter().all(|part| part.is_valid(row));
    let nulls = Some(arrow_buffer::BooleanBuffer::collect_bool(rows, valid).into());
    let message =
        |row: usize| format!("there is no day {}-{}-{}", at(years, row), at(months, row), at(days, row));
    let made = all_there((0..rows).map(day).collect(), nulls.as_ref(), message)?;
    Ok(Column::new(Values::Integer(made.into()), nulls))
}
