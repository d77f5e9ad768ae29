//! Calls among the terms: which function it is, and the arguments that several have.

use super::error::{FormulaError, Result, quoted};
use super::lex::Kind;
use super::parse::Parser;
use super::{Factor, MAX_DEGREE};
use crate::expression::Expr;

impl Parser<'_> {
    /// A name and what is in its parentheses.
    pub(super) fn call(&mut self) -> Result<Factor> {
        self.operators = 0;
        let at = self.peek().at;
        let factor = match self.peek().text {
            "C" | "factor" | "as.factor" => self.category()?,
            "relevel" => self.relevel()?,
            "poly" => self.polynomial()?,
            "bs" | "ns" => self.spline()?,
            "I" => Factor::Expr(self.in_parentheses()?),
            _ => Factor::Expr(self.function()?),
        };
        self.check_columns(&factor.columns(), &factor.to_string(), at)?;
        Ok(factor)
    }

    /// The expression of `offset(…)`.
    pub(super) fn offset(&mut self) -> Result<Expr> {
        self.operators = 0;
        let at = self.peek().at;
        let offset = self.in_parentheses()?;
        self.check_columns(&offset.columns(), &format!("offset({offset})"), at)?;
        Ok(offset)
    }

    /// A name, and the expression in its parentheses.
    fn in_parentheses(&mut self) -> Result<Expr> {
        let open = self.open();
        self.argument(open, |parser| parser.no_arithmetic_operator("\")\""))
    }

    fn check_columns(&self, columns: &[&str], printed: &str, at: usize) -> Result<()> {
        if !columns.is_empty() {
            return Ok(());
        }
        let message = format!("{} is the same in every row: there is no column in it", quoted(printed));
        Err(self.error_at(at, message))
    }

    /// Takes the name and the parenthesis of a call, and returns where the parenthesis is.
    pub(super) fn open(&mut self) -> usize {
        self.advance();
        let open = self.peek().at;
        self.advance();
        open
    }

    fn polynomial(&mut self) -> Result<Factor> {
        let open = self.open();
        let argument = self.nested(Self::expression)?;
        let (mut degree, mut raw) = (None, None);
        while self.take(",") {
            if raw.is_none() && self.take_argument("raw") {
                raw = Some(self.truth("raw")?);
            } else if degree.is_none() && (self.take_argument("degree") || self.next_argument().is_none()) {
                degree = Some(self.whole_number("the degree of poly()", MAX_DEGREE, "")?);
            } else {
                return Err(self.no_argument_of_poly());
            }
        }
        if degree.is_none() && self.peek().is(")") {
            return Err(self.error("poly() lacks its degree, as in poly(x, 2)"));
        }
        let expected = if degree.is_some() { "\")\" or \", raw=TRUE\"" } else { "\",\"" };
        self.close(open, |parser| match degree {
            Some(_) => parser.missing(&format!("expected {expected}"), ""),
            None => parser.no_arithmetic_operator(expected),
        })?;
        // Without a degree the parenthesis is not closed here.
        let degree = degree.ok_or_else(|| self.no_argument_of_poly())?;
        Ok(Factor::Poly { argument, degree, raw: raw.unwrap_or(false) })
    }

    fn no_argument_of_poly(&self) -> FormulaError {
        self.missing("poly() takes an expression, a degree, and raw=TRUE or raw=FALSE", "")
    }

    /// `TRUE` or `FALSE`, of an argument.
    pub(super) fn truth(&mut self, argument: &str) -> Result<bool> {
        let truth = match self.peek().text {
            "TRUE" | "True" | "true" | "T" => true,
            "FALSE" | "False" | "false" | "F" => false,
            _ => return Err(self.missing(&format!("{argument}= is TRUE or FALSE"), "")),
        };
        self.advance();
        Ok(truth)
    }

    /// The name of the argument that comes next, as in `degree=2`.
    pub(super) fn next_argument(&self) -> Option<&str> {
        let token = self.peek();
        (token.kind == Kind::Name && self.is_next_but_one("=")).then_some(token.text)
    }

    /// Takes `name=`.
    pub(super) fn take_argument(&mut self, name: &str) -> bool {
        let found = self.next_argument() == Some(name);
        if found {
            self.advance();
            self.advance();
        }
        found
    }
}
