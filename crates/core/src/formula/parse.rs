//! What tokens may follow each other: responses, terms and their operators.
//!
//! One function for each level of precedence, from the loosest to the tightest. What stands in the
//! parentheses of a call is in `call`.

use std::collections::HashSet;

use super::advice::{CONDITION, FIXED_EFFECT, RANDOM_EFFECT, option_instead};
use super::error::{FormulaError, Result, quoted};
use super::lex::{self, Token, tokens};
use super::syntax::{Kind, Node, Sign};
use super::{Factor, Formula, MAX_DEPTH, MAX_EXPONENT, MAX_LENGTH};

/// Reads a formula, without a look at what it stands for.
pub(super) fn formula(text: &str) -> Result<Formula> {
    check_length(text, text.len())?;
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0, operators: 0 };
    let responses = if parser.has_tilde() { parser.responses()? } else { Vec::new() };
    let right = parser.sum()?;
    if parser.peek().kind != lex::Kind::End {
        return Err(parser.no_term_operator());
    }
    let formula = Formula { text: text.into(), responses, right };
    // With its blanks it may be longer, and must still be read.
    check_length(text, formula.to_string().len())?;
    Ok(formula)
}

fn check_length(text: &str, length: usize) -> Result<()> {
    let message = || format!("the formula has {length} bytes, more than the {MAX_LENGTH} it may have");
    if length > MAX_LENGTH { Err(FormulaError::new(text, 0, message())) } else { Ok(()) }
}

/// Stands where no token is left to look at.
const END: Token<'static> = Token { kind: lex::Kind::End, text: "", at: 0 };

pub(super) struct Parser<'t> {
    text: &'t str,
    /// The last is the end.
    tokens: Vec<Token<'t>>,
    next: usize,
    depth: usize,
    /// Of the arithmetic expression that is being read.
    pub(super) operators: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn peek(&self) -> &Token<'t> {
        self.tokens.get(self.next).unwrap_or(&END)
    }

    /// The next token, and whether the one after it opens a parenthesis.
    pub(super) fn peek_call(&self) -> (Token<'t>, bool) {
        let opens = self.tokens.get(self.next + 1).is_some_and(|token| token.is("("));
        (self.peek().clone(), opens)
    }

    /// Whether the token after the next one is this symbol.
    pub(super) fn is_next_but_one(&self, symbol: &str) -> bool {
        self.tokens.get(self.next + 1).is_some_and(|token| token.is(symbol))
    }

    /// The error for an argument of another language behind the comma that comes next: `, name=`.
    fn refused_option(&self) -> Option<FormulaError> {
        let [comma, name, equals] = self.tokens.get(self.next..self.next + 3)? else { return None };
        let found = comma.is(",") && name.kind == lex::Kind::Name && equals.is("=");
        let option = option_instead(name.text).filter(|_| found)?;
        Some(self.error_at(name.at, format!("{}= is no part of a formula; write {option}", name.text)))
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = self.peek().is(symbol);
        self.next += usize::from(found);
        found
    }

    pub(super) fn take_power(&mut self) -> bool {
        self.take("^") || self.take("**")
    }

    fn has_tilde(&self) -> bool {
        self.tokens.iter().any(|token| token.is("~"))
    }

    /// Reads something that may contain itself.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Takes the parenthesis that closes the one at `open`. `or_else` says what is wrong with another token.
    pub(super) fn close(&mut self, open: usize, or_else: impl FnOnce(&Self) -> FormulaError) -> Result<()> {
        self.take_within(")", open, or_else)
    }

    /// Takes a symbol that must follow within the parenthesis at `open`.
    pub(super) fn take_within(
        &mut self,
        symbol: &str,
        open: usize,
        or_else: impl FnOnce(&Self) -> FormulaError,
    ) -> Result<()> {
        if self.take(symbol) {
            Ok(())
        } else if self.peek().kind == lex::Kind::End {
            Err(self.error_at(open, "this \"(\" is never closed"))
        } else {
            Err(or_else(self))
        }
    }

    fn responses(&mut self) -> Result<Vec<Factor>> {
        let (mut responses, mut seen) = (Vec::new(), HashSet::new());
        if self.take("~") {
            return Ok(responses);
        }
        loop {
            let at = self.peek().at;
            for response in self.bound_responses()? {
                if !seen.insert(response.to_string()) {
                    return Err(self.error_at(at, "this response is named twice"));
                }
                responses.push(response);
            }
            if self.take("~") {
                return Ok(responses);
            }
            if !(self.take("+") || self.take(",")) {
                let expected = "\"~\", \"+\" or \",\" after the response";
                return Err(self.missing(&format!("expected {expected}"), "; arithmetic goes inside I()"));
            }
        }
    }

    /// A response, or those of R's `cbind(y, z)`.
    fn bound_responses(&mut self) -> Result<Vec<Factor>> {
        if !(self.peek().text == "cbind" && self.is_next_but_one("(")) {
            return Ok(vec![self.response()?]);
        }
        let open = self.open();
        let mut responses = vec![self.response()?];
        while self.take(",") {
            responses.push(self.response()?);
        }
        self.close(open, |parser| parser.missing("expected \",\" or \")\"", ""))?;
        Ok(responses)
    }

    fn response(&mut self) -> Result<Factor> {
        let at = self.peek().at;
        let response = self.factor("a response")?;
        let message = match response {
            Factor::Column(_) | Factor::Expr(_) => return Ok(response),
            Factor::Category(_) | Factor::Coded(_) => "a response is a number, it cannot be a category",
            Factor::Poly { .. } => {
                "a response is one column, it cannot be a polynomial; write I(x^2) for a power"
            }
            Factor::Spline(_) => "a response is one column, it cannot be a spline",
        };
        Err(self.error_at(at, message))
    }

    /// `a + b - c`
    fn sum(&mut self) -> Result<Node> {
        let at = self.peek().at;
        let mut parts = Vec::new();
        let mut sign = self.sign().unwrap_or(Sign::Plus);
        loop {
            parts.push((sign, self.cross()?));
            let Some(next) = self.sign() else {
                return Ok(Node { kind: Kind::sum(parts), at });
            };
            sign = next;
        }
    }

    /// `+ -1` is found in formulas, for `- 1`.
    fn sign(&mut self) -> Option<Sign> {
        let plus = self.take("+");
        match (plus, self.take("-")) {
            (_, true) => Some(Sign::Minus),
            (true, false) => Some(Sign::Plus),
            (false, false) => None,
        }
    }

    /// `a * b` and `a/b`, which group from the left.
    fn cross(&mut self) -> Result<Node> {
        let mut left = self.within()?;
        let at = left.at;
        loop {
            if self.take("*") {
                let right = self.within()?;
                left = Node { kind: Kind::cross(vec![left, right]), at };
            } else if self.take("/") {
                let right = self.within()?;
                left = Node { kind: Kind::Nested(Box::new([left, right])), at };
            } else {
                return Ok(left);
            }
        }
    }

    /// `a %in% b`
    fn within(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        let at = left.at;
        while self.take("%in%") {
            let right = self.product()?;
            left = Node { kind: Kind::In(Box::new([left, right])), at };
        }
        Ok(left)
    }

    /// `a:b`
    fn product(&mut self) -> Result<Node> {
        let first = self.power()?;
        if !self.peek().is(":") {
            return Ok(first);
        }
        let at = first.at;
        let mut operands = vec![first];
        while self.take(":") {
            operands.push(self.power()?);
        }
        Ok(Node { kind: Kind::product(operands), at })
    }

    /// `(a + b)^2`
    fn power(&mut self) -> Result<Node> {
        let base = self.term()?;
        if !self.take_power() {
            return Ok(base);
        }
        let at = base.at;
        let exponent =
            self.whole_number("the exponent of terms", MAX_EXPONENT, "; arithmetic goes inside I()")?;
        Ok(Node { kind: Kind::Power(Box::new(base), exponent), at })
    }

    /// Takes a whole number from 1 to `highest`.
    pub(super) fn whole_number(&mut self, what: &str, highest: u32, advice: &str) -> Result<u32> {
        let number = match self.peek().kind {
            lex::Kind::Number(x) => (1..=highest).find(|&n| f64::from(n) == x),
            _ => None,
        };
        if number.is_some() {
            self.advance();
        }
        number.ok_or_else(|| self.missing(&format!("{what} is a whole number from 1 to {highest}"), advice))
    }

    fn term(&mut self) -> Result<Node> {
        let Token { kind, text, at } = self.peek().clone();
        let kind = match kind {
            lex::Kind::Number(x) if x == 0.0 || x == 1.0 => {
                self.advance();
                Kind::Constant(x == 1.0)
            }
            lex::Kind::Number(_) => {
                let number = quoted(text);
                let message = format!(
                    "a term cannot be the number {number}, only 0 or 1; if it is a column, its name goes in backticks: \
                     `{number}`; write I({number} * x) for arithmetic"
                );
                return Err(self.error(message));
            }
            _ if self.take("(") => self.group(at)?,
            _ if self.take(".") => Kind::Dot,
            lex::Kind::Name if text == "offset" && self.is_next_but_one("(") => Kind::Offset(self.offset()?),
            _ => Kind::Factor(self.factor("a term")?),
        };
        Ok(Node { kind, at })
    }

    /// The rest of a sum in parentheses.
    fn group(&mut self, open: usize) -> Result<Kind> {
        let inner = self.nested(Self::sum)?;
        self.close(open, |parser| match parser.peek().text {
            "|" | "||" => parser.error(RANDOM_EFFECT),
            _ => parser.no_term_operator(),
        })?;
        Ok(inner.kind)
    }

    fn factor(&mut self, what: &str) -> Result<Factor> {
        let (token, opens) = self.peek_call();
        match token.kind {
            lex::Kind::Name if opens => self.call(),
            lex::Kind::Name => {
                self.advance();
                Ok(Factor::Column(token.text.into()))
            }
            lex::Kind::Quoted(name) => {
                self.advance();
                Ok(Factor::Column(name))
            }
            _ => Err(self.no_operand(what)),
        }
    }
}

/// Errors at the next token.
impl Parser<'_> {
    pub(super) fn error(&self, message: impl Into<String>) -> FormulaError {
        self.error_at(self.peek().at, message)
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, at, message)
    }

    /// A message of what should be here, then what is here, then advice.
    pub(super) fn missing(&self, message: &str, advice: &str) -> FormulaError {
        let token = self.peek();
        if token.is_quotation_mark() {
            return self.error("names are not put in quotes but, if need be, in backticks: `net income`");
        }
        let found = match &token.kind {
            lex::Kind::End => String::new(),
            lex::Kind::Quoted(_) => format!(", found {}", quoted(token.text)),
            _ => format!(", found `{}`", quoted(token.text)),
        };
        self.error(format!("{message}{found}{advice}"))
    }

    /// Something else stands where a term, a response or a number should.
    pub(super) fn no_operand(&self, what: &str) -> FormulaError {
        let before = self.next.checked_sub(1).and_then(|i| self.tokens.get(i));
        match before {
            None if self.peek().kind == lex::Kind::End => {
                self.error("the formula is empty; write it like \"y ~ a + b\"")
            }
            None => self.missing(&format!("expected {what}"), ""),
            Some(before) => self.missing(&format!("expected {what} after \"{}\"", quoted(before.text)), ""),
        }
    }

    /// Something else stands where terms should be joined or end.
    fn no_term_operator(&self) -> FormulaError {
        let token = self.peek();
        match token.text {
            ")" => self.error("this \")\" closes nothing"),
            "~" => self.error("this is a second \"~\"; responses are joined by \"+\""),
            "," => self.refused_option().unwrap_or_else(|| self.error("terms are joined by \"+\"")),
            "|" => self.error(FIXED_EFFECT),
            "=" | "==" if !self.has_tilde() => {
                self.error("\"~\" stands between the response and the terms, as in \"y ~ x\"")
            }
            _ if self.is_condition() => self.error(CONDITION),
            _ => self.missing("expected an operator between terms (+ - : * /)", ""),
        }
    }
}
