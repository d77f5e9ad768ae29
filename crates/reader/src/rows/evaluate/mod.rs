//! Expressions computed for the rows of a batch.

mod arithmetic;
mod calls;
mod cast;
mod compare;
mod text;
mod times;

use std::collections::HashMap;

use arrow_array::{Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::column::{Column, Constant, Values};
use super::like::Pattern;
use super::node::{Node, Op};
use crate::predicate::Comparison;

pub(super) use self::cast::cast;

/// What cannot be computed, and the first row of which that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) row: usize,
    pub(super) message: String,
}

pub(super) type Outcome<T> = std::result::Result<T, Failure>;

/// The rows that are computed with.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) columns: HashMap<String, Column>,
    pub(super) count: usize,
}

impl Rows {
    /// A single row without columns, for what is constant.
    pub(super) fn one() -> Self {
        Self { columns: HashMap::new(), count: 1 }
    }

    /// The rows at these positions, with the columns that `node` needs.
    fn take(&self, rows: &[u32], node: &Node) -> Self {
        let mut names = Vec::new();
        node.columns(&mut names);
        let taken = names.into_iter().filter_map(|name| {
            let column = self.columns.get(&name)?.take(rows);
            Some((name, column))
        });
        Self { columns: taken.collect(), count: rows.len() }
    }
}

impl Node {
    /// The values for `rows`: one for each, or a single one for all.
    ///
    /// # Errors
    /// The first row of which a part cannot be computed.
    pub(super) fn evaluate(&self, rows: &Rows) -> Outcome<Column> {
        match &self.op {
            Op::Column(name) => Ok(rows.columns.get(name).cloned().unwrap_or_else(|| self.null_column())),
            Op::Constant(value) => Ok(Column::constant(&self.kind, value)),
            Op::Cast { of, lenient } => cast::cast(&of.evaluate(rows)?, &of.kind, &self.kind, *lenient),
            Op::Arithmetic(sign, both) => {
                let (a, b) = evaluated(both, rows)?;
                arithmetic::arithmetic(*sign, &a, &b, &self.kind)
            }
            Op::Negate(of) => arithmetic::negate(&of.evaluate(rows)?, &self.kind),
            Op::Shift(of, shift) => times::shift(&of.evaluate(rows)?, &of.kind, *shift, &self.kind),
            Op::Elapsed(both) => {
                let (a, b) = evaluated(both, rows)?;
                Ok(times::elapsed(&a, &b, &both[0].kind))
            }
            Op::Compare(comparison, both) => {
                let (a, b) = evaluated(both, rows)?;
                Ok(compare::compare(*comparison, &a, &b))
            }
            Op::Distinct(both) => {
                let (a, b) = evaluated(both, rows)?;
                Ok(compare::distinct(&a, &b))
            }
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
            Op::Case { operand, branches, rest } => self.case(operand.as_deref(), branches, rest, rows),
            Op::NullIf { both, kind } => {
                let (value, other) = evaluated(both, rows)?;
                let other = cast(&other, &both[1].kind, kind, false)?;
                let (equal, _) =
                    compare::compare(Comparison::Equal, &cast(&value, &both[0].kind, kind, false)?, &other)
                        .truth();
                let kept = NullBuffer::new(!&equal);
                let value = value.expanded(equal.len());
                Ok(Column::new(value.values, NullBuffer::union(value.nulls.as_ref(), Some(&kept))))
            }
            Op::Coalesce(all) => self.coalesce(all, rows),
            Op::Extreme { largest, of } => self.extreme(*largest, of, rows),
            Op::Call(call, operands) => {
                let values = operands.iter().map(|node| node.evaluate(rows)).collect::<Outcome<Vec<_>>>()?;
                let kinds: Vec<_> = operands.iter().map(|node| &node.kind).collect();
                calls::call(call, &values, &kinds, &self.kind)
            }
        }
    }

    fn null_column(&self) -> Column {
        Column::constant(&self.kind, &Constant::Null)
    }

    /// Every branch is computed for the rows that reach it, so that conditions guard results.
    fn case(
        &self,
        operand: Option<&Node>,
        branches: &[(Node, Node)],
        rest: &Node,
        rows: &Rows,
    ) -> Outcome<Column> {
        let mut choice = Choice::new(rows);
        let operand = operand.map(|operand| operand.evaluate(rows)).transpose()?;
        for (when, then) in branches {
            if choice.open.is_empty() {
                break;
            }
            let when = selected(when, &choice.open, rows)?;
            let met = match &operand {
                None => when,
                Some(operand) => compare::compare(Comparison::Equal, &operand.take(&choice.open), &when),
            };
            let (yes, _) = met.truth();
            let all = yes.len() == 1;
            let (met, open) =
                (0..choice.open.len()).partition::<Vec<_>, _>(|&i| yes.value(if all { 0 } else { i }));
            let met: Vec<u32> = met.into_iter().map(|i| choice.open[i]).collect();
            choice.open = open.into_iter().map(|i| choice.open[i]).collect();
            choice.settle(met, then, rows)?;
        }
        let open = std::mem::take(&mut choice.open);
        choice.settle(open, rest, rows)?;
        Ok(choice.column(self, rows))
    }

    fn coalesce(&self, all: &[Node], rows: &Rows) -> Outcome<Column> {
        let mut choice = Choice::new(rows);
        for node in all {
            if choice.open.is_empty() {
                break;
            }
            let values = selected(node, &choice.open, rows)?;
            let (there, open): (Vec<u32>, Vec<u32>) = {
                let (a, b) = (0..choice.open.len()).partition::<Vec<_>, _>(|&i| values.is_valid(i));
                (a.into_iter().map(|i| i as u32).collect(), b.into_iter().map(|i| choice.open[i]).collect())
            };
            if !there.is_empty() {
                let places = there.iter().map(|&i| choice.open[i as usize]).collect();
                choice.place(places, values.take(&there));
            }
            choice.open = open;
        }
        Ok(choice.column(self, rows))
    }

    fn extreme(&self, largest: bool, of: &[Node], rows: &Rows) -> Outcome<Column> {
        let mut best = of[0].evaluate(rows)?;
        for node in &of[1..] {
            let other = node.evaluate(rows)?;
            let count = best.len().max(other.len());
            let beats = compare::beats(largest, &other, &best);
            let takes = |row: usize| match (best.is_valid(row), other.is_valid(row)) {
                (true, true) => beats.value(if beats.len() == 1 { 0 } else { row }),
                (best, _) => !best,
            };
            let choice: Vec<usize> = (0..count).map(|row| usize::from(takes(row))).collect();
            best = Column::chosen(&self.kind, &[Some(best), Some(other)], &choice);
        }
        Ok(best)
    }
}

/// Which of several expressions a row takes.
struct Choice {
    /// Rows that have not taken any.
    open: Vec<u32>,
    parts: Vec<Option<Column>>,
    /// The part of every row, and its place there.
    of_row: Vec<(usize, u32)>,
}

impl Choice {
    fn new(rows: &Rows) -> Self {
        let open = (0..rows.count as u32).collect();
        Self { open, parts: vec![None], of_row: vec![(0, 0); rows.count] }
    }

    /// Gives the rows `of` the values of `node`.
    fn settle(&mut self, of: Vec<u32>, node: &Node, rows: &Rows) -> Outcome<()> {
        if of.is_empty() {
            return Ok(());
        }
        let values = selected(node, &of, rows)?;
        self.place(of, values);
        Ok(())
    }

    fn place(&mut self, of: Vec<u32>, values: Column) {
        self.parts.push(Some(values));
        for (place, row) in of.into_iter().enumerate() {
            self.of_row[row as usize] = (self.parts.len() - 1, place as u32);
        }
    }

    /// One column of all parts, each row with its own; null where there is none.
    fn column(self, node: &Node, rows: &Rows) -> Column {
        let (choice, places): (Vec<usize>, Vec<u32>) = self.of_row.into_iter().unzip();
        let spread = |part: Option<Column>| {
            let part = part?;
            let last = part.len().saturating_sub(1) as u32;
            let places: Vec<u32> = places.iter().map(|&place| place.min(last)).collect();
            Some(if part.len() == rows.count { part } else { part.take(&places) })
        };
        let parts: Vec<_> = self.parts.into_iter().map(spread).collect();
        Column::chosen(&node.kind, &parts, &choice)
    }
}

/// The values of `node` for some of the rows. A failure is that of a row among all.
fn selected(node: &Node, some: &[u32], rows: &Rows) -> Outcome<Column> {
    if some.len() == rows.count {
        return node.evaluate(rows);
    }
    let row = |failure: &Failure| some.get(failure.row).map_or(0, |&row| row as usize);
    let outcome = node.evaluate(&rows.take(some, node));
    outcome.map_err(|failure| Failure { row: row(&failure), ..failure })
}

fn evaluated(both: &[Node; 2], rows: &Rows) -> Outcome<(Column, Column)> {
    Ok((both[0].evaluate(rows)?, both[1].evaluate(rows)?))
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

/// The rows in which both have a value; a single value counts for all.
fn both_valid(a: &Column, b: &Column) -> Option<NullBuffer> {
    let rows = a.len().max(b.len());
    let spread = |column: &Column| match &column.nulls {
        Some(_) if column.len() == 1 && rows != 1 => Some(NullBuffer::new_null(rows)),
        nulls => nulls.clone(),
    };
    NullBuffer::union(spread(a).as_ref(), spread(b).as_ref())
}

/// `f` of the values of two columns; a single value counts for all rows.
fn zip<A: Copy, B: Copy, R>(a: &[A], b: &[B], f: impl Fn(A, B) -> R) -> Vec<R> {
    match (a, b) {
        (a, [b]) => a.iter().map(|&a| f(a, *b)).collect(),
        ([a], b) => b.iter().map(|&b| f(*a, b)).collect(),
        (a, b) => a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect(),
    }
}

/// The values, or the failure of the first row that has its operands and no result.
fn all_there<R: Copy + Default>(
    values: Vec<Option<R>>,
    nulls: Option<&NullBuffer>,
    message: impl FnOnce(usize) -> String,
) -> Outcome<Vec<R>> {
    // The usual column has no failure: one pass without looking at nulls.
    if values.iter().any(Option::is_none) {
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        if let Some(row) = (0..values.len()).find(|&row| values[row].is_none() && valid(row)) {
            return Err(Failure { row, message: message(row) });
        }
    }
    Ok(values.into_iter().map(Option::unwrap_or_default).collect())
}
