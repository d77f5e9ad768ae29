//! The triangular factor of the data itself: tall-skinny QR, block by block.

use faer::Mat;

use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock, block_rows};
use crate::sums::centred::Centred;
use crate::sums::moments::Moments;
use crate::sums::reflect::triangle;

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

    /// The factor of the first `kept` variables and one behind them.
    pub fn with_last(&self, kept: usize, last: usize) -> Self {
        let mut variables: Vec<usize> = (0..kept).collect();
        variables.push(last);
        let mut factor = Mat::zeros(kept + 1, kept + 1);
        for (j, &v) in variables.iter().enumerate() {
            for i in 0..=j.min(kept.saturating_sub(1)) {
                factor[(i, j)] = self.centred(i, v);
            }
        }
        // The rows below carry the last variable alone: a rotation makes one entry of them.
        factor[(kept, kept)] =
            (kept..=last).map(|i| self.centred(i, last)).fold(0.0, |norm: f64, x| norm.hypot(x));
        Self { moments: self.moments.select(&variables), factor, work: None }
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
        triangle(stack, rows);
        for j in 0..m {
            for i in 0..=j {
                self.factor[(i, j)] = if i + 1 < rows { stack[(i + 1, j + 1)] } else { 0.0 };
            }
        }
    }
}

impl Accumulator for TriangularFactor {
    fn variables(&self) -> usize {
        self.moments.variables()
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        let mut work = Work::with_room(self.work.take(), self.variables(), rows.rows);
        let done = work.load(rows).map(|weight| self.absorb(&mut work, rows, weight));
        self.work = Some(work);
        done
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        let m = self.variables();
        if other.variables() != m {
            return Err(BlockError::Shape);
        }
        let weight = other.moments.weight();
        if weight <= 0.0 {
            return Ok(());
        }
        if self.moments.weight() <= 0.0 {
            *self = other;
            return Ok(());
        }
        let centre: Vec<f64> = (0..m).map(|j| other.moments.mean(j)).collect();
        let mut stack = Mat::zeros(2 * (m + 1), m + 1);
        other.write_rows(&mut stack, 0, &centre);
        self.write_rows(&mut stack, m + 1, &centre);
        self.reduce(&mut stack, 2 * (m + 1));
        let shift = self.moments.shift_between(&other.moments);
        self.moments.absorb(other.moments.rows(), weight, &shift);
        Ok(())
    }

    fn finish(&mut self) {
        self.work = None;
    }
}

impl TriangularFactor {
    /// Stacks a block that was loaded on the state's own rows, and reduces both.
    fn absorb(&mut self, work: &mut Work, rows: &DesignBlock<'_>, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let Work { block, stack } = work;
        let m = self.moments.variables();
        let own = if self.moments.weight() > 0.0 { m + 1 } else { 0 };
        stack.as_mut().fill(0.0);
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
        let used = rows.rows_used() as u64;
        if own > 0 {
            let shift = self.moments.shift_to(&block.centre, &block.sums, weight);
            self.moments.absorb(used, weight, &shift);
        } else {
            self.moments.begin(used, weight, &block.centre, &block.sums);
        }
        block.recentre(weight, |block, j| squares(block, j, rows.rows));
    }
}

/// Sum of the squares of a variable's centred cells.
fn squares(block: &Centred, variable: usize, rows: usize) -> f64 {
    block.column(variable, rows).iter().map(|d| d * d).sum()
}

impl Work {
    /// Buffers for blocks of `rows` rows at least: the ones at hand if they are large enough.
    fn with_room(at_hand: Option<Box<Self>>, variables: usize, rows: usize) -> Box<Self> {
        at_hand.filter(|work| work.block.has_room(rows)).unwrap_or_else(|| {
            let rows = rows.max(block_rows(variables));
            let stack = Mat::zeros(variables + 1 + rows, variables + 1);
            Box::new(Self { block: Centred::new(variables, rows), stack })
        })
    }

    /// Centres a block; returns its weight.
    fn load(&mut self, rows: &DesignBlock<'_>) -> Result<f64, BlockError> {
        self.block.load(rows)?;
        self.block.check_squares(rows.rows, |block, j| squares(block, j, rows.rows))?;
        Ok(rows.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::block::Column;
    use crate::sums::cross_products::CrossProducts;

    /// `R'R` must be the cross-products, however the rows came in.
    #[test]
    fn the_factor_squares_to_the_cross_products() {
        let x: Vec<f64> = (0..3_000u32).map(|i| f64::from(i * i % 101) + 1e6).collect();
        let y: Vec<f64> = (0..3_000u32).map(|i| f64::from(i * 7 % 53) - f64::from(i % 11)).collect();
        let weights: Vec<f64> = (0..3_000u32).map(|i| f64::from(i % 3)).collect();
        let feed = |from: usize, to: usize, state: &mut dyn FnMut(&DesignBlock<'_>)| {
            let columns = [Column::from(&x[from..to]), Column::from(&y[from..to])];
            state(&DesignBlock {
                columns: &columns,
                codes: &[],
                sparse: None,
                weights: Some(&weights[from..to]),
                mask: None,
                rows: to - from,
            });
        };
        let mut whole = CrossProducts::new(2);
        feed(0, 3_000, &mut |b| whole.update(b).unwrap());
        let mut parts = TriangularFactor::new(2);
        for (from, to) in [(0, 1), (1, 1_000), (1_000, 3_000)] {
            let mut part = TriangularFactor::new(2);
            feed(from, to, &mut |b| part.update(b).unwrap());
            parts.merge(part).unwrap();
        }
        parts.merge(TriangularFactor::new(2)).unwrap();
        assert_eq!(parts.moments().rows(), whole.moments().rows());
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
            let square: f64 = (0..2).map(|k| parts.centred(k, i) * parts.centred(k, j)).sum();
            let expected = whole.centred(i, j);
            assert!((square - expected).abs() <= 1e-12 * whole.centred(i, i).max(expected.abs()), "{i} {j}");
        }
        assert!((parts.moments().mean(0) / whole.moments().mean(0) - 1.0).abs() < 1e-15);
        assert_eq!(parts.merge(TriangularFactor::new(3)), Err(BlockError::Shape));
    }

    /// The largest distance of an entry of `R'R` from that of the centred columns, in units of 2^-53 of
    /// their norms.
    fn distance(columns: &[Vec<f64>], factor: &TriangularFactor) -> f64 {
        use faer::fx128;
        let n = fx128::from_f64(columns[0].len() as f64);
        let wide = |x: &f64| fx128::from_f64(*x);
        let centred = |column: &Vec<f64>| -> Vec<fx128> {
            let mean = column.iter().map(wide).fold(fx128::ZERO, fx128::add_accurate) / n;
            column.iter().map(|x| wide(x).sub_accurate(mean)).collect()
        };
        let dot = |a: &mut dyn Iterator<Item = (fx128, fx128)>| -> fx128 {
            a.fold(fx128::ZERO, |sum, (a, b)| sum.add_accurate(a * b))
        };
        let exact: Vec<Vec<fx128>> = columns.iter().map(centred).collect();
        let gram = |i: usize, j: usize| dot(&mut exact[i].iter().copied().zip(exact[j].iter().copied()));
        let mut largest: f64 = 0.0;
        for i in 0..columns.len() {
            for j in 0..=i {
                let entry = |k: usize| (wide(&factor.centred(k, i)), wide(&factor.centred(k, j)));
                let square = dot(&mut (0..=j).map(entry));
                let error = square.sub_accurate(gram(i, j)).0.abs();
                largest = largest.max(error / (gram(i, i) * gram(j, j)).sqrt().0);
            }
        }
        largest * 2f64.powi(53)
    }

    /// Every column is reflected, however little is left of it: no more is lost than by rounding.
    #[test]
    fn columns_that_nearly_depend_on_others_cost_no_digits() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        for rows in [7, 40, 1_024] {
            for exponent in 0..16 {
                let share = 10f64.powi(-exponent);
                let mut columns: Vec<Vec<f64>> =
                    (0..6).map(|_| (0..rows).map(|_| uniform()).collect()).collect();
                // Of the third one little is left beside the first two, and the last has much in common with that.
                for row in 0..rows {
                    let own = columns[2][row];
                    columns[2][row] = columns[0][row] - 0.5 * columns[1][row] + share * own;
                    columns[5][row] += own;
                }
                let slices: Vec<Column<'_>> = columns.iter().map(|c| Column::from(c.as_slice())).collect();
                let mut factor = TriangularFactor::new(6);
                let block = DesignBlock {
                    columns: &slices,
                    codes: &[],
                    sparse: None,
                    weights: None,
                    mask: None,
                    rows,
                };
                factor.update(&block).unwrap();
                let distance = distance(&columns, &factor);
                assert!(distance <= 40.0, "{rows} rows, {share:e}: {distance} units");
            }
        }
    }
}
