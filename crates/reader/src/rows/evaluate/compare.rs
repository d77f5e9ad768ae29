//! Comparisons. A NaN equals itself and is greater than every number; text is ordered by its bytes.

use std::cmp::Ordering;

use arrow_array::StringArray;
use arrow_buffer::BooleanBuffer;

use super::both_valid;
use crate::predicate::Comparison;
use crate::rows::column::{Column, Constant, Values};

/// Values that can be compared.
trait Ordered: Copy {
    fn order(self, other: Self) -> Ordering;
}

macro_rules! ordered {
    ($($whole:ty),*; $($float:ty),*) => {
        $(impl Ordered for $whole {
            #[inline]
            fn order(self, other: Self) -> Ordering { self.cmp(&other) }
        })*
        $(impl Ordered for $float {
            #[inline]
            fn order(self, other: Self) -> Ordering {
                self.partial_cmp(&other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }
        })*
    };
}

ordered!(i64, i128, bool, &str; f32, f64);

/// A truth value for every pair of values; a single value counts for all rows.
fn bits<V: Copy>(
    (a, a_rows): (impl Fn(usize) -> V, usize),
    (b, b_rows): (impl Fn(usize) -> V, usize),
    test: impl Fn(V, V) -> bool,
) -> BooleanBuffer {
    match (a_rows, b_rows) {
        (rows, 1) => {
            let b = b(0);
            BooleanBuffer::collect_bool(rows, |i| test(a(i), b))
        }
        (1, rows) => {
            let a = a(0);
            BooleanBuffer::collect_bool(rows, |i| test(a, b(i)))
        }
        (rows, _) => BooleanBuffer::collect_bool(rows, |i| test(a(i), b(i))),
    }
}

/// One loop for every relation, so that each can be compiled to what the processor has for it.
fn relate<V: Ordered>(
    comparison: Comparison,
    a: (impl Fn(usize) -> V, usize),
    b: (impl Fn(usize) -> V, usize),
) -> BooleanBuffer {
    match comparison {
        Comparison::Equal => bits(a, b, |a, b| a.order(b).is_eq()),
        Comparison::NotEqual => bits(a, b, |a, b| a.order(b).is_ne()),
        Comparison::Less => bits(a, b, |a, b| a.order(b).is_lt()),
        Comparison::LessOrEqual => bits(a, b, |a, b| a.order(b).is_le()),
        Comparison::Greater => bits(a, b, |a, b| a.order(b).is_gt()),
        Comparison::GreaterOrEqual => bits(a, b, |a, b| a.order(b).is_ge()),
    }
}

/// Which rows have values in this relation; what it says of nulls has no meaning.
fn related(comparison: Comparison, a: &Column, b: &Column) -> BooleanBuffer {
    fn of<V: Copy>(values: &[V]) -> (impl Fn(usize) -> V + '_, usize) {
        (|i| values[i], values.len())
    }
    fn text<'v>(values: &'v StringArray) -> (impl Fn(usize) -> &'v str + 'v, usize) {
        (|i| values.value(i), arrow_array::Array::len(values))
    }
    fn truth(values: &BooleanBuffer) -> (impl Fn(usize) -> bool + '_, usize) {
        (|i| values.value(i), values.len())
    }
    match (&a.values, &b.values) {
        (Values::Boolean(a), Values::Boolean(b)) => relate(comparison, truth(a), truth(b)),
        (Values::Integer(a), Values::Integer(b)) => relate(comparison, of(a), of(b)),
        (Values::Decimal(a), Values::Decimal(b)) => relate(comparison, of(a), of(b)),
        (Values::Single(a), Values::Single(b)) => relate(comparison, of(a), of(b)),
        (Values::Double(a), Values::Double(b)) => relate(comparison, of(a), of(b)),
        (Values::Text(a), Values::Text(b)) => relate(comparison, text(a), text(b)),
        // Nodes compare values of one kind.
        _ => BooleanBuffer::new_unset(a.len().max(b.len())),
    }
}

pub(super) fn compare(comparison: Comparison, a: &Column, b: &Column) -> Column {
    Column::new(Values::Boolean(related(comparison, a, b)), both_valid(a, b))
}

/// `IS DISTINCT FROM`.
pub(super) fn distinct(a: &Column, b: &Column) -> Column {
    let differ = related(Comparison::NotEqual, a, b);
    let test = |row: usize| match (a.is_valid(row), b.is_valid(row)) {
        (true, true) => differ.value(row),
        (a, b) => a != b,
    };
    Column::new(Values::Boolean(BooleanBuffer::collect_bool(differ.len(), test)), None)
}

/// Where `other` is better than `best`, for what is not null.
pub(super) fn beats(largest: bool, other: &Column, best: &Column) -> BooleanBuffer {
    related(if largest { Comparison::Greater } else { Comparison::Less }, other, best)
}

/// The list of an `IN`: constants of one kind, sorted once.
#[derive(Clone, Debug)]
pub(in crate::rows) struct Members {
    sorted: Sorted,
    has_null: bool,
}

#[derive(Clone, Debug)]
enum Sorted {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Decimal(Vec<i128>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<String>),
}

impl Members {
    /// The constants of a list, all of one kind or null.
    pub(in crate::rows) fn new(values: &[Constant]) -> Self {
        macro_rules! sorted {
            ($kind:ident) => {{
                let mut own: Vec<_> = values
                    .iter()
                    .filter_map(|value| match value {
                        Constant::$kind(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect();
                own.sort_by(|a, b| order(a, b));
                Sorted::$kind(own)
            }};
        }
        let sorted = match values.iter().find(|value| **value != Constant::Null) {
            None | Some(Constant::Null | Constant::Boolean(_)) => sorted!(Boolean),
            Some(Constant::Integer(_)) => sorted!(Integer),
            Some(Constant::Decimal(_)) => sorted!(Decimal),
            Some(Constant::Single(_)) => sorted!(Single),
            Some(Constant::Double(_)) => sorted!(Double),
            Some(Constant::Text(_)) => {
                let mut own: Vec<String> = values.iter().filter_map(text).collect();
                own.sort();
                Sorted::Text(own)
            }
        };
        Self { sorted, has_null: values.contains(&Constant::Null) }
    }

    /// The values, in order.
    pub(in crate::rows) fn values(&self) -> Vec<Constant> {
        match &self.sorted {
            Sorted::Boolean(v) => v.iter().map(|&v| Constant::Boolean(v)).collect(),
            Sorted::Integer(v) => v.iter().map(|&v| Constant::Integer(v)).collect(),
            Sorted::Decimal(v) => v.iter().map(|&v| Constant::Decimal(v)).collect(),
            Sorted::Single(v) => v.iter().map(|&v| Constant::Single(v)).collect(),
            Sorted::Double(v) => v.iter().map(|&v| Constant::Double(v)).collect(),
            Sorted::Text(v) => v.iter().map(|v| Constant::Text(v.clone())).collect(),
        }
    }

    /// Whether each value is in the list; null beside a null that it may be.
    pub(super) fn hold(&self, column: &Column) -> Column {
        fn find<V: Ordered>(sorted: &[V], values: &[V]) -> BooleanBuffer {
            BooleanBuffer::collect_bool(values.len(), |i| {
                sorted.binary_search_by(|member| member.order(values[i])).is_ok()
            })
        }
        let found = match (&self.sorted, &column.values) {
            (Sorted::Boolean(s), Values::Boolean(v)) => {
                BooleanBuffer::collect_bool(v.len(), |i| s.contains(&v.value(i)))
            }
            (Sorted::Integer(s), Values::Integer(v)) => find(s, v),
            (Sorted::Decimal(s), Values::Decimal(v)) => find(s, v),
            (Sorted::Single(s), Values::Single(v)) => find(s, v),
            (Sorted::Double(s), Values::Double(v)) => find(s, v),
            (Sorted::Text(s), Values::Text(v)) => BooleanBuffer::collect_bool(column.len(), |i| {
                s.binary_search_by(|member| member.as_str().cmp(v.value(i))).is_ok()
            }),
            _ => BooleanBuffer::new_unset(column.len()),
        };
        let valid = match &column.nulls {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(column.len()),
        };
        let yes = &found & &valid;
        let no = if self.has_null { BooleanBuffer::new_unset(column.len()) } else { &!&found & &valid };
        Column::of_truth(yes, &no)
    }
}

fn order<V: Ordered>(a: &V, b: &V) -> Ordering {
    a.order(*b)
}

fn text(value: &Constant) -> Option<String> {
    match value {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    }
}
