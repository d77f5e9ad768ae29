//! Columns of numbers without nulls are used where they lie in their pages: the batches are those that the `parquet` crate
//! decodes, and what cannot be used so is left to it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, Time32MillisecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, UInt8Array, UInt32Array, UInt64Array,
};
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use streamreg_reader::{ScanRequest, Source};

use crate::util::{Folder, batch, batches, open, partitions};

/// A number that says nothing about the next one.
fn mixed(i: u64) -> u64 {
    (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Columns of all kinds of numbers, and of some types that only the decoder knows.
fn columns(rows: u64) -> Vec<(&'static str, ArrayRef)> {
    let numbers = || (0..rows).map(mixed);
    let double = |n: u64| n as f64 / 3e9 - 1e9;
    vec![
        ("double", Arc::new(Float64Array::from_iter_values(numbers().map(double)))),
        ("text", Arc::new(StringArray::from_iter_values(numbers().map(|n| (n % 50).to_string())))),
        ("float", Arc::new(Float32Array::from_iter_values(numbers().map(|n| n as f32 / 3e9)))),
        ("price", Arc::new(Float64Array::from_iter_values(numbers().map(|n| (n % 777) as f64 / 100.0)))),
        ("runs", Arc::new(Int64Array::from_iter_values((0..rows).map(|i| (i / 700) as i64 % 9 - 4)))),
        ("int", Arc::new(Int32Array::from_iter_values(numbers().map(|n| n as i32)))),
        ("long", Arc::new(Int64Array::from_iter_values(numbers().map(|n| n as i64)))),
        ("unsigned", Arc::new(UInt32Array::from_iter_values(numbers().map(|n| n as u32)))),
        ("longest", Arc::new(UInt64Array::from_iter_values(numbers()))),
        ("short", Arc::new(Int16Array::from_iter_values(numbers().map(|n| n as i16)))),
        ("byte", Arc::new(UInt8Array::from_iter_values(numbers().map(|n| n as u8)))),
        (
            "cents",
            Arc::new(
                Decimal128Array::from_iter_values(numbers().map(|n| i128::from(n % 1_000_000) - 500_000))
                    .with_precision_and_scale(8, 2)
                    .unwrap(),
            ),
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from_iter_values(numbers().map(|n| i128::from(n >> 8) - (1 << 50)))
                    .with_precision_and_scale(18, 4)
                    .unwrap(),
            ),
        ),
        ("flag", Arc::new(BooleanArray::from_iter(numbers().map(|n| Some(n % 3 == 0))))),
        (
            "gaps",
            Arc::new(Float64Array::from_iter(numbers().map(|n| (!n.is_multiple_of(5)).then(|| double(n))))),
        ),
        ("day", Arc::new(Date32Array::from_iter_values(numbers().map(|n| (n % 20_000) as i32)))),
        (
            "time",
            Arc::new(Time32MillisecondArray::from_iter_values(numbers().map(|n| (n % 86_400_000) as i32))),
        ),
        (
            "nano",
            Arc::new(Time64NanosecondArray::from_iter_values(numbers().map(|n| (n % 86_400_000) as i64))),
        ),
        ("milli", Arc::new(TimestampMillisecondArray::from_iter_values(numbers().map(|n| (n >> 20) as i64)))),
        (
            "micro",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(numbers().map(|n| (n >> 9) as i64))
                    .with_timezone("UTC"),
            ),
        ),
    ]
}

/// All rows as the `parquet` crate alone decodes them.
fn decoded(path: &Path) -> RecordBatch {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(path).unwrap(), options).unwrap();
    let all: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&all[0].schema(), &all).unwrap()
}

fn all_columns(source: &dyn Source) -> ScanRequest {
    ScanRequest::new(source.schema().fields().iter().map(|field| field.name().clone()))
}

/// Checks the batches of a file, in partitions of the given rows.
fn check(path: &Path, partition_rows: Option<u64>, what: &str) {
    let source = open(path);
    let mut request = all_columns(&source);
    request.partition_rows = partition_rows;
    let found = partitions(&source, &request);
    for partition in &found {
        let rows: Vec<usize> = partition.iter().map(RecordBatch::num_rows).collect();
        assert!(rows.windows(2).all(|pair| pair[0] == rows[0] && pair[1] <= rows[0]), "{what}: {rows:?}");
    }
    let found: Vec<RecordBatch> = found.into_iter().flatten().collect();
    let (found, expected) = (concat_batches(&found[0].schema(), &found).unwrap(), decoded(path));
    assert_eq!(found.schema().fields(), expected.schema().fields(), "{what}");
    for (field, (a, b)) in
        expected.schema().fields().iter().zip(found.columns().iter().zip(expected.columns()))
    {
        assert!(a == b, "{what}: {field}");
    }
}

#[test]
fn every_kind_of_page_gives_the_batches_of_the_decoder() {
    let folder = Folder::new();
    let plain = || WriterProperties::builder().set_dictionary_enabled(false);
    let pages = |properties: WriterPropertiesBuilder, rows| {
        properties.set_data_page_row_count_limit(rows).set_write_batch_size(rows.min(1_000)).build()
    };
    let snappy = |p: WriterPropertiesBuilder| p.set_compression(Compression::SNAPPY);
    let zstd = |p: WriterPropertiesBuilder| p.set_compression(Compression::ZSTD(ZstdLevel::default()));
    let v2 = |p: WriterPropertiesBuilder| p.set_writer_version(WriterVersion::PARQUET_2_0);
    let kinds = [
        ("plain", pages(plain(), 20_000)),
        ("plain, pages of 97 rows", pages(plain(), 97)),
        ("snappy", pages(snappy(plain()), 20_000)),
        ("snappy, pages of 4,096 rows", pages(snappy(plain()), 4_096)),
        ("zstd, pages of 511 rows", pages(zstd(plain()), 511)),
        ("dictionaries", pages(snappy(WriterProperties::builder()), 20_000)),
        ("dictionaries, pages of 300 rows", pages(WriterProperties::builder(), 300)),
        ("version 2", pages(v2(snappy(WriterProperties::builder())), 5_000)),
        ("version 2, plain, pages of 1,000 rows", pages(v2(snappy(plain())), 1_000)),
        (
            "dictionaries that end early",
            pages(WriterProperties::builder().set_dictionary_page_size_limit(2_000), 700),
        ),
    ];
    for (what, properties) in kinds {
        for required in [false, true] {
            let group = |rows| {
                let mut columns = columns(rows);
                if !required {
                    return batch(&columns);
                }
                columns.retain(|(_, array)| array.null_count() == 0);
                RecordBatch::try_from_iter(columns).unwrap()
            };
            let groups = [group(9_000), group(3), group(41_001), group(12)];
            let path = folder.parquet("a.parquet", &groups, properties.clone());
            check(&path, None, &format!("{what}, required {required}"));
        }
    }
}

#[test]
fn ranges_of_a_row_group_begin_and_end_inside_of_pages() {
    let folder = Folder::new();
    let rows = 300_017;
    for (name, dictionaries, limit) in [("a.parquet", true, 1_000), ("b.parquet", false, 20_000)] {
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(dictionaries)
            .set_compression(Compression::SNAPPY)
            .set_data_page_row_count_limit(limit)
            .set_max_row_group_row_count(None)
            .build();
        let path = folder.parquet(name, &[batch(&columns(rows))], properties);
        check(&path, Some(1 << 16), name);
    }
}

#[test]
fn values_are_used_where_they_lie() {
    let folder = Folder::new();
    // Snappy makes less of these.
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..40_000).map(f64::from)));
    for required in [false, true] {
        // Levels of 6,000 rows take seven bytes, so that values would not lie where numbers may lie.
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_compression(Compression::SNAPPY)
            .set_data_page_row_count_limit(6_000)
            .set_write_batch_size(1_000)
            .build();
        let rows = RecordBatch::try_from_iter_with_nullable([("x", Arc::clone(&x), !required)]).unwrap();
        let path = folder.parquet("a.parquet", &[rows], properties);
        let source = open(&path);
        let mut request = ScanRequest::new(["x"]);
        request.batch_rows = 1_000;
        let found = batches(&source, &request);
        let place = |batch: &RecordBatch| {
            let values = batch.column(0).as_primitive::<Float64Type>().values();
            (values.as_ptr() as usize, values.len() * 8)
        };
        let follow = found.windows(2).filter(|pair| {
            let ((before, length), (after, _)) = (place(&pair[0]), place(&pair[1]));
            before + length == after
        });
        // Five pairs of a page, but for the first page and the last ones.
        assert!(follow.count() >= 25, "required {required}");
    }
}

#[test]
fn nulls_that_no_statistics_tell_of_are_left_to_the_decoder() {
    let folder = Folder::new();
    let rows = 50_000;
    let x: ArrayRef =
        Arc::new(Int64Array::from_iter((0..rows).map(|i| (i != 31_234).then_some(mixed(i) as i64))));
    let y: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|i| i as i64)));
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .build();
    let path = folder.parquet("a.parquet", &[batch(&[("x", x), ("y", y)])], properties);
    check(&path, None, "a null in the second page");
    let source = open(&path);
    let request = all_columns(&source);
    let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let columns = file.metadata().row_group(0).columns();
    let stored: u64 = columns.iter().map(|c| c.compressed_size().unsigned_abs()).sum();
    for pass in 1..=2 {
        let found = batches(&source, &request);
        let nulls: usize = found.iter().map(|batch| batch.column(0).null_count()).sum();
        assert_eq!(nulls, 1);
        let last = found.last().unwrap().column(1).as_primitive::<Int64Type>();
        assert_eq!(last.value(last.len() - 1), rows as i64 - 1);
        assert_eq!(source.counts().bytes, pass * stored, "what is read twice is counted once");
    }
}

#[test]
fn what_is_wrong_with_a_page_is_said_in_the_words_of_the_decoder() {
    let folder = Folder::new();
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..60_000).map(|i| mixed(i) as f64)));
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let path = folder.parquet("a.parquet", &[batch(&[("x", x)])], properties);
    let whole = std::fs::read(&path).unwrap();
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let file = SerializedFileReader::new_with_options(File::open(&path).unwrap(), options).unwrap();
    let index = file.metadata().page_index().unwrap().offset_index(0, 0).unwrap();
    let at = index.page_locations()[2].offset as usize;
    // The header of the third page is no header any more.
    let mut damaged = whole.clone();
    damaged[at..at + 16].fill(0xff);
    std::fs::write(&path, &damaged).unwrap();
    let source = open(&path);
    let scan = source.scan(&ScanRequest::new(["x"])).unwrap();
    let mut rows = 0;
    let mut errors = Vec::new();
    for batch in scan.next_partition().unwrap().unwrap().batches {
        match batch {
            Ok(batch) => rows += batch.num_rows(),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(errors.len(), 1);
    let text = errors[0].to_string();
    assert!(text.contains("no valid page header") && errors[0].column() == Some("x"), "{text}");
    assert!(rows <= 40_000 && rows > 30_000, "what was good was handed out: {rows}");
}
