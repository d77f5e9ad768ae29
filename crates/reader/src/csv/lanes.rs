//! Many bytes of text looked at in one step, with the vectors that the processor has.

/// Bytes that are looked at in one step.
pub(super) const LOOK: usize = 32;

/// What tells bytes apart. All give the same masks: bit i is about byte i.
pub(super) trait Lanes: Copy {
    /// The bytes that are no decimal digit.
    fn not_digits(self, bytes: &[u8; LOOK]) -> u32;

    /// The bytes that are one of three.
    fn any_of(self, bytes: &[u8; LOOK], three: [u8; 3]) -> u32;
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
    fn any_of(self, bytes: &[u8; LOOK], three: [u8; 3]) -> u32 {
        // The top bit of the bytes that are zero. No byte carries into the next.
        let zeros = |word: u64| !(((word & repeat(0x7f)) + repeat(0x7f)) | word) & repeat(0x80);
        marks(bytes, |word| {
            three.into_iter().fold(0, |found, byte| found | zeros(word ^ repeat(byte)))
        })
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

pub(super) const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V3 {
    #[inline(always)]
    fn not_digits(self, bytes: &[u8; LOOK]) -> u32 {
        let digits = self.avx2._mm256_sub_epi8(pulp::cast(*bytes), self.avx._mm256_set1_epi8(b'0' as i8));
        let most = self.avx2._mm256_min_epu8(digits, self.avx._mm256_set1_epi8(9));
        !self.avx2._mm256_movemask_epi8(self.avx2._mm256_cmpeq_epi8(digits, most)) as u32
    }

    #[inline(always)]
    fn any_of(self, bytes: &[u8; LOOK], three: [u8; 3]) -> u32 {
        let bytes = pulp::cast(*bytes);
        let a = self.avx2._mm256_cmpeq_epi8(bytes, self.avx._mm256_set1_epi8(three[0] as i8));
        let b = self.avx2._mm256_cmpeq_epi8(bytes, self.avx._mm256_set1_epi8(three[1] as i8));
        let c = self.avx2._mm256_cmpeq_epi8(bytes, self.avx._mm256_set1_epi8(three[2] as i8));
        self.avx2._mm256_movemask_epi8(self.avx2._mm256_or_si256(self.avx2._mm256_or_si256(a, b), c)) as u32
    }
}

#[cfg(test)]
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
            let mask = |is: &dyn Fn(u8) -> bool| {
                (0..LOOK).fold(0u32, |mask, i| mask | u32::from(is(bytes[i])) << i)
            };
            assert_eq!(lanes.not_digits(&bytes), mask(&|b| !b.is_ascii_digit()), "{bytes:?}");
            let three = [b',', b'\n', bytes[5]];
            assert_eq!(lanes.any_of(&bytes, three), mask(&|b| three.contains(&b)), "{bytes:?}");
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
