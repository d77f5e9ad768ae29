//! Second derivatives, as a sample of the rows has them: what a step is preconditioned with, and how long it may be.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use serde::{Deserialize, Serialize};

use crate::iterative::loss::Smoothed;
use crate::iterative::penalty::Penalties;
use crate::iterative::rows::{Features, RowBlock};
use crate::iterative::standardizer::Sample;

/// Most parameters of a full matrix.
const MAX_MATRIX: usize = 1_024;

/// The same, of sparse rows of which there are few.
const MAX_SPARSE_MATRIX: usize = 128;

/// Rows that the sample needs for each of them.
const ROWS_A_COLUMN: usize = 8;

/// An approximation of the Hessian.
///
/// Preconditioning with the Hessian of a sample is the subsampled Newton method (Erdogdu & Montanari 2015, "Convergence
/// rates of sub-sampled Newton methods"): of `m` rows and `p` columns its relative error is about `sqrt(p/m)`, whatever
/// the condition number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Curvature {
    /// Columns as they are, in standardised units.
    Scale,
    /// Of every column its own.
    Diagonal {
        /// The second derivatives.
        diagonal: Vec<f64>,
    },
    /// Of every pair of columns.
    Sample {
        /// The Hessian, and its inverse: column by column.
        hessian: Vec<f64>,
        /// The same, inverted.
        inverse: Vec<f64>,
        /// Directions of length 1 in which it shows nothing but rounding.
        #[serde(default)]
        unseen: Vec<Vec<f64>>,
    },
}

impl Curvature {
    /// Whether a sample is large enough for the matrix: one of all rows is, but for sparse ones.
    pub(super) fn affordable(sample: &RowBlock, parameters: usize, all: bool) -> bool {
        let dense = matches!(sample.features, Features::Dense { .. });
        let known = all && (dense || parameters <= MAX_SPARSE_MATRIX) && sample.rows() >= parameters;
        parameters <= MAX_MATRIX && (known || sample.rows() >= ROWS_A_COLUMN * parameters)
    }

    /// The matrix of the sample, where every row counts `factors`.
    pub(super) fn of_sample(all: &Sample, factors: &[f64], penalties: &Penalties, parameters: usize) -> Self {
        let mut hessian = hessian(&all.rows, factors, parameters);
        let mean = factors.iter().sum::<f64>() / total_weight(&all.rows);
        for j in unseen_columns(&all.rows) {
            let known = all.mean_squares.get(j).copied().filter(|square| square.is_finite());
            hessian[j * (parameters + 1)] += mean * known.unwrap_or(LEAST_MEAN_SQUARE);
        }
        for (j, l2) in penalties.l2.iter().enumerate() {
            hessian[j * (parameters + 1)] += l2;
        }
        let (inverse, unseen) = inverse(&hessian, parameters);
        Self::Sample { hessian, inverse, unseen }
    }

    /// The diagonal, by the mean squares of all rows where they are known, else by the sample. Where most entries are zero,
    /// the curvature that a column has in batches of `batch_rows` rows is more than its mean: a column of which a batch has
    /// one entry has all that this entry has. This is added, so that no column takes a longer step than its own rows allow.
    pub(super) fn diagonal(
        all: &Sample,
        factors: &[f64],
        penalties: &Penalties,
        parameters: usize,
        batch_rows: Option<usize>,
    ) -> Self {
        let sample = &all.rows;
        let mut diagonal = vec![0.0; parameters];
        let mut entries = vec![0u32; parameters];
        let columns = sample.columns();
        match &sample.features {
            Features::Dense { values, stride, .. } => {
                for (j, total) in diagonal.iter_mut().enumerate().take(columns) {
                    let column = &values[j * stride..][..sample.rows()];
                    *total = column.iter().zip(factors).map(|(x, c)| c * x * x).sum();
                }
            }
            Features::Sparse(rows) => {
                for (row, factor) in factors.iter().enumerate() {
                    let (indices, values) = rows.row(row);
                    for (&j, x) in indices.iter().zip(values) {
                        diagonal[j as usize] += factor * x * x;
                        entries[j as usize] += 1;
                    }
                }
            }
        }
        let total: f64 = factors.iter().sum();
        if let Some(constant) = diagonal.get_mut(columns) {
            *constant = total;
        }
        if matches!(sample.features, Features::Sparse(_)) {
            let sum: f64 = diagonal[..columns].iter().sum();
            let count: u32 = entries.iter().sum();
            let typical = if count > 0 { sum / f64::from(count) } else { 1.0 };
            for ((own, count), mean_square) in diagonal.iter_mut().zip(entries).zip(&all.mean_squares) {
                let each = if count > 0 { *own / f64::from(count) } else { typical };
                if mean_square.is_finite() {
                    *own = mean_square * total;
                } else if count == 0 {
                    // A column that the sample has not seen has at most about one entry in as many rows.
                    *own = typical;
                }
                // Of one entry in a batch of so many rows, each of which has its share of the mean factor.
                *own += batch_rows.map_or(0.0, |rows| each * sample.rows() as f64 / rows as f64);
            }
        }
        let weight = total_weight(sample);
        diagonal.iter_mut().for_each(|own| *own /= weight);
        diagonal.iter_mut().zip(&penalties.l2).for_each(|(own, l2)| *own += l2);
        let floor = 1e-8 * diagonal.iter().copied().fold(0.0, f64::max);
        let floor = if floor > 0.0 { floor } else { 1.0 };
        diagonal.iter_mut().for_each(|own| *own = own.max(floor));
        Self::Diagonal { diagonal }
    }

    /// The inverse times a vector.
    pub fn solve(&self, gradient: &[f64], out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::Scale => out.extend_from_slice(gradient),
            Self::Diagonal { diagonal } => out.extend(gradient.iter().zip(diagonal).map(|(g, d)| g / d)),
            Self::Sample { inverse, .. } => {
                let n = gradient.len();
                out.resize(n, 0.0);
                for (column, g) in inverse.chunks_exact(n).zip(gradient) {
                    out.iter_mut().zip(column).for_each(|(out, p)| *out += p * g);
                }
            }
        }
    }

    /// An entry on the diagonal of the inverse.
    pub fn inverse_at(&self, j: usize) -> f64 {
        match self {
            Self::Scale => 1.0,
            Self::Diagonal { diagonal } => 1.0 / diagonal[j],
            Self::Sample { inverse, .. } => inverse[j * (inverse.len().isqrt() + 1)],
        }
    }

    /// What it is called: `scale`, `diagonal` or `sample`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::Diagonal { .. } => "diagonal",
            Self::Sample { .. } => "sample",
        }
    }

    /// The largest eigenvalue that the Hessian of a batch of the sample has, times this inverse: the power method on runs
    /// of `batch_rows` rows, of which each counts `factors`, on average `mean`. Steps shorter than its reciprocal never
    /// overshoot.
    pub(super) fn largest(
        &self,
        sample: &RowBlock,
        factors: &[f64],
        mean: f64,
        penalties: &Penalties,
        parameters: usize,
        batch_rows: usize,
    ) -> f64 {
        let rows = sample.rows();
        let batches = (rows / batch_rows.max(1)).max(1);
        // Of sparse rows a few batches: each costs as much as a step.
        let most = if matches!(sample.features, Features::Sparse(_)) { 16 } else { batches };
        let mut largest = 0.0f64;
        let (mut products, mut sums, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for batch in (0..batches).step_by(batches.div_ceil(most)) {
            let range = batch * batch_rows..((batch + 1) * batch_rows).min(rows);
            let mut vector: Vec<f64> = (0..parameters).map(|j| if j % 3 == 0 { -1.0 } else { 1.0 }).collect();
            let mut growth = 0.0;
            for _ in 0..POWER_STEPS {
                let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
                if !(length > 0.0 && length.is_finite()) {
                    break;
                }
                vector.iter_mut().for_each(|v| *v /= length);
                products.resize(range.len(), 0.0);
                sample.predict(range.clone(), &vector, &mut products);
                let scale = 1.0 / (range.len() as f64 * mean);
                products.iter_mut().zip(&factors[range.clone()]).for_each(|(p, c)| *p *= c * scale);
                sums.clear();
                sums.resize(parameters, 0.0);
                sample.add_scaled(range.clone(), &products, &mut sums);
                penalties.add_gradient(&vector, &mut sums);
                self.solve(&sums, &mut next);
                std::mem::swap(&mut vector, &mut next);
                growth = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            }
            largest = largest.max(growth);
        }
        largest
    }

    /// The step `d` that minimises `g'd + d'Hd/2 + sum of l1_j |t_j + d_j|` over the quadratic model (proximal Newton; Lee,
    /// Sun & Saunders 2014), by coordinate descent; without a penalty it is Newton's.
    pub(super) fn newton(&self, point: &[f64], gradient: &[f64], penalties: &Penalties) -> Vec<f64> {
        let mut step = Vec::new();
        self.solve(gradient, &mut step);
        if penalties.l1.is_empty() {
            step.iter_mut().for_each(|d| *d = -*d);
            return step;
        }
        let Self::Sample { hessian, .. } = self else {
            let mut moved: Vec<f64> = point.iter().zip(&step).map(|(t, d)| t - d).collect();
            penalties.shrink(|j| self.inverse_at(j), &mut moved);
            return moved.iter().zip(point).map(|(m, t)| m - t).collect();
        };
        let n = point.len();
        step.fill(0.0);
        // The gradient of the model at the step so far.
        let mut slope = gradient.to_vec();
        for _ in 0..MOST_ROUNDS {
            let mut moved = 0.0f64;
            for j in 0..n {
                let own = hessian[j * (n + 1)].max(f64::MIN_POSITIVE);
                let target = point[j] + step[j] - slope[j] / own;
                let limit = penalties.l1.get(j).map_or(0.0, |l1| l1 / own);
                let change = target.signum() * (target.abs() - limit).max(0.0) - point[j] - step[j];
                if change != 0.0 {
                    step[j] += change;
                    let column = &hessian[j * n..][..n];
                    slope.iter_mut().zip(column).for_each(|(s, h)| *s += h * change);
                    moved = moved.max(change.abs() * own.sqrt());
                }
            }
            if moved < 1e-13 {
                break;
            }
        }
        step
    }
}

/// Steps of the power method.
const POWER_STEPS: usize = 12;

/// Rounds of coordinate descent on a model.
const MOST_ROUNDS: usize = 10_000;

/// `X' diag(factors) X / sum of factors` of the rows, the constant last.
fn hessian(sample: &RowBlock, factors: &[f64], n: usize) -> Vec<f64> {
    let total = total_weight(sample);
    let mut out = vec![0.0; n * n];
    match &sample.features {
        Features::Dense { values, stride, columns } => {
            let roots: Vec<f64> = factors.iter().map(|c| (c / total).sqrt()).collect();
            let cell = |i: usize, j: usize| {
                let x = if j < *columns { values[j * stride + i] } else { 1.0 };
                x * roots[i]
            };
            let scaled = Mat::from_fn(sample.rows(), n, cell);
            let product = scaled.transpose() * &scaled;
            for (j, column) in out.chunks_exact_mut(n).enumerate() {
                column.iter_mut().enumerate().for_each(|(i, cell)| *cell = product[(i, j)]);
            }
        }
        Features::Sparse(rows) => {
            for (row, factor) in factors.iter().enumerate() {
                let (indices, values) = rows.row(row);
                let constant = (n > sample.columns()).then_some((n - 1, 1.0));
                let entries =
                    || indices.iter().map(|&j| j as usize).zip(values.iter().copied()).chain(constant);
                for (j, x) in entries() {
                    for (i, z) in entries() {
                        out[j * n + i] += factor / total * x * z;
                    }
                }
            }
        }
    }
    out
}

/// The columns that are the same in all rows of a sample. Over all rows most of them are not: a level that is rare.
fn unseen_columns(sample: &RowBlock) -> Vec<usize> {
    let (rows, columns) = (sample.rows(), sample.columns());
    match &sample.features {
        Features::Dense { values, stride, .. } => {
            let same = |j: &usize| values[j * stride..][..rows].windows(2).all(|two| two[0] == two[1]);
            (0..columns).filter(same).collect()
        }
        Features::Sparse(sparse) => {
            let mut seen = vec![false; columns];
            sparse.indices.iter().for_each(|&j| seen[j as usize] = true);
            (0..columns).filter(|j| !seen[*j]).collect()
        }
    }
}

/// The least mean square of a column in standardised units: their unit is the power of two nearest to a mean absolute deviation.
const LEAST_MEAN_SQUARE: f64 = 0.5;

/// The inverse of a positive semidefinite matrix, and the directions in which it shows nothing.
fn inverse(hessian: &[f64], n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mean = (0..n).map(|j| hessian[j * (n + 1)]).sum::<f64>() / n.max(1) as f64;
    let mean = if mean > 0.0 { mean } else { 1.0 };
    let matrix = Mat::from_fn(n, n, |i, j| hessian[j * n + i]);
    if let Ok(factor) = matrix.llt(Side::Lower)
        && (0..n).all(|j| factor.L()[(j, j)].powi(2) >= SINGULAR * mean)
    {
        return (cells(&factor.solve(Mat::<f64>::identity(n, n))), Vec::new());
    }
    bounded_inverse(&matrix, mean).unwrap_or_else(|| {
        // Nothing but NaNs comes so far.
        (cells(&Mat::<f64>::identity(n, n)), Vec::new())
    })
}

/// Pivots below this share of the mean of the diagonal are not enough for an inverse by Cholesky's factors.
const SINGULAR: f64 = 1e-8;

/// Eigenvalues below this share of the mean of the diagonal are rounding, with room for that of many columns.
const ROUNDING: f64 = 1e-13;

/// The inverse where eigenvalues are more than rounding, and `1/m` where they are not, with `m` the mean of the diagonal: an
/// inverse of next to nothing would turn the rounding of a gradient into steps without bounds. The directions of those
/// eigenvalues are the second.
fn bounded_inverse(matrix: &Mat<f64>, mean: f64) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let eigen = matrix.self_adjoint_eigen(Side::Lower).ok()?;
    let (vectors, n) = (eigen.U(), matrix.nrows());
    let seen = |k: usize| eigen.S()[k] > ROUNDING * mean;
    let scaled = Mat::from_fn(n, n, |i, k| vectors[(i, k)] / if seen(k) { eigen.S()[k] } else { mean });
    let inverse = cells(&(&scaled * vectors.transpose()));
    let unseen = (0..n).filter(|k| !seen(*k)).map(|k| (0..n).map(|i| vectors[(i, k)]).collect()).collect();
    inverse.iter().all(|cell| cell.is_finite()).then_some((inverse, unseen))
}

/// The cells of a square matrix, column by column.
fn cells(matrix: &Mat<f64>) -> Vec<f64> {
    (0..matrix.ncols()).flat_map(|j| (0..matrix.nrows()).map(move |i| matrix[(i, j)])).collect()
}

/// The weights of all rows.
pub(super) fn total_weight(sample: &RowBlock) -> f64 {
    sample.weights.as_ref().map_or(sample.rows() as f64, |w| w.iter().sum())
}

/// Residuals of the sample, and how much each row counts in its Hessian.
pub(super) fn factors(sample: &RowBlock, loss: Smoothed, point: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut residuals = vec![0.0; sample.rows()];
    sample.predict(0..sample.rows(), point, &mut residuals);
    residuals.iter_mut().zip(&sample.response).for_each(|(p, y)| *p = y - *p);
    let own = residuals.iter().enumerate().map(|(row, r)| sample.weight(row) * loss.curvature(*r));
    let own = own.collect();
    (residuals, own)
}
