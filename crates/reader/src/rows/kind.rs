//! The types of row expressions.

use std::fmt;
use std::sync::Arc;

use arrow_array::timezone::Tz;
use arrow_schema::{DataType, TimeUnit};

/// Most digits of a decimal.
pub(super) const MAX_DIGITS: u8 = 38;

/// The type of an expression: fewer than Arrow has, because all integers have 64 bits here, and a length of time is
/// its number of seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of `NULL`, which is of any type.
    Null,
    Boolean,
    Integer,
    /// Digits in all, and those behind the point.
    Decimal(u8, u8),
    Single,
    Double,
    Text,
    /// Days since 1970-01-01.
    Date,
    /// Nanoseconds since midnight.
    Time,
    /// Units since 1970-01-01, in UTC where there is a zone.
    Timestamp(TimeUnit, Option<Zone>),
}

/// A time zone: its name, and its rules.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) name: Arc<str>,
    pub(super) rules: Tz,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Zone {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(Self { name: name.into(), rules: name.parse().ok()? })
    }
}

impl Kind {
    /// The kind of a column of the source, if expressions have a use for it.
    pub(super) fn of(kind: &DataType) -> Option<Self> {
        use DataType as A;
        Some(match kind {
            A::Boolean => Self::Boolean,
            A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 => Self::Integer,
            A::UInt64 => Self::Decimal(20, 0),
            A::Float16 | A::Float32 => Self::Single,
            A::Float64 | A::Duration(_) => Self::Double,
            A::Utf8 | A::LargeUtf8 | A::Utf8View => Self::Text,
            A::Dictionary(_, values) => return Self::of(values).filter(|kind| *kind == Self::Text),
            A::Date32 | A::Date64 => Self::Date,
            A::Time32(_) | A::Time64(_) => Self::Time,
            A::Timestamp(unit, None) => Self::Timestamp(*unit, None),
            A::Timestamp(unit, Some(zone)) => Self::Timestamp(*unit, Some(Zone::named(zone)?)),
            A::Decimal32(digits, scale) | A::Decimal64(digits, scale) | A::Decimal128(digits, scale) => {
                Self::Decimal(*digits, u8::try_from(*scale).ok()?)
            }
            _ => return None,
        })
    }

    /// The Arrow type in which columns of this kind are delivered.
    pub(super) fn arrow(&self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Decimal(digits, scale) => DataType::Decimal128(*digits, *scale as i8),
            Self::Single => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Nanosecond),
            Self::Timestamp(unit, zone) => {
                DataType::Timestamp(*unit, zone.as_ref().map(|zone| Arc::clone(&zone.name)))
            }
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Decimal(..) | Self::Single | Self::Double)
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self, Self::Single | Self::Double)
    }

    /// Dates and timestamps: what has a calendar.
    pub(super) fn has_days(&self) -> bool {
        matches!(self, Self::Date | Self::Timestamp(..))
    }

    /// Whether every value of this kind has one in the `other`.
    pub(super) fn is_always(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, _) | (_, Self::Text) => true,
            (a, b) if a == b => true,
            (a, b) if a.is_number() && b.is_float() => *a != Self::Double || *b == Self::Double,
            (Self::Integer, Self::Decimal(digits, scale)) => digits - scale >= 19,
            (Self::Decimal(a, x), Self::Decimal(b, y)) => y >= x && b - y >= a - x,
            (a, Self::Boolean) => a.is_number(),
            (Self::Boolean, b) => b.is_number(),
            _ => false,
        }
    }

    /// A number as a decimal: digits and scale.
    pub(super) fn digits(&self) -> Option<(u8, u8)> {
        match self {
            Self::Integer => Some((19, 0)),
            Self::Decimal(digits, scale) => Some((*digits, *scale)),
            _ => None,
        }
    }

    /// The narrowest kind that both are turned into where they meet: in a comparison, a list, the branches of `CASE`.
    pub(super) fn common(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        Some(match (self, other) {
            (Self::Null, kind) | (kind, Self::Null) => kind.clone(),
            (Self::Double, kind) | (kind, Self::Double) if kind.is_number() => Self::Double,
            (Self::Single, kind) | (kind, Self::Single) if kind.is_number() => Self::Single,
            (a, b) if a.is_number() && b.is_number() => {
                let ((digits_a, a), (digits_b, b)) = (a.digits()?, b.digits()?);
                let scale = a.max(b);
                let whole = (digits_a - a).max(digits_b - b);
                Self::Decimal((whole + scale).min(MAX_DIGITS), scale.min(MAX_DIGITS))
            }
            (Self::Date, Self::Timestamp(unit, zone)) | (Self::Timestamp(unit, zone), Self::Date) => {
                Self::Timestamp(*unit, zone.clone())
            }
            (Self::Timestamp(a, zone), Self::Timestamp(b, other)) => {
                let unit = if finer(*a, *b) { *a } else { *b };
                // Beside a time with a zone, one without is local time there.
                Self::Timestamp(unit, zone.clone().or_else(|| other.clone()))
            }
            _ => return None,
        })
    }
}

/// Whether `a` is the smaller unit.
pub(super) fn finer(a: TimeUnit, b: TimeUnit) -> bool {
    per_second(a) > per_second(b)
}

/// How many units are a second.
pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean => f.write_str("true or false"),
            Self::Integer => f.write_str("an integer"),
            Self::Decimal(digits, scale) => write!(f, "a decimal({digits},{scale})"),
            Self::Single | Self::Double => f.write_str("a floating-point number"),
            Self::Text => f.write_str("text"),
            Self::Date => f.write_str("a date"),
            Self::Time => f.write_str("a time of day"),
            Self::Timestamp(_, None) => f.write_str("a timestamp"),
            Self::Timestamp(_, Some(zone)) => write!(f, "a timestamp of the zone {}", zone.name),
        }
    }
}
