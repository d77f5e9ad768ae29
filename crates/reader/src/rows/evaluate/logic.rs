//! Truth values: true, false and null.

use arrow_array::{Array, StringArray};
use arrow_buffer::BooleanBuffer;

use super::{Outcome, Rows, compare, evaluated};
use crate::predicate::Comparison;
use crate::rows::column::{Column, Values};
use crate::rows::like::Pattern;
use crate::rows::node::{Node, Op};

impl Node {
    /// `AND`, `OR`, `NOT`, `IS`.
    pub(super) fn logical(&self, rows: &Rows) -> Outcome<Column> {
        match &self.op {
            Op::And(both) => {
                let (a, b) = evaluated(both, rows)?;
                Ok(joined(&a, &b, true))
            }
            Op::Or(both) => {
                let (a, b) = evaluated(both, rows)?;
                Ok(joined(&a, &b, false))
            }
            Op::Not(of) => {
                let (yes, no) = of.evaluate(rows)?.truth();
                Ok(Column::of_truth(no, &yes))
            }
            Op::IsNull(of) => {
                let of = of.evaluate(rows)?;
                let null = match &of.nulls {
                    None => BooleanBuffer::new_unset(of.len()),
                    Some(nulls) => !nulls.inner(),
                };
                Ok(Column::new(Values::Boolean(null), None))
            }
            Op::Is(value, of) => {
                let (yes, no) = of.evaluate(rows)?.truth();
                Ok(Column::new(Values::Boolean(if *value { yes } else { no }), None))
            }
            _ => Ok(self.null_column()),
        }
    }

    /// `IN`, `BETWEEN`, `LIKE`.
    pub(super) fn membership(&self, rows: &Rows) -> Outcome<Column> {
        match &self.op {
            Op::In(one, members) => Ok(members.hold(&one.evaluate(rows)?)),
            Op::Like(of, pattern) => Ok(like(&of.evaluate(rows)?, pattern)),
            Op::Among(one, others) => {
                let one = one.evaluate(rows)?;
                let equal =
                    |node: &Node| Ok(compare::compare(Comparison::Equal, &one, &node.evaluate(rows)?));
                let mut found = others.iter().map(equal).collect::<Outcome<Vec<_>>>()?.into_iter();
                let first = found.next().unwrap_or_else(|| self.null_column());
                Ok(found.fold(first, |any, next| joined(&any, &next, false)))
            }
            Op::Between(all) => {
                let [of, low, high] = &**all;
                let of = of.evaluate(rows)?;
                let above = compare::compare(Comparison::GreaterOrEqual, &of, &low.evaluate(rows)?);
                let below = compare::compare(Comparison::LessOrEqual, &of, &high.evaluate(rows)?);
                Ok(joined(&above, &below, true))
            }
            _ => Ok(self.null_column()),
        }
    }
}

/// `AND`, or `OR`, which is the same with true and false exchanged.
fn joined(a: &Column, b: &Column, and: bool) -> Column {
    let rows = a.len().max(b.len());
    let (a, b) = (a.clone().expanded(rows).truth(), b.clone().expanded(rows).truth());
    if and {
        Column::of_truth(&a.0 & &b.0, &(&a.1 | &b.1))
    } else {
        Column::of_truth(&a.0 | &b.0, &(&a.1 & &b.1))
    }
}

fn like(of: &Column, pattern: &Pattern) -> Column {
    let matches =
        |texts: &StringArray| BooleanBuffer::collect_bool(texts.len(), |i| pattern.matches(texts.value(i)));
    match &of.values {
        Values::Text(texts) => Column::new(Values::Boolean(matches(texts)), of.nulls.clone()),
        _ => of.clone(),
    }
}
