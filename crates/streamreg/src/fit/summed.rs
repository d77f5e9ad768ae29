//! A model whose rows were summed, and the pass that sums them; or sums that are given.

use streamreg_core::{
    Coding, CrossProducts, Design, EXACT_VARIABLES_ONCE, Folded, Group, Layout, LeftOut, Levels, ModelSpec,
    Precision, RowLedger, Statistics as Sums, Unseen, merged,
};

use crate::error::{Error, Result};
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::plan::limits::{FEW_ROWS, check_width};
use crate::state::State;

/// A model whose rows were summed.
pub(crate) struct Summed {
    pub(crate) spec: ModelSpec,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) design: Design,
    pub(crate) levels: Levels,
    pub(crate) sums: Sums,
    pub(crate) ledger: RowLedger,
}

impl Summed {
    /// Sums all rows; once more if columns turn out to have no value.
    pub(crate) fn sum<R: Rows>(plan: &Plan<'_>, passes: &mut Passes<'_, R>) -> Result<Self> {
        if let Some(state) = plan.regression.state() {
            return Ok(Self::of_state(state, plan, false)?.0);
        }
        let sum = |passes: &mut Passes<'_, R>, design: &Design, levels: &Levels| {
            let first = Sums::new(design);
            let (sums, ledger) = passes.accumulate((design, levels), None, || first.sibling(design))?;
            Ok((sums, ledger, ()))
        };
        Ok(Self::sum_by(plan, passes, sum)?.0)
    }

    /// The sums of a state for the model that a plan is of, over the same rows; and those of its folds, if these are wanted.
    ///
    /// # Errors
    /// That names what was not summed.
    fn of_state(state: &State, plan: &Plan<'_>, folds: bool) -> Result<(Self, Vec<Sums>)> {
        let (spec, left_out) = plan.spec(&[])?;
        if state.ledger().rows_used == 0 {
            return Err(no_rows(state.ledger(), state.filter().is_some()));
        }
        let (design, sets, mut parts) = state.sums_of(&spec, folds)?;
        let all = if folds { merged(&parts).ok() } else { parts.pop() };
        let sums = all.ok_or_else(|| Error::data("the folds have different variables"))?;
        let levels = Levels { sets, ..Levels::default() };
        Ok((Self { spec, left_out, design, levels, sums, ledger: state.ledger().clone() }, parts))
    }

    /// Sums all rows, and those of every one of `count` folds, in one pass.
    pub(crate) fn sum_folds<R: Rows>(
        plan: &Plan<'_>,
        ids: &RowIdPlan,
        count: usize,
        passes: &mut Passes<'_, R>,
    ) -> Result<(Self, Vec<Sums>)> {
        if let Some(state) = plan.regression.state() {
            return Self::of_state(state, plan, true);
        }
        Self::sum_by(plan, passes, |passes, design, levels| {
            let first: Vec<Sums> = (0..count).map(|_| Sums::one_of(count, design)).collect();
            let make = || Folded::of(first.iter().map(|sums| sums.sibling(design)).collect());
            let (folded, ledger) = passes.accumulate((design, levels), Some(ids), make)?;
            let total = folded.total().map_err(|_| Error::data("the folds have different variables"))?;
            Ok((total, ledger, folded.into_states()))
        })
    }

    /// The same with `sum` as the pass, and what else it makes. A few rows are read again for exact sums, where these would
    /// be those of float64 unasked.
    ///
    /// # Errors
    /// Those of the pass, and where no row is left.
    pub(crate) fn sum_by<R: Rows, T>(
        plan: &Plan<'_>,
        passes: &mut Passes<'_, R>,
        sum: impl Fn(&mut Passes<'_, R>, &Design, &Levels) -> Result<(Sums, RowLedger, T)>,
    ) -> Result<(Self, T)> {
        let mut empty = Vec::new();
        let mut exact: Option<Plan<'_>> = None;
        loop {
            let plan = exact.as_ref().unwrap_or(plan);
            let (spec, left_out) = plan.spec(&empty)?;
            check_width(spec.terms.len())?;
            let design = plan.design(&spec, passes)?;
            let levels = Levels { sets: design.level_sets(), ..Levels::default() };
            let (sums, ledger, beside) = sum(passes, &design, &levels)?;
            let more = plan.new_empty_columns(&ledger, &spec);
            if more.is_empty() {
                if ledger.rows_used == 0 {
                    return Err(no_rows(&ledger, passes.filters()));
                }
                let few = ledger.rows_read <= FEW_ROWS && design.variables() <= EXACT_VARIABLES_ONCE;
                if few
                    && design.precision() == Precision::Float
                    && let Some(exactly) = plan.exactly()
                {
                    exact = Some(exactly);
                    continue;
                }
                return Ok((Self { spec, left_out, design, levels, sums, ledger }, beside));
            }
            empty.extend(more);
        }
    }

    /// The levels for another pass over the same rows: those of the terms by their positions in the coding. Every level
    /// of a used row is known; rows with others are dropped for something else.
    pub(crate) fn levels_again(&self, coding: &Coding) -> Result<Levels> {
        let mut sets = self.design.fixed_level_sets(&coding.levels)?;
        // Clusters keep the numbers that they have.
        sets.extend(self.levels.sets.iter().skip(sets.len()).cloned());
        Ok(Levels { sets, unseen: Unseen::Null, ..Levels::default() })
    }

    /// How many levels the clusters have, in rows that were used or not.
    pub(crate) fn cluster_levels(&self) -> Vec<usize> {
        self.design.clusters().iter().map(|&c| self.levels.sets[c].len()).collect()
    }
}

/// The cross-products of every fold for the columns of a layout; `None` for one without rows.
pub(super) fn fold_products(
    group: &Group<'_>,
    layout: &Layout,
    folds: &[Sums],
) -> Vec<Option<CrossProducts>> {
    let of_fold = |sums: &Sums| {
        let part = group.part(sums).filter(|part| part.rows() > 0);
        part.map(|part| part.cross_products(layout))
    };
    folds.iter().map(of_fold).collect()
}

/// The error for data of which no row can be used: it says why.
pub(super) fn no_rows(ledger: &RowLedger, filters: bool) -> Error {
    if ledger.rows_read == 0 {
        let what = if filters { ": the filter lets none pass" } else { "" };
        return Error::data(format!("there are no rows to fit{what}"));
    }
    let causes = ledger.dropped.iter().map(|d| format!("{} for {:?} {}", d.rows, d.column, d.reason));
    let causes: Vec<String> = causes.collect();
    Error::data(format!(
        "no row is left to fit: all {} were dropped, {}",
        ledger.rows_read,
        causes.join(", ")
    ))
}
