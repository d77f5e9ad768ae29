//! The cells of a block as integers, once for all tables of a pass.

use super::fixed::Grid;
use crate::rows::block::DesignBlock;

/// The cells of some variables in the rows of a block, as multiples of a power of two each.
///
/// Most cells of a column are on one grid, see [`fixed`](super::fixed). Tables that sum the same variables share what was
/// made of them; what is off its grid is handed to them as it is. So the grid is a matter of speed alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Units {
    variables: Vec<usize>,
    grids: Vec<Grid>,
    /// Whether the block at hand is in `cells`.
    loaded: bool,
    rows: usize,
    /// Column after column; 0 for cells off the grid.
    cells: Vec<i64>,
    missed: Vec<Missed>,
    /// Grows with every new choice of grids.
    generation: u32,
    /// Cells that were read since the grids were chosen, and those of them that were off their grid.
    seen: usize,
    off: usize,
    /// Cells that may be missed before the grids are judged; doubles with every new choice, so that rows which no grid
    /// suits are not measured time and again.
    patience: usize,
}

/// A cell that is off its grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    /// Its place among the rows that are used.
    pub(super) row: usize,
    /// The place of its variable.
    pub(super) variable: usize,
    /// Its value, and what that lacks.
    pub(super) parts: [f64; 2],
}

/// One cell in this many may be off its grid.
const TOLERATED: usize = 32;

/// The least patience.
const PATIENCE: usize = 2_048;

impl Units {
    /// Those of these variables.
    pub(super) fn new(variables: Vec<usize>) -> Self {
        Self { variables, ..Self::default() }
    }

    /// The variables whose cells it makes integers.
    pub(super) fn variables(&self) -> &[usize] {
        &self.variables
    }

    /// The next block is another one.
    pub(crate) fn begin(&mut self) {
        self.loaded = false;
    }

    /// Reads the rows at `used` of a block, if that has not been done.
    pub(super) fn load(&mut self, block: &DesignBlock<'_>, used: &[usize]) {
        if std::mem::replace(&mut self.loaded, true) {
            return;
        }
        if self.grids.is_empty() || self.off * TOLERATED > self.seen + self.patience {
            self.choose(block, used);
        }
        let Self { variables, grids, rows, cells, missed, .. } = self;
        *rows = used.len();
        cells.resize(variables.len() * used.len(), 0);
        missed.clear();
        let all = used.len() == block.rows;
        for (variable, ((&v, grid), own)) in
            variables.iter().zip(grids).zip(cells.chunks_exact_mut(used.len().max(1))).enumerate()
        {
            let column = &block.columns[v];
            let held = if all {
                read(grid, column.values.iter().copied(), own)
            } else {
                read(grid, used.iter().map(|&row| column.values[row]), own)
            };
            if held && column.low.is_none() {
                continue;
            }
            for (row, (&at, own)) in used.iter().zip(own).enumerate() {
                let parts = [column.values[at], column.low.map_or(0.0, |low| low[at])];
                if parts[1] != 0.0 || !grid.read(parts[0]).1 {
                    *own = 0;
                    missed.push(Missed { row, variable, parts });
                }
            }
        }
        self.seen += self.cells.len();
        self.off += self.missed.len();
    }

    /// The grids of most of the rows of a block.
    fn choose(&mut self, block: &DesignBlock<'_>, used: &[usize]) {
        let mut sample = Vec::with_capacity(used.len());
        self.grids.clear();
        for &v in &self.variables {
            sample.clear();
            sample.extend(used.iter().map(|&row| block.columns[v].values[row]));
            self.grids.push(Grid::fit(&sample));
        }
        self.generation += 1;
        (self.seen, self.off) = (0, 0);
        self.patience = (2 * self.patience).max(PATIENCE);
    }

    /// The cells of one variable after the other.
    pub(super) fn columns(&self) -> impl Iterator<Item = &[i64]> {
        self.cells.chunks_exact(self.rows.max(1))
    }

    pub(super) fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// Which choice of grids this is.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The power of two that the integers of a variable count.
    pub(super) fn exponents(&self) -> impl Iterator<Item = i32> {
        self.grids.iter().map(|grid| grid.exponent)
    }
}

/// Reads values; whether all are on the grid.
fn read(grid: &Grid, values: impl Iterator<Item = f64>, out: &mut [i64]) -> bool {
    let mut all = true;
    for (out, value) in out.iter_mut().zip(values) {
        let held;
        (*out, held) = grid.read(value);
        all &= held;
    }
    all
}
