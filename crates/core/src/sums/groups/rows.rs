//! Rows that wait to be summed.

use hashbrown::HashSet;

/// Rows as they are: level numbers and cells, one row after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Level numbers a row.
    key: usize,
    /// Cells a row.
    width: usize,
    count: usize,
    codes: Vec<u32>,
    cells: Vec<f64>,
}

/// Rows are sorted into at most this many buckets: as many as can be written to at a time.
const MAX_BUCKETS: u32 = 512;

/// Rows whose memory is kept for more.
const MAX_KEPT: usize = 1 << 16;

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes in the rows at `used` of some columns, as many every time.
    pub(super) fn extend(&mut self, used: &[usize], codes: &[&[u32]], cells: &[&[f64]]) {
        debug_assert!(self.count == 0 || (codes.len(), cells.len()) == (self.key, self.width));
        (self.key, self.width) = (codes.len(), cells.len());
        transpose(used, codes, &mut self.codes);
        transpose(used, cells, &mut self.cells);
        self.count += used.len();
    }

    /// No rows, and the memory for as many, unless it is much.
    pub(super) fn cleared(mut self) -> Self {
        if self.count > MAX_KEPT {
            return Self::default();
        }
        self.codes.clear();
        self.cells.clear();
        Self { count: 0, ..self }
    }

    /// The level numbers of a row, and its cells.
    pub(super) fn row(&self, row: usize) -> (&[u32], &[f64]) {
        (
            &self.codes[row * self.key..(row + 1) * self.key],
            &self.cells[row * self.width..(row + 1) * self.width],
        )
    }

    /// The level numbers of the rows at one place of the key.
    fn numbers(&self, place: usize) -> impl Iterator<Item = u32> {
        self.codes.iter().skip(place).step_by(self.key.max(1)).copied()
    }

    /// The place with the largest number, and this number.
    fn widest(&self) -> Option<(usize, u32)> {
        let largest = (0..self.key).filter_map(|place| Some((place, self.numbers(place).max()?)));
        largest.max_by_key(|&(_, largest)| largest)
    }

    /// Whether there are more than `limit` different keys.
    pub(super) fn has_more_keys(&self, limit: usize) -> bool {
        let Some((place, largest)) = self.widest() else { return false };
        let mut seen = vec![0u64; largest as usize / 64 + 1];
        self.numbers(place).for_each(|code| seen[code as usize / 64] |= 1 << (code % 64));
        if seen.iter().map(|word| word.count_ones() as usize).sum::<usize>() > limit {
            return true;
        }
        let mut keys = HashSet::new();
        self.key > 1 && self.codes.chunks_exact(self.key).any(|key| keys.insert(key) && keys.len() > limit)
    }

    /// Bytes that the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.count * (4 * self.key + 8 * self.width)
    }

    /// Sorts the rows by one of their level numbers, coarsely where there are many, and leaves rows with the same
    /// number in their order: whoever takes them in one by one finds in the cache what it needs.
    pub(super) fn sort(&mut self) {
        let Some((place, largest)) = self.widest() else { return };
        let shift = (0..).find(|shift| largest >> shift < MAX_BUCKETS).unwrap_or_default();
        let mut next = [0u32; MAX_BUCKETS as usize];
        self.numbers(place).for_each(|code| next[(code >> shift) as usize] += 1);
        let mut total = 0;
        for start in &mut next {
            total += std::mem::replace(start, total);
        }
        let take = |code: u32| {
            let next = &mut next[(code >> shift) as usize];
            *next += 1;
            *next - 1
        };
        let places: Vec<u32> = self.numbers(place).map(take).collect();
        self.codes = scatter(&places, &self.codes, self.key);
        self.cells = scatter(&places, &self.cells, self.width);
    }
}

/// Appends the rows at `used` of `columns` to `out`, one row after the other.
fn transpose<T: Copy + Default>(used: &[usize], columns: &[&[T]], out: &mut Vec<T>) {
    let (at, width) = (out.len(), columns.len());
    out.resize(at + used.len() * width, T::default());
    for (j, column) in columns.iter().enumerate() {
        let cells = out[at..].iter_mut().skip(j).step_by(width);
        cells.zip(used).for_each(|(cell, &row)| *cell = column[row]);
    }
}

/// The rows of `table`, each of `width` cells, at other places.
fn scatter<T: Copy + Default>(places: &[u32], table: &[T], width: usize) -> Vec<T> {
    let mut out = vec![T::default(); table.len()];
    for (&place, row) in places.iter().zip(table.chunks_exact(width.max(1))) {
        let at = place as usize * width;
        out[at..at + width].iter_mut().zip(row).for_each(|(to, from)| *to = *from);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_keep_their_order_within_a_number() {
        for (codes, expected) in [
            ([3, 1, 3, 0, 1, 3], [3, 1, 4, 0, 2, 5]),
            ([4_000_000, 7, 4_000_000, 70_000, 7, 4_000_000], [1, 4, 3, 0, 2, 5]),
        ] {
            let mut rows = Rows::default();
            let (second, cells) = ([0, 0, 1, 0, 0, 0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            rows.extend(&[0, 1, 2], &[&codes, &second], &[&cells]);
            rows.extend(&[3, 4, 5], &[&codes, &second], &[&cells]);
            assert_eq!([2, 3, 4].map(|limit| rows.has_more_keys(limit)), [true, true, false]);
            rows.sort();
            let order: Vec<f64> = (0..rows.len()).map(|row| rows.row(row).1[0]).collect();
            assert_eq!(order, expected.map(|row| cells[row]));
            assert_eq!(rows.row(0), (&[codes[expected[0]], 0][..], &[cells[expected[0]]][..]));
        }
        let mut rows = Rows::default();
        rows.extend(&[0], &[], &[&[1.0]]);
        rows.sort();
        assert!(!rows.has_more_keys(1));
        assert_eq!(rows.row(0), (&[][..], &[1.0][..]));
    }
}
