//! Counts of what was read.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use streamreg_reader::{ReadCounts, ScanRequest, Source};

use crate::util::{Folder, batch, batches, open};

#[test]
fn parquet_counts_the_bytes_of_the_columns_it_reads() {
    let folder = Folder::new();
    let group = |rows: std::ops::Range<i64>| {
        let x: ArrayRef = Arc::new(Int64Array::from_iter(rows.clone()));
        let y: ArrayRef = Arc::new(Float64Array::from_iter(rows.map(|i| i as f64 / 3.0)));
        batch(&[("x", x), ("y", y)])
    };
    let path = folder.parquet(
        "a.parquet",
        &[group(0..40_000), group(0..40_000), group(0..10)],
        WriterProperties::default(),
    );
    let source = open(&path);
    assert_eq!(source.counts(), ReadCounts::default());
    batches(&source, &ScanRequest::new(["y"]));
    let file = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let chunks = file.metadata().row_groups().iter().map(|g| g.column(1).compressed_size().unsigned_abs());
    let counts = source.counts();
    assert_eq!((counts.bytes, counts.row_groups), (chunks.sum(), 3));
    batches(&source, &ScanRequest::new(["y"]));
    assert_eq!((source.counts().bytes, source.counts().row_groups), (2 * counts.bytes, 6));
}

#[test]
fn a_row_group_in_ranges_counts_once() {
    let folder = Folder::new();
    let rows = 1_700_000;
    let x: ArrayRef = Arc::new(Int64Array::from_iter(0..rows));
    let properties = WriterProperties::builder().set_max_row_group_row_count(None).build();
    let path = folder.parquet("a.parquet", &[batch(&[("x", x)])], properties);
    let source = open(&path);
    batches(&source, &ScanRequest::new(["x"]));
    let counts = source.counts();
    let file = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let stored = file.metadata().row_group(0).column(0).compressed_size().unsigned_abs();
    assert_eq!(counts.row_groups, 1);
    // The dictionary and the page across the cut are read by both ranges.
    assert!(counts.bytes >= stored && counts.bytes < 2 * stored, "{counts:?} of {stored}");
}

#[test]
fn csv_counts_the_bytes_of_the_file() {
    let folder = Folder::new();
    let rows: String = (0..50_000).map(|i| format!("{i},{}\n", i * 7)).collect();
    let path = folder.text("a.csv", &format!("x,y\n{rows}"));
    let source = open(&path);
    assert_eq!(source.counts(), ReadCounts::default());
    batches(&source, &ScanRequest::new(["y"]));
    assert_eq!(source.counts().bytes, rows.len() as u64);
}
