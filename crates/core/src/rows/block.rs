//! Blocks of rows in the layout that accumulators take. Plain slices, so that any engine can feed them.

use pulp::{Arch, Simd, WithSimd};

/// Rows of a logical block: a function of the number of variables alone, because it decides the bits of
/// every float64 sum. Blocks stay in the second-level cache for few variables; for many, a blocked matrix
/// product wants longer ones.
pub fn block_rows(variables: usize) -> usize {
    match variables {
        0..256 => 1_024,
        256..16_384 => 2_048,
        // Too wide for cross-products: what counts is memory.
        _ => ((1 << 24) / variables).max(8),
    }
}

/// One variable in a block of rows.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// The values, one a row.
    pub values: &'a [f64],
    /// What the values lack to the exact term, one a row: the term is `values + low`. For terms that are
    /// computed (powers, products) and whose rounding would otherwise be lost.
    pub low: Option<&'a [f64]>,
}

impl<'a> From<&'a [f64]> for Column<'a> {
    fn from(values: &'a [f64]) -> Self {
        Self { values, low: None }
    }
}

/// The entries of sparse rows: those of row `i` of a block stand at `offsets[i]..offsets[i + 1]`.
#[derive(Clone, Copy, Debug)]
pub struct SparseEntries<'a> {
    /// One more than there are rows.
    pub offsets: &'a [u32],
    /// Features, counted from 0 on.
    pub indices: &'a [u32],
    /// Their values.
    pub values: &'a [f64],
}

impl<'a> SparseEntries<'a> {
    /// The features of a row, and their values.
    pub fn row(&self, row: usize) -> (&'a [u32], &'a [f64]) {
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        (&self.indices[entries.clone()], &self.values[entries])
    }
}

/// A block of rows of the design: column-major, the response as the last variable.
///
/// All slices have [`DesignBlock::rows`] elements.
#[derive(Clone, Copy, Debug)]
pub struct DesignBlock<'a> {
    /// The variables: features in order, then the responses.
    pub columns: &'a [Column<'a>],
    /// The level numbers of the categories, one slice a category.
    pub codes: &'a [&'a [u32]],
    /// The entries of the pair of list columns, where there is one.
    pub sparse: Option<SparseEntries<'a>>,
    /// Non-negative weights of the rows; all one where absent.
    pub weights: Option<&'a [f64]>,
    /// False for rows that do not take part; their values are never looked at.
    pub mask: Option<&'a [bool]>,
    /// Number of rows, masked ones included.
    pub rows: usize,
}

impl<'a> DesignBlock<'a> {
    /// A block of numbers alone: no categories, no weights, every row takes part.
    pub fn of_numbers(columns: &'a [Column<'a>]) -> Self {
        let rows = columns.first().map_or(0, |column| column.values.len());
        Self { columns, codes: &[], sparse: None, weights: None, mask: None, rows }
    }
}

impl DesignBlock<'_> {
    /// Number of rows that take part: neither masked nor of weight zero.
    pub fn rows_used(&self) -> usize {
        match (self.weights, self.mask) {
            (None, None) => self.rows,
            (None, Some(mask)) => mask.iter().filter(|&&m| m).count(),
            (Some(_), _) => self.used_weights().filter(|&w| w > 0.0).count(),
        }
    }

    /// Sum of the weights of the rows that take part.
    pub(crate) fn weight(&self) -> f64 {
        if self.weights.is_none() { self.rows_used() as f64 } else { self.used_weights().sum() }
    }

    /// Whether a row takes part.
    pub fn uses(&self, row: usize) -> bool {
        self.mask.is_none_or(|m| m[row]) && self.weights.is_none_or(|w| w[row] > 0.0)
    }

    /// The rows that take part.
    pub(crate) fn used(&self) -> impl Iterator<Item = usize> {
        (0..self.rows).filter(|&row| self.uses(row))
    }

    /// The weights of the rows that are not masked.
    fn used_weights(&self) -> impl Iterator<Item = f64> {
        let weights = self.weights.unwrap_or_default().iter().enumerate();
        weights.filter(|(row, _)| self.mask.is_none_or(|m| m[*row])).map(|(_, &w)| w)
    }

    /// Checks that the slices have the lengths they must have, and that weights are weights.
    ///
    /// # Errors
    /// [`BlockError::Shape`], [`BlockError::Weight`].
    pub(crate) fn check(&self, variables: usize) -> Result<(), BlockError> {
        let fits = |length: usize| length == self.rows;
        let columns =
            self.columns.iter().all(|c| fits(c.values.len()) && c.low.is_none_or(|l| fits(l.len())));
        let others = self.weights.is_none_or(|w| fits(w.len()))
            && self.mask.is_none_or(|m| fits(m.len()))
            && self.codes.iter().all(|c| fits(c.len()));
        if self.columns.len() != variables || !columns || !others {
            return Err(BlockError::Shape);
        }
        let used = |row: usize| self.mask.is_none_or(|m| m[row]);
        let wrong = |(row, w): (usize, &f64)| !(w.is_finite() && *w >= 0.0) && used(row);
        match self.weights.and_then(|weights| weights.iter().enumerate().position(wrong)) {
            Some(row) => Err(BlockError::Weight { row }),
            None => Ok(()),
        }
    }
}

impl DesignBlock<'_> {
    /// Checks that all values of the rows that take part are finite.
    ///
    /// # Errors
    /// [`BlockError::Value`].
    pub(crate) fn check_finite(&self) -> Result<(), BlockError> {
        (0..self.columns.len()).try_for_each(|variable| self.check_finite_at(variable))
    }

    /// The same of one variable.
    pub(crate) fn check_finite_at(&self, variable: usize) -> Result<(), BlockError> {
        let values = self.columns[variable].values;
        let masked = |row: usize| !self.uses(row) || values[row].is_finite();
        let finite = all_finite(values) || (self.mask.is_some() && (0..self.rows).all(masked));
        if finite { Ok(()) } else { Err(BlockError::Value { variable }) }
    }
}

/// Whether no cell is NaN or infinite.
pub(crate) fn all_finite(cells: &[f64]) -> bool {
    Arch::new().dispatch(AllFinite(cells))
}

/// An operation rather than a closure: the compiler is sure to use the processor's vectors for it.
struct AllFinite<'a>(&'a [f64]);

impl WithSimd for AllFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        // Finite numbers times zero add up to zero, others to NaN.
        let (cells, tail) = S::as_simd_f64s(self.0);
        let (runs, rest) = cells.as_chunks::<4>();
        let zero = simd.splat_f64s(0.0);
        let mut sums = [zero; 4];
        for run in runs {
            for (sum, &cell) in sums.iter_mut().zip(run) {
                *sum = simd.mul_add_e_f64s(cell, zero, *sum);
            }
        }
        for &cell in rest {
            sums[0] = simd.mul_add_e_f64s(cell, zero, sums[0]);
        }
        let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
        simd.reduce_sum_f64s(sum) + tail.iter().map(|x| x * 0.0).sum::<f64>() == 0.0
    }
}

/// Why a block is refused; the accumulator is then as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// A variable has a NaN or an infinity in a row that takes part, or values whose squares are beyond
    /// float64's range.
    Value {
        /// Position of the variable.
        variable: usize,
    },
    /// A weight is negative or not finite.
    Weight {
        /// Position of the row.
        row: usize,
    },
    /// Products of residuals are beyond float64's range.
    Scores,
    /// The number of columns is not that of the variables, or slices differ in length.
    Shape,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_row_hides_no_weight_but_its_own() {
        let columns = [Column::from([1.0; 4].as_slice())];
        let check = |weights: [f64; 4]| {
            let mask = Some([true, false, true, true].as_slice());
            let block = DesignBlock {
                columns: &columns,
                codes: &[],
                sparse: None,
                weights: Some(&weights),
                mask,
                rows: 4,
            };
            block.check(1)
        };
        assert_eq!(check([1.0, f64::NAN, 0.0, 2.0]), Ok(()));
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(check([1.0, -1.0, 1.0, wrong]), Err(BlockError::Weight { row: 3 }));
            assert_eq!(check([wrong, -1.0, 1.0, wrong]), Err(BlockError::Weight { row: 0 }));
        }
    }
}
