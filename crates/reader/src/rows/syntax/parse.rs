//! From tokens to a tree, by precedence climbing: an operator takes what binds closer than itself.
//!
//! From loose to close: `OR`; `AND`; `NOT`; `IS`; comparisons; `IN`, `BETWEEN`, `LIKE`; `||`, `~`; `+`, `-`; `*`, `/`,
//! `//`, `%`; `^`, `**`; `AT TIME ZONE`; signs; `::`.

use super::lex::{Kind, Token, tokens};
use super::{Expr, Is, Operator, Syntax, Text, TypeName};
use crate::error::{Error, ErrorKind, Result};
use crate::predicate::Comparison;

/// Most operators and parentheses of an expression: they may nest, and everything that walks a tree goes as deep.
const MAX_OPERATORS: usize = 1_000;

const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARISON: u8 = 5;
const MEMBER: u8 = 6;
const ZONE: u8 = 11;
const SIGN: u8 = 12;

/// Words that are no columns unless they are quoted.
const RESERVED: [&str; 22] = [
    "and", "or", "not", "is", "in", "between", "like", "ilike", "case", "when", "then", "else", "end",
    "null", "true", "false", "cast", "try_cast", "from", "for", "escape", "distinct",
];

pub(super) fn parse(text: Text<'_>) -> Result<Expr> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, operators: 0 };
    let expr = parser.expression(0)?;
    match &parser.peek().kind {
        Kind::End => Ok(expr),
        other => Err(parser.unexpected(&other.shown())),
    }
}

struct Parser<'t> {
    text: Text<'t>,
    tokens: Vec<Token>,
    next: usize,
    operators: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn at(&self) -> usize {
        self.peek().at
    }

    fn unexpected(&self, found: &str) -> Error {
        self.text.error(self.at(), format!("{found} is not expected here"))
    }

    fn expected(&self, what: &str) -> Error {
        self.text.error(self.at(), format!("expected {what}, found {}", self.peek().kind.shown()))
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(&self.peek().kind, Kind::Sign(found) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.next += usize::from(found);
        found
    }

    /// Whether the token so many behind the next one is this word.
    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.next + ahead).map(|t| &t.kind), Some(Kind::Word(found, _)) if found == word)
    }

    fn is_sign(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.tokens.get(self.next + ahead).map(|t| &t.kind), Some(Kind::Sign(found)) if *found == sign)
    }

    fn need_sign(&mut self, sign: &str) -> Result<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(&format!("{sign:?}"))) }
    }

    fn need_word(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.expected(&word.to_uppercase())) }
    }

    /// Counts what may nest.
    fn count(&mut self) -> Result<()> {
        self.operators += 1;
        if self.operators <= MAX_OPERATORS {
            return Ok(());
        }
        let message = format!("an expression of more than {MAX_OPERATORS} operators is beyond the limit");
        Err(Error::new(ErrorKind::Limit, message)
            .with_help("a column is compared with many values by IN (…)"))
    }

    /// An expression of operators that bind at least as close as `least`.
    fn expression(&mut self, least: u8) -> Result<Expr> {
        let mut left = self.prefix()?;
        loop {
            left = match self.behind(left, least)? {
                Ok(longer) => longer,
                Err(whole) => return Ok(whole),
            };
        }
    }

    /// `left` with the operator behind it, or as it is where none follows.
    fn behind(&mut self, left: Expr, least: u8) -> Result<std::result::Result<Expr, Expr>> {
        let at = left.at;
        let bound = |closeness: u8| closeness >= least;
        if let Some((operator, closeness)) = self.operator() {
            if !bound(closeness) {
                return Ok(Err(left));
            }
            self.count()?;
            self.next += 1;
            let right = self.expression(closeness + 1)?;
            return Ok(Ok(Expr::new(at, Syntax::Binary(operator, Box::new([left, right])))));
        }
        if bound(IS) && (self.is_word(0, "is") || self.is_word(0, "isnull") || self.is_word(0, "notnull")) {
            self.count()?;
            return self.is(left).map(Ok);
        }
        let not = usize::from(self.is_word(0, "not"));
        let member = ["in", "between", "like", "ilike"].iter().any(|word| self.is_word(not, word));
        if bound(MEMBER) && member {
            self.count()?;
            self.next += not;
            let member = self.member(left)?;
            return Ok(Ok(if not == 1 { Expr::new(at, Syntax::Not(Box::new(member))) } else { member }));
        }
        if bound(MEMBER + 1) && (self.is_sign(0, "!~") || self.is_sign(0, "!~*")) {
            self.count()?;
            let folds_case = self.is_sign(0, "!~*");
            self.next += 1;
            let both = Box::new([left, self.expression(MEMBER + 2)?]);
            let matches = Expr::new(at, Syntax::Binary(Operator::Matches { folds_case }, both));
            return Ok(Ok(Expr::new(at, Syntax::Not(Box::new(matches)))));
        }
        if bound(ZONE) && self.is_word(0, "at") && self.is_word(1, "time") && self.is_word(2, "zone") {
            self.count()?;
            self.next += 3;
            let zone = self.expression(ZONE + 1)?;
            return Ok(Ok(Expr::new(at, Syntax::AtTimeZone(Box::new([left, zone])))));
        }
        if self.sign("::") {
            self.count()?;
            let target = self.type_name()?;
            return Ok(Ok(Expr::new(at, Syntax::Cast { of: Box::new(left), target, lenient: false })));
        }
        Ok(Err(left))
    }

    /// The operator that comes next, and how close it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        use Operator as O;
        let (operator, closeness) = match &self.peek().kind {
            Kind::Word(word, _) if word == "or" => (O::Or, 1),
            Kind::Word(word, _) if word == "and" => (O::And, 2),
            Kind::Sign(sign) => match *sign {
                "=" | "==" => (O::Compare(Comparison::Equal), COMPARISON),
                "<>" | "!=" => (O::Compare(Comparison::NotEqual), COMPARISON),
                "<" => (O::Compare(Comparison::Less), COMPARISON),
                "<=" => (O::Compare(Comparison::LessOrEqual), COMPARISON),
                ">" => (O::Compare(Comparison::Greater), COMPARISON),
                ">=" => (O::Compare(Comparison::GreaterOrEqual), COMPARISON),
                "||" => (O::Concat, MEMBER + 1),
                "~" => (O::Matches { folds_case: false }, MEMBER + 1),
                "~*" => (O::Matches { folds_case: true }, MEMBER + 1),
                "+" => (O::Plus, 8),
                "-" => (O::Minus, 8),
                "*" => (O::Times, 9),
                "/" => (O::Divide, 9),
                "//" => (O::WholeDivide, 9),
                "%" => (O::Remainder, 9),
                "^" | "**" => (O::Power, 10),
                _ => return None,
            },
            _ => return None,
        };
        Some((operator, closeness))
    }

    /// `IS [NOT] NULL`, `TRUE`, `FALSE`, `UNKNOWN`, `DISTINCT FROM`
    fn is(&mut self, left: Expr) -> Result<Expr> {
        let at = left.at;
        let of_null = |left: Expr| Expr::new(at, Syntax::Is { what: Is::Null, of: Box::new(left) });
        if self.word("isnull") {
            return Ok(of_null(left));
        }
        if self.word("notnull") {
            return Ok(Expr::new(at, Syntax::Not(Box::new(of_null(left)))));
        }
        self.next += 1;
        let not = self.word("not");
        let what = if self.word("distinct") {
            self.need_word("from")?;
            let both = Box::new([left, self.expression(COMPARISON)?]);
            Expr::new(at, Syntax::Distinct(both))
        } else {
            let words =
                [("null", Is::Null), ("unknown", Is::Unknown), ("true", Is::True), ("false", Is::False)];
            let Some((_, what)) = words.into_iter().find(|(word, _)| self.word(word)) else {
                return Err(self.expected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM"));
            };
            Expr::new(at, Syntax::Is { what, of: Box::new(left) })
        };
        Ok(if not { Expr::new(at, Syntax::Not(Box::new(what))) } else { what })
    }

    /// `IN (…)`, `BETWEEN … AND …`, `LIKE …`
    fn member(&mut self, left: Expr) -> Result<Expr> {
        let at = left.at;
        if self.word("in") {
            self.need_sign("(")?;
            if self.is_word(0, "select") {
                return Err(self.text.needs_rows(self.at(), "a subquery"));
            }
            let list = self.list(")")?;
            return Ok(Expr::new(at, Syntax::In { of: Box::new(left), list }));
        }
        if self.word("between") {
            let low = self.expression(MEMBER + 1)?;
            self.need_word("and")?;
            let high = self.expression(MEMBER + 1)?;
            return Ok(Expr::new(at, Syntax::Between(Box::new([left, low, high]))));
        }
        let folds_case = self.word("ilike");
        if !folds_case {
            self.need_word("like")?;
        }
        let pattern = Box::new(self.expression(MEMBER + 1)?);
        let escape = if self.word("escape") { Some(Box::new(self.expression(MEMBER + 1)?)) } else { None };
        Ok(Expr::new(at, Syntax::Like { of: Box::new(left), pattern, escape, folds_case }))
    }

    /// Expressions up to `end`, separated by commas.
    fn list(&mut self, end: &str) -> Result<Vec<Expr>> {
        let mut list = Vec::new();
        if self.sign(end) {
            return Ok(list);
        }
        loop {
            list.push(self.expression(0)?);
            if self.sign(end) {
                return Ok(list);
            }
            self.need_sign(",")?;
        }
    }

    /// What can stand at the beginning of an expression.
    fn prefix(&mut self) -> Result<Expr> {
        let Token { at, kind } = self.peek().clone();
        match kind {
            Kind::Word(word, _) if word == "not" => {
                self.count()?;
                self.next += 1;
                Ok(Expr::new(at, Syntax::Not(Box::new(self.expression(NOT)?))))
            }
            Kind::Sign("-") => {
                self.next += 1;
                if let Kind::Number(digits) = &self.peek().kind
                    && !self.is_sign(1, "::")
                {
                    let digits = format!("-{digits}");
                    self.next += 1;
                    return Ok(Expr::new(at, Syntax::Number(digits)));
                }
                self.count()?;
                Ok(Expr::new(at, Syntax::Negate(Box::new(self.expression(SIGN)?))))
            }
            Kind::Sign("+") => {
                self.count()?;
                self.next += 1;
                Ok(Expr::new(at, Syntax::Plus(Box::new(self.expression(SIGN)?))))
            }
            Kind::Sign("(") => {
                self.count()?;
                self.next += 1;
                if self.is_word(0, "select") {
                    return Err(self.text.needs_rows(at, "a subquery"));
                }
                let inner = self.expression(0)?;
                self.need_sign(")")?;
                Ok(Expr::new(at, Syntax::Nested(Box::new(inner))))
            }
            Kind::Number(digits) => self.taken(at, Syntax::Number(digits)),
            Kind::Text(text) => self.taken(at, Syntax::Text(text)),
            Kind::Quoted(name) => {
                self.next += 1;
                self.column(at, name)
            }
            Kind::Word(word, written) => self.named(at, &word, written),
            Kind::Sign("*") => Err(self.text.needs_rows(at, "a wildcard")),
            _ => Err(self.expected("an expression")),
        }
    }

    fn taken(&mut self, at: usize, syntax: Syntax) -> Result<Expr> {
        self.next += 1;
        Ok(Expr::new(at, syntax))
    }

    /// A column, perhaps with parts behind points.
    fn column(&mut self, at: usize, mut name: String) -> Result<Expr> {
        while self.sign(".") {
            match self.peek().kind.clone() {
                Kind::Word(_, part) | Kind::Quoted(part) => name = format!("{name}.{part}"),
                _ => return Err(self.expected("the rest of a name")),
            }
            self.next += 1;
        }
        Ok(Expr::new(at, Syntax::Column(name)))
    }

    /// What begins with a word.
    fn named(&mut self, at: usize, word: &str, written: String) -> Result<Expr> {
        let text_follows = matches!(self.tokens.get(self.next + 1).map(|t| &t.kind), Some(Kind::Text(_)));
        match word {
            "null" => return self.taken(at, Syntax::Null),
            "true" => return self.taken(at, Syntax::Boolean(true)),
            "false" => return self.taken(at, Syntax::Boolean(false)),
            "case" => return self.case(at),
            "cast" | "try_cast" if self.is_sign(1, "(") => return self.cast(at, word == "try_cast"),
            "exists" if self.is_sign(1, "(") => {
                return Err(self.text.needs_rows(at, "a subquery"));
            }
            "date" | "time" | "timestamp" | "timestamptz" | "datetime" if text_follows => {
                let target = self.type_name()?;
                let Kind::Text(text) = self.peek().kind.clone() else { return Err(self.expected("text")) };
                return self.taken(at, Syntax::Typed(target, text));
            }
            "interval" => {
                if let Some(interval) = self.interval(at)? {
                    return Ok(interval);
                }
            }
            _ => {}
        }
        if self.is_sign(1, "(") {
            return self.call(at, word);
        }
        if RESERVED.contains(&word) {
            return Err(self.expected("an expression"));
        }
        self.next += 1;
        self.column(at, written)
    }

    /// `INTERVAL '3 days'`, `INTERVAL '3' DAY`, `INTERVAL 3 DAY`; `None` for a column of that name.
    fn interval(&mut self, at: usize) -> Result<Option<Expr>> {
        let sign = usize::from(self.is_sign(1, "-"));
        let length = match self.tokens.get(self.next + 1 + sign).map(|t| &t.kind) {
            Some(Kind::Text(text)) if sign == 0 => text.clone(),
            Some(Kind::Number(digits)) => format!("{}{digits}", if sign == 1 { "-" } else { "" }),
            _ => return Ok(None),
        };
        self.next += 2 + sign;
        let units = [
            "year",
            "quarter",
            "month",
            "week",
            "day",
            "hour",
            "minute",
            "second",
            "millisecond",
            "microsecond",
        ];
        let unit = match &self.peek().kind {
            Kind::Word(word, _) if units.contains(&word.trim_end_matches('s')) => Some(word.clone()),
            _ => None,
        };
        self.next += usize::from(unit.is_some());
        Ok(Some(Expr::new(at, Syntax::Interval { length, unit })))
    }

    fn case(&mut self, at: usize) -> Result<Expr> {
        self.count()?;
        self.next += 1;
        let operand = if self.is_word(0, "when") { None } else { Some(Box::new(self.expression(0)?)) };
        let mut branches = Vec::new();
        while self.word("when") {
            let when = self.expression(0)?;
            self.need_word("then")?;
            branches.push((when, self.expression(0)?));
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = if self.word("else") { Some(Box::new(self.expression(0)?)) } else { None };
        self.need_word("end")?;
        Ok(Expr::new(at, Syntax::Case { operand, branches, otherwise }))
    }

    fn cast(&mut self, at: usize, lenient: bool) -> Result<Expr> {
        self.count()?;
        self.next += 2;
        let of = Box::new(self.expression(0)?);
        self.need_word("as")?;
        let target = self.type_name()?;
        self.need_sign(")")?;
        Ok(Expr::new(at, Syntax::Cast { of, target, lenient }))
    }

    /// A type: words, and numbers in parentheses.
    fn type_name(&mut self) -> Result<TypeName> {
        let Kind::Word(mut name, _) = self.peek().kind.clone() else { return Err(self.expected("a type")) };
        self.next += 1;
        let more: &[&str] = match name.as_str() {
            "double" => &["precision"],
            "character" => &["varying"],
            _ => &[],
        };
        for word in more {
            if self.word(word) {
                name = format!("{name} {word}");
            }
        }
        let mut sizes = Vec::new();
        if self.sign("(") {
            loop {
                match &self.peek().kind {
                    Kind::Number(digits) => {
                        sizes.push(digits.parse().map_err(|_| self.expected("a whole number"))?)
                    }
                    _ => return Err(self.expected("a whole number")),
                }
                self.next += 1;
                if self.sign(")") {
                    break;
                }
                self.need_sign(",")?;
            }
        }
        if self.is_word(0, "with") || self.is_word(0, "without") {
            let zone = if self.is_word(0, "with") { "tz" } else { "" };
            self.next += 1;
            self.need_word("time")?;
            self.need_word("zone")?;
            name = format!("{name}{zone}");
        }
        Ok(TypeName { name, sizes })
    }

    /// A function and its operands, in the syntax that some have of their own.
    fn call(&mut self, at: usize, name: &str) -> Result<Expr> {
        self.count()?;
        self.next += 2;
        if self.is_word(0, "distinct") || self.is_sign(0, "*") {
            return Err(self.text.needs_rows(at, &format!("the aggregate {name}()")));
        }
        let expr = match name {
            "extract" => self.extract(at)?,
            "trim" => self.trim(at)?,
            "position" => {
                let what = self.expression(MEMBER + 1)?;
                let of = if self.word("in") { Some(self.expression(0)?) } else { None };
                let of = match of {
                    Some(of) => of,
                    None => {
                        self.need_sign(",")?;
                        self.expression(0)?
                    }
                };
                self.need_sign(")")?;
                Expr::new(at, Syntax::Call { name: "strpos".into(), operands: vec![of, what] })
            }
            "substring" | "substr" => self.substring(at)?,
            _ => Expr::new(at, Syntax::Call { name: name.to_owned(), operands: self.list(")")? }),
        };
        if self.is_word(0, "over") || self.is_word(0, "filter") || self.is_word(0, "within") {
            return Err(self.text.needs_rows(at, "a window function or aggregate"));
        }
        Ok(expr)
    }

    /// `EXTRACT(YEAR FROM x)`
    fn extract(&mut self, at: usize) -> Result<Expr> {
        let (Kind::Word(field, _) | Kind::Text(field)) = self.peek().kind.clone() else {
            return Err(self.expected("a field such as YEAR"));
        };
        let field = Expr::new(self.at(), Syntax::Text(field));
        self.next += 1;
        self.need_word("from")?;
        let of = self.expression(0)?;
        self.need_sign(")")?;
        Ok(Expr::new(at, Syntax::Call { name: "date_part".into(), operands: vec![field, of] }))
    }

    /// `TRIM([BOTH | LEADING | TRAILING] [letters] FROM x)`, `TRIM(x, letters)`
    fn trim(&mut self, at: usize) -> Result<Expr> {
        let name = match &self.peek().kind {
            Kind::Word(word, _) if word == "leading" => Some("ltrim"),
            Kind::Word(word, _) if word == "trailing" => Some("rtrim"),
            Kind::Word(word, _) if word == "both" => Some("trim"),
            _ => None,
        };
        self.next += usize::from(name.is_some());
        let mut operands = Vec::new();
        if name.is_some() && self.word("from") {
            operands.push(self.expression(0)?);
        } else {
            let first = self.expression(0)?;
            if self.word("from") {
                operands.extend([self.expression(0)?, first]);
            } else {
                operands.push(first);
                if self.sign(",") {
                    operands.push(self.expression(0)?);
                }
            }
        }
        self.need_sign(")")?;
        Ok(Expr::new(at, Syntax::Call { name: name.unwrap_or("trim").into(), operands }))
    }

    /// `SUBSTRING(x FROM 2 FOR 3)`, `SUBSTRING(x, 2, 3)`
    fn substring(&mut self, at: usize) -> Result<Expr> {
        let mut operands = vec![self.expression(0)?];
        if self.word("from") {
            operands.push(self.expression(0)?);
        } else if self.is_word(0, "for") {
            operands.push(Expr::new(self.at(), Syntax::Number("1".into())));
        }
        if self.word("for") {
            operands.push(self.expression(0)?);
        }
        if operands.len() == 1 && self.sign(",") {
            operands.extend(self.list(")")?);
        } else {
            self.need_sign(")")?;
        }
        Ok(Expr::new(at, Syntax::Call { name: "substring".into(), operands }))
    }
}
