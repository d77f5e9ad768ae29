//! The right side of a formula as it was written.

use std::fmt::{self, Display};

use super::Factor;
use crate::expression::Expr;

/// A part of the right side.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The character of the formula that it begins with.
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `1`, or `0` if absent.
    Constant(bool),
    /// `.`
    Dot,
    Factor(Factor),
    /// `offset(x)`
    Offset(Expr),
    /// `a + b - c`
    Sum(Vec<(Sign, Node)>),
    /// `a * b`
    Cross(Vec<Node>),
    /// `a/b`
    Nested(Box<[Node; 2]>),
    /// `a %in% b`
    In(Box<[Node; 2]>),
    /// `a:b`
    Product(Vec<Node>),
    /// `(a + b)^2`
    Power(Box<Node>, u32),
}

/// Whether a part of a sum adds terms or removes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// Two formulas are the same however many blanks they have.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    pub(super) fn has_dot(&self) -> bool {
        match &self.kind {
            Kind::Constant(_) | Kind::Factor(_) | Kind::Offset(_) => false,
            Kind::Dot => true,
            Kind::Sum(parts) => parts.iter().any(|(_, node)| node.has_dot()),
            Kind::Cross(nodes) | Kind::Product(nodes) => nodes.iter().any(Self::has_dot),
            Kind::Nested(nodes) | Kind::In(nodes) => nodes.iter().any(Self::has_dot),
            Kind::Power(base, _) => base.has_dot(),
        }
    }
}

// Parentheses that change nothing are forgotten: operators group from the left, so those around the first
// operand say what is so without them.
impl Kind {
    pub(super) fn sum(parts: Vec<(Sign, Node)>) -> Self {
        let only_adds = |parts: &[(Sign, Node)]| parts.iter().all(|(sign, _)| *sign == Sign::Plus);
        let mut flat = Vec::new();
        for (sign, node) in parts {
            match node.kind {
                Self::Sum(inner) if sign == Sign::Plus && (flat.is_empty() || only_adds(&inner)) => {
                    flat.extend(inner);
                }
                kind => flat.push((sign, Node { kind, at: node.at })),
            }
        }
        match (flat.len(), flat.pop()) {
            (1, Some((Sign::Plus, node))) => node.kind,
            (_, last) => {
                flat.extend(last);
                Self::Sum(flat)
            }
        }
    }

    pub(super) fn cross(mut nodes: Vec<Node>) -> Self {
        if let Some(Node { kind: Self::Cross(first), .. }) = nodes.first_mut() {
            let first = std::mem::take(first);
            nodes.splice(..1, first);
        }
        Self::Cross(nodes)
    }

    pub(super) fn product(mut nodes: Vec<Node>) -> Self {
        if let Some(Node { kind: Self::Product(first), .. }) = nodes.first_mut() {
            let first = std::mem::take(first);
            nodes.splice(..1, first);
        }
        Self::Product(nodes)
    }

    fn precedence(&self) -> Precedence {
        match self {
            Self::Constant(_) | Self::Dot | Self::Factor(_) | Self::Offset(_) => Precedence::Operand,
            Self::Sum(_) => Precedence::Sum,
            Self::Cross(_) | Self::Nested(_) => Precedence::Cross,
            Self::In(_) => Precedence::In,
            Self::Product(_) => Precedence::Product,
            Self::Power(..) => Precedence::Power,
        }
    }
}

/// How tightly a part binds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Precedence {
    Sum,
    Cross,
    In,
    Product,
    Power,
    Operand,
}

impl Node {
    /// Writes the node, in parentheses if it binds less tightly than its place demands.
    fn fmt_in(&self, place: Precedence, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.precedence() < place { write!(f, "({self})") } else { self.fmt(f) }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Constant(present) => f.write_str(if *present { "1" } else { "0" }),
            Kind::Dot => f.write_str("."),
            Kind::Factor(factor) => factor.fmt(f),
            Kind::Offset(offset) => write!(f, "offset({offset})"),
            Kind::Sum(parts) => fmt_sum(parts, f),
            Kind::Cross(nodes) => fmt_chain(nodes, " * ", Precedence::In, f),
            Kind::Nested(nodes) => fmt_pair(nodes, "/", (Precedence::Cross, Precedence::In), f),
            Kind::In(nodes) => fmt_pair(nodes, " %in% ", (Precedence::In, Precedence::Product), f),
            Kind::Product(nodes) => fmt_chain(nodes, ":", Precedence::Power, f),
            Kind::Power(base, exponent) => {
                base.fmt_in(Precedence::Operand, f)?;
                write!(f, "^{exponent}")
            }
        }
    }
}

fn fmt_sum(parts: &[(Sign, Node)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, (sign, node)) in parts.iter().enumerate() {
        f.write_str(match (i, sign) {
            (0, Sign::Plus) => "",
            (0, Sign::Minus) => "-",
            (_, Sign::Plus) => " + ",
            (_, Sign::Minus) => " - ",
        })?;
        node.fmt_in(Precedence::Cross, f)?;
    }
    Ok(())
}

fn fmt_chain(nodes: &[Node], operator: &str, place: Precedence, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { operator })?;
        node.fmt_in(place, f)?;
    }
    Ok(())
}

fn fmt_pair(
    [left, right]: &[Node; 2],
    operator: &str,
    places: (Precedence, Precedence),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    left.fmt_in(places.0, f)?;
    f.write_str(operator)?;
    right.fmt_in(places.1, f)
}
