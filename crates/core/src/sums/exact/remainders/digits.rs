//! Sums back from their remainders, in a mixed radix: the digits of sixteen sums at a time. (Garner 1959, "The residue number
//! system".)

use super::moduli::{MODULI, MOST, centred, inverse};
use super::products::{HALF, Sums, add_folded};
use super::words::{Line, Operation, Words, halves};

/// For every modulus and each before it: what the difference of a remainder and a digit is multiplied by.
#[derive(Debug)]
pub(super) struct Inverses([[i32; MOST]; MOST]);

impl Inverses {
    pub(super) fn new() -> Self {
        let of = |k: usize, j: usize| {
            if j >= k {
                return 0;
            }
            let inverse = inverse(MODULI[j], MODULI[k]);
            halves(inverse, -inverse)
        };
        Self(std::array::from_fn(|k| std::array::from_fn(|j| of(k, j))))
    }
}

/// Takes the digits of the sums of a right column, of so many moduli.
pub(super) struct Digits<'a> {
    pub(super) sums: &'a Sums,
    pub(super) inverses: &'a Inverses,
    pub(super) block: usize,
    pub(super) column: usize,
    pub(super) digits: &'a mut [Line],
}

impl Operation for Digits<'_> {
    #[inline(always)]
    fn run<W: Words>(self, words: W) {
        let count = self.digits.len().min(MOST);
        let mut found = [words.repeat(0); MOST];
        for k in 0..count {
            let word = words.load(self.sums.words(k, self.block, self.column));
            let folded = add_folded(words, words.repeat(0), word, k);
            let missing = centred(HALF * (self.sums.folds + 1), MODULI[k]);
            let sum = words.plus(folded, words.repeat(missing));
            if k == 0 {
                // The lower half, with its sign.
                found[0] = words.add_products(words.repeat(0), sum, words.repeat(1));
                continue;
            }
            let mut rest = words.remainders(sum, k);
            for (&digit, &inverse) in found[..k].iter().zip(&self.inverses.0[k]) {
                let both = words.pack(rest, digit);
                let product = words.add_products(words.repeat(0), both, words.repeat(inverse));
                rest = words.remainders(product, k);
            }
            found[k] = rest;
        }
        for (line, &digit) in self.digits.iter_mut().zip(&found) {
            words.store(digit, line);
        }
    }
}
