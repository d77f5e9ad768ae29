//! Methods that take nothing but gradients of all rows: gradient descent and conjugate gradients.

use serde::{Deserialize, Serialize};
use streamreg_core::iterative::{
    Cg, Curvature, Gd, GdStart, Goal, LearningRate, Loss, Next, Precondition, Start, Tuned, default_tolerance,
};
use streamreg_solve::Solver;

use super::{Descending, Known, Outcome, no_gradient};
use crate::error::Result;
use crate::pass::Rows;

/// The gap at which conjugate gradients end: about what float64 can tell of well-conditioned designs; others end when
/// nothing gets better.
const CG_TOLERANCE: f64 = 1e-24;

/// The gap at which gradient descent ends at the latest, unless said otherwise.
const GD_TOLERANCE: f64 = 1e-9;

/// How far gradient descent has come.
#[derive(Serialize, Deserialize)]
struct Descent {
    gd: Gd,
    tuned: Tuned,
    steps: u64,
}

/// How far conjugate gradients have come.
#[derive(Serialize, Deserialize)]
struct Conjugate {
    cg: Cg,
    steps: u64,
}

impl<R: Rows> Descending<'_, '_, R> {
    /// What the sample tells, and where to begin: at zero unless said otherwise.
    fn tuned(&self) -> Result<(Tuned, Vec<f64>)> {
        // A given rate is no matter of the sample.
        let mut options = self.asked.options.clone().with_rate(LearningRate::Auto);
        options.momentum = 0.0;
        options.batch_rows = None;
        let (sample, penalties) = (&self.prepared.sample, &self.prepared.penalties);
        let tuned = Tuned::new(sample, self.curve.loss, penalties, self.population(), &options)?;
        let start = match self.start()? {
            Start::Auto => Start::Zero,
            other => other,
        };
        let point = tuned.begin(&start, options.seed)?;
        Ok((tuned, point))
    }

    /// What gradient descent goes by from a point on.
    fn gd_start(&self, tuned: &Tuned, point: Vec<f64>) -> GdStart {
        let (sample, penalties) = (&self.prepared.sample, &self.prepared.penalties);
        let metric = match (self.asked.options.precondition, &tuned.judge) {
            (Precondition::Scale, _) => Curvature::Scale,
            (Precondition::Auto, Curvature::Sample { .. }) if penalties.l1.is_empty() => {
                tuned.matrix(sample, penalties)
            }
            _ => tuned.diagonal(sample, penalties),
        };
        GdStart {
            point,
            largest: tuned.largest(sample, penalties, &metric),
            largest_plain: tuned.largest(sample, penalties, &Curvature::Scale),
            metric,
            judge: tuned.judge.clone(),
            loss: self.curve.loss,
        }
    }

    /// Gradient descent.
    pub(super) fn full_gradients(&mut self) -> Result<Outcome> {
        let most = self.asked.most_passes(Solver::Gd) + self.looks;
        let (tuned, point) = self.tuned()?;
        let (sample, penalties) = (&self.prepared.sample, &self.prepared.penalties);
        let rate = self.asked.options.rate;
        let start = self.gd_start(&tuned, point);
        let curvature = if rate == LearningRate::Auto { start.metric.name() } else { "scale" };
        let unsaid = default_tolerance(self.population()).min(GD_TOLERANCE);
        let goal = Goal::new(self.curve.loss, self.minimum, self.asked.options.tolerance, unsaid);
        let mut run = match self.saved()? {
            Some(run) => run,
            None => Descent { gd: Gd::new(start, rate, penalties.clone(), goal)?, tuned, steps: 0 },
        };
        loop {
            let point = run.gd.point().to_vec();
            let sums = self.gradient(run.tuned.loss, &point, None);
            let sums = self.or_save(&run, sums)?;
            let next = run.gd.advance(&sums);
            self.curve.gradient(self.passes, &sums, run.gd.certificate(), run.gd.step_length());
            let next = next?;
            if next == Next::Sharpen && self.passes.count() < most {
                run.tuned.sharpen(sample, penalties, &point);
                run.gd.sharpen(self.gd_start(&run.tuned, point));
                continue;
            }
            let reached = next == Next::Done;
            if reached || self.passes.count() >= most {
                let certificate = run.gd.certificate().cloned().ok_or_else(no_gradient)?;
                let converged = reached || goal.is_enough(&certificate);
                return Ok(Outcome {
                    known: Known { point, sums, certificate },
                    curvature,
                    converged,
                    stopped_early: false,
                    ended: ended(reached.then_some("the tolerance is reached"), most),
                    steps: run.steps,
                    batch_rows: None,
                    step: Some(run.gd.step_length()),
                    tolerance: goal.tolerance(),
                });
            }
            run.steps += 1;
            self.save_if_due(&run)?;
        }
    }

    /// Conjugate gradients.
    pub(super) fn conjugate_gradients(&mut self) -> Result<Outcome> {
        let most = self.asked.most_passes(Solver::Cg);
        let (tuned, point) = self.tuned()?;
        // What a diagonal tells of the gap is rough, and the last digits would take many passes.
        let matrix = matches!(tuned.curvature, Curvature::Sample { .. });
        let asked = self.asked.options.tolerance;
        let precise = matrix || !self.prepared.design.is_sparse();
        let unsaid = if precise { CG_TOLERANCE } else { default_tolerance(self.population()) };
        let tolerance = asked.unwrap_or(unsaid);
        let metric = match &tuned.curvature {
            Curvature::Diagonal { .. } => tuned.diagonal(&self.prepared.sample, &self.prepared.penalties),
            other => other.clone(),
        };
        let begin = || Cg::new(self.prepared.penalties.clone(), metric, tolerance, point);
        let mut run = self.saved()?.unwrap_or_else(|| Conjugate { cg: begin(), steps: 0 });
        loop {
            let point = run.cg.point().to_vec();
            let direction = run.cg.direction().map(<[f64]>::to_vec);
            let sums = self.gradient(Loss::Squared.into(), &point, direction.as_deref());
            let sums = self.or_save(&run, sums)?;
            let next = run.cg.advance(&sums);
            self.curve.gradient(self.passes, &sums, run.cg.certificate(), 1.0);
            let (done, converged) = (next == Next::Done, run.cg.converged());
            if done || self.passes.count() >= most {
                let certificate = run.cg.certificate().cloned().ok_or_else(no_gradient)?;
                let reached = certificate.gap <= tolerance;
                let why = if reached { "the tolerance is reached" } else { "float64 allows nothing better" };
                return Ok(Outcome {
                    known: Known { point, sums, certificate },
                    curvature: tuned.curvature.name(),
                    converged,
                    stopped_early: false,
                    ended: ended(done.then_some(why), most),
                    steps: run.steps,
                    batch_rows: None,
                    step: None,
                    tolerance,
                });
            }
            run.steps += 1;
            self.save_if_due(&run)?;
        }
    }
}

/// Why an iteration ended; at its limit where nothing else is known.
fn ended(why: Option<&str>, most: usize) -> String {
    why.map_or_else(|| format!("the limit of {most} epochs"), str::to_owned)
}
