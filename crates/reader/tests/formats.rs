//! Arrow IPC and NDJSON files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::DataType;
use parquet::file::properties::WriterProperties;
use streamreg_reader::rows::Expressions;
use streamreg_reader::{Dataset, DatasetOptions, ErrorKind, ScanRequest, Source};

use crate::util::{Folder, batch, batches, floats, open, partitions, rows, texts};

fn city(i: i64) -> Option<String> {
    (i % 5 != 0).then(|| format!("city {}", i % 3))
}

fn y(i: i64) -> Option<f64> {
    (i % 7 != 0).then(|| i as f64 / 4.0)
}

fn table(rows: std::ops::Range<i64>) -> RecordBatch {
    batch(&[
        ("x", Arc::new(rows.clone().map(Some).collect::<Int64Array>()) as ArrayRef),
        ("y", Arc::new(rows.clone().map(y).collect::<Float64Array>())),
        ("city", Arc::new(rows.map(city).collect::<StringArray>())),
    ])
}

fn ipc(
    folder: &Folder,
    name: &str,
    batches: &[RecordBatch],
    compression: Option<CompressionType>,
) -> PathBuf {
    let path = folder.path(name);
    let file = std::fs::File::create(&path).unwrap();
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    path
}

/// Checks that a file holds the first `n` rows of the table, and how it is cut.
#[track_caller]
fn check(path: &Path, n: i64, partition_rows: &[usize]) {
    let source = open(path);
    let read = batches(&source, &ScanRequest::new(["city", "y", "x"]));
    assert_eq!(floats(&read, 2), (0..n).map(|i| i as f64).collect::<Vec<_>>());
    let expected: Vec<f64> = (0..n).map(|i| y(i).unwrap_or(f64::NAN)).collect();
    assert_eq!(format!("{:?}", floats(&read, 1)), format!("{expected:?}"));
    assert_eq!(texts(&read, 0), (0..n).map(city).collect::<Vec<_>>());
    assert_eq!(source.inputs()[0].bytes, std::fs::metadata(path).unwrap().len());
    let parts = partitions(&source, &ScanRequest::new(["x"]).batch_rows(1_000));
    assert_eq!(parts.iter().map(|p| rows(p)).collect::<Vec<_>>(), partition_rows);
    assert!(parts.iter().flatten().all(|b| b.num_rows() <= 1_000));
}

#[test]
fn ipc_files() {
    let folder = Folder::new();
    let whole = [table(0..100_000)];
    check(&ipc(&folder, "a.arrow", &whole, None), 100_000, &[100_000]);
    check(&ipc(&folder, "a.feather", &whole, Some(CompressionType::LZ4_FRAME)), 100_000, &[100_000]);
    let zstd = ipc(&folder, "odd [name]*.ipc", &[table(0..100)], Some(CompressionType::ZSTD));
    check(&zstd, 100, &[100]);
    // Small batches are joined.
    let chunks: Vec<_> = (0..9_000).map(|i| table(i * 10..(i + 1) * 10)).collect();
    let path = ipc(&folder, "chunks", &chunks, None);
    check(&path, 90_000, &[32_770, 32_770, 24_460]);
    let source = open(&path);
    assert_eq!(source.summary().rows, Some(90_000));
    assert_eq!(source.inputs()[0].rows, Some(90_000));
    batches(&source, &ScanRequest::new(["x"]));
    let counts = source.counts();
    assert!(counts.bytes > 0 && counts.bytes < source.inputs()[0].bytes, "{counts:?}");
    assert_eq!(rows(&batches(&source, &ScanRequest::new(Vec::<String>::new()))), 90_000);
}

#[test]
fn text_in_ipc_files() {
    let folder = Folder::new();
    let cities: Vec<Option<String>> = (0..5_000).map(city).collect();
    let plain: StringArray = cities.iter().cloned().collect();
    let narrow: DictionaryArray<Int8Type> = cities.iter().map(Option::as_deref).collect();
    let wide: DictionaryArray<Int32Type> = cities.iter().map(Option::as_deref).collect();
    let group = batch(&[
        ("view", Arc::new(StringViewArray::from_iter(cities.iter().cloned())) as ArrayRef),
        ("narrow", Arc::new(narrow)),
        ("wide", Arc::new(wide)),
        ("plain", Arc::new(plain)),
    ]);
    let source = open(&ipc(&folder, "a.arrow", &[group], None));
    let names = ["view", "narrow", "wide", "plain"];
    assert!(source.schema().fields().iter().all(|field| field.data_type() == &DataType::Utf8));
    let request = ScanRequest::new(names).dictionaries(names).verbatim(["wide"]);
    let read = batches(&source, &request);
    for column in 0..5 {
        assert_eq!(texts(&read, column), cities, "{column}");
        let dictionary = matches!(read[0].column(column).data_type(), DataType::Dictionary(..));
        assert_eq!(dictionary, matches!(column, 1 | 2), "{column}");
    }
}

/// The first error of reading everything, if there is one.
fn first_error(path: &Path) -> Option<streamreg_reader::Error> {
    let source = match Dataset::open(&[path], &DatasetOptions::default()) {
        Ok(source) => source,
        Err(e) => return Some(e),
    };
    let columns: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let scan = match source.scan(&ScanRequest::new(columns)) {
        Ok(scan) => scan,
        Err(e) => return Some(e),
    };
    while let Some(partition) = scan.next_partition() {
        match partition {
            Ok(partition) => {
                if let Some(e) = partition.batches.filter_map(Result::err).next() {
                    return Some(e);
                }
            }
            Err(e) => return Some(e),
        }
    }
    None
}

#[test]
fn damaged_ipc_files_are_errors_or_read() {
    let folder = Folder::new();
    let dictionary: DictionaryArray<Int32Type> =
        (0..300).map(|i| if i % 2 == 0 { "even" } else { "odd" }).collect();
    let table = batch(&[
        ("city", Arc::clone(table(0..300).column(2))),
        ("view", Arc::new(StringViewArray::from_iter((0..300).map(|i| city(i).map(|c| c.repeat(3)))))),
        ("word", Arc::new(dictionary)),
        ("x", Arc::clone(table(0..300).column(0))),
    ]);
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let path = ipc(&folder, "a.arrow", &[table.slice(0, 100), table.slice(100, 200)], compression);
        let sound = std::fs::read(&path).unwrap();
        assert!(first_error(&path).is_none());
        let mut errors = 0;
        for at in (0..sound.len()).step_by(3) {
            let mut damaged = sound.clone();
            damaged[at] ^= if at % 2 == 0 { 0xff } else { 0x40 };
            std::fs::write(&path, &damaged).unwrap();
            if let Some(error) = first_error(&path) {
                assert!(error.path().is_some(), "{error}");
                errors += 1;
            }
        }
        assert!(errors > 100, "{errors}");
        for cut in (0..sound.len()).step_by(53) {
            std::fs::write(&path, &sound[..cut]).unwrap();
            assert!(first_error(&path).is_some(), "cut at {cut}");
        }
    }
}

#[test]
fn streams_and_changed_files_are_refused() {
    let folder = Folder::new();
    let path = folder.path("stream.arrow");
    let mut writer =
        StreamWriter::try_new(std::fs::File::create(&path).unwrap(), &table(0..10).schema()).unwrap();
    writer.write(&table(0..10)).unwrap();
    writer.finish().unwrap();
    let error = first_error(&path).unwrap();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("stream format"), "{error}");
    let path = ipc(&folder, "a.arrow", &[table(0..10)], None);
    let source = open(&path);
    source.verify_unchanged().unwrap();
    ipc(&folder, "a.arrow", &[table(0..11)], None);
    assert_eq!(source.verify_unchanged().unwrap_err().kind(), ErrorKind::Changed);
    let scan = source.scan(&ScanRequest::new(["x"])).unwrap();
    assert_eq!(scan.next_partition().unwrap().err().unwrap().kind(), ErrorKind::Changed);
}

#[test]
fn what_is_never_read() {
    let folder = Folder::new();
    for name in ["a.json", "a.xlsx"] {
        let path = folder.text(name, "{}\n");
        let error = Dataset::open(&[&path], &DatasetOptions::default()).err().unwrap();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Unsupported, Some(path.as_path())), "{error}");
    }
}

fn ndjson(folder: &Folder, name: &str, rows: std::ops::Range<i64>) -> PathBuf {
    folder.text(name, &lines(rows))
}

fn lines(rows: std::ops::Range<i64>) -> String {
    let line = |i: i64| {
        let city = city(i).map_or("null".to_owned(), |city| format!("\"{city}\""));
        let y = y(i).map_or(String::new(), |y| format!("\"y\": {y}, "));
        format!("{{\"x\": {i}, {y}\"city\": {city}}}\n")
    };
    rows.map(line).collect()
}

#[test]
fn ndjson_files() {
    let folder = Folder::new();
    let path = ndjson(&folder, "a.ndjson", 0..150_000);
    // A partition is what ends within 4 MiB of text.
    let first = lines(0..150_000).as_bytes()[..4 << 20].iter().filter(|&&b| b == b'\n').count();
    check(&path, 150_000, &[first, 150_000 - first]);
    check(&ndjson(&folder, "odd {name}?.JSONL", 0..10), 10, &[10]);
    let numbered = ScanRequest::new(["x"]).numbered();
    let source = open(&path);
    let scan = source.scan(&numbered).unwrap();
    let mut next = 0;
    while let Some(partition) = scan.next_partition() {
        let partition = partition.unwrap();
        let rows: usize = partition.batches.map(|b| b.unwrap().num_rows()).sum();
        assert_eq!(partition.numbers, streamreg_reader::RowNumbers::Run(next..next + rows as u64));
        next += rows as u64;
    }
    assert_eq!(next, 150_000);
}

#[test]
fn compressed_ndjson_files() {
    use std::io::Write as _;
    let folder = Folder::new();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(lines(0..1_000).as_bytes()).unwrap();
    let path = folder.path("d/a.jsonl.gz");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, gz.finish().unwrap()).unwrap();
    check(&path, 1_000, &[1_000]);
    assert_eq!(rows(&batches(&open(&folder.path("d")), &ScanRequest::new(["x"]))), 1_000);
}

#[test]
fn the_types_of_ndjson_columns() {
    let folder = Folder::new();
    let text = "{\"i\": 1, \"f\": 1, \"b\": true, \"t\": \"\\u00e9\", \"n\": null, \"l\": [1], \"m\": 1}\n\n\
                {\"f\": 2.5, \"i\": -9223372036854775808, \"m\": \"a\", \"o\": {\"p\": [2]}}\r\n{}";
    let path = folder.text("a.ndjson", text);
    let source = open(&path);
    let kinds: Vec<String> =
        source.schema().fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type())).collect();
    assert_eq!(kinds[..5], ["i: Int64", "f: Float64", "b: Boolean", "t: Utf8", "n: Null"]);
    let read = batches(&source, &ScanRequest::new(["f", "i"]));
    assert_eq!(format!("{:?}", floats(&read, 0)), "[1.0, 2.5, NaN]");
    assert_eq!(floats(&read, 1)[1], i64::MIN as f64);
    assert_eq!(texts(&batches(&source, &ScanRequest::new(["t"])), 0)[0].as_deref(), Some("é"));
    let marked = folder.text("b.ndjson", "\u{feff}{\"x\": 1}\n{\"x\": 2}\n");
    assert_eq!(floats(&batches(&open(&marked), &ScanRequest::new(["x"])), 0), [1.0, 2.0]);
    for (column, words) in [("l", "arrays"), ("o", "read by its parts"), ("m", "several types")] {
        let scan = source.scan(&ScanRequest::new([column])).unwrap();
        let error = scan.next_partition().unwrap().err().unwrap();
        assert_eq!((error.kind(), error.column()), (ErrorKind::Unsupported, Some(column)));
        assert!(error.to_string().contains(words), "{error}");
    }
    let nested = "{\"o\": {\"p\": 1, \"q\": {\"r\": \"a\"}}, \"y\": 1}\n{\"y\": 2, \"o\": null}\n{\"o\": {\"q\": {}, \"p\": 3}}\n";
    let nested = open(&folder.text("nested.ndjson", nested));
    let read = batches(&nested, &ScanRequest::new(["o.p", "o.q.r", "y"]));
    assert_eq!(format!("{:?} {:?}", floats(&read, 0), floats(&read, 2)), "[1.0, NaN, 3.0] [1.0, 2.0, NaN]");
    assert_eq!(texts(&read, 1), [Some("a".to_owned()), None, None]);
    for (text, words) in [
        ("{\"x\": 1}\n{\"x\": NaN}\n", "line 2"),
        ("{\"o\": {\"x\": 1}}\n{\"o\": {\"x\": 2, \"x\": 3}}\n", "occurs twice"),
        ("{\"x\": 1}\n\n[1]\n", "line 3"),
        ("{\"x\": 1}\n{\"x\": 2", "line 2"),
        ("{\"x\": 1}\n{\"x\": 2, \"x\": 3}\n", "occurs twice"),
        ("", "no line"),
        ("{\"é\": \"ééééé\", \"x\": tru}\n", "character 24"),
    ] {
        let path = folder.text("bad.ndjson", text);
        let error = first_error(&path).unwrap_or_else(|| panic!("no error: {text}"));
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.path(), Some(path.as_path()));
    }
}

#[test]
fn formats_in_one_data_set() {
    let folder = Folder::new();
    ndjson(&folder, "d/k=1/a.ndjson", 0..10);
    ipc(&folder, "d/k=2/b.arrow", &[table(10..20)], None);
    let csv: String = (20..30).map(|i| format!("{},{i},\n", i as f64 / 4.0)).collect();
    folder.text("d/k=3/c.csv", &format!("y,x,city\n{csv}"));
    let x: ArrayRef = Arc::new(Int64Array::from_iter(30..40));
    let y: ArrayRef = Arc::new(Float64Array::from_iter((30..40).map(|i| f64::from(i) / 4.0)));
    let city: ArrayRef = Arc::new(StringArray::from(vec!["a"; 10]));
    folder.parquet(
        "d/k=4/d.parquet",
        &[batch(&[("city", city), ("x", x), ("y", y)])],
        WriterProperties::default(),
    );
    let source = open(&folder.path("d/z").with_file_name(""));
    let read = batches(&source, &ScanRequest::new(["k"]));
    assert_eq!(rows(&read), 40);
    assert_eq!(source.schema().field_with_name("x").unwrap().data_type(), &DataType::Float64);
    let filtered =
        Expressions::new(Box::new(source), &[("z".into(), "x * k".into())], Some("k <> 2 and x > 4"))
            .unwrap();
    let read = batches(&filtered, &ScanRequest::new(["z"]));
    let expected: Vec<f64> =
        (5..40).filter(|i| !(10..20).contains(i)).map(|i| f64::from(i * (i / 10 + 1))).collect();
    assert_eq!(floats(&read, 0), expected);
    assert_eq!(filtered.inputs().len(), 4);
}

#[test]
fn partitions_are_taken_by_several_threads() {
    let folder = Folder::new();
    let source = open(&ndjson(&folder, "a.ndjson", 0..300_000));
    let scan = source.scan(&ScanRequest::new(["x"])).unwrap();
    let sum = |batches: Vec<RecordBatch>| floats(&batches, 0).iter().sum::<f64>();
    let work = || {
        let mut total = 0.0;
        while let Some(partition) = scan.next_partition() {
            total += sum(partition.unwrap().batches.map(Result::unwrap).collect());
        }
        total
    };
    let total: f64 = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4).map(|_| s.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(total, (0..300_000).map(f64::from).sum::<f64>());
}

#[test]
fn a_file_that_changes() {
    let folder = Folder::new();
    let path = ndjson(&folder, "a.ndjson", 0..10);
    let source = open(&path);
    source.verify_unchanged().unwrap();
    ndjson(&folder, "a.ndjson", 0..11);
    assert_eq!(source.verify_unchanged().unwrap_err().kind(), ErrorKind::Changed);
    let scan = source.scan(&ScanRequest::new(["x"])).unwrap();
    assert_eq!(scan.next_partition().unwrap().err().unwrap().kind(), ErrorKind::Changed);
}

#[test]
fn values_that_do_not_fit_the_sample() {
    let folder = Folder::new();
    let lines: String = (0..12_000).map(|i| format!("{{\"x\": {i}}}\n")).collect();
    for bad in [
        "{\"x\": \"text\"}",
        "{\"x\": 1.5}",
        "{\"x\": [1]}",
        "{\"x\": tru",
        "not json",
        "{\"x\": 1} {\"x\": 2}",
    ] {
        let path = folder.text("a.ndjson", &format!("{lines}{bad}\n"));
        let error = first_error(&path);
        assert!(error.is_some(), "{bad} was read");
        let error = error.unwrap();
        assert_eq!(error.path(), Some(path.as_path()), "{error}");
    }
}

#[test]
fn damaged_ndjson_files_are_errors() {
    let folder = Folder::new();
    let path = ndjson(&folder, "c.ndjson", 0..200);
    let sound = std::fs::read(&path).unwrap();
    assert!(first_error(&path).is_none());
    // With its upper bit flipped no byte of the file is UTF-8 any more.
    for at in (0..sound.len()).step_by(37) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x80;
        std::fs::write(&path, &damaged).unwrap();
        let error = first_error(&path).unwrap_or_else(|| panic!("byte {at} was read"));
        assert_eq!((error.kind(), error.path()), (ErrorKind::Malformed, Some(path.as_path())), "{error}");
        let line = 1 + sound[..at].iter().filter(|byte| **byte == b'\n').count();
        assert!(error.to_string().contains(&format!("line {line}")), "{error}");
    }
    for cut in (1..sound.len()).step_by(53).filter(|&cut| sound[cut - 1] != b'\n' && sound[cut] != b'\n') {
        std::fs::write(&path, &sound[..cut]).unwrap();
        assert!(first_error(&path).is_some(), "cut at {cut}");
    }
}
