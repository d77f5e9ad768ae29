//! Columns of polars as columns of Arrow.
//!
//! Both keep columns in the same layout and could exchange pointers through Arrow's C interface, which is unsafe by
//! nature. Here values are copied, which costs far less than a query does.

use std::sync::Arc;

use arrow_array::types as arrow;
use arrow_array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use polars::prelude as pl;

use streamreg_reader::{Error, ErrorKind, Result};

use crate::failed;

/// The Arrow type in which a polars column is delivered, if it can be.
pub(crate) fn arrow_type(kind: &pl::DataType) -> Option<DataType> {
    use DataType as A;
    use pl::DataType as P;
    Some(match kind {
        P::Boolean => A::Boolean,
        P::Int8 => A::Int8,
        P::Int16 => A::Int16,
        P::Int32 => A::Int32,
        P::Int64 => A::Int64,
        P::UInt8 => A::UInt8,
        P::UInt16 => A::UInt16,
        P::UInt32 => A::UInt32,
        P::UInt64 => A::UInt64,
        P::Float32 => A::Float32,
        P::Float64 => A::Float64,
        P::String | P::Categorical(..) | P::Enum(..) => A::Utf8,
        P::Date => A::Date32,
        P::Time => A::Time64(TimeUnit::Nanosecond),
        P::Datetime(unit, zone) => {
            A::Timestamp(arrow_unit(*unit), zone.as_ref().map(|zone| zone.as_str().into()))
        }
        P::Duration(unit) => A::Duration(arrow_unit(*unit)),
        P::Decimal(precision, scale) => {
            A::Decimal128(u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        _ => return None,
    })
}

fn arrow_unit(unit: pl::TimeUnit) -> TimeUnit {
    match unit {
        pl::TimeUnit::Milliseconds => TimeUnit::Millisecond,
        pl::TimeUnit::Microseconds => TimeUnit::Microsecond,
        pl::TimeUnit::Nanoseconds => TimeUnit::Nanosecond,
    }
}

/// A polars column as an Arrow array of the type that [`arrow_type`] has for it.
pub(crate) fn to_arrow(column: &pl::Column) -> Result<ArrayRef> {
    use pl::DataType as P;
    let series = column.as_materialized_series().rechunk();
    let physical = series.to_physical_repr();
    macro_rules! numbers {
        ($arrow:ty, $of:ident) => {
            primitive::<$arrow, _>(physical.$of().map_err(|e| failed(&e))?)
        };
    }
    macro_rules! done {
        ($arrow:ty, $of:ident) => {
            Arc::new(numbers!($arrow, $of)) as ArrayRef
        };
    }
    Ok(match series.dtype() {
        P::Boolean => Arc::new(series.bool().map_err(|e| failed(&e))?.iter().collect::<BooleanArray>()),
        P::Int8 => done!(arrow::Int8Type, i8),
        P::Int16 => done!(arrow::Int16Type, i16),
        P::Int32 => done!(arrow::Int32Type, i32),
        P::Int64 => done!(arrow::Int64Type, i64),
        P::UInt8 => done!(arrow::UInt8Type, u8),
        P::UInt16 => done!(arrow::UInt16Type, u16),
        P::UInt32 => done!(arrow::UInt32Type, u32),
        P::UInt64 => done!(arrow::UInt64Type, u64),
        P::Float32 => done!(arrow::Float32Type, f32),
        P::Float64 => done!(arrow::Float64Type, f64),
        P::String => Arc::new(series.str().map_err(|e| failed(&e))?.iter().collect::<StringArray>()),
        P::Categorical(..) | P::Enum(..) => {
            let text = series.cast(&P::String).map_err(|e| failed(&e))?;
            Arc::new(text.str().map_err(|e| failed(&e))?.iter().collect::<StringArray>())
        }
        P::Date => done!(arrow::Date32Type, i32),
        P::Time => done!(arrow::Time64NanosecondType, i64),
        P::Datetime(unit, zone) => {
            let zone = zone.as_ref().map(|zone| zone.as_str().into());
            timestamps(physical.i64().map_err(|e| failed(&e))?, *unit, zone)
        }
        P::Duration(pl::TimeUnit::Milliseconds) => done!(arrow::DurationMillisecondType, i64),
        P::Duration(pl::TimeUnit::Microseconds) => done!(arrow::DurationMicrosecondType, i64),
        P::Duration(pl::TimeUnit::Nanoseconds) => done!(arrow::DurationNanosecondType, i64),
        P::Decimal(precision, scale) => {
            let (precision, scale) = (*precision as u8, *scale as i8);
            let counts = numbers!(arrow::Decimal128Type, i128);
            Arc::new(counts.with_precision_and_scale(precision, scale).map_err(|e| arrow_failed(&e))?)
        }
        other => {
            let message = format!("values of the polars type {other} cannot be delivered");
            return Err(Error::new(ErrorKind::Unsupported, message).in_column(column.name().as_str()));
        }
    })
}

/// Counts of a unit since 1970, in a zone or none.
fn timestamps(counts: &pl::Int64Chunked, unit: pl::TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    use arrow::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType};
    match unit {
        pl::TimeUnit::Milliseconds => {
            Arc::new(primitive::<TimestampMillisecondType, _>(counts).with_timezone_opt(zone))
        }
        pl::TimeUnit::Microseconds => {
            Arc::new(primitive::<TimestampMicrosecondType, _>(counts).with_timezone_opt(zone))
        }
        pl::TimeUnit::Nanoseconds => {
            Arc::new(primitive::<TimestampNanosecondType, _>(counts).with_timezone_opt(zone))
        }
    }
}

/// The numbers of a column that has one chunk, copied.
fn primitive<T, P>(column: &pl::ChunkedArray<P>) -> PrimitiveArray<T>
where
    T: ArrowPrimitiveType,
    P: pl::PolarsNumericType<Native = T::Native>,
{
    column.iter().collect::<Vec<Option<T::Native>>>().into_iter().collect()
}

fn arrow_failed(error: &ArrowError) -> Error {
    Error::new(ErrorKind::Malformed, error.to_string())
}
