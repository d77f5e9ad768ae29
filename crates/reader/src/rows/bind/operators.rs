//! Operators.

use arrow_schema::TimeUnit;
use sqlparser::ast::{BinaryOperator, Expr, InTarget, UnaryOperator, Value};

use super::{Binder, compared, folded, literals, members, negated};
use crate::error::Result;
use crate::predicate::Comparison;
use crate::rows::calls::{Call, Text};
use crate::rows::column::Constant;
use crate::rows::kind::{Kind, MAX_DIGITS, finer};
use crate::rows::like::Pattern;
use crate::rows::node::{Arithmetic, Node, Op};

impl Binder<'_> {
    pub(super) fn unary(&self, op: UnaryOperator, of: &Expr) -> Result<Node> {
        match op {
            UnaryOperator::Not => Ok(negated(self.condition(of)?)),
            UnaryOperator::Plus | UnaryOperator::Minus => {
                if let (Expr::Value(value), UnaryOperator::Minus) = (of, op)
                    && let Value::Number(digits, _) = &value.value
                    && let Some(node) = literals::number(&format!("-{digits}"))
                {
                    return Ok(node);
                }
                let node = self.bind(of)?;
                if !node.kind.is_number() && node.kind != Kind::Null {
                    return Err(self.error(of, format!("this is {}, not a number", node.kind)));
                }
                let kind = node.kind.clone();
                Ok(if op == UnaryOperator::Plus { node } else { Node::new(kind, Op::Negate(Box::new(node))) })
            }
            other => Err(self.error(of, format!("the operator {other} has no use in expressions"))),
        }
    }

    /// `date - date` is days, `date + 1` a date, `timestamp - timestamp` seconds.
    pub(super) fn binary(
        &self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        whole: &Expr,
    ) -> Result<Node> {
        use BinaryOperator as B;
        let sign = match op {
            B::And => return self.logical(left, right, Op::And),
            B::Or => return self.logical(left, right, Op::Or),
            B::Eq => return self.compare(Comparison::Equal, left, right),
            B::NotEq => return self.compare(Comparison::NotEqual, left, right),
            B::Lt => return self.compare(Comparison::Less, left, right),
            B::LtEq => return self.compare(Comparison::LessOrEqual, left, right),
            B::Gt => return self.compare(Comparison::Greater, left, right),
            B::GtEq => return self.compare(Comparison::GreaterOrEqual, left, right),
            B::StringConcat => {
                let text = |expr: &Expr| self.cast(self.bind(expr)?, &Kind::Text, expr);
                return Ok(Node::new(
                    Kind::Text,
                    Op::Call(Call::Text(Text::Join), vec![text(left)?, text(right)?]),
                ));
            }
            B::PGRegexMatch => return self.matches(left, right, false),
            B::PGRegexIMatch => return self.matches(left, right, true),
            B::PGRegexNotMatch => return Ok(negated(self.matches(left, right, false)?)),
            B::PGRegexNotIMatch => return Ok(negated(self.matches(left, right, true)?)),
            B::Plus => Arithmetic::Add,
            B::Minus => Arithmetic::Subtract,
            B::Multiply => Arithmetic::Multiply,
            B::Divide => Arithmetic::Divide,
            B::DuckIntegerDivide => Arithmetic::WholeDivide,
            B::Modulo => Arithmetic::Remainder,
            // `^` binds as something else than a power in many dialects, so it is not guessed at.
            other => {
                let help =
                    if *other == B::BitwiseXor || *other == B::PGExp { "; a power is pow(x, y)" } else { "" };
                return Err(
                    self.error(whole, format!("the operator {other} has no use in expressions{help}"))
                );
            }
        };
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
            (Arithmetic::Add | Arithmetic::Subtract, Kind::Date, Kind::Integer)
            | (Arithmetic::Add, Kind::Integer, Kind::Date) => {
                Ok(Node::new(Kind::Date, Op::Arithmetic(sign, Box::new([a, b]))))
            }
            _ => self.arithmetic(sign, (a, left), (b, right)),
        }
    }

    fn logical(&self, left: &Expr, right: &Expr, op: fn(Box<[Node; 2]>) -> Op) -> Result<Node> {
        Ok(Node::new(Kind::Boolean, op(Box::new([self.condition(left)?, self.condition(right)?]))))
    }

    fn compare(&self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<Node> {
        if let Some(node) = self.compare_length(comparison, left, right)? {
            return Ok(node);
        }
        let is_comparison = |side: &Expr| {
            use BinaryOperator as B;
            matches!(side, Expr::BinaryOp { op: B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq, .. })
        };
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
        let (Expr::Interval(interval), other, comparison) = (match (left, right) {
            (Expr::Interval(_), other) => (left, other, comparison.flipped()),
            (other, _) => (right, other, comparison),
        }) else {
            return Ok(None);
        };
        let at = if matches!(left, Expr::Interval(_)) { left } else { right };
        let seconds = self
            .interval(interval, at)?
            .length()
            .ok_or_else(|| self.error(at, "a month has no fixed length; compare with days or seconds"))?
            as f64
            / 1e9;
        let node = self.bind(other)?;
        if node.kind != Kind::Double {
            return Err(self.error(other, format!("this is {}, not a length of time in seconds", node.kind)));
        }
        let seconds = Node::new(Kind::Double, Op::Constant(Constant::Double(seconds)));
        Ok(Some(compared(comparison, node, seconds)))
    }

    /// A date or time and an interval; `None` where there is none.
    fn shifted(&self, sign: Arithmetic, left: &Expr, right: &Expr) -> Result<Option<Node>> {
        let (moment, interval) = match (left, right, sign) {
            (_, Expr::Interval(interval), Arithmetic::Add | Arithmetic::Subtract) => (left, interval),
            (Expr::Interval(interval), _, Arithmetic::Add) => (right, interval),
            _ => return Ok(None),
        };
        let at = if matches!(right, Expr::Interval(_)) { right } else { left };
        let shift = self.interval(interval, at)?;
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
        let named = match &node.op {
            Op::Column(name) => format!("the column {name:?}"),
            _ => "this".to_owned(),
        };
        Err(self.error(at, format!("{named} is {}, not a number", node.kind)))
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

    pub(super) fn is_in(&self, of: &Expr, target: &InTarget, whole: &Expr) -> Result<Node> {
        let InTarget::List(list) = target else { return Err(self.needs_other_rows("a subquery", whole)) };
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
        let equal = |item: Node| folded(compared(Comparison::Equal, one.clone(), item));
        let either = |a: Node, b: Node| Node::new(Kind::Boolean, Op::Or(Box::new([a, b])));
        items
            .into_iter()
            .map(equal)
            .reduce(either)
            .ok_or_else(|| self.error(whole, "the list of IN is empty"))
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
