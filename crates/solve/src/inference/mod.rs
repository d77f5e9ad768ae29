//! Standard errors, tests, intervals and the statistics of a fit as a whole.

pub mod distributions;
mod double_double;
pub(crate) mod wald;

use std::cell::RefCell;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::coefficient::Coefficient;
use crate::equation::Equation;
use crate::factor::Factor;
use crate::fit::error_analysis::digits;
use crate::inference::distributions::{f_upper, student_t_quantile_two_sided, student_t_two_sided};
use crate::scalar::{Scalar, dot};

/// One row of the coefficient table. Fields are `None` where the number does not exist: all of them for
/// a column that was set aside, all but the estimate without residual degrees of freedom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TermEstimate {
    /// Name of the term.
    pub term: String,
    /// The coefficient.
    pub estimate: Option<f64>,
    /// Its standard error.
    pub std_error: Option<f64>,
    /// `estimate / std_error`.
    pub statistic: Option<f64>,
    /// Two-sided p-value of the statistic under Student's t.
    pub p_value: Option<f64>,
    /// Lower end of the confidence interval.
    pub conf_low: Option<f64>,
    /// Upper end of the confidence interval.
    pub conf_high: Option<f64>,
    /// Variance inflation factor, `1 / (1 - R_j²)` for `R_j²` of the column on the others: the diagonal of
    /// `(X'X)^-1` times the column's sum of squares, about its mean with an intercept, about zero without.
    /// Absent for the intercept.
    #[serde(default)]
    pub vif: Option<f64>,
    /// Decimal digits of the estimate that the arithmetic guarantees: at most 15, fewer than the estimate has
    /// against an exact solution for the same float64 cells. 0 for a coefficient that is rounding noise. Absent for
    /// the levels of an eliminated category, and for a solution of minimum norm over dependent columns.
    #[serde(default)]
    pub digits_arithmetic: Option<f64>,
    /// Decimal digits that the input supports if every cell carries a rounding error of half a unit in its last
    /// place. Integers and other cells that are exact in float64 do not, which the cells do not tell.
    #[serde(default)]
    pub digits_input: Option<f64>,
    /// The estimate in units of standard deviations, `estimate sd(x) / sd(y)` over the (weighted) rows of the fit: about their
    /// means with an intercept, about zero without one. Absent where it was not asked for, and for the intercept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardized: Option<f64>,
}

impl TermEstimate {
    /// An estimate with nothing beside it.
    pub fn bare(term: String, estimate: f64) -> Self {
        Self {
            term,
            estimate: Some(estimate),
            std_error: None,
            statistic: None,
            p_value: None,
            conf_low: None,
            conf_high: None,
            vif: None,
            digits_arithmetic: None,
            digits_input: None,
            standardized: None,
        }
    }
}

/// Statistics of a fit as a whole, by the names and definitions of R's `lm` and broom's `glance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Glance {
    /// `1 - RSS / TSS`; TSS is about the mean with an intercept, about zero without.
    pub r_squared: Option<f64>,
    /// R² corrected for the degrees of freedom.
    pub adj_r_squared: Option<f64>,
    /// Residual standard error, `sqrt(RSS / df_residual)`.
    pub sigma: Option<f64>,
    /// F statistic against the model with only the constant (or nothing).
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// Numerator degrees of freedom of F: independent columns beside the constant.
    pub df: usize,
    /// Gaussian log-likelihood at the maximum; analytic weights are inverse variances.
    pub log_lik: Option<f64>,
    /// `-2 log_lik + 2 k`; `k` counts the coefficients and the variance.
    pub aic: Option<f64>,
    /// `-2 log_lik + log(n) k`.
    pub bic: Option<f64>,
    /// Residual sum of squares.
    pub deviance: f64,
    /// `n - rank`.
    pub df_residual: u128,
    /// Rows in the fit; the sum of the weights where these are frequencies.
    pub nobs: u128,
    /// `RSS / n`, or the weighted mean of squared residuals.
    pub mse: f64,
    /// Its square root.
    pub rmse: f64,
}

impl Glance {
    /// What is known without inference: of `nobs` observations of weight `weight`, `df` slopes that are not zero, the mean
    /// squares of the residuals and of the response.
    pub fn bare(nobs: u128, weight: f64, df: usize, intercept: bool, mean_square: f64, total: f64) -> Self {
        Self {
            r_squared: finite(1.0 - mean_square / total),
            adj_r_squared: None,
            sigma: None,
            statistic: None,
            p_value: None,
            df,
            log_lik: None,
            aic: None,
            bic: None,
            deviance: mean_square * weight,
            df_residual: nobs.saturating_sub((df + usize::from(intercept)) as u128),
            nobs,
            mse: mean_square,
            rmse: mean_square.sqrt(),
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

pub(crate) fn glance<T: Scalar>(factor: &Factor<T>, weight: f64, equation: &Equation) -> Glance {
    let (n, rows) = (equation.nobs, equation.nobs as f64);
    let intercept = equation.intercept;
    let rank = factor.coefficients(intercept);
    let df = rank - usize::from(intercept);
    let df_residual = n.saturating_sub(rank as u128);
    let resid = df_residual as f64;
    let (rss, tss) = (factor.rss.near(), factor.tss.near());
    let explained = (dot(&factor.explained, &factor.explained) + factor.absorbed_explained).near();
    let has_resid = df_residual > 0;
    let variance = has_resid.then(|| rss / resid);
    let r_squared = finite((T::ONE - factor.rss / factor.tss).near());
    let total_df = rows - f64::from(u8::from(intercept));
    let adj_r_squared = variance.and_then(|v| finite(1.0 - v / (tss / total_df)));
    let statistic = variance.filter(|_| df > 0).and_then(|v| finite(explained / df as f64 / v));
    let unweighted = -0.5 * rows * (libm::log(2.0 * std::f64::consts::PI * rss / rows) + 1.0);
    let log_lik = finite(unweighted + 0.5 * equation.log_weights);
    let k = rank as f64 + 1.0;
    let mse = rss / weight;
    Glance {
        r_squared,
        adj_r_squared,
        sigma: variance.map(f64::sqrt),
        statistic,
        p_value: statistic.map(|f| f_upper(f, df as f64, resid)),
        df,
        log_lik,
        aic: log_lik.map(|l| -2.0 * l + 2.0 * k),
        bic: log_lik.map(|l| -2.0 * l + libm::log(rows) * k),
        deviance: rss,
        df_residual,
        nobs: n,
        mse,
        rmse: mse.sqrt(),
    }
}

/// [`student_t_quantile_two_sided`], remembered: many groups have the same number of rows.
fn quantile(alpha: f64, df: f64) -> f64 {
    /// More different numbers than this are not worth remembering.
    const MOST: usize = 4_096;
    thread_local! {
        static KNOWN: RefCell<HashMap<[u64; 2], f64>> = RefCell::default();
    }
    let key = [alpha, df].map(f64::to_bits);
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.clear();
        }
        *known.entry(key).or_insert_with(|| student_t_quantile_two_sided(alpha, df))
    })
}

/// The coefficient table.
pub(crate) fn estimates(coefficients: Vec<Coefficient>, glance: &Glance, level: f64) -> Vec<TermEstimate> {
    let df = glance.df_residual as f64;
    let width = quantile(1.0 - level, df);
    let row = |Coefficient { term, value: estimate, unit_error, quality }: Coefficient| {
        let std_error = estimate.and(glance.sigma).map(|sigma| sigma * unit_error);
        let own = estimate_of(term, estimate, std_error, df, width);
        let of = estimate.zip(quality.as_ref());
        TermEstimate {
            vif: quality.as_ref().and_then(|q| q.vif),
            digits_arithmetic: of.map(|(b, q)| digits(q.arithmetic, b)),
            digits_input: of.map(|(b, q)| digits(q.input, b)),
            ..own
        }
    };
    coefficients.into_iter().map(row).collect()
}

/// One row of it, by Student's t with `df` degrees of freedom.
pub(crate) fn term_estimate(
    term: String,
    estimate: Option<f64>,
    std_error: Option<f64>,
    df: f64,
    level: f64,
) -> TermEstimate {
    estimate_of(term, estimate, std_error, df, quantile(1.0 - level, df))
}

/// The same for intervals of `width` standard errors on either side.
fn estimate_of(
    term: String,
    estimate: Option<f64>,
    std_error: Option<f64>,
    df: f64,
    width: f64,
) -> TermEstimate {
    let statistic = estimate.zip(std_error).and_then(|(b, se)| finite(b / se));
    let half_width = std_error.map(|se| se * width);
    TermEstimate {
        term,
        estimate,
        std_error,
        statistic,
        p_value: statistic.map(|t| student_t_two_sided(t, df)),
        conf_low: estimate.zip(half_width).map(|(b, h)| b - h),
        conf_high: estimate.zip(half_width).map(|(b, h)| b + h),
        vif: None,
        digits_arithmetic: None,
        digits_input: None,
        standardized: None,
    }
}
