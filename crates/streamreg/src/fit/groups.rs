//! One fit for every group of rows.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use streamreg_core::{Coding, Group, Groups, LeftOut, Level, RowLedger, in_order};
use streamreg_reader::{ReadCounts, Source};
use streamreg_solve::{Attempt, Collinear, Fit, SolveOptions, Warning};

use super::attempt::{LastLayout, attempts_for};
use super::summed::Summed;
use crate::error::{Error, Result};
use crate::model::columns::{ModelColumn, model_columns};
use crate::model::shared::Shared;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::render::number;
use crate::report::{InputRecord, Timings, formula_of};
use crate::request::regression::Regression;

/// Groups that a thread solves at a time.
const GROUPS_AT_ONCE: usize = 128;

/// Bytes that it takes to put a group into its place.
const GROUP_BYTES: u64 = 100;

/// The fit of one group of rows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupFit {
    /// The values that the rows of the group share, one a column.
    pub levels: Vec<Level>,
    /// What is explained.
    pub response: String,
    /// Rows used.
    pub rows: u64,
    /// Categories without a column, because they have one level in the group.
    pub left_out: Vec<LeftOut>,
    /// The fit, or why there is none.
    pub result: std::result::Result<Fit, String>,
    /// How its columns are coded, where there is a fit.
    pub(crate) coding: Option<Arc<Coding>>,
}

impl GroupFit {
    /// `ok`, or in a few words what is wrong or remarkable.
    pub fn status(&self) -> String {
        let fit = match &self.result {
            Ok(fit) => fit,
            Err(message) => return format!("error: {message}"),
        };
        let left_out = self.left_out.iter().map(|l| format!("left out: {} ({})", l.column, l.reason));
        let dependent = fit.aliased.iter().map(|a| format!("dependent: {a}"));
        let warnings = fit.warnings.iter().map(|w| w.message.clone());
        let notes: Vec<String> = left_out.chain(dependent).chain(warnings).collect();
        if notes.is_empty() { "ok".into() } else { notes.join("; ") }
    }
}

/// What a fit of many groups was, apart from the groups.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupSummary {
    /// The columns that split the rows.
    pub by: Vec<String>,
    /// The model as a formula.
    pub formula: String,
    /// Number of groups.
    pub groups: u64,
    /// Fits that failed.
    pub failed: u64,
    /// Fits with another status than `ok`, those that failed among them.
    pub not_ok: u64,
    /// What became of the rows.
    pub ledger: RowLedger,
    /// Columns that are not features although nobody excluded them.
    pub left_out: Vec<LeftOut>,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
    /// The files.
    pub inputs: Vec<InputRecord>,
    /// What was read of them.
    pub reading: ReadCounts,
    /// Wall-clock times.
    pub timings: Timings,
    /// Level of the confidence intervals.
    pub conf_level: f64,
    /// What saved models of the groups have in common.
    pub(crate) shared: Shared,
}

/// The fits of all groups, each made something of where it was solved.
pub(super) fn fit<R: Rows, T: Send>(
    regression: &Regression,
    rows: &R,
    source: &dyn Source,
    make: impl Fn(GroupFit) -> T + Sync,
    mut each: impl FnMut(T) -> Result<()> + Send,
) -> Result<GroupSummary> {
    let mut passes = Passes::new(rows, &regression.execution, Some(source));
    let plan = Plan::of_groups(regression, rows, Some(source))?;
    let state = Summed::sum(&plan, &mut passes)?;
    let start = Instant::now();
    check_room(regression, state.sums.groups() as u64)?;
    let groups = Groups::new(&state.design, &state.sums, &state.levels.sets, &state.ledger);
    let next = AtomicUsize::new(0);
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let from = at * GROUPS_AT_ONCE;
        (from < groups.len()).then(|| Ok((at, from..groups.len().min(from + GROUPS_AT_ONCE))))
    };
    let options = plan.options();
    let work = |range: Range<usize>| {
        let mut last = LastLayout::default();
        let fits = range.flat_map(|position| group_fits(options, &state, &groups, position, &mut last));
        let made = fits.map(|fit| ([fit.result.is_err(), fit.status() != "ok"], make(fit)));
        Ok::<_, Error>(made.collect::<Vec<_>>())
    };
    let [mut failed, mut not_ok] = [0; 2];
    in_order(regression.execution.resolved_threads()?, take, work, |made: Vec<([bool; 2], T)>| {
        for ([has_failed, is_not_ok], made) in made {
            failed += u64::from(has_failed);
            not_ok += u64::from(is_not_ok);
            each(made)?;
        }
        Ok(())
    })?;
    let timings = passes.timings(start.elapsed().as_secs_f64())?;
    let inputs = regression.input_records(passes.inputs());
    let columns = model_columns(&state.design, &passes.schema());
    let shared = shared(regression, &state, columns, inputs.clone());
    Ok(GroupSummary {
        reading: passes.reading(),
        by: state.spec.by.clone(),
        formula: formula_of(&state.spec),
        groups: groups.len() as u64,
        failed,
        not_ok,
        left_out: state.left_out.clone(),
        warnings: passes.warnings(),
        inputs,
        timings,
        conf_level: options.conf_level,
        ledger: state.ledger.clone().for_report(),
        shared,
    })
}

/// Checks that so many groups can be put into their places.
fn check_room(regression: &Regression, count: u64) -> Result<()> {
    regression.execution.check_memory(GROUP_BYTES * count).map_err(|error| {
        let message = format!(
            "{} before the {} groups are solved: a higher limit (--memory-limit, or `Execution::memory_limit`), or fewer groups",
            error.message(),
            number::count(count)
        );
        Error::memory(message)
    })
}

/// What the models of all groups have in common.
fn shared(
    regression: &Regression,
    state: &Summed,
    columns: Vec<ModelColumn>,
    inputs: Vec<InputRecord>,
) -> Shared {
    Shared {
        spec: state.spec.clone(),
        columns,
        selection: regression.selection.clone(),
        conf_level: regression.level(),
        ledger: state.ledger.clone().for_report(),
        inputs,
    }
}

/// One fit a response.
fn group_fits(
    options: &SolveOptions,
    state: &Summed,
    groups: &Groups<'_>,
    position: usize,
    last: &mut LastLayout,
) -> Vec<GroupFit> {
    let levels = groups.levels(position);
    let names = state.spec.response_names();
    let group = groups.group(position).map_err(Error::from);
    let rows = group.as_ref().map_or(0, Group::rows);
    let absorb = options.collinear != Collinear::MinNorm;
    let (mut left_out, mut coding) = (Vec::new(), None);
    let attempts = group.and_then(|group| {
        let (coded, layout) = last.of(absorb, &state.design, &group)?;
        coding = Some(Arc::clone(coded));
        let attempts = attempts_for(options, layout, (false, 1), &group, &state.spec)?;
        left_out.extend_from_slice(layout.left_out());
        Ok(attempts)
    });
    let results: Vec<std::result::Result<Fit, String>> = match attempts {
        Ok(attempts) => attempts.into_iter().map(|a| accept_group(a, options)).collect(),
        Err(error) => names.iter().map(|_| Err(error.to_string())).collect(),
    };
    let fit = |(response, result)| {
        let (levels, left_out) = (levels.clone(), left_out.clone());
        GroupFit { levels, response, rows, left_out, result, coding: coding.clone() }
    };
    names.into_iter().zip(results).map(fit).collect()
}

/// A group's fit; there is no other solver to recommend where it is coarse.
fn accept_group(attempt: Attempt, options: &SolveOptions) -> std::result::Result<Fit, String> {
    let Attempt { fit, doubt } = attempt;
    let mut fit = Attempt { fit, doubt: None }.accept(options).map_err(|e| Error::from(e).to_string())?;
    fit.warnings.extend(doubt);
    Ok(fit)
}
