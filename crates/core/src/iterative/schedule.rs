//! How long steps are.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// How the length of the steps is decided. In standardised units, so that a step means the same whatever the units of the
/// data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
#[non_exhaustive]
pub enum LearningRate {
    /// From the curvature of a sample: the longest step that overshoots on no batch of it; averages and anchors do the
    /// rest.
    #[default]
    Auto,
    /// The same for all steps.
    Constant {
        /// The step.
        eta0: f64,
    },
    /// `eta0 / t^power` for the `t`-th step.
    InverseScaling {
        /// The first step.
        eta0: f64,
        /// How fast steps become shorter.
        power: f64,
    },
    /// Of every coefficient its own, by the mean and the mean square of its gradients (Kingma & Ba 2015, "Adam", with
    /// `beta1` 0.9, `beta2` 0.999, `epsilon` 1e-8).
    Adam {
        /// About the most that a coefficient moves in a step.
        eta0: f64,
    },
}

impl LearningRate {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a step that is not positive, or a negative power.
    pub fn validate(self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Model, message));
        let eta0 = self.eta0();
        if eta0.is_some_and(|eta0| !(eta0 > 0.0 && eta0.is_finite())) {
            return refuse(format!("a learning rate must be positive, not {}", eta0.unwrap_or_default()));
        }
        match self {
            Self::InverseScaling { power, .. } if !(0.0..=2.0).contains(&power) => {
                refuse(format!("the power of inverse scaling lies between 0 and 2, not at {power}"))
            }
            _ => Ok(()),
        }
    }

    /// The first step, where it is given.
    pub fn eta0(self) -> Option<f64> {
        match self {
            Self::Auto => None,
            Self::Constant { eta0 } | Self::InverseScaling { eta0, .. } | Self::Adam { eta0 } => Some(eta0),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Constant { .. } => "constant",
            Self::InverseScaling { .. } => "inverse-scaling",
            Self::Adam { .. } => "adam",
        }
    }

    /// The length of step number `step`, from 1 on; `auto` is that of steps that are not given.
    pub(super) fn at(self, step: u64, auto: f64) -> f64 {
        match self {
            Self::Auto => auto,
            Self::Constant { eta0 } | Self::Adam { eta0 } => eta0,
            Self::InverseScaling { eta0, power } => eta0 / (step as f64).powf(power),
        }
    }
}

/// A number with two digits.
pub(super) fn two_digits(x: f64) -> String {
    if !(x > 0.0 && x.is_finite()) {
        return x.to_string();
    }
    let rounded: f64 = format!("{x:.1e}").parse().unwrap_or(x);
    rounded.to_string()
}
