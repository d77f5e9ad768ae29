//! Files and blocks against the truth they were made from.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::DataType;
use clap::{CommandFactory, Parser};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::args::{Args, Options, parse_count};
use crate::design::{BLOCK_ROWS, Block, Blocks, Cells, Design};

static RUNNING: AtomicBool = AtomicBool::new(false);

/// The options of a command line that names `out` and what `flags` adds, split at spaces.
fn options(out: &Path, flags: &str) -> anyhow::Result<Options> {
    let out = out.to_str().unwrap();
    let words = ["streamreg-data-gen", "--quiet", "--out", out].into_iter().chain(flags.split_whitespace());
    Args::try_parse_from(words)?.resolve()
}

/// Runs the program but for its process; returns the line of success.
fn generate(out: &Path, flags: &str) -> anyhow::Result<String> {
    let options = options(out, flags)?;
    crate::run(&options, &Design::new(&options.design)?, &RUNNING)
}

fn design(flags: &str) -> anyhow::Result<Design> {
    Design::new(&options(Path::new("unused.csv"), &format!("--rows 1 {flags}"))?.design)
}

/// All cells of a Parquet file, row by row.
fn parquet_rows(path: &Path) -> Vec<Vec<Option<f64>>> {
    let file = std::fs::File::open(path).unwrap();
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let columns: Vec<Vec<Option<f64>>> = batch
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Int64 => {
                    column.as_primitive::<Int64Type>().iter().map(|x| x.map(|x| x as f64)).collect()
                }
                _ => column.as_primitive::<Float64Type>().iter().collect(),
            })
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row]).collect()));
    }
    rows
}

fn csv_rows(path: &Path) -> Vec<Vec<Option<f64>>> {
    let text = std::fs::read_to_string(path).unwrap();
    let cell = |cell: &str| (!cell.is_empty()).then(|| cell.parse().unwrap());
    text.lines().skip(1).map(|line| line.split(',').map(cell).collect()).collect()
}

/// The columns of the first rows: y, x1, ...
fn columns(design: &Design, rows: u64) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::new(); design.features() + 1];
    for Block { response, features } in Blocks::new(design, rows) {
        columns[0].extend(response);
        for (column, feature) in columns[1..].iter_mut().zip(features) {
            match feature.cells {
                Cells::Real(cells) => column.extend(cells),
                Cells::Count(cells) => column.extend(cells.iter().map(|&count| count as f64)),
            }
        }
    }
    columns
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The columns with mean 0 and length 1.
fn standardized(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let standardize = |column: &Vec<f64>| {
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let centred: Vec<f64> = column.iter().map(|x| x - mean).collect();
        let length = dot(&centred, &centred).sqrt();
        centred.iter().map(|x| x / length).collect()
    };
    columns.iter().map(standardize).collect()
}

/// Singular values, ascending, by one-sided Jacobi rotations: small ones to high relative accuracy.
fn singular_values(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
    for _sweep in 0..30 {
        for i in 0..columns.len() {
            for j in i + 1..columns.len() {
                let (left, right) = columns.split_at_mut(j);
                let (a, b) = (&mut left[i], &mut right[0]);
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                if ab.abs() <= 1e-15 * (aa * bb).sqrt() {
                    continue;
                }
                let zeta = (bb - aa) / (2.0 * ab);
                let t = zeta.signum() / (zeta.abs() + 1.0_f64.hypot(zeta));
                let c = 1.0 / 1.0_f64.hypot(t);
                for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                    (*a, *b) = (c * (*a - t * *b), c * (t * *a + *b));
                }
            }
        }
    }
    let mut values: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Least squares by normal equations and Gauss-Jordan elimination: `columns[0]` on a constant and the others.
fn least_squares(columns: &[Vec<f64>]) -> Vec<f64> {
    let ones = vec![1.0; columns[0].len()];
    let terms: Vec<&[f64]> = std::iter::once(&ones).chain(&columns[1..]).map(Vec::as_slice).collect();
    let mut rows: Vec<Vec<f64>> = terms
        .iter()
        .map(|a| terms.iter().map(|b| dot(a, b)).chain([dot(a, &columns[0])]).collect())
        .collect();
    for pivot in 0..rows.len() {
        let divisor = rows[pivot][pivot];
        let pivot_row: Vec<f64> = rows[pivot].iter().map(|x| x / divisor).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[pivot];
            for (x, p) in row.iter_mut().zip(&pivot_row) {
                *x = if i == pivot { *p } else { *x - factor * p };
            }
        }
    }
    rows.iter().map(|row| *row.last().unwrap()).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn counts_take_units_and_underscores() {
    let valid = [
        ("0", 0),
        ("7", 7),
        ("10_000", 10_000),
        ("250k", 250_000),
        ("10M", 10_000_000),
        ("1.5M", 1_500_000),
        ("1.1K", 1_100),
        ("1G", 1_000_000_000),
        ("2b", 2_000_000_000),
        ("3.0", 3),
        ("9223372036854775807", i64::MAX as u64),
    ];
    for (text, count) in valid {
        assert_eq!(parse_count(text), Ok(count), "{text}");
    }
    for text in
        ["", "k", "-1", "1.5", "1.05", "1.0001k", "1.", ".5M", "_1", "1e6", "10MB", "10 M", "1é", "+1"]
    {
        assert!(parse_count(text).is_err_and(|error| error.contains("whole number")), "{text}");
    }
    for text in ["9223372036854775808", "99999999999G", "99999999999999999999"] {
        assert!(parse_count(text).is_err_and(|error| error.contains("at most")), "{text}");
    }
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let flags = "--rows 20k --features 3 --correlation 0.3 --nulls 0.1 --integer-features 1";
    let bytes = |name: &str, flags: &str| {
        let path = directory.path().join(name);
        generate(&path, flags).unwrap();
        std::fs::read(&path).unwrap()
    };
    assert!(bytes("a.parquet", flags) == bytes("b.parquet", flags));
    assert!(bytes("a.csv", flags) == bytes("b.csv", flags));
    assert!(bytes("c.csv", flags) != bytes("d.csv", &format!("{flags} --seed 2")));
}

#[test]
fn rows_depend_on_neither_row_groups_nor_pages_nor_codec_nor_length() {
    let directory = tempfile::tempdir().unwrap();
    let flags = "--features 3 --nulls 0.1 --integer-features 1 --rows";
    let rows = |name: &str, more: &str| {
        let path = directory.path().join(name);
        generate(&path, &format!("{flags} {more}")).unwrap();
        parquet_rows(&path)
    };
    let expected = rows("default.parquet", "20k");
    assert_eq!(expected.len(), 20_000);
    assert!(expected == rows("groups.parquet", "20k --row-group-rows 777 --codec none"));
    assert!(expected == rows("large.parquet", "20k --row-group-rows 8193 --page-rows 100 --codec zstd"));
    for codec in ["gzip", "lz4", "brotli"] {
        assert!(expected[..500] == rows(&format!("{codec}.parquet"), &format!("500 --codec {codec}")));
    }
    assert!(expected[..9000] == rows("short.parquet", "9000"));
}

#[test]
fn row_groups_and_pages_have_the_rows_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    generate(&path, "--rows 10k --features 2 --row-group-rows 4k --page-rows 500").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new()
        .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let metadata = reader.metadata();
    let rows: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [4000, 4000, 2000]);
    let pages: Vec<usize> =
        (0..3).map(|group| metadata.page_index_for_row_group(group).num_data_pages(0).unwrap()).collect();
    assert_eq!(pages, [8, 8, 4]);
}

#[test]
fn csv_reads_back_as_the_doubles_of_parquet() {
    let directory = tempfile::tempdir().unwrap();
    let (parquet, csv) = (directory.path().join("a.parquet"), directory.path().join("a.csv"));
    let flags = "--rows 10k --features 5 --nulls 0.05 --integer-features 2 --condition 1e4";
    generate(&parquet, flags).unwrap();
    generate(&csv, flags).unwrap();
    let (parquet, csv) = (parquet_rows(&parquet), csv_rows(&csv));
    assert_eq!(parquet.len(), 10_000);
    for (p, c) in parquet.iter().flatten().zip(csv.iter().flatten()) {
        assert_eq!(p.map(f64::to_bits), c.map(f64::to_bits));
    }
}

#[test]
fn the_truth_is_recovered_by_least_squares() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let flags = "--rows 60k --features 4 --noise 2.5 --correlation 0.4 --integer-features 1 --seed 9";
    let line = generate(&path, flags).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(line, format!("wrote 60000 rows, 5 columns, {bytes} bytes to {}", path.display()));

    let truth = std::fs::read(directory.path().join("a.parquet.truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    assert_eq!(truth["schema_version"], 1);
    assert_eq!(truth["terms"], serde_json::json!(["(Intercept)", "x1", "x2", "x3", "x4"]));
    assert_eq!(truth["noise_sd"], 2.5);
    assert_eq!((&truth["rows"], &truth["seed"]), (&60_000.into(), &9.into()));
    assert_eq!((&truth["format"], &truth["codec"]), (&"parquet".into(), &"snappy".into()));
    let known: Vec<f64> =
        truth["coefficients"].as_array().unwrap().iter().map(|b| b.as_f64().unwrap()).collect();

    let rows = parquet_rows(&path);
    let columns: Vec<Vec<f64>> = (0..5).map(|j| rows.iter().map(|row| row[j].unwrap()).collect()).collect();
    let fitted = least_squares(&columns);
    let scales = truth["feature_scales"].as_array().unwrap().iter().map(|scale| scale.as_f64().unwrap());
    for (j, scale) in scales.enumerate() {
        // About six standard errors: sd / (scale sqrt(n (1 - R2))), with R2 well below 1/2.
        let tolerance = 6.0 * 2.5 / (scale * (0.5 * 60_000_f64).sqrt());
        assert!((fitted[j + 1] - known[j + 1]).abs() < tolerance, "x{}: {fitted:?} {known:?}", j + 1);
    }
    let residuals = |row: &Vec<Option<f64>>| {
        row[0].unwrap() - known[0] - (1..5).map(|j| known[j] * row[j].unwrap()).sum::<f64>()
    };
    let residuals: Vec<f64> = rows.iter().map(residuals).collect();
    let sd = (dot(&residuals, &residuals) / 60_000.0).sqrt();
    assert!((sd / 2.5 - 1.0).abs() < 0.02, "{sd}");
}

#[test]
fn means_scales_and_correlations_are_as_asked() {
    let design = design("--features 4 --correlation 0.6 --seed 5").unwrap();
    let columns = columns(&design, 100_000);
    for (column, feature) in columns[1..].iter().zip(&design.parameters) {
        let mean = column.iter().sum::<f64>() / 1e5;
        assert!((mean - feature.mean).abs() < 0.02 * feature.scale, "{mean} {feature:?}");
        let sd = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        assert!((sd / feature.scale - 1.0).abs() < 0.02, "{sd} {feature:?}");
    }
    let unit = standardized(&columns[1..]);
    for (i, j) in [(0, 1), (0, 3), (1, 2), (2, 3)] {
        assert!((dot(&unit[i], &unit[j]) - 0.6).abs() < 0.02, "{i} {j}");
    }
}

#[test]
fn the_condition_number_is_about_what_was_asked_for() {
    let designs = [
        "--features 2",
        "--features 3 --correlation 0.5",
        "--features 5 --correlation 0.3",
        "--features 12",
        "--features 12 --correlation 0.8 --integer-features 6",
        "--features 5 --integer-features 3",
    ];
    for flags in designs {
        for k in [1e2, 1e4, 1e6] {
            let design = design(&format!("{flags} --condition {k}")).unwrap();
            let values = singular_values(standardized(&columns(&design, 20_000)[1..]));
            let ratio = values.last().unwrap() / values[0] / k;
            assert!((0.8..1.25).contains(&ratio), "{flags} --condition {k}: {ratio} times");
        }
    }
}

#[test]
fn the_condition_number_one_and_the_extreme_hold() {
    let plain = singular_values(standardized(&columns(&design("--features 6").unwrap(), 50_000)[1..]));
    assert!(plain[5] / plain[0] < 1.1, "{plain:?}");
    let extreme = design("--features 6 --condition 1e12").unwrap();
    let values = singular_values(standardized(&columns(&extreme, 20_000)[1..]));
    assert!((0.5..2.0).contains(&(values[5] / values[0] / 1e12)), "{values:?}");
}

#[test]
fn nulls_have_their_share_and_change_nothing_else() {
    let without = design("--features 3").unwrap();
    let with = design("--features 3 --nulls 0.2").unwrap();
    assert!(columns(&without, 20_000) == columns(&with, 20_000));
    let mut nulls = 0;
    for block in Blocks::new(&with, 100_000) {
        nulls += block.features.iter().flat_map(|column| &column.nulls).filter(|null| **null).count();
    }
    let share = nulls as f64 / 300_000.0;
    assert!((share - 0.2).abs() < 0.005, "{share}");
    let all = Blocks::new(&design("--features 1 --nulls 1").unwrap(), 10).next().unwrap();
    assert_eq!(all.features[0].nulls, [true; 10]);
}

#[test]
fn decimals_round_the_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    generate(&path, "--rows 3000 --features 3 --decimals 2 --integer-features 1").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().next(), Some("y,x1,x2,x3"));
    let cells = text.lines().skip(1).flat_map(|line| line.split(','));
    for cell in cells {
        assert!(
            cell.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 2) && cell != "-0",
            "{cell}"
        );
    }
    assert!(text.lines().skip(1).all(|line| line.split(',').nth(1).unwrap().parse::<u64>().is_ok()));
}

#[test]
fn blocks_hold_every_row_once() {
    let design = design("--features 1").unwrap();
    for rows in [0, 1, BLOCK_ROWS as u64, BLOCK_ROWS as u64 + 1] {
        let total: usize = Blocks::new(&design, rows).map(|block| block.rows()).sum();
        assert_eq!(total as u64, rows);
    }
    let directory = tempfile::tempdir().unwrap();
    generate(&directory.path().join("a.parquet"), "--rows 0 --features 1").unwrap();
    assert!(parquet_rows(&directory.path().join("a.parquet")).is_empty());
    generate(&directory.path().join("a.csv"), "--rows 0 --features 1").unwrap();
    assert_eq!(std::fs::read_to_string(directory.path().join("a.csv")).unwrap(), "y,x1\n");
}

#[test]
fn existing_files_are_kept_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    generate(&path, "--rows 10 --features 1").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = generate(&path, "--rows 20 --features 1").unwrap_err().to_string();
    assert!(error.contains("a.csv exists") && error.contains("--force"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    generate(&path, "--rows 20 --features 1 --force").unwrap();
    assert_eq!(csv_rows(&path).len(), 20);
    assert_eq!(names_in(directory.path()), ["a.csv", "a.csv.truth.json"]);

    std::fs::remove_file(&path).unwrap();
    let error = generate(&path, "--rows 10 --features 1").unwrap_err().to_string();
    assert!(error.contains("truth.json exists"), "{error}");
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory.path().join("a.parquet"), "--rows 1M --features 2").unwrap();
    let design = Design::new(&options.design).unwrap();
    let error = crate::run(&options, &design, &AtomicBool::new(true)).unwrap_err().to_string();
    assert!(error.contains("interrupted"), "{error}");
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn errors_name_the_flag_and_what_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("a.json", "--rows 1 --features 1", &["--out", ".parquet or .csv"][..]),
        ("none/a.csv", "--rows 1 --features 1", &["--out", "none does not exist"]),
        ("a.csv", "--rows 1e6 --features 1", &["--rows", "250k"]),
        ("a.csv", "--rows 1 --features 0", &["--features", "1..=10000"]),
        ("a.csv", "--rows 1 --features 2 --codec zstd", &["--codec", "Parquet"]),
        ("a.parquet", "--rows 1 --features 2 --codec lzo", &["--codec", "brotli"]),
        ("a.parquet", "--rows 1 --features 2 --page-rows 0", &["--page-rows", "at least 1"]),
        ("a.csv", "--rows 1 --features 2 --correlation 1", &["--correlation", "below 1"]),
        ("a.csv", "--rows 1 --features 2 --noise NaN", &["--noise", "at least 0"]),
        ("a.csv", "--rows 1 --features 2 --nulls 2", &["--nulls", "from 0 to 1"]),
        ("a.csv", "--rows 1 --features 2 --integer-features 3", &["--integer-features", "at most"]),
        (
            "a.csv",
            "--rows 1 --features 2 --integer-features 1 --condition 10",
            &["--condition", "not counts"],
        ),
        (
            "a.csv",
            "--rows 1 --features 9 --correlation 0.9 --condition 3",
            &["--condition", "already gives 9.0"],
        ),
        ("a.csv", "--rows 1 --features 4 --decimals 2 --condition 1e6", &["--decimals 2", "or more"]),
    ];
    for (out, flags, parts) in cases {
        let error = format!("{:#}", generate(&directory.path().join(out), flags).unwrap_err());
        assert!(parts.iter().all(|part| error.contains(part)), "{flags}: {error}");
    }
    assert!(names_in(directory.path()).is_empty());
}
