//! The formula language: `log(price) ~ area * C(city) + poly(age, 2) - 1`.
//!
//! | module | what it knows |
//! |---|---|
//! | `lex` | a formula's text as tokens |
//! | `parse` | what tokens may follow each other |
//! | `call` | the same within parentheses: which function it is, `poly()` |
//! | `arithmetic` | arithmetic, conditions and functions of numbers |
//! | `category` | `C()` and how levels become columns |
//! | `spline` | `bs()` and `ns()` |
//! | `advice` | what other languages have, and what to write instead |
//! | `syntax` | the right side as written |
//! | `expand` | the products it stands for |
//! | `error` | the message with its caret |

mod advice;
mod arithmetic;
mod call;
pub(crate) mod category;
mod error;
mod expand;
mod lex;
mod parse;
pub(crate) mod spline;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::str::FromStr;

pub use category::{CodedCategory, Contrasts};
pub use error::FormulaError;
pub use spline::Spline;

use crate::expression::{Expr, Name};
use syntax::Node;

/// Bytes that a formula may have, as it is written and as it prints.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Levels of parentheses, signs and exponents that may be nested in each other.
pub(crate) const MAX_DEPTH: usize = 64;

/// Operators that one arithmetic expression may have.
pub(crate) const MAX_OPERATORS: usize = 1_000;

/// Terms that a formula may expand to.
pub(crate) const MAX_TERMS: usize = 10_000;

/// The highest power of a sum of terms.
pub(crate) const MAX_EXPONENT: u32 = 10;

/// The highest degree of a polynomial.
pub(crate) const MAX_DEGREE: u32 = 20;

/// The highest degree of a spline.
pub(crate) const MAX_SPLINE_DEGREE: u32 = 10;

/// Interior knots that a spline may have.
pub(crate) const MAX_KNOTS: usize = 200;

/// Decimal places that a number may be rounded to.
pub(crate) const MAX_PLACES: f64 = 300.0;

/// A formula as it was written: `y ~ (a + b)^2`. It prints in R's way.
///
/// ```
/// use streamreg_core::Formula;
///
/// let formula = Formula::parse("log(y)~(a+.)^2-a:b")?;
/// assert_eq!(formula.to_string(), "log(y) ~ (a + .)^2 - a:b");
///
/// let columns = ["y", "a", "b", "c"].map(String::from);
/// let expansion = formula.expand(&columns)?;
/// assert_eq!(expansion.to_string(), "log(y) ~ a + b + c + a:c + b:c");
/// # Ok::<(), streamreg_core::FormulaError>(())
/// ```
///
/// A formula is `responses ~ terms`, or the terms alone. It is [parsed](Self::parse) without knowing the
/// data, and then [expanded](Self::expand) with the names of the columns, into the list of products that
/// are the terms of the model.
///
/// | written | terms |
/// |---|---|
/// | `a + b` | `a` and `b` |
/// | `a:b` | the product of `a` and `b` |
/// | `a * b` | `a + b + a:b` |
/// | `(a + b + c)^2`, also `**` | all products of up to two of them |
/// | `… - a` | without `a`, which must be there |
/// | `1`, `0`, `-1` | the constant, which is there unless removed by `0` or `- 1` |
/// | `.` | every column of the data that is not in a response |
/// | `a/b` | `a + a:b`, b within a |
/// | `b %in% a` | `a:b` |
/// | `offset(…)` | arithmetic on columns with the coefficient 1 |
/// | `C(a)`, `factor(a)` | a column of numbers taken as categories |
/// | `C(a, Treatment("b"))`, `C(a, Sum)` | the same with a reference level, or with sum contrasts |
/// | `log(…)` and the other [functions](crate::expression::Function) | a function of arithmetic on columns |
/// | `I(…)` | arithmetic on columns; a condition, `I(a > 5)`, is true or false |
/// | `ifelse(a > 5, …, …)` | one number where a condition holds, another where not |
/// | `poly(…, 3)`, `poly(…, 3, raw=TRUE)` | orthogonal or raw polynomials of arithmetic on columns |
/// | `bs(…, knots=c(…), Boundary.knots=c(…))`, `ns(…)` | splines with R's basis |
///
/// The operators bind as in R: `^`, then `:`, then `%in%`, then `*` and `/`, then `+` and `-`. A formula may have
/// several lines; what follows a `#` is a comment. Within `I()`, functions and the
/// first argument of `poly()`, `+ - * / ^` are [arithmetic](Expr). Products are sets: `a:a` is `a`, and `b:a`
/// is the same term as `a:b`. Several responses are joined by `+` or `,`.
///
/// A name consists of letters, digits, `_` and `.`, and begins with a letter, `_`, or `.` and a letter. Other
/// names go in backticks, in which a doubled backtick stands for one.
#[derive(Clone, Debug)]
pub struct Formula {
    /// As it was written, for messages.
    text: String,
    responses: Vec<Factor>,
    right: Node,
}

/// What a formula stands for: a list of terms, sorted by their number of factors. It prints as a formula that
/// stands for the same, unless that has more than [`MAX_LENGTH`] bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Expansion {
    /// What is explained: each a [`Factor::Column`] or a [`Factor::Expr`]. Empty if the formula has only a
    /// right side.
    pub responses: Vec<Factor>,
    /// What explains it, besides the constant.
    pub terms: Vec<Term>,
    /// What is added to it with the coefficient 1.
    pub offsets: Vec<Expr>,
    /// Whether there is a constant.
    pub intercept: bool,
}

/// A product of one or more factors.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    factors: Vec<Factor>,
}

/// What is multiplied in a term.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Factor {
    /// A number or a category, by the type of the column.
    Column(String),
    /// `C(a)`: a category whatever the type of the column.
    Category(String),
    /// `C(a, Sum)`: a category with a coding of its own.
    Coded(CodedCategory),
    /// `ns(a, knots=c(1, 2), Boundary.knots=c(0, 3))`: a spline.
    Spline(Spline),
    /// `poly(a, 3)`: a polynomial.
    Poly {
        /// What is raised to powers.
        argument: Expr,
        /// The highest power, at least 1.
        degree: u32,
        /// Whether its columns are the powers themselves, or orthogonal polynomials.
        raw: bool,
    },
    /// Arithmetic on columns. It prints in `I()` unless it is a function: `log(a)`, `I(a^2)`.
    Expr(Expr),
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// If it is not one, or exceeds a limit of this module. Without a `.` in it, also for what
    /// [`expand`](Self::expand) refuses.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        let formula = parse::formula(text)?;
        if !formula.has_dot() {
            formula.expand(&[])?;
        }
        Ok(formula)
    }

    /// The responses: each a [`Factor::Column`] or a [`Factor::Expr`]. Empty if the formula has only a right
    /// side.
    pub fn responses(&self) -> &[Factor] {
        &self.responses
    }

    /// Whether its terms depend on what columns there are.
    pub fn has_dot(&self) -> bool {
        self.right.has_dot()
    }

    /// The terms that it stands for, if `columns` are those of the data. A `.` stands for all of them that
    /// are not in a response; it is the only part of a formula that looks at them.
    ///
    /// # Errors
    /// For a term that is removed but not there, a constant in a product, more than 10,000 terms, and
    /// if nothing is left.
    pub fn expand(&self, columns: &[String]) -> Result<Expansion, FormulaError> {
        expand::expand(self, columns)
    }
}

impl FromStr for Formula {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        Self::parse(text)
    }
}

/// Two formulas are the same if they print the same, whatever their text.
impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.responses == other.responses && self.right == other.right
    }
}

impl Expansion {
    /// The columns it uses, in order of appearance, each once; those of the responses come first.
    pub fn columns(&self) -> Vec<&str> {
        let factors = self.responses.iter().chain(self.terms.iter().flat_map(Term::factors));
        let of_offsets = self.offsets.iter().flat_map(Expr::columns);
        distinct(factors.flat_map(Factor::columns).chain(of_offsets))
    }
}

impl Term {
    /// What is multiplied: at least one factor, none twice.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// The columns it uses, in order of appearance, each once.
    pub fn columns(&self) -> Vec<&str> {
        distinct(self.factors.iter().flat_map(Factor::columns))
    }
}

impl From<Factor> for Term {
    fn from(factor: Factor) -> Self {
        Self { factors: vec![factor] }
    }
}

impl Factor {
    /// The columns it uses, in order of appearance, each once.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) | Self::Category(name) => vec![name],
            Self::Coded(category) => vec![&category.column],
            Self::Spline(spline) => spline.argument.columns(),
            Self::Poly { argument, .. } => argument.columns(),
            Self::Expr(expression) => expression.columns(),
        }
    }
}

fn distinct<'f>(columns: impl Iterator<Item = &'f str>) -> Vec<&'f str> {
    let mut seen = HashSet::new();
    columns.filter(|name| seen.insert(*name)).collect()
}

impl Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_responses(&self.responses, f)?;
        self.right.fmt(f)
    }
}

impl Display for Expansion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_responses(&self.responses, f)?;
        let constant = match (self.intercept, self.terms.is_empty()) {
            (true, true) => Some("1".to_owned()),
            (true, false) => None,
            (false, _) => Some("0".to_owned()),
        };
        let offsets = self.offsets.iter().map(|offset| format!("offset({offset})"));
        let terms = self.terms.iter().map(Term::to_string);
        let parts: Vec<_> = constant.into_iter().chain(terms).chain(offsets).collect();
        f.write_str(&parts.join(" + "))
    }
}

fn fmt_responses(responses: &[Factor], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, response) in responses.iter().enumerate() {
        write!(f, "{}{response}", if i == 0 { "" } else { " + " })?;
    }
    f.write_str(if responses.is_empty() { "" } else { " ~ " })
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, factor) in self.factors.iter().enumerate() {
            write!(f, "{}{factor}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => Name(name).fmt(f),
            Self::Category(name) => write!(f, "C({})", Name(name)),
            Self::Poly { argument, degree, raw } => {
                write!(f, "poly({argument}, {degree}{})", if *raw { ", raw=TRUE" } else { "" })
            }
            Self::Coded(category) => category.fmt(f),
            Self::Spline(spline) => spline.fmt(f),
            Self::Expr(call @ (Expr::Call(..) | Expr::CallWith(..) | Expr::IfElse(_))) => call.fmt(f),
            Self::Expr(expression) => write!(f, "I({expression})"),
        }
    }
}
