//! What a filter or a derived column costs beside a plain decode of the same columns:
//! `cargo bench -p streamreg-reader --bench filter`. One thread, warm page cache, medians.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and prints")]

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use streamreg_reader::rows::Expressions;
use streamreg_reader::{Dataset, DatasetOptions, ScanRequest, Source};

const ROWS: usize = 4_000_000;
const REPEATS: usize = 7;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.parquet");
    write(&path);
    let open = || Dataset::open(&[&path], &DatasetOptions::default()).unwrap();
    let numbers: Vec<String> = (0..10).map(|i| format!("x{i}")).collect();
    let with_text: Vec<String> = numbers.iter().cloned().chain(["carrier".to_owned()]).collect();
    let decode = time("decode 10 columns", &open(), &numbers, None);
    let decode_text = time("decode 10 columns and text", &open(), &with_text, None);
    for (what, with, filter, columns, base) in [
        ("filter that all rows pass", "", "x0 > -1", &numbers, decode),
        ("filter that half the rows pass", "", "x0 > 0.5", &numbers, decode),
        ("filter of three conditions", "", "x0 > 0.1 and year >= 1990 and x1 <> 2", &numbers, decode),
        ("filter on text", "", "carrier <> 'UA'", &with_text, decode_text),
        ("derived column", "x0 * x1 + ln(x2 + 1)", "", &numbers, decode),
    ] {
        let with: Vec<(String, String)> =
            if with.is_empty() { Vec::new() } else { vec![("derived".into(), with.into())] };
        let filter = (!filter.is_empty()).then_some(filter);
        let source = Expressions::new(Box::new(open()), &with, filter).unwrap();
        let derived = with.iter().map(|(name, _)| name.clone());
        let columns: Vec<String> = columns.iter().cloned().chain(derived).collect();
        time(what, &source, &columns, Some(base));
    }
}

fn write(path: &std::path::Path) {
    // A fixed sequence of numbers in [0, 1) that no encoding shortens.
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut writer = None;
    for _ in 0..ROWS / 500_000 {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for i in 0..10 {
            let values: Float64Array = (0..500_000).map(|_| Some(next())).collect();
            columns.push((format!("x{i}"), Arc::new(values)));
        }
        let year: Int64Array = (0..500_000).map(|_| Some(1987 + (next() * 20.0) as i64)).collect();
        columns.push(("year".into(), Arc::new(year)));
        let carrier = |_| Some(["UA", "AA", "DL", "WN", "US"][(next() * 5.0) as usize]);
        columns.push(("carrier".into(), Arc::new((0..500_000).map(carrier).collect::<StringArray>())));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = || std::fs::File::create(path).unwrap();
        let writer =
            writer.get_or_insert_with(|| ArrowWriter::try_new(file(), batch.schema(), None).unwrap());
        writer.write(&batch).unwrap();
        writer.flush().unwrap();
    }
    writer.unwrap().close().unwrap();
}

/// Seconds of a pass; prints them and the cost of a batch of 4,096 rows beyond `base`.
fn time(what: &str, source: &dyn Source, columns: &[String], base: Option<f64>) -> f64 {
    let pass = || {
        let start = Instant::now();
        let scan = source.scan(&ScanRequest::new(columns)).unwrap();
        let mut rows = 0;
        while let Some(partition) = scan.next_partition() {
            rows += partition.unwrap().batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        }
        (start.elapsed().as_secs_f64(), rows)
    };
    let mut passes: Vec<(f64, usize)> = (0..REPEATS).map(|_| pass()).collect();
    passes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (seconds, rows) = passes[REPEATS / 2];
    print!("{what:32} {:7.1} ms, {rows} rows", seconds * 1e3);
    if let Some(base) = base {
        let extra = (seconds - base) / (ROWS as f64 / 4_096.0);
        print!(", {:.2} times the decode, {:+.1} µs a batch of 4,096 rows", seconds / base, extra * 1e6);
    }
    println!();
    seconds
}
