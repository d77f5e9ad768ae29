//! Epochs of mini-batches, and the gradients between them.

use streamreg_core::iterative::{LearningRate, Next, RowBlock, Sgd};
use streamreg_solve::Solver;

use super::{Descending, Known, Outcome, no_gradient};
use crate::error::Result;
use crate::pass::{Passes, Rows, Shuffled};

impl<R: Rows> Descending<'_, '_, R> {
    /// Stochastic gradient descent.
    pub(super) fn stochastic(&mut self) -> Result<Outcome> {
        let most = self.asked.most_passes(Solver::Sgd) + self.looks;
        let options = self.asked.options.clone().with_start(self.start()?);
        let auto = options.rate == LearningRate::Auto;
        let (penalties, sample) = (self.prepared.penalties.clone(), &self.prepared.sample);
        let mut sgd = Sgd::new(options, self.curve.loss, penalties, sample, self.population())?;
        if let Some(minimum) = self.minimum {
            sgd.set_minimum(minimum);
        }
        let (best, settled) = self.run(&mut sgd, most, auto)?;
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

    /// Epochs and gradients, `most` passes in all. The best point whose gradient is known, or the last one, and whether
    /// the end is reached.
    fn run(&mut self, sgd: &mut Sgd, most: usize, auto: bool) -> Result<(Option<Known>, bool)> {
        let mut best: Option<(Known, f64)> = None;
        let mut settled = false;
        loop {
            match sgd.next() {
                Next::Epoch if self.passes.count() + 2 <= most => self.epoch(sgd)?,
                Next::Gradient if self.passes.count() < most => {
                    let known = self.look(sgd)?;
                    settled = sgd.next() == Next::Done;
                    let objective = known.sums.loss + self.prepared.penalties.value(&known.point);
                    if settled || !auto || best.as_ref().is_none_or(|(_, least)| objective <= *least) {
                        best = Some((known, objective));
                    }
                }
                Next::Sharpen => sgd.sharpen(&self.prepared.sample),
                Next::Done => {
                    settled = true;
                    break;
                }
                _ => break,
            }
        }
        Ok((best.map(|(known, _)| known), settled))
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

    fn epoch(&mut self, sgd: &mut Sgd) -> Result<()> {
        let pass = self.passes.count() + 1;
        sgd.begin_epoch(pass);
        let seed = self.asked.options.seed.wrapping_add((pass as u64) << 32);
        let order = Shuffled { standardizer: &self.prepared.standardizer, seed };
        let curve = &self.curve;
        let sink = |passes: &Passes<'_, R>, group: &[RowBlock]| {
            let taken = sgd.take(group);
            curve.take(sgd, passes);
            taken
        };
        let (design, levels) = (&self.prepared.design, &self.prepared.levels);
        let ledger = self.passes.shuffled((design, levels), &self.prepared.keys, &order, sink)?;
        self.prepared.check_rows(&ledger)?;
        sgd.end_epoch();
        self.curve.take(sgd, self.passes);
        Ok(())
    }
}
