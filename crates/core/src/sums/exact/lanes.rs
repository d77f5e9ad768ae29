//! What the hot loop asks of a processor's vectors: products of 32-bit integers, or of 26 bits without a sign, summed in 64.

use pulp::{Scalar, Simd};

/// The top bit. It stands on the sums of lanes, so that these are not negative.
pub(super) const TOP: u64 = 1 << 63;

/// The lower half.
const LOW: u64 = (1 << 32) - 1;

/// Vectors of 64-bit lanes.
pub(super) trait Lanes: Copy {
    /// The vectors.
    type Vectors: Simd;

    /// Whether digits are short: products of values have 52 bits, so that a lane holds those of a block.
    const SHORT: bool = false;

    /// The vectors.
    fn vectors(self) -> Self::Vectors;

    /// Columns of a tile, by as many others: their sums and what they are made from fit into registers.
    const TILE: usize;

    /// `sum + a b` of the lower halves of `a` and `b`, read as signed integers; of short digits, of all there is.
    fn add_product(self, a: Lane<Self>, b: Lane<Self>, sum: Lane<Self>) -> Lane<Self>;

    /// The upper halves, and the lower halves with the top bit.
    fn split(self, sum: Lane<Self>) -> (Lane<Self>, Lane<Self>);
}

/// A vector of lanes.
pub(super) type Lane<L> = <<L as Lanes>::Vectors as Simd>::u64s;

impl Lanes for Scalar {
    type Vectors = Self;

    #[inline(always)]
    fn vectors(self) -> Self {
        self
    }

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
    type Vectors = Self;

    #[inline(always)]
    fn vectors(self) -> Self {
        self
    }

    const TILE: usize = 3;

    #[inline(always)]
    fn add_product(self, a: Lane<Self>, b: Lane<Self>, sum: Lane<Self>) -> Lane<Self> {
        let product = self.avx2._mm256_mul_epi32(pulp::cast(a), pulp::cast(b));
        pulp::cast(self.avx2._mm256_add_epi64(pulp::cast(sum), product))
    }

    #[inline(always)]
    fn split(self, sum: Lane<Self>) -> (Lane<Self>, Lane<Self>) {
        let high = self.avx2._mm256_srli_epi64::<32>(pulp::cast(sum));
        let top = pulp::cast(self.splat_u64s(TOP));
        let rest = self.avx2._mm256_blend_epi32::<0b1010_1010>(pulp::cast(sum), top);
        (pulp::cast(high), pulp::cast(rest))
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V4 {
    type Vectors = Self;

    #[inline(always)]
    fn vectors(self) -> Self {
        self
    }

    const TILE: usize = 4;

    #[inline(always)]
    fn add_product(self, a: Lane<Self>, b: Lane<Self>, sum: Lane<Self>) -> Lane<Self> {
        let product = self.avx512f._mm512_mul_epi32(pulp::cast(a), pulp::cast(b));
        pulp::cast(self.avx512f._mm512_add_epi64(pulp::cast(sum), product))
    }

    #[inline(always)]
    fn split(self, sum: Lane<Self>) -> (Lane<Self>, Lane<Self>) {
        let high = self.avx512f._mm512_srli_epi64::<32>(pulp::cast(sum));
        (pulp::cast(high), self.or_u64s(self.and_u64s(sum, self.splat_u64s(LOW)), self.splat_u64s(TOP)))
    }
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type!({
    /// What [`pulp::x86::V4`] has, and products of 52 bits that are added at once.
    pub(super) struct Ifma {
        pub(super) sse: f!("sse"),
        pub(super) sse2: f!("sse2"),
        pub(super) fxsr: f!("fxsr"),
        pub(super) sse3: f!("sse3"),
        pub(super) ssse3: f!("ssse3"),
        pub(super) sse4_1: f!("sse4.1"),
        pub(super) sse4_2: f!("sse4.2"),
        pub(super) popcnt: f!("popcnt"),
        pub(super) avx: f!("avx"),
        pub(super) avx2: f!("avx2"),
        pub(super) bmi1: f!("bmi1"),
        pub(super) bmi2: f!("bmi2"),
        pub(super) fma: f!("fma"),
        pub(super) lzcnt: f!("lzcnt"),
        pub(super) avx512f: f!("avx512f"),
        pub(super) avx512bw: f!("avx512bw"),
        pub(super) avx512cd: f!("avx512cd"),
        pub(super) avx512dq: f!("avx512dq"),
        pub(super) avx512vl: f!("avx512vl"),
        pub(super) avx512ifma: f!("avx512ifma"),
    }
});

/// Multiplies short digits: one instruction where others need two, and as fast as any product.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Multiplier {
    pub(super) simd: pulp::x86::V4,
    pub(super) ifma: Ifma,
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Multiplier {
    type Vectors = pulp::x86::V4;

    const SHORT: bool = true;
    const TILE: usize = 4;

    #[inline(always)]
    fn vectors(self) -> Self::Vectors {
        self.simd
    }

    #[inline(always)]
    fn add_product(self, a: Lane<Self>, b: Lane<Self>, sum: Lane<Self>) -> Lane<Self> {
        let (a, b, sum) = (pulp::cast(a), pulp::cast(b), pulp::cast(sum));
        pulp::cast(self.ifma.avx512ifma._mm512_madd52lo_epu64(sum, a, b))
    }

    #[inline(always)]
    fn split(self, sum: Lane<Self>) -> (Lane<Self>, Lane<Self>) {
        self.simd.split(sum)
    }
}
