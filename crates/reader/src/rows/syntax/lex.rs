//! From characters to words, numbers, texts and signs.

use super::Text;
use crate::error::Result;

/// A token and the character at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A word, in small letters and as it is written.
    Word(String, String),
    /// A name in double quotes or backticks.
    Quoted(String),
    Number(String),
    /// Text in single quotes.
    Text(String),
    Sign(&'static str),
    End,
}

impl Kind {
    /// The token as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(_, text) | Self::Number(text) => format!("{text:?}"),
            Self::Quoted(name) => format!("the name {name:?}"),
            Self::Text(text) => format!("the text '{text}'"),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer signs first.
const SIGNS: [&str; 31] = [
    "!~*", "!~", "~*", "<>", "<=", ">=", "!=", "==", "::", "||", "//", "**", "(", ")", ",", ".", "+", "-",
    "*", "/", "%", "^", "<", ">", "=", "~", "[", "]", "{", "}", ";",
];

/// The tokens of a text, with one for its end.
pub(super) fn tokens(text: Text<'_>) -> Result<Vec<Token>> {
    let letters: Vec<char> = text.0.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        if letter.is_whitespace() {
            at += 1;
            continue;
        }
        if let Some(end) = comment(&letters, at) {
            at = end.ok_or_else(|| text.error(at, "the comment is not closed"))?;
            continue;
        }
        let (kind, end) = token(text, &letters, at)?;
        tokens.push(Token { at, kind });
        at = end;
    }
    tokens.push(Token { at, kind: Kind::End });
    Ok(tokens)
}

/// The end of a comment that begins here; within, `None` if it has none.
fn comment(letters: &[char], at: usize) -> Option<Option<usize>> {
    match letters.get(at..at + 2)? {
        ['-', '-'] => {
            Some(Some((at..letters.len()).find(|&end| letters[end] == '\n').unwrap_or(letters.len())))
        }
        ['/', '*'] => Some(
            (at + 2..letters.len())
                .find(|&end| letters[end - 1..=end] == ['*', '/'] && end > at + 2)
                .map(|end| end + 1),
        ),
        _ => None,
    }
}

fn token(text: Text<'_>, letters: &[char], at: usize) -> Result<(Kind, usize)> {
    let letter = letters[at];
    if letter.is_alphabetic() || letter == '_' {
        let end =
            (at..letters.len()).find(|&i| !(letters[i].is_alphanumeric() || matches!(letters[i], '_' | '$')));
        let end = end.unwrap_or(letters.len());
        let word: String = letters[at..end].iter().collect();
        return Ok((Kind::Word(word.to_lowercase(), word), end));
    }
    let digit = |i: usize| letters.get(i).is_some_and(char::is_ascii_digit);
    if letter.is_ascii_digit() || (letter == '.' && digit(at + 1)) {
        return Ok(number(letters, at));
    }
    if matches!(letter, '\'' | '"' | '`') {
        let (content, end) =
            quoted(letters, at).ok_or_else(|| text.error(at, format!("the quote {letter} is not closed")))?;
        return Ok((if letter == '\'' { Kind::Text(content) } else { Kind::Quoted(content) }, end));
    }
    let begins = |sign: &&&str| sign.chars().enumerate().all(|(i, c)| letters.get(at + i) == Some(&c));
    match SIGNS.iter().find(begins) {
        Some(sign) => Ok((Kind::Sign(sign), at + sign.len())),
        None => Err(text.error(at, format!("the character {letter:?} is not expected here"))),
    }
}

/// Digits with a point and an exponent; `_` between digits is for the eye.
fn number(letters: &[char], at: usize) -> (Kind, usize) {
    let digits = |mut at: usize| {
        while letters.get(at).is_some_and(|c| c.is_ascii_digit() || *c == '_') {
            at += 1;
        }
        at
    };
    let mut end = digits(at);
    if letters.get(end) == Some(&'.') {
        end = digits(end + 1);
    }
    if matches!(letters.get(end), Some('e' | 'E')) {
        let sign = usize::from(matches!(letters.get(end + 1), Some('+' | '-')));
        if letters.get(end + 1 + sign).is_some_and(char::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    (Kind::Number(letters[at..end].iter().filter(|c| **c != '_').collect()), end)
}

/// What stands in quotes; a doubled quote is one.
fn quoted(letters: &[char], start: usize) -> Option<(String, usize)> {
    let quote = letters[start];
    let (mut content, mut at) = (String::new(), start + 1);
    loop {
        let letter = *letters.get(at)?;
        at += 1;
        if letter != quote {
            content.push(letter);
        } else if letters.get(at) == Some(&quote) {
            content.push(quote);
            at += 1;
        } else {
            return Some((content, at));
        }
    }
}
