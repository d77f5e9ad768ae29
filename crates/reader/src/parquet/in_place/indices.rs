//! Indices of a dictionary, unpacked. They are runs of one index, and of packed ones.

use bytes::Bytes;

use crate::parquet::runs::{self, Fault};

/// The indices of a page that are still to come.
pub(super) struct Indices {
    bytes: Bytes,
    /// Where the next run begins.
    at: usize,
    /// Bits of each.
    width: u32,
    run: Run,
}

/// What is left of a run.
enum Run {
    Repeated {
        index: u32,
        left: usize,
    },
    Packed {
        /// Where the run begins.
        start: usize,
        /// The number in the run of the next index.
        next: usize,
        left: usize,
    },
}

impl Indices {
    /// Those that `bytes` has from `at` on: their width, and runs.
    pub(super) fn new(bytes: Bytes, at: usize) -> Option<Self> {
        let width = u32::from(*bytes.get(at)?);
        let run = Run::Repeated { index: 0, left: 0 };
        (width <= 32).then_some(Self { bytes, at: at + 1, width, run })
    }

    /// The next indices, as many as `out` has room for.
    ///
    /// # Errors
    /// There are fewer.
    pub(super) fn fill(&mut self, mut out: &mut [u32]) -> Result<(), Fault> {
        while !out.is_empty() {
            let count = match &mut self.run {
                Run::Repeated { left: 0, .. } | Run::Packed { left: 0, .. } => {
                    self.begin()?;
                    continue;
                }
                Run::Repeated { index, left } => {
                    let count = out.len().min(*left);
                    out[..count].fill(*index);
                    *left -= count;
                    count
                }
                Run::Packed { start, next, left } => {
                    let count = out.len().min(*left);
                    unpack(&self.bytes[*start..self.at], self.width, *next, &mut out[..count]);
                    *next += count;
                    *left -= count;
                    count
                }
            };
            out = &mut out[count..];
        }
        Ok(())
    }

    /// Leaves out the next `count` indices.
    ///
    /// # Errors
    /// There are fewer.
    pub(super) fn pass_over(&mut self, mut count: usize) -> Result<(), Fault> {
        while count > 0 {
            let (Run::Repeated { left, .. } | Run::Packed { left, .. }) = &mut self.run;
            let passed = count.min(*left);
            *left -= passed;
            count -= passed;
            if let Run::Packed { next, .. } = &mut self.run {
                *next += passed;
            }
            if passed == 0 {
                self.begin()?;
            }
        }
        Ok(())
    }

    /// The next run.
    fn begin(&mut self) -> Result<(), Fault> {
        let mut input = runs::Bytes { bytes: self.bytes.get(self.at..).unwrap_or_default() };
        let header = input.varint()?;
        let count = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        self.run = if header & 1 == 0 {
            let index = input.number(self.width.div_ceil(8) as usize)?;
            self.at = self.bytes.len() - input.bytes.len();
            Run::Repeated { index, left: count }
        } else {
            let start = self.bytes.len() - input.bytes.len();
            input.take(count.saturating_mul(self.width as usize))?;
            self.at = self.bytes.len() - input.bytes.len();
            Run::Packed { start, next: 0, left: count.saturating_mul(8) }
        };
        Ok(())
    }
}

/// Unpacks numbers of `width` bits, the lowest first, from the one numbered `first` on.
fn unpack(bytes: &[u8], width: u32, first: usize, out: &mut [u32]) {
    // Up to the next group of eight, which begins with a byte.
    let (front, rest) = out.split_at_mut(first.next_multiple_of(8).saturating_sub(first).min(out.len()));
    one_by_one(bytes, width, first, front);
    let first = first + front.len();
    let groups = bytes.get(first / 8 * width as usize..).unwrap_or_default();
    macro_rules! by_width {
        ($($bits:literal)*) => {
            match width {
                $($bits => unpack_groups::<$bits>(groups, rest),)*
                _ => 0,
            }
        };
    }
    let done = by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
    one_by_one(bytes, width, first + done, &mut rest[done..]);
}

/// Unpacks whole groups of eight numbers; how many these are.
fn unpack_groups<const WIDTH: usize>(bytes: &[u8], out: &mut [u32]) -> usize {
    let (groups, _) = bytes.as_chunks::<WIDTH>();
    let (outs, _) = out.as_chunks_mut::<8>();
    let count = groups.len().min(outs.len());
    for (group, out) in groups.iter().zip(outs) {
        let mut padded = [0; 40];
        padded[..WIDTH].copy_from_slice(group);
        for (i, out) in out.iter_mut().enumerate() {
            let bit = i * WIDTH;
            let word = padded[bit / 8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
            *out = (word >> (bit % 8)) as u32 & ((1u64 << WIDTH) - 1) as u32;
        }
    }
    8 * count
}

fn one_by_one(bytes: &[u8], width: u32, first: usize, out: &mut [u32]) {
    let mask = (1u64 << width) - 1;
    for (number, out) in (first..).zip(out) {
        let bit = number * width as usize;
        let rest = bytes.get(bit / 8..).unwrap_or_default();
        let word = rest.iter().take(5).rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        *out = (word >> (bit % 8) & mask) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs numbers as the format does, in whole groups of eight.
    fn packed(numbers: &[u32], width: u32) -> Vec<u8> {
        let bits = |number: &u32| (0..width).map(|bit| number >> bit & 1).collect::<Vec<_>>();
        let mut all: Vec<u32> = numbers.iter().flat_map(bits).collect();
        all.resize(numbers.len().div_ceil(8) * 8 * width as usize, 0);
        all.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, &bit| sum << 1 | bit as u8)).collect()
    }

    #[test]
    fn runs_of_both_kinds_come_back_whatever_is_asked_for_at_once() {
        for width in 1..=32 {
            let mask = ((1u64 << width) - 1) as u32;
            let mixed: Vec<u32> = (0..53u32).map(|i| i.wrapping_mul(0x9e37_79b9) & mask).collect();
            let mut bytes = vec![0xaa, width as u8];
            bytes.push(7 << 1 | 1);
            bytes.extend(packed(&mixed, width));
            bytes.push(11 << 1);
            bytes.extend(&(mask - 1).to_le_bytes()[..width.div_ceil(8) as usize]);
            // Of the last group three numbers are beyond the end of the first run; here they are zeros.
            let expected = [mixed, vec![0; 3], vec![mask - 1; 11]].concat();
            for step in [1, 3, 8, 20, 100] {
                let mut indices = Indices::new(Bytes::from(bytes.clone()), 1).unwrap();
                let mut read = vec![0; expected.len()];
                for part in read.chunks_mut(step) {
                    indices.fill(part).unwrap();
                }
                assert_eq!(read, expected, "{width} bits, {step} at once");
                assert!(indices.fill(&mut [0]).is_err(), "there are no more");
                let mut indices = Indices::new(Bytes::from(bytes.clone()), 1).unwrap();
                indices.pass_over(step.min(60)).unwrap();
                indices.fill(&mut read[..1]).unwrap();
                assert_eq!(read[0], expected[step.min(60)]);
                assert!(indices.pass_over(67).is_err());
            }
        }
    }

    #[test]
    fn indices_of_no_bits_are_zeros() {
        let mut indices = Indices::new(Bytes::from(vec![0, 1 << 1 | 1, 5 << 1]), 0).unwrap();
        let mut read = [1; 13];
        indices.fill(&mut read).unwrap();
        assert_eq!(read, [0; 13]);
        assert!(Indices::new(Bytes::from(vec![33]), 0).is_none());
    }
}
