//! Triangular factors of the equilibrated design, and the one decision about its rank.
//!
//! Both ways to a factor, [`cholesky`] from cross-products and [`qr`] from the factor of the data, go
//! through the columns in their order and set aside every column whose residual on the ones kept before
//! is too small a share of its norm. What comes out is the same [`Factor`], so coefficients, covariance
//! and degrees of freedom rest on one decision. [`svd`] takes a factor's independent columns apart; [`jacobi`] has the
//! singular values of small ones.

pub(crate) mod cholesky;
mod jacobi;
pub(crate) mod qr;
pub(crate) mod svd;

use faer::Mat;
use streamreg_core::{DoubleDoubleProducts, Moments};

use crate::scalar::Scalar;

/// The columns of a design, each divided by its norm, factored.
///
/// With an intercept the columns are centred, so the factor is that of the design beside the constant.
#[derive(Debug)]
pub(crate) struct Factor<T> {
    /// Norm of every column; 0 for one that is constant beside an intercept.
    pub(crate) scale: Vec<T>,
    /// What is left of every column beside those kept before it, as a share of its norm.
    pub(crate) residuals: Vec<f64>,
    /// Positions of the independent columns.
    pub(crate) kept: Vec<usize>,
    /// Columns set aside.
    pub(crate) aside: Vec<Aside<T>>,
    /// Upper triangular factor of the scaled independent columns, rank x rank.
    pub(crate) r: Mat<T>,
    /// `Q'y` for the same columns: the part of the response that they explain.
    pub(crate) explained: Vec<T>,
    /// Residual sum of squares.
    pub(crate) rss: T,
    /// Sum of squares of the response, about its mean with an intercept.
    pub(crate) tss: T,
    /// Levels of a category that was eliminated before; they stand for the constant, too.
    pub(crate) absorbed: usize,
    /// What these levels explain of the response.
    pub(crate) absorbed_explained: T,
}

/// A column that is set aside.
#[derive(Debug)]
pub(crate) struct Aside<T> {
    /// Its position.
    pub(crate) column: usize,
    /// Its coordinates in the factor's rows: what the kept columns explain of it, scaled.
    pub(crate) coordinates: Vec<T>,
    /// Its relative residual.
    pub(crate) residual: f64,
    /// The share of its norm that the rounding of its cells can make up.
    pub(crate) rounding: f64,
    /// Whether the arithmetic was too coarse to tell.
    pub(crate) undecided: bool,
}

impl<T: Scalar> Factor<T> {
    /// Number of independent columns.
    pub(crate) fn rank(&self) -> usize {
        self.kept.len()
    }

    /// Number of coefficients that are estimated in all: of independent columns, levels, and the constant.
    pub(crate) fn coefficients(&self, intercept: bool) -> usize {
        let constant = usize::from(intercept && self.absorbed == 0);
        self.rank() + self.absorbed + constant
    }

    /// The residual of `rank` coordinates solved for: `R z = coordinates`, padded with zeros where a
    /// column was set aside before later ones were kept.
    pub(crate) fn solve_upper(&self, coordinates: &[T]) -> Vec<T> {
        let rank = self.rank();
        let mut padded = coordinates[..coordinates.len().min(rank)].to_vec();
        padded.resize(rank, T::ZERO);
        solve_upper(&self.r, &padded)
    }
}

/// Back substitution: `R z = coordinates` with the first rows and columns of `r`, as many as there are
/// coordinates.
fn solve_upper<T: Scalar>(r: &Mat<T>, coordinates: &[T]) -> Vec<T> {
    let mut z = coordinates.to_vec();
    for i in (0..z.len()).rev() {
        z[i] /= r[(i, i)];
        for row in 0..i {
            let part = r[(row, i)] * z[i];
            z[row] -= part;
        }
    }
    z
}

/// The share of a centred column's norm that the rounding of its cells can make up: cells near a mean
/// that is large beside their spread carry few digits of it.
pub(crate) fn rounding_share(moments: &Moments, column: usize, scale: f64) -> f64 {
    share_of_rounding(moments.mean(column), moments.weight(), scale)
}

/// The same of sums that are exact. Whole numbers were not rounded: of these, however far from zero, every difference is
/// meant. In a combination of columns the sums are rounded in double-double, which leaves of its norm what float64 leaves of cells.
pub(crate) fn exact_rounding_share(products: &DoubleDoubleProducts, column: usize, scale: f64) -> f64 {
    if products.is_whole(column) {
        return 0.0;
    }
    share_of_rounding(products.mean(column).near(), products.weight().near(), scale)
}

fn share_of_rounding(mean: f64, weight: f64, scale: f64) -> f64 {
    2.0 * f64::EPSILON * mean.abs() * weight.sqrt() / scale
}

/// Euclidean norm, safe from overflow and underflow.
pub(crate) fn norm(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 || values.iter().any(|v| !v.is_finite()) {
        return values.iter().fold(largest, |sum, v| sum + v.abs());
    }
    let unit = power_of_two(largest);
    unit * values.iter().map(|v| (v / unit) * (v / unit)).sum::<f64>().sqrt()
}

/// The power of two of a size: dividing by it is exact.
pub(crate) fn power_of_two(size: f64) -> f64 {
    f64::from_bits(size.to_bits() & 0x7ff0_0000_0000_0000).max(f64::MIN_POSITIVE)
}

/// Collects the columns of a factor as they are decided.
#[derive(Debug)]
pub(crate) struct Decision<T> {
    rank_tol: f64,
    most: usize,
    pub(crate) kept: Vec<usize>,
    pub(crate) aside: Vec<Aside<T>>,
    pub(crate) residuals: Vec<f64>,
}

impl<T> Decision<T> {
    /// At most `most` columns can be independent: so many rows there are beside those that the constant, or levels, take.
    pub(crate) fn new(rank_tol: f64, most: usize) -> Self {
        Self { rank_tol, most, kept: Vec::new(), aside: Vec::new(), residuals: Vec::new() }
    }

    /// Decides on the column at `position`: true if it is kept. `coordinates` are asked for otherwise.
    /// `rounding` is the share of the column's norm that its cells' own rounding to float64 can make up;
    /// residuals below `floor` mean nothing.
    pub(crate) fn keep(
        &mut self,
        position: usize,
        residual: f64,
        rounding: f64,
        floor: f64,
        coordinates: impl FnOnce() -> Vec<T>,
    ) -> bool {
        let tolerance = self.rank_tol.max(rounding);
        self.residuals.push(residual);
        let full = self.kept.len() == self.most;
        if residual > tolerance && residual > floor && !full {
            self.kept.push(position);
            return true;
        }
        // An exact zero (a constant beside the intercept) is certain at any precision.
        let undecided = residual > 0.0 && residual <= floor && tolerance < floor && !full;
        self.aside.push(Aside {
            column: position,
            coordinates: coordinates(),
            residual,
            rounding,
            undecided,
        });
        false
    }
}
