//! How the cells of a column are read as integers.

use super::super::grid::Spans;
use super::moduli::{WIDEST, WIDTHS};

/// Units of `2^unit`, of `width` bits with their sign. Without bits every cell but zero is off the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) unit: i32,
    pub(super) width: i32,
}

/// One cell in this many may be off a new grid: more cost more than another modulus does.
const TOLERATED: usize = 512;

impl Grid {
    /// The narrowest grid that few enough cells are off.
    pub(super) fn fit(cells: &[f64]) -> Self {
        let spans = Spans::new(cells);
        if spans.cells == 0 {
            return Self::default();
        }
        let (outside, unit) = spans.best_unit(WIDEST);
        // Where half of the cells are off anyway, the others save nothing.
        if outside * 2 > spans.cells {
            return Self::default();
        }
        let tolerated = (cells.len() / TOLERATED) as u32;
        let mut each = WIDTHS.into_iter().map(|width| (width, spans.best_unit(width)));
        let first = each.find(|&(_, (outside, _))| outside <= tolerated);
        let (width, unit) = first.map_or((WIDEST, unit), |(width, (_, unit))| (width, unit));
        Self { unit, width }
    }
}
