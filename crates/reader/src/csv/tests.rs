//! Whole files, from bytes to batches and errors.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};

use super::*;
use crate::error::{Error, ErrorKind, Place};

/// Marsaglia's xorshift.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A file that is removed when the test ends.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = format!("streamreg-csv-{}-{unique}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn spelled(batch: &RecordBatch, column: usize, row: usize) -> String {
    let array = batch.column(column);
    if array.is_null(row) {
        return "null".to_string();
    }
    match batch.schema().field(column).data_type() {
        arrow_schema::DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        arrow_schema::DataType::Boolean => array.as_boolean().value(row).to_string(),
        arrow_schema::DataType::Date32 => format!("day {}", array.as_primitive::<Date32Type>().value(row)),
        arrow_schema::DataType::Utf8 => format!("{:?}", array.as_string::<i32>().value(row)),
        _ => format!("{} us", array.as_primitive::<TimestampMicrosecondType>().value(row)),
    }
}

/// All rows, one text each, and the number of partitions.
fn rows(source: &dyn Source, request: &ScanRequest) -> Result<(Vec<String>, usize)> {
    let scan = source.scan(request)?;
    let (mut rows, mut partitions) = (Vec::new(), 0);
    while let Some(partition) = scan.next_partition() {
        let partition = partition?;
        assert_eq!(partition.index, partitions);
        partitions += 1;
        for batch in partition.batches {
            let batch = batch?;
            assert!(batch.num_rows() > 0 && batch.num_rows() <= request.batch_rows);
            for row in 0..batch.num_rows() {
                let fields: Vec<_> = (0..batch.num_columns()).map(|c| spelled(&batch, c, row)).collect();
                rows.push(fields.join("|"));
            }
        }
    }
    assert!(scan.next_partition().is_none());
    Ok((rows, partitions))
}

fn everything(source: &dyn Source) -> ScanRequest {
    ScanRequest::new(source.schema().fields().iter().map(|f| f.name().clone()))
}

fn read_with(name: &str, bytes: &[u8], options: &CsvOptions) -> Result<Vec<String>> {
    let file = TempFile::new(name, bytes);
    let source = CsvFile::open(&file.0, options)?;
    source.verify_unchanged()?;
    Ok(rows(&source, &everything(&source))?.0)
}

fn read(text: &str) -> Vec<String> {
    read_with("t.csv", text.as_bytes(), &CsvOptions::default()).unwrap()
}

#[track_caller]
fn fails(bytes: impl AsRef<[u8]>, kind: ErrorKind, line: Option<u64>, column: Option<&str>, words: &str) {
    let file = TempFile::new("bad.csv", bytes.as_ref());
    let source = CsvFile::open(&file.0, &CsvOptions::default());
    let error = source.and_then(|s| rows(&s, &everything(&s))).unwrap_err();
    check(&error, kind, line, column, words);
    assert_eq!(error.path(), Some(file.0.as_path()));
}

#[track_caller]
fn check(error: &Error, kind: ErrorKind, line: Option<u64>, column: Option<&str>, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.place(), line.map(Place::Line), "{error}");
    assert_eq!(error.column(), column, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn each_column_gets_the_first_type_that_fits() {
    let text = "n,b,d,t,s,empty\n1,TRUE,1970-01-02,1970-01-01 00:00:01,x y,\n\
                2.5,false,1970-01-03,1970-01-02,\" q\",NA\n";
    assert_eq!(
        read(text),
        ["1|true|day 1|1000000 us|\"x y\"|null", "2.5|false|day 2|86400000000 us|\" q\"|null"]
    );
}

#[test]
fn quotes_blanks_and_nulls() {
    assert_eq!(read("a,b\n \"1\",x\n"), ["\" \\\"1\\\"\"|\"x\""], "a quote further on is a character");
    assert_eq!(read("a,b\n\"1\",\"x\"\"y\"\n"), ["1|\"x\\\"y\""]);
    assert_eq!(read("a,b\n 1\t, x \n  ,NA\n"), ["1|\" x \"", "null|null"]);
    assert_eq!(read("a,b\n\"\",2\n\"NA\",\" NA \"\n"), ["null|2", "null|null"]);
    assert_eq!(read("\" a\", b\n1,2\n"), ["1|2"]);
    assert_eq!(read("a,b\n1,2\r\n\r\n3,4\r"), ["1|2", "3|4"]);
    assert_eq!(read("\n\na\n\n1\n\n\"\"\n2"), ["null", "1", "null", "null", "2"]);
    assert_eq!(read("a\n1\r\n\r\n"), ["1", "null"], "lines of one column are rows, empty or not");
    let nulls = CsvOptions { nulls: vec!["-999".to_string()], ..CsvOptions::default() };
    assert_eq!(read_with("t.csv", b"a\n-999\n-9990\n5\n", &nulls).unwrap(), ["null", "-9990", "5"]);
}

#[test]
fn headers_and_delimiters() {
    let open = |name: &str, text: &str, options: &CsvOptions| {
        let file = TempFile::new(name, text.as_bytes());
        let source = CsvFile::open(&file.0, options).unwrap();
        let fields: Vec<_> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
        fields.join("|")
    };
    let default = CsvOptions::default();
    assert_eq!(open("t.csv", "\u{feff}y,x,\n1,2,3\n", &default), "y|x|column_3");
    assert_eq!(open("t.csv", "y;x\n", &default), "y|x");
    assert_eq!(open("t.csv", "\"a,b\"|x;y|z\n", &default), "a,b|x;y|z");
    assert_eq!(open("t.tsv", "a,b\tc\n", &default), "a,b|c");
    assert_eq!(
        open("t.csv", "1,2\n3,4\n", &CsvOptions { header: false, ..default.clone() }),
        "column_1|column_2"
    );
    assert_eq!(open("t.csv", "a:b\n", &CsvOptions { delimiter: Some(b':'), ..default }), "a|b");
    assert_eq!(read("a,b\n"), [""; 0]);
}

#[test]
fn types_can_be_given() {
    let types = |name: &str, t| CsvOptions { types: vec![(name.to_string(), t)], ..CsvOptions::default() };
    let text = b"id,x\n007,1\n";
    assert_eq!(read_with("t.csv", text, &types("id", "text".parse().unwrap())).unwrap(), ["\"007\"|1"]);
    let error = read_with("t.csv", text, &types("idd", ColumnType::Text)).unwrap_err();
    check(&error, ErrorKind::Column, None, Some("idd"), "did you mean \"id\"?");
    let error = read_with("t.csv", text, &types("id", ColumnType::Date)).unwrap_err();
    check(&error, ErrorKind::Malformed, Some(2), Some("id"), "\"007\" is not a date");
    assert!("complex".parse::<ColumnType>().unwrap_err().to_string().contains("number, boolean, date"));
}

#[test]
fn a_request_gets_what_it_asks_for() {
    let file = TempFile::new("t.csv", b"a,b,c\n01,x,3\n,NA,4\n");
    let source = CsvFile::open(&file.0, &CsvOptions::default()).unwrap();
    assert_eq!(source.verbatim_type(0), arrow_schema::DataType::Utf8);
    assert_eq!(source.summary().null_counts, [None; 3]);
    assert!(source.summary().partition_bytes >= DEFAULT_CHUNK_BYTES as u64);
    let mut request = ScanRequest::new(["c", "a", "c"]);
    request.verbatim = vec!["a".to_string(), "b".to_string()];
    assert_eq!(rows(&source, &request).unwrap().0, ["3|1|3|\"01\"|\"x\"", "4|null|4|null|\"NA\""]);
    assert_eq!(rows(&source, &ScanRequest::new([""; 0])).unwrap().0, ["", ""]);
    let error = rows(&source, &ScanRequest::new(["d"])).unwrap_err();
    check(&error, ErrorKind::Column, None, Some("d"), "\"a\", \"b\", \"c\"");
}

/// Records with quoted line ends and delimiters, escaped quotes, blank lines, either line end, and none at
/// the end; and the rows they should give.
fn random_file(random: &mut Random) -> (String, Vec<String>) {
    let line_end = if random.below(2) == 0 { "\n" } else { "\r\n" };
    let pieces = ["x", ",", "\n", "\"", "\r\n", "é", "long text without anything special", "0"];
    let mut text = format!("\u{feff}a,b,c{line_end}");
    let mut rows = Vec::new();
    for row in 0..60 {
        let words: String = (0..random.below(6)).map(|_| pieces[random.below(8) as usize]).collect();
        let words = format!("w{words}");
        let escaped = words.replace('"', "\"\"");
        let number = random.below(100_000);
        text.push_str(&format!("{number},\"{escaped}\",{row}.5"));
        rows.push(format!("{number}|{words:?}|{row}.5"));
        if row < 59 || random.below(2) == 0 {
            text.push_str(&line_end.repeat(1 + random.below(2) as usize));
        }
    }
    (text, rows)
}

#[test]
fn rows_do_not_depend_on_chunks_and_batches() {
    let mut random = Random::new(3);
    for _ in 0..25 {
        let (text, expected) = random_file(&mut random);
        let file = TempFile::new("t.csv", text.as_bytes());
        for chunk_bytes in [1, 16, 17, 64, 1000, DEFAULT_CHUNK_BYTES] {
            let options = CsvOptions { chunk_bytes, ..CsvOptions::default() };
            let source = CsvFile::open(&file.0, &options).unwrap();
            for batch_rows in [1, 7, 8192] {
                let request = ScanRequest { batch_rows, ..everything(&source) };
                assert_eq!(rows(&source, &request).unwrap().0, expected, "{chunk_bytes} {text:?}");
            }
        }
    }
}

/// A reader that gives `step` bytes at a time.
struct Trickle {
    text: std::io::Cursor<Vec<u8>>,
    step: usize,
}

impl std::io::Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = self.step.min(buffer.len());
        self.text.read(&mut buffer[..step])
    }
}

#[test]
fn chunks_end_where_they_should_for_any_read_size() {
    let text = "1,2\n\"a\nb\",3\n4\n55555555555\n6\n7";
    for step in [1, 2, 3, 1000] {
        let input = Trickle { text: std::io::Cursor::new(text.as_bytes().to_vec()), step };
        let reader = input::Reader::of_text(input);
        let mut chunker = chunk::Chunker::new(reader, Vec::new(), b',', 8, 1);
        let mut chunks = Vec::new();
        while let Some(chunk) = chunker.next().unwrap() {
            let text = chunk.text(b',');
            chunks.push((text.first_line, String::from_utf8(text.bytes.to_vec()).unwrap()));
        }
        let expected = [(1, "1,2\n"), (2, "\"a\nb\",3\n"), (4, "4\n"), (5, "55555555555\n"), (6, "6\n7")];
        assert_eq!(chunks, expected.map(|(line, text)| (line, text.to_string())), "{step}");
    }
}

#[test]
fn compressed_files_give_the_same_rows() {
    let (text, expected) = random_file(&mut Random::new(5));
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let options = CsvOptions { chunk_bytes: 100, ..CsvOptions::default() };
    // Two members each; the name does not matter.
    for packed in [[gzip(first), gzip(second)].concat(), [zstd(first), zstd(second)].concat()] {
        assert_eq!(read_with("t.csv", &packed, &options).unwrap(), expected);
        fails(&packed[..packed.len() - 5], ErrorKind::Malformed, None, None, "the file is truncated");
    }
}

#[test]
fn errors_say_where_and_what() {
    use ErrorKind::{Column, Malformed, Unsupported};
    // Behind the sample, which says that both columns are numbers.
    let late = |field: &str| format!("y,x\n{}1,{field}\n", "1,2\n".repeat(20_000));
    let x = Some("x");
    fails(late("oops"), Malformed, Some(20_002), x, "\"oops\" is not a number; --null oops makes it");
    fails(late("1_0"), Malformed, Some(20_002), x, "\"1_0\" is not a number");
    fails(late(&"z".repeat(99)), Malformed, Some(20_002), x, "zzz…\" is not");
    fails(late("2,3"), Malformed, Some(20_002), None, "expected 2 fields like the first record, found 3");
    fails("a,b\n\"\n\",x\n1\n", Malformed, Some(4), None, "expected 2 fields like the first record, found 1");
    fails("a,b\n1,2\n1,2,\n", Malformed, Some(3), None, "found 3");
    fails("a,b\n1,\"x\ny\" z\n", Malformed, Some(3), None, "after the closing quote");
    fails("a,b\n\"\n\",\"\"\"x\n3,4\n", Malformed, Some(3), None, "never closed");
    fails("a,b\n1,\"x\n3,4\n", Malformed, Some(2), None, "opens on this line and is never closed");
    fails(b"a,b\n1,\"\n\"\n2,\xff\n", Malformed, Some(4), Some("b"), "not valid UTF-8");
    fails("a,b\n1,x\0y\n", Malformed, Some(2), Some("b"), "NUL");
    fails(b"a,\xff\n1,2\n", Malformed, Some(1), None, "column name 2 is not valid UTF-8");
    fails("\n\na,b,a\n", Column, None, Some("a"), "ambiguous: columns 1 and 3");
    fails("a,b\r1,2\r", Unsupported, Some(1), None, "CR alone");
    fails(b"\xff\xfea\0,\0", Unsupported, None, None, "UTF-16");
    fails(b"\0a\0,", Unsupported, None, None, "UTF-16");
    fails("", Malformed, None, None, "no header");
    fails("\r\n\n\n", Malformed, None, None, "no header");
}

#[test]
fn a_file_must_be_one_and_stay_as_it_is() {
    let error = CsvFile::open(&std::env::temp_dir(), &CsvOptions::default()).unwrap_err();
    check(&error, ErrorKind::Request, None, None, "directory");
    let error = CsvFile::open(&PathBuf::from("/no/such.csv"), &CsvOptions::default()).unwrap_err();
    check(&error, ErrorKind::Io, None, None, "/no/such.csv");

    let file = TempFile::new("t.csv", b"a\n1\n");
    let source = CsvFile::open(&file.0, &CsvOptions::default()).unwrap();
    let inputs = source.inputs();
    assert_eq!((inputs[0].bytes, inputs[0].rows, &inputs[0].path), (4, None, &file.0));
    assert!(inputs[0].modified.is_some());
    std::fs::write(&file.0, "a\n1\n2\n").unwrap();
    check(&source.verify_unchanged().unwrap_err(), ErrorKind::Changed, None, None, "from 4 to 6 bytes");
    check(&source.scan(&everything(&source)).err().unwrap(), ErrorKind::Changed, None, None, "from 4");
}

#[test]
fn options_are_checked() {
    for delimiter in [b'"', b'\n', b'.', b'e', b'7', 0xc3] {
        let options = CsvOptions { delimiter: Some(delimiter), ..CsvOptions::default() };
        let error = read_with("t.csv", b"a\n", &options).unwrap_err();
        check(&error, ErrorKind::Request, None, None, "cannot be a delimiter");
    }
    let error =
        read_with("t.csv", b"a\n", &CsvOptions { chunk_bytes: 0, ..CsvOptions::default() }).unwrap_err();
    check(&error, ErrorKind::Request, None, None, "chunks of 0 bytes");
}

#[test]
fn limits_hold() {
    use crate::limits::{MAX_COLUMNS, MAX_RECORD_BYTES};
    fails(",".repeat(MAX_COLUMNS), ErrorKind::Limit, Some(1), None, "at most 200000");
    let record = "x".repeat(MAX_RECORD_BYTES + 1);
    fails(format!("a\n1\n{record}"), ErrorKind::Limit, Some(3), None, "longer than 16 MiB");
    fails(format!("a\n1\n\n\"{record}"), ErrorKind::Limit, Some(4), None, "not closed");
    let header: String = (0..100_000).map(|i| format!("c{i},")).collect();
    let values = "1,".repeat(100_000);
    assert_eq!(read(&format!("{header}\n{values}\n")).len(), 1);
}

#[test]
fn an_error_ends_the_scan() {
    let file = TempFile::new("t.csv", format!("a\n{}x\n1\n", "1\n".repeat(20_000)).as_bytes());
    let source = CsvFile::open(&file.0, &CsvOptions::default()).unwrap();
    let scan = source.scan(&ScanRequest::new(["a"])).unwrap();
    let mut batches = scan.next_partition().unwrap().unwrap().batches;
    let whole = 20_000 / crate::source::DEFAULT_BATCH_ROWS;
    assert_eq!(batches.by_ref().take_while(std::result::Result::is_ok).count(), whole);
    assert!(batches.next().is_none());
}

/// What `threads` threads get of a scan: the number of each partition, those of its rows, and the rows or the first error.
fn partitions(source: &CsvFile, threads: usize) -> Vec<(usize, crate::RowNumbers, String)> {
    let mut request = everything(source);
    request.row_numbers = true;
    let scan = source.scan(&request).unwrap();
    let mut found = std::thread::scope(|scope| {
        let work = || {
            let mut found = Vec::new();
            while let Some(partition) = scan.next_partition() {
                let crate::Partition { index, numbers, batches, .. } = partition.unwrap();
                let batches: Result<Vec<_>> = batches.collect();
                let shown = match batches {
                    Ok(batches) => format!("{batches:?}"),
                    Err(e) => format!("{:?} {:?}", e.place(), e.kind()),
                };
                found.push((index, numbers, shown));
            }
            found
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    found.sort_by_key(|partition| partition.0);
    found
}

/// Compressed files are read in order, by another way: the same partitions, with the same numbers and errors.
#[test]
fn files_read_side_by_side_are_cut_as_in_order() {
    let mut random = Random::new(9);
    for round in 0..60 {
        let (quote, long, bad) = (random.below(900), random.below(900), random.below(900));
        let mut text = String::from("a,b,c\n");
        for row in 0..600 {
            let words = "w".repeat(random.below(20) as usize);
            text.push_str(&format!("{row}.25,{words},{}", random.below(1 << 40)));
            match row {
                _ if row == quote => text.push_str("\n1,\"x\n,\"\"\n\n\",2"),
                _ if row == long => text.push_str(&format!("\n1,{},2", "long".repeat(100))),
                _ if row == bad => text.push_str("\n1,2\n1,2,3"),
                _ => {}
            }
            text.push_str(if round % 2 == 0 { "\n" } else { "\r\n\r\n" });
        }
        let chunk_bytes = [50, 333, 2_000][round % 3];
        let options = CsvOptions { chunk_bytes, ..CsvOptions::default() };
        let in_order = TempFile::new("t.csv.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap());
        let side_by_side = TempFile::new("t.csv", text.as_bytes());
        let open = |file: &TempFile| CsvFile::open(&file.0, &options);
        let (Ok(in_order), Ok(side_by_side)) = (open(&in_order), open(&side_by_side)) else {
            assert!(bad < 600, "only bad records are refused");
            continue;
        };
        let expected = partitions(&in_order, 1);
        assert!(expected.len() > 5);
        for threads in [1, 4] {
            assert!(partitions(&side_by_side, threads) == expected, "{round} {threads}");
        }
    }
}

/// Records with more fields than are asked for, near the end of the text and far from it, with quotes in some.
#[test]
fn fields_that_nobody_wants_are_stepped_over() {
    let mut random = Random::new(21);
    for round in 0..200 {
        let fields = 3 + random.below(60) as usize;
        let mut text: String = (0..fields).map(|i| format!("c{i},")).collect();
        text.pop();
        text.push('\n');
        let mut cells = Vec::new();
        for _ in 0..1 + random.below(20) {
            let mut cell = || {
                let bits = random.below(50);
                random.below(1 << bits).to_string()
            };
            let row: Vec<String> = (0..fields).map(|_| cell()).collect();
            let quoted = random.below(fields as u64 * 3) as usize;
            let shown = row
                .iter()
                .enumerate()
                .map(|(i, cell)| if i == quoted { format!("\"{cell}\"") } else { cell.clone() });
            text.push_str(&shown.collect::<Vec<_>>().join(","));
            text.push_str(if round % 2 == 0 { "\n" } else { "\r\n" });
            cells.push(row);
        }
        let file = TempFile::new("t.csv", text.as_bytes());
        let source = CsvFile::open(&file.0, &CsvOptions::default()).unwrap();
        let first = random.below(fields as u64) as usize;
        let second = random.below(fields as u64) as usize;
        let request = ScanRequest::new([format!("c{first}"), format!("c{second}")]);
        let expected: Vec<String> =
            cells.iter().map(|row| format!("{}|{}", row[first], row[second])).collect();
        assert_eq!(rows(&source, &request).unwrap().0, expected, "{text}");
    }
}

#[test]
fn a_record_with_too_few_or_too_many_fields_is_refused_whatever_is_read() {
    let row = |fields: usize| vec!["1"; fields].join(",") + "\n";
    let header: String = (0..40).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",") + "\n";
    for fields in [1, 2, 20, 39, 41, 80] {
        // Behind the sample, which is read whole.
        let text = header.clone() + &row(40).repeat(20_000) + &row(fields) + &row(40).repeat(50);
        let file = TempFile::new("t.csv", text.as_bytes());
        let source = CsvFile::open(&file.0, &CsvOptions::default()).unwrap();
        for column in ["c0", "c20", "c39"] {
            let error = rows(&source, &ScanRequest::new([column])).unwrap_err();
            check(&error, ErrorKind::Malformed, Some(20_002), None, &format!("found {fields}"));
        }
    }
}
