//! One penalty.
//!
//! Coordinate descent with covariance updates (Friedman, Hastie & Tibshirani 2010, section 2.2) over the active
//! columns, then over all. Where it stands still, the zeros and signs are known, and what is left is a linear
//! system on the active columns. Its solution is taken if it has the signs that it was made for and every other
//! column fulfils the conditions of Karush, Kuhn and Tucker; so the digits of the result are those of a direct
//! solution, however slowly the descent closes in.

use super::system::System;
use super::{Gram, Penalized, Weights};
use crate::error::{Error, Result};

/// Rounds, each of some sweeps and an attempt at the exact solution.
pub(super) const MAX_ROUNDS: usize = 1_000;

/// Sweeps over the active columns in a round.
const SWEEPS: usize = 100;

/// A gap that is small enough where no exact solution is found, as a share of the response's mean square.
const FINAL_GAP: f64 = 1e-14;

/// Rounding of a gradient, as a share of the terms that it is the sum of.
const ROUNDING: f64 = 1e-13;

/// The ridge solution: `(G + diag(l2)) b = c`.
///
/// # Errors
/// [`Error::Singular`] where the columns are dependent and the penalty does not help.
pub(super) fn ridge(gram: &Gram, weights: &Weights, lambda: f64) -> Result<Penalized> {
    let active: Vec<usize> = (0..gram.len()).filter(|&j| gram.diagonal(j) > 0.0).collect();
    let system = System::new(gram, &weights.l2, &active)
        .map_err(|column| Error::Singular { column: gram.name(column), lambda })?;
    let right: Vec<f64> = active.iter().map(|&j| gram.response()[j]).collect();
    let mut slopes = vec![0.0; gram.len()];
    active.iter().zip(system.solve(&right)).for_each(|(&j, b)| slopes[j] = b);
    let mean_square = gram.mean_square(&slopes);
    Ok(Penalized { slopes, mean_square, gap: 0.0, rounds: 0, converged: true, digits: system.digits() })
}

/// The minimum with absolute values in the penalty, from `start` on.
/// Where it does not converge within `most` rounds, the last iterate.
pub(super) fn descend(gram: &Gram, weights: &Weights, start: &[f64], most: usize) -> Penalized {
    let mut descent = Descent::new(gram, weights, start);
    let mut gap = f64::INFINITY;
    for round in 1..=most {
        descent.round();
        if let Some((slopes, digits)) = descent.exact() {
            descent.place(slopes);
            gap = descent.gap();
            return descent.finish(gap, round, digits);
        }
        gap = descent.gap();
        if gap <= FINAL_GAP {
            // No unique solution, such as for two equal columns: any is as good.
            return descent.finish(gap, round, -FINAL_GAP.log10() / 2.0);
        }
    }
    let digits = (-gap.log10() / 2.0).max(0.0);
    Penalized { converged: false, ..descent.finish(gap, most, digits) }
}

struct Descent<'a> {
    gram: &'a Gram,
    weights: &'a Weights,
    slopes: Vec<f64>,
    /// `c - G b`.
    gradient: Vec<f64>,
}

impl<'a> Descent<'a> {
    fn new(gram: &'a Gram, weights: &'a Weights, start: &[f64]) -> Self {
        Self { gram, weights, slopes: start.to_vec(), gradient: gram.gradient(start) }
    }

    fn place(&mut self, slopes: Vec<f64>) {
        self.gradient = self.gram.gradient(&slopes);
        self.slopes = slopes;
    }

    fn finish(self, gap: f64, rounds: usize, digits: f64) -> Penalized {
        let mean_square = self.gram.mean_square(&self.slopes);
        Penalized { slopes: self.slopes, mean_square, gap, rounds, converged: true, digits }
    }

    /// Sweeps over all columns, then over the active ones until they stand still.
    fn round(&mut self) {
        // What updates have left of rounding does not add up over rounds.
        self.gradient = self.gram.gradient(&self.slopes);
        let all: Vec<usize> = (0..self.slopes.len()).collect();
        self.sweep(&all);
        let active: Vec<usize> = all.into_iter().filter(|&j| self.slopes[j] != 0.0).collect();
        for _ in 0..SWEEPS {
            if self.sweep(&active) <= f64::EPSILON * self.gram.total() {
                break;
            }
        }
    }

    /// Sets each column's slope to the best beside the others; returns the largest share of the mean square that
    /// one of them gained.
    fn sweep(&mut self, columns: &[usize]) -> f64 {
        let mut gained: f64 = 0.0;
        for &j in columns {
            let (diagonal, old) = (self.gram.diagonal(j), self.slopes[j]);
            if diagonal <= 0.0 {
                continue;
            }
            let free = self.gradient[j] + diagonal * old;
            let new = soft_threshold(free, self.weights.l1[j]) / (diagonal + self.weights.l2[j]);
            let step = new - old;
            if step != 0.0 {
                self.slopes[j] = new;
                for (g, x) in self.gradient.iter_mut().zip(self.gram.column(j)) {
                    *g -= step * x;
                }
                gained = gained.max(step * step * diagonal);
            }
        }
        gained
    }

    /// The exact solution for the zeros and signs at hand, if it is the minimum; and its digits.
    fn exact(&self) -> Option<(Vec<f64>, f64)> {
        let mut active: Vec<usize> = (0..self.slopes.len()).filter(|&j| self.slopes[j] != 0.0).collect();
        let mut signs: Vec<f64> = self.slopes.iter().map(|b| b.signum()).collect();
        // A sign that turns is a column that leaves; a column whose condition fails enters.
        for _ in 0..10 + active.len() {
            let (slopes, digits) = self.solve(&active, &signs)?;
            let before = active.len();
            active.retain(|&j| slopes[j] * signs[j] > 0.0);
            if active.len() < before {
                continue;
            }
            match self.violation(&slopes, &active) {
                None => return Some((slopes, digits)),
                Some((j, sign)) => {
                    signs[j] = sign;
                    let at = active.partition_point(|&a| a < j);
                    active.insert(at, j);
                }
            }
        }
        None
    }

    fn solve(&self, active: &[usize], signs: &[f64]) -> Option<(Vec<f64>, f64)> {
        let mut slopes = vec![0.0; self.slopes.len()];
        if active.is_empty() {
            return Some((slopes, -(0.5 * f64::EPSILON).log10()));
        }
        let system = System::new(self.gram, &self.weights.l2, active).ok()?;
        let right: Vec<f64> =
            active.iter().map(|&j| self.gram.response()[j] - self.weights.l1[j] * signs[j]).collect();
        active.iter().zip(system.solve(&right)).for_each(|(&j, b)| slopes[j] = b);
        Some((slopes, system.digits()))
    }

    /// The column outside of `active` whose gradient exceeds its penalty the most, with the gradient's sign.
    fn violation(&self, slopes: &[f64], active: &[usize]) -> Option<(usize, f64)> {
        let gradient = self.gram.gradient(slopes);
        let excess = |j: usize| {
            let column = self.gram.column(j);
            let terms = active.iter().map(|&a| (column[a] * slopes[a]).abs());
            let size = self.gram.response()[j].abs() + terms.sum::<f64>();
            gradient[j].abs() - self.weights.l1[j] - ROUNDING * size
        };
        let inactive = (0..slopes.len()).filter(|j| active.binary_search(j).is_err());
        let beyond = inactive.map(|j| (j, excess(j))).filter(|(_, e)| *e > 0.0);
        let worst = beyond.max_by(|a, b| a.1.total_cmp(&b.1));
        worst.map(|(j, _)| (j, gradient[j].signum()))
    }

    /// The duality gap as a share of `v/2`. The penalty's squares are taken as rows `sqrt(l2_j)` of response
    /// 0, so that the problem is a lasso; a multiple of its residual is feasible for the dual problem.
    fn gap(&self) -> f64 {
        let total = self.gram.total();
        if total <= 0.0 {
            return 0.0;
        }
        let Weights { l1, l2 } = self.weights;
        let slopes = self.slopes.iter().enumerate();
        let squares: f64 = slopes.clone().map(|(j, b)| l2[j] * b * b).sum();
        let absolute: f64 = slopes.map(|(j, b)| l1[j] * b.abs()).sum();
        let residual = self.gram.mean_square(&self.slopes) + squares;
        let with_response =
            total - self.slopes.iter().zip(self.gram.response()).map(|(b, c)| b * c).sum::<f64>();
        let room = |j: usize| {
            let pull = (self.gradient[j] - l2[j] * self.slopes[j]).abs();
            if pull > l1[j] { l1[j] / pull } else { 1.0 }
        };
        let feasible = (0..self.slopes.len()).map(room).fold(1.0, f64::min);
        let best = if residual > 0.0 { with_response / residual } else { 0.0 };
        let multiple = best.clamp(-feasible, feasible);
        let dual = multiple * with_response - 0.5 * multiple * multiple * residual;
        ((0.5 * residual + absolute - dual) / (0.5 * total)).max(0.0)
    }
}

/// `sign(z) max(|z| - l1, 0)`; a difference that is rounding is none, so that the largest penalty of a path
/// leaves nothing.
fn soft_threshold(z: f64, l1: f64) -> f64 {
    if z.abs() <= l1 * (1.0 + 4.0 * f64::EPSILON) { 0.0 } else { z.signum() * (z.abs() - l1) }
}
