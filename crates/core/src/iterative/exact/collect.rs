//! The pass that collects all rows.

use super::rows::Cells;
use crate::iterative::rows::RowBlock;
use crate::iterative::standardizer::{RowBuilder, Standardizer};
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock};

/// Rows in memory, in the order of their partitions, as [`ExactFit`](super::ExactFit) takes them.
pub struct RowCollector<'a> {
    standardizer: &'a Standardizer,
    builder: Option<RowBuilder<'a>>,
    rows: CollectedRows,
}

/// All rows in standardised units.
#[derive(Clone, Debug, Default)]
pub struct CollectedRows {
    pub(super) blocks: Vec<Cells>,
    pub(super) response: Vec<f64>,
    /// All one where empty.
    pub(super) weights: Vec<f64>,
}

impl CollectedRows {
    /// Bytes that a fit to so many rows of so many columns takes, with the vectors that an interior point has.
    pub fn bytes(rows: u64, columns: usize) -> u64 {
        // Five numbers a row and kink, of which a loss has up to two, and eight a row.
        8 * rows.saturating_mul(columns as u64 + 18)
    }

    /// The rows of a block; where `held_out` says so they are not among them.
    pub fn of_block(block: &RowBlock) -> Self {
        let mut own = Self::default();
        own.push(block);
        own
    }

    /// Rows without columns.
    pub(super) fn of_responses(response: Vec<f64>, weights: Vec<f64>) -> Self {
        Self { blocks: vec![Cells { values: Vec::new(), rows: response.len() }], response, weights }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.response.len()
    }

    /// Sum of their weights.
    pub fn weight(&self) -> f64 {
        if self.weights.is_empty() { self.rows() as f64 } else { self.weights.iter().sum() }
    }

    fn push(&mut self, block: &RowBlock) {
        if let Some(weights) = &block.weights {
            self.weights.resize(self.response.len(), 1.0);
            self.weights.extend(&weights[..block.rows()]);
        } else if !self.weights.is_empty() {
            self.weights.resize(self.response.len() + block.rows(), 1.0);
        }
        self.response.extend(&block.response[..block.rows()]);
        self.blocks.push(Cells::of(block));
    }

    fn append(&mut self, other: Self) {
        if !(self.weights.is_empty() && other.weights.is_empty()) {
            self.weights.resize(self.response.len(), 1.0);
            self.weights.extend(&other.weights);
            self.weights.resize(self.response.len() + other.response.len(), 1.0);
        }
        self.response.extend(other.response);
        self.blocks.extend(other.blocks);
    }
}

impl<'a> RowCollector<'a> {
    /// No rows yet.
    pub fn new(standardizer: &'a Standardizer) -> Self {
        Self { standardizer, builder: None, rows: CollectedRows::default() }
    }

    /// The rows.
    pub fn into_rows(self) -> CollectedRows {
        self.rows
    }
}

impl Accumulator for RowCollector<'_> {
    fn variables(&self) -> usize {
        self.standardizer.variables()
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> Result<(), BlockError> {
        block.check(self.variables())?;
        block.check_finite()?;
        let builder = self.builder.get_or_insert_with(|| RowBuilder::new(self.standardizer));
        let rows = &mut self.rows;
        builder.append(block, None, &mut |own| {
            rows.push(&own);
            Some(own)
        });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let rows = &mut self.rows;
        if let Some(builder) = &mut self.builder {
            builder.finish(&mut |own| {
                rows.push(&own);
                None
            });
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        self.rows.append(other.rows);
        Ok(())
    }

    fn finish(&mut self) {
        self.builder = None;
    }
}
