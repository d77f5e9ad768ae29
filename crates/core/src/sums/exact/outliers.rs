//! Products of cells that no grid holds, one by one.

use pulp::{Simd, WithSimd};

use super::big_fixed::parts_of;
use super::big_fixed_table::BigFixedTable;
use super::entry;
use super::operand::Parts;

/// Below this many products the bins cost more than they save.
const FEW: usize = 4;

/// One outlier in this many rows, over all parts, and decoding all cells beforehand pays.
const SPARSE: usize = 64;

/// Parts whose cells fit into the cache of a core beside others.
const NEAR: usize = 12;

/// Exponents are counted in steps of so many bits, by which mantissas are shifted beforehand: less than 2^56 then.
const STEP: i32 = 4;

/// Added to the exponent of a mantissa, so that it is not negative; twice this is a multiple of 64.
const OFFSET: i32 = 1_088;

/// A bin for each step that a product's exponent can have, rounded up to a power of two.
const BINS: usize = 2_048;

/// Bins that make up a limb.
const BINS_PER_LIMB: usize = 64 / STEP as usize;

/// A cell as an integer: `mantissa 2^(STEP step - OFFSET)`.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    mantissa: i64,
    step: u64,
}

/// A part's cells in some rows.
#[derive(Clone, Debug, Default)]
struct Decoded {
    cells: Vec<Cell>,
    /// The range of the steps.
    from: u64,
    to: u64,
}

impl Decoded {
    fn load(&mut self, values: &[f64]) {
        self.cells.resize(values.len(), Cell::default());
        (self.from, self.to) = pulp::Arch::new().dispatch(Decode { values, cells: &mut self.cells });
    }
}

/// Takes cells apart; an operation, so that the compiler uses the processor's vectors.
struct Decode<'a> {
    values: &'a [f64],
    cells: &'a mut [Cell],
}

impl WithSimd for Decode<'_> {
    /// The range of the steps.
    type Output = (u64, u64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (u64, u64) {
        let (mut from, mut to) = (i64::MAX, 0);
        for (cell, value) in self.cells.iter_mut().zip(self.values) {
            let bits = value.to_bits();
            let exponent = exponent(bits);
            let hidden = u64::from((bits >> 52) & 0x7ff != 0) << 52;
            let magnitude = ((bits & ((1 << 52) - 1)) | hidden) << (exponent % STEP as u64);
            let sign = bits as i64 >> 63;
            *cell = Cell { mantissa: (magnitude as i64 ^ sign) - sign, step: exponent / STEP as u64 };
            from = from.min(cell.step as i64);
            to = to.max(cell.step as i64);
        }
        (from as u64, to as u64)
    }
}

/// Exponent of the mantissa of a number with these bits, and [`OFFSET`]. Zeros have that of 1, so as not to widen
/// the range of others.
#[inline(always)]
fn exponent(bits: u64) -> u64 {
    let field = (bits >> 52) & 0x7ff;
    let field = if bits << 1 == 0 { 1_023 } else { field };
    // Subnormal numbers have the exponent of the smallest normal ones.
    field.max(1) + (OFFSET - 1_075) as u64
}

/// Rows of each part whose cells are not on its grid, ascending.
type Misses<'a> = &'a [Vec<usize>];

/// Ranges of the steps of parts.
type Ranges = Vec<(u64, u64)>;

/// Outliers of a block's rows against the other cells of their rows.
#[derive(Debug, Default)]
pub(super) struct Outliers {
    left: Vec<Decoded>,
    right: Vec<Decoded>,
    /// Steps for which the wide sums have room, of both sides.
    known: (Ranges, Ranges),
    bins: Bins,
}

/// A pair of parts and what is off their grids.
#[derive(Clone, Copy)]
struct Pair<'a> {
    cells: (&'a [f64], &'a [f64]),
    /// Rows of the left part's outliers, of the right's, and for every row whether it is one of the left's.
    left: &'a [usize],
    right: &'a [usize],
    flags: &'a [bool],
}

impl<'a> Pair<'a> {
    /// The rows with an outlier on either side, each once.
    fn rows(self) -> impl Iterator<Item = usize> + use<'a> {
        let counts = move |row: &usize| !self.flags.get(*row).is_some_and(|&flag| flag);
        self.left.iter().copied().chain(self.right.iter().copied().filter(counts))
    }

    /// The limbs of an entry that a row's product may need, twice it and a sum of some included.
    fn limbs(self, entry: usize, row: usize) -> (usize, i32, usize) {
        let ((a, p), (b, q)) = (parts_of(self.cells.0[row]), parts_of(self.cells.1[row]));
        let bits = |mantissa: i64| 64 - mantissa.unsigned_abs().leading_zeros() as i32;
        let from = (p + q).div_euclid(64);
        // None of a product that is zero.
        let to = if a == 0 || b == 0 { from } else { (p + q + bits(a) + bits(b) + 8).div_euclid(64) + 1 };
        (entry, from, (to - from) as usize)
    }
}

impl Outliers {
    /// Adds the products of rows `from..to` in which one cell at least is off its grid. Without a left side the
    /// right one meets itself.
    pub(super) fn add(
        &mut self,
        sums: &mut BigFixedTable,
        (left, right): (Option<Misses<'_>>, Misses<'_>),
        (lefts, rights): (Option<&Parts<'_>>, &Parts<'_>),
        (from, to): (usize, usize),
    ) {
        let count = |misses: Misses<'_>| misses.iter().map(Vec::len).sum::<usize>();
        let missed = left.map_or(0, count) + count(right);
        if missed == 0 {
            return;
        }
        let longest = |misses: Misses<'_>| misses.iter().map(Vec::len).max().unwrap_or(0);
        let longest = left.map_or(0, longest).max(longest(right));
        let dense = missed * SPARSE > to - from && longest >= FEW;
        if dense {
            load(&mut self.right, rights, from, to);
            if let Some(lefts) = lefts {
                load(&mut self.left, lefts, from, to);
            }
            self.reserve(sums, lefts, rights);
        }
        let weighted = left.is_some();
        let (left, lefts) = (left.unwrap_or(right), lefts.unwrap_or(rights));
        let flags: Vec<Vec<bool>> = left.iter().map(|misses| flags(misses, to - from)).collect();
        let each = || {
            pairs(left, right, dense).filter_map(|(a, b)| {
                let (i, j) = (lefts.variables[a], rights.variables[b]);
                let needed = if weighted { i >= j } else { a >= b };
                let cells = (&lefts.cells[a][from..to], &rights.cells[b][from..to]);
                // Two parts of a variable meet once, but their product occurs twice in its square.
                let twice = !weighted && a != b && i == j;
                let pair = Pair { cells, left: &left[a], right: &right[b], flags: &flags[a] };
                needed.then_some((a, b, entry(i, j), twice, pair))
            })
        };
        if !dense {
            let needs =
                each().flat_map(|(_, _, entry, _, pair)| pair.rows().map(move |row| pair.limbs(entry, row)));
            let needs: Vec<_> =
                needs.filter(|&(entry, from, limbs)| !sums.holds(entry, from, limbs)).collect();
            if !needs.is_empty() {
                // With a limb on either side for those to come.
                sums.reserve(needs.into_iter().map(|(entry, from, limbs)| (entry, from - 1, limbs + 2)));
            }
        }
        for (a, b, entry, twice, pair) in each() {
            if dense && pair.left.len() + pair.right.len() >= FEW {
                let one = if weighted { &self.left[a] } else { &self.right[a] };
                self.bins.add(sums, entry, twice, (one, &self.right[b]), pair);
            } else {
                add_each(sums, entry, twice, pair);
            }
        }
    }

    /// Makes room in the wide sums, where exponents occur that have not before: one by one they would have to be moved
    /// time and again.
    fn reserve(&mut self, sums: &mut BigFixedTable, lefts: Option<&Parts<'_>>, rights: &Parts<'_>) {
        let mut grown = extend(&mut self.known.1, &self.right);
        if lefts.is_some() {
            grown |= extend(&mut self.known.0, &self.left);
        }
        if !grown {
            return;
        }
        let right = &self.known.1;
        let (left, lefts) = lefts.map_or((right, rights), |lefts| (&self.known.0, lefts));
        let each = left.iter().zip(&lefts.variables);
        sums.reserve(each.flat_map(|(a, &i)| {
            right.iter().zip(&rights.variables).map(move |(b, &j)| {
                let bins = ((a.0 + b.0) as usize, (a.1 + b.1) as usize);
                let from = lowest_limb(bins.0 / BINS_PER_LIMB);
                // 112 bits of a product, some for how many there are.
                let limbs = bins.1 / BINS_PER_LIMB - bins.0 / BINS_PER_LIMB + 4;
                (entry(i, j), from, limbs)
            })
        }));
    }
}

/// The pairs of parts of which one at least has outliers. Of many outliers a few right parts at a time: they stay in the cache; of
/// few those that have any with all others, since looking at all pairs would take longer.
fn pairs<'m>(
    left: Misses<'m>,
    right: Misses<'m>,
    dense: bool,
) -> Box<dyn Iterator<Item = (usize, usize)> + 'm> {
    let parts = right.len();
    if dense {
        let near = (0..parts).step_by(NEAR);
        let each = near.flat_map(move |first| (0..left.len()).map(move |a| (a, first)));
        let each = each.flat_map(move |(a, first)| (first..parts.min(first + NEAR)).map(move |b| (a, b)));
        return Box::new(each.filter(|&(a, b)| !left[a].is_empty() || !right[b].is_empty()));
    }
    let own = (0..left.len()).filter(|&a| !left[a].is_empty());
    let other = (0..parts).filter(|&b| !right[b].is_empty());
    let others = other.flat_map(|b| (0..left.len()).filter(|&a| left[a].is_empty()).map(move |a| (a, b)));
    Box::new(own.flat_map(move |a| (0..parts).map(move |b| (a, b))).chain(others))
}

/// Takes some rows of all parts apart.
fn load(decoded: &mut Vec<Decoded>, parts: &Parts<'_>, from: usize, to: usize) {
    decoded.resize(parts.cells.len(), Decoded::default());
    decoded.iter_mut().zip(&parts.cells).for_each(|(decoded, cells)| decoded.load(&cells[from..to]));
}

/// Extends what is known by what occurs; whether that was more.
fn extend(known: &mut Ranges, decoded: &[Decoded]) -> bool {
    let before = known.clone();
    known.resize(decoded.len(), (u64::MAX, 0));
    for (known, decoded) in known.iter_mut().zip(decoded) {
        *known = (known.0.min(decoded.from), known.1.max(decoded.to));
    }
    before != *known
}

/// Flags of the rows that are listed; none where there are none.
fn flags(rows: &[usize], count: usize) -> Vec<bool> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut flags = vec![false; count];
    rows.iter().for_each(|&row| flags[row] = true);
    flags
}

/// Adds products without detour.
fn add_each(sums: &mut BigFixedTable, entry: usize, twice: bool, pair: Pair<'_>) {
    for row in pair.rows() {
        let ((a, p), (b, q)) = (parts_of(pair.cells.0[row]), parts_of(pair.cells.1[row]));
        sums.add(0, entry, i128::from(a) * i128::from(b), p + q + i32::from(twice));
    }
}

/// The limb that begins with so many limbs of bins.
fn lowest_limb(limbs: usize) -> i32 {
    limbs as i32 - 2 * OFFSET / 64
}

/// A sum of products with a bin for every step of exponents: adding does not carry. (Malcolm 1971, "On accurate
/// floating-point summation".)
///
/// A product is less than 2^112, so a bin holds 2^15 of them.
#[derive(Debug)]
struct Bins {
    bins: Box<[i128; BINS]>,
    limbs: Vec<u64>,
}

impl Default for Bins {
    fn default() -> Self {
        Self { bins: Box::new([0; BINS]), limbs: Vec::new() }
    }
}

impl Bins {
    /// Adds the products of a pair's rows to an entry, `twice` two times.
    fn add(
        &mut self,
        sums: &mut BigFixedTable,
        entry: usize,
        twice: bool,
        (a, b): (&Decoded, &Decoded),
        pair: Pair<'_>,
    ) {
        let rows = a.cells.len();
        let (x, y) = (&a.cells[..rows], &b.cells[..rows]);
        if pair.left.len() == rows || pair.right.len() == rows {
            x.iter().zip(y).for_each(|(&x, &y)| self.put(x, y));
        } else {
            pair.left.iter().for_each(|&row| self.put(x[row], y[row]));
            if pair.left.is_empty() {
                pair.right.iter().for_each(|&row| self.put(x[row], y[row]));
            } else {
                let flags = &pair.flags[..rows];
                pair.right.iter().filter(|&&row| !flags[row]).for_each(|&row| self.put(x[row], y[row]));
            }
        }
        let from = (a.from + b.from) as usize / BINS_PER_LIMB;
        let to = (a.to + b.to) as usize / BINS_PER_LIMB;
        self.empty(sums, entry, twice, from, to);
    }

    #[inline(always)]
    fn put(&mut self, x: Cell, y: Cell) {
        self.bins[(x.step + y.step) as usize % BINS] += i128::from(x.mantissa) * i128::from(y.mantissa);
    }

    /// Adds what the bins of limbs `from..=to` hold to an entry, and clears them. Zeros may be elsewhere: they are none.
    fn empty(&mut self, sums: &mut BigFixedTable, entry: usize, twice: bool, from: usize, to: usize) {
        self.limbs.clear();
        let mut carry = 0i128;
        let (bins, _) = self.bins.as_chunks_mut::<BINS_PER_LIMB>();
        for bins in &mut bins[from..=to] {
            let (mut low, mut high) = (0u128, 0i128);
            for (at, bin) in bins.iter().enumerate() {
                low += u128::from(*bin as u64) << (STEP as usize * at);
                high += i128::from((bin >> 64) as i64) << (STEP as usize * at);
            }
            bins.fill(0);
            let value = low as i128 + carry;
            self.limbs.push(value as u64);
            carry = (value >> 64) + high;
        }
        self.limbs.extend([carry as u64, (carry >> 64) as u64]);
        sums.add_limbs(0, entry, &self.limbs, 64 * lowest_limb(from), i32::from(twice));
    }
}
