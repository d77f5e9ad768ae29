//! The same bits for any number of threads, any batch size and any cutting of batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use proptest::prelude::*;
use streamreg::{CsvOptions, DatasetOptions, FitReport, Regression, Solver};

use crate::util::{Dir, Random, arrays, batch, close, fingerprint, fit_table, table, to_csv, write_parquet};

const SOLVERS: [Solver; 2] = [Solver::Cholesky, Solver::Qr];
const THREADS: [usize; 3] = [1, 2, 7];
const BATCH_ROWS: [usize; 5] = [1, 7, 1000, 8192, 65_536];

/// Fits with one thread and usual batches, then in every way that `ways` has; all must agree to the bit.
#[track_caller]
fn same_bits(
    paths: &[&Path],
    options: &DatasetOptions,
    ways: impl IntoIterator<Item = (usize, usize)>,
) -> FitReport {
    let ways: Vec<_> = ways.into_iter().collect();
    let mut last = None;
    for solver in SOLVERS {
        let regression = Regression::new("y").solver(solver).dataset_options(options.clone());
        let one = regression.clone().threads(1).fit_paths(paths).unwrap();
        let expected = fingerprint(&one);
        for &(threads, rows) in &ways {
            let other = regression.clone().threads(threads).batch_rows(rows).fit_paths(paths).unwrap();
            let found = fingerprint(&other);
            assert_eq!(found, expected, "{solver:?} in {threads} threads by {rows} rows");
        }
        last = Some(one);
    }
    last.unwrap()
}

fn every_way() -> impl Iterator<Item = (usize, usize)> {
    THREADS.into_iter().flat_map(|t| BATCH_ROWS.map(|b| (t, b)))
}

fn plain() -> DatasetOptions {
    DatasetOptions::default()
}

/// Columns x and y with a null or a non-finite value now and then, x of few distinct values.
fn with_gaps(rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random::new(seed);
    let levels = random.vector(200);
    let x: Vec<Option<f64>> = (0..rows)
        .map(|_| match random.below(1000) {
            0..20 => None,
            20 => Some(f64::NAN),
            _ => Some(levels[random.below(200)]),
        })
        .collect();
    let y = x.iter().map(|x| (random.below(50) > 0).then(|| 1.0 + 2.0 * x.unwrap_or(0.0) + random.unit()));
    let y: Float64Array = y.collect();
    arrays([("x", Arc::new(Float64Array::from(x)) as ArrayRef), ("y", Arc::new(y) as ArrayRef)])
}

#[test]
fn many_row_groups() {
    let dir = Dir::new();
    let path = dir.path("many.parquet");
    // Groups that are joined into partitions, and pages that end within blocks.
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(9_001))
        .set_data_page_row_count_limit(777)
        .set_write_batch_size(111);
    write_parquet(&path, &with_gaps(100_000, 1), properties.build());
    let report = same_bits(&[&path], &plain(), every_way());
    assert_eq!(report.ledger.rows_read, 100_000);
    assert!(report.ledger.rows_dropped() > 0);
}

/// Row groups of more than one and a half times 2^20 rows are read in ranges, in parallel.
const GIANT: usize = (3 << 19) + 30_011;

fn giant_row_group(name: &str, data: &RecordBatch, properties: WriterPropertiesBuilder) {
    let dir = Dir::new();
    let path = dir.path("giant.parquet");
    let properties = properties.set_max_row_group_row_count(None).set_compression(Compression::UNCOMPRESSED);
    write_parquet(&path, data, properties.build());
    let inspection =
        streamreg::inspect(&[&path], &streamreg::InspectOptions::new().dataset(plain())).unwrap();
    assert_eq!((inspection.row_groups, inspection.rows), (Some(1), Some(GIANT as u64)), "{name}");
    let ways = [(2, 8192), (7, 8192), (2, 65_536), (1, 1000), (7, 1013)];
    let report = same_bits(&[&path], &plain(), ways);
    assert_eq!(report.ledger.rows_read, GIANT as u64, "{name}");
    // Bits that agree can still be wrong: the same rows without any file.
    let memory =
        Regression::new("y").solver(Solver::Qr).fit_batches(data.schema(), [Ok(data.clone())]).unwrap();
    assert_eq!(report.ledger, memory.ledger, "{name}");
    for (file, memory) in report.coefficients.iter().zip(&memory.coefficients) {
        close(name, file.estimate.unwrap(), memory.estimate.unwrap(), 1e-11);
        close(name, file.std_error.unwrap(), memory.std_error.unwrap(), 1e-11);
    }
}

fn small_pages() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_data_page_row_count_limit(5_003).set_write_batch_size(1_001)
}

#[test]
fn giant_row_group_with_offset_index() {
    let properties =
        small_pages().set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::Page);
    giant_row_group("index", &batch(&table(GIANT, 1, 2)), properties);
}

#[test]
fn giant_row_group_without_offset_index() {
    let properties = small_pages()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    giant_row_group("no index", &batch(&table(GIANT, 1, 2)), properties);
}

#[test]
fn giant_row_group_with_nulls_and_dictionary() {
    giant_row_group("nulls, dictionary", &with_gaps(GIANT, 3), small_pages().set_offset_index_disabled(true));
}

#[test]
fn giant_row_group_with_pages_of_version_2() {
    let properties = small_pages()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::BYTE_STREAM_SPLIT);
    giant_row_group("version 2, nulls", &with_gaps(GIANT, 4), properties);
}

#[test]
fn giant_row_group_with_large_pages() {
    // A page that spans the cut, and more.
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(64 << 20)
        .set_data_page_row_count_limit(700_001);
    giant_row_group("large pages", &batch(&table(GIANT, 1, 5)), properties);
}

/// Text with quotes, delimiters and line ends inside, nulls, and both line endings.
fn text(rows: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut out = String::from("note,x,y,z\n");
    for _ in 0..rows {
        out += match random.below(6) {
            0 => "\"two\nlines\"",
            1 => "\"say \"\"x,y\"\"\r\n\"",
            2 => "\"\"",
            3 => "plain",
            4 => "\"1,2,3,4\n5,6,7,8\"",
            _ => "it's",
        };
        let x = random.unit();
        match random.below(40) {
            0 => out += &format!(",NA,{},", random.unit()),
            1 => out += &format!(",{x},,"),
            2 => out += &format!(",\"{x}\",inf,"),
            _ => out += &format!(",{x},{},", 1.0 - 2.0 * x + random.unit()),
        }
        out += &format!("{}{}", random.below(1000), if random.below(5) == 0 { "\r\n" } else { "\n" });
    }
    out
}

fn csv_options(chunk_bytes: usize) -> DatasetOptions {
    DatasetOptions::default().csv(CsvOptions::default().chunk_bytes(chunk_bytes))
}

#[test]
fn csv() {
    let dir = Dir::new();
    let path = dir.write("d.csv", text(20_000, 6));
    let mut estimates = Vec::new();
    for chunk_bytes in [600, 20_000, 4 << 20] {
        let report = same_bits(&[&path], &csv_options(chunk_bytes), every_way());
        assert_eq!(report.ledger.rows_read, 20_000);
        estimates.push(report.coefficients[1].estimate.unwrap());
    }
    // The size of a chunk is part of the definition of the sums, but hardly matters.
    assert!(estimates.iter().all(|e| (e / estimates[0] - 1.0).abs() < 1e-12), "{estimates:?}");
}

#[test]
fn the_program_too() {
    let dir = Dir::new();
    dir.write("d.csv", text(9_000, 7));
    write_parquet(&dir.path("d.parquet"), &with_gaps(150_000, 8), small_pages().build());
    for file in ["d.csv", "d.parquet"] {
        for solver in ["auto", "qr", "svd"] {
            let run = |threads: usize| {
                let mut report =
                    dir.fit(&format!("{file} --target y --features x --solver {solver} --threads {threads}"));
                report.as_object_mut().unwrap().remove("timings").unwrap();
                report.to_string()
            };
            let one = run(1);
            assert!([2, 7].into_iter().all(|threads| run(threads) == one), "{file} {solver}");
        }
    }
}

#[test]
fn predictions_and_measures() {
    let dir = Dir::new();
    dir.write("d.csv", text(9_000, 9));
    write_parquet(&dir.path("d.parquet"), &with_gaps(120_000, 10), small_pages().build());
    dir.streamreg("fit d.csv --target y --features x --save-model m.json").success();
    for file in ["d.csv", "d.parquet"] {
        for command in ["evaluate m.json --format json", "predict m.json --interval prediction --quiet"] {
            let run = |threads: usize| {
                dir.streamreg(&format!("{command} {file} --threads {threads}")).success().stdout
            };
            let one = run(1);
            assert!([2, 7].into_iter().all(|threads| run(threads) == one), "{file}: {command}");
        }
    }
}

/// Slices of `whole` of the given lengths, again and again until all rows are used.
fn slices(whole: &RecordBatch, lengths: &[usize]) -> Vec<RecordBatch> {
    let (mut at, mut out) = (0, Vec::new());
    for &length in lengths.iter().cycle() {
        let length = length.min(whole.num_rows() - at);
        out.push(whole.slice(at, length));
        at += length;
        if at == whole.num_rows() {
            return out;
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_cut_anyhow(
        rows in 60_000usize..150_000,
        lengths in prop::collection::vec(1usize..30_000, 1..6),
        threads in 1usize..8,
        seed: u64,
    ) {
        let whole = with_gaps(rows, seed);
        for solver in SOLVERS {
            let fit = |threads: usize, batches: Vec<RecordBatch>| {
                let regression = Regression::new("y").solver(solver).threads(threads);
                fingerprint(&regression.fit_batches(whole.schema(), batches.into_iter().map(Ok)).unwrap())
            };
            let expected = fit(1, vec![whole.clone()]);
            prop_assert_eq!(fit(threads, slices(&whole, &lengths)), expected);
        }
    }

    #[test]
    fn parquet_laid_out_anyhow(
        rows in 1usize..120_000,
        group in 500usize..60_000,
        page in 50usize..5_000,
        dictionary: bool,
        threads in 1usize..8,
        batch_rows in 3usize..70_000,
        seed: u64,
    ) {
        let dir = Dir::new();
        let path = dir.path("d.parquet");
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group))
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .set_dictionary_enabled(dictionary);
        write_parquet(&path, &batch(&table(rows, 2, seed)), properties.build());
        same_bits(&[&path], &plain(), [(threads, batch_rows), (1, batch_rows)]);
    }

    #[test]
    fn csv_chunked_anyhow(
        rows in 1usize..3_000,
        chunk_bytes in 40usize..20_000,
        threads in 2usize..8,
        batch_rows in 1usize..5_000,
        seed: u64,
    ) {
        let dir = Dir::new();
        let mut data = table(rows, 2, seed);
        data[0].0 = "a \"quoted\"\nname".into();
        let header = "\"a \"\"quoted\"\"\nname\",x2,y\n";
        let body = to_csv(&data);
        let body = &body[body.find("y\n").unwrap() + 2..];
        let paths: Vec<PathBuf> = (0..2).map(|i| dir.write(&format!("{i}.csv"), format!("{header}{body}"))).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        same_bits(&paths, &csv_options(chunk_bytes), [(threads, batch_rows), (1, batch_rows)]);
    }
}

#[test]
fn many_columns() {
    // Beyond 256 variables blocks are longer and products are computed in another way.
    let columns = table(3_000, 270, 12);
    let dir = Dir::new();
    let path = dir.path("wide.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(700));
    write_parquet(&path, &batch(&columns), properties.build());
    let report = same_bits(&[&path], &plain(), [(2, 8192), (7, 33)]);
    let memory = fit_table(&Regression::new("y").solver(Solver::Qr), &columns);
    for (file, memory) in report.coefficients.iter().zip(&memory.coefficients) {
        close(&file.term, file.estimate.unwrap(), memory.estimate.unwrap(), 1e-9);
    }
}
