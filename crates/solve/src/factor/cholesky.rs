//! From cross-products: Cholesky's decomposition of the equilibrated Gram matrix, in column order.

use faer::Mat;
use streamreg_core::CrossProducts;

use super::{Decision, Factor, non_negative, rounding_share, solve_upper};

/// Relative residuals below this drown in the rounding of a float64 Gram matrix, whose pivots are their
/// squares.
const FLOOR: f64 = 1e-7;

/// Relative residuals above this are not rounding, unless hardly a digit of anything is left.
const SUSPECT: f64 = 1e-3;

/// Factors the features (all variables but the last) of `products`.
pub(crate) fn factor(products: &CrossProducts, intercept: bool, rank_tol: f64) -> Factor {
    let p = products.moments().variables() - 1;
    let gram = |i: usize, j: usize| if intercept { products.centred(i, j) } else { products.uncentred(i, j) };
    let scale: Vec<f64> = (0..p).map(|j| non_negative(gram(j, j)).sqrt()).collect();
    let rounding = |j: usize| if intercept { rounding_share(products.moments(), j, scale[j]) } else { 0.0 };
    factor_gram(&scale, gram, non_negative(gram(p, p)), rounding, rank_tol)
}

/// Factors a Gram matrix of the features and, last, the response, whose entry is `of_response`. The features
/// are divided by `scale`.
///
/// A column whose pivot is too small is set aside and the decomposition goes on without it, which a
/// library's Cholesky does not do; this one is left-looking, a dot product of two contiguous columns
/// an entry.
pub(crate) fn factor_gram(
    scale: &[f64],
    gram: impl Fn(usize, usize) -> f64,
    of_response: f64,
    rounding: impl Fn(usize) -> f64,
    rank_tol: f64,
) -> Factor {
    let (p, y) = (scale.len(), scale.len());
    let mut decision = Decision::new(rank_tol);
    // Column `c` of `r` belongs to the `c`-th kept variable.
    let mut r = Mat::<f64>::zeros(p, p);
    let mut column = vec![0.0; p];
    for j in 0..p {
        let rank = decision.kept.len();
        reduce(&r, &decision.kept, &mut column, |i| gram(i, j) / scale[i] / scale[j]);
        let explained: f64 = column[..rank].iter().map(|v| v * v).sum();
        let own = if scale[j] > 0.0 { gram(j, j) / scale[j] / scale[j] } else { 0.0 };
        let pivot = if scale[j] > 0.0 { own - explained } else { 0.0 };
        let residual = non_negative(pivot).sqrt();
        // A pivot that rounding made zero or negative is a small one, not an exact zero.
        let residual = if scale[j] > 0.0 { residual.max(f64::EPSILON) } else { 0.0 };
        let floor = if residual < SUSPECT { floor(&r, &column[..rank]) } else { FLOOR };
        let coordinates = || if scale[j] > 0.0 { column[..rank].to_vec() } else { Vec::new() };
        if decision.keep(j, residual, rounding(j), floor, coordinates) {
            for (i, value) in column[..rank].iter().enumerate() {
                r[(i, rank)] = *value;
            }
            r[(rank, rank)] = pivot.sqrt();
        }
    }
    let rank = decision.kept.len();
    reduce(&r, &decision.kept, &mut column, |i| gram(i, y) / scale[i]);
    let explained = column[..rank].to_vec();
    let rss = non_negative(of_response - explained.iter().map(|v| v * v).sum::<f64>());
    let Decision { kept, aside, .. } = decision;
    let r = r.submatrix(0, 0, rank, rank).to_owned();
    Factor {
        scale: scale.to_vec(),
        kept,
        aside,
        r,
        explained,
        rss,
        tss: of_response,
        absorbed: 0,
        absorbed_explained: 0.0,
    }
}

/// What rounding can leave of a column that depends on those before. Its pivot is a quadratic form of the Gram
/// matrix: with the coefficients `z` on the columns before, `R z = coordinates`, and entries and partial sums that
/// are off by `eps` for each of the columns, it is off by about `p eps (1 + sum |z|)²`. The residual is its square
/// root.
fn floor(r: &Mat<f64>, coordinates: &[f64]) -> f64 {
    let z = solve_upper(r, coordinates);
    let entries = f64::EPSILON * (z.len() + 4) as f64;
    FLOOR.max(entries.sqrt() * (1.0 + z.iter().map(|v| v.abs()).sum::<f64>()))
}

/// Forward substitution: `R' v = g` over the kept columns, `v` into the front of `out`.
fn reduce(r: &Mat<f64>, kept: &[usize], out: &mut [f64], g: impl Fn(usize) -> f64) {
    for (c, &i) in kept.iter().enumerate() {
        let column = r.col_as_slice(c);
        let known: f64 = column[..c].iter().zip(&out[..c]).map(|(a, b)| a * b).sum();
        out[c] = (g(i) - known) / column[c];
    }
}
