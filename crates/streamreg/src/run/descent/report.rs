//! What is said of an iterative fit.

use streamreg_core::Precision;
use streamreg_core::descent::{GradientSums, LearningRate, Loss};
use streamreg_solve::{Fit, Glance, Solver, TermEstimate, Warning};

use super::{Ground, Outcome};
use crate::error::Result;
use crate::model::columns::WideCoefficients;
use crate::pass::Rows;
use crate::report::{DescentReport, FitReport, SolverReport};
use crate::request::iterative::Descent;
use crate::request::penalty::PenaltyRecord;
use crate::run::{MAX_COLUMNS, Run};

/// Most columns whose exact pass is recommended.
const AFFORDABLE: usize = 500;

impl<R: Rows> Run<'_, R> {
    pub(super) fn conclude(
        self,
        solver: Solver,
        asked: &Descent,
        ground: Ground,
        outcome: &Outcome,
    ) -> Result<Vec<FitReport>> {
        let scaling = ground.expander.scaling();
        let (slopes, constant) = scaling.coefficients(&outcome.point);
        let unit = asked.loss.unit(scaling.response_scale);
        let squares = outcome.sums.squares * scaling.response_scale * scaling.response_scale;
        let nonzero = slopes.iter().filter(|slope| **slope != 0.0).count();
        let report = DescentReport {
            loss: asked.loss,
            mean_loss: outcome.sums.loss * unit,
            objective: (outcome.sums.loss + ground.penalties.value(&outcome.point)) * unit,
            mae: outcome.sums.absolute * scaling.response_scale,
            epochs: self.passes(),
            steps: outcome.steps,
            batch_size: outcome.batch_rows,
            learning_rate: asked.options.rate,
            step: outcome.step,
            curvature: outcome.curvature.into(),
            converged: outcome.converged,
            ended: outcome.ended.clone(),
            gap: outcome.certificate.gap,
            tolerance: outcome.tolerance,
            gradient_norm: outcome.certificate.gradient_norm,
            distance: outcome.certificate.distance,
            held_out_loss: outcome.sums.held_out_loss.map(|loss| loss * unit),
            held_out_rows: outcome.sums.held_out_rows,
            seed: asked.options.seed,
            penalty: self.regression.penalization.as_ref().map(PenaltyRecord::asked),
            columns: slopes.len(),
            nonzero,
        };
        let named = ground.expander.named();
        let wide = ground.design.is_sparse().then(|| WideCoefficients::new(&ground.expander, &slopes));
        // Of list columns and hashes, those that have any effect.
        let shown = (0..slopes.len()).filter(|&j| j < named || slopes[j] != 0.0);
        let terms = shown.map(|j| (ground.expander.name(j), slopes[j]));
        let constant = constant.map(|c| (streamreg_core::INTERCEPT.to_owned(), c));
        let estimates = constant.into_iter().chain(terms);
        let coefficients = estimates.map(|(term, value)| TermEstimate::bare(term, value)).collect();
        let warnings = self.descent_warnings(solver, &ground, &report, outcome);
        let glance = ground.glance(&outcome.sums, squares, nonzero);
        let fit = Fit::bare(coefficients, glance, ground.spec.intercept, solver, f64::NAN, warnings);
        let solver = SolverReport::direct(self.options().solver, solver, Precision::Float, self.passes());
        let Ground { spec, left_out, design, coding, ledger, .. } = ground;
        let mut reports = self.finish(spec, left_out, &design, coding, ledger, vec![(solver, fit)])?;
        for own in &mut reports {
            own.descent = Some(report.clone());
            own.wide.clone_from(&wide);
        }
        Ok(reports)
    }

    fn descent_warnings(
        &self,
        solver: Solver,
        ground: &Ground,
        report: &DescentReport,
        outcome: &Outcome,
    ) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !report.converged {
            let given = solver == Solver::Sgd && report.learning_rate != LearningRate::Auto;
            let asked = if given {
                format!("and epochs still gain more than {:.1e} each", report.tolerance)
            } else {
                format!("and {:.1e} was asked for", report.tolerance)
            };
            let message = format!(
                "not converged after {} epochs: about {:.1e} of the objective is left to gain, {asked}; more --epochs go \
                 on from a --warm-start",
                report.epochs, report.gap
            );
            warnings.push(Warning::new("not_converged", message));
        }
        if self.options().solver == Solver::Auto && report.columns > MAX_COLUMNS && !ground.design.is_sparse()
        {
            let message = format!(
                "{} columns are too many for cross-products, so there are no standard errors: solved by {}",
                report.columns,
                solver.name()
            );
            warnings.push(Warning::new("too_wide", message));
        }
        if outcome.sums.response_squares == 0.0 {
            let message = "the response is constant: there is nothing to explain";
            warnings.push(Warning::new("constant_response", message));
        }
        let plain = self.regression.penalization.is_none() && report.loss == Loss::Squared;
        let columns = report.columns;
        if plain && columns <= AFFORDABLE && !ground.design.is_sparse() && self.options().solver == solver {
            // As measured: up to 50 columns both take about as long as reading does.
            let share = columns as f64 / 25.0;
            let cost = if share <= 2.0 {
                "about what an epoch does".into()
            } else {
                format!("about {share:.0} epochs")
            };
            let message = format!(
                "{columns} columns are few: without --solver {} one pass gives the exact solution, with standard errors, and \
                 costs {cost}",
                solver.name()
            );
            warnings.push(Warning::new("exact_affordable", message));
        }
        warnings
    }
}

impl Ground {
    /// Statistics of the rows that were learnt from, whose residuals have the mean square `squares`.
    fn glance(&self, sums: &GradientSums, squares: f64, nonzero: usize) -> Glance {
        let scale = self.expander.scaling().response_scale;
        let counts =
            self.spec.weights.as_ref().is_some_and(|w| w.kind == streamreg_core::WeightType::Frequency);
        let nobs = if counts { sums.weight as u64 } else { sums.rows };
        let about_zero = if self.spec.intercept { 0.0 } else { sums.response * sums.response };
        let total = (sums.response_squares + about_zero) * scale * scale;
        Glance::bare(nobs, sums.weight, nonzero, self.spec.intercept, squares, total)
    }
}
