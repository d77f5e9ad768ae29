//! What a file says, in a form that can be compared.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Once;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use streamreg_reader::{Dataset, DatasetOptions, Error, Result, ScanRequest, Source};

/// A column: how many of its values are there, their sum if they are numbers, and a fingerprint of them all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) valid: usize,
    pub(crate) sum: f64,
    pub(crate) fingerprint: u64,
}

/// The rows of a file, and its columns.
pub(crate) type Numbers = (u64, Vec<Column>);

/// Reads everything that can be read.
pub(crate) fn numbers(path: &Path) -> Result<Numbers> {
    // Panics of a decoder become errors; nobody needs their traces.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !streamreg_reader::contain::is_containing() {
                loud(panic);
            }
        }));
    });
    read(&Dataset::open(&[path], &DatasetOptions::default())?)
}

pub(crate) fn read(source: &dyn Source) -> Result<Numbers> {
    let names: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut columns: Vec<_> = names.iter().map(|name| (name.clone(), 0, 0.0, DefaultHasher::new())).collect();
    let scan = source.scan(&ScanRequest::new(&names))?;
    let mut rows = 0;
    while let Some(partition) = scan.next_partition() {
        for batch in partition?.batches {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            for ((_, valid, sum, hasher), array) in columns.iter_mut().zip(batch.columns()) {
                *valid += array.len() - array.null_count();
                *sum += add(array, hasher);
            }
        }
    }
    source.verify_unchanged()?;
    let column = |(name, valid, sum, hasher): (String, usize, f64, DefaultHasher)| Column {
        name,
        valid,
        sum,
        fingerprint: hasher.finish(),
    };
    Ok((rows, columns.into_iter().map(column).collect()))
}

/// The sum of an array's values, which also go into the fingerprint.
fn add(array: &ArrayRef, hasher: &mut DefaultHasher) -> f64 {
    macro_rules! numbers {
        ($kind:ty) => {
            array.as_primitive::<$kind>().iter().fold(0.0, |sum, value| {
                let value = value.map(|v| v as f64);
                value.map(f64::to_bits).hash(hasher);
                sum + value.unwrap_or_default()
            })
        };
    }
    match array.data_type() {
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Float32 => numbers!(Float32Type),
        DataType::Float64 => numbers!(Float64Type),
        DataType::Boolean => array.as_boolean().iter().fold(0.0, |sum, value| {
            value.hash(hasher);
            sum + f64::from(u8::from(value == Some(true)))
        }),
        DataType::Utf8 => {
            array.as_string::<i32>().iter().for_each(|value| value.map(str::as_bytes).hash(hasher));
            0.0
        }
        DataType::Binary => {
            array.as_binary::<i32>().iter().for_each(|value| value.hash(hasher));
            0.0
        }
        _ => {
            format!("{array:?}").hash(hasher);
            0.0
        }
    }
}

/// Panics unless an error names the file, and says something that a person can read.
pub(crate) fn assert_is_clean(error: &Error, file: &str, context: &str) {
    let text = error.to_string();
    assert!(text.contains(file), "{context}: the file is not named: {text}");
    for word in ["panicked", "called `Option", "called `Result", "attempt to "] {
        assert!(!text.contains(word), "{context}: {text}");
    }
}
