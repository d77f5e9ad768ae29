//! The two arithmetics that a system is solved in: float64 and double-double.

use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{Mat, Par, fx128, traits::RealField};

/// A real number of one of the arithmetics. The algorithms are written once, over this trait.
///
/// The sums of [`fx128`] do not renormalise before they round: their error is a share of `|a| + |b|` rather than
/// of `|a + b|`. All bounds here are of that kind (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
/// 2nd ed., section 2.4: machines without a guard digit).
///
/// faer's matrix products, and all that rests on them, do not exist for `fx128` outside of its own tests (0.24.4
/// panics), so what is needed of them is written here.
pub(crate) trait Scalar: RealField + Copy + 'static {
    const ZERO: Self;
    const ONE: Self;
    /// Bound of the relative error of one operation.
    const UNIT: f64;
    /// Relative residuals below this drown in the rounding of a Gram matrix of this arithmetic, whose pivots
    /// are their squares: about ten times the root of `UNIT`.
    const FLOOR: f64;

    /// A double-double number, rounded to this arithmetic.
    fn rounded(value: fx128) -> Self;

    /// The same number in double-double.
    fn double_double(self) -> fx128;

    /// The nearest float64.
    fn near(self) -> f64;

    fn root(self) -> Self;

    /// The quotient by a number whose inverse is given: in double-double, where a product takes a fifth of the time of a
    /// quotient, the product with that.
    fn over(self, divisor: Self, inverse: Self) -> Self;

    /// The inverse of an upper triangular matrix.
    fn inverse(r: &Mat<Self>) -> Mat<Self> {
        let size = r.ncols();
        let mut inverse = Mat::<Self>::zeros(size, size);
        let of_diagonal: Vec<Self> = (0..size).map(|i| Self::ONE / r[(i, i)]).collect();
        for c in 0..size {
            let own = inverse.col_as_slice_mut(c);
            own[c] = Self::ONE;
            for i in (0..=c).rev() {
                let column = r.col_as_slice(i);
                let value = own[i].over(column[i], of_diagonal[i]);
                own[i] = value;
                own[..i].iter_mut().zip(column).for_each(|(o, r)| *o -= *r * value);
            }
        }
        inverse
    }

    /// `A A'`.
    fn outer(a: &Mat<Self>) -> Mat<Self> {
        let rows: Vec<Vec<Self>> =
            (0..a.nrows()).map(|i| (0..a.ncols()).map(|c| a[(i, c)]).collect()).collect();
        // Half of a triangular matrix is zeros.
        let zeros = |row: &Vec<Self>| row.iter().take_while(|v| **v == Self::ZERO).count();
        let from: Vec<usize> = rows.iter().map(zeros).collect();
        let mut outer = Mat::<Self>::zeros(rows.len(), rows.len());
        for j in 0..rows.len() {
            for i in 0..=j {
                let first = from[i].max(from[j]);
                let entry = dot(&rows[i][first..], &rows[j][first..]);
                outer[(i, j)] = entry;
                outer[(j, i)] = entry;
            }
        }
        outer
    }

    /// `A' B`.
    fn inner(a: &Mat<Self>, b: &Mat<Self>) -> Mat<Self> {
        let rows: Vec<Vec<Self>> =
            (0..a.nrows()).map(|i| (0..a.ncols()).map(|c| a[(i, c)]).collect()).collect();
        let mut inner = Mat::<Self>::zeros(a.ncols(), b.ncols());
        for c in 0..b.ncols() {
            let own = inner.col_as_slice_mut(c);
            for (row, factor) in rows.iter().zip(b.col_as_slice(c)) {
                own.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x * *factor);
            }
        }
        inner
    }

    /// 0 for what rounding made negative; NaN and infinity stay, to be noticed.
    fn non_negative(self) -> Self {
        if self < Self::ZERO { Self::ZERO } else { self }
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const UNIT: f64 = f64::EPSILON / 2.0;
    const FLOOR: f64 = 1e-7;

    fn rounded(value: fx128) -> Self {
        value.near()
    }

    fn double_double(self) -> fx128 {
        fx128::from_f64(self)
    }

    fn near(self) -> f64 {
        self
    }

    fn root(self) -> Self {
        self.sqrt()
    }

    fn over(self, divisor: Self, _: Self) -> Self {
        self / divisor
    }

    fn inverse(r: &Mat<Self>) -> Mat<Self> {
        let mut inverse = Mat::<f64>::identity(r.nrows(), r.ncols());
        solve_upper_triangular_in_place(r.as_ref(), inverse.as_mut(), Par::Seq);
        inverse
    }

    fn outer(a: &Mat<Self>) -> Mat<Self> {
        a * a.transpose()
    }

    fn inner(a: &Mat<Self>, b: &Mat<Self>) -> Mat<Self> {
        a.transpose() * b
    }
}

impl Scalar for fx128 {
    const ZERO: Self = Self::ZERO;
    const ONE: Self = Self::ONE;
    /// 2^-104. Sums and products are within 2^-104 (Joldes, Muller & Popescu 2017, "Tight and rigorous error bounds
    /// for basic building blocks of double-word arithmetic"), quotients and roots a little closer.
    const UNIT: f64 = f64::EPSILON * f64::EPSILON;
    const FLOOR: f64 = 2e-15;

    fn rounded(value: fx128) -> Self {
        value
    }

    fn double_double(self) -> fx128 {
        self
    }

    fn near(self) -> f64 {
        self.0 + self.1
    }

    fn root(self) -> Self {
        // The library's root of an infinity is NaN, which says less about what happened.
        if self.0.is_finite() { self.sqrt() } else { self }
    }

    fn over(self, _: Self, inverse: Self) -> Self {
        self * inverse
    }
}

/// Sum of the products of two slices.
pub(crate) fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (a, b)| sum + *a * *b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_quotients_carry_both_parts() {
        for x in [2.0, 3.0, 1e-7, 7e11] {
            let root = fx128::from_f64(x).root();
            let back = (root * root - fx128::from_f64(x)).near() / x;
            assert!(back.abs() <= 4.0 * fx128::UNIT, "{x} {back:e}");
            let third = fx128::from_f64(x) / fx128::from_f64(3.0);
            let back = (third * fx128::from_f64(3.0) - fx128::from_f64(x)).near() / x;
            assert!(back.abs() <= 4.0 * fx128::UNIT, "{x} {back:e}");
        }
        assert_eq!(fx128::ZERO.root(), fx128::ZERO);
    }
}
