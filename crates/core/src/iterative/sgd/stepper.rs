//! Gradients of batches, and steps along them.

use serde::{Deserialize, Serialize};

use crate::iterative::curvature::Curvature;
use crate::iterative::loss::Smoothed;
use crate::iterative::penalty::Penalties;
use crate::iterative::rows::RowBlock;
use crate::iterative::schedule::LearningRate;
use crate::iterative::sgd::recorder::BatchSums;

/// The gradient of all rows at a point, which takes the noise out of the steps near it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Anchor {
    pub(super) point: Vec<f64>,
    pub(super) gradient: Vec<f64>,
    pub(super) objective: f64,
}

/// What stays the same while steps are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Course {
    pub(super) rate: LearningRate,
    pub(super) momentum: f64,
    pub(super) loss: Smoothed,
    pub(super) penalties: Penalties,
    pub(super) curvature: Curvature,
    pub(super) mean_weight: f64,
}

/// The parameters, and what steps they take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stepper {
    pub(super) course: Course,
    /// The step of [`LearningRate::Auto`].
    pub(super) auto_step: f64,
    pub(super) parameters: Vec<f64>,
    pub(super) anchor: Option<Anchor>,
    /// Steps so far, and those of this epoch.
    pub(super) steps: u64,
    pub(super) batch: u64,
    average: Vec<f64>,
    averaged: f64,
    velocity: Vec<f64>,
    squares: Vec<f64>,
    /// The gradient of the last batch.
    gradient: Vec<f64>,
    #[serde(skip)]
    work: Work,
}

/// Buffers; nothing is kept in them.
#[derive(Clone, Debug, Default)]
struct Work {
    residuals: Vec<f64>,
    anchored: Vec<f64>,
    direction: Vec<f64>,
}

impl PartialEq for Work {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Stepper {
    /// Begins at `parameters`, with steps of length `auto_step` where the rate is automatic.
    pub(super) fn new(course: Course, parameters: Vec<f64>, auto_step: f64) -> Self {
        let count = parameters.len();
        let adaptive = matches!(course.rate, LearningRate::Adam { .. });
        Self {
            course,
            auto_step,
            parameters,
            anchor: None,
            steps: 0,
            batch: 0,
            average: vec![0.0; count],
            averaged: 0.0,
            velocity: vec![0.0; count],
            squares: vec![0.0; if adaptive { count } else { 0 }],
            gradient: Vec::new(),
            work: Work::default(),
        }
    }

    /// Forgets the average, for an epoch that begins.
    pub(super) fn begin_epoch(&mut self) {
        self.batch = 0;
        self.average.fill(0.0);
        self.averaged = 0.0;
    }

    /// Goes to the average of the iterates, if there are any.
    pub(super) fn take_average(&mut self) {
        if self.averaged > 0.0 {
            self.parameters.clone_from(&self.average);
        }
    }

    /// The length of the last step.
    pub(super) fn step_length(&self) -> f64 {
        self.course.rate.at(self.steps.max(1), self.auto_step)
    }

    /// The gradient of the last batch.
    pub(super) fn batch_gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// Takes the gradient of a batch; its loss.
    pub(super) fn gradient(&mut self, group: &[RowBlock], batch: usize, batches: usize) -> BatchSums {
        let (gradient, Work { residuals, anchored, .. }) = (&mut self.gradient, &mut self.work);
        gradient.clear();
        gradient.resize(self.parameters.len(), 0.0);
        let mut sums = BatchSums::default();
        let ranges = group.iter().map(|block| {
            let cut = |batch: usize| block.rows() * batch / batches;
            (block, cut(batch)..cut(batch + 1))
        });
        let learnt: usize =
            ranges.clone().map(|(block, range)| range.filter(|&row| !block.is_held_out(row)).count()).sum();
        let unit = 1.0 / (learnt.max(1) as f64 * self.course.mean_weight);
        for (block, range) in ranges {
            residuals.resize(range.len(), 0.0);
            block.predict(range.clone(), &self.parameters, residuals);
            if let Some(anchor) = &self.anchor {
                anchored.resize(range.len(), 0.0);
                block.predict(range.clone(), &anchor.point, anchored);
            }
            for (at, row) in range.clone().enumerate() {
                let (y, w) = (block.response[row], block.weight(row));
                let r = y - residuals[at];
                let loss = w * self.course.loss.value(r);
                if block.is_held_out(row) {
                    sums.held_out_weight += w;
                    sums.held_out_loss += loss;
                    residuals[at] = 0.0;
                    continue;
                }
                sums.rows += 1;
                sums.weight += w;
                sums.loss += loss;
                let known =
                    if self.anchor.is_some() { self.course.loss.slope(y - anchored[at]) } else { 0.0 };
                residuals[at] = -w * unit * (self.course.loss.slope(r) - known);
            }
            block.add_scaled(range, residuals, gradient);
        }
        if let Some(anchor) = &self.anchor {
            gradient.iter_mut().zip(&anchor.gradient).for_each(|(g, a)| *g += a);
        }
        self.course.penalties.add_gradient(&self.parameters, gradient);
        sums
    }

    /// Takes a step along the gradient of the last batch.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        let (gradient, direction) = (&self.gradient, &mut self.work.direction);
        let eta = self.course.rate.at(self.steps, self.auto_step);
        match self.course.rate {
            LearningRate::Auto => {
                self.course.curvature.solve(gradient, direction);
                self.parameters.iter_mut().zip(&*direction).for_each(|(t, d)| *t -= eta * d);
                let curvature = &self.course.curvature;
                self.course.penalties.shrink(|j| eta * curvature.inverse_at(j), &mut self.parameters);
                let weight = self.batch as f64;
                self.averaged += weight;
                let share = weight / self.averaged;
                self.average.iter_mut().zip(&self.parameters).for_each(|(a, t)| *a += share * (t - *a));
            }
            LearningRate::Adam { .. } => {
                let (b1, b2) = (0.9, 0.999);
                let count = self.steps.min(1 << 30) as i32;
                let (first, second) = (1.0 - f64::powi(b1, count), 1.0 - f64::powi(b2, count));
                let moments = self.velocity.iter_mut().zip(&mut self.squares);
                for ((t, g), (m, v)) in self.parameters.iter_mut().zip(gradient).zip(moments) {
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *t -= eta * (*m / first) / ((*v / second).sqrt() + 1e-8);
                }
                self.course.penalties.shrink(|_| eta, &mut self.parameters);
            }
            _ => {
                for ((t, v), g) in self.parameters.iter_mut().zip(&mut self.velocity).zip(gradient) {
                    *v = self.course.momentum * *v - eta * g;
                    *t += *v;
                }
                self.course.penalties.shrink(|_| eta, &mut self.parameters);
            }
        }
    }
}
