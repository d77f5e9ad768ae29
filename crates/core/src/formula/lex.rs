//! A formula's text as tokens.

use super::error::{FormulaError, Result, quoted};
use crate::expression::{begins_name, continues_name};

/// A piece of a formula.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// As it is written.
    pub(super) text: &'t str,
    /// Where it begins, in characters.
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name without backticks, of a column or a function.
    Name,
    /// A name in backticks, which is always a column's; without the backticks.
    Quoted(String),
    Number(f64),
    /// What stands in quotation marks, which is a level; without them.
    Text(String),
    /// An operator or a parenthesis, or a character that means nothing.
    Symbol,
    /// The end of the formula.
    End,
}

impl Token<'_> {
    pub(super) fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it is one of the quotation marks that other languages put around names.
    pub(super) fn is_quotation_mark(&self) -> bool {
        matches!(self.kind, Kind::Text(_)) || ["\"", "'", "“", "”", "‘", "’"].iter().any(|mark| self.is(mark))
    }
}

/// The tokens of `text`, the last of which is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>> {
    let mut lexer = Lexer { text, rest: text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let ended = token.kind == Kind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    rest: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn token(&mut self) -> Result<Token<'t>> {
        self.skip();
        let at = self.at;
        let (kind, text) = if self.rest.is_empty() {
            (Kind::End, "")
        } else if let Some(body) = self.rest.strip_prefix('`') {
            self.quoted_name(body)?
        } else if let Some((text, length)) = quotation(self.rest) {
            (Kind::Text(text), self.take(length))
        } else if begins_number(self.rest) {
            self.number()?
        } else if begins_name(self.rest) {
            (Kind::Name, self.take(length_while(self.rest, continues_name)))
        } else {
            (Kind::Symbol, self.take(symbol_length(self.rest)))
        };
        Ok(Token { kind, text, at })
    }

    /// Takes blanks and comments, which go from `#` to the end of the line.
    fn skip(&mut self) {
        loop {
            self.take(self.rest.len() - self.rest.trim_start().len());
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(length_while(self.rest, |c| c != '\n'));
        }
    }

    /// Takes so many bytes.
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.at += taken.chars().count();
        self.rest = rest;
        taken
    }

    /// An error at the next character.
    fn error(&self, message: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, self.at, message)
    }

    /// A name in backticks, of which `body` is what follows the first. A doubled one stands for a backtick.
    fn quoted_name(&mut self, body: &str) -> Result<(Kind, &'t str)> {
        let mut end = 0;
        loop {
            let Some(length) = body[end..].find('`') else {
                return Err(self.error("this backtick is never closed"));
            };
            end += length + 1;
            if !body[end..].starts_with('`') {
                let name = body[..end - 1].replace("``", "`");
                return Ok((Kind::Quoted(name), self.take(1 + end)));
            }
            end += 1;
        }
    }

    fn number(&mut self) -> Result<(Kind, &'t str)> {
        let length = number_length(self.rest);
        let word = length + length_while(&self.rest[length..], continues_name);
        if word > length {
            let word = quoted(&self.rest[..word]);
            return Err(self.error(format!("a name that begins with a digit goes in backticks: `{word}`")));
        }
        match self.rest[..length].parse() {
            Ok(x) if f64::is_finite(x) => Ok((Kind::Number(x), self.take(length))),
            _ => Err(self.error("this number is too large for float64")),
        }
    }
}

/// The text in quotation marks that `text` begins with, and its bytes with them. A backslash stands before a mark or
/// a backslash that is meant.
fn quotation(text: &str) -> Option<(String, usize)> {
    let mark = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == mark => return Some((inside, at + c.len_utf8())),
            '\\' => inside.push(chars.next()?.1),
            c => inside.push(c),
        }
    }
    None
}

/// Bytes of the beginning of `text` that consists of such characters.
fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn begins_number(text: &str) -> bool {
    text.strip_prefix('.').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

/// Bytes of the number that `text` begins with: digits, a fraction and an exponent.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| length_while(&text[from..], |c| c.is_ascii_digit());
    let mut length = digits(0);
    if text[length..].starts_with('.') {
        length += 1;
        length += digits(length);
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + sign);
        // Without digits it is a name's letter, which the caller refuses.
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    length
}

fn symbol_length(text: &str) -> usize {
    let long = ["**", "==", "<=", ">=", "!=", "&&", "||", "%in%"]
        .into_iter()
        .find(|symbol| text.starts_with(symbol));
    long.map_or_else(|| text.chars().next().map_or(0, char::len_utf8), str::len)
}
