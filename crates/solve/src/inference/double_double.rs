//! Sums of two doubles, and their logarithms.

use core::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::LazyLock;

/// An unevaluated sum of two doubles, about 31 digits (Dekker 1971; Knuth, TAOCP 4.2.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dd {
    pub(super) hi: f64,
    pub(super) lo: f64,
}

impl Dd {
    /// `a + b` exactly, for `|a| >= |b|`.
    fn quick_sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        Self { hi, lo: b - (hi - a) }
    }

    /// `a + b` exactly.
    fn sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        let t = hi - a;
        Self { hi, lo: (a - (hi - t)) + (b - t) }
    }

    /// `a * b` exactly.
    pub(super) fn product(a: f64, b: f64) -> Self {
        let hi = a * b;
        Self { hi, lo: libm::fma(a, b, -hi) }
    }

    /// Times a power of two.
    fn scaled(self, power: i32) -> Self {
        Self { hi: libm::scalbn(self.hi, power), lo: libm::scalbn(self.lo, power) }
    }
}

impl From<f64> for Dd {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

impl Neg for Dd {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Add for Dd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (s, t) = (Self::sum(self.hi, other.hi), Self::sum(self.lo, other.lo));
        let r = Self::quick_sum(s.hi, s.lo + t.hi);
        Self::quick_sum(r.hi, r.lo + t.lo)
    }
}

impl Sub for Dd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Dd {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let p = Self::product(self.hi, other.hi);
        Self::quick_sum(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Dd {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self - other * Self::from(first);
        let second = rest.hi / other.hi;
        let rest = rest - other * Self::from(second);
        Self::quick_sum(first, second) + Self::from(rest.hi / other.hi)
    }
}

/// Numbers near which logarithms are known are multiples of its inverse.
const STEPS: f64 = 32.0;

/// The first of them, by [`STEPS`], and how many there are: from below the root of 1/2 to above that of 2.
const FIRST: usize = 22;
const KNOWN: usize = 25;

/// Terms of the series.
const TERMS: usize = 20;

/// `log r` in double-double, given also `r - 1` without cancellation.
///
/// A power of two is taken out, then the nearest multiple of 1/32, unless `r` is next to 1: of what is left the series
/// needs few terms.
pub(super) fn log(r: Dd, r_minus_1: Dd) -> Dd {
    static LOGS: LazyLock<[Dd; KNOWN]> = LazyLock::new(|| std::array::from_fn(|k| log_of_step(k + FIRST)));
    const LN_2: Dd = Dd { hi: core::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };
    if r_minus_1.hi.abs() < 1.0 / STEPS {
        return two_atanh(r_minus_1 / (r_minus_1 + Dd::from(2.0)));
    }
    let (fraction, power) = libm::frexp(r.hi);
    let power = if fraction < core::f64::consts::FRAC_1_SQRT_2 { power - 1 } else { power };
    let scaled = r.scaled(-power);
    let step = (scaled.hi * STEPS).round();
    let (near, known) = (Dd::from(step / STEPS), LOGS.get((step as usize).wrapping_sub(FIRST)));
    let (near, known) = known.map_or((Dd::from(1.0), Dd::from(0.0)), |&known| (near, known));
    let rest = two_atanh((scaled - near) / (scaled + near));
    LN_2 * Dd::from(f64::from(power)) + (known + rest)
}

/// The logarithm of a multiple of 1/32.
fn log_of_step(step: usize) -> Dd {
    let excess = Dd::from(step as f64 / STEPS - 1.0);
    two_atanh(excess / (excess + Dd::from(2.0)))
}

/// `2 atanh(s) = log((1 + s) / (1 - s))` for `|s| <= 1/4` (DLMF 4.6.4).
fn two_atanh(s: Dd) -> Dd {
    /// `1 / (2k + 1)`.
    static COEFFICIENTS: LazyLock<[Dd; TERMS]> =
        LazyLock::new(|| std::array::from_fn(|k| Dd::from(1.0) / Dd::from((2 * k + 1) as f64)));
    // |s| <= 1/4, and below 2^exponent: the first term left out is below 1e-24 of the sum.
    let (_, exponent) = libm::frexp(s.hi);
    let terms = (40 / (-exponent).max(2) + 1) as usize;
    let square = s * s;
    let series =
        COEFFICIENTS[..terms.min(TERMS)].iter().rev().fold(Dd::from(0.0), |sum, &term| sum * square + term);
    (s + s) * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_of_products_are_sums() {
        let one = Dd::from(1.0);
        let log_of = |x: Dd| log(x, x - one);
        for i in 1..4_000 {
            let x = Dd::from(f64::from(i) / 700.0);
            for y in [3.0, 0.7, 1.01, 1.0 / 1024.0].map(Dd::from) {
                let error = log_of(x * y) - (log_of(x) + log_of(y));
                assert!(error.hi.abs() < 1e-23 * (1.0 + log_of(x * y).hi.abs()), "{x:?} {y:?} {error:?}");
            }
            let float = libm::log(x.hi);
            assert!((log_of(x).hi - float).abs() <= 4e-16 * float.abs(), "{x:?}");
        }
        // log(2) and log(3), from tables.
        assert_eq!(log_of(Dd::from(2.0)).lo, 2.319_046_813_846_299_6e-17);
        assert!((log_of(Dd::from(3.0)).lo + 9.071_297_235_001_53e-17).abs() < 1e-23);
    }
}
