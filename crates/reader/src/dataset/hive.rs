//! Hive's partitioning: components `key=value` of a path are columns.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::csv::cells::Cells;
use crate::csv::value::{boolean, date, timestamp};
use crate::csv::{ColumnType, CsvOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::predicate::{Bounds, Value};

impl HiveKey {
    /// Whether it is a date or a time.
    pub(super) fn is_time(&self) -> bool {
        self.field.data_type().is_temporal()
    }
}

/// The name Hive gives a null key.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A hive key with its value in every file, each an array of one row.
pub(super) struct HiveKey {
    pub(super) field: Field,
    pub(super) values: Vec<ArrayRef>,
}

/// Whether the name of a folder is that of a key.
pub(super) fn is_key(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.split_once('=')).is_some_and(|(key, _)| !key.is_empty())
}

/// The `key=value` components of a path, percent-decoded; `None` for Hive's null.
fn hive_parts(path: &Path) -> Vec<(String, Option<String>)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let text = folders.filter_map(|c| c.as_os_str().to_str()?.split_once('='));
    let pairs = text.filter(|(key, _)| !key.is_empty());
    pairs.map(|(k, v)| (percent_decode(k), (v != HIVE_NULL).then(|| percent_decode(v)))).collect()
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The keys of all paths, which must have the same; of the types that the options say, if they do.
pub(super) fn hive_keys(paths: &[PathBuf], options: &CsvOptions) -> Result<Vec<HiveKey>> {
    let parts: Vec<_> = paths.iter().map(|p| hive_parts(p)).collect();
    let names = |i: usize| parts[i].iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>();
    let first = names(0);
    for (index, path) in paths.iter().enumerate().skip(1) {
        if names(index) != first {
            let message = format!(
                "its path has the keys {:?}, that of {} has {first:?}; all files of a data set must have the same",
                names(index),
                paths[0].display()
            );
            return Err(Error::new(ErrorKind::Schema, message).at_path(path));
        }
    }
    let cells = Cells::new(options)?;
    let key = |(k, name): (usize, &&str)| {
        let values: Vec<Option<&str>> = parts.iter().map(|p| p[k].1.as_deref()).collect();
        // The last one counts, as in files.
        let declared = options.types.iter().rfind(|(column, _)| column == name).map(|(_, t)| *t);
        let (kind, values) = match declared {
            Some(declared) => declared_values(name, declared, &values, (paths, &cells))?,
            None => inferred_values(&values),
        };
        Ok(HiveKey { field: Field::new(*name, kind, true), values })
    };
    first.iter().enumerate().map(key).collect()
}

/// A type, and an array of one row a file.
type Values = (DataType, Vec<ArrayRef>);

/// An array a value.
fn arrays<T, A: Array + From<Vec<Option<T>>> + 'static>(kind: DataType, values: Vec<Option<T>>) -> Values {
    (kind, values.into_iter().map(|value| Arc::new(A::from(vec![value])) as ArrayRef).collect())
}

/// All values by `parse`; the position of the first that is none.
fn all<T>(
    values: &[Option<&str>],
    parse: impl Fn(&str) -> Option<T>,
) -> std::result::Result<Vec<Option<T>>, usize> {
    let parsed = |(i, value): (usize, &Option<&str>)| match value {
        Some(text) => parse(text).map(Some).ok_or(i),
        None => Ok(None),
    };
    values.iter().enumerate().map(parsed).collect()
}

fn whole(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Whole numbers if all values are, else numbers, else days, else timestamps, else text: numbers only where different
/// texts are different numbers, as `0501` and `501` are not.
fn inferred_values(values: &[Option<&str>]) -> Values {
    if let Ok(numbers) = all(values, whole)
        && one_to_one(values, numbers.iter().map(|value| value.map(i128::from)))
    {
        return arrays::<_, Int64Array>(DataType::Int64, numbers);
    }
    if let Ok(numbers) = all(values, finite)
        && one_to_one(values, numbers.iter().map(|value| value.map(|v| i128::from((v + 0.0).to_bits()))))
    {
        return arrays::<_, Float64Array>(DataType::Float64, numbers);
    }
    if let Ok(days) = all(values, |text| date(text.as_bytes())) {
        return arrays::<_, Date32Array>(DataType::Date32, days);
    }
    if let Ok(times) = all(values, |text| timestamp(text.as_bytes())) {
        return arrays::<_, TimestampMicrosecondArray>(MICROSECONDS, times);
    }
    arrays::<_, StringArray>(DataType::Utf8, texts(values))
}

fn texts(values: &[Option<&str>]) -> Vec<Option<String>> {
    values.iter().map(|value| value.map(str::to_owned)).collect()
}

/// Whether no two texts have one number.
fn one_to_one(texts: &[Option<&str>], numbers: impl Iterator<Item = Option<i128>>) -> bool {
    let mut of_number = HashMap::new();
    let mut pairs = texts.iter().zip(numbers);
    pairs.all(|(text, number)| *of_number.entry(number).or_insert(*text) == *text)
}

/// The values of a type that was asked for.
fn declared_values(
    name: &str,
    declared: ColumnType,
    values: &[Option<&str>],
    (paths, cells): (&[PathBuf], &Cells),
) -> Result<Values> {
    let kind = declared.data_type();
    let found =
        match declared {
            ColumnType::Number => all(values, whole)
                .map(|numbers| arrays::<_, Int64Array>(DataType::Int64, numbers))
                .or_else(|_| all(values, finite).map(|numbers| arrays::<_, Float64Array>(kind, numbers))),
            ColumnType::Boolean => all(values, |text| boolean(text.as_bytes()))
                .map(|values| arrays::<_, BooleanArray>(kind, values)),
            ColumnType::Date => all(values, |text| cells.date(text.as_bytes()))
                .map(|days| arrays::<_, Date32Array>(kind, days)),
            ColumnType::Timestamp => all(values, |text| cells.timestamp(text.as_bytes()))
                .map(|times| arrays::<_, TimestampMicrosecondArray>(kind, times)),
            ColumnType::Time => all(values, |text| cells.time(text.as_bytes()))
                .map(|times| arrays::<_, Time64MicrosecondArray>(kind, times)),
            ColumnType::Text => Ok(arrays::<_, StringArray>(kind, texts(values))),
        };
    found.map_err(|i| {
        let message = format!("{:?} is not {}", values[i].unwrap_or_default(), declared.described());
        Error::new(ErrorKind::Schema, message)
            .in_column(name)
            .at_path(&paths[i])
            .with_help(format!("--schema {name}=text takes it as text"))
    })
}

/// A file's value of a key, for predicates.
pub(super) fn hive_bounds(value: &ArrayRef) -> Bounds {
    if value.is_null(0) {
        return Bounds::constant(None);
    }
    let value = value.as_any();
    if let Some(whole) = value.downcast_ref::<Int64Array>() {
        Bounds::constant(Some(Value::Integer(whole.value(0).into())))
    } else if let Some(number) = value.downcast_ref::<Float64Array>() {
        Bounds::constant(Some(Value::Float(number.value(0))))
    } else if let Some(day) = value.downcast_ref::<Date32Array>() {
        Bounds::constant(Some(Value::Date(day.value(0))))
    } else if let Some(text) = value.downcast_ref::<StringArray>() {
        Bounds::constant(Some(Value::Text(text.value(0).to_owned())))
    } else {
        Bounds::unknown()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;

    #[test]
    fn hive_parts_are_decoded() {
        let parts = hive_parts(Path::new(
            "base/year=2024/city=S%C3%A3o%20Paulo/x=__HIVE_DEFAULT_PARTITION__/a=b.csv",
        ));
        let expected = [("year", Some("2024")), ("city", Some("São Paulo")), ("x", None)]
            .map(|(k, v)| (k.into(), v.map(str::to_owned)));
        assert_eq!(parts, expected);
    }

    fn kind(values: &[&str]) -> DataType {
        inferred_values(&values.iter().map(|&v| Some(v)).collect::<Vec<_>>()).0
    }

    #[test]
    fn keys_have_the_first_type_that_keeps_them_apart() {
        assert_eq!(kind(&["01", "12"]), DataType::Int64);
        assert_eq!(kind(&["0501", "501"]), DataType::Utf8);
        assert_eq!(kind(&["0.5", "1"]), DataType::Float64);
        assert_eq!(kind(&["0.5", "0.50"]), DataType::Utf8);
        assert_eq!(kind(&["2024-01-03"]), DataType::Date32);
        assert_eq!(kind(&["2024-01-03 10:00:00", "2024-01-03"]), MICROSECONDS);
        assert_eq!(kind(&["x", "1"]), DataType::Utf8);
    }

    #[test]
    fn declared_keys_say_which_value_does_not_fit() {
        let paths = [PathBuf::from("k=1/a.csv"), PathBuf::from("k=x/a.csv")];
        let types = |t| CsvOptions::default().column_type("k", t);
        let keys = hive_keys(&paths, &types(ColumnType::Text)).unwrap();
        assert_eq!(keys[0].field.data_type(), &DataType::Utf8);
        let error = hive_keys(&paths, &types(ColumnType::Number)).map(drop).unwrap_err();
        assert!(error.to_string().contains("k=x/a.csv: column \"k\": \"x\" is not a number"), "{error}");
    }
}
