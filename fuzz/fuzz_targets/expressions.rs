//! No text makes row expressions panic: it is refused, or computed, or an error that names a row.

#![no_main]

use std::sync::{Arc, LazyLock};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use libfuzzer_sys::fuzz_target;
use streamreg_reader::rows::{Expressions, needed};
use streamreg_reader::{Batches, ScanRequest, Source};

/// A column of every type with the values that break things, by names of one letter.
static TABLE: LazyLock<RecordBatch> = LazyLock::new(|| {
    let decimals = Decimal128Array::from(vec![Some(12_345), Some(-1), None, Some(99_999)]);
    let columns: [(&str, ArrayRef); 10] = [
        ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        ("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None, Some(7)]))),
        ("x", Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(-0.0), None, Some(f64::INFINITY)]))),
        ("f", Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::MIN), None, Some(1.0)]))),
        ("d", Arc::new(decimals.with_precision_and_scale(5, 2).unwrap())),
        ("t", Arc::new(StringArray::from(vec![Some("é%_"), Some(""), None, Some("2024-02-29")]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("a", Arc::new(Date32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(19_782)]))),
        ("s", Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        (
            "z",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(1 << 50), None, Some(0)]).with_timezone("Europe/Zurich")),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
});

fuzz_target!(|text: &str| {
    let table = || Box::new(Batches::new(TABLE.schema(), vec![TABLE.clone()]));
    let with = [("result".to_owned(), text.to_owned())];
    let named = needed(&with, None, ["result".to_owned()]);
    if let Ok(source) = Expressions::new(table(), &with, None) {
        assert!(named.is_ok());
        let scan = source.scan(&ScanRequest::new(["result"])).unwrap();
        for batch in scan.next_partition().unwrap().unwrap().batches {
            match batch {
                Ok(batch) => assert_eq!(batch.column(0).len(), TABLE.num_rows()),
                Err(error) => assert_eq!(error.to_string().lines().count(), 1),
            }
        }
    }
    if let Ok(source) = Expressions::new(table(), &[], Some(text)) {
        let scan = source.scan(&ScanRequest::new(["i"])).unwrap();
        if let Some(Ok(partition)) = scan.next_partition() {
            partition.batches.for_each(drop);
        }
    }
});
