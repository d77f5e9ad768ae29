//! No change to a Parquet file makes the reader panic or go beyond its limits: footer, page headers, pages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};

/// A sound file of 1,000 rows and 3 columns, with checksums.
static SOUND: &[u8] = include_bytes!("../../tests/golden/hostile/crafted/good_1000x3_snappy_crc.parquet");

/// Panics of the decoder are contained, and become errors; all others end the run.
fn tolerate_contained_panics() {
    let fatal = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !streamreg_reader::contain::is_containing() {
            fatal(panic);
        }
    }));
}

// Bytes that take the place of others, each with its distance from the change before.
fuzz_target!(init: tolerate_contained_panics(), |changes: Vec<(u16, u8)>| {
    let mut bytes = SOUND.to_vec();
    let mut at = 0;
    for (distance, byte) in changes {
        at = (at + usize::from(distance)) % bytes.len();
        bytes[at] = byte;
    }
    let name = std::env::temp_dir().join(format!("streamreg-fuzz-{}.parquet", std::process::id()));
    std::fs::write(&name, bytes).unwrap();
    let Ok(source) = Dataset::open(&[&name], &DatasetOptions::default()) else { return };
    let columns: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let Ok(scan) = source.scan(&ScanRequest::new(&columns)) else { return };
    let mut rows = 0;
    while let Some(partition) = scan.next_partition() {
        let Ok(partition) = partition else { return };
        for batch in partition.batches {
            let Ok(batch) = batch else { return };
            rows += batch.num_rows() as u64;
        }
    }
    // What is read to its end has the rows that the footer declares.
    assert_eq!(Some(rows), source.summary().rows);
});
