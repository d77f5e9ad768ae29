//! Functions of text. Letters are Unicode's characters, places are counted from 1.

use arrow_array::builder::StringBuilder;
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::{Failure, Outcome};
use crate::rows::calls::Text;
use crate::rows::column::{Column, Values};
use crate::rows::like::{Pattern, lower, upper};

/// Most bytes of the texts that a function makes of a batch: far more than texts have, far less than would hurt.
const MAX_BYTES: usize = 1 << 28;

const TOO_LONG: &str = "the texts of a batch become longer than 256 MiB";

/// A function of text; operands are of the kinds that [`Text::operand`] says.
///
/// # Errors
/// The row with which the text of the rows becomes too long to be held.
pub(super) fn call(function: Text, operands: &[Column]) -> Outcome<Column> {
    let rows = operands.iter().map(Column::len).max().unwrap_or_default();
    let there = |row: usize| operands.iter().all(|operand| operand.is_valid(row));
    let nulls = match function {
        Text::Concat => None,
        _ => Some(NullBuffer::new(BooleanBuffer::collect_bool(rows, there))),
    };
    let text = |place: usize, row: usize| operands.get(place).map_or("", |operand| text_at(operand, row));
    let number = |place: usize, row: usize| operands.get(place).map(|operand| number_at(operand, row));
    let texts = |of: &dyn Fn(usize) -> Option<String>| -> Outcome<Values> {
        let mut values = StringBuilder::new();
        for row in 0..rows {
            let value = if function == Text::Concat || there(row) { of(row) } else { Some(String::new()) };
            let value = value.filter(|value| values.values_slice().len() + value.len() <= MAX_BYTES);
            values.append_value(value.ok_or_else(|| Failure { row, message: TOO_LONG.into() })?);
        }
        Ok(Values::Text(values.finish()))
    };
    let truth = |of: &dyn Fn(usize) -> bool| Values::Boolean(BooleanBuffer::collect_bool(rows, of));
    let whole = |of: &dyn Fn(usize) -> i64| Values::Integer((0..rows).map(of).collect::<Vec<_>>().into());
    let values = match function {
        Text::Lower => texts(&|row| Some(text(0, row).chars().map(lower).collect()))?,
        Text::Upper => texts(&|row| Some(text(0, row).chars().map(upper).collect()))?,
        Text::Length => whole(&|row| text(0, row).chars().count() as i64),
        Text::Trim { left, right } => texts(&|row| {
            let letters = operands.get(1).map(|operand| text_at(operand, row));
            Some(trimmed(text(0, row), letters, left, right).to_owned())
        })?,
        Text::Substring => texts(&|row| {
            let start = number(1, row).unwrap_or(1);
            Some(substring(text(0, row), start, number(2, row)))
        })?,
        Text::Left => texts(&|row| Some(left(text(0, row), number(1, row).unwrap_or_default()).to_owned()))?,
        Text::Right => {
            texts(&|row| Some(right(text(0, row), number(1, row).unwrap_or_default()).to_owned()))?
        }
        Text::Replace => texts(&|row| replaced(text(0, row), text(1, row), text(2, row)))?,
        Text::StartsWith => truth(&|row| text(0, row).starts_with(text(1, row))),
        Text::EndsWith => truth(&|row| text(0, row).ends_with(text(1, row))),
        Text::Contains => truth(&|row| text(0, row).contains(text(1, row))),
        Text::Position => whole(&|row| {
            let before =
                text(0, row).find(text(1, row)).map(|at| text(0, row)[..at].chars().count() as i64 + 1);
            before.unwrap_or_default()
        }),
        Text::Concat | Text::Join => texts(&|row| {
            let there = operands.iter().filter(|operand| operand.is_valid(row));
            joined(there.map(|operand| text_at(operand, row)))
        })?,
        Text::Like { escape, folds_case } => truth(&|row| {
            let pattern = Pattern::new(text(1, row), escape, folds_case);
            pattern.is_some_and(|pattern| pattern.matches(text(0, row)))
        }),
        Text::Reverse => texts(&|row| Some(reversed(text(0, row))))?,
    };
    Ok(Column::new(values, nulls))
}

fn text_at(column: &Column, row: usize) -> &str {
    match &column.values {
        Values::Text(v) => v.value(if column.len() == 1 { 0 } else { row }),
        _ => "",
    }
}

fn number_at(column: &Column, row: usize) -> i64 {
    match &column.values {
        Values::Integer(v) => v[if v.len() == 1 { 0 } else { row }],
        _ => 0,
    }
}

/// Texts behind one another; `None` if that is too long.
fn joined<'t>(parts: impl Iterator<Item = &'t str>) -> Option<String> {
    let mut whole = String::new();
    for part in parts {
        if whole.len() + part.len() > MAX_BYTES {
            return None;
        }
        whole.push_str(part);
    }
    Some(whole)
}

/// With `new` for every `old`, if there is one; `None` if that is too long.
fn replaced(text: &str, old: &str, new: &str) -> Option<String> {
    if old.is_empty() {
        return Some(text.to_owned());
    }
    let longer = text.matches(old).count().checked_mul(new.len().saturating_sub(old.len()))?;
    (text.len().checked_add(longer)? <= MAX_BYTES).then(|| text.replace(old, new))
}

/// Without blanks, or these letters, at its ends.
fn trimmed<'a>(text: &'a str, letters: Option<&str>, left: bool, right: bool) -> &'a str {
    let blank = |c: char| {
        matches!(
            c,
            ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        )
    };
    let goes = |c: char| letters.map_or_else(|| blank(c), |letters| letters.contains(c));
    let text = if left { text.trim_start_matches(goes) } else { text };
    if right { text.trim_end_matches(goes) } else { text }
}

/// `length` characters from `start` on; a negative start counts from the end, a negative length goes backwards.
fn substring(text: &str, start: i64, length: Option<i64>) -> String {
    let characters = i128::try_from(text.chars().count()).unwrap_or_default();
    let start = i128::from(start);
    // Counted from 0; there is a place before the first.
    let start = if start < 0 { characters + start } else { start - 1 };
    let end = length.map_or(characters.max(start), |length| start + i128::from(length));
    let (from, to) = (start.min(end).clamp(0, characters), start.max(end).clamp(0, characters));
    text.chars().skip(from as usize).take((to - from) as usize).collect()
}

/// Backwards; marks stay with the letter that they are set on.
fn reversed(text: &str) -> String {
    let is_mark = |c: char| matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}');
    let mut end = text.len();
    let mut reversed = String::with_capacity(text.len());
    for (at, _) in text.char_indices().rev().filter(|&(at, c)| at == 0 || !is_mark(c)) {
        reversed.push_str(&text[at..end]);
        end = at;
    }
    reversed
}

/// The byte behind so many characters.
fn byte(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}

/// The first characters, or all but the last.
fn left(text: &str, count: i64) -> &str {
    let characters = text.chars().count() as u64;
    let kept = if count < 0 { characters.saturating_sub(count.unsigned_abs()) } else { count.unsigned_abs() };
    &text[..byte(text, kept.min(characters) as usize)]
}

/// The last characters, or all but the first.
fn right(text: &str, count: i64) -> &str {
    let characters = text.chars().count() as u64;
    let dropped =
        if count < 0 { count.unsigned_abs() } else { characters.saturating_sub(count.unsigned_abs()) };
    &text[byte(text, dropped.min(characters) as usize)..]
}
