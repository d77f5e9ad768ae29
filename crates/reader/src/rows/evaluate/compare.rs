//! Comparisons. A NaN equals itself and is greater than every number; text is ordered by its bytes.

use arrow_array::StringArray;
use arrow_buffer::BooleanBuffer;

use super::both_valid;
use crate::predicate::Comparison;
use crate::rows::column::{Column, Values};
use crate::rows::members::Ordered;

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
