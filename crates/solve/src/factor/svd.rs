//! The singular value decomposition of a factor's independent columns.

use faer::Mat;

use super::Factor;
use super::jacobi::{MOST, singular_values};
use crate::error::{Error, Result};
use crate::scalar::Scalar;

/// `R = U S V'`.
pub(crate) struct Singular {
    u: Mat<f64>,
    values: Vec<f64>,
    v: Mat<f64>,
}

impl Singular {
    pub(crate) fn new(factor: &Factor<f64>) -> Result<Self> {
        let svd = factor.r.svd().map_err(|_| Error::NotConverged)?;
        let values = svd.S().column_vector().iter().copied().collect();
        Ok(Self { u: svd.U().to_owned(), values, v: svd.V().to_owned() })
    }

    /// `V S^-1 U' q`: the coefficients of the scaled columns.
    pub(crate) fn solve(&self, q: &[f64]) -> Vec<f64> {
        let rank = self.values.len();
        let coordinate = |k: usize| (0..rank).map(|i| self.u[(i, k)] * q[i]).sum::<f64>() / self.values[k];
        let coordinates: Vec<f64> = (0..rank).map(coordinate).collect();
        (0..rank).map(|i| (0..rank).map(|k| self.v[(i, k)] * coordinates[k]).sum()).collect()
    }

    /// `V S^-1`, whose product with its transpose is the inverse of `R'R`.
    pub(crate) fn inverse(&self) -> Mat<f64> {
        Mat::from_fn(self.v.nrows(), self.v.ncols(), |i, k| self.v[(i, k)] / self.values[k])
    }
}

/// Largest and smallest singular value of the equilibrated independent columns; 1 and 1 for none. `inverse` is that
/// of the factor.
///
/// Beyond float64 the smallest one is taken for what it is, the inverse of the largest one of the inverse, which
/// float64 knows to all its digits.
pub(crate) fn extremes<T: Scalar>(factor: &Factor<T>, inverse: &Mat<T>) -> Result<(f64, f64)> {
    if factor.rank() == 0 {
        return Ok((1.0, 1.0));
    }
    let values = |matrix: &Mat<T>| {
        if matrix.ncols() <= MOST
            && let Some(values) = singular_values(matrix)
        {
            return Ok(values);
        }
        let near = Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)].near());
        near.singular_values().map_err(|_| Error::NotConverged)
    };
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let own = values(&factor.r)?;
    let smallest = if T::UNIT < f64::UNIT {
        largest(&values(inverse)?).recip()
    } else {
        own.iter().copied().fold(f64::INFINITY, f64::min)
    };
    Ok((largest(&own), smallest))
}
