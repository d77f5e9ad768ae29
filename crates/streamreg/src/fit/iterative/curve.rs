//! The learning curve.

use streamreg_core::iterative::{Certificate, GradientSums, Loss, Phase, Sgd, Standardizer, TracePoint};

use crate::pass::{Passes, Rows};
use crate::request::iterative::Descent;

/// The learning curve, in the units of the data.
pub(super) struct Curve<'a> {
    asked: &'a Descent,
    /// In standardised units.
    pub(super) loss: Loss,
    unit: f64,
}

impl<'a> Curve<'a> {
    pub(super) fn new(asked: &'a Descent, standardizer: &Standardizer) -> Self {
        let scale = standardizer.scaling().response_scale;
        Self { asked, loss: asked.loss.in_units(scale), unit: asked.loss.unit(scale) }
    }

    /// Takes the points that have come since the last time.
    pub(super) fn take<R: Rows>(&self, sgd: &mut Sgd, passes: &Passes<'_, R>) {
        sgd.take_trace().iter().for_each(|point| self.add(point, passes));
    }

    /// Adds a gradient of all rows.
    pub(super) fn gradient<R: Rows>(
        &self,
        passes: &Passes<'_, R>,
        sums: &GradientSums,
        certificate: Option<&Certificate>,
        step: f64,
    ) {
        let mut point = TracePoint::new(passes.count(), Phase::Gradient, sums.rows, sums.loss, step);
        point.gradient_norm = certificate.map(|c| c.gradient_norm);
        self.add(&point, passes);
    }

    fn add<R: Rows>(&self, point: &TracePoint, passes: &Passes<'_, R>) {
        let mut own = *point;
        own.loss *= self.unit;
        own.held_out_loss = own.held_out_loss.map(|loss| loss * self.unit);
        passes.show_loss(own.loss);
        if let Some(trace) = &self.asked.trace {
            trace(&own);
        }
    }
}
