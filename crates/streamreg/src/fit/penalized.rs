//! Penalised fits: from the sums of a pass, and of its folds.

use std::sync::Arc;
use std::time::Instant;

use streamreg_core::{CrossProducts, Group, Groups, Layout, Statistics as Sums};
use streamreg_solve::penalized::{
    CrossValidated, Fold, Gram, PathPoint, Penalized, cross_validate, grid, path, solve_one,
};
use streamreg_solve::{Equation, Glance, Solver, WARNING_DIGITS, Warning, empty_folds};

use super::attempt::equation_of;
use super::summed::{Summed, fold_products};
use super::{Fitted, conclude};
use crate::error::{Error, Result};
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::plan::limits::check_width;
use crate::plan::memory::check_solving;
use crate::report::{CvReport, Details, FitReport, Found, PenalizedReport, SolverReport};
use crate::request::penalty::{CrossValidation, DEFAULT_GRID, Lambdas, Penalization};

/// The penalised fit of every response; `folds` gives rows the folds that choose the penalty.
pub(super) fn fit<R: Rows>(
    plan: &Plan<'_>,
    asked: &Penalization,
    folds: Option<&RowIdPlan>,
    mut passes: Passes<'_, R>,
) -> Result<Vec<FitReport>> {
    let (state, folds) = match (folds, &asked.cv) {
        (Some(ids), Some(cv)) => Summed::sum_folds(plan, ids, cv.folds, &mut passes)?,
        _ => (Summed::sum(plan, &mut passes)?, Vec::new()),
    };
    let start = Instant::now();
    let groups = Groups::new(&state.design, &state.sums, &state.levels.sets, &state.ledger);
    let group = groups.group(0)?;
    let coding = group.coding().clone();
    let layout = Layout::new(&state.design, &coding)?;
    let columns = layout.len() + state.spec.responses.len();
    check_width(columns)?;
    check_solving(columns, passes.execution.memory_limit)?;
    let sums = AllSums::new(&group, &layout, &folds);
    let base = equation_of(&state.spec, &layout, &group, false);
    let solver =
        |used| SolverReport::new(plan.options().solver, used, state.design.precision(), passes.count());
    let found = state.spec.response_names().into_iter().enumerate().map(|(response, name)| {
        let equation = Equation { response: name, ..base.clone() };
        sums.of(response, layout.len()).fit(asked, &equation, solver)
    });
    let found = found.collect::<Result<Vec<Found>>>()?;
    let seconds = start.elapsed().as_secs_f64();
    let Summed { spec, mut left_out, design, ledger, .. } = state;
    left_out.extend(layout.left_out().iter().cloned());
    conclude(plan, &passes, &design, seconds, Fitted { spec, left_out, coding, ledger, found })
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
        Self { all: group.cross_products(layout), folds: fold_products(group, layout, folds) }
    }

    fn of(&self, response: usize, columns: usize) -> OwnSums {
        let columns: Vec<usize> = (0..columns).chain([columns + response]).collect();
        let own = |products: &CrossProducts| products.select(&columns);
        let folds = self.folds.iter().map(|fold| fold.as_ref().map(own)).collect();
        OwnSums(Self { all: own(&self.all), folds })
    }
}

impl OwnSums {
    fn fit(
        &self,
        asked: &Penalization,
        equation: &Equation,
        solver: impl Fn(Solver) -> SolverReport,
    ) -> Result<Found> {
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
        let unfinished = not_converged(penalty.name(), lambda, &fit, fits.as_deref().unwrap_or_default());
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
        let details = Details::Penalized(Box::new(detail));
        let mut warnings = self.warnings(&fit, &gram, equation);
        warnings.extend(unfinished);
        Ok(Found { warnings, ..found(&gram, &fit, equation, solver, details) })
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
            seed: cv.resolved_seed(),
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
            let message = "the response is constant: there is nothing to explain, and R² has no value";
            warnings.push(Warning::new("constant_response", message));
        }
        let empty = self.0.folds.iter().filter(|fold| fold.is_none()).count();
        warnings.extend(empty_folds(empty, self.0.folds.len()));
        let constant: Vec<String> =
            gram.constant_columns().map(|j| format!("{:?}", equation.features[j])).collect();
        if !constant.is_empty() {
            let message = format!("constant, so the coefficient is 0: {}", constant.join(", "));
            warnings.push(Warning::new("constant_column", message));
        }
        if fit.digits < WARNING_DIGITS {
            let message = format!(
                "the columns are nearly dependent: about {:.1} digits of the coefficients are reliable",
                fit.digits
            );
            warnings.push(Warning::new("few_digits", message));
        }
        warnings
    }
}

/// What did not come to its end: the fit, or else one of the path.
fn not_converged(penalty: &str, lambda: f64, fit: &Penalized, path: &[(f64, Penalized)]) -> Option<Warning> {
    let own = [(lambda, fit)];
    let all = own.into_iter().chain(path.iter().map(|(lambda, fit)| (*lambda, fit)));
    let (lambda, fit) = all.into_iter().find(|(_, fit)| !fit.converged)?;
    let message = format!(
        "the {penalty} did not converge at the penalty {lambda:e}: after {} rounds at most {:.1e} of the objective is left to gain; \
         a larger penalty, or a share of squares (`--elastic-net`), makes it easier",
        fit.rounds, fit.gap
    );
    Some(Warning::new("not_converged", message))
}

/// The fit as all fits are reported.
fn found(
    gram: &Gram,
    fit: &Penalized,
    equation: &Equation,
    solver: impl Fn(Solver) -> SolverReport,
    details: Details,
) -> Found {
    let constant = equation.intercept.then(|| gram.constant(&fit.slopes));
    let values = constant.into_iter().chain(fit.slopes.iter().copied());
    let coefficients = equation.terms().into_iter().zip(values);
    let (weight, intercept) = (gram.weight(), equation.intercept);
    let glance = Glance::bare(equation.nobs, weight, fit.nonzero(), intercept, fit.mean_square, gram.total());
    let used = if fit.rounds > 0 { Solver::CoordinateDescent } else { Solver::Cholesky };
    Found::without_inference(coefficients, glance, intercept, (solver(used), Some(fit.digits)), details)
}
