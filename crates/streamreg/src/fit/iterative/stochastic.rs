//! Epochs of mini-batches, and the gradients between them.

use serde::{Deserialize, Serialize};
use streamreg_core::iterative::{LearningRate, Next, RowBlock, Sgd};
use streamreg_solve::Solver;

use super::{Descending, Known, Outcome, no_gradient, save_if_due};
use crate::error::Result;
use crate::pass::{Passes, Rows, Shuffled};

/// How far it has come.
#[derive(Serialize, Deserialize)]
struct Run {
    sgd: Sgd,
    /// The best point whose gradient is known, or the last one, and its objective.
    best: Option<(Known, f64)>,
    /// Groups of rows of the epoch under way that were learnt from.
    groups: usize,
}

impl<R: Rows> Descending<'_, '_, R> {
    /// Stochastic gradient descent.
    pub(super) fn stochastic(&mut self) -> Result<Outcome> {
        let most = self.asked.most_passes(Solver::Sgd) + self.looks;
        let auto = self.asked.options.rate == LearningRate::Auto;
        let mut run = match self.saved()? {
            Some(run) => run,
            None => Run { sgd: self.begin()?, best: None, groups: 0 },
        };
        let settled = self.run(&mut run, most, auto)?;
        let Run { mut sgd, best, .. } = run;
        let best = best.map(|(known, _)| known);
        // Rates that are given end with an epoch, early stopping at an earlier point.
        let known = match best {
            Some(best) if auto && !settled => best,
            Some(best) if best.point == sgd.parameters() => best,
            _ => self.look(&mut sgd)?,
        };
        let reached = sgd.goal().is_reached(&known.certificate);
        let converged = sgd.goal().is_enough(&known.certificate);
        let held_out = self.asked.held_out > 0.0;
        let ended = match (settled, auto) {
            (true, true) if reached => "the tolerance is reached".into(),
            (true, _) if held_out => "the rows held out gain nothing more".into(),
            (true, _) => "epochs gain nothing more".into(),
            (false, _) => format!("the limit of {most} epochs"),
        };
        Ok(Outcome {
            known,
            curvature: sgd.curvature().name(),
            converged,
            stopped_early: settled && !converged && held_out,
            ended,
            steps: sgd.steps(),
            batch_rows: Some(sgd.batch_rows()),
            step: Some(sgd.step_length()),
            tolerance: sgd.goal().tolerance(),
        })
    }

    fn begin(&self) -> Result<Sgd> {
        let options = self.asked.options.clone().with_start(self.start()?);
        let (penalties, sample) = (self.prepared.penalties.clone(), &self.prepared.sample);
        let mut sgd = Sgd::new(options, self.curve.loss, penalties, sample, self.population())?;
        if let Some(minimum) = self.minimum {
            sgd.set_minimum(minimum);
        }
        Ok(sgd)
    }

    /// Epochs and gradients, `most` passes in all. Whether the end is reached.
    fn run(&mut self, run: &mut Run, most: usize, auto: bool) -> Result<bool> {
        loop {
            match run.sgd.next() {
                Next::Epoch if self.passes.count() + 2 <= most => {
                    let done = self.epoch(run);
                    self.or_save(run, done)?;
                }
                Next::Gradient if self.passes.count() < most => {
                    let known = self.look(&mut run.sgd);
                    let known = self.or_save(run, known)?;
                    let settled = run.sgd.next() == Next::Done;
                    let objective = known.sums.loss + self.prepared.penalties.value(&known.point);
                    if settled || !auto || run.best.as_ref().is_none_or(|(_, least)| objective <= *least) {
                        run.best = Some((known, objective));
                    }
                }
                Next::Sharpen => run.sgd.sharpen(&self.prepared.sample),
                next => return Ok(next == Next::Done),
            }
            self.save_if_due(run)?;
        }
    }

    /// The gradient of all rows where the parameters are.
    fn look(&mut self, sgd: &mut Sgd) -> Result<Known> {
        let point = sgd.parameters().to_vec();
        let sums = self.gradient(sgd.loss(), &point, None)?;
        sgd.set_gradient(&sums, self.passes.count());
        self.curve.take(sgd, self.passes);
        let certificate = sgd.certificate().cloned().ok_or_else(no_gradient)?;
        Ok(Known { point, sums, certificate })
    }

    fn epoch(&mut self, run: &mut Run) -> Result<()> {
        let pass = self.passes.count() + 1;
        let known = run.groups;
        if known == 0 {
            run.sgd.begin_epoch(pass);
        }
        let seed = self.asked.options.seed.wrapping_add((pass as u64) << 32);
        let order = Shuffled { standardizer: &self.prepared.standardizer, seed };
        let (curve, steps) = (&self.curve, self.steps);
        let (mut number, mut unsaved) = (0, None);
        let sink = |passes: &Passes<'_, R>, group: &[RowBlock]| {
            number += 1;
            if number <= known {
                return Ok(());
            }
            let taken = run.sgd.take(group);
            curve.take(&mut run.sgd, passes);
            taken?;
            run.groups = number;
            let saved = steps.map_or(Ok(()), |steps| save_if_due(steps, run, (passes, curve)));
            saved.map_err(|error| {
                unsaved = Some(error);
                streamreg_core::Error::interrupted()
            })
        };
        let (design, levels) = (&self.prepared.design, &self.prepared.levels);
        let done = self.passes.shuffled((design, levels), &self.prepared.keys, &order, sink);
        if let Some(error) = unsaved {
            return Err(error);
        }
        self.prepared.check_rows(&done?)?;
        run.groups = 0;
        run.sgd.end_epoch();
        self.curve.take(&mut run.sgd, self.passes);
        Ok(())
    }
}
