//! The penalty of the objective, coefficient by coefficient.

use serde::{Deserialize, Serialize};

/// Penalties of the coefficients in standardised units; none of the constant. Empty where there is no penalty of a kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Penalties {
    /// Of the absolute values.
    pub l1: Vec<f64>,
    /// Of half the squares.
    pub l2: Vec<f64>,
}

impl Penalties {
    /// Whether nothing is penalised.
    pub fn is_empty(&self) -> bool {
        self.l1.is_empty() && self.l2.is_empty()
    }

    /// The penalty of parameters.
    pub fn value(&self, parameters: &[f64]) -> f64 {
        let absolute: f64 = self.l1.iter().zip(parameters).map(|(l, t)| l * t.abs()).sum();
        let squares: f64 = self.l2.iter().zip(parameters).map(|(l, t)| l * t * t).sum();
        absolute + 0.5 * squares
    }

    /// Adds the derivative of the squares to a gradient.
    pub fn add_gradient(&self, parameters: &[f64], gradient: &mut [f64]) {
        for ((g, l), t) in gradient.iter_mut().zip(&self.l2).zip(parameters) {
            *g += l * t;
        }
    }

    /// The proximal step of the absolute values: every coefficient moves towards 0 by its penalty times `step_j`, and
    /// stays there.
    pub fn shrink(&self, step: impl Fn(usize) -> f64, parameters: &mut [f64]) {
        for (j, (t, l)) in parameters.iter_mut().zip(&self.l1).enumerate() {
            *t = t.signum() * (t.abs() - l * step(j)).max(0.0);
        }
    }

    /// The subgradient of smallest absolute value of the whole objective, of whose smooth part `gradient` is that.
    pub fn minimal_subgradient(&self, parameters: &[f64], gradient: &mut [f64]) {
        for ((g, l), t) in gradient.iter_mut().zip(&self.l1).zip(parameters) {
            *g = if *t == 0.0 { g.signum() * (g.abs() - l).max(0.0) } else { *g + l * t.signum() };
        }
    }
}
