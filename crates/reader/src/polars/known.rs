//! What can be known of a filter without reading: from an expression to a predicate.
//!
//! A comparison is taken over only where polars compares as [`Predicate`] does: a column beside a literal that
//! takes the column's type without loss. Everything else is unknown, and that is always right.

use arrow_schema::{DataType, Schema};
use polars::prelude as pl;
use polars::prelude::Expr;
use polars_plan::dsl::{BooleanFunction, FunctionExpr, Operator};
use polars_plan::plans::{DynLiteralValue, LiteralValue};

use super::bridge::polars_type;
use crate::predicate::{Comparison, Predicate, Value};

/// How deep an expression is looked into.
const MAX_DEPTH: usize = 64;

/// The predicate of a filter on the columns of `schema`.
pub(super) fn predicate(expr: &Expr, schema: &Schema) -> Predicate {
    of(expr, schema, MAX_DEPTH)
}

fn of(expr: &Expr, schema: &Schema, depth: usize) -> Predicate {
    let Some(depth) = depth.checked_sub(1) else { return Predicate::Unknown };
    match expr {
        Expr::Alias(inner, _) => of(inner, schema, depth),
        // `NOT` makes a truth value of its operand.
        Expr::Cast { expr, dtype, .. } if dtype.as_literal() == Some(&pl::DataType::Boolean) => {
            of(expr, schema, depth)
        }
        Expr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } => {
            Predicate::And(vec![of(left, schema, depth), of(right, schema, depth)])
        }
        Expr::BinaryExpr { left, op: Operator::Or | Operator::LogicalOr, right } => {
            Predicate::Or(vec![of(left, schema, depth), of(right, schema, depth)])
        }
        Expr::BinaryExpr { left, op, right } => match (&**left, relation(*op), &**right) {
            (Expr::Column(column), Some(comparison), Expr::Literal(literal)) => {
                compare(column, comparison, literal, schema)
            }
            (Expr::Literal(literal), Some(comparison), Expr::Column(column)) => {
                compare(column, comparison.flipped(), literal, schema)
            }
            _ => Predicate::Unknown,
        },
        Expr::Function { input, function: FunctionExpr::Boolean(function) } => {
            match (function, input.as_slice()) {
                (BooleanFunction::Not, [inner]) => of(inner, schema, depth).negated(),
                (BooleanFunction::IsNull, [Expr::Column(name)]) if is_known(name, schema) => {
                    Predicate::IsNull(name.to_string())
                }
                (BooleanFunction::IsNotNull, [Expr::Column(name)]) if is_known(name, schema) => {
                    Predicate::IsNotNull(name.to_string())
                }
                (BooleanFunction::IsIn { nulls_equal: false }, [Expr::Column(name), Expr::Literal(list)]) => {
                    one_of(name, list, schema)
                }
                _ => Predicate::Unknown,
            }
        }
        Expr::Column(name) if kind(name, schema) == Some(&DataType::Boolean) => {
            Predicate::compare(name.as_str(), Comparison::Equal, Value::Boolean(true))
        }
        Expr::Literal(literal) if is_null(literal) => Predicate::Never,
        _ => Predicate::Unknown,
    }
}

fn kind<'a>(name: &str, schema: &'a Schema) -> Option<&'a DataType> {
    schema.field_with_name(name).ok().map(|field| field.data_type())
}

fn is_known(name: &str, schema: &Schema) -> bool {
    kind(name, schema).is_some()
}

fn is_null(literal: &LiteralValue) -> bool {
    matches!(literal, LiteralValue::Scalar(scalar) if scalar.is_null())
}

fn relation(op: Operator) -> Option<Comparison> {
    Some(match op {
        Operator::Eq => Comparison::Equal,
        Operator::NotEq => Comparison::NotEqual,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::LessOrEqual,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn compare(column: &str, comparison: Comparison, literal: &LiteralValue, schema: &Schema) -> Predicate {
    if is_null(literal) {
        return Predicate::Never;
    }
    let value = match literal {
        LiteralValue::Dyn(DynLiteralValue::Int(v)) => Some(pl::AnyValue::Int128(*v)),
        LiteralValue::Dyn(DynLiteralValue::Float(v)) => Some(pl::AnyValue::Float64(*v)),
        LiteralValue::Dyn(DynLiteralValue::Str(v)) => Some(pl::AnyValue::String(v)),
        LiteralValue::Scalar(scalar) => Some(scalar.as_any_value()),
        _ => None,
    };
    let value = value.and_then(|value| of_type(&value, kind(column, schema)?));
    value.map_or(Predicate::Unknown, |value| Predicate::compare(column, comparison, value))
}

/// `column IN (…)`; nulls in the list make no row pass.
fn one_of(column: &str, list: &LiteralValue, schema: &Schema) -> Predicate {
    let (LiteralValue::Scalar(list), Some(kind)) = (list, kind(column, schema)) else {
        return Predicate::Unknown;
    };
    let pl::AnyValue::List(list) = list.value() else { return Predicate::Unknown };
    let values = list.iter().filter(|value| !value.is_null()).map(|value| of_type(&value, kind));
    match values.collect::<Option<Vec<_>>>() {
        Some(values) => Predicate::OneOf { column: column.to_owned(), values },
        None => Predicate::Unknown,
    }
}

/// A literal as a value of a column of type `kind`, if it is one.
fn of_type(value: &pl::AnyValue<'_>, kind: &DataType) -> Option<Value> {
    use pl::AnyValue as V;
    let whole = match value {
        V::Int8(v) => Some(i128::from(*v)),
        V::Int16(v) => Some(i128::from(*v)),
        V::Int32(v) => Some(i128::from(*v)),
        V::Int64(v) => Some(i128::from(*v)),
        V::Int128(v) => Some(*v),
        _ => None,
    };
    match kind {
        kind if kind.is_integer() => whole.map(Value::Integer),
        DataType::Float64 => match value {
            V::Float64(v) => Some(Value::Float(*v)),
            _ => whole.map(|v| Value::Float(v as f64)),
        },
        // polars may compare as single or as double numbers: a value that is both is safe.
        DataType::Float32 => {
            let value = match value {
                V::Float64(v) => *v,
                _ => whole? as f64,
            };
            (f64::from(value as f32) == value && value.abs() < 16_777_216.0).then_some(Value::Float(value))
        }
        DataType::Utf8 => value.get_str().map(|text| Value::Text(text.to_owned())),
        DataType::Boolean => match value {
            V::Boolean(v) => Some(Value::Boolean(*v)),
            _ => None,
        },
        DataType::Date32 => match value {
            V::Date(days) => Some(Value::Date(*days)),
            _ => None,
        },
        DataType::Timestamp(..) => {
            let (count, unit) = match value {
                V::Datetime(count, unit, _) => (*count, unit),
                V::DatetimeOwned(count, unit, _) => (*count, unit),
                _ => return None,
            };
            // Another unit or zone would be converted, which can round.
            if value.dtype() != polars_type(kind)? {
                return None;
            }
            let nanoseconds = match unit {
                pl::TimeUnit::Milliseconds => 1_000_000,
                pl::TimeUnit::Microseconds => 1_000,
                pl::TimeUnit::Nanoseconds => 1,
            };
            Some(Value::Timestamp(i128::from(count) * nanoseconds))
        }
        _ => None,
    }
}
