//! What the tests share: files in a folder that vanishes, and all rows of a source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, types::Int32Type,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};
use tempfile::TempDir;

/// A folder for the files of one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn text(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes each batch as a row group of its own.
    pub(crate) fn parquet(
        &self,
        name: &str,
        row_groups: &[RecordBatch],
        properties: WriterProperties,
    ) -> PathBuf {
        let path = self.path(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, row_groups[0].schema(), Some(properties)).unwrap();
        for batch in row_groups {
            writer.write(batch).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        path
    }
}

pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let nullable = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}

pub(crate) fn open(path: &Path) -> Dataset {
    Dataset::open(&[path], &DatasetOptions::default()).unwrap()
}

/// The batches of a scan, partition after partition; indices have no gaps.
pub(crate) fn partitions(source: &dyn Source, request: &ScanRequest) -> Vec<Vec<RecordBatch>> {
    let scan = source.scan(request).unwrap();
    let mut all = Vec::new();
    while let Some(partition) = scan.next_partition() {
        let partition = partition.unwrap();
        assert_eq!(partition.index, all.len());
        all.push(partition.batches.map(Result::unwrap).collect());
    }
    all
}

pub(crate) fn batches(source: &dyn Source, request: &ScanRequest) -> Vec<RecordBatch> {
    partitions(source, request).into_iter().flatten().collect()
}

/// The values of a text column, dictionary or not.
pub(crate) fn texts(batches: &[RecordBatch], column: usize) -> Vec<Option<String>> {
    let of = |batch: &RecordBatch| -> Vec<Option<String>> {
        let array = batch.column(column).as_any();
        if let Some(plain) = array.downcast_ref::<StringArray>() {
            return plain.iter().map(|v| v.map(str::to_owned)).collect();
        }
        let array: &DictionaryArray<Int32Type> = array.downcast_ref().unwrap();
        let typed = array.downcast_dict::<StringArray>().unwrap();
        typed.into_iter().map(|v| v.map(str::to_owned)).collect()
    };
    batches.iter().flat_map(of).collect()
}

/// A column of numbers as float64, a null as NaN.
pub(crate) fn floats(batches: &[RecordBatch], column: usize) -> Vec<f64> {
    let of = |batch: &RecordBatch| -> Vec<f64> {
        let array = batch.column(column).as_any();
        if let Some(whole) = array.downcast_ref::<Int64Array>() {
            return whole.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect();
        }
        let array: &Float64Array = array.downcast_ref().unwrap();
        array.iter().map(|v| v.unwrap_or(f64::NAN)).collect()
    };
    batches.iter().flat_map(of).collect()
}

/// Number of rows.
pub(crate) fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}
