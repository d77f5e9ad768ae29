//! Cells as integers in slices: what the kernel multiplies.

use pulp::{Simd, WithSimd};

use super::big_fixed::parts_of;
use super::points::{Digits, MAX_SLICES, OFFSET, PLANES, evaluate, planes};

/// How the cells of a column are read as integers: units of `2^unit`, in `slices` slices. Without
/// slices every cell but zero is an outlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) unit: i32,
    pub(super) slices: usize,
    pub(super) digits: Digits,
}

/// Grids stay within exponents where the constants of slicing are normal numbers, and adding them to a cell does not
/// overflow.
const LOWEST_UNIT: i32 = -1020;
const HIGHEST_UNIT: i32 = 900 - Digits::Long.width(MAX_SLICES);

impl Grid {
    /// What rounds a cell to the unit of each slice when it is added and subtracted again. In between, the lowest bits
    /// of the sum are the digit.
    fn magics(&self) -> [f64; MAX_SLICES] {
        std::array::from_fn(|k| {
            let unit = self.unit + k as i32 * self.digits.bits(self.slices);
            if k < self.slices { 1.5 * libm::scalbn(1.0, unit + 52) } else { 0.0 }
        })
    }

    /// The largest value of the highest slice.
    fn limit(&self) -> f64 {
        libm::scalbn(1.0, self.unit + self.digits.width(self.slices) - 1)
    }

    /// The grid of fewest slices that no more than one in [`TOLERATED`] cells falls out of.
    pub(super) fn fit(cells: &[f64], digits: Digits) -> Self {
        let (spans, none) = (Spans::new(cells), Self { digits, ..Self::default() });
        if spans.cells == 0 {
            return none;
        }
        // Where half of the cells fall out anyway, slicing the others saves nothing.
        let (outside, unit) = spans.best_unit(digits.width(MAX_SLICES));
        if outside * 2 > spans.cells {
            return none;
        }
        let tolerated = (cells.len() / TOLERATED) as u32;
        let mut each = (1..MAX_SLICES).map(|slices| (slices, spans.best_unit(digits.width(slices))));
        let first = each.find(|&(_, (outside, _))| outside <= tolerated);
        let (slices, unit) = first.map_or((MAX_SLICES, unit), |(slices, (_, unit))| (slices, unit));
        Self { unit, slices, digits }
    }
}

/// One cell in this many may be an outlier: more cost more than another slice does.
pub(super) const TOLERATED: usize = 128;

/// Bits that a cell other than zero needs: from its lowest set bit up to where its magnitude and the sign end.
pub(crate) fn span_of(value: f64) -> (i32, i32) {
    let (mantissa, exponent) = parts_of(value);
    let top = 64 - mantissa.unsigned_abs().leading_zeros() as i32;
    (exponent + top + 1, exponent + mantissa.trailing_zeros() as i32)
}

/// The exponent of the unit in which most of the cells are integers of `bits` bits with their sign.
pub(crate) fn unit_of(cells: &[f64], bits: i32) -> i32 {
    let spans = Spans::new(cells);
    if spans.cells == 0 { 0 } else { spans.best_unit(bits).1 }
}

/// How many cells of a column need which bits.
pub(super) struct Spans {
    /// Cells other than zero.
    pub(super) cells: u32,
    /// The lowest and the highest end of any span.
    lowest: i32,
    highest: i32,
    /// Cells whose lowest bit is below an exponent, and cells whose bits end there or below, counted from `-EXPONENTS`.
    below: Vec<u32>,
    within: Vec<u32>,
}

/// Exponents of bits lie within this, on either side of zero.
const EXPONENTS: i32 = 1_088;

impl Spans {
    pub(super) fn new(cells: &[f64]) -> Self {
        let size = 2 * EXPONENTS as usize;
        let (mut below, mut within) = (vec![0; size], vec![0; size]);
        let (mut lowest, mut highest, mut count) = (i32::MAX, i32::MIN, 0);
        for &cell in cells.iter().filter(|&&cell| cell != 0.0) {
            let (top, low) = span_of(cell);
            // The first exponent that the lowest bit is below is the next.
            below[(low + 1 + EXPONENTS) as usize] += 1;
            within[(top + EXPONENTS) as usize] += 1;
            (lowest, highest, count) = (lowest.min(low), highest.max(top), count + 1);
        }
        for counts in [&mut below, &mut within] {
            let mut sum = 0;
            for count in counts.iter_mut() {
                sum += *count;
                *count = sum;
            }
        }
        Self { cells: count, lowest, highest, below, within }
    }

    /// How many cells fall out of so many bits from `unit` on.
    fn outside(&self, unit: i32, width: i32) -> u32 {
        let at = |counts: &[u32], exponent: i32| {
            counts[(exponent + EXPONENTS).clamp(0, 2 * EXPONENTS - 1) as usize]
        };
        at(&self.below, unit) + self.cells - at(&self.within, unit + width)
    }

    /// The unit by which the fewest cells fall out of so many bits, and how many.
    pub(super) fn best_unit(&self, width: i32) -> (u32, i32) {
        let limited = |unit: i32| unit.clamp(LOWEST_UNIT, HIGHEST_UNIT);
        let spare = width - (self.highest - self.lowest);
        if spare >= 0 {
            // Room on either side for what is to come.
            let unit = limited(self.lowest - spare / 2);
            return (self.outside(unit, width), unit);
        }
        // From two spare bits at the top downwards; the first of equals keeps the most room for large values.
        let tops = (self.lowest..=self.highest + 2).rev();
        let units = tops.map(|top| limited(top - width));
        let each = units.map(|unit| (self.outside(unit, width), unit));
        each.reduce(|best, next| if next.0 < best.0 { next } else { best }).unwrap_or((self.cells, 0))
    }
}

/// The sum of the lanes.
#[inline(always)]
pub(super) fn sum_of_lanes<S: Simd>(lanes: S::u64s) -> u64 {
    let lanes = [lanes];
    pulp::bytemuck::cast_slice::<S::u64s, u64>(&lanes).iter().fold(0, |sum, &lane| sum.wrapping_add(lane))
}

/// Slices of one column, evaluated at the points: a plane of so many cells for each.
pub(super) struct Slicing<'a> {
    pub(super) values: &'a [f64],
    pub(super) grid: Grid,
    /// The planes, [`planes`] slices of as many cells as `values` and the padding.
    pub(super) planes: [&'a mut [u64]; PLANES],
    /// Of the same length; positive where a cell is not on the grid.
    pub(super) wrong: &'a mut [f64],
    /// Sums of the planes of short digits, modulo 2^64.
    pub(super) totals: &'a mut [u64; PLANES],
}

impl WithSimd for Slicing<'_> {
    /// Whether all cells are on the grid; the digits of those that are not mean nothing.
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        match (self.grid.slices, self.grid.digits) {
            (1, Digits::Long) => self.run::<S, 1, false>(simd),
            (2, Digits::Long) => self.run::<S, 2, false>(simd),
            (3, Digits::Long) => self.run::<S, 3, false>(simd),
            (4, Digits::Long) => self.run::<S, 4, false>(simd),
            (5, Digits::Long) => self.run::<S, 5, false>(simd),
            (1, Digits::Short) => self.run::<S, 1, true>(simd),
            (2, Digits::Short) => self.run::<S, 2, true>(simd),
            (3, Digits::Short) => self.run::<S, 3, true>(simd),
            (4, Digits::Short) => self.run::<S, 4, true>(simd),
            (5, Digits::Short) => self.run::<S, 5, true>(simd),
            _ => self.compare(),
        }
    }
}

impl Slicing<'_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize, const SHORT: bool>(self, simd: S) -> bool {
        let (whole, tail) = S::as_simd_f64s(self.values);
        let planes = self.planes.map(|plane| S::as_mut_simd_u64s(plane).0);
        let wrong = S::as_mut_simd_f64s(self.wrong).0;
        let mut cutter = Cutter::<S, N, SHORT>::new(simd, self.grid, planes, wrong);
        for (at, &cells) in whole.iter().enumerate() {
            cutter.cut(simd, at, cells);
        }
        // The rest of the padding is cut as well: what an earlier block left there would count.
        let mut tail = tail;
        for at in whole.len()..cutter.wrong.len() {
            cutter.cut(simd, at, simd.partial_load_f64s(tail));
            tail = &[];
        }
        if SHORT {
            *self.totals = cutter.totals.map(sum_of_lanes::<S>);
        }
        simd.reduce_max_f64s(cutter.worst) <= 0.0
    }

    /// Without slices only zeros are on the grid.
    #[inline(always)]
    fn compare(self) -> bool {
        self.wrong[self.values.len()..].fill(0.0);
        for (wrong, value) in self.wrong.iter_mut().zip(self.values) {
            *wrong = value.abs();
        }
        self.values.iter().all(|&value| value == 0.0)
    }
}

/// The constants of a column in vectors, and what is checked at its end.
struct Cutter<'a, S: Simd, const N: usize, const SHORT: bool> {
    magics: [S::f64s; N],
    limit: S::f64s,
    planes: [&'a mut [S::u64s]; PLANES],
    wrong: &'a mut [S::f64s],
    /// The largest of `wrong`.
    worst: S::f64s,
    totals: [S::u64s; PLANES],
}

impl<'a, S: Simd, const N: usize, const SHORT: bool> Cutter<'a, S, N, SHORT> {
    #[inline(always)]
    fn new(simd: S, grid: Grid, planes: [&'a mut [S::u64s]; PLANES], wrong: &'a mut [S::f64s]) -> Self {
        let magics = grid.magics();
        let steps = wrong.len();
        let mut at = 0;
        // Equal lengths, said once, spare the bounds checks inside.
        let planes = planes.map(|plane| {
            at += 1;
            if at <= super::points::planes(N) { &mut plane[..steps] } else { plane }
        });
        Self {
            magics: std::array::from_fn(|k| simd.splat_f64s(magics[k])),
            limit: simd.splat_f64s(grid.limit()),
            planes,
            wrong,
            worst: simd.splat_f64s(0.0),
            totals: [simd.splat_u64s(0); PLANES],
        }
    }

    /// Cuts the cells of one vector. Every subtraction is exact (Ogita, Rump & Oishi 2005, "Accurate sum and dot
    /// product", lemma 3.3), at the cells' own scale, so that nothing underflows unseen.
    #[inline(always)]
    fn cut(&mut self, simd: S, at: usize, cells: S::f64s) {
        let mut digits = [simd.splat_u64s(0); N];
        let mut rest = cells;
        let mut top = cells;
        for k in (0..N).rev() {
            let sum = simd.add_f64s(rest, self.magics[k]);
            let part = simd.sub_f64s(sum, self.magics[k]);
            rest = simd.sub_f64s(rest, part);
            digits[k] = simd.transmute_u64s_f64s(sum);
            if SHORT {
                // The digit alone, all bits of it.
                digits[k] = simd.sub_u64s(digits[k], simd.transmute_u64s_f64s(self.magics[k]));
            }
            if k + 1 == N {
                top = part;
            }
        }
        // Bits below the grid, or a digit too large: zero is neither.
        let excess = simd.sub_f64s(simd.abs_f64s(top), self.limit);
        let wrong = simd.max_f64s(simd.abs_f64s(rest), excess);
        self.wrong[at] = wrong;
        self.worst = simd.max_f64s(self.worst, wrong);
        let values = evaluate::<S, N>(simd, digits);
        for k in 0..planes(N) {
            let mut value = values[k];
            if SHORT {
                value = simd.add_u64s(value, simd.splat_u64s(OFFSET));
                self.totals[k] = simd.add_u64s(self.totals[k], value);
            }
            self.planes[k][at] = value;
        }
    }
}
