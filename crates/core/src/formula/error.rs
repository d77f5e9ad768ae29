//! What is wrong with a formula, and where.

use std::fmt;

/// Result of this module's functions.
pub(super) type Result<T> = std::result::Result<T, FormulaError>;

/// Characters of a long formula that a message shows.
const SHOWN: usize = 100;

/// Characters of a name that a message shows.
const SHOWN_OF_A_NAME: usize = 60;

/// What is wrong with a formula, and where. It prints the formula with a caret under the place:
///
/// ```
/// let error = streamreg_core::Formula::parse("y ~ x y").unwrap_err();
/// let expected = "\
/// expected an operator between terms (+ - : * /), found `y`
///   y ~ x y
///         ^";
/// assert_eq!(error.to_string(), expected);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormulaError {
    message: String,
    formula: String,
    at: usize,
}

impl FormulaError {
    pub(super) fn new(formula: &str, at: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), formula: formula.into(), at }
    }

    /// What is wrong, and what would be valid.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The formula, as it was written.
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// The character of the formula to blame, counted from 0. It is the number of characters if something is
    /// missing at the end.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The line of the formula before and from the place, as far as they are shown.
    fn excerpt(&self) -> (String, String) {
        let chars: Vec<char> = self.formula.chars().collect();
        let at = self.at.min(chars.len());
        let is_end = |c: &char| *c == '\n';
        let first = chars[..at].iter().rposition(is_end).map_or(0, |end| end + 1);
        let last = chars[at..].iter().position(is_end).map_or(chars.len(), |end| at + end);
        let begin = at.saturating_sub(SHOWN / 2).min(last.saturating_sub(SHOWN)).max(first);
        let end = last.min(begin + SHOWN);
        let text = |part: &[char]| escaped(part.iter().copied());
        let (mut before, mut after) = (text(&chars[begin..at]), text(&chars[at..end.max(at)]));
        if begin > first {
            before.insert(0, '…');
        }
        if end < last {
            after.push('…');
        }
        (before, after)
    }
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.excerpt();
        let column = before.chars().count();
        write!(f, "{}\n  {before}{after}\n  {:column$}^", self.message, "")
    }
}

impl std::error::Error for FormulaError {}

/// A piece of a formula for use in a message: escaped, and not too long.
pub(super) fn quoted(piece: &str) -> String {
    let mut text = escaped(piece.chars().take(SHOWN_OF_A_NAME));
    if piece.chars().nth(SHOWN_OF_A_NAME).is_some() {
        text.push('…');
    }
    text
}

/// Text in which no character moves the cursor or turns the direction of writing.
fn escaped(chars: impl Iterator<Item = char>) -> String {
    let moves = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    let isolates = |c: char| matches!(c, '\u{2066}'..='\u{2069}');
    let mut text = String::new();
    for c in chars {
        if moves(c) || isolates(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}
