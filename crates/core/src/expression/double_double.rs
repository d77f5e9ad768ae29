//! Expressions in double-double arithmetic: the value of a term with what rounding would take from it.
//!
//! Sums, differences, products, quotients, square roots and whole powers are carried to about 2^-100 of
//! themselves. Other functions are float64's, off by about a unit in the last place; only what their argument lacks is
//! made up for, by the derivative.

use faer::fx128;

use super::{Expr, Function, Operator};

/// The largest exponent of a power that is multiplied out.
const MAX_EXPONENT: f64 = 1024.0;

impl Expr {
    /// Its value in each of `rows` rows; `column` gives the values of a column in these rows. Where a value is
    /// not finite it is the one that [`Expr::evaluate`] gives.
    pub(crate) fn evaluate_double_double<'a>(
        &self,
        rows: usize,
        column: &impl Fn(&str) -> &'a [f64],
    ) -> Vec<fx128> {
        let mut values = self.double_double(rows, column);
        if values.iter().any(|v| !is_finite(*v)) {
            let plain = self.evaluate(rows, column);
            let cells = values.iter_mut().zip(plain);
            cells.filter(|(v, _)| !is_finite(**v)).for_each(|(v, x)| *v = fx128::from_f64(x));
        }
        values
    }

    fn plain<'a>(&self, rows: usize, column: &impl Fn(&str) -> &'a [f64]) -> Vec<fx128> {
        self.evaluate(rows, column).into_iter().map(fx128::from_f64).collect()
    }

    fn double_double<'a>(&self, rows: usize, column: &impl Fn(&str) -> &'a [f64]) -> Vec<fx128> {
        match self {
            // What is compared are float64 numbers: a condition is the same however sums are carried.
            Self::Not(_) => self.plain(rows, column),
            Self::Binary(operator, ..) if operator.is_logical() => self.plain(rows, column),
            Self::Number(x) => vec![fx128::from_f64(*x); rows],
            Self::Column(name) => column(name).iter().copied().map(fx128::from_f64).collect(),
            Self::Negate(argument) => map(argument.double_double(rows, column), |x| -x),
            Self::Binary(operator, left, right) => {
                let mut values = left.double_double(rows, column);
                let others = right.double_double(rows, column);
                values.iter_mut().zip(others).for_each(|(a, b)| *a = operator.double_double(*a, b));
                values
            }
            Self::Call(function, argument) => {
                map(argument.double_double(rows, column), |x| function.double_double(x))
            }
            Self::CallWith(function, argument, number) => {
                let of = |x: fx128| function.of(x.0, *number);
                map(argument.double_double(rows, column), |x| lifted(x, of(x), function.slope(x.0, *number)))
            }
            Self::IfElse(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let conditions = condition.evaluate(rows, column);
                let (yes, no) = (yes.double_double(rows, column), no.double_double(rows, column));
                let cells = conditions.into_iter().zip(yes).zip(no);
                cells
                    .map(|((c, yes), no)| {
                        if c.is_nan() {
                            fx128::NAN
                        } else if c == 0.0 {
                            no
                        } else {
                            yes
                        }
                    })
                    .collect()
            }
        }
    }
}

/// A float64 function of a double-double argument: `value` for its high part, and by the slope there for its low part.
fn lifted(argument: fx128, value: f64, slope: f64) -> fx128 {
    let rest = argument.1 * slope;
    let rest = if rest.is_finite() { rest } else { 0.0 };
    fx128::from_f64(value).add_accurate(fx128::from_f64(rest))
}

fn map(mut values: Vec<fx128>, f: impl Fn(fx128) -> fx128) -> Vec<fx128> {
    values.iter_mut().for_each(|v| *v = f(*v));
    values
}

fn is_finite(value: fx128) -> bool {
    value.0.is_finite() && value.1.is_finite()
}

impl Operator {
    fn double_double(self, a: fx128, b: fx128) -> fx128 {
        match self {
            Self::Add => a.add_accurate(b),
            Self::Sub => a.sub_accurate(b),
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow if b.1 == 0.0 && b.0.fract() == 0.0 && (1.0..=MAX_EXPONENT).contains(&b.0) => {
                power(a, b.0 as u32)
            }
            _ => fx128::from_f64(self.of(a.0, b.0)),
        }
    }
}

impl Function {
    fn double_double(self, argument: fx128) -> fx128 {
        match self {
            Self::Sqrt if argument.0 > 0.0 => argument.sqrt(),
            Self::Abs => argument.abs(),
            _ => {
                let value = self.of(argument.0);
                lifted(argument, value, self.slope(argument.0, value))
            }
        }
    }
}

/// A whole power, at least the first, by repeated squaring.
pub(crate) fn power(base: fx128, exponent: u32) -> fx128 {
    let (mut result, mut square, mut left) = (fx128::ONE, base, exponent);
    loop {
        if left & 1 == 1 {
            result *= square;
        }
        left >>= 1;
        if left == 0 {
            return result;
        }
        square *= square;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Box<Expr> {
        Box::new(Expr::Column(name.into()))
    }

    #[test]
    fn what_rounding_takes_is_kept() {
        let x = [0.1, 3.0, 1e10 + 1.0, f64::NAN, 0.0];
        let columns = |_: &str| x.as_slice();
        let square = Expr::Binary(Operator::Pow, column("x"), Box::new(Expr::Number(2.0)));
        let double_double = square.evaluate_double_double(5, &columns);
        for row in 0..3 {
            assert_eq!(double_double[row].0, x[row] * x[row]);
            assert_eq!(double_double[row].1, x[row].mul_add(x[row], -double_double[row].0));
        }
        assert!(double_double[0].1 != 0.0 && double_double[1].1 == 0.0 && double_double[3].0.is_nan());
        let inverse = Expr::Binary(Operator::Div, Box::new(Expr::Number(1.0)), column("x"));
        let third = inverse.evaluate_double_double(5, &columns);
        assert_eq!((third[1].0, third[4].0), (1.0 / 3.0, f64::INFINITY));
        // Three times a third is one, but for 2^-104.
        let back = third[1] * fx128::from_f64(3.0);
        assert!((back.0 - 1.0 + back.1).abs() < 1e-31);
    }

    #[test]
    fn powers_multiply_out() {
        assert_eq!(power(fx128::from_f64(3.0), 40).0, 3f64.powi(40));
        let tenth = power(fx128::from_f64(0.1), 10);
        // 0.1 as float64, to the tenth, from exact integers: 3602879701896397^10 / 2^550.
        assert_eq!(tenth.0, 1.000_000_000_000_000_6e-10);
    }

    #[test]
    fn functions_are_those_of_float64() {
        let x = [2.0, 9.0];
        let columns = |_: &str| x.as_slice();
        let log = Expr::Call(Function::Log, column("x"));
        let double_double = log.evaluate_double_double(2, &columns);
        assert_eq!(double_double[0], fx128::from_f64(log.evaluate(2, &columns)[0]));
        // log(1 + 1e-20), which float64 alone takes for log(1).
        let sum = Expr::Binary(Operator::Add, Box::new(Expr::Number(1.0)), Box::new(Expr::Number(1e-20)));
        let log = Expr::Call(Function::Log, Box::new(sum)).evaluate_double_double(1, &columns);
        assert!((log[0].0 + log[0].1 - 1e-20).abs() < 1e-34);
        let root = Expr::Call(Function::Sqrt, column("x")).evaluate_double_double(2, &columns);
        let square = root[0] * root[0];
        assert!((square.0 - 2.0 + square.1).abs() < 1e-30 && root[1] == fx128::from_f64(3.0));
    }
}
