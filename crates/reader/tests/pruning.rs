//! Row groups and files that a predicate passes over: never one with a row for which it is true.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;
use streamreg_reader::{Comparison, Dataset, DatasetOptions, Predicate, ScanRequest, Source, Value};

use crate::util::{Folder, batch, batches, floats, open, partitions, texts};

fn request(columns: &[&str], predicate: Predicate) -> ScanRequest {
    ScanRequest::new(columns.iter().copied()).prune(predicate)
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    let column =
        |b: &RecordBatch| b.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec();
    batches.iter().flat_map(column).collect()
}

fn greater(column: &str, value: i128) -> Predicate {
    Predicate::compare(column, Comparison::Greater, Value::Integer(value))
}

#[test]
fn row_groups_out_of_range_are_not_read() {
    let folder = Folder::new();
    let group = |i: i64| {
        let x: ArrayRef = Arc::new(Int64Array::from_iter(i * 100..(i + 1) * 100));
        batch(&[("x", x)])
    };
    let groups: Vec<_> = (0..10).map(group).collect();
    let path = folder.parquet("a.parquet", &groups, WriterProperties::default());
    let source = open(&path);
    let within = Predicate::And(vec![
        greater("x", 349),
        Predicate::Or(vec![greater("x", 400).negated(), greater("x", 898)]),
        Predicate::Unknown,
    ]);
    let read = numbers(&batches(&source, &request(&["x"], within)));
    assert_eq!(read, (300..500).chain(800..1_000).collect::<Vec<_>>());
    let counts = source.counts();
    assert_eq!((counts.row_groups, counts.row_groups_skipped, counts.rows_skipped), (4, 6, 600));
    // A column that the scan does not read can prune as well, one that is not there cannot.
    assert_eq!(numbers(&batches(&source, &request(&["x"], greater("z", 1)))).len(), 1_000);
    assert!(batches(&source, &request(&["x"], greater("x", 5_000))).is_empty());
}

#[test]
fn files_of_other_keys_are_not_read() {
    let folder = Folder::new();
    let x = |i: i64| batch(&[("x", Arc::new(Int64Array::from(vec![i, i + 1])) as ArrayRef)]);
    folder.parquet("d/year=2000/place=a/1.parquet", &[x(1)], WriterProperties::default());
    folder.parquet("d/year=2001/place=b/1.parquet", &[x(3)], WriterProperties::default());
    folder.parquet("d/year=2002/place=c/1.parquet", &[x(5)], WriterProperties::default());
    folder.parquet(
        "d/year=2002/place=__HIVE_DEFAULT_PARTITION__/1.parquet",
        &[x(7)],
        WriterProperties::default(),
    );
    let source = open(&folder.path("d/z").with_file_name(""));
    let place = |p: &str| Predicate::compare("place", Comparison::Equal, Value::Text(p.into()));
    let read = |p: Predicate| {
        let mut read = numbers(&batches(&source, &request(&["x"], p)));
        read.sort_unstable();
        read
    };
    assert_eq!(read(greater("year", 2000)), [3, 4, 5, 6, 7, 8]);
    assert_eq!(read(Predicate::Or(vec![place("a"), greater("x", 7)])), [1, 2, 7, 8]);
    assert_eq!(read(Predicate::Or(vec![place("a"), greater("x", 7)]).negated()), [3, 4, 5, 6]);
    assert_eq!(read(Predicate::IsNull("place".into())), [7, 8]);
    let counts = source.counts();
    assert_eq!(counts.rows_skipped, 2 + 4 + 4 + 6);
    assert_eq!(counts.row_groups_skipped, counts.rows_skipped / 2);
}

#[test]
fn csv_files_of_other_keys_are_not_read() {
    let folder = Folder::new();
    folder.text("d/k=1/a.csv", "x\n1\n");
    folder.text("d/k=2/a.csv", "x\n2\n");
    let source =
        Dataset::open(&[folder.path("d/k=1/a.csv"), folder.path("d/k=2/a.csv")], &DatasetOptions::default())
            .unwrap();
    let read = batches(&source, &request(&["x"], greater("k", 1)));
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    assert_eq!(source.counts().bytes, 2);
}

/// The values of a row; a float stands for both float columns, an integer for the others.
#[derive(Clone, Debug)]
struct Row {
    number: Option<i32>,
    float: Option<f64>,
    text: Option<String>,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let float = prop_oneof![
        (-3..4).prop_map(f64::from),
        Just(-0.0),
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::INFINITY),
        Just(0.5)
    ];
    let text = "[ab\u{e9}\u{10ffff}]{0,3}";
    let row = (
        proptest::option::weighted(0.8, -3..4),
        proptest::option::weighted(0.8, float),
        proptest::option::weighted(0.8, text),
    )
        .prop_map(|(number, float, text)| Row { number, float, text });
    proptest::collection::vec(row, 1..6)
}

const WHOLE: [&str; 3] = ["i32", "u32", "u64"];

fn predicates() -> impl Strategy<Value = Predicate> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual)
    ];
    let whole =
        (0usize..3, -4i32..5).prop_map(|(c, v)| (WHOLE[c].to_owned(), Value::Integer(number(WHOLE[c], v))));
    let float = (any::<bool>(), -4i32..5).prop_map(|(single, v)| {
        (if single { "f32" } else { "f64" }.to_owned(), Value::Float(f64::from(v) / 2.0))
    });
    let text = "[ab\u{e9}]{0,3}".prop_map(|v| ("text".to_owned(), Value::Text(v)));
    let date = (-4i32..5).prop_map(|v| ("date".to_owned(), Value::Date(v)));
    let time = (-4i32..5).prop_map(|v| ("time".to_owned(), Value::Timestamp(i128::from(v) * 1_000_000)));
    let boolean = any::<bool>().prop_map(|v| ("bool".to_owned(), Value::Boolean(v)));
    let pair = prop_oneof![whole, float, text, date, time, boolean].boxed();
    let names = prop_oneof![Just("i32"), Just("f64"), Just("text"), Just("bool"), Just("u64")]
        .prop_map(str::to_owned);
    let leaf = prop_oneof![
        6 => (pair.clone(), comparison).prop_map(|((c, v), comparison)| Predicate::compare(c, comparison, v)),
        1 => (pair.clone(), pair).prop_map(|((column, v), (_, w))| Predicate::OneOf { column, values: vec![v, w] }),
        1 => names.clone().prop_map(Predicate::IsNull),
        1 => names.prop_map(Predicate::IsNotNull),
        1 => Just(Predicate::Unknown),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Predicate::And),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Predicate::Or),
            inner.prop_map(Predicate::negated),
        ]
    })
}

/// The unsigned columns wrap around, so that they hold values above the largest signed one.
fn number(column: &str, value: i32) -> i128 {
    match column {
        "u32" => (value as u32).into(),
        "u64" => (i64::from(value) as u64).into(),
        _ => value.into(),
    }
}

fn cell(row: &Row, column: &str) -> Option<Value> {
    Some(match column {
        "f32" | "f64" => Value::Float(row.float?),
        "text" => Value::Text(row.text.clone()?),
        "date" => Value::Date(row.number?),
        "time" => Value::Timestamp(i128::from(row.number?) * 1_000_000),
        "bool" => Value::Boolean(row.number? > 0),
        _ => Value::Integer(number(column, row.number?)),
    })
}

/// The order in which a NaN equals itself and is greater than every number.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Value::Integer(a), Value::Integer(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        _ => return None,
    })
}

/// Three-valued truth; what is unknown could be either, so for `certain` it counts as not true.
fn truth(predicate: &Predicate, row: &Row) -> Option<bool> {
    match predicate {
        Predicate::Compare { column, comparison, value } => {
            let order = order(&cell(row, column)?, value)?;
            Some(match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            })
        }
        Predicate::OneOf { column, values } => {
            let cell = cell(row, column)?;
            Some(values.iter().any(|v| order(&cell, v) == Some(Ordering::Equal)))
        }
        Predicate::IsNull(column) => Some(cell(row, column).is_none()),
        Predicate::IsNotNull(column) => Some(cell(row, column).is_some()),
        Predicate::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|p| truth(p, row)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Predicate::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|p| truth(p, row)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                parts.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        Predicate::Unknown => Some(true),
        _ => Some(false),
    }
}

fn table(rows: &[Row], first: usize) -> RecordBatch {
    let ids: Int64Array = (0..rows.len()).map(|i| Some((first + i) as i64)).collect();
    let numbers = || rows.iter().map(|r| r.number);
    let floats = || rows.iter().map(|r| r.float);
    batch(&[
        ("id", Arc::new(ids) as ArrayRef),
        ("i32", Arc::new(numbers().collect::<Int32Array>())),
        ("u32", Arc::new(numbers().map(|v| v.map(|v| v as u32)).collect::<UInt32Array>())),
        ("u64", Arc::new(numbers().map(|v| v.map(|v| i64::from(v) as u64)).collect::<UInt64Array>())),
        ("f32", Arc::new(floats().map(|v| v.map(|v| v as f32)).collect::<Float32Array>())),
        ("f64", Arc::new(floats().collect::<Float64Array>())),
        ("text", Arc::new(rows.iter().map(|r| r.text.clone()).collect::<StringArray>())),
        ("date", Arc::new(numbers().collect::<Date32Array>())),
        ("time", Arc::new(numbers().map(|v| v.map(i64::from)).collect::<TimestampMillisecondArray>())),
        ("bool", Arc::new(numbers().map(|v| v.map(|v| v > 0)).collect::<BooleanArray>())),
    ])
}

fn read_ids(path: &Path, predicate: &Predicate) -> Vec<i64> {
    numbers(&batches(&open(path), &request(&["id"], predicate.clone())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_lost(
        groups in proptest::collection::vec(rows(), 1..5),
        predicate in predicates(),
        truncate in proptest::option::of(1usize..3),
        statistics in any::<bool>(),
    ) {
        let folder = Folder::new();
        let enabled = if statistics { EnabledStatistics::Chunk } else { EnabledStatistics::None };
        let properties = WriterProperties::builder()
            .set_statistics_truncate_length(truncate)
            .set_statistics_enabled(enabled)
            .build();
        let mut tables = Vec::new();
        let mut first = 0;
        for rows in &groups {
            tables.push(table(rows, first));
            first += rows.len();
        }
        let path = folder.parquet("a.parquet", &tables, properties);
        let read = read_ids(&path, &predicate);
        for (id, row) in groups.iter().flatten().enumerate() {
            let passes = truth(&predicate, row) == Some(true);
            prop_assert!(!passes || read.contains(&(id as i64)), "row {id} of {groups:?} passes {predicate:?}");
        }
        if !statistics && !matches!(predicate, Predicate::Never) {
            prop_assert_eq!(read.len(), first);
        }
    }
}

#[test]
fn row_groups_are_read_whole_after_they_were_read_in_ranges() {
    let folder = Folder::new();
    let x: Float64Array = (0..200_000).map(|i| f64::from(i % 1_000)).collect();
    let g: StringArray = (0..200_000).map(|i| Some(format!("g{}", i % 7))).collect();
    let path = folder.parquet(
        "long.parquet",
        &[batch(&[("x", Arc::new(x) as ArrayRef), ("g", Arc::new(g))])],
        WriterProperties::default(),
    );
    let source = open(&path);
    let mut request = ScanRequest::new(["x", "g"]);
    let sum = |request: &ScanRequest| {
        let read = batches(&source, request);
        (partitions(&source, request).len(), floats(&read, 0).iter().sum::<f64>(), texts(&read, 1).len())
    };
    let whole = sum(&request);
    request.partition_rows = Some(65_536);
    let ranges = sum(&request);
    assert!(ranges.0 > whole.0, "{ranges:?}");
    // The places of the pages are known now.
    request.partition_rows = None;
    assert_eq!(sum(&request), whole);
    assert_eq!((ranges.1, ranges.2), (whole.1, whole.2));
}
