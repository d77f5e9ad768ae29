//! Rows that wait to be summed.

use std::ops::Range;

use hashbrown::HashSet;

use super::index::{SHARDS, shard_of};

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

/// Some rows, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSlice<'a> {
    key: usize,
    width: usize,
    count: usize,
    codes: &'a [u32],
    cells: &'a [f64],
}

impl<'a> RowSlice<'a> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The level numbers of a row.
    #[inline]
    pub(super) fn codes(&self, row: usize) -> &'a [u32] {
        &self.codes[row * self.key..(row + 1) * self.key]
    }

    /// The cells of a row.
    #[inline]
    pub(super) fn cells(&self, row: usize) -> &'a [f64] {
        &self.cells[row * self.width..(row + 1) * self.width]
    }
}

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

    /// Forgets the rows, and keeps their memory for others.
    pub(super) fn clear(&mut self) {
        self.codes.clear();
        self.cells.clear();
        self.count = 0;
    }

    pub(super) fn slice(&self, rows: Range<usize>) -> RowSlice<'_> {
        RowSlice {
            key: self.key,
            width: self.width,
            count: rows.len(),
            codes: &self.codes[rows.start * self.key..rows.end * self.key],
            cells: &self.cells[rows.start * self.width..rows.end * self.width],
        }
    }

    pub(super) fn all(&self) -> RowSlice<'_> {
        self.slice(0..self.count)
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
        self.count * self.row_bytes()
    }

    /// Bytes that a row takes.
    pub(super) fn row_bytes(&self) -> usize {
        4 * self.key + 8 * self.width
    }

    /// The same rows by the shards of their keys, those of a shard in the order that they had; and where each shard
    /// begins.
    pub(super) fn by_shard(&self) -> (Self, Vec<u32>) {
        let shards: Vec<u8> = (0..self.count).map(|row| shard_of(self.all().codes(row)) as u8).collect();
        let mut starts = vec![0; SHARDS + 1];
        shards.iter().for_each(|&shard| starts[usize::from(shard) + 1] += 1);
        for shard in 0..SHARDS {
            starts[shard + 1] += starts[shard];
        }
        let mut next: Vec<u32> = starts.clone();
        let take = |&shard: &u8| {
            let next = &mut next[usize::from(shard)];
            *next += 1;
            *next - 1
        };
        let places: Vec<u32> = shards.iter().map(take).collect();
        let codes = scatter(&places, &self.codes, self.key);
        let cells = scatter(&places, &self.cells, self.width);
        (Self { codes, cells, ..*self }, starts)
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
    fn rows_of_a_shard_keep_their_order() {
        let codes: Vec<u32> = (0..4_000).map(|i| i * 31 % 600).collect();
        let (second, cells) = (vec![7; 4_000], (0..4_000).map(f64::from).collect::<Vec<_>>());
        let mut rows = Rows::default();
        rows.extend(&(0..1_000).collect::<Vec<_>>(), &[&codes, &second], &[&cells]);
        rows.extend(&(1_000..4_000).collect::<Vec<_>>(), &[&codes, &second], &[&cells]);
        assert_eq!([599, 600, 601].map(|limit| rows.has_more_keys(limit)), [true, false, false]);
        let (sorted, starts) = rows.by_shard();
        assert_eq!((sorted.len(), starts[SHARDS]), (4_000, 4_000));
        for shard in 0..SHARDS {
            let part = sorted.slice(starts[shard] as usize..starts[shard + 1] as usize);
            let expected = (0..4_000).filter(|&row| shard_of(&[codes[row], 7]) == shard);
            let expected: Vec<f64> = expected.map(|row| cells[row]).collect();
            assert_eq!((0..part.len()).map(|row| part.cells(row)[0]).collect::<Vec<_>>(), expected);
            assert!((0..part.len()).all(|row| part.codes(row)[0] == codes[part.cells(row)[0] as usize]));
        }
    }

    #[test]
    fn rows_may_have_no_key() {
        let mut rows = Rows::default();
        rows.extend(&[0], &[], &[&[1.0]]);
        assert!(!rows.has_more_keys(1));
        let (sorted, starts) = rows.by_shard();
        assert_eq!((sorted.all().cells(0), starts[SHARDS]), (&[1.0][..], 1));
        assert_eq!(rows.all().codes(0), &[] as &[u32]);
    }
}
