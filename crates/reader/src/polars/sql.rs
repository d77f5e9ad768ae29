//! From SQL text to an expression that can be evaluated batch by batch.
//!
//! polars parses. What is checked here is that an expression says something about a single row: a batch is
//! not the data, so sums, ranks and subqueries would be computed of the wrong rows.

use arrow_schema::Schema;
use polars::prelude as pl;
use polars::prelude::{Expr, IntoLazy};
use polars::sql::sql_expr;
use polars_plan::dsl::{AggExpr, BooleanFunction, FunctionExpr};
use polars_plan::plans::{DynLiteralValue, LiteralValue};

use super::bridge::polars_type;
use super::quiet;
use crate::error::{Error, ErrorKind, Result};
use crate::source::position;

/// Longest text of an expression, in bytes. The parser's work and depth grow with it.
const MAX_SQL_BYTES: usize = 64 << 10;

/// Parses `text`, whose columns must be those of `schema`.
pub(super) fn parse(text: &str, schema: &Schema) -> Result<Expr> {
    if text.len() > MAX_SQL_BYTES {
        let message = format!("an expression of {} bytes is beyond the limit of {MAX_SQL_BYTES}", text.len());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let expr = quiet(|| sql_expr(text).map_err(|e| not_valid(text, &e)))?;
    for node in &expr {
        if let Expr::Column(name) = node {
            check_column(text, schema, name)?;
        }
    }
    let expr = expr.map_expr(|node| typed_times(node, schema));
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
        Expr::SubPlan(..) => "a subquery",
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

/// Gives text beside a column of dates or times its type, as SQL does: `day >= '2024-02-29'`. What cannot be
/// read stays text, which the comparison then refuses.
fn typed_times(node: Expr, schema: &Schema) -> Expr {
    let kind_of = |side: &Expr| match side {
        Expr::Column(name) => {
            let kind = polars_type(schema.field_with_name(name).ok()?.data_type())?;
            kind.is_temporal().then_some(kind)
        }
        _ => None,
    };
    match node {
        Expr::BinaryExpr { left, op, right } if op.is_comparison() => {
            let (of_left, of_right) = (kind_of(&left), kind_of(&right));
            let typed = |side: std::sync::Arc<Expr>, kind: Option<pl::DataType>| {
                kind.and_then(|kind| typed_text(&side, &kind)).map_or(side, std::sync::Arc::new)
            };
            Expr::BinaryExpr { left: typed(left, of_right), op, right: typed(right, of_left) }
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

/// A text literal as one of the type `kind`.
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
        let texts: Vec<Option<&str>> = series.str().ok()?.iter().collect();
        times(&texts, kind)
    });
    Expr::Literal(LiteralValue::Scalar(pl::Scalar::new_list(typed.unwrap_or(series))))
}

/// Texts as dates or times in ISO's spelling; `None` if one of them is not.
fn times(texts: &[Option<&str>], kind: &pl::DataType) -> Option<pl::Series> {
    use pl::NamedFrom;
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
