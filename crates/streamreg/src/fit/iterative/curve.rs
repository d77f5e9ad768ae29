//! The learning curve.

use std::cell::{Ref, RefCell};

use streamreg_core::iterative::{Certificate, GradientSums, Loss, Phase, Sgd, Standardizer, TracePoint};

use crate::pass::{Passes, Rows};
use crate::request::iterative::Descent;

/// The learning curve, in the units of the data.
pub(super) struct Curve<'a> {
    asked: &'a Descent,
    /// In standardised units.
    pub(super) loss: Loss,
    unit: f64,
    /// What was told so far.
    told: RefCell<Vec<TracePoint>>,
}

impl<'a> Curve<'a> {
    pub(super) fn new(asked: &'a Descent, standardizer: &Standardizer) -> Self {
        let scale = standardizer.scaling().response_scale;
        Self {
            asked,
            loss: asked.loss.in_units(scale),
            unit: asked.loss.unit(scale),
            told: RefCell::default(),
        }
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
        self.tell(&own, passes);
    }

    /// Tells a point, in the units of the data.
    fn tell<R: Rows>(&self, point: &TracePoint, passes: &Passes<'_, R>) {
        passes.show_loss(point.loss);
        if let Some(trace) = &self.asked.trace {
            trace(point);
        }
        self.told.borrow_mut().push(*point);
    }

    /// Tells once more what was told of a fit that goes on here.
    pub(super) fn tell_again<R: Rows>(&self, points: &[TracePoint], passes: &Passes<'_, R>) {
        points.iter().for_each(|point| self.tell(point, passes));
    }

    /// What was told so far, in the units of the data.
    pub(super) fn told(&self) -> Ref<'_, [TracePoint]> {
        Ref::map(self.told.borrow(), Vec::as_slice)
    }
}
