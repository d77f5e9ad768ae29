//! Mini-batch stochastic gradient descent, epoch by epoch.
//!
//! | file | what it knows |
//! |---|---|
//! | `stepper` | gradients of batches, and steps along them |
//! | `early_stop` | epochs that gain nothing |
//! | `recorder` | the learning curve |

mod early_stop;
mod recorder;
mod stepper;

use serde::{Deserialize, Serialize};

use self::early_stop::EarlyStop;
use self::recorder::{Recorder, is_due};
use self::stepper::{Anchor, Course, Stepper};
use crate::error::{Error, ErrorKind, Result};
use crate::iterative::certificate::{Certificate, Goal, root_mean_square};
use crate::iterative::curvature::Curvature;
use crate::iterative::loss::{Loss, Smoothed};
use crate::iterative::options::{Next, Population, SgdOptions, Start};
use crate::iterative::penalty::Penalties;
use crate::iterative::rows::RowBlock;
use crate::iterative::schedule::{LearningRate, two_digits};
use crate::iterative::standardizer::{RowBuilder, Sample, Standardizer};
use crate::iterative::sums::GradientSums;
use crate::iterative::trace::TracePoint;
use crate::iterative::tuning::{Tuned, default_tolerance};
use crate::rows::block::{BlockError, DesignBlock};

/// How many times the loss of the first batch, or of the mean, a batch may cost before steps are called divergent.
const DIVERGED: f64 = 1e4;

/// What an epoch with a given rate must gain unless said otherwise, as a share of the loss.
const LEAST_GAIN: f64 = 1e-5;

/// What may be left to gain at the end of a given rate, relative to the objective, so that it has converged.
const GIVEN_RATE: f64 = 1e-4;

/// Batches of the first epoch that each have a point of the learning curve.
const EARLY_POINTS: u64 = 10;

/// How often kinks are made sharper at most: then rounding is all that is left of them.
const MOST_SHARPENED: usize = 20;

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
/// use streamreg_core::iterative::{Standardizer, LearningRate, Loss, Penalties, Population, Sgd, SgdOptions, ColumnSummaries};
/// use streamreg_core::{Accumulator, Coding, Column, Design, DesignBlock, RowIds, Layout, ModelSpec};
///
/// let number = |name: &str| Field::new(name, DataType::Float64, false);
/// let schema = Schema::new(vec![number("y"), number("x")]);
/// let design = Design::new(&ModelSpec::of_columns("y", ["x"]), &schema)?;
/// // Variables come with the response last.
/// let x: Vec<f64> = (0..1_000).map(|i| f64::from(i % 97)).collect();
/// let y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
/// let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
/// let block = DesignBlock::of_numbers(&columns);
///
/// // A look at some rows, with the keys that choose the sample.
/// let mut summaries = ColumnSummaries::new(&design, 0, None);
/// summaries.assign(&(0..1_000).map(|row| RowIds::keys(0).of_row(row)).collect::<Vec<_>>());
/// summaries.update(&block).map_err(|e| format!("{e:?}"))?;
/// let layout = Layout::new(&design, &Coding::default())?;
/// let standardizer = Standardizer::new(&design, &layout, &summaries, 0)?;
/// let sample = standardizer.sample(&summaries, &Coding::default(), &[]);
///
/// let options = SgdOptions::default().with_rate(LearningRate::Constant { eta0: 0.3 });
/// let population = Population { rows: 1_000, parameters: standardizer.scaling().parameters() };
/// let mut sgd = Sgd::new(options, Loss::Squared, Penalties::default(), &sample, population)?;
/// for epoch in 0..200 {
///     sgd.begin_epoch(epoch);
///     sgd.partial_fit(&standardizer, &block)?;
///     sgd.end_epoch();
/// }
/// let (slopes, constant) = standardizer.scaling().coefficients(sgd.parameters());
/// assert!((slopes[0] - 3.0).abs() < 1e-9 && (constant.unwrap() - 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    population: Population,
    /// What may be left to gain, or what an epoch must gain, where that was said.
    tolerance: Option<f64>,
    batch_rows: usize,
    /// The longest step that is stable without preconditioning.
    stable: f64,
    stepper: Stepper,
    early_stop: EarlyStop,
    recorder: Recorder,
    /// Parameters at the beginning of the epoch.
    begun: Vec<f64>,
    next: Next,
    epochs: usize,
    /// Loss of an average batch at the beginning.
    reference: Option<f64>,
    last_gap: Option<f64>,
    /// What tells how far the minimum is, and when that is near enough.
    judge: Curvature,
    goal: Goal,
    /// How often kinks were made sharper.
    sharpened: usize,
    /// Whether the parameters come from a Newton step, and whether one has made things worse.
    newton: bool,
    newton_failed: bool,
    certificate: Option<Certificate>,
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
        let auto = options.rate == LearningRate::Auto;
        let tuned = Tuned::new(sample, loss, &penalties, population, &options)?;
        let start = match &options.start {
            Start::Auto if !auto => &Start::Zero,
            start => start,
        };
        let parameters = tuned.begin(start, options.seed)?;
        // Where the sample is all there is, its fit needs nothing but to be checked.
        let known = options.start == Start::Auto && sample.rows.rows() as u64 >= population.rows;
        let matrix = matches!(tuned.curvature, Curvature::Sample { .. });
        let next =
            if auto && matrix && (known || !penalties.l1.is_empty()) { Next::Gradient } else { Next::Epoch };
        let auto_step = 1.0 / tuned.largest.max(1e-3);
        let (asked, smooth) =
            if auto { (options.tolerance, default_tolerance(population)) } else { (None, GIVEN_RATE) };
        let goal = Goal::new(loss, None, asked, smooth);
        let stable = 2.0 * (1.0 + options.momentum) / tuned.largest_plain.max(f64::MIN_POSITIVE);
        let course = Course {
            rate: options.rate,
            momentum: options.momentum,
            loss: tuned.loss,
            penalties,
            mean_weight: tuned.mean_weight(),
            curvature: tuned.curvature,
        };
        Ok(Self {
            population,
            tolerance: options.tolerance,
            batch_rows: tuned.batch_rows,
            stable,
            begun: parameters.clone(),
            stepper: Stepper::new(course, parameters, auto_step),
            early_stop: EarlyStop::new(options.patience),
            recorder: Recorder::default(),
            next,
            epochs: 0,
            reference: None,
            last_gap: None,
            judge: tuned.judge,
            goal,
            sharpened: 0,
            newton: false,
            newton_failed: false,
            certificate: None,
        })
    }

    /// Lets gaps be measured from the least objective, where that is known.
    pub fn set_minimum(&mut self, minimum: f64) {
        let loss = self.stepper.course.loss.loss;
        let (asked, smooth) = if self.is_auto() {
            (self.tolerance, default_tolerance(self.population))
        } else {
            (None, GIVEN_RATE)
        };
        self.goal = Goal::new(loss, Some(minimum), asked, smooth);
    }

    /// When a point is near enough to the minimum.
    pub fn goal(&self) -> &Goal {
        &self.goal
    }

    /// Makes the kinks of the loss sharper, where [`Next::Sharpen`] says so.
    pub fn sharpen(&mut self, sample: &Sample) {
        let course = &self.stepper.course;
        let mut tuned =
            Tuned::at(course.loss, &course.curvature, &self.judge, course.mean_weight, self.batch_rows);
        tuned.sharpen(sample, &course.penalties, &self.stepper.parameters);
        self.stepper.course.loss = tuned.loss;
        self.stepper.course.curvature = tuned.curvature;
        self.judge = tuned.judge;
        self.stepper.auto_step = 1.0 / tuned.largest.max(1e-3);
        self.stepper.anchor = None;
        (self.last_gap, self.newton, self.newton_failed) = (None, false, false);
        self.sharpened += 1;
        self.next = Next::Gradient;
    }

    /// What comes next.
    pub fn next(&self) -> Next {
        self.next
    }

    /// The parameters, in standardised units: of the end of the last epoch, or in the middle of one the iterate.
    pub fn parameters(&self) -> &[f64] {
        &self.stepper.parameters
    }

    /// The loss, as gradients take it.
    pub fn loss(&self) -> Smoothed {
        self.stepper.course.loss
    }

    /// What steps are preconditioned with.
    pub fn curvature(&self) -> &Curvature {
        &self.stepper.course.curvature
    }

    /// Rows of a batch.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.stepper.steps
    }

    /// The length of the last step.
    pub fn step_length(&self) -> f64 {
        self.stepper.step_length()
    }

    /// How far it still is, as of the last gradient of all rows.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Takes the points of the learning curve that nobody has taken yet. Losses are in standardised units.
    pub fn take_trace(&mut self) -> Vec<TracePoint> {
        self.recorder.take()
    }

    /// Begins pass number `pass` over the data.
    pub fn begin_epoch(&mut self, pass: usize) {
        self.epochs += 1;
        self.begun.clone_from(&self.stepper.parameters);
        self.stepper.begin_epoch();
        self.recorder.begin_epoch(pass);
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
    pub fn partial_fit(&mut self, standardizer: &Standardizer, block: &DesignBlock<'_>) -> Result<()> {
        let refused =
            |e: BlockError| Error::new(ErrorKind::Batch, format!("a block of rows was refused: {e:?}"));
        block.check(standardizer.variables()).map_err(refused)?;
        block.check_finite().map_err(refused)?;
        let mut blocks = Vec::new();
        let mut builder = RowBuilder::new(standardizer);
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
        self.record();
        if self.is_auto() {
            self.stepper.take_average();
            self.next = Next::Gradient;
            return;
        }
        let sums = self.recorder.epoch();
        if sums.held_out_weight > 0.0 {
            self.next = Next::Gradient;
            return;
        }
        let (loss, least_gain) = (sums.mean(), self.tolerance());
        self.next = if self.early_stop.is_over(loss, least_gain) { Next::Done } else { Next::Epoch };
    }

    fn is_auto(&self) -> bool {
        self.stepper.course.rate == LearningRate::Auto
    }

    /// Takes the gradient of all rows at [`Sgd::parameters`], from pass number `pass`.
    pub fn set_gradient(&mut self, sums: &GradientSums, pass: usize) {
        let Stepper { course: Course { penalties, loss, .. }, parameters, .. } = &self.stepper;
        let objective = sums.loss + penalties.value(parameters);
        let minimum = self.goal.minimum();
        let certificate = Certificate::new(&self.judge, penalties, parameters, sums, loss.loss, minimum);
        self.recorder.record_gradient(pass, sums, self.step_length(), certificate.gradient_norm);
        let gap = certificate.descent;
        let (reached, sharper) = (self.goal.is_reached(&certificate), self.goal.wants_sharper(&certificate));
        self.certificate = Some(certificate);
        if let Some(held_out) = sums.held_out_loss
            && let Some(best) = self.early_stop.best_held_out(held_out, &self.stepper.parameters)
        {
            self.stepper.parameters.copy_from_slice(best);
            self.next = Next::Done;
            return;
        }
        if !self.is_auto() {
            self.next = if self.next == Next::Done { Next::Done } else { Next::Epoch };
            return;
        }
        if reached {
            self.next = Next::Done;
            return;
        }
        if sharper && self.sharpened < MOST_SHARPENED {
            self.next = Next::Sharpen;
            return;
        }
        let newton = std::mem::take(&mut self.newton);
        let worse = |anchor: &Anchor| objective.is_nan() || objective > anchor.objective * (1.0 + 1e-12);
        if let Some(anchor) = self.stepper.anchor.as_ref().filter(|anchor| worse(anchor)) {
            // Steps were too long: once more from where it was better.
            self.stepper.parameters.clone_from(&anchor.point);
            self.newton_failed |= newton;
            if !newton {
                self.stepper.auto_step *= 0.25;
            }
            self.next = if self.newton_step() { Next::Gradient } else { Next::Epoch };
            return;
        }
        let (point, gradient) = (self.stepper.parameters.clone(), sums.gradient.clone());
        self.stepper.anchor = Some(Anchor { point, gradient, objective });
        let direct = self.goes_direct(newton, gap);
        self.last_gap = Some(gap);
        self.next = if direct && self.newton_step() { Next::Gradient } else { Next::Epoch };
    }

    /// Whether a Newton step comes next, where there is one, and not an epoch. An epoch leaves a hundredth of the error or
    /// less. Where it does not, Newton steps of the sample may do better, and the other way round. Averages keep neither
    /// zeros nor kinks, so there they come first.
    fn goes_direct(&self, newton: bool, gap: f64) -> bool {
        let below = |share: f64| self.last_gap.is_none_or(|last| gap <= share * last);
        let kinked =
            !self.stepper.course.penalties.l1.is_empty() || !self.stepper.course.loss.loss.is_smooth();
        match (newton, kinked) {
            (true, true) => below(0.5),
            (true, false) => below(0.1),
            (false, true) => true,
            (false, false) => !below(0.1),
        }
    }

    /// Takes a Newton step from the anchor, unless one has failed or the curvature is no matrix.
    fn newton_step(&mut self) -> bool {
        let Stepper { anchor, course: Course { curvature, penalties, .. }, .. } = &self.stepper;
        let (Some(anchor), Curvature::Sample { .. }, false) = (anchor, curvature, self.newton_failed) else {
            return false;
        };
        let mut gradient = anchor.gradient.clone();
        penalties.add_gradient(&anchor.point, &mut gradient);
        let step = curvature.newton(&anchor.point, &gradient, penalties);
        self.stepper.parameters = anchor.point.iter().zip(&step).map(|(t, d)| t + d).collect();
        self.newton = true;
        true
    }

    /// What may be left to gain; with rates that are given what an epoch must gain.
    pub fn tolerance(&self) -> f64 {
        if self.is_auto() { self.goal.tolerance() } else { self.tolerance.unwrap_or(LEAST_GAIN) }
    }

    fn step(&mut self, group: &[RowBlock], batch: usize, batches: usize) -> Result<()> {
        let sums = self.stepper.gradient(group, batch, batches);
        self.recorder.add(&sums);
        if sums.rows == 0 {
            return Ok(());
        }
        self.stepper.batch += 1;
        let loss = sums.loss / (sums.rows as f64 * self.stepper.course.mean_weight);
        // The response has about unit variance, so no start costs much more than 1 but for its own fault.
        let reference = *self.reference.get_or_insert(loss.max(1.0));
        if loss.is_nan() || loss > DIVERGED * reference {
            return self.diverged();
        }
        self.stepper.step();
        // Rates that are too large show in the first batches of all.
        let early = self.epochs == 1 && self.stepper.batch <= EARLY_POINTS;
        if early || is_due(self.stepper.batch, self.population.rows / self.batch_rows as u64) {
            self.record();
        }
        Ok(())
    }

    /// The error for a rate that is too large; an automatic one is made smaller, and the epoch begins again with the rows
    /// that are left.
    fn diverged(&mut self) -> Result<()> {
        let mut batch = self.stepper.batch;
        if self.is_auto() {
            self.stepper.auto_step *= 0.25;
            self.stepper.parameters.clone_from(&self.begun);
            self.stepper.begin_epoch();
            batch = 0;
            if self.stepper.auto_step > 1e-12 {
                return Ok(());
            }
        }
        self.record();
        let rate = self.stepper.course.rate.eta0().unwrap_or(self.stepper.auto_step);
        let message = format!(
            "learning rate {rate} diverges at epoch {}, batch {batch}; the largest stable step is about {}",
            self.epochs,
            two_digits(self.stable)
        );
        Err(Error::new(ErrorKind::Diverged, message))
    }

    /// A point of the learning curve.
    fn record(&mut self) {
        let norm = root_mean_square(self.stepper.batch_gradient());
        self.recorder.record(self.stepper.batch, self.step_length(), norm);
    }
}
