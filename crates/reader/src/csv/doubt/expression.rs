//! SQL expressions of the numbers in cells, as options of a command line.

use super::look::{Look, around_number, mantissa_look};
use crate::error::shell_word;

/// The words and the signs of what stands about a number, without those that say whether it is negative.
fn affixes(text: &str) -> Vec<String> {
    let mut affixes: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let letter = c.is_alphabetic();
        match affixes.last_mut() {
            Some(word) if letter && in_word => word.push(c),
            _ if c.is_whitespace() || "+-().\u{2212}".contains(c) => {}
            _ => affixes.push(c.to_string()),
        }
        in_word = letter;
    }
    affixes
}

/// An SQL expression of the number in such cells, made of what stands about this one.
pub(super) fn number_expression(text: &str, column: &str) -> Option<String> {
    let (before, number, behind) = around_number(text)?;
    let name = sql_name(column);
    let minus = |text: &str| text.contains(['-', '\u{2212}']);
    let mut stripped = name.clone();
    let strip = |inner: String, what: &str, by: &str| {
        // The only sign of a shell among them is that of the dollar, which means nothing before a quote.
        let what = what.replace('\'', "''").replace('"', if plain_name(column) { "\\\"" } else { "\"" });
        format!("replace({inner}, '{what}', '{by}')")
    };
    if behind.trim().chars().count() == 1 && behind.contains(['K', 'M', 'B', 'k', 'm', 'b']) {
        // A factor, which other cells need not have.
        return None;
    }
    for affix in affixes(before).into_iter().chain(affixes(behind)) {
        stripped = strip(stripped, &affix, "");
    }
    for (sign, by) in [("+", ""), ("D", "E"), ("d", "e")] {
        if behind.contains(sign) && by.is_empty() || number.contains(sign) && !by.is_empty() {
            stripped = strip(stripped, sign, by);
        }
    }
    if before.contains('\u{2212}') {
        stripped = strip(stripped, "\u{2212}", "-");
    }
    let (group, comma) = match mantissa_look(number.strip_suffix(['.', ',']).unwrap_or(number)) {
        Some(Look::DecimalComma(group)) => (group, true),
        Some(Look::Thousands(group)) => (Some(group), false),
        Some(Look::AnyComma) => (Some(','), false),
        _ => (None, number.ends_with(',')),
    };
    if let Some(group) = group {
        stripped = strip(stripped, &group.to_string(), "");
    }
    if comma {
        stripped = strip(stripped, ",", ".");
    }
    let negative = match (before.contains('('), minus(behind)) {
        (true, _) => format!("{name} LIKE '%(%'"),
        (false, true) => format!("{name} LIKE '%-'"),
        (false, false) => return Some(format!("CAST({stripped} AS double)")),
    };
    let (stripped, last) = match before.contains('(') {
        true => (strip(stripped, "(", ""), ")"),
        false => (stripped, "-"),
    };
    let positive = strip(stripped, last, "");
    Some(format!("CAST({positive} AS double) * CASE WHEN {negative} THEN -1 ELSE 1 END"))
}

/// A column in SQL.
pub(super) fn sql_name(column: &str) -> String {
    if plain_name(column) { column.to_owned() } else { format!("\"{}\"", column.replace('"', "\"\"")) }
}

/// The option that makes a column of an expression, as a shell takes it. A name from a file is never left to the shell.
pub(super) fn with_option(expression: &str, column: &str) -> String {
    let text = format!("NAME = {expression}");
    if plain_name(column) { format!("--with \"{text}\"") } else { format!("--with {}", shell_word(&text)) }
}

fn plain_name(name: &str) -> bool {
    let letters = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && name.chars().all(letters)
}
