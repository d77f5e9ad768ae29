//! One side of the products: the parts of the variables, their grids and their remainders.

use std::cell::RefCell;

use super::super::operand::{FRESH, Parts, Watch};
use super::cells::{Conversion, Group, LINES, members};
use super::grids::{Grid, TOLERATED};
use super::moduli::{MODULI, count_for};
use super::words::{Line, Vectors, WORDS};

/// The parts of one side, in groups of sixteen.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) variables: Vec<usize>,
    pub(super) grids: Vec<Grid>,
    /// The part of every place.
    pub(super) order: Vec<usize>,
    /// Bits of the widest part of every group.
    pub(super) widths: Vec<i32>,
    /// Rows of each part whose cells are not on its grid, ascending.
    pub(super) misses: Vec<Vec<usize>>,
    watches: Vec<Watch>,
    groups: Vec<Group>,
    /// Remainders of a block: for every modulus the lines of all groups. Empty while no block is at hand.
    lines: Vec<Line>,
}

thread_local! {
    /// Memory for lines that is not in use. Nothing in them outlives a block, so all sums of a thread share it.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

impl Side {
    /// For parts like these, with grids that suit them, in the order of the widths or of the variables.
    pub(super) fn new(parts: &Parts<'_>, by_width: bool) -> Self {
        let count = parts.cells.len();
        let mut side = Self {
            variables: parts.variables.clone(),
            grids: parts.cells.iter().map(|cells| Grid::fit(cells)).collect(),
            order: (0..count).collect(),
            widths: Vec::new(),
            misses: vec![Vec::new(); count],
            watches: vec![FRESH; count],
            groups: Vec::new(),
            lines: Vec::new(),
        };
        side.arrange(by_width);
        side
    }

    fn arrange(&mut self, by_width: bool) {
        if by_width {
            self.order.sort_by_key(|&part| (self.grids[part].width, part));
        }
        let widths = (0..self.order.len().div_ceil(WORDS))
            .map(|group| self.members(group).iter().map(|&part| self.grids[part].width).max().unwrap_or(0));
        self.widths = widths.collect();
        self.groups.clear();
        self.give();
    }

    /// Prepares for products with columns of up to so many bits.
    pub(super) fn prepare(&mut self, widest: i32) {
        let groups = self.widths.iter().enumerate().map(|(group, width)| {
            let grids: Vec<Grid> = self.members(group).iter().map(|&part| self.grids[part]).collect();
            Group::new(&grids, count_for(width + widest))
        });
        self.groups = groups.collect();
        // There may be more moduli now.
        self.give();
    }

    /// The parts of a group. The first has what is left over: it is to the right of most others, where only the columns that
    /// are there cost.
    pub(super) fn members(&self, group: usize) -> &[usize] {
        members(&self.order, group)
    }

    /// Bits of the widest part.
    pub(super) fn widest(&self) -> i32 {
        self.widths.iter().copied().max().unwrap_or(0)
    }

    /// Distance of the lines of a modulus to those of the next. The odd number keeps them from falling into the same cache
    /// sets.
    fn stride(&self) -> usize {
        self.groups.len() * LINES + 1
    }

    /// The lines of a modulus and a group.
    #[inline(always)]
    pub(super) fn lines(&self, modulus: usize, group: usize) -> &[Line] {
        let from = modulus * self.stride() + group * LINES;
        &self.lines[from..from + LINES]
    }

    /// Gives memory back.
    pub(super) fn give(&mut self) {
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            FREE.with_borrow_mut(|free| free.push(lines));
        }
    }

    /// Makes remainders of rows `from..to` of all parts, and notes the cells off the grids, by their distance to the row
    /// `base`; what was noted of these rows before is forgotten.
    pub(super) fn convert(
        &mut self,
        vectors: Vectors,
        parts: &Parts<'_>,
        (from, to): (usize, usize),
        base: usize,
    ) {
        let moduli = self.groups.iter().map(|group| group.moduli).max().unwrap_or(0).min(MODULI.len());
        let stride = self.stride();
        if self.lines.is_empty() {
            self.lines = FREE.with_borrow_mut(|free| free.pop().unwrap_or_default());
            let length = (moduli * stride).max(self.lines.len());
            self.lines.resize(length, Line::ZERO);
        }
        let mut before = 0;
        for misses in &mut self.misses {
            misses.truncate(misses.partition_point(|&row| row < from - base));
            before += misses.len();
        }
        vectors.run(Conversion {
            cells: &parts.cells,
            order: &self.order,
            groups: &self.groups,
            range: (from, to),
            base,
            misses: &mut self.misses,
            lines: &mut self.lines,
            stride,
        });
        let any = before < self.misses.iter().map(Vec::len).sum();
        for (watch, misses) in self.watches.iter_mut().zip(&self.misses) {
            let missed =
                if any { misses.len() - misses.partition_point(|&row| row < from - base) } else { 0 };
            watch.count((to - from) as u64, missed as u64);
        }
    }

    /// Whether the grid of any part misses too many cells.
    pub(super) fn fails(&self) -> bool {
        self.watches.iter().any(|watch| watch.fails(TOLERATED))
    }

    /// Forgets the cells off the grids.
    pub(super) fn clear_misses(&mut self) {
        self.misses.iter_mut().for_each(Vec::clear);
    }

    /// Gives the parts whose grids have failed too often new ones, if there are better. True if any has changed: the groups
    /// are then to be prepared anew.
    pub(super) fn refit(&mut self, parts: &Parts<'_>, by_width: bool) -> bool {
        let mut changed = false;
        for part in 0..self.grids.len() {
            // Others that would be next are as well: what is pending has to be put together every time.
            if !self.watches[part].fails(2 * TOLERATED) {
                continue;
            }
            self.watches[part].renew();
            let grid = Grid::fit(parts.cells[part]);
            changed |= grid != self.grids[part];
            self.grids[part] = grid;
        }
        if changed {
            self.arrange(by_width);
        }
        changed
    }
}
