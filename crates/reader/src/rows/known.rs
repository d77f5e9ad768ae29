//! What can be known of a filter without reading: from an expression to a predicate.
//!
//! A comparison is taken over only where expressions compare as [`Predicate`] does: a column beside a constant that
//! takes the column's type without loss. Everything else is unknown, and that is always right.

use arrow_schema::{DataType, Schema};

use super::column::Constant;
use super::kind::{Kind, per_second};
use super::node::{Node, Op};
use crate::predicate::{Comparison, Predicate, Value};

/// How deep an expression is looked into.
const MAX_DEPTH: usize = 64;

/// The predicate of a filter on the columns of `schema`.
pub(super) fn predicate(filter: &Node, schema: &Schema) -> Predicate {
    of(filter, schema, MAX_DEPTH)
}

fn of(node: &Node, schema: &Schema, depth: usize) -> Predicate {
    let Some(depth) = depth.checked_sub(1) else { return Predicate::Unknown };
    match &node.op {
        Op::And(both) => Predicate::And(both.iter().map(|node| of(node, schema, depth)).collect()),
        Op::Or(both) => Predicate::Or(both.iter().map(|node| of(node, schema, depth)).collect()),
        Op::Not(inner) => of(inner, schema, depth).negated(),
        Op::IsNull(inner) => match column(inner, schema) {
            Some((name, _)) => Predicate::IsNull(name.to_owned()),
            None => Predicate::Unknown,
        },
        // `x IS TRUE` is false where `x` is null, so its negation holds there, which that of a predicate need not: unknown.
        Op::Compare(comparison, both) => match &**both {
            [left, Node { op: Op::Constant(value), kind }] => compare(left, *comparison, value, kind, schema),
            [Node { op: Op::Constant(value), kind }, right] => {
                compare(right, comparison.flipped(), value, kind, schema)
            }
            _ => Predicate::Unknown,
        },
        Op::Between(all) => {
            let [of, low, high] = &**all;
            let bound = |comparison: Comparison, bound: &Node| match bound.constant() {
                Some(value) => compare(of, comparison, value, &bound.kind, schema),
                None => Predicate::Unknown,
            };
            Predicate::And(vec![bound(Comparison::GreaterOrEqual, low), bound(Comparison::LessOrEqual, high)])
        }
        Op::In(one, members) => {
            let Some((name, column)) = column(one, schema) else { return Predicate::Unknown };
            let values = members.values();
            let values = values.iter().map(|value| of_column(value, &one.kind, column));
            match values.collect::<Option<Vec<_>>>() {
                Some(values) => Predicate::OneOf { column: name.to_owned(), values },
                None => Predicate::Unknown,
            }
        }
        Op::Column(name) if kind(name, schema) == Some(&DataType::Boolean) => {
            Predicate::compare(name.as_str(), Comparison::Equal, Value::Boolean(true))
        }
        Op::Constant(Constant::Null | Constant::Boolean(false)) => Predicate::Never,
        _ => Predicate::Unknown,
    }
}

fn kind<'a>(name: &str, schema: &'a Schema) -> Option<&'a DataType> {
    schema.field_with_name(name).ok().map(|field| field.data_type())
}

/// A column of the source, alone or cast so that no two of its values become one.
fn column<'a>(node: &'a Node, schema: &'a Schema) -> Option<(&'a str, &'a DataType)> {
    match &node.op {
        Op::Column(name) => Some((name, kind(name, schema)?)),
        Op::Cast { of, lenient: false } => {
            let keeps = matches!(
                (&of.kind, &node.kind),
                (Kind::Integer | Kind::Decimal(..), Kind::Decimal(..)) | (Kind::Integer, Kind::Double)
            );
            column(of, schema).filter(|_| keeps)
        }
        _ => None,
    }
}

fn compare(side: &Node, comparison: Comparison, value: &Constant, of: &Kind, schema: &Schema) -> Predicate {
    if *value == Constant::Null {
        return Predicate::Never;
    }
    let Some((name, column)) = column(side, schema) else { return Predicate::Unknown };
    match of_column(value, of, column) {
        Some(value) => Predicate::compare(name, comparison, value),
        None => Predicate::Unknown,
    }
}

/// A constant of `kind` as a value of a column of the type `column`, if it is one.
fn of_column(value: &Constant, kind: &Kind, column: &DataType) -> Option<Value> {
    match (column, value) {
        (column, Constant::Integer(v)) if column.is_integer() => Some(Value::Integer((*v).into())),
        // A decimal between two integers is a float between them; one beyond 2^53 may not be.
        (column, Constant::Decimal(v)) if column.is_integer() => {
            let scale = kind.digits()?.1;
            let unit = 10i128.checked_pow(scale.into())?;
            if v % unit == 0 {
                return Some(Value::Integer(v / unit));
            }
            let near = *v as f64 / unit as f64;
            (near.abs() < 4_503_599_627_370_496.0 && near.fract() != 0.0).then_some(Value::Float(near))
        }
        (column, Constant::Double(v)) if column.is_integer() => Some(Value::Float(*v)),
        (DataType::Float64, Constant::Double(v)) => Some(Value::Float(*v)),
        (DataType::Float32, Constant::Single(v)) => Some(Value::Float((*v).into())),
        (DataType::Utf8, Constant::Text(text)) => Some(Value::Text(text.clone())),
        (DataType::Boolean, Constant::Boolean(v)) => Some(Value::Boolean(*v)),
        (DataType::Date32, Constant::Integer(days)) if *kind == Kind::Date => {
            Some(Value::Date(i32::try_from(*days).ok()?))
        }
        (DataType::Timestamp(..), Constant::Integer(count)) => match kind {
            // Another unit would be converted, which can round.
            Kind::Timestamp(unit, _) if Kind::of(column)? == *kind => {
                Some(Value::Timestamp(i128::from(*count) * i128::from(1_000_000_000 / per_second(*unit))))
            }
            _ => None,
        },
        _ => None,
    }
}
