//! Standard errors of exact fits of quantiles and of Huber's loss.
//!
//! | loss | `iid` | robust |
//! |---|---|---|
//! | quantile | `tau (1-tau) / f(0)² (X'X)^-1`, `f` by Epanechnikov's kernel | `hc1`: Powell's (1991) kernel, as quantreg's `ker` |
//! | Huber | Huber's (1973) `H1`, as statsmodels' `RLM` | `hc0`: the sandwich; `hc1`: times `n/(n-k)` |
//!
//! Bandwidths are those of Hall & Sheather (1988, JRSS B 50) times the spread of the residuals, the lesser of their standard
//! deviation and their interquartile range over 1.34 (Koenker 2005, "Quantile Regression", 3.4 and 4.10.1).

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use streamreg_core::iterative::{ExactFit, Loss};

use super::{SmallSample, Vcov, VcovSummary, sandwich};
use crate::fit::solution::Covariance;
use crate::inference::distributions::student_t_quantile_two_sided;
use crate::inference::{TermEstimate, term_estimate};

/// Terms of an exact fit, in the units of the data.
#[derive(Clone, Debug, Default)]
pub struct LossTerms {
    /// Names and estimates, the constant first; none for columns that depend on others.
    pub estimates: Vec<(String, Option<f64>)>,
    /// For each of the fit's orthogonal coefficients, what it adds to every term.
    pub roots: Vec<Vec<f64>>,
}

/// How standard errors of a loss are to be estimated.
#[derive(Clone, Copy, Debug)]
pub struct LossVcov {
    /// The loss, in units of the fit's residuals.
    pub loss: Loss,
    /// The size of the responses in the same units, centre included: how large their rounding is.
    pub size: f64,
    /// The estimator.
    pub kind: Vcov,
    /// Level of the intervals.
    pub conf_level: f64,
}

/// Estimates with what is known of their errors.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LossInference {
    /// One row a term.
    pub coefficients: Vec<TermEstimate>,
    /// Their covariance; `None` where there are no standard errors.
    pub covariance: Option<Covariance>,
    /// What it rests on.
    pub vcov: VcovSummary,
    /// Of quantiles, half of the length over which the density of residuals is taken, in units of the fit's.
    pub bandwidth: Option<f64>,
}

/// Whether an estimator is known for a loss.
pub fn loss_has_vcov(loss: Loss, kind: Vcov) -> bool {
    match loss {
        Loss::Quantile { .. } => matches!(kind, Vcov::Iid | Vcov::Hc1),
        Loss::Huber { .. } => matches!(kind, Vcov::Iid | Vcov::Hc0 | Vcov::Hc1),
        _ => false,
    }
}

/// Estimates and standard errors; weights are numbers of identical rows. Without residual degrees of freedom, of other
/// losses and estimators than [`loss_has_vcov`] knows, and where residuals have no spread there are estimates alone.
pub fn loss_inference(fit: &ExactFit, terms: LossTerms, asked: LossVcov) -> LossInference {
    let n: f64 = (0..fit.residuals.len()).map(|row| fit.weight(row)).sum();
    let df = n - fit.rank() as f64;
    let (values, bandwidth) = match asked.loss {
        _ if df < 1.0 || !loss_has_vcov(asked.loss, asked.kind) => (None, None),
        Loss::Quantile { tau } => quantile(fit, tau, (n, asked.size), asked.kind),
        Loss::Huber { delta } => (huber(fit, delta, (n, df), asked.kind), None),
        _ => (None, None),
    };
    let df = df.max(0.0) as u128;
    let vcov = VcovSummary::robust(asked.kind, Vec::new(), df, SmallSample::default());
    let positions: Vec<usize> =
        terms.estimates.iter().enumerate().filter(|(_, (_, b))| b.is_some()).map(|(term, _)| term).collect();
    let covariance = values.map(|meat| {
        let rank = fit.rank();
        let root: Vec<f64> = positions
            .iter()
            .flat_map(|&term| (0..rank).map(move |k| (term, k)))
            .map(|(t, k)| terms.roots[k][t])
            .collect();
        Covariance::plain(positions.clone(), sandwich(&root, &meat, rank), vcov.clone())
    });
    let width = positions.len();
    let row = |(term, (name, estimate)): (usize, (String, Option<f64>))| {
        let at = positions.iter().position(|&t| t == term);
        let variance = covariance.as_ref().zip(at).map(|(c, at)| c.values[at * (width + 1)]);
        term_estimate(name, estimate, variance.map(f64::sqrt), df as f64, asked.conf_level)
    };
    let coefficients = terms.estimates.into_iter().enumerate().map(row).collect();
    LossInference { coefficients, covariance, vcov, bandwidth }
}

/// The covariance of the orthogonal coefficients of a quantile, and the bandwidth.
fn quantile(fit: &ExactFit, tau: f64, (n, size): (f64, f64), kind: Vcov) -> (Option<Vec<f64>>, Option<f64>) {
    let Some(h) = bandwidth(fit, tau, (n, size)) else { return (None, None) };
    let spread = tau * (1.0 - tau);
    let gram = fit.gram(|row| fit.weight(row));
    let values = if kind == Vcov::Iid {
        let kernel = |u: f64| if u.abs() <= 1.0 { 0.75 * (1.0 - u * u) } else { 0.0 };
        let each = fit.residuals.iter().enumerate().map(|(row, r)| fit.weight(row) * kernel(r / h));
        let density = each.sum::<f64>() / (n * h);
        inverse(&gram, fit.rank()).map(|values| scaled(values, spread / (density * density)))
    } else {
        let normal = |u: f64| libm::exp(-0.5 * u * u) / (2.0 * std::f64::consts::PI).sqrt();
        let bread = fit.gram(|row| fit.weight(row) * normal(fit.residuals[row] / h) / h);
        inverse(&bread, fit.rank()).map(|root| scaled(sandwich(&root, &gram, fit.rank()), spread))
    };
    (values, Some(h))
}

/// The bandwidth of residuals: Hall & Sheather's of quantiles, halved while it leaves the interval from 0 to 1, as a
/// normal distribution with their spread has it.
fn bandwidth(fit: &ExactFit, tau: f64, (n, size): (f64, f64)) -> Option<f64> {
    let z = normal_quantile(tau);
    let density = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
    let level = normal_quantile(0.975);
    let shape = 1.5 * density * density / (2.0 * z * z + 1.0);
    let mut h = libm::pow(n, -1.0 / 3.0) * libm::pow(level, 2.0 / 3.0) * libm::cbrt(shape);
    while tau - h <= 0.0 || tau + h >= 1.0 {
        h *= 0.5;
    }
    let own = spread(fit, n, size) * (normal_quantile(tau + h) - normal_quantile(tau - h));
    (own > 0.0 && own.is_finite()).then_some(own)
}

/// The lesser of the standard deviation of the residuals and their interquartile range over 1.34; 0 where it is rounding: the fit
/// goes through the middle half of the rows.
fn spread(fit: &ExactFit, n: f64, size: f64) -> f64 {
    /// Shares of the response, and of the standard deviation, that are rounding.
    const ROUNDING: [f64; 2] = [1e-14, 1e-10];
    let weighted = |f: &dyn Fn(f64) -> f64| {
        fit.residuals.iter().enumerate().map(|(row, r)| fit.weight(row) * f(*r)).sum::<f64>()
    };
    let mean = weighted(&|r| r) / n;
    let deviation = (weighted(&|r| (r - mean) * (r - mean)) / n).sqrt();
    let mut sorted: Vec<(f64, f64)> =
        fit.residuals.iter().enumerate().map(|(row, r)| (*r, fit.weight(row))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Positions from 0 to n - 1, of which row `i` has as many as it counts.
    let at = |position: f64| {
        let mut seen = 0.0;
        let found = sorted.iter().find(|(_, weight)| {
            seen += weight;
            seen > position
        });
        found.or(sorted.last()).map_or(0.0, |(r, _)| *r)
    };
    let quartile = |share: f64| {
        let position = share * (n - 1.0);
        let (below, part) = (at(position.floor()), position - position.floor());
        below + part * (at(position.ceil()) - below)
    };
    let range = (quartile(0.75) - quartile(0.25)) / 1.34;
    let rounding = deviation <= ROUNDING[0] * size || range <= ROUNDING[1] * deviation;
    if rounding { 0.0 } else { deviation.min(range) }
}

/// The covariance of the orthogonal coefficients of Huber's loss.
fn huber(fit: &ExactFit, delta: f64, (n, df): (f64, f64), kind: Vcov) -> Option<Vec<f64>> {
    let (loss, rank) = (Loss::Huber { delta }, fit.rank());
    let within = |row: usize| f64::from(u8::from(fit.residuals[row].abs() <= delta));
    let slope = |row: usize| loss.slope(fit.residuals[row]);
    let rows = || 0..fit.residuals.len();
    if kind == Vcov::Iid {
        let share = rows().map(|row| fit.weight(row) * within(row)).sum::<f64>() / n;
        let slopes = rows().map(|row| fit.weight(row) * slope(row) * slope(row)).sum::<f64>() / df;
        // The variance of an indicator, and Huber's correction for few rows.
        let correction = 1.0 + rank as f64 / n * (share * (1.0 - share)) / (share * share);
        let gram = fit.gram(|row| fit.weight(row));
        let factor = correction * correction * slopes / (share * share);
        return inverse(&gram, rank).map(|values| scaled(values, factor)).filter(|_| share > 0.0);
    }
    let bread = inverse(&fit.gram(|row| fit.weight(row) * within(row)), rank)?;
    let meat = fit.gram(|row| fit.weight(row) * slope(row) * slope(row));
    let factor = if kind == Vcov::Hc1 { n / df } else { 1.0 };
    Some(scaled(sandwich(&bread, &meat, rank), factor))
}

/// The quantile of the normal distribution.
fn normal_quantile(q: f64) -> f64 {
    let size = student_t_quantile_two_sided(2.0 * q.min(1.0 - q), f64::INFINITY);
    if q < 0.5 { -size } else { size }
}

/// The inverse of a positive definite matrix, if it is one.
fn inverse(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let factor = Mat::from_fn(n, n, |i, j| matrix[i * n + j]).llt(Side::Lower).ok()?;
    let inverse = factor.solve(Mat::<f64>::identity(n, n));
    let cells: Vec<f64> =
        (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| inverse[(i, j)]).collect();
    cells.iter().all(|x| x.is_finite()).then_some(cells)
}

fn scaled(mut values: Vec<f64>, factor: f64) -> Vec<f64> {
    values.iter_mut().for_each(|v| *v *= factor);
    values
}
