//! The error of least squares on rows that were not fitted, from the sums of folds.
//!
//! The coefficients of fold `k` are those of the rows of all others; what they miss on its own rows follows from the fold's sums,
//! `sum w (y - b0 - x'b)²`, without another look at the rows. Absolute errors do not.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use streamreg_core::{Accumulator, CrossProducts};

use crate::equation::Equation;
use crate::error::{Error, Result};
use crate::fit::error_analysis::{COARSE, WARNING_DIGITS};
use crate::fit::{SolveInput, fit};
use crate::options::SolveOptions;
use crate::penalized::Gram;
use crate::warning::Warning;

/// What least squares misses on rows that were held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TestError {
    /// The mean over folds of their root mean squared errors, each counting the same, as scikit-learn's `cross_val_score` has it.
    pub rmse: f64,
    /// Its standard error, `sd / sqrt(folds)`.
    pub rmse_std_error: f64,
    /// The mean over folds of R²; absent where one has none.
    pub r_squared: Option<f64>,
    /// Its standard error.
    pub r_squared_std_error: Option<f64>,
    /// The root mean squared error of all rows, each held out once.
    pub pooled_rmse: f64,
    /// Rows used in each fold, without those that have none.
    pub fold_rows: Vec<u64>,
    /// Of every fold the root of the weighted mean of squared errors.
    pub fold_rmse: Vec<f64>,
    /// Of every fold `1 - sum w (y - p)² / sum w (y - mean(y))²`, the mean that of the fold; absent where its response is constant.
    pub fold_r_squared: Vec<Option<f64>>,
}

/// Folds whose other rows do not tell all coefficients, tell them without a residual, or not to enough digits.
#[derive(Default)]
struct Doubts {
    unestimated: usize,
    example: Option<String>,
    saturated: usize,
    coarse: usize,
}

/// The error of the fit of `equation`, from the cross-products of every fold, `None` for one without rows. `estimated` says of every
/// term whether it has an estimate in the fit to all rows.
///
/// # Errors
/// [`Error::Option`] for fewer than two folds with rows, and as [`fit`].
pub fn test_error(
    folds: &[Option<CrossProducts>],
    equation: &Equation,
    options: &SolveOptions,
    estimated: &[bool],
) -> Result<(TestError, Vec<Warning>)> {
    let filled: Vec<&CrossProducts> = folds.iter().flatten().collect();
    if filled.len() < 2 {
        return Err(Error::Option("all rows are in one fold: cross-validation needs two at least".into()));
    }
    let mut doubts = Doubts::default();
    let mut squares = Vec::with_capacity(filled.len());
    for k in 0..filled.len() {
        squares.push(mean_square(&filled, k, equation, options, estimated, &mut doubts)?);
    }
    let weights: Vec<f64> = filled.iter().map(|fold| fold.moments().weight()).collect();
    let spread = |fold: &CrossProducts| {
        let y = fold.variables() - 1;
        fold.centred(y, y) / fold.moments().weight()
    };
    let r_squared =
        |(fold, own): (&&CrossProducts, &f64)| Some(1.0 - own / spread(fold)).filter(|r| r.is_finite());
    let fold_r_squared: Vec<Option<f64>> = filled.iter().zip(&squares).map(r_squared).collect();
    let fold_rmse: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
    let all: f64 = squares.iter().zip(&weights).map(|(square, weight)| square * weight).sum();
    let (rmse, rmse_std_error) = mean_and_error(&fold_rmse);
    let known: Option<Vec<f64>> = fold_r_squared.iter().copied().collect();
    let of_r_squared = known.as_deref().map(mean_and_error);
    let error = TestError {
        rmse,
        rmse_std_error,
        r_squared: of_r_squared.map(|(mean, _)| mean),
        r_squared_std_error: of_r_squared.map(|(_, error)| error),
        pooled_rmse: (all / weights.iter().sum::<f64>()).sqrt(),
        fold_rows: filled.iter().map(|fold| fold.moments().rows()).collect(),
        fold_rmse,
        fold_r_squared,
    };
    Ok((error, doubts.warnings(folds.len() - filled.len(), folds.len())))
}

/// The mean square of what the fit to the rows of all other folds misses in fold `k`.
fn mean_square(
    filled: &[&CrossProducts],
    k: usize,
    equation: &Equation,
    options: &SolveOptions,
    estimated: &[bool],
    doubts: &mut Doubts,
) -> Result<f64> {
    let mut others = CrossProducts::new(filled[k].variables());
    for (_, fold) in filled.iter().enumerate().filter(|(other, _)| *other != k) {
        let merged = others.merge((*fold).clone());
        merged.map_err(|_| Error::Option("the folds have different columns".into()))?;
    }
    let own = Equation { nobs: others.moments().rows().into(), log_weights: 0.0, ..equation.clone() };
    let attempt = fit(SolveInput::CrossProducts(&others), &own, options)?;
    let rows = &attempt.fit.coefficients;
    let lost = rows.iter().zip(estimated).find(|(row, known)| **known && row.estimate.is_none());
    doubts.unestimated += usize::from(lost.is_some());
    doubts.example = doubts.example.take().or_else(|| lost.map(|(row, _)| row.term.clone()));
    let saturated = attempt.fit.glance.df_residual == 0;
    doubts.saturated += usize::from(saturated);
    // Residuals with few digits are no matter: those of other rows are what is looked for.
    let coarse = |doubt: &Warning| doubt.code != COARSE || attempt.fit.digits < WARNING_DIGITS;
    doubts.coarse += usize::from(!saturated && lost.is_none() && attempt.doubt.as_ref().is_some_and(coarse));
    let slopes: Vec<f64> =
        rows.iter().skip(usize::from(equation.intercept)).map(|row| row.estimate.unwrap_or(0.0)).collect();
    let names: Arc<[String]> = equation.features.clone().into();
    let gram = |products: &CrossProducts| Gram::new(products, equation.intercept, &names);
    Ok(gram(filled[k]).mean_square_under(&gram(&others), &slopes))
}

/// What to say of `empty` folds of so many.
pub fn empty_folds(empty: usize, folds: usize) -> Option<Warning> {
    let words = if empty == 1 { "has no row, and is left out" } else { "have no row, and are left out" };
    (empty > 0).then(|| Warning::new("empty_folds", format!("{empty} of {folds} folds {words}")))
}

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let k = values.len() as f64;
    let mean = values.iter().sum::<f64>() / k;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (k - 1.0);
    (mean, (variance / k).sqrt())
}

impl Doubts {
    fn warnings(self, empty: usize, folds: usize) -> Vec<Warning> {
        let mut warnings = Vec::new();
        warnings.extend(empty_folds(empty, folds));
        if let Some(term) = self.example {
            let message = format!(
                "without the rows of a fold some coefficients cannot be estimated, in {} of {folds} folds, such as {term}: they \
                 count as 0 there",
                self.unestimated
            );
            warnings.push(Warning::new("fold_coefficients", message));
        }
        if self.saturated > 0 {
            let message = format!(
                "in {} of {folds} folds the rows of the other folds are no more than the coefficients: these go through the rows they \
                 are fitted to, noise and all",
                self.saturated
            );
            warnings.push(Warning::new("fold_saturated", message));
        }
        if self.coarse > 0 {
            let message = format!(
                "the columns are nearly dependent: in {} of {folds} folds the coefficients that the test error rests on have few \
                 digits",
                self.coarse
            );
            warnings.push(Warning::new("fold_digits", message));
        }
        warnings
    }
}
