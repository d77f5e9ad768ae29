//! A source with derived columns and a filter.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use polars::prelude as pl;
use polars_expr::prelude::ExecutionState;

use super::bridge::{booleans, polars_type, to_arrow, to_polars};
use super::formula::Formula;
use super::known::predicate;
use super::{failed, quiet, with_room};
use crate::error::{Error, ErrorKind, Result};
use crate::predicate::Predicate;
use crate::source::{
    Checksums, InputFile, Partition, ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary, position,
};

/// Any source, with further columns computed from its own, and without the rows that fail a condition.
///
/// Columns and filter are SQL expressions of a single row; see [the module](super). The columns come behind
/// those of the source. Only what a scan needs is read and computed. Rows that do not pass the filter are
/// left out of the batches, and batches without any row that passes are left out of the partition;
/// [`ReadCounts::rows_filtered`] counts the rows. Row groups and files in which no row can pass are not read.
pub struct Expressions<'a> {
    inner: Box<dyn Source + 'a>,
    schema: SchemaRef,
    program: Arc<Program>,
    prune: Option<Arc<Predicate>>,
}

/// What was asked for, compiled.
struct Program {
    derived: Vec<Derived>,
    filter: Option<Formula>,
    /// Rows that did not pass.
    rows_filtered: AtomicU64,
}

struct Derived {
    name: String,
    formula: Formula,
}

impl Program {
    /// Compiles everything: the columns with those that are derived, the program, what it prunes.
    fn new(
        base: &Schema,
        with: &[(String, String)],
        filter: Option<&str>,
    ) -> Result<(SchemaRef, Self, Option<Predicate>)> {
        let mut fields: Vec<FieldRef> = base.fields().iter().cloned().collect();
        let mut derived = Vec::new();
        for (name, text) in with {
            let schema = Schema::new(fields.clone());
            if name.is_empty() {
                let message = format!("the expression {text:?} needs a name");
                return Err(Error::new(ErrorKind::Request, message));
            }
            if schema.field_with_name(name).is_ok() {
                let message = "there is a column of this name already; choose another one";
                return Err(Error::new(ErrorKind::Column, message).in_column(name));
            }
            let formula = Formula::new(text, &schema).map_err(|e| e.in_column(name))?;
            fields.push(Arc::new(Field::new(name, formula.kind.clone(), true)));
            derived.push(Derived { name: name.clone(), formula });
        }
        let schema = Arc::new(Schema::new(fields));
        let filter = filter.map(|text| Formula::new(text, &schema)).transpose()?;
        if let Some(filter) = &filter
            && filter.polars != pl::DataType::Boolean
        {
            let message = format!("the filter {:?} is {}, not true or false", filter.text, filter.polars);
            return Err(Error::new(ErrorKind::Request, message).with_help("compare it with something"));
        }
        let prune = filter.as_ref().map(|filter| predicate(&filter.expr, base));
        Ok((schema, Self { derived, filter, rows_filtered: AtomicU64::new(0) }, prune))
    }
}

impl<'a> Expressions<'a> {
    /// Adds the columns `with`, pairs of a name and an expression; a later one may use an earlier one. Keeps
    /// the rows for which `filter`, which may use them all, is true.
    ///
    /// # Errors
    /// [`ErrorKind::Request`] for an expression that is not valid, needs more than one row, or is not true
    /// or false where a filter is wanted; [`ErrorKind::Column`] for a name that does not exist, with those
    /// that do, or that exists already; [`ErrorKind::Unsupported`] for a column whose type polars
    /// lacks.
    pub fn new(inner: Box<dyn Source + 'a>, with: &[(String, String)], filter: Option<&str>) -> Result<Self> {
        let base = Arc::clone(inner.schema());
        let (schema, program, prune) = with_room(|| Program::new(&base, with, filter))?;
        Ok(Self { inner, schema, program: Arc::new(program), prune: prune.map(Arc::new) })
    }

    /// What is passed over without reading: the filter's part, and what is asked for besides.
    fn prune(&self, request: &ScanRequest) -> Option<Arc<Predicate>> {
        match (&self.prune, &request.prune) {
            (Some(ours), Some(theirs)) => {
                Some(Arc::new(Predicate::And(vec![ours.as_ref().clone(), theirs.as_ref().clone()])))
            }
            (ours, theirs) => ours.clone().or_else(|| theirs.clone()),
        }
    }
}

impl Source for Expressions<'_> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let wanted = request.columns.iter().chain(&request.verbatim);
        wanted.map(|name| position(&self.schema, name)).collect::<Result<Vec<_>>>()?;
        let (plan, inner) = Plan::new(&self.program, self.inner.schema(), request);
        let inner = ScanRequest { prune: self.prune(request), ..inner };
        let row_numbers = request.row_numbers;
        Ok(Box::new(ExpressionScan { inner: self.inner.scan(&inner)?, plan: Arc::new(plan), row_numbers }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.inner.inputs()
    }

    fn verbatim_type(&self, index: usize) -> DataType {
        if index < self.inner.schema().fields().len() {
            self.inner.verbatim_type(index)
        } else {
            self.schema.field(index).data_type().clone()
        }
    }

    fn summary(&self) -> Summary {
        let mut summary = self.inner.summary();
        let cost = |formula: &Formula, known: &[u64]| -> u64 {
            let inputs = formula.inputs.iter().filter_map(|name| self.schema.index_of(name).ok());
            inputs.filter_map(|index| known.get(index)).sum()
        };
        for derived in &self.program.derived {
            summary.decode_bytes.push(cost(&derived.formula, &summary.decode_bytes));
            summary.null_counts.push(None);
        }
        if let Some(filter) = &self.program.filter {
            summary.partition_bytes += cost(filter, &summary.decode_bytes);
            summary.rows = None;
            summary.null_counts.fill(None);
        }
        summary
    }

    fn checksums(&self) -> Checksums {
        self.inner.checksums()
    }

    fn counts(&self) -> ReadCounts {
        let filtered = self.program.rows_filtered.load(Ordering::Relaxed);
        let inner = self.inner.counts();
        ReadCounts { rows_filtered: inner.rows_filtered + filtered, ..inner }
    }

    fn reopens(&self) -> bool {
        self.inner.reopens()
    }

    fn filters(&self) -> bool {
        self.program.filter.is_some() || self.inner.filters()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.inner.verify_unchanged()
    }
}

/// What is done to each batch of a scan.
struct Plan {
    program: Arc<Program>,
    /// Columns of a batch that the filter needs, and derived columns that it needs, in order.
    before: Step,
    /// What is needed besides by the columns that are asked for.
    after: Step,
    /// The columns that are asked for.
    output: Vec<Output>,
}

/// Columns handed to polars, then columns that polars derives.
#[derive(Default)]
struct Step {
    inputs: Vec<Input>,
    derived: Vec<usize>,
}

struct Input {
    /// Position in the batch of the inner source.
    position: usize,
    name: String,
    kind: pl::DataType,
}

#[derive(Clone, Copy)]
enum Output {
    /// Position in the batch of the inner source.
    Read(usize),
    /// Index of a derived column.
    Derived(usize),
}

impl Plan {
    /// The plan for a request whose names all exist, and the request to the inner source.
    fn new(program: &Arc<Program>, base: &Schema, request: &ScanRequest) -> (Self, ScanRequest) {
        let index = |name: &str| program.derived.iter().position(|d| d.name == name);
        let read = |names: &[String]| -> Vec<String> {
            names.iter().filter(|name| index(name).is_none()).cloned().collect()
        };
        // The inner batch has the columns that are asked for, those that are computed with, then the verbatim
        // ones.
        let mut columns = read(&request.columns);
        let mut places: HashMap<String, usize> =
            columns.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let mut done = Vec::new();
        let mut step = |wanted: Vec<String>| {
            let mut step = Step::default();
            let mut names = wanted;
            // From the last derived column to the first: each needs only what comes before it.
            for i in (0..program.derived.len()).rev() {
                if names.contains(&program.derived[i].name) && !done.contains(&program.derived[i].name) {
                    names.extend(program.derived[i].formula.inputs.iter().cloned());
                    step.derived.push(i);
                }
            }
            step.derived.reverse();
            for name in names {
                if done.contains(&name) {
                    continue;
                }
                let kind = base.field_with_name(&name).ok().and_then(|f| polars_type(f.data_type()));
                if let Some(kind) = kind {
                    let position = *places.entry(name.clone()).or_insert_with(|| {
                        columns.push(name.clone());
                        columns.len() - 1
                    });
                    step.inputs.push(Input { position, name: name.clone(), kind });
                }
                done.push(name);
            }
            step
        };
        let before = step(program.filter.iter().flat_map(|filter| filter.inputs.clone()).collect());
        let asked = request.columns.iter().chain(&request.verbatim).filter_map(|name| index(name));
        let mut asked: Vec<usize> = asked.collect();
        asked.sort_unstable();
        asked.dedup();
        let after = step(asked.into_iter().map(|i| program.derived[i].name.clone()).collect());
        let verbatim = read(&request.verbatim);
        let mut next_verbatim = columns.len()..;
        let output = request.columns.iter().map(|name| match index(name) {
            Some(i) => Output::Derived(i),
            None => Output::Read(places[name.as_str()]),
        });
        let output = output.chain(request.verbatim.iter().map(|name| match index(name) {
            Some(i) => Output::Derived(i),
            None => Output::Read(next_verbatim.next().unwrap_or_default()),
        }));
        let mut output: Vec<Output> = output.collect();
        if request.row_numbers {
            output.push(Output::Read(next_verbatim.next().unwrap_or_default()));
        }
        let dictionaries = read(&request.dictionaries);
        let inner = ScanRequest { columns, verbatim, dictionaries, ..request.clone() };
        (Self { program: Arc::clone(program), before, after, output }, inner)
    }

    /// The batch that is delivered for one of the inner source; `None` if no row passes.
    fn apply(&self, batch: RecordBatch, state: &ExecutionState) -> Result<Option<RecordBatch>> {
        let rows = batch.num_rows();
        let mut frame = pl::DataFrame::new(rows, Vec::new()).map_err(|e| failed(&e))?;
        self.advance(&self.before, &batch, &mut frame, state)?;
        let mut batch = batch;
        if let Some(filter) = &self.program.filter {
            let passes = filter.evaluate(&frame, state)?;
            let passes = passes.bool().map_err(|e| failed(&e))?;
            let kept = passes.num_trues();
            self.program.rows_filtered.fetch_add((rows - kept) as u64, Ordering::Relaxed);
            if kept == 0 {
                return Ok(None);
            }
            if kept < rows {
                batch = filter_batch(&batch, &booleans(passes))?;
                frame = if self.needs_frame() {
                    frame.filter_seq(passes).map_err(|e| failed(&e))?
                } else {
                    pl::DataFrame::new(kept, Vec::new()).map_err(|e| failed(&e))?
                };
            }
        }
        self.advance(&self.after, &batch, &mut frame, state)?;
        self.deliver(&batch, &frame).map(Some)
    }

    /// Whether what the filter was computed with is needed behind it.
    fn needs_frame(&self) -> bool {
        !self.after.derived.is_empty() || self.output.iter().any(|o| matches!(o, Output::Derived(_)))
    }

    /// Hands inputs over and derives columns.
    fn advance(
        &self,
        step: &Step,
        batch: &RecordBatch,
        frame: &mut pl::DataFrame,
        state: &ExecutionState,
    ) -> Result<()> {
        for input in &step.inputs {
            let column = to_polars(&input.name, batch.column(input.position), &input.kind)?;
            frame.with_column(column).map_err(|e| failed(&e))?;
        }
        for &index in &step.derived {
            let derived = &self.program.derived[index];
            let column = derived.formula.evaluate(frame, state).map_err(|e| e.in_column(&derived.name))?;
            let column = column.with_name(derived.name.as_str().into());
            frame.with_column(column).map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn deliver(&self, batch: &RecordBatch, frame: &pl::DataFrame) -> Result<RecordBatch> {
        let mut fields: Vec<FieldRef> = Vec::with_capacity(self.output.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.output.len());
        for output in &self.output {
            match *output {
                Output::Read(position) => {
                    fields.push(Arc::clone(&batch.schema_ref().fields()[position]));
                    columns.push(Arc::clone(batch.column(position)));
                }
                Output::Derived(index) => {
                    let name = &self.program.derived[index].name;
                    let column = frame.column(name).map_err(|e| failed(&e))?;
                    let array = to_arrow(column).map_err(|e| e.in_column(name))?;
                    fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
                    columns.push(array);
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|e| mismatched(&e))
    }
}

/// The rows of `batch` for which `passes` is true.
fn filter_batch(batch: &RecordBatch, passes: &BooleanArray) -> Result<RecordBatch> {
    arrow_select::filter::filter_record_batch(batch, passes).map_err(|e| mismatched(&e))
}

fn mismatched(error: &ArrowError) -> Error {
    Error::new(ErrorKind::Expression, error.to_string())
}

struct ExpressionScan<'a> {
    inner: Box<dyn Scan + 'a>,
    plan: Arc<Plan>,
    row_numbers: bool,
}

/// Puts the numbers of the rows behind the other columns, so that they go the way of their rows.
fn numbered(partition: Partition) -> Result<Partition> {
    let mut next = match &partition.numbers {
        RowNumbers::Run(rows) => rows.start,
        RowNumbers::Column => return Ok(partition),
        RowNumbers::Unknown => {
            return Err(Error::new(ErrorKind::Unsupported, "this source does not number its rows"));
        }
    };
    let batches = partition.batches.map(move |batch| {
        let batch = batch?;
        let from = next;
        next += batch.num_rows() as u64;
        let (schema, mut columns, count) = batch.into_parts();
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("row number", DataType::UInt64, false)));
        columns.push(Arc::new(UInt64Array::from_iter_values(from..next)));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|e| mismatched(&e))
    });
    Ok(Partition { numbers: RowNumbers::Column, batches: Box::new(batches), ..partition })
}

impl Scan for ExpressionScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let mut partition = self.inner.next_partition()?;
        if self.row_numbers {
            partition = partition.and_then(numbered);
        }
        Some(partition.map(|partition| {
            let plan = Arc::clone(&self.plan);
            let path = Arc::clone(&partition.path);
            let state = ExecutionState::new();
            let apply = move |batch: Result<RecordBatch>| {
                let outcome = batch.and_then(|batch| quiet(|| plan.apply(batch, &state)));
                let outcome = if path.is_empty() {
                    outcome
                } else {
                    outcome.map_err(|e| e.at_path(Path::new(path.as_ref())))
                };
                outcome.transpose()
            };
            // After an error of its own the iterator ends, as the sources' do.
            let mut failed = false;
            let batches = partition.batches.filter_map(apply).take_while(move |outcome| {
                let goes_on = !failed;
                failed |= outcome.is_err();
                goes_on
            });
            Partition { batches: Box::new(batches), ..partition }
        }))
    }
}
