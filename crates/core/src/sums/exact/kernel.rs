//! Which vectors the processor multiplies with; the result does not depend on it.

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::gram::Products;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Ifma, Multiplier};
use super::points::Digits;
use super::remainders::Vectors;

/// The vector instructions to use. Sums are exact, so all give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// The fastest that the processor has for so many columns: those of 512 bits alone bring nothing to slices.
    #[default]
    Auto,
    /// Vectors of 512 bits, and products of 52 bits that are added at once.
    Ifma,
    /// Vectors of 512 bits.
    Avx512,
    /// Vectors of 256 bits.
    Avx2,
    /// One number at a time.
    Portable,
    /// Remainders instead of slices, in vectors of 512 bits.
    RemaindersAvx512,
    /// Remainders, in vectors of 256 bits.
    RemaindersAvx2,
    /// Remainders, one at a time.
    RemaindersPortable,
}

/// Parts from which on remainders are taken, which cost less a pair and more a cell. They win from 80 full doubles on, and from
/// about 200 columns of whole numbers, of which slices need one product.
pub(super) const WIDE: usize = 128;

impl Kernel {
    /// Whether the processor has it; what it has not runs as [`Kernel::Auto`].
    pub fn is_available(self) -> bool {
        match self {
            Self::Auto | Self::Portable | Self::RemaindersPortable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => pulp::x86::V4::is_available() && Ifma::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::RemaindersAvx512 => pulp::x86::V4::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::RemaindersAvx2 => pulp::x86::V3::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Runs an operation with these vectors.
    pub(super) fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            Self::Portable => Simd::vectorize(Scalar, op),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => match pulp::x86::V3::try_new() {
                Some(simd) => Simd::vectorize(simd, op),
                None => Arch::new().dispatch(op),
            },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => match pulp::x86::V4::try_new() {
                Some(simd) => Simd::vectorize(simd, op),
                None => Arch::new().dispatch(op),
            },
            _ => Arch::new().dispatch(op),
        }
    }

    /// The vectors with which sums of products of so many parts are taken from remainders, where they are.
    pub(super) fn remainders(self, parts: usize) -> Option<Vectors> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Auto if parts < WIDE => None,
            #[cfg(target_arch = "x86_64")]
            Self::Auto | Self::RemaindersAvx512 if Self::RemaindersAvx512.is_available() => {
                Some(Vectors::Avx512)
            }
            #[cfg(target_arch = "x86_64")]
            Self::Auto | Self::RemaindersAvx512 | Self::RemaindersAvx2 if Self::Avx2.is_available() => {
                Some(Vectors::Avx2)
            }
            Self::RemaindersAvx512 | Self::RemaindersAvx2 | Self::RemaindersPortable => {
                Some(Vectors::Portable)
            }
            _ => None,
        }
    }

    /// How long digits are, so that these vectors multiply them.
    pub(super) fn digits(self) -> Digits {
        match self {
            Self::Auto | Self::Ifma if Self::Ifma.is_available() => Digits::Short,
            _ => Digits::Long,
        }
    }

    /// Sums products with these vectors.
    pub(super) fn multiply(self, products: Products<'_>) {
        #[cfg(target_arch = "x86_64")]
        {
            let wide = pulp::x86::V4::try_new();
            if let (Digits::Short, Some(simd), Some(ifma)) = (self.digits(), wide, Ifma::try_new()) {
                return ifma.vectorize(
                    #[inline(always)]
                    || products.run(Multiplier { simd, ifma }),
                );
            }
            if let Some(simd) = wide.filter(|_| matches!(self, Self::Ifma | Self::Avx512)) {
                return simd.vectorize(
                    #[inline(always)]
                    || products.run(simd),
                );
            }
            if let Some(simd) = pulp::x86::V3::try_new().filter(|_| self != Self::Portable) {
                return simd.vectorize(
                    #[inline(always)]
                    || products.run(simd),
                );
            }
        }
        products.run(Scalar);
    }
}
