//! Arithmetic on columns: what stands inside `I()` and the functions of a [formula](crate::formula).
//!
//! An expression is evaluated a block of rows at a time. `+ - * /`, `sqrt` and `abs` are correctly rounded,
//! as IEEE 754 has them; logarithms, `exp` and powers come from `libm`, never from the operating system. So a
//! result has the same bits everywhere. `x^2` and `x^3` are the products `x * x` and `x * x * x`, which are
//! fast; a square is then correctly rounded. Nothing is checked: a division by zero, or the logarithm of a
//! negative number, gives what IEEE 754 says.

pub(crate) mod double_double;
mod function;
mod operator;

use std::borrow::Cow;
use std::fmt::{self, Display};

pub use function::{Function, NumberFunction};
pub use operator::Operator;
use operator::{Precedence, negation};

/// Arithmetic on columns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// A constant. In a parsed formula it is finite and has no sign.
    Number(f64),
    /// A column, by its name.
    Column(String),
    /// The expression with its sign changed.
    Negate(Box<Self>),
    /// Two expressions, joined by an operator.
    Binary(Operator, Box<Self>, Box<Self>),
    /// A function of an expression.
    Call(Function, Box<Self>),
    /// A function of an expression and a number, which has a sign in a parsed formula if it is negative.
    CallWith(NumberFunction, Box<Self>, f64),
    /// `!a`: 1 where the expression is 0, and 0 where it is another number.
    Not(Box<Self>),
    /// `ifelse(a, b, c)`: the second expression where the first is not 0, the third where it is.
    IfElse(Box<[Self; 3]>),
}

/// What a part of an expression comes to. A number stays one: `x/1000` needs no column of thousands.
enum Value<'a> {
    Number(f64),
    Column(Cow<'a, [f64]>),
}

impl<'a> Value<'a> {
    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Number(x) => *x,
            Self::Column(column) => column[row],
        }
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Number(x) => Self::Number(f(x)),
            Self::Column(column) => {
                let mut values = column.into_owned();
                values.iter_mut().for_each(|x| *x = f(*x));
                Self::Column(values.into())
            }
        }
    }

    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (left, Self::Number(b)) => left.map(|a| f(a, b)),
            (Self::Number(a), right) => right.map(|b| f(a, b)),
            (Self::Column(left), Self::Column(right)) => {
                let mut values = left.into_owned();
                values.iter_mut().zip(right.iter()).for_each(|(a, &b)| *a = f(*a, b));
                Self::Column(values.into())
            }
        }
    }
}

/// `yes` where the condition is not 0, `no` where it is.
fn choose<'a>(condition: Value<'a>, yes: &Value<'a>, no: &Value<'a>) -> Value<'a> {
    let at = |row: usize, c: f64| match c {
        c if c.is_nan() => f64::NAN,
        0.0 => no.at(row),
        _ => yes.at(row),
    };
    match (condition, yes, no) {
        (Value::Number(c), Value::Number(_), Value::Number(_)) => Value::Number(at(0, c)),
        (Value::Number(c), Value::Column(column), _) | (Value::Number(c), _, Value::Column(column)) => {
            Value::Column((0..column.len()).map(|row| at(row, c)).collect())
        }
        (Value::Column(column), ..) => {
            Value::Column(column.iter().enumerate().map(|(row, &c)| at(row, c)).collect())
        }
    }
}

impl Expr {
    /// Whether it is true or false: a comparison, or several joined by `&`, `|` and `!`.
    pub fn is_condition(&self) -> bool {
        match self {
            Self::Binary(operator, ..) => operator.is_logical(),
            Self::Not(_) => true,
            _ => false,
        }
    }

    /// The columns it uses, in order of appearance, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        self.collect_columns(&mut columns);
        columns
    }

    fn collect_columns<'e>(&'e self, columns: &mut Vec<&'e str>) {
        match self {
            Self::Number(_) => {}
            Self::Column(name) if columns.contains(&name.as_str()) => {}
            Self::Column(name) => columns.push(name),
            Self::Negate(argument)
            | Self::Not(argument)
            | Self::Call(_, argument)
            | Self::CallWith(_, argument, _) => argument.collect_columns(columns),
            Self::IfElse(parts) => parts.iter().for_each(|part| part.collect_columns(columns)),
            Self::Binary(_, left, right) => {
                left.collect_columns(columns);
                right.collect_columns(columns);
            }
        }
    }

    /// Its value in each of `rows` rows. `column` gives the values of a column in these rows, for every name
    /// in [`columns`](Self::columns).
    ///
    /// ```
    /// use streamreg_core::{Expr, Function};
    ///
    /// let root = Expr::Call(Function::Sqrt, Box::new(Expr::Column("area".into())));
    /// assert_eq!(root.evaluate(2, &|_: &str| [4.0, 9.0].as_slice()), [2.0, 3.0]);
    /// ```
    pub fn evaluate<'a>(&self, rows: usize, column: &impl Fn(&str) -> &'a [f64]) -> Vec<f64> {
        match self.value(column) {
            Value::Number(x) => vec![x; rows],
            Value::Column(values) => values.into_owned(),
        }
    }

    /// How many functions are applied one to the other, or in both operands: each is off by a unit in the last place.
    pub(crate) fn calls(&self) -> usize {
        match self {
            Self::Number(_) | Self::Column(_) => 0,
            Self::Negate(argument) => argument.calls(),
            Self::Binary(_, left, right) => left.calls() + right.calls(),
            Self::Call(_, argument) | Self::CallWith(_, argument, _) => 2 + argument.calls(),
            Self::Not(_) => 0,
            Self::IfElse(parts) => parts[1].calls().max(parts[2].calls()),
        }
    }

    /// Whether it is a column or a number as it lies.
    pub(crate) fn is_exact(&self) -> bool {
        self.roundings() == Some(0)
    }

    /// How many roundings its value in float64 has behind it, each of at most half a unit in the last place of the value; `None`
    /// where one may grow on the way, as in a difference of what was rounded before.
    pub(crate) fn roundings(&self) -> Option<usize> {
        let of_exact = |argument: &Self, own: usize| argument.is_exact().then_some(own);
        match self {
            Self::Number(_) | Self::Column(_) => Some(0),
            Self::Negate(argument) => argument.roundings(),
            Self::Not(argument) => of_exact(argument, 0),
            Self::Call(_, argument) | Self::CallWith(_, argument, _) => of_exact(argument, 2),
            Self::Binary(Operator::Mul | Operator::Div, left, right) => {
                Some(left.roundings()? + right.roundings()? + 1)
            }
            Self::Binary(Operator::Pow, base, exponent) if matches!(**exponent, Self::Number(k) if k.fract() == 0.0 && (1.0..=8.0).contains(&k)) => {
                Some(8 * base.roundings()? + 2)
            }
            Self::Binary(operator, left, right) => {
                let own = match operator {
                    Operator::Add | Operator::Sub => 1,
                    Operator::Pow => 2,
                    _ => 0,
                };
                (left.is_exact() && right.is_exact()).then_some(own)
            }
            Self::IfElse(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let own = yes.roundings()?.max(no.roundings()?);
                of_exact(condition, own)
            }
        }
    }

    fn value<'a>(&self, column: &impl Fn(&str) -> &'a [f64]) -> Value<'a> {
        match self {
            Self::Number(x) => Value::Number(*x),
            Self::Column(name) => Value::Column(column(name).into()),
            Self::Negate(argument) => argument.value(column).map(|x| -x),
            Self::Binary(operator, left, right) => {
                left.value(column).zip(right.value(column), |a, b| operator.of(a, b))
            }
            Self::Call(function, argument) => argument.value(column).map(|x| function.of(x)),
            Self::CallWith(function, argument, number) => {
                argument.value(column).map(|x| function.of(x, *number))
            }
            Self::Not(argument) => argument.value(column).map(negation),
            Self::IfElse(parts) => {
                let [condition, yes, no] = parts.as_ref();
                choose(condition.value(column), &yes.value(column), &no.value(column))
            }
        }
    }

    fn precedence(&self) -> Precedence {
        match self {
            Self::Number(x) if x.is_sign_negative() => Precedence::Sign,
            Self::Number(_) | Self::Column(_) => Precedence::Operand,
            Self::Call(..) | Self::CallWith(..) | Self::IfElse(_) => Precedence::Operand,
            Self::Negate(_) => Precedence::Sign,
            Self::Not(_) => Precedence::Not,
            Self::Binary(operator, ..) => operator.precedence(),
        }
    }

    /// Writes the expression, in parentheses if it binds less tightly than its place demands.
    fn fmt_in(&self, place: Precedence, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.precedence() < place { write!(f, "({self})") } else { self.fmt(f) }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(x) => f.write_str(&number(*x)),
            Self::Column(name) => Name(name).fmt(f),
            Self::Negate(argument) => {
                f.write_str("-")?;
                argument.fmt_in(Precedence::Sign, f)
            }
            Self::Binary(operator, left, right) => {
                let (left_place, right_place) = operator.places();
                left.fmt_in(left_place, f)?;
                operator.fmt(f)?;
                right.fmt_in(right_place, f)
            }
            Self::Call(function, argument) => write!(f, "{function}({argument})"),
            Self::CallWith(function, argument, x) => write!(f, "{function}({argument}, {})", number(*x)),
            Self::Not(argument) => {
                f.write_str("!")?;
                argument.fmt_in(Precedence::Not, f)
            }
            Self::IfElse(parts) => write!(f, "ifelse({}, {}, {})", parts[0], parts[1], parts[2]),
        }
    }
}

/// The fewest digits that read back as the same number, with an exponent where that saves more than two
/// characters: `1000` and `0.001`, but `1e6`.
pub(crate) fn number(x: f64) -> String {
    let (plain, scientific) = (format!("{x}"), format!("{x:e}"));
    if plain.len() <= scientific.len() + 2 { plain } else { scientific }
}

/// A column's name as it is written in a formula: in backticks if it would not be read as a name without.
pub(crate) struct Name<'n>(pub(crate) &'n str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if begins_name(self.0) && self.0.chars().all(continues_name) {
            f.write_str(self.0)
        } else {
            write!(f, "`{}`", self.0.replace('`', "``"))
        }
    }
}

/// Whether a name without backticks may begin like `text`: with a letter, `_`, or `.` and a letter.
pub(crate) fn begins_name(text: &str) -> bool {
    text.strip_prefix('.').map_or(text.starts_with('_'), |rest| rest.starts_with(char::is_alphabetic))
        || text.starts_with(char::is_alphabetic)
}

/// Whether a name without backticks may go on with this character.
pub(crate) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Box<Expr> {
        Box::new(Expr::Column(name.into()))
    }

    fn number_of(x: f64) -> Box<Expr> {
        Box::new(Expr::Number(x))
    }

    #[test]
    fn numbers_are_short_and_read_back() {
        let table = [(1.0, "1"), (2.5, "2.5"), (0.001, "0.001"), (1000.0, "1000"), (1e6, "1e6")];
        for (x, text) in table {
            assert_eq!(number(x), text);
        }
        for x in [0.1 + 0.2, 1e300, 5e-324, 1.0 / 3.0, f64::MAX, 123_456.789] {
            assert_eq!(number(x).parse(), Ok(x));
        }
    }

    #[test]
    fn names_have_backticks_where_needed() {
        let plain = ["x", "_", ".x", "stack.loss", "größe", "変数", "x1", "C", "TRUE", "a..b."];
        for name in plain {
            assert_eq!(Name(name).to_string(), name);
        }
        let table = [("", "``"), (".", "`.`"), ("._", "`._`"), (".1", "`.1`"), ("1st", "`1st`")];
        for (name, text) in table {
            assert_eq!(Name(name).to_string(), text);
        }
        assert_eq!(Name("a`b c").to_string(), "`a``b c`");
    }

    #[test]
    fn columns_come_once_in_order() {
        let ratio = Expr::Binary(Operator::Div, column("b"), column("a"));
        let sum = Expr::Binary(Operator::Add, Box::new(ratio), column("b"));
        assert_eq!(sum.columns(), ["b", "a"]);
    }

    #[test]
    fn a_number_fills_the_rows() {
        assert_eq!(Expr::Number(2.0).evaluate(3, &|_: &str| &[]), [2.0; 3]);
    }

    #[test]
    fn squares_are_rounded_once_and_do_not_depend_on_the_spelling() {
        let x: Vec<f64> = (1..100).map(|i| f64::from(i) / 7.0).collect();
        let twos = vec![2.0; x.len()];
        let columns = |name: &str| if name == "x" { x.as_slice() } else { twos.as_slice() };
        let by_number = Expr::Binary(Operator::Pow, column("x"), number_of(2.0));
        let by_column = Expr::Binary(Operator::Pow, column("x"), column("two"));
        let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
        assert_eq!(by_number.evaluate(x.len(), &columns), squares);
        assert_eq!(by_column.evaluate(x.len(), &columns), squares);
    }

    #[test]
    fn the_edges_follow_ieee() {
        let x = [0.0, -1.0, f64::INFINITY];
        let columns = |_: &str| x.as_slice();
        let inverse = Expr::Binary(Operator::Div, number_of(1.0), column("x"));
        assert_eq!(inverse.evaluate(3, &columns), [f64::INFINITY, -1.0, 0.0]);
        let log = Expr::Call(Function::Log, column("x")).evaluate(3, &columns);
        assert_eq!(log[0], f64::NEG_INFINITY);
        assert!(log[1].is_nan());
        assert_eq!(log[2], f64::INFINITY);
    }

    #[test]
    fn a_choice_looks_at_its_condition_alone() {
        let x = [4.0, 0.0, -1.0, f64::NAN];
        let columns = |_: &str| x.as_slice();
        let positive = Expr::Binary(Operator::Greater, column("x"), number_of(0.0));
        let log = Expr::Call(Function::Log2, column("x"));
        let chosen = Expr::IfElse(Box::new([positive.clone(), log, Expr::Number(7.0)]));
        let found = chosen.evaluate(4, &columns);
        assert_eq!(found[..3], [2.0, 7.0, 7.0]);
        assert!(found[3].is_nan());
        let fixed = Expr::IfElse(Box::new([Expr::Number(0.0), *column("x"), Expr::Number(3.0)]));
        assert_eq!(fixed.evaluate(4, &columns), [3.0; 4]);
        assert!(positive.is_condition() && Expr::Not(column("x")).is_condition() && !chosen.is_condition());
        assert_eq!(Expr::Not(Box::new(positive)).evaluate(4, &columns)[..3], [0.0, 1.0, 1.0]);
    }

    #[test]
    fn roundings_that_may_grow_are_known() {
        let binary = |operator, a: Box<Expr>, b: Box<Expr>| Box::new(Expr::Binary(operator, a, b));
        let difference = || binary(Operator::Sub, column("x"), column("z"));
        let square = |a: Box<Expr>| binary(Operator::Pow, a, number_of(2.0));
        assert_eq!(column("x").roundings(), Some(0));
        assert_eq!(binary(Operator::Mul, column("x"), column("z")).roundings(), Some(1));
        assert_eq!(difference().roundings(), Some(1));
        assert_eq!(square(difference()).roundings(), Some(10));
        assert_eq!(Expr::Call(Function::Log, column("x")).roundings(), Some(2));
        // The difference of squares, the logarithm of what is nearly 1.
        assert_eq!(binary(Operator::Sub, square(column("x")), square(column("z"))).roundings(), None);
        assert_eq!(Expr::Call(Function::Log, square(column("x"))).roundings(), None);
    }
}
