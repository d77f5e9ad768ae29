//! Cross-validation from the sums of the folds.

use serde::{Deserialize, Serialize};
use streamreg_core::choices;

use super::path::path;
use super::{Gram, PenaltyForm};
use crate::error::{Error, Result};

/// Which penalty the errors choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CvRule {
    /// The one of the smallest mean error.
    #[default]
    Min,
    /// The largest whose mean error is within one standard error of the smallest (Hastie, Tibshirani & Friedman
    /// 2009, "The Elements of Statistical Learning", 7.10).
    #[serde(rename = "1se")]
    OneStdError,
}

choices!(CvRule { Min => "min", OneStdError => "1se" });

/// The sums of a fold, and of all rows but its own.
#[derive(Clone, Debug)]
pub struct Fold {
    /// The rows that are held out.
    pub held_out: Gram,
    /// The rows that are fitted.
    pub fitted: Gram,
}

/// The error at one penalty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CurvePoint {
    /// The penalty.
    pub lambda: f64,
    /// Mean over the folds of their mean squared errors.
    pub mean: f64,
    /// Its standard error, `sd / sqrt(folds)`.
    pub std_error: f64,
    /// Slopes that are not zero in the fit to all rows.
    pub nonzero: usize,
}

/// The curve and the choice.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CrossValidated {
    /// One a penalty, from the largest on.
    pub curve: Vec<CurvePoint>,
    /// Mean squared errors: a list a fold, one a penalty.
    pub errors: Vec<Vec<f64>>,
    /// Position on the curve of the smallest mean error.
    pub best: usize,
    /// Position of the largest penalty within one standard error of it.
    pub one_std_error: usize,
}

impl CrossValidated {
    /// The position that `rule` chooses.
    pub fn chosen(&self, rule: CvRule) -> usize {
        match rule {
            CvRule::Min => self.best,
            CvRule::OneStdError => self.one_std_error,
        }
    }
}

/// The errors of `lambdas` (from the largest on) in folds that were not fitted: for fold `k` with the coefficients
/// `b` of the other rows, the weighted mean of `(y - b0 - x'b)²` over its own. The mean over folds counts every fold
/// the same, as scikit-learn's `LassoCV` has it without weights; `nonzero` are the counts of the fit to all rows.
///
/// # Errors
/// As [`path`]; [`Error::Option`] for fewer than two folds.
pub fn cross_validate(
    folds: &[Fold],
    form: &PenaltyForm,
    lambdas: &[f64],
    nonzero: &[usize],
) -> Result<CrossValidated> {
    if folds.len() < 2 {
        return Err(Error::Option("cross-validation needs two folds with rows at least".into()));
    }
    let errors: Vec<Vec<f64>> = folds.iter().map(|fold| fold.errors(form, lambdas)).collect::<Result<_>>()?;
    let k = folds.len() as f64;
    let point = |i: usize| {
        let mean = errors.iter().map(|e| e[i]).sum::<f64>() / k;
        let variance = errors.iter().map(|e| (e[i] - mean) * (e[i] - mean)).sum::<f64>() / (k - 1.0);
        CurvePoint { lambda: lambdas[i], mean, std_error: (variance / k).sqrt(), nonzero: nonzero[i] }
    };
    let curve: Vec<CurvePoint> = (0..lambdas.len()).map(point).collect();
    // The first of equal errors, that is the largest penalty.
    let best = (1..curve.len()).fold(0, |best, i| if curve[i].mean < curve[best].mean { i } else { best });
    let limit = curve.get(best).map_or(0.0, |p| p.mean + p.std_error);
    let one_std_error = curve.iter().position(|p| p.mean <= limit).unwrap_or(best);
    Ok(CrossValidated { curve, errors, best, one_std_error })
}

impl Fold {
    fn errors(&self, form: &PenaltyForm, lambdas: &[f64]) -> Result<Vec<f64>> {
        let fits = path(&self.fitted, form, lambdas)?;
        Ok(fits.iter().map(|(_, fit)| self.held_out.mean_square_under(&self.fitted, &fit.slopes)).collect())
    }
}
