//! The hot loop: sums of products of planes of digits, in float64 that never rounds.

use pulp::{Simd, WithSimd};

use super::grid::STEPS;

/// Columns of cells, padded and aligned.
#[derive(Debug, Default)]
pub(super) struct Planes {
    cells: Vec<f64>,
    start: usize,
    stride: usize,
}

/// Columns are padded to a multiple of this, the widest vector in use.
pub(super) const LANES: usize = 8;

impl Planes {
    /// Room for so many columns of up to `rows` cells.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        // The odd number of cache lines keeps columns from falling into the same cache sets.
        let stride = rows.next_multiple_of(2 * LANES) + LANES;
        let cells = vec![0.0; stride * columns + LANES];
        let start = cells.as_ptr().align_offset(64).min(LANES);
        Self { cells, start, stride }
    }

    /// The first `rows` cells of a column.
    #[inline(always)]
    fn column(&self, column: usize, rows: usize) -> &[f64] {
        let from = self.start + column * self.stride;
        &self.cells[from..from + rows]
    }

    /// A cell.
    pub(super) fn cell_mut(&mut self, column: usize, row: usize) -> &mut f64 {
        &mut self.cells[self.start + column * self.stride + row]
    }

    /// The first `rows` cells of `N` columns `step` apart; those beyond `count` are empty.
    pub(super) fn columns_mut<const N: usize>(
        &mut self,
        first: usize,
        step: usize,
        count: usize,
        rows: usize,
    ) -> [&mut [f64]; N] {
        let (stride, distance) = (self.stride, step * self.stride);
        let from = (self.start + first * stride).min(self.cells.len());
        let mut rest = &mut self.cells[from..];
        std::array::from_fn(|k| {
            if k >= count {
                return &mut [] as &mut [f64];
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
    /// If given: where the ranks of the columns begin. Only pairs whose left rank is not below the right are
    /// needed; ranks ascend.
    pub(super) ranks: Option<(usize, usize)>,
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
    pub(super) sums: &'a mut [i64],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for job in 0..self.jobs.len() {
            if S::REGISTER_COUNT >= 32 {
                self.run::<S, 4>(simd, job);
            } else {
                self.run::<S, 3>(simd, job);
            }
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn run<S: Simd, const T: usize>(&mut self, simd: S, job: usize) {
        let job = &self.jobs[job];
        let (rows, columns) = (job.left.1, job.right.1);
        for j in (0..columns).step_by(T) {
            let width = T.min(columns - j);
            for i in (0..rows).step_by(T) {
                let height = T.min(rows - i);
                if self.needs(job, i + height - 1, j) {
                    self.sized::<S, T>(simd, job, (i, height), (j, width));
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
    fn sized<S: Simd, const T: usize>(&mut self, simd: S, job: &Job, i: (usize, usize), j: (usize, usize)) {
        match (i.1, j.1) {
            (4, 4) if T == 4 => self.tile::<S, 4, 4>(simd, job, i.0, j.0),
            (4, 3) if T == 4 => self.tile::<S, 4, 3>(simd, job, i.0, j.0),
            (4, 2) if T == 4 => self.tile::<S, 4, 2>(simd, job, i.0, j.0),
            (4, 1) if T == 4 => self.tile::<S, 4, 1>(simd, job, i.0, j.0),
            (3, 4) if T == 4 => self.tile::<S, 3, 4>(simd, job, i.0, j.0),
            (3, 3) => self.tile::<S, 3, 3>(simd, job, i.0, j.0),
            (3, 2) => self.tile::<S, 3, 2>(simd, job, i.0, j.0),
            (3, 1) => self.tile::<S, 3, 1>(simd, job, i.0, j.0),
            (2, 4) if T == 4 => self.tile::<S, 2, 4>(simd, job, i.0, j.0),
            (2, 3) => self.tile::<S, 2, 3>(simd, job, i.0, j.0),
            (2, 2) => self.tile::<S, 2, 2>(simd, job, i.0, j.0),
            (2, 1) => self.tile::<S, 2, 1>(simd, job, i.0, j.0),
            (1, 4) if T == 4 => self.tile::<S, 1, 4>(simd, job, i.0, j.0),
            (1, 3) => self.tile::<S, 1, 3>(simd, job, i.0, j.0),
            (1, 2) => self.tile::<S, 1, 2>(simd, job, i.0, j.0),
            _ => self.tile::<S, 1, 1>(simd, job, i.0, j.0),
        }
    }

    /// Adds the sums of products of `I` left columns with `J` right ones.
    #[inline(always)]
    fn tile<S: Simd, const I: usize, const J: usize>(&mut self, simd: S, job: &Job, i: usize, j: usize) {
        let a: [&[S::f64s]; I] =
            std::array::from_fn(|k| S::as_simd_f64s(self.left.column(job.left.0 + i + k, self.rows)).0);
        let b: [&[S::f64s]; J] =
            std::array::from_fn(|k| S::as_simd_f64s(self.right.column(job.right.0 + j + k, self.rows)).0);
        let steps = a[0].len();
        for from in (0..steps).step_by(STEPS) {
            let to = (from + STEPS).min(steps);
            let sums = lane_sums(simd, a.map(|c| &c[from..to]), b.map(|c| &c[from..to]));
            for (dj, sums) in sums.iter().enumerate() {
                let out = job.out + (j + dj) * job.left.1 + i;
                for (target, &sum) in self.sums[out..out + I].iter_mut().zip(sums) {
                    *target += integer::<S>(sum);
                }
            }
        }
    }
}

/// The sum of the lanes of a vector of integers.
#[inline(always)]
fn integer<S: Simd>(lanes: S::f64s) -> i64 {
    let lanes = [lanes];
    pulp::bytemuck::cast_slice::<S::f64s, f64>(&lanes).iter().map(|&lane| lane as i64).sum()
}

/// Lane sums of the products of `I` columns with `J` others; the first index is that of `b`.
#[inline(always)]
fn lane_sums<S: Simd, const I: usize, const J: usize>(
    simd: S,
    a: [&[S::f64s]; I],
    b: [&[S::f64s]; J],
) -> [[S::f64s; I]; J] {
    let mut sums = [[simd.splat_f64s(0.0); I]; J];
    let steps = a[0].len();
    // Equal lengths, said once, spare the bounds checks inside.
    let (a, b) = (a.map(|c| &c[..steps]), b.map(|c| &c[..steps]));
    for step in 0..steps {
        for j in 0..J {
            for i in 0..I {
                // Fused or not: nothing is rounded.
                sums[j][i] = simd.mul_add_e_f64s(a[i][step], b[j][step], sums[j][i]);
            }
        }
    }
    sums
}
