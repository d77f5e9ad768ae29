//! The functions that expressions may call.

use regex::Regex;

use super::calendar::Field;
use super::kind::Kind;

/// A function with everything that is known of it before a row is read.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Of one floating-point number.
    Real(Real),
    /// Of two.
    Reals(Reals),
    /// Whether a floating-point number is of a sort.
    Test(Test),
    Abs,
    Sign,
    /// To so many places behind the point; before it, if negative.
    Round(Rounding, i32),
    Text(Text),
    /// Whether text has a match of a pattern.
    Matches(Regex),
    /// A field of a date or time.
    Field(Field),
    /// The beginning of the field that a date or time lies in.
    Begin(Field),
    /// Of year, month and day.
    MakeDate,
}

/// Functions of a real number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Real {
    Sqrt,
    Cbrt,
    Exp,
    Ln,
    Log10,
    Log2,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Degrees,
    Radians,
}

/// Functions of two real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reals {
    Power,
    /// The angle of the point (second, first).
    Atan2,
    /// The logarithm of the second to the base of the first.
    Log,
}

/// What a floating-point number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Nan,
    Infinite,
    Finite,
}

/// How a number loses its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Halves away from zero.
    Nearest,
    TowardsZero,
    Up,
    Down,
}

/// Functions of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Lower,
    Upper,
    Length,
    /// From the left, from the right; blanks, or the letters of the second operand.
    Trim {
        left: bool,
        right: bool,
    },
    Substring,
    Left,
    Right,
    Replace,
    StartsWith,
    EndsWith,
    Contains,
    /// The place of the second in the first; 0 if it is not there.
    Position,
    /// All that is not null, joined.
    Concat,
    /// Two joined; null beside a null.
    Join,
    Reverse,
    /// Whether the first fits the pattern that the second is.
    Like {
        escape: Option<char>,
        folds_case: bool,
    },
}

impl Call {
    /// Whether some row may have no result.
    pub(super) fn may_fail(&self) -> bool {
        // Texts may become too long.
        matches!(
            self,
            Self::Text(Text::Concat | Text::Join | Text::Replace)
                | Self::Abs
                | Self::Round(..)
                | Self::Field(_)
                | Self::Begin(_)
                | Self::MakeDate
        )
    }
}

impl Real {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sqrt" => Self::Sqrt,
            "cbrt" => Self::Cbrt,
            "exp" => Self::Exp,
            "ln" => Self::Ln,
            "log" | "log10" => Self::Log10,
            "log2" => Self::Log2,
            "sin" => Self::Sin,
            "cos" => Self::Cos,
            "tan" => Self::Tan,
            "asin" => Self::Asin,
            "acos" => Self::Acos,
            "atan" => Self::Atan,
            "sinh" => Self::Sinh,
            "cosh" => Self::Cosh,
            "tanh" => Self::Tanh,
            "degrees" => Self::Degrees,
            "radians" => Self::Radians,
            _ => return None,
        })
    }

    /// The value; NaN outside of the domain. The same on every machine.
    pub(super) fn of(self, x: f64) -> f64 {
        match self {
            Self::Sqrt => libm::sqrt(x),
            Self::Cbrt => libm::cbrt(x),
            Self::Exp => libm::exp(x),
            Self::Ln => libm::log(x),
            Self::Log10 => libm::log10(x),
            Self::Log2 => libm::log2(x),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Tanh => libm::tanh(x),
            Self::Degrees => x.to_degrees(),
            Self::Radians => x.to_radians(),
        }
    }
}

impl Reals {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "pow" | "power" => Self::Power,
            "atan2" => Self::Atan2,
            "log" => Self::Log,
            _ => return None,
        })
    }

    pub(super) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Power => libm::pow(a, b),
            Self::Atan2 => libm::atan2(a, b),
            Self::Log => libm::log10(b) / libm::log10(a),
        }
    }
}

impl Text {
    /// A function by its name, with the numbers of operands that it takes.
    pub(super) fn named(name: &str) -> Option<(Self, std::ops::RangeInclusive<usize>)> {
        Some(match name {
            "lower" | "lcase" => (Self::Lower, 1..=1),
            "upper" | "ucase" => (Self::Upper, 1..=1),
            "length" | "len" | "char_length" | "character_length" => (Self::Length, 1..=1),
            "trim" | "btrim" => (Self::Trim { left: true, right: true }, 1..=2),
            "ltrim" => (Self::Trim { left: true, right: false }, 1..=2),
            "rtrim" => (Self::Trim { left: false, right: true }, 1..=2),
            "substr" | "substring" => (Self::Substring, 2..=3),
            "left" => (Self::Left, 2..=2),
            "right" => (Self::Right, 2..=2),
            "replace" => (Self::Replace, 3..=3),
            "starts_with" | "prefix" => (Self::StartsWith, 2..=2),
            "ends_with" | "suffix" => (Self::EndsWith, 2..=2),
            "contains" => (Self::Contains, 2..=2),
            "strpos" | "instr" | "position" => (Self::Position, 2..=2),
            "concat" => (Self::Concat, 1..=1_000),
            "reverse" => (Self::Reverse, 1..=1),
            _ => return None,
        })
    }

    /// What the operand at this place must be.
    pub(super) fn operand(self, place: usize) -> Kind {
        match (self, place) {
            (Self::Substring | Self::Left | Self::Right, 1..) => Kind::Integer,
            _ => Kind::Text,
        }
    }

    pub(super) fn result(self) -> Kind {
        match self {
            Self::Length | Self::Position => Kind::Integer,
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::Like { .. } => Kind::Boolean,
            _ => Kind::Text,
        }
    }
}

/// Words of SQL for functions of more than a row.
pub(super) fn is_of_many_rows(name: &str) -> bool {
    [
        "sum",
        "avg",
        "mean",
        "count",
        "min",
        "max",
        "median",
        "mode",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "corr",
        "covar_pop",
        "covar_samp",
        "quantile",
        "quantile_cont",
        "quantile_disc",
        "first",
        "last",
        "any_value",
        "arg_min",
        "arg_max",
        "string_agg",
        "array_agg",
        "list",
        "bool_and",
        "bool_or",
        "product",
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "nth_value",
        "cume_dist",
    ]
    .contains(&name)
}

/// The names of all functions, for messages.
pub(super) const NAMES: &[&str] = &[
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "coalesce",
    "concat",
    "contains",
    "cos",
    "cosh",
    "date_part",
    "date_trunc",
    "day",
    "dayofweek",
    "dayofyear",
    "degrees",
    "ends_with",
    "epoch",
    "exp",
    "extract",
    "floor",
    "greatest",
    "hour",
    "if",
    "ifnull",
    "isfinite",
    "isinf",
    "isnan",
    "isodow",
    "least",
    "left",
    "length",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "make_date",
    "minute",
    "mod",
    "month",
    "nullif",
    "pi",
    "pow",
    "power",
    "quarter",
    "radians",
    "regexp_matches",
    "replace",
    "reverse",
    "right",
    "round",
    "rtrim",
    "second",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "tan",
    "tanh",
    "trim",
    "trunc",
    "upper",
    "week",
    "year",
];
