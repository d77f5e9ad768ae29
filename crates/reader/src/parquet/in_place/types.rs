//! Types whose values stand in pages as they stand in arrays.

use std::sync::Arc;

use arrow_array::types as arrow;
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use parquet::basic::Type as PhysicalType;

/// Whether the values of a type stand so in pages of `physical`, on this machine.
pub(super) fn is_in_pages(kind: &DataType, physical: PhysicalType) -> bool {
    let same = match kind {
        DataType::Float64 => physical == PhysicalType::DOUBLE,
        DataType::Float32 => physical == PhysicalType::FLOAT,
        kind => match width(kind) {
            Some(4) => physical == PhysicalType::INT32,
            Some(_) => physical == PhysicalType::INT64,
            None => false,
        },
    };
    // Pages have the lowest byte first.
    same && cfg!(target_endian = "little")
}

/// Bytes of a value.
pub(super) fn width(kind: &DataType) -> Option<usize> {
    match kind {
        DataType::Float32 | DataType::Int32 | DataType::UInt32 | DataType::Date32 | DataType::Time32(_) => {
            Some(4)
        }
        DataType::Float64
        | DataType::Int64
        | DataType::UInt64
        | DataType::Timestamp(..)
        | DataType::Time64(_)
        | DataType::Duration(_) => Some(8),
        _ => None,
    }
}

/// An array of values that lie where numbers may lie.
pub(super) fn array(kind: &DataType, values: Buffer, rows: usize) -> Option<ArrayRef> {
    use DataType as T;
    use TimeUnit as U;
    let array = match kind {
        T::Float64 => of::<arrow::Float64Type>,
        T::Float32 => of::<arrow::Float32Type>,
        T::Int32 => of::<arrow::Int32Type>,
        T::UInt32 => of::<arrow::UInt32Type>,
        T::Date32 => of::<arrow::Date32Type>,
        T::Time32(U::Second) => of::<arrow::Time32SecondType>,
        T::Time32(U::Millisecond) => of::<arrow::Time32MillisecondType>,
        T::Int64 => of::<arrow::Int64Type>,
        T::UInt64 => of::<arrow::UInt64Type>,
        T::Timestamp(U::Second, _) => of::<arrow::TimestampSecondType>,
        T::Timestamp(U::Millisecond, _) => of::<arrow::TimestampMillisecondType>,
        T::Timestamp(U::Microsecond, _) => of::<arrow::TimestampMicrosecondType>,
        T::Timestamp(U::Nanosecond, _) => of::<arrow::TimestampNanosecondType>,
        T::Time64(U::Microsecond) => of::<arrow::Time64MicrosecondType>,
        T::Time64(U::Nanosecond) => of::<arrow::Time64NanosecondType>,
        T::Duration(U::Second) => of::<arrow::DurationSecondType>,
        T::Duration(U::Millisecond) => of::<arrow::DurationMillisecondType>,
        T::Duration(U::Microsecond) => of::<arrow::DurationMicrosecondType>,
        T::Duration(U::Nanosecond) => of::<arrow::DurationNanosecondType>,
        _ => return None,
    };
    Some(array(kind, values, rows))
}

fn of<T: ArrowPrimitiveType>(kind: &DataType, values: Buffer, rows: usize) -> ArrayRef {
    let values = ScalarBuffer::new(values, 0, rows);
    Arc::new(PrimitiveArray::<T>::new(values, None).with_data_type(kind.clone()))
}
