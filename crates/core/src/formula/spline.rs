//! Splines with fixed knots: `bs(x, knots=c(1, 2), Boundary.knots=c(0, 3))` and `ns()`, those of R's package
//! splines.

use std::fmt::{self, Display};

use super::error::{FormulaError, Result};
use super::lex::Kind;
use super::parse::Parser;
use super::{Factor, MAX_KNOTS, MAX_SPLINE_DEGREE};
use crate::expression::{Expr, number};

/// A spline of arithmetic on columns, by R's basis.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spline {
    /// What the spline is a function of.
    pub argument: Expr,
    /// Whether it is a natural cubic spline, `ns()`: linear beyond the boundary knots.
    pub natural: bool,
    /// The degree of its pieces; 3 for `ns()`.
    pub degree: u32,
    /// The interior knots, in ascending order.
    pub knots: Vec<f64>,
    /// The boundary knots, the smaller one first.
    pub boundary: [f64; 2],
    /// Whether the first column of the basis, with which it spans the constant, is kept.
    pub intercept: bool,
}

impl Spline {
    /// How many columns it has.
    pub fn columns(&self) -> usize {
        let cubic = self.knots.len() + self.degree as usize + usize::from(self.intercept);
        if self.natural { cubic - 2 } else { cubic }
    }
}

impl Display for Spline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[f64]| numbers.iter().map(|&x| number(x)).collect::<Vec<_>>().join(", ");
        write!(f, "{}({}", if self.natural { "ns" } else { "bs" }, self.argument)?;
        if !self.knots.is_empty() {
            write!(f, ", knots=c({})", list(&self.knots))?;
        }
        if self.degree != 3 {
            write!(f, ", degree={}", self.degree)?;
        }
        if self.intercept {
            f.write_str(", intercept=TRUE")?;
        }
        write!(f, ", Boundary.knots=c({}))", list(&self.boundary))
    }
}

/// What `bs()` or `ns()` was told so far.
#[derive(Default)]
struct Arguments {
    degree: Option<u32>,
    knots: Vec<f64>,
    boundary: Option<[f64; 2]>,
    intercept: bool,
}

impl Parser<'_> {
    /// `bs(…)` or `ns(…)`.
    pub(super) fn spline(&mut self) -> Result<Factor> {
        let (function, at) = (self.peek().text, self.peek().at);
        let natural = function == "ns";
        let open = self.open();
        let argument = self.nested(Self::expression)?;
        let mut told = Arguments::default();
        while self.take(",") {
            self.spline_argument(natural, &mut told)?;
        }
        self.close(open, |parser| parser.no_arithmetic_operator("\",\""))?;
        let Some(boundary) = told.boundary else {
            let message = format!(
                "{function}() lacks its boundary knots: R takes the smallest and the largest value of all rows, which \
                 are not known yet; write Boundary.knots=c(0, 100) with numbers that enclose the data"
            );
            return Err(self.error_at(at, message));
        };
        let (degree, knots) = (told.degree.unwrap_or(3), told.knots);
        let spline = Spline { argument, natural, degree, knots, boundary, intercept: told.intercept };
        match refusal(&spline) {
            Some(message) => Err(self.error_at(at, format!("{function}(): {message}"))),
            None => Ok(Factor::Spline(spline)),
        }
    }

    fn spline_argument(&mut self, natural: bool, told: &mut Arguments) -> Result<()> {
        let function = if natural { "ns" } else { "bs" };
        if self.take_argument("knots") {
            told.knots = self.numbers("knots")?;
            told.knots.sort_by(f64::total_cmp);
        } else if self.take_argument("Boundary.knots") {
            let at = self.peek().at;
            let numbers = self.numbers("Boundary.knots")?;
            let [a, b] = numbers.as_slice() else {
                return Err(self.error_at(at, "there are two boundary knots, as in Boundary.knots=c(0, 100)"));
            };
            told.boundary = Some([a.min(*b), a.max(*b)]);
        } else if self.take_argument("intercept") {
            told.intercept = self.truth("intercept")?;
        } else if !natural && self.take_argument("degree") {
            let degree = self.whole_number("the degree of bs()", MAX_SPLINE_DEGREE, "")?;
            told.degree = Some(degree);
        } else {
            return Err(self.no_spline_argument(function));
        }
        Ok(())
    }

    fn no_spline_argument(&self, function: &str) -> FormulaError {
        let quantiles = "df places knots at quantiles, which only all rows tell: compute these once, and write knots=c(…)";
        match self.peek().text {
            "df" => self.error(format!("{function}(): {quantiles}")),
            _ if matches!(self.peek().kind, Kind::Number(_)) => {
                self.error(format!("{function}(): the second argument is df, and {quantiles}"))
            }
            _ => {
                let degree = if function == "bs" { "degree=3, " } else { "" };
                let expected = format!(
                    "{function}() takes an expression, knots=c(…), {degree}intercept=TRUE and Boundary.knots=c(…)"
                );
                self.missing(&expected, "")
            }
        }
    }

    /// `c(1, 2)`, or one number.
    fn numbers(&mut self, what: &str) -> Result<Vec<f64>> {
        let (token, opens) = self.peek_call();
        if !(token.text == "c" && opens) {
            return Ok(vec![self.signed_number(what)?]);
        }
        let open = self.open();
        let mut numbers = vec![self.signed_number(what)?];
        while self.take(",") {
            numbers.push(self.signed_number(what)?);
            if numbers.len() > MAX_KNOTS {
                return Err(self.error(format!("more than {MAX_KNOTS} knots")));
            }
        }
        self.close(open, |parser| parser.missing("expected \",\" or \")\"", ""))?;
        Ok(numbers)
    }

    fn signed_number(&mut self, what: &str) -> Result<f64> {
        let negative = self.take("-");
        let Kind::Number(x) = self.peek().kind else {
            let message = format!("{what} are numbers, as in {what}=c(1, 2)");
            return Err(self.missing(&message, ""));
        };
        self.advance();
        Ok(if negative && x != 0.0 { -x } else { x })
    }
}

/// What is wrong with the knots of a spline.
fn refusal(spline: &Spline) -> Option<String> {
    let [low, high] = spline.boundary;
    if low == high {
        return Some("the boundary knots are the same".into());
    }
    if let Some(&outside) = spline.knots.iter().find(|&&knot| !(low < knot && knot < high)) {
        let (knot, low, high) = (number(outside), number(low), number(high));
        return Some(format!("the knot {knot} does not lie between the boundary knots {low} and {high}"));
    }
    let most = spline.degree as usize;
    let repeated = spline.knots.windows(most + 1).find(|window| window[0] == window[most]);
    if let Some(window) = repeated {
        return Some(format!(
            "the knot {} stands there more often than the degree, {most}",
            number(window[0])
        ));
    }
    (spline.columns() == 0).then(|| "there is no column left; add a knot".into())
}
