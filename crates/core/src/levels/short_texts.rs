//! The numbers of short texts.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

/// Texts of up to 15 bytes, see [`packed`], and their numbers.
///
/// Where there are many, what takes time is that neither the place of a text nor the text itself is in a cache. So many
/// are looked up at a time: none of them waits for the memory that another one waits for.
#[derive(Debug, Default)]
pub(super) struct ShortTexts {
    hasher: DefaultHashBuilder,
    /// Where a text may stand: its position in the lower bits, some of its hash above; [`EMPTY`] where none is. The length is
    /// a power of two.
    slots: Vec<u32>,
    entries: Vec<Entry>,
}

/// A text and its number: 24 bytes.
#[derive(Debug)]
struct Entry {
    words: [u64; 2],
    code: u32,
}

const EMPTY: u32 = u32::MAX;

/// Bits of a position.
const POSITION: u32 = 20;

/// Texts that are remembered: the last position could be taken for an empty slot.
const MOST: usize = (1 << POSITION) - 1;

/// Texts that are looked up at a time.
pub(super) const AT_ONCE: usize = 32;

impl ShortTexts {
    /// Writes the number of each of some texts, at most [`AT_ONCE`] of them, if it is known.
    pub(super) fn find(&self, keys: &[u128], out: &mut [Option<u32>]) {
        if self.slots.is_empty() {
            return out.fill(None);
        }
        let mask = self.slots.len() - 1;
        let (mut hashes, mut first) = ([0u64; AT_ONCE], [EMPTY; AT_ONCE]);
        for ((hash, slot), key) in hashes.iter_mut().zip(&mut first).zip(keys) {
            *hash = self.hasher.hash_one(key);
            *slot = self.slots[*hash as usize & mask];
        }
        for (((&hash, &slot), key), out) in hashes.iter().zip(&first).zip(keys).zip(out) {
            *out = self.follow(hash, slot, *key);
        }
    }

    /// The number of a text whose first slot is given.
    #[inline]
    fn follow(&self, hash: u64, mut slot: u32, key: u128) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while slot != EMPTY {
            if slot >> POSITION == tag(hash) {
                let entry = &self.entries[slot as usize & ((1 << POSITION) - 1)];
                if entry.words == words(key) {
                    return Some(entry.code);
                }
            }
            at = (at + 1) & mask;
            slot = self.slots[at];
        }
        None
    }

    /// Remembers the number of a text that is not known, unless there are very many.
    pub(super) fn insert(&mut self, key: u128, code: u32) {
        if self.entries.len() == MOST {
            return;
        }
        if 2 * (self.entries.len() + 1) > self.slots.len() {
            self.slots = vec![EMPTY; (2 * self.slots.len()).max(64)];
            (0..self.entries.len()).for_each(|position| self.place(position));
        }
        self.entries.push(Entry { words: words(key), code });
        self.place(self.entries.len() - 1);
    }

    /// Bytes that its lists take at once where so many more texts make them grow.
    pub(super) fn growth(&self, more: usize) -> u64 {
        let (texts, slots, list) = (self.entries.len() + more, self.slots.len(), self.entries.capacity());
        let slots = if 2 * texts > slots { 2 * slots * size_of::<u32>() } else { 0 };
        let list = if texts > list { 2 * list * size_of::<Entry>() } else { 0 };
        (slots + list) as u64
    }

    /// Gives an entry the next free slot.
    fn place(&mut self, position: usize) {
        let [low, high] = self.entries[position].words;
        let hash = self.hasher.hash_one(u128::from(high) << 64 | u128::from(low));
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = tag(hash) << POSITION | position as u32;
    }
}

/// Some bits of a hash that do not decide the first slot.
fn tag(hash: u64) -> u32 {
    (hash >> (32 + POSITION)) as u32
}

fn words(key: u128) -> [u64; 2] {
    [key as u64, (key >> 64) as u64]
}

/// The bytes of a short text, and their number.
pub(super) fn packed(text: &[u8]) -> Option<u128> {
    let mut bytes = [0; 16];
    bytes[..15].get_mut(..text.len())?.copy_from_slice(text);
    bytes[15] = text.len() as u8;
    Some(u128::from_le_bytes(bytes))
}

/// The same of the text at `from..to` of some bytes.
#[inline]
pub(super) fn packed_part(bytes: &[u8], from: usize, to: usize) -> Option<u128> {
    let length = to - from;
    match bytes.get(from..from + 16).and_then(|chunk| chunk.try_into().ok()) {
        // Sixteen bytes are copied in one step, and those behind the text cleared.
        Some(chunk) if length < 16 => {
            let text = u128::from_le_bytes(chunk) & ((1 << (8 * length)) - 1);
            Some(text | (length as u128) << 120)
        }
        _ => packed(&bytes[from..to]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_all_of_their_bytes() {
        let names: Vec<String> = (0..5_000).map(|i| format!("{}{i}", "x".repeat(i % 7))).collect();
        let keys: Vec<u128> = names.iter().map(|name| packed(name.as_bytes()).unwrap()).collect();
        let mut texts = ShortTexts::default();
        let mut out = [Some(7); AT_ONCE];
        texts.find(&keys[..AT_ONCE], &mut out);
        assert_eq!(out, [None; AT_ONCE]);
        for (code, &key) in keys.iter().enumerate().step_by(2) {
            texts.insert(key, code as u32);
        }
        for (chunk, from) in keys.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
            texts.find(chunk, &mut out[..chunk.len()]);
            for (i, code) in out[..chunk.len()].iter().enumerate() {
                assert_eq!(*code, Some((from + i) as u32).filter(|code| code % 2 == 0));
            }
        }
    }

    #[test]
    fn a_part_is_packed_like_the_text() {
        let bytes = "ab\0c\u{e9}0123456789 the end".as_bytes();
        for from in 0..bytes.len() {
            for to in from..bytes.len() {
                assert_eq!(packed_part(bytes, from, to), packed(&bytes[from..to]), "{from}..{to}");
            }
        }
        assert_ne!(packed(b"a"), packed(b"a\0"));
        assert_eq!(packed(&[1; 16]), None);
    }
}
