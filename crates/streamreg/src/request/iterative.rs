//! Iterative fits: what can be asked for, and what is reported.

use std::sync::Arc;

use streamreg_core::iterative::{LearningRate, Loss, Precondition, SgdOptions, Start, TracePoint};
use streamreg_solve::Solver;
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::model::Model;

/// Fewest passes that make a fit: one to look, one to learn, one to tell what came of it.
pub const LEAST_PASSES: usize = 3;

/// Told every point of the learning curve, as it comes.
pub type TraceFn = Arc<dyn Fn(&TracePoint) + Send + Sync>;

/// The loss, and how an iterative solver goes about its work: [`Solver::Sgd`], [`Solver::Gd`] or [`Solver::Cg`]. Without one of
/// them losses other than squares are minimised exactly, if the rows fit into memory ([`FitReport::exact`](crate::FitReport::exact)).
///
/// ```
/// use streamreg::{Descent, Loss, Regression, Solver};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("d.csv");
/// # std::fs::write(&path, (0..600).fold("y,x\n".to_owned(), |t, i| t + &format!("{},{}\n", 3 * i + i % 5, i)))?;
/// let median = Descent::new().loss(Loss::Quantile { tau: 0.5 });
/// let report = Regression::new("y").descent(median).fit_paths(&[&path])?;
/// assert!((report.estimate("x").unwrap() - 3.0).abs() < 0.01);
/// assert!(report.exact().unwrap().gap < 1e-9);
/// let exact = Regression::new("y").solver(Solver::Cg).fit_paths(&[&path])?;
/// assert!((exact.estimate("x").unwrap() - 3.0).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Descent {
    pub(crate) loss: Loss,
    pub(crate) passes: Option<usize>,
    pub(crate) held_out: f64,
    pub(crate) warm: Option<Box<Model>>,
    pub(crate) trace: Option<TraceFn>,
    pub(crate) options: SgdOptions,
}

impl Descent {
    /// Squares, everything found out from the data.
    pub fn new() -> Self {
        Self::default()
    }

    /// What residuals cost. Parameters of a loss are in the units of the response.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// The most passes over the data, of which the first looks where the columns lie: 20 unless said otherwise, 1,000 of
    /// [`Solver::Gd`], 200 of [`Solver::Cg`].
    #[must_use]
    pub fn epochs(mut self, passes: usize) -> Self {
        self.passes = Some(passes);
        self
    }

    /// How long steps are.
    #[must_use]
    pub fn learning_rate(mut self, rate: LearningRate) -> Self {
        self.options.rate = rate;
        self
    }

    /// The share of the last step that the next one keeps, with a rate that is given.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.options.momentum = momentum;
        self
    }

    /// Rows of a batch.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_rows = Some(rows);
        self
    }

    /// When it is good enough: see [`SgdOptions::tolerance`]. [`Solver::Cg`] goes on as far as float64 allows unless said
    /// otherwise.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.options.tolerance = Some(tolerance);
        self
    }

    /// How many epochs may pass without a gain.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> Self {
        self.options.patience = Some(epochs);
        self
    }

    /// The share of the rows that is not learnt from, and tells when to stop: chosen by a hash of the seed and the number
    /// of the row.
    #[must_use]
    pub fn held_out(mut self, share: f64) -> Self {
        self.held_out = share;
        self
    }

    /// Decides the order of the rows, which are held out, which are in the sample, and a random start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Where to begin.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.options.start = start;
        self
    }

    /// Begins at the coefficients that a model has for the same terms; at zero for others.
    #[must_use]
    pub fn warm_start(mut self, model: Model) -> Self {
        self.warm = Some(Box::new(model));
        self
    }

    /// What steps are preconditioned with.
    #[must_use]
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.options.precondition = precondition;
        self
    }

    /// Sets a callback that gets every point of the learning curve.
    #[must_use]
    pub fn trace(mut self, trace: TraceFn) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The most passes with a solver.
    pub(crate) fn most_passes(&self, solver: Solver) -> usize {
        self.passes.unwrap_or(match solver {
            Solver::Gd => 1_000,
            Solver::Cg => 200,
            _ => 20,
        })
    }

    /// What is asked for with a solver, in words: names and values.
    pub(crate) fn said(&self, solver: Solver) -> Result<Vec<(&'static str, String)>> {
        let SgdOptions { rate, momentum, batch_rows, tolerance, patience, start, precondition, seed, .. } =
            &self.options;
        let warm = self.warm.as_ref().map(|model| model.to_json()).transpose()?;
        let warm = warm.map_or("none".to_owned(), |json| format!("{:032x}", XxHash3_128::oneshot(&json)));
        Ok(vec![
            ("the solver", solver.to_string()),
            ("the loss", format!("{:?}", self.loss)),
            ("the number of epochs", self.most_passes(solver).to_string()),
            ("the share of rows held out", self.held_out.to_string()),
            ("the learning rate", format!("{rate:?}")),
            ("the momentum", momentum.to_string()),
            ("the batch size", format!("{batch_rows:?}")),
            ("the tolerance", format!("{tolerance:?}")),
            ("the patience", format!("{patience:?}")),
            ("the start", format!("{start:?}")),
            ("the model of the warm start", warm),
            ("the preconditioner", format!("{precondition:?}")),
            ("the seed", seed.to_string()),
        ])
    }

    /// What was said of steps, if anything was.
    pub(crate) fn of_steps(&self) -> Option<&'static str> {
        let said = [
            ("a number of epochs", self.passes.is_some()),
            ("a tolerance", self.options.tolerance.is_some()),
            ("a learning rate", self.options.rate != LearningRate::Auto),
            ("momentum", self.options.momentum > 0.0),
            ("a batch size", self.options.batch_rows.is_some()),
            ("rows held out", self.held_out > 0.0),
            ("patience", self.options.patience.is_some()),
            ("a start", self.warm.is_some() || self.options.start != Start::Auto),
            ("a preconditioner", self.options.precondition != Precondition::Auto),
            ("a trace", self.trace.is_some()),
        ];
        said.into_iter().find(|(_, said)| *said).map(|(what, _)| what)
    }

    /// Checks what does not depend on the data.
    pub(crate) fn validate(&self, solver: Solver) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid_request(message));
        let invalid = |e: streamreg_core::Error| Error::invalid_request(e.to_string());
        self.loss.validate().map_err(invalid)?;
        self.options.validate().map_err(invalid)?;
        let passes = self.most_passes(solver);
        if passes < LEAST_PASSES {
            return refuse(format!(
                "{passes} epochs are too few: one takes means and scales, one fits, one checks; give at least {LEAST_PASSES}"
            ));
        }
        if !(0.0..=0.9).contains(&self.held_out) {
            return refuse(format!(
                "the share of rows held out lies between 0 and 0.9, not at {}",
                self.held_out
            ));
        }
        if self.warm.is_some() && self.options.start != Start::Auto {
            return refuse("a warm start begins at the model: no other start beside it".into());
        }
        let auto = self.options.rate == LearningRate::Auto;
        if solver == Solver::Cg && self.loss != Loss::Squared {
            return refuse(
                "conjugate gradients minimise squares: other losses take the solver sgd or gd".into(),
            );
        }
        if !auto && self.options.precondition != Precondition::Auto {
            return refuse("steps of a given learning rate are not preconditioned: that is for auto".into());
        }
        if !auto && self.held_out > 0.0 && self.options.tolerance.is_some() {
            return refuse(
                "the rows held out say when to stop, not a tolerance: give one or the other".into(),
            );
        }
        if auto && self.options.patience.is_some() && self.held_out == 0.0 {
            return refuse(
                "patience is for rows held out, and for learning rates that are given: auto ends by the tolerance".into(),
            );
        }
        if solver != Solver::Sgd {
            let given = [
                (self.options.batch_rows.is_some(), "batches"),
                (self.options.patience.is_some(), "patience"),
                (self.options.momentum > 0.0, "momentum to be set"),
                (solver == Solver::Cg && !auto, "learning rate"),
                (self.held_out > 0.0, "early stopping"),
                (matches!(self.options.rate, LearningRate::Adam { .. }), "adam"),
            ];
            if let Some((_, what)) = given.into_iter().find(|(given, _)| *given) {
                return refuse(format!("the solver {} has no {what}: that is for sgd", solver));
            }
        }
        Ok(())
    }
}
