//! What is known of a filter before any row is read, to pass over row groups and files in which no row
//! can pass it.
//!
//! A [`Predicate`] is a hint: it may let through what the filter refuses, never the other way round. So
//! a filter's parts that cannot be told here are [`Predicate::Unknown`], and whoever has the filter still
//! applies it to every row that is read.
//!
//! # What a row must do to pass
//! The filter must be *true* for it, as in SQL: a comparison with a null is neither true nor false, and the
//! row does not pass. Numbers compare as numbers (`-0.0` equals `0.0`); a NaN equals itself and is
//! greater than every number. So statistics, which leave NaNs out, can rule out that a floating-point
//! value is *less* than something, and that it is greater only where they count the NaNs.

use std::cmp::Ordering;

/// A condition on the columns of a row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Predicate {
    /// Compares a column with a constant.
    Compare {
        /// The column, on the left.
        column: String,
        /// The relation that must hold.
        comparison: Comparison,
        /// The constant, on the right.
        value: Value,
    },
    /// The column is one of these values.
    OneOf {
        /// The column.
        column: String,
        /// The values, in any order.
        values: Vec<Value>,
    },
    /// The column is null.
    IsNull(String),
    /// The column is not null.
    IsNotNull(String),
    /// All of these hold.
    And(Vec<Predicate>),
    /// At least one of these holds.
    Or(Vec<Predicate>),
    /// No row passes.
    Never,
    /// Nothing is known: any row may pass.
    Unknown,
}

/// A relation between a column and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A constant in a predicate, or a bound of the values of a column.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// False or true; false is less.
    Boolean(bool),
    /// A whole number of any width. Beside a [`Value::Float`] it is the float nearest to it.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// Text, in the order of its bytes.
    Text(String),
    /// A day, counted from 1970-01-01.
    Date(i32),
    /// A point in time, in nanoseconds since 1970-01-01; with a zone or without, but not both beside one
    /// another.
    Timestamp(i128),
}

/// What is known of the values of a column in a run of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// No value is less; it need not occur.
    pub min: Option<Value>,
    /// No value is greater, but for NaNs; it need not occur.
    pub max: Option<Value>,
    /// Whether there may be a NaN.
    pub may_have_nan: bool,
    /// Whether there may be a null.
    pub may_have_null: bool,
    /// Whether there may be a value, not null.
    pub may_have_value: bool,
}

impl Bounds {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self { min: None, max: None, may_have_nan: true, may_have_null: true, may_have_value: true }
    }

    /// Every row has this value.
    pub fn constant(value: Option<Value>) -> Self {
        Self {
            min: value.clone(),
            max: value.clone(),
            may_have_nan: matches!(value, Some(Value::Float(v)) if v.is_nan()),
            may_have_null: value.is_none(),
            may_have_value: value.is_some(),
        }
    }
}

impl Value {
    /// Whether this is greater; false where the two have no order.
    pub(crate) fn exceeds(&self, other: &Self) -> bool {
        self.order(other) == Some(Ordering::Greater)
    }

    /// The order of two values, where they have one.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Integer(a), Self::Float(b)) => (*a as f64).partial_cmp(b),
            (Self::Float(a), Self::Integer(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Comparison {
    /// The relation that holds where this one does not.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The relation with its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// Whether some value within `bounds` may stand in this relation to `value`.
    fn may_hold(self, bounds: &Bounds, value: &Value) -> bool {
        use Ordering::{Equal, Greater, Less};
        if !bounds.may_have_value {
            return false;
        }
        if matches!(value, Value::Float(v) if v.is_nan()) {
            return true;
        }
        // An order that is not known rules nothing out.
        let min = bounds.min.as_ref().and_then(|min| min.order(value));
        let max = bounds.max.as_ref().and_then(|max| max.order(value));
        // No number is NaN's equal or less than it is greater.
        let nan =
            bounds.may_have_nan && matches!(self, Self::NotEqual | Self::Greater | Self::GreaterOrEqual);
        nan || match self {
            Self::Equal => min != Some(Greater) && max != Some(Less),
            Self::NotEqual => min != Some(Equal) || max != Some(Equal),
            Self::Less => !matches!(min, Some(Equal | Greater)),
            Self::LessOrEqual => min != Some(Greater),
            Self::Greater => !matches!(max, Some(Equal | Less)),
            Self::GreaterOrEqual => max != Some(Less),
        }
    }
}

impl Predicate {
    /// A comparison of a column with a constant.
    pub fn compare(column: impl Into<String>, comparison: Comparison, value: Value) -> Self {
        Self::Compare { column: column.into(), comparison, value }
    }

    /// A predicate that holds for every row for which this one is false. Rows for which this one is neither
    /// true nor false may pass it too.
    #[must_use]
    pub fn negated(self) -> Self {
        let each = |parts: Vec<Self>| parts.into_iter().map(Self::negated).collect();
        match self {
            Self::Compare { column, comparison, value } => {
                Self::Compare { column, comparison: comparison.negated(), value }
            }
            Self::OneOf { column, values } => Self::And(
                values
                    .into_iter()
                    .map(|value| Self::compare(column.clone(), Comparison::NotEqual, value))
                    .collect(),
            ),
            Self::IsNull(column) => Self::IsNotNull(column),
            Self::IsNotNull(column) => Self::IsNull(column),
            Self::And(parts) => Self::Or(each(parts)),
            Self::Or(parts) => Self::And(each(parts)),
            Self::Never | Self::Unknown => Self::Unknown,
        }
    }

    /// Whether some row may pass, given what is known of each column.
    pub fn may_hold(&self, bounds: &impl Fn(&str) -> Bounds) -> bool {
        match self {
            Self::Compare { column, comparison, value } => comparison.may_hold(&bounds(column), value),
            Self::OneOf { column, values } => {
                let bounds = bounds(column);
                values.iter().any(|value| Comparison::Equal.may_hold(&bounds, value))
            }
            Self::IsNull(column) => bounds(column).may_have_null,
            Self::IsNotNull(column) => bounds(column).may_have_value,
            Self::And(parts) => parts.iter().all(|part| part.may_hold(bounds)),
            Self::Or(parts) => parts.iter().any(|part| part.may_hold(bounds)),
            Self::Never => false,
            Self::Unknown => true,
        }
    }

    /// What is left of the predicate where some columns are known: those for which `bounds` has an answer.
    /// Their conditions become [`Predicate::Never`] or [`Predicate::Unknown`].
    #[must_use]
    pub fn within(&self, bounds: &impl Fn(&str) -> Option<Bounds>) -> Self {
        match self {
            Self::Compare { column, .. }
            | Self::OneOf { column, .. }
            | Self::IsNull(column)
            | Self::IsNotNull(column) => match bounds(column) {
                None => self.clone(),
                Some(known) if self.may_hold(&|_: &str| known.clone()) => Self::Unknown,
                Some(_) => Self::Never,
            },
            Self::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.within(bounds)).collect();
                if parts.contains(&Self::Never) { Self::Never } else { Self::And(parts) }
            }
            Self::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.within(bounds)).collect();
                if parts.iter().all(|part| *part == Self::Never) { Self::Never } else { Self::Or(parts) }
            }
            Self::Never | Self::Unknown => self.clone(),
        }
    }

    /// Calls `visit` with the name of each column of the predicate, as often as it occurs.
    pub fn for_each_column<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::Compare { column, .. }
            | Self::OneOf { column, .. }
            | Self::IsNull(column)
            | Self::IsNotNull(column) => visit(column),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.for_each_column(visit));
            }
            Self::Never | Self::Unknown => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

    fn integers(min: i128, max: i128) -> Bounds {
        Bounds {
            min: Some(Value::Integer(min)),
            max: Some(Value::Integer(max)),
            may_have_nan: false,
            may_have_null: false,
            may_have_value: true,
        }
    }

    fn x(comparison: Comparison, value: i128) -> Predicate {
        Predicate::compare("x", comparison, Value::Integer(value))
    }

    #[test]
    fn comparisons_with_bounds() {
        let holds = |p: &Predicate| p.may_hold(&|_: &str| integers(3, 5));
        for (comparison, passing) in [
            (Equal, [false, true, true, false]),
            (NotEqual, [true; 4]),
            (Less, [false, false, true, true]),
            (LessOrEqual, [false, true, true, true]),
            (Greater, [true, true, false, false]),
            (GreaterOrEqual, [true, true, true, false]),
        ] {
            let found = [2, 3, 5, 6].map(|v| holds(&x(comparison, v)));
            assert_eq!(found, passing, "{comparison:?}");
        }
        assert!(!x(NotEqual, 4).may_hold(&|_: &str| integers(4, 4)));
        assert!(holds(&Predicate::Or(vec![x(Less, 0), x(Greater, 4)])));
        assert!(!holds(&Predicate::And(vec![Predicate::Unknown, x(Less, 3)])));
        assert!(!holds(&Predicate::OneOf {
            column: "x".into(),
            values: vec![Value::Integer(2), Value::Integer(6)]
        }));
        assert!(!holds(&Predicate::Never));
    }

    #[test]
    fn nulls_pass_no_comparison() {
        let null = Bounds::constant(None);
        let known = |_: &str| null.clone();
        assert!(![Equal, NotEqual, Less, Greater].iter().any(|&c| x(c, 1).may_hold(&known)));
        assert!(Predicate::IsNull("x".into()).may_hold(&known));
        assert!(!Predicate::IsNotNull("x".into()).may_hold(&known));
        assert!(!Predicate::IsNull("x".into()).may_hold(&|_: &str| integers(1, 1)));
    }

    #[test]
    fn nan_is_greater_than_every_number() {
        let mut bounds =
            Bounds { min: Some(Value::Float(0.0)), max: Some(Value::Float(1.0)), ..integers(0, 0) };
        assert!(!x(Greater, 1).may_hold(&|_: &str| bounds.clone()));
        bounds.may_have_nan = true;
        assert!(x(Greater, 1).may_hold(&|_: &str| bounds.clone()));
        assert!(x(NotEqual, 1).may_hold(&|_: &str| bounds.clone()));
        assert!(!x(Less, 0).may_hold(&|_: &str| bounds.clone()));
        assert!(!x(Equal, 2).may_hold(&|_: &str| bounds.clone()));
        let negative_zero = Predicate::compare("x", Equal, Value::Float(-0.0));
        assert!(negative_zero.may_hold(&|_: &str| bounds.clone()));
        let nan = Predicate::compare("x", Less, Value::Float(f64::NAN));
        assert!(nan.may_hold(&|_: &str| bounds.clone()));
    }

    #[test]
    fn unlike_values_rule_nothing_out() {
        let text = Predicate::compare("x", Equal, Value::Text("a".into()));
        assert!(text.may_hold(&|_: &str| integers(1, 2)));
        assert!(text.negated().may_hold(&|_: &str| integers(1, 2)));
        assert!(x(Equal, 1).may_hold(&|_: &str| Bounds::unknown()));
    }

    #[test]
    fn known_columns_are_settled() {
        let key = Predicate::compare("key", Equal, Value::Text("b".into()));
        let known = |name: &str| (name == "key").then(|| Bounds::constant(Some(Value::Text("a".into()))));
        assert_eq!(Predicate::And(vec![key.clone(), x(Less, 3)]).within(&known), Predicate::Never);
        let either = Predicate::Or(vec![key.clone(), x(Less, 3)]).within(&known);
        assert!(!either.may_hold(&|_: &str| integers(3, 4)));
        assert!(either.may_hold(&|_: &str| integers(2, 4)));
        assert_eq!(key.negated().within(&known), Predicate::Unknown);
    }
}
