//! From SQL text to a syntax tree, and errors that point into the text.

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, DuckDbDialect, Precedence};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token};

use crate::error::{Error, ErrorKind, Result};

/// DuckDB's SQL without what only queries have: `f(a = b)` is a comparison and names no operand.
#[derive(Debug)]
struct RowDialect;

impl Dialect for RowDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_part(ch)
    }

    /// `IN`, `BETWEEN` and `LIKE` bind closer than comparisons.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Between | Precedence::Like => 21,
            other => DuckDbDialect.prec_value(other),
        }
    }

    fn supports_tilde_like_match_operator(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }
}

/// Longest text of an expression, in bytes.
const MAX_SQL_BYTES: usize = 1 << 20;

/// Most operators of an expression: they may nest, and everything that walks a tree goes as deep.
const MAX_OPERATORS: usize = 1_000;

/// Address space of the thread that parses; pages that are not touched cost nothing.
const STACK_BYTES: usize = 256 << 20;

/// How much of a long text an error shows.
const SHOWN: usize = 80;

/// Runs `work` where the recursion of a parser has room.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let no_thread = |e: std::io::Error| Error::new(ErrorKind::Io, format!("no thread for the parser: {e}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("parse".into()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work).map_err(no_thread)?;
        thread
            .join()
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Decoder, "the parser of expressions panicked")))
    })
}

/// The text of an expression, for errors that say where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl Text<'_> {
    /// Reads the text as one expression.
    ///
    /// # Errors
    /// [`ErrorKind::Request`] with the character that is not understood, [`ErrorKind::Limit`].
    pub(super) fn parse(self) -> Result<Expr> {
        let text = self.0;
        if text.len() > MAX_SQL_BYTES {
            let message =
                format!("an expression of {} bytes is beyond the limit of {MAX_SQL_BYTES}", text.len());
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let operators = operators(text);
        if operators > MAX_OPERATORS {
            let message =
                format!("an expression of {operators} operators is beyond the limit of {MAX_OPERATORS}");
            let help = "a column is compared with many values by IN (…)";
            return Err(Error::new(ErrorKind::Limit, message).with_help(help));
        }
        let parser = Parser::new(&RowDialect).with_recursion_limit(2 * MAX_OPERATORS).try_with_sql(text);
        let mut parser = parser.map_err(|e| self.not_valid(&e))?;
        let expr = parser.parse_expr().map_err(|e| self.not_valid(&e))?;
        let next = parser.peek_token();
        if next.token == Token::EOF {
            return Ok(expr);
        }
        Err(self.error(next.span, format!("{:?} is not expected here", next.token.to_string())))
    }

    /// The parser's error, with its place in our words.
    fn not_valid(self, error: &ParserError) -> Error {
        let (ParserError::TokenizerError(message) | ParserError::ParserError(message)) = error else {
            return Error::new(ErrorKind::Limit, format!("{:?} nests too deep", self.shown(0)));
        };
        let (message, place) = message.split_once(" at Line: ").unwrap_or((message, ""));
        let numbers: Vec<u64> =
            place.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let message = message.replace("Expected: ", "expected ").replace("found: EOF", "found the end");
        let message = message.replace("found: ", "found ");
        let start = match numbers[..] {
            [line, column] => Location::new(line, column),
            _ => Location::new(0, 0),
        };
        self.error(Span::new(start, start), message)
    }

    /// An error at the beginning of `span`; at the end of the text where a span is empty.
    pub(super) fn error(self, span: Span, message: impl AsRef<str>) -> Error {
        let at = self.character(span.start);
        let place = match self.0.chars().count() {
            end if at >= end => "at its end".to_owned(),
            _ => format!("at character {}", at + 1),
        };
        Error::new(ErrorKind::Request, format!("in {:?}, {place}: {}", self.shown(at), message.as_ref()))
    }

    /// The text, or as much of it as is near a character.
    pub(super) fn shown(self, at: usize) -> String {
        let from = if self.0.chars().count() <= SHOWN { 0 } else { at.saturating_sub(SHOWN / 2) };
        let part: String = self.0.chars().skip(from).take(SHOWN).collect();
        let cut = self.0.chars().count() > from + SHOWN;
        format!("{}{part}{}", if from > 0 { "…" } else { "" }, if cut { "…" } else { "" })
    }

    /// The number of a character, from 0.
    fn character(self, at: Location) -> usize {
        let end = self.0.chars().count();
        let Some(before) = at.line.checked_sub(1) else { return end };
        let lines = self.0.split_inclusive('\n').take(usize::try_from(before).unwrap_or(usize::MAX));
        let lines: usize = lines.map(|line| line.chars().count()).sum();
        (lines + usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX)).min(end)
    }
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
