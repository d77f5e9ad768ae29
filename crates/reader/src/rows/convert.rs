//! Columns of a record batch as columns of expressions, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int64Array, NullArray, StringArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::column::{Column, Values, blank};
use super::kind::{Kind, per_second};
use crate::error::{Error, ErrorKind, Result};

/// A column of a record batch. A file's own type may be narrower than that of the data set, so what comes has a kind of
/// its own; the caller casts.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a type that expressions have no use for, [`ErrorKind::Expression`] for a time that is
/// out of range.
pub(super) fn from_arrow(array: &ArrayRef) -> Result<(Kind, Column)> {
    let kind = match array.data_type() {
        // A file without a value in this column.
        DataType::Null => Kind::Null,
        kind => Kind::of(kind).ok_or_else(|| no_use(kind))?,
    };
    let values = values(array)?;
    Ok((kind, Column::new(values, array.logical_nulls())))
}

/// The error for a type that expressions do not know.
pub(super) fn no_use(kind: &DataType) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the type {kind} has no use in expressions"))
}

fn values(array: &ArrayRef) -> Result<Values> {
    use DataType as A;
    Ok(match array.data_type() {
        A::Null => blank(&Kind::Null, array.len()),
        A::Boolean => Values::Boolean(array.as_boolean().values().clone()),
        A::Int8 => integers::<arrow::Int8Type>(array),
        A::Int16 => integers::<arrow::Int16Type>(array),
        A::Int32 => integers::<arrow::Int32Type>(array),
        A::Int64 => Values::Integer(array.as_primitive::<arrow::Int64Type>().values().clone()),
        A::UInt8 => integers::<arrow::UInt8Type>(array),
        A::UInt16 => integers::<arrow::UInt16Type>(array),
        A::UInt32 => integers::<arrow::UInt32Type>(array),
        A::UInt64 => decimals::<arrow::UInt64Type>(array),
        A::Float16 => Values::Single(mapped::<arrow::Float16Type, _>(array, |v| v.to_f32())),
        A::Float32 => Values::Single(array.as_primitive::<arrow::Float32Type>().values().clone()),
        A::Float64 => Values::Double(array.as_primitive::<arrow::Float64Type>().values().clone()),
        A::Decimal32(..) => decimals::<arrow::Decimal32Type>(array),
        A::Decimal64(..) => decimals::<arrow::Decimal64Type>(array),
        A::Decimal128(..) => Values::Decimal(array.as_primitive::<arrow::Decimal128Type>().values().clone()),
        A::Date32 => integers::<arrow::Date32Type>(array),
        A::Date64 => Values::Integer(mapped::<arrow::Date64Type, _>(array, |v| v.div_euclid(86_400_000))),
        A::Time32(TimeUnit::Second) => scaled::<arrow::Time32SecondType>(array, 1_000_000_000)?,
        A::Time32(_) => scaled::<arrow::Time32MillisecondType>(array, 1_000_000)?,
        A::Time64(TimeUnit::Microsecond) => scaled::<arrow::Time64MicrosecondType>(array, 1_000)?,
        A::Time64(_) => integers::<arrow::Time64NanosecondType>(array),
        A::Timestamp(unit, _) => match unit {
            TimeUnit::Second => integers::<arrow::TimestampSecondType>(array),
            TimeUnit::Millisecond => integers::<arrow::TimestampMillisecondType>(array),
            TimeUnit::Microsecond => integers::<arrow::TimestampMicrosecondType>(array),
            TimeUnit::Nanosecond => integers::<arrow::TimestampNanosecondType>(array),
        },
        A::Duration(unit) => {
            let seconds = |v: i64| v as f64 / per_second(*unit) as f64;
            Values::Double(match unit {
                TimeUnit::Second => mapped::<arrow::DurationSecondType, _>(array, seconds),
                TimeUnit::Millisecond => mapped::<arrow::DurationMillisecondType, _>(array, seconds),
                TimeUnit::Microsecond => mapped::<arrow::DurationMicrosecondType, _>(array, seconds),
                TimeUnit::Nanosecond => mapped::<arrow::DurationNanosecondType, _>(array, seconds),
            })
        }
        A::Utf8 => Values::Text(array.as_string::<i32>().clone()),
        A::LargeUtf8 => Values::Text(texts(array.as_string::<i64>().iter())),
        A::Utf8View => Values::Text(texts(array.as_string_view().iter())),
        A::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let plain = arrow_select::take::take(dictionary.values(), dictionary.keys(), None);
            return values(&plain.map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))?);
        }
        other => return Err(no_use(other)),
    })
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> StringArray {
    StringArray::from_iter_values(values.map(Option::unwrap_or_default))
}

fn mapped<T: ArrowPrimitiveType, V: arrow_buffer::ArrowNativeType>(
    array: &ArrayRef,
    of: impl Fn(T::Native) -> V,
) -> ScalarBuffer<V> {
    array.as_primitive::<T>().values().iter().map(|&v| of(v)).collect::<Vec<_>>().into()
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Values
where
    T::Native: Into<i64>,
{
    Values::Integer(mapped::<T, _>(array, Into::into))
}

fn decimals<T: ArrowPrimitiveType>(array: &ArrayRef) -> Values
where
    T::Native: Into<i128>,
{
    Values::Decimal(mapped::<T, _>(array, Into::into))
}

/// Counts of a coarser unit of time as counts of a finer one.
fn scaled<T: ArrowPrimitiveType>(array: &ArrayRef, factor: i64) -> Result<Values>
where
    T::Native: Into<i64>,
{
    let array = array.as_primitive::<T>();
    let finer = |(row, &count): (usize, &T::Native)| match count.into().checked_mul(factor) {
        Some(count) => Ok(count),
        None if array.is_null(row) => Ok(0),
        None => Err(Error::new(ErrorKind::Expression, "the time is out of range")),
    };
    let counts = array.values().iter().enumerate().map(finer).collect::<Result<Vec<_>>>()?;
    Ok(Values::Integer(counts.into()))
}

/// A column of `kind` as an Arrow array of [`Kind::arrow`].
pub(super) fn to_arrow(kind: &Kind, column: Column) -> ArrayRef {
    let nulls = column.nulls;
    let rows = column.values.len();
    match (column.values, kind) {
        (_, Kind::Null) => Arc::new(NullArray::new(rows)),
        (Values::Boolean(v), _) => Arc::new(BooleanArray::new(v, nulls)),
        (Values::Integer(v), Kind::Date) => {
            let day = |&day: &i64| i32::try_from(day).unwrap_or_default();
            let days = v.iter().map(day).collect::<Vec<_>>();
            Arc::new(Date32Array::new(days.into(), nulls))
        }
        (Values::Integer(v), Kind::Time) => Arc::new(Time64NanosecondArray::new(v, nulls)),
        (Values::Integer(v), Kind::Timestamp(unit, zone)) => {
            let zone = zone.as_ref().map(|zone| Arc::clone(&zone.name));
            match unit {
                TimeUnit::Second => Arc::new(TimestampSecondArray::new(v, nulls).with_timezone_opt(zone)),
                TimeUnit::Millisecond => {
                    Arc::new(TimestampMillisecondArray::new(v, nulls).with_timezone_opt(zone))
                }
                TimeUnit::Microsecond => {
                    Arc::new(TimestampMicrosecondArray::new(v, nulls).with_timezone_opt(zone))
                }
                TimeUnit::Nanosecond => {
                    Arc::new(TimestampNanosecondArray::new(v, nulls).with_timezone_opt(zone))
                }
            }
        }
        (Values::Integer(v), _) => Arc::new(Int64Array::new(v, nulls)),
        (Values::Decimal(v), _) => Arc::new(Decimal128Array::new(v, nulls).with_data_type(kind.arrow())),
        (Values::Single(v), _) => Arc::new(Float32Array::new(v, nulls)),
        (Values::Double(v), _) => Arc::new(Float64Array::new(v, nulls)),
        (Values::Text(v), _) => {
            let (offsets, text, _) = v.into_parts();
            Arc::new(StringArray::new(offsets, text, nulls))
        }
    }
}
