//! How a file is cut into partitions, by the sizes of its row groups alone.

use std::ops::Range;

/// Row groups of more than one and a half times as many rows are read in ranges of this many.
/// With the usual pages of 2^17 eight-byte values the cuts fall between pages.
pub const RANGE_ROWS: u64 = 1 << 20;

/// The shortest ranges that a request may ask for: shorter ones would decode the pages at their ends too often.
pub(super) const LEAST_RANGE_ROWS: u64 = 1 << 16;

/// Consecutive row groups are joined into one partition until it has this many rows.
pub const MIN_PARTITION_ROWS: u64 = 1 << 15;

/// A partition's place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) row_groups: Range<usize>,
    /// A range of rows, where the piece is part of a single row group.
    pub(super) rows: Option<Range<u64>>,
    pub(super) count: u64,
}

/// The number of rows before every row group of a file.
pub(super) fn first_rows(row_groups: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = 0;
    let first = |rows| {
        before += rows;
        before - rows
    };
    row_groups.map(first).collect()
}

impl Piece {
    /// The numbers of its rows, given those of the first rows of all row groups.
    pub(super) fn numbers(&self, first_rows: &[u64]) -> Range<u64> {
        let group = first_rows.get(self.row_groups.start).copied().unwrap_or(0);
        let first = group + self.rows.as_ref().map_or(0, |rows| rows.start);
        first..first + self.count
    }
}

/// The ranges of `length` rows that a row group of `rows` rows is read in: one, unless it is large.
pub(super) fn ranges(rows: u64, length: u64) -> Vec<Range<u64>> {
    let count = ((rows + length / 2) / length).max(1);
    (0..count).map(|i| i * length..if i + 1 == count { rows } else { (i + 1) * length }).collect()
}

/// Cuts a file into partitions of about `length` rows at most, by the sizes of the row groups that are read: pairs of index
/// and rows.
pub(super) fn pieces(row_groups: impl Iterator<Item = (usize, u64)>, length: u64) -> Vec<Piece> {
    let length = length.max(LEAST_RANGE_ROWS);
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, rows) in row_groups {
        let cuts = ranges(rows, length);
        if cuts.len() > 1 {
            pieces.extend(cuts.into_iter().map(|r| Piece {
                row_groups: index..index + 1,
                count: r.end - r.start,
                rows: Some(r),
            }));
            continue;
        }
        match pieces.last_mut() {
            Some(last)
                if last.rows.is_none() && last.row_groups.end == index && last.count < MIN_PARTITION_ROWS =>
            {
                last.row_groups.end = index + 1;
                last.count += rows;
            }
            _ => pieces.push(Piece { row_groups: index..index + 1, rows: None, count: rows }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_row_groups_are_cut_and_small_ones_joined() {
        let sizes = [10, 20, 40_000, 5, 3 * RANGE_ROWS + 7, 100];
        let pieces = pieces(sizes.into_iter().enumerate(), RANGE_ROWS);
        let counts: Vec<_> = pieces.iter().map(|p| (p.row_groups.clone(), p.count)).collect();
        assert_eq!(
            counts,
            [
                (0..3, 40_030),
                (3..4, 5),
                (4..5, RANGE_ROWS),
                (4..5, RANGE_ROWS),
                (4..5, RANGE_ROWS + 7),
                (5..6, 100)
            ]
        );
        assert_eq!(pieces.iter().map(|p| p.count).sum::<u64>(), sizes.iter().sum::<u64>());
    }

    #[test]
    fn pieces_know_their_rows() {
        let sizes = [40_000, 5, 3 * RANGE_ROWS + 7, 100];
        let first = first_rows(sizes.into_iter());
        let numbers: Vec<_> =
            pieces(sizes.into_iter().enumerate(), RANGE_ROWS).iter().map(|p| p.numbers(&first)).collect();
        assert_eq!(numbers[0].start, 0);
        assert!(numbers.windows(2).all(|w| w[0].end == w[1].start), "{numbers:?}");
        assert_eq!(numbers.last().map(|n| n.end), Some(sizes.iter().sum()));
        let skipped = pieces([(0, 40_000), (3, 100)].into_iter(), RANGE_ROWS);
        assert_eq!(skipped[1].numbers(&first), first[3]..first[3] + 100);
    }

    #[test]
    fn row_groups_on_both_sides_of_a_gap_are_not_joined() {
        let pieces = pieces([(0, 10), (1, 10), (4, 10)].into_iter(), RANGE_ROWS);
        assert_eq!(pieces.iter().map(|p| p.row_groups.clone()).collect::<Vec<_>>(), [0..2, 4..5]);
    }

    #[test]
    fn ranges_cover_every_row_once() {
        for rows in [0, 1, RANGE_ROWS, RANGE_ROWS * 3 / 2 - 1, RANGE_ROWS * 3 / 2, 10 * RANGE_ROWS + 1] {
            let cuts = ranges(rows, RANGE_ROWS);
            assert_eq!(cuts.first().map(|r| r.start), Some(0));
            assert_eq!(cuts.last().map(|r| r.end), Some(rows));
            assert!(cuts.windows(2).all(|w| w[0].end == w[1].start), "{rows}: {cuts:?}");
        }
    }
}
