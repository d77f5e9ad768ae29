//! The first pass: where the columns lie, how far they spread, and a sample of the rows.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::design::Design;
use crate::design::layout::Coding;
use crate::iterative::keys::Keys;
use crate::levels::{Level, LevelSet};
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, Column, DesignBlock, SparseEntries};

/// Most rows of the sample.
const SAMPLE_ROWS: usize = 1 << 16;

/// Most bytes of the sample.
const SAMPLE_BYTES: usize = 32 << 20;

/// Means, mean absolute deviations and a sample.
///
/// The sample are the rows with the smallest keys, hashes of their numbers: which rows these are depends on neither
/// threads nor the layout of the files (bottom-k sampling; Cohen & Kaplan 2007). Deviations are absolute ones,
/// because no finite data overflow them.
#[derive(Clone, Debug)]
pub struct ColumnSummaries {
    rows: u64,
    weight: f64,
    means: Vec<f64>,
    /// Mean absolute deviations from the means of blocks and, in merging, from each other.
    spreads: Vec<f64>,
    /// Whether levels have hashes instead of numbers.
    hashed: bool,
    /// For every category, which numbers of levels occur in rows that are used.
    seen: Vec<Vec<bool>>,
    /// The largest absolute value of every column of the sparse ones, and the weighted sum of their squares.
    largest: Vec<f64>,
    squares: Vec<f64>,
    sample: BinaryHeap<Sampled>,
    /// What its rows take.
    bytes: usize,
    /// Keys from which on no row can come into the sample of all.
    below: u32,
    /// The smallest of these of all parts of the rows: no part needs to collect what another has no room for.
    shared: Arc<AtomicU32>,
    held_out: u32,
    keys: Keys,
}

/// A row of the sample, ordered by its key.
#[derive(Clone, Debug)]
struct Sampled {
    key: u32,
    weight: f64,
    values: Box<[f64]>,
    codes: Box<[u32]>,
    indices: Box<[u32]>,
    entries: Box<[f64]>,
}

impl Sampled {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + 8 * (self.values.len() + self.entries.len())
            + 4 * (self.codes.len() + self.indices.len())
    }
}

impl Ord for Sampled {
    fn cmp(&self, other: &Self) -> Ordering {
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        // Rows with one key are told apart by what they hold, so that their order decides nothing.
        self.key.cmp(&other.key).then_with(|| {
            (bits(&self.values), &self.codes, &self.indices, bits(&self.entries)).cmp(&(
                bits(&other.values),
                &other.codes,
                &other.indices,
                bits(&other.entries),
            ))
        })
    }
}

impl PartialOrd for Sampled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sampled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sampled {}

impl ColumnSummaries {
    /// Summaries of no rows of `design`. Rows with a key below `held_out` are not in the sample. `expected` is the number
    /// of rows, where it is known: then no thread collects many more rows than the whole sample needs.
    pub fn new(design: &Design, held_out: u32, expected: Option<u64>) -> Self {
        let variables = design.variables();
        let share = expected.map_or(1.0, |rows| 1.5 * SAMPLE_ROWS as f64 / rows.max(1) as f64);
        let room = (share * 2f64.powi(32)).min(f64::from(u32::MAX)) as u32;
        let below = held_out.saturating_add(room);
        Self {
            rows: 0,
            weight: 0.0,
            means: vec![0.0; variables],
            spreads: vec![0.0; variables],
            seen: vec![Vec::new(); design.categories.len()],
            hashed: design.spec.hash_bits.is_some(),
            largest: Vec::new(),
            squares: Vec::new(),
            sample: BinaryHeap::new(),
            bytes: 0,
            below,
            shared: Arc::new(AtomicU32::new(below)),
            held_out,
            keys: Keys::default(),
        }
    }

    /// Summaries of other rows of the same data, which will be merged with these: all together collect few rows more than the
    /// sample needs. Only of summaries without rows.
    pub fn beside(&self) -> Self {
        self.clone()
    }

    /// Rows that take part, those held out among them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The sum of their weights.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The weighted mean of a variable.
    pub fn mean(&self, variable: usize) -> f64 {
        self.means[variable]
    }

    /// About the mean absolute deviation of a variable from its mean.
    pub fn spread(&self, variable: usize) -> f64 {
        self.spreads[variable]
    }

    /// The largest absolute value of every column of the sparse ones.
    pub fn largest(&self) -> &[f64] {
        &self.largest
    }

    /// The mean squares of the columns of the sparse ones; not finite where squares are beyond float64's range.
    pub fn mean_squares(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|sum| sum / self.weight)
    }

    /// The levels of the categories that occur, sorted.
    pub fn coding(&self, sets: &[std::sync::Arc<LevelSet>]) -> Coding {
        let levels = self.seen.iter().zip(sets).map(|(seen, set)| {
            let all = set.levels();
            let mut own: Vec<Level> =
                all.into_iter().zip(seen).filter(|(_, seen)| **seen).map(|(l, _)| l).collect();
            own.sort_by(|a, b| set.compare(a, b));
            own
        });
        Coding { levels: levels.collect(), ..Coding::default() }
    }

    /// Number of rows in the sample.
    pub fn sampled(&self) -> usize {
        self.sample.len()
    }

    /// Whether the sample is much smaller than it should be, because far fewer rows were used than expected.
    pub fn is_thin(&self) -> bool {
        let learnt = self.rows as f64 * (1.0 - f64::from(self.held_out) / 2f64.powi(32));
        2.0 * (self.sampled() as f64) < learnt.min(SAMPLE_ROWS as f64) && 2 * self.bytes < SAMPLE_BYTES
    }

    /// Hands the sample to `take`, as one block whose level numbers are positions among the levels of `coding`.
    pub(super) fn with_sample(
        &self,
        coding: &Coding,
        sets: &[std::sync::Arc<LevelSet>],
        take: impl FnOnce(&DesignBlock<'_>),
    ) {
        let mut rows: Vec<&Sampled> = self.sample.iter().collect();
        rows.sort();
        let column = |v: usize| rows.iter().map(|row| row.values[v]).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..self.means.len()).map(column).collect();
        let ranks: Vec<Vec<u32>> = (sets.iter().zip(&coding.levels))
            .map(|(set, sorted)| {
                let rank = |level: &Level| {
                    sorted.binary_search_by(|other| set.compare(other, level)).unwrap_or(0) as u32
                };
                set.levels().iter().map(rank).collect()
            })
            .collect();
        let code = |c: usize| {
            let translate = |code: u32| if self.hashed { code } else { ranks[c][code as usize] };
            rows.iter().map(|row| translate(row.codes[c])).collect::<Vec<u32>>()
        };
        let codes: Vec<Vec<u32>> = (0..self.seen.len()).map(code).collect();
        let weights: Vec<f64> = rows.iter().map(|row| row.weight).collect();
        let columns: Vec<Column<'_>> = columns.iter().map(|c| Column::from(c.as_slice())).collect();
        let codes: Vec<&[u32]> = codes.iter().map(Vec::as_slice).collect();
        let mut offsets = vec![0];
        let (mut indices, mut entries) = (Vec::new(), Vec::new());
        for row in &rows {
            indices.extend_from_slice(&row.indices);
            entries.extend_from_slice(&row.entries);
            offsets.push(indices.len() as u32);
        }
        let sparse = SparseEntries { offsets: &offsets, indices: &indices, values: &entries };
        let (weights, rows) = (Some(weights.as_slice()), rows.len());
        take(&DesignBlock {
            columns: &columns,
            codes: &codes,
            sparse: Some(sparse),
            weights,
            mask: None,
            rows,
        })
    }

    /// Puts a row into the sample. Where that is full, the row with the largest key goes, and with it all of this key: so
    /// the sample are the rows below some key, whatever the order in which they came.
    fn offer(&mut self, row: Sampled) {
        if row.key >= self.below {
            return;
        }
        self.bytes += row.bytes();
        self.sample.push(row);
        while self.sample.len() > SAMPLE_ROWS || self.bytes > SAMPLE_BYTES {
            self.below = self.sample.peek().map_or(0, |largest| largest.key);
            self.remove_above();
            self.shared.fetch_min(self.below, Relaxed);
        }
    }

    /// Removes the rows whose keys are too large for the sample.
    fn remove_above(&mut self) {
        while self.sample.peek().is_some_and(|largest| largest.key >= self.below) {
            self.bytes -= self.sample.pop().map_or(0, |gone| gone.bytes());
        }
    }

    fn sample_rows(&mut self, block: &DesignBlock<'_>) {
        let Some(keys) = self.keys.peek(block.rows) else { return };
        self.below = self.below.min(self.shared.load(Relaxed));
        let wanted = |key: u32| key >= self.held_out && key < self.below;
        let rows: Vec<(usize, u32)> =
            block.used().map(|row| (row, keys[row])).filter(|(_, key)| wanted(*key)).collect();
        for (row, key) in rows {
            self.offer(Sampled {
                key,
                weight: block.weights.map_or(1.0, |w| w[row]),
                values: block.columns.iter().map(|c| c.values[row]).collect(),
                codes: block.codes.iter().map(|c| c[row]).collect(),
                indices: block.sparse.map(|sparse| sparse.row(row).0.into()).unwrap_or_default(),
                entries: block.sparse.map(|sparse| sparse.row(row).1.into()).unwrap_or_default(),
            });
        }
    }

    /// Takes in rows of a given weight, mean and deviation of one variable.
    fn join(&mut self, variable: usize, share: f64, mean: f64, spread: f64) {
        let own = 1.0 - share;
        let step = mean - self.means[variable];
        self.means[variable] += share * step;
        let spreads = own * self.spreads[variable] + share * spread;
        self.spreads[variable] = spreads + 2.0 * own * share * step.abs();
    }
}

/// The weighted mean of the used rows, and their mean absolute deviation from it; neither overflows.
fn mean_and_spread(values: &[f64], block: &DesignBlock<'_>, weight: f64) -> (f64, f64) {
    let share = 1.0 / weight;
    if block.mask.is_none() && block.weights.is_none() {
        return pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let mean = lane_sum(values, |x| x * share);
                (mean, lane_sum(values, |x| (x - mean).abs() * share))
            },
        );
    }
    let shares = || block.used().map(|row| (values[row], block.weights.map_or(1.0, |w| w[row]) * share));
    let mean: f64 = shares().map(|(x, share)| x * share).sum();
    (mean, shares().map(|(x, share)| (x - mean).abs() * share).sum())
}

/// Lanes of a sum: the same on every processor.
const LANES: usize = 16;

/// The sum of what `term` makes of every value.
#[inline(always)]
fn lane_sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|x| term(*x)).sum();
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += term(chunk[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

impl Accumulator for ColumnSummaries {
    fn variables(&self) -> usize {
        self.means.len()
    }

    fn assign(&mut self, keys: &[u32]) {
        self.keys.assign(keys);
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> Result<(), BlockError> {
        block.check(self.variables())?;
        block.check_finite()?;
        let weight = block.weight();
        if weight > 0.0 {
            self.rows += block.rows_used() as u64;
            self.weight += weight;
            let share = weight / self.weight;
            for (v, column) in block.columns.iter().enumerate() {
                let (mean, spread) = mean_and_spread(column.values, block, weight);
                self.join(v, share, mean, spread);
            }
            for (codes, seen) in block.codes.iter().zip(&mut self.seen).filter(|_| !self.hashed) {
                for row in block.used() {
                    let code = codes[row] as usize;
                    if seen.len() <= code {
                        seen.resize(code + 1, false);
                    }
                    seen[code] = true;
                }
            }
            if let Some(sparse) = block.sparse {
                for row in block.used() {
                    let (indices, values) = sparse.row(row);
                    for (&index, value) in indices.iter().zip(values) {
                        let index = index as usize;
                        if self.largest.len() <= index {
                            self.largest.resize(index + 1, 0.0);
                            self.squares.resize(index + 1, 0.0);
                        }
                        self.squares[index] += block.weights.map_or(1.0, |w| w[row]) * value * value;
                        self.largest[index] = self.largest[index].max(value.abs());
                    }
                }
            }
            self.sample_rows(block);
        }
        self.keys.advance(block.rows);
        Ok(())
    }

    fn merge(&mut self, mut other: Self) -> Result<(), BlockError> {
        if other.variables() != self.variables() || other.seen.len() != self.seen.len() {
            return Err(BlockError::Shape);
        }
        self.rows += other.rows;
        self.weight += other.weight;
        if other.weight > 0.0 {
            let share = other.weight / self.weight;
            for v in 0..self.means.len() {
                self.join(v, share, other.means[v], other.spreads[v]);
            }
        }
        for (own, theirs) in self.seen.iter_mut().zip(&other.seen) {
            own.resize(own.len().max(theirs.len()), false);
            own.iter_mut().zip(theirs).for_each(|(own, theirs)| *own |= theirs);
        }
        self.largest.resize(self.largest.len().max(other.largest.len()), 0.0);
        self.largest.iter_mut().zip(&other.largest).for_each(|(own, theirs)| *own = own.max(*theirs));
        self.squares.resize(self.largest.len(), 0.0);
        self.squares.iter_mut().zip(&other.squares).for_each(|(own, theirs)| *own += theirs);
        self.below = self.below.min(other.below);
        if self.sample.len() < other.sample.len() {
            std::mem::swap(&mut self.sample, &mut other.sample);
            std::mem::swap(&mut self.bytes, &mut other.bytes);
        }
        self.remove_above();
        other.sample.into_iter().for_each(|row| self.offer(row));
        Ok(())
    }

    fn finish(&mut self) {
        self.keys = Keys::default();
    }
}
