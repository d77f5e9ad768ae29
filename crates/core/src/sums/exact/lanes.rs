//! What the hot loop asks of a processor's vectors: products of 32-bit integers, summed in 64 bits.

use pulp::{Scalar, Simd};

/// The top bit. It stands on the sums of lanes, so that these are not negative.
pub(super) const TOP: u64 = 1 << 63;

/// The lower half.
const LOW: u64 = (1 << 32) - 1;

/// Vectors of 64-bit lanes.
pub(super) trait Lanes: Simd {
    /// Columns of a tile, by as many others: their sums and what they are made from fit into registers.
    const TILE: usize;

    /// `sum + a b` of the lower halves of `a` and `b`, read as signed integers.
    fn add_product(self, a: Self::u64s, b: Self::u64s, sum: Self::u64s) -> Self::u64s;

    /// The upper halves, and the lower halves with the top bit.
    fn split(self, sum: Self::u64s) -> (Self::u64s, Self::u64s);
}

impl Lanes for Scalar {
    const TILE: usize = 2;

    #[inline(always)]
    fn add_product(self, a: u64, b: u64, sum: u64) -> u64 {
        let product = i64::from(a as i32) * i64::from(b as i32);
        sum.wrapping_add(product as u64)
    }

    #[inline(always)]
    fn split(self, sum: u64) -> (u64, u64) {
        (sum >> 32, (sum & LOW) | TOP)
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V3 {
    const TILE: usize = 3;

    #[inline(always)]
    fn add_product(self, a: Self::u64s, b: Self::u64s, sum: Self::u64s) -> Self::u64s {
        let product = self.avx2._mm256_mul_epi32(pulp::cast(a), pulp::cast(b));
        pulp::cast(self.avx2._mm256_add_epi64(pulp::cast(sum), product))
    }

    #[inline(always)]
    fn split(self, sum: Self::u64s) -> (Self::u64s, Self::u64s) {
        let high = self.avx2._mm256_srli_epi64::<32>(pulp::cast(sum));
        let top = pulp::cast(self.splat_u64s(TOP));
        let rest = self.avx2._mm256_blend_epi32::<0b1010_1010>(pulp::cast(sum), top);
        (pulp::cast(high), pulp::cast(rest))
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V4 {
    const TILE: usize = 4;

    #[inline(always)]
    fn add_product(self, a: Self::u64s, b: Self::u64s, sum: Self::u64s) -> Self::u64s {
        let product = self.avx512f._mm512_mul_epi32(pulp::cast(a), pulp::cast(b));
        pulp::cast(self.avx512f._mm512_add_epi64(pulp::cast(sum), product))
    }

    #[inline(always)]
    fn split(self, sum: Self::u64s) -> (Self::u64s, Self::u64s) {
        let high = self.avx512f._mm512_srli_epi64::<32>(pulp::cast(sum));
        (pulp::cast(high), self.or_u64s(self.and_u64s(sum, self.splat_u64s(LOW)), self.splat_u64s(TOP)))
    }
}
