//! Tables of wide integers: many sums side by side, each of as many limbs as its column needs.

use faer::fx128;

use super::big_fixed::{BigFixed, Limbs, add_limbs, divide, multiply, parts_of, round_to_double};

/// Records x columns of integers times powers of two, added to exactly.
///
/// Every column has a *window*, the limbs that its values occupy, common to all records; it grows when a value
/// does not fit, so nothing overflows and nothing is dropped. The limbs of a record lie together. How wide the
/// windows are depends on the order of what was added, the values ([`BigFixedTable::get`]) do not.
#[derive(Clone, Debug)]
pub(crate) struct BigFixedTable {
    windows: Vec<Window>,
    /// Limbs of a record.
    stride: usize,
    records: usize,
    /// Two's complement, little-endian, record after record.
    limbs: Vec<u64>,
}

/// Where the limbs of a column are: limb `i` counts units of `2^(64 (lowest + i))`.
#[derive(Clone, Copy, Debug)]
struct Window {
    lowest: i32,
    limbs: usize,
    /// Position of the first limb within the record.
    start: usize,
}

impl Window {
    /// The window that also holds `limbs` limbs from `lowest` on.
    fn with(self, lowest: i32, limbs: usize) -> Self {
        if self.limbs == 0 {
            return Self { lowest, limbs, ..self };
        }
        let from = self.lowest.min(lowest);
        let to = (self.lowest + self.limbs as i32).max(lowest + limbs as i32);
        Self { lowest: from, limbs: (to - from) as usize, ..self }
    }
}

/// Limbs that a 127-bit mantissa can touch, with one for the sign.
const ADDEND_LIMBS: usize = 4;

/// Limbs from which on room is made for a quarter more at a time.
const MANY: usize = 1 << 15;

impl BigFixedTable {
    /// A table of no records.
    pub(crate) fn new(columns: usize) -> Self {
        let windows = vec![Window { lowest: 0, limbs: 0, start: 0 }; columns];
        Self { windows, stride: 0, records: 0, limbs: Vec::new() }
    }

    /// Appends a record of zeros; returns its number.
    pub(crate) fn push_record(&mut self) -> usize {
        self.records += 1;
        self.limbs.resize(self.records * self.stride, 0);
        self.records - 1
    }

    /// Makes as many records.
    pub(crate) fn extend_records(&mut self, records: usize) {
        self.records = records;
        let more = (records * self.stride).saturating_sub(self.limbs.len());
        if self.limbs.capacity() - self.limbs.len() < more {
            // Of many not twice as many: there may be a million groups.
            let slack = if self.limbs.len() < MANY { self.limbs.len() } else { self.limbs.len() / 4 };
            self.limbs.reserve_exact(more.max(slack));
        }
        self.limbs.resize(records * self.stride, 0);
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.windows.len()
    }

    /// Adds `mantissa 2^exponent`.
    #[inline]
    pub(crate) fn add(&mut self, record: usize, column: usize, mantissa: i128, exponent: i32) {
        if mantissa == 0 {
            return;
        }
        let addend = Addend::new(mantissa, exponent);
        let window = self.windows[column];
        let offset = addend.lowest - window.lowest;
        if offset < 0 || offset as usize + ADDEND_LIMBS > window.limbs {
            // Perhaps it has fewer.
            return self.add_wide(record, column, mantissa >> 64, mantissa as u64, exponent);
        }
        while !self.try_add(record, column, addend.lowest, &addend.limbs) {}
    }

    /// Adds `(2^64 high + low) 2^exponent`.
    pub(crate) fn add_wide(&mut self, record: usize, column: usize, high: i128, low: u64, exponent: i32) {
        let lowest = exponent.div_euclid(64);
        let limbs = shifted(high, low, exponent.rem_euclid(64) as u32);
        let sign = |limb: u64| (limb as i64 >> 63) as u64;
        // Without the limbs that only repeat the sign, and the zeros below: windows are as narrow as sums let them be.
        let mut used = limbs.len();
        while used > 1 && limbs[used - 1] == sign(limbs[used - 2]) {
            used -= 1;
        }
        let zeros = limbs[..used - 1].iter().take_while(|&&limb| limb == 0).count();
        let (limbs, lowest) = (&limbs[zeros..used], lowest + zeros as i32);
        if limbs == [0] {
            return;
        }
        let window = self.windows[column];
        let offset = lowest - window.lowest;
        if offset < 0 || offset as usize + limbs.len() > window.limbs {
            self.widen(column, lowest, limbs.len());
        }
        while !self.try_add(record, column, lowest, limbs) {}
    }

    /// Where numbers in units of `2^exponent` go in a record, until the records are moved.
    pub(crate) fn place(&self, column: usize, exponent: i32) -> Place {
        let (window, lowest) = (self.windows[column], exponent.div_euclid(64));
        let offset = usize::try_from(lowest - window.lowest).unwrap_or(usize::MAX);
        match window.limbs.checked_sub(offset) {
            Some(limbs) if window.limbs > 0 => {
                Place { start: window.start + offset, limbs, shift: exponent.rem_euclid(64) as u32 }
            }
            _ => Place { start: 0, limbs: 0, shift: 0 },
        }
    }

    /// Adds `2^64 high + low` at a place; false where it does not fit: then nothing was added.
    #[inline]
    pub(crate) fn add_at(&mut self, record: usize, place: Place, high: i128, low: u64) -> bool {
        let limbs = shifted(high, low, place.shift);
        let sign = (limbs[3] as i64 >> 63) as u64;
        let from = record * self.stride + place.start;
        let target = &mut self.limbs[from..from + place.limbs];
        let Some(&top) = target.last() else { return false };
        // What is beyond the window, and the last limb in it, must be but the sign.
        let beyond = limbs.get(place.limbs..).is_none_or(|beyond| beyond.iter().all(|&limb| limb == sign));
        let within = limbs.get(place.limbs - 1).is_none_or(|&last| (last ^ sign) >> 63 == 0);
        if !beyond || !within {
            return false;
        }
        let mut carry = false;
        let addend = limbs.into_iter().chain(std::iter::repeat(sign));
        for (limb, own) in target.iter_mut().zip(addend.clone()) {
            let (first, over) = limb.overflowing_add(own);
            let (second, more) = first.overflowing_add(u64::from(carry));
            (*limb, carry) = (second, over | more);
        }
        let after = target.last().copied().unwrap_or_default();
        if (top ^ sign) >> 63 == 1 || (top ^ after) >> 63 == 0 {
            return true;
        }
        let mut borrow = false;
        for (limb, own) in target.iter_mut().zip(addend) {
            let (first, under) = limb.overflowing_sub(own);
            let (second, more) = first.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (second, under | more);
        }
        false
    }

    /// Bytes of the records.
    pub(crate) fn bytes(&self) -> usize {
        8 * self.limbs.len()
    }

    /// Adds a finite float64.
    pub(crate) fn add_f64(&mut self, record: usize, column: usize, value: f64) {
        debug_assert!(value.is_finite());
        let (mantissa, exponent) = parts_of(value);
        self.add(record, column, i128::from(mantissa), exponent);
    }

    /// Adds the product of two finite float64.
    pub(crate) fn add_product(&mut self, record: usize, column: usize, a: f64, b: f64) {
        debug_assert!(a.is_finite() && b.is_finite());
        let ((a, p), (b, q)) = (parts_of(a), parts_of(b));
        self.add(record, column, i128::from(a) * i128::from(b), p + q);
    }

    /// Adds a wide integer.
    pub(crate) fn add_big_fixed(&mut self, record: usize, column: usize, value: &BigFixed) {
        for (i, &limb) in value.magnitude().iter().enumerate() {
            let limb = i128::from(limb);
            let signed = if value.is_negative() { -limb } else { limb };
            self.add(record, column, signed, value.exponent() + 64 * i as i32);
        }
    }

    /// Adds wide integers to columns of a record, which moves at most once.
    pub(crate) fn add_all<'v>(
        &mut self,
        record: usize,
        values: impl Iterator<Item = (usize, &'v BigFixed)> + Clone,
    ) {
        // A limb more has the sign.
        let room = |(column, value): (usize, &BigFixed)| {
            (column, value.exponent().div_euclid(64), value.magnitude().len() + 1)
        };
        self.reserve(values.clone().filter(|(_, value)| !value.magnitude().is_empty()).map(room));
        values.for_each(|(column, value)| self.add_big_fixed(record, column, value));
    }

    /// Adds `limbs 2^exponent`, the limbs in two's complement and the exponent a multiple of 64; `times` times more
    /// than once.
    pub(super) fn add_limbs(
        &mut self,
        record: usize,
        column: usize,
        limbs: &[u64],
        exponent: i32,
        times: i32,
    ) {
        let lowest = exponent.div_euclid(64);
        let zeros = limbs.iter().take_while(|&&limb| limb == 0).count();
        let (limbs, lowest) = (&limbs[zeros..], lowest + zeros as i32);
        if limbs.is_empty() {
            return;
        }
        self.widen(column, lowest, limbs.len());
        for _ in 0..=times {
            while !self.try_add(record, column, lowest, limbs) {}
        }
    }

    /// Adds a record of another table of as many columns.
    pub(crate) fn merge_record(&mut self, record: usize, other: &Self, other_record: usize) {
        self.combine(record, other, other_record, |limbs| limbs);
    }

    /// Subtracts a record of another table of as many columns.
    pub(crate) fn subtract_record(&mut self, record: usize, other: &Self, other_record: usize) {
        self.combine(record, other, other_record, negated);
    }

    /// The value of an entry.
    pub(crate) fn get(&self, record: usize, column: usize) -> BigFixed {
        let window = self.windows[column];
        BigFixed::from_twos_complement(self.entry(record, column), 64 * window.lowest)
    }

    /// The value of an entry, to about 2^-106 of itself.
    pub(crate) fn double(&self, record: usize, column: usize) -> fx128 {
        let (negative, limbs, lowest) = self.magnitude(record, column);
        round_to_double(negative, &limbs, 64 * lowest).unwrap_or_else(|| self.get(record, column).to_double())
    }

    /// `p - a b / n`, the values of an entry and three numbers, rounded once to two float64.
    pub(crate) fn centred(&self, record: usize, p: usize, (a, b): (&Magnitude, &Magnitude), n: u64) -> fx128 {
        let p = self.magnitude(record, p);
        let whole = (p.0, multiply(&p.1, &[n]), p.2);
        let (negative, limbs, lowest) = add_limbs(whole, (a.0 == b.0, multiply(&a.1, &b.1), a.2 + b.2));
        divide(negative, &limbs, 64 * lowest, n)
    }

    /// The quotient of an entry and a number, rounded once to two float64.
    pub(crate) fn quotient(&self, record: usize, column: usize, n: u64) -> fx128 {
        let (negative, limbs, lowest) = self.magnitude(record, column);
        divide(negative, &limbs, 64 * lowest, n)
    }

    /// Whether an entry is a whole number.
    pub(crate) fn is_whole(&self, record: usize, column: usize) -> bool {
        let below = (-self.windows[column].lowest).max(0) as usize;
        self.entry(record, column).iter().take(below).all(|&limb| limb == 0)
    }

    /// An entry as [`Magnitude`].
    pub(crate) fn magnitude(&self, record: usize, column: usize) -> Magnitude {
        let mut limbs = Limbs::from_slice(self.entry(record, column));
        let negative = limbs.last().is_some_and(|top| top >> 63 == 1);
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        (negative, limbs, self.windows[column].lowest)
    }

    /// Whether an entry is zero.
    pub(crate) fn is_zero(&self, record: usize, column: usize) -> bool {
        self.entry(record, column).iter().all(|&limb| limb == 0)
    }

    fn entry(&self, record: usize, column: usize) -> &[u64] {
        let window = self.windows[column];
        let from = record * self.stride + window.start;
        &self.limbs[from..from + window.limbs]
    }

    fn combine(
        &mut self,
        record: usize,
        other: &Self,
        other_record: usize,
        sign: impl Fn(Vec<u64>) -> Vec<u64>,
    ) {
        debug_assert_eq!(self.columns(), other.columns());
        let used = (0..self.columns().min(other.columns())).filter(|&c| !other.is_zero(other_record, c));
        let room = |c: usize| (c, other.windows[c].lowest, other.windows[c].limbs + 1);
        self.reserve(used.map(room));
        for column in 0..self.columns().min(other.columns()) {
            if other.is_zero(other_record, column) {
                continue;
            }
            let mut limbs = other.entry(other_record, column).to_vec();
            // Room for the negative of the smallest number.
            limbs.push(if limbs.last().is_some_and(|top| top >> 63 == 1) { u64::MAX } else { 0 });
            let limbs = sign(limbs);
            let lowest = other.windows[column].lowest;
            while !self.try_add(record, column, lowest, &limbs) {}
        }
    }

    /// Adds limbs in two's complement that lie within the window, and their sign above them. Where the sum does not
    /// fit, the window is widened, and false says that nothing was added.
    #[inline]
    fn try_add(&mut self, record: usize, column: usize, lowest: i32, addend: &[u64]) -> bool {
        let window = self.windows[column];
        let from = record * self.stride + window.start;
        let entry = &mut self.limbs[from..from + window.limbs];
        let target = &mut entry[(lowest - window.lowest) as usize..];
        if add_signed(target, addend) {
            return true;
        }
        add_signed(target, &negated(addend.to_vec()));
        self.grow(column, window.lowest, window.limbs + 1);
        false
    }

    /// Makes room for values of so many limbs from a lowest one on, given as (column, lowest, limbs): the records are
    /// moved once for all.
    pub(crate) fn reserve(&mut self, needs: impl Iterator<Item = (usize, i32, usize)>) {
        let mut windows = self.windows.clone();
        let mut grown = false;
        for (column, lowest, limbs) in needs {
            let window = windows[column].with(lowest, limbs);
            grown |= window.limbs > windows[column].limbs;
            windows[column] = window;
        }
        if grown {
            self.relay(windows);
        }
    }

    /// Whether a column has room for `limbs` limbs from `lowest` on; for none it always has.
    pub(super) fn holds(&self, column: usize, lowest: i32, limbs: usize) -> bool {
        let window = self.windows[column];
        limbs == 0 || window.limbs > 0 && window.with(lowest, limbs).limbs == window.limbs
    }

    /// Makes the window hold `limbs` limbs from `lowest` on.
    fn widen(&mut self, column: usize, lowest: i32, limbs: usize) {
        let window = self.windows[column];
        if window.with(lowest, limbs).limbs > window.limbs {
            self.grow(column, lowest, limbs);
        }
    }

    #[cold]
    fn grow(&mut self, column: usize, lowest: i32, limbs: usize) {
        let mut windows = self.windows.clone();
        // A single record moves whenever any of its columns grows: more room at once makes that rare.
        let slack = if self.records == 1 { windows[column].limbs / 2 } else { 0 };
        windows[column] = windows[column].with(lowest, limbs);
        windows[column] = Window {
            lowest: windows[column].lowest - slack as i32,
            limbs: windows[column].limbs + 2 * slack,
            ..windows[column]
        };
        self.relay(windows);
    }

    /// Gives the columns other windows that contain the present ones, and moves all records.
    fn relay(&mut self, windows: Vec<Window>) {
        let old = (std::mem::replace(&mut self.windows, windows), self.stride);
        self.stride = 0;
        for window in &mut self.windows {
            window.start = self.stride;
            self.stride += window.limbs;
        }
        let mut moved = vec![0; self.records * self.stride];
        for record in 0..self.records {
            for (before, after) in old.0.iter().zip(&self.windows) {
                let from = record * old.1 + before.start;
                let source = &self.limbs[from..from + before.limbs];
                let below = if before.limbs == 0 { 0 } else { (before.lowest - after.lowest) as usize };
                let to = record * self.stride + after.start;
                let target = &mut moved[to..to + after.limbs];
                target[below..below + source.len()].copy_from_slice(source);
                if source.last().is_some_and(|top| top >> 63 == 1) {
                    target[below + source.len()..].fill(u64::MAX);
                }
            }
        }
        self.limbs = moved;
    }
}

/// A number as sign, magnitude, and the exponent of its lowest limb by 64.
pub(crate) type Magnitude = (bool, Limbs, i32);

/// Where a column's limbs from some power of two on are in a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    start: usize,
    limbs: usize,
    /// Bits that a number is shifted by.
    shift: u32,
}

/// `(2^64 high + low) 2^shift` as limbs in two's complement.
#[inline]
fn shifted(high: i128, low: u64, shift: u32) -> [u64; 4] {
    // In two steps, for a shift by 64 is none.
    let (carried, above) = ((low >> (63 - shift)) >> 1, (high >> (63 - shift)) >> 1);
    [low << shift, (high as u64) << shift | carried, above as u64, (above >> 64) as u64]
}

/// A mantissa shifted into place: limbs in two's complement, the lowest counting `2^(64 lowest)`.
struct Addend {
    lowest: i32,
    limbs: [u64; ADDEND_LIMBS],
}

impl Addend {
    #[inline]
    fn new(mantissa: i128, exponent: i32) -> Self {
        let (lowest, shift) = (exponent.div_euclid(64), exponent.rem_euclid(64));
        let low = (mantissa as u64) << shift;
        // In two steps, for a shift by 64 is none.
        let middle = (mantissa >> (63 - shift)) >> 1;
        let sign = (mantissa >> 127) as u64;
        Self { lowest, limbs: [low, middle as u64, (middle >> 64) as u64, sign] }
    }
}

/// `target += addend`, both in two's complement, the target not shorter. False if the sum does not fit: the target
/// is then off by a multiple of its range.
#[inline]
fn add_signed(target: &mut [u64], addend: &[u64]) -> bool {
    let above = if addend.last().is_some_and(|top| top >> 63 == 1) { u64::MAX } else { 0 };
    let before = target.last().is_some_and(|top| top >> 63 == 1);
    let (low, high) = target.split_at_mut(addend.len());
    let mut carry = false;
    for (limb, &a) in low.iter_mut().zip(addend) {
        let (first, over) = limb.overflowing_add(a);
        let (second, more) = first.overflowing_add(u64::from(carry));
        (*limb, carry) = (second, over | more);
    }
    for limb in high {
        // The sign and the carry cancel: nothing changes from here on.
        if carry == (above == u64::MAX) {
            return true;
        }
        let (first, over) = limb.overflowing_add(above);
        let (second, more) = first.overflowing_add(u64::from(carry));
        (*limb, carry) = (second, over | more);
    }
    let after = target.last().is_some_and(|top| top >> 63 == 1);
    before != (above == u64::MAX) || after == before
}

/// The negative of a number in two's complement.
fn negated(mut limbs: Vec<u64>) -> Vec<u64> {
    let mut carry = true;
    for limb in &mut limbs {
        (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_at_a_place_is_what_is_added_to_the_column() {
        let mut table = BigFixedTable::new(3);
        (0..2).for_each(|_| _ = table.push_record());
        table.reserve([(0, -2, 3), (1, -1, 5), (2, 0, 1)].into_iter());
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state ^ state >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let (mut fits, mut expected) = ([0; 2], vec![BigFixed::ZERO; 6]);
        for _ in 0..20_000 {
            let (record, column) = ((next() % 2) as usize, (next() % 3) as usize);
            // Sums of products have up to 131 bits.
            let high = (i128::from(next() as i64) << 3) >> (next() % 70);
            let (low, exponent) =
                (if next().is_multiple_of(5) { 0 } else { next() }, (next() % 260) as i32 - 130);
            let place = table.place(column, exponent);
            let before = table.clone();
            let fit = table.add_at(record, place, high, low);
            fits[usize::from(fit)] += 1;
            let mut other = before.clone();
            other.add_wide(record, column, high, low, exponent);
            let entry = &mut expected[3 * record + column];
            if fit {
                *entry = other.get(record, column);
                assert_eq!(other.stride, before.stride);
            }
            for (at, expected) in expected.iter().enumerate() {
                assert_eq!(table.get(at / 3, at % 3), *expected, "{high} {low} {exponent} {fit}");
            }
        }
        assert!(fits.iter().all(|&count| count > 1_000), "{fits:?}");
    }
}
