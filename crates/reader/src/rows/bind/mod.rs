//! From a syntax tree to an expression with columns and types.

mod calls;
mod literals;
mod operators;

use super::calendar;
use super::column::Constant;
use super::evaluate::Rows;
use super::kind::Kind;
use super::members::Members;
use super::node::{Node, Op};
use super::syntax::{Expr, Is, Syntax, Text};
use crate::error::{Error, ErrorKind, Result};
use crate::predicate::Comparison;
use crate::source::position;
use arrow_schema::{DataType, Schema};

/// How deep nodes may stand above one another: evaluation goes as deep, on stacks of 2 MiB.
const MAX_DEPTH: usize = 250;

/// The expression of `text` on the columns of `schema`.
///
/// # Errors
/// [`ErrorKind::Request`] for what is not an expression of a single row, or puts types together that do not fit;
/// [`ErrorKind::Column`] for a column that is not there; [`ErrorKind::Unsupported`] for one whose type is of no use.
pub(super) fn bind(text: &str, schema: &Schema) -> Result<Node> {
    let text = Text(text);
    let expr = text.parse()?;
    let node = Binder { text, schema }.bind(&expr)?;
    if node.depth() <= MAX_DEPTH {
        return Ok(node);
    }
    let message = format!("an expression nested more than {MAX_DEPTH} deep is beyond the limit");
    Err(Error::new(ErrorKind::Limit, message).with_help("compute parts of it as columns of their own"))
}

/// What is needed to find columns and to tell where an error is.
struct Binder<'a> {
    text: Text<'a>,
    schema: &'a Schema,
}

impl Binder<'_> {
    fn bind(&self, expr: &Expr) -> Result<Node> {
        let node = match &expr.syntax {
            Syntax::Column(name) => return self.column(name, expr.at),
            Syntax::Null => return Ok(Node::null()),
            Syntax::Boolean(value) => {
                return Ok(Node::new(Kind::Boolean, Op::Constant(Constant::Boolean(*value))));
            }
            Syntax::Number(digits) => {
                let number = literals::number(digits);
                return number.ok_or_else(|| self.error(expr, format!("{digits} is not a number")));
            }
            Syntax::Text(text) => {
                return Ok(Node::new(Kind::Text, Op::Constant(Constant::Text(text.clone()))));
            }
            Syntax::Typed(target, text) => return self.typed_text(target, text, expr),
            Syntax::Nested(inner) => return self.bind(inner),
            Syntax::Not(of) => negated(self.condition(of)?),
            Syntax::Negate(of) => self.signed(of, true)?,
            Syntax::Plus(of) => self.signed(of, false)?,
            Syntax::Binary(operator, both) => self.binary(*operator, &both[0], &both[1])?,
            Syntax::Is { what, of } => self.is(*what, of)?,
            Syntax::Distinct(both) => {
                let both = self.pair((self.bind(&both[0])?, &both[0]), (self.bind(&both[1])?, &both[1]))?;
                Node::new(Kind::Boolean, Op::Distinct(both.1))
            }
            Syntax::In { of, list } => self.is_in(of, list, expr)?,
            Syntax::Between(all) => self.between(&all[0], &all[1], &all[2])?,
            Syntax::Like { of, pattern, escape, folds_case } => {
                self.like(of, pattern, escape.as_deref(), *folds_case)?
            }
            Syntax::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())?
            }
            Syntax::Cast { of, target, lenient } => self.explicit_cast(of, target, *lenient)?,
            Syntax::AtTimeZone(both) => self.at_time_zone(&both[0], &both[1])?,
            Syntax::Interval { .. } => {
                let message = "an interval is added to a date or timestamp, or compared with a difference of timestamps";
                return Err(self.error(expr, message));
            }
            Syntax::Call { name, operands } => self.call(name, operands, expr)?,
        };
        Ok(folded(node))
    }

    fn error(&self, at: &Expr, message: impl AsRef<str>) -> Error {
        self.text.error(at.at, message)
    }

    fn column(&self, name: &str, at: usize) -> Result<Node> {
        let place = self.text.error(at, "").to_string();
        let place = place.trim_end_matches(": ");
        let index = position(self.schema, name).map_err(|e| {
            let quotes = "text stands in single quotes, a name with blanks in double quotes";
            e.and_help(format!("{place}; {quotes}"))
        })?;
        let kind = self.schema.field(index).data_type();
        if let Some(kind) = Kind::of(kind) {
            return Ok(Node::new(kind, Op::Column(name.to_owned())));
        }
        let error = match kind {
            DataType::Null => {
                let message = "there is no value of it in the rows that were looked at, so it has no type";
                Error::new(ErrorKind::Unsupported, message)
            }
            kind => super::convert::no_use(kind),
        };
        Err(error.in_column(name).with_help(place))
    }

    /// An expression that is true, false or null.
    fn condition(&self, expr: &Expr) -> Result<Node> {
        let node = self.bind(expr)?;
        match node.kind {
            Kind::Boolean => Ok(node),
            Kind::Null => self.cast(node, &Kind::Boolean, expr),
            other => {
                Err(self
                    .error(expr, format!("this is {other}, not true or false; compare it with something")))
            }
        }
    }

    fn is(&self, what: Is, of: &Expr) -> Result<Node> {
        let op = match what {
            Is::Null => Op::IsNull(Box::new(self.bind(of)?)),
            Is::Unknown => Op::IsNull(Box::new(self.condition(of)?)),
            Is::True => Op::Is(true, Box::new(self.condition(of)?)),
            Is::False => Op::Is(false, Box::new(self.condition(of)?)),
        };
        Ok(Node::new(Kind::Boolean, op))
    }

    /// The node as one of `kind`, without a word where no value can be lost, or where it is a literal.
    fn cast(&self, node: Node, kind: &Kind, at: &Expr) -> Result<Node> {
        if node.kind == *kind {
            return Ok(node);
        }
        let constant = node.constant().is_some();
        let cast = Node::new(kind.clone(), Op::Cast { of: Box::new(node), lenient: false });
        if !constant {
            return Ok(cast);
        }
        let value = cast.evaluate(&Rows::one()).map_err(|failure| self.error(at, failure.message))?;
        Ok(Node::new(kind.clone(), Op::Constant(value.first())))
    }

    /// Several expressions as ones of a common kind. A literal text takes the kind of the others.
    fn meet(&self, parts: Vec<(Node, &Expr)>) -> Result<(Kind, Vec<Node>)> {
        let is_literal = |node: &Node| node.kind == Kind::Text && node.constant().is_some();
        let (mut kind, mut of) = (Kind::Null, "NULL".to_owned());
        for (node, at) in parts.iter().filter(|(node, _)| !is_literal(node)) {
            let common = common(&kind, node).ok_or_else(|| {
                let message = format!(
                    "{} is {}, beside {of}, which is {kind}; CAST one of them",
                    described(node),
                    node.kind
                );
                self.error(at, message)
            })?;
            if common != kind {
                (kind, of) = (common, described(node));
            }
        }
        if kind == Kind::Null && parts.iter().any(|(node, _)| is_literal(node)) {
            kind = Kind::Text;
        }
        if let Kind::Timestamp(unit, zone) = &kind {
            // A literal is not cut to the unit of a column.
            let texts = parts.iter().filter_map(|(node, _)| node.constant());
            let finest = texts.fold(*unit, |unit, text| match text {
                Constant::Text(text) => calendar::unit_for(text, unit),
                _ => unit,
            });
            kind = Kind::Timestamp(finest, zone.clone());
        }
        let cast = |(node, at): (Node, &Expr)| {
            // A time of day would be dropped.
            if let (Kind::Date, Some(Constant::Text(text))) = (&kind, node.constant())
                && calendar::parse_date(text).is_none()
            {
                return Err(self.error(at, format!("{text:?} is not a date such as 2024-02-29")));
            }
            self.cast(node, &kind, at)
        };
        let nodes = parts.into_iter().map(cast).collect::<Result<_>>()?;
        Ok((kind, nodes))
    }

    fn pair(&self, left: (Node, &Expr), right: (Node, &Expr)) -> Result<(Kind, Box<[Node; 2]>)> {
        let at = left.1;
        let (kind, nodes) = self.meet(vec![left, right])?;
        let both: Box<[Node; 2]> =
            nodes.try_into().map_err(|_| self.error(at, "two operands are compared"))?;
        Ok((kind, both))
    }

    fn between(&self, of: &Expr, low: &Expr, high: &Expr) -> Result<Node> {
        let parts = vec![(self.bind(of)?, of), (self.bind(low)?, low), (self.bind(high)?, high)];
        let (_, nodes) = self.meet(parts)?;
        let [of, low, high] = nodes.try_into().map_err(|_| self.error(of, "BETWEEN has two bounds"))?;
        Ok(Node::new(Kind::Boolean, Op::Between(Box::new([of, low, high]))))
    }

    fn case(
        &self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Node> {
        let mut results = Vec::new();
        let mut conditions = Vec::new();
        for (when, then) in branches {
            conditions.push((if operand.is_some() { self.bind(when)? } else { self.condition(when)? }, when));
            results.push((self.bind(then)?, then));
        }
        if let Some(otherwise) = otherwise {
            results.push((self.bind(otherwise)?, otherwise));
        }
        let (operand, conditions) = match operand {
            None => (None, conditions.into_iter().map(|(when, _)| when).collect::<Vec<_>>()),
            Some(operand) => {
                conditions.insert(0, (self.bind(operand)?, operand));
                let mut all = self.meet(conditions)?.1.into_iter();
                (all.next().map(Box::new), all.collect())
            }
        };
        let (kind, mut results) = self.meet(results)?;
        let rest = if otherwise.is_some() { results.pop() } else { None };
        let rest = Box::new(rest.unwrap_or_else(|| Node::new(kind.clone(), Op::Constant(Constant::Null))));
        let branches = conditions.into_iter().zip(results).collect();
        Ok(Node::new(kind, Op::Case { operand, branches, rest }))
    }
}

/// A part of an expression, for messages.
fn described(node: &Node) -> String {
    match &node.op {
        Op::Column(name) => format!("the column {name:?}"),
        Op::Constant(_) => "this constant".to_owned(),
        _ => "this".to_owned(),
    }
}

/// The kind that holds `kind` and the values of `node`. Truth values beside integers are 0 and 1.
fn common(kind: &Kind, node: &Node) -> Option<Kind> {
    match (kind, &node.kind) {
        (Kind::Boolean, Kind::Integer) | (Kind::Integer, Kind::Boolean) => Some(Kind::Integer),
        (kind, other) => kind.common(other),
    }
}

fn compared(comparison: Comparison, left: Node, right: Node) -> Node {
    Node::new(Kind::Boolean, Op::Compare(comparison, Box::new([left, right])))
}

fn negated(node: Node) -> Node {
    Node::new(Kind::Boolean, Op::Not(Box::new(node)))
}

/// A node whose parts are constant as a constant. What cannot be computed is left for the row that needs it.
fn folded(node: Node) -> Node {
    let parts = node.parts();
    let of_null = matches!(
        node.op,
        Op::Arithmetic(..) | Op::Compare(..) | Op::Shift(..) | Op::Elapsed(_) | Op::Negate(_)
    );
    if of_null && parts.iter().any(|part| part.constant() == Some(&Constant::Null)) {
        return Node::new(node.kind, Op::Constant(Constant::Null));
    }
    if node.constant().is_some() || parts.is_empty() || parts.iter().any(|part| part.constant().is_none()) {
        return node;
    }
    match node.evaluate(&Rows::one()) {
        Ok(value) => Node::new(node.kind, Op::Constant(value.first())),
        Err(_) => node,
    }
}

/// A list of constants of one kind.
fn members(nodes: &[Node]) -> Option<Members> {
    let values: Vec<Constant> = nodes.iter().map(|node| node.constant().cloned()).collect::<Option<_>>()?;
    Some(Members::new(&values))
}
