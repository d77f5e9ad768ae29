//! The hot loop: sums of products of remainders, modulus by modulus.

use super::moduli::{MODULI, MOST, ROWS, power_of_two};
use super::side::Side;
use super::words::{Line, Operation, WORDS, Words, halves};

/// Every column of a group with every column of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) left: usize,
    pub(super) right: usize,
    /// Columns of the right.
    pub(super) columns: usize,
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

/// Lines whose products a lane holds.
const LINES: usize = ROWS / 2;

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
        let folds = self.lines.div_ceil(LINES);
        if self.sums.recent + folds > MOST_FOLDS {
            fold(words, self.sums, moduli);
        }
        for modulus in 0..moduli {
            let sums = &mut self.sums.words[modulus * self.sums.stride..][..self.sums.stride];
            for (block, sums) in self.blocks.iter().zip(sums.as_chunks_mut::<WORDS>().0) {
                if modulus < block.moduli {
                    let left = &self.left.lines(modulus, block.left)[..self.lines];
                    let right = &self.right.lines(modulus, block.right)[..self.lines];
                    tiles(words, (left, right), &mut sums[..block.columns], modulus);
                }
            }
        }
        self.sums.folds += folds as i64;
        self.sums.recent += folds;
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

/// Sixteen columns with others, as many at a time as there are registers for.
#[inline(always)]
fn tiles<W: Words>(words: W, lines: (&[Line], &[Line]), sums: &mut [Line], modulus: usize) {
    let mut at = 0;
    while at < sums.len() {
        at += match sums.len() - at {
            8.. if W::TILE >= 8 => tile::<W, 8>(words, lines, at, sums, modulus),
            4.. => tile::<W, 4>(words, lines, at, sums, modulus),
            2.. => tile::<W, 2>(words, lines, at, sums, modulus),
            _ => tile::<W, 1>(words, lines, at, sums, modulus),
        };
    }
}

/// Sixteen columns with `N` others from one on; returns how many.
#[inline(always)]
fn tile<W: Words, const N: usize>(
    words: W,
    (left, right): (&[Line], &[Line]),
    from: usize,
    sums: &mut [Line],
    modulus: usize,
) -> usize {
    let sums = &mut sums[from..from + N];
    let mut folded = [words.repeat(0); N];
    for k in 0..N {
        folded[k] = words.load(&sums[k]);
    }
    for (left, right) in left.chunks(LINES).zip(right.chunks(LINES)) {
        let mut lanes = [words.repeat(0); N];
        for (left, right) in left.iter().zip(right) {
            let row = words.load(left);
            let columns = &right.0[from..from + N];
            for k in 0..N {
                lanes[k] = words.add_products(lanes[k], row, words.repeat(columns[k]));
            }
        }
        for k in 0..N {
            folded[k] = add_folded(words, folded[k], lanes[k], modulus);
        }
    }
    for k in 0..N {
        words.store(folded[k], &mut sums[k]);
    }
    N
}
