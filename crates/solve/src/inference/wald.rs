//! Joint tests of linear restrictions on the coefficients.
//!
//! With `L b = r` for `q` restrictions, Wald's statistic is `(L b - r)' (L V L')^-1 (L b - r)`, divided by `q` an F with
//! `q` degrees of freedom and those of the covariance (Wald 1943; Greene, Econometric Analysis, 5.5). As `V = T M T'`,
//! with `(L T)' = Q S`, `Q` orthonormal, it is `y' (Q'M Q)^-1 y` where `S' y = L b - r`: no product of roots loses
//! digits.

use faer::{Mat, MatRef, Side};
use serde::{Deserialize, Serialize};

use crate::covariance::{Bread, Meat};
use crate::error::{Error, Result};
use crate::inference::distributions::f_upper;

/// `sum of c_t b_t = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Restriction {
    /// Position of a term, and its factor.
    pub coefficients: Vec<(usize, f64)>,
    /// What the sum is to be.
    pub value: f64,
}

/// The result of a joint test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaldTest {
    /// The restrictions as they were written.
    pub hypothesis: String,
    /// F; `None` where the covariance of what is tested is singular.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// Numerator degrees of freedom: the number of restrictions.
    pub df: usize,
    /// Denominator degrees of freedom.
    pub df_residual: u128,
}

impl WaldTest {
    /// Tests restrictions, with `df` degrees of freedom of the covariance. Terms without an estimate must not occur.
    ///
    /// # Errors
    /// [`Error::Option`] for restrictions that depend on each other or contradict each other, or none, or a term
    /// without an estimate.
    pub fn new(
        hypothesis: &str,
        bread: &Bread,
        meat: &Meat,
        df: u128,
        restrictions: &[Restriction],
    ) -> Result<Self> {
        check(hypothesis, restrictions)?;
        let q = restrictions.len();
        let statistic = quadratic(bread, meat, restrictions)?.map(|square| square / q as f64);
        let p_value = statistic.map(|f| f_upper(f, q as f64, df as f64));
        let hypothesis = hypothesis.to_owned();
        Ok(Self { hypothesis, statistic, p_value, df: q, df_residual: df })
    }
}

impl WaldTest {
    /// Tests restrictions by what the residual sum of squares grows to under them, with its degrees of freedom: for
    /// independent errors of one variance that is Wald's statistic.
    pub fn of_squares(hypothesis: &str, free: (f64, u128), restricted: (f64, u128)) -> Self {
        let df = restricted.1.saturating_sub(free.1) as usize;
        let growth = (restricted.0 - free.0).max(0.0) / df as f64;
        let statistic = Some(growth / (free.0 / free.1 as f64)).filter(|f| f.is_finite());
        let p_value = statistic.map(|f| f_upper(f, df as f64, free.1 as f64));
        Self { hypothesis: hypothesis.to_owned(), statistic, p_value, df, df_residual: free.1 }
    }
}

/// Share of a restriction that must be left beside the others.
const DEPENDENT: f64 = 1e-12;

/// Checks that restrictions are independent, by elimination with the largest pivots.
fn check(hypothesis: &str, restrictions: &[Restriction]) -> Result<()> {
    let wrong = |what: &str| Err(Error::Option(format!("the test {hypothesis:?}: {what}")));
    let mut terms: Vec<usize> =
        restrictions.iter().flat_map(|r| r.coefficients.iter().map(|c| c.0)).collect();
    terms.sort_unstable();
    terms.dedup();
    let row = |r: &Restriction| -> Vec<f64> {
        let factor = |t: &usize| r.coefficients.iter().filter(|c| c.0 == *t).map(|c| c.1).sum();
        terms.iter().map(factor).chain([r.value]).collect()
    };
    let mut rows: Vec<Vec<f64>> = restrictions.iter().map(row).collect();
    if rows.is_empty() {
        return wrong("there is no restriction");
    }
    for r in 0..rows.len() {
        let largest = |row: &Vec<f64>| row[..terms.len()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let size = largest(&rows[r]);
        // What is left of a row was scaled to 1 before anything was taken from it.
        if size <= if r == 0 { 0.0 } else { DEPENDENT } {
            let value = rows[r][terms.len()];
            let contradicts = value.abs() > DEPENDENT * restrictions[r].value.abs().max(1.0);
            return wrong(match (contradicts, r) {
                (true, _) => "the restrictions contradict each other",
                (false, 0) => "no coefficient is left in a restriction",
                (false, _) => "one restriction follows from the others; leave it out",
            });
        }
        if r == 0 {
            rows.iter_mut().for_each(|row| {
                let size = largest(row);
                if size > 0.0 {
                    row.iter_mut().for_each(|v| *v /= size);
                }
            });
        }
        let pivot =
            (0..terms.len()).fold(0, |best, c| if rows[r][c].abs() > rows[r][best].abs() { c } else { best });
        let own = rows[r].clone();
        for row in rows.iter_mut().skip(r + 1) {
            let share = row[pivot] / own[pivot];
            row.iter_mut().zip(&own).for_each(|(v, o)| *v -= share * o);
            row[pivot] = 0.0;
        }
    }
    Ok(())
}

/// Wald's statistic; `None` where the covariance of what is tested is not positive definite.
pub(crate) fn quadratic(bread: &Bread, meat: &Meat, restrictions: &[Restriction]) -> Result<Option<f64>> {
    /// Below this share of the largest, an eigenvalue of the covariance is rounding.
    const SINGULAR: f64 = 1e-12;
    let (k, q) = (bread.width(), restrictions.len());
    let mut rows: Mat<f64> = Mat::zeros(q, k);
    let mut misses = vec![0.0; q];
    for (r, restriction) in restrictions.iter().enumerate() {
        misses[r] = -restriction.value;
        for &(term, factor) in &restriction.coefficients {
            let unknown = || Error::Option("a coefficient that is tested has no estimate".into());
            let at = bread.terms.iter().position(|&t| t == term).ok_or_else(unknown)?;
            misses[r] += factor * bread.estimates[at];
            bread.row(at).iter().enumerate().for_each(|(c, v)| rows[(r, c)] += factor * v);
        }
    }
    for (r, miss) in misses.iter_mut().enumerate() {
        // Terms may be of very different size.
        let norm = (0..k).map(|c| rows[(r, c)] * rows[(r, c)]).sum::<f64>().sqrt();
        if norm > 0.0 && norm.is_finite() {
            (0..k).for_each(|c| rows[(r, c)] /= norm);
            *miss /= norm;
        }
    }
    let qr = rows.transpose().to_owned().qr();
    let (basis, upper) = (qr.compute_thin_Q(), qr.thin_R());
    let mut y = misses;
    for i in 0..q {
        let known: f64 = (0..i).map(|j| upper[(j, i)] * y[j]).sum();
        y[i] = (y[i] - known) / upper[(i, i)];
    }
    let middle = basis.transpose() * MatRef::from_row_major_slice(&meat.values, k, k) * &basis;
    let eigen = middle.self_adjoint_eigen(Side::Lower).map_err(|_| Error::NotConverged)?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let largest = values.iter().copied().fold(0.0, f64::max);
    let along = eigen.U().transpose() * Mat::from_fn(q, 1, |i, _| y[i]);
    if values.iter().any(|v| v.is_nan() || *v <= SINGULAR * largest || *v <= meat.noise) {
        return Ok(None);
    }
    let square: f64 = values.iter().enumerate().map(|(c, v)| along[(c, 0)] * along[(c, 0)] / v).sum();
    Ok(square.is_finite().then_some(square))
}

#[cfg(test)]
mod tests;
