//! Solving from sums: what cross-products carry, and the doubt that is left.

use std::sync::Arc;

use streamreg_core::{
    Coding, CrossProducts, Design, DoubleDoubleProducts, Group, Layout, LevelMeans, ModelSpec, WeightType,
};
use streamreg_solve::{Absorbed, Attempt, Equation, SolveInput, SolveOptions, fit as solve};

use crate::error::{Error, Result};
use crate::pass::Execution;
use crate::plan::limits::{MAX_DOUBLE_DOUBLE, check_width};
use crate::plan::memory::check_solving;

/// The fits of all responses as far as cross-products carry.
pub(super) struct Attempts {
    pub(super) layout: Layout,
    pub(super) attempts: Vec<Attempt>,
}

/// The columns of the group before, for those that are coded in the same way.
#[derive(Default)]
pub(super) struct LastLayout(Option<(Arc<Coding>, Layout)>);

impl LastLayout {
    /// How a group is coded, and its columns; of a large category without those that are absorbed, if that is asked for.
    pub(super) fn of(
        &mut self,
        absorb: bool,
        design: &Design,
        group: &Group<'_>,
    ) -> Result<&(Arc<Coding>, Layout)> {
        let coding = group.coding();
        let last = self.0.take().filter(|(known, _)| **known == *coding);
        let last = match last {
            Some(last) => last,
            None => {
                let layout = if absorb { Layout::absorbing } else { Layout::new }(design, coding)?;
                (Arc::new(coding.clone()), layout)
            }
        };
        Ok(self.0.insert(last))
    }
}

/// `absorb` a large category, and go `beyond` float64 for any number of columns, or not.
pub(super) fn attempts(
    options: &SolveOptions,
    (absorb, beyond): (bool, bool),
    execution: &Execution,
    design: &Design,
    group: &Group<'_>,
    spec: &ModelSpec,
) -> Result<Attempts> {
    let layout = if absorb { Layout::absorbing } else { Layout::new }(design, group.coding())?;
    check_solving(layout.len() + spec.responses.len(), execution.memory_limit)?;
    let attempts = attempts_for(options, &layout, (beyond, execution.resolved_threads()?), group, spec)?;
    Ok(Attempts { layout, attempts })
}

/// The same for the columns of a layout.
pub(super) fn attempts_for(
    options: &SolveOptions,
    layout: &Layout,
    (beyond, threads): (bool, usize),
    group: &Group<'_>,
    spec: &ModelSpec,
) -> Result<Vec<Attempt>> {
    check_width(layout.len() + spec.responses.len())?;
    let solves = beyond || layout.len() <= MAX_DOUBLE_DOUBLE;
    let double_double = if solves { group.double_double_products(layout)? } else { None };
    let rounded =
        (double_double.is_none() || layout.absorbed().is_some()).then(|| group.cross_products(layout));
    let means =
        rounded.as_ref().and_then(|products| group.absorbed(layout, products, double_double.as_ref()));
    let means = means.map(|means| means.prepared(threads));
    let sums =
        GroupSums { rounded: rounded.as_ref(), double_double: double_double.as_ref(), means: means.as_ref() };
    let attempt = |response: usize| attempt(options, layout, sums, group, spec, response);
    (0..spec.responses.len()).map(attempt).collect()
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
    let mut equation = equation_of(spec, layout, group, group.is_exact());
    equation.response = spec.response_names().swap_remove(response);
    let columns: Vec<usize> = (0..layout.len()).chain([layout.len() + response]).collect();
    Ok(match (sums.means.zip(layout.absorbed()), sums.double_double, sums.rounded) {
        (Some((means, term)), ..) => {
            let absorbed = Absorbed { means, term, columns: &columns };
            solve(SolveInput::Absorbed(absorbed), &equation, options)?
        }
        // Of one response all columns are there, in their order: a copy would be as large as the sums.
        (_, Some(products), _) if products.variables() == columns.len() => {
            solve(SolveInput::Exact(products), &equation, options)?
        }
        (_, Some(products), _) => solve(SolveInput::Exact(&products.select(&columns)), &equation, options)?,
        (.., Some(products)) if products.moments().variables() == columns.len() => {
            solve(SolveInput::CrossProducts(products), &equation, options)?
        }
        (.., Some(products)) => {
            solve(SolveInput::CrossProducts(&products.select(&columns)), &equation, options)?
        }
        _ => return Err(Error::data("there are no sums to solve from")),
    })
}

/// The equation for the rows of a group, of whose computed cells all is kept, or the nearest float64.
pub(super) fn equation_of(spec: &ModelSpec, layout: &Layout, group: &Group<'_>, kept: bool) -> Equation {
    let counts = (group.rows(), group.weight(), group.log_weights());
    let (cell_errors, amplification) = (group.cell_errors(layout, kept), group.amplification());
    Equation { cell_errors, amplification, ..equation(spec, layout, counts) }
}

/// Names of the columns, and what the rows stand for. The response is the first one.
pub(super) fn equation(
    spec: &ModelSpec,
    layout: &Layout,
    (rows, weight, log_weights): (u64, f64, f64),
) -> Equation {
    let kind = spec.weights.as_ref().map(|w| w.kind);
    let (nobs, log_weights) = match kind {
        // Whole numbers, so the sum is exact up to 2^53.
        Some(WeightType::Frequency) => (weight as u128, 0.0),
        Some(_) => (rows.into(), log_weights),
        None => (rows.into(), 0.0),
    };
    let response = spec.response_names().into_iter().next().unwrap_or_default();
    Equation {
        response,
        features: layout.names(),
        intercept: spec.intercept,
        nobs,
        log_weights,
        cell_errors: Vec::new(),
        amplification: 1.0,
    }
}
