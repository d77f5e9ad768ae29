//! Gradient descent with the gradient of all rows.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::iterative::certificate::{Certificate, Goal};
use crate::iterative::curvature::Curvature;
use crate::iterative::loss::Loss;
use crate::iterative::options::Next;
use crate::iterative::penalty::Penalties;
use crate::iterative::schedule::{LearningRate, two_digits};
use crate::iterative::sums::GradientSums;

/// How many times the first loss a step may cost before steps are called divergent.
const DIVERGED: f64 = 1e4;

/// The least curvature that a step is made of, in the metric: a sample may show next to none.
const LEAST_CURVATURE: f64 = 1e-3;

/// How often kinks are made sharper at most.
const MOST_SHARPENED: usize = 20;

/// Full gradient descent: a pass, a step.
///
/// With [`LearningRate::Auto`] it is accelerated (FISTA; Beck & Teboulle 2009) and starts afresh whenever it climbs
/// (O'Donoghue & Candès 2015); the step is the reciprocal of the largest curvature, halved where that turns out too long.
/// Other rates take plain steps. Absolute values are handled by their proximal map. It can be saved between passes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gd {
    penalties: Penalties,
    rate: LearningRate,
    /// What steps are measured with: of every column its own curvature, or nothing.
    metric: Curvature,
    /// What the gap is told by.
    judge: Curvature,
    loss: Loss,
    goal: Goal,
    sharpened: usize,
    step: f64,
    /// Where kinks are rounded, the longest step: curvature changes on the way.
    longest: f64,
    /// The query before, and the gradient there.
    known: Option<(Vec<f64>, Vec<f64>)>,
    stable: f64,
    /// Where the gradient is wanted: beyond the last point, along the last step.
    query: Vec<f64>,
    last: Vec<f64>,
    momentum: f64,
    /// The query before, its objective, and what came of its step.
    before: Option<f64>,
    first: Option<f64>,
    steps: u64,
    certificate: Option<Certificate>,
}

/// What a descent starts from.
pub struct GdStart {
    /// The parameters.
    pub point: Vec<f64>,
    /// What steps are measured with.
    pub metric: Curvature,
    /// What the gap is told by.
    pub judge: Curvature,
    /// The largest curvature in the metric.
    pub largest: f64,
    /// The same without one.
    pub largest_plain: f64,
    /// The loss.
    pub loss: Loss,
}

impl Gd {
    /// Begins at a start, and ends where `goal` is reached.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for Adam, which is for batches, and rates out of their range.
    pub fn new(start: GdStart, rate: LearningRate, penalties: Penalties, goal: Goal) -> Result<Self> {
        rate.validate()?;
        if matches!(rate, LearningRate::Adam { .. }) {
            return Err(Error::new(
                ErrorKind::Model,
                "adam is for batches: full gradients take another rate",
            ));
        }
        let auto = rate == LearningRate::Auto;
        let metric = if auto { start.metric } else { Curvature::Scale };
        Ok(Self {
            penalties,
            rate,
            metric,
            judge: start.judge,
            loss: start.loss,
            goal,
            sharpened: 0,
            step: 1.0 / (1.05 * start.largest).max(LEAST_CURVATURE),
            longest: 1.0 / (1.05 * start.largest).max(LEAST_CURVATURE),
            known: None,
            stable: 2.0 / start.largest_plain.max(f64::MIN_POSITIVE),
            last: start.point.clone(),
            query: start.point,
            momentum: 1.0,
            before: None,
            first: None,
            steps: 0,
            certificate: None,
        })
    }

    /// Where the gradient is wanted.
    pub fn point(&self) -> &[f64] {
        &self.query
    }

    /// What is known of [`Gd::point`].
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The length of the last step.
    pub fn step_length(&self) -> f64 {
        self.rate.at(self.steps.max(1), self.step)
    }

    /// Goes on from [`Gd::point`] with sharper kinks, after [`Next::Sharpen`].
    pub fn sharpen(&mut self, start: GdStart) {
        self.judge = start.judge;
        if self.rate == LearningRate::Auto {
            self.metric = start.metric;
        }
        self.step = 1.0 / (1.05 * start.largest).max(LEAST_CURVATURE);
        (self.longest, self.known) = (self.step, None);
        self.last.clone_from(&self.query);
        (self.momentum, self.before) = (1.0, None);
        self.sharpened += 1;
    }

    /// Takes the sums of a pass, and a step.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] when a given rate is too large.
    pub fn advance(&mut self, sums: &GradientSums) -> Result<Next> {
        let objective = sums.loss + self.penalties.value(&self.query);
        let first = *self.first.get_or_insert(objective.max(1.0));
        if objective.is_nan() || objective > DIVERGED * first {
            return self.back_off();
        }
        let certificate =
            Certificate::new(&self.judge, &self.penalties, &self.query, sums, self.loss, self.goal.minimum());
        let (reached, sharper) = (self.goal.is_reached(&certificate), self.goal.wants_sharper(&certificate));
        self.certificate = Some(certificate);
        if reached {
            return Ok(Next::Done);
        }
        if sharper && self.sharpened < MOST_SHARPENED {
            return Ok(Next::Sharpen);
        }
        let mut gradient = sums.gradient.clone();
        self.penalties.add_gradient(&self.query, &mut gradient);
        self.steps += 1;
        let climbed = self.before.is_some_and(|before| objective > before);
        let kinked = !self.loss.is_smooth();
        if self.rate == LearningRate::Auto && kinked {
            self.fit_step(&gradient);
        } else if self.rate == LearningRate::Auto && climbed {
            if self.momentum <= 1.0 {
                self.step *= 0.5;
            }
            self.momentum = 1.0;
        }
        let eta = self.step_length();
        self.before = Some(objective);
        let mut direction = Vec::new();
        self.metric.solve(&gradient, &mut direction);
        let mut point: Vec<f64> = self.query.iter().zip(&direction).map(|(t, d)| t - eta * d).collect();
        let metric = &self.metric;
        self.penalties.shrink(|j| eta * metric.inverse_at(j), &mut point);
        let uphill: f64 =
            gradient.iter().zip(&point).zip(&self.last).map(|((g, t), last)| g * (t - last)).sum();
        if kinked && uphill > 0.0 {
            self.momentum = 1.0;
        }
        let beyond = if self.rate == LearningRate::Auto {
            let next = 0.5 * (1.0 + (1.0 + 4.0 * self.momentum * self.momentum).sqrt());
            let beyond = (self.momentum - 1.0) / next;
            self.momentum = next;
            beyond
        } else {
            0.0
        };
        self.query = point.iter().zip(&self.last).map(|(now, last)| now + beyond * (now - last)).collect();
        self.last = point;
        Ok(Next::Gradient)
    }

    /// Goes back to the point before with shorter steps, where nobody gave their length.
    fn back_off(&mut self) -> Result<Next> {
        if self.rate != LearningRate::Auto || self.step <= f64::MIN_POSITIVE || self.last == self.query {
            return Err(self.diverged());
        }
        (self.step, self.longest) = (0.1 * self.step, 0.1 * self.longest);
        self.query.clone_from(&self.last);
        (self.momentum, self.before, self.known) = (1.0, None, None);
        Ok(Next::Gradient)
    }

    /// Makes steps as long as the curvature along the last one allows. That near kinks is more than a sample tells of, and
    /// changes from one to the next: steps become longer again, up to the longest.
    fn fit_step(&mut self, gradient: &[f64]) {
        if let Some((query, before)) = &self.known {
            let (mut along, mut length) = (0.0, 0.0);
            for (j, (now, then)) in self.query.iter().zip(query).enumerate() {
                let moved = now - then;
                along += moved * (gradient[j] - before[j]);
                length += moved * moved / self.metric.inverse_at(j);
            }
            let curvature = if length > 0.0 { along / length } else { 0.0 };
            if curvature * self.step > 1.0 {
                self.step = 1.0 / (1.05 * curvature);
                self.momentum = 1.0;
            } else {
                self.step = (1.02 * self.step).min(self.longest);
            }
        }
        self.known = Some((self.query.clone(), gradient.to_vec()));
    }

    fn diverged(&self) -> Error {
        let rate = self.rate.eta0().unwrap_or(self.step);
        let message = format!(
            "learning rate {rate} diverges at epoch {}, batch 1; the largest stable step is about {}",
            self.steps,
            two_digits(self.stable)
        );
        Error::new(ErrorKind::Diverged, message)
    }
}
