//! Singular values of small matrices.

use faer::Mat;

use crate::scalar::Scalar;

/// Columns up to which Jacobi's method takes less time than a bidiagonal matrix.
pub(super) const MOST: usize = 12;

/// Sweeps over all pairs of columns: five or six are usual.
const SWEEPS: usize = 30;

/// The singular values of a square matrix of at most [`MOST`] columns, in no order, by the one-sided method of Jacobi
/// (Hestenes 1958, "Inversion of matrices by biorthogonalization and related results"): pairs of columns are turned until
/// all are orthogonal, and their norms are what is wanted. Of triangular matrices with columns of one norm small ones have as
/// many digits as large ones (Demmel & Veselic 1992, "Jacobi's method is more accurate than QR").
///
/// `None` where it does not converge, or a square leaves the range of float64.
pub(super) fn singular_values<T: Scalar>(matrix: &Mat<T>) -> Option<Vec<f64>> {
    let size = matrix.ncols();
    let mut columns = [[0.0; MOST]; MOST];
    for (c, column) in columns.iter_mut().enumerate().take(size) {
        column.iter_mut().zip(matrix.col_as_slice(c)).for_each(|(own, value)| *own = value.near());
    }
    let columns = &mut columns[..size];
    for _ in 0..SWEEPS {
        let mut turned = false;
        for a in 1..size {
            let (before, rest) = columns.split_at_mut(a);
            for column in before {
                turned |= turn(&mut column[..size], &mut rest[0][..size]);
            }
        }
        if !turned {
            let values: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
            return values.iter().all(|value| value.is_normal()).then_some(values);
        }
    }
    None
}

/// Makes two columns orthogonal; false if they were.
fn turn(a: &mut [f64], b: &mut [f64]) -> bool {
    let (own, other, both) = (dot(a, a), dot(b, b), dot(a, b));
    // What rounding makes of a product of orthogonal columns. One that is no number ends in too many sweeps.
    if both.abs() <= a.len() as f64 * f64::EPSILON * own.sqrt() * other.sqrt() {
        return false;
    }
    let zeta = (other - own) / (2.0 * both);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = cosine * tangent;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use faer::fx128;

    use super::*;

    #[test]
    fn values_are_those_of_other_methods() {
        for size in 1..=MOST {
            for spread in [0.0, -1.0, -3.0, -12.0] {
                let entry = |i: usize, j: usize| match i.cmp(&j) {
                    std::cmp::Ordering::Greater => 0.0,
                    std::cmp::Ordering::Equal => libm::pow(10.0, spread * i as f64 / size as f64),
                    std::cmp::Ordering::Less => ((7 * i + 3 * j + size) as f64).sin(),
                };
                let matrix = Mat::from_fn(size, size, entry);
                let mut found = singular_values(&matrix).unwrap();
                found.sort_by(|a, b| b.total_cmp(a));
                let expected = matrix.singular_values().unwrap();
                let largest = expected[0];
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() <= 1e-14 * largest,
                        "{size} {spread}: {found} {expected}"
                    );
                }
                let double_double = Mat::from_fn(size, size, |i, j| fx128::from_f64(entry(i, j)));
                let mut again = singular_values(&double_double).unwrap();
                again.sort_by(|a, b| b.total_cmp(a));
                assert_eq!(again, found);
            }
        }
    }

    #[test]
    fn what_float64_does_not_hold_is_left_to_others() {
        assert_eq!(singular_values(&Mat::from_fn(2, 2, |i, j| if i > j { 0.0 } else { 1e200 })), None);
        assert_eq!(singular_values(&Mat::from_fn(2, 2, |_, _| f64::NAN)), None);
        assert_eq!(singular_values(&Mat::<f64>::zeros(2, 2)), None);
    }
}
