//! Products of cells that no grid holds, one by one.

use super::wide::parts_of;
use super::wides::Wides;

/// Below this many products the bins cost more than they save.
const FEW: usize = 24;

/// Exponent of the lowest bit of the first bin, not above that of any product of two float64.
const LOWEST: i32 = -2_176;

/// Bins of 32 bits up to the largest product, and one for carries.
const BINS: usize = 136;

/// A sum of products with a bin for every 32 bits of exponent: adding does not carry.
///
/// A bin takes in less than 2^43 with each product, so 2^20 products do not overflow it. (Malcolm 1971, "On accurate
/// floating-point summation".)
#[derive(Debug)]
pub(super) struct Bins {
    bins: Box<[i64; BINS]>,
    /// The bins in use.
    from: usize,
    to: usize,
}

impl Default for Bins {
    fn default() -> Self {
        Self { bins: Box::new([0; BINS]), from: BINS, to: 0 }
    }
}

impl Bins {
    /// Adds the products of two columns in some rows (fewer than 2^20) to an entry, `doubled` twice.
    pub(super) fn add(
        &mut self,
        sums: &mut Wides,
        entry: usize,
        doubled: bool,
        columns: (&[f64], &[f64]),
        rows: impl Iterator<Item = usize> + Clone,
    ) {
        let extra = i32::from(doubled);
        if rows.clone().take(FEW).count() < FEW {
            for row in rows {
                let ((a, p), (b, q)) = (parts_of(columns.0[row]), parts_of(columns.1[row]));
                sums.add(0, entry, i128::from(a) * i128::from(b), p + q + extra);
            }
            return;
        }
        for row in rows {
            self.put(columns.0[row], columns.1[row]);
        }
        self.empty(sums, entry, extra);
    }

    #[inline(always)]
    fn put(&mut self, a: f64, b: f64) {
        let ((a, p), (b, q)) = (parts_of(a), parts_of(b));
        let product = i128::from(a) * i128::from(b);
        let place = (p + q - LOWEST) as usize;
        let (bin, shift) = ((place / 32).min(BINS - 4), place % 32);
        let (low, high) = (product as u64, (product >> 64) as i64);
        let first = low << shift;
        let second = (low >> 32) >> (32 - shift);
        let third = (high << shift) as u32;
        let bins = &mut self.bins[bin..bin + 4];
        bins[0] += i64::from(first as u32);
        bins[1] += (first >> 32) as i64;
        bins[2] += (second + u64::from(third)) as i64;
        bins[3] += high >> (32 - shift);
        self.from = self.from.min(bin);
        self.to = self.to.max(bin + 4);
    }

    /// Adds what the bins hold to an entry, and clears them.
    fn empty(&mut self, sums: &mut Wides, entry: usize, extra: i32) {
        if self.from >= self.to {
            return;
        }
        let from = self.from & !1;
        let mut carry = 0i128;
        let mut limbs = Vec::with_capacity((self.to - from) / 2 + 2);
        for pair in self.bins[from..self.to.next_multiple_of(2)].chunks(2) {
            let value = carry + i128::from(pair[0]) + (i128::from(pair[1]) << 32);
            limbs.push(value as u64);
            carry = value >> 64;
        }
        limbs.extend([carry as u64, (carry >> 64) as u64]);
        sums.add_limbs(0, entry, &limbs, LOWEST + 32 * from as i32, extra);
        self.bins[self.from..self.to].fill(0);
        (self.from, self.to) = (BINS, 0);
    }
}
