//! Hive's partitioning: components `key=value` of a path are columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Date32Array, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field};

use crate::csv::value::date;
use crate::error::{Error, ErrorKind, Result};
use crate::predicate::{Bounds, Value};

/// The name Hive gives a null key.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A hive key with its value in every file, each an array of one row.
pub(super) struct HiveKey {
    pub(super) field: Field,
    pub(super) values: Vec<ArrayRef>,
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

/// The keys of all paths, which must have the same.
pub(super) fn hive_keys(paths: &[PathBuf]) -> Result<Vec<HiveKey>> {
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
    let column = |k: usize| parts.iter().map(|p| p[k].1.as_deref()).collect::<Vec<_>>();
    Ok(first.iter().enumerate().map(|(k, name)| hive_column(name, &column(k))).collect())
}

/// A key as whole numbers if all values are, else as numbers, else as days, else as text.
fn hive_column(name: &str, values: &[Option<&str>]) -> HiveKey {
    fn parsed<T: std::str::FromStr>(values: &[Option<&str>]) -> Option<Vec<Option<T>>> {
        values.iter().map(|v| v.map(|v| v.parse().ok()).map_or(Some(None), |p| p.map(Some))).collect()
    }
    let one = |array: ArrayRef| array;
    let (kind, values): (DataType, Vec<ArrayRef>) = if let Some(whole) = parsed::<i64>(values) {
        (DataType::Int64, whole.into_iter().map(|v| one(Arc::new(Int64Array::from(vec![v])))).collect())
    } else if let Some(numbers) = parsed::<f64>(values).filter(|n| n.iter().flatten().all(|v| v.is_finite()))
    {
        (DataType::Float64, numbers.into_iter().map(|v| one(Arc::new(Float64Array::from(vec![v])))).collect())
    } else if let Some(days) = values.iter().map(day).collect::<Option<Vec<_>>>() {
        (DataType::Date32, days.into_iter().map(|v| one(Arc::new(Date32Array::from(vec![v])))).collect())
    } else {
        (DataType::Utf8, values.iter().map(|&v| one(Arc::new(StringArray::from(vec![v])))).collect())
    };
    HiveKey { field: Field::new(name, kind, true), values }
}

/// A key that is null, or a day as ISO writes it; `None` for another.
fn day(value: &Option<&str>) -> Option<Option<i32>> {
    value.map_or(Some(None), |text| date(text.as_bytes()).map(Some))
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
}
