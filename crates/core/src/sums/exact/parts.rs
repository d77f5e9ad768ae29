//! The rows of a block that take part, as the products want them.

use super::big_fixed::BigFixed;
use super::operand::Parts;
use crate::rows::block::{BlockError, DesignBlock, all_finite};

/// Buffers for the parts of a block.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Rows that take part; empty where all do.
    chosen: Vec<usize>,
    ones: Vec<f64>,
    /// Copies of the parts, where not all rows take part; the constant not among them.
    copies: Vec<Vec<f64>>,
    /// Weights of the rows that take part; empty where all are 1.
    weights: Vec<f64>,
    /// `w x` as two parts for every part, rounded and what that lacks.
    weighted: Vec<Vec<f64>>,
    /// Cells whose product with the weight is no sum of two float64: part, row.
    pub(super) broken: Vec<(usize, usize)>,
}

impl Rows {
    /// Takes in a block: checks it, and copies what cannot be used where it lies. Returns the number of rows that
    /// take part.
    ///
    /// # Errors
    /// [`BlockError`]; nothing has been added then.
    pub(super) fn load(&mut self, block: &DesignBlock<'_>, variables: usize) -> Result<usize, BlockError> {
        block.check(variables)?;
        let rows = block.rows_used();
        self.chosen.clear();
        self.copies.clear();
        if rows < block.rows {
            self.chosen.extend(block.used());
            for cells in parts_of_block(block).map(|(_, cells)| cells) {
                self.copies.push(self.chosen.iter().map(|&row| cells[row]).collect());
            }
        }
        self.ones.resize(rows.max(self.ones.len()), 1.0);
        self.load_weights(block);
        for (part, (variable, cells)) in parts_of_block(block).enumerate() {
            let cells = self.copies.get(part).map_or(cells, Vec::as_slice);
            if !all_finite(cells) {
                return Err(BlockError::Value { variable });
            }
        }
        if !self.weights.is_empty() {
            self.weigh(block, rows);
        }
        Ok(rows)
    }

    fn load_weights(&mut self, block: &DesignBlock<'_>) {
        self.weights.clear();
        let Some(weights) = block.weights else { return };
        if self.chosen.is_empty() {
            self.weights.extend_from_slice(weights);
        } else {
            self.weights.extend(self.chosen.iter().map(|&row| weights[row]));
        }
        if self.weights.iter().all(|&w| w == 1.0) {
            self.weights.clear();
        }
    }

    /// Multiplies the parts with the weights, without error (Dekker 1971, "A floating-point technique for extending
    /// the available precision", with fused multiply-add).
    fn weigh(&mut self, block: &DesignBlock<'_>, rows: usize) {
        let mut broken = Vec::new();
        let mut weighted = Vec::new();
        for (part, cells) in self.right(block, rows).cells.iter().enumerate() {
            let mut high: Vec<f64> = cells.iter().zip(&self.weights).map(|(x, w)| x * w).collect();
            let each = cells.iter().zip(&self.weights).zip(&high);
            let mut low: Vec<f64> = each.map(|((x, w), h)| x.mul_add(*w, -h)).collect();
            for row in 0..rows {
                if splits(high[row]) || cells[row] == 0.0 {
                    continue;
                }
                broken.push((part, row));
                (high[row], low[row]) = (0.0, 0.0);
            }
            weighted.extend([high, low]);
        }
        (self.weighted, self.broken) = (weighted, broken);
    }

    /// The parts of the block's variables and the constant; `rows` of them take part.
    pub(super) fn right<'a>(&'a self, block: &DesignBlock<'a>, rows: usize) -> Parts<'a> {
        let mut parts = Parts::default();
        for (at, (variable, cells)) in parts_of_block(block).enumerate() {
            parts.variables.push(variable);
            parts.cells.push(self.copies.get(at).map_or(cells, Vec::as_slice));
        }
        parts.variables.push(block.columns.len());
        parts.cells.push(&self.ones[..rows]);
        parts
    }

    /// The same times the weights; none where these are 1.
    pub(super) fn left<'a>(&'a self, right: &Parts<'_>) -> Option<Parts<'a>> {
        if self.weights.is_empty() {
            return None;
        }
        let variables = right.variables.iter().flat_map(|&v| [v, v]).collect();
        Some(Parts { variables, cells: self.weighted.iter().map(Vec::as_slice).collect() })
    }

    /// `w x y` of a cell that is broken and another of its row.
    pub(super) fn triple(&self, row: usize, x: f64, y: f64) -> BigFixed {
        let weight = self.weights.get(row).copied().unwrap_or(1.0);
        BigFixed::from(weight).mul(&BigFixed::from(x)).mul(&BigFixed::from(y))
    }
}

/// The parts of all variables as they lie in the block.
fn parts_of_block<'a>(block: &DesignBlock<'a>) -> impl Iterator<Item = (usize, &'a [f64])> {
    let each = block.columns.iter().enumerate();
    each.flat_map(|(variable, column)| {
        [Some(column.values), column.low].into_iter().flatten().map(move |cells| (variable, cells))
    })
}

/// Whether the rounding error of a product of this size is itself a float64.
fn splits(product: f64) -> bool {
    const SMALLEST: f64 = 1e-280;
    product.is_finite() && product.abs() >= SMALLEST
}
