//! Small systems of equations.

/// Pivots below this share of their diagonal are nothing: what they belong to stays where it is.
const NOTHING: f64 = 1e-14;

/// Solves `matrix x = right` for a positive semidefinite matrix by Cholesky's factor.
pub(super) fn solve_symmetric(matrix: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    let mut factor = matrix.to_vec();
    let mut gone = vec![false; n];
    for j in 0..n {
        let diagonal = matrix[j * n + j];
        let own: f64 = factor[j * n..j * n + j].iter().map(|x| x * x).sum();
        let pivot = diagonal - own;
        gone[j] = pivot.is_nan() || pivot <= NOTHING * diagonal;
        let root = if gone[j] { 1.0 } else { pivot.sqrt() };
        factor[j * n + j] = root;
        for i in j + 1..n {
            let (head, tail) = factor.split_at_mut(i * n);
            let dot: f64 = head[j * n..j * n + j].iter().zip(&tail[..j]).map(|(a, b)| a * b).sum();
            tail[j] = if gone[j] { 0.0 } else { (matrix[i * n + j] - dot) / root };
        }
    }
    let mut x = right.to_vec();
    for j in 0..n {
        let dot: f64 = factor[j * n..j * n + j].iter().zip(&x[..j]).map(|(a, b)| a * b).sum();
        x[j] = if gone[j] { 0.0 } else { (x[j] - dot) / factor[j * n + j] };
    }
    for j in (0..n).rev() {
        let dot: f64 = (j + 1..n).map(|i| factor[i * n + j] * x[i]).sum();
        x[j] = if gone[j] { 0.0 } else { (x[j] - dot) / factor[j * n + j] };
    }
    x
}

/// Solves `matrix x = right` for any square matrix, by elimination with the largest pivots; `None` if it is singular.
pub(super) fn solve_square(matrix: Vec<Vec<f64>>, right: Vec<f64>) -> Option<Vec<f64>> {
    let columns = solve_columns(matrix, right.into_iter().map(|x| vec![x]).collect())?;
    Some(columns.into_iter().flatten().collect())
}

/// The same for several right sides: the columns of `right`, which is given and returned by rows.
pub(super) fn solve_columns(mut matrix: Vec<Vec<f64>>, mut right: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = right.len();
    let less = |row: &mut [f64], share: f64, other: &[f64]| {
        row.iter_mut().zip(other).for_each(|(x, p)| *x -= share * p);
    };
    for j in 0..n {
        let pivot = (j..n).max_by(|&a, &b| matrix[a][j].abs().total_cmp(&matrix[b][j].abs()))?;
        if matrix[pivot][j] == 0.0 || matrix[pivot][j].is_nan() {
            return None;
        }
        matrix.swap(j, pivot);
        right.swap(j, pivot);
        for i in j + 1..n {
            let share = matrix[i][j] / matrix[j][j];
            let (head, tail) = matrix.split_at_mut(i);
            less(&mut tail[0][j..], share, &head[j][j..]);
            let (head, tail) = right.split_at_mut(i);
            less(&mut tail[0], share, &head[j]);
        }
    }
    for j in (0..n).rev() {
        let (head, tail) = right.split_at_mut(j + 1);
        for (own, x) in head[j].iter_mut().enumerate() {
            let dot: f64 = (j + 1..n).map(|i| matrix[j][i] * tail[i - j - 1][own]).sum();
            *x = (*x - dot) / matrix[j][j];
        }
    }
    right.iter().flatten().all(|x| x.is_finite()).then_some(right)
}
