//! Rows, weight and means of the columns, whatever arithmetic they come from.

use faer::fx128;
use streamreg_core::{DoubleDoubleProducts, Moments};

use crate::scalar::Scalar;

/// Counts and means, to about twice float64's precision.
#[derive(Clone, Debug)]
pub(crate) struct Centre {
    pub(crate) rows: u64,
    weight: fx128,
    means: Vec<fx128>,
}

impl Centre {
    pub(crate) fn of(moments: &Moments) -> Self {
        let mean = |j| fx128::from_f64(moments.mean(j)).add_accurate(fx128::from_f64(moments.mean_low(j)));
        Self {
            rows: moments.rows(),
            weight: fx128::from_f64(moments.weight()),
            means: (0..moments.variables()).map(mean).collect(),
        }
    }

    pub(crate) fn of_double_double(products: &DoubleDoubleProducts) -> Self {
        Self {
            rows: products.rows(),
            weight: products.weight(),
            means: (0..products.variables()).map(|j| products.mean(j)).collect(),
        }
    }

    /// That of some of the columns.
    pub(crate) fn select(&self, columns: &[usize]) -> Self {
        let means = columns.iter().map(|&c| self.means[c]).collect();
        Self { rows: self.rows, weight: self.weight, means }
    }

    /// Sum of the weights.
    pub(crate) fn weight<T: Scalar>(&self) -> T {
        T::rounded(self.weight)
    }

    /// Mean of column `j`; the response is the last one.
    pub(crate) fn mean<T: Scalar>(&self, j: usize) -> T {
        T::rounded(self.means[j])
    }

    /// The same as a float64 and what it lacks.
    pub(crate) fn mean_in_two(&self, j: usize) -> (f64, f64) {
        (self.means[j].0, self.means[j].1)
    }

    /// Position of the response.
    pub(crate) fn response_position(&self) -> usize {
        self.means.len().saturating_sub(1)
    }

    /// Mean of the response.
    pub(crate) fn response<T: Scalar>(&self) -> T {
        self.means.last().map_or(T::ZERO, |&mean| T::rounded(mean))
    }

    /// `mean(y) - sum of b_j mean(x_j)` in double-double: for slopes in float64 as if computed with twice their
    /// precision, then rounded.
    pub(crate) fn constant<T: Scalar>(&self, slopes: &[Option<T>]) -> T {
        let estimated =
            slopes.iter().zip(&self.means).filter_map(|(b, mean)| b.map(|b| b.double_double() * *mean));
        T::rounded(estimated.fold(self.response(), |sum: fx128, part| sum.sub_accurate(part)))
    }
}
