//! The second pass of robust standard errors, in parts: the scores of rows for a fit from a state.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use streamreg_core::scores::{Nesting, ScorePlan, ScoreSums, ScoreTotals, Scores as Scoring};
use streamreg_core::{Coding, DroppedRows, Layout, Levels, RowLedger, Unseen};
use streamreg_reader::Source;

use super::State;
use super::header::{Asked, Header, difference_of_models};
use super::sealed::{Sealing, Unreadable, opened};
use crate::error::{Error, Result};
use crate::pass::{Execution, Passes, SourceRows};

/// How the bytes begin.
const FIRST_LINE: &[u8] = b"streamreg scores 1\n";

/// The scores of some rows for the fits of a [`State`]: what robust and clustered standard errors need beside the sums, where the
/// rows of a state are read again in parts.
///
/// [`Regression::scores`](crate::Regression::scores) makes those of no rows; [`Scores::sum`] those of a part, wherever it lies;
/// [`Scores::merge`] puts parts together, and [`Regression::with_scores`](crate::Regression::with_scores) gives all of them to the fit.
/// Scores are summed in float64: the order of merging decides the last digits.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Float64Array, RecordBatch};
/// use streamreg::{Batches, Execution, Regression, Scores, State, Vcov};
///
/// let part = |from: i32| {
///     let x: Vec<f64> = (from..from + 20).map(f64::from).collect();
///     let y = x.iter().map(|x| 2.0 * x + (x * x) % 7.0).collect::<Vec<_>>();
///     let columns = [("x", Arc::new(Float64Array::from(x)) as _), ("y", Arc::new(Float64Array::from(y)) as _)];
///     let batch = RecordBatch::try_from_iter(columns)?;
///     Ok::<_, arrow_schema::ArrowError>(Batches::new(batch.schema(), vec![batch]))
/// };
/// let (first, second, execution) = (part(0)?, part(20)?, Execution::default());
/// let model = Regression::formula("y ~ x");
/// let state = model.sum_source(&first, None)?.merge(model.sum_source(&second, None)?)?;
///
/// let fit = Regression::of_state(state).vcov(Vcov::Hc1);
/// let none = fit.scores()?.ok_or("these errors need no scores")?;
/// // Sent to where the rows are, and back.
/// let there = Scores::from_bytes(none.to_bytes()?)?.sum(&first, &execution)?.to_bytes()?;
/// let all = Scores::from_bytes(there)?.merge(none.sum(&second, &execution)?)?;
/// let report = fit.with_scores(all).fit_state()?;
/// assert_eq!(report.vcov.kind, Vcov::Hc1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scores {
    task: Arc<Task>,
    sums: ScoreSums,
    rows: Rows,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Rows {
    read: u64,
    used: u64,
    dropped: Vec<DroppedRows>,
}

impl Rows {
    fn of(ledger: &RowLedger) -> Self {
        Self { read: ledger.rows_read, used: ledger.rows_used, dropped: ledger.dropped.clone() }
    }

    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.used += other.used;
        for more in other.dropped {
            let same = |own: &&mut DroppedRows| (&own.column, own.reason) == (&more.column, more.reason);
            match self.dropped.iter_mut().find(same) {
                Some(own) => own.rows += more.rows,
                None => self.dropped.push(more),
            }
        }
    }

    /// In words, those that were not used.
    fn told(&self) -> String {
        let causes =
            self.dropped.iter().map(|d| format!(", {} dropped for {:?} {}", d.rows, d.column, d.reason));
        format!("{} of {} rows were used{}", self.used, self.read, causes.collect::<String>())
    }
}

/// What is computed of every row.
#[derive(Debug)]
struct Task {
    /// The model, without rows.
    model: State,
    coding: Coding,
    plan: ScorePlan,
    /// The same as bytes: those of one task are the same.
    bytes: Vec<u8>,
}

/// A task on its way.
#[derive(Serialize, Deserialize)]
struct SentTask {
    header: Header,
    coding: Coding,
    plan: ScorePlan,
}

/// What rows came to on its way.
#[derive(Serialize, Deserialize)]
struct SentSums {
    sums: ScoreSums,
    rows: Rows,
}

impl Scores {
    /// Of no rows: what `plan` computes for a model without rows.
    pub(crate) fn new(model: State, coding: Coding, plan: ScorePlan) -> Result<Self> {
        let sent = SentTask { header: Header::of(&model, None), coding, plan };
        let mut bytes = Vec::new();
        ciborium::into_writer(&sent, &mut bytes).map_err(|e| unsent(&e))?;
        let SentTask { coding, plan, .. } = sent;
        let sums = ScoreSums::new(Scoring::new(&plan), &model.design.level_sets());
        Ok(Self { task: Arc::new(Task { model, coding, plan, bytes }), sums, rows: Rows::default() })
    }

    /// The scores of some rows: of the same fits. They are not added to these.
    ///
    /// # Errors
    /// When a column is missing or of another kind, and those of reading.
    pub fn sum(&self, source: &dyn Source, execution: &Execution) -> Result<Self> {
        let Task { model, coding, plan, .. } = self.task.as_ref();
        let rows = model.selection.of(source)?;
        model.check_columns(rows.schema(), rows.as_ref())?;
        let mut sets = model.design.fixed_level_sets(&coding.levels)?;
        // Clusters are numbered as they are met.
        sets.extend(model.design.level_sets().into_iter().skip(sets.len()));
        let levels = Levels { sets, unseen: Unseen::Null, ..Levels::default() };
        let source_rows = SourceRows(rows.as_ref());
        let mut passes = Passes::new(&source_rows, execution, Some(rows.as_ref()));
        let (scores, ledger) = passes.accumulate((&model.design, &levels), None, || Scoring::new(plan))?;
        let sums = ScoreSums::new(scores, &levels.sets);
        Ok(Self { task: Arc::clone(&self.task), sums, rows: Rows::of(&ledger) })
    }

    /// Puts those of different rows together.
    ///
    /// # Errors
    /// When they are of different fits.
    pub fn merge(mut self, other: Self) -> Result<Self> {
        self.add(other)?;
        Ok(self)
    }

    /// Takes in those of other rows.
    ///
    /// # Errors
    /// As [`Scores::merge`]; then nothing has changed.
    pub fn add(&mut self, other: Self) -> Result<()> {
        if self.task.bytes != other.task.bytes {
            return Err(Error::data("the scores do not belong together: they are of different fits"));
        }
        self.sums.merge(other.sums).map_err(|_| Error::data("the scores have different forms"))?;
        self.rows.add(other.rows);
        Ok(())
    }

    /// Those of no rows, of the same fits.
    #[must_use]
    pub fn none(&self) -> Self {
        let Task { model, plan, .. } = self.task.as_ref();
        let sums = ScoreSums::new(Scoring::new(plan), &model.design.level_sets());
        Self { task: Arc::clone(&self.task), sums, rows: Rows::default() }
    }

    /// Rows that were used.
    pub fn rows_used(&self) -> u64 {
        self.rows.used
    }

    /// The scores as bytes, with the fits that they are of.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let sent = SentSums { sums: self.sums.clone(), rows: self.rows.clone() };
        let mut sealing = Sealing::new(FIRST_LINE);
        sealing.add_bytes(&self.task.bytes);
        sealing.add(&sent).map_err(|e| unsent(&e))?;
        Ok(sealing.finish())
    }

    /// Reads [`Scores::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are damaged, or something else.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        let refuse = |what: &str| Error::data(format!("the scores cannot be read: {what}"));
        let values = opened(bytes.as_ref(), FIRST_LINE).map_err(|why| match why {
            Unreadable::Others => refuse("these are no scores of this version"),
            Unreadable::Damaged => refuse("they are damaged"),
        })?;
        let (mut rest, strange) = (values, |_| refuse("they are of another version"));
        let task: SentTask = ciborium::from_reader(&mut rest).map_err(strange)?;
        let own = values[..values.len() - rest.len()].to_vec();
        let sent: SentSums = ciborium::from_reader(rest).map_err(strange)?;
        let (model, coding, mut plan) = (task.header.state()?, task.coding, task.plan);
        plan.layout = Layout::new(&model.design, &coding)?;
        let known = plan.clusters.is_empty() || plan.clusters == model.design.clusters();
        if !known || !plan.fits_layout() || !sent.sums.are_of(&plan) {
            return Err(refuse("the sums are of other columns than the model has"));
        }
        let SentSums { sums, rows } = sent;
        Ok(Self { task: Arc::new(Task { model, coding, plan, bytes: own }), sums, rows })
    }

    /// Checks that they are of a model.
    ///
    /// # Errors
    /// That names what differs.
    pub(crate) fn check_model(&self, of: Asked<'_>) -> Result<()> {
        let model = &self.task.model;
        match difference_of_models((&model.spec, &model.selection), of) {
            Some(what) => Err(Error::data(format!("the scores are of another model: {what}"))),
            None => Ok(()),
        }
    }

    /// The sums, for a fit whose scores `plan` computes, of rows that `ledger` counts.
    ///
    /// # Errors
    /// When they are of other rows or another fit.
    pub(crate) fn of_fit(&self, plan: &ScorePlan, ledger: &RowLedger) -> Result<(Vec<ScoreTotals>, Nesting)> {
        if !self.task.plan.agrees_with(plan) {
            return Err(Error::data("the scores are of another fit, or of other standard errors"));
        }
        if self.rows.read == ledger.rows_read && self.rows.used > ledger.rows_used {
            return Err(left_out_before(self.rows.used - ledger.rows_used));
        }
        if (self.rows.read, self.rows.used) != (ledger.rows_read, ledger.rows_used) {
            return Err(Error::data(format!(
                "the scores are not of the rows of the state: {} in the sums; in the scores {}",
                Rows::of(ledger).told(),
                self.rows.told()
            )));
        }
        Ok(self.sums.clone().into_parts())
    }
}

/// The error for rows that a model uses, and the state that it is fitted from does not.
pub(crate) fn left_out_before(rows: u64) -> Error {
    let of = if rows == 1 { "1 row of these is" } else { &format!("{rows} rows of these are") };
    Error::data(format!(
        "{of} not in the sums of the state, for want of a value in a column that this model does not name, or because files are read \
         in another way: robust standard errors need a state of this model, or one without these rows (--where)"
    ))
}

fn unsent(error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("the scores cannot be made bytes: {error}"))
}
