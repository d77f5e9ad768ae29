//! The triangular factor of the data itself: tall-skinny QR, block by block.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::prelude::ReborrowMut;
use faer::{Mat, Par};

use crate::accumulate::Accumulator;
use crate::block::{Centred, DesignBlock, NotFinite};
use crate::moments::Moments;

/// Counts, means and the factor `R` of the centred data, `R'R` = the centred cross-products.
///
/// `R` comes from Householder reflections of the rows, never from products of columns, so that its
/// condition number is that of the data and not its square. Blocks and states are merged by stacking
/// their factors (Demmel, Grigori, Hoemmen & Langou 2012, "Communication-optimal parallel and sequential
/// QR and LU factorizations"). The constant is carried as the first column: a state about the centre `c`
/// stands for the rows `[sqrt(W), sqrt(W) (mean - c)']` and `[0, R]`, and the first row of a merged
/// factor yields the merged mean.
#[derive(Debug)]
pub struct TriangularFactor {
    moments: Moments,
    /// Upper triangle, `variables` x `variables`.
    factor: Mat<f64>,
    work: Option<Box<Work>>,
}

/// Buffers of a thread that accumulates.
#[derive(Debug)]
struct Work {
    block: Centred,
    stack: Mat<f64>,
}

impl TriangularFactor {
    /// The factor of no rows of `variables` variables (the response included).
    pub fn new(variables: usize) -> Self {
        Self { moments: Moments::new(variables), factor: Mat::zeros(variables, variables), work: None }
    }

    /// Counts and means.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Entry of the upper triangular factor of the centred, weighted rows.
    pub fn centred(&self, i: usize, j: usize) -> f64 {
        if i <= j { self.factor[(i, j)] } else { 0.0 }
    }

    /// Writes the state's own rows, about the centre `c`, from row `at` of `stack` on.
    fn write_rows(&self, stack: &mut Mat<f64>, at: usize, c: &[f64]) {
        let m = self.moments.variables();
        let root = self.moments.weight().sqrt();
        stack[(at, 0)] = root;
        for j in 0..m {
            let offset = (self.moments.mean(j) - c[j]) + self.moments.mean_low(j);
            stack[(at, 1 + j)] = root * offset;
            for i in 0..=j {
                stack[(at + 1 + i, 1 + j)] = self.factor[(i, j)];
            }
        }
    }

    /// Reduces the first `rows` rows of `stack` and keeps the factor.
    fn reduce(&mut self, stack: &mut Mat<f64>, rows: usize) {
        let m = self.moments.variables();
        let mut tall = stack.as_mut().submatrix_mut(0, 0, rows, m + 1);
        let block = recommended_block_size::<f64>(rows, m + 1);
        let mut reflectors = Mat::zeros(block, rows.min(m + 1));
        let scratch = qr_in_place_scratch::<f64>(rows, m + 1, block, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        qr_in_place(
            tall.rb_mut(),
            reflectors.as_mut(),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        );
        for j in 0..m {
            for i in 0..=j {
                self.factor[(i, j)] = if i + 1 < rows { tall[(i + 1, j + 1)] } else { 0.0 };
            }
        }
    }
}

impl Accumulator for TriangularFactor {
    fn variables(&self) -> usize {
        self.moments.variables()
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), NotFinite> {
        let weight = rows.weight();
        if weight <= 0.0 {
            return Ok(());
        }
        let m = self.variables();
        let mut work = self.work.take().unwrap_or_else(|| Box::new(Work::new(m)));
        let Work { block, stack } = &mut *work;
        if block.load(rows).is_err() {
            self.work = Some(work);
            return Err(NotFinite);
        }
        stack.as_mut().fill(0.0);
        let own = if self.moments.rows() == 0 { 0 } else { m + 1 };
        if own > 0 {
            self.write_rows(stack, 0, &block.centre);
        }
        for row in 0..rows.rows {
            stack[(own + row, 0)] = block.roots().get(row).copied().unwrap_or(1.0);
        }
        for j in 0..m {
            let target = stack.as_mut().col_mut(1 + j).subrows_mut(own, rows.rows);
            for (cell, value) in target.iter_mut().zip(block.column(j, rows.rows)) {
                *cell = *value;
            }
        }
        self.reduce(stack, own + rows.rows);
        let shift = self.moments.shift_to(&block.centre, &block.sums, weight);
        self.moments.absorb(rows.rows_used() as u64, weight, &shift);
        block.recentre(weight, |b, j| b.column(j, rows.rows).iter().map(|d| d * d).sum());
        self.work = Some(work);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        let weight = other.moments.weight();
        if weight <= 0.0 {
            return;
        }
        let m = self.variables();
        let centre: Vec<f64> = (0..m).map(|j| other.moments.mean(j)).collect();
        let mut stack = Mat::zeros(2 * (m + 1), m + 1);
        other.write_rows(&mut stack, 0, &centre);
        let own = if self.moments.rows() == 0 { 0 } else { m + 1 };
        if own > 0 {
            self.write_rows(&mut stack, m + 1, &centre);
        }
        self.reduce(&mut stack, m + 1 + own);
        let shift = self.moments.shift_between(&other.moments);
        self.moments.absorb(other.moments.rows(), weight, &shift);
    }

    fn finish(&mut self) {
        self.work = None;
    }
}

impl Work {
    fn new(variables: usize) -> Self {
        let rows = crate::design::block_rows(variables);
        let stack = Mat::zeros(variables + 1 + rows, variables + 1);
        Self { block: Centred::new(variables, rows), stack }
    }
}
