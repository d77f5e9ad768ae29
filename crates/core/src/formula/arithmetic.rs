//! What stands in parentheses: arithmetic, conditions, functions.

use super::advice::{refused, without_module};
use super::error::{FormulaError, Result, quoted};
use super::lex::{Kind, Token};
use super::parse::Parser;
use super::{MAX_OPERATORS, MAX_PLACES};
use crate::expression::{Expr, Function, NumberFunction, Operator};

/// The operators that group from the left, from the loosest to the tightest; `!` binds less tightly than comparisons.
const JUNCTIONS: [(&str, Operator); 2] = [("|", Operator::Or), ("&", Operator::And)];
const SUMS: [(&str, Operator); 2] = [("+", Operator::Add), ("-", Operator::Sub)];
const PRODUCTS: [(&str, Operator); 2] = [("*", Operator::Mul), ("/", Operator::Div)];

const COMPARISONS: [(&str, Operator); 6] = [
    ("<", Operator::Less),
    ("<=", Operator::AtMost),
    (">", Operator::Greater),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
];

/// The number up to which every whole one has a float64.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Parser<'_> {
    /// `a > 5 | b == 2`, `a + b`
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.chain_of(&JUNCTIONS[..1], |parser| parser.chain_of(&JUNCTIONS[1..], Self::not))
    }

    /// `!a`
    fn not(&mut self) -> Result<Expr> {
        if !self.take("!") {
            return self.comparison();
        }
        self.count_operator()?;
        Ok(Expr::Not(Box::new(self.nested(Self::not)?)))
    }

    /// `a > b`. Comparisons do not group.
    fn comparison(&mut self) -> Result<Expr> {
        let left = self.sum_of_numbers()?;
        let Some(&(symbol, operator)) = COMPARISONS.iter().find(|(symbol, _)| self.peek().is(symbol)) else {
            return Ok(left);
        };
        self.take(symbol);
        if let Kind::Text(text) = &self.peek().kind {
            let text = quoted(text).replace('\'', "''");
            let message =
                format!("a formula compares numbers; --with \"NAME = COLUMN = '{text}'\" compares text");
            return Err(self.error(message));
        }
        let right = self.sum_of_numbers()?;
        if COMPARISONS.iter().any(|(symbol, _)| self.peek().is(symbol)) {
            return Err(self.error("comparisons are joined by & and |: a < b & b < c"));
        }
        let inexact = |side: &Expr| matches!(side, Expr::Number(x) if *x >= MAX_EXACT);
        if inexact(&left) || inexact(&right) {
            let message =
                "numbers beyond 2^53 are not exact as float64; compare such a column by SQL, in --with";
            return Err(self.error(message));
        }
        self.binary(operator, left, right)
    }

    /// `a + b`
    fn sum_of_numbers(&mut self) -> Result<Expr> {
        self.chain_of(&SUMS, |parser| parser.chain_of(&PRODUCTS, Self::signed))
    }

    fn chain_of(
        &mut self,
        operators: &[(&str, Operator)],
        operand: impl Fn(&mut Self) -> Result<Expr>,
    ) -> Result<Expr> {
        let mut left = operand(self)?;
        while let Some(&(symbol, operator)) = operators.iter().find(|(symbol, _)| self.peek().is(symbol)) {
            self.take(symbol);
            let right = operand(self)?;
            left = self.binary(operator, left, right)?;
        }
        Ok(left)
    }

    fn binary(&mut self, operator: Operator, left: Expr, right: Expr) -> Result<Expr> {
        self.count_operator()?;
        Ok(Expr::Binary(operator, Box::new(left), Box::new(right)))
    }

    /// Long chains are deep trees: their number of operators is limited as the depth of parentheses is.
    fn count_operator(&mut self) -> Result<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(self.error(format!("more than {MAX_OPERATORS} operators in one expression")));
        }
        Ok(())
    }

    /// `-a`, and `+a`, which is `a`.
    fn signed(&mut self) -> Result<Expr> {
        if self.take("-") {
            Ok(Expr::Negate(Box::new(self.nested(Self::signed)?)))
        } else if self.take("+") {
            self.nested(Self::signed)
        } else {
            self.power_of_numbers()
        }
    }

    /// `a^b`, which groups from the right. Its exponent may have a sign.
    fn power_of_numbers(&mut self) -> Result<Expr> {
        let base = self.operand()?;
        if !self.take_power() {
            return Ok(base);
        }
        let exponent = self.nested(Self::signed)?;
        self.binary(Operator::Pow, base, exponent)
    }

    fn operand(&mut self) -> Result<Expr> {
        let (token, opens) = self.peek_call();
        let operand = match token.kind {
            Kind::Name if opens => return self.function(),
            Kind::Name => Expr::Column(token.text.into()),
            Kind::Quoted(name) => Expr::Column(name),
            Kind::Number(x) => Expr::Number(x),
            _ if self.take("(") => {
                return self.argument(token.at, |parser| parser.no_arithmetic_operator("\")\""));
            }
            _ => return Err(self.no_operand("a column, a number or a function")),
        };
        self.advance();
        Ok(operand)
    }

    /// A function of numbers and what is in its parentheses.
    pub(super) fn function(&mut self) -> Result<Expr> {
        let name = self.peek().text;
        if name == "ifelse" {
            return self.choice();
        }
        let Some(function) = Function::named(name) else {
            return Err(self.unknown_function(name));
        };
        let open = self.open();
        let argument = self.nested(Self::expression)?;
        if let Some(of_number) = of_number(function)
            && self.take(",")
        {
            let number = self.number_of(of_number)?;
            self.close(open, |parser| parser.missing("expected \")\"", ""))?;
            return Ok(Expr::CallWith(of_number, Box::new(argument), number));
        }
        self.close(open, |parser| match parser.peek().is(",") {
            true => parser.error(format!("{function}() takes one argument")),
            false => parser.no_arithmetic_operator("\")\""),
        })?;
        Ok(Expr::Call(function, Box::new(argument)))
    }

    /// The base of a logarithm, or the places that a number is rounded to.
    fn number_of(&mut self, function: NumberFunction) -> Result<f64> {
        let log = function == NumberFunction::Log;
        let _ = self.take_argument(if log { "base" } else { "digits" });
        let negative = !log && self.take("-");
        let Kind::Number(x) = self.peek().kind else {
            let what =
                if log { "the base of log() is a number" } else { "the places of round() are a number" };
            return Err(self.missing(what, ""));
        };
        if log && (x <= 0.0 || x == 1.0) {
            return Err(self.error("the base of log() is positive, and not 1"));
        }
        if !log && (x.fract() != 0.0 || x > MAX_PLACES) {
            return Err(self.error(format!("round() takes a whole number of places, up to {MAX_PLACES}")));
        }
        self.advance();
        Ok(if negative && x != 0.0 { -x } else { x })
    }

    /// `ifelse(a > 5, b, c)`
    fn choice(&mut self) -> Result<Expr> {
        let open = self.open();
        let mut parts = Vec::with_capacity(3);
        loop {
            parts.push(self.nested(Self::expression)?);
            if parts.len() == 3 || !self.take(",") {
                break;
            }
        }
        let expected = "ifelse() takes a condition, the number where it holds, and the number where not";
        self.close(open, |parser| parser.missing(expected, ""))?;
        self.count_operator()?;
        match <[Expr; 3]>::try_from(parts) {
            Ok(parts) => Ok(Expr::IfElse(Box::new(parts))),
            Err(_) => Err(self.error_at(open, expected)),
        }
    }

    /// An expression and the parenthesis that closes the one at `open`.
    pub(super) fn argument(
        &mut self,
        open: usize,
        or_else: impl FnOnce(&Self) -> FormulaError,
    ) -> Result<Expr> {
        let argument = self.nested(Self::expression)?;
        self.close(open, or_else)?;
        Ok(argument)
    }

    pub(super) fn no_arithmetic_operator(&self, or: &str) -> FormulaError {
        match self.peek() {
            Token { text: "%", .. } => self
                .error("there is no operator with %; write x - 2 * floor(x/2) for the remainder of x by 2"),
            Token { text: "&&" | "||", .. } => self.error("conditions are joined row by row, by & and |"),
            Token { text: "=", .. } => self.error("\"=\" compares nothing; write == for equal numbers"),
            _ => self.missing(&format!("expected an operator (+ - * / ^) or {or}"), ""),
        }
    }

    /// The error for a function that is known and not there.
    pub(super) fn refused_call(&self, name: &str) -> Option<FormulaError> {
        Some(self.error(format!("{name}() {}", refused(name)?)))
    }

    fn unknown_function(&self, name: &str) -> FormulaError {
        if let Some(error) = self.refused_call(name) {
            return error;
        }
        if let Some(function) = without_module(name) {
            return self.error(format!("there is no function {}(); write {function}()", quoted(name)));
        }
        let functions = Function::ALL.map(Function::name).join(", ");
        self.error(match name {
            "C" | "factor" | "as.factor" | "I" | "poly" | "bs" | "ns" | "relevel" => {
                format!("{name}() cannot be part of arithmetic; the functions there are {functions}, ifelse")
            }
            _ => {
                let name = quoted(name);
                format!("there is no function {name}(); there are {functions}, ifelse, C, I, poly, bs, ns and offset")
            }
        })
    }

    /// Whether a sign of conditions comes next.
    pub(super) fn is_condition(&self) -> bool {
        let symbols = COMPARISONS.iter().map(|(symbol, _)| *symbol).chain(["!", "&"]);
        symbols.into_iter().any(|symbol| self.peek().is(symbol))
    }
}

/// The function of the same name that takes a number besides.
fn of_number(function: Function) -> Option<NumberFunction> {
    match function {
        Function::Log => Some(NumberFunction::Log),
        Function::Round => Some(NumberFunction::Round),
        _ => None,
    }
}
