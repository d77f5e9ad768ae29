//! Where the rows of a pass come from, and the passes over them.

mod execution;
mod memory;
mod passes;
pub(crate) mod row_ids;
mod source_rows;
mod stream_rows;

use std::cmp::Reverse;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use streamreg_core::iterative::{RowBlock, Standardizer};
use streamreg_core::{Accumulator, Design, Levels, RowLedger, usable_as_number, widened};
use streamreg_reader::ScanRequest;

pub use self::execution::{Execution, Progress, ProgressFn};
pub(crate) use self::execution::{LastLoss, Pass};
pub(crate) use self::passes::{Passes, data_set_warnings};
use self::row_ids::RowIdPlan;
pub(crate) use self::source_rows::{SourceRows, Stopped, Stops};
pub(crate) use self::stream_rows::StreamRows;
use crate::error::{Error, ErrorKind, Result};
use crate::render::number;

/// Rows that can be accumulated, once or more often.
pub(crate) trait Rows {
    fn schema(&self) -> SchemaRef;

    /// Whether another pass is possible.
    fn reopens(&self) -> bool;

    /// The first rows of the columns of `design`: some, unless there is none.
    fn first(&self, design: &Design, execution: &Execution) -> Result<Option<RecordBatch>>;

    /// Runs a pass over the columns of a design.
    fn accumulate<A: Accumulator>(
        &self,
        scope: &Scope<'_>,
        make: impl Fn() -> A + Sync,
    ) -> Result<(A, RowLedger)>;

    /// Runs a pass whose rows are mixed and come to `sink` one group after the other.
    fn shuffled(
        &self,
        scope: &Scope<'_>,
        order: &Shuffled<'_>,
        sink: &mut dyn FnMut(&[RowBlock]) -> streamreg_core::Result<()>,
    ) -> Result<RowLedger>;
}

/// What a pass reads, and how.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) design: &'a Design,
    /// What numbers the categories.
    pub(crate) levels: &'a Levels,
    /// What gives rows the folds or keys that accumulators are told.
    pub(crate) ids: Option<&'a RowIdPlan>,
    pub(crate) execution: &'a Execution,
    pub(crate) pass: Pass<'a>,
}

impl Scope<'_> {
    /// `request`, and what the ids of the rows need beside it.
    fn extended(&self, request: ScanRequest, schema: &Schema) -> Result<ScanRequest> {
        match self.ids {
            Some(ids) => ids.extend(request, schema),
            None => Ok(request),
        }
    }

    /// An error of the pass; where there is no memory to go on it says what has grown.
    fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Memory {
            return error;
        }
        let names = self.design.category_columns();
        let mut levels: Vec<(usize, &str)> =
            self.levels.sets.iter().zip(names).map(|(set, (name, _))| (set.len(), name)).collect();
        levels.sort_by_key(|&(count, _)| Reverse(count));
        let told =
            levels.iter().map(|(count, name)| format!("{} levels of {name:?}", number::count(*count as u64)));
        let told = told.collect::<Vec<_>>().join(", ");
        let so_far = if told.is_empty() { told } else { format!(", with {told} so far") };
        let message = format!(
            "{}{so_far}: a higher limit (--memory-limit, or `Execution::memory_limit`), or fewer columns or levels",
            error.message()
        );
        Error::memory(message)
    }
}

/// How rows are mixed, and what they are made into.
pub(crate) struct Shuffled<'a> {
    pub(crate) standardizer: &'a Standardizer,
    /// Decides the order.
    pub(crate) seed: u64,
}

/// The named columns of `batch`, in that order.
pub(crate) fn project(batch: &RecordBatch, columns: &[String]) -> Result<RecordBatch> {
    let schema = batch.schema_ref();
    let find = |name: &String| Ok(streamreg_reader::position(schema, name)?);
    let positions = columns.iter().map(find).collect::<Result<Vec<_>>>()?;
    batch.project(&positions).map_err(|e| Error::data(e.to_string()))
}

/// Rows that [`Rows::first`] wants.
const FIRST_ROWS: usize = 1_024;

/// The first rows of the data, in one batch, whatever the batches they came in.
#[derive(Default)]
struct Taken {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Taken {
    /// Takes what is needed of a batch; true once there is enough.
    fn add(&mut self, batch: RecordBatch) -> bool {
        let count = batch.num_rows().min(FIRST_ROWS - self.rows);
        self.rows += count;
        self.batches.push(batch.slice(0, count));
        self.rows == FIRST_ROWS
    }

    fn join(self) -> Result<Option<RecordBatch>> {
        let Some(first) = self.batches.first() else { return Ok(None) };
        let types = |column: usize| self.batches.iter().map(move |batch| batch.column(column).data_type());
        // The files of a data set may have different types of numbers, or of text.
        let field = |(column, field): (usize, &FieldRef)| {
            let same = types(column).all(|kind| kind == field.data_type());
            let text = types(column).any(|kind| !usable_as_number(kind));
            let kind = match (same, text) {
                (true, _) => field.data_type().clone(),
                (false, true) => DataType::Utf8,
                (false, false) => DataType::Float64,
            };
            Field::new(field.name(), kind, true)
        };
        let fields = first.schema_ref().fields().iter().enumerate().map(field);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let joined = |batch: &RecordBatch| {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns.map(|(array, field)| widened(array, field.data_type()));
            let columns = columns.collect::<streamreg_core::Result<Vec<_>>>()?;
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        };
        let batches = self.batches.iter().map(joined).collect::<Result<Vec<_>>>()?;
        Ok(Some(arrow_select::concat::concat_batches(&schema, &batches)?))
    }
}
