//! One fit for every group of rows.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use streamreg_core::{Group, Groups, LeftOut, Level, RowLedger, in_order};
use streamreg_solve::{Attempt, Collinear, Fit, SolveOptions, Solver};

use super::{Attempts, Run, Summed, attempts, no_rows};
use crate::error::{Error, Result};
use crate::pass::Rows;
use crate::report::{InputRecord, Reading, Timings};

/// Groups that a thread solves at a time.
const GROUPS_AT_ONCE: usize = 128;

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
    /// What became of the rows.
    pub ledger: RowLedger,
    /// Columns that are not features although nobody excluded them.
    pub left_out: Vec<LeftOut>,
    /// The files.
    pub inputs: Vec<InputRecord>,
    /// What was read of them.
    pub reading: Reading,
    /// Wall-clock times.
    pub timings: Timings,
    /// Level of the confidence intervals.
    pub conf_level: f64,
}

impl<R: Rows> Run<'_, R> {
    /// The fits of all groups, each made something of where it was solved.
    pub(crate) fn groups<T: Send>(
        mut self,
        make: impl Fn(GroupFit) -> T + Sync,
        mut each: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<GroupSummary> {
        self.options().validate()?;
        if self.regression.penalization.is_some() {
            return Err(Error::invalid_request("groups of rows are not fitted with a penalty"));
        }
        if let Some(solver) = self.iterative()? {
            let message = format!("the solver {} fits no groups", solver.name());
            return Err(Error::invalid_request(message));
        }
        if matches!(self.options().solver, Solver::Qr | Solver::Svd) {
            let message = "groups are fitted from their cross-products: the solver must be auto or cholesky";
            return Err(Error::invalid_request(message));
        }
        let (spec, _) = self.spec(&[])?;
        self.regression.inference.refuse_groups(&spec)?;
        if spec.by.is_empty() {
            return Err(Error::invalid_request("no column splits the rows into groups"));
        }
        let summed = self.sum()?;
        if summed.ledger.rows_used == 0 {
            return Err(no_rows(&summed.ledger, self.filters()));
        }
        let start = Instant::now();
        let groups = Groups::new(&summed.design, &summed.sums, &summed.levels.sets, &summed.ledger);
        let next = AtomicUsize::new(0);
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let from = at * GROUPS_AT_ONCE;
            (from < groups.len()).then(|| Ok((at, from..groups.len().min(from + GROUPS_AT_ONCE))))
        };
        let options = self.options();
        let work = |range: Range<usize>| {
            let fits = range.flat_map(|position| group_fits(options, &summed, &groups, position));
            Ok::<_, Error>(fits.map(|fit| (fit.result.is_err(), make(fit))).collect::<Vec<_>>())
        };
        let mut failed = 0;
        in_order(self.regression.execution.resolved_threads()?, take, work, |made: Vec<(bool, T)>| {
            for (has_failed, made) in made {
                failed += u64::from(has_failed);
                each(made)?;
            }
            Ok(())
        })?;
        self.timings.solve_seconds = start.elapsed().as_secs_f64();
        let timings = self.finished_timings()?;
        let left_out = summed.left_out.clone();
        let reading = self.reading();
        Ok(GroupSummary {
            reading,
            by: summed.spec.by.clone(),
            formula: crate::report::formula_of(&summed.spec),
            groups: groups.len() as u64,
            failed,
            ledger: summed.ledger.clone(),
            left_out,
            inputs: self.inputs.iter().cloned().map(InputRecord::from).collect(),
            timings,
            conf_level: self.options().conf_level,
        })
    }
}

/// One fit a response.
fn group_fits(
    options: &SolveOptions,
    summed: &Summed,
    groups: &Groups<'_>,
    position: usize,
) -> Vec<GroupFit> {
    let levels = groups.levels(position);
    let names = summed.spec.response_names();
    let group = groups.group(position).map_err(Error::from);
    let rows = group.as_ref().map_or(0, Group::rows);
    let absorb = options.collinear != Collinear::MinNorm;
    let attempts =
        group.and_then(|group| attempts(options, (absorb, false), &summed.design, &group, &summed.spec));
    let mut left_out = Vec::new();
    let results: Vec<std::result::Result<Fit, String>> = match attempts {
        Ok(Attempts { layout, attempts, .. }) => {
            left_out.extend_from_slice(layout.left_out());
            attempts.into_iter().map(|a| accept_group(a, options)).collect()
        }
        Err(error) => names.iter().map(|_| Err(error.to_string())).collect(),
    };
    let fit = |(response, result)| {
        let (levels, left_out) = (levels.clone(), left_out.clone());
        GroupFit { levels, response, rows, left_out, result }
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
