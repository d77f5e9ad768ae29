//! Penalised fits: from the sums of a pass, and of its folds.

use std::sync::Arc;
use std::time::Instant;

use streamreg_core::{
    CrossProducts, Design, Folded, Group, Groups, Layout, Levels, RowLedger, Statistics as Sums,
};
use streamreg_solve::penalized::{
    CrossValidated, Fold, Gram, PathPoint, Penalized, cross_validate, grid, path, solve_one,
};
use streamreg_solve::{Collinear, Equation, Fit, Glance, Solver, TermEstimate, Warning};

use super::{Run, Summed, check_width, equation, no_rows};
use crate::error::{Error, Result};
use crate::inspect::state_bytes;
use crate::pass::Rows;
use crate::pass::folds::FoldPlan;
use crate::report::{FitReport, SolverReport};
use crate::request::penalty::{
    CrossValidation, CvReport, DEFAULT_GRID, Lambdas, Penalization, PenalizedReport,
};

/// Bytes that the sums of all folds may take while they are made.
const MAX_FOLD_BYTES: usize = 1 << 30;

impl<R: Rows> Run<'_, R> {
    /// The penalised fit of every response.
    pub(super) fn penalized(mut self, asked: &Penalization) -> Result<Vec<FitReport>> {
        self.check_penalized(asked)?;
        let (summed, folds) = match &asked.cv {
            None => (self.sum()?, Vec::new()),
            Some(cv) => self.sum_folds(cv)?,
        };
        if summed.ledger.rows_used == 0 {
            return Err(no_rows(&summed.ledger, self.filters()));
        }
        let start = Instant::now();
        let groups = Groups::new(&summed.design, &summed.sums, &summed.levels.sets, &summed.ledger);
        let group = groups.group(0)?;
        let coding = group.coding().clone();
        let layout = Layout::new(&summed.design, &coding, false)?;
        check_width(layout.len() + summed.spec.responses.len())?;
        let sums = AllSums::new(&group, &layout, &folds);
        let weight = sums.all.moments().weight();
        let base = equation(&summed.spec, &layout, group.rows(), &weight, group.log_weights());
        let mut fits = Vec::new();
        let mut details = Vec::new();
        for (response, name) in summed.spec.response_names().into_iter().enumerate() {
            let equation = Equation { response: name, ..base.clone() };
            let (fit, detail) = sums.of(response, layout.len()).fit(asked, &equation)?;
            details.push(detail);
            let precision = summed.design.precision();
            fits.push((SolverReport::direct(self.options().solver, fit.solver, precision, 1), fit));
        }
        self.timings.solve_seconds += start.elapsed().as_secs_f64();
        let mut left_out = summed.left_out.clone();
        left_out.extend(layout.left_out().iter().cloned());
        let (spec, ledger) = (summed.spec.clone(), summed.ledger.clone());
        let mut reports = self.finish(spec, left_out, &summed.design, coding, ledger, fits)?;
        for (report, detail) in reports.iter_mut().zip(details) {
            report.penalized = Some(detail);
        }
        Ok(reports)
    }

    fn check_penalized(&self, asked: &Penalization) -> Result<()> {
        self.options().validate()?;
        asked.validate()?;
        let refuse = |message: &str| Err(Error::invalid_request(message));
        if matches!(self.options().solver, Solver::Qr | Solver::Svd) {
            return refuse("penalised fits start from cross-products: the solver must be auto or cholesky");
        }
        if self.options().collinear != Collinear::Drop {
            return refuse(
                "a penalty decides about collinear columns itself; do not say what happens to them",
            );
        }
        if self.regression.inference.is_asked() {
            return refuse("penalised estimates have no standard errors: neither covariances nor tests");
        }
        if !self.spec(&[])?.0.by.is_empty() {
            return refuse("groups of rows are not fitted with a penalty");
        }
        Ok(())
    }

    /// Sums all rows, and those of every fold, in one pass.
    fn sum_folds(&mut self, cv: &CrossValidation) -> Result<(Summed, Vec<Sums>)> {
        let plan = FoldPlan::new(cv)?;
        self.check_folds(&plan)?;
        self.sum_by(|run, design, levels| run.pass_folds(&plan, design, levels))
    }

    /// Every thread has a state a fold.
    fn check_folds(&self, plan: &FoldPlan) -> Result<()> {
        let (spec, _) = self.spec(&[])?;
        let variables = Design::new(&spec, &self.rows.schema())?.variables();
        let threads = self.regression.execution.resolved_threads()?;
        let most = MAX_FOLD_BYTES / (threads * state_bytes(variables) as usize);
        if plan.folds() > most {
            let folds = plan.folds();
            return Err(Error::data(format!(
                "the sums of {folds} folds of {variables} numbers would not fit in {threads} threads: {most} folds would"
            )));
        }
        Ok(())
    }

    fn pass_folds(
        &mut self,
        plan: &FoldPlan,
        design: &Design,
        levels: &Levels,
    ) -> Result<(Sums, RowLedger, Vec<Sums>)> {
        let make = || Folded::new(plan.folds(), || Sums::new(design));
        let (folded, ledger) = self.pass(Some(plan), design, levels, 1, make)?;
        let total = folded.total().map_err(|_| Error::data("the folds have different variables"))?;
        Ok((total, ledger, folded.into_states()))
    }
}

/// Cross-products of the columns of a layout.
struct AllSums {
    all: CrossProducts,
    /// Of every fold; `None` for one without rows.
    folds: Vec<Option<CrossProducts>>,
}

/// The same for one response.
struct OwnSums(AllSums);

impl AllSums {
    fn new(group: &Group<'_>, layout: &Layout, folds: &[Sums]) -> Self {
        let of_fold = |sums: &Sums| {
            let part = group.part(sums).filter(|part| part.rows() > 0);
            part.map(|part| part.cross_products(layout))
        };
        Self { all: group.cross_products(layout), folds: folds.iter().map(of_fold).collect() }
    }

    fn of(&self, response: usize, columns: usize) -> OwnSums {
        let columns: Vec<usize> = (0..columns).chain([columns + response]).collect();
        let own = |products: &CrossProducts| products.select(&columns);
        let folds = self.folds.iter().map(|fold| fold.as_ref().map(own)).collect();
        OwnSums(Self { all: own(&self.all), folds })
    }
}

impl OwnSums {
    fn fit(&self, asked: &Penalization, equation: &Equation) -> Result<(Fit, PenalizedReport)> {
        let names: Arc<[String]> = equation.features.clone().into();
        let gram = Gram::new(&self.0.all, equation.intercept, &names);
        let lambdas = match &asked.path {
            Lambdas::Unasked if asked.cv.is_none() => None,
            Lambdas::Unasked => Some(grid(&gram, &asked.form, DEFAULT_GRID)?),
            Lambdas::Grid(count) => Some(grid(&gram, &asked.form, *count)?),
            Lambdas::Given(list) => Some(list.clone()),
        };
        let fits = lambdas.map(|lambdas| path(&gram, &asked.form, &lambdas)).transpose()?;
        let choice = match (&asked.cv, &fits) {
            (Some(cv), Some(fits)) => Some(self.choose(cv, asked, equation.intercept, &names, fits)?),
            _ => None,
        };
        let chosen = choice.as_ref().map(|(lambda, _)| *lambda);
        let lambda = asked.lambda.or(chosen).ok_or_else(|| {
            Error::invalid_request("a penalty needs a size, or cross-validation to choose it")
        })?;
        let (fit, effective_df) = solve_one(&gram, &asked.form, lambda)?;
        let penalty = asked.form.penalty;
        let detail = PenalizedReport {
            kind: penalty.name().into(),
            lambda,
            l1_ratio: penalty.l1_ratio(),
            scale: asked.form.scale,
            nonzero: fit.nonzero(),
            effective_df,
            duality_gap: fit.gap,
            rounds: fit.rounds,
            path: fits.map(|fits| PathPoint::of(&gram, &fits, equation.intercept)),
            cross_validation: choice.map(|(_, report)| report),
        };
        let warnings = self.warnings(&fit, &gram, equation);
        Ok((as_fit(&gram, &fit, equation, warnings), detail))
    }

    /// The penalty that the held-out errors choose.
    fn choose(
        &self,
        cv: &CrossValidation,
        asked: &Penalization,
        intercept: bool,
        names: &Arc<[String]>,
        fits: &[(f64, Penalized)],
    ) -> Result<(f64, CvReport)> {
        let lambdas: Vec<f64> = fits.iter().map(|(lambda, _)| *lambda).collect();
        let nonzero: Vec<usize> = fits.iter().map(|(_, fit)| fit.nonzero()).collect();
        let folds = self.folds(intercept, names)?;
        let errors = cross_validate(&folds, &asked.form, &lambdas, &nonzero)?;
        let at = |position: usize| {
            let none = || Error::invalid_request("a path needs at least one penalty");
            lambdas.get(position).copied().ok_or_else(none)
        };
        let lambda = at(errors.chosen(cv.rule))?;
        let (lambda_min, lambda_1se) = (at(errors.best)?, at(errors.one_std_error)?);
        let rows = |fold: &Option<CrossProducts>| fold.as_ref().map_or(0, |f| f.moments().rows());
        let CrossValidated { curve, errors: fold_errors, .. } = errors;
        let report = CvReport {
            folds: cv.folds,
            seed: cv.seed,
            group: cv.group.clone(),
            rule: cv.rule,
            fold_rows: self.0.folds.iter().map(rows).collect(),
            lambda_min,
            lambda_1se,
            curve,
            fold_errors,
        };
        Ok((lambda, report))
    }

    /// Every fold that has rows, and all others in their order.
    fn folds(&self, intercept: bool, names: &Arc<[String]>) -> Result<Vec<Fold>> {
        use streamreg_core::Accumulator;
        let filled: Vec<&CrossProducts> = self.0.folds.iter().flatten().collect();
        let fold = |k: usize| {
            let mut others = CrossProducts::new(filled[k].variables());
            let mut rest = filled.iter().enumerate().filter(|(other, _)| *other != k);
            rest.try_for_each(|(_, products)| others.merge((*products).clone()))
                .map_err(|_| Error::data("the folds have different columns"))?;
            let gram = |products: &CrossProducts| Gram::new(products, intercept, names);
            Ok(Fold { held_out: gram(filled[k]), fitted: gram(&others) })
        };
        if filled.len() < 2 {
            let message = "all rows are in one fold: cross-validation needs two at least";
            return Err(Error::data(message));
        }
        (0..filled.len()).map(fold).collect()
    }

    fn warnings(&self, fit: &Penalized, gram: &Gram, equation: &Equation) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if gram.total() == 0.0 {
            let message = "the response is constant: there is nothing to explain";
            warnings.push(Warning::new("constant_response", message));
        }
        let empty = self.0.folds.iter().filter(|fold| fold.is_none()).count();
        if empty > 0 {
            let message = format!("{empty} of {} folds have no row, and are left out", self.0.folds.len());
            warnings.push(Warning::new("empty_folds", message));
        }
        let constant: Vec<String> =
            gram.constant_columns().map(|j| format!("{:?}", equation.features[j])).collect();
        if !constant.is_empty() {
            let message = format!("constant, so the coefficient is 0: {}", constant.join(", "));
            warnings.push(Warning::new("constant_column", message));
        }
        if fit.digits < 6.0 {
            let message = format!(
                "the columns are nearly dependent: about {:.1} digits of the coefficients are reliable",
                fit.digits
            );
            warnings.push(Warning::new("few_digits", message));
        }
        warnings
    }
}

/// The fit as all fits are reported.
fn as_fit(gram: &Gram, fit: &Penalized, equation: &Equation, warnings: Vec<Warning>) -> Fit {
    let constant = equation.intercept.then(|| gram.constant(&fit.slopes));
    let values = constant.into_iter().chain(fit.slopes.iter().copied());
    let coefficients = equation.terms().into_iter().zip(values);
    let (weight, intercept) = (gram.weight(), equation.intercept);
    let glance = Glance::bare(equation.nobs, weight, fit.nonzero(), intercept, fit.mean_square, gram.total());
    let solver = if fit.rounds > 0 { Solver::CoordinateDescent } else { Solver::Cholesky };
    let coefficients = coefficients.map(|(term, value)| TermEstimate::bare(term, value)).collect();
    Fit::bare(coefficients, glance, intercept, solver, fit.digits, warnings)
}
