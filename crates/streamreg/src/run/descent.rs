//! Iterative fits: a look at the data, then passes until the minimum is near enough.

mod report;

use std::time::Instant;

use streamreg_core::descent::{
    Begin, Certificate, Cg, Curvature, Expander, FullGradient, Gd, GdStart, GradientSums, LearningRate, Loss,
    Next, Penalties, Phase, Population, Precondition, RowBlock, Sample, Sgd, SgdOptions, Smoothed, Survey,
    TracePoint, key_below,
};
use streamreg_core::{Coding, Design, Layout, Levels, Missing, ModelSpec, Precision, RowLedger, Unseen};
use streamreg_solve::{Collinear, Solver};

use super::{MAX_COLUMNS, Run, no_rows};
use crate::error::{Error, Result};
use crate::pass::folds::FoldPlan;
use crate::pass::{Mixed, Rows};
use crate::report::FitReport;
use crate::request::iterative::Descent;

/// Rows in the order of their numbers, apart from what a seed means elsewhere.
const KEY_SEED: u64 = 0x6b65_7973;

/// What is known of the data after the first pass.
struct Ground {
    spec: ModelSpec,
    left_out: Vec<streamreg_core::LeftOut>,
    design: Design,
    coding: Coding,
    levels: Levels,
    expander: Expander,
    sample: Sample,
    penalties: Penalties,
    ledger: RowLedger,
    /// Rows that are learnt from, about.
    rows: u64,
    plan: FoldPlan,
}

/// What came out, in standardised units.
struct Outcome {
    point: Vec<f64>,
    sums: GradientSums,
    certificate: Certificate,
    curvature: &'static str,
    converged: bool,
    ended: String,
    steps: u64,
    batch_rows: Option<usize>,
    step: Option<f64>,
    tolerance: f64,
}

impl<R: Rows> Run<'_, R> {
    /// The solver that an iterative fit takes, if it is one.
    pub(super) fn iterative(&self) -> Result<Option<Solver>> {
        let regression = self.regression;
        let asked = self.options().solver;
        if asked.is_iterative() {
            return Ok(Some(asked));
        }
        let descent = regression.descent.as_ref();
        let wide = regression.sparse.is_some() || regression.hash_bits.is_some();
        if descent.is_none() && !wide {
            return Ok(self.too_wide()?.then_some(if self.has_lasso() { Solver::Sgd } else { Solver::Cg }));
        }
        if asked != Solver::Auto {
            let what =
                if wide { "sparse and hashed designs" } else { "losses other than squares, and epochs," };
            let message = format!("{what} need an iterative solver, not {}", asked.name());
            return Err(Error::invalid_request(message));
        }
        let squares = descent.is_none_or(|d| d.loss == Loss::Squared);
        let smooth = !self.has_lasso();
        let plain = descent.is_none_or(|d| d.options.rate == LearningRate::Auto && d.held_out == 0.0);
        Ok(Some(if wide && squares && smooth && plain { Solver::Cg } else { Solver::Sgd }))
    }

    fn has_lasso(&self) -> bool {
        self.regression.penalization.as_ref().is_some_and(|p| p.form.penalty.l1_ratio() > 0.0)
    }

    /// Whether nobody asked for a solver or what only cross-products give, and these would not fit into memory.
    fn too_wide(&self) -> Result<bool> {
        let regression = self.regression;
        let free = self.options().solver == Solver::Auto
            && self.options().collinear == Collinear::Drop
            && regression.precision == Precision::Auto
            && !regression.inference.is_asked()
            && self.rows.reopens();
        if !free {
            return Ok(false);
        }
        let (spec, _) = self.spec(&[])?;
        Ok(spec.terms.len() > MAX_COLUMNS && spec.by.is_empty() && spec.responses.len() == 1)
    }

    /// The iterative fit.
    pub(super) fn descend(mut self, solver: Solver) -> Result<Vec<FitReport>> {
        let unasked = Descent::default();
        let asked = self.regression.descent.as_ref().unwrap_or(&unasked);
        asked.validate(solver)?;
        self.check_descent(solver)?;
        let ground = self.look(asked)?;
        let start = Instant::now();
        let before: f64 = self.timings.pass_seconds.iter().sum();
        let outcome = match solver {
            Solver::Sgd => self.stochastic(asked, &ground)?,
            Solver::Gd => self.full_batch(asked, &ground)?,
            _ => self.conjugate(asked, &ground)?,
        };
        let passes: f64 = self.timings.pass_seconds.iter().sum::<f64>() - before;
        self.timings.solve_seconds += (start.elapsed().as_secs_f64() - passes).max(0.0);
        self.conclude(solver, asked, ground, &outcome)
    }

    fn check_descent(&self, solver: Solver) -> Result<()> {
        let regression = self.regression;
        let refuse =
            |message: &str| Err(Error::invalid_request(format!("the solver {} {message}", solver.name())));
        if !self.rows.reopens() {
            return refuse(
                "reads the data more than once, and they come as a stream that cannot be read again",
            );
        }
        if regression.inference.is_asked() {
            return refuse("has no standard errors: neither covariances nor tests");
        }
        if self.options().collinear != Collinear::Drop {
            return refuse("sets no column aside: collinear ones share a coefficient");
        }
        if regression.precision == Precision::Exact {
            return refuse("has no exact sums: that is what the solver auto is for");
        }
        if let Some(penalization) = &regression.penalization {
            penalization.validate()?;
            if penalization.cv.is_some() || penalization.lambda.is_none() || penalization.has_path() {
                return refuse("takes a penalty of a given size: neither a path nor cross-validation");
            }
            if penalization.form.plain(1.0, 1.0).is_none() {
                return refuse("takes penalties in the units of the data: the penalty scale must be sklearn");
            }
            if solver == Solver::Cg && penalization.form.penalty.l1_ratio() > 0.0 {
                return refuse("minimises squares: a penalty on absolute values takes sgd or gd");
            }
        }
        let (spec, _) = self.spec(&[])?;
        if !spec.by.is_empty() {
            return refuse("fits no groups");
        }
        if spec.responses.len() != 1 {
            return refuse("fits one target: fit them one by one");
        }
        if spec.missing == Missing::Indicator {
            return refuse(
                "has no indicators of missing values: drop the rows, or fill them beforehand (--with)",
            );
        }
        Ok(())
    }

    /// The first pass.
    fn look(&mut self, asked: &Descent) -> Result<Ground> {
        let held_out = key_below(asked.held_out);
        let plan = FoldPlan::keys(asked.options.seed ^ KEY_SEED);
        let mut expected = self.source.and_then(|source| source.summary().rows).filter(|_| !self.filters());
        let mut empty = Vec::new();
        let (spec, left_out, design, levels, survey, ledger) = loop {
            let (spec, left_out) = self.spec(&empty)?;
            let design = Design::new(&spec, &self.rows.schema())?;
            if design.has_polynomials() {
                let message =
                    "orthogonal polynomials depend on all rows: iterative solvers take poly(x, k, raw=TRUE)";
                return Err(Error::invalid_request(message));
            }
            let levels = Levels { sets: design.level_sets(), ..Levels::default() };
            let make = || Survey::new(&design, held_out, expected);
            let (survey, ledger) = self.pass(Some(&plan), &design, &levels, 1, make)?;
            let more = self.new_empty_columns(&ledger, &spec);
            // Where most rows are dropped, a sample of all would have next to none: it is taken again of what is used.
            let thin = expected.is_some() && survey.is_thin();
            if more.is_empty() && !thin {
                break (spec, left_out, design, levels, survey, ledger);
            }
            expected = expected.filter(|_| !thin);
            empty.extend(more);
        };
        if ledger.rows_used == 0 {
            return Err(no_rows(&ledger, self.filters()));
        }
        let coding = survey.coding(&levels.sets);
        let layout = Layout::new(&design, &coding, false)?;
        let mut left_out = left_out;
        if spec.hash_bits.is_none() {
            left_out.extend(layout.left_out().iter().cloned());
        }
        let expander = Expander::new(&design, &layout, &survey, held_out)?;
        let sample = expander.sample(&survey, &coding, &levels.sets);
        let share = 1.0 - asked.held_out;
        let penalties = self.penalties(asked, &expander, survey.weight() * share);
        let sets = design.fixed_level_sets(&coding.levels)?;
        let levels = Levels { sets, unseen: Unseen::Null, ..Levels::default() };
        let rows = (survey.rows() as f64 * share).round() as u64;
        Ok(Ground { spec, left_out, design, coding, levels, expander, sample, penalties, ledger, rows, plan })
    }

    /// The penalties in standardised units: a coefficient is `response_scale / scale_j` times its parameter, and a loss is
    /// measured by that of a residual of `response_scale`.
    fn penalties(&self, asked: &Descent, expander: &Expander, weight: f64) -> Penalties {
        let Some(penalization) = &self.regression.penalization else { return Penalties::default() };
        let lambda = penalization.lambda.unwrap_or(0.0);
        let (l1, l2) = penalization.form.plain(lambda, weight).unwrap_or_default();
        let scaling = expander.scaling();
        let unit = asked.loss.unit(scaling.response_scale);
        let each = |size: f64, power: i32| {
            let own = |scale: &f64| size * (scaling.response_scale / scale).powi(power) / unit;
            if size > 0.0 { scaling.scales.iter().map(own).collect() } else { Vec::new() }
        };
        Penalties { l1: each(l1, 1), l2: each(l2, 2) }
    }

    /// The sums of all rows at a point, and along a direction.
    fn gradient(
        &mut self,
        ground: &Ground,
        loss: Smoothed,
        point: &[f64],
        direction: Option<&[f64]>,
    ) -> Result<GradientSums> {
        let pass = self.timings.pass_seconds.len() + 1;
        let Ground { design, levels, expander, plan, .. } = ground;
        let variables = design.variables();
        let make = || FullGradient::new(expander, variables, loss, point, direction);
        let (state, ledger) = self.pass(Some(plan), design, levels, pass, make)?;
        ground.check_rows(&ledger)?;
        Ok(state.into_sums())
    }

    fn epoch(&mut self, ground: &Ground, seed: u64, sgd: &mut Sgd, trace: &Curve<'_>) -> Result<()> {
        let start = Instant::now();
        let pass = self.timings.pass_seconds.len() + 1;
        sgd.begin_epoch(pass);
        let seed = seed.wrapping_add((pass as u64) << 32);
        let to = Mixed { design: &ground.design, levels: &ground.levels, expander: &ground.expander, seed };
        let mut sink = |group: &[RowBlock]| {
            let taken = sgd.take(group);
            sgd.take_trace().iter().for_each(|point| trace.add(point));
            taken
        };
        let ledger = self.rows.feed(&ground.plan, &to, &self.regression.execution, pass, &mut sink)?;
        ground.check_rows(&ledger)?;
        sgd.end_epoch();
        sgd.take_trace().iter().for_each(|point| trace.add(point));
        self.timings.pass_seconds.push(start.elapsed().as_secs_f64());
        Ok(())
    }

    fn passes(&self) -> usize {
        self.timings.pass_seconds.len()
    }

    fn stochastic(&mut self, asked: &Descent, ground: &Ground) -> Result<Outcome> {
        let most = asked.most_passes(Solver::Sgd);
        let trace = Curve::new(asked, &ground.expander);
        let options = SgdOptions { start: self.start(asked, ground)?, ..asked.options.clone() };
        let auto = options.rate == LearningRate::Auto;
        let mut sgd = Sgd::new(
            options,
            trace.loss,
            ground.penalties.clone(),
            &ground.sample,
            Population { rows: ground.rows, parameters: ground.expander.scaling().parameters() },
        )?;
        // The best point whose gradient is known.
        let mut known: Option<Known> = None;
        let mut settled = false;
        loop {
            match sgd.next() {
                Next::Epoch if self.passes() + 2 <= most => {
                    self.epoch(ground, asked.options.seed, &mut sgd, &trace)?;
                }
                Next::Gradient if self.passes() < most => {
                    let point = sgd.parameters().to_vec();
                    let sums = self.gradient(ground, sgd.loss(), &point, None)?;
                    sgd.set_gradient(&sums, self.passes());
                    sgd.take_trace().iter().for_each(|point| trace.add(point));
                    settled = sgd.next() == Next::Done;
                    let objective = sums.loss + ground.penalties.value(&point);
                    let certificate = sgd.certificate().cloned();
                    if let Some(certificate) = certificate
                        && (settled || !auto || known.as_ref().is_none_or(|k| objective <= k.objective))
                    {
                        known = Some(Known { point, sums, certificate, objective });
                    }
                }
                Next::Done => {
                    settled = true;
                    break;
                }
                _ => break,
            }
        }
        // Rates that are given end with an epoch, early stopping at an earlier point.
        let last = match known {
            Some(known) if auto && !settled => known,
            Some(known) if known.point == sgd.parameters() => known,
            _ => {
                let point = sgd.parameters().to_vec();
                let sums = self.gradient(ground, sgd.loss(), &point, None)?;
                sgd.set_gradient(&sums, self.passes());
                sgd.take_trace().iter().for_each(|point| trace.add(point));
                let certificate =
                    sgd.certificate().cloned().ok_or_else(|| Error::data("no gradient is known"))?;
                Known { point, sums, certificate, objective: 0.0 }
            }
        };
        let ended = match (settled, auto) {
            (true, true) if last.certificate.gap <= sgd.tolerance() => "the tolerance is reached".into(),
            (true, _) if asked.held_out > 0.0 => "the rows held out gain nothing more".into(),
            (true, _) => "epochs gain nothing more".into(),
            (false, _) => format!("the limit of {most} epochs"),
        };
        Ok(Outcome {
            point: last.point,
            sums: last.sums,
            certificate: last.certificate,
            curvature: sgd.curvature().name(),
            converged: settled,
            ended,
            steps: sgd.steps(),
            batch_rows: Some(sgd.batch_rows()),
            step: Some(sgd.step_length()),
            tolerance: sgd.tolerance(),
        })
    }

    /// Where to begin, with a model's coefficients found by name.
    fn start(&self, asked: &Descent, ground: &Ground) -> Result<Begin> {
        let Some(model) = &asked.warm else { return Ok(asked.options.start.clone()) };
        if asked.options.start != Begin::Auto {
            return Err(Error::invalid_request("a warm start begins at the model: no other start beside it"));
        }
        let expander = &ground.expander;
        let slopes = model.slopes_for(expander);
        if slopes.iter().all(|slope| *slope == 0.0) && expander.columns() > 0 {
            let message = "the model of the warm start has none of the terms";
            return Err(Error::invalid_request(message));
        }
        let constant = ground.spec.intercept.then(|| model.constant());
        Ok(Begin::At(expander.scaling().parameters_of(&slopes, constant)))
    }

    /// What an iteration over full gradients starts from.
    fn begin(&self, asked: &Descent, ground: &Ground) -> Result<(Vec<f64>, Sgd)> {
        // It knows the sample: curvatures, the widths of kinks, and starts.
        let start = match self.start(asked, ground)? {
            Begin::Auto => Begin::Zero,
            other => other,
        };
        let options =
            SgdOptions { start, rate: LearningRate::Auto, batch_rows: None, ..asked.options.clone() };
        let options = SgdOptions { momentum: 0.0, ..options };
        let population = Population { rows: ground.rows, parameters: ground.expander.scaling().parameters() };
        let loss = asked.loss.in_units(ground.expander.scaling().response_scale);
        let sgd = Sgd::new(options, loss, ground.penalties.clone(), &ground.sample, population)?;
        Ok((sgd.parameters().to_vec(), sgd))
    }

    fn full_batch(&mut self, asked: &Descent, ground: &Ground) -> Result<Outcome> {
        let most = asked.most_passes(Solver::Gd);
        let trace = Curve::new(asked, &ground.expander);
        let (point, sgd) = self.begin(asked, ground)?;
        let metric = if asked.options.precondition == Precondition::Scale {
            Curvature::Scale
        } else {
            sgd.diagonal(&ground.sample)
        };
        let largest = |metric: &Curvature| sgd.largest(&ground.sample.rows, metric);
        let start = GdStart {
            point,
            largest: largest(&metric),
            largest_plain: largest(&Curvature::Scale),
            metric,
            judge: sgd.curvature().clone(),
            squares: asked.loss == Loss::Squared,
        };
        let curvature = if asked.options.rate == LearningRate::Auto { start.metric.name() } else { "scale" };
        let tolerance = asked.options.tolerance.unwrap_or_else(|| sgd.tolerance().min(1e-10));
        let mut gd = Gd::new(start, asked.options.rate, ground.penalties.clone(), tolerance)?;
        let mut steps = 0;
        loop {
            let point = gd.point().to_vec();
            let sums = self.gradient(ground, sgd.loss(), &point, None)?;
            let next = gd.advance(&sums);
            let certificate = gd.certificate().cloned();
            trace.gradient(self.passes(), &sums, certificate.as_ref(), gd.step_length());
            let converged = next? == Next::Done;
            if converged || self.passes() >= most {
                let certificate = certificate.ok_or_else(|| Error::data("no gradient is known"))?;
                let ended = if converged {
                    "the tolerance is reached".into()
                } else {
                    format!("the limit of {most} epochs")
                };
                return Ok(Outcome {
                    point,
                    sums,
                    certificate,
                    curvature,
                    converged,
                    ended,
                    steps,
                    batch_rows: None,
                    step: Some(gd.step_length()),
                    tolerance,
                });
            }
            steps += 1;
        }
    }

    fn conjugate(&mut self, asked: &Descent, ground: &Ground) -> Result<Outcome> {
        let most = asked.most_passes(Solver::Cg);
        let trace = Curve::new(asked, &ground.expander);
        let (point, sgd) = self.begin(asked, ground)?;
        // What a diagonal tells of the gap is rough, and the last digits would take many passes.
        let matrix = matches!(sgd.curvature(), Curvature::Sample { .. });
        let unasked = if matrix || !ground.design.is_sparse() { CG_TOLERANCE } else { sgd.tolerance() };
        let tolerance = asked.options.tolerance.unwrap_or(unasked);
        let metric = match sgd.curvature() {
            Curvature::Diagonal { .. } => sgd.diagonal(&ground.sample),
            other => other.clone(),
        };
        let mut cg = Cg::new(ground.penalties.clone(), metric, tolerance, point);
        let mut steps = 0;
        loop {
            let point = cg.point().to_vec();
            let direction = cg.direction().map(<[f64]>::to_vec);
            let sums = self.gradient(ground, Loss::Squared.into(), &point, direction.as_deref())?;
            let next = cg.advance(&sums);
            trace.gradient(self.passes(), &sums, cg.certificate(), 1.0);
            let converged = next == Next::Done;
            if converged || self.passes() >= most {
                let certificate =
                    cg.certificate().cloned().ok_or_else(|| Error::data("no gradient is known"))?;
                let reached = certificate.gap <= tolerance;
                let ended = match (converged, reached) {
                    (true, true) => "the tolerance is reached".into(),
                    (true, false) => "float64 allows nothing better".into(),
                    (false, _) => format!("the limit of {most} epochs"),
                };
                return Ok(Outcome {
                    point,
                    sums,
                    certificate,
                    curvature: sgd.curvature().name(),
                    converged,
                    ended,
                    steps,
                    batch_rows: None,
                    step: None,
                    tolerance,
                });
            }
            steps += 1;
        }
    }
}

/// The gap at which conjugate gradients end: about what float64 can tell of well-conditioned designs; others end when
/// nothing gets better.
const CG_TOLERANCE: f64 = 1e-24;

/// A point whose gradient is known.
struct Known {
    point: Vec<f64>,
    sums: GradientSums,
    certificate: Certificate,
    objective: f64,
}

impl Ground {
    /// All passes see the same rows.
    fn check_rows(&self, ledger: &RowLedger) -> Result<()> {
        if ledger.rows_used == self.ledger.rows_used {
            return Ok(());
        }
        Err(Error::data(format!(
            "{} rows were used in the first pass, and {} in a later one: the data changed while they were read",
            self.ledger.rows_used, ledger.rows_used
        )))
    }
}

/// The learning curve, in the units of the data.
struct Curve<'a> {
    asked: &'a Descent,
    /// In standardised units.
    loss: Loss,
    unit: f64,
}

impl<'a> Curve<'a> {
    fn new(asked: &'a Descent, expander: &Expander) -> Self {
        let scale = expander.scaling().response_scale;
        Self { asked, loss: asked.loss.in_units(scale), unit: asked.loss.unit(scale) }
    }

    fn add(&self, point: &TracePoint) {
        if let Some(trace) = &self.asked.trace {
            let mut own = *point;
            own.loss *= self.unit;
            own.held_out_loss = own.held_out_loss.map(|loss| loss * self.unit);
            trace(&own);
        }
    }

    fn gradient(&self, pass: usize, sums: &GradientSums, certificate: Option<&Certificate>, step: f64) {
        let norm = certificate.map(|c| c.gradient_norm);
        let mut point = TracePoint::new(pass, Phase::Gradient, sums.rows, sums.loss, step);
        point.gradient_norm = norm;
        self.add(&point);
    }
}
