//! Sums of products by their remainders, for many columns.
//!
//! A cell is an integer on its column's grid, and a sum of products one of 30 to 210 bits. Its remainders by a few coprime
//! numbers of 13 bits tell which (the Chinese remainder theorem), and these are sums of products of the cells' remainders:
//! integers of 16 bits, of which vectors multiply four times as many as they do float64, and add pairs of products at once.
//! For cells of 66 bits eleven moduli do, where slices of the cells take five products of a lane of 64 bits. What it
//! costs besides is in the number of columns, not of pairs: the remainders of every cell. (Ozaki, Uchino & Imamura 2025, "Ozaki
//! Scheme II", have the same idea for matrix products in float64.)
//!
//! | module | what it knows |
//! |---|---|
//! | `moduli` | the moduli, and how many a sum needs |
//! | `words` | sixteen words, on different processors |
//! | `grids`, `cells`, `side` | cells to remainders |
//! | `products` | the hot loop |
//! | `digits` | remainders to sums |

mod cells;
mod digits;
mod grids;
mod moduli;
mod products;
mod side;
mod words;

use self::cells::BLOCK;
use self::digits::{Digits, Inverses};
use self::moduli::{LIMBS, MOST, PENDING, count_for, from_digits};
use self::products::{Block, Products, Sums};
use self::side::Side;
use self::words::Line;
pub(super) use self::words::Vectors;
use super::big_fixed_table::BigFixedTable;
use super::entry;
use super::operand::Parts;
use super::outliers::Outliers;

/// Rows whose outliers are multiplied at a time.
const ROWS: usize = 4 * BLOCK;

/// Sums of the products of the parts that have not been added to the wide sums yet.
#[derive(Debug)]
pub(super) struct Remainders {
    vectors: Vectors,
    right: Side,
    /// The weighted parts; without weights both sides are the same.
    left: Option<Side>,
    blocks: Vec<Block>,
    sums: Sums,
    inverses: Box<Inverses>,
    pending: usize,
    /// Whether the wide sums have no room for these grids yet.
    fresh: bool,
    outliers: Outliers,
}

impl Remainders {
    /// For parts like these.
    pub(super) fn new(vectors: Vectors, right: &Parts<'_>, left: Option<&Parts<'_>>) -> Self {
        let mut remainders = Self {
            vectors,
            right: Side::new(right, left.is_none()),
            left: left.map(|parts| Side::new(parts, false)),
            blocks: Vec::new(),
            sums: Sums::default(),
            inverses: Box::new(Inverses::new()),
            pending: 0,
            fresh: true,
            outliers: Outliers::default(),
        };
        remainders.plan();
        remainders
    }

    /// Whether it was made for parts of these variables.
    pub(super) fn suits(&self, right: &Parts<'_>, left: Option<&Parts<'_>>) -> bool {
        let same = |side: &Side, parts: &Parts<'_>| side.variables == parts.variables;
        same(&self.right, right)
            && match (&self.left, left) {
                (None, None) => true,
                (Some(side), Some(parts)) => same(side, parts),
                _ => false,
            }
    }

    /// Lists the blocks of which any pair is needed, and what they need.
    fn plan(&mut self) {
        let widest = self.left.as_ref().unwrap_or(&self.right).widest();
        if let Some(left) = &mut self.left {
            left.prepare(self.right.widest());
        }
        self.right.prepare(widest);
        let left = self.left.as_ref().unwrap_or(&self.right);
        self.blocks.clear();
        for (a, &wide) in left.widths.iter().enumerate() {
            for (b, &other) in self.right.widths.iter().enumerate() {
                let needed = match &self.left {
                    // Both in the order of the variables.
                    Some(left) => {
                        let last = left.members(a).last().map(|&part| left.variables[part]);
                        last >= self.right.members(b).first().map(|&part| self.right.variables[part])
                    }
                    None => a >= b,
                };
                if needed {
                    let columns = self.right.members(b).len();
                    self.blocks.push(Block { left: a, right: b, columns, moduli: count_for(wide + other) });
                }
            }
        }
        let moduli = self.blocks.iter().map(|block| block.moduli).max().unwrap_or(0);
        self.sums = Sums::new(self.blocks.len(), moduli);
        self.fresh = true;
    }

    /// Adds the products of all rows of the parts to `sums`, now or at the next [`Remainders::flush`].
    pub(super) fn add(&mut self, sums: &mut BigFixedTable, right: &Parts<'_>, left: Option<&Parts<'_>>) {
        let rows = right.cells.first().map_or(0, |cells| cells.len());
        for from in (0..rows).step_by(ROWS) {
            let to = (from + ROWS).min(rows);
            self.right.clear_misses();
            self.left.iter_mut().for_each(Side::clear_misses);
            for start in (from..to).step_by(BLOCK) {
                self.add_on_grids(sums, (right, left), (start, (start + BLOCK).min(to)), from);
            }
            let misses =
                (self.left.as_ref().map(|side| side.misses.as_slice()), self.right.misses.as_slice());
            self.outliers.add(sums, misses, (left, right), (from, to));
        }
        self.right.give();
        self.left.iter_mut().for_each(Side::give);
    }

    /// The products of what lies on the grids; the rest is noted.
    fn add_on_grids(
        &mut self,
        sums: &mut BigFixedTable,
        (right, left): (&Parts<'_>, Option<&Parts<'_>>),
        (from, to): (usize, usize),
        base: usize,
    ) {
        if self.pending + (to - from) > PENDING {
            self.flush(sums);
        }
        self.convert(right, left, (from, to), base);
        if self.refit(sums, right, left) {
            self.convert(right, left, (from, to), base);
        }
        if self.fresh {
            sums.reserve(self.blocks.iter().flat_map(|&block| self.room(block)));
            self.fresh = false;
        }
        self.vectors.run(Products {
            left: self.left.as_ref().unwrap_or(&self.right),
            right: &self.right,
            blocks: &self.blocks,
            lines: (to - from).div_ceil(2),
            sums: &mut self.sums,
        });
        self.pending += to - from;
    }

    fn convert(&mut self, right: &Parts<'_>, left: Option<&Parts<'_>>, range: (usize, usize), base: usize) {
        self.right.convert(self.vectors, right, range, base);
        if let (Some(side), Some(parts)) = (&mut self.left, left) {
            side.convert(self.vectors, parts, range, base);
        }
    }

    /// New grids where the present ones fail; what is pending was counted by the old ones.
    fn refit(&mut self, sums: &mut BigFixedTable, right: &Parts<'_>, left: Option<&Parts<'_>>) -> bool {
        let failing = self.right.fails() || self.left.as_ref().is_some_and(Side::fails);
        if !failing {
            return false;
        }
        self.flush(sums);
        let mut changed = self.right.refit(right, left.is_none());
        if let (Some(side), Some(parts)) = (&mut self.left, left) {
            changed |= side.refit(parts, false);
        }
        if changed {
            self.plan();
        }
        changed
    }

    /// Adds what is pending to the wide sums.
    pub(super) fn flush(&mut self, sums: &mut BigFixedTable) {
        if self.pending > 0 {
            self.flushed_into(sums);
            self.sums.clear();
            self.pending = 0;
        }
    }

    /// Whether anything is.
    pub(super) fn is_pending(&self) -> bool {
        self.pending > 0
    }

    /// Adds what is pending to other sums, and keeps it.
    pub(super) fn flushed_into(&self, sums: &mut BigFixedTable) {
        if self.pending == 0 {
            return;
        }
        for (number, &block) in self.blocks.iter().enumerate() {
            for column in 0..self.right.members(block.right).len() {
                self.flush_column(number, block, column, sums);
            }
        }
    }

    fn flush_column(&self, number: usize, block: Block, column: usize, sums: &mut BigFixedTable) {
        let mut lines = [Line::ZERO; MOST];
        let digits = &mut lines[..block.moduli];
        let (inverses, of) = (&*self.inverses, &self.sums);
        self.vectors.run(Digits { sums: of, inverses, block: number, column, digits });
        for place in self.places(block, column) {
            let limbs = from_digits(digits.iter().map(|line| line.0[place.word]));
            add_shifted(sums, place.entry, limbs, place.unit);
        }
    }

    /// Where the sums of a right column go.
    fn places(&self, block: Block, column: usize) -> impl Iterator<Item = Place> {
        let left = self.left.as_ref().unwrap_or(&self.right);
        let b = self.right.members(block.right)[column];
        let words = left.members(block.left).iter().enumerate();
        words.filter_map(move |(word, &a)| {
            let (i, j) = (left.variables[a], self.right.variables[b]);
            let needed =
                if self.left.is_some() { i >= j } else { block.left > block.right || word >= column };
            // Two parts of a variable meet once, but their product occurs twice in its square.
            let twice = i32::from(self.left.is_none() && i == j && a != b);
            let unit = left.grids[a].unit + self.right.grids[b].unit + twice;
            let bits = left.grids[a].width + self.right.grids[b].width;
            needed.then_some(Place { word, entry: entry(i, j), unit, bits })
        })
    }

    /// What the wide sums of a block need.
    fn room(&self, block: Block) -> impl Iterator<Item = (usize, i32, usize)> {
        let columns = 0..self.right.members(block.right).len();
        columns.flat_map(move |column| self.places(block, column)).map(|place| {
            // A limb more on either side, for outliers, and some bits for how many there are.
            let from = place.unit.div_euclid(64) - 1;
            let to = (place.unit + place.bits + 32).div_euclid(64) + 2;
            (place.entry, from, (to - from) as usize)
        })
    }
}

/// Where a sum goes.
struct Place {
    /// Which of sixteen.
    word: usize,
    entry: usize,
    /// The exponent of its unit, and the bits of the two cells.
    unit: i32,
    bits: i32,
}

/// Adds `limbs 2^unit`, which are in two's complement.
fn add_shifted(sums: &mut BigFixedTable, entry: usize, limbs: [u64; LIMBS], unit: i32) {
    if limbs == [0; LIMBS] {
        return;
    }
    let shift = unit.rem_euclid(64);
    let mut moved = limbs;
    for at in (0..LIMBS).rev() {
        let below = if at > 0 && shift > 0 { limbs[at - 1] >> (64 - shift) } else { 0 };
        moved[at] = limbs[at] << shift | below;
    }
    // Without the limbs that only repeat the sign: the sums are as narrow as they can be.
    let repeats = |at: usize| moved[at] == (moved[at - 1] as i64 >> 63) as u64;
    let used = (1..LIMBS).rev().take_while(|&at| repeats(at)).count();
    sums.add_limbs(0, entry, &moved[..LIMBS - used], unit - shift, 0);
}
