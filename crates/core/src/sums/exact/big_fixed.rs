//! Integers of any length times a power of two: the values of exact sums.

use std::cmp::Ordering;

use faer::fx128;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// Limbs of a number, little-endian. Those of sums of ordinary data need no memory of their own.
pub(super) type Limbs = SmallVec<[u64; 8]>;

/// An integer times a power of two, exactly.
///
/// The form is canonical: the magnitude is odd (or empty, for zero) and has no leading zero limbs, so that equal
/// values are equal, hash and serialise alike, however they came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct BigFixed {
    negative: bool,
    /// Little-endian limbs of the magnitude.
    magnitude: Limbs,
    /// Exponent of the lowest bit; 0 for zero.
    exponent: i32,
}

/// What a [`BigFixed`] is written as; read back, it is brought to canonical form.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parts {
    negative: bool,
    magnitude: Vec<u64>,
    exponent: i32,
}

impl From<Parts> for BigFixed {
    fn from(parts: Parts) -> Self {
        Self::new(parts.negative, parts.magnitude, parts.exponent)
    }
}

impl From<BigFixed> for Parts {
    fn from(wide: BigFixed) -> Self {
        Self { negative: wide.negative, magnitude: wide.magnitude.into_vec(), exponent: wide.exponent }
    }
}

impl From<f64> for BigFixed {
    /// The value of a finite number; zero for others.
    fn from(value: f64) -> Self {
        if !value.is_finite() {
            return Self::ZERO;
        }
        let (mantissa, exponent) = parts_of(value);
        Self::of(mantissa < 0, smallvec![mantissa.unsigned_abs()], exponent)
    }
}

impl From<u64> for BigFixed {
    fn from(value: u64) -> Self {
        Self::of(false, smallvec![value], 0)
    }
}

/// Mantissa and exponent of a finite number: `value = mantissa 2^exponent` with |mantissa| < 2^53. Without branches,
/// for signs are hard to predict.
#[inline(always)]
pub(super) fn parts_of(value: f64) -> (i64, i32) {
    let bits = value.to_bits();
    let field = ((bits >> 52) & 0x7ff) as i32;
    let hidden = i64::from(field != 0) << 52;
    let magnitude = (bits & ((1 << 52) - 1)) as i64 | hidden;
    let sign = bits as i64 >> 63;
    ((magnitude ^ sign) - sign, field.max(1) - 1_075)
}

impl BigFixed {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, magnitude: SmallVec::new_const(), exponent: 0 };

    /// `±magnitude 2^exponent`, the magnitude in little-endian limbs.
    pub fn new(negative: bool, magnitude: Vec<u64>, exponent: i32) -> Self {
        Self::of(negative, magnitude.into(), exponent)
    }

    fn of(negative: bool, magnitude: Limbs, exponent: i32) -> Self {
        let mut wide = Self { negative, magnitude, exponent };
        wide.trim();
        wide
    }

    /// From little-endian limbs in two's complement.
    pub(super) fn from_twos_complement(limbs: &[u64], exponent: i32) -> Self {
        let negative = limbs.last().is_some_and(|&top| top >> 63 == 1);
        let mut magnitude = Limbs::from_slice(limbs);
        if negative {
            let mut carry = true;
            for limb in &mut magnitude {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        Self::of(negative, magnitude, exponent)
    }

    /// Whether the value is negative.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Little-endian limbs of the magnitude: odd, or empty for zero.
    pub fn magnitude(&self) -> &[u64] {
        &self.magnitude
    }

    /// Exponent of the magnitude's lowest bit; 0 for zero.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Whether it is a whole number.
    pub fn is_whole(&self) -> bool {
        self.is_zero() || self.exponent() >= 0
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        self.magnitude.is_empty()
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// The value with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// `self + other`.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        if self.is_zero() {
            return other.clone();
        }
        if other.is_zero() {
            return self.clone();
        }
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.shifted_to(exponent), other.shifted_to(exponent));
        if self.negative == other.negative {
            return Self::of(self.negative, sum(a, &b), exponent);
        }
        match compare(&a, &b) {
            Ordering::Less => Self::of(other.negative, difference(b, &a), exponent),
            _ => Self::of(self.negative, difference(a, &b), exponent),
        }
    }

    /// `self - other`.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// `self * other`.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        let product = multiply(&self.magnitude, &other.magnitude);
        Self::of(self.negative != other.negative, product, self.exponent + other.exponent)
    }

    /// `self * 2^power`.
    #[must_use]
    pub fn scaled(&self, power: i32) -> Self {
        Self::of(self.negative, self.magnitude.clone(), self.exponent + power)
    }

    /// The nearest float64, ties to even; infinite where the value is beyond the range.
    pub fn to_f64(&self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        let top = self.top_exponent();
        if top > 1023 {
            return if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        // Bits that the result has room for: fewer near the end of the range.
        let room = 53 - (-1022 - top).max(0);
        let length = top - self.exponent + 1;
        let rounded = if room < 0 { 0 } else { self.top_bits(length - room) };
        let size = libm::scalbn(rounded as f64, self.exponent + (length - room));
        if self.negative { -size } else { size }
    }

    /// The nearest float64, and the one nearest to the rest.
    pub fn to_double(&self) -> fx128 {
        if let Some(double) = round_to_double(self.negative, &self.magnitude, self.exponent) {
            return double;
        }
        let high = self.to_f64();
        if !high.is_finite() {
            return fx128::from_f64(high);
        }
        pair(high, self.sub(&Self::from(high)).to_f64())
    }

    /// `self / divisor`, off by no more than 2^-150 of itself before it is rounded to two float64; NaN for a
    /// divisor of zero.
    ///
    /// Three digits of a long division in base 2^53, each from a float64 division and followed by the exact rest.
    pub fn div_to_double(&self, divisor: &Self) -> fx128 {
        if divisor.is_zero() {
            return fx128::from_f64(f64::NAN);
        }
        if self.is_zero() {
            return fx128::from_f64(0.0);
        }
        if let [limb] = divisor.magnitude.as_slice() {
            let negative = self.negative != divisor.negative;
            return divide(negative, &self.magnitude, self.exponent - divisor.exponent, *limb);
        }
        // Both scaled to [1, 2), so that nothing leaves the range of float64 on the way.
        let (top, below) = (self.top_exponent(), divisor.top_exponent());
        let divisor = divisor.scaled(-below);
        let size = divisor.to_f64();
        let mut rest = self.scaled(-top);
        let mut quotient = Self::ZERO;
        for _ in 0..3 {
            let digit = Self::from(rest.to_f64() / size);
            rest = rest.sub(&digit.mul(&divisor));
            quotient = quotient.add(&digit);
        }
        quotient.scaled(top - below).to_double()
    }

    /// Exponent of the highest bit.
    fn top_exponent(&self) -> i32 {
        let zeros = self.magnitude.last().map_or(0, |top| top.leading_zeros());
        self.exponent + 64 * self.magnitude.len() as i32 - zeros as i32 - 1
    }

    /// The magnitude without its lowest `drop` bits, rounded to nearest, ties to even. What is left has at most 53
    /// bits (or 2^53).
    fn top_bits(&self, drop: i32) -> u64 {
        if drop <= 0 {
            return self.bits_from(0) << -drop;
        }
        let drop = drop as usize;
        let kept = self.bits_from(drop);
        let half = self.bits_from(drop - 1) & 1 == 1;
        // The magnitude is odd: its lowest bit is set, and below the half bit unless it is the half bit.
        let beyond = drop > 1;
        kept + u64::from(half && (beyond || kept & 1 == 1))
    }

    /// 64 bits of the magnitude from bit `from` on.
    fn bits_from(&self, from: usize) -> u64 {
        let (limb, shift) = (from / 64, from % 64);
        let at = |i: usize| self.magnitude.get(i).copied().unwrap_or(0);
        let high = if shift == 0 { 0 } else { at(limb + 1) << (64 - shift) };
        (at(limb) >> shift) | high
    }

    /// The magnitude in units of `2^exponent`, which is not above the own exponent.
    fn shifted_to(&self, exponent: i32) -> Limbs {
        let by = (self.exponent - exponent).unsigned_abs() as usize;
        let (limbs, shift) = (by / 64, by % 64);
        let mut shifted: Limbs = smallvec![0; limbs];
        shifted.reserve(self.magnitude.len() + 1);
        let mut carry = 0;
        for &limb in &self.magnitude {
            shifted.push((limb << shift) | carry);
            carry = if shift == 0 { 0 } else { limb >> (64 - shift) };
        }
        shifted.push(carry);
        shifted
    }

    /// Brings the value to canonical form.
    fn trim(&mut self) {
        while self.magnitude.last() == Some(&0) {
            self.magnitude.pop();
        }
        let Some(zeros) = self.magnitude.iter().position(|&limb| limb != 0) else {
            *self = Self::ZERO;
            return;
        };
        self.magnitude.drain(..zeros);
        let shift = self.magnitude[0].trailing_zeros();
        if shift > 0 {
            let mut above = 0;
            for limb in self.magnitude.iter_mut().rev() {
                (*limb, above) = ((*limb >> shift) | above, *limb << (64 - shift));
            }
            if self.magnitude.last() == Some(&0) {
                self.magnitude.pop();
            }
        }
        self.exponent += 64 * zeros as i32 + shift as i32;
    }
}

/// A double-double from its parts.
fn pair(high: f64, low: f64) -> fx128 {
    let mut pair = fx128::from_f64(high);
    pair.1 = low;
    pair
}

/// `±magnitude 2^exponent`, rounded to the nearest float64 and the one nearest to the rest; `None` near the ends of their
/// range.
pub(super) fn round_to_double(negative: bool, magnitude: &[u64], exponent: i32) -> Option<fx128> {
    let Some(length) = bits(magnitude) else { return Some(fx128::ZERO) };
    if exponent + length > 1_000 || exponent + length < -700 {
        return None;
    }
    let (high, drop, up) = leading(magnitude, length);
    // What is left, or what rounding up put on top of it.
    let mut rest = Limbs::from_slice(&magnitude[..drop.div_ceil(64).min(magnitude.len())]);
    if let (Some(top), 1..) = (rest.last_mut(), drop % 64) {
        *top &= (1 << (drop % 64)) - 1;
    }
    if up {
        let mut carry = true;
        for limb in &mut rest {
            (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
        }
        if let (Some(top), 1..) = (rest.last_mut(), drop % 64) {
            *top &= (1 << (drop % 64)) - 1;
        }
    }
    let low = match bits(&rest) {
        None => 0.0,
        Some(length) if exponent + length < -900 => return None,
        Some(length) => {
            let (low, drop, more) = leading(&rest, length);
            let low = libm::scalbn((low + u64::from(more)) as f64, exponent + drop as i32);
            if up == negative { low } else { -low }
        }
    };
    let high = libm::scalbn((high + u64::from(up)) as f64, exponent + drop as i32);
    Some(pair(if negative { -high } else { high }, low))
}

/// Bits up to the highest that is set; `None` for zero.
fn bits(magnitude: &[u64]) -> Option<i32> {
    let top = magnitude.iter().rposition(|&limb| limb != 0)?;
    Some(64 * top as i32 + 64 - magnitude[top].leading_zeros() as i32)
}

/// The highest 53 bits of a magnitude of so many bits, how many are below them, and whether these round them up, ties to
/// even.
fn leading(magnitude: &[u64], length: i32) -> (u64, usize, bool) {
    let drop = (length - 53).max(0) as usize;
    let (limb, shift) = (drop / 64, drop % 64);
    let at = |i: usize| magnitude.get(i).copied().unwrap_or(0);
    let kept = at(limb) >> shift | if shift == 0 { 0 } else { at(limb + 1) << (64 - shift) };
    let Some(half) = drop.checked_sub(1) else { return (kept, 0, false) };
    let (limb, mask) = (half / 64, 1u64 << (half % 64));
    let beyond = || at(limb) & (mask - 1) != 0 || magnitude[..limb].iter().any(|&limb| limb != 0);
    (kept, drop, at(limb) & mask != 0 && (kept & 1 == 1 || beyond()))
}

/// `±magnitude 2^exponent / divisor`, rounded to two float64 as the quotient itself would be, if not the low part is less
/// than 2^-30 of what it might be: at least 190 bits of it are known, and whether there are more.
pub(super) fn divide(negative: bool, magnitude: &[u64], exponent: i32, divisor: u64) -> fx128 {
    const MORE: usize = 4;
    let mut quotient: Limbs = smallvec![0; magnitude.len() + MORE + 1];
    let mut rest = 0;
    for (at, digit) in quotient.iter_mut().enumerate().skip(1).rev() {
        let limb = at.checked_sub(MORE + 1).map_or(0, |at| magnitude[at]);
        let wide = u128::from(rest) << 64 | u128::from(limb);
        *digit = (wide / u128::from(divisor)) as u64;
        rest = limb.wrapping_sub(digit.wrapping_mul(divisor));
    }
    quotient[0] = u64::from(rest != 0) << 63;
    let exponent = exponent - 64 * (MORE as i32 + 1);
    round_to_double(negative, &quotient, exponent)
        .unwrap_or_else(|| BigFixed::of(negative, quotient, exponent).to_double())
}

/// The sum of `±magnitude 2^(64 lowest)` of two numbers, given as sign, magnitude and `lowest`.
pub(super) fn add_limbs(a: (bool, Limbs, i32), b: (bool, Limbs, i32)) -> (bool, Limbs, i32) {
    let lowest = a.2.min(b.2);
    let aligned = |(negative, mut limbs, own): (bool, Limbs, i32)| {
        limbs.insert_many(0, std::iter::repeat_n(0, (own - lowest) as usize));
        (negative, limbs)
    };
    let ((a_negative, a), (b_negative, b)) = (aligned(a), aligned(b));
    if a_negative == b_negative {
        return (a_negative, sum(a, &b), lowest);
    }
    match compare(&a, &b) {
        Ordering::Less => (b_negative, difference(b, &a), lowest),
        _ => (a_negative, difference(a, &b), lowest),
    }
}

/// The product of two magnitudes.
pub(super) fn multiply(a: &[u64], b: &[u64]) -> Limbs {
    let mut product: Limbs = smallvec![0; a.len() + b.len()];
    for (i, &own) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, &other) in b.iter().enumerate() {
            let wide = u128::from(own) * u128::from(other) + u128::from(carry) + u128::from(product[i + j]);
            (product[i + j], carry) = (wide as u64, (wide >> 64) as u64);
        }
        product[i + b.len()] = carry;
    }
    product
}

/// Which of two magnitudes is larger; either may have leading zeros.
fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let at = |limbs: &[u64], i: usize| limbs.get(i).copied().unwrap_or(0);
    let from_top = (0..a.len().max(b.len())).rev();
    from_top.map(|i| at(a, i).cmp(&at(b, i))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Sum of two magnitudes.
fn sum(a: Limbs, b: &[u64]) -> Limbs {
    let (mut sum, mut carry) = (a, false);
    sum.resize(sum.len().max(b.len()) + 1, 0);
    for (i, limb) in sum.iter_mut().enumerate() {
        let (first, over) = limb.overflowing_add(b.get(i).copied().unwrap_or(0));
        let (second, more) = first.overflowing_add(u64::from(carry));
        (*limb, carry) = (second, over || more);
    }
    sum
}

/// Difference of two magnitudes, the first not smaller than the second.
fn difference(a: Limbs, b: &[u64]) -> Limbs {
    let (mut rest, mut borrow) = (a, false);
    for (i, limb) in rest.iter_mut().enumerate() {
        let (first, under) = limb.overflowing_sub(b.get(i).copied().unwrap_or(0));
        let (second, more) = first.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (second, under || more);
    }
    rest
}
