//! The numeric variables of a block of rows: what is computed from its columns.

use arrow_array::RecordBatch;
use faer::fx128;

use crate::design::piecewise::Located;
use crate::design::{Content, Design, Monomial, Piece, Polynomial};
use crate::error::Result;
use crate::expression::Expr;
use crate::expression::double_double::power;
use crate::rows::block::{Column, block_rows};
use crate::rows::convert::fill;

/// A variable that is computed: its float64 values, and what they lack to it where that is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Computed {
    pub(crate) values: Vec<f64>,
    pub(crate) low: Option<Vec<f64>>,
}

impl From<Vec<f64>> for Computed {
    fn from(values: Vec<f64>) -> Self {
        Self { values, low: None }
    }
}

impl From<Vec<fx128>> for Computed {
    fn from(double_double: Vec<fx128>) -> Self {
        let low: Vec<f64> = double_double.iter().map(|v| if v.0.is_finite() { v.1 } else { 0.0 }).collect();
        let low = low.iter().any(|&l| l != 0.0).then_some(low);
        Self { values: double_double.into_iter().map(|v| v.0).collect(), low }
    }
}

/// A variable: a column as it lies, or what was computed.
pub(crate) fn column_of<'a>(content: &Content, computed: &'a Computed, numbers: &[&'a [f64]]) -> Column<'a> {
    match content {
        Content::Product(monomial) if computed.values.is_empty() => match monomial.as_slice() {
            [Piece::Column(column)] => numbers[*column].into(),
            _ => computed.values.as_slice().into(),
        },
        _ => Column { values: &computed.values, low: computed.low.as_deref() },
    }
}

/// The variables that are not columns as they lie; empty for those that are.
pub(crate) fn compute(design: &Design, numbers: &[&[f64]], rows: usize) -> Vec<Computed> {
    let inputs = Inputs { design, numbers, rows };
    let variables = design.variables.iter().map(|variable| &variable.content);
    let mut known = Known::new(design);
    if design.exact {
        return variables
            .map(|content| of(content, |m| inputs.double_double(m, &mut known).into()))
            .collect();
    }
    variables.map(|content| of(content, |m| inputs.product(m, &mut known).into())).collect()
}

/// What several variables are computed from: the arguments of polynomials, shifted and scaled, and those of splines,
/// located between knots.
struct Known {
    plain: Vec<Option<Vec<f64>>>,
    shifted: Vec<Option<Vec<fx128>>>,
    located: Vec<Option<Vec<Located>>>,
}

impl Known {
    fn new(design: &Design) -> Self {
        let (polynomials, splines) = (design.polynomials.len(), design.splines.len());
        Self {
            plain: vec![None; polynomials],
            shifted: vec![None; polynomials],
            located: vec![None; splines],
        }
    }
}

fn of(content: &Content, compute: impl FnOnce(&Monomial) -> Computed) -> Computed {
    match content {
        Content::MissingFlag(_) => Computed::default(),
        Content::Product(monomial) if matches!(monomial.as_slice(), [Piece::Column(_)]) => {
            Computed::default()
        }
        Content::Product(monomial) => compute(monomial),
    }
}

/// The columns of a block, to compute variables from.
struct Inputs<'a> {
    design: &'a Design,
    numbers: &'a [&'a [f64]],
    rows: usize,
}

impl<'a> Inputs<'a> {
    fn by_name(&self, name: &str) -> &'a [f64] {
        let position = self.design.columns.iter().position(|c| c == name);
        // Binding has put every column of every expression on the list.
        position.map_or(&[][..], |position| self.numbers[position])
    }

    /// A product of pieces in float64. A piece in which roundings might grow is computed in double-double, and rounded once.
    fn product(&self, monomial: &Monomial, known: &mut Known) -> Vec<f64> {
        let by_name = |name: &str| self.by_name(name);
        let pieces = monomial.iter().map(|piece| match piece {
            Piece::Column(column) => self.numbers[*column].to_vec(),
            Piece::Expr(expr) if expr.roundings().is_some() => evaluate(expr, self.rows, &by_name),
            Piece::Power(index, exponent) if self.design.polynomials[*index].argument.is_exact() => {
                let argument = || self.shifted(&self.design.polynomials[*index]);
                let base = known.plain[*index].get_or_insert_with(argument);
                let power = |&t: &f64| (1..*exponent).fold(t, |power, _| power * t);
                base.iter().map(power).collect()
            }
            computed => self.piece(computed, known).into_iter().map(|v| v.0).collect(),
        });
        let product = pieces.reduce(|mut so_far, values: Vec<f64>| {
            so_far.iter_mut().zip(&values).for_each(|(a, b)| *a *= b);
            so_far
        });
        product.unwrap_or_else(|| vec![1.0; self.rows])
    }

    /// As [`Inputs::product`], in double-double.
    fn double_double(&self, monomial: &Monomial, known: &mut Known) -> Vec<fx128> {
        let pieces = monomial.iter().map(|piece| self.piece(piece, known));
        let product = pieces.reduce(|mut so_far, values| {
            so_far.iter_mut().zip(values).for_each(|(a, b)| *a = finite_product(*a, b));
            so_far
        });
        product.unwrap_or_else(|| vec![fx128::ONE; self.rows])
    }

    fn piece(&self, piece: &Piece, known: &mut Known) -> Vec<fx128> {
        match piece {
            Piece::Column(column) => self.numbers[*column].iter().copied().map(fx128::from_f64).collect(),
            Piece::Expr(expr) => self.evaluate_double_double(expr),
            Piece::Power(index, exponent) => {
                let argument = || self.shifted_double_double(&self.design.polynomials[*index]);
                let base = known.shifted[*index].get_or_insert_with(argument);
                base.iter().map(|&t| power(t, *exponent)).collect()
            }
            Piece::Spline(index, column) => {
                let spline = &self.design.splines[*index];
                let places = known.located[*index].get_or_insert_with(|| {
                    let argument = self.evaluate_double_double(&spline.argument).into_iter();
                    argument.map(|x| spline.locate(x)).collect()
                });
                places.iter().map(|&place| spline.value(*column, place)).collect()
            }
        }
    }

    /// `(argument - shift) / scale`.
    fn shifted(&self, polynomial: &Polynomial) -> Vec<f64> {
        let mut values = evaluate(&polynomial.argument, self.rows, &|name: &str| self.by_name(name));
        values.iter_mut().for_each(|v| *v = (*v - polynomial.shift) / polynomial.scale);
        values
    }

    /// The same in double-double.
    fn shifted_double_double(&self, polynomial: &Polynomial) -> Vec<fx128> {
        let (shift, scale) = (fx128::from_f64(polynomial.shift), fx128::from_f64(polynomial.scale));
        let mut values = self.evaluate_double_double(&polynomial.argument);
        values.iter_mut().for_each(|v| *v = v.sub_accurate(shift) / scale);
        values
    }

    fn evaluate_double_double(&self, expr: &Expr) -> Vec<fx128> {
        let mut values = expr.evaluate_double_double(self.rows, &|name: &str| self.by_name(name));
        mark_missing(expr, &|name: &str| self.by_name(name), |row| values[row] = fx128::NAN);
        values
    }
}

/// A product whose low part is no NaN where its high part is none: of huge numbers, it overflows first.
fn finite_product(a: fx128, b: fx128) -> fx128 {
    let product = a * b;
    if product.1.is_finite() { product } else { fx128::from_f64(a.0 * b.0) }
}

/// The values of an expression, NaN wherever a column of it is not finite.
fn evaluate<'a>(expr: &Expr, rows: usize, by_name: &impl Fn(&str) -> &'a [f64]) -> Vec<f64> {
    let mut values = expr.evaluate(rows, by_name);
    mark_missing(expr, by_name, |row| values[row] = f64::NAN);
    values
}

/// Calls `mark` for the rows in which a column of an expression is not finite: arithmetic alone would make numbers
/// of some of them (`x^0`, `1/x`, `exp(-x)`), and rows would count although a value is missing.
fn mark_missing<'a>(expr: &Expr, by_name: &impl Fn(&str) -> &'a [f64], mut mark: impl FnMut(usize)) {
    for name in expr.columns() {
        let cells = by_name(name).iter().enumerate();
        cells.filter(|(_, x)| !x.is_finite()).for_each(|(row, _)| mark(row));
    }
}

impl Design {
    /// Looks at the first rows of the data, whose columns are [`Design::columns`], for numbers near which
    /// polynomials are computed and missing numbers are filled. They decide no more than the last digits.
    ///
    /// # Errors
    /// [`Batch`](crate::error::ErrorKind::Batch) when a column does not hold what it must.
    pub fn centre_on(&mut self, first: &RecordBatch) -> Result<()> {
        let rows = first.num_rows().min(block_rows(self.variables.len()));
        let mut numbers = Vec::with_capacity(self.columns.len());
        for (column, array) in first.columns().iter().enumerate() {
            let mut cells = vec![0.0; if self.numbers[column] { rows } else { 0 }];
            if self.numbers[column] {
                fill(array, 0, &mut cells).map_err(|e| e.in_column(&self.columns[column]))?;
            }
            numbers.push(cells);
        }
        let slices: Vec<&[f64]> = numbers.iter().map(Vec::as_slice).collect();
        let columns = self.columns.clone();
        let by_name =
            |name: &str| columns.iter().position(|c| c == name).map_or(&[][..], |position| slices[position]);
        for polynomial in &mut self.polynomials {
            let values = polynomial.argument.evaluate(rows, &by_name);
            (polynomial.shift, polynomial.scale) = centre_and_scale(&values);
        }
        let computed = compute(self, &slices, rows);
        for (v, variable) in self.variables.iter().enumerate() {
            self.fills[v] = centre_and_scale(column_of(&variable.content, &computed[v], &slices).values).0;
        }
        Ok(())
    }
}

/// The mean of the finite values, and the power of two next to their largest distance from it.
fn centre_and_scale(values: &[f64]) -> (f64, f64) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let Some(first) = finite().next() else { return (0.0, 1.0) };
    let (count, sum) = finite().fold((0.0, 0.0), |(n, s), v| (n + 1.0, s + (v - first)));
    let mean = first + sum / count;
    let reach = finite().fold(0.0f64, |r, v| r.max((v - mean).abs()));
    let power_of_two = f64::from_bits(reach.to_bits() & 0x7ff0_0000_0000_0000);
    let scale = if power_of_two.is_normal() { power_of_two } else { 1.0 };
    // A short number: what is subtracted shall not add digits of its own.
    let unit = scale / 64.0;
    let shift = (mean / unit).round() * unit;
    (if shift.is_finite() { shift } else { mean }, scale)
}
