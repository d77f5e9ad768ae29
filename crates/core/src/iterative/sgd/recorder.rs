//! The losses of batches, and the points of the learning curve.

use serde::{Deserialize, Serialize};

use crate::iterative::sums::GradientSums;
use crate::iterative::trace::{Phase, TracePoint};

/// Points that an epoch has, about.
const POINTS: u64 = 50;

/// Sums over batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BatchSums {
    pub(super) rows: u64,
    pub(super) weight: f64,
    pub(super) loss: f64,
    pub(super) held_out_weight: f64,
    pub(super) held_out_loss: f64,
}

impl BatchSums {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.loss += other.loss;
        self.held_out_weight += other.held_out_weight;
        self.held_out_loss += other.held_out_loss;
    }

    pub(super) fn mean(&self) -> f64 {
        self.loss / self.weight
    }

    fn held_out(&self) -> Option<f64> {
        (self.held_out_weight > 0.0).then(|| self.held_out_loss / self.held_out_weight)
    }
}

/// Whether a point is due after so many batches, of so many in all.
pub(super) fn is_due(batch: u64, expected: u64) -> bool {
    batch.is_multiple_of((expected / POINTS).max(1))
}

/// Records the learning curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recorder {
    /// Number of the pass over the data.
    pass: usize,
    /// Sums of the epoch, and those since the last point.
    epoch: BatchSums,
    recent: BatchSums,
    points: Vec<TracePoint>,
}

impl Recorder {
    pub(super) fn begin_epoch(&mut self, pass: usize) {
        self.pass = pass;
        self.epoch = BatchSums::default();
        self.recent = BatchSums::default();
    }

    pub(super) fn add(&mut self, sums: &BatchSums) {
        self.epoch.add(sums);
        self.recent.add(sums);
    }

    /// The sums of this epoch.
    pub(super) fn epoch(&self) -> &BatchSums {
        &self.epoch
    }

    /// A point of an epoch, if rows have come since the last one.
    pub(super) fn record(&mut self, batch: u64, step: f64, gradient_norm: f64) {
        let sums = std::mem::take(&mut self.recent);
        if sums.weight > 0.0 {
            let (epoch, rows) = (self.pass, self.epoch.rows);
            self.points.push(TracePoint {
                batch,
                held_out_loss: sums.held_out(),
                gradient_norm: Some(gradient_norm),
                ..TracePoint::new(epoch, Phase::Epoch, rows, sums.mean(), step)
            });
        }
    }

    /// A point of a gradient pass.
    pub(super) fn record_gradient(&mut self, pass: usize, sums: &GradientSums, step: f64, norm: f64) {
        self.pass = pass;
        self.points.push(TracePoint {
            held_out_loss: sums.held_out_loss,
            gradient_norm: Some(norm),
            ..TracePoint::new(pass, Phase::Gradient, sums.rows, sums.loss, step)
        });
    }

    pub(super) fn take(&mut self) -> Vec<TracePoint> {
        std::mem::take(&mut self.points)
    }
}
