//! No bytes make the CSV reader panic, and what it reads has as many rows in every column.

#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use streamreg_reader::csv::CsvOptions;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};

fuzz_target!(|input: (bool, Option<u8>, &[u8])| {
    let (header, delimiter, text) = input;
    let delimiter = delimiter.filter(|d| d.is_ascii() && !matches!(d, b'"' | b'\n' | b'\r'));
    let mut name = std::env::temp_dir().to_string_lossy().into_owned();
    let _ = write!(name, "/streamreg-fuzz-{}.csv", std::process::id());
    std::fs::write(&name, text).unwrap();
    let mut csv = CsvOptions::default();
    (csv.header, csv.delimiter) = (header, delimiter);
    let Ok(source) = Dataset::open(&[&name], &DatasetOptions::default().csv(csv)) else { return };
    let columns: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let Ok(scan) = source.scan(&ScanRequest::new(&columns)) else { return };
    while let Some(partition) = scan.next_partition() {
        let Ok(partition) = partition else { return };
        for batch in partition.batches {
            match batch {
                Ok(batch) => assert_eq!(batch.num_columns(), columns.len()),
                Err(error) => {
                    assert!(error.path().is_some(), "{error}");
                    break;
                }
            }
        }
    }
});
