//! Operators.

use arrow_schema::TimeUnit;

use super::{Binder, compared, described, folded, literals, members};
use crate::error::Result;
use crate::predicate::Comparison;
use crate::rows::calls::{Call, Text};
use crate::rows::column::Constant;
use crate::rows::kind::{Kind, MAX_DIGITS, finer};
use crate::rows::like::Pattern;
use crate::rows::node::{Arithmetic, Node, Op};
use crate::rows::syntax::{Expr, Operator, Syntax};

impl Binder<'_> {
    /// A number, perhaps with the other sign.
    pub(super) fn signed(&self, of: &Expr, negate: bool) -> Result<Node> {
        let node = self.bind(of)?;
        if !node.kind.is_number() && node.kind != Kind::Null {
            return Err(self.error(of, format!("this is {}, not a number", node.kind)));
        }
        let kind = node.kind.clone();
        Ok(if negate { Node::new(kind, Op::Negate(Box::new(node))) } else { node })
    }

    pub(super) fn binary(&self, operator: Operator, left: &Expr, right: &Expr) -> Result<Node> {
        match operator {
            Operator::And => self.logical(operator, Op::And, left, right),
            Operator::Or => self.logical(operator, Op::Or, left, right),
            Operator::Compare(comparison) => self.compare(comparison, left, right),
            Operator::Concat => self.text_call(Text::Join, &[left, right]),
            Operator::Matches { folds_case } => self.matches(left, right, folds_case),
            Operator::Power => self.power(left, right),
            Operator::Plus => self.sum(Arithmetic::Add, left, right),
            Operator::Minus => self.sum(Arithmetic::Subtract, left, right),
            Operator::Times => self.numbers(Arithmetic::Multiply, left, right),
            Operator::Divide => self.numbers(Arithmetic::Divide, left, right),
            Operator::WholeDivide => self.numbers(Arithmetic::WholeDivide, left, right),
            Operator::Remainder => self.numbers(Arithmetic::Remainder, left, right),
        }
    }

    pub(super) fn numbers(&self, sign: Arithmetic, left: &Expr, right: &Expr) -> Result<Node> {
        self.arithmetic(sign, (self.bind(left)?, left), (self.bind(right)?, right))
    }

    /// `date - date` is days, `date + 1` a date, `timestamp - timestamp` seconds.
    fn sum(&self, sign: Arithmetic, left: &Expr, right: &Expr) -> Result<Node> {
        if let Some(node) = self.shifted(sign, left, right)? {
            return Ok(node);
        }
        let (a, b) = (self.bind(left)?, self.bind(right)?);
        match (sign, &a.kind, &b.kind) {
            (Arithmetic::Subtract, Kind::Date, Kind::Date) => {
                Ok(Node::new(Kind::Integer, Op::Arithmetic(sign, Box::new([a, b]))))
            }
            (Arithmetic::Subtract, x, y) if x.has_days() && y.has_days() => {
                let (_, both) = self.pair((a, left), (b, right))?;
                Ok(Node::new(Kind::Double, Op::Elapsed(both)))
            }
            (_, Kind::Date, Kind::Integer) | (Arithmetic::Add, Kind::Integer, Kind::Date) => {
                Ok(Node::new(Kind::Date, Op::Arithmetic(sign, Box::new([a, b]))))
            }
            _ => self.arithmetic(sign, (a, left), (b, right)),
        }
    }

    /// A chain of one of `AND` and `OR`, as a tree that is no deeper than it must be.
    fn logical(
        &self,
        operator: Operator,
        op: fn(Box<[Node; 2]>) -> Op,
        left: &Expr,
        right: &Expr,
    ) -> Result<Node> {
        let mut chain = vec![right];
        let mut left = left;
        while let Syntax::Binary(own, both) = &left.syntax
            && *own == operator
        {
            chain.push(&both[1]);
            left = &both[0];
        }
        chain.push(left);
        let mut nodes =
            chain.into_iter().rev().map(|expr| self.condition(expr)).collect::<Result<Vec<_>>>()?;
        while nodes.len() > 1 {
            let mut rest = nodes.into_iter();
            let mut halved = Vec::new();
            while let Some(first) = rest.next() {
                halved.push(match rest.next() {
                    Some(second) => folded(Node::new(Kind::Boolean, op(Box::new([first, second])))),
                    None => first,
                });
            }
            nodes = halved;
        }
        nodes.pop().ok_or_else(|| self.error(right, "a condition is expected here"))
    }

    fn compare(&self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<Node> {
        if let Some(node) = self.compare_length(comparison, left, right)? {
            return Ok(node);
        }
        let is_comparison = |side: &Expr| matches!(side.syntax, Syntax::Binary(Operator::Compare(_), _));
        if is_comparison(left) || is_comparison(right) {
            return Err(
                self.error(left, "a comparison of a comparison: join two by AND, or put one in parentheses")
            );
        }
        let (_, both) = self.pair((self.bind(left)?, left), (self.bind(right)?, right))?;
        Ok(Node::new(Kind::Boolean, Op::Compare(comparison, both)))
    }

    /// A difference of timestamps, which is a number of seconds, beside an interval.
    fn compare_length(&self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<Option<Node>> {
        let (length, other, at, comparison) = match (self.interval(left)?, self.interval(right)?) {
            (Some(length), None) => (length, right, left, comparison.flipped()),
            (None, Some(length)) => (length, left, right, comparison),
            _ => return Ok(None),
        };
        let length = length.length();
        let length = length
            .ok_or_else(|| self.error(at, "a month has no fixed length; compare with days or seconds"))?;
        let seconds = length as f64 / 1e9;
        let node = self.bind(other)?;
        if node.kind != Kind::Double {
            return Err(self.error(other, format!("this is {}, not a length of time in seconds", node.kind)));
        }
        let seconds = Node::new(Kind::Double, Op::Constant(Constant::Double(seconds)));
        Ok(Some(compared(comparison, node, seconds)))
    }

    /// A date or time and an interval; `None` where there is none.
    fn shifted(&self, sign: Arithmetic, left: &Expr, right: &Expr) -> Result<Option<Node>> {
        let (moment, shift) = match (self.interval(left)?, self.interval(right)?) {
            (_, Some(shift)) => (left, shift),
            (Some(shift), None) if sign == Arithmetic::Add => (right, shift),
            _ => return Ok(None),
        };
        let shift = if sign == Arithmetic::Subtract { shift.negated() } else { shift };
        let node = self.bind(moment)?;
        let kind = match &node.kind {
            Kind::Date => Kind::Timestamp(TimeUnit::Microsecond, None),
            Kind::Time => Kind::Time,
            Kind::Timestamp(unit, zone) => {
                let unit = if finer(*unit, TimeUnit::Microsecond) { *unit } else { TimeUnit::Microsecond };
                Kind::Timestamp(unit, zone.clone())
            }
            other => {
                return Err(self
                    .error(moment, format!("this is {other}; an interval is added to a date or timestamp")));
            }
        };
        Ok(Some(Node::new(kind, Op::Shift(Box::new(node), shift))))
    }

    /// An operation on numbers. Whole numbers and decimals keep their digits; a quotient is a floating-point number.
    pub(super) fn arithmetic(
        &self,
        sign: Arithmetic,
        (a, left): (Node, &Expr),
        (b, right): (Node, &Expr),
    ) -> Result<Node> {
        let a = self.number_beside(a, &b.kind, left)?;
        let b = self.number_beside(b, &a.kind, right)?;
        let (kind, a_kind, b_kind) = match (&a.kind, &b.kind) {
            (Kind::Null, kind) | (kind, Kind::Null) => (kind.clone(), kind.clone(), kind.clone()),
            (x, y) if x.is_float() || y.is_float() || sign == Arithmetic::Divide => {
                let single =
                    (*x == Kind::Single || *y == Kind::Single) && *x != Kind::Double && *y != Kind::Double;
                let kind = if single { Kind::Single } else { Kind::Double };
                (kind.clone(), kind.clone(), kind)
            }
            (Kind::Integer, Kind::Integer) => (Kind::Integer, Kind::Integer, Kind::Integer),
            (x, y) => self.decimals(sign, x, y, left)?,
        };
        if kind == Kind::Null {
            return Ok(Node::null());
        }
        if sign == Arithmetic::WholeDivide && kind != Kind::Integer {
            return Err(self.error(left, "// divides integers; for others there is floor(a / b)"));
        }
        let both = [self.cast(a, &a_kind, left)?, self.cast(b, &b_kind, right)?];
        Ok(Node::new(kind, Op::Arithmetic(sign, Box::new(both))))
    }

    /// The operand if it is a number, or a text literal that is one beside a number of the kind `other`.
    fn number_beside(&self, node: Node, other: &Kind, at: &Expr) -> Result<Node> {
        if node.kind.is_number() || node.kind == Kind::Null {
            return Ok(node);
        }
        if node.kind == Kind::Text && node.constant().is_some() && other.is_number() {
            return self.cast(node, other, at);
        }
        Err(self.error(at, format!("{} is {}, not a number", described(&node), node.kind)))
    }

    /// The kinds of result and operands, of which at least one is a decimal.
    fn decimals(&self, sign: Arithmetic, x: &Kind, y: &Kind, at: &Expr) -> Result<(Kind, Kind, Kind)> {
        let (Some((p, s)), Some((q, t))) = (x.digits(), y.digits()) else {
            return Err(self.error(at, "a decimal is expected here"));
        };
        if sign == Arithmetic::Multiply {
            if s + t > MAX_DIGITS {
                let message = format!(
                    "the product has {} places, a decimal at most {MAX_DIGITS}; CAST a factor",
                    s + t
                );
                return Err(self.error(at, message));
            }
            let kind = Kind::Decimal((p + q).min(MAX_DIGITS), s + t);
            return Ok((kind, Kind::Decimal(p, s), Kind::Decimal(q, t)));
        }
        let scale = s.max(t);
        let carry = u8::from(sign != Arithmetic::Remainder);
        let digits = ((p - s).max(q - t) + scale + carry).min(MAX_DIGITS);
        let kind = Kind::Decimal(digits, scale);
        Ok((kind.clone(), kind.clone(), kind))
    }

    pub(super) fn is_in(&self, of: &Expr, list: &[Expr], whole: &Expr) -> Result<Node> {
        if list.is_empty() {
            return Err(self.error(whole, "the list of IN is empty"));
        }
        let mut parts = vec![(self.bind(of)?, of)];
        for item in list {
            parts.push((self.bind(item)?, item));
        }
        let (_, mut nodes) = self.meet(parts)?;
        let items = nodes.split_off(1);
        let Some(one) = nodes.pop() else { return Err(self.error(of, "IN compares something")) };
        if let Some(members) = members(&items) {
            return Ok(Node::new(Kind::Boolean, Op::In(Box::new(one), members)));
        }
        Ok(Node::new(Kind::Boolean, Op::Among(Box::new(one), items)))
    }

    pub(super) fn like(
        &self,
        of: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        folds_case: bool,
    ) -> Result<Node> {
        let text = self.text_operand(of)?;
        let escape = match escape {
            None => None,
            Some(escape) => match self.constant_text(escape)? {
                Some(sign) if sign.chars().count() <= 1 => sign.chars().next(),
                _ => return Err(self.error(escape, "ESCAPE takes one character")),
            },
        };
        let shape = self.text_operand(pattern)?;
        let Some(Constant::Text(constant)) = shape.constant() else {
            let like = Text::Like { escape, folds_case };
            return Ok(Node::new(Kind::Boolean, Op::Call(Call::Text(like), vec![text, shape])));
        };
        let pattern = Pattern::new(constant, escape, folds_case).ok_or_else(|| {
            self.error(pattern, "nothing follows the escape character at the end of the pattern")
        })?;
        Ok(Node::new(Kind::Boolean, Op::Like(Box::new(text), pattern)))
    }

    pub(super) fn text_operand(&self, of: &Expr) -> Result<Node> {
        let node = self.bind(of)?;
        match node.kind {
            Kind::Text | Kind::Null => self.cast(node, &Kind::Text, of),
            other => Err(self.error(of, format!("this is {other}, not text; CAST it AS TEXT"))),
        }
    }

    /// A text that is the same in every row; `None` for `NULL`.
    pub(super) fn constant_text(&self, expr: &Expr) -> Result<Option<String>> {
        match literals::constant(&self.bind(expr)?) {
            Some(Constant::Text(text)) => Ok(Some(text)),
            Some(Constant::Null) => Ok(None),
            _ => Err(self.error(expr, "this must be a text that is the same in every row")),
        }
    }
}
