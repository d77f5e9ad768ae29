//! The moduli, and what is to be known of them: how many a sum needs, and how it comes back from its remainders.

/// Most moduli that a sum needs.
pub(super) const MOST: usize = 16;

/// Pairwise coprime. The first one costs no division: remainders are the lower halves of words. The others are the largest
/// odd ones of which a lane holds enough products, and whose powers of two are small enough for [`super::cells`] and [`super::products`], so that
/// neither quotients nor sums of folded lanes leave their bits.
pub(super) const MODULI: [i32; MOST] = [
    1 << 16,
    8_093,
    8_091,
    8_083,
    8_081,
    8_075,
    8_063,
    8_059,
    8_053,
    8_051,
    8_047,
    8_039,
    8_027,
    8_023,
    8_017,
    8_011,
];

/// What words are multiplied by to be divided by a modulus.
pub(super) const RECIPROCALS: [f32; MOST] = {
    let mut reciprocals = [0.0; MOST];
    let mut k = 0;
    while k < MOST {
        reciprocals[k] = 1.0 / MODULI[k] as f32;
        k += 1;
    }
    reciprocals
};

/// Rows whose products a lane of 32 bits holds, by the largest remainder ([`super::words::Words::remainders`]).
pub(super) const ROWS: usize = 128;

/// A digit of a cell has so many bits with its sign; so two halves of it are multiplied by powers of two.
pub(super) const DIGIT: i32 = 27;

/// Digits that a cell has at most.
pub(super) const DIGITS: usize = 4;

/// Rows whose products are added up before they are put together from remainders.
pub(super) const PENDING: usize = 1 << PENDING_BITS;
const PENDING_BITS: i32 = 14;

/// Bits of a column's cells with their sign, those by which two such columns need a modulus more.
pub(super) const WIDTHS: [i32; 15] = [7, 14, 20, 27, 33, 40, 46, 53, 59, 66, 72, 79, 85, 92, 98];

/// The widest.
pub(super) const WIDEST: i32 = WIDTHS[WIDTHS.len() - 1];

/// How many moduli a sum of products needs of cells of so many bits.
pub(super) fn count_for(bits: i32) -> usize {
    // Magnitudes below 2^(bits - 2) a product, either sign, and remainders are not quite the smallest.
    let wanted = f64::from(bits - 1 + PENDING_BITS) + 0.1;
    let mut reached = 0.0;
    let enough = MODULI.iter().position(|&modulus| {
        reached += f64::from(modulus).log2();
        reached >= wanted
    });
    enough.map_or(MOST, |last| last + 1)
}

/// The remainder of the least magnitude.
pub(super) const fn centred(value: i64, modulus: i32) -> i32 {
    let modulus = modulus as i64;
    let rest = value.rem_euclid(modulus);
    (if 2 * rest >= modulus { rest - modulus } else { rest }) as i32
}

/// The remainder of a power of two.
pub(super) const fn power_of_two(exponent: i32, modulus: i32) -> i32 {
    let (mut rest, mut at) = (1, 0);
    while at < exponent {
        rest = rest * 2 % modulus as i64;
        at += 1;
    }
    centred(rest, modulus)
}

/// What a modulus is divided by: `a` of this and `b` of the modulus give `a b = 1`.
pub(super) fn inverse(value: i32, modulus: i32) -> i32 {
    let (mut old, mut new) = ((i64::from(value), 1i64), (i64::from(modulus), 0i64));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    centred(old.1, modulus)
}

/// Limbs of a sum.
pub(super) const LIMBS: usize = 5;

/// Digits that fit into an integer of 64 bits.
const AT_ONCE: usize = 4;

/// The number `d_0 + m_0 (d_1 + m_1 (d_2 + ...))`, in two's complement.
pub(super) fn from_digits(digits: impl DoubleEndedIterator<Item = i32> + ExactSizeIterator) -> [u64; LIMBS] {
    let count = digits.len();
    let mut limbs = [0; LIMBS];
    let (mut part, mut factor) = (0i64, 1u64);
    for (at, digit) in (0..count).zip(digits.rev()) {
        let modulus = MODULI[count - 1 - at];
        part = part * i64::from(modulus) + i64::from(digit);
        factor *= modulus as u64;
        if (count - 1 - at).is_multiple_of(AT_ONCE) {
            multiply_and_add(&mut limbs, factor, part);
            (part, factor) = (0, 1);
        }
    }
    limbs
}

fn multiply_and_add(limbs: &mut [u64; LIMBS], factor: u64, addend: i64) {
    let (mut carry, mut own, sign) = (0u128, addend as u64, (addend >> 63) as u64);
    for limb in limbs {
        let sum = u128::from(*limb) * u128::from(factor) + carry + u128::from(own);
        (*limb, carry, own) = (sum as u64, sum >> 64, sign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moduli_are_coprime_and_their_powers_of_two_small() {
        for (k, &modulus) in MODULI.iter().enumerate() {
            for &other in &MODULI[..k] {
                let (mut a, mut b) = (modulus, other);
                while b != 0 {
                    (a, b) = (b, a % b);
                }
                assert_eq!(a, 1, "{modulus} {other}");
            }
            if k == 0 {
                continue;
            }
            // Remainders, as much more than half of the modulus as rounding makes them, multiplied and added up for so many rows.
            let largest = f64::from(modulus) / 2.0 * 1.012;
            assert!(largest * largest * ROWS as f64 <= 2f64.powi(31));
            // Halves of digits: the lower ones have 16 bits, the upper ones what is left.
            let low = f64::from(1 << 15);
            let high = f64::from((1 << (DIGIT - 17)) + 1);
            let size = |exponent: i32| f64::from(power_of_two(exponent, modulus).abs());
            let largest: f64 =
                (0..DIGITS as i32).map(|k| low * size(DIGIT * k) + high * size(DIGIT * k + 16)).sum();
            assert!(largest / f64::from(modulus) < 0.98 * f64::from(1 << 15), "{modulus}");
            assert!(power_of_two(16, modulus).abs() <= 2_000);
        }
    }

    #[test]
    fn inverses_invert() {
        for (k, &modulus) in MODULI.iter().enumerate().skip(1) {
            for &other in &MODULI[..k] {
                let product = i64::from(inverse(other, modulus)) * i64::from(other);
                assert_eq!(centred(product, modulus), 1);
            }
        }
    }

    #[test]
    fn numbers_are_made_of_digits() {
        let digits = |value: i128| {
            let mut rest = value;
            MODULI[..9].iter().map(move |&modulus| {
                let digit = centred((rest % i128::from(modulus)) as i64, modulus);
                rest = (rest - i128::from(digit)) / i128::from(modulus);
                digit
            })
        };
        for value in [0, 1, -1, 1 << 100, -(1 << 100), 123_456_789_012_345_678_901_234_567_890] {
            let limbs = from_digits(digits(value).collect::<Vec<_>>().into_iter());
            assert_eq!(u128::from(limbs[0]) | u128::from(limbs[1]) << 64, value as u128);
            assert!(limbs[2..].iter().all(|&limb| limb == (value >> 127) as u64), "{value}");
        }
    }

    #[test]
    fn two_columns_of_a_width_need_a_modulus_more_than_the_one_before() {
        let counts: Vec<usize> = WIDTHS.iter().map(|width| count_for(2 * width)).collect();
        assert_eq!(counts, (2..=MOST).collect::<Vec<_>>());
    }
}
