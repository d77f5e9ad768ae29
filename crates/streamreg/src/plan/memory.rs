//! The memory that a request will take, told beforehand.
//!
//! What is counted is what the system counts as resident at the peak. Parts that depend on columns, threads and pages are known;
//! what a level costs was measured, and holds within half as much again.

use serde::Serialize;
use streamreg_core::iterative::CollectedRows;
use streamreg_core::{Design, Precision, TABLE_ROWS_AT_ONCE, TableSize, WAITING_TABLE_BYTES, block_rows};
use streamreg_reader::parquet::reads_column_wise;
use streamreg_reader::{READ_AHEAD_BYTES, Source, Summary, memory_taken};
use streamreg_solve::Vcov;

use super::limits::{MAX_COLLECTED_BYTES, MAX_DOUBLE_DOUBLE, rest_bytes, state_bytes};
use super::{Plan, Route};
use crate::error::{Error, Result};
use crate::pass::{Execution, SourceRows};
use crate::render::number;
use crate::request::regression::Regression;

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
pub(crate) struct Reading {
    /// Threads that find work.
    pub(crate) threads: u64,
    pub(crate) partitions: u64,
    /// Rows in all, about.
    pub(crate) rows: u64,
    /// Bytes of the files.
    bytes: u64,
    summary: Summary,
    columns: Vec<String>,
}

impl Reading {
    pub(crate) fn new(source: &dyn Source, threads: u64) -> Self {
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

    /// The same with fewer threads.
    fn with_threads(&self, threads: u64) -> Self {
        Self { threads, summary: self.summary.clone(), columns: self.columns.clone(), ..*self }
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

/// Levels of some columns together, as some of the rows tell of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LevelEstimate {
    /// The columns.
    pub columns: Vec<String>,
    /// How many levels they have, or combinations of levels, about; where most are rare, there may be more.
    pub levels: u64,
    /// Bytes of a level as text, on average.
    pub text_bytes: u64,
}

/// What a fit will be, as far as memory is concerned.
pub(crate) struct FitMemory {
    reading: Reading,
    /// The design, and that of a second reading with exact sums.
    designs: Vec<Design>,
    work: Work,
    absorbs: bool,
}

impl FitMemory {
    /// A fit to `source`, which has computed columns and no filtered rows; it is checked as it would be before it starts.
    pub(crate) fn of(source: &dyn Source, fit: &Regression, threads: u64) -> Result<Self> {
        let rows = &SourceRows(source);
        let by = !fit.spec(source.schema())?.0.by.is_empty();
        let (plan, route) = if by {
            (Plan::of_groups(fit, rows, Some(source))?, None)
        } else {
            let (plan, route) = Plan::new(fit, rows, Some(source))?;
            (plan, Some(route))
        };
        let (spec, _) = plan.spec(&[])?;
        let design = Design::new(&spec, source.schema())?.with_precision(plan.precision);
        let sums = |states: usize, cluster_numbers: usize| Work::Sums {
            states: states as u64,
            cluster_numbers: cluster_numbers as u64,
        };
        let exactly = plan.exactly().filter(|_| matches!(route, Some(Route::Direct { .. })));
        let mut absorbs = true;
        let work = match route {
            None => sums(1, 0),
            Some(Route::Penalized { asked, .. }) => sums(1 + asked.cv.as_ref().map_or(0, |cv| cv.folds), 0),
            Some(Route::Iterative { .. }) => Work::Steps,
            Some(Route::Loss { .. }) => Work::Collected,
            Some(Route::Direct { at_once: true, .. }) => Work::Factor,
            Some(Route::Direct { inferred, folds, .. }) => {
                absorbs = !inferred.needs_columns(&spec);
                let width = design.variables();
                let blocks = if inferred.vcov == Vcov::Cr3 { width * (width + 1) / 2 } else { 0 };
                let states = 1 + folds.and(fit.cross_validation.as_ref()).map_or(0, |cv| cv.folds);
                sums(states, if inferred.needs_bread() { width + blocks } else { 0 })
            }
        };
        let exact = exactly.map(|exactly| design.clone().with_precision(exactly.precision));
        let designs = [design].into_iter().chain(exact).collect();
        Ok(Self { reading: Reading::new(source, threads), designs, work, absorbs })
    }

    /// The columns whose levels decide how much it is: of categories, one by one, then of tables.
    pub(crate) fn keys(&self) -> Vec<Vec<String>> {
        let design = &self.designs[0];
        let own = design.category_columns().into_iter().map(|(name, _)| vec![name.to_owned()]);
        own.chain(design.table_sizes().into_iter().map(|size| size.key)).collect()
    }

    /// Rows in all, about.
    pub(crate) fn rows(&self) -> u64 {
        self.reading.rows
    }

    /// Bytes that it takes; `levels` are those of [`FitMemory::keys`].
    pub(crate) fn bytes(&self, levels: &[LevelEstimate]) -> u64 {
        self.bytes_of(&self.reading, levels)
    }

    fn bytes_of(&self, reading: &Reading, levels: &[LevelEstimate]) -> u64 {
        let of = |design: &Design| {
            let levels = levels.split_at(design.category_columns().len());
            of_fit(reading, design, (&self.work, self.absorbs), levels)
        };
        self.designs.iter().map(of).max().unwrap_or(0)
    }

    /// Bytes that it takes with so many threads, before there is any level.
    pub(crate) fn least_bytes(&self, threads: u64) -> u64 {
        let none = vec![LevelEstimate::default(); self.keys().len()];
        self.bytes_of(&self.reading.with_threads(threads.min(self.reading.threads)), &none)
    }
}

/// What part of the memory rows may take that wait for their sums by level.
const TABLE_SHARE: u64 = 16;

/// The threads, at most `threads`, with which `bytes` stay within a limit.
///
/// # Errors
/// When they do not with one.
pub(crate) fn threads_within(limit: u64, threads: usize, bytes: impl Fn(u64) -> u64) -> Result<usize> {
    // What is predicted grows with the threads.
    let within = (1..=threads).rev().find(|&threads| bytes(threads as u64) <= limit);
    within.ok_or_else(|| {
        let (least, limit) = (number::at_least(bytes(1)), number::bytes(limit));
        Error::memory(format!(
            "this takes about {least} with one thread, more than the memory limit of {limit}: a limit of {least} would do \
             (--memory-limit, or `Execution::memory_limit`), or fewer columns"
        ))
    })
}

impl Execution {
    /// The same within its memory limit, with fewer threads where these would take more: `bytes` tells what so many take.
    ///
    /// # Errors
    /// When one thread would take more.
    pub(crate) fn within(&self, bytes: impl Fn(u64) -> u64) -> Result<Self> {
        let mut execution = self.clone();
        if let Some(limit) = self.memory_limit {
            execution.threads = Some(threads_within(limit, self.resolved_threads()?, bytes)?);
        }
        Ok(execution)
    }

    /// A design whose rows wait for their sums as far as its memory limit allows: they are added up all at once.
    pub(crate) fn bounded(&self, design: Design) -> Design {
        match self.memory_limit {
            Some(limit) => design.with_table_room((limit / TABLE_SHARE) as usize),
            None => design,
        }
    }

    /// The same for a fit of `source`, which has computed columns and no filtered rows.
    ///
    /// # Errors
    /// When it would take more with one thread.
    pub(crate) fn within_fit(&self, source: &dyn Source, fit: &Regression) -> Result<Self> {
        if self.memory_limit.is_none() {
            return Ok(self.clone());
        }
        let memory = FitMemory::of(source, fit, self.resolved_threads()? as u64)?;
        self.within(|threads| memory.least_bytes(threads))
    }

    /// The same for sums of a design: those of all rows, or of so many folds and of all rows, beside those of a state.
    ///
    /// # Errors
    /// As [`Execution::within_fit`].
    pub(crate) fn within_sums(&self, source: &dyn Source, design: &Design, folds: usize) -> Result<Self> {
        let reading = Reading::new(source, self.resolved_threads()? as u64);
        let states = if folds > 1 { 1 + folds as u64 } else { 1 };
        let work = Work::Sums { states, cluster_numbers: 0 };
        let memory = FitMemory { reading, designs: vec![design.clone()], work, absorbs: true };
        let held =
            if folds > 1 { folds as u64 * rest_bytes(design.variables(), design.precision()) } else { 0 };
        self.within(|threads| memory.least_bytes(threads) + held)
    }

    /// The same for predictions from `columns`, of which `outputs` columns are written.
    ///
    /// # Errors
    /// As [`Execution::within_fit`].
    pub(crate) fn within_predictions(
        &self,
        source: &dyn Source,
        (columns, variables): (&[String], usize),
        outputs: usize,
    ) -> Result<Self> {
        let reading = Reading::new(source, self.resolved_threads()? as u64);
        // Many models may take more than all the rest.
        let models = memory_taken().map_or(0, |taken| taken.private.saturating_sub(PROCESS));
        self.within(|threads| {
            let reading = reading.with_threads(threads.min(reading.threads));
            models + of_predictions(&reading, columns, variables, outputs as u64)
        })
    }
}

/// Checks that matrices of columns x columns fit into the memory limit, beside what the process holds.
///
/// # Errors
/// When they do not.
pub(crate) fn check_solving(columns: usize, limit: Option<u64>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let number = if columns <= MAX_DOUBLE_DOUBLE { 16 } else { 8 };
    let held = memory_taken().map_or(0, |taken| taken.private);
    let wanted = matrices(columns as u64, number);
    if held.saturating_add(wanted) <= limit {
        return Ok(());
    }
    let [wanted, held, limit] = [wanted, held, limit].map(number::bytes);
    Err(Error::memory(format!(
        "to solve for {columns} columns takes about {wanted} beside {held} that are held, more than the memory limit of {limit}: \
         a higher limit (--memory-limit, or `Execution::memory_limit`), or fewer columns or levels"
    )))
}

/// How the rows of a fit become numbers.
pub(crate) enum Work {
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
pub(crate) fn of_fit(
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
            // Of one state that is little beside the rest.
            let rest = if *states > 1 { rest_bytes(design.variables(), precision) } else { 0 };
            (states * (sums + tables + rest), tables + scores, solving)
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
pub(crate) fn of_predictions(reading: &Reading, columns: &[String], variables: usize, outputs: u64) -> u64 {
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
