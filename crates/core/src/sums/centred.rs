//! A block's centred form: what the kernels multiply.

use pulp::Arch;

use crate::rows::block::{BlockError, Column, DesignBlock};

/// The rows of a block, centred and weighted, column-major with padded columns.
///
/// A cell is `sqrt(w) (x - c)`, where the centre `c` of each variable is a short number near its mean:
/// the mean of the block before (of this one, at the start), rounded to an eighth of the standard
/// deviation or finer. Subtracting such a number is exact but for the last bits of extreme values, and
/// what it lacks to the mean stays in the sums, so that nothing is lost. (Chan, Golub & LeVeque, 1983,
/// "Algorithms for computing the sample variance", the corrected two-pass form.)
#[derive(Debug)]
pub(crate) struct Centred {
    /// Cells: column `j` begins at `start + j * stride`.
    cells: Vec<f64>,
    start: usize,
    stride: usize,
    columns: usize,
    roots: Vec<f64>,
    /// `c`, one a variable.
    pub(crate) centre: Vec<f64>,
    /// Weighted sums of `x - c`, one a variable.
    pub(crate) sums: Vec<f64>,
    has_centre: bool,
}

/// Rows are padded to a multiple of this, the widest vector in use.
const LANES: usize = 8;

/// A column of scores, `((x - mean) - low) e`, that is computed while it is centred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreColumn<'a> {
    /// `x`; the constant where there is none.
    pub(crate) values: Option<&'a [f64]>,
    /// The mean as a number and what it lacks.
    pub(crate) mean: (f64, f64),
    /// `e`, 0 in masked rows.
    pub(crate) residuals: &'a [f64],
}

impl Centred {
    /// Room for blocks of up to `rows` rows of `columns` variables.
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        // The odd number of cache lines keeps columns from falling into the same cache sets.
        let stride = rows.next_multiple_of(LANES) + LANES;
        let cells = vec![0.0; stride * columns + LANES];
        let start = cells.as_ptr().align_offset(64).min(LANES);
        Self {
            cells,
            start,
            stride,
            columns,
            roots: Vec::new(),
            centre: vec![0.0; columns],
            sums: vec![0.0; columns],
            has_centre: false,
        }
    }

    /// Column `j`: the first `rows` cells rounded up to the lanes.
    pub(crate) fn column(&self, j: usize, rows: usize) -> &[f64] {
        let from = self.start + j * self.stride;
        &self.cells[from..from + rows.next_multiple_of(LANES)]
    }

    /// The cells from the first column on, with the distance between columns.
    pub(crate) fn cells(&self) -> (&[f64], usize) {
        (&self.cells[self.start..], self.stride)
    }

    /// `sqrt(w)` of each row, 0 for masked ones: the centred form of the constant. Empty if all are 1.
    pub(crate) fn roots(&self) -> &[f64] {
        &self.roots
    }

    /// Takes in a block of at most the rows there is room for.
    ///
    /// The sums tell for free whether a value is NaN or infinite, so nobody has to look beforehand.
    ///
    /// # Errors
    /// [`BlockError`]; the block must then be dropped.
    pub(crate) fn load(&mut self, block: &DesignBlock<'_>) -> Result<(), BlockError> {
        block.check(self.columns)?;
        // One row can outweigh all that came before: the mean of the last block says little then.
        if !self.has_centre || block.weights.is_some() {
            for (centre, column) in self.centre.iter_mut().zip(block.columns) {
                *centre = own_centre(column.values, block);
            }
        }
        self.load_roots(block);
        let padded = block.rows.next_multiple_of(LANES);
        for (j, column) in block.columns.iter().enumerate().take(self.columns) {
            let from = self.start + j * self.stride;
            let cells = &mut self.cells[from..from + padded];
            cells[block.rows..].fill(0.0);
            let cells = &mut cells[..block.rows];
            let c = self.centre[j];
            self.sums[j] = match (column.low, block.weights, block.mask) {
                (None, None, None) => centre_plain(column.values, c, cells),
                (None, None, Some(mask)) => centre_masked(column.values, mask, c, cells),
                _ => centre_weighted(column, c, &self.roots, cells),
            };
            if !self.sums[j].is_finite() {
                return Err(BlockError::Value { variable: j });
            }
        }
        self.has_centre = true;
        Ok(())
    }

    /// Takes in scores of the rows of a block without weights; its columns are not looked at. The same bits as those of a
    /// block of these columns.
    ///
    /// # Errors
    /// As [`Centred::load`].
    pub(crate) fn load_scores(
        &mut self,
        block: &DesignBlock<'_>,
        scores: &[ScoreColumn<'_>],
    ) -> Result<(), BlockError> {
        let fits = |column: &ScoreColumn<'_>| {
            column.residuals.len() == block.rows && column.values.is_none_or(|x| x.len() == block.rows)
        };
        if scores.len() != self.columns || block.weights.is_some() || !scores.iter().all(fits) {
            return Err(BlockError::Shape);
        }
        self.load_roots(block);
        let padded = block.rows.next_multiple_of(LANES);
        for (j, column) in scores.iter().enumerate() {
            let from = self.start + j * self.stride;
            let cells = &mut self.cells[from..from + padded];
            cells[block.rows..].fill(0.0);
            let cells = &mut cells[..block.rows];
            if !self.has_centre {
                centre_scores(column, 0.0, None, cells);
                self.centre[j] = own_centre(cells, block);
            }
            self.sums[j] = centre_scores(column, self.centre[j], block.mask, cells);
            if !self.sums[j].is_finite() {
                return Err(BlockError::Value { variable: j });
            }
        }
        self.has_centre = true;
        Ok(())
    }

    fn load_roots(&mut self, block: &DesignBlock<'_>) {
        self.roots.clear();
        if block.weights.is_some() || block.mask.is_some() {
            self.roots.extend((0..block.rows).map(|row| {
                let used = block.mask.is_none_or(|m| m[row]);
                if used { block.weights.map_or(1.0, |w| w[row].sqrt()) } else { 0.0 }
            }));
        }
    }

    /// Checks that sums of squares say something: finite, and zero only where all cells are.
    ///
    /// # Errors
    /// [`BlockError::Value`].
    pub(crate) fn check_squares(
        &self,
        rows: usize,
        squares: impl Fn(&Self, usize) -> f64,
    ) -> Result<(), BlockError> {
        // Squares below this have lost digits, or all of themselves, to underflow.
        const SMALLEST: f64 = 1e-280;
        for variable in 0..self.columns {
            let sum = squares(self, variable);
            let lost = sum < SMALLEST && self.column(variable, rows).iter().any(|&d| d != 0.0);
            if lost || !sum.is_finite() {
                return Err(BlockError::Value { variable });
            }
        }
        Ok(())
    }

    /// Whether a block of `rows` rows fits.
    pub(crate) fn has_room(&self, rows: usize) -> bool {
        rows.next_multiple_of(LANES) + LANES <= self.stride
    }

    /// Chooses the centres for the next block from this one's means and variances; `squares` gives the
    /// sum of squared cells of a variable.
    pub(crate) fn recentre(&mut self, weight: f64, squares: impl Fn(&Self, usize) -> f64) {
        for j in 0..self.columns {
            let offset = self.sums[j] / weight;
            let variance = (squares(self, j) - self.sums[j] * offset).max(0.0) / weight;
            self.centre[j] = short_centre(self.centre[j] + offset, variance, self.centre[j]);
        }
    }
}

/// Lanes of partial sums: independent additions that the compiler can vectorise.
const SUMS: usize = 32;

/// The usual case: `cells = values - c`; returns their sum.
fn centre_plain(values: &[f64], c: f64, cells: &mut [f64]) -> f64 {
    // The dispatch compiles the loop for the widest vectors that the processor has.
    Arch::new().dispatch(
        #[inline(always)]
        || centre_lanes(values, values, |x, _| x - c, cells),
    )
}

/// `cells = scores - c`, 0 in masked rows; returns their sum.
fn centre_scores(column: &ScoreColumn<'_>, c: f64, mask: Option<&[bool]>, cells: &mut [f64]) -> f64 {
    let &ScoreColumn { values, mean: (mean, low), residuals } = column;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let sum = match values {
                Some(values) => centre_lanes(values, residuals, |x, e| ((x - mean) - low) * e - c, cells),
                None => centre_lanes(residuals, residuals, |e, _| e - c, cells),
            };
            let Some(mask) = mask else { return sum };
            for (cell, used) in cells.iter_mut().zip(mask) {
                // A masked cell may be NaN, so it is chosen away, not multiplied away.
                *cell = if *used { *cell } else { 0.0 };
            }
            lane_sum(cells)
        },
    )
}

/// `cells` are what `of` makes of two columns; returns their sum.
#[inline(always)]
fn centre_lanes(a: &[f64], b: &[f64], of: impl Fn(f64, f64) -> f64, cells: &mut [f64]) -> f64 {
    let mut sums = [0.0; SUMS];
    let (chunks, tail) = a.as_chunks::<SUMS>();
    let (others, tail_other) = b.as_chunks::<SUMS>();
    let (outs, tail_out) = cells.as_chunks_mut::<SUMS>();
    for ((x, y), out) in chunks.iter().zip(others).zip(outs) {
        for lane in 0..SUMS {
            let d = of(x[lane], y[lane]);
            out[lane] = d;
            sums[lane] += d;
        }
    }
    let mut sum = tree_sum(sums);
    for ((x, y), out) in tail.iter().zip(tail_other).zip(tail_out) {
        *out = of(*x, *y);
        sum += *out;
    }
    sum
}

/// The sum of all lanes, added pairwise: short chains, and vectors as long as they last.
#[inline(always)]
fn tree_sum(mut lanes: [f64; SUMS]) -> f64 {
    let mut width = SUMS / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The usual case with missing values: masked cells are 0.
fn centre_masked(values: &[f64], mask: &[bool], c: f64, cells: &mut [f64]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((out, x), used) in cells.iter_mut().zip(values).zip(mask) {
                // A masked cell may be NaN, so it is chosen away, not multiplied away.
                *out = if *used { x - c } else { 0.0 };
            }
            lane_sum(cells)
        },
    )
}

/// The sum of all values, in lanes.
#[inline(always)]
fn lane_sum(values: &[f64]) -> f64 {
    let mut sums = [0.0; SUMS];
    let (chunks, tail) = values.as_chunks::<SUMS>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    tree_sum(sums) + tail.iter().sum::<f64>()
}

/// The general case: low parts, weights, a mask. `roots` may be empty for all ones.
fn centre_weighted(column: &Column<'_>, c: f64, roots: &[f64], cells: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for (row, out) in cells.iter_mut().enumerate() {
        let root = roots.get(row).copied().unwrap_or(1.0);
        let d = (column.values[row] - c) + column.low.map_or(0.0, |low| low[row]);
        // A masked cell may be NaN, so it is chosen away, not multiplied away.
        let d = if root == 0.0 { 0.0 } else { d * root };
        *out = d;
        sum += root * d;
    }
    sum
}

/// A centre for a block from its own mean, in two passes, made short.
fn own_centre(values: &[f64], block: &DesignBlock<'_>) -> f64 {
    let weight = |row: usize| block.weights.map_or(1.0, |w| w[row]);
    let used = || block.used().map(|row| (weight(row), values[row]));
    let Some((_, first)) = used().next() else { return 0.0 };
    let (total, sum) = used().fold((0.0, 0.0), |(n, s), (w, v)| (n + w, s + w * (v - first)));
    let mean = first + sum / total;
    let squares: f64 = used().map(|(w, v)| w * (v - mean) * (v - mean)).sum();
    let constant = used().all(|(_, v)| v == first);
    short_centre(mean, if constant { 0.0 } else { squares / total }, first)
}

/// `mean` rounded to a multiple of a power of two between 1/16 and 1/8 of the standard deviation;
/// `fallback` where there is no spread (a constant column is its own centre) or the numbers overflow.
fn short_centre(mean: f64, variance: f64, fallback: f64) -> f64 {
    let spread = variance.sqrt();
    if !(spread > f64::MIN_POSITIVE && spread.is_finite() && mean.is_finite()) {
        return fallback;
    }
    let power_of_two = f64::from_bits(spread.to_bits() & 0x7ff0_0000_0000_0000);
    let unit = power_of_two / 8.0;
    let centre = (mean / unit).round() * unit;
    if centre.is_finite() { centre } else { fallback }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::block::Column;

    #[test]
    fn centring_keeps_every_bit() {
        let values: Vec<f64> = (0..100).map(|i| 1e9 + f64::from(i * i % 37) * 0.125).collect();
        let columns = [Column::from(values.as_slice())];
        let block =
            DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: 100 };
        let mut centred = Centred::new(1, 128);
        centred.load(&block).unwrap();
        for (cell, value) in centred.column(0, 100).iter().zip(&values) {
            assert_eq!(cell + centred.centre[0], *value);
        }
        assert_eq!(&centred.column(0, 100)[100..], &[0.0; 4]);
    }

    #[test]
    fn non_finite_values_are_noticed() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in [0, 40, 99] {
                let mut values = vec![1.0; 100];
                values[at] = bad;
                let columns = [Column::from(values.as_slice())];
                let block = DesignBlock {
                    columns: &columns,
                    codes: &[],
                    sparse: None,
                    weights: None,
                    mask: None,
                    rows: 100,
                };
                assert_eq!(
                    Centred::new(1, 128).load(&block),
                    Err(BlockError::Value { variable: 0 }),
                    "{bad} at {at}"
                );
            }
        }
    }

    #[test]
    fn masked_rows_vanish_whatever_they_hold() {
        let values = [1.0, f64::NAN, 3.0];
        let columns = [Column::from(values.as_slice())];
        let block = DesignBlock {
            columns: &columns,
            codes: &[],
            sparse: None,
            weights: None,
            mask: Some(&[true, false, true]),
            rows: 3,
        };
        let mut centred = Centred::new(1, 8);
        centred.load(&block).unwrap();
        assert_eq!(centred.column(0, 3)[1], 0.0);
        assert_eq!(centred.sums[0], 4.0 - 2.0 * centred.centre[0]);
        assert_eq!((block.rows_used(), block.weight()), (2, 2.0));
    }
}
