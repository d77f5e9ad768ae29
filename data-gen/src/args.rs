//! The command line: [`Args`] as typed, and the checked [`Options`] they resolve to.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::design::DesignOptions;

/// Rows in a row group unless `--row-group-rows` says otherwise.
const ROW_GROUP_ROWS: usize = 1_000_000;

/// The largest `--condition`. Beyond it the rounding of the cells would be as large as what tells the last
/// feature from the combination it nearly equals.
const MAX_CONDITION: f64 = 1e14;

const EXAMPLES: &str = "\
Examples:
  Ten million rows of 20 features; the coefficients in big.parquet.truth.json
    streamreg-data-gen --rows 10M --features 20 --out big.parquet

  A nearly collinear problem: condition number about a million
    streamreg-data-gen --rows 1M --features 8 --condition 1e6 --out hard.parquet

  A CSV with one cell in fifty empty, and two columns of counts
    streamreg-data-gen --rows 250k --features 6 --nulls 0.02 --decimals 3 \\
      --integer-features 2 --out small.csv

  Many small row groups and pages, compressed with zstd
    streamreg-data-gen --rows 1M --features 4 --row-group-rows 50k \\
      --page-rows 2000 --codec zstd --out pages.parquet

The same options and seed give the same bytes. A longer file begins with the
rows of a shorter one. The format, row groups, pages, codec and --nulls change
no number.

Exit codes: 0 done; 1 not written, or interrupted; 2 usage.";

/// Write seeded regression data of any size with known coefficients.
///
/// The columns are y, x1, x2, ...: y = intercept + x1 b1 + x2 b2 + ... + noise. Everything that is known about
/// them (coefficients, noise, seed and options) is written beside the data, to OUT.truth.json.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Rows to write: a number, or one with k, M, G or B for thousands, millions, billions (250k, 1.5M, 1_000)
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    rows: u64,

    /// Features, named x1, x2, ...: 1 to 10000
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    features: u32,

    /// File to write; its extension is the format: .parquet or .csv
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Seed of every random number: coefficients, means, scales, cells and noise
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Standard deviation of the noise in y; 0 for an exact linear relation
    #[arg(long, value_name = "SD", default_value_t = 1.0, value_parser = parse_noise)]
    noise: f64,

    /// Correlation between every two features, through one common factor: from 0 to below 1
    ///
    /// Counts (--integer-features) and a --condition change it a little for the features they concern.
    #[arg(long, value_name = "RHO", default_value_t = 0.0, value_parser = parse_correlation)]
    correlation: f64,

    /// Condition number of the centred features at unit variance, about: from 1 (leave as is) to 1e14
    ///
    /// The last feature is made nearly a linear combination of the three before it (or nearly a copy of the one
    /// before it, when there are fewer than four features that are not counts), just nearly enough that the
    /// square root of the ratio of the extreme eigenvalues of the correlation matrix is K. Measured with the
    /// intercept on columns that are not centred, the number is a few times larger.
    #[arg(long, value_name = "K", default_value_t = 1.0, value_parser = parse_condition)]
    condition: f64,

    /// Share of feature cells that are null (empty in CSV), at random: 0 to 1. y is never null
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    nulls: f64,

    /// Rows in a Parquet row group [default: 1M]
    ///
    /// A row group is encoded in memory before it is written: count on about 8 bytes x columns x this many rows
    /// (168 MB for 1M rows of 20 features and y), less what compression saves.
    #[arg(long, value_name = "COUNT", value_parser = parse_positive)]
    row_group_rows: Option<usize>,

    /// Most rows in a Parquet data page [default: the writer's, 20000 rows or 1 MiB]
    #[arg(long, value_name = "COUNT", value_parser = parse_positive)]
    page_rows: Option<usize>,

    /// Compression of the Parquet pages [default: snappy]
    #[arg(long, value_name = "CODEC")]
    codec: Option<Codec>,

    /// Round features and y to this many decimals, 0 to 15; without it cells keep all their digits
    ///
    /// y is computed from the rounded features, then rounded itself.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=15))]
    decimals: Option<u32>,

    /// Make the first COUNT features counts: whole numbers from 0 up, 64-bit integers in Parquet
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    integer_features: u32,

    /// Replace FILE and its truth when they exist
    #[arg(long)]
    force: bool,

    /// No progress bar
    #[arg(long)]
    quiet: bool,
}

/// The checked settings of a run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Rows to write.
    pub(crate) rows: u64,
    /// What is written.
    pub(crate) design: DesignOptions,
    /// Where it is written.
    pub(crate) out: PathBuf,
    /// How it is written.
    pub(crate) format: Format,
    /// Whether existing files are replaced.
    pub(crate) force: bool,
    /// Whether the progress bar stays hidden.
    pub(crate) quiet: bool,
}

/// A file format with its settings.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub(crate) enum Format {
    /// Apache Parquet.
    Parquet(ParquetOptions),
    /// Comma-separated text with one header line.
    Csv,
}

/// The settings of a Parquet file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ParquetOptions {
    /// Rows in every row group but the last.
    pub(crate) row_group_rows: usize,
    /// Most rows in a data page; the writer's own limit without it.
    pub(crate) page_rows: Option<usize>,
    /// Compression of the pages.
    pub(crate) codec: Codec,
}

/// A compression of Parquet pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Codec {
    /// No compression.
    None,
    /// Snappy.
    Snappy,
    /// Zstandard, level 1.
    Zstd,
    /// Gzip, level 6.
    Gzip,
    /// LZ4 raw blocks (Parquet's LZ4_RAW).
    Lz4,
    /// Brotli, level 1.
    Brotli,
}

impl Args {
    /// Checks the flags against each other.
    pub(crate) fn resolve(self) -> anyhow::Result<Options> {
        let format = self.format()?;
        let design = DesignOptions {
            features: self.features as usize,
            integer_features: self.integer_features as usize,
            seed: self.seed,
            noise: self.noise,
            correlation: self.correlation,
            condition: self.condition,
            nulls: self.nulls,
            decimals: self.decimals,
        };
        Ok(Options { rows: self.rows, design, out: self.out, format, force: self.force, quiet: self.quiet })
    }

    fn format(&self) -> anyhow::Result<Format> {
        match extension(&self.out).as_deref() {
            Some("parquet") => Ok(Format::Parquet(ParquetOptions {
                row_group_rows: self.row_group_rows.unwrap_or(ROW_GROUP_ROWS),
                page_rows: self.page_rows,
                codec: self.codec.unwrap_or(Codec::Snappy),
            })),
            Some("csv") => {
                let given = [
                    ("--row-group-rows", self.row_group_rows.is_some()),
                    ("--page-rows", self.page_rows.is_some()),
                    ("--codec", self.codec.is_some()),
                ];
                if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
                    bail!("{flag} is for Parquet, and '{}' is CSV", self.out.display());
                }
                Ok(Format::Csv)
            }
            _ => bail!(
                "--out '{}': the extension chooses the format; expected .parquet or .csv",
                self.out.display()
            ),
        }
    }
}

fn extension(path: &Path) -> Option<String> {
    path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase)
}

/// Parses a count such as `10M`, `250k`, `1.5M`, `1G`, `1B` or `10_000`.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let expected =
        || "expected a whole number, or one with k, M, G or B: 250000, 250k, 1.5M, 10_000".to_owned();
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'm' | 'M')) => (&text[..at], 1_000_000),
        Some((at, 'g' | 'G' | 'b' | 'B')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let starts_with_digit = whole.starts_with(|first: char| first.is_ascii_digit());
    if !starts_with_digit
        || !digits(whole)
        || !digits(fraction)
        || (number.contains('.') && fraction.is_empty())
    {
        return Err(expected());
    }
    // In integers, as 1.1M in binary floating point is not a whole number.
    let mut count: u64 = 0;
    for digit in whole.bytes().filter(u8::is_ascii_digit) {
        let next = count.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
        count = next.ok_or_else(too_large)?;
    }
    let mut place = unit;
    let mut rest = 0;
    for digit in fraction.bytes().filter(u8::is_ascii_digit) {
        if place < 10 && digit != b'0' {
            return Err(expected());
        }
        place /= 10;
        rest += place * u64::from(digit - b'0');
    }
    let total = count.checked_mul(unit).and_then(|total| total.checked_add(rest)).ok_or_else(too_large)?;
    // Parquet counts rows in signed 64-bit integers.
    i64::try_from(total).map(|_| total).map_err(|_| too_large())
}

fn too_large() -> String {
    format!("expected at most {}", i64::MAX)
}

fn parse_positive(text: &str) -> Result<usize, String> {
    let count = parse_count(text)?;
    let count = usize::try_from(count).map_err(|error| error.to_string())?;
    if count == 0 { Err("expected at least 1".to_owned()) } else { Ok(count) }
}

/// Parses a number for which `valid` holds; `expected` says in words what that is.
fn parse_number(text: &str, expected: &str, valid: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && valid(number) => Ok(number),
        _ => Err(format!("expected {expected}")),
    }
}

fn parse_noise(text: &str) -> Result<f64, String> {
    parse_number(text, "a number of at least 0", |sd| sd >= 0.0)
}

fn parse_correlation(text: &str) -> Result<f64, String> {
    parse_number(text, "a number from 0 to below 1", |rho| (0.0..1.0).contains(&rho))
}

fn parse_condition(text: &str) -> Result<f64, String> {
    parse_number(text, "a number from 1 to 1e14", |k| (1.0..=MAX_CONDITION).contains(&k))
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_number(text, "a share from 0 to 1", |share| (0.0..=1.0).contains(&share))
}
