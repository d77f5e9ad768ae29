//! What is told of a least squares fit beside its estimates, from the same sums: the error on rows held out, and standardised
//! coefficients.

use streamreg_core::{Group, INTERCEPT, Layout, Statistics as Sums};
use streamreg_solve::{Fit, TermEstimate, test_error};

use super::attempt::equation_of;
use super::summed::{Summed, fold_products};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::plan::limits::MAX_SCORED;
use crate::report::CvErrorReport;
use crate::request::penalty::CrossValidation;

/// The test errors of the fits of all responses, and what to beware of.
pub(super) fn test_errors(
    plan: &Plan<'_>,
    cv: &CrossValidation,
    folds: &[Sums],
    state: &Summed,
    group: &Group<'_>,
    fits: &mut [&mut Fit],
) -> Result<Vec<CvErrorReport>> {
    let layout = Layout::new(&state.design, group.coding())?;
    if layout.len() > MAX_SCORED {
        return Err(Error::data(format!(
            "{} columns are too many for cross-validation, up to {MAX_SCORED} are possible; a category of many levels has a \
             column for each",
            layout.len()
        )));
    }
    let folds = fold_products(group, &layout, folds);
    let mut base = equation_of(&state.spec, &layout, group, false);
    let mut reports = Vec::with_capacity(fits.len());
    let names = state.spec.response_names();
    for (response, (name, fit)) in names.into_iter().zip(fits).enumerate() {
        base.response = name;
        let columns: Vec<usize> = (0..layout.len()).chain([layout.len() + response]).collect();
        let own: Vec<_> = folds.iter().map(|fold| fold.as_ref().map(|fold| fold.select(&columns))).collect();
        let estimated: Vec<bool> = fit.coefficients.iter().map(|row| row.estimate.is_some()).collect();
        let (error, warnings) = test_error(&own, &base, plan.options(), &estimated)?;
        fit.warnings.extend(warnings);
        let (seed, group) = (cv.resolved_seed(), cv.group.clone());
        reports.push(CvErrorReport { folds: cv.folds, seed, group, error });
    }
    Ok(reports)
}

/// Gives the coefficients of every fit their standardised ones, where `layout` is that of the fits: `b sd(x) / sd(y)`, about the
/// means with an intercept, about zero without one.
pub(super) fn standardize(group: &Group<'_>, layout: &Layout, intercept: bool, fits: &mut [&mut Fit]) {
    let products = group.cross_products(layout);
    let square = |v: usize| if intercept { products.centred(v, v) } else { products.uncentred(v, v) };
    let mut squares: Vec<f64> = (0..layout.len()).map(square).collect();
    if let Some((term, means)) = layout.absorbed().zip(group.absorbed(layout, &products, None)) {
        let weights: Vec<f64> = (0..means.len()).map(|level| means.weight(level)).collect();
        squares.splice(term.at..term.at, term.squares(&weights, intercept));
    }
    for (response, fit) in fits.iter_mut().enumerate() {
        let own = square(layout.len() + response);
        let slopes = fit.coefficients.iter_mut().filter(|row| row.term != INTERCEPT || !intercept);
        let give = |(row, x): (&mut TermEstimate, &f64)| {
            let share = (x / own).max(0.0).sqrt();
            row.standardized = row.estimate.map(|b| b * share).filter(|beta| beta.is_finite());
        };
        slopes.zip(&squares).for_each(give);
    }
}
