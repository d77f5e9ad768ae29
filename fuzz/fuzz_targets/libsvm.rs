//! No bytes make the libsvm reader panic, and what it reads has as many values as indices in every row.

#![no_main]

use libfuzzer_sys::fuzz_target;
use streamreg::arrow_array::cast::AsArray;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};

fuzz_target!(|text: &[u8]| {
    let name = std::env::temp_dir().join(format!("streamreg-fuzz-{}.libsvm", std::process::id()));
    std::fs::write(&name, text).unwrap();
    let Ok(source) = Dataset::open(&[&name], &DatasetOptions::default()) else { return };
    let mut request = ScanRequest::new(["label", "indices", "values"]);
    request.verbatim = vec!["label".into(), "indices".into()];
    let Ok(scan) = source.scan(&request) else { return };
    while let Some(partition) = scan.next_partition() {
        let Ok(partition) = partition else { return };
        for batch in partition.batches {
            match batch {
                Ok(batch) => {
                    let (indices, values) = (batch.column(1).as_list::<i32>(), batch.column(2).as_list::<i32>());
                    assert_eq!(indices.value_offsets(), values.value_offsets());
                }
                Err(error) => {
                    assert!(error.path().is_some() && error.place().is_some(), "{error}");
                    break;
                }
            }
        }
    }
});
