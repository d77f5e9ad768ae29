//! The columns that an expression names, before anyone knows what columns there are.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, InTarget};

use crate::error::Result;
use crate::rows::parse::Text;

/// The names of the columns of an expression, as often as it has them.
pub(in crate::rows) fn columns(text: &str) -> Result<Vec<String>> {
    let expr = Text(text).parse()?;
    let mut names = Vec::new();
    collect(&expr, &mut names);
    Ok(names)
}

/// `a.b`
pub(super) fn dotted(names: &[Ident]) -> String {
    names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".")
}

fn collect(expr: &Expr, names: &mut Vec<String>) {
    match expr {
        Expr::Identifier(name) => names.push(name.value.clone()),
        Expr::CompoundIdentifier(parts) => names.push(dotted(parts)),
        other => parts(other).into_iter().for_each(|part| collect(part, names)),
    }
}

/// The expressions that one is made of; none of what has no use here.
fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Nested(of)
        | Expr::UnaryOp { expr: of, .. }
        | Expr::IsNull(of)
        | Expr::IsNotNull(of)
        | Expr::IsTrue(of)
        | Expr::IsNotTrue(of)
        | Expr::IsFalse(of)
        | Expr::IsNotFalse(of)
        | Expr::IsUnknown(of)
        | Expr::IsNotUnknown(of)
        | Expr::Cast { expr: of, .. }
        | Expr::Extract { expr: of, .. }
        | Expr::Ceil { expr: of, .. }
        | Expr::Floor { expr: of, .. } => vec![of],
        Expr::BinaryOp { left: a, right: b, .. }
        | Expr::IsDistinctFrom(a, b)
        | Expr::IsNotDistinctFrom(a, b)
        | Expr::Position { expr: a, r#in: b }
        | Expr::AtTimeZone { timestamp: a, time_zone: b }
        | Expr::Like { expr: a, pattern: b, .. }
        | Expr::ILike { expr: a, pattern: b, .. } => vec![a, b],
        Expr::Between { expr: of, low, high, .. } => vec![of, low, high],
        Expr::In { expr: of, target: InTarget::List(list), .. } => {
            std::iter::once(&**of).chain(list).collect()
        }
        Expr::Substring { expr: of, substring_from, substring_for, .. } => {
            std::iter::once(&**of).chain(substring_from.as_deref()).chain(substring_for.as_deref()).collect()
        }
        Expr::Trim { expr: of, trim_what, trim_characters, .. } => std::iter::once(&**of)
            .chain(trim_what.as_deref())
            .chain(trim_characters.iter().flatten())
            .collect(),
        Expr::Case { operand, conditions, else_result, .. } => {
            let branches = conditions.iter().flat_map(|branch| [&branch.condition, &branch.result]);
            operand.as_deref().into_iter().chain(branches).chain(else_result.as_deref()).collect()
        }
        Expr::Function(function) => match &function.args {
            FunctionArguments::List(list) => list.args.iter().filter_map(argument).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}
