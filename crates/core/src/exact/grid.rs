//! Cells as integers in slices: what the kernel multiplies.

use pulp::{Simd, WithSimd};

use super::wide::parts_of;

/// Bits of a slice with its sign: digits are 2^29 at most, sums of two of them 2^30, which 32 bits hold.
pub(super) const BITS: i32 = 30;

/// Products of digits, 2^58 each, that 63 bits hold beside a rest of 32 bits.
pub(super) const PERIOD: usize = 28;

/// The same of sums of two digits: their products are four times as large.
pub(super) const PERIOD_OF_SUMS: usize = 7;

/// Slices that a column has at most; cells that need more are outliers.
pub(super) const MAX_SLICES: usize = 5;

/// How the cells of a column are read as integers: units of `2^unit`, in `slices` slices of [`BITS`] bits. Without
/// slices every cell but zero is an outlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) unit: i32,
    pub(super) slices: usize,
}

/// Grids stay within exponents where the constants of slicing are normal numbers, and adding them to a cell does not
/// overflow.
const LOWEST_UNIT: i32 = -1020;
const HIGHEST_UNIT: i32 = 900 - BITS * MAX_SLICES as i32;

impl Grid {
    /// What rounds a cell to the unit of each slice when it is added and subtracted again. In between, the lowest bits
    /// of the sum are the digit.
    fn magics(&self) -> [f64; MAX_SLICES] {
        std::array::from_fn(|k| {
            let unit = self.unit + k as i32 * BITS;
            if k < self.slices { 1.5 * libm::scalbn(1.0, unit + 52) } else { 0.0 }
        })
    }

    /// The largest value of the highest slice.
    fn limit(&self) -> f64 {
        libm::scalbn(1.0, self.unit + self.slices as i32 * BITS - 1)
    }

    /// The grid of fewest slices that no more than one in [`TOLERATED`] cells falls out of.
    pub(super) fn fit(cells: &[f64]) -> Self {
        let mut spans: Vec<(i32, i32)> = cells.iter().filter(|&&x| x != 0.0).map(|&x| span(x)).collect();
        if spans.is_empty() {
            return Self::default();
        }
        spans.sort_unstable();
        let mut lows: Vec<i32> = spans.iter().map(|s| s.1).collect();
        lows.sort_unstable();
        let tops: Vec<i32> = spans.iter().map(|s| s.0).collect();
        let tolerated = cells.len() / TOLERATED;
        let (outside, unit) = best_unit(&tops, &lows, MAX_SLICES);
        // Where half of the cells fall out anyway, slicing the others saves nothing.
        if outside * 2 > tops.len() {
            return Self::default();
        }
        for slices in 1..MAX_SLICES {
            let (outside, unit) = best_unit(&tops, &lows, slices);
            if outside <= tolerated {
                return Self { unit, slices };
            }
        }
        Self { unit, slices: MAX_SLICES }
    }
}

/// One cell in this many may be an outlier.
pub(super) const TOLERATED: usize = 128;

/// Bits that a cell needs: from its lowest set bit up to where its magnitude and the sign end.
fn span(value: f64) -> (i32, i32) {
    let (mantissa, exponent) = parts_of(value);
    let top = 64 - mantissa.unsigned_abs().leading_zeros() as i32;
    (exponent + top + 1, exponent + mantissa.trailing_zeros() as i32)
}

/// The unit by which the fewest cells fall out of so many slices, and how many; `tops` and `lows` are sorted.
fn best_unit(tops: &[i32], lows: &[i32], slices: usize) -> (usize, i32) {
    let width = BITS * slices as i32;
    let (lowest, highest) = (lows[0], tops[tops.len() - 1]);
    let limited = |unit: i32| unit.clamp(LOWEST_UNIT, HIGHEST_UNIT);
    let outside = |unit: i32| {
        let below = lows.partition_point(|&low| low < unit);
        below + (tops.len() - tops.partition_point(|&top| top <= unit + width))
    };
    let spare = width - (highest - lowest);
    if spare >= 0 {
        // Room on either side for what is to come.
        let unit = limited(lowest - spare / 2);
        return (outside(unit), unit);
    }
    // From two spare bits at the top downwards; the first of equals keeps the most room for large values. The best
    // windows begin at some cell's top.
    let mut ends: Vec<i32> = tops.iter().rev().copied().collect();
    ends.dedup();
    let tries = [highest + 2, highest + 1].into_iter().chain(ends).map(|top| limited(top - width));
    let each = tries.map(|unit| (outside(unit), unit));
    each.reduce(|best, next| if next.0 < best.0 { next } else { best }).unwrap_or((tops.len(), 0))
}

/// Slices of one column: digits and sums of pairs of digits, each a plane of so many cells.
pub(super) struct Slicing<'a> {
    pub(super) values: &'a [f64],
    pub(super) grid: Grid,
    /// The planes, [`planes`] slices of as many cells as `values` and the padding.
    pub(super) planes: [&'a mut [u64]; PLANES],
    /// Of the same length; positive where a cell is not on the grid.
    pub(super) wrong: &'a mut [f64],
}

/// Planes of a column of most slices.
pub(super) const PLANES: usize = planes(MAX_SLICES);

/// Planes of a column: its digits, and the sums of any two of them.
pub(super) const fn planes(slices: usize) -> usize {
    slices * (slices + 1) / 2
}

impl WithSimd for Slicing<'_> {
    /// Whether all cells are on the grid; the digits of those that are not mean nothing.
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        match self.grid.slices {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            4 => self.run::<S, 4>(simd),
            5 => self.run::<S, 5>(simd),
            _ => self.compare(),
        }
    }
}

impl Slicing<'_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) -> bool {
        let (whole, tail) = S::as_simd_f64s(self.values);
        let planes = self.planes.map(|plane| S::as_mut_simd_u64s(plane).0);
        let wrong = S::as_mut_simd_f64s(self.wrong).0;
        let mut cutter = Cutter::<S, N>::new(simd, self.grid, planes, wrong);
        for (at, &cells) in whole.iter().enumerate() {
            cutter.cut(simd, at, cells);
        }
        // The rest of the padding is cut as well: what an earlier block left there would count.
        let mut tail = tail;
        for at in whole.len()..cutter.wrong.len() {
            cutter.cut(simd, at, simd.partial_load_f64s(tail));
            tail = &[];
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
struct Cutter<'a, S: Simd, const N: usize> {
    magics: [S::f64s; N],
    limit: S::f64s,
    planes: [&'a mut [S::u64s]; PLANES],
    wrong: &'a mut [S::f64s],
    /// The largest of `wrong`.
    worst: S::f64s,
}

impl<'a, S: Simd, const N: usize> Cutter<'a, S, N> {
    #[inline(always)]
    fn new(
        simd: S,
        grid: Grid,
        planes: [&'a mut [S::u64s]; PLANES],
        wrong: &'a mut [S::f64s],
    ) -> Self {
        let magics = grid.magics();
        let steps = wrong.len();
        let mut at = 0;
        // Equal lengths, said once, spare the bounds checks inside.
        let planes = planes.map(|plane| {
            at += 1;
            if at <= self::planes(N) { &mut plane[..steps] } else { plane }
        });
        Self {
            magics: std::array::from_fn(|k| simd.splat_f64s(magics[k])),
            limit: simd.splat_f64s(grid.limit()),
            planes,
            wrong,
            worst: simd.splat_f64s(0.0),
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
            if k + 1 == N {
                top = part;
            }
        }
        // Bits below the grid, or a digit too large: zero is neither.
        let excess = simd.sub_f64s(simd.abs_f64s(top), self.limit);
        let wrong = simd.max_f64s(simd.abs_f64s(rest), excess);
        self.wrong[at] = wrong;
        self.worst = simd.max_f64s(self.worst, wrong);
        let mut plane = N;
        for k in 0..N {
            self.planes[k][at] = digits[k];
            for l in k + 1..N {
                // The upper halves do not count.
                self.planes[plane][at] = simd.add_u64s(digits[k], digits[l]);
                plane += 1;
            }
        }
    }
}
