//! The hot loop: sums of products of remainders, modulus by modulus.

use super::moduli::{MODULI, MOST, power_of_two};
use super::side::Side;
use super::words::{Line, Operation, WORDS, Words, halves};

/// Every column of a group with every column of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) left: usize,
    pub(super) right: usize,
    /// As many moduli as the sums need.
    pub(super) moduli: usize,
}

/// Sums of products as words that have the remainders of the sums: of block after block a row for each right column, of every
/// modulus. Each time a word is folded, [`HALF`] is missing.
#[derive(Debug, Default)]
pub(super) struct Sums {
    words: Vec<Line>,
    /// Words of a modulus.
    stride: usize,
    /// How often words were folded: ever, and since they were small.
    pub(super) folds: i64,
    recent: usize,
}

/// What is missing in a folded word.
pub(super) const HALF: i64 = 1 << 15;

/// Folded words that are added up in 32 bits: they are less than 2^15 times [`POWERS`] and one.
const MOST_FOLDS: usize = 30;

/// What upper halves are worth.
const POWERS: [i32; MOST] = {
    let mut powers = [0; MOST];
    let mut k = 0;
    while k < MOST {
        powers[k] = power_of_two(16, MODULI[k]);
        k += 1;
    }
    powers
};

impl Sums {
    /// Of so many blocks and moduli.
    pub(super) fn new(blocks: usize, moduli: usize) -> Self {
        let stride = blocks * WORDS;
        Self { words: vec![Line::ZERO; stride * moduli], stride, folds: 0, recent: 0 }
    }

    /// Sums of nothing.
    pub(super) fn clear(&mut self) {
        self.words.fill(Line::ZERO);
        (self.folds, self.recent) = (0, 0);
    }

    /// The words of a modulus, a block and a right column.
    #[inline(always)]
    pub(super) fn words(&self, modulus: usize, block: usize, column: usize) -> &Line {
        &self.words[modulus * self.stride + block * WORDS + column]
    }
}

/// A word with the same remainder, less [`HALF`], and of 16 bits and what the upper half is worth.
#[inline(always)]
pub(super) fn add_folded<W: Words>(words: W, sum: W::Row, word: W::Row, modulus: usize) -> W::Row {
    // The lower half is signed then.
    let signed = words.differing(word, words.repeat(HALF as i32));
    words.add_products(sum, signed, words.repeat(halves(1, POWERS[modulus])))
}

/// Adds the products of a block of rows.
pub(super) struct Products<'a> {
    pub(super) left: &'a Side,
    pub(super) right: &'a Side,
    pub(super) blocks: &'a [Block],
    /// Lines of two rows.
    pub(super) lines: usize,
    pub(super) sums: &'a mut Sums,
}

impl Operation for Products<'_> {
    #[inline(always)]
    fn run<W: Words>(self, words: W) {
        let moduli = self.blocks.iter().map(|block| block.moduli).max().unwrap_or(0);
        if self.sums.recent == MOST_FOLDS {
            fold(words, self.sums, moduli);
        }
        for modulus in 0..moduli {
            let sums = &mut self.sums.words[modulus * self.sums.stride..][..self.sums.stride];
            for (block, sums) in self.blocks.iter().zip(sums.as_chunks_mut::<WORDS>().0) {
                if modulus < block.moduli {
                    let left = &self.left.lines(modulus, block.left)[..self.lines];
                    let right = &self.right.lines(modulus, block.right)[..self.lines];
                    match W::TILE {
                        8 => tiles::<W, 8>(words, (left, right), sums, modulus),
                        4 => tiles::<W, 4>(words, (left, right), sums, modulus),
                        _ => tiles::<W, 1>(words, (left, right), sums, modulus),
                    }
                }
            }
        }
        self.sums.folds += 1;
        self.sums.recent += 1;
    }
}

/// Makes words small again.
#[inline(always)]
fn fold<W: Words>(words: W, sums: &mut Sums, moduli: usize) {
    for modulus in 0..moduli {
        for line in &mut sums.words[modulus * sums.stride..][..sums.stride] {
            words.store(add_folded(words, words.repeat(0), words.load(line), modulus), line);
        }
    }
    sums.folds += 1;
    sums.recent = 1;
}

/// All columns of a group with sixteen others, some at a time.
#[inline(always)]
fn tiles<W: Words, const N: usize>(
    words: W,
    (left, right): (&[Line], &[Line]),
    sums: &mut [Line; WORDS],
    modulus: usize,
) {
    for (at, sums) in sums.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        let mut lanes = [words.repeat(0); N];
        for (left, right) in left.iter().zip(right) {
            let row = words.load(left);
            let columns = &right.0.as_chunks::<N>().0[at];
            for (lane, &column) in lanes.iter_mut().zip(columns) {
                *lane = words.add_products(*lane, row, words.repeat(column));
            }
        }
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            words.store(add_folded(words, words.load(sum), lane, modulus), sum);
        }
    }
}
