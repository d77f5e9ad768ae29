//! Types whose values stand in pages as they stand in arrays.

use std::sync::Arc;

use arrow_array::types as arrow;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, Decimal128Array, Int8Array, Int16Array, PrimitiveArray, UInt8Array,
    UInt16Array,
};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use parquet::basic::Type as PhysicalType;

/// Bytes of a value in pages of `physical`, if arrays of the type can be made of them on this machine.
pub(super) fn width(kind: &DataType, physical: PhysicalType) -> Option<usize> {
    use DataType as T;
    let (known, width) = match physical {
        PhysicalType::DOUBLE => (matches!(kind, T::Float64), 8),
        PhysicalType::FLOAT => (matches!(kind, T::Float32), 4),
        PhysicalType::INT32 => {
            let same = matches!(kind, T::Int32 | T::UInt32 | T::Date32 | T::Time32(_));
            (same || matches!(kind, T::Int8 | T::Int16 | T::UInt8 | T::UInt16 | T::Decimal128(..)), 4)
        }
        PhysicalType::INT64 => {
            let same = matches!(kind, T::Int64 | T::UInt64 | T::Timestamp(..) | T::Time64(_));
            (same || matches!(kind, T::Duration(_) | T::Decimal128(..)), 8)
        }
        _ => (false, 0),
    };
    // Pages have the lowest byte first.
    (known && cfg!(target_endian = "little")).then_some(width)
}

/// An array of values of `width` bytes, which lie where numbers may lie. Those of narrower and of wider types are copied.
pub(super) fn array(kind: &DataType, width: usize, values: Buffer, rows: usize) -> Option<ArrayRef> {
    use DataType as T;
    use TimeUnit as U;
    // As the decoder does, it takes the low bits.
    macro_rules! narrow {
        ($array:ident, $native:ty) => {{
            let values = ScalarBuffer::<i32>::new(values, 0, rows);
            return Some(Arc::new($array::from_iter_values(values.iter().map(|&value| value as $native))));
        }};
    }
    let array = match kind {
        T::Int8 => narrow!(Int8Array, i8),
        T::Int16 => narrow!(Int16Array, i16),
        T::UInt8 => narrow!(UInt8Array, u8),
        T::UInt16 => narrow!(UInt16Array, u16),
        &T::Decimal128(precision, scale) => {
            let array = match width {
                4 => decimals(ScalarBuffer::<i32>::new(values, 0, rows)),
                _ => decimals(ScalarBuffer::<i64>::new(values, 0, rows)),
            };
            return Some(Arc::new(array.with_precision_and_scale(precision, scale).ok()?));
        }
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

fn decimals<T: ArrowNativeType + Into<i128>>(values: ScalarBuffer<T>) -> Decimal128Array {
    Decimal128Array::from_iter_values(values.iter().map(|&value| value.into()))
}

fn of<T: ArrowPrimitiveType>(kind: &DataType, values: Buffer, rows: usize) -> ArrayRef {
    let values = ScalarBuffer::new(values, 0, rows);
    Arc::new(PrimitiveArray::<T>::new(values, None).with_data_type(kind.clone()))
}
