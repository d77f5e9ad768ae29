//! Pseudo-random numbers that a seed decides.

/// A stream of pseudo-random numbers (SplitMix64; Steele, Lea & Flood 2014).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle(u64);

impl Shuffle {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(crate::rows::hash::GOLDEN);
        crate::rows::hash::mix(self.0)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Puts 0, 1, 2, ... in random order (Fisher & Yates).
    pub(super) fn permute(&mut self, slots: &mut [u32]) {
        slots.iter_mut().zip(0..).for_each(|(slot, i)| *slot = i);
        for i in (1..slots.len()).rev() {
            slots.swap(i, self.below(i + 1));
        }
    }
}
