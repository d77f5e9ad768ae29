//! Sums, products and quotients. Whole numbers and decimals are exact or an error; floating-point numbers are IEEE's.

use arrow_buffer::NullBuffer;

use super::cast::text_of;
use super::{Failure, Outcome, all_there, both_valid, zip};
use crate::rows::column::{Column, Values};
use crate::rows::kind::Kind;
use crate::rows::node::Arithmetic;

/// `a sign b` of two columns with the kind of the result; two factors of a decimal have scales of their own.
pub(super) fn arithmetic(sign: Arithmetic, a: &Column, b: &Column, kind: &Kind) -> Outcome<Column> {
    let nulls = both_valid(a, b);
    let values = match (&a.values, &b.values) {
        (Values::Integer(x), Values::Integer(y)) => {
            let values = zip(x, y, |x, y| {
                whole(sign, x, y).filter(|&v| *kind != Kind::Date || i32::try_from(v).is_ok())
            });
            Values::Integer(all_there(values, nulls.as_ref(), |row| failed(sign, (a, b), row, kind))?.into())
        }
        (Values::Decimal(x), Values::Decimal(y)) => {
            let limit = limit(kind);
            let values = zip(x, y, |x, y| decimal(sign, x, y).filter(|v| v.unsigned_abs() < limit));
            Values::Decimal(all_there(values, nulls.as_ref(), |row| failed(sign, (a, b), row, kind))?.into())
        }
        (Values::Single(x), Values::Single(y)) => Values::Single(
            match sign {
                Arithmetic::Add => zip(x, y, |x, y| x + y),
                Arithmetic::Subtract => zip(x, y, |x, y| x - y),
                Arithmetic::Multiply => zip(x, y, |x, y| x * y),
                Arithmetic::Divide | Arithmetic::WholeDivide => zip(x, y, |x, y| x / y),
                Arithmetic::Remainder => zip(x, y, libm::fmodf),
            }
            .into(),
        ),
        (Values::Double(x), Values::Double(y)) => Values::Double(
            match sign {
                Arithmetic::Add => zip(x, y, |x, y| x + y),
                Arithmetic::Subtract => zip(x, y, |x, y| x - y),
                Arithmetic::Multiply => zip(x, y, |x, y| x * y),
                Arithmetic::Divide | Arithmetic::WholeDivide => zip(x, y, |x, y| x / y),
                Arithmetic::Remainder => zip(x, y, libm::fmod),
            }
            .into(),
        ),
        // Nodes compute with values of one kind.
        _ => return Err(Failure { row: 0, message: "the operands have different types".into() }),
    };
    Ok(Column::new(values, nulls))
}

fn whole(sign: Arithmetic, x: i64, y: i64) -> Option<i64> {
    match sign {
        Arithmetic::Add => x.checked_add(y),
        Arithmetic::Subtract => x.checked_sub(y),
        Arithmetic::Multiply => x.checked_mul(y),
        Arithmetic::Divide | Arithmetic::WholeDivide => x.checked_div(y),
        // The smallest integer by -1 leaves nothing, though its quotient is too large.
        Arithmetic::Remainder if y == -1 => Some(0),
        Arithmetic::Remainder => x.checked_rem(y),
    }
}

fn decimal(sign: Arithmetic, x: i128, y: i128) -> Option<i128> {
    match sign {
        Arithmetic::Add => x.checked_add(y),
        Arithmetic::Subtract => x.checked_sub(y),
        Arithmetic::Multiply => x.checked_mul(y),
        Arithmetic::Divide | Arithmetic::WholeDivide => x.checked_div(y),
        Arithmetic::Remainder => x.checked_rem(y),
    }
}

/// What a decimal of this kind must be below.
fn limit(kind: &Kind) -> u128 {
    match kind {
        Kind::Decimal(digits, _) => 10u128.pow(u32::from(*digits).min(38)),
        _ => u128::MAX,
    }
}

fn failed(sign: Arithmetic, (a, b): (&Column, &Column), row: usize, kind: &Kind) -> String {
    let shown = |column: &Column| text_of(column, &Kind::Integer, row);
    let zero = match &b.values {
        Values::Integer(v) => v[if v.len() == 1 { 0 } else { row }] == 0,
        Values::Decimal(v) => v[if v.len() == 1 { 0 } else { row }] == 0,
        _ => false,
    };
    let (x, y) = (shown(a), shown(b));
    let sign_text = sign.sign();
    // Decimals are kept without their point, so they are not shown.
    let whole = matches!(kind, Kind::Integer);
    if zero && matches!(sign, Arithmetic::WholeDivide | Arithmetic::Remainder) {
        return format!("{} {sign_text} 0 has no value", if whole { x.as_str() } else { "a decimal" });
    }
    match kind {
        Kind::Date => "the date is out of range".into(),
        Kind::Decimal(digits, _) => {
            format!(
                "a result of {sign_text} is beyond the {digits} digits of a decimal; CAST an operand to DOUBLE"
            )
        }
        _ => format!(
            "{x} {sign_text} {y} is beyond the range of integers; CAST an operand to DOUBLE or DECIMAL"
        ),
    }
}

/// The numbers with the other sign.
pub(super) fn negate(a: &Column, kind: &Kind) -> Outcome<Column> {
    let nulls: Option<&NullBuffer> = a.nulls.as_ref();
    let message =
        |row: usize| format!("-({}) is beyond the range of integers", text_of(a, &Kind::Integer, row));
    let values = match &a.values {
        Values::Integer(v) => {
            let negated = v.iter().map(|v| v.checked_neg()).collect();
            Values::Integer(all_there(negated, nulls, message)?.into())
        }
        Values::Decimal(v) => Values::Decimal(v.iter().map(|v| -v).collect::<Vec<_>>().into()),
        Values::Single(v) => Values::Single(v.iter().map(|v| -v).collect::<Vec<_>>().into()),
        Values::Double(v) => Values::Double(v.iter().map(|v| -v).collect::<Vec<_>>().into()),
        _ => return Err(Failure { row: 0, message: format!("{kind} has no sign") }),
    };
    Ok(Column::new(values, a.nulls.clone()))
}
