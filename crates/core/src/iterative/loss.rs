//! Losses: functions of the residual.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What a residual `r = y - prediction` costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
#[non_exhaustive]
pub enum Loss {
    /// `r² / 2`.
    #[default]
    Squared,
    /// `r² / 2` up to `delta`, `delta (|r| - delta/2)` beyond (Huber 1964).
    Huber {
        /// In units of the response.
        delta: f64,
    },
    /// `tau r` of a positive residual, `(tau - 1) r` of a negative one: the pinball loss, whose minimum is the quantile
    /// `tau` (Koenker & Bassett 1978).
    Quantile {
        /// Between 0 and 1.
        tau: f64,
    },
    /// `max(|r| - epsilon, 0)` (Vapnik 1995).
    EpsilonInsensitive {
        /// In units of the response.
        epsilon: f64,
    },
}

impl Loss {
    /// Checks the parameter.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a parameter out of its range.
    pub fn validate(self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Model, message));
        match self {
            Self::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                refuse(format!("the delta of the Huber loss must be positive, not {delta}"))
            }
            Self::Quantile { tau } if !(tau > 0.0 && tau < 1.0) => {
                refuse(format!("a quantile lies between 0 and 1, not at {tau}"))
            }
            Self::EpsilonInsensitive { epsilon } if !(epsilon >= 0.0 && epsilon.is_finite()) => {
                refuse(format!("the epsilon of the insensitive loss must not be negative: {epsilon}"))
            }
            _ => Ok(()),
        }
    }

    /// The loss of residuals in units of `unit`: its parameters divided by it. [`Loss::in_units`] of the result times
    /// [`Loss::unit`] is the loss in the units of before.
    #[must_use]
    pub fn in_units(self, unit: f64) -> Self {
        match self {
            Self::Huber { delta } => Self::Huber { delta: delta / unit },
            Self::EpsilonInsensitive { epsilon } => Self::EpsilonInsensitive { epsilon: epsilon / unit },
            other => other,
        }
    }

    /// What a loss of 1, for residuals in units of `unit`, is in the units of the data.
    pub fn unit(self, unit: f64) -> f64 {
        match self {
            Self::Squared | Self::Huber { .. } => unit * unit,
            _ => unit,
        }
    }

    /// Whether the derivative has no jump.
    pub fn is_smooth(self) -> bool {
        matches!(self, Self::Squared | Self::Huber { .. })
    }

    /// The loss of a residual.
    #[inline(always)]
    pub fn value(self, r: f64) -> f64 {
        match self {
            Self::Squared => 0.5 * r * r,
            Self::Huber { delta } if r.abs() <= delta => 0.5 * r * r,
            Self::Huber { delta } => delta * (r.abs() - 0.5 * delta),
            Self::Quantile { tau } => r * (tau - f64::from(u8::from(r < 0.0))),
            Self::EpsilonInsensitive { epsilon } => (r.abs() - epsilon).max(0.0),
        }
    }

    /// Its derivative by the residual; 0 where there is a choice.
    #[inline(always)]
    pub fn slope(self, r: f64) -> f64 {
        match self {
            Self::Squared => r,
            Self::Huber { delta } => r.clamp(-delta, delta),
            Self::Quantile { .. } if r == 0.0 => 0.0,
            Self::Quantile { tau } => tau - f64::from(u8::from(r < 0.0)),
            Self::EpsilonInsensitive { epsilon } if r.abs() <= epsilon => 0.0,
            Self::EpsilonInsensitive { .. } => r.signum(),
        }
    }
}

/// A loss whose kinks are rounded, so that gradients tell how far the minimum is.
///
/// Within `width` of a kink the derivative is a straight line between the slopes on either side: the loss convolved with a
/// uniform density (Fernandes, Guerre & Horta 2021, "Smoothing quantile regressions"). What this moves the minimum by
/// shrinks with the square of the width. Losses without kinks are as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smoothed {
    /// The loss.
    pub loss: Loss,
    /// Half of the length over which a kink is rounded.
    pub width: f64,
}

impl From<Loss> for Smoothed {
    fn from(loss: Loss) -> Self {
        Self { loss, width: 0.0 }
    }
}

impl Smoothed {
    /// The loss of a residual, with its kinks.
    #[inline(always)]
    pub fn value(self, r: f64) -> f64 {
        self.loss.value(r)
    }

    /// The derivative.
    #[inline(always)]
    pub fn slope(self, r: f64) -> f64 {
        let h = self.width;
        match self.loss {
            Loss::Quantile { tau } if h > 0.0 => tau - 0.5 + 0.5 * (r / h).clamp(-1.0, 1.0),
            Loss::EpsilonInsensitive { epsilon } if h > 0.0 => {
                let ramp = |x: f64| (x / h).clamp(-1.0, 1.0);
                0.5 * (ramp(r - epsilon) + ramp(r + epsilon))
            }
            loss => loss.slope(r),
        }
    }

    /// What the slope is worth less than the loss with its kinks: `loss(r) - d r + conjugate(d)` for the slope `d`, never negative
    /// (Fenchel & Young). Its mean bounds what a point costs above the minimum, but for what the gradient leaves.
    #[inline(always)]
    pub fn slack(self, r: f64) -> f64 {
        match self.loss {
            _ if self.width <= 0.0 => 0.0,
            Loss::Quantile { .. } => (self.loss.value(r) - self.slope(r) * r).max(0.0),
            Loss::EpsilonInsensitive { epsilon } => {
                let d = self.slope(r);
                (self.loss.value(r) - (d * r - epsilon * d.abs())).max(0.0)
            }
            _ => 0.0,
        }
    }

    /// The second derivative.
    #[inline(always)]
    pub fn curvature(self, r: f64) -> f64 {
        let within = |x: f64| f64::from(u8::from(x.abs() < self.width));
        match self.loss {
            Loss::Squared => 1.0,
            Loss::Huber { delta } => f64::from(u8::from(r.abs() <= delta)),
            _ if self.width <= 0.0 => 0.0,
            Loss::Quantile { .. } => 0.5 * within(r) / self.width,
            Loss::EpsilonInsensitive { epsilon } => {
                0.5 * (within(r - epsilon) + within(r + epsilon)) / self.width
            }
        }
    }
}
