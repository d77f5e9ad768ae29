//! Solving from sums: what cross-products carry, and the doubt that is left.

use streamreg_core::{
    CrossProducts, Design, DoubleDoubleProducts, Group, Layout, LevelMeans, ModelSpec, WeightType,
};
use streamreg_solve::{
    Absorbed, Attempt, Equation, SolveInput, SolveOptions, WANTED_DIGITS, WARNING_DIGITS, Warning,
    fit as solve,
};

use crate::error::{Error, Result};
use crate::plan::limits::{MAX_DOUBLE_DOUBLE, check_width};

/// The fits of all responses as far as cross-products carry.
pub(super) struct Attempts {
    pub(super) layout: Layout,
    pub(super) attempts: Vec<Attempt>,
}

/// `absorb` a large category, and go `beyond` float64 for any number of columns, or not.
pub(super) fn attempts(
    options: &SolveOptions,
    (absorb, beyond): (bool, bool),
    design: &Design,
    group: &Group<'_>,
    spec: &ModelSpec,
) -> Result<Attempts> {
    let layout = if absorb { Layout::absorbing } else { Layout::new }(design, group.coding())?;
    attempts_for(options, layout, beyond, group, spec)
}

/// The same for the columns of a layout.
pub(super) fn attempts_for(
    options: &SolveOptions,
    layout: Layout,
    beyond: bool,
    group: &Group<'_>,
    spec: &ModelSpec,
) -> Result<Attempts> {
    check_width(layout.len() + spec.responses.len())?;
    let solves = beyond || layout.len() <= MAX_DOUBLE_DOUBLE;
    let double_double = if solves { group.double_double_products(&layout)? } else { None };
    let rounded =
        (double_double.is_none() || layout.absorbed().is_some()).then(|| group.cross_products(&layout));
    let means =
        rounded.as_ref().and_then(|products| group.absorbed(&layout, products, double_double.as_ref()));
    let sums =
        GroupSums { rounded: rounded.as_ref(), double_double: double_double.as_ref(), means: means.as_ref() };
    let attempt = |response: usize| attempt(options, &layout, sums, group, spec, response);
    let attempts = (0..spec.responses.len()).map(attempt).collect::<Result<_>>()?;
    drop(means);
    Ok(Attempts { layout, attempts })
}

/// What a group is solved from: double-double where sums are exact, else float64; of a category that is eliminated the
/// means in its levels.
#[derive(Clone, Copy)]
struct GroupSums<'a> {
    rounded: Option<&'a CrossProducts>,
    double_double: Option<&'a DoubleDoubleProducts>,
    means: Option<&'a LevelMeans<'a>>,
}

fn attempt(
    options: &SolveOptions,
    layout: &Layout,
    sums: GroupSums<'_>,
    group: &Group<'_>,
    spec: &ModelSpec,
    response: usize,
) -> Result<Attempt> {
    let mut equation = equation(spec, layout, group.rows(), group.weight(), group.log_weights());
    equation.response = spec.response_names().swap_remove(response);
    let columns: Vec<usize> = (0..layout.len()).chain([layout.len() + response]).collect();
    let attempt = match (sums.means.zip(layout.absorbed()), sums.double_double, sums.rounded) {
        (Some((means, term)), ..) => {
            let absorbed = Absorbed { means, term, columns: &columns };
            solve(SolveInput::Absorbed(absorbed), &equation, options)?
        }
        (_, Some(products), _) => solve(SolveInput::Exact(&products.select(&columns)), &equation, options)?,
        // Of one response all columns are there, in their order: a copy would be as large as the sums.
        (.., Some(products)) if products.moments().variables() == columns.len() => {
            solve(SolveInput::CrossProducts(products), &equation, options)?
        }
        (.., Some(products)) => {
            solve(SolveInput::CrossProducts(&products.select(&columns)), &equation, options)?
        }
        _ => return Err(Error::data("there are no sums to solve from")),
    };
    Ok(match group.digits() {
        Some(digits) => with_digits(attempt, digits, sums.double_double.is_some()),
        None => attempt,
    })
}

/// The attempt, with what is known of the digits of the cross-products it started from.
fn with_digits(mut attempt: Attempt, digits: f64, exact: bool) -> Attempt {
    let fit = &mut attempt.fit;
    let digits = digits.clamp(0.0, fit.digits);
    fit.digits = digits;
    fit.digits_input = fit.digits_input.min(digits);
    for own in fit.coefficients.iter_mut().filter_map(|c| c.digits_arithmetic.as_mut()) {
        *own = own.min(digits);
    }
    let polynomials = format!("combining powers leaves the orthogonal polynomials only {digits:.1} digits");
    if exact && digits < WARNING_DIGITS {
        fit.warnings.push(Warning::new("few_digits", polynomials));
    } else if !exact && digits < WANTED_DIGITS && attempt.doubt.is_none() {
        attempt.doubt = Some(Warning::new("coarse", polynomials));
    }
    attempt
}

/// Names of the columns, and what the rows stand for. The response is the first one.
pub(super) fn equation(
    spec: &ModelSpec,
    layout: &Layout,
    rows: u64,
    weight: f64,
    log_weights: f64,
) -> Equation {
    let kind = spec.weights.as_ref().map(|w| w.kind);
    let (nobs, log_weights) = match kind {
        // Whole numbers, so the sum is exact up to 2^53.
        Some(WeightType::Frequency) => (weight as u64, 0.0),
        Some(_) => (rows, log_weights),
        None => (rows, 0.0),
    };
    let response = spec.response_names().into_iter().next().unwrap_or_default();
    Equation { response, features: layout.names(), intercept: spec.intercept, nobs, log_weights }
}
