//! Chunks to record batches: the hot path. Only the requested fields are parsed; the others are stepped
//! over.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};
use pulp::NullaryFnOnce;

use super::cells::Cells;
use super::chunk::Chunk;
use super::column::{Column, Step};
use super::field::{Edge, Text};
use super::lanes::{Lanes, Words};
use super::layout::Layout;
use super::options::ColumnType;
use crate::error::{Error, ErrorKind, Result};

/// What a scan reads from each record.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) delimiter: u8,
    cells: Arc<Cells>,
    batch_rows: usize,
    /// Fields of every record.
    pub(super) fields: usize,
    /// The fields to read, from left to right.
    steps: Vec<Step>,
    /// Fields behind the last one that is read.
    trailing: usize,
    /// For each column of a batch, the step that reads it.
    order: Vec<usize>,
    schema: SchemaRef,
    pub(super) path: Arc<str>,
}

/// A request, its columns found.
pub(super) struct Wanted<'a> {
    /// Positions of the columns to deliver in their types.
    pub(super) columns: &'a [usize],
    /// Positions of those to append as text.
    pub(super) verbatim: &'a [usize],
    pub(super) batch_rows: usize,
}

impl Plan {
    pub(super) fn new(layout: &Layout, cells: &Arc<Cells>, request: &Wanted<'_>, path: &Path) -> Self {
        let typed = request.columns.iter().map(|&i| (i, Some(layout.guesses[i].column_type)));
        let wanted: Vec<_> = typed.chain(request.verbatim.iter().map(|&i| (i, None))).collect();
        let arrow_field = |&(i, t): &(usize, Option<ColumnType>)| {
            let kind = t.map_or(DataType::Utf8, ColumnType::data_type);
            ArrowField::new(&layout.names[i], kind, true)
        };
        let schema = Arc::new(Schema::new(wanted.iter().map(arrow_field).collect::<Vec<_>>()));

        // The same field may be wanted more than once; it is read once for each type.
        let key = |&(i, t): &(usize, Option<ColumnType>)| (i, t.is_none());
        let mut reads = wanted.clone();
        reads.sort_unstable_by_key(key);
        reads.dedup();
        let find = |w: &(usize, Option<ColumnType>)| reads.partition_point(|r| key(r) < key(w));
        let order = wanted.iter().map(find).collect();

        let mut next = 0;
        let mut steps = Vec::with_capacity(reads.len());
        for (i, column_type) in reads {
            let again = i < next;
            steps.push(Step {
                gap: i.saturating_sub(next),
                again,
                column_type,
                untyped: layout.guesses[i].blank,
                name: layout.names[i].clone(),
            });
            next = i + 1;
        }
        let fields = layout.names.len();
        Self {
            delimiter: layout.delimiter,
            cells: Arc::clone(cells),
            batch_rows: request.batch_rows.max(1),
            fields,
            steps,
            trailing: fields - next,
            order,
            schema,
            path: path.to_string_lossy().into(),
        }
    }

    /// Reads the records from `at` on into `columns`, as many as a batch has; how many there are, and where the next one is.
    fn read_records(&self, text: Text<'_>, at: usize, columns: &mut [Column]) -> Result<(usize, usize)> {
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = pulp::x86::V3::try_new() {
            return lanes.vectorize(Records { plan: self, lanes, text, at, columns });
        }
        Records { plan: self, lanes: Words, text, at, columns }.call()
    }

    /// Reads the record at `start` into `columns`; where it ends.
    #[inline(always)]
    fn read_record(
        &self,
        lanes: impl Lanes,
        text: Text<'_>,
        start: usize,
        columns: &mut [Column],
    ) -> Result<usize> {
        let mut edge = Edge { next: start, last: false };
        let mut field = start;
        for (step, column) in self.steps.iter().zip(columns) {
            if !step.again {
                if step.gap > 0 {
                    edge = self.skip(lanes, text, start, edge, step.gap)?;
                }
                if edge.last {
                    return Err(text.ragged(start, self.fields));
                }
                field = edge.next;
            }
            edge = column.read(lanes, text, field, step, &self.cells)?;
        }
        if self.trailing > 0 {
            edge = self.skip(lanes, text, start, edge, self.trailing)?;
        }
        if edge.last { Ok(edge.next) } else { Err(text.ragged(start, self.fields)) }
    }

    /// Steps over `count` fields behind `edge`.
    #[inline(always)]
    fn skip(
        &self,
        lanes: impl Lanes,
        text: Text<'_>,
        start: usize,
        edge: Edge,
        count: usize,
    ) -> Result<Edge> {
        // A delimiter ends all of them but perhaps the last one.
        if !edge.last
            && count > 1
            && let Some(edge) = text.skip_plain(lanes, edge.next, count - 1)
        {
            return text.skip(edge.next);
        }
        self.skip_any(text, start, edge, count)
    }

    /// The same, one field after the other.
    #[inline(never)]
    fn skip_any(&self, text: Text<'_>, start: usize, mut edge: Edge, count: usize) -> Result<Edge> {
        for _ in 0..count {
            if edge.last {
                return Err(text.ragged(start, self.fields));
            }
            edge = text.skip(edge.next)?;
        }
        Ok(edge)
    }

    /// The records of a chunk.
    pub(super) fn count_records(&self, chunk: &Chunk) -> u64 {
        chunk.text(self.delimiter).of_fields(self.fields).count_records()
    }

    fn batch(&self, columns: &mut [Column], rows: usize) -> Result<RecordBatch> {
        let arrays: Vec<_> = columns.iter_mut().map(Column::finish).collect();
        let arrays = self.order.iter().map(|&i| Arc::clone(&arrays[i])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|e| Error::new(ErrorKind::Decoder, "the record batch is inconsistent").caused_by(e))
    }
}

/// The records of a batch, still to be read. (A closure would not do: it is not compiled for the processor's vectors.)
struct Records<'a, L> {
    plan: &'a Plan,
    lanes: L,
    text: Text<'a>,
    at: usize,
    columns: &'a mut [Column],
}

impl<L: Lanes> NullaryFnOnce for Records<'_, L> {
    type Output = Result<(usize, usize)>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let mut rows = 0;
        let mut at = self.text.next_record(self.at);
        while rows < self.plan.batch_rows && at < self.text.bytes.len() {
            let end = self.plan.read_record(self.lanes, self.text, at, self.columns)?;
            at = self.text.next_record(end);
            rows += 1;
        }
        Ok((rows, at))
    }
}

/// The record batches of one chunk.
pub(super) struct Rows {
    plan: Arc<Plan>,
    chunk: Chunk,
    /// Where the next record starts; the end of the chunk after an error.
    at: usize,
}

impl Rows {
    pub(super) fn new(plan: Arc<Plan>, chunk: Chunk) -> Self {
        Self { plan, chunk, at: 0 }
    }

    fn read_batch(&mut self) -> Result<Option<RecordBatch>> {
        let plan = &*self.plan;
        let text = self.chunk.text(plan.delimiter).of_fields(plan.fields);
        // Room for all rows there can be, so that 100,000 columns of few rows get little.
        let capacity = plan.batch_rows.min(self.chunk.lines + 1);
        let mut columns: Vec<_> = plan
            .steps
            .iter()
            .map(|s| match s.column_type {
                None => Column::verbatim(capacity),
                Some(_) if s.untyped => Column::untyped(capacity),
                Some(column_type) => Column::new(column_type, capacity),
            })
            .collect();
        let (rows, at) = plan.read_records(text, self.at, &mut columns)?;
        self.at = at;
        if rows == 0 { Ok(None) } else { plan.batch(&mut columns, rows).map(Some) }
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.chunk.len() {
            return None;
        }
        let batch = self.read_batch();
        if batch.is_err() {
            self.at = self.chunk.len();
        }
        batch.map_err(|e| e.at_path(self.plan.path.as_ref().as_ref())).transpose()
    }
}
