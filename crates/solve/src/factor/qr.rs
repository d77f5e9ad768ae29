//! From the triangular factor of the data: Householder's QR with R's limited pivoting.

use faer::Mat;
use streamreg_core::TriangularFactor;

use super::cholesky::most;
use super::{Decision, Factor, norm, rounding_share};

/// Factors the features (all variables but the last) of `data`.
///
/// The rows are already triangular, so as long as no column is set aside there is nothing to reflect.
/// Behind a column that is, the next ones have one entry too many, and a reflection removes it (the
/// limited column pivoting of LINPACK's `dqrdc2`, which R's `lm` rests on).
pub(crate) fn factor(data: &TriangularFactor, intercept: bool, rank_tol: f64) -> Factor<f64> {
    let variables = data.moments().variables();
    let p = variables - 1;
    let mut a = rows(data, intercept);
    let height = a.nrows();
    let scale: Vec<f64> = (0..p).map(|j| norm(a.col_as_slice(j))).collect();
    for j in 0..p {
        if scale[j] > 0.0 {
            a.col_as_slice_mut(j).iter_mut().for_each(|v| *v /= scale[j]);
        }
    }
    let tss = a.col_as_slice(p).iter().map(|v| v * v).sum();
    let most = most(data.moments().rows(), usize::from(intercept));
    let mut decision = Decision::new(rank_tol, most);
    for j in 0..p {
        let rank = decision.kept.len();
        let residual = if rank < height { norm(&a.col_as_slice(j)[rank..]) } else { 0.0 };
        let rounding = if intercept { rounding_share(data.moments(), j, scale[j]) } else { 0.0 };
        if decision.keep(j, residual, rounding, 0.0, || a.col_as_slice(j)[..rank].to_vec()) {
            reflect(&mut a, rank, j);
        }
    }
    let rank = decision.kept.len();
    let response = a.col_as_slice(p);
    let rss = response[rank..].iter().map(|v| v * v).sum();
    let explained = response[..rank].to_vec();
    let r = Mat::from_fn(rank, rank, |i, c| if i <= c { a[(i, decision.kept[c])] } else { 0.0 });
    let Decision { kept, aside, residuals, .. } = decision;
    Factor { scale, residuals, kept, aside, r, explained, rss, tss, absorbed: 0, absorbed_explained: 0.0 }
}

/// Rows whose cross-products are those of the data; without an intercept the mean is one more row.
fn rows(data: &TriangularFactor, intercept: bool) -> Mat<f64> {
    let moments = data.moments();
    let variables = moments.variables();
    let root = moments.weight().sqrt();
    let first = usize::from(!intercept);
    Mat::from_fn(variables + first, variables, |i, j| {
        if i < first { root * moments.mean(j) } else { data.centred(i - first, j) }
    })
}

/// Reflects rows `rank..` so that column `j` ends at row `rank`, and with it all later columns.
fn reflect(a: &mut Mat<f64>, rank: usize, j: usize) {
    let mut v = a.col_as_slice(j)[rank..].to_vec();
    if v[1..].iter().all(|&x| x == 0.0) {
        return;
    }
    let head = v[0];
    let target = if head > 0.0 { -norm(&v) } else { norm(&v) };
    v[0] -= target;
    let half = 0.5 * v.iter().map(|x| x * x).sum::<f64>();
    for k in j + 1..a.ncols() {
        let column = &mut a.col_as_slice_mut(k)[rank..];
        let dot: f64 = v.iter().zip(column.iter()).map(|(x, c)| x * c).sum();
        let factor = dot / half;
        column.iter_mut().zip(&v).for_each(|(c, x)| *c -= factor * x);
    }
    let column = &mut a.col_as_slice_mut(j)[rank..];
    column.fill(0.0);
    column[0] = target;
}
