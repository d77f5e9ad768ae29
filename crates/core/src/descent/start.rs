//! The fit to the sample, where iterations begin.

use crate::descent::curvature::{Curvature, factors, total_weight};
use crate::descent::expand::Sample;
use crate::descent::loss::{Loss, Smoothed};
use crate::descent::penalty::Penalties;

/// Rows that the sample needs for each parameter, so that its fit is worth starting from.
const ROWS_A_COLUMN: usize = 20;

/// Most Newton steps.
const MOST_STEPS: usize = 60;

/// What a sample knows before the first step.
pub(super) struct Start {
    /// Its fit; zero where it is too small for one.
    pub(super) parameters: Vec<f64>,
    /// The loss, with kinks rounded as fits the spread of the residuals.
    pub(super) loss: Smoothed,
    pub(super) curvature: Curvature,
    /// The largest curvature of a batch, times the inverse of the curvature.
    pub(super) largest: f64,
    /// The same without it: what bounds steps that are not preconditioned.
    pub(super) largest_plain: f64,
}

/// What to look for in a sample.
pub(super) struct Question<'a> {
    pub(super) sample: &'a Sample,
    pub(super) loss: Loss,
    pub(super) penalties: &'a Penalties,
    /// Number of parameters.
    pub(super) parameters: usize,
    /// Rows of all data.
    pub(super) rows: u64,
    pub(super) batch_rows: usize,
    /// Whether the full matrix is wanted, where it is affordable.
    pub(super) matrix: bool,
    /// Whether to precondition at all.
    pub(super) precondition: bool,
}

impl Question<'_> {
    pub(super) fn answer(&self) -> Start {
        let sample = &self.sample.rows;
        let matrix = self.matrix && Curvature::affordable(sample, self.parameters);
        let mut fit = Fit { point: vec![0.0; self.parameters], loss: Loss::Squared.into() };
        if matrix && sample.rows() >= ROWS_A_COLUMN * self.parameters {
            fit.improve(self);
        }
        fit.loss = self.smoothed(&fit.point, 0.0);
        let (_, factors) = factors(sample, fit.loss, &fit.point);
        let curvature = match (self.precondition, matrix) {
            (false, _) => Curvature::Scale,
            (true, true) => Curvature::of_sample(sample, &factors, self.penalties, self.parameters),
            (true, false) => Curvature::diagonal(
                self.sample,
                &factors,
                self.penalties,
                self.parameters,
                Some(self.batch_rows),
            ),
        };
        let mean = total_weight(sample) / sample.rows().max(1) as f64;
        let largest = |curvature: &Curvature, rows: usize| {
            curvature.largest(sample, &factors, mean, self.penalties, self.parameters, rows)
        };
        let largest_plain = largest(&Curvature::Scale, self.batch_rows);
        let largest = if self.precondition { largest(&curvature, self.batch_rows) } else { largest_plain };
        Start { parameters: fit.point, loss: fit.loss, curvature, largest, largest_plain }
    }

    /// The loss with kinks rounded over a width that shrinks with the number of rows, but not below that of all rows, by
    /// the spread of the residuals at a point.
    fn smoothed(&self, point: &[f64], least: f64) -> Smoothed {
        if self.loss.is_smooth() {
            return self.loss.into();
        }
        let (residuals, _) = factors(&self.sample.rows, Loss::Squared.into(), point);
        let weighted = residuals.iter().enumerate().map(|(row, r)| self.sample.rows.weight(row) * r.abs());
        let spread = weighted.sum::<f64>() / total_weight(&self.sample.rows).max(f64::MIN_POSITIVE);
        let own = spread * (self.rows.max(8) as f64).powf(-1.0 / 3.0);
        let most = match self.loss {
            Loss::EpsilonInsensitive { epsilon } if epsilon > 0.0 => 0.5 * epsilon,
            _ => f64::INFINITY,
        };
        Smoothed { loss: self.loss, width: own.max(least * spread).min(most).max(1e-12) }
    }
}

/// A fit to the sample under way.
struct Fit {
    point: Vec<f64>,
    loss: Smoothed,
}

impl Fit {
    /// Newton's method: first for squares, then for the loss, whose kinks become sharper step by step.
    fn improve(&mut self, question: &Question<'_>) {
        let mut least = 1.0;
        self.step(question);
        for _ in 0..MOST_STEPS {
            self.loss = question.smoothed(&self.point, least);
            let moved = self.step(question);
            if moved < 1e-14 && (question.loss.is_smooth() || least < 1e-3) {
                break;
            }
            least *= 0.5;
        }
    }

    /// A step with as many halvings as it takes not to climb. Returns what it gains, relative to the objective.
    fn step(&mut self, question: &Question<'_>) -> f64 {
        let Question { sample: Sample { rows: sample, .. }, penalties, .. } = question;
        let (residuals, factors) = factors(sample, self.loss, &self.point);
        let weight = total_weight(sample);
        let rows = residuals.iter().enumerate();
        let slopes: Vec<f64> =
            rows.map(|(row, r)| -sample.weight(row) * self.loss.slope(*r) / weight).collect();
        let mut gradient = vec![0.0; question.parameters];
        sample.add_scaled(0..sample.rows(), &slopes, &mut gradient);
        penalties.add_gradient(&self.point, &mut gradient);
        let curvature = Curvature::of_sample(sample, &factors, penalties, question.parameters);
        let step = curvature.newton(&self.point, &gradient, penalties);
        let before = self.objective(question, &self.point);
        let mut share = 1.0;
        for _ in 0..8 {
            let moved: Vec<f64> = self.point.iter().zip(&step).map(|(t, d)| t + share * d).collect();
            let after = self.objective(question, &moved);
            if after <= before {
                self.point = moved;
                return (before - after) / before.max(f64::MIN_POSITIVE);
            }
            share *= 0.5;
        }
        0.0
    }

    fn objective(&self, question: &Question<'_>, point: &[f64]) -> f64 {
        let (residuals, _) = factors(&question.sample.rows, self.loss, point);
        let losses = residuals.iter().enumerate();
        let losses = losses.map(|(row, r)| question.sample.rows.weight(row) * self.loss.value(*r));
        losses.sum::<f64>() / total_weight(&question.sample.rows) + question.penalties.value(point)
    }
}
