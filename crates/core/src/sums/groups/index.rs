//! From the level numbers of a key to the record of their sums.

use hashbrown::HashMap;

/// Numbers records in the order in which their keys come: a level number at a time, so that keys of any
/// length are pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The first number, directly; [`NONE`] where it was not met.
    first: Vec<u32>,
    /// One step for every further number of the key.
    further: Vec<Step>,
    /// How many ids the first number has given out.
    given: u32,
}

/// Ids for pairs: what stands for the numbers before, and a number.
#[derive(Clone, Debug, Default)]
struct Step {
    /// As a table with a row for everything that stands before, as long as that is small; [`NONE`] for pairs
    /// that were not met.
    table: Vec<u32>,
    width: usize,
    /// Otherwise a map for every tile of the table: whoever comes with rows that are sorted by one of the two
    /// numbers finds theirs in the cache.
    maps: Vec<Vec<HashMap<u64, u32>>>,
    given: u32,
}

const NONE: u32 = u32::MAX;

/// Most cells of a step's table.
const MAX_CELLS: usize = 1 << 18;

/// Rows and columns of a tile, as a power of two.
const TILE_BITS: u32 = 10;

impl Index {
    /// An index of keys of `length` numbers. The empty key has one record.
    pub(super) fn new(length: usize) -> Self {
        Self { further: vec![Step::default(); length.saturating_sub(1)], ..Self::default() }
    }

    /// The record of a key; that of a new one is the next in number.
    #[inline]
    pub(super) fn insert(&mut self, codes: &[u32]) -> u32 {
        let (&first, rest) = codes.split_first().unwrap_or((&0, &[]));
        let id = self.insert_first(first);
        rest.iter().zip(&mut self.further).fold(id, |id, (&code, step)| step.insert(id, code))
    }

    fn insert_first(&mut self, code: u32) -> u32 {
        let code = code as usize;
        if code >= self.first.len() {
            self.first.resize((code + 1).next_power_of_two(), NONE);
        }
        let id = &mut self.first[code];
        if *id == NONE {
            *id = self.given;
            self.given += 1;
        }
        *id
    }

    /// The record of a key, if it was met.
    pub(super) fn find(&self, codes: &[u32]) -> Option<u32> {
        let (&first, rest) = codes.split_first().unwrap_or((&0, &[]));
        let id = self.first.get(first as usize).copied().filter(|&id| id != NONE)?;
        rest.iter().zip(&self.further).try_fold(id, |id, (&code, step)| step.find(id, code))
    }
}

impl Step {
    #[inline]
    fn insert(&mut self, before: u32, code: u32) -> u32 {
        let known = if self.maps.is_empty() { self.cell(before, code) } else { self.mapped(before, code) };
        known.unwrap_or_else(|| self.add(before, code))
    }

    fn find(&self, before: u32, code: u32) -> Option<u32> {
        self.cell(before, code).or_else(|| self.mapped(before, code))
    }

    #[inline]
    fn cell(&self, before: u32, code: u32) -> Option<u32> {
        let at = before as usize * self.width + code as usize;
        if code as usize >= self.width { None } else { self.table.get(at).copied().filter(|&id| id != NONE) }
    }

    #[inline]
    fn mapped(&self, before: u32, code: u32) -> Option<u32> {
        let tiles = self.maps.get((before >> TILE_BITS) as usize)?;
        tiles.get((code >> TILE_BITS) as usize)?.get(&pair(before, code)).copied()
    }

    #[cold]
    fn add(&mut self, before: u32, code: u32) -> u32 {
        let id = self.given;
        self.given += 1;
        if self.maps.is_empty() {
            let width = self.width.max((code as usize + 1).next_power_of_two());
            let rows = (before as usize + 1).max(self.table.len() / self.width.max(1));
            if rows.saturating_mul(width) <= MAX_CELLS {
                self.widen(width, rows);
                self.table[before as usize * width + code as usize] = id;
                return id;
            }
            let old = std::mem::take(self);
            self.given = id + 1;
            old.pairs().for_each(|(before, code, id)| self.put(before, code, id));
        }
        self.put(before, code, id);
        id
    }

    fn widen(&mut self, width: usize, rows: usize) {
        if width > self.width {
            let old = Self { table: std::mem::take(&mut self.table), width: self.width, ..Self::default() };
            self.width = width;
            self.table.resize(rows * width, NONE);
            old.pairs().for_each(|(b, c, id)| self.table[b as usize * width + c as usize] = id);
        } else if rows * width > self.table.len() {
            self.table.resize(rows * width, NONE);
        }
    }

    /// The pairs of the table.
    fn pairs(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let width = self.width.max(1);
        let place = move |at: usize| ((at / width) as u32, (at % width) as u32);
        let met = self.table.iter().enumerate().filter(|(_, id)| **id != NONE);
        met.map(move |(at, &id)| (place(at).0, place(at).1, id))
    }

    fn put(&mut self, before: u32, code: u32, id: u32) {
        let (row, column) = ((before >> TILE_BITS) as usize, (code >> TILE_BITS) as usize);
        if row >= self.maps.len() {
            self.maps.resize_with(row + 1, Vec::new);
        }
        let tiles = &mut self.maps[row];
        if column >= tiles.len() {
            tiles.resize_with(column + 1, HashMap::new);
        }
        tiles[column].insert(pair(before, code), id);
    }
}

fn pair(before: u32, code: u32) -> u64 {
    u64::from(before) << 32 | u64::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come() {
        let mut index = Index::new(3);
        let keys = [[5, 0, 0], [5, 0, 1], [2, 0, 0], [5, 0, 0], [5_000, 7, 9], [5, 1, 0]];
        let ids = keys.map(|key| index.insert(&key));
        assert_eq!(ids, [0, 1, 2, 0, 3, 4]);
        assert_eq!(keys.map(|key| index.find(&key)), ids.map(Some));
        assert_eq!(index.find(&[5, 1, 1]), None);
        assert_eq!(index.find(&[1, 0, 0]), None);
        let mut empty = Index::new(0);
        assert_eq!((empty.find(&[]), empty.insert(&[]), empty.find(&[])), (None, 0, Some(0)));
    }

    #[test]
    fn tables_become_maps_when_they_grow() {
        let mut index = Index::new(2);
        let key = |i: u32| [i % 3_000, i * 7 % 500];
        let mut seen = HashMap::new();
        for i in (0..40).chain(0..400_000) {
            let next = seen.len() as u32;
            let id = *seen.entry(key(i)).or_insert(next);
            assert_eq!(index.insert(&key(i)), id);
        }
        assert!(!index.further[0].maps.is_empty() && index.further[0].table.is_empty());
        assert!(seen.iter().all(|(key, &id)| index.find(key) == Some(id)));
    }
}
