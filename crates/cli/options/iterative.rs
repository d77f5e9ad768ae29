//! Iterative solvers on the command line: what was typed, and what it means.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use streamreg::{Descent, LearningRate, Loss, Model, Precondition, Regression, Start, TracePoint};

use super::choice::choice;
use crate::text::{names, usage};

/// How an iterative solver goes about its work.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Iterative solvers")]
pub(crate) struct IterativeArgs {
    /// What residuals cost: their squares; squares up to --delta and absolute values beyond; the --quantile; absolute values
    /// beyond --epsilon. All but squares take the solver sgd or gd [default: squared]
    #[arg(long, value_enum, value_name = "NAME")]
    loss: Option<LossArg>,

    /// Where the Huber loss becomes absolute, in units of the target [default: 1.35]
    #[arg(long, value_name = "D", allow_negative_numbers = true)]
    delta: Option<f64>,

    /// The quantile that is fitted [default: 0.5, the median]
    #[arg(long, value_name = "Q", allow_negative_numbers = true)]
    quantile: Option<f64>,

    /// Residuals that cost nothing, in units of the target [default: 0.1]
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    epsilon: Option<f64>,

    /// The most passes over the data; the first looks where the columns lie [default: 20; gd 1000, cg 200]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,

    /// How long steps are: from the curvature of a sample, with averages and anchors that need no tuning; or by --eta0 [default:
    /// auto]
    #[arg(long, value_enum, value_name = "NAME")]
    learning_rate: Option<RateArg>,

    /// The first step of a learning rate that is not auto, in units of the standardised columns [default: 0.01]
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    eta0: Option<f64>,

    /// Inverse scaling divides --eta0 by the number of the step to this power [default: 0.25]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    power_t: Option<f64>,

    /// The share of the last step that the next one keeps (constant and inverse-scaling) [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f64>,

    /// Rows of a batch [default: 512; more where rows are sparse, fewer where there are few]
    #[arg(long, value_name = "ROWS")]
    batch_size: Option<usize>,

    /// When it is good enough: the share of the objective that may be left to gain, as gradient and curvature tell it, or with
    /// a given rate the least share that an epoch gains [default: a hundredth of a standard error; 1e-5; cg: float64's limit]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    tol: Option<f64>,

    /// How many epochs may pass without a gain [default: 5]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,

    /// The share of the rows that is not learnt from and says when to stop, chosen by --seed and the number of the row
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    held_out: Option<f64>,

    /// Where to begin: at the fit to a sample, at zero, or at random [default: auto]
    #[arg(long, value_enum, value_name = "WHERE")]
    start: Option<StartArg>,

    /// Begin at the coefficients of a model file
    #[arg(long, value_name = "MODEL", conflicts_with = "start")]
    warm_start: Option<PathBuf>,

    /// What steps are preconditioned with: the Hessian of a sample where it is affordable (auto), its diagonal, or nothing but
    /// the scales of the columns [default: auto]
    #[arg(long, value_parser = choice::<Precondition>(), value_name = "WHAT")]
    precondition: Option<Precondition>,

    /// Features from a pair of list columns: indices and values of those that are not zero
    #[arg(long, value_name = "INDICES,VALUES")]
    sparse: Option<String>,

    /// Hash categories, and terms with them, into 2^N columns, however many levels there are
    #[arg(long, value_name = "N")]
    hash_bits: Option<u32>,

    /// Write the learning curve to a file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Draw the learning curve into an .svg file
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossArg {
    Squared,
    Huber,
    Quantile,
    EpsilonInsensitive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RateArg {
    Auto,
    Constant,
    InverseScaling,
    Adam,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StartArg {
    Auto,
    Zero,
    Random,
}

/// The points of a learning curve, as they come.
pub(crate) type Curve = Arc<Mutex<Vec<TracePoint>>>;

/// The curve so far.
pub(crate) fn points(curve: &Curve) -> Vec<TracePoint> {
    curve.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl IterativeArgs {
    /// Whether anything is asked of an iterative solver.
    pub(crate) fn is_asked(&self) -> bool {
        let Self { loss, delta, quantile, epsilon, epochs, learning_rate, eta0, power_t, momentum, .. } =
            self;
        let Self {
            batch_size, tol, patience, held_out, start, warm_start, precondition, trace, plot, ..
        } = self;
        loss.is_some()
            || [delta, quantile, epsilon, eta0, power_t, momentum, tol, held_out].iter().any(|a| a.is_some())
            || [epochs, batch_size, patience].iter().any(|a| a.is_some())
            || learning_rate.is_some()
            || start.is_some()
            || precondition.is_some()
            || [warm_start, trace, plot].iter().any(|a| a.is_some())
    }

    /// The learning rate as it was typed.
    pub(crate) fn rate_text(&self) -> String {
        let rate = self.the_rate().unwrap_or_default();
        let step = rate.eta0().map_or(String::new(), |eta0| format!(" {eta0}"));
        format!("learning rate {}{step}", rate.name())
    }

    fn the_loss(&self) -> Result<Loss> {
        let loss = self.loss.unwrap_or(LossArg::Squared);
        let given = [
            ("--delta", self.delta, LossArg::Huber, "huber"),
            ("--quantile", self.quantile, LossArg::Quantile, "quantile"),
            ("--epsilon", self.epsilon, LossArg::EpsilonInsensitive, "epsilon-insensitive"),
        ];
        if let Some((flag, .., name)) = given.iter().find(|(_, value, of, _)| value.is_some() && *of != loss)
        {
            return Err(usage(format!("{flag} is that of --loss {name}")));
        }
        Ok(match loss {
            LossArg::Squared => Loss::Squared,
            LossArg::Huber => Loss::Huber { delta: self.delta.unwrap_or(1.35) },
            LossArg::Quantile => Loss::Quantile { tau: self.quantile.unwrap_or(0.5) },
            LossArg::EpsilonInsensitive => Loss::EpsilonInsensitive { epsilon: self.epsilon.unwrap_or(0.1) },
        })
    }

    fn the_rate(&self) -> Result<LearningRate> {
        let rate = self.learning_rate.unwrap_or(RateArg::Auto);
        if rate == RateArg::Auto && self.eta0.is_some() {
            return Err(usage(
                "--eta0 is the step of a --learning-rate: constant, inverse-scaling or adam; auto finds its own",
            ));
        }
        if rate != RateArg::InverseScaling && self.power_t.is_some() {
            return Err(usage("--power-t is that of --learning-rate inverse-scaling"));
        }
        let eta0 = self.eta0.unwrap_or(0.01);
        Ok(match rate {
            RateArg::Auto => LearningRate::Auto,
            RateArg::Constant => LearningRate::Constant { eta0 },
            RateArg::InverseScaling => {
                LearningRate::InverseScaling { eta0, power: self.power_t.unwrap_or(0.25) }
            }
            RateArg::Adam => LearningRate::Adam { eta0 },
        })
    }

    /// The regression, fitted as they say, and where its learning curve goes. An iterative solver has a seed.
    pub(super) fn apply(&self, mut regression: Regression, seed: Option<u64>) -> Result<(Regression, Curve)> {
        if let Some(text) = &self.sparse {
            let columns = names("--sparse", std::slice::from_ref(text))?;
            let [indices, values] = columns.as_slice() else {
                return Err(usage(format!("--sparse takes two list columns, INDICES,VALUES, not {text:?}")));
            };
            regression = regression.sparse(indices, values);
        }
        if let Some(bits) = self.hash_bits {
            regression = regression.hash_bits(bits);
        }
        let curve = Curve::default();
        let Some(seed) = seed else { return Ok((regression, curve)) };
        let mut descent = self.descent()?.seed(seed);
        if self.trace.is_some() || self.plot.is_some() {
            let kept = Arc::clone(&curve);
            descent = descent.trace(Arc::new(move |point| {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(*point);
            }));
        }
        Ok((regression.descent(descent), curve))
    }

    fn descent(&self) -> Result<Descent> {
        let start = match self.start {
            None | Some(StartArg::Auto) => Start::Auto,
            Some(StartArg::Zero) => Start::Zero,
            Some(StartArg::Random) => Start::Random,
        };
        let mut descent = Descent::new()
            .loss(self.the_loss()?)
            .learning_rate(self.the_rate()?)
            .start(start)
            .precondition(self.precondition.unwrap_or_default());
        if let Some(epochs) = self.epochs {
            descent = descent.epochs(epochs);
        }
        if let Some(momentum) = self.momentum {
            descent = descent.momentum(momentum);
        }
        if let Some(rows) = self.batch_size {
            descent = descent.batch_size(rows);
        }
        if let Some(tolerance) = self.tol {
            descent = descent.tolerance(tolerance);
        }
        if let Some(epochs) = self.patience {
            descent = descent.patience(epochs);
        }
        if let Some(share) = self.held_out {
            descent = descent.held_out(share);
        }
        if let Some(path) = &self.warm_start {
            descent = descent.warm_start(Model::load(path)?);
        }
        Ok(descent)
    }
}
