//! Paths: one penalty after the other, from the largest on.

use serde::{Deserialize, Serialize};

use super::descent::{MAX_ROUNDS, descend, ridge};
use super::system::System;
use super::{Gram, Penalized, PenaltyForm};
use crate::error::{Error, Result};

/// The smallest penalty of a grid, as a share of the largest: scikit-learn's `eps`.
const GRID_SHARE: f64 = 1e-3;

/// The same for ridge, whose largest penalty sets nothing to zero.
const RIDGE_SHARE: f64 = 1e-8;

/// The L1 ratio below which a grid makes no sense, because nothing is set to zero but by huge penalties.
const LEAST_RATIO: f64 = 1e-3;

/// One penalty of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PathPoint {
    /// The penalty.
    pub lambda: f64,
    /// The constant; `None` without an intercept.
    pub intercept: Option<f64>,
    /// The slopes, in the order of the terms.
    pub slopes: Vec<f64>,
    /// Slopes that are not zero.
    pub nonzero: usize,
    /// `1 - RSS / TSS`.
    pub r_squared: Option<f64>,
}

/// `count` penalties, geometric, from the largest on.
///
/// For the lasso and the elastic net the largest is the smallest that sets all slopes to zero, `max |c_j| / (dl1_j /
/// dlambda)`, and the last is a thousandth of it, as for scikit-learn's `LassoCV`. For ridge the first is ten times
/// the trace of `X'X`, which leaves hardly anything, and the last is `1e-8` of that.
///
/// # Errors
/// [`Error::Option`] for no penalty at all, for an L1 ratio below 0.001, and where nothing is correlated with the
/// response.
pub fn grid(gram: &Gram, form: &PenaltyForm, count: usize) -> Result<Vec<f64>> {
    form.validate()?;
    let ratio = form.penalty.l1_ratio();
    if count == 0 {
        return Err(Error::Option("a path needs at least one penalty".into()));
    }
    let unit = form.weights(1.0, gram);
    let ridge = ratio == 0.0;
    if !ridge && ratio < LEAST_RATIO {
        let message = format!(
            "an L1 ratio of {ratio} has no grid of penalties; name them, or take at least {LEAST_RATIO}"
        );
        return Err(Error::Option(message));
    }
    let columns = (0..gram.len()).filter(|&j| gram.diagonal(j) > 0.0);
    let (largest, share) = if ridge {
        let sizes = columns.filter(|&j| unit.l2[j] > 0.0).map(|j| gram.diagonal(j) / unit.l2[j]);
        (10.0 * sizes.sum::<f64>(), RIDGE_SHARE)
    } else {
        let zeroing = columns.filter(|&j| unit.l1[j] > 0.0).map(|j| gram.response()[j].abs() / unit.l1[j]);
        (zeroing.fold(0.0, f64::max), GRID_SHARE)
    };
    if largest <= 0.0 || !largest.is_finite() {
        let message = "there is no grid of penalties: no column is correlated with the response";
        return Err(Error::Option(message.into()));
    }
    let step = |i: usize| libm::pow(share, i as f64 / (count.max(2) - 1) as f64);
    Ok((0..count).map(|i| largest * step(i)).collect())
}

/// Checks a list of penalties, and sorts it from the largest on.
///
/// # Errors
/// [`Error::Option`] for one that is negative or not finite.
fn checked(lambdas: &[f64]) -> Result<Vec<f64>> {
    if let Some(bad) = lambdas.iter().find(|l| !(l.is_finite() && **l >= 0.0)) {
        return Err(Error::Option(format!("a penalty must be a number from 0 on, not {bad}")));
    }
    let mut sorted = lambdas.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    Ok(sorted)
}

/// The fits at all of `lambdas`, from the largest on, each from where the last one ended.
///
/// # Errors
/// [`Error::Option`] for a penalty that is none; [`Error::Singular`] for dependent columns without a penalty on
/// squares, or with one that is too small to tell, where no absolute values are penalised either;
/// [`Error::NoRows`].
pub fn path(gram: &Gram, form: &PenaltyForm, lambdas: &[f64]) -> Result<Vec<(f64, Penalized)>> {
    form.validate()?;
    if gram.rows() == 0 {
        return Err(Error::NoRows);
    }
    let mut start = vec![0.0; gram.len()];
    let mut fits: Vec<(f64, Penalized)> = Vec::with_capacity(lambdas.len());
    for lambda in checked(lambdas)? {
        let weights = form.weights(lambda, gram);
        let fit = if weights.l1.iter().all(|l| *l == 0.0) {
            ridge(gram, &weights, lambda)?
        } else {
            descend(gram, &weights, &start, MAX_ROUNDS)
        };
        start.clone_from(&fit.slopes);
        fits.push((lambda, fit));
    }
    Ok(fits)
}

/// The fit at one penalty, and its degrees of freedom, the constant apart: the trace of the matrix that makes
/// fitted values of responses, over the active columns. For the lasso that is their number (Zou, Hastie & Tibshirani
/// 2007, "On the degrees of freedom of the lasso").
///
/// # Errors
/// As [`path`].
pub fn solve_one(gram: &Gram, form: &PenaltyForm, lambda: f64) -> Result<(Penalized, f64)> {
    let mut fits = path(gram, form, &[lambda])?;
    let (_, fit) = fits.pop().ok_or(Error::NoRows)?;
    let active: Vec<usize> = (0..gram.len()).filter(|&j| fit.slopes[j] != 0.0).collect();
    let weights = form.weights(lambda, gram);
    let shrinkage = System::new(gram, &weights.l2, &active).map_or(0.0, |system| system.shrinkage());
    let df = active.len() as f64 - shrinkage;
    Ok((fit, df))
}

impl PathPoint {
    pub(super) fn new(gram: &Gram, lambda: f64, fit: &Penalized, intercept: bool) -> Self {
        let r_squared = 1.0 - fit.mean_square / gram.total();
        Self {
            lambda,
            intercept: intercept.then(|| gram.constant(&fit.slopes)),
            nonzero: fit.nonzero(),
            r_squared: r_squared.is_finite().then_some(r_squared),
            slopes: fit.slopes.clone(),
        }
    }

    /// A whole path, as it is reported.
    pub fn of(gram: &Gram, fits: &[(f64, Penalized)], intercept: bool) -> Vec<Self> {
        fits.iter().map(|(lambda, fit)| Self::new(gram, *lambda, fit, intercept)).collect()
    }
}
