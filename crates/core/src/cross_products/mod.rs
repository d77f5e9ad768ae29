//! Means and centred sums of products: the sufficient statistics of the normal equations.

mod kernel;

use crate::accumulate::Accumulator;
use crate::block::{Centred, DesignBlock, NotFinite};
use crate::moments::Moments;

/// Counts, means and centred cross-products of the variables, in float64.
///
/// Every block is centred near its own mean and merged by the update of Chan, Golub & LeVeque (1979,
/// "Updating formulae and a pairwise algorithm for computing sample variances"), so that a large mean
/// costs no digits. Merging is deterministic but, being floating-point, depends on the order.
#[derive(Debug)]
pub struct CrossProducts {
    moments: Moments,
    /// Lower triangle, column-major, `variables` x `variables`.
    products: Vec<f64>,
    work: Option<Box<Work>>,
}

/// Buffers of a thread that accumulates.
#[derive(Debug)]
struct Work {
    block: Centred,
    gram: Vec<f64>,
}

impl CrossProducts {
    /// The statistics of no rows of `variables` variables (the response included).
    pub fn new(variables: usize) -> Self {
        Self { moments: Moments::new(variables), products: vec![0.0; variables * variables], work: None }
    }

    /// Counts and means.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Weighted sum of `(x_i - mean_i) (x_j - mean_j)`.
    pub fn centred(&self, i: usize, j: usize) -> f64 {
        let (row, column) = if i >= j { (i, j) } else { (j, i) };
        self.products[column * self.moments.variables() + row]
    }

    /// Weighted sum of `x_i x_j`, as a model without an intercept needs it.
    pub fn uncentred(&self, i: usize, j: usize) -> f64 {
        let m = &self.moments;
        self.centred(i, j) + m.weight() * m.mean(i) * m.mean(j)
    }
}

impl Accumulator for CrossProducts {
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
        if work.block.load(rows).is_err() {
            self.work = Some(work);
            return Err(NotFinite);
        }
        kernel::gram(&work.block, rows.rows, m, &mut work.gram);
        let shift = self.moments.shift_to(&work.block.centre, &work.block.sums, weight);
        let factor = self.moments.merge_factor(weight);
        for j in 0..m {
            let offset = work.block.sums[j] / weight;
            let from = j * m;
            let target = &mut self.products[from + j..from + m];
            let block = &work.gram[from + j..from + m];
            let pull = factor * shift[j];
            for (i, (t, b)) in (j..m).zip(target.iter_mut().zip(block)) {
                *t += (b - work.block.sums[i] * offset) + shift[i] * pull;
            }
        }
        let Work { block, gram } = &mut *work;
        block.recentre(weight, |_, j| gram[j * m + j]);
        self.moments.absorb(rows.rows_used() as u64, weight, &shift);
        self.work = Some(work);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        let weight = other.moments.weight();
        if weight <= 0.0 {
            return;
        }
        let m = self.variables();
        let shift = self.moments.shift_between(&other.moments);
        let factor = self.moments.merge_factor(weight);
        for j in 0..m {
            let pull = factor * shift[j];
            for i in j..m {
                self.products[j * m + i] += other.products[j * m + i] + shift[i] * pull;
            }
        }
        self.moments.absorb(other.moments.rows(), weight, &shift);
    }

    fn finish(&mut self) {
        self.work = None;
    }
}

impl Work {
    fn new(variables: usize) -> Self {
        let rows = crate::design::block_rows(variables);
        Self { block: Centred::new(variables, rows), gram: vec![0.0; variables * variables] }
    }
}
