//! Values of one kind as values of another.

use arrow_array::StringArray;
use arrow_buffer::BooleanBuffer;
use arrow_schema::TimeUnit;

use super::{Failure, Outcome};
use crate::rows::calendar::{self, DAY};
use crate::rows::column::{Column, Values, blank};
use crate::rows::kind::{Kind, Zone, per_second};

/// `column`, of the kind `from`, as one of the kind `to`. What cannot be cast is null if `lenient`.
pub(in crate::rows) fn cast(column: &Column, from: &Kind, to: &Kind, lenient: bool) -> Outcome<Column> {
    if from == to {
        return Ok(column.clone());
    }
    let rows = column.len();
    let values = match (&column.values, to) {
        _ if *from == Kind::Null => {
            return Ok(Column::new(blank(to, rows), Some(arrow_buffer::NullBuffer::new_null(rows))));
        }
        (_, Kind::Text) => Values::Text(texts(column, from)),
        (Values::Boolean(v), _) => of_booleans(v, to),
        (Values::Text(v), _) => {
            return each(column, to, lenient, |row| of_text(v.value(row), to), |row| shown(v.value(row), to));
        }
        (_, Kind::Boolean) => Values::Boolean(is_not_zero(&column.values)),
        (_, Kind::Single | Kind::Double) => to_float(&column.values, from, to),
        (Values::Integer(v), Kind::Date | Kind::Time | Kind::Timestamp(..)) => {
            let message = |row: usize| format!("{} is out of range", text_of(column, from, row));
            return each(column, to, lenient, |row| of_time(v[row], from, to), message);
        }
        _ => {
            let message = |row: usize| format!("{} is not {to}", text_of(column, from, row));
            return each(column, to, lenient, |row| number(&column.values, row, from, to), message);
        }
    };
    Ok(Column::new(values, column.nulls.clone()))
}

/// A value as a cast to whole numbers, decimals, dates or text's other kinds makes it.
enum Value {
    Boolean(bool),
    Integer(i64),
    Decimal(i128),
    Single(f32),
    Double(f64),
}

/// Casts value by value; what has none is null or a failure.
fn each(
    column: &Column,
    to: &Kind,
    lenient: bool,
    value: impl Fn(usize) -> Option<Value>,
    message: impl Fn(usize) -> String,
) -> Outcome<Column> {
    let rows = column.len();
    let valid: Vec<bool> = (0..rows).map(|row| column.is_valid(row)).collect();
    let values: Vec<Option<Value>> =
        (0..rows).map(|row| if valid[row] { value(row) } else { None }).collect();
    if !lenient && let Some(row) = (0..rows).find(|&row| valid[row] && values[row].is_none()) {
        return Err(Failure { row, message: message(row) });
    }
    let nulls = BooleanBuffer::collect_bool(rows, |row| values[row].is_some());
    macro_rules! collected {
        ($kind:ident) => {{
            let own = values.iter().map(|value| match value {
                Some(Value::$kind(value)) => *value,
                _ => Default::default(),
            });
            own.collect::<Vec<_>>()
        }};
    }
    let values = match blank(to, 0) {
        Values::Boolean(_) => Values::Boolean(collected!(Boolean).into()),
        Values::Integer(_) => Values::Integer(collected!(Integer).into()),
        Values::Decimal(_) => Values::Decimal(collected!(Decimal).into()),
        Values::Single(_) => Values::Single(collected!(Single).into()),
        Values::Double(_) | Values::Text(_) => Values::Double(collected!(Double).into()),
    };
    Ok(Column::new(values, Some(nulls.into())))
}

fn shown(text: &str, to: &Kind) -> String {
    let text: String = text.chars().take(40).collect();
    match to {
        Kind::Date => format!("{text:?} is not a date such as 2024-02-29"),
        Kind::Time => format!("{text:?} is not a time of day such as 23:59:59"),
        Kind::Timestamp(_, None) => {
            format!("{text:?} is not a timestamp such as 2024-02-29 23:59:59, without an offset")
        }
        Kind::Timestamp(..) => {
            format!("{text:?} is not a timestamp such as 2024-02-29 23:59:59 or 2024-02-29T23:59:59+02:00")
        }
        to => format!("{text:?} is not {to}"),
    }
}

fn of_booleans(values: &BooleanBuffer, to: &Kind) -> Values {
    let ones = values.iter().map(i64::from);
    match to {
        Kind::Integer => Values::Integer(ones.collect::<Vec<_>>().into()),
        Kind::Decimal(_, scale) => {
            let one = 10i128.pow(u32::from(*scale));
            Values::Decimal(ones.map(|v| i128::from(v) * one).collect::<Vec<_>>().into())
        }
        Kind::Single => Values::Single(ones.map(|v| v as f32).collect::<Vec<_>>().into()),
        _ => Values::Double(ones.map(|v| v as f64).collect::<Vec<_>>().into()),
    }
}

fn is_not_zero(values: &Values) -> BooleanBuffer {
    match values {
        Values::Integer(v) => v.iter().map(|&v| v != 0).collect(),
        Values::Decimal(v) => v.iter().map(|&v| v != 0).collect(),
        Values::Single(v) => v.iter().map(|&v| v != 0.0).collect(),
        Values::Double(v) => v.iter().map(|&v| v != 0.0).collect(),
        Values::Boolean(_) | Values::Text(_) => BooleanBuffer::new_unset(values.len()),
    }
}

/// The nearest floating-point numbers.
fn to_float(values: &Values, from: &Kind, to: &Kind) -> Values {
    let scale = from.digits().map_or(0, |(_, scale)| scale);
    let double: Vec<f64> = match values {
        Values::Integer(v) if *to == Kind::Single => {
            return Values::Single(v.iter().map(|&v| v as f32).collect::<Vec<_>>().into());
        }
        Values::Integer(v) => v.iter().map(|&v| v as f64).collect(),
        Values::Decimal(v) => v.iter().map(|&v| decimal_to_double(v, scale)).collect(),
        Values::Single(v) => v.iter().map(|&v| f64::from(v)).collect(),
        Values::Double(v) => v.to_vec(),
        Values::Boolean(_) | Values::Text(_) => vec![f64::NAN; values.len()],
    };
    match to {
        Kind::Single => Values::Single(double.into_iter().map(|v| v as f32).collect::<Vec<_>>().into()),
        _ => Values::Double(double.into()),
    }
}

/// The float64 nearest to a decimal.
fn decimal_to_double(value: i128, scale: u8) -> f64 {
    if scale == 0 {
        return value as f64;
    }
    if value.unsigned_abs() <= 1 << 53 && scale <= 22 {
        // Both operands are exact, so the division rounds once.
        return value as f64 / 10f64.powi(scale.into());
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// A number as an integer or a decimal: floating-point halves go to the even neighbour, decimal ones away from zero.
fn number(values: &Values, row: usize, from: &Kind, to: &Kind) -> Option<Value> {
    let (_, scale) = from.digits().unwrap_or_default();
    match (values, to) {
        (Values::Single(v), _) => of_double(v[row].into(), to),
        (Values::Double(v), _) => of_double(v[row], to),
        (Values::Integer(v), _) => of_decimal(v[row].into(), 0, to),
        (Values::Decimal(v), _) => of_decimal(v[row], scale, to),
        (Values::Boolean(_) | Values::Text(_), _) => None,
    }
}

fn of_double(value: f64, to: &Kind) -> Option<Value> {
    match to {
        Kind::Integer => {
            let whole = value.round_ties_even();
            // 2^63 is a float64, the largest integer is not.
            (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
                .contains(&whole)
                .then_some(Value::Integer(whole as i64))
        }
        Kind::Decimal(digits, scale) => {
            let units = (value * 10f64.powi((*scale).into())).round();
            // Beyond this an i128 would be cut.
            (units.abs() < 1.7e38).then_some(units as i128).and_then(|units| within(units, *digits))
        }
        _ => None,
    }
}

fn of_decimal(value: i128, scale: u8, to: &Kind) -> Option<Value> {
    match to {
        Kind::Integer => i64::try_from(rescaled(value, scale, 0)?).ok().map(Value::Integer),
        Kind::Decimal(digits, target) => within(rescaled(value, scale, *target)?, *digits),
        _ => None,
    }
}

fn within(units: i128, digits: u8) -> Option<Value> {
    (units.unsigned_abs() < 10u128.pow(digits.into())).then_some(Value::Decimal(units))
}

/// A decimal with other places behind the point; halves go away from zero.
pub(super) fn rescaled(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(10i128.checked_pow((to - from).into())?);
    }
    let Some(divisor) = 10i128.checked_pow((from - to).into()) else { return Some(0) };
    let (quotient, rest) = (value / divisor, value % divisor);
    let up = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
    Some(if up { quotient + value.signum() } else { quotient })
}

fn of_text(text: &str, to: &Kind) -> Option<Value> {
    let text = if *to == Kind::Boolean { text } else { text.trim() };
    match to {
        Kind::Boolean => match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Some(Value::Boolean(true)),
            "false" | "f" | "no" | "n" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        Kind::Integer => match text.parse() {
            Ok(whole) => Some(Value::Integer(whole)),
            Err(_) => i64::try_from(decimal_text(text, 0)?).ok().map(Value::Integer),
        },
        Kind::Decimal(digits, places) => within(decimal_text(text, *places)?, *digits),
        Kind::Single => float_text(text)?.parse().ok().map(Value::Single),
        Kind::Double => float_text(text)?.parse().ok().map(Value::Double),
        // A time behind the day is dropped; who compares has looked for one before.
        Kind::Date => Some(Value::Integer(calendar::days(calendar::parse_timestamp(text)?.0.date()))),
        Kind::Time => calendar::parse_time(text).map(Value::Integer),
        Kind::Timestamp(unit, zone) => timestamp(text, *unit, zone.as_ref()).map(Value::Integer),
        Kind::Null | Kind::Text => None,
    }
}

/// A text that names an instant. An offset needs a zone: what it would change is not dropped.
fn timestamp(text: &str, unit: TimeUnit, zone: Option<&Zone>) -> Option<i64> {
    let (local, offset) = calendar::parse_timestamp(text)?;
    match (offset, zone) {
        (None, zone) => calendar::count(local, unit, zone),
        (Some(_), None) => None,
        (Some(ahead), Some(_)) => {
            let utc = local.checked_sub_signed(chrono::TimeDelta::seconds(ahead.into()))?;
            calendar::count(utc, unit, None)
        }
    }
}

/// What the parser of floating-point numbers may see: no `nan(…)`, no hexadecimal digits.
fn float_text(text: &str) -> Option<&str> {
    let digits = text.trim_start_matches(['+', '-']);
    let word = ["inf", "infinity", "nan"].iter().any(|word| digits.eq_ignore_ascii_case(word));
    let number = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    (word || (number && digits.bytes().any(|b| b.is_ascii_digit()))).then_some(text)
}

/// A number in a text as units of so many places, halves away from zero. All its digits count.
fn decimal_text(text: &str, places: u8) -> Option<i128> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(cut) => (&text[..cut], text[cut + 1..].parse::<i32>().ok().filter(|e| e.abs() < 1_000)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole.strip_prefix('+').unwrap_or(whole)),
    };
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // How many digits stand before the last place that is kept.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(places);
    let Ok(kept) = usize::try_from(kept) else { return Some(0) };
    digits.extend(std::iter::repeat_n('0', kept.saturating_sub(digits.len())));
    let up = digits.as_bytes().get(kept).is_some_and(|&digit| digit >= b'5');
    let leading = digits[..kept].trim_start_matches('0');
    let units = if leading.is_empty() { 0 } else { leading.parse::<i128>().ok()? };
    let units = units.checked_add(i128::from(up))?;
    Some(if negative { -units } else { units })
}

/// Dates and times as one another.
fn of_time(value: i64, from: &Kind, to: &Kind) -> Option<Value> {
    let counted =
        |unit: TimeUnit, zone: Option<&Zone>| calendar::count(calendar::local(from, value)?, unit, zone);
    let value = match (from, to) {
        (Kind::Timestamp(a, x), Kind::Timestamp(b, y)) => match (x, y) {
            // The instant stays where both sides are of the same sort.
            (None, None) | (Some(_), Some(_)) => scaled(value, *a, *b)?,
            (_, zone) => counted(*b, zone.as_ref())?,
        },
        (Kind::Date, Kind::Timestamp(unit, zone)) => counted(*unit, zone.as_ref())?,
        (Kind::Timestamp(..), Kind::Date) => calendar::days(calendar::local(from, value)?.date()),
        (Kind::Timestamp(..), Kind::Time) => {
            let local = calendar::local(from, value)?;
            calendar::count(local, TimeUnit::Nanosecond, None).map_or_else(
                || {
                    calendar::count(local, TimeUnit::Microsecond, None)
                        .map(|v| v.rem_euclid(DAY / 1_000) * 1_000)
                },
                |v| Some(v.rem_euclid(DAY)),
            )?
        }
        _ => return None,
    };
    Some(Value::Integer(value))
}

/// A count of one unit as one of another; to a coarser one, to the nearest.
fn scaled(value: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    let (from, to) = (per_second(from), per_second(to));
    if to >= from {
        return value.checked_mul(to / from);
    }
    let divisor = from / to;
    let (quotient, rest) = (value / divisor, value % divisor);
    Some(if rest.abs() * 2 >= divisor { quotient + rest.signum() } else { quotient })
}

/// Every value as text; null rows are empty.
fn texts(column: &Column, from: &Kind) -> StringArray {
    if let Values::Text(texts) = &column.values {
        return texts.clone();
    }
    let text = |row: usize| if column.is_valid(row) { text_of(column, from, row) } else { String::new() };
    StringArray::from_iter_values((0..column.len()).map(text))
}

/// A value as text.
pub(super) fn text_of(column: &Column, kind: &Kind, row: usize) -> String {
    let row = if column.len() == 1 { 0 } else { row };
    match (&column.values, kind) {
        (Values::Boolean(v), _) => v.value(row).to_string(),
        (Values::Integer(v), Kind::Date | Kind::Time | Kind::Timestamp(..)) => {
            calendar::spell(kind, v[row]).unwrap_or_else(|| v[row].to_string())
        }
        (Values::Integer(v), _) => v[row].to_string(),
        (Values::Decimal(v), _) => {
            let scale = kind.digits().map_or(0, |(_, scale)| usize::from(scale));
            decimal_spelled(v[row], scale)
        }
        (Values::Single(v), _) => float_spelled(f64::from(v[row]), &format!("{:e}", v[row])),
        (Values::Double(v), _) => float_spelled(v[row], &format!("{:e}", v[row])),
        (Values::Text(v), _) => v.value(row).to_owned(),
    }
}

fn decimal_spelled(units: i128, scale: usize) -> String {
    if scale == 0 {
        return units.to_string();
    }
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if units < 0 { "-" } else { "" })
}

/// The shortest digits that read back, with an exponent for very large and very small numbers.
fn float_spelled(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    let text = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else {
        let whole = format!("{digits:0<width$}", width = point as usize);
        let (whole, fraction) = whole.split_at(point as usize);
        format!("{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_rounded_once() {
        let nines = "0.49999999999999999999999999999999999999999";
        for (text, places, units) in [
            (nines, 0, Some(0)),
            ("0.5", 0, Some(1)),
            ("-12.5", 0, Some(-13)),
            ("1e3", 0, Some(1_000)),
            ("15e-1", 0, Some(2)),
            ("1e-9", 0, Some(0)),
            ("2.345", 2, Some(235)),
            (".5", 1, Some(5)),
            ("1.", 2, Some(100)),
            ("99999999999999999999999999999999999999", 0, Some(10i128.pow(38) - 1)),
            ("1e60", 0, None),
            (".", 0, None),
            ("1,0", 0, None),
        ] {
            assert_eq!(decimal_text(text, places), units, "{text}");
        }
    }
}
