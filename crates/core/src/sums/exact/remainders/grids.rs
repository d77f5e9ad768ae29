//! How the cells of a column are read as integers.

use super::super::grid::Spans;
use super::moduli::{WIDEST, WIDTHS};

/// Units of `2^unit`, of `width` bits with their sign. Without bits every cell but zero is off the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) unit: i32,
    pub(super) width: i32,
}

/// One cell in this many may be off a grid that has been in use: then it is measured anew.
pub(super) const TOLERATED: u64 = 256;

/// A cell off the grid costs as much as another modulus does for so many cells: the products of both are in the number of
/// columns.
const COST: u64 = 20_000;

impl Grid {
    /// The grid by which cells cost least.
    pub(super) fn fit(cells: &[f64]) -> Self {
        let spans = Spans::new(cells);
        if spans.cells == 0 {
            return Self::default();
        }
        // Where half of the cells are off anyway, the others save nothing.
        if spans.best_unit(WIDEST).0 * 2 > spans.cells {
            return Self::default();
        }
        let each = WIDTHS.into_iter().enumerate().map(|(moduli, width)| {
            let cost = sixteenths(&spans, width) * COST / 16 + (moduli * cells.len()) as u64;
            (cost, width)
        });
        let best = each.min().map_or(WIDEST, |(_, width)| width);
        Self { unit: spans.best_unit(best).1, width: best }
    }
}

/// Sixteen times the number of cells that are to be expected off a grid among as many others. Where the last bits are any,
/// half as many are off for every bit more, and those off a narrower grid tell better how many will be; not so where many
/// have the same last bit, as integers do.
fn sixteenths(spans: &Spans, width: i32) -> u64 {
    let off = |less: i32| u64::from(spans.best_unit(width - less).0);
    if off(0) > 0 {
        return (16 * off(0)).max(off(4));
    }
    let next = (1..=4).map(off).find(|&off| off > 0);
    if next.is_some_and(|off| off * 32 < u64::from(spans.cells)) { off(4) } else { 0 }
}
