//! The memory that a request will take, told beforehand.
//!
//! What is counted is what the system counts as resident at the peak. Parts that depend on columns, threads and pages are known;
//! what a level costs was measured, and holds within half as much again.

use streamreg_core::iterative::CollectedRows;
use streamreg_core::{Design, Precision, TABLE_ROWS_AT_ONCE, TableSize, WAITING_TABLE_BYTES, block_rows};
use streamreg_reader::parquet::reads_column_wise;
use streamreg_reader::{READ_AHEAD_BYTES, Source, Summary};

use super::levels::LevelEstimate;
use crate::plan::limits::{MAX_COLLECTED_BYTES, MAX_DOUBLE_DOUBLE, state_bytes};

/// The program itself, and what every run allocates.
const PROCESS: u64 = 17 << 20;

/// Rows of a partition at most, and of one at least, of Parquet; bytes of one of text.
const MOST_ROWS: u64 = 1 << 20;
const LEAST_ROWS: u64 = 1 << 15;
const TEXT_BYTES: u64 = 4 << 20;

/// Of smaller inputs nothing is read ahead: they are read before anybody has waited for long.
const LEAST_AHEAD: u64 = 64 << 20;

/// More threads are not started.
const MAX_THREADS: u64 = 256;

/// How compressed text is, about.
const COMPRESSED: u64 = 4;

/// What reading costs, whatever is done with the rows.
pub(super) struct Reading {
    /// Threads that find work.
    pub(super) threads: u64,
    pub(super) partitions: u64,
    /// Rows in all, about.
    pub(super) rows: u64,
    /// Bytes of the files.
    bytes: u64,
    summary: Summary,
    columns: Vec<String>,
}

impl Reading {
    pub(super) fn new(source: &dyn Source, threads: u64) -> Self {
        let summary = source.summary();
        let columns: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
        let inputs = source.inputs();
        let compressed = |path: &std::path::Path| {
            path.extension().is_some_and(|ending| ["gz", "zst", "zstd"].iter().any(|c| ending == *c))
        };
        let size = |input: &streamreg_reader::InputFile| {
            if compressed(&input.path) { COMPRESSED * input.bytes } else { input.bytes }
        };
        let bytes: u64 = inputs.iter().map(size).sum();
        // Of text nobody knows the rows: fields take about so many bytes.
        let rows = summary.rows.unwrap_or(bytes / (8 * columns.len().max(1) as u64));
        let length = match summary.largest_row_group {
            Some(largest) if largest > MOST_ROWS * 3 / 2 => MOST_ROWS,
            Some(largest) => largest.max(LEAST_ROWS),
            None => rows.div_ceil(bytes.div_ceil(summary.partition_bytes.max(TEXT_BYTES)).max(1)),
        };
        let partitions = rows.div_ceil(length.max(1)).max(inputs.len() as u64).max(1);
        let threads = threads.min(partitions).min(MAX_THREADS);
        Self { threads, partitions, rows, bytes, summary, columns }
    }

    /// Rows of a partition, about.
    fn partition_rows(&self) -> u64 {
        self.rows.div_ceil(self.partitions)
    }

    /// Bytes that a thread holds while it reads these columns: their pages, of one the compressed bytes too, what is read ahead, a
    /// batch, and the block that is made of it.
    fn thread(&self, columns: &[String], variables: usize) -> u64 {
        let pages = |name: &String| {
            let at = self.columns.iter().position(|column| column == name);
            at.and_then(|at| self.summary.decode_bytes.get(at).copied()).unwrap_or(0)
        };
        let largest = columns.iter().map(pages).max().unwrap_or(0);
        let decoded: u64 = columns.iter().map(pages).sum();
        let rows = 8 * self.partition_rows() * columns.len() as u64;
        // Pages that are read before they are wanted, where reading takes so long that it is worth it.
        let is_read_ahead = self.summary.row_groups.is_some() && self.bytes > LEAST_AHEAD;
        let ahead = if is_read_ahead { READ_AHEAD_BYTES.min(rows) } else { 0 };
        let decoded = if reads_column_wise(decoded, largest, rows) { largest + rows } else { decoded };
        let batch = 8 * (streamreg_reader::DEFAULT_BATCH_ROWS * columns.len()) as u64;
        let block = 16 * (block_rows(variables) * variables) as u64;
        // Of text a thread has a chunk, and seldom the next one beside it.
        let partition = self.summary.partition_bytes;
        let partition = if self.summary.rows.is_none() { partition / 2 } else { partition };
        decoded + largest + ahead + partition + batch + block
    }
}

/// How the rows of a fit become numbers.
pub(super) enum Work {
    /// Sums, of so many states a thread; the number of those of clusters, a column, that are kept of a level.
    Sums { states: u64, cluster_numbers: u64 },
    /// The triangular factor of the rows.
    Factor,
    /// Pass by pass.
    Steps,
    /// All rows in memory if there is room for them, else pass by pass.
    Collected,
}

/// What a fit will take: `levels` are those of its categories, one by one, then those of its tables.
pub(super) fn of_fit(
    reading: &Reading,
    design: &Design,
    (work, absorbs): (&Work, bool),
    (categories, tables): (&[LevelEstimate], &[LevelEstimate]),
) -> u64 {
    let threads = reading.threads;
    let reads = threads * reading.thread(design.columns(), design.variables());
    let known: u64 = categories.iter().map(|category| level_bytes(reading, category)).sum();
    let coded = design.category_columns();
    let coded =
        || categories.iter().zip(&coded).filter(|(_, (_, coded))| *coded).map(|(category, _)| category);
    let reports: u64 = coded().map(|category| category.levels * (LEVEL_REPORT + heap(category))).sum();
    let largest = coded().map(|category| category.levels).filter(|&n| absorbs && n >= ABSORBED_FROM).max();
    let dummies = coded().map(|category| category.levels).sum::<u64>() - largest.unwrap_or(0);
    let columns = design.variables() as u64 + dummies;
    let sizes = design.table_sizes();
    let (during, kept, solving) = match work {
        Work::Sums { states, cluster_numbers } => {
            let precision = design.precision();
            let sums = if design.splits() { 0 } else { dense_bytes(reading, design, precision) };
            let exact = precision.is_exact(design.variables()).then_some(sizes.len() as u64 * states);
            let tables: u64 =
                sizes.iter().zip(tables).map(|(size, n)| table_bytes(reading, size, n.levels, exact)).sum();
            let clusters = categories.iter().zip(design.category_columns()).filter(|(_, (_, coded))| !coded);
            let scores: u64 =
                clusters.map(|(c, _)| (1 + threads) * c.levels * (8 * cluster_numbers + 32)).sum();
            let scores = if *cluster_numbers > 0 { scores } else { 0 };
            let beyond = precision.is_exact(design.variables()) && columns <= MAX_DOUBLE_DOUBLE as u64;
            let solving = if design.splits() { 0 } else { matrices(columns, if beyond { 16 } else { 8 }) };
            (states * (sums + tables), tables + scores, solving)
        }
        Work::Factor => ((2 * threads + 1) * 8 * columns * columns, 0, matrices(columns, 8)),
        Work::Steps => ((threads + 2) * sample_bytes(columns), 0, 3 * sample_bytes(columns)),
        Work::Collected => {
            let rows = CollectedRows::bytes(reading.rows, columns as usize).min(MAX_COLLECTED_BYTES);
            (
                (threads + 2) * sample_bytes(columns),
                0,
                (sample_bytes(columns) + rows).max(3 * sample_bytes(columns)),
            )
        }
    };
    PROCESS + known + (reads + during).max(kept + solving + reports)
}

/// What predictions will take, of which `outputs` columns are written: those of partitions wait for their turn.
pub(super) fn of_predictions(reading: &Reading, columns: &[String], variables: usize, outputs: u64) -> u64 {
    let reads = reading.threads * reading.thread(columns, variables);
    let waiting = (3 * reading.threads).min(reading.partitions) * reading.partition_rows();
    PROCESS + reads + 8 * outputs * waiting
}

/// Categories of so many levels are eliminated before the rest is solved.
const ABSORBED_FROM: u64 = 200;

/// Matrices of columns x columns while a fit is solved.
const MATRICES: u64 = 7;

fn matrices(columns: u64, number: u64) -> u64 {
    MATRICES * number * columns * columns
}

/// The sums of all rows: those of every thread, and where there are several partitions those that they are merged into, and one
/// that waits.
fn dense_bytes(reading: &Reading, design: &Design, precision: Precision) -> u64 {
    let own = state_bytes(design.variables(), precision);
    let more = if reading.partitions > 1 { own } else { 0 };
    reading.threads * own + more
}

/// Bytes of a level in a set, in both of its lists with their empty places; and in what a thread remembers.
const LEVEL: u64 = 80;
const LEVEL_OF_THREAD: u64 = 50;
/// A number that a thread remembers stands in a list.
const NUMBER_OF_THREAD: u64 = 8;
/// Levels that a thread remembers at most.
const MOST_REMEMBERED: u64 = 1 << 20;
/// The name of a level, its coefficient, and what is said of it.
const LEVEL_REPORT: u64 = 250;
/// The shortest texts stand where others have their place.
const PACKED: u64 = 15;

/// Bytes of the text of a level beside its place.
fn heap(category: &LevelEstimate) -> u64 {
    if category.text_bytes > 0 { (category.text_bytes + 16).max(32) } else { 0 }
}

/// What the levels of a category take in the set of all, and in every thread.
fn level_bytes(reading: &Reading, category: &LevelEstimate) -> u64 {
    let remembered = category.levels.min(MOST_REMEMBERED);
    let own = match category.text_bytes {
        0 => NUMBER_OF_THREAD,
        1..=PACKED => LEVEL_OF_THREAD,
        _ => LEVEL_OF_THREAD + heap(category),
    };
    category.levels * (LEVEL + 2 * heap(category)) + reading.threads * remembered * own
}

/// A table with a record for each of `levels`, and the rows that are not in a record yet. Of exact sums, which `exact` such
/// tables share the memory for, these have a bound; in float64 they are those of the partitions at work or waiting, which
/// keep rows as they are while these are smaller than their records.
fn table_bytes(reading: &Reading, size: &TableSize, levels: u64, exact: Option<u64>) -> u64 {
    let records = levels * size.record as u64;
    let waiting = match exact {
        Some(tables) => {
            let room = (WAITING_TABLE_BYTES / tables.max(1)).max(records / 4);
            // Rows of few keys do not wait.
            let (room, times) = if levels < TABLE_ROWS_AT_ONCE / 8 { (0, 1) } else { (room, 3) };
            let at_work = times * reading.threads * TABLE_ROWS_AT_ONCE;
            (reading.rows * size.row as u64).min(room + at_work * size.row as u64)
        }
        None => {
            let rows = reading.partition_rows();
            let met = levels as f64 * (1.0 - (-(rows as f64) / levels.max(1) as f64).exp());
            let part = (rows * size.row as u64).min(met as u64 * size.record as u64);
            part * (2 * reading.threads).min(reading.partitions.saturating_sub(1)).max(1)
        }
    };
    // Lists grow by halves; those of shards are made as long as they are to be.
    if exact.is_some() { records + waiting } else { records * 13 / 10 + waiting }
}

/// The sample that iterative fits begin with.
fn sample_bytes(columns: u64) -> u64 {
    ((8 * columns) << 16).min(32 << 20)
}
