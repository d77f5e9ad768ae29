//! When epochs have gained nothing for too long.

use serde::{Deserialize, Serialize};

/// Epochs that may pass without a gain unless said otherwise.
const PATIENCE: usize = 5;

/// Counts epochs that gain nothing, by the loss of the rows that are learnt from or of those held out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct EarlyStop {
    patience: Option<usize>,
    stale: usize,
    least_loss: Option<f64>,
    /// The least loss of the rows held out, and the parameters that had it.
    best: Option<(f64, Vec<f64>)>,
}

impl EarlyStop {
    pub(super) fn new(patience: Option<usize>) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Takes the mean loss of an epoch. It gains something if it is below the least one so far by the share `least_gain`. True
    /// once patience is over.
    pub(super) fn is_over(&mut self, loss: f64, least_gain: f64) -> bool {
        let gained = self.least_loss.is_none_or(|least| loss < least - least_gain * least.abs());
        self.least_loss = Some(self.least_loss.map_or(loss, |least| least.min(loss)));
        self.count(gained)
    }

    /// Takes the mean loss of the rows held out, under some parameters. The best ones once patience is over.
    pub(super) fn best_held_out(&mut self, held_out: f64, parameters: &[f64]) -> Option<&[f64]> {
        let better = self.best.as_ref().is_none_or(|(best, _)| held_out < best * (1.0 - 1e-9));
        if better {
            self.best = Some((held_out, parameters.to_vec()));
        }
        let over = self.count(better);
        self.best.as_ref().filter(|_| over).map(|(_, best)| best.as_slice())
    }

    fn count(&mut self, gained: bool) -> bool {
        self.stale = if gained { 0 } else { self.stale + 1 };
        self.stale >= self.patience.unwrap_or(PATIENCE)
    }
}
