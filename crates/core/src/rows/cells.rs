//! Cells of Arrow arrays as text, and narrow numbers as wider ones.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::as_datetime_with_timezone;
use arrow_array::timezone::Tz;
use arrow_array::types as arrow;
use arrow_array::types::{ArrowPrimitiveType, ArrowTimestampType};
use arrow_array::{Array, ArrayRef, Float64Array, PrimitiveArray, StringArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::SecondsFormat;

use crate::error::{Error, ErrorKind, Result};
use crate::rows::convert::to_float64;

/// The cell of `array` in a row as text: numbers with the fewest digits that read back, dates and times as ISO 8601
/// has them, in the zone of their column; binary as hexadecimal digits. A null is empty.
///
/// # Errors
/// [`ErrorKind::Batch`] for a type whose cells have no text, such as lists, and for a date that is out of range.
pub fn cell_text(array: &dyn Array, row: usize) -> Result<String> {
    use DataType as T;
    if array.is_null(row) {
        return Ok(String::new());
    }
    macro_rules! number {
        ($kind:ident) => {
            array.as_primitive::<arrow::$kind>().value(row).to_string()
        };
    }
    macro_rules! decimal {
        ($kind:ident) => {
            array.as_primitive::<arrow::$kind>().value_as_string(row)
        };
    }
    Ok(match array.data_type() {
        T::Null => String::new(),
        T::Boolean => array.as_boolean().value(row).to_string(),
        T::Int8 => number!(Int8Type),
        T::Int16 => number!(Int16Type),
        T::Int32 => number!(Int32Type),
        T::Int64 => number!(Int64Type),
        T::UInt8 => number!(UInt8Type),
        T::UInt16 => number!(UInt16Type),
        T::UInt32 => number!(UInt32Type),
        T::UInt64 => number!(UInt64Type),
        T::Float16 => ryu::Buffer::new()
            .format(array.as_primitive::<arrow::Float16Type>().value(row).to_f32())
            .to_owned(),
        T::Float32 => {
            ryu::Buffer::new().format(array.as_primitive::<arrow::Float32Type>().value(row)).to_owned()
        }
        T::Float64 => {
            ryu::Buffer::new().format(array.as_primitive::<arrow::Float64Type>().value(row)).to_owned()
        }
        T::Decimal32(..) => decimal!(Decimal32Type),
        T::Decimal64(..) => decimal!(Decimal64Type),
        T::Decimal128(..) => decimal!(Decimal128Type),
        T::Decimal256(..) => decimal!(Decimal256Type),
        T::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        T::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        T::Utf8View => array.as_string_view().value(row).to_owned(),
        T::Binary => hexadecimal(array.as_binary::<i32>().value(row)),
        T::LargeBinary => hexadecimal(array.as_binary::<i64>().value(row)),
        T::BinaryView => hexadecimal(array.as_binary_view().value(row)),
        T::FixedSizeBinary(_) => hexadecimal(array.as_fixed_size_binary().value(row)),
        T::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = to_float64(dictionary.keys().slice(row, 1).as_ref())?[0];
            return cell_text(dictionary.values().as_ref(), key as usize);
        }
        _ => return time_text(array, row),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_text(kind: &DataType) -> Error {
    Error::new(ErrorKind::Batch, format!("cells of the type {kind} have no text"))
}

/// Dates, times, timestamps and durations.
fn time_text(array: &dyn Array, row: usize) -> Result<String> {
    use DataType as T;
    macro_rules! date {
        ($kind:ident) => {
            array.as_primitive::<arrow::$kind>().value_as_date(row).map(|date| date.to_string())
        };
    }
    macro_rules! time {
        ($kind:ident) => {
            array.as_primitive::<arrow::$kind>().value_as_time(row).map(|time| time.to_string())
        };
    }
    macro_rules! seconds {
        ($kind:ident, $units:expr) => {{
            let count = array.as_primitive::<arrow::$kind>().value(row);
            Some(ryu::Buffer::new().format(count as f64 / $units).to_owned())
        }};
    }
    let text = match array.data_type() {
        T::Date32 => date!(Date32Type),
        T::Date64 => date!(Date64Type),
        T::Time32(TimeUnit::Second) => time!(Time32SecondType),
        T::Time32(_) => time!(Time32MillisecondType),
        T::Time64(TimeUnit::Microsecond) => time!(Time64MicrosecondType),
        T::Time64(_) => time!(Time64NanosecondType),
        T::Timestamp(unit, zone) => {
            let zone = zone.as_deref();
            match unit {
                TimeUnit::Second => timestamp::<arrow::TimestampSecondType>(array, row, zone)?,
                TimeUnit::Millisecond => timestamp::<arrow::TimestampMillisecondType>(array, row, zone)?,
                TimeUnit::Microsecond => timestamp::<arrow::TimestampMicrosecondType>(array, row, zone)?,
                TimeUnit::Nanosecond => timestamp::<arrow::TimestampNanosecondType>(array, row, zone)?,
            }
        }
        T::Duration(TimeUnit::Second) => seconds!(DurationSecondType, 1.0),
        T::Duration(TimeUnit::Millisecond) => seconds!(DurationMillisecondType, 1e3),
        T::Duration(TimeUnit::Microsecond) => seconds!(DurationMicrosecondType, 1e6),
        T::Duration(TimeUnit::Nanosecond) => seconds!(DurationNanosecondType, 1e9),
        other => return Err(no_text(other)),
    };
    text.ok_or_else(|| {
        Error::new(
            ErrorKind::Batch,
            format!("a value of the type {} is beyond the calendar", array.data_type()),
        )
    })
}

fn timestamp<T>(array: &dyn Array, row: usize, zone: Option<&str>) -> Result<Option<String>>
where
    T: ArrowTimestampType + ArrowPrimitiveType<Native = i64>,
{
    let array = array.as_primitive::<T>();
    let Some(zone) = zone else {
        return Ok(array.value_as_datetime(row).map(|time| format!("{time:?}")));
    };
    let rules: Tz =
        zone.parse().map_err(|_| Error::new(ErrorKind::Batch, format!("there is no time zone {zone:?}")))?;
    let time = as_datetime_with_timezone::<T>(array.value(row), rules);
    Ok(time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}

/// Values as those of a wider type, where some files of a data set are narrower than others; text is the widest.
///
/// # Errors
/// [`ErrorKind::Batch`] for a type that does not hold them.
pub fn widened(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    fn whole<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<ArrayRef>
    where
        T::Native: TryFrom<i64>,
    {
        macro_rules! from {
            ($kind:ident) => {{
                let own = array.as_primitive::<arrow::$kind>();
                let wide = own.iter().map(|value| value.map(i64::from).map(T::Native::try_from));
                let wide = wide.map(Option::transpose).collect::<std::result::Result<PrimitiveArray<T>, _>>();
                Some(Arc::new(wide.ok()?))
            }};
        }
        match array.data_type() {
            DataType::Int8 => from!(Int8Type),
            DataType::Int16 => from!(Int16Type),
            DataType::Int32 => from!(Int32Type),
            DataType::Int64 => from!(Int64Type),
            DataType::UInt8 => from!(UInt8Type),
            DataType::UInt16 => from!(UInt16Type),
            DataType::UInt32 => from!(UInt32Type),
            _ => None,
        }
    }
    if array.data_type() == kind {
        return Ok(Arc::clone(array));
    }
    let wide = match kind {
        DataType::Int16 => whole::<arrow::Int16Type>(array),
        DataType::Int32 => whole::<arrow::Int32Type>(array),
        DataType::Int64 => whole::<arrow::Int64Type>(array),
        DataType::Float64 => {
            Some(Arc::new(Float64Array::new(to_float64(array)?.into(), array.logical_nulls())) as ArrayRef)
        }
        // Where one file has numbers as text, such as CSV.
        DataType::Utf8 => {
            let texts =
                (0..array.len()).map(|row| array.is_valid(row).then(|| cell_text(array, row)).transpose());
            Some(Arc::new(texts.collect::<Result<StringArray>>()?) as ArrayRef)
        }
        _ => None,
    };
    wide.ok_or_else(|| Error::new(ErrorKind::Batch, format!("{} is not part of {kind}", array.data_type())))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, Int8Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn cells_are_spelled_as_iso_has_them() {
        let day = Date32Array::from(vec![Some(19_782), None]);
        assert_eq!(
            (cell_text(&day, 0).unwrap(), cell_text(&day, 1).unwrap()),
            ("2024-02-29".into(), String::new())
        );
        let time = TimestampMicrosecondArray::from(vec![1_709_251_199_500_000]);
        assert_eq!(cell_text(&time, 0).unwrap(), "2024-02-29T23:59:59.500");
        for (zone, text) in [
            ("UTC", "2024-02-29T23:59:59.500Z"),
            ("Europe/Zurich", "2024-03-01T00:59:59.500+01:00"),
            ("-05:30", "2024-02-29T18:29:59.500-05:30"),
        ] {
            assert_eq!(cell_text(&time.clone().with_timezone(zone), 0).unwrap(), text);
        }
        assert!(cell_text(&time.with_timezone("Moon/Crater"), 0).is_err());
        assert_eq!(cell_text(&Float64Array::from(vec![1e16]), 0).unwrap(), "1e16");
    }

    #[test]
    fn narrow_numbers_are_wide_ones() {
        let narrow: ArrayRef = Arc::new(Int8Array::from(vec![Some(-3), None]));
        let wide = widened(&narrow, &DataType::Int64).unwrap();
        assert_eq!(wide.as_primitive::<arrow::Int64Type>().iter().collect::<Vec<_>>(), [Some(-3), None]);
        let float = widened(&narrow, &DataType::Float64).unwrap();
        assert_eq!(float.as_primitive::<arrow::Float64Type>().iter().collect::<Vec<_>>(), [Some(-3.0), None]);
        let text = widened(&narrow, &DataType::Utf8).unwrap();
        assert_eq!(text.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("-3"), None]);
        assert!(widened(&narrow, &DataType::Boolean).is_err());
    }
}
