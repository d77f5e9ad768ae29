//! Mini-batch stochastic gradient descent, epoch by epoch.

mod options;

use serde::{Deserialize, Serialize};

use crate::descent::certificate::{Certificate, root_mean_square};
use crate::descent::curvature::{Curvature, factors, total_weight};
use crate::descent::expand::{Expander, RowBuilder, Sample};
use crate::descent::loss::{Loss, Smoothed};
use crate::descent::penalty::Penalties;
use crate::descent::random::Shuffle;
use crate::descent::rows::{Features, RowBlock};
use crate::descent::schedule::LearningRate;
use crate::descent::start::Question;
use crate::descent::sums::GradientSums;
use crate::descent::trace::{Phase, TracePoint};
use crate::error::{Error, ErrorKind, Result};
use crate::rows::block::{BlockError, DesignBlock};

pub use options::{Begin, Next, Population, Precondition, SgdOptions};

/// Rows of a batch of dense rows.
const BATCH_ROWS: usize = 512;

/// Points of the trace that an epoch has, about.
const TRACE_POINTS: u64 = 50;

/// How many times the loss of the first batch, or of the mean, a batch may cost before steps are called divergent.
const DIVERGED: f64 = 1e4;

/// The gradient of all rows at a point, which takes the noise out of the steps near it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Anchor {
    point: Vec<f64>,
    gradient: Vec<f64>,
    objective: f64,
}

/// Stochastic gradient descent under way. It can be saved at any time (it is [`Serialize`]), and goes on with the same
/// bits.
///
/// With [`LearningRate::Auto`] an epoch averages its iterates, later ones weighing more (Polyak & Juditsky 1992;
/// Lacoste-Julien, Schmidt & Bach 2012), and all epochs but the first take steps along
/// `g_batch(t) - g_batch(a) + g(a)`, with the gradient `g(a)` of all rows at an anchor `a` (SVRG; Johnson & Zhang 2013; with
/// penalties Xiao & Zhang 2014), preconditioned by the curvature of a sample. The error that an epoch leaves is then a
/// small share of the one before, where plain averages stay at a share of a standard error.
///
/// Driven by hand, with blocks of one's own:
///
/// ```
/// use arrow_schema::{DataType, Field, Schema};
/// use streamreg_core::descent::{Expander, LearningRate, Loss, Penalties, Population, Sgd, SgdOptions, Survey};
/// use streamreg_core::{Accumulator, Coding, Column, Design, DesignBlock, FoldRule, Layout, ModelSpec};
///
/// let number = |name: &str| Field::new(name, DataType::Float64, false);
/// let schema = Schema::new(vec![number("y"), number("x")]);
/// let design = Design::new(&ModelSpec::of_columns("y", ["x"]), &schema)?;
/// // Variables come with the response last.
/// let x: Vec<f64> = (0..1_000).map(|i| f64::from(i % 97)).collect();
/// let y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
/// let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
/// let block = DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: x.len() };
///
/// // A look at some rows, with the keys that choose the sample.
/// let mut survey = Survey::new(&design, 0, None);
/// survey.assign(&(0..1_000).map(|row| FoldRule::keys(0).of_row(row)).collect::<Vec<_>>());
/// survey.update(&block).map_err(|e| format!("{e:?}"))?;
/// let layout = Layout::new(&design, &Coding::default(), false)?;
/// let expander = Expander::new(&design, &layout, &survey, 0)?;
/// let sample = expander.sample(&survey, &Coding::default(), &[]);
///
/// let options = SgdOptions { rate: LearningRate::Constant { eta0: 0.3 }, ..SgdOptions::default() };
/// let population = Population { rows: 1_000, parameters: expander.scaling().parameters() };
/// let mut sgd = Sgd::new(options, Loss::Squared, Penalties::default(), &sample, population)?;
/// for epoch in 0..200 {
///     sgd.begin_epoch(epoch);
///     sgd.partial_fit(&expander, &block)?;
///     sgd.end_epoch();
/// }
/// let (slopes, constant) = expander.scaling().coefficients(sgd.parameters());
/// assert!((slopes[0] - 3.0).abs() < 1e-9 && (constant.unwrap() - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    options: SgdOptions,
    loss: Smoothed,
    penalties: Penalties,
    curvature: Curvature,
    rows: u64,
    mean_weight: f64,
    batch_rows: usize,
    /// The step of [`LearningRate::Auto`].
    auto_step: f64,
    /// The longest step that is stable without preconditioning.
    stable: f64,
    /// The fit to the sample, or zeros.
    sampled: Vec<f64>,
    parameters: Vec<f64>,
    /// Parameters at the beginning of the epoch.
    begun: Vec<f64>,
    average: Vec<f64>,
    averaged: f64,
    anchor: Option<Anchor>,
    velocity: Vec<f64>,
    squares: Vec<f64>,
    next: Next,
    pass: usize,
    epochs: usize,
    steps: u64,
    batch: u64,
    /// Loss of an average batch at the beginning.
    reference: Option<f64>,
    epoch_sums: Sums,
    trace_sums: Sums,
    trace: Vec<TracePoint>,
    last_loss: Option<f64>,
    best_held_out: Option<(f64, Vec<f64>)>,
    stale: usize,
    last_gap: Option<f64>,
    /// Whether the parameters come from a Newton step, and whether one has made things worse.
    newton: bool,
    newton_failed: bool,
    certificate: Option<Certificate>,
    #[serde(skip)]
    work: Work,
}

/// Sums over batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    rows: u64,
    weight: f64,
    loss: f64,
    held_out_weight: f64,
    held_out_loss: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.loss += other.loss;
        self.held_out_weight += other.held_out_weight;
        self.held_out_loss += other.held_out_loss;
    }

    fn mean(&self) -> f64 {
        self.loss / self.weight
    }

    fn held_out(&self) -> Option<f64> {
        (self.held_out_weight > 0.0).then(|| self.held_out_loss / self.held_out_weight)
    }
}

/// Buffers; nothing is kept in them.
#[derive(Clone, Debug, Default)]
struct Work {
    residuals: Vec<f64>,
    anchored: Vec<f64>,
    gradient: Vec<f64>,
    direction: Vec<f64>,
}

impl PartialEq for Work {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Sgd {
    /// Begins; `sample` are standardised rows of the data, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for options out of their range, or a start with another number of parameters.
    pub fn new(
        options: SgdOptions,
        loss: Loss,
        penalties: Penalties,
        sample: &Sample,
        population: Population,
    ) -> Result<Self> {
        loss.validate()?;
        options.validate()?;
        let Population { rows, parameters } = population;
        let auto = options.rate == LearningRate::Auto;
        let batch_rows = options.batch_rows.unwrap_or_else(|| batch_rows(&sample.rows, parameters, rows));
        let start = Question {
            sample,
            loss,
            penalties: &penalties,
            parameters,
            rows,
            batch_rows,
            matrix: options.precondition == Precondition::Auto && auto,
            precondition: options.precondition != Precondition::Scale && auto,
        }
        .answer();
        let point = match &options.start {
            Begin::Auto if auto => start.parameters.clone(),
            Begin::Auto | Begin::Zero => vec![0.0; parameters],
            Begin::Random => {
                let mut random = Shuffle::new(options.seed);
                (0..parameters).map(|_| random.next() as f64 / 2f64.powi(64) - 0.5).collect()
            }
            Begin::At(point) if point.len() == parameters && point.iter().all(|t| t.is_finite()) => {
                point.clone()
            }
            Begin::At(point) => {
                let message = format!("a start needs {parameters} finite numbers, not {}", point.len());
                return Err(Error::new(ErrorKind::Model, message));
            }
        };
        // Where the sample is all there is, its fit needs nothing but to be checked.
        let known = options.start == Begin::Auto && sample.rows.rows() as u64 >= rows;
        let matrix = matches!(start.curvature, Curvature::Sample { .. });
        let next =
            if auto && matrix && (known || !penalties.l1.is_empty()) { Next::Gradient } else { Next::Epoch };
        let mean_weight = total_weight(&sample.rows) / sample.rows.rows().max(1) as f64;
        Ok(Self {
            loss: start.loss,
            curvature: start.curvature,
            rows,
            mean_weight: if mean_weight > 0.0 { mean_weight } else { 1.0 },
            batch_rows,
            auto_step: 1.0 / start.largest.max(1e-3),
            stable: 2.0 * (1.0 + options.momentum) / start.largest_plain.max(f64::MIN_POSITIVE),
            sampled: start.parameters,
            begun: point.clone(),
            average: vec![0.0; parameters],
            averaged: 0.0,
            anchor: None,
            velocity: vec![0.0; parameters],
            squares: vec![
                0.0;
                if matches!(options.rate, LearningRate::Adam { .. }) { parameters } else { 0 }
            ],
            parameters: point,
            next,
            pass: 0,
            epochs: 0,
            steps: 0,
            batch: 0,
            reference: None,
            epoch_sums: Sums::default(),
            trace_sums: Sums::default(),
            trace: Vec::new(),
            last_loss: None,
            best_held_out: None,
            stale: 0,
            last_gap: None,
            newton: false,
            newton_failed: false,
            certificate: None,
            work: Work::default(),
            options,
            penalties,
        })
    }

    /// What comes next.
    pub fn next(&self) -> Next {
        self.next
    }

    /// The parameters, in standardised units: of the end of the last epoch, or in the middle of one the iterate.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// The loss, as gradients take it.
    pub fn loss(&self) -> Smoothed {
        self.loss
    }

    /// What steps are preconditioned with.
    pub fn curvature(&self) -> &Curvature {
        &self.curvature
    }

    /// What every column's own curvature in a sample is.
    pub fn diagonal(&self, sample: &Sample) -> Curvature {
        let factors = self.most_curved(&sample.rows);
        Curvature::diagonal(sample, &factors, &self.penalties, self.parameters.len(), None)
    }

    /// How much rows count where the loss is most curved: of squares and of the Huber loss everywhere the same, of others
    /// as at the fit to the sample.
    fn most_curved(&self, sample: &RowBlock) -> Vec<f64> {
        let loss = if self.loss.loss.is_smooth() { Loss::Squared.into() } else { self.loss };
        factors(sample, loss, &self.sampled).1
    }

    /// The largest eigenvalue of the Hessian of a sample, times the inverse of `metric`.
    pub fn largest(&self, sample: &RowBlock, metric: &Curvature) -> f64 {
        let factors = self.most_curved(sample);
        metric.largest(
            sample,
            &factors,
            self.mean_weight,
            &self.penalties,
            self.parameters.len(),
            sample.rows(),
        )
    }

    /// Rows of a batch.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The length of the last step.
    pub fn step_length(&self) -> f64 {
        self.options.rate.at(self.steps.max(1), self.auto_step)
    }

    /// How far it still is, as of the last gradient of all rows.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Takes the points of the learning curve that nobody has taken yet. Losses are in standardised units.
    pub fn take_trace(&mut self) -> Vec<TracePoint> {
        std::mem::take(&mut self.trace)
    }

    /// Begins pass number `pass` over the data.
    pub fn begin_epoch(&mut self, pass: usize) {
        self.pass = pass;
        self.epochs += 1;
        self.batch = 0;
        self.begun.clone_from(&self.parameters);
        self.average.fill(0.0);
        self.averaged = 0.0;
        self.epoch_sums = Sums::default();
        self.trace_sums = Sums::default();
    }

    /// Learns from blocks of rows, batch by batch: each batch has an equal share of every block, in order.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] when a given rate is too large.
    pub fn take(&mut self, group: &[RowBlock]) -> Result<()> {
        let rows: usize = group.iter().map(RowBlock::rows).sum();
        let batches = ((rows + self.batch_rows / 2) / self.batch_rows).max(1);
        (0..batches).try_for_each(|batch| self.step(group, batch, batches))
    }

    /// Learns from a block as from one batch, for those who drive it by hand. Rows that cannot be used must be masked.
    ///
    /// # Errors
    /// As [`Sgd::take`], and [`ErrorKind::Batch`] for a block of another shape or with a value that is not finite.
    pub fn partial_fit(&mut self, expander: &Expander, block: &DesignBlock<'_>) -> Result<()> {
        let refused =
            |e: BlockError| Error::new(ErrorKind::Batch, format!("a block of rows was refused: {e:?}"));
        block.check(expander.variables()).map_err(refused)?;
        block.check_finite().map_err(refused)?;
        let mut blocks = Vec::new();
        let mut builder = RowBuilder::new(expander);
        let mut take = |rows: RowBlock| {
            blocks.push(rows);
            None
        };
        builder.append(block, None, &mut take);
        builder.finish(&mut take);
        if blocks.is_empty() { Ok(()) } else { self.step(&blocks, 0, 1) }
    }

    /// Ends the epoch.
    pub fn end_epoch(&mut self) {
        self.record(self.epoch_sums.rows);
        if self.options.rate == LearningRate::Auto {
            if self.averaged > 0.0 {
                self.parameters.clone_from(&self.average);
            }
            self.next = Next::Gradient;
            return;
        }
        let loss = self.epoch_sums.mean();
        if self.epoch_sums.held_out_weight > 0.0 {
            self.next = Next::Gradient;
            return;
        }
        let gained = self.last_loss.is_none_or(|last| loss < last - self.least_gain() * last.abs());
        self.last_loss = Some(self.last_loss.map_or(loss, |last| last.min(loss)));
        self.count_gain(gained);
    }

    fn least_gain(&self) -> f64 {
        self.options.tolerance.unwrap_or(1e-5)
    }

    fn count_gain(&mut self, gained: bool) {
        self.stale = if gained { 0 } else { self.stale + 1 };
        let over = self.stale >= self.options.patience.unwrap_or(5);
        self.next = if over { Next::Done } else { Next::Epoch };
    }

    /// Takes the gradient of all rows at [`Sgd::parameters`], from pass number `pass`.
    pub fn set_gradient(&mut self, sums: &GradientSums, pass: usize) {
        self.pass = pass;
        let penalised = sums.loss + self.penalties.value(&self.parameters);
        let certificate = Certificate::new(
            &self.curvature,
            &self.penalties,
            &self.parameters,
            sums,
            self.loss.loss == Loss::Squared,
        );
        self.trace.push(TracePoint {
            epoch: pass,
            phase: Phase::Gradient,
            batch: 0,
            rows: sums.rows,
            loss: sums.loss,
            held_out_loss: sums.held_out_loss,
            gradient_norm: Some(certificate.gradient_norm),
            step: self.step_length(),
        });
        let gap = certificate.gap;
        self.certificate = Some(certificate);
        if let Some(held_out) = sums.held_out_loss
            && self.stop_early(held_out)
        {
            self.next = Next::Done;
            return;
        }
        if self.options.rate != LearningRate::Auto {
            self.next = if self.next == Next::Done { Next::Done } else { Next::Epoch };
            return;
        }
        if gap <= self.tolerance() {
            self.next = Next::Done;
            return;
        }
        let newton = std::mem::take(&mut self.newton);
        let worse = |anchor: &Anchor| penalised.is_nan() || penalised > anchor.objective * (1.0 + 1e-12);
        if let Some(anchor) = self.anchor.as_ref().filter(|anchor| worse(anchor)) {
            // Steps were too long: once more from where it was better.
            self.parameters.clone_from(&anchor.point);
            self.newton_failed |= newton;
            if !newton {
                self.auto_step *= 0.25;
            }
            self.next = if self.newton_step() { Next::Gradient } else { Next::Epoch };
            return;
        }
        let (point, gradient) = (self.parameters.clone(), sums.gradient.clone());
        self.anchor = Some(Anchor { point, gradient, objective: penalised });
        // An epoch leaves a hundredth of the error or less. Where it does not, Newton steps of the sample may do better,
        // and the other way round. Averages keep neither zeros nor kinks, so there they come first.
        let below = |share: f64| self.last_gap.is_none_or(|last| gap <= share * last);
        let kinked = !self.penalties.l1.is_empty() || !self.loss.loss.is_smooth();
        let direct = match (newton, kinked) {
            (true, true) => below(0.5),
            (true, false) => below(0.1),
            (false, true) => true,
            (false, false) => !below(0.1),
        };
        self.last_gap = Some(gap);
        self.next = if direct && self.newton_step() { Next::Gradient } else { Next::Epoch };
    }

    /// Takes a Newton step from the anchor, unless one has failed or the curvature is no matrix.
    fn newton_step(&mut self) -> bool {
        let (Some(anchor), Curvature::Sample { .. }, false) =
            (&self.anchor, &self.curvature, self.newton_failed)
        else {
            return false;
        };
        let mut gradient = anchor.gradient.clone();
        self.penalties.add_gradient(&anchor.point, &mut gradient);
        let step = self.curvature.newton(&anchor.point, &gradient, &self.penalties);
        self.parameters = anchor.point.iter().zip(&step).map(|(t, d)| t + d).collect();
        self.newton = true;
        true
    }

    /// Keeps the parameters with the best loss of the rows held out, and takes them when patience is over.
    fn stop_early(&mut self, held_out: f64) -> bool {
        let better = self.best_held_out.as_ref().is_none_or(|(best, _)| held_out < best * (1.0 - 1e-9));
        if better {
            self.best_held_out = Some((held_out, self.parameters.clone()));
        }
        self.stale = if better { 0 } else { self.stale + 1 };
        let over = self.stale >= self.options.patience.unwrap_or(5);
        if over && let Some((_, best)) = &self.best_held_out {
            self.parameters.clone_from(best);
        }
        over
    }

    /// What may be left to gain; with rates that are given what an epoch must gain.
    pub fn tolerance(&self) -> f64 {
        if self.options.rate != LearningRate::Auto {
            return self.least_gain();
        }
        let share = self.parameters.len() as f64 / self.rows.max(1) as f64;
        self.options.tolerance.unwrap_or((1e-4 * share).clamp(1e-13, 1e-4))
    }

    fn step(&mut self, group: &[RowBlock], batch: usize, batches: usize) -> Result<()> {
        let sums = self.gradient(group, batch, batches);
        self.epoch_sums.add(&sums);
        self.trace_sums.add(&sums);
        if sums.rows == 0 {
            return Ok(());
        }
        self.batch += 1;
        let loss = sums.loss / (sums.rows as f64 * self.mean_weight);
        // The response has about unit variance, so no start costs much more than 1 but for its own fault.
        let reference = *self.reference.get_or_insert(loss.max(1.0));
        if loss.is_nan() || loss > DIVERGED * reference {
            return self.diverged();
        }
        self.steps += 1;
        self.apply();
        let expected = self.rows / self.batch_rows as u64;
        if self.batch.is_multiple_of((expected / TRACE_POINTS).max(1)) {
            self.record(self.epoch_sums.rows);
        }
        Ok(())
    }

    /// The gradient of a batch into the work space, and its loss.
    fn gradient(&mut self, group: &[RowBlock], batch: usize, batches: usize) -> Sums {
        let Work { residuals, anchored, gradient, .. } = &mut self.work;
        gradient.clear();
        gradient.resize(self.parameters.len(), 0.0);
        let mut sums = Sums::default();
        let ranges = group.iter().map(|block| {
            let cut = |batch: usize| block.rows() * batch / batches;
            (block, cut(batch)..cut(batch + 1))
        });
        let learnt: usize =
            ranges.clone().map(|(block, range)| range.filter(|&row| !block.is_held_out(row)).count()).sum();
        let unit = 1.0 / (learnt.max(1) as f64 * self.mean_weight);
        for (block, range) in ranges {
            residuals.resize(range.len(), 0.0);
            block.predict(range.clone(), &self.parameters, residuals);
            if let Some(anchor) = &self.anchor {
                anchored.resize(range.len(), 0.0);
                block.predict(range.clone(), &anchor.point, anchored);
            }
            for (at, row) in range.clone().enumerate() {
                let (y, w) = (block.response[row], block.weight(row));
                let r = y - residuals[at];
                let loss = w * self.loss.value(r);
                if block.is_held_out(row) {
                    sums.held_out_weight += w;
                    sums.held_out_loss += loss;
                    residuals[at] = 0.0;
                    continue;
                }
                sums.rows += 1;
                sums.weight += w;
                sums.loss += loss;
                let known = if self.anchor.is_some() { self.loss.slope(y - anchored[at]) } else { 0.0 };
                residuals[at] = -w * unit * (self.loss.slope(r) - known);
            }
            block.add_scaled(range, residuals, gradient);
        }
        if let Some(anchor) = &self.anchor {
            gradient.iter_mut().zip(&anchor.gradient).for_each(|(g, a)| *g += a);
        }
        self.penalties.add_gradient(&self.parameters, gradient);
        sums
    }

    /// Takes the step.
    fn apply(&mut self) {
        let Work { gradient, direction, .. } = &mut self.work;
        let eta = self.options.rate.at(self.steps, self.auto_step);
        match self.options.rate {
            LearningRate::Auto => {
                self.curvature.solve(gradient, direction);
                self.parameters.iter_mut().zip(&*direction).for_each(|(t, d)| *t -= eta * d);
                let curvature = &self.curvature;
                self.penalties.shrink(|j| eta * curvature.inverse_at(j), &mut self.parameters);
                let weight = self.batch as f64;
                self.averaged += weight;
                let share = weight / self.averaged;
                self.average.iter_mut().zip(&self.parameters).for_each(|(a, t)| *a += share * (t - *a));
            }
            LearningRate::Adam { .. } => {
                let (b1, b2) = (0.9, 0.999);
                let count = self.steps.min(1 << 30) as i32;
                let (first, second) = (1.0 - f64::powi(b1, count), 1.0 - f64::powi(b2, count));
                let moments = self.velocity.iter_mut().zip(&mut self.squares);
                for ((t, g), (m, v)) in self.parameters.iter_mut().zip(&*gradient).zip(moments) {
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *t -= eta * (*m / first) / ((*v / second).sqrt() + 1e-8);
                }
                self.penalties.shrink(|_| eta, &mut self.parameters);
            }
            _ => {
                for ((t, v), g) in self.parameters.iter_mut().zip(&mut self.velocity).zip(&*gradient) {
                    *v = self.options.momentum * *v - eta * g;
                    *t += *v;
                }
                self.penalties.shrink(|_| eta, &mut self.parameters);
            }
        }
    }

    /// The error for a rate that is too large; an automatic one is made smaller, and the epoch begins again with the rows
    /// that are left.
    fn diverged(&mut self) -> Result<()> {
        if self.options.rate == LearningRate::Auto {
            self.auto_step *= 0.25;
            self.parameters.clone_from(&self.begun);
            self.average.fill(0.0);
            self.averaged = 0.0;
            self.batch = 0;
            if self.auto_step > 1e-12 {
                return Ok(());
            }
        }
        self.record(self.epoch_sums.rows);
        let rate = self.options.rate.eta0().unwrap_or(self.auto_step);
        let message = format!(
            "learning rate {rate} diverges at epoch {}, batch {}; the largest stable step is about {}",
            self.epochs,
            self.batch,
            two_digits(self.stable)
        );
        Err(Error::new(ErrorKind::Diverged, message))
    }

    /// A point of the learning curve, if rows have come since the last one.
    fn record(&mut self, rows: u64) {
        let sums = std::mem::take(&mut self.trace_sums);
        if sums.weight > 0.0 {
            self.trace.push(TracePoint {
                epoch: self.pass,
                phase: Phase::Epoch,
                batch: self.batch,
                rows,
                loss: sums.mean(),
                held_out_loss: sums.held_out(),
                gradient_norm: Some(root_mean_square(&self.work.gradient)),
                step: self.step_length(),
            });
        }
    }
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

/// A number with two digits.
pub(super) fn two_digits(x: f64) -> String {
    if !(x > 0.0 && x.is_finite()) {
        return x.to_string();
    }
    let rounded: f64 = format!("{x:.1e}").parse().unwrap_or(x);
    rounded.to_string()
}
