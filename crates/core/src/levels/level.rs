//! A level of a category.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::rows::hash::hash_bytes;

/// A level of a category.
///
/// Numbers that are whole are integers whatever the type of their column, so that a CSV and a Parquet
/// file have the same levels. In JSON a level is a boolean, a number, a string, or null.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Level {
    /// Of a boolean column.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text, to the byte: case and blanks count.
    Text(String),
    /// No value, where missing values are a level of their own.
    Missing,
}

impl Level {
    /// A number as a level; `None` for NaN and the infinities.
    pub(super) fn number(value: f64) -> Option<Self> {
        // Below 2^63 the conversion of a whole number is exact.
        let whole = value.trunc() == value && value.abs() < 9.2e18;
        match () {
            () if !value.is_finite() => None,
            () if whole => Some(Self::Integer(value as i64)),
            () => Some(Self::Number(value)),
        }
    }

    /// The text of a level of text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A hash of 31 bits that depends on the level alone: of booleans and whole numbers the value, of other numbers the
    /// bits, of texts the bytes.
    pub(super) fn hash_code(&self) -> u32 {
        let hash = match self {
            Self::Boolean(v) => hash_bytes(0, 3, &[u8::from(*v)]),
            Self::Integer(v) => hash_bytes(0, 1, &v.to_le_bytes()),
            Self::Number(v) => hash_bytes(0, 4, &v.to_bits().to_le_bytes()),
            Self::Text(v) => hash_bytes(0, 2, v.as_bytes()),
            Self::Missing => hash_bytes(0, 0, &[]),
        };
        (hash >> 33) as u32
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Integer(_) | Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Missing => 3,
        }
    }
}

/// Booleans, then numbers by size, then text by its bytes, then the missing level.
impl Ord for Level {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Integer(a), Self::Number(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Self::Number(a), Self::Integer(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            _ => Ordering::Equal,
        };
        self.rank().cmp(&other.rank()).then(by_value)
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Level {}

impl Hash for Level {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Boolean(v) => v.hash(state),
            Self::Integer(v) => v.hash(state),
            Self::Number(v) => v.to_bits().hash(state),
            Self::Text(v) => v.hash(state),
            Self::Missing => {}
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(true) => f.write_str("True"),
            Self::Boolean(false) => f.write_str("False"),
            Self::Integer(v) => v.fmt(f),
            Self::Number(v) => v.fmt(f),
            Self::Text(v) => f.write_str(v),
            Self::Missing => f.write_str("(missing)"),
        }
    }
}
