//! From cross-products: Cholesky's decomposition of the equilibrated Gram matrix, in column order.

use faer::Mat;
use streamreg_core::{CrossProducts, DoubleDoubleProducts};

use super::{Decision, Factor, exact_rounding_share, rounding_share, solve_upper};
use crate::scalar::{Scalar, dot};

/// Relative residuals above this are not rounding, unless hardly a digit of anything is left.
const SUSPECT: f64 = 1e-3;

/// Factors the features (all variables but the last) of `products`.
pub(crate) fn factor(products: &CrossProducts, intercept: bool, rank_tol: f64) -> Factor<f64> {
    let p = products.moments().variables() - 1;
    let gram = |i: usize, j: usize| if intercept { products.centred(i, j) } else { products.uncentred(i, j) };
    let scale: Vec<f64> = (0..p).map(|j| gram(j, j).non_negative().sqrt()).collect();
    let rounding = |j: usize| if intercept { rounding_share(products.moments(), j, scale[j]) } else { 0.0 };
    let rank = Rank { tolerance: rank_tol, most: most(products.moments().rows(), usize::from(intercept)) };
    factor_gram(&scale, gram, gram(p, p).non_negative(), rounding, rank, 0)
}

/// The same of `products` in double-double.
///
/// Sums that are exact see a column of integers however far from zero. Of other cells what their rounding can make up is none of
/// the column's own (`exact_rounding_share`); what it may have done else is reported of every coefficient.
pub(crate) fn factor_double_double(
    products: &DoubleDoubleProducts,
    intercept: bool,
    rank_tol: f64,
) -> Factor<faer::fx128> {
    let p = products.variables() - 1;
    let gram = |i: usize, j: usize| if intercept { products.centred(i, j) } else { products.uncentred(i, j) };
    let scale: Vec<_> = (0..p).map(|j| gram(j, j).non_negative().root()).collect();
    let rounding =
        |j: usize| if intercept { exact_rounding_share(products, j, scale[j].near()) } else { 0.0 };
    let rank = Rank { tolerance: rank_tol, most: most(products.rows(), usize::from(intercept)) };
    factor_gram(&scale, gram, gram(p, p).non_negative(), rounding, rank, 0)
}

/// What decides about the rank.
#[derive(Clone, Copy)]
pub(crate) struct Rank {
    /// Columns with at most this share left are set aside.
    pub(crate) tolerance: f64,
    /// Columns that can be independent at most.
    pub(crate) most: usize,
}

/// Columns that can be independent in `rows` rows, beside `others` that are there already.
pub(crate) fn most(rows: u64, others: usize) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).saturating_sub(others)
}

/// Factors a Gram matrix of the features and, last, the response, whose entry is `of_response`. The features
/// are divided by `scale`. Entries have `roundings` behind them, beside those of cross-products themselves.
///
/// A column whose pivot is too small is set aside and the decomposition goes on without it, which a
/// library's Cholesky does not do; this one is left-looking, a dot product of two contiguous columns
/// an entry.
pub(crate) fn factor_gram<T: Scalar>(
    scale: &[T],
    gram: impl Fn(usize, usize) -> T,
    of_response: T,
    rounding: impl Fn(usize) -> f64,
    rank: Rank,
    roundings: usize,
) -> Factor<T> {
    let (p, y) = (scale.len(), scale.len());
    let mut decision = Decision::new(rank.tolerance, rank.most);
    // Column `c` of `r` belongs to the `c`-th kept variable.
    let mut r = Mat::<T>::zeros(p, p);
    let mut column = vec![T::ZERO; p];
    for j in 0..p {
        let rank = decision.kept.len();
        reduce(&r, &decision.kept, &mut column, |i| gram(i, j) / scale[i] / scale[j]);
        let varies = scale[j] > T::ZERO;
        let own = if varies { gram(j, j) / scale[j] / scale[j] } else { T::ZERO };
        let pivot = if varies { own - dot(&column[..rank], &column[..rank]) } else { T::ZERO };
        let residual = pivot.non_negative().root().near();
        // A pivot that rounding made zero or negative is a small one, not an exact zero.
        let residual = if varies { residual.max(2.0 * T::UNIT) } else { 0.0 };
        let floor = if residual < SUSPECT { floor(&r, &column[..rank], roundings) } else { T::FLOOR };
        let coordinates = || if varies { column[..rank].to_vec() } else { Vec::new() };
        if decision.keep(j, residual, rounding(j), floor, coordinates) {
            for (i, value) in column[..rank].iter().enumerate() {
                r[(i, rank)] = *value;
            }
            r[(rank, rank)] = pivot.root();
        }
    }
    let rank = decision.kept.len();
    reduce(&r, &decision.kept, &mut column, |i| gram(i, y) / scale[i]);
    let explained = column[..rank].to_vec();
    let rss = (of_response - dot(&explained, &explained)).non_negative();
    let Decision { kept, aside, residuals, .. } = decision;
    let r = r.submatrix(0, 0, rank, rank).to_owned();
    Factor {
        scale: scale.to_vec(),
        residuals,
        kept,
        aside,
        r,
        explained,
        rss,
        tss: of_response,
        absorbed: 0,
        absorbed_explained: T::ZERO,
    }
}

/// What rounding can leave of a column that depends on those before. Its pivot is a quadratic form of the Gram
/// matrix: with the coefficients `z` on the columns before, `R z = coordinates`, and entries and partial sums that
/// are off by `eps` for each of the columns, it is off by about `p eps (1 + sum |z|)²`. The residual is its square
/// root.
fn floor<T: Scalar>(r: &Mat<T>, coordinates: &[T], roundings: usize) -> f64 {
    let z = solve_upper(r, coordinates);
    let entries = 2.0 * T::UNIT * (z.len() + 4 + roundings) as f64;
    T::FLOOR.max(entries.sqrt() * (1.0 + z.iter().map(|v| v.near().abs()).sum::<f64>()))
}

/// Forward substitution: `R' v = g` over the kept columns, `v` into the front of `out`.
fn reduce<T: Scalar>(r: &Mat<T>, kept: &[usize], out: &mut [T], g: impl Fn(usize) -> T) {
    for (c, &i) in kept.iter().enumerate() {
        let column = r.col_as_slice(c);
        out[c] = (g(i) - dot(&column[..c], &out[..c])) / column[c];
    }
}
