//! The passes of a fit, one after the other.

use std::time::Instant;

use arrow_schema::SchemaRef;
use streamreg_core::iterative::RowBlock;
use streamreg_core::{Accumulator, Design, Levels, RowLedger};
use streamreg_reader::{InputFile, ReadCounts, Source};
use streamreg_solve::Warning;

use crate::error::Result;
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Execution, LastLoss, Pass, Rows, Scope, Shuffled};
use crate::report::Timings;

/// What is to be said of a data set as a whole.
pub(crate) fn data_set_warnings(source: &dyn Source) -> Vec<Warning> {
    source.warnings().into_iter().map(|message| Warning::new("data_set", message)).collect()
}

/// The rows of a fit, and how long the passes over them took.
pub(crate) struct Passes<'a, R> {
    pub(crate) rows: &'a R,
    pub(crate) execution: &'a Execution,
    /// Where the rows come from; absent for a stream of batches.
    source: Option<&'a dyn Source>,
    seconds: Vec<f64>,
    loss: LastLoss,
    start: Instant,
}

impl<'a, R: Rows> Passes<'a, R> {
    pub(crate) fn new(rows: &'a R, execution: &'a Execution, source: Option<&'a dyn Source>) -> Self {
        let loss = LastLoss::default();
        Self { rows, execution, source, seconds: Vec::new(), loss, start: Instant::now() }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// Passes so far.
    pub(crate) fn count(&self) -> usize {
        self.seconds.len()
    }

    /// Seconds that each of them took.
    pub(crate) fn each(&self) -> &[f64] {
        &self.seconds
    }

    /// Goes on behind passes that took so many seconds, in place of those so far.
    pub(crate) fn resume(&mut self, seconds: Vec<f64>) {
        self.seconds = seconds;
    }

    /// Seconds that they took.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds.iter().sum()
    }

    /// What the progress shows as the loss from now on.
    pub(crate) fn show_loss(&self, loss: f64) {
        self.loss.set(loss);
    }

    /// Accumulates all rows; with `ids` accumulators are told the fold or key of every row.
    pub(crate) fn accumulate<A: Accumulator>(
        &mut self,
        (design, levels): (&Design, &Levels),
        ids: Option<&RowIdPlan>,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)> {
        let start = Instant::now();
        let done = self.rows.accumulate(&self.scope(design, levels, ids), make)?;
        self.seconds.push(start.elapsed().as_secs_f64());
        Ok(done)
    }

    /// Hands all rows to `sink`, mixed.
    pub(crate) fn shuffled(
        &mut self,
        (design, levels): (&Design, &Levels),
        keys: &RowIdPlan,
        order: &Shuffled<'_>,
        mut sink: impl FnMut(&Self, &[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger> {
        let start = Instant::now();
        let mut sink = |group: &[RowBlock]| sink(self, group);
        let ledger = self.rows.shuffled(&self.scope(design, levels, Some(keys)), order, &mut sink)?;
        self.seconds.push(start.elapsed().as_secs_f64());
        Ok(ledger)
    }

    fn scope<'s>(&'s self, design: &'s Design, levels: &'s Levels, ids: Option<&'s RowIdPlan>) -> Scope<'s> {
        let pass = Pass { number: self.count() + 1, loss: Some(&self.loss) };
        Scope { design, levels, ids, execution: self.execution, pass }
    }

    /// Whether a filter decides which rows there are.
    pub(crate) fn filters(&self) -> bool {
        self.source.is_some_and(Source::filters)
    }

    /// The number of rows, where it is known beforehand.
    pub(crate) fn known_rows(&self) -> Option<u64> {
        self.source.and_then(|source| source.summary().rows).filter(|_| !self.filters())
    }

    /// Gives categories the order of levels that their data have.
    pub(crate) fn order_levels(&self, design: &mut Design) -> Result<()> {
        let Some(source) = self.source else { return Ok(()) };
        let columns: Vec<String> = design.term_categories().into_iter().map(str::to_owned).collect();
        for column in columns {
            if let Some(levels) = source.level_order(&column)? {
                design.order_levels(&column, &levels);
            }
        }
        Ok(())
    }

    /// What is to be said of the data set as a whole.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.source.map(data_set_warnings).unwrap_or_default()
    }

    pub(crate) fn inputs(&self) -> Vec<InputFile> {
        self.source.map(Source::inputs).unwrap_or_default()
    }

    /// What was read.
    pub(crate) fn reading(&self) -> ReadCounts {
        self.source.map(|source| source.counts()).unwrap_or_default()
    }

    /// How long everything took, `solve_seconds` of it for solving.
    pub(crate) fn timings(&self, solve_seconds: f64) -> Result<Timings> {
        Ok(Timings {
            pass_seconds: self.seconds.clone(),
            solve_seconds,
            total_seconds: self.start.elapsed().as_secs_f64(),
            threads: self.execution.resolved_threads()?,
        })
    }
}
