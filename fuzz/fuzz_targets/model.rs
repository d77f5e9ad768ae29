//! No model file makes the program panic: it is refused, or predicts a number or null for every row.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use streamreg::arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use streamreg::{Interval, Model, Regression};

static ROWS: LazyLock<RecordBatch> = LazyLock::new(|| {
    let columns: [(&str, ArrayRef); 3] = [
        ("y", Arc::new(Float64Array::from(vec![1.0, 2.5, 2.0, 4.5, 5.0, 7.5]))),
        ("x", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5]))),
        ("g", Arc::new(StringArray::from(vec!["a", "b", "a", "b", "a", "c"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
});

/// The file of a model with a category, a product and a polynomial.
static SOUND: LazyLock<String> = LazyLock::new(|| {
    let name = std::env::temp_dir().join(format!("streamreg-fuzz-{}-sound.json", std::process::id()));
    let batch = ROWS.clone();
    let report = Regression::formula("y ~ g + poly(x, 2)").fit_batches(batch.schema(), [Ok(batch)]).unwrap();
    report.model().unwrap().save(&name).unwrap();
    std::fs::read_to_string(&name).unwrap()
});

// Pieces of the file that are cut out, and what takes their place.
fuzz_target!(|changes: Vec<(u16, u8, String)>| {
    let mut text = SOUND.clone();
    for (at, length, instead) in changes {
        let from = text.floor_char_boundary(usize::from(at) % text.len().max(1));
        let to = text.floor_char_boundary((from + usize::from(length % 16)).min(text.len())).max(from);
        text.replace_range(from..to, &instead);
    }
    let name = std::env::temp_dir().join(format!("streamreg-fuzz-{}.json", std::process::id()));
    std::fs::write(&name, text).unwrap();
    let Ok(model) = Model::load(&name) else { return };
    let _ = model.features();
    for interval in [None, Some((Interval::Prediction, 0.9))] {
        if let Ok(prediction) = model.predict_interval(&ROWS, interval) {
            assert_eq!(prediction.fit.len(), ROWS.num_rows());
        }
    }
});
