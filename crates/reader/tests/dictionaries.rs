//! Text as dictionaries: the same values as plain text, and one values array for a row group.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use streamreg_reader::{ErrorKind, ScanRequest, Source};

use crate::util::{Folder, batch, batches, open, partitions, texts};

const CITIES: [Option<&str>; 5] = [Some("Zürich"), Some(""), None, Some("Bern"), Some("Genève")];

fn cities(rows: std::ops::Range<usize>) -> RecordBatch {
    let text: StringArray = rows.clone().map(|i| CITIES[i * i % 5]).collect();
    let number: Int64Array = rows.map(|i| Some(i as i64)).collect();
    batch(&[("x", Arc::new(number) as ArrayRef), ("city", Arc::new(text))])
}

fn request() -> ScanRequest {
    ScanRequest::new(["city", "x"]).dictionaries(["city"])
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_data_page_row_count_limit(1_000).set_write_batch_size(500)
}

fn values(batch: &RecordBatch) -> &Arc<dyn Array> {
    batch.column(0).as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap().values()
}

fn is_dictionary(batch: &RecordBatch) -> bool {
    batch.column(0).data_type() == &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Both ways of reading give the same text; returns the batches with dictionaries.
fn same_text(source: &dyn Source, request: &ScanRequest) -> Vec<RecordBatch> {
    let plain = batches(source, &request.clone().dictionaries(Vec::<String>::new()));
    let kept = batches(source, request);
    assert!(plain.iter().all(|b| b.column(0).data_type() == &DataType::Utf8));
    assert_eq!(texts(&plain, 0), texts(&kept, 0));
    assert!(plain.iter().zip(&kept).all(|(a, b)| a.column(1) == b.column(1)));
    kept
}

#[test]
fn batches_of_a_row_group_share_their_values() {
    let folder = Folder::new();
    let groups = [cities(0..50_000), cities(50_000..100_000)];
    let path = folder.parquet("a.parquet", &groups, properties().build());
    let source = open(&path);
    let kept = same_text(&source, &request());
    assert!(kept.iter().all(is_dictionary));
    for group in partitions(&source, &request()) {
        assert!(group.len() > 10);
        assert!(group.windows(2).all(|w| Arc::ptr_eq(values(&w[0]), values(&w[1]))));
    }
}

#[test]
fn ranges_of_a_row_group_have_the_same_text() {
    let folder = Folder::new();
    let rows = 1_700_000;
    let properties =
        properties().set_max_row_group_row_count(Some(rows)).set_compression(Compression::SNAPPY);
    let path = folder.parquet("a.parquet", &[cities(0..rows)], properties.build());
    let source = open(&path);
    let kept = same_text(&source, &request());
    assert!(kept.iter().all(is_dictionary));
    let parts = partitions(&source, &request());
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert!(part.windows(2).all(|w| Arc::ptr_eq(values(&w[0]), values(&w[1]))));
    }
}

#[test]
fn small_row_groups_in_one_partition() {
    let folder = Folder::new();
    let groups: Vec<_> = (0..7).map(|i| cities(i * 1_000..(i + 1) * 1_000)).collect();
    let path = folder.parquet("a.parquet", &groups, properties().build());
    let source = open(&path);
    let kept = same_text(&source, &request());
    assert!(kept.iter().all(is_dictionary));
    assert_eq!(partitions(&source, &request()).len(), 1);
}

#[test]
fn pages_that_fell_back_to_plain() {
    let folder = Folder::new();
    let text: StringArray =
        (0..60_000).map(|i| (i % 7 != 0).then(|| format!("level {}", i % 9_000))).collect();
    let group = batch(&[("city", Arc::new(text)), ("x", Arc::new(Int64Array::from_iter(0..60_000)))]);
    let properties = properties().set_dictionary_page_size_limit(100_000).build();
    let path = folder.parquet("a.parquet", &[group], properties);
    let source = open(&path);
    let kept = same_text(&source, &request());
    assert!(kept.iter().all(is_dictionary));
    assert!(kept.windows(2).any(|w| Arc::ptr_eq(values(&w[0]), values(&w[1]))));
    assert!(kept.windows(2).any(|w| !Arc::ptr_eq(values(&w[0]), values(&w[1]))));
}

#[test]
fn plain_pages_alone_stay_text() {
    let folder = Folder::new();
    let path =
        folder.parquet("a.parquet", &[cities(0..9_000)], properties().set_dictionary_enabled(false).build());
    let kept = same_text(&open(&path), &request());
    assert!(!kept.iter().any(is_dictionary));
}

#[test]
fn columns_without_any_text() {
    let folder = Folder::new();
    let nothing = batch(&[
        ("city", Arc::new(StringArray::from(vec![None::<&str>; 5_000])) as ArrayRef),
        ("x", Arc::new(Int64Array::from_iter(0..5_000))),
    ]);
    let empty = batch(&[
        ("city", Arc::new(StringArray::from(vec![Some(""); 5_000])) as ArrayRef),
        ("x", Arc::new(Int64Array::from_iter(0..5_000))),
    ]);
    let path = folder.parquet("a.parquet", &[nothing, empty], properties().build());
    same_text(&open(&path), &request());
}

#[test]
fn verbatim_columns_are_text_and_numbers_are_left_alone() {
    let folder = Folder::new();
    let path = folder.parquet("a.parquet", &[cities(0..5_000)], properties().build());
    let source = open(&path);
    let both = ScanRequest::new(["city", "x"]).dictionaries(["city", "x"]).verbatim(["city"]);
    let read = batches(&source, &both);
    assert!(read.iter().all(|b| b.column(0).data_type() == &DataType::Utf8));
    assert!(read.iter().all(|b| b.column(1).data_type() == &DataType::Int64));
    assert_eq!(texts(&read, 0), texts(&read, 2));
}

#[test]
fn hive_keys_and_csv_files_may_stay_text() {
    let folder = Folder::new();
    folder.text("d/city=Bern/a.csv", "x\n1\n2\n");
    folder.text("d/city=Basel/b.csv", "x\n3\n");
    let source = open(folder.path("d/x").parent().unwrap());
    let read = batches(&source, &request());
    assert_eq!(texts(&read, 0), ["Basel", "Bern", "Bern"].map(|c| Some(c.to_owned())));
    let csv = folder.text("c.csv", "city,x\na,1\n,2\n");
    assert_eq!(texts(&batches(&open(&csv), &request()), 0), [Some("a".into()), None]);
}

#[test]
fn damaged_pages_are_errors() {
    let folder = Folder::new();
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let path = folder.parquet("a.parquet", &[cities(0..9_000)], properties);
    let sound = std::fs::read(&path).unwrap();
    let mut failed = 0;
    for at in (4..sound.len().min(40_000)).step_by(97) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0xff;
        std::fs::write(&path, &damaged).unwrap();
        let Ok(source) = streamreg_reader::parquet::ParquetFile::open(&path) else { continue };
        let Ok(scan) = source.scan(&request()) else { continue };
        while let Some(Ok(partition)) = scan.next_partition() {
            if let Some(error) = partition.batches.filter_map(Result::err).next() {
                assert!(
                    matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Decoder | ErrorKind::Limit),
                    "{error}"
                );
                assert_eq!(error.path(), Some(path.as_path()));
                failed += 1;
            }
        }
    }
    assert!(failed > 0);
}

#[test]
fn an_order_that_is_not_in_the_file_is_missed() {
    let folder = Folder::new();
    let keys = Int32Array::from(vec![2, 0, 1, 2]);
    let values = Arc::new(StringArray::from(vec!["low", "mid", "high"]));
    let levels = DictionaryArray::<Int32Type>::new(keys, values);
    let field = Field::new("g", levels.data_type().clone(), true).with_dict_is_ordered(true);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(levels)]).unwrap();
    let write = |name: &str, dictionary: bool| {
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        open(&folder.parquet(name, std::slice::from_ref(&batch), properties))
    };
    let kept = write("kept.parquet", true);
    assert_eq!(kept.level_order("g").unwrap().map(|levels| levels.len()), Some(3));
    assert!(kept.warnings().is_empty());
    let lost = write("lost.parquet", false);
    assert_eq!(lost.level_order("g").unwrap(), None);
    assert!(lost.warnings()[0].contains("does not keep the order"), "{:?}", lost.warnings());
}
