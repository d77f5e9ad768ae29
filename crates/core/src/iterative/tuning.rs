//! The fit to the sample, where iterations begin, and what else it tells of them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::iterative::curvature::{Curvature, factors, total_weight};
use crate::iterative::exact::{CollectedRows, ExactFit};
use crate::iterative::loss::{Loss, Smoothed};
use crate::iterative::options::{Population, Precondition, SgdOptions, Start};
use crate::iterative::penalty::Penalties;
use crate::iterative::random::Shuffle;
use crate::iterative::rows::{Features, RowBlock};
use crate::iterative::scaling::Scaling;
use crate::iterative::schedule::LearningRate;
use crate::iterative::standardizer::Sample;

/// Rows that the sample needs for each parameter, so that its fit is worth starting from.
const ROWS_A_COLUMN: usize = 20;

/// Most Newton steps.
const MOST_STEPS: usize = 60;

/// Most columns, and bytes, of a sample of all rows that is fitted exactly.
const MOST_EXACT: usize = 100;
const EXACT_BYTES: u64 = 64 << 20;

/// Rows of a batch of dense rows.
const BATCH_ROWS: usize = 512;

/// What a sample tells before the first step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tuned {
    /// The loss, with kinks rounded as fits the spread of the residuals.
    pub loss: Smoothed,
    /// What to precondition with.
    pub curvature: Curvature,
    /// What tells how far the minimum is.
    pub judge: Curvature,
    /// The fit to the sample; zeros where it is too small for one.
    pub(super) fit: Vec<f64>,
    /// The largest curvature of a batch, times the inverse of the curvature.
    pub(super) largest: f64,
    /// The same without it: what bounds steps that are not preconditioned.
    pub(super) largest_plain: f64,
    pub(super) batch_rows: usize,
    /// The mean weight of a row.
    mean_weight: f64,
}

impl Tuned {
    /// What a sample of a population tells.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a loss or options out of their range.
    pub fn new(
        sample: &Sample,
        loss: Loss,
        penalties: &Penalties,
        population: Population,
        options: &SgdOptions,
    ) -> Result<Self> {
        loss.validate()?;
        options.validate()?;
        let auto = options.rate == LearningRate::Auto;
        let Population { rows, parameters } = population;
        let batch_rows = options.batch_rows.unwrap_or_else(|| batch_rows(&sample.rows, parameters, rows));
        let matrix = options.precondition == Precondition::Auto && auto;
        let all = sample.rows.rows() as u64 >= rows;
        let precondition = options.precondition != Precondition::Scale && auto;
        Ok(Tuning { sample, loss, penalties, parameters, rows, batch_rows, matrix, precondition, all }.tune())
    }

    /// What is known of a fit under way.
    pub(super) fn at(
        loss: Smoothed,
        curvature: &Curvature,
        judge: &Curvature,
        mean_weight: f64,
        batch_rows: usize,
    ) -> Self {
        let (fit, largest, largest_plain) = (Vec::new(), 0.0, 0.0);
        let (curvature, judge) = (curvature.clone(), judge.clone());
        Self { loss, curvature, judge, fit, largest, largest_plain, batch_rows, mean_weight }
    }

    /// The mean weight of a row; 1 where there are none.
    pub(super) fn mean_weight(&self) -> f64 {
        if self.mean_weight > 0.0 { self.mean_weight } else { 1.0 }
    }

    /// The parameters at a start; [`Start::Auto`] is the fit to the sample.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a start with another number of parameters.
    pub fn begin(&self, start: &Start, seed: u64) -> Result<Vec<f64>> {
        let parameters = self.fit.len();
        match start {
            Start::Auto => Ok(self.fit.clone()),
            Start::Zero => Ok(vec![0.0; parameters]),
            Start::Random => {
                let mut random = Shuffle::new(seed);
                Ok((0..parameters).map(|_| random.next() as f64 / 2f64.powi(64) - 0.5).collect())
            }
            Start::At(point) if point.len() == parameters && point.iter().all(|t| t.is_finite()) => {
                Ok(point.clone())
            }
            Start::At(point) => {
                let message = format!("a start needs {parameters} finite numbers, not {}", point.len());
                Err(Error::new(ErrorKind::Model, message))
            }
        }
    }

    /// Rounds kinks over a quarter of the width, and takes curvatures of the sample at a point anew.
    pub fn sharpen(&mut self, sample: &Sample, penalties: &Penalties, point: &[f64]) {
        let parameters = point.len();
        self.loss.width = (0.25 * self.loss.width).max(1e-12);
        self.fit = point.to_vec();
        let (_, factors) = factors(&sample.rows, self.loss, point);
        let anew = |old: &Curvature| match old {
            Curvature::Sample { .. } => Curvature::of_sample(sample, &factors, penalties, parameters),
            Curvature::Diagonal { .. } => {
                Curvature::diagonal(sample, &factors, penalties, parameters, Some(self.batch_rows))
            }
            Curvature::Scale => Curvature::Scale,
        };
        self.judge = anew(&self.judge);
        self.curvature = anew(&self.curvature);
        let weight = self.mean_weight();
        let largest = |curvature: &Curvature| {
            curvature.largest(&sample.rows, &factors, weight, penalties, parameters, self.batch_rows)
        };
        (self.largest, self.largest_plain) = (largest(&self.curvature), largest(&Curvature::Scale));
    }

    /// What every column's own curvature in a sample is.
    pub fn diagonal(&self, sample: &Sample, penalties: &Penalties) -> Curvature {
        let factors = self.most_curved(&sample.rows);
        Curvature::diagonal(sample, &factors, penalties, self.fit.len(), None)
    }

    /// The curvature of squares in a sample, for every pair of columns: it makes columns independent of each other.
    pub fn matrix(&self, sample: &Sample, penalties: &Penalties) -> Curvature {
        let weights = factors(&sample.rows, Loss::Squared.into(), &self.fit).1;
        Curvature::of_sample(sample, &weights, penalties, self.fit.len())
    }

    /// The largest eigenvalue of the Hessian of a sample, times the inverse of `metric`.
    pub fn largest(&self, sample: &Sample, penalties: &Penalties, metric: &Curvature) -> f64 {
        let (rows, weight) = (&sample.rows, self.mean_weight());
        metric.largest(rows, &self.most_curved(rows), weight, penalties, self.fit.len(), rows.rows())
    }

    /// How much rows count where the loss is most curved: of squares and of the Huber loss everywhere the same, of others
    /// as at the fit to the sample.
    fn most_curved(&self, sample: &RowBlock) -> Vec<f64> {
        let loss = if self.loss.loss.is_smooth() { Loss::Squared.into() } else { self.loss };
        let mut own = factors(sample, loss, &self.fit).1;
        // Where next to no row is near a kink, steps would have no bounds.
        let most = 0.5 / self.loss.width;
        let few = (1e-4 * total_weight(sample)).max(2.0 * self.fit.len() as f64 * self.mean_weight());
        if !self.loss.loss.is_smooth() && own.iter().sum::<f64>() < most * few {
            own.iter_mut()
                .enumerate()
                .for_each(|(row, own)| *own = own.max(0.02 * most * sample.weight(row)));
        }
        own
    }
}

/// What may be left to gain unless said otherwise, relative to the objective: a hundredth of a standard error.
pub fn default_tolerance(population: Population) -> f64 {
    let share = population.parameters as f64 / population.rows.max(1) as f64;
    (1e-4 * share).clamp(1e-13, 1e-4)
}

/// Rows of a batch: of dense rows a fixed number, of sparse ones as many as it takes for their entries to outnumber half
/// of the columns, so that a step over all coefficients costs no more than the rows do. Hence penalties and averages need
/// no bookkeeping of when a coefficient was last seen. Few rows make smaller batches.
fn batch_rows(sample: &RowBlock, parameters: usize, rows: u64) -> usize {
    let most = (rows / 100).clamp(32, 1 << 20) as usize;
    match &sample.features {
        Features::Dense { .. } => BATCH_ROWS.min(most),
        Features::Sparse(sparse) => {
            let entries = (sparse.indices.len() / sample.rows().max(1)).max(1);
            (parameters / (2 * entries)).clamp(BATCH_ROWS, 1 << 16).min(most)
        }
    }
}

/// What to look for in a sample.
struct Tuning<'a> {
    sample: &'a Sample,
    loss: Loss,
    penalties: &'a Penalties,
    /// Number of parameters.
    parameters: usize,
    /// Rows of all data.
    rows: u64,
    batch_rows: usize,
    /// Whether the full matrix is wanted, where it is affordable.
    matrix: bool,
    /// Whether to precondition at all.
    precondition: bool,
    /// Whether the sample are all rows.
    all: bool,
}

impl Tuning<'_> {
    fn tune(&self) -> Tuned {
        let sample = &self.sample.rows;
        let affordable = Curvature::affordable(sample, self.parameters, self.all);
        let matrix = self.matrix && affordable;
        let mut fit = Fit { point: vec![0.0; self.parameters], loss: Loss::Squared.into() };
        if matrix && (self.all || sample.rows() >= ROWS_A_COLUMN * self.parameters) {
            fit.improve(self);
        }
        fit.loss = self.smoothed(&fit.point, 0.0);
        let (_, factors) = factors(sample, fit.loss, &fit.point);
        let curvature = match (self.precondition, matrix) {
            (false, _) => Curvature::Scale,
            (true, true) => Curvature::of_sample(self.sample, &factors, self.penalties, self.parameters),
            (true, false) => Curvature::diagonal(
                self.sample,
                &factors,
                self.penalties,
                self.parameters,
                Some(self.batch_rows),
            ),
        };
        let judge = match (&curvature, affordable) {
            (Curvature::Scale | Curvature::Diagonal { .. }, true) => {
                Curvature::of_sample(self.sample, &factors, self.penalties, self.parameters)
            }
            (Curvature::Scale, false) => {
                Curvature::diagonal(self.sample, &factors, self.penalties, self.parameters, None)
            }
            _ => curvature.clone(),
        };
        let mean_weight = total_weight(sample) / sample.rows().max(1) as f64;
        let largest = |curvature: &Curvature, rows: usize| {
            curvature.largest(sample, &factors, mean_weight, self.penalties, self.parameters, rows)
        };
        let largest_plain = largest(&Curvature::Scale, self.batch_rows);
        let largest = if self.precondition { largest(&curvature, self.batch_rows) } else { largest_plain };
        let (loss, batch_rows) = (fit.loss, self.batch_rows);
        Tuned { loss, curvature, judge, fit: fit.point, largest, largest_plain, batch_rows, mean_weight }
    }

    /// The loss with kinks rounded over a width that shrinks with the number of rows, but not below that of all rows, by
    /// the spread of the residuals at a point.
    fn smoothed(&self, point: &[f64], least: f64) -> Smoothed {
        if self.loss.is_smooth() {
            return self.loss.into();
        }
        let (residuals, _) = factors(&self.sample.rows, Loss::Squared.into(), point);
        let weighted = residuals.iter().enumerate().map(|(row, r)| self.sample.rows.weight(row) * r.abs());
        let spread = weighted.sum::<f64>() / total_weight(&self.sample.rows).max(f64::MIN_POSITIVE);
        let own = spread * (self.rows.max(8) as f64).powf(-1.0 / 3.0);
        let most = match self.loss {
            Loss::EpsilonInsensitive { epsilon } if epsilon > 0.0 => 0.5 * epsilon,
            _ => f64::INFINITY,
        };
        Smoothed { loss: self.loss, width: own.max(least * spread).min(most).max(1e-12) }
    }
}

/// A fit to the sample under way.
struct Fit {
    point: Vec<f64>,
    loss: Smoothed,
}

impl Fit {
    /// Newton's method: first for squares, then for the loss, whose kinks become sharper step by step.
    fn improve(&mut self, tuning: &Tuning<'_>) {
        let sample = &tuning.sample.rows;
        let columns = sample.columns();
        let small = CollectedRows::bytes(sample.rows() as u64, columns) <= EXACT_BYTES;
        if tuning.all && tuning.loss != Loss::Squared && columns <= MOST_EXACT && small {
            let scaling = Scaling {
                centres: vec![0.0; columns],
                scales: vec![1.0; columns],
                response_centre: 0.0,
                response_scale: 1.0,
                intercept: tuning.parameters > columns,
            };
            let rows = CollectedRows::of_block(sample);
            self.point = ExactFit::new(rows, &scaling, tuning.loss, tuning.penalties).parameters;
            return;
        }
        let mut least = 1.0;
        self.step(tuning);
        for _ in 0..MOST_STEPS {
            self.loss = tuning.smoothed(&self.point, least);
            let moved = self.step(tuning);
            if moved < 1e-14 && (tuning.loss.is_smooth() || least < 1e-3) {
                break;
            }
            least *= 0.5;
        }
    }

    /// A step with as many halvings as it takes not to climb. Returns what it gains, relative to the objective.
    fn step(&mut self, tuning: &Tuning<'_>) -> f64 {
        let Tuning { sample: Sample { rows: sample, .. }, penalties, .. } = tuning;
        let (residuals, factors) = factors(sample, self.loss, &self.point);
        let weight = total_weight(sample);
        let rows = residuals.iter().enumerate();
        let slopes: Vec<f64> =
            rows.map(|(row, r)| -sample.weight(row) * self.loss.slope(*r) / weight).collect();
        let mut gradient = vec![0.0; tuning.parameters];
        sample.add_scaled(0..sample.rows(), &slopes, &mut gradient);
        penalties.add_gradient(&self.point, &mut gradient);
        let curvature = Curvature::of_sample(tuning.sample, &factors, penalties, tuning.parameters);
        let step = curvature.newton(&self.point, &gradient, penalties);
        let before = self.objective(tuning, &self.point);
        let mut share = 1.0;
        for _ in 0..8 {
            let moved: Vec<f64> = self.point.iter().zip(&step).map(|(t, d)| t + share * d).collect();
            let after = self.objective(tuning, &moved);
            if after <= before {
                self.point = moved;
                return (before - after) / before.max(f64::MIN_POSITIVE);
            }
            share *= 0.5;
        }
        0.0
    }

    fn objective(&self, tuning: &Tuning<'_>, point: &[f64]) -> f64 {
        let (residuals, _) = factors(&tuning.sample.rows, self.loss, point);
        let losses = residuals.iter().enumerate();
        let losses = losses.map(|(row, r)| tuning.sample.rows.weight(row) * self.loss.value(*r));
        losses.sum::<f64>() / total_weight(&tuning.sample.rows) + tuning.penalties.value(point)
    }
}
