//! Expressions computed for the rows of a batch.

mod arithmetic;
mod calls;
mod cast;
mod choice;
mod compare;
mod logic;
mod text;
mod times;

use std::cell::Cell;
use std::collections::HashMap;

use arrow_array::Array;
use arrow_buffer::NullBuffer;

use super::column::{Column, Constant, Values};
use super::node::{Node, Op};

pub(super) use self::cast::cast;
use self::choice::null_if;

/// Most bytes of text that expressions may make of a batch, all their parts together: a function bounds what it makes,
/// but each of a thousand operands may be as long.
const MAX_TEXT_BYTES: usize = 1 << 30;

thread_local! {
    /// How many evaluations are within one another, and the bytes of text that they have made so far.
    static MADE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Does `work`, all of which shares what text may be made: the expressions of a batch, the parts of an expression.
pub(super) fn one_budget<T>(work: impl FnOnce() -> T) -> T {
    let _within = Within::enter();
    work()
}

/// An evaluation that goes on. It ends even where a panic ends it: the thread may be given other batches.
struct Within;

impl Within {
    fn enter() -> Self {
        MADE.with(|made| {
            let (depth, bytes) = made.get();
            made.set((depth + 1, if depth == 0 { 0 } else { bytes }));
        });
        Self
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        MADE.with(|made| {
            let (depth, bytes) = made.get();
            made.set((depth.saturating_sub(1), bytes));
        });
    }
}

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
        one_budget(|| self.evaluate_parts(rows).and_then(|column| self.count_text(column, rows.count)))
    }

    /// Counts the bytes of text that was made. What came with the rows costs nothing more; a single value may be
    /// repeated for every row.
    fn count_text(&self, column: Column, rows: usize) -> Outcome<Column> {
        let Values::Text(texts) = &column.values else { return Ok(column) };
        let single = texts.len() == 1 && rows > 1;
        let bytes = match self.op {
            Op::Column(_) if !single => 0,
            _ if single => texts.values().len().saturating_mul(rows),
            _ => texts.values().len(),
        };
        let made = MADE.with(|made| {
            let (depth, before) = made.get();
            made.set((depth, before.saturating_add(bytes)));
            before.saturating_add(bytes)
        });
        if made > MAX_TEXT_BYTES {
            let message = "the texts that expressions make of a batch become longer than 1 GiB";
            return Err(Failure { row: 0, message: message.into() });
        }
        Ok(column)
    }

    fn evaluate_parts(&self, rows: &Rows) -> Outcome<Column> {
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
            Op::And(_) | Op::Or(_) | Op::Not(_) | Op::IsNull(_) | Op::Is(..) => self.logical(rows),
            Op::In(..) | Op::Among(..) | Op::Between(_) | Op::Like(..) => self.membership(rows),
            Op::Case { operand, branches, rest } => self.case(operand.as_deref(), branches, rest, rows),
            Op::NullIf { both, kind } => null_if(both, kind, rows),
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
}

fn evaluated(both: &[Node; 2], rows: &Rows) -> Outcome<(Column, Column)> {
    Ok((both[0].evaluate(rows)?, both[1].evaluate(rows)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_evaluation() {
        let outcome = std::panic::catch_unwind(|| one_budget(|| panic!("a decoder's")));
        assert!(outcome.is_err());
        assert_eq!(MADE.get().0, 0);
    }
}
