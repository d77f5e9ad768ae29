//! What is told on the way.

use serde::{Deserialize, Serialize};

/// What a pass over the data was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Steps batch by batch.
    Epoch,
    /// The gradient of all rows.
    Gradient,
}

impl TracePoint {
    /// A point with the loss of `rows` rows.
    pub fn new(epoch: usize, phase: Phase, rows: u64, loss: f64, step: f64) -> Self {
        Self { epoch, phase, batch: 0, rows, loss, held_out_loss: None, gradient_norm: None, step }
    }
}

/// A point of the learning curve. Losses and norms are in the units of the data: the loss as reported, the gradient that
/// of the objective by standardised parameters, relative to the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TracePoint {
    /// Number of the pass over the data, from 1 on; the first one looks where the columns lie.
    pub epoch: usize,
    /// What the pass was for.
    pub phase: Phase,
    /// Batches of this pass so far; 0 at the end of a gradient pass.
    pub batch: u64,
    /// Rows of this pass so far.
    pub rows: u64,
    /// The mean loss of the rows since the point before (in a gradient pass: of all rows), without the penalty.
    pub loss: f64,
    /// The mean loss of the rows that were held out.
    pub held_out_loss: Option<f64>,
    /// Root mean square of the gradient, in standardised units.
    pub gradient_norm: Option<f64>,
    /// The step: the factor of the (preconditioned) gradient.
    pub step: f64,
}
