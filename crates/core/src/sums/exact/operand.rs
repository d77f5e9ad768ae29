//! One side of the products: the parts of the variables, their grids and their slices.

use super::gram::{LANES, Planes};
use super::grid::{Grid, Slicing, TOLERATED};
use super::kernel::Kernel;
use super::points::{Digits, MAX_SLICES, OFFSET, PLANES, planes};

/// The parts of a block's variables: columns of finite float64 whose sum the variable is, rows that take part only.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// Which variable a part belongs to, ascending; the constant comes last.
    pub(super) variables: Vec<usize>,
    pub(super) cells: Vec<&'a [f64]>,
}

/// Columns of as many slices, side by side in the planes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) slices: usize,
    /// Position of the first part within [`Operand::order`], and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Column of the first plane; the next plane is `count` columns further.
    pub(super) column: usize,
}

/// How well a part's grid does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    cells: u64,
    misses: u64,
    /// Cells that pass before the grid is judged; doubles with every new grid, so that data which no grid suits are
    /// not measured time and again.
    patience: u64,
}

impl Watch {
    /// Counts cells, and how many of them the grid missed.
    pub(super) fn count(&mut self, cells: u64, misses: u64) {
        self.cells += cells;
        self.misses += misses;
    }

    /// For a new grid.
    pub(super) fn renew(&mut self) {
        *self = Self { patience: self.patience.saturating_mul(2), ..FRESH };
    }

    /// Whether more than one cell in so many is missed.
    pub(super) fn fails(&self, tolerated: u64) -> bool {
        self.misses * tolerated > self.cells + self.patience
    }
}

pub(super) const FRESH: Watch = Watch { cells: 0, misses: 0, patience: 4_096 };

/// The parts of one side, in classes.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) variables: Vec<usize>,
    pub(super) grids: Vec<Grid>,
    /// Parts sorted by class, then by position.
    pub(super) order: Vec<usize>,
    pub(super) classes: Vec<Class>,
    pub(super) planes: Planes,
    /// Rows of each part whose cells are not on its grid, ascending.
    pub(super) misses: Vec<Vec<usize>>,
    watches: Vec<Watch>,
    /// Of the rows of one part: which cells are not on its grid.
    wrong: Vec<f64>,
    /// Where a part's slices are: column of its first plane, and the distance to the next.
    places: Vec<(usize, usize)>,
    pub(super) digits: Digits,
    /// Of short digits the sums of each part's planes: of the block that was sliced last, and of all that is pending.
    totals: Vec<[u64; PLANES]>,
    pub(super) pending: Vec<[u64; PLANES]>,
}

impl Operand {
    /// For parts like these, with grids that suit them.
    pub(super) fn new(parts: &Parts<'_>, rows: usize, digits: Digits) -> Self {
        let mut side = Self {
            variables: parts.variables.clone(),
            grids: parts.cells.iter().map(|cells| Grid::fit(cells, digits)).collect(),
            order: Vec::new(),
            classes: Vec::new(),
            planes: Planes::default(),
            misses: vec![Vec::new(); parts.cells.len()],
            watches: vec![FRESH; parts.cells.len()],
            wrong: Vec::new(),
            places: vec![(0, 0); parts.cells.len()],
            digits,
            totals: vec![[0; PLANES]; parts.cells.len()],
            pending: vec![[0; PLANES]; parts.cells.len()],
        };
        side.arrange(rows);
        side
    }

    /// Puts the parts in classes and makes room for their planes.
    fn arrange(&mut self, rows: usize) {
        let mut order: Vec<usize> = (0..self.grids.len()).filter(|&p| self.grids[p].slices > 0).collect();
        order.sort_by_key(|&p| self.grids[p].slices);
        self.classes.clear();
        let mut column = 0;
        let mut first = 0;
        for slices in 1..=MAX_SLICES {
            let count = order[first..].iter().take_while(|&&p| self.grids[p].slices == slices).count();
            if count == 0 {
                continue;
            }
            self.classes.push(Class { slices, first, count, column });
            for (at, &part) in order[first..first + count].iter().enumerate() {
                self.places[part] = (column + at, count);
            }
            column += count * planes(slices);
            first += count;
        }
        self.order = order;
        self.planes.give();
        self.planes = Planes::new(column, rows);
    }

    /// Whether the grid of any part misses too many cells.
    pub(super) fn fails(&self) -> bool {
        self.watches.iter().any(|watch| watch.fails(TOLERATED as u64))
    }

    /// Gives the parts whose grids have failed too often new ones, if there are better. True if any has changed:
    /// the planes are then laid out anew, for blocks of `rows` rows.
    pub(super) fn refit(&mut self, parts: &Parts<'_>, rows: usize) -> bool {
        let mut changed = false;
        for part in 0..self.grids.len() {
            if !self.watches[part].fails(TOLERATED as u64) {
                continue;
            }
            self.watches[part].renew();
            let grid = Grid::fit(parts.cells[part], self.digits);
            changed |= grid != self.grids[part];
            self.grids[part] = grid;
        }
        if changed {
            self.arrange(rows);
        }
        changed
    }

    /// Forgets the cells off the grids.
    pub(super) fn clear_misses(&mut self) {
        self.misses.iter_mut().for_each(Vec::clear);
    }

    /// Slices rows `from..to` of all parts, and notes the cells that have no slices, by their distance to the row
    /// `base`; what was noted of these rows before is forgotten.
    pub(super) fn slice(&mut self, kernel: Kernel, parts: &Parts<'_>, from: usize, to: usize, base: usize) {
        self.planes.take();
        let padded = (to - from).next_multiple_of(LANES);
        self.wrong.resize(padded.max(self.wrong.len()), 0.0);
        for part in 0..self.grids.len() {
            let cells = &parts.cells[part][from..to];
            let grid = self.grids[part];
            let (first, step) = self.places[part];
            let planes: [&mut [u64]; PLANES] =
                self.planes.columns_mut(first, step, planes(grid.slices), padded);
            let (wrong, totals) = (&mut self.wrong[..padded], &mut self.totals[part]);
            let clean = kernel.run(Slicing { values: cells, grid, planes, wrong, totals });
            let misses = &mut self.misses[part];
            misses.truncate(misses.partition_point(|&row| row < from - base));
            let before = misses.len();
            if !clean {
                self.take_out(part, padded, from - base);
            }
            self.watches[part].count(cells.len() as u64, (self.misses[part].len() - before) as u64);
        }
    }

    /// The block that was sliced is multiplied: its sums count.
    pub(super) fn keep_totals(&mut self) {
        for (pending, totals) in self.pending.iter_mut().zip(&self.totals) {
            pending.iter_mut().zip(totals).for_each(|(pending, total)| *pending += total);
        }
    }

    /// Clears the slices of the cells that are not on the grid, and notes their rows, counted from `base`.
    fn take_out(&mut self, part: usize, rows: usize, base: usize) {
        // None is negative, so a run of zeros has no bit set.
        const RUN: usize = 8;
        let short = self.digits == Digits::Short;
        let count = planes(self.grids[part].slices);
        let (first, step) = self.places[part];
        for (run, cells) in self.wrong[..rows].as_chunks::<RUN>().0.iter().enumerate() {
            if cells.iter().fold(0, |any, wrong| any | wrong.to_bits()) != 0 {
                for (at, _) in cells.iter().enumerate().filter(|&(_, &wrong)| wrong > 0.0) {
                    let row = run * RUN + at;
                    self.misses[part].push(base + row);
                    for (plane, total) in self.totals[part][..count].iter_mut().enumerate() {
                        let cell = self.planes.cell_mut(first + plane * step, row);
                        if short {
                            *total = total.wrapping_add(OFFSET).wrapping_sub(*cell);
                        }
                        *cell = if short { OFFSET } else { 0 };
                    }
                }
            }
        }
    }

    /// The positions or the variables of the parts in the order of the classes.
    pub(super) fn ranks(&self, by_variable: bool) -> Vec<usize> {
        let rank = |(at, &part): (usize, &usize)| if by_variable { self.variables[part] } else { at };
        self.order.iter().enumerate().map(rank).collect()
    }
}
