//! The jackknife of clusters from one pass: without cluster `g`, `b_(-g) - b = -T (I - U_g)^-1 S_g`, where `S_g` is its
//! score and `U_g` its part in the cross-products, both of the rotated columns (MacKinnon, Nielsen & Webb 2023).

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use streamreg_core::scores::{ClusterSums, NO_RESIDUAL};

use crate::error::{Error, Result};

/// `sum of d_g d_g'` over the clusters, `d_g = (I - U_g)^-1 S_g`, row-major, about 0 or about the mean of the `d_g`; and
/// the number of clusters without which some combination of the coefficients cannot be told: such a combination does
/// not enter their `d_g`, because their residuals have no part in it.
pub(super) fn jackknife(clusters: &ClusterSums, width: usize, about_mean: bool) -> Result<(Vec<f64>, u64)> {
    let k = width;
    let (mut products, mut sum) = (vec![0.0; k * k], vec![0.0; k]);
    let mut decisive = 0;
    for own in clusters.iter() {
        let (score, block) = own.split_at(k);
        let left = Mat::from_fn(k, k, |i, j| {
            let (row, column) = (i.max(j), i.min(j));
            f64::from(u8::from(i == j)) - block[row * (row + 1) / 2 + column]
        });
        let score = Mat::from_fn(k, 1, |i, _| score[i]);
        let shift = match regular(&left, &score) {
            Some(shift) => shift,
            None => {
                decisive += 1;
                singular(&left, &score)?
            }
        };
        for i in 0..k {
            sum[i] += shift[(i, 0)];
            (0..k).for_each(|j| products[i * k + j] += shift[(i, 0)] * shift[(j, 0)]);
        }
    }
    if about_mean {
        let count = clusters.len() as f64;
        for i in 0..k {
            (0..k).for_each(|j| products[i * k + j] -= sum[i] / count * sum[j]);
        }
    }
    Ok((products, decisive))
}

/// By Cholesky, where every pivot leaves something.
fn regular(left: &Mat<f64>, score: &Mat<f64>) -> Option<Mat<f64>> {
    let factor = left.llt(Side::Lower).ok()?;
    let pivots = factor.L();
    let smallest = (0..left.nrows()).map(|i| pivots[(i, i)]).fold(f64::INFINITY, f64::min);
    (smallest * smallest > NO_RESIDUAL).then(|| factor.solve(score))
}

/// By the eigenvectors whose eigenvalue leaves something.
fn singular(left: &Mat<f64>, score: &Mat<f64>) -> Result<Mat<f64>> {
    let eigen = left.self_adjoint_eigen(Side::Lower).map_err(|_| Error::NotConverged)?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    let along = vectors.transpose() * score;
    let share = |c: usize| if values[c] > NO_RESIDUAL { along[(c, 0)] / values[c] } else { 0.0 };
    Ok(vectors * Mat::from_fn(left.nrows(), 1, |c, _| share(c)))
}
