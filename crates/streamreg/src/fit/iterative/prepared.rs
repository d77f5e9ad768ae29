//! The first pass of an iterative fit: where the columns lie, and a sample.

use streamreg_core::iterative::{ColumnSummaries, Penalties, Sample, Standardizer, key_below};
use streamreg_core::{Coding, Design, Layout, LeftOut, Levels, ModelSpec, RowLedger, Unseen};

use crate::error::{Error, Result};
use crate::fit::summed::no_rows;
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows};
use crate::plan::Plan;
use crate::request::iterative::Descent;

/// Rows in the order of their numbers, apart from what a seed means elsewhere.
const KEY_SEED: u64 = 0x6b65_7973;

/// What is known of the data after the first pass.
pub(super) struct Prepared {
    pub(super) spec: ModelSpec,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) design: Design,
    pub(super) coding: Coding,
    pub(super) levels: Levels,
    pub(super) standardizer: Standardizer,
    pub(super) sample: Sample,
    pub(super) penalties: Penalties,
    pub(super) ledger: RowLedger,
    /// Rows that are learnt from, about.
    pub(super) rows: u64,
    /// What gives rows the keys that hold some of them out.
    pub(super) keys: RowIdPlan,
}

impl Prepared {
    /// Takes the first pass; again where columns turn out to be empty, or the sample too thin.
    pub(super) fn new<R: Rows>(plan: &Plan<'_>, asked: &Descent, passes: &mut Passes<'_, R>) -> Result<Self> {
        let held_out = key_below(asked.held_out);
        let keys = RowIdPlan::keys(asked.options.seed ^ KEY_SEED);
        let mut expected = passes.known_rows();
        let mut empty = Vec::new();
        let (spec, mut left_out, design, levels, summaries, ledger) = loop {
            let (spec, left_out) = plan.spec(&empty)?;
            let mut design = Design::new(&spec, &passes.schema())?;
            passes.order_levels(&mut design)?;
            let levels = Levels { sets: design.level_sets(), ..Levels::default() };
            let first = ColumnSummaries::new(&design, held_out, expected);
            let make = || first.beside();
            let (summaries, ledger) = passes.accumulate((&design, &levels), Some(&keys), make)?;
            let more = plan.new_empty_columns(&ledger, &spec);
            // Where most rows are dropped, a sample of all would have next to none: it is taken again of what is used.
            let thin = expected.is_some() && summaries.is_thin();
            if more.is_empty() && !thin {
                break (spec, left_out, design, levels, summaries, ledger);
            }
            expected = expected.filter(|_| !thin);
            empty.extend(more);
        };
        if ledger.rows_used == 0 {
            return Err(no_rows(&ledger, passes.filters()));
        }
        let coding = summaries.coding(&levels.sets);
        let layout = Layout::new(&design, &coding)?;
        if spec.hash_bits.is_none() {
            left_out.extend(layout.left_out().iter().cloned());
        }
        let standardizer = Standardizer::new(&design, &layout, &summaries, held_out)?;
        let sample = standardizer.sample(&summaries, &coding, &levels.sets);
        let share = 1.0 - asked.held_out;
        let penalties = penalties(plan, asked, &standardizer, summaries.weight() * share);
        let sets = design.fixed_level_sets(&coding.levels)?;
        let levels = Levels { sets, unseen: Unseen::Null, ..Levels::default() };
        let rows = (summaries.rows() as f64 * share).round() as u64;
        Ok(Self {
            spec,
            left_out,
            design,
            coding,
            levels,
            standardizer,
            sample,
            penalties,
            ledger,
            rows,
            keys,
        })
    }

    /// All passes see the same rows.
    pub(super) fn check_rows(&self, ledger: &RowLedger) -> Result<()> {
        if ledger.rows_used == self.ledger.rows_used {
            return Ok(());
        }
        Err(Error::data(format!(
            "{} rows were used in the first pass, and {} in a later one: the data changed while they were read",
            self.ledger.rows_used, ledger.rows_used
        )))
    }
}

/// The penalties in standardised units: a coefficient is `response_scale / scale_j` times its parameter, and a loss is
/// measured by that of a residual of `response_scale`.
fn penalties(plan: &Plan<'_>, asked: &Descent, standardizer: &Standardizer, weight: f64) -> Penalties {
    let Some(penalization) = &plan.regression.penalization else { return Penalties::default() };
    let lambda = penalization.lambda.unwrap_or(0.0);
    let (l1, l2) = penalization.form.plain(lambda, weight).unwrap_or_default();
    let scaling = standardizer.scaling();
    let unit = asked.loss.unit(scaling.response_scale);
    let each = |size: f64, power: i32| {
        let own = |scale: &f64| size * (scaling.response_scale / scale).powi(power) / unit;
        if size > 0.0 { scaling.scales.iter().map(own).collect() } else { Vec::new() }
    };
    Penalties { l1: each(l1, 1), l2: each(l2, 2) }
}
