//! Numbers as differences: DELTA_BINARY_PACKED, and the two encodings of text that keep lengths in it.

use super::runs::{Bytes, Fault};

/// Most values of a page whose lengths are held at once. Pages have thousands.
const MAX_LENGTHS: usize = 1 << 26;

/// Blocks of numbers, their heads read.
struct Blocks {
    miniblocks: usize,
    values_per_miniblock: usize,
    first: i64,
}

/// Reads the head of `count` numbers.
fn head(input: &mut Bytes<'_>, count: usize) -> Result<Blocks, Fault> {
    let (block, miniblocks, total) = (input.varint()?, input.varint()?, input.varint()?);
    if total != count as u64 {
        return Err("the number of differences is not the number of values");
    }
    let first = input.zigzag()?;
    let sizes = (usize::try_from(block), usize::try_from(miniblocks));
    let (Ok(block), Ok(miniblocks @ 1..)) = sizes else { return Err(BLOCKS) };
    let valid = block <= 1 << 26 && block % 128 == 0 && block % miniblocks == 0;
    let values_per_miniblock = block / miniblocks;
    match valid && values_per_miniblock > 0 && values_per_miniblock % 32 == 0 {
        true => Ok(Blocks { miniblocks, values_per_miniblock, first }),
        false => Err(BLOCKS),
    }
}

const BLOCKS: Fault = "the blocks of differences have impossible sizes";

/// Passes over the differences of `count` numbers of `bits`; `each` takes those of a miniblock: the least, the bits
/// of each, their bytes, and how many there are.
fn walk(
    input: &mut Bytes<'_>,
    blocks: &Blocks,
    count: usize,
    bits: u8,
    mut each: impl FnMut(i64, u8, &[u8], usize),
) -> Result<(), Fault> {
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let least = input.zigzag()?;
        for &width in input.take(blocks.miniblocks)? {
            if left == 0 {
                // Widths of miniblocks that nothing is left for.
                break;
            }
            if width > bits {
                return Err("a difference is wider than its type");
            }
            let length = left.min(blocks.values_per_miniblock);
            let stored = blocks.values_per_miniblock / 8 * usize::from(width);
            each(least, width, input.take(stored)?, length);
            left -= length;
        }
    }
    Ok(())
}

/// Checks that `bytes` are `count` numbers of `bits` and nothing else.
pub(super) fn check_numbers(bytes: &[u8], count: usize, bits: u8) -> Result<(), Fault> {
    let mut input = Bytes { bytes };
    let blocks = head(&mut input, count)?;
    walk(&mut input, &blocks, count, bits, |_, _, _, _| {})?;
    match input.bytes.is_empty() {
        true => Ok(()),
        false => Err("there are bytes behind the last value"),
    }
}

/// Reads `count` lengths; none of them is negative.
fn lengths(input: &mut Bytes<'_>, count: usize) -> Result<Vec<u32>, Fault> {
    if count > MAX_LENGTHS {
        return Err("the page has more than 67,108,864 values, the most for this encoding");
    }
    let blocks = head(input, count)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut at = i32::try_from(blocks.first).map_err(|_| NEGATIVE)?;
    let mut least_of_all = at;
    let mut lengths = vec![at.unsigned_abs()];
    walk(input, &blocks, count, 32, |least, width, packed, length| {
        let mut bits = Unpacked { bytes: packed, width: u32::from(width), held: 0, bits: 0 };
        for _ in 0..length {
            at = at.wrapping_add(least as i32).wrapping_add(bits.next() as i32);
            least_of_all = least_of_all.min(at);
            lengths.push(at.unsigned_abs());
        }
    })?;
    if least_of_all < 0 { Err(NEGATIVE) } else { Ok(lengths) }
}

const NEGATIVE: Fault = "a length is negative";

/// Numbers of up to 32 bits, the lowest bits first.
struct Unpacked<'a> {
    bytes: &'a [u8],
    width: u32,
    held: u32,
    bits: u64,
}

impl Unpacked<'_> {
    fn next(&mut self) -> u32 {
        while self.held < self.width {
            let Some((&byte, rest)) = self.bytes.split_first() else { break };
            self.bits |= u64::from(byte) << self.held;
            self.held += 8;
            self.bytes = rest;
        }
        let value = self.bits & ((1u64 << self.width) - 1);
        self.bits >>= self.width;
        self.held = self.held.saturating_sub(self.width);
        value as u32
    }
}

/// Checks that `bytes` are `count` texts: their lengths, then as many bytes as these say.
pub(super) fn check_lengths(bytes: &[u8], count: usize) -> Result<(), Fault> {
    let mut input = Bytes { bytes };
    let lengths = lengths(&mut input, count)?;
    check_sum(&lengths, input.bytes.len())
}

fn check_sum(lengths: &[u32], bytes: usize) -> Result<(), Fault> {
    match lengths.iter().map(|&length| u64::from(length)).sum::<u64>() == bytes as u64 {
        true => Ok(()),
        false => Err("the texts are not as long as their lengths say"),
    }
}

/// Checks that `bytes` are `count` texts, each told by what it shares with the one before.
pub(super) fn check_prefixes(bytes: &[u8], count: usize) -> Result<(), Fault> {
    let mut input = Bytes { bytes };
    let prefixes = lengths(&mut input, count)?;
    let suffixes = lengths(&mut input, count)?;
    let mut before = 0;
    for (&prefix, &suffix) in prefixes.iter().zip(&suffixes) {
        if u64::from(prefix) > before {
            return Err("a text shares more with the one before than that has");
        }
        before = u64::from(prefix) + u64::from(suffix);
    }
    check_sum(&suffixes, input.bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 128 in 4, `count` numbers from `first`, with differences of 0 to 3 in each full miniblock.
    fn numbers(count: u64, first: u8, miniblocks: usize) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x01, 4, (count & 0x7f) as u8 | 0x80, (count >> 7) as u8, first << 1];
        bytes.extend([0, 2, 2, 2, 2]);
        bytes.extend(vec![0b11_10_01_00; 8 * miniblocks]);
        bytes
    }

    #[test]
    fn numbers_fill_their_bytes() {
        assert_eq!(check_numbers(&numbers(65, 7, 2), 65, 64), Ok(()));
        assert!(check_numbers(&numbers(65, 7, 2), 64, 64).is_err(), "one too many");
        assert!(check_numbers(&numbers(65, 7, 1), 65, 64).is_err(), "a miniblock is missing");
        assert!(check_numbers(&numbers(65, 7, 3), 65, 64).is_err(), "a miniblock is left over");
        assert!(check_numbers(&numbers(65, 7, 2), 65, 1).is_err(), "too wide");
        assert_eq!(check_numbers(&numbers(40, 7, 2), 40, 64), Ok(()), "a miniblock is filled up");
        assert!(check_numbers(&numbers(40, 7, 2)[..26], 40, 64).is_err(), "too short");
    }

    #[test]
    fn lengths_are_those_of_the_text() {
        let mut bytes = numbers(5, 1, 1);
        // Lengths 1, 1, 2, 4, 7.
        bytes.extend(vec![b'x'; 15]);
        assert_eq!(check_lengths(&bytes, 5), Ok(()));
        assert!(check_lengths(&bytes[..bytes.len() - 1], 5).is_err());
        let falling = [0x80, 0x01, 4, 3, 2, 3, 0, 0, 0, 0];
        assert_eq!(check_lengths(&falling, 3), Err(NEGATIVE), "1, -1, -3");
    }

    #[test]
    fn prefixes_are_shared_with_what_is_there() {
        let constant = |value: u8| vec![0x80, 0x01, 4, 3, value << 1, 0, 0, 0, 0, 0];
        // Nothing shared, three letters each.
        let text = [constant(0), constant(3), vec![b'x'; 9]].concat();
        assert_eq!(check_prefixes(&text, 3), Ok(()));
        let shared = [constant(1), constant(3), vec![b'x'; 9]].concat();
        assert!(check_prefixes(&shared, 3).is_err(), "the first has nothing before it");
    }
}
