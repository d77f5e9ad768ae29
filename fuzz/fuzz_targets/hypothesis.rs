//! No text makes joint hypotheses panic: they are refused in one line, or tested.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use streamreg::Regression;
use streamreg::arrow_array::{ArrayRef, Float64Array, RecordBatch};

/// Columns whose names could be taken for something else.
static ROWS: LazyLock<RecordBatch> = LazyLock::new(|| {
    let column = |cells: [f64; 6]| -> ArrayRef { Arc::new(Float64Array::from(cells.to_vec())) };
    RecordBatch::try_from_iter([
        ("y", column([1.0, 2.5, 2.0, 4.5, 5.0, 7.5])),
        ("x", column([1.0, 2.0, 3.0, 4.0, 5.0, 6.5])),
        ("2", column([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])),
        ("a b", column([0.5, 0.25, 3.0, 1.0, 2.0, 1.5])),
    ])
    .unwrap()
});

fuzz_target!(|text: &str| {
    let batch = ROWS.clone();
    let regression = Regression::new("y").features(["x", "2", "a b"]).threads(1).test(text);
    match regression.fit_batches(batch.schema(), [Ok(batch)]) {
        Ok(report) => assert_eq!(report.tests.len(), 1),
        Err(error) => assert!(!error.message().is_empty()),
    }
});
