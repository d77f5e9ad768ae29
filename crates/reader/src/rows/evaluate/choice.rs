//! What chooses among expressions: `CASE`, `COALESCE`, `NULLIF`, the greatest and the least.

use arrow_buffer::NullBuffer;

use super::{Failure, Outcome, Rows, cast, compare, evaluated};
use crate::predicate::Comparison;
use crate::rows::column::Column;
use crate::rows::kind::Kind;
use crate::rows::node::Node;

impl Node {
    /// Every branch is computed for the rows that reach it, so that conditions guard results.
    pub(super) fn case(
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

    pub(super) fn coalesce(&self, all: &[Node], rows: &Rows) -> Outcome<Column> {
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

    pub(super) fn extreme(&self, largest: bool, of: &[Node], rows: &Rows) -> Outcome<Column> {
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

/// The first, or null where both are equal as values of `kind`.
pub(super) fn null_if(both: &[Node; 2], kind: &Kind, rows: &Rows) -> Outcome<Column> {
    let (value, other) = evaluated(both, rows)?;
    let other = cast(&other, &both[1].kind, kind, false)?;
    let (equal, _) =
        compare::compare(Comparison::Equal, &cast(&value, &both[0].kind, kind, false)?, &other).truth();
    let kept = NullBuffer::new(!&equal);
    let value = value.expanded(equal.len());
    Ok(Column::new(value.values, NullBuffer::union(value.nulls.as_ref(), Some(&kept))))
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
