//! The levels of a column.

use std::cmp::Ordering;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashMap;

use super::{FIRST_UNSEEN, Level, NULL_CODE};
use crate::error::{Error, ErrorKind, Result};

/// Unknown levels that are told apart.
const MOST_UNSEEN: usize = 1_000;

/// The levels of one column, numbered as they were met. Which thread meets a level first decides its
/// number, so numbers never decide a result: whoever reads them sorts the levels.
#[derive(Debug)]
pub struct LevelSet {
    column: String,
    limit: Limit,
    /// Whether a missing value is a level.
    missing: bool,
    /// Positions of levels in an order that was given to them.
    order: HashMap<Level, usize>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    codes: HashMap<Level, u32>,
    levels: Vec<Level>,
    /// Levels that a fixed set does not have.
    unseen: Vec<Level>,
}

/// What bounds a set of levels.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// New levels come in up to this number.
    Grows(usize),
    /// The levels are those of a model.
    Fixed,
    /// Levels are not kept: a number is a hash.
    Hashed,
}

/// Bytes of the table that a map moves to where so many more entries make it grow: twice the places, each with a byte of its own,
/// of which seven of eight are used.
pub(super) fn table_growth<K, V>(map: &HashMap<K, V>, more: usize) -> u64 {
    let places = 2 * map.capacity() / 7 * 8;
    if map.len() + more > map.capacity() { (places * (size_of::<(K, V)>() + 1)) as u64 } else { 0 }
}

impl LevelSet {
    /// An empty set that grows up to `max` levels.
    pub fn new(column: &str, max: usize, missing: bool) -> Self {
        Self {
            column: column.into(),
            limit: Limit::Grows(max),
            missing,
            order: HashMap::new(),
            known: RwLock::default(),
        }
    }

    /// The levels of a model, numbered in this order; no others come in.
    pub fn fixed(column: &str, levels: &[Level]) -> Self {
        let codes = levels.iter().cloned().zip(0..).collect();
        let known = Known { codes, levels: levels.to_vec(), unseen: Vec::new() };
        let missing = levels.contains(&Level::Missing);
        Self {
            column: column.into(),
            limit: Limit::Fixed,
            missing,
            order: HashMap::new(),
            known: RwLock::new(known),
        }
    }

    /// Numbers levels by hashes of 31 bits, and remembers none.
    pub fn hashed(column: &str) -> Self {
        Self {
            column: column.into(),
            limit: Limit::Hashed,
            missing: false,
            order: HashMap::new(),
            known: RwLock::default(),
        }
    }

    /// The column that it is of.
    pub(crate) fn column(&self) -> &str {
        &self.column
    }

    /// The same set, whose levels have this order; others come behind them.
    pub(crate) fn ordered(mut self, levels: &[Level]) -> Self {
        self.order = levels.iter().cloned().zip(0..).collect();
        self
    }

    /// The order in which levels are read: that which was given to them, then their own.
    pub(crate) fn compare(&self, a: &Level, b: &Level) -> Ordering {
        let place = |level: &Level| self.order.get(level).copied().unwrap_or(usize::MAX);
        let given = if self.order.is_empty() { Ordering::Equal } else { place(a).cmp(&place(b)) };
        given.then_with(|| a.cmp(b))
    }

    /// All levels, by number.
    pub fn levels(&self) -> Vec<Level> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).levels.clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).levels.len()
    }

    /// Bytes that its lists take at once, beside what they take now, where so many more levels make them grow.
    pub(crate) fn growth(&self, more: usize) -> u64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let list = known.levels.capacity();
        let list = if known.levels.len() + more > list { 2 * list * size_of::<Level>() } else { 0 };
        table_growth(&known.codes, more) + list as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The level with this number.
    pub fn level(&self, code: u32) -> Level {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = match code.checked_sub(FIRST_UNSEEN) {
            None => known.levels.get(code as usize),
            Some(unseen) => known.unseen.get(unseen as usize),
        };
        found.cloned().unwrap_or(Level::Missing)
    }

    /// Whether a missing value is a level.
    pub(super) fn has_missing(&self) -> bool {
        self.missing
    }

    /// The number of the missing level, where there is one.
    pub(super) fn missing_code(&self) -> Option<u32> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.codes.get(&Level::Missing).copied()
    }

    /// The number of a level; of a missing value for `None`.
    pub(crate) fn code(&self, level: Option<Level>) -> Result<u32> {
        let level = match level {
            Some(level) => level,
            None if self.missing => Level::Missing,
            None => return Ok(NULL_CODE),
        };
        if matches!(self.limit, Limit::Hashed) {
            return Ok(level.hash_code());
        }
        if let Some(&code) = self.known.read().unwrap_or_else(PoisonError::into_inner).codes.get(&level) {
            return Ok(code);
        }
        let Limit::Grows(max) = self.limit else { return Ok(self.unseen_code(level)) };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { codes, levels, .. } = &mut *known;
        if let Some(&code) = codes.get(&level) {
            return Ok(code);
        }
        if levels.len() >= max {
            return Err(self.too_many(max, levels));
        }
        let code = levels.len() as u32;
        levels.push(level.clone());
        codes.insert(level, code);
        Ok(code)
    }

    fn unseen_code(&self, level: Level) -> u32 {
        let unseen = &mut self.known.write().unwrap_or_else(PoisonError::into_inner).unseen;
        let at = unseen.iter().position(|l| *l == level).unwrap_or_else(|| {
            if unseen.len() < MOST_UNSEEN {
                unseen.push(level);
            }
            unseen.len() - 1
        });
        FIRST_UNSEEN + at as u32
    }

    fn too_many(&self, max: usize, levels: &[Level]) -> Error {
        let numeric = levels.iter().all(|l| matches!(l, Level::Integer(_) | Level::Number(_)));
        let way_out = if numeric {
            "leave it out of the categories to use it as a number"
        } else {
            "leave the column out if it is an identifier"
        };
        let message = format!("more than {max} levels; raise --max-levels if it is a category, or {way_out}");
        Error::new(ErrorKind::Model, message).in_column(&self.column)
    }
}
