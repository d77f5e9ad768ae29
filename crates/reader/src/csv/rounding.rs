//! Whole numbers divided by powers of ten, correctly rounded.
//!
//! The quotient m / 10^d is m · 5^-d with another binary exponent. The product of m, its top bit set, and the first
//! 128 bits of 5^-d tells the nearest float64, for all m of 64 bits and all d to 27: Lemire, Number parsing at a gigabyte
//! per second (2021); Mushtak & Lemire, Fast number parsing without fallback (2023).

/// Most digits behind the point.
pub(super) const MOST_DIGITS: usize = 19;

/// Powers of ten that fit a word.
pub(super) const POWERS: [u64; MOST_DIGITS + 1] = {
    let mut powers = [1; MOST_DIGITS + 1];
    let mut i = 1;
    while i <= MOST_DIGITS {
        powers[i] = 10 * powers[i - 1];
        i += 1;
    }
    powers
};

/// Bits of a float64 behind the leading one.
const FRACTION_BITS: u32 = 52;

/// The bits of a product below the ones that are kept: a bit that rounds, and one more.
const BELOW: u64 = (1 << (64 - FRACTION_BITS - 3)) - 1;

/// `5^-d`, from above.
#[derive(Clone, Copy)]
struct Reciprocal {
    /// Its first 128 bits, the top one set.
    high: u64,
    low: u64,
    /// The biased binary exponent of a product with a number whose top bit is set.
    exponent: i32,
}

static RECIPROCALS: [Reciprocal; MOST_DIGITS + 1] = {
    let mut all = [Reciprocal { high: 0, low: 0, exponent: 0 }; MOST_DIGITS + 1];
    let mut digits = 0;
    while digits <= MOST_DIGITS {
        all[digits] = reciprocal(digits as i32);
        digits += 1;
    }
    all
};

/// Long division of a power of two by 5^`digits`, until 128 bits are there.
const fn reciprocal(digits: i32) -> Reciprocal {
    let five = 5u128.pow(digits as u32);
    let (mut quotient, mut rest) = (0u128, 1u128);
    if five == 1 {
        (quotient, rest) = (1, 0);
    }
    while quotient >> 127 == 0 {
        rest *= 2;
        quotient *= 2;
        if rest >= five {
            rest -= five;
            quotient += 1;
        }
    }
    if rest > 0 {
        quotient += 1;
    }
    // floor(log2(10^-digits)), by a rational approximation that holds far beyond the table.
    let exponent = ((-digits * 217_706) >> 16) + 63 + 1023;
    Reciprocal { high: (quotient >> 64) as u64, low: quotient as u64, exponent }
}

/// The float64 nearest to `mantissa / 10^digits`, ties to even. `digits` is at most [`MOST_DIGITS`].
#[inline(always)]
pub(super) fn quotient(mantissa: u64, digits: usize) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let reciprocal = &RECIPROCALS[digits];
    let shift = mantissa.leading_zeros();
    let normal = mantissa << shift;
    let (mut high, mut low) = product(normal, reciprocal.high);
    if high & BELOW == BELOW {
        // Only then can the other half of the reciprocal change what is kept.
        let (carried, _) = product(normal, reciprocal.low);
        let (sum, carries) = low.overflowing_add(carried);
        low = sum;
        high += u64::from(carries);
    }
    let upper = (high >> 63) as u32;
    let kept = upper + 64 - FRACTION_BITS - 3;
    let mut bits = high >> kept;
    let exponent = reciprocal.exponent + upper as i32 - shift as i32;
    // Half way between two, which needs a small divisor: to the even one.
    if low <= 1 && digits <= 4 && bits & 3 == 1 && bits << kept == high {
        bits &= !1;
    }
    bits = (bits + (bits & 1)) >> 1;
    // The leading one adds to the exponent, and so does a carry into the next power of two.
    f64::from_bits(((exponent as u64 - 1) << FRACTION_BITS) + bits)
}

/// The high and the low word of a product.
#[inline(always)]
fn product(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    ((product >> 64) as u64, product as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::tests::Random;

    #[track_caller]
    fn agrees_with_std(mantissa: u64, digits: usize) {
        let expected: f64 = format!("{mantissa}e-{digits}").parse().unwrap();
        let found = quotient(mantissa, digits);
        assert_eq!(found.to_bits(), expected.to_bits(), "{mantissa}e-{digits}: {found:e}, not {expected:e}");
    }

    #[test]
    fn quotients_are_the_nearest() {
        let mut random = Random::new(11);
        for digits in 0..=MOST_DIGITS {
            for mantissa in [0, 1, 2, 3, 5, 10, 1 << 53, (1 << 53) + 1, 1 << 63, u64::MAX, u64::MAX - 1] {
                agrees_with_std(mantissa, digits);
            }
            for _ in 0..20_000 {
                let mantissa = (random.below(1 << 32) << 32 | random.below(1 << 32)) >> random.below(64);
                agrees_with_std(mantissa, digits);
            }
        }
    }

    /// Numbers half way between two float64, and those beside them.
    #[test]
    fn ties_go_to_the_even_one() {
        let mut random = Random::new(12);
        for digits in 0..=4 {
            let five = 5u64.pow(digits as u32);
            for _ in 0..20_000 {
                // An odd number of 54 bits, or fewer and a power of two, times 5^d: exactly half way.
                let odd = (1 << 53) | random.below(1 << 32) << 20 | random.below(1 << 20) | 1;
                let Some(tie) = odd.checked_mul(five) else { continue };
                for mantissa in [tie, tie - 1, tie + 1, tie.saturating_mul(2), tie.saturating_mul(2) + 1] {
                    agrees_with_std(mantissa, digits);
                }
            }
        }
    }
}
