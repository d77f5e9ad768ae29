//! What can be asked of iterative solvers, most of it of stochastic gradient descent.

use serde::{Deserialize, Serialize};

use crate::choices;
use crate::error::{Error, ErrorKind, Result};
use crate::iterative::schedule::LearningRate;

/// What to do, as opposed to what to fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SgdOptions {
    /// How long steps are.
    pub rate: LearningRate,
    /// The share of the last step that the next one keeps; of rates that are given, but for Adam.
    pub momentum: f64,
    /// Rows of a batch.
    pub batch_rows: Option<usize>,
    /// With [`LearningRate::Auto`] what may be left to gain, relative to the objective, as gradient and curvature tell it;
    /// a hundredth of a standard error unless said otherwise. With other rates the least that an epoch must gain.
    pub tolerance: Option<f64>,
    /// How many epochs may pass without a gain before it is over; 5 unless said otherwise.
    pub patience: Option<usize>,
    /// Where to begin.
    pub start: Start,
    /// What steps are preconditioned with.
    pub precondition: Precondition,
    /// Decides the order of rows, and random starts.
    pub seed: u64,
}

/// Where to begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Start {
    /// At the fit to the sample, if it is large enough for one and the rate is automatic; at zero else.
    #[default]
    Auto,
    /// At zero: the mean of the response.
    Zero,
    /// At independent uniform numbers between -1/2 and 1/2, in standardised units.
    Random,
    /// At these parameters, in standardised units.
    At(Vec<f64>),
}

/// What steps are preconditioned with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Precondition {
    /// The Hessian of the sample where it is affordable, else its diagonal.
    #[default]
    Auto,
    /// Its diagonal.
    Diagonal,
    /// Nothing but the scales of the columns.
    Scale,
}

choices!(Precondition { Auto => "auto", Diagonal => "diagonal", Scale => "scale" });

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Next {
    /// An epoch: [`Sgd::begin_epoch`](crate::iterative::Sgd::begin_epoch), [`Sgd::take`](crate::iterative::Sgd::take) for all rows, [`Sgd::end_epoch`](crate::iterative::Sgd::end_epoch).
    Epoch,
    /// The gradient of all rows at [`Sgd::parameters`](crate::iterative::Sgd::parameters), for [`Sgd::set_gradient`](crate::iterative::Sgd::set_gradient).
    Gradient,
    /// Sharper kinks, for [`Sgd::sharpen`](crate::iterative::Sgd::sharpen): more cannot be gained with these.
    Sharpen,
    /// Nothing: what was asked for is reached.
    Done,
}

impl SgdOptions {
    /// The same with another learning rate.
    #[must_use]
    pub fn with_rate(mut self, rate: LearningRate) -> Self {
        self.rate = rate;
        self
    }

    /// The same with another start.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for an option out of its range.
    pub fn validate(&self) -> Result<()> {
        self.rate.validate()?;
        let refuse = |message: String| Err(Error::new(ErrorKind::Model, message));
        if !(0.0..1.0).contains(&self.momentum) {
            return refuse(format!("the momentum must be at least 0 and less than 1, not {}", self.momentum));
        }
        let adaptive = matches!(self.rate, LearningRate::Auto | LearningRate::Adam { .. });
        if self.momentum > 0.0 && adaptive {
            return refuse("momentum goes with a rate that is constant or inverse-scaling".into());
        }
        if let Some(tolerance) = self.tolerance.filter(|t| !(*t >= 0.0 && t.is_finite())) {
            return refuse(format!("a tolerance must be a number from 0 on, not {tolerance}"));
        }
        if self.batch_rows == Some(0) {
            return refuse("a batch has at least one row, not 0".into());
        }
        if self.patience == Some(0) {
            return refuse("patience lasts at least one epoch, not 0".into());
        }
        Ok(())
    }
}

/// All rows, of which the sample is some.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Rows that are learnt from.
    pub rows: u64,
    /// Parameters: columns, and the constant.
    pub parameters: usize,
}
