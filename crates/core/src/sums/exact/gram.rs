//! The hot loop: sums of products of planes of digits, in integers that never overflow.

use std::cell::RefCell;

use pulp::Simd;

use super::grid::sum_of_lanes;
use super::lanes::{Lane, Lanes, TOP};

/// Columns of digits, padded and aligned; the lower halves of the cells count.
///
/// Nothing in them outlives a block, so all engines of a thread share their memory: those of many folds would leave the
/// cache otherwise.
#[derive(Debug, Default)]
pub(super) struct Planes {
    /// Empty while no block is at hand.
    cells: Vec<u64>,
    length: usize,
    start: usize,
    stride: usize,
}

thread_local! {
    /// Memory for planes that is not in use, with whatever it held.
    static FREE: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// Products that a lane adds up before it is looked at, at least. The largest are 2^60 each, of which 63 bits hold so many
/// beside a rest of 32 bits.
const RUN: usize = 7;

/// Runs of products of up to so much that a lane holds.
pub(super) fn period(largest: u64) -> usize {
    let room = (1u64 << 63) - (1 << 32);
    ((room / largest.max(1)) as usize / RUN).max(1)
}

/// Columns are padded to a multiple of this, the widest vector in use.
pub(super) const LANES: usize = 8;

impl Planes {
    /// Room for so many columns of up to `rows` cells.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        // The odd number of cache lines keeps columns from falling into the same cache sets.
        let stride = rows.next_multiple_of(2 * LANES) + LANES;
        Self { cells: Vec::new(), length: stride * columns + LANES, start: 0, stride }
    }

    /// Gets memory for a block, if there is none.
    pub(super) fn take(&mut self) {
        if self.cells.is_empty() {
            self.cells = FREE.with_borrow_mut(|free| free.pop().unwrap_or_default());
            self.cells.resize(self.length.max(self.cells.len()), 0);
            self.start = self.cells.as_ptr().align_offset(64).min(LANES);
        }
    }

    /// Gives the memory back.
    pub(super) fn give(&mut self) {
        if !self.cells.is_empty() {
            let cells = std::mem::take(&mut self.cells);
            FREE.with_borrow_mut(|free| free.push(cells));
        }
    }

    /// The first `rows` cells of a column.
    #[inline(always)]
    fn column(&self, column: usize, rows: usize) -> &[u64] {
        let from = self.start + column * self.stride;
        &self.cells[from..from + rows]
    }

    /// A cell.
    pub(super) fn cell_mut(&mut self, column: usize, row: usize) -> &mut u64 {
        &mut self.cells[self.start + column * self.stride + row]
    }

    /// The first `rows` cells of `N` columns `step` apart; those beyond `count` are empty.
    pub(super) fn columns_mut<const N: usize>(
        &mut self,
        first: usize,
        step: usize,
        count: usize,
        rows: usize,
    ) -> [&mut [u64]; N] {
        let (stride, distance) = (self.stride, step * self.stride);
        let from = (self.start + first * stride).min(self.cells.len());
        let mut rest = &mut self.cells[from..];
        std::array::from_fn(|k| {
            if k >= count {
                return &mut [] as &mut [u64];
            }
            let (column, after) = std::mem::take(&mut rest).split_at_mut(rows);
            let skip = (distance - rows).min(after.len());
            rest = &mut after[skip..];
            column
        })
    }
}

/// Sums of products of every column of one plane with every column of another.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// First column and number of columns on either side.
    pub(super) left: (usize, usize),
    pub(super) right: (usize, usize),
    /// Where the sums go, column-major with as many rows as there are left columns.
    pub(super) out: usize,
    /// Runs of [`RUN`] products that a lane adds up before its upper half is put aside.
    pub(super) period: usize,
    /// If given: where the ranks of the columns begin. Only pairs whose left rank is not below the right are
    /// needed; ranks ascend.
    pub(super) ranks: Option<(usize, usize)>,
    /// Whether both sides are the same columns, so that tiles on the diagonal are needed by half.
    pub(super) symmetric: bool,
}

/// A sum of products: `2^32 high + low`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    high: i64,
    low: i64,
}

impl Sum {
    /// Its value.
    pub(super) fn value(self) -> i128 {
        (i128::from(self.high) << 32) + i128::from(self.low)
    }
}

/// Runs jobs on a block of rows.
pub(super) struct Products<'a> {
    pub(super) left: &'a Planes,
    pub(super) right: &'a Planes,
    pub(super) left_ranks: &'a [usize],
    pub(super) right_ranks: &'a [usize],
    pub(super) jobs: &'a [Job],
    /// A multiple of [`LANES`].
    pub(super) rows: usize,
    pub(super) sums: &'a mut [Sum],
}

impl Products<'_> {
    /// Runs them with the vectors of `lanes`.
    #[inline(always)]
    pub(super) fn run<L: Lanes>(mut self, lanes: L) {
        for job in 0..self.jobs.len() {
            match L::TILE {
                4 => self.job::<L, 4>(lanes, job),
                3 => self.job::<L, 3>(lanes, job),
                _ => self.job::<L, 2>(lanes, job),
            }
        }
    }

    #[inline(always)]
    fn job<L: Lanes, const T: usize>(&mut self, lanes: L, job: usize) {
        let job = &self.jobs[job];
        let (rows, columns) = (job.left.1, job.right.1);
        // Two tiles side by side share the left columns while these are in the nearest cache.
        for first in (0..columns).step_by(2 * T) {
            for i in (0..rows).step_by(T) {
                let height = T.min(rows - i);
                for j in (first..columns.min(first + 2 * T)).step_by(T) {
                    let width = T.min(columns - j);
                    if job.symmetric && i == j {
                        self.diagonal::<L, T>(lanes, job, i, height);
                    } else if self.needs(job, i + height - 1, j) {
                        self.sized::<L, T>(lanes, job, (i, height), (j, width));
                    }
                }
            }
        }
    }

    /// Whether any pair of a tile is needed, of which the last left and the first right column are given.
    #[inline(always)]
    fn needs(&self, job: &Job, left: usize, right: usize) -> bool {
        job.ranks.is_none_or(|(l, r)| self.left_ranks[l + left] >= self.right_ranks[r + right])
    }

    /// The tile of the size that is left; a guard keeps large ones out of code that has no registers for them.
    #[inline(always)]
    fn sized<L: Lanes, const T: usize>(&mut self, lanes: L, job: &Job, i: (usize, usize), j: (usize, usize)) {
        match (i.1, j.1) {
            (4, 4) if T == 4 => self.tile::<L, 4, 4, false>(lanes, job, i.0, j.0),
            (4, 3) if T == 4 => self.tile::<L, 4, 3, false>(lanes, job, i.0, j.0),
            (4, 2) if T == 4 => self.tile::<L, 4, 2, false>(lanes, job, i.0, j.0),
            (4, 1) if T == 4 => self.tile::<L, 4, 1, false>(lanes, job, i.0, j.0),
            (3, 4) if T == 4 => self.tile::<L, 3, 4, false>(lanes, job, i.0, j.0),
            (3, 3) if T >= 3 => self.tile::<L, 3, 3, false>(lanes, job, i.0, j.0),
            (3, 2) if T >= 3 => self.tile::<L, 3, 2, false>(lanes, job, i.0, j.0),
            (3, 1) if T >= 3 => self.tile::<L, 3, 1, false>(lanes, job, i.0, j.0),
            (2, 4) if T == 4 => self.tile::<L, 2, 4, false>(lanes, job, i.0, j.0),
            (2, 3) if T >= 3 => self.tile::<L, 2, 3, false>(lanes, job, i.0, j.0),
            (2, 2) => self.tile::<L, 2, 2, false>(lanes, job, i.0, j.0),
            (2, 1) => self.tile::<L, 2, 1, false>(lanes, job, i.0, j.0),
            (1, 4) if T == 4 => self.tile::<L, 1, 4, false>(lanes, job, i.0, j.0),
            (1, 3) if T >= 3 => self.tile::<L, 1, 3, false>(lanes, job, i.0, j.0),
            (1, 2) => self.tile::<L, 1, 2, false>(lanes, job, i.0, j.0),
            _ => self.tile::<L, 1, 1, false>(lanes, job, i.0, j.0),
        }
    }

    /// The tile on the diagonal that begins with a column, of the size that is left.
    #[inline(always)]
    fn diagonal<L: Lanes, const T: usize>(&mut self, lanes: L, job: &Job, at: usize, size: usize) {
        match size {
            4 if T == 4 => self.tile::<L, 4, 4, true>(lanes, job, at, at),
            3 if T >= 3 => self.tile::<L, 3, 3, true>(lanes, job, at, at),
            2 => self.tile::<L, 2, 2, true>(lanes, job, at, at),
            _ => self.tile::<L, 1, 1, true>(lanes, job, at, at),
        }
    }

    /// Adds the sums of products of `I` left columns with `J` right ones; of one on the diagonal those whose left column is
    /// not before the right.
    #[inline(always)]
    fn tile<L: Lanes, const I: usize, const J: usize, const DIAGONAL: bool>(
        &mut self,
        lanes: L,
        job: &Job,
        i: usize,
        j: usize,
    ) {
        let a: [&[Lane<L>]; I] = std::array::from_fn(|k| {
            L::Vectors::as_simd_u64s(self.left.column(job.left.0 + i + k, self.rows)).0
        });
        let b: [&[Lane<L>]; J] = std::array::from_fn(|k| {
            L::Vectors::as_simd_u64s(self.right.column(job.right.0 + j + k, self.rows)).0
        });
        if L::SHORT {
            let mut sums = [[lanes.vectors().splat_u64s(0); I]; J];
            add_products::<_, _, I, J, DIAGONAL>(lanes, a, b, &mut sums);
            return self.add_totals::<L, I, J, DIAGONAL>(job, (i, j), &sums);
        }
        let simd = lanes.vectors();
        let mut sums = [[simd.splat_u64s(TOP); I]; J];
        let mut highs = [[simd.splat_u64s(0); I]; J];
        let (a, b) = (a.map(|c| c.as_chunks::<RUN>()), b.map(|c| c.as_chunks::<RUN>()));
        let runs = a[0].0.len() + usize::from(!a[0].1.is_empty());
        for from in (0..runs).step_by(job.period) {
            let to = (from + job.period).min(a[0].0.len());
            let (a0, b0) = (a.map(|c| &c.0[from..to]), b.map(|c| &c.0[from..to]));
            for run in 0..to - from {
                add_products::<_, _, I, J, DIAGONAL>(
                    lanes,
                    a0.map(|c| &c[run]),
                    b0.map(|c| &c[run]),
                    &mut sums,
                );
            }
            if to < from + job.period {
                add_products::<_, _, I, J, DIAGONAL>(lanes, a.map(|c| c.1), b.map(|c| c.1), &mut sums);
            }
            for j in 0..J {
                for i in if DIAGONAL { j } else { 0 }..I {
                    let (high, rest) = lanes.split(sums[j][i]);
                    highs[j][i] = simd.add_u64s(highs[j][i], high);
                    sums[j][i] = rest;
                }
            }
        }
        // Every upper half that was put aside had the top bit on it.
        let tops = (runs.div_ceil(job.period) * size_of::<Lane<L>>() / 8) as i64 * (TOP >> 32) as i64;
        for dj in 0..J {
            let out = job.out + (j + dj) * job.left.1 + i;
            for (di, target) in
                self.sums[out..out + I].iter_mut().enumerate().skip(if DIAGONAL { dj } else { 0 })
            {
                target.high += sum_of_lanes::<L::Vectors>(highs[dj][di]) as i64 - tops;
                target.low +=
                    sum_of_lanes::<L::Vectors>(simd.xor_u64s(sums[dj][di], simd.splat_u64s(TOP))) as i64;
            }
        }
    }

    /// Adds the lanes of a tile of short digits, which hold the products of a block.
    #[inline(always)]
    fn add_totals<L: Lanes, const I: usize, const J: usize, const DIAGONAL: bool>(
        &mut self,
        job: &Job,
        (i, j): (usize, usize),
        sums: &[[Lane<L>; I]; J],
    ) {
        for dj in 0..J {
            let out = job.out + (j + dj) * job.left.1 + i;
            let targets = self.sums[out..out + I].iter_mut().enumerate();
            for (di, target) in targets.skip(if DIAGONAL { dj } else { 0 }) {
                let total = sum_of_lanes::<L::Vectors>(sums[dj][di]);
                target.high += (total >> 32) as i64;
                target.low += i64::from(total as u32);
            }
        }
    }
}

/// Adds the products of `I` columns with `J` others to lanes; their first index is that of `b`.
#[inline(always)]
fn add_products<L: Lanes, A: AsRef<[Lane<L>]>, const I: usize, const J: usize, const DIAGONAL: bool>(
    lanes: L,
    a: [A; I],
    b: [A; J],
    sums: &mut [[Lane<L>; I]; J],
) {
    let (a, b) = (a.each_ref().map(A::as_ref), b.each_ref().map(A::as_ref));
    let steps = a[0].len();
    // Equal lengths, said once, spare the bounds checks inside.
    let (a, b) = (a.map(|c| &c[..steps]), b.map(|c| &c[..steps]));
    for step in 0..steps {
        for j in 0..J {
            for i in if DIAGONAL { j } else { 0 }..I {
                sums[j][i] = lanes.add_product(a[i][step], b[j][step], sums[j][i]);
            }
        }
    }
}
