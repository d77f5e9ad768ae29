//! Columns of one library as columns of the other.
//!
//! Both keep columns in Arrow's layout and could exchange pointers through its C interface, which is
//! unsafe by nature. Here values go over through safe means instead: numbers into polars are shared, not
//! copied (a buffer that owns an Arrow buffer) unless they are widened, numbers out of it and bits both ways are
//! copied at the speed of memory, text is copied both ways. What that costs is far below what an expression costs.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use polars::prelude as pl;
use polars_arrow::array::{BooleanArray as PolarsBooleans, PrimitiveArray as PolarsPrimitives};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// The polars type of a column, if polars has one for it here.
pub(super) fn polars_type(kind: &DataType) -> Option<pl::DataType> {
    use DataType as A;
    use pl::DataType as P;
    Some(match kind {
        A::Boolean => P::Boolean,
        // Arithmetic on narrow or unsigned numbers would wrap around.
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 => P::Int64,
        A::UInt64 => P::UInt64,
        A::Float32 => P::Float32,
        A::Float64 => P::Float64,
        A::Utf8 | A::LargeUtf8 | A::Utf8View => P::String,
        A::Dictionary(_, values) if **values == A::Utf8 => P::String,
        A::Date32 => P::Date,
        A::Time32(_) | A::Time64(_) => P::Time,
        A::Timestamp(unit, zone) => {
            let zone = pl::TimeZone::opt_try_new(zone.as_deref()).ok()?;
            P::Datetime(polars_unit(*unit), zone)
        }
        A::Duration(unit) => P::Duration(polars_unit(*unit)),
        A::Decimal128(precision, scale) => P::Decimal(usize::from(*precision), usize::try_from(*scale).ok()?),
        _ => return None,
    })
}

/// The Arrow type in which a polars column is delivered, if it can be.
pub(super) fn arrow_type(kind: &pl::DataType) -> Option<DataType> {
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

fn polars_unit(unit: TimeUnit) -> pl::TimeUnit {
    match unit {
        // polars counts no whole seconds.
        TimeUnit::Second | TimeUnit::Millisecond => pl::TimeUnit::Milliseconds,
        TimeUnit::Microsecond => pl::TimeUnit::Microseconds,
        TimeUnit::Nanosecond => pl::TimeUnit::Nanoseconds,
    }
}

fn arrow_unit(unit: pl::TimeUnit) -> TimeUnit {
    match unit {
        pl::TimeUnit::Milliseconds => TimeUnit::Millisecond,
        pl::TimeUnit::Microseconds => TimeUnit::Microsecond,
        pl::TimeUnit::Nanoseconds => TimeUnit::Nanosecond,
    }
}

/// An Arrow array as a polars column called `name` of type `target`, which is that of the data set: a
/// single file may have a narrower one.
pub(super) fn to_polars(name: &str, array: &ArrayRef, target: &pl::DataType) -> Result<pl::Column> {
    let series = series(name.into(), array)?;
    if series.dtype() == target {
        return Ok(series.into());
    }
    series.strict_cast(target).map(Into::into).map_err(|e| failed(&e).in_column(name))
}

fn series(name: pl::PlSmallStr, array: &ArrayRef) -> Result<pl::Series> {
    use DataType as A;
    use pl::IntoSeries;
    let unlike = || {
        Error::new(
            ErrorKind::Unsupported,
            format!("the type {} has no use in expressions", array.data_type()),
        )
        .in_column(name.as_str())
    };
    let i64s = |array: &ArrayRef| numbers::<arrow::Int64Type, pl::Int64Type>(pl::PlSmallStr::EMPTY, array);
    Ok(match array.data_type() {
        A::Boolean => {
            let array = array.as_boolean();
            let values = bits(array.values());
            let array = PolarsBooleans::try_new(ArrowDataType::Boolean, values, validity(array.nulls()));
            pl::BooleanChunked::with_chunk(name, array.map_err(|e| failed(&e))?).into_series()
        }
        A::Int8 => numbers::<arrow::Int8Type, pl::Int8Type>(name, array)?,
        A::Int16 => numbers::<arrow::Int16Type, pl::Int16Type>(name, array)?,
        A::Int32 => numbers::<arrow::Int32Type, pl::Int32Type>(name, array)?,
        A::Int64 => numbers::<arrow::Int64Type, pl::Int64Type>(name, array)?,
        A::UInt8 => numbers::<arrow::UInt8Type, pl::UInt8Type>(name, array)?,
        A::UInt16 => numbers::<arrow::UInt16Type, pl::UInt16Type>(name, array)?,
        A::UInt32 => numbers::<arrow::UInt32Type, pl::UInt32Type>(name, array)?,
        A::UInt64 => numbers::<arrow::UInt64Type, pl::UInt64Type>(name, array)?,
        A::Float32 => numbers::<arrow::Float32Type, pl::Float32Type>(name, array)?,
        A::Float64 => numbers::<arrow::Float64Type, pl::Float64Type>(name, array)?,
        A::Utf8 => texts(name, array.as_string::<i32>().iter()),
        A::LargeUtf8 => texts(name, array.as_string::<i64>().iter()),
        A::Utf8View => texts(name, array.as_string_view().iter()),
        A::Dictionary(_, values) if **values == A::Utf8 => {
            let dictionary = array.as_any_dictionary();
            let plain = arrow_select::take::take(dictionary.values(), dictionary.keys(), None);
            texts(name, plain.map_err(|e| arrow_failed(&e))?.as_string::<i32>().iter())
        }
        A::Date32 => numbers::<arrow::Date32Type, pl::Int32Type>(name, array)?.into_date(),
        A::Time32(TimeUnit::Second) => {
            i64s(&scaled::<arrow::Time32SecondType>(array, 1_000_000_000)?)?.into_time().with_name(name)
        }
        A::Time32(_) => {
            i64s(&scaled::<arrow::Time32MillisecondType>(array, 1_000_000)?)?.into_time().with_name(name)
        }
        A::Time64(TimeUnit::Microsecond) => {
            i64s(&scaled::<arrow::Time64MicrosecondType>(array, 1_000)?)?.into_time().with_name(name)
        }
        A::Time64(_) => numbers::<arrow::Time64NanosecondType, pl::Int64Type>(name, array)?.into_time(),
        A::Timestamp(unit, zone) => {
            let zone = pl::TimeZone::opt_try_new(zone.as_deref()).map_err(|e| failed(&e))?;
            let counts = match unit {
                TimeUnit::Second => {
                    i64s(&scaled::<arrow::TimestampSecondType>(array, 1_000)?)?.with_name(name)
                }
                TimeUnit::Millisecond => {
                    numbers::<arrow::TimestampMillisecondType, pl::Int64Type>(name, array)?
                }
                TimeUnit::Microsecond => {
                    numbers::<arrow::TimestampMicrosecondType, pl::Int64Type>(name, array)?
                }
                TimeUnit::Nanosecond => {
                    numbers::<arrow::TimestampNanosecondType, pl::Int64Type>(name, array)?
                }
            };
            counts.into_datetime(polars_unit(*unit), zone)
        }
        A::Duration(unit) => {
            let counts = match unit {
                TimeUnit::Second => {
                    i64s(&scaled::<arrow::DurationSecondType>(array, 1_000)?)?.with_name(name)
                }
                TimeUnit::Millisecond => {
                    numbers::<arrow::DurationMillisecondType, pl::Int64Type>(name, array)?
                }
                TimeUnit::Microsecond => {
                    numbers::<arrow::DurationMicrosecondType, pl::Int64Type>(name, array)?
                }
                TimeUnit::Nanosecond => numbers::<arrow::DurationNanosecondType, pl::Int64Type>(name, array)?,
            };
            counts.into_duration(polars_unit(*unit))
        }
        A::Decimal128(precision, scale) => {
            let scale = usize::try_from(*scale).map_err(|_| unlike())?;
            let counts = numbers::<arrow::Decimal128Type, pl::Int128Type>(name, array)?;
            let counts = counts.i128().map_err(|e| failed(&e))?.clone();
            counts.into_decimal_unchecked(usize::from(*precision), scale).into_series()
        }
        _ => return Err(unlike()),
    })
}

/// Shares the numbers of an Arrow array.
fn numbers<T, P>(name: pl::PlSmallStr, array: &ArrayRef) -> Result<pl::Series>
where
    T: ArrowPrimitiveType,
    P: pl::PolarsNumericType<Native = T::Native>,
    T::Native: polars_arrow::types::NativeType,
    pl::ChunkedArray<P>: pl::IntoSeries,
{
    use pl::IntoSeries;
    let array = array.as_primitive::<T>();
    let values = polars_buffer::Buffer::from_owner(array.values().clone());
    let kind = <T::Native as polars_arrow::types::NativeType>::PRIMITIVE.into();
    let array = PolarsPrimitives::try_new(kind, values, validity(array.nulls())).map_err(|e| failed(&e))?;
    Ok(pl::ChunkedArray::<P>::with_chunk(name, array).into_series())
}

fn texts<'a>(name: pl::PlSmallStr, values: impl Iterator<Item = Option<&'a str>>) -> pl::Series {
    use pl::{IntoSeries, NewChunkedArray};
    pl::StringChunked::from_iter_options(name, values).into_series()
}

/// Counts of a coarser unit of time as counts of a finer one.
fn scaled<T: ArrowPrimitiveType>(array: &ArrayRef, factor: i64) -> Result<ArrayRef>
where
    T::Native: Into<i64>,
{
    let times = |count: T::Native| {
        let finer = count.into().checked_mul(factor);
        finer.ok_or_else(|| ArrowError::ComputeError("the time is out of range".into()))
    };
    let counts = array.as_primitive::<T>().try_unary::<_, arrow::Int64Type, _>(times);
    counts.map(|counts| Arc::new(counts) as ArrayRef).map_err(|e| arrow_failed(&e))
}

fn bits(bits: &BooleanBuffer) -> Bitmap {
    Bitmap::from_u8_slice(bits.sliced().as_slice(), bits.len())
}

fn validity(nulls: Option<&NullBuffer>) -> Option<Bitmap> {
    nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| bits(nulls.inner()))
}

/// A polars column as an Arrow array of the type that [`arrow_type`] has for it.
pub(super) fn to_arrow(column: &pl::Column) -> Result<ArrayRef> {
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
        P::Boolean => Arc::new(booleans(series.bool().map_err(|e| failed(&e))?)),
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
            let zone: Option<Arc<str>> = zone.as_ref().map(|zone| zone.as_str().into());
            match unit {
                pl::TimeUnit::Milliseconds => {
                    Arc::new(numbers!(arrow::TimestampMillisecondType, i64).with_timezone_opt(zone))
                }
                pl::TimeUnit::Microseconds => {
                    Arc::new(numbers!(arrow::TimestampMicrosecondType, i64).with_timezone_opt(zone))
                }
                pl::TimeUnit::Nanoseconds => {
                    Arc::new(numbers!(arrow::TimestampNanosecondType, i64).with_timezone_opt(zone))
                }
            }
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

/// The numbers of a column that has one chunk.
fn primitive<T, P>(column: &pl::ChunkedArray<P>) -> PrimitiveArray<T>
where
    T: ArrowPrimitiveType,
    T::Native: polars_arrow::types::NativeType,
    P: pl::PolarsNumericType<Native = T::Native>,
{
    match column.downcast_iter().next() {
        Some(chunk) => PrimitiveArray::new(
            ScalarBuffer::from(chunk.values().as_slice().to_vec()),
            nulls(chunk.validity()),
        ),
        None => PrimitiveArray::new(ScalarBuffer::from(Vec::new()), None),
    }
}

/// The truth values of a column.
pub(super) fn booleans(column: &pl::BooleanChunked) -> BooleanArray {
    match column.rechunk().downcast_iter().next() {
        Some(chunk) => BooleanArray::new(arrow_bits(chunk.values()), nulls(chunk.validity())),
        None => BooleanArray::new(BooleanBuffer::new_unset(0), None),
    }
}

fn arrow_bits(bits: &Bitmap) -> BooleanBuffer {
    let (bytes, offset, length) = bits.as_slice();
    BooleanBuffer::new(Buffer::from(bytes), offset, length)
}

fn nulls(validity: Option<&Bitmap>) -> Option<NullBuffer> {
    validity.map(|bits| NullBuffer::new(arrow_bits(bits)))
}

fn arrow_failed(error: &ArrowError) -> Error {
    Error::new(ErrorKind::Expression, error.to_string())
}
