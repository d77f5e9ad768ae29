//! Conjugate gradients on the normal equations, without the normal equations.

use serde::{Deserialize, Serialize};

use crate::iterative::certificate::Certificate;
use crate::iterative::curvature::Curvature;
use crate::iterative::loss::Loss;
use crate::iterative::options::Next;
use crate::iterative::penalty::Penalties;
use crate::iterative::sums::GradientSums;

/// Most bytes of directions that are kept.
const MOST_BYTES: usize = 256 << 20;

/// Gap below which a fit that gets no better is as good as float64 makes it.
const FLOOR: f64 = 1e-13;

/// Share of the variance of the response at which residuals are nothing but rounding.
const PERFECT: f64 = 1e-28;

/// Passes without progress until then.
const PATIENCE: usize = 3;

/// Preconditioned conjugate gradients (Hestenes & Stiefel 1952) for squares, with or without a penalty on squares.
///
/// Every pass sums the gradient at the point so far, from the data and not from the one before, and the product of `X'WX`
/// with the direction. Directions are kept and every new one is made conjugate to all (to the last ones, where they would
/// take more than 256 MB), so that rounding costs no passes. Nothing is as long as the data. From zero, and without a
/// preconditioner that mixes columns, the limit is the solution of minimum norm in standardised units. It can be saved between passes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cg {
    penalties: Penalties,
    metric: Curvature,
    tolerance: f64,
    point: Vec<f64>,
    direction: Option<Vec<f64>>,
    /// Earlier directions, their products with the Hessian, and the products of both.
    kept: Vec<(Vec<f64>, Vec<f64>, f64)>,
    certificate: Option<Certificate>,
    /// The smallest gap so far, where it was, and passes since.
    best: Option<(f64, Vec<f64>)>,
    stale: usize,
    converged: bool,
}

impl Cg {
    /// Begins at `start`, and ends when what is left to gain, relative to the objective, is at most `tolerance`, or when
    /// float64 allows no progress.
    pub fn new(penalties: Penalties, metric: Curvature, tolerance: f64, start: Vec<f64>) -> Self {
        let (kept, certificate, best) = (Vec::new(), None, None);
        Self {
            penalties,
            metric,
            tolerance,
            point: start,
            direction: None,
            kept,
            certificate,
            best,
            stale: 0,
            converged: false,
        }
    }

    /// Where the gradient is wanted.
    pub fn point(&self) -> &[f64] {
        &self.point
    }

    /// The direction whose product with the Hessian is wanted.
    pub fn direction(&self) -> Option<&[f64]> {
        self.direction.as_deref()
    }

    /// What is known of [`Cg::point`] once [`Cg::advance`] says that it is done.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Whether the last sums were those of a minimum, as far as was asked for or float64 allows.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Takes the sums of a pass. At the end the point is the best one, and the certificate is its own, or that of the last
    /// one where both are as good as float64 makes them.
    pub fn advance(&mut self, sums: &GradientSums) -> Next {
        let mut certificate =
            Certificate::new(&self.metric, &self.penalties, &self.point, sums, Loss::Squared, None);
        // Products with all rows show what a sample does not.
        certificate.unseen = None;
        let gap = certificate.gap;
        self.certificate = Some(certificate);
        let better = self.best.as_ref().is_none_or(|(best, _)| gap < 0.5 * best);
        self.stale = if better { 0 } else { self.stale + 1 };
        if self.best.as_ref().is_none_or(|(best, _)| gap < *best) {
            self.best = Some((gap, self.point.clone()));
        }
        let smallest = self.best.as_ref().map_or(gap, |(best, _)| *best);
        let perfect = sums.squares <= PERFECT * sums.response_squares;
        self.converged = perfect || gap <= self.tolerance || (self.stale >= PATIENCE && smallest < FLOOR);
        if self.converged {
            return Next::Done;
        }
        let mut gradient = sums.gradient.clone();
        self.penalties.add_gradient(&self.point, &mut gradient);
        if let (Some(direction), Some(product)) = (self.direction.take(), &sums.product) {
            let mut product = product.clone();
            self.penalties.add_gradient(&direction, &mut product);
            let curvature = dot(&direction, &product);
            if curvature.is_nan() || curvature <= 0.0 {
                return Next::Done;
            }
            let length = -dot(&gradient, &direction) / curvature;
            add(&mut self.point, length, &direction);
            add(&mut gradient, length, &product);
            let room = (MOST_BYTES / (16 * direction.len().max(1))).max(2);
            if self.kept.len() == room {
                self.kept.remove(0);
            }
            self.kept.push((direction, product, curvature));
        }
        let mut next = Vec::new();
        self.metric.solve(&gradient, &mut next);
        next.iter_mut().for_each(|d| *d = -*d);
        // Twice is enough (Kahan; Parlett 1998).
        for _ in 0..2 {
            for (direction, product, curvature) in &self.kept {
                let share = dot(product, &next) / curvature;
                add(&mut next, -share, direction);
            }
        }
        self.direction = Some(next);
        Next::Gradient
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds `factor` times `b` to `a`.
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}
