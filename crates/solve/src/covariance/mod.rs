//! Covariances of the coefficients that do not rest on equal, independent errors.
//!
//! With `T T' = (X'X)^-1`, the fit's [`Bread`], they are `T M T'`: the [`Meat`] `M` comes from the scores of a second
//! pass ([`streamreg_core::scores`]), in the basis of the rotated columns, times a factor for small samples
//! ([`SmallSample`]).

mod bread;
mod jackknife;
mod kind;
mod loss;
mod meat;
mod robust;
mod small_sample;
mod summary;

pub use self::bread::Bread;
pub use self::kind::Vcov;
pub use self::loss::{LossInference, LossTerms, LossVcov, loss_has_vcov, loss_inference};
pub use self::meat::{Meat, Sizes};
pub use self::small_sample::SmallSample;
pub use self::summary::{ClusterCount, VcovSummary};

/// Symmetric `k x k` products of the rows of `root` with `meat`: `T_i' M T_j`, row-major, for row-major `root`.
fn sandwich(root: &[f64], meat: &[f64], width: usize) -> Vec<f64> {
    use faer::MatRef;
    let rows = root.len() / width.max(1);
    if rows == 0 {
        return Vec::new();
    }
    let root = MatRef::from_row_major_slice(root, rows, width);
    let meat = MatRef::from_row_major_slice(meat, width, width);
    let product = root * meat * root.transpose();
    // The product of three rounds the two halves differently.
    let half = |i: usize, j: usize| 0.5 * (product[(i, j)] + product[(j, i)]);
    (0..rows).flat_map(|i| (0..rows).map(move |j| (i, j))).map(|(i, j)| half(i, j)).collect()
}

#[cfg(test)]
mod tests;
