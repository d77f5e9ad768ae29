//! The numeric variables of a block of rows: what is computed from its columns.

use arrow_array::RecordBatch;

use crate::blocks::block_rows;
use crate::convert::fill;
use crate::design::{Content, Design, Monomial, Piece, Polynomial};
use crate::error::Result;
use crate::expression::Expr;

/// The values of a variable: a column as it lies, or what was computed.
pub(crate) fn values_of<'a>(content: &Content, computed: &'a [f64], numbers: &[&'a [f64]]) -> &'a [f64] {
    match content {
        Content::Product(monomial) if computed.is_empty() => match monomial.as_slice() {
            [Piece::Column(column)] => numbers[*column],
            _ => computed,
        },
        _ => computed,
    }
}

/// The variables that are not columns as they lie, one vector each; empty for those that are.
pub(crate) fn compute(design: &Design, numbers: &[&[f64]], rows: usize) -> Vec<Vec<f64>> {
    let mut arguments: Vec<Option<Vec<f64>>> = vec![None; design.polynomials.len()];
    let variables = design.variables.iter();
    variables
        .map(|variable| match &variable.content {
            Content::MissingFlag(_) => Vec::new(),
            Content::Product(monomial) => product(design, monomial, numbers, rows, &mut arguments),
        })
        .collect()
}

fn product(
    design: &Design,
    monomial: &Monomial,
    numbers: &[&[f64]],
    rows: usize,
    arguments: &mut [Option<Vec<f64>>],
) -> Vec<f64> {
    if let [Piece::Column(_)] = monomial.as_slice() {
        return Vec::new();
    }
    let by_name = |name: &str| {
        let position = design.columns.iter().position(|c| c == name);
        // Binding has put every column of every expression on the list.
        position.map_or(&[][..], |position| numbers[position])
    };
    let mut product: Option<Vec<f64>> = None;
    for piece in monomial {
        let values = match piece {
            Piece::Column(column) => numbers[*column].to_vec(),
            Piece::Expr(expr) => evaluate(expr, rows, &by_name),
            Piece::Power(index, exponent) => {
                let base = arguments[*index]
                    .get_or_insert_with(|| shifted(&design.polynomials[*index], rows, &by_name));
                let power = |&t: &f64| (1..*exponent).fold(t, |power, _| power * t);
                base.iter().map(power).collect()
            }
        };
        product = Some(match product {
            None => values,
            Some(mut so_far) => {
                so_far.iter_mut().zip(&values).for_each(|(a, b)| *a *= b);
                so_far
            }
        });
    }
    product.unwrap_or_else(|| vec![1.0; rows])
}

/// The values of an expression, NaN wherever a column of it is not finite: arithmetic alone would make numbers of
/// some of them (`x^0`, `1/x`, `exp(-x)`), and rows would count although a value is missing.
fn evaluate<'a>(expr: &Expr, rows: usize, by_name: &impl Fn(&str) -> &'a [f64]) -> Vec<f64> {
    let mut values = expr.evaluate(rows, by_name);
    for name in expr.columns() {
        for (value, x) in values.iter_mut().zip(by_name(name)) {
            if !x.is_finite() {
                *value = f64::NAN;
            }
        }
    }
    values
}

/// `(argument - shift) / scale`.
fn shifted<'a>(polynomial: &Polynomial, rows: usize, by_name: &impl Fn(&str) -> &'a [f64]) -> Vec<f64> {
    let mut values = evaluate(&polynomial.argument, rows, by_name);
    values.iter_mut().for_each(|v| *v = (*v - polynomial.shift) / polynomial.scale);
    values
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
            self.fills[v] = centre_and_scale(values_of(&variable.content, &computed[v], &slices)).0;
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
