//! From parts to wide sums: slices, products, and what neither grid nor lane holds.

use super::big_fixed_table::BigFixedTable;
use super::entry;
use super::gram::{Job, LANES, Products, Sum, period};
use super::kernel::Kernel;
use super::operand::{Class, Operand, Parts};
use super::outliers::Outliers;
use super::points::{Digits, MAX_SLICES, OFFSET, PLANES, interpolate, planes};

/// Rows multiplied at a time.
const BLOCK: usize = 512;

/// Rows whose outliers are multiplied at a time.
const ROWS: usize = 2 * BLOCK;

/// Rows after which the halves of sums, less than 2^32 each, might leave 64 bits.
const MOST_PENDING: usize = 1 << 20;

/// Sums of the products of the parts that have not been added to the wide sums yet.
#[derive(Debug)]
pub(super) struct Engine {
    kernel: Kernel,
    right: Operand,
    /// The weighted parts; without weights both sides are the same.
    left: Option<Operand>,
    pairs: Vec<Pair>,
    jobs: Vec<Job>,
    ranks: (Vec<usize>, Vec<usize>),
    sums: Vec<Sum>,
    pending: usize,
    /// The same with what blocks were filled up by.
    padded: usize,
    /// Whether the wide sums have no room for these grids yet.
    fresh: bool,
    outliers: Outliers,
}

/// A class of the left against one of the right.
#[derive(Clone, Copy, Debug)]
struct Pair {
    left: Class,
    right: Class,
    /// Only pairs of parts whose left rank is not below the right.
    half: bool,
    /// Where the sums of the first job are; the others follow.
    out: usize,
}

impl Engine {
    /// For parts like these.
    pub(super) fn new(kernel: Kernel, right: &Parts<'_>, left: Option<&Parts<'_>>) -> Self {
        let digits = kernel.digits();
        let mut engine = Self {
            kernel,
            right: Operand::new(right, BLOCK, digits),
            left: left.map(|parts| Operand::new(parts, BLOCK, digits)),
            pairs: Vec::new(),
            jobs: Vec::new(),
            ranks: (Vec::new(), Vec::new()),
            sums: Vec::new(),
            pending: 0,
            padded: 0,
            fresh: true,
            outliers: Outliers::default(),
        };
        engine.plan();
        engine
    }

    /// Whether the engine was made for parts of these variables.
    pub(super) fn suits(&self, right: &Parts<'_>, left: Option<&Parts<'_>>) -> bool {
        let same = |side: &Operand, parts: &Parts<'_>| side.variables == parts.variables;
        same(&self.right, right)
            && match (&self.left, left) {
                (None, None) => true,
                (Some(side), Some(parts)) => same(side, parts),
                _ => false,
            }
    }

    /// Adds the products of all rows of the parts to `sums`, now or at the next [`Engine::flush`].
    pub(super) fn add(&mut self, sums: &mut BigFixedTable, right: &Parts<'_>, left: Option<&Parts<'_>>) {
        let rows = right.cells.first().map_or(0, |cells| cells.len());
        for from in (0..rows).step_by(ROWS) {
            let to = (from + ROWS).min(rows);
            self.right.clear_misses();
            self.left.iter_mut().for_each(Operand::clear_misses);
            for start in (from..to).step_by(BLOCK) {
                self.add_on_grids(sums, (right, left), (start, (start + BLOCK).min(to)), from);
            }
            let misses =
                (self.left.as_ref().map(|side| side.misses.as_slice()), self.right.misses.as_slice());
            self.outliers.add(sums, misses, (left, right), (from, to));
        }
        self.right.planes.give();
        self.left.iter_mut().for_each(|side| side.planes.give());
    }

    /// The products of what lies on the grids; the rest is noted.
    fn add_on_grids(
        &mut self,
        sums: &mut BigFixedTable,
        (right, left): (&Parts<'_>, Option<&Parts<'_>>),
        (from, to): (usize, usize),
        base: usize,
    ) {
        if self.pending + (to - from) > MOST_PENDING {
            self.flush(sums);
        }
        self.slice(right, left, (from, to), base);
        if self.refit(sums, right, left) {
            self.slice(right, left, (from, to), base);
        }
        if self.fresh {
            sums.reserve(self.pairs.iter().flat_map(|pair| self.room(pair)));
            self.fresh = false;
        }
        self.multiply(to - from);
        self.right.keep_totals();
        self.left.iter_mut().for_each(Operand::keep_totals);
        self.pending += to - from;
        self.padded += (to - from).next_multiple_of(LANES);
    }

    fn slice(
        &mut self,
        right: &Parts<'_>,
        left: Option<&Parts<'_>>,
        (from, to): (usize, usize),
        base: usize,
    ) {
        self.right.slice(self.kernel, right, from, to, base);
        if let (Some(side), Some(parts)) = (&mut self.left, left) {
            side.slice(self.kernel, parts, from, to, base);
        }
    }

    /// New grids where the present ones fail; what is pending was counted by the old ones.
    fn refit(&mut self, sums: &mut BigFixedTable, right: &Parts<'_>, left: Option<&Parts<'_>>) -> bool {
        let failing = self.right.fails() || self.left.as_ref().is_some_and(Operand::fails);
        if !failing {
            return false;
        }
        self.flush(sums);
        let mut changed = self.right.refit(right, BLOCK);
        if let (Some(side), Some(parts)) = (&mut self.left, left) {
            changed |= side.refit(parts, BLOCK);
        }
        if changed {
            self.plan();
        }
        changed
    }

    /// Lists the products to be taken.
    fn plan(&mut self) {
        let left = self.left.as_ref().unwrap_or(&self.right);
        let (weighted, digits) = (self.left.is_some(), self.right.digits);
        (self.pairs, self.jobs) = (Vec::new(), Vec::new());
        let mut out = 0;
        for (a, &l) in left.classes.iter().enumerate() {
            for (b, &r) in self.right.classes.iter().enumerate() {
                // Without weights each pair of classes occurs once.
                if !weighted && b > a {
                    continue;
                }
                let half = weighted || a == b;
                self.pairs.push(Pair { left: l, right: r, half, out });
                for (k, m) in planes_to_multiply(l.slices, r.slices) {
                    self.jobs.push(Job {
                        period: period(digits.bound(l.slices, k) * digits.bound(r.slices, m)),
                        left: (l.column + k * l.count, l.count),
                        right: (r.column + m * r.count, r.count),
                        out,
                        ranks: half.then_some((l.first, r.first)),
                        symmetric: half && !weighted,
                    });
                    out += l.count * r.count;
                }
            }
        }
        self.ranks = (left.ranks(weighted), self.right.ranks(weighted));
        self.sums = vec![Sum::default(); out];
        self.fresh = true;
    }

    fn multiply(&mut self, rows: usize) {
        self.kernel.multiply(Products {
            left: &self.left.as_ref().unwrap_or(&self.right).planes,
            right: &self.right.planes,
            left_ranks: &self.ranks.0,
            right_ranks: &self.ranks.1,
            jobs: &self.jobs,
            rows: rows.next_multiple_of(LANES),
            sums: &mut self.sums,
        });
    }

    /// Adds what is pending to the wide sums.
    pub(super) fn flush(&mut self, sums: &mut BigFixedTable) {
        if self.pending == 0 {
            return;
        }
        self.flushed_into(sums);
        self.sums.fill(Sum::default());
        self.right.pending.fill([0; PLANES]);
        self.left.iter_mut().for_each(|side| side.pending.fill([0; PLANES]));
        (self.pending, self.padded) = (0, 0);
    }

    /// Whether anything is.
    pub(super) fn is_pending(&self) -> bool {
        self.pending > 0
    }

    /// Adds what is pending to other sums, and keeps it.
    pub(super) fn flushed_into(&self, sums: &mut BigFixedTable) {
        if self.pending > 0 {
            self.pairs.iter().for_each(|pair| self.flush_pair(pair, sums));
        }
    }

    /// What the wide sums of a pair of classes need.
    fn room(&self, pair: &Pair) -> impl Iterator<Item = (usize, i32, usize)> {
        let left = self.left.as_ref().unwrap_or(&self.right);
        let lefts = &left.order[pair.left.first..pair.left.first + pair.left.count];
        let rights = &self.right.order[pair.right.first..pair.right.first + pair.right.count];
        let digits = self.right.digits;
        let bits = digits.width(pair.left.slices) + digits.width(pair.right.slices) + 128;
        lefts.iter().flat_map(move |&a| {
            rights.iter().map(move |&b| {
                let unit = left.grids[a].unit + self.right.grids[b].unit;
                // A limb more on either side, for outliers.
                let (from, to) = (unit.div_euclid(64) - 1, (unit + bits).div_euclid(64) + 3);
                (entry(left.variables[a], self.right.variables[b]), from, (to - from) as usize)
            })
        })
    }

    fn flush_pair(&self, pair: &Pair, sums: &mut BigFixedTable) {
        let left = self.left.as_ref().unwrap_or(&self.right);
        let (rows, columns) = (pair.left.count, pair.right.count);
        let planes = planes_to_multiply(pair.left.slices, pair.right.slices);
        for j in 0..columns {
            for i in 0..rows {
                let ranks = (self.ranks.0[pair.left.first + i], self.ranks.1[pair.right.first + j]);
                if pair.half && ranks.0 < ranks.1 {
                    continue;
                }
                let a = left.order[pair.left.first + i];
                let b = self.right.order[pair.right.first + j];
                let (va, vb) = (left.variables[a], self.right.variables[b]);
                // Two parts of a variable meet once, but their product occurs twice in its square.
                let twice = i32::from(self.left.is_none() && va == vb && a != b);
                let unit = left.grids[a].unit + self.right.grids[b].unit + twice;
                let plane = |k: usize| {
                    let sum = self.sums[pair.out + (k * columns + j) * rows + i].value();
                    sum - self.offset((left.pending[a][planes[k].0], self.right.pending[b][planes[k].1]))
                };
                let slices = (pair.left.slices, pair.right.slices);
                by_power(self.right.digits, slices, plane, |power, sum| {
                    sums.add(0, entry(va, vb), sum, unit + power);
                });
            }
        }
    }
}

impl Engine {
    /// What the offset of short digits adds to a sum of products of two planes, of which the sums are given:
    /// `(a + o) (b + o) - a b = o (a + o) + o (b + o) - o^2`.
    fn offset(&self, (left, right): (u64, u64)) -> i128 {
        match self.right.digits {
            Digits::Long => 0,
            Digits::Short => {
                let offset = i128::from(OFFSET);
                offset * (i128::from(left) + i128::from(right)) - self.padded as i128 * offset * offset
            }
        }
    }
}

/// Which planes of the left are multiplied with which of the right: of equal classes at every point the values there, of
/// others those that give the digits with each other.
fn planes_to_multiply(left: usize, right: usize) -> Vec<(usize, usize)> {
    if left == right {
        (0..planes(left)).map(|k| (k, k)).collect()
    } else {
        (0..left).flat_map(|k| (0..right).map(move |m| (k, m))).collect()
    }
}

/// Takes the sums of products of digits, and by which power of two they count, from the sums of the planes in the order of
/// [`planes_to_multiply`].
fn by_power(
    digits: Digits,
    (left, right): (usize, usize),
    plane: impl Fn(usize) -> i128,
    mut take: impl FnMut(i32, i128),
) {
    let bits = |slices: usize| digits.bits(slices);
    let mut values = [0; MAX_SLICES * MAX_SLICES];
    if left == right {
        let values = &mut values[..planes(left)];
        values.iter_mut().enumerate().for_each(|(k, value)| *value = plane(k));
        interpolate(values);
        values.iter().enumerate().for_each(|(power, &sum)| take(power as i32 * bits(left), sum));
        return;
    }
    // Digits of the right for every value of the left, then digits of the left.
    for k in 0..left {
        let values = &mut values[k * right..][..right];
        values.iter_mut().enumerate().for_each(|(m, value)| *value = plane(k * right + m));
        interpolate(values);
    }
    for m in 0..right {
        let mut column = [0; MAX_SLICES];
        (0..left).for_each(|k| column[k] = values[k * right + m]);
        interpolate(&mut column[..left]);
        let power = |k: usize| k as i32 * bits(left) + m as i32 * bits(right);
        column[..left].iter().enumerate().for_each(|(k, &sum)| take(power(k), sum));
    }
}
