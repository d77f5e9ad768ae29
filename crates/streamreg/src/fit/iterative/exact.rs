//! Losses other than squares, solved exactly where their rows fit into memory.

use std::time::Instant;

use streamreg_core::iterative::{CollectedRows, ExactFit, Loss, MAX_EXACT_COLUMNS, RowCollector, Scaling};
use streamreg_core::{INTERCEPT, WeightType};
use streamreg_solve::{
    Aliased, Glance, LossInference, LossTerms, LossVcov, Solver, Vcov, Warning, loss_inference,
};

use super::Prepared;
use crate::error::{Error, Result};
use crate::fit::{Fitted, conclude as conclude_all};
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::plan::limits::MAX_COLLECTED_BYTES;
use crate::report::{Accuracy, Details, ExactReport, FitReport, Found, PenaltyRecord, SolverReport};
use crate::request::iterative::Descent;

impl Prepared {
    /// Whether all rows fit into memory, with what solves them.
    pub(super) fn is_collectable(&self) -> bool {
        let columns = self.standardizer.columns();
        let rows = self.ledger.rows_used;
        let work = rows as f64 * (columns * columns) as f64;
        !self.design.is_sparse()
            && columns <= MAX_EXACT_COLUMNS
            && work <= 4e9
            && CollectedRows::bytes(rows, columns) <= MAX_COLLECTED_BYTES
    }

    /// All rows: those of the sample where it has them all, else in another pass.
    pub(super) fn collect<R: Rows>(&self, passes: &mut Passes<'_, R>) -> Result<CollectedRows> {
        if self.sample.rows.rows() as u64 == self.ledger.rows_used {
            return Ok(CollectedRows::of_block(&self.sample.rows));
        }
        let make = || RowCollector::new(&self.standardizer);
        let (state, ledger) = passes.accumulate((&self.design, &self.levels), None, make)?;
        self.check_rows(&ledger)?;
        Ok(state.into_rows())
    }

    /// The minimum over some rows.
    pub(super) fn minimum(&self, rows: CollectedRows, asked: &Descent) -> ExactFit {
        let scaling = self.standardizer.scaling();
        ExactFit::new(rows, scaling, asked.loss.in_units(scaling.response_scale), &self.penalties)
    }
}

/// The exact fit.
pub(super) fn fit<R: Rows>(
    plan: &Plan<'_>,
    asked: &Descent,
    mut passes: Passes<'_, R>,
    prepared: Prepared,
) -> Result<Vec<FitReport>> {
    let rows = prepared.collect(&mut passes)?;
    let start = Instant::now();
    let exact = prepared.minimum(rows, asked);
    let scaling = prepared.standardizer.scaling();
    let terms = terms(&exact, &prepared);
    // Responses come less their centre; rounding is that of their cells.
    let most = exact.response.iter().fold(0.0f64, |most, y| most.max(y.abs()));
    let size = most + (scaling.response_centre / scaling.response_scale).abs();
    let asked_vcov = LossVcov {
        size,
        loss: asked.loss.in_units(scaling.response_scale),
        kind: plan.regression.inference.vcov.unwrap_or(Vcov::Iid),
        conf_level: plan.options().conf_level,
    };
    let has_errors = plan.regression.penalization.is_none() && !prepared.is_weighted();
    let asked_vcov = if has_errors { asked_vcov } else { LossVcov { loss: Loss::Squared, ..asked_vcov } };
    let inference = loss_inference(&exact, terms, asked_vcov);
    let report = exact_report(plan, asked, &prepared, &exact, &inference);
    let warnings = warnings(&report, &exact, size);
    let found = Found {
        eliminated: None,
        test_error: None,
        glance: prepared.exact_glance(&exact),
        rank: exact.rank(),
        aliased: aliased(&exact, &prepared),
        condition_number: None,
        accuracy: Accuracy::default(),
        vcov: inference.vcov,
        tests: Vec::new(),
        covariance: inference.covariance,
        warnings,
        solver: SolverReport::new(
            plan.options().solver,
            Solver::InteriorPoint,
            plan.precision,
            passes.count(),
        ),
        details: Details::Exact(Box::new(report)),
        wide: None,
        coefficients: inference.coefficients,
    };
    let Prepared { spec, left_out, design, coding, ledger, .. } = prepared;
    let seconds = start.elapsed().as_secs_f64();
    conclude_all(
        plan,
        &passes,
        &design,
        seconds,
        Fitted { spec, left_out, coding, ledger, found: vec![found] },
    )
}

/// How it came about, in the units of the data.
fn exact_report(
    plan: &Plan<'_>,
    asked: &Descent,
    prepared: &Prepared,
    exact: &ExactFit,
    inference: &LossInference,
) -> ExactReport {
    let scaling = prepared.standardizer.scaling();
    let unit = asked.loss.unit(scaling.response_scale);
    let slopes = &inference.coefficients[usize::from(scaling.intercept)..];
    let penalty = prepared.penalties.value(&exact.parameters);
    let loss = asked.loss.in_units(scaling.response_scale);
    ExactReport {
        loss: asked.loss,
        mean_loss: (exact.objective - penalty) * unit,
        objective: exact.objective * unit,
        pseudo_r_squared: prepared.pseudo_r_squared(exact, loss, penalty),
        mae: mean(exact, f64::abs) * scaling.response_scale,
        iterations: exact.iterations,
        gap: exact.gap,
        converged: exact.is_minimum(),
        bandwidth: inference.bandwidth.map(|h| h * scaling.response_scale),
        penalty: plan.regression.penalization.as_ref().map(PenaltyRecord::asked),
        columns: slopes.len(),
        nonzero: slopes.iter().filter(|c| c.estimate.is_some_and(|b| b != 0.0)).count(),
    }
}

/// The error where standard errors were asked for, and the rows do not fit into memory.
pub(super) fn too_large(prepared: &Prepared) -> Error {
    Error::data(format!(
        "standard errors of this loss are those of an exact fit, and {} rows of {} columns are too many for it: take fewer rows \
         (--where), or none of the options for standard errors",
        prepared.ledger.rows_used,
        prepared.standardizer.columns()
    ))
}

/// The weighted mean of what a function makes of the residuals.
fn mean(exact: &ExactFit, of: impl Fn(f64) -> f64) -> f64 {
    let rows = || exact.residuals.iter().enumerate();
    let weight: f64 = rows().map(|(row, _)| exact.weight(row)).sum();
    rows().map(|(row, r)| exact.weight(row) * of(*r)).sum::<f64>() / weight
}

/// Names and estimates in the units of the data, and what the coefficients of orthogonal columns are in them.
fn terms(exact: &ExactFit, prepared: &Prepared) -> LossTerms {
    let scaling = prepared.standardizer.scaling();
    let (slopes, constant) = scaling.coefficients(&exact.parameters);
    let aside = |j: usize| exact.dependent.iter().any(|column| column.column == j);
    let slopes = slopes.into_iter().enumerate();
    let slopes = slopes.map(|(j, b)| (prepared.standardizer.name(j), (!aside(j)).then_some(b)));
    let estimates = constant.map(|c| (INTERCEPT.to_owned(), Some(c))).into_iter().chain(slopes).collect();
    // A change of the parameters moves the coefficients about no centre of the response.
    let linear = Scaling { response_centre: 0.0, ..scaling.clone() };
    let root = |k: usize| {
        let (slopes, constant) = linear.coefficients(&exact.parameters_of(k));
        constant.into_iter().chain(slopes).collect()
    };
    LossTerms { estimates, roots: (0..exact.rank()).map(root).collect() }
}

/// The columns that were set aside, with their relations in the units of the data.
fn aliased(exact: &ExactFit, prepared: &Prepared) -> Vec<Aliased> {
    let scaling = prepared.standardizer.scaling();
    let relation = |column: &streamreg_core::iterative::DependentColumn| {
        let own = scaling.scales[column.column];
        let factors: Vec<(usize, f64)> =
            column.on.iter().map(|(k, factor)| (*k, factor * (own / scaling.scales[*k]))).collect();
        let shift: f64 = factors.iter().map(|(k, factor)| factor * scaling.centres[*k]).sum();
        let constant = scaling.centres[column.column] + column.constant * own - shift;
        let size = scaling.centres[column.column].abs() + own;
        let constant =
            (scaling.intercept && constant.abs() > 1e-9 * size).then(|| (INTERCEPT.to_owned(), constant));
        let named = factors.iter().map(|(k, factor)| (prepared.standardizer.name(*k), *factor));
        let (depends_on, coefficients) = constant.into_iter().chain(named).unzip();
        Aliased::new(prepared.standardizer.name(column.column), depends_on, coefficients, column.residual)
    };
    exact.dependent.iter().map(relation).collect()
}

/// What to beware of, for responses of such a size in units of the residuals.
fn warnings(report: &ExactReport, exact: &ExactFit, size: f64) -> Vec<Warning> {
    /// The share of the responses up to which residuals are rounding.
    const ROUNDING: f64 = 1e-14;
    let mut warnings = Vec::new();
    if !report.converged {
        let message = format!(
            "not converged after {} iterations: up to {:.1e} of the objective is left to gain, as far as float64 tells",
            report.iterations, report.gap
        );
        warnings.push(Warning::new("not_converged", message));
    }
    if exact.response.iter().all(|y| *y == exact.response[0]) {
        let message = "the response is constant: there is nothing to explain";
        warnings.push(Warning::new("constant_response", message));
    } else if mean(exact, |r| r * r).sqrt() <= ROUNDING * size {
        let message = "essentially perfect fit: the residuals are rounding noise, and so are standard errors";
        warnings.push(Warning::new("perfect_fit", message));
    }
    if exact.several {
        let message = "the minimum is not unique: other coefficients have the same loss, and these are one choice of them";
        warnings.push(Warning::new("not_unique", message));
    }
    warnings
}

impl Prepared {
    /// Whether rows have weights that are not numbers of rows.
    fn is_weighted(&self) -> bool {
        self.spec.weights.as_ref().is_some_and(|w| w.kind != WeightType::Frequency)
    }

    /// What the loss gains beside a constant alone, as a share (Koenker & Machado 1999, of quantiles).
    fn pseudo_r_squared(&self, exact: &ExactFit, loss: Loss, penalty: f64) -> Option<f64> {
        if !self.spec.intercept {
            return None;
        }
        let alone =
            Scaling { centres: Vec::new(), scales: Vec::new(), ..self.standardizer.scaling().clone() };
        let rows = exact.without_columns();
        let constant = ExactFit::new(rows, &alone, loss, &streamreg_core::iterative::Penalties::default());
        let share = 1.0 - (exact.objective - penalty) / constant.objective;
        share.is_finite().then_some(share)
    }

    /// Statistics of all rows.
    fn exact_glance(&self, exact: &ExactFit) -> Glance {
        let scale = self.standardizer.scaling().response_scale;
        let counts = self.spec.weights.as_ref().is_some_and(|w| w.kind == WeightType::Frequency);
        let rows = || exact.response.iter().enumerate();
        let weight: f64 = rows().map(|(row, _)| exact.weight(row)).sum();
        let nobs = if counts { weight as u128 } else { exact.response.len() as u128 };
        let centre = rows().map(|(row, y)| exact.weight(row) * y).sum::<f64>() / weight;
        let centre = if self.spec.intercept { centre } else { 0.0 };
        let total =
            rows().map(|(row, y)| exact.weight(row) * (y - centre) * (y - centre)).sum::<f64>() / weight;
        let squares = mean(exact, |r| r * r);
        let df = exact.rank() - usize::from(self.spec.intercept);
        let unit = scale * scale;
        Glance::bare(nobs, weight, df, self.spec.intercept, squares * unit, total * unit)
    }
}
