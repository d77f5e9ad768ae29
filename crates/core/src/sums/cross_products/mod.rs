//! Means and centred sums of products: the sufficient statistics of the normal equations.

mod kernel;

use serde::{Deserialize, Serialize};

use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock, block_rows};
use crate::sums::centred::{Centred, ScoreColumn};
use crate::sums::moments::Moments;

/// Counts, means and centred cross-products of the variables, in float64.
///
/// Every block is centred near its own mean and merged by the update of Chan, Golub & LeVeque (1979,
/// "Updating formulae and a pairwise algorithm for computing sample variances"), so that a large mean
/// costs no digits. Merging is deterministic but, being floating-point, depends on the order.
#[derive(Debug, Serialize, Deserialize)]
pub struct CrossProducts {
    moments: Moments,
    /// Lower triangle, column-major, `variables` x `variables`.
    products: Vec<f64>,
    #[serde(skip)]
    work: Option<Box<Work>>,
}

impl Clone for CrossProducts {
    fn clone(&self) -> Self {
        Self::from_parts(self.moments.clone(), self.products.clone())
    }
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

    /// Given moments and products, as they are kept.
    pub(crate) fn from_parts(moments: Moments, products: Vec<f64>) -> Self {
        Self { moments, products, work: None }
    }

    /// Whether both are of as many variables, and hold what they should.
    pub(crate) fn has_form_of(&self, other: &Self) -> bool {
        let m = other.variables();
        self.moments.has_variables(m) && self.products.len() == m * m
    }

    /// Those of some of the variables, in the given order.
    pub fn select(&self, variables: &[usize]) -> Self {
        let m = variables.len();
        let mut products = vec![0.0; m * m];
        for (j, &b) in variables.iter().enumerate() {
            for (i, &a) in variables.iter().enumerate().skip(j) {
                products[j * m + i] = self.centred(a, b);
            }
        }
        Self::from_parts(self.moments.select(variables), products)
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

    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        self.take_in(rows, |block| block.load(rows))
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        if other.variables() != self.variables() {
            return Err(BlockError::Shape);
        }
        let (own, weight) = (self.moments.weight(), other.moments.weight());
        if weight <= 0.0 {
            return Ok(());
        }
        if own <= 0.0 {
            *self = other;
            return Ok(());
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
        Ok(())
    }

    fn finish(&mut self) {
        self.work = None;
    }
}

impl CrossProducts {
    /// As [`Accumulator::update`] with a block of these columns: they are computed on the way. The block's own columns
    /// are not looked at; it has no weights.
    pub(crate) fn update_scores(
        &mut self,
        rows: &DesignBlock<'_>,
        scores: &[ScoreColumn<'_>],
    ) -> Result<(), BlockError> {
        self.take_in(rows, |block| block.load_scores(rows, scores))
    }

    /// Multiplies what `load` puts into the centred form of the rows, and merges it.
    fn take_in(
        &mut self,
        rows: &DesignBlock<'_>,
        load: impl FnOnce(&mut Centred) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let m = self.variables();
        let mut work = Work::with_room(self.work.take(), m, rows.rows);
        let loaded = load(&mut work.block).and_then(|()| work.multiply(rows));
        let done = loaded.map(|weight| self.absorb(&mut work, rows, weight));
        self.work = Some(work);
        done
    }

    /// Merges a block that was loaded and multiplied.
    fn absorb(&mut self, work: &mut Work, rows: &DesignBlock<'_>, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let Work { block, gram } = work;
        let m = self.moments.variables();
        let shift = self.moments.shift_to(&block.centre, &block.sums, weight);
        let factor = self.moments.merge_factor(weight);
        for j in 0..m {
            let offset = block.sums[j] / weight;
            let from = j * m;
            let target = &mut self.products[from + j..from + m];
            let own = &gram[from + j..from + m];
            let pull = factor * shift[j];
            for (i, (t, g)) in (j..m).zip(target.iter_mut().zip(own)) {
                *t += (g - block.sums[i] * offset) + shift[i] * pull;
            }
        }
        if self.moments.weight() > 0.0 {
            self.moments.absorb(rows.rows_used() as u64, weight, &shift);
        } else {
            self.moments.begin(rows.rows_used() as u64, weight, &block.centre, &block.sums);
        }
        block.recentre(weight, |_, j| gram[j * m + j]);
    }
}

impl Work {
    /// Buffers for blocks of `rows` rows at least: the ones at hand if they are large enough.
    fn with_room(at_hand: Option<Box<Self>>, variables: usize, rows: usize) -> Box<Self> {
        at_hand.filter(|work| work.block.has_room(rows)).unwrap_or_else(|| {
            let block = Centred::new(variables, rows.max(block_rows(variables)));
            Box::new(Self { block, gram: vec![0.0; variables * variables] })
        })
    }

    /// Multiplies the rows that were loaded; returns their weight.
    fn multiply(&mut self, rows: &DesignBlock<'_>) -> Result<f64, BlockError> {
        let Self { block, gram } = self;
        let m = block.centre.len();
        kernel::gram(block, rows.rows, m, gram);
        block.check_squares(rows.rows, |_, j| gram[j * m + j])?;
        Ok(rows.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::block::Column;

    /// Values that are not special, the same on every run.
    fn values(rows: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..rows).map(|_| 100.0 * seed as f64 + next()).collect()
    }

    fn check(rows: usize, variables: usize, weights: Option<&[f64]>) {
        let data: Vec<Vec<f64>> = (0..variables).map(|j| values(rows, j as u64 + 1)).collect();
        let columns: Vec<Column<'_>> = data.iter().map(|c| Column::from(c.as_slice())).collect();
        let block = DesignBlock { columns: &columns, codes: &[], sparse: None, weights, mask: None, rows };
        let mut products = CrossProducts::new(variables);
        products.update(&block).unwrap();
        let w = |row: usize| weights.map_or(1.0, |w| w[row]);
        let total: f64 = (0..rows).map(w).sum();
        let means: Vec<f64> =
            data.iter().map(|c| c.iter().enumerate().map(|(r, v)| w(r) * v).sum::<f64>() / total).collect();
        for i in 0..variables {
            assert!((products.moments().mean(i) / means[i] - 1.0).abs() < 1e-14);
            for j in 0..=i {
                let each = (0..rows).map(|r| w(r) * (data[i][r] - means[i]) * (data[j][r] - means[j]));
                let expected: f64 = each.sum();
                let found = products.centred(i, j);
                assert!((found - expected).abs() < 1e-11 * rows as f64, "{rows} {variables} {i} {j}");
            }
        }
    }

    #[test]
    fn every_shape_of_tile_is_right() {
        for variables in (1..=13).chain([255, 256, 257]) {
            for rows in [1, 2, 7, 8, 9, 17] {
                check(rows, variables, None);
            }
        }
        check(5_000, 3, None);
    }

    #[test]
    fn weights_count() {
        let weights: Vec<f64> = (0..50).map(|i| f64::from(i % 4)).collect();
        check(50, 5, Some(&weights));
    }

    #[test]
    fn a_low_part_counts() {
        let (high, low) = (vec![1e16, 1e16 + 2.0, 1e16 + 4.0], vec![0.25, 0.5, 0.125]);
        let columns = [Column { values: &high, low: Some(&low) }];
        let block =
            DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: 3 };
        let mut products = CrossProducts::new(1);
        products.update(&block).unwrap();
        let without = DesignBlock { columns: &[Column::from(high.as_slice())], ..block };
        let mut plain = CrossProducts::new(1);
        plain.update(&without).unwrap();
        let exact = [0.25, 2.5, 4.125];
        let mean: f64 = exact.iter().sum::<f64>() / 3.0;
        let squares: f64 = exact.iter().map(|v| (v - mean) * (v - mean)).sum();
        assert!((products.centred(0, 0) / squares - 1.0).abs() < 1e-15);
        assert_ne!(plain.centred(0, 0), products.centred(0, 0));
    }

    #[test]
    fn scores_have_the_bits_of_their_columns() {
        let rows = 1_003;
        let mask: Vec<bool> = (0..rows).map(|row| row % 7 != 0).collect();
        for mask in [None, Some(mask.as_slice())] {
            let (mut on_the_way, mut written) = (CrossProducts::new(2), CrossProducts::new(2));
            for seed in 1..4 {
                let (x, mut e) = (values(rows, seed), values(rows, seed + 10));
                (0..rows).filter(|&row| mask.is_some_and(|m| !m[row])).for_each(|row| e[row] = 0.0);
                let mean = (100.5, 1e-15);
                let product: Vec<f64> = x.iter().zip(&e).map(|(x, e)| ((x - mean.0) - mean.1) * e).collect();
                let columns = [e.as_slice(), product.as_slice()].map(Column::from);
                let block =
                    DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask, rows };
                let score = |values| ScoreColumn { values, mean, residuals: &e };
                on_the_way.update_scores(&block, &[score(None), score(Some(&x))]).unwrap();
                written.update(&block).unwrap();
            }
            assert_eq!(on_the_way.moments(), written.moments());
            assert_eq!(on_the_way.products, written.products);
        }
    }

    #[test]
    fn refused_blocks_change_nothing() {
        let good = values(20, 3);
        let mut products = CrossProducts::new(1);
        let block = |column: &[f64], weights: Option<&[f64]>, state: &mut CrossProducts| {
            let columns = [Column::from(column)];
            state.update(&DesignBlock {
                columns: &columns,
                codes: &[],
                sparse: None,
                weights,
                mask: None,
                rows: 20,
            })
        };
        block(&good, None, &mut products).unwrap();
        let before = (products.moments().clone(), products.centred(0, 0));
        for bad in [f64::NAN, 1e200, f64::INFINITY] {
            let mut column = good.clone();
            column[7] = bad;
            assert_eq!(block(&column, None, &mut products), Err(BlockError::Value { variable: 0 }), "{bad}");
        }
        let tiny: Vec<f64> = good.iter().map(|v| v * 1e-170).collect();
        assert_eq!(block(&tiny, None, &mut CrossProducts::new(1)), Err(BlockError::Value { variable: 0 }));
        let weights = [[1.0; 19].as_slice(), &[-1.0]].concat();
        assert_eq!(block(&good, Some(&weights), &mut products), Err(BlockError::Weight { row: 19 }));
        assert_eq!(block(&good[..5], None, &mut products), Err(BlockError::Shape));
        assert_eq!((products.moments().clone(), products.centred(0, 0)), before);
    }
}
