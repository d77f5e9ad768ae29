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
    /// What residuals cost: squared, huber, quantile, epsilon-insensitive
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "NAME",
        hide_short_help = true,
        long_help = "What residuals cost: their squares (squared); squares up to --delta and absolute values beyond (huber); \
        the --quantile (quantile); absolute values beyond --epsilon (epsilon-insensitive). All but squared are \
        minimised exactly if the rows fit into memory (128 MiB) and columns are not too many, else by sgd; or by --solver \
        sgd or gd [default: squared]"
    )]
    loss: Option<LossArg>,

    /// Where the Huber loss becomes absolute, in units of the target [default: 1.35]
    #[arg(long, value_name = "D", allow_negative_numbers = true, hide_short_help = true)]
    delta: Option<f64>,

    /// The quantile that is fitted [default: 0.5, the median]
    #[arg(long, value_name = "Q", allow_negative_numbers = true, hide_short_help = true)]
    quantile: Option<f64>,

    /// Residuals that cost nothing, in units of the target [default: 0.1]
    #[arg(long, value_name = "E", allow_negative_numbers = true, hide_short_help = true)]
    epsilon: Option<f64>,

    /// The most passes over the data [default: 20; gd 1000, cg 200]
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        long_help = "The most passes over the data; the first finds centres and scales of the columns [default: 20; gd 1000, \
        cg 200]"
    )]
    epochs: Option<usize>,

    /// When to stop: the share of the objective that may be left to gain
    #[arg(
        long,
        value_name = "SHARE",
        allow_negative_numbers = true,
        hide_short_help = true,
        long_help = "When to stop: the share of the objective that may be left to gain, as gradient and curvature tell it; \
        with a given learning rate, the least share that an epoch gains [default: a hundredth of a standard \
        error; 1e-5; cg: float64's limit]"
    )]
    tol: Option<f64>,

    /// Length of steps: auto, constant, inverse-scaling or adam
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "NAME",
        hide_short_help = true,
        long_help = "How long steps are: from the curvature of a sample, without tuning (auto), or by --eta0 (constant, \
        inverse-scaling, adam) [default: auto]"
    )]
    learning_rate: Option<RateArg>,

    /// The first step of a learning rate that is not auto [default: 0.01]
    #[arg(
        long,
        value_name = "STEP",
        allow_negative_numbers = true,
        hide_short_help = true,
        long_help = "The first step of a learning rate that is not auto: the factor of the mean gradient of a batch, of losses \
        such as r²/2. Columns and target are standardised before: less their means, over the power of two nearest to their \
        standard deviation, so that a step is at most about twice or half of a textbook's; without an intercept no mean is \
        subtracted, and of sparse columns neither [default: 0.01]"
    )]
    eta0: Option<f64>,

    /// Inverse scaling divides --eta0 by the number of the step to this power [default: 0.25]
    #[arg(long, value_name = "P", allow_negative_numbers = true, hide_short_help = true)]
    power_t: Option<f64>,

    /// The share of the last step that the next one keeps (constant and inverse-scaling) [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, hide_short_help = true)]
    momentum: Option<f64>,

    /// Rows per batch [default: 512; more for sparse rows, fewer for small data]
    #[arg(long, value_name = "ROWS", hide_short_help = true)]
    batch_size: Option<usize>,

    /// The share of the rows that is held out to say when to stop
    #[arg(
        long,
        value_name = "SHARE",
        allow_negative_numbers = true,
        hide_short_help = true,
        long_help = "The share of the rows that is held out: nothing is learnt from them, and they say when to stop. A hash \
        of --seed and the number of the row chooses them"
    )]
    held_out: Option<f64>,

    /// How many epochs may pass without a gain [default: 5]
    #[arg(long, value_name = "N", hide_short_help = true)]
    patience: Option<usize>,

    /// Where to begin: auto (at the fit to a sample), zero or random
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "WHERE",
        hide_short_help = true,
        long_help = "Where to begin: at the fit to a sample (auto; at zero with gd, cg and given learning rates), at zero \
        (zero), or at random (random) [default: auto]"
    )]
    start: Option<StartArg>,

    /// Begin at the coefficients of a model file
    #[arg(long, value_name = "MODEL", conflicts_with = "start", hide_short_help = true)]
    warm_start: Option<PathBuf>,

    /// Preconditioner: auto, diagonal or scale
    #[arg(
        long,
        value_parser = choice::<Precondition>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "WHAT",
        hide_short_help = true,
        long_help = "What steps are preconditioned with: the Hessian of a sample where it is affordable (auto), its diagonal \
        (diagonal), or nothing but the scales of the columns (scale) [default: auto]"
    )]
    precondition: Option<Precondition>,

    /// Features from a pair of list columns
    #[arg(
        long,
        value_name = "INDICES,VALUES",
        hide_short_help = true,
        long_help = "Features from a pair of list columns, the indices of those that are not zero and their values; libsvm \
        files have indices and values"
    )]
    sparse: Option<String>,

    /// Hash categories into 2^N columns
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        long_help = "Hash categories, and terms with them, into 2^N columns, however many levels there are"
    )]
    hash_bits: Option<u32>,

    /// Write the learning curve to a file, one JSON object per line
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) trace: Option<PathBuf>,

    /// Draw the learning curve into an .svg file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
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
    /// The first flag that only iterative solvers have.
    pub(super) fn asked(&self) -> Option<&'static str> {
        let given = [
            ("--epochs", self.epochs.is_some()),
            ("--tol", self.tol.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--eta0", self.eta0.is_some()),
            ("--power-t", self.power_t.is_some()),
            ("--momentum", self.momentum.is_some()),
            ("--batch-size", self.batch_size.is_some()),
            ("--held-out", self.held_out.is_some()),
            ("--patience", self.patience.is_some()),
            ("--start", self.start.is_some()),
            ("--warm-start", self.warm_start.is_some()),
            ("--precondition", self.precondition.is_some()),
            ("--trace", self.trace.is_some()),
            ("--plot", self.plot.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// Whether the model needs an iterative solver, whichever is named.
    pub(super) fn is_wide(&self) -> bool {
        self.sparse.is_some() || self.hash_bits.is_some()
    }

    /// Whether a loss or one of its parameters is named.
    pub(super) fn has_loss(&self) -> bool {
        self.loss.is_some_and(|loss| loss != LossArg::Squared)
            || [self.delta, self.quantile, self.epsilon].iter().any(Option::is_some)
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
            return Err(usage(format!("{flag} needs --loss {name}")));
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
                "--eta0 needs --learning-rate constant, inverse-scaling or adam; auto finds its own step",
            ));
        }
        if rate != RateArg::InverseScaling && self.power_t.is_some() {
            return Err(usage("--power-t needs --learning-rate inverse-scaling"));
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
