//! Many bytes of text looked at in one step, with the vectors that the processor has.

use super::rounding::POWERS;

/// Bytes that are looked at in one step.
pub(super) const LOOK: usize = 32;

/// What tells bytes apart. All give the same masks: bit i is about byte i.
pub(super) trait Lanes: Copy {
    /// The bytes that are no decimal digit.
    fn not_digits(self, bytes: &[u8; LOOK]) -> u32;

    /// The number that the first `length` bytes spell, all of them digits. `length` is at most 16.
    fn number(self, digits: [u8; 16], length: usize) -> u64;

    /// The bytes that are one of two.
    fn any_of(self, bytes: &[u8; LOOK], two: [u8; 2]) -> u32;
}

/// Words of eight bytes: for every processor.
#[derive(Clone, Copy)]
pub(super) struct Words;

impl Lanes for Words {
    #[inline(always)]
    fn not_digits(self, bytes: &[u8; LOOK]) -> u32 {
        marks(bytes, |word| {
            let digits = word ^ repeat(b'0');
            ((digits & repeat(0x7f)).wrapping_add(repeat(0x76)) | digits) & repeat(0x80)
        })
    }

    #[inline(always)]
    fn number(self, digits: [u8; 16], length: usize) -> u64 {
        let word = |half: usize| {
            let eight = digits.as_chunks::<8>().0[half];
            u64::from_le_bytes(eight) ^ repeat(b'0')
        };
        let second = length.saturating_sub(8);
        value(word(0), length - second) * POWERS[second] + value(word(1), second)
    }

    #[inline(always)]
    fn any_of(self, bytes: &[u8; LOOK], two: [u8; 2]) -> u32 {
        // The top bit of the bytes that are zero. No byte carries into the next.
        let zeros = |word: u64| !(((word & repeat(0x7f)) + repeat(0x7f)) | word) & repeat(0x80);
        marks(bytes, |word| zeros(word ^ repeat(two[0])) | zeros(word ^ repeat(two[1])))
    }
}

/// Gathers the top bits of the bytes of what `mark` makes of each word.
#[inline(always)]
fn marks(bytes: &[u8; LOOK], mark: impl Fn(u64) -> u64) -> u32 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| {
        // The mark of byte i moves to bit 56 + i.
        let bits = (mark(u64::from_le_bytes(*word)) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask << 8 | bits as u32
    })
}

/// The number that the first `length` digits spell, without a branch: the others are shifted out (zeros
/// move in before the first digit), then neighbours are joined in pairs, fours and eights (Lemire, Number
/// parsing at a gigabyte per second, 2021).
#[inline(always)]
pub(super) fn value(bytes: u64, length: usize) -> u64 {
    let digits = bytes.checked_shl(64 - 8 * length as u32).unwrap_or(0);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let low = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

pub(super) const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The order that moves the first n of 16 bytes to the end, zeros before them: 16 bytes from the n-th on.
#[cfg(target_arch = "x86_64")]
const TO_THE_END: [u8; 32] = {
    let mut order = [0x80; 32];
    let mut i = 0;
    while i < 16 {
        order[16 + i] = i as u8;
        i += 1;
    }
    order
};

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V3 {
    #[inline(always)]
    fn number(self, digits: [u8; 16], length: usize) -> u64 {
        let values = self.sse2._mm_sub_epi8(pulp::cast(digits), pulp::cast([b'0'; 16]));
        let from = length % 17;
        let mut order = [0; 16];
        order.copy_from_slice(&TO_THE_END[from..from + 16]);
        let digits = self.ssse3._mm_shuffle_epi8(values, pulp::cast(order));
        // Neighbours are joined, as in `value`.
        let pairs = self.ssse3._mm_maddubs_epi16(digits, pulp::cast([[10i8, 1]; 8]));
        let fours = self.sse2._mm_madd_epi16(pairs, pulp::cast([[100i16, 1]; 4]));
        let fours = self.sse4_1._mm_packus_epi32(fours, fours);
        let eights: [u64; 2] = pulp::cast(self.sse2._mm_madd_epi16(fours, pulp::cast([[10_000i16, 1]; 4])));
        (eights[0] & 0xffff_ffff) * POWERS[8] + (eights[0] >> 32)
    }

    #[inline(always)]
    fn not_digits(self, bytes: &[u8; LOOK]) -> u32 {
        let digits = self.avx2._mm256_sub_epi8(pulp::cast(*bytes), self.avx._mm256_set1_epi8(b'0' as i8));
        let most = self.avx2._mm256_min_epu8(digits, self.avx._mm256_set1_epi8(9));
        !self.avx2._mm256_movemask_epi8(self.avx2._mm256_cmpeq_epi8(digits, most)) as u32
    }

    #[inline(always)]
    fn any_of(self, bytes: &[u8; LOOK], two: [u8; 2]) -> u32 {
        let bytes = pulp::cast(*bytes);
        let a = self.avx2._mm256_cmpeq_epi8(bytes, self.avx._mm256_set1_epi8(two[0] as i8));
        let b = self.avx2._mm256_cmpeq_epi8(bytes, self.avx._mm256_set1_epi8(two[1] as i8));
        self.avx2._mm256_movemask_epi8(self.avx2._mm256_or_si256(a, b)) as u32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::tests::Random;

    fn marks_all(lanes: impl Lanes) {
        let mut random = Random::new(3);
        for round in 0..20_000 {
            let mut bytes = [0; LOOK];
            let near = [b'0', b'9', b'/', b':', b',', b'\n', b'"', 0x80, 0xff, 0, b',' ^ 0x80, b'-'];
            bytes.fill_with(|| match round % 2 {
                0 => random.below(256) as u8,
                _ => near[random.below(near.len() as u64) as usize],
            });
            let mask =
                |is: &dyn Fn(u8) -> bool| (0..LOOK).fold(0u32, |mask, i| mask | u32::from(is(bytes[i])) << i);
            assert_eq!(lanes.not_digits(&bytes), mask(&|b| !b.is_ascii_digit()), "{bytes:?}");
            let digits: [u8; 16] = std::array::from_fn(|_| b'0' + random.below(10) as u8);
            for length in 0..=16 {
                let mut spelled = digits;
                spelled[length..].copy_from_slice(&bytes[length..16]);
                let text = std::str::from_utf8(&digits[..length]).unwrap();
                assert_eq!(lanes.number(spelled, length), text.parse().unwrap_or(0), "{text}");
            }
            let two = [b',', bytes[5]];
            assert_eq!(lanes.any_of(&bytes, two), mask(&|b| two.contains(&b)), "{bytes:?}");
        }
    }

    #[test]
    fn every_kind_of_lanes_marks_the_same() {
        marks_all(Words);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            marks_all(simd);
        }
    }
}
