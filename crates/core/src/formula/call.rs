//! What may stand in the parentheses of a call: arithmetic, a column, a degree.

use super::error::{FormulaError, Result, quoted};
use super::lex::{Kind, Token};
use super::parse::Parser;
use super::{Factor, MAX_DEGREE, MAX_OPERATORS};
use crate::expression::{Expr, Function, Operator};

/// What other languages call what is here called something else.
const ADVICE: [(&str, &str); 5] = [
    ("factor", "; write C(x) for categories"),
    ("as.factor", "; write C(x) for categories"),
    ("ln", "; write log(x) for the natural logarithm"),
    ("pow", "; write I(x^2) for a power"),
    ("cbind", "; join several responses by \"+\""),
];

const ARITHMETIC: [(&str, Operator); 4] =
    [("+", Operator::Add), ("-", Operator::Sub), ("*", Operator::Mul), ("/", Operator::Div)];

impl Parser<'_> {
    /// A name and what is in its parentheses.
    pub(super) fn call(&mut self) -> Result<Factor> {
        self.operators = 0;
        let at = self.peek().at;
        let factor = match self.peek().text {
            "C" => self.category()?,
            "poly" => self.polynomial()?,
            "I" => {
                let open = self.open();
                Factor::Expr(self.argument(open, |parser| parser.no_arithmetic_operator("\")\""))?)
            }
            _ => Factor::Expr(self.function()?),
        };
        if factor.columns().is_empty() {
            let factor = quoted(&factor.to_string());
            let message = format!("{factor} is the same in every row: there is no column in it");
            return Err(self.error_at(at, message));
        }
        Ok(factor)
    }

    /// Takes the name and the parenthesis of a call, and returns where the parenthesis is.
    fn open(&mut self) -> usize {
        self.advance();
        let open = self.peek().at;
        self.advance();
        open
    }

    fn category(&mut self) -> Result<Factor> {
        let open = self.open();
        let name = match self.peek_call() {
            (Token { kind: Kind::Name, text, .. }, false) => text.to_owned(),
            (Token { kind: Kind::Quoted(name), .. }, _) => name,
            _ => return Err(self.missing("C() takes the name of a column", "")),
        };
        self.advance();
        self.close(open, |parser| parser.missing("C() takes the name of a column and nothing else", ""))?;
        Ok(Factor::Category(name))
    }

    fn polynomial(&mut self) -> Result<Factor> {
        let open = self.open();
        let argument = self.nested(Self::expression)?;
        if self.peek().is(")") {
            return Err(self.error("poly() lacks its degree, as in poly(x, 2)"));
        }
        self.take_within(",", open, |parser| parser.no_arithmetic_operator("\",\""))?;
        let degree = self.whole_number("the degree of poly()", MAX_DEGREE, "")?;
        let raw = self.take(",") && self.raw()?;
        self.close(open, |parser| parser.missing("expected \")\" or \", raw=TRUE\"", ""))?;
        Ok(Factor::Poly { argument, degree, raw })
    }

    /// `raw=TRUE`
    fn raw(&mut self) -> Result<bool> {
        let expected = "poly() takes an expression, a degree, and raw=TRUE or raw=FALSE";
        for token in ["raw", "="] {
            if self.peek().text != token {
                return Err(self.missing(expected, ""));
            }
            self.advance();
        }
        let raw = match self.peek().text {
            "TRUE" | "True" | "true" => true,
            "FALSE" | "False" | "false" => false,
            _ => return Err(self.missing(expected, "")),
        };
        self.advance();
        Ok(raw)
    }

    fn function(&mut self) -> Result<Expr> {
        let name = self.peek().text;
        let Some(function) = Function::named(name) else {
            return Err(self.unknown_function(name));
        };
        let open = self.open();
        let argument = self.argument(open, |parser| match function {
            _ if !parser.peek().is(",") => parser.no_arithmetic_operator("\")\""),
            Function::Log => parser.error("log() takes one argument; log2() and log10() have other bases"),
            _ => parser.error(format!("{function}() takes one argument")),
        })?;
        Ok(Expr::Call(function, Box::new(argument)))
    }

    /// An expression and the parenthesis that closes the one at `open`.
    fn argument(&mut self, open: usize, or_else: impl FnOnce(&Self) -> FormulaError) -> Result<Expr> {
        let argument = self.nested(Self::expression)?;
        self.close(open, or_else)?;
        Ok(argument)
    }

    /// `a + b`
    fn expression(&mut self) -> Result<Expr> {
        self.chain_of(&ARITHMETIC[..2], |parser| parser.chain_of(&ARITHMETIC[2..], Self::signed))
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

    /// Long chains are deep trees: their number of operators is limited as the depth of parentheses is.
    fn binary(&mut self, operator: Operator, left: Expr, right: Expr) -> Result<Expr> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(self.error(format!("more than {MAX_OPERATORS} operators in one expression")));
        }
        Ok(Expr::Binary(operator, Box::new(left), Box::new(right)))
    }

    /// `-a`, and `+a`, which is `a`.
    fn signed(&mut self) -> Result<Expr> {
        if self.take("-") {
            Ok(Expr::Negate(Box::new(self.nested(Self::signed)?)))
        } else if self.take("+") {
            self.nested(Self::signed)
        } else {
            self.arithmetic_power()
        }
    }

    /// `a^b`, which groups from the right. Its exponent may have a sign.
    fn arithmetic_power(&mut self) -> Result<Expr> {
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

    fn no_arithmetic_operator(&self, or: &str) -> FormulaError {
        self.missing(&format!("expected an operator (+ - * / ^) or {or}"), "")
    }

    fn unknown_function(&self, name: &str) -> FormulaError {
        let functions = Function::ALL.map(Function::name).join(", ");
        let advice = ADVICE.iter().find(|(other, _)| *other == name).map_or("", |(_, advice)| advice);
        self.error(match name {
            "C" | "I" | "poly" => {
                format!("{name}() cannot be part of arithmetic; the functions there are {functions}")
            }
            _ => {
                let name = quoted(name);
                format!("there is no function {name}(); there are {functions}, C, I and poly{advice}")
            }
        })
    }
}
