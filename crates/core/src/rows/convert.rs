//! Arrow arrays to float64: every cell becomes the float64 nearest to its value.

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Error, ErrorKind, Result};
use crate::model::spec::is_text;

/// A null among float64 values: a NaN that no computation produces. (A file may hold this very NaN; its
/// row is then dropped as null instead of non-finite.)
pub(crate) const NULL: f64 = f64::from_bits(0x7ff8_6e75_6c6c_0001);

/// Whether a value is [`NULL`], as opposed to a NaN or infinity of the data.
pub(crate) fn is_null(value: f64) -> bool {
    value.to_bits() == NULL.to_bits()
}

/// The values of a float64 array without nulls, as they lie.
pub(crate) fn plain(array: &dyn Array) -> Option<&[f64]> {
    let array = array.as_primitive_opt::<Float64Type>()?;
    (array.null_count() == 0).then(|| array.values().as_ref())
}

/// All cells of `array` as float64; a null becomes a NaN.
///
/// # Errors
/// [`ErrorKind::Batch`] when the array does not hold numbers, booleans, dates or times.
pub fn to_float64(array: &dyn Array) -> Result<Vec<f64>> {
    let mut cells = vec![0.0; array.len()];
    fill(array, 0, &mut cells)?;
    Ok(cells)
}

/// Writes `out.len()` cells of `array` from position `from` on; nulls become [`NULL`]. Returns how many
/// integers were beyond 2^53 and so were rounded.
///
/// Booleans are 0 and 1, dates days since 1970-01-01, timestamps seconds since then (UTC), times of day seconds since
/// midnight, durations seconds. Decimals and what is in parts of seconds are rounded once, to nearest, from their exact value.
pub(crate) fn fill(array: &dyn Array, from: usize, out: &mut [f64]) -> Result<u64> {
    match array.data_type() {
        DataType::Float64 => fill_with::<Float64Type>(array, from, out, |v| v),
        DataType::Float32 => fill_with::<Float32Type>(array, from, out, f64::from),
        DataType::Float16 => fill_with::<Float16Type>(array, from, out, f64::from),
        DataType::Int8 => fill_with::<Int8Type>(array, from, out, f64::from),
        DataType::Int16 => fill_with::<Int16Type>(array, from, out, f64::from),
        DataType::Int32 => fill_with::<Int32Type>(array, from, out, f64::from),
        DataType::UInt8 => fill_with::<UInt8Type>(array, from, out, f64::from),
        DataType::UInt16 => fill_with::<UInt16Type>(array, from, out, f64::from),
        DataType::UInt32 => fill_with::<UInt32Type>(array, from, out, f64::from),
        DataType::Int64 => {
            fill_with::<Int64Type>(array, from, out, |v| v as f64)?;
            let rounded = |v: i64| v.unsigned_abs() > MAX_EXACT && (v as f64) as i128 != i128::from(v);
            return Ok(count::<Int64Type>(array, from, out.len(), rounded));
        }
        DataType::UInt64 => {
            fill_with::<UInt64Type>(array, from, out, |v| v as f64)?;
            let rounded = |v: u64| v > MAX_EXACT && (v as f64) as u128 != u128::from(v);
            return Ok(count::<UInt64Type>(array, from, out.len(), rounded));
        }
        DataType::Boolean => fill_boolean(array, from, out),
        DataType::Date32 => fill_with::<Date32Type>(array, from, out, f64::from),
        DataType::Date64 => fill_with::<Date64Type>(array, from, out, |v| v as f64 / 86_400_000.0),
        DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => {
            fill_times(array, from, out)
        }
        &DataType::Decimal32(_, s) => fill_with::<Decimal32Type>(array, from, out, |v| scaled(v.into(), s)),
        &DataType::Decimal64(_, s) => fill_with::<Decimal64Type>(array, from, out, |v| scaled(v.into(), s)),
        &DataType::Decimal128(_, s) => {
            fill_with::<Decimal128Type>(array, from, out, |v| scaled(v, s))?;
            let rounded = |v: i128| s <= 0 && v.unsigned_abs() > u128::from(MAX_EXACT);
            return Ok(count::<Decimal128Type>(array, from, out.len(), rounded));
        }
        &DataType::Decimal256(_, s) => fill_with::<Decimal256Type>(array, from, out, |v| match v.to_i128() {
            Some(v) => scaled(v, s),
            None => from_text(&v.to_string(), s),
        }),
        // A text column whose first values are all missing looks like any column without values.
        _ if array.null_count() == array.len() || array.data_type() == &DataType::Null => {
            out.fill(NULL);
            Ok(())
        }
        other => {
            let what = if is_text(other) { "text".to_owned() } else { other.to_string() };
            let message = format!(
                "expected numbers, found {what}; where a column begins without a value, --schema COLUMN=TYPE says what \
                 it is"
            );
            Err(Error::new(ErrorKind::Batch, message))
        }
    }?;
    Ok(0)
}

/// Timestamps, times of day and durations, in seconds.
fn fill_times(array: &dyn Array, from: usize, out: &mut [f64]) -> Result<()> {
    use DataType::{Duration, Time32, Time64, Timestamp};
    macro_rules! fill_scaled {
        ($kind:ident, $places:expr) => {
            fill_with::<arrow::$kind>(array, from, out, |v| scaled(v.into(), $places))
        };
    }
    match array.data_type() {
        Timestamp(TimeUnit::Second, _) => fill_scaled!(TimestampSecondType, 0),
        Timestamp(TimeUnit::Millisecond, _) => fill_scaled!(TimestampMillisecondType, 3),
        Timestamp(TimeUnit::Microsecond, _) => fill_scaled!(TimestampMicrosecondType, 6),
        Timestamp(TimeUnit::Nanosecond, _) => fill_scaled!(TimestampNanosecondType, 9),
        Time32(TimeUnit::Second) => fill_scaled!(Time32SecondType, 0),
        Time32(_) => fill_scaled!(Time32MillisecondType, 3),
        Time64(TimeUnit::Microsecond) => fill_scaled!(Time64MicrosecondType, 6),
        Time64(_) => fill_scaled!(Time64NanosecondType, 9),
        Duration(TimeUnit::Second) => fill_scaled!(DurationSecondType, 0),
        Duration(TimeUnit::Millisecond) => fill_scaled!(DurationMillisecondType, 3),
        Duration(TimeUnit::Microsecond) => fill_scaled!(DurationMicrosecondType, 6),
        _ => fill_scaled!(DurationNanosecondType, 9),
    }
}

/// The largest magnitude up to which every integer is a float64.
const MAX_EXACT: u64 = 1 << 53;

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&PrimitiveArray<T>> {
    let wrong = || Error::new(ErrorKind::Batch, "the array is not of its declared type");
    array.as_primitive_opt::<T>().ok_or_else(wrong)
}

fn fill_with<T: ArrowPrimitiveType>(
    array: &dyn Array,
    from: usize,
    out: &mut [f64],
    to_f64: impl Fn(T::Native) -> f64,
) -> Result<()> {
    let array = primitive::<T>(array)?;
    for (cell, &value) in out.iter_mut().zip(&array.values()[from..]) {
        *cell = to_f64(value);
    }
    overwrite_nulls(array, from, out);
    Ok(())
}

fn fill_boolean(array: &dyn Array, from: usize, out: &mut [f64]) -> Result<()> {
    let wrong = || Error::new(ErrorKind::Batch, "the array is not of its declared type");
    let values = array.as_boolean_opt().ok_or_else(wrong)?;
    for (row, cell) in out.iter_mut().enumerate() {
        *cell = f64::from(u8::from(values.value(from + row)));
    }
    overwrite_nulls(array, from, out);
    Ok(())
}

fn overwrite_nulls(array: &dyn Array, from: usize, out: &mut [f64]) {
    if let Some(nulls) = array.nulls().filter(|n| n.null_count() > 0) {
        for (row, cell) in out.iter_mut().enumerate() {
            if nulls.is_null(from + row) {
                *cell = NULL;
            }
        }
    }
}

fn count<T: ArrowPrimitiveType>(
    array: &dyn Array,
    from: usize,
    rows: usize,
    test: impl Fn(T::Native) -> bool,
) -> u64 {
    let Some(array) = array.as_primitive_opt::<T>() else { return 0 };
    // The branch-free count serves the usual column without large values; only then nulls matter.
    let hits = array.values()[from..from + rows].iter().filter(|&&v| test(v)).count();
    if hits == 0 || array.null_count() == 0 {
        return hits as u64;
    }
    (from..from + rows).filter(|&row| array.is_valid(row) && test(array.value(row))).count() as u64
}

/// Powers of ten that float64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The float64 nearest to `value / 10^scale`.
fn scaled(value: i128, scale: i8) -> f64 {
    let Ok(places) = usize::try_from(scale) else { return from_text(&value.to_string(), scale) };
    let magnitude = value.unsigned_abs();
    if magnitude <= u128::from(MAX_EXACT) && places < POWERS.len() {
        // Both operands are exact, so the division rounds once.
        return value as f64 / POWERS[places];
    }
    if places > 19 {
        return from_text(&value.to_string(), scale);
    }
    // The quotient keeps at least 63 bits; the remainder survives as its last bit, so that the one
    // rounding, to 53 bits, goes the right way.
    let shift = magnitude.leading_zeros();
    let (numerator, divisor) = (magnitude << shift, 10u128.pow(places as u32));
    let quotient = (numerator / divisor) | u128::from(numerator % divisor != 0);
    let power_of_two = f64::from_bits((1023 - u64::from(shift)) << 52);
    let result = quotient as f64 * power_of_two;
    if value < 0 { -result } else { result }
}

/// The slow way for what is rare: the standard parser rounds correctly.
fn from_text(digits: &str, scale: i8) -> f64 {
    format!("{digits}e{}", -i32::from(scale)).parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Decimal128Array, Int64Array, TimestampNanosecondArray};

    use super::*;

    fn all(array: &dyn Array) -> (Vec<f64>, u64) {
        let mut out = vec![0.0; array.len()];
        let rounded = fill(array, 0, &mut out).unwrap();
        (out, rounded)
    }

    #[test]
    fn scaled_integers_are_correctly_rounded() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for round in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = (i128::from(state as i64) << (round % 60)) >> (round % 37);
            for scale in [0, 1, 2, 6, 9, 19, 20, 30] {
                let expected: f64 = format!("{value}e-{scale}").parse().unwrap();
                assert_eq!(scaled(value, scale), expected, "{value} / 10^{scale}");
            }
            assert_eq!(scaled(value >> 64, -3), format!("{}e3", value >> 64).parse::<f64>().unwrap());
        }
        assert_eq!(scaled(i128::MIN, 19), (i128::MIN.to_string() + "e-19").parse::<f64>().unwrap());
    }

    #[test]
    fn cells_of_each_kind() {
        assert_eq!(all(&BooleanArray::from(vec![true, false])).0, [1.0, 0.0]);
        let stamps = TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789]);
        assert_eq!(all(&stamps).0, ["1700000000.123456789".parse::<f64>().unwrap()]);
        let prices = Decimal128Array::from(vec![Some(1999), None]).with_precision_and_scale(10, 2).unwrap();
        let (cells, _) = all(&prices);
        assert_eq!(cells[0], 19.99);
        assert!(is_null(cells[1]));
    }

    #[test]
    fn large_integers_are_counted_but_not_those_under_a_null() {
        let big = (1 << 53) + 1;
        let values = vec![big, -big, 1 << 53, big];
        let nulls = arrow_buffer::NullBuffer::from(vec![true, true, true, false]);
        let array: Arc<dyn Array> = Arc::new(Int64Array::new(values.into(), Some(nulls)));
        let (cells, rounded) = all(&array);
        assert_eq!((cells[0], rounded), (big as f64, 2));
    }
}
