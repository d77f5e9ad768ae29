//! Runs of small numbers: the hybrid of run lengths and packed bits in which Parquet keeps levels, indices of
//! dictionaries and booleans, and the older packing of levels alone.
//!
//! A decoder that meets too few, too many or too large numbers may stop early or go on with other bytes. Here
//! runs are counted before it sees them: a step a run, whatever the number of rows.

/// What is wrong with a page.
pub(super) type Fault = &'static str;

/// What is known of the numbers that are to be there.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// Bits of each.
    pub(super) width: u32,
    /// How many there are.
    pub(super) count: usize,
    /// The largest that is valid; `None` where the decoder looks itself.
    pub(super) largest: Option<u32>,
}

impl Numbers {
    /// Levels from 0 to `largest`.
    pub(super) fn levels(largest: i16, count: usize) -> Self {
        let largest = u32::from(largest.unsigned_abs());
        Self { width: 32 - largest.leading_zeros(), count, largest: Some(largest) }
    }
}

/// How often `wanted` stands among `numbers`, encoded as runs that fill `bytes`.
///
/// # Errors
/// Runs that are longer than the numbers to come, that end before them, or have bytes behind them; a number
/// beyond the largest.
pub(super) fn count_runs(bytes: &[u8], numbers: Numbers, wanted: u32) -> Result<usize, Fault> {
    let Numbers { width, count, .. } = numbers;
    let (mut input, mut left, mut found) = (Bytes { bytes }, count, 0);
    let value_bytes = width.div_ceil(8) as usize;
    while left > 0 {
        let header = input.varint()?;
        let run = header >> 1;
        if header & 1 == 0 {
            let run = usize::try_from(run).ok().filter(|&run| run <= left).ok_or(LONG)?;
            let value = input.number(value_bytes)?;
            numbers.check(value)?;
            found += if value == wanted { run } else { 0 };
            left -= run;
            continue;
        }
        // Packed numbers come in groups of eight, and the last run may have room for more than there are.
        let most = left.div_ceil(8) + PADDED_GROUPS;
        let groups = usize::try_from(run).ok().filter(|&groups| groups <= most).ok_or(LONG)?;
        let length = (groups * 8).min(left);
        let packed = input.take(groups * width as usize)?;
        found += numbers.count_packed(packed, length, wanted)?;
        left -= length;
    }
    match input.bytes.is_empty() {
        true => Ok(found),
        false => Err("there are bytes behind the last run"),
    }
}

/// DuckDB fills the last packed run up to 256 numbers.
const PADDED_GROUPS: usize = 31;

/// How often the largest of `numbers` stands among them, packed from the most significant bit on.
pub(super) fn count_packed_backwards(bytes: &[u8], numbers: Numbers) -> Result<usize, Fault> {
    let largest = numbers.largest.unwrap_or(0);
    let (mut found, mut at) = (0, 0);
    for _ in 0..numbers.count {
        let mut value = 0;
        for _ in 0..numbers.width {
            let byte = bytes.get(at / 8).ok_or(SHORT)?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
            at += 1;
        }
        numbers.check(value)?;
        found += usize::from(value == largest);
    }
    Ok(found)
}

const LONG: Fault = "a run is longer than the page has values";
const SHORT: Fault = "the page is too short for its values";

impl Numbers {
    fn check(self, value: u32) -> Result<(), Fault> {
        match self.largest.is_some_and(|largest| value > largest) {
            true => Err("a level is above the maximum of its column"),
            false => Ok(()),
        }
    }

    fn count_packed(self, bytes: &[u8], length: usize, wanted: u32) -> Result<usize, Fault> {
        let Some(largest) = self.largest else { return Ok(0) };
        if self.width == 1 {
            let ones = count_ones(bytes, length);
            return Ok(if wanted == 1 { ones } else { length - ones });
        }
        let (width, mask) = (self.width, (1u64 << self.width) - 1);
        let (mut bits, mut held, mut rest, mut found) = (0u64, 0u32, bytes.iter(), 0);
        for _ in 0..length {
            while held < width {
                bits |= u64::from(*rest.next().ok_or(SHORT)?) << held;
                held += 8;
            }
            let value = (bits & mask) as u32;
            if value > largest {
                self.check(value)?;
            }
            found += usize::from(value == wanted);
            bits >>= width;
            held -= width;
        }
        Ok(found)
    }
}

/// Ones among the first `length` bits.
fn count_ones(bytes: &[u8], length: usize) -> usize {
    let (whole, rest) = (length / 8, length % 8);
    let (words, tail) = bytes[..whole].as_chunks::<8>();
    let ones = words.iter().map(|&word| u64::from_le_bytes(word).count_ones()).sum::<u32>()
        + tail.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let last = if rest > 0 { bytes[whole] & ((1 << rest) - 1) } else { 0 };
    (ones + last.count_ones()) as usize
}

/// Bytes that are read from the front.
pub(super) struct Bytes<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.bytes.split_at_checked(count).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(front)
    }

    /// A length of four bytes, and as many bytes as it says.
    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.number(4)?;
        self.take(length as usize)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is longer than numbers are")
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of up to four bytes, the lowest first.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u32, Fault> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(bytes: &[u8], largest: i16, count: usize, wanted: u32) -> Result<usize, Fault> {
        count_runs(bytes, Numbers::levels(largest, count), wanted)
    }

    #[test]
    fn runs_are_counted() {
        // Five ones, then eight packed of which three are ones and one is beyond the end.
        let bytes = [5 << 1, 1, 1 << 1 | 1, 0b1010_0101];
        assert_eq!(count(&bytes, 1, 12, 1), Ok(8));
        assert_eq!(count(&bytes, 1, 12, 0), Ok(4));
        assert_eq!(count(&[3, 0b11_10_01_00, 0b00_01_10_11], 3, 8, 3), Ok(2));
        assert_eq!(count(&[], 1, 0, 1), Ok(0));
        let long = [vec![9 << 1 | 1], vec![0xff; 9]].concat();
        assert_eq!(count(&long, 1, 71, 1), Ok(71));
        assert_eq!(
            count_packed_backwards(&[0b0110_1100], Numbers::levels(2, 4)),
            Err("a level is above the maximum of its column")
        );
        assert_eq!(count_packed_backwards(&[0b0110_0010], Numbers::levels(2, 4)), Ok(2));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(count(&[5 << 1, 1], 1, 4, 1), Err(LONG));
        assert_eq!(count(&[5 << 1, 1], 1, 6, 1), Err(SHORT));
        assert_eq!(count(&[3, 0, 3, 0], 1, 8, 1), Err("there are bytes behind the last run"));
        let padded = |groups: u8| [vec![groups << 1 | 1], vec![0; usize::from(groups)]].concat();
        assert_eq!(count(&padded(32), 1, 8, 0), Ok(8), "DuckDB writes this");
        assert_eq!(count(&padded(33), 1, 8, 0), Err(LONG));
        assert!(count(&[8 << 1, 2], 1, 8, 1).is_err(), "a level of 2 where 1 is the largest");
        assert!(count(&[3, 0xff, 0xff], 2, 8, 1).is_err(), "a level of 3 where 2 is the largest");
        assert_eq!(count(&[0xff; 12], 1, 8, 1), Err("a number is longer than numbers are"));
    }

    #[test]
    fn a_last_group_is_whole() {
        // Nine numbers of two bits would fit into three bytes, two groups have four.
        assert_eq!(count(&[5, 0xff, 0xff, 0x03, 0], 3, 9, 3), Ok(9));
        assert_eq!(count(&[5, 0xff, 0xff, 0x03], 3, 9, 3), Err(SHORT));
    }
}
