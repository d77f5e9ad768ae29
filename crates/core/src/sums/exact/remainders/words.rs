//! What remainders ask of a processor's vectors: sixteen words of 32 bits, and products of their halves.

use pulp::{Scalar, Simd};

use super::moduli::{MODULI, RECIPROCALS};

/// Words of a row.
pub(super) const WORDS: usize = 16;

/// A row of words in memory, as wide as a cache line and a vector of 512 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [i32; WORDS]);

impl Line {
    pub(super) const ZERO: Self = Self([0; WORDS]);
}

/// A word of two halves.
pub(super) const fn halves(low: i32, high: i32) -> i32 {
    (low & 0xffff) | (high << 16)
}

/// Vectors with sums of products of signed halves.
pub(super) trait Words: Simd {
    /// Sixteen words.
    type Row: Copy;

    /// Columns of a tile: as many sums as there are registers for, beside what they are made from.
    const TILE: usize;

    /// A row from memory.
    fn load(self, line: &Line) -> Self::Row;

    /// The same, back.
    fn store(self, row: Self::Row, line: &mut Line);

    /// A word in all places.
    fn repeat(self, word: i32) -> Self::Row;

    /// `sum + a_low b_low + a_high b_high`, modulo 2^32.
    fn add_products(self, sum: Self::Row, a: Self::Row, b: Self::Row) -> Self::Row;

    /// The sum, modulo 2^32.
    fn plus(self, a: Self::Row, b: Self::Row) -> Self::Row;

    /// The bits that differ.
    fn differing(self, a: Self::Row, b: Self::Row) -> Self::Row;

    /// Words of the lower halves of `low` and the lower halves of `high`.
    fn pack(self, low: Self::Row, high: Self::Row) -> Self::Row;

    /// The integers nearest to products with a factor, about.
    fn scaled(self, words: Self::Row, factor: f32) -> Self::Row;

    /// Remainders by a modulus other than the first, of words whose quotients have 16 bits: half of it at most, and about a
    /// hundredth more, since quotients are rounded.
    #[inline(always)]
    fn remainders(self, words: Self::Row, modulus: usize) -> Self::Row {
        let quotients = self.scaled(words, RECIPROCALS[modulus]);
        self.add_products(words, quotients, self.repeat(halves(-MODULI[modulus], 0)))
    }
}

/// What is done with vectors.
pub(super) trait Operation {
    /// With these; always to be inlined, or else the compiler would not use them.
    fn run<W: Words>(self, words: W);
}

/// Vectors that the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Vectors {
    /// Of 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// One word at a time.
    Portable,
}

impl Vectors {
    /// Does something with these vectors.
    pub(super) fn run(self, operation: impl Operation) {
        #[cfg(target_arch = "x86_64")]
        {
            let wide = pulp::x86::V4::try_new().filter(|_| self == Self::Avx512);
            if let (Some(simd), Some(vnni)) = (wide, Vnni::try_new()) {
                return vnni.vectorize(
                    #[inline(always)]
                    || operation.run(simd),
                );
            }
            if let Some(simd) = wide {
                return simd.vectorize(
                    #[inline(always)]
                    || operation.run(simd),
                );
            }
            if let Some(simd) = pulp::x86::V3::try_new().filter(|_| self != Self::Portable) {
                return simd.vectorize(
                    #[inline(always)]
                    || operation.run(simd),
                );
            }
        }
        operation.run(Scalar);
    }
}

impl Words for Scalar {
    type Row = [i32; WORDS];

    const TILE: usize = 1;

    #[inline(always)]
    fn load(self, line: &Line) -> Self::Row {
        line.0
    }

    #[inline(always)]
    fn store(self, row: Self::Row, line: &mut Line) {
        line.0 = row;
    }

    #[inline(always)]
    fn repeat(self, word: i32) -> Self::Row {
        [word; WORDS]
    }

    #[inline(always)]
    fn add_products(self, sum: Self::Row, a: Self::Row, b: Self::Row) -> Self::Row {
        let low = |k: usize| i32::from(a[k] as i16) * i32::from(b[k] as i16);
        let high = |k: usize| (a[k] >> 16) * (b[k] >> 16);
        std::array::from_fn(|k| sum[k].wrapping_add(low(k)).wrapping_add(high(k)))
    }

    #[inline(always)]
    fn plus(self, a: Self::Row, b: Self::Row) -> Self::Row {
        std::array::from_fn(|k| a[k].wrapping_add(b[k]))
    }

    #[inline(always)]
    fn differing(self, a: Self::Row, b: Self::Row) -> Self::Row {
        std::array::from_fn(|k| a[k] ^ b[k])
    }

    #[inline(always)]
    fn pack(self, low: Self::Row, high: Self::Row) -> Self::Row {
        std::array::from_fn(|k| halves(low[k], high[k]))
    }

    #[inline(always)]
    fn scaled(self, words: Self::Row, factor: f32) -> Self::Row {
        words.map(|word| (word as f32 * factor).round_ties_even() as i32)
    }
}

#[cfg(target_arch = "x86_64")]
impl Words for pulp::x86::V3 {
    type Row = [pulp::i32x8; 2];

    const TILE: usize = 4;

    #[inline(always)]
    fn load(self, line: &Line) -> Self::Row {
        pulp::cast(line.0)
    }

    #[inline(always)]
    fn store(self, row: Self::Row, line: &mut Line) {
        line.0 = pulp::cast(row);
    }

    #[inline(always)]
    fn repeat(self, word: i32) -> Self::Row {
        [self.splat_i32x8(word); 2]
    }

    #[inline(always)]
    fn add_products(self, sum: Self::Row, a: Self::Row, b: Self::Row) -> Self::Row {
        let mut sum = sum;
        for k in 0..2 {
            let products = self.avx2._mm256_madd_epi16(pulp::cast(a[k]), pulp::cast(b[k]));
            sum[k] = pulp::cast(self.avx2._mm256_add_epi32(pulp::cast(sum[k]), products));
        }
        sum
    }

    #[inline(always)]
    fn plus(self, a: Self::Row, b: Self::Row) -> Self::Row {
        let mut sum = a;
        for k in 0..2 {
            sum[k] = pulp::cast(self.avx2._mm256_add_epi32(pulp::cast(a[k]), pulp::cast(b[k])));
        }
        sum
    }

    #[inline(always)]
    fn differing(self, a: Self::Row, b: Self::Row) -> Self::Row {
        let mut bits = a;
        for k in 0..2 {
            bits[k] = pulp::cast(self.avx2._mm256_xor_si256(pulp::cast(a[k]), pulp::cast(b[k])));
        }
        bits
    }

    #[inline(always)]
    fn pack(self, low: Self::Row, high: Self::Row) -> Self::Row {
        let mut packed = low;
        for k in 0..2 {
            let high = self.avx2._mm256_slli_epi32::<16>(pulp::cast(high[k]));
            packed[k] = pulp::cast(self.avx2._mm256_blend_epi16::<0b1010_1010>(pulp::cast(low[k]), high));
        }
        packed
    }

    #[inline(always)]
    fn scaled(self, words: Self::Row, factor: f32) -> Self::Row {
        let mut scaled = words;
        for word in &mut scaled {
            let product = self.avx._mm256_cvtepi32_ps(pulp::cast(*word));
            let product = self.avx._mm256_mul_ps(product, self.avx._mm256_set1_ps(factor));
            *word = pulp::cast(self.avx._mm256_cvtps_epi32(product));
        }
        scaled
    }
}

/// Where the processor multiplies halves and adds at once, the compiler makes one instruction of the two.
#[cfg(target_arch = "x86_64")]
impl Words for pulp::x86::V4 {
    type Row = pulp::i32x16;

    const TILE: usize = 8;

    #[inline(always)]
    fn load(self, line: &Line) -> Self::Row {
        pulp::cast(line.0)
    }

    #[inline(always)]
    fn store(self, row: Self::Row, line: &mut Line) {
        line.0 = pulp::cast(row);
    }

    #[inline(always)]
    fn repeat(self, word: i32) -> Self::Row {
        pulp::cast(self.avx512f._mm512_set1_epi32(word))
    }

    #[inline(always)]
    fn add_products(self, sum: Self::Row, a: Self::Row, b: Self::Row) -> Self::Row {
        let products = self.avx512bw._mm512_madd_epi16(pulp::cast(a), pulp::cast(b));
        pulp::cast(self.avx512f._mm512_add_epi32(pulp::cast(sum), products))
    }

    #[inline(always)]
    fn plus(self, a: Self::Row, b: Self::Row) -> Self::Row {
        pulp::cast(self.avx512f._mm512_add_epi32(pulp::cast(a), pulp::cast(b)))
    }

    #[inline(always)]
    fn differing(self, a: Self::Row, b: Self::Row) -> Self::Row {
        pulp::cast(self.avx512f._mm512_xor_si512(pulp::cast(a), pulp::cast(b)))
    }

    #[inline(always)]
    fn pack(self, low: Self::Row, high: Self::Row) -> Self::Row {
        let lower = self.avx512f._mm512_set1_epi32(0xffff);
        let low = self.avx512f._mm512_and_si512(pulp::cast(low), lower);
        let high = self.avx512f._mm512_slli_epi32::<16>(pulp::cast(high));
        pulp::cast(self.avx512f._mm512_or_si512(low, high))
    }

    #[inline(always)]
    fn scaled(self, words: Self::Row, factor: f32) -> Self::Row {
        let words = self.avx512f._mm512_cvtepi32_ps(pulp::cast(words));
        let product = self.avx512f._mm512_mul_ps(words, self.avx512f._mm512_set1_ps(factor));
        pulp::cast(self.avx512f._mm512_cvtps_epi32(product))
    }
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type!({
    /// What [`pulp::x86::V4`] has, and products of halves that are added at once.
    pub(super) struct Vnni {
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
        pub(super) avx512vnni: f!("avx512vnni"),
    }
});
