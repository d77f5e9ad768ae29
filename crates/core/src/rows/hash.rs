//! SplitMix64 and a hash of bytes, whose values are part of the definition of folds and of hashed categories.

pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The hash of some bytes of a kind, from `start` on: eight bytes at a time are mixed in.
pub(crate) fn hash_bytes(start: u64, kind: u64, bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    };
    let words = bytes.chunks(8).map(word);
    let state = words.fold(start, |state, word| mix(state ^ word).wrapping_add(GOLDEN));
    mix(state ^ (kind << 56) ^ bytes.len() as u64)
}
