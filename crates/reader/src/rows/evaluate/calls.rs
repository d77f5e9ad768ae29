//! Functions of numbers, and the way to those of text and time.

use arrow_buffer::BooleanBuffer;

use super::cast::rescaled;
use super::{Outcome, all_there, both_valid, text, times, zip};
use crate::rows::calls::{Call, Rounding, Test};
use crate::rows::column::{Column, Values};
use crate::rows::kind::Kind;

/// A function of operands with their kinds; `kind` is the result's.
pub(super) fn call(call: &Call, operands: &[Column], kinds: &[&Kind], kind: &Kind) -> Outcome<Column> {
    let first = &operands[0];
    let nulls = first.nulls.clone();
    Ok(match (call, &first.values) {
        (Call::Real(real), Values::Double(v)) => {
            Column::new(Values::Double(v.iter().map(|&v| real.of(v)).collect::<Vec<_>>().into()), nulls)
        }
        (Call::Reals(reals), Values::Double(a)) => match &operands[1].values {
            Values::Double(b) => {
                let values = zip(a, b, |a, b| reals.of(a, b));
                Column::new(Values::Double(values.into()), both_valid(first, &operands[1]))
            }
            _ => operands[1].clone(),
        },
        (Call::Test(test), Values::Double(v)) => {
            let holds = |i: usize| match test {
                Test::Nan => v[i].is_nan(),
                Test::Infinite => v[i].is_infinite(),
                Test::Finite => v[i].is_finite(),
            };
            Column::new(Values::Boolean(BooleanBuffer::collect_bool(v.len(), holds)), nulls)
        }
        (Call::Abs, _) => return abs(first),
        (Call::Sign, values) => Column::new(Values::Integer(signs(values).into()), nulls),
        (Call::Round(rounding, places), _) => return round(first, *rounding, *places, kinds[0], kind),
        (Call::Text(function), _) => return text::call(*function, operands),
        (Call::Matches(pattern), Values::Text(texts)) => {
            let holds = |i: usize| pattern.is_match(texts.value(i));
            Column::new(Values::Boolean(BooleanBuffer::collect_bool(first.len(), holds)), nulls)
        }
        (Call::Field(field), _) => return times::field(first, kinds[0], *field),
        (Call::Begin(field), _) => return times::begin(first, kinds[0], *field, kind),
        (Call::MakeDate, _) => return times::make_date(operands),
        // Nodes call functions with what these take.
        _ => first.clone(),
    })
}

fn abs(of: &Column) -> Outcome<Column> {
    let values = match &of.values {
        Values::Integer(v) => {
            let absolute = v.iter().map(|v| v.checked_abs()).collect();
            let message = |_| "abs(-9223372036854775808) is beyond the range of integers".into();
            Values::Integer(all_there(absolute, of.nulls.as_ref(), message)?.into())
        }
        Values::Decimal(v) => Values::Decimal(v.iter().map(|v| v.abs()).collect::<Vec<_>>().into()),
        Values::Single(v) => Values::Single(v.iter().map(|v| v.abs()).collect::<Vec<_>>().into()),
        Values::Double(v) => Values::Double(v.iter().map(|v| v.abs()).collect::<Vec<_>>().into()),
        other => other.clone(),
    };
    Ok(Column::new(values, of.nulls.clone()))
}

/// -1, 0 or 1; a NaN has no sign.
fn signs(values: &Values) -> Vec<i64> {
    let real = |v: f64| i64::from(v > 0.0) - i64::from(v < 0.0);
    match values {
        Values::Integer(v) => v.iter().map(|v| v.signum()).collect(),
        Values::Decimal(v) => v.iter().map(|v| v.signum() as i64).collect(),
        Values::Single(v) => v.iter().map(|&v| real(v.into())).collect(),
        Values::Double(v) => v.iter().map(|&v| real(v)).collect(),
        Values::Boolean(_) | Values::Text(_) => vec![0; values.len()],
    }
}

fn round(of: &Column, rounding: Rounding, places: i32, from: &Kind, to: &Kind) -> Outcome<Column> {
    let nulls = of.nulls.as_ref();
    let message = |_| "the rounded number is out of range".into();
    let values = match (&of.values, from.digits(), to.digits()) {
        (Values::Integer(v), _, _) => {
            let rounded =
                v.iter().map(|&v| i64::try_from(whole(v.into(), 0, places, 0, rounding)?).ok()).collect();
            Values::Integer(all_there(rounded, nulls, message)?.into())
        }
        (Values::Decimal(v), Some((_, scale)), Some((_, target))) => {
            let rounded = v.iter().map(|&v| whole(v, scale, places, target, rounding)).collect();
            Values::Decimal(all_there(rounded, nulls, message)?.into())
        }
        (Values::Single(v), ..) => {
            let rounded = v.iter().map(|&v| real(v.into(), places, rounding) as f32);
            Values::Single(rounded.collect::<Vec<_>>().into())
        }
        (Values::Double(v), ..) => {
            Values::Double(v.iter().map(|&v| real(v, places, rounding)).collect::<Vec<_>>().into())
        }
        (other, ..) => other.clone(),
    };
    Ok(Column::new(values, of.nulls.clone()))
}

/// A decimal with `scale` places rounded to `places`, and written with `target`.
fn whole(units: i128, scale: u8, places: i32, target: u8, rounding: Rounding) -> Option<i128> {
    let cut = i32::from(scale) - places;
    if cut <= 0 {
        return rescaled(units, scale, target);
    }
    let Some(unit) = 10i128.checked_pow(cut.unsigned_abs()) else { return Some(0) };
    let (quotient, rest) = (units / unit, units % unit);
    let step = match rounding {
        Rounding::Nearest => {
            units.signum() * i128::from(rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2))
        }
        Rounding::TowardsZero => 0,
        Rounding::Up => i128::from(rest > 0),
        Rounding::Down => -i128::from(rest < 0),
    };
    let rounded = (quotient + step).checked_mul(unit)?;
    rescaled(rounded, scale, target)
}

/// A floating-point number rounded to places, as its product with a power of ten is.
fn real(value: f64, places: i32, rounding: Rounding) -> f64 {
    let cut = |value: f64| match rounding {
        Rounding::Nearest => value.round(),
        Rounding::TowardsZero => value.trunc(),
        Rounding::Up => value.ceil(),
        Rounding::Down => value.floor(),
    };
    if places == 0 {
        return cut(value);
    }
    let power = libm::pow(10.0, f64::from(places.unsigned_abs()));
    let scaled = if places < 0 { value / power } else { value * power };
    if !value.is_finite() {
        return value;
    }
    let tied = rounding == Rounding::Nearest && scaled.fract().abs() == 0.5;
    // A product that is a tie only because it was rounded is none.
    let below = tied && places > 0 && libm::fma(value, power, -scaled) * scaled.signum() < 0.0;
    let whole = if below { scaled.trunc() } else { cut(scaled) };
    match places {
        0.. if (whole / power).is_finite() => whole / power,
        0.. => value,
        _ if (whole * power).is_finite() => whole * power,
        _ => 0.0,
    }
}
