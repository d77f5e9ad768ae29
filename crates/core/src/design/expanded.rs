//! The columns of the design matrix, row by row, for accumulators that know nothing of variables and levels.

use crate::design::layout::Layout;
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, Column, DesignBlock};

/// Feeds the columns of a layout, instead of the variables they are made of, to another accumulator.
pub struct Expanded<'l, A> {
    layout: &'l Layout,
    responses: usize,
    inner: A,
    cells: Vec<Vec<f64>>,
}

impl<'l, A> Expanded<'l, A> {
    /// The columns of `layout`, then the last `responses` variables, for `inner`.
    pub fn new(layout: &'l Layout, responses: usize, inner: A) -> Self {
        Self { layout, responses, inner, cells: Vec::new() }
    }

    /// What was accumulated.
    pub fn into_inner(self) -> A {
        self.inner
    }
}

impl<A: Accumulator> Accumulator for Expanded<'_, A> {
    fn variables(&self) -> usize {
        self.inner.variables()
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        self.cells.resize(self.layout.len(), Vec::new());
        for (position, cells) in self.cells.iter_mut().enumerate() {
            cells.resize(rows.rows, 0.0);
            self.layout.fill(position, rows, cells);
        }
        let responses = &rows.columns[rows.columns.len().saturating_sub(self.responses)..];
        let features = self.cells.iter().map(|cells| Column::from(cells.as_slice()));
        let columns: Vec<Column<'_>> = features.chain(responses.iter().copied()).collect();
        self.inner.update(&DesignBlock { columns: &columns, codes: &[], ..*rows })
    }

    fn merge(&mut self, other: Self) -> std::result::Result<(), BlockError> {
        self.inner.merge(other.inner)
    }

    fn flush(&mut self) -> std::result::Result<(), BlockError> {
        self.inner.flush()
    }

    fn finish(&mut self) {
        self.cells = Vec::new();
        self.inner.finish();
    }

    fn complete(&mut self, threads: usize) -> std::result::Result<(), BlockError> {
        self.inner.complete(threads)
    }
}
