//! Which row groups a scan can pass over, by the statistics in the footer.

use std::collections::HashMap;

use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::predicate::{Bounds, Predicate, Value};
use crate::source::names::Names;

/// For each row group whether some row of it may pass `predicate`. `positions` finds the fields of the Arrow
/// schema by name, `parquet_roots` their columns at the root of the Parquet schema.
pub(super) fn may_pass(
    reader: &ArrowReaderMetadata,
    positions: &Names,
    parquet_roots: &[usize],
    predicate: &Predicate,
) -> Vec<bool> {
    let descr = reader.parquet_schema();
    // The leaf of each column of the predicate, where it has a single one.
    let mut leaves: HashMap<&str, Option<(usize, &DataType)>> = HashMap::new();
    predicate.for_each_column(&mut |name| {
        leaves.entry(name).or_insert_with(|| {
            let field = positions.get(name)?;
            let &root = parquet_roots.get(field)?;
            let first = (0..descr.num_columns()).find(|&leaf| descr.get_column_root_idx(leaf) == root)?;
            let flat =
                descr.column(first).path().parts().len() == 1 && descr.column(first).max_rep_level() == 0;
            flat.then(|| (first, reader.schema().field(field).data_type()))
        });
    });
    let groups = reader.metadata().row_groups().iter();
    let may_pass = |group: &RowGroupMetaData| {
        predicate.may_hold(&|name: &str| match leaves.get(name) {
            Some(Some((leaf, kind))) => bounds(group, *leaf, kind),
            _ => Bounds::unknown(),
        })
    };
    groups.map(may_pass).collect()
}

/// What the statistics of a column chunk say of its values, delivered as `kind`.
fn bounds(group: &RowGroupMetaData, leaf: usize, kind: &DataType) -> Bounds {
    let unknown = Bounds::unknown();
    let Some(statistics) = group.column(leaf).statistics() else { return unknown };
    let rows = group.num_rows().unsigned_abs();
    let nulls = statistics.null_count_opt().filter(|&n| n <= rows);
    let float = matches!(kind, DataType::Float16 | DataType::Float32 | DataType::Float64);
    let (min, max) = extremes(statistics, kind);
    // Statistics whose ends are exchanged are wrong, whatever they mean.
    let wrong = matches!((&min, &max), (Some(min), Some(max)) if min.exceeds(max));
    let (min, max) = if wrong { (None, None) } else { (min, max) };
    Bounds {
        min,
        max,
        may_have_nan: float && statistics.nan_count_opt() != Some(0),
        may_have_null: nulls != Some(0),
        may_have_value: nulls != Some(rows),
    }
}

/// The ends of a column chunk as values, for types whose order is the one that a predicate means.
fn extremes(statistics: &Statistics, kind: &DataType) -> (Option<Value>, Option<Value>) {
    // The fields of old files were written in signed order, whatever the type.
    if statistics.is_min_max_deprecated() && (kind.is_unsigned_integer() || *kind == DataType::Utf8) {
        return (None, None);
    }
    match statistics {
        Statistics::Boolean(s) if *kind == DataType::Boolean => {
            (s.min_opt().map(|&v| Value::Boolean(v)), s.max_opt().map(|&v| Value::Boolean(v)))
        }
        Statistics::Int32(s) => {
            let value = |v: Option<&i32>| v.and_then(|&v| whole(i64::from(v), u64::from(v as u32), kind));
            (value(s.min_opt()), value(s.max_opt()))
        }
        Statistics::Int64(s) => {
            let value = |v: Option<&i64>| v.and_then(|&v| whole(v, v as u64, kind));
            (value(s.min_opt()), value(s.max_opt()))
        }
        Statistics::Float(s) if *kind == DataType::Float32 => {
            let value = |v: Option<&f32>| v.filter(|v| !v.is_nan()).map(|&v| Value::Float(f64::from(v)));
            (value(s.min_opt()), value(s.max_opt()))
        }
        Statistics::Double(s) if *kind == DataType::Float64 => {
            let value = |v: Option<&f64>| v.filter(|v| !v.is_nan()).map(|&v| Value::Float(v));
            (value(s.min_opt()), value(s.max_opt()))
        }
        // A bound that was cut short is still a bound: the writer rounds it away from the values.
        Statistics::ByteArray(s) if *kind == DataType::Utf8 => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|t| Value::Text(t.to_owned()));
            (s.min_opt().and_then(|v| text(v.data())), s.max_opt().and_then(|v| text(v.data())))
        }
        _ => (None, None),
    }
}

/// A whole number in the statistics as the value it stands for in a column of type `kind`.
fn whole(signed: i64, unsigned: u64, kind: &DataType) -> Option<Value> {
    match kind {
        kind if kind.is_signed_integer() => Some(Value::Integer(signed.into())),
        kind if kind.is_unsigned_integer() => Some(Value::Integer(unsigned.into())),
        DataType::Date32 => i32::try_from(signed).ok().map(Value::Date),
        DataType::Timestamp(unit, _) => {
            let nanoseconds = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            Some(Value::Timestamp(i128::from(signed) * nanoseconds))
        }
        _ => None,
    }
}
