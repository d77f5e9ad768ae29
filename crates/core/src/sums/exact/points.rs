//! Slices as polynomials: where they are evaluated, and how sums of products come back from that.
//!
//! A cell of `n` slices is `D(x) = d_0 + d_1 x + ... + d_(n-1) x^(n-1)` at `x = 2^bits`, and the product of two cells a
//! polynomial of degree `2n - 2`. Its values at `2n - 1` points are products of values of `D`, which makes `2n - 1` products
//! where digit by digit there are `n^2` (Toom 1963; Cook 1966, "On the minimum computation time of functions"; Karatsuba's
//! identity is the case of two). Values at infinity are those of the highest coefficient.
//!
//! All columns use the same points in the same order, so the first `n` of them give the digits themselves back: that is how
//! cells of unequal slices are multiplied.

use pulp::Simd;

/// Slices that a column has at most; cells that need more are outliers.
pub(super) const MAX_SLICES: usize = 5;

/// How long digits are, which is a matter of what the processor multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Digits {
    /// Values at all points fit into 32 bits with their sign. The narrower they are, the more of their products a lane of 64
    /// bits holds.
    #[default]
    Long,
    /// With [`OFFSET`] added, values at all points fit into 26 bits without a sign, and their products into 52.
    Short,
}

/// What is added to values of short digits, so that none is negative; their sums are put right again.
pub(super) const OFFSET: u64 = 1 << 25;

impl Digits {
    /// Bits of a slice with its sign, of a column of so many slices. Digits are half of `2^bits` at most.
    pub(super) const fn bits(self, slices: usize) -> i32 {
        const LONG: [i32; MAX_SLICES + 1] = [30, 30, 30, 26, 26, 24];
        const SHORT: [i32; MAX_SLICES + 1] = [25, 25, 24, 23, 22, 19];
        match self {
            Self::Long => LONG[slices],
            Self::Short => SHORT[slices],
        }
    }

    /// Bits of all slices together.
    pub(super) const fn width(self, slices: usize) -> i32 {
        self.bits(slices) * slices as i32
    }

    /// The largest value of a cell of so many slices at a point.
    pub(super) fn bound(self, slices: usize, point: usize) -> u64 {
        let (a, b) = POINTS[point];
        let each = (0..slices)
            .map(|k| a.unsigned_abs().pow(k as u32) * b.unsigned_abs().pow((slices - 1 - k) as u32));
        each.sum::<u64>() << (self.bits(slices) - 1)
    }
}

/// Planes of a column of most slices.
pub(super) const PLANES: usize = planes(MAX_SLICES);

/// Planes of a column of so many slices: one for each point.
pub(super) const fn planes(slices: usize) -> usize {
    (2 * slices).saturating_sub(1)
}

/// The points: `a / b` is the pair `(a, b)`, and `D` there is the sum of `d_k a^k b^(n-1-k)`.
const POINTS: [(i64, i64); PLANES] =
    [(0, 1), (1, 0), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2), (3, 1)];

/// The values of `N` digits at the points, lane by lane; the upper bits of lanes count only where they do in the digits.
#[inline(always)]
pub(super) fn evaluate<S: Simd, const N: usize>(simd: S, d: [S::u64s; N]) -> [S::u64s; PLANES] {
    let add = |a, b| simd.add_u64s(a, b);
    let sub = |a, b| simd.sub_u64s(a, b);
    let twice = |a| simd.add_u64s(a, a);
    let four = |a| twice(twice(a));
    let mut out = [d[0]; PLANES];
    if N > 1 {
        out[1] = d[N - 1];
    }
    match N {
        2 => out[2] = add(d[0], d[1]),
        3 => {
            let even = add(d[0], d[2]);
            (out[2], out[3]) = (add(even, d[1]), sub(even, d[1]));
            out[4] = add(d[0], twice(add(d[1], twice(d[2]))));
        }
        4 => {
            let (even, odd) = (add(d[0], d[2]), add(d[1], d[3]));
            (out[2], out[3]) = (add(even, odd), sub(even, odd));
            let (even, odd) = (add(d[0], four(d[2])), twice(add(d[1], four(d[3]))));
            (out[4], out[5]) = (add(even, odd), sub(even, odd));
            out[6] = add(twice(add(twice(add(twice(d[0]), d[1])), d[2])), d[3]);
        }
        5 => {
            let (even, odd) = (add(add(d[0], d[2]), d[4]), add(d[1], d[3]));
            (out[2], out[3]) = (add(even, odd), sub(even, odd));
            let even = add(d[0], four(add(d[2], four(d[4]))));
            let odd = twice(add(d[1], four(d[3])));
            (out[4], out[5]) = (add(even, odd), sub(even, odd));
            let even = add(four(add(four(d[0]), d[2])), d[4]);
            let odd = twice(add(four(d[1]), d[3]));
            (out[6], out[7]) = (add(even, odd), sub(even, odd));
            let mut high = d[4];
            for k in (0..4).rev() {
                high = add(d[k], add(high, twice(high)));
            }
            out[8] = high;
        }
        _ => {}
    }
    out
}

/// The coefficients of a polynomial of degree `values.len() - 1` from its values at the first points, in place: as many as
/// there are slices, or planes, of a column. All divisions are exact.
pub(super) fn interpolate(values: &mut [i128]) {
    let v = |k: usize| values.get(k).copied().unwrap_or(0);
    // Half the sum and half the difference of the values at a point and its negative.
    let halves = |k: usize| ((v(k) + v(k + 1)) / 2, (v(k) - v(k + 1)) / 2);
    let (first, last) = (v(0), v(1));
    match values.len() {
        3 => values.copy_from_slice(&[first, v(2) - first - last, last]),
        4 => {
            let (even, odd) = halves(2);
            values.copy_from_slice(&[first, odd - last, even - first, last]);
        }
        5 => {
            let (even, odd) = halves(2);
            let second = even - first - last;
            let third = ((v(4) - first - 4 * second - 16 * last) / 2 - odd) / 3;
            values.copy_from_slice(&[first, odd - third, second, third, last]);
        }
        7 => {
            let ((even, odd), (even_2, odd_2)) = (halves(2), halves(4));
            let even = even - first - last;
            let c4 = ((even_2 - first - 64 * last) / 4 - even) / 3;
            let c2 = even - c4;
            // c1 + c3 + c5, c1 + 4 c3 + 16 c5, 16 c1 + 4 c3 + c5
            let odd_half = (v(6) - 64 * first - 16 * c2 - 4 * c4 - last) / 2;
            let [c1, c3, c5] = of_three(odd, odd_2 / 2, odd_half);
            values.copy_from_slice(&[first, c1, c2, c3, c4, c5, last]);
        }
        9 => {
            let ((even, odd), (even_2, odd_2), (even_half, odd_half)) = (halves(2), halves(4), halves(6));
            let even = even - first - last;
            let even_2 = (even_2 - first - 256 * last) / 4;
            let [c2, c4, c6] = of_three(even, even_2, (even_half - 256 * first - last) / 4);
            // c1 + c3 + c5 + c7, and with the powers of 4 upwards, downwards, and of 9.
            let (odd_2, odd_half) = (odd_2 / 2, odd_half / 2);
            let odd_3 = (v(8) - first - 9 * c2 - 81 * c4 - 729 * c6 - 6_561 * last) / 3;
            let (a, b, c) = ((odd_2 - odd) / 3, (64 * odd - odd_half) / 3, (odd_3 - odd) / 8);
            // c3 + 5 c5 + 21 c7, 16 c3 + 20 c5 + 21 c7, c3 + 10 c5 + 91 c7
            let (d, e) = ((b - a) / 15, (c - a) / 5);
            let c7 = (4 * e - (a - d)) / 35;
            let c5 = e - 14 * c7;
            let c3 = d - c5;
            values.copy_from_slice(&[first, odd - c3 - c5 - c7, c2, c3, c4, c5, c6, c7, last]);
        }
        // One value is the coefficient, two are both.
        _ => {}
    }
}

/// `x`, `y` and `z` from `x + y + z`, `x + 4 y + 16 z` and `16 x + 4 y + z`.
fn of_three(one: i128, up: i128, down: i128) -> [i128; 3] {
    let (a, b) = ((up - one) / 3, (16 * one - down) / 3);
    let y = (b - a) / 3;
    let z = (a - y) / 5;
    [one - y - z, y, z]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(coefficients: &[i128], point: usize) -> i128 {
        let ((a, b), degree) = (POINTS[point], coefficients.len() - 1);
        let power = |x: i64, k: usize| i128::from(x).pow(k as u32);
        coefficients.iter().enumerate().map(|(k, c)| c * power(a, k) * power(b, degree - k)).sum()
    }

    #[test]
    fn values_give_their_polynomial_back() {
        let mut random = 7u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i128::from(random as i64) << 20
        };
        for count in [1, 2, 3, 4, 5, 7, 9] {
            for _ in 0..100 {
                let wanted: Vec<i128> = (0..count).map(|_| next()).collect();
                let mut values: Vec<i128> = (0..count).map(|point| at(&wanted, point)).collect();
                interpolate(&mut values);
                assert_eq!(values, wanted);
            }
        }
    }

    #[test]
    fn digits_are_evaluated_at_the_points() {
        fn check<const N: usize>() {
            [Digits::Long, Digits::Short].into_iter().for_each(check_digits::<N>);
        }
        fn check_digits<const N: usize>(length: Digits) {
            let limit = 1i64 << (length.bits(N) - 1);
            for pattern in 0..3usize.pow(N as u32) {
                let digits: [i64; N] =
                    std::array::from_fn(|k| [limit, -limit, 12_345][pattern / 3usize.pow(k as u32) % 3]);
                let wide = digits.map(i128::from);
                let values = evaluate::<_, N>(pulp::Scalar, digits.map(|d| d as u64));
                for (point, value) in values.iter().enumerate().take(planes(N)) {
                    assert_eq!(i128::from(*value as i32), at(&wide, point), "{digits:?}");
                    assert!((*value as i32).unsigned_abs() as u64 <= length.bound(N, point));
                    let short = (*value as i64).wrapping_add(OFFSET as i64);
                    assert!(length == Digits::Long || (0..1 << 26).contains(&short));
                }
            }
        }
        check::<1>();
        check::<2>();
        check::<3>();
        check::<4>();
        check::<5>();
    }
}
