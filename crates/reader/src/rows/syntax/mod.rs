//! From SQL text to a syntax tree, and errors that point into the text.

mod lex;
mod parse;

use crate::error::{Error, ErrorKind, Result};
use crate::predicate::Comparison;

/// Longest text of an expression, in bytes.
const MAX_SQL_BYTES: usize = 1 << 20;

/// Address space of the thread that parses; pages that are not touched cost nothing.
const STACK_BYTES: usize = 256 << 20;

/// How much of a long text an error shows.
const SHOWN: usize = 80;

/// An expression as it is written, and the character at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) syntax: Syntax,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Syntax {
    Column(String),
    Null,
    Boolean(bool),
    /// Digits, perhaps with a sign before them.
    Number(String),
    Text(String),
    /// `DATE '2024-02-29'`
    Typed(TypeName, String),
    /// `INTERVAL '3 days'`, `INTERVAL 3 DAY`
    Interval {
        length: String,
        unit: Option<String>,
    },
    /// In parentheses.
    Nested(Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Binary(Operator, Box<[Expr; 2]>),
    Is {
        what: Is,
        of: Box<Expr>,
    },
    Distinct(Box<[Expr; 2]>),
    In {
        of: Box<Expr>,
        list: Vec<Expr>,
    },
    Between(Box<[Expr; 3]>),
    Like {
        of: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        folds_case: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        of: Box<Expr>,
        target: TypeName,
        lenient: bool,
    },
    /// The second is the zone.
    AtTimeZone(Box<[Expr; 2]>),
    /// A function in small letters. `EXTRACT`, `POSITION`, `SUBSTRING` and `TRIM` are calls, however they are written.
    Call {
        name: String,
        operands: Vec<Expr>,
    },
}

/// What `IS` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Null,
    Unknown,
    True,
    False,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Compare(Comparison),
    Concat,
    /// `~`, and `~*`, for which capitals and small letters are the same.
    Matches {
        folds_case: bool,
    },
    Plus,
    Minus,
    Times,
    Divide,
    WholeDivide,
    Remainder,
    Power,
}

/// A type as it is written, in small letters: `decimal`, `double precision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) name: String,
    /// The numbers in parentheses behind it.
    pub(super) sizes: Vec<u64>,
}

impl Expr {
    pub(super) fn new(at: usize, syntax: Syntax) -> Self {
        Self { at, syntax }
    }

    /// The expressions that it is made of.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.syntax {
            Syntax::Column(_)
            | Syntax::Null
            | Syntax::Boolean(_)
            | Syntax::Number(_)
            | Syntax::Text(_)
            | Syntax::Typed(..)
            | Syntax::Interval { .. } => Vec::new(),
            Syntax::Nested(of)
            | Syntax::Not(of)
            | Syntax::Negate(of)
            | Syntax::Plus(of)
            | Syntax::Is { of, .. }
            | Syntax::Cast { of, .. } => {
                vec![of]
            }
            Syntax::Binary(_, both) | Syntax::Distinct(both) | Syntax::AtTimeZone(both) => {
                both.iter().collect()
            }
            Syntax::In { of, list } => std::iter::once(&**of).chain(list).collect(),
            Syntax::Between(all) => all.iter().collect(),
            Syntax::Like { of, pattern, escape, .. } => {
                [&**of, &**pattern].into_iter().chain(escape.as_deref()).collect()
            }
            Syntax::Case { operand, branches, otherwise } => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                operand.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
            }
            Syntax::Call { operands, .. } => operands.iter().collect(),
        }
    }

    /// Adds the names of its columns to `names`, as often as it has them.
    pub(super) fn columns(&self, names: &mut Vec<String>) {
        if let Syntax::Column(name) = &self.syntax {
            names.push(name.clone());
        }
        self.parts().into_iter().for_each(|part| part.columns(names));
    }
}

/// Runs `work` where the recursion of a parser has room.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let no_thread = |e: std::io::Error| Error::new(ErrorKind::System, format!("cannot start a thread: {e}"));
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
        if self.0.len() > MAX_SQL_BYTES {
            let message =
                format!("an expression of {} bytes is beyond the limit of {MAX_SQL_BYTES}", self.0.len());
            return Err(Error::new(ErrorKind::Limit, message));
        }
        parse::parse(self)
    }

    /// An error at a character, counted from 0.
    pub(super) fn error(self, at: usize, message: impl AsRef<str>) -> Error {
        let place = if at >= self.0.chars().count() {
            "at its end".into()
        } else {
            format!("at character {}", at + 1)
        };
        Error::new(ErrorKind::Request, format!("in {:?}, {place}: {}", self.shown(at), message.as_ref()))
    }

    /// The error for what one row does not determine.
    pub(super) fn needs_rows(self, at: usize, what: &str) -> Error {
        let message = format!("{what} needs several rows; an expression is computed for every row by itself");
        self.error(at, message).with_help("what needs several rows must be in the data already")
    }

    /// The text, or as much of it as is near a character.
    pub(super) fn shown(self, at: usize) -> String {
        let from = if self.0.chars().count() <= SHOWN { 0 } else { at.saturating_sub(SHOWN / 2) };
        let part: String = self.0.chars().skip(from).take(SHOWN).collect();
        let cut = self.0.chars().count() > from + SHOWN;
        format!("{}{part}{}", if from > 0 { "…" } else { "" }, if cut { "…" } else { "" })
    }
}
