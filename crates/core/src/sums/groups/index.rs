//! From the level numbers of a key to the record of their sums.

use hashbrown::HashTable;

use crate::rows::hash::{GOLDEN, mix};

/// Shards of a table.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
/// As a power of two.
pub(super) const SHARD_BITS: u32 = 8;

/// The shard of a key.
#[inline]
pub(super) fn shard_of(key: &[u32]) -> usize {
    match key {
        // Levels are numbered as they come, so their last bits are spread evenly.
        &[code] => code as usize % SHARDS,
        // The index of a shard looks at the lowest bits of the hash, and at the highest.
        _ => (hash(key) >> 32) as usize % SHARDS,
    }
}

/// Numbers records in the order in which their keys come.
#[derive(Clone, Debug)]
pub(super) struct Index {
    records: HashTable<u32>,
    /// For keys of one number the record of each, where that is all the index has to know; [`NONE`] where there is none.
    direct: Vec<u32>,
    /// The same for keys of two small numbers, where they are all of this kind: then `records` is empty.
    pairs: Option<Pairs>,
    /// How many of the lowest bits of a number are the same in all keys.
    shift: u32,
    /// Level numbers of a key.
    length: usize,
    /// Those of each record, one key after the other.
    codes: Vec<u32>,
    count: usize,
}

const NONE: u32 = u32::MAX;

/// The records of pairs of numbers.
#[derive(Clone, Debug, Default)]
struct Pairs {
    /// Bits of the second number.
    bits: u32,
    /// By the first number, then the second one; a power of two of them.
    records: Vec<u32>,
}

/// Pairs that are looked up in a list, at most.
const MOST_PAIRS: usize = 1 << 16;

impl Pairs {
    #[inline]
    fn place(&self, [a, b]: [u32; 2]) -> Option<usize> {
        let place = (u64::from(a) << self.bits | u64::from(b)) as usize;
        (u64::from(b) >> self.bits == 0 && place < self.records.len()).then_some(place)
    }

    fn find(&self, key: [u32; 2]) -> Option<u32> {
        self.place(key).map(|place| self.records[place]).filter(|&record| record != NONE)
    }

    /// Takes in a new record behind those of `keys`; `None` where the list would be too long.
    fn add(&mut self, keys: &[u32], key: [u32; 2]) -> Option<()> {
        if self.place(key).is_none() {
            let largest =
                |at: usize| keys.iter().skip(at).step_by(2).copied().max().unwrap_or(0).max(key[at]);
            let [first, bits] = [0, 1].map(|at| 32 - largest(at).leading_zeros());
            let length = 1usize.checked_shl(first + bits).filter(|&length| length <= MOST_PAIRS)?;
            *self = Self { bits, records: vec![NONE; length] };
            for (record, known) in keys.chunks_exact(2).enumerate() {
                let place = self.place([known[0], known[1]])?;
                self.records[place] = record as u32;
            }
        }
        let place = self.place(key)?;
        self.records[place] = (keys.len() / 2) as u32;
        Some(())
    }
}

impl Index {
    /// An index of keys of `length` numbers, which have the lowest `shift` bits in common if they are one number. The empty
    /// key has one record.
    pub(super) fn new(length: usize, shift: u32) -> Self {
        // There are many indices of some of the keys: lists in all of them would take too much.
        let pairs = (length == 2 && shift == 0).then(Pairs::default);
        Self {
            records: HashTable::new(),
            direct: Vec::new(),
            pairs,
            shift,
            length,
            codes: Vec::new(),
            count: 0,
        }
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The key of a record.
    pub(super) fn key(&self, record: usize) -> &[u32] {
        &self.codes[record * self.length..(record + 1) * self.length]
    }

    /// The record of a key; that of a new one is the next in number.
    #[inline]
    pub(super) fn insert(&mut self, key: &[u32]) -> u32 {
        if let &[code] = key {
            let known = self.direct.get((code >> self.shift) as usize).copied();
            return known.filter(|&record| record != NONE).unwrap_or_else(|| self.add_direct(code));
        }
        if let (Some(pairs), &[a, b]) = (&self.pairs, key) {
            return pairs.find([a, b]).unwrap_or_else(|| self.add_pair([a, b]));
        }
        let hash = hash(key);
        match self.find_hashed(hash, key) {
            Some(record) => record,
            None => self.add(hash, key),
        }
    }

    /// The record of a key, if it was met.
    pub(super) fn find(&self, key: &[u32]) -> Option<u32> {
        if let &[code] = key {
            let known = self.direct.get((code >> self.shift) as usize).copied();
            return known.filter(|&record| record != NONE && self.codes[record as usize] == code);
        }
        if let (Some(pairs), &[a, b]) = (&self.pairs, key) {
            return pairs.find([a, b]);
        }
        self.find_hashed(hash(key), key)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, key: &[u32]) -> Option<u32> {
        // Keys are short: a loop takes less time than a call.
        let same = |&record: &u32| self.key(record as usize).iter().zip(key).all(|(own, code)| own == code);
        self.records.find(hash, same).copied()
    }

    #[cold]
    fn add_direct(&mut self, code: u32) -> u32 {
        let (at, record) = ((code >> self.shift) as usize, self.count as u32);
        if at >= self.direct.len() {
            self.direct.resize((at + 1).next_power_of_two(), NONE);
        }
        self.direct[at] = record;
        self.codes.push(code);
        self.count += 1;
        record
    }

    #[cold]
    fn add_pair(&mut self, key: [u32; 2]) -> u32 {
        let record = self.count as u32;
        if self.pairs.as_mut().and_then(|pairs| pairs.add(&self.codes, key)).is_some() {
            self.codes.extend(key);
            self.count += 1;
            return record;
        }
        // Too many for a list: from here on they are found by their hashes.
        self.pairs = None;
        let Self { records, codes, .. } = self;
        let key_of = |record: u32| &codes[2 * record as usize..2 * (record as usize + 1)];
        for known in 0..record {
            records.insert_unique(hash(key_of(known)), known, |&record| hash(key_of(record)));
        }
        self.add(hash(&key), &key)
    }

    #[cold]
    fn add(&mut self, hash: u64, key: &[u32]) -> u32 {
        let record = self.count as u32;
        self.count += 1;
        self.codes.extend_from_slice(key);
        let Self { records, length, codes, .. } = self;
        let key_of = |record: u32| &codes[record as usize * *length..(record as usize + 1) * *length];
        records.insert_unique(hash, record, |&record| self::hash(key_of(record)));
        record
    }
}

/// The hash of a key.
#[inline]
fn hash(key: &[u32]) -> u64 {
    key.iter().fold(0, |state, &code| mix(state ^ u64::from(code)).wrapping_add(GOLDEN))
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;

    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come() {
        let mut index = Index::new(3, 0);
        let keys = [[5, 0, 0], [5, 0, 1], [2, 0, 0], [5, 0, 0], [5_000, 7, 9], [5, 1, 0]];
        let ids = keys.map(|key| index.insert(&key));
        assert_eq!(ids, [0, 1, 2, 0, 3, 4]);
        assert_eq!(keys.map(|key| index.find(&key)), ids.map(Some));
        assert_eq!(index.find(&[5, 1, 1]), None);
        assert_eq!(index.find(&[1, 0, 0]), None);
        let mut empty = Index::new(0, 0);
        assert_eq!((empty.find(&[]), empty.insert(&[]), empty.find(&[])), (None, 0, Some(0)));
    }

    #[test]
    fn keys_of_one_number_are_found_by_it() {
        let mut index = Index::new(1, 8);
        assert_eq!([0x103, 0x503, 0x003, 0x503].map(|code| index.insert(&[code])), [0, 1, 2, 1]);
        assert_eq!(
            [0x003, 0x103, 0x203, 0x1_0003].map(|code| index.find(&[code])),
            [Some(2), Some(0), None, None]
        );
        // Of another shard.
        assert_eq!(index.find(&[0x104]), None);
    }

    #[test]
    fn small_pairs_become_large_ones() {
        let mut index = Index::new(2, 0);
        let keys = [[0, 0], [3, 1], [3, 9], [200, 9], [0, 255], [3, 1], [70_000, 2], [3, 9], [7, u32::MAX]];
        assert_eq!(keys.map(|key| index.insert(&key)), [0, 1, 2, 3, 4, 1, 5, 2, 6]);
        assert!(index.pairs.is_none());
        assert_eq!(keys.map(|key| index.find(&key)), [0, 1, 2, 3, 4, 1, 5, 2, 6].map(Some));
        let mut small = Index::new(2, 0);
        keys[..6].iter().for_each(|key| _ = small.insert(key));
        assert_eq!(
            keys[..6].iter().map(|key| small.find(key).unwrap()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 1]
        );
        assert!(small.pairs.is_some());
        assert_eq!(
            [[0, 1], [1, 3], [200, 256], [201, 9], [u32::MAX, 0]].map(|key| small.find(&key)),
            [None; 5]
        );
    }

    #[test]
    fn many_keys_keep_their_records() {
        let mut index = Index::new(2, 0);
        let key = |i: u32| [i % 3_000, i * 7 % 500];
        let mut seen = HashMap::new();
        for i in (0..40).chain(0..100_000) {
            let next = seen.len() as u32;
            let id = *seen.entry(key(i)).or_insert(next);
            assert_eq!(index.insert(&key(i)), id);
        }
        assert_eq!(index.len(), seen.len());
        assert!(seen.iter().all(|(key, &id)| index.find(key) == Some(id) && index.key(id as usize) == key));
    }
}
