//! What a pass over all rows sums at one point.

use serde::{Deserialize, Serialize};

use crate::sums::moments::two_sum;

/// Sums over rows, in standardised units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GradientSums {
    /// Rows that were learnt from.
    pub rows: u64,
    /// Sum of their weights.
    pub weight: f64,
    /// Mean loss, without the penalty.
    pub loss: f64,
    /// Mean gradient of the loss by the parameters, without the penalty.
    pub gradient: Vec<f64>,
    /// Mean product of the Hessian of the squared loss with a direction, where one was given: `X'WX p / W`.
    pub product: Option<Vec<f64>>,
    /// Mean of [`Smoothed::slack`](crate::iterative::Smoothed::slack): what rounding the kinks may hide.
    pub slack: f64,
    /// Mean squared residual.
    pub squares: f64,
    /// Mean absolute residual.
    pub absolute: f64,
    /// Mean response.
    pub response: f64,
    /// Mean square of the response about its mean.
    pub response_squares: f64,
    /// Rows that were held out.
    pub held_out_rows: u64,
    /// Their mean loss, where there are any.
    pub held_out_loss: Option<f64>,
}

/// Sums that keep about twice float64's precision: what rounding takes from each is carried beside it.
#[derive(Clone, Debug)]
pub(super) struct Compensated {
    high: Vec<f64>,
    low: Vec<f64>,
}

impl Compensated {
    pub(super) fn new(length: usize) -> Self {
        Self { high: vec![0.0; length], low: vec![0.0; length] }
    }

    /// Adds `values`, one to each sum.
    pub(super) fn add(&mut self, values: &[f64]) {
        for ((high, low), value) in self.high.iter_mut().zip(&mut self.low).zip(values) {
            let (sum, lost) = two_sum(*high, *value);
            (*high, *low) = (sum, *low + lost);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.add(&other.high);
        for (low, more) in self.low.iter_mut().zip(&other.low) {
            *low += more;
        }
    }

    /// The sums, each divided by `weight`.
    pub(super) fn means(&self, weight: f64) -> Vec<f64> {
        self.high.iter().zip(&self.low).map(|(high, low)| (high + low) / weight).collect()
    }
}
