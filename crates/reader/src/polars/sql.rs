//! From SQL text to an expression that can be evaluated batch by batch.
//!
//! polars parses. What is checked here is that an expression says something about a single row: a batch is
//! not the data, so sums, ranks and subqueries would be computed of the wrong rows.

use std::sync::Arc;

use arrow_schema::Schema;
use polars::prelude as pl;
use polars::prelude::{Expr, IntoLazy};
use polars::sql::sql_expr;
use polars_plan::dsl::{AggExpr, BooleanFunction, FunctionExpr, Operator};
use polars_plan::plans::{DynLiteralValue, LiteralValue};

use super::bridge::polars_type;
use super::{quiet, with_room};
use crate::error::{Error, ErrorKind, Result};
use crate::source::position;

/// Longest text of an expression, in bytes.
const MAX_SQL_BYTES: usize = 1 << 20;

/// Most operators of an expression. Parser and optimiser go as deep as they may nest, and the work of the
/// optimiser grows faster than their number.
const MAX_OPERATORS: usize = 1_000;

/// Those of the derived columns `with` that are needed to compute the columns `wanted` and the filter, in their
/// order. What they are computed from need not exist.
///
/// # Errors
/// [`ErrorKind::Request`] for an expression that is not valid.
pub fn needed(
    with: &[(String, String)],
    filter: Option<&str>,
    wanted: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, String)>> {
    let mut names: Vec<String> = wanted.into_iter().collect();
    with_room(|| {
        if let Some(filter) = filter {
            names.extend(columns(&read(filter)?));
        }
        let mut needed = Vec::new();
        // From the last to the first: each is computed from what comes before it.
        for (name, text) in with.iter().rev() {
            if names.contains(name) {
                names.extend(columns(&read(text)?));
                needed.push((name.clone(), text.clone()));
            }
        }
        needed.reverse();
        Ok(needed)
    })
}

/// The columns that an expression names, as often as it does.
fn columns(expr: &Expr) -> impl Iterator<Item = String> + '_ {
    expr.into_iter().filter_map(|node| match node {
        Expr::Column(name) => Some(name.to_string()),
        _ => None,
    })
}

/// Parses `text`, whose columns must be those of `schema`.
pub(super) fn parse(text: &str, schema: &Schema) -> Result<Expr> {
    let expr = read(text)?;
    for name in columns(&expr) {
        check_column(text, schema, &name)?;
    }
    let expr = expr.map_expr(|node| as_sql_means(node, schema));
    if let Some(what) = (&expr).into_iter().find_map(not_of_a_row) {
        return Err(needs_other_rows(text, what));
    }
    match expr {
        Expr::Alias(_, name) => {
            let message = format!("unexpected {:?} behind the expression {text:?}", name.as_str());
            Err(Error::new(ErrorKind::Request, message))
        }
        expr => Ok(expr),
    }
}

/// Parses `text` for any columns.
fn read(text: &str) -> Result<Expr> {
    if text.len() > MAX_SQL_BYTES {
        let message = format!("an expression of {} bytes is beyond the limit of {MAX_SQL_BYTES}", text.len());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let operators = operators(text);
    if operators > MAX_OPERATORS {
        let message =
            format!("an expression of {operators} operators is beyond the limit of {MAX_OPERATORS}");
        let help = "a column is compared with many values by IN (…)";
        return Err(Error::new(ErrorKind::Limit, message).with_help(help));
    }
    let expr = quiet(|| sql_expr(text).map_err(|e| not_valid(text, &e)))?;
    // What is inside has other columns.
    if (&expr).into_iter().any(|node| matches!(node, Expr::SubPlan(..))) {
        return Err(needs_other_rows(text, "a subquery"));
    }
    Ok(expr)
}

/// How many operators, parentheses and words like `AND` stand in a text outside of quotes, roughly: never
/// fewer than can be nested.
fn operators(text: &str) -> usize {
    let mut count = 0;
    let mut quote = None;
    let (mut symbols, mut sign) = (false, true);
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if let Some(open) = quote {
            quote = (c != open).then_some(open);
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            word.extend(c.to_lowercase());
            (symbols, sign) = (false, false);
            continue;
        }
        let joins = ["and", "or", "xor", "not", "case", "when", "is", "in", "like", "between"];
        count += usize::from(joins.contains(&word.as_str()));
        word.clear();
        match c {
            '\'' | '"' | '`' => quote = Some(c),
            // Every one nests; what follows it may be the sign of a number.
            '(' | '[' => {
                count += 1;
                (symbols, sign) = (false, true);
            }
            ',' => (symbols, sign) = (false, true),
            '+' | '-' if sign => sign = false,
            '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '|' | '&' | '^' | '~' | '!' | ':' | '#' | '@' => {
                // `>=` is one operator; a sign after one is another.
                count += usize::from(!symbols || matches!(c, '+' | '-' | '~' | '!'));
                (symbols, sign) = (true, false);
            }
            c if c.is_whitespace() => symbols = false,
            _ => (symbols, sign) = (false, false),
        }
    }
    count
}

/// The error for an expression that a row alone does not determine.
pub(super) fn needs_other_rows(text: &str, what: &str) -> Error {
    let message = format!("{text:?} has {what}; an expression is computed for every row by itself");
    Error::new(ErrorKind::Request, message).with_help("what needs several rows must be in the data already")
}

/// The error of polars about `text`, without what it adds about the query around it.
pub(super) fn not_valid(text: &str, error: &pl::PolarsError) -> Error {
    Error::new(ErrorKind::Request, format!("{text:?} is not a valid expression: {}", super::words(error)))
}

fn check_column(text: &str, schema: &Schema, name: &str) -> Result<()> {
    let index = position(schema, name).map_err(|e| {
        let quotes = "text stands in single quotes, a name with blanks in double quotes";
        e.and_help(format!("in {text:?}, {quotes}"))
    })?;
    let kind = schema.field(index).data_type();
    if polars_type(kind).is_some() {
        return Ok(());
    }
    let message = match kind {
        arrow_schema::DataType::Null => {
            "no file has a value of it in its sample, so it has no type".to_string()
        }
        kind => format!("the type {kind} has no use in expressions"),
    };
    Err(Error::new(ErrorKind::Unsupported, message).in_column(name))
}

/// What in an expression needs more than a row.
fn not_of_a_row(node: &Expr) -> Option<&'static str> {
    Some(match node {
        Expr::Agg(_) | Expr::Len => "an aggregate",
        Expr::Over { .. } => "a window function",
        Expr::Selector(_) => "a wildcard",
        Expr::Explode { .. }
        | Expr::Filter { .. }
        | Expr::Gather { .. }
        | Expr::Slice { .. }
        | Expr::Sort { .. }
        | Expr::SortBy { .. } => "a function that changes the rows",
        _ => return None,
    })
}

/// Settles what polars's parser leaves open without the types of the columns:
/// - text beside a column of dates or times is one, too: `day >= '2024-02-29'`. What cannot be read stays
///   text, which the comparison then refuses;
/// - a comparison with `NULL` is null;
/// - unsigned numbers beside a negative one are compared as what they are. polars makes signed numbers of
///   them, and nulls of those that are too large;
/// - arithmetic on unsigned 64-bit numbers has 128 bits. In 64 it would wrap around below zero. Narrower columns
///   are int64 here.
fn as_sql_means(node: Expr, schema: &Schema) -> Expr {
    let kind_of = |side: &Expr| match side {
        Expr::Column(name) => polars_type(schema.field_with_name(name).ok()?.data_type()),
        _ => None,
    };
    match node {
        Expr::BinaryExpr { left, op, right } if op.is_comparison() => {
            let missing = matches!(op, Operator::EqValidity | Operator::NotEqValidity);
            if !missing && (is_null(&left) || is_null(&right)) {
                return Expr::Literal(LiteralValue::Scalar(pl::Scalar::null(pl::DataType::Boolean)));
            }
            let (of_left, of_right) = (kind_of(&left), kind_of(&right));
            let wide = |side: &Expr, own: &Option<pl::DataType>, other: &Expr| {
                let unsigned = *own == Some(pl::DataType::UInt64) && is_negative(other);
                unsigned.then(|| side.clone().cast(pl::DataType::Int128))
            };
            let settled =
                |side: &Expr, own: &Option<pl::DataType>, other: &Expr, beside: &Option<pl::DataType>| {
                    let text = beside.as_ref().and_then(|kind| typed_text(side, kind));
                    text.or_else(|| wide(side, own, other)).unwrap_or_else(|| side.clone())
                };
            let (new_left, new_right) =
                (settled(&left, &of_left, &right, &of_right), settled(&right, &of_right, &left, &of_left));
            Expr::BinaryExpr { left: Arc::new(new_left), op, right: Arc::new(new_right) }
        }
        Expr::BinaryExpr {
            left,
            op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply),
            right,
        } => {
            let wide = |side: Arc<Expr>| match kind_of(&side) {
                Some(pl::DataType::UInt64) => Arc::new((*side).clone().cast(pl::DataType::Int128)),
                _ => side,
            };
            Expr::BinaryExpr { left: wide(left), op, right: wide(right) }
        }
        // `DATE '2024-02-29'`
        Expr::Cast { ref expr, ref dtype, .. } => {
            dtype.as_literal().and_then(|kind| typed_text(expr, kind)).unwrap_or(node)
        }
        Expr::Function {
            input,
            function: function @ FunctionExpr::Boolean(BooleanFunction::IsIn { .. }),
        } => {
            let kind = input.first().and_then(kind_of);
            let input = input.into_iter().enumerate();
            let input = input.map(|(i, side)| if i == 1 { listed(side, kind.as_ref()) } else { side });
            Expr::Function { input: input.collect(), function }
        }
        other => other,
    }
}

fn is_null(side: &Expr) -> bool {
    matches!(side, Expr::Literal(LiteralValue::Scalar(scalar)) if scalar.is_null())
}

fn is_negative(side: &Expr) -> bool {
    matches!(side, Expr::Literal(LiteralValue::Dyn(DynLiteralValue::Int(value))) if *value < 0)
}

/// A text literal as one of the type `kind`, if that is one of dates or times.
fn typed_text(side: &Expr, kind: &pl::DataType) -> Option<Expr> {
    let Expr::Literal(literal) = side else { return None };
    let text = match literal {
        LiteralValue::Dyn(DynLiteralValue::Str(text)) => text.as_str(),
        LiteralValue::Scalar(scalar) => scalar.value().get_str()?,
        _ => return None,
    };
    let series = times(&[Some(text)], kind)?;
    let value = series.get(0).ok()?.into_static();
    (!value.is_null()).then(|| Expr::Literal(LiteralValue::Scalar(pl::Scalar::new(kind.clone(), value))))
}

/// The list of `IN` as one value, of the type of the column if that is a date or a time.
fn listed(side: Expr, kind: Option<&pl::DataType>) -> Expr {
    let series = match &side {
        Expr::Agg(AggExpr::Implode { input, .. }) => match input.as_ref() {
            Expr::Literal(LiteralValue::Series(series)) => (**series).clone(),
            _ => return side,
        },
        _ => return side,
    };
    let typed = kind.and_then(|kind| {
        // Compared as `=` compares: the column is not widened.
        if *kind == pl::DataType::Float32 {
            return series.cast(kind).ok();
        }
        let texts: Vec<Option<&str>> = series.str().ok()?.iter().collect();
        times(&texts, kind)
    });
    Expr::Literal(LiteralValue::Scalar(pl::Scalar::new_list(typed.unwrap_or(series))))
}

/// Texts as dates or times in ISO's spelling; `None` if one of them is not.
fn times(texts: &[Option<&str>], kind: &pl::DataType) -> Option<pl::Series> {
    use pl::NamedFrom;
    if !texts.iter().flatten().all(|text| is_iso(text, kind)) {
        return None;
    }
    // A day in a column of timestamps is its midnight.
    let spelled = |text: &&str| match kind {
        pl::DataType::Datetime(..) if text.len() == 10 => format!("{text}T00:00:00"),
        pl::DataType::Datetime(..) => text.replacen(' ', "T", 1),
        _ => (*text).to_owned(),
    };
    let texts: Vec<Option<String>> = texts.iter().map(|text| text.as_ref().map(spelled)).collect();
    let texts = pl::Series::new("".into(), texts);
    let options = pl::StrptimeOptions { strict: true, ..Default::default() };
    let text = pl::col("").str();
    let parsed = match kind {
        pl::DataType::Date => text.to_date(options),
        pl::DataType::Time => text.to_time(options),
        pl::DataType::Datetime(unit, zone) => {
            text.to_datetime(Some(*unit), zone.clone(), options, pl::lit("latest"))
        }
        _ => return None,
    };
    let frame = pl::DataFrame::new_infer_height(vec![texts.into()]).ok()?;
    let parsed = quiet(|| frame.lazy().select([parsed]).collect().map_err(|e| super::failed(&e))).ok()?;
    let series = parsed.columns().first()?.as_materialized_series().clone();
    (series.dtype() == kind).then_some(series)
}

/// Whether a text begins as ISO writes a day, or a time: polars would guess at other orders.
fn is_iso(text: &str, kind: &pl::DataType) -> bool {
    let pattern = if *kind == pl::DataType::Time { "00:00" } else { "0000-00-00" };
    let fits = |(c, p): (char, char)| if p == '0' { c.is_ascii_digit() } else { c == p };
    text.len() >= pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted() {
        for (text, count) in [
            ("a", 0),
            ("a >= 1 and b <> 'x = y and z'", 3),
            ("\"a-b\" in (-1, +2, -3)", 2),
            ("- - -a", 2),
            ("not(not(a))", 4),
            ("a||b", 1),
            ("case when a then -1 else 2 end", 3),
        ] {
            assert_eq!(operators(text), count, "{text}");
        }
    }
}
