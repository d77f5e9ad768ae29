//! The operators of expressions: what they compute, how tightly they bind.

use std::fmt::{self, Display};

/// An operator between two expressions. Comparisons, "and" and "or" give 1 where they hold and 0 where not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operator {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a/b`
    Div,
    /// `a^b`
    Pow,
    /// `a < b`
    Less,
    /// `a <= b`
    AtMost,
    /// `a > b`
    Greater,
    /// `a >= b`
    AtLeast,
    /// `a == b`
    Equal,
    /// `a != b`
    NotEqual,
    /// `a & b`
    And,
    /// `a | b`
    Or,
}

impl Operator {
    /// Whether what it gives is true or false.
    pub(crate) fn is_logical(self) -> bool {
        !matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Pow)
    }

    pub(super) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => power(a, b),
            Self::Less => truth(a < b, [a, b]),
            Self::AtMost => truth(a <= b, [a, b]),
            Self::Greater => truth(a > b, [a, b]),
            Self::AtLeast => truth(a >= b, [a, b]),
            Self::Equal => truth(a == b, [a, b]),
            Self::NotEqual => truth(a != b, [a, b]),
            // What is false decides, whatever the other is; so does what is true.
            Self::And if a == 0.0 || b == 0.0 => 0.0,
            Self::And => truth(true, [a, b]),
            Self::Or if is_true(a) || is_true(b) => 1.0,
            Self::Or => truth(false, [a, b]),
        }
    }
}

/// 1 or 0; NaN where one of the operands is.
fn truth(holds: bool, operands: [f64; 2]) -> f64 {
    if operands.iter().any(|x| x.is_nan()) { f64::NAN } else { f64::from(u8::from(holds)) }
}

fn is_true(x: f64) -> bool {
    !x.is_nan() && x != 0.0
}

/// `!x`: 1 for 0, and 0 for other numbers.
pub(super) fn negation(x: f64) -> f64 {
    truth(x == 0.0, [x, x])
}

/// A power has the same bits whether its exponent is a number or a column.
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    match exponent {
        2.0 => base * base,
        3.0 => base * base * base,
        _ => libm::pow(base, exponent),
    }
}

/// How tightly an expression binds, as in R: `-x^2` is `-(x^2)`, `-a * b` is `(-a) * b`, `!a > b` is `!(a > b)`.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Precedence {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Power,
    Operand,
}

impl Operator {
    pub(super) fn precedence(self) -> Precedence {
        match self {
            Self::Or => Precedence::Or,
            Self::And => Precedence::And,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast | Self::Equal | Self::NotEqual => {
                Precedence::Comparison
            }
            Self::Add | Self::Sub => Precedence::Sum,
            Self::Mul | Self::Div => Precedence::Product,
            Self::Pow => Precedence::Power,
        }
    }

    /// The loosest precedence that its left and its right operand may have without parentheses.
    pub(super) fn places(self) -> (Precedence, Precedence) {
        match self.precedence() {
            Precedence::Or => (Precedence::Or, Precedence::And),
            Precedence::And => (Precedence::And, Precedence::Not),
            Precedence::Comparison => (Precedence::Sum, Precedence::Sum),
            Precedence::Sum => (Precedence::Sum, Precedence::Product),
            Precedence::Product => (Precedence::Product, Precedence::Sign),
            _ => (Precedence::Operand, Precedence::Sign),
        }
    }
}

/// With the blanks that R puts around it.
impl Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => " + ",
            Self::Sub => " - ",
            Self::Mul => " * ",
            Self::Div => "/",
            Self::Pow => "^",
            Self::Less => " < ",
            Self::AtMost => " <= ",
            Self::Greater => " > ",
            Self::AtLeast => " >= ",
            Self::Equal => " == ",
            Self::NotEqual => " != ",
            Self::And => " & ",
            Self::Or => " | ",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_that_of_r() {
        let nan = f64::NAN;
        // R 4.2.2: NA & FALSE is FALSE, NA | TRUE is TRUE, all else with NA is NA.
        let table = [
            (Operator::Less, 1.0, 2.0, 1.0),
            (Operator::AtMost, 2.0, 2.0, 1.0),
            (Operator::Greater, 2.0, 2.0, 0.0),
            (Operator::AtLeast, 2.0, 2.0, 1.0),
            (Operator::Equal, 0.1 + 0.2, 0.3, 0.0),
            (Operator::NotEqual, 0.1 + 0.2, 0.3, 1.0),
            (Operator::And, 2.0, 1.0, 1.0),
            (Operator::And, nan, 0.0, 0.0),
            (Operator::And, nan, 1.0, nan),
            (Operator::Or, 0.0, 0.0, 0.0),
            (Operator::Or, nan, 1.0, 1.0),
            (Operator::Or, 0.0, nan, nan),
            (Operator::Equal, nan, nan, nan),
            (Operator::NotEqual, nan, 1.0, nan),
        ];
        for (operator, a, b, expected) in table {
            let found = operator.of(a, b);
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{a}{operator}{b}: {found}");
        }
        assert_eq!((negation(0.0), negation(-2.0)), (1.0, 0.0));
        assert!(negation(nan).is_nan());
    }
}
