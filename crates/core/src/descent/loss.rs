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
