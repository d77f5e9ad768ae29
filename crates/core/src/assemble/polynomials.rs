//! Orthogonal polynomials from the cross-products of powers.

use faer::fx128;

use super::Group;
use crate::design::bind::powers;
use crate::design::layout::{Basis, Layout};
use crate::design::{Design, Piece};
use crate::error::{Error, ErrorKind, Result};
use crate::sums::cross_products::CrossProducts;
use crate::sums::double_double::DoubleDoubleProducts;
use crate::sums::groups::Record;
use crate::sums::moments::Moments;

impl Group<'_> {
    /// How many times larger the cross-products of powers are than those of the orthogonal polynomials that they are combined
    /// to; 1 without any.
    pub fn amplification(&self) -> f64 {
        self.amplification
    }

    /// How far rounding may have moved the cells of every column of `layout` from what its term says, as a share of the
    /// column's norm about zero. Columns of the data, and of levels, are what they are.
    /// Of computed cells all may be `kept`, or the nearest float64.
    pub fn cell_errors(&self, layout: &Layout, kept: bool) -> Vec<f64> {
        layout.cell_errors(self.design, self.amplification.sqrt(), kept)
    }

    /// Whether sums are exact.
    pub fn is_exact(&self) -> bool {
        self.design.exact
    }

    /// The orthogonal polynomials of the group's rows, each with what [`Group::digits`] is told by.
    pub(super) fn polynomials(&self) -> Result<Vec<(Basis, f64)>> {
        if self.design.polynomials.is_empty() {
            return Ok(Vec::new());
        }
        let unweighted = self.statistics.tables.iter().find(|t| !t.is_weighted());
        let own = match unweighted {
            None => None,
            Some(table) => {
                let key = if self.by.is_empty() { &[][..] } else { &self.by };
                table.find(key).map(|record| polynomial_moments(self.design, record))
            }
        };
        let exact = if unweighted.is_none() { self.double_double_variables() } else { None };
        let products = own.as_ref().unwrap_or_else(|| self.dense());
        (0..self.design.polynomials.len()).map(|index| self.basis(index, products, exact.as_ref())).collect()
    }

    /// Polynomials that are orthogonal to the constant and to each other over the rows that have a value, of
    /// unit length, with positive leading coefficients, as R's `poly` has them: the rows of the inverse of the
    /// Cholesky factor of the powers' cross-products. With it comes how much the powers exceed the polynomials.
    fn basis(
        &self,
        index: usize,
        products: &CrossProducts,
        exact: Option<&DoubleDoubleProducts>,
    ) -> Result<(Basis, f64)> {
        let polynomial = &self.design.polynomials[index];
        let k = polynomial.degree as usize;
        let power = |e: usize| {
            let unknown = || Error::new(ErrorKind::Model, "a polynomial needs a power that was not computed");
            self.design.variable(&vec![Piece::Power(index, e as u32)]).ok_or_else(unknown)
        };
        let powers: Vec<usize> = (1..=k).map(power).collect::<Result<_>>()?;
        // Rows without a value all hold the fill: what the mark of these rows explains of the cross-products is
        // all that they contribute.
        let mark = self.design.flag_of(powers[0]).filter(|&mark| products.centred(mark, mark) > 0.0);
        let centred = |u: usize, v: usize| match exact {
            Some(exact) => exact.centred(u, v),
            None => fx128::from_f64(products.centred(u, v)),
        };
        let present = |u: usize, v: usize| {
            let of_mark = |mark: usize| centred(u, mark) * centred(v, mark) / centred(mark, mark);
            mark.map_or(centred(u, v), |mark| centred(u, v).sub_accurate(of_mark(mark)))
        };
        let gram: Vec<fx128> = (0..k * k).map(|at| present(powers[at / k], powers[at % k])).collect();
        let smallest = if exact.is_some() { 1e-24 } else { 1e-13 };
        let columns = orthonormal(&gram, k, smallest).ok_or_else(|| {
            let message = format!(
                "a polynomial of degree {k} needs more distinct values of {}, or values less far apart",
                polynomial.argument
            );
            Error::new(ErrorKind::Model, message)
        })?;
        let moments = products.moments();
        let mean = |i: usize| match (mark, exact) {
            (None, Some(exact)) => exact.mean(powers[i]),
            (None, None) => fx128::from_f64(moments.mean(powers[i])),
            (Some(mark), _) => fx128::from_f64(self.mean_of_present(moments, powers[i], mark)),
        };
        let with_constant = |column: Vec<fx128>| {
            let terms = column.iter().enumerate().map(|(i, c)| *c * mean(i));
            let constant = terms.fold(fx128::ZERO, |sum: fx128, term| sum.sub_accurate(term));
            [constant].into_iter().chain(column).map(|c| c.0).collect()
        };
        let size = |column: &Vec<fx128>| {
            let parts = column.iter().zip(&powers).map(|(c, &v)| c.0.abs() * centred(v, v).0.sqrt());
            parts.sum::<f64>().powi(2)
        };
        let amplification = columns.iter().map(size).fold(1.0, f64::max);
        let columns = columns.into_iter().map(with_constant).collect();
        Ok((Basis { shift: polynomial.shift, scale: polynomial.scale, columns }, amplification))
    }
}

/// Gram-Schmidt on `k` columns, in the inner product of their Gram matrix `gram`: combinations of them that are orthonormal.
/// `None` where less than the share `smallest` of a column's square is left beside those before it.
fn orthonormal(gram: &[fx128], k: usize, smallest: f64) -> Option<Vec<Vec<fx128>>> {
    let inner = |a: &[fx128], b: &[fx128]| {
        let pairs = (0..k).flat_map(|i| (0..k).map(move |j| (i, j)));
        pairs.fold(fx128::ZERO, |sum: fx128, (i, j)| sum.add_accurate(a[i] * b[j] * gram[i * k + j]))
    };
    let mut columns: Vec<Vec<fx128>> = Vec::with_capacity(k);
    for j in 0..k {
        let mut column = vec![fx128::ZERO; k];
        column[j] = fx128::ONE;
        let own = inner(&column, &column);
        // The second round removes what rounding left of the first.
        for _ in 0..2 {
            for before in &columns {
                let share = inner(&column, before);
                column.iter_mut().zip(before).for_each(|(c, b)| *c = c.sub_accurate(share * *b));
            }
        }
        let square = inner(&column, &column);
        if square.0.is_nan() || square.0 <= smallest * own.0 {
            return None;
        }
        let length = square.sqrt();
        column.iter_mut().for_each(|c| *c /= length);
        columns.push(column);
    }
    Some(columns)
}

/// The cross-products of the powers and of their missing values over the rows, without weights.
fn polynomial_moments(design: &Design, record: Record<'_>) -> CrossProducts {
    let m = design.variables.len();
    let mut moments = Moments::new(m);
    let (centre, sums): (Vec<f64>, Vec<f64>) = (0..m).map(|v| record.sum(v)).unzip();
    moments.begin(record.rows() as u64, record.weight(), &centre, &sums);
    let mut products = vec![0.0; m * m];
    let powers = powers(design);
    for &j in &powers {
        for &i in powers.iter().filter(|&&i| i >= j) {
            products[j * m + i] = record.product(i, j) - sums[i] * (sums[j] / record.weight());
        }
    }
    CrossProducts::from_parts(moments, products)
}
