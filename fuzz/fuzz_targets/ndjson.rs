//! No bytes make the NDJSON reader panic, and what it reads has as many rows in every column.

#![no_main]

use libfuzzer_sys::fuzz_target;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};

fuzz_target!(|text: &[u8]| {
    let name = std::env::temp_dir().join(format!("streamreg-fuzz-{}.ndjson", std::process::id()));
    std::fs::write(&name, text).unwrap();
    let Ok(source) = Dataset::open(&[&name], &DatasetOptions::default()) else { return };
    // Columns one by one: some cannot be read, and others are not read then.
    for field in source.schema().fields() {
        let Ok(scan) = source.scan(&ScanRequest::new([field.name()])) else { continue };
        while let Some(partition) = scan.next_partition() {
            let Ok(partition) = partition else { break };
            for batch in partition.batches {
                match batch {
                    Ok(batch) => assert!(batch.num_columns() == 1 && batch.num_rows() > 0),
                    Err(error) => {
                        assert!(error.path().is_some() && error.place().is_some(), "{error}");
                        break;
                    }
                }
            }
        }
    }
});
