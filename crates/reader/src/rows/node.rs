//! Expressions whose columns are found and whose types are settled.

use super::calendar::Shift;
use super::calls::Call;
use super::column::Constant;
use super::kind::Kind;
use super::like::Pattern;
use super::members::Members;
use crate::predicate::Comparison;

/// An expression with its type.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) op: Op,
}

/// What is computed. Operands have the kinds that the operation needs: whoever makes a node has cast them.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A column of the source, or one derived before, by its name.
    Column(String),
    Constant(Constant),
    /// To the kind of the node. What cannot be cast is null if `lenient`, else an error.
    Cast {
        of: Box<Node>,
        lenient: bool,
    },
    /// Two numbers of the node's kind; of two decimals as the kinds of node and operands say.
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    /// The number with the other sign.
    Negate(Box<Node>),
    /// A date or timestamp some months, days and nanoseconds later.
    Shift(Box<Node>, Shift),
    /// From the second timestamp to the first one, in seconds; both have the same unit.
    Elapsed(Box<[Node; 2]>),
    /// Two values of one kind.
    Compare(Comparison, Box<[Node; 2]>),
    /// Whether two values of one kind differ, where null is a value like others.
    Distinct(Box<[Node; 2]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    /// `IS TRUE` and `IS FALSE`.
    Is(bool, Box<Node>),
    /// Whether it is one of a list of constants of its kind.
    In(Box<Node>, Members),
    /// Whether the first is one of the others, all of one kind.
    Among(Box<Node>, Vec<Node>),
    /// Whether the first lies between the others, all of one kind.
    Between(Box<[Node; 3]>),
    /// Whether text fits a pattern.
    Like(Box<Node>, Pattern),
    /// The first result whose condition is true, or is equal to the operand; else the last one.
    Case {
        operand: Option<Box<Node>>,
        branches: Vec<(Node, Node)>,
        rest: Box<Node>,
    },
    /// The first, or null where both are equal as values of `kind`.
    NullIf {
        both: Box<[Node; 2]>,
        kind: Kind,
    },
    /// The first that is not null.
    Coalesce(Vec<Node>),
    /// The largest of those that are not null, or the smallest.
    Extreme {
        largest: bool,
        of: Vec<Node>,
    },
    Call(Call, Vec<Node>),
}

/// What two numbers are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// Of floating-point numbers.
    Divide,
    /// Without the fraction.
    WholeDivide,
    Remainder,
}

impl Arithmetic {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::WholeDivide => "//",
            Self::Remainder => "%",
        }
    }
}

impl Node {
    pub(super) fn new(kind: Kind, op: Op) -> Self {
        Self { kind, op }
    }

    pub(super) fn null() -> Self {
        Self::new(Kind::Null, Op::Constant(Constant::Null))
    }

    /// The value, where it is the same in every row.
    pub(super) fn constant(&self) -> Option<&Constant> {
        match &self.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The expressions that this one is made of.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.op {
            Op::Column(_) | Op::Constant(_) => Vec::new(),
            Op::Cast { of, .. }
            | Op::Negate(of)
            | Op::Shift(of, _)
            | Op::Not(of)
            | Op::IsNull(of)
            | Op::Is(_, of)
            | Op::In(of, _)
            | Op::Like(of, _) => vec![of],
            Op::Arithmetic(_, both)
            | Op::Elapsed(both)
            | Op::Compare(_, both)
            | Op::Distinct(both)
            | Op::And(both)
            | Op::Or(both)
            | Op::NullIf { both, .. } => both.iter().collect(),
            Op::Between(all) => all.iter().collect(),
            Op::Among(one, others) => std::iter::once(&**one).chain(others).collect(),
            Op::Case { operand, branches, rest } => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                operand.as_deref().into_iter().chain(branches).chain([&**rest]).collect()
            }
            Op::Coalesce(all) | Op::Extreme { of: all, .. } | Op::Call(_, all) => all.iter().collect(),
        }
    }

    /// Adds the names of the columns to `names`, each once.
    pub(super) fn columns(&self, names: &mut Vec<String>) {
        if let Op::Column(name) = &self.op
            && !names.contains(name)
        {
            names.push(name.clone());
        }
        self.parts().into_iter().for_each(|part| part.columns(names));
    }

    /// How many nodes stand above one another.
    pub(super) fn depth(&self) -> usize {
        1 + self.parts().into_iter().map(Self::depth).max().unwrap_or_default()
    }

    /// Whether some row may make it an error.
    pub(super) fn may_fail(&self) -> bool {
        let own = match &self.op {
            Op::Cast { of, lenient } => !lenient && !of.kind.is_always(&self.kind),
            Op::Arithmetic(..) | Op::Negate(_) => !self.kind.is_float(),
            Op::Shift(..) | Op::Elapsed(_) => true,
            Op::NullIf { both, kind } => both.iter().any(|side| !side.kind.is_always(kind)),
            Op::Call(call, _) => call.may_fail(),
            _ => false,
        };
        own || self.parts().into_iter().any(Self::may_fail)
    }
}
