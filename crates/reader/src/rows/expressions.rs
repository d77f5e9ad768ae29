//! A source with derived columns and a filter.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_select::filter::FilterBuilder;

use super::bind::bind;
use super::convert::{from_arrow, to_arrow};
use super::evaluate::{Failure, Rows, cast, one_budget};
use super::kind::Kind;
use super::known::predicate;
use super::node::Node;
use super::syntax::{Text, with_room};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::predicate::Predicate;
use crate::source::{
    Checksums, Doubt, InputFile, Partition, ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary,
    position,
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
    filter: Option<Node>,
    filter_text: String,
    /// Whether some row may be an error.
    may_fail: bool,
    /// Rows that did not pass.
    rows_filtered: AtomicU64,
}

struct Derived {
    name: String,
    node: Node,
    text: String,
}

fn inputs(node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    node.columns(&mut names);
    names
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
            let node =
                bind(text, &schema).map_err(|e| if e.column().is_some() { e } else { e.in_column(name) })?;
            if node.kind == Kind::Null {
                let message = "the expression is NULL in every row, so it has no type; CAST it";
                return Err(Error::new(ErrorKind::Request, message).in_column(name));
            }
            fields.push(Arc::new(Field::new(name, node.kind.arrow(), true)));
            derived.push(Derived { name: name.clone(), node, text: text.clone() });
        }
        let schema = Arc::new(Schema::new(fields));
        let filter_text = filter.unwrap_or_default().to_owned();
        let filter = filter.map(|text| Self::filter(text, &schema)).transpose()?;
        let prune = filter.as_ref().map(|filter| predicate(filter, base));
        let may_fail = derived.iter().map(|derived| &derived.node).chain(&filter).any(Node::may_fail);
        Ok((schema, Self { derived, filter, filter_text, may_fail, rows_filtered: AtomicU64::new(0) }, prune))
    }

    fn filter(text: &str, schema: &Schema) -> Result<Node> {
        let filter = bind(text, schema)?;
        if matches!(filter.kind, Kind::Boolean | Kind::Null) {
            return Ok(filter);
        }
        let message = format!("the filter {text:?} is {}, not true or false", filter.kind);
        Err(Error::new(ErrorKind::Request, message).with_help("compare it with something"))
    }
}

impl<'a> Expressions<'a> {
    /// Adds the columns `with`, pairs of a name and an expression; a later one may use an earlier one. Keeps
    /// the rows for which `filter`, which may use them all, is true.
    ///
    /// # Errors
    /// [`ErrorKind::Request`] for an expression that is not valid, needs more than one row, or is not true
    /// or false where a filter is wanted; [`ErrorKind::Column`] for a name that does not exist, with those
    /// that do, or that exists already; [`ErrorKind::Unsupported`] for a column whose type has no use in
    /// expressions.
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
        let prune = self.prune(request);
        let row_numbers = request.row_numbers;
        // Errors name a row. Who counts rows leaves no file out, so a file that may be left out is worth more.
        let counts = row_numbers || (self.program.may_fail && prune.is_none());
        let inner = ScanRequest { prune, row_numbers: counts, ..inner };
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
        let cost = |node: &Node, known: &[u64]| -> u64 {
            let names = inputs(node);
            let inputs = names.iter().filter_map(|name| self.schema.index_of(name).ok());
            inputs.filter_map(|index| known.get(index)).sum()
        };
        for derived in &self.program.derived {
            summary.decode_bytes.push(cost(&derived.node, &summary.decode_bytes));
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

    fn doubt(&self, column: &str) -> Option<Doubt> {
        self.inner.doubt(column)
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        match self.inner.schema().field_with_name(column) {
            Ok(_) => self.inner.level_order(column),
            Err(_) => Ok(None),
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
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

/// Columns that are computed with, then columns that are derived.
#[derive(Default)]
struct Step {
    inputs: Vec<Input>,
    derived: Vec<usize>,
}

struct Input {
    /// Position in the batch of the inner source.
    position: usize,
    name: String,
    /// The type in the data set; a single file may have a narrower one.
    kind: Kind,
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
        // The inner batch has the columns that are asked for, those that are computed with, then the verbatim ones.
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
                    names.extend(inputs(&program.derived[i].node));
                    step.derived.push(i);
                }
            }
            step.derived.reverse();
            for name in names {
                if done.contains(&name) {
                    continue;
                }
                let kind = base.field_with_name(&name).ok().and_then(|f| Kind::of(f.data_type()));
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
        let before = step(program.filter.iter().flat_map(inputs).collect());
        let wanted = request.columns.iter().chain(&request.verbatim);
        let mut asked: Vec<usize> = wanted.filter_map(|name| index(name)).collect();
        asked.sort_unstable();
        asked.dedup();
        let after = step(asked.into_iter().map(|i| program.derived[i].name.clone()).collect());
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
        let (verbatim, dictionaries) = (read(&request.verbatim), read(&request.dictionaries));
        let inner = ScanRequest { columns, verbatim, dictionaries, ..request.clone() };
        (Self { program: Arc::clone(program), before, after, output }, inner)
    }

    /// The batch that is delivered for one of the inner source, whose first row has the number `first`; `None` if no
    /// row passes.
    fn apply(&self, batch: &RecordBatch, first: Option<u64>) -> Result<Option<RecordBatch>> {
        one_budget(|| self.computed(batch, first))
    }

    fn computed(&self, batch: &RecordBatch, first: Option<u64>) -> Result<Option<RecordBatch>> {
        let count = batch.num_rows();
        let mut arrays = batch.columns().to_vec();
        let mut rows = Rows { count, ..Rows::default() };
        let place = |failure: &Failure| Some(first? + failure.row as u64);
        self.advance(&self.before, &arrays, &mut rows).map_err(|e| e.located(place))?;
        let Some(filter) = &self.program.filter else {
            self.advance(&self.after, &arrays, &mut rows).map_err(|e| e.located(place))?;
            return self.deliver(batch, &arrays, rows).map(Some);
        };
        let passes = filter
            .evaluate(&rows)
            .map_err(|failure| Wrong::of(failure, None, &self.program.filter_text).located(place))?;
        let (passes, _) = passes.expanded(count).truth();
        let kept = passes.count_set_bits();
        self.program.rows_filtered.fetch_add((count - kept) as u64, Ordering::Relaxed);
        if kept == 0 {
            return Ok(None);
        }
        let place = |failure: &Failure| {
            let row = if kept == count { failure.row } else { passes.set_indices().nth(failure.row)? };
            Some(first? + row as u64)
        };
        if kept < count {
            rows = self.filtered(&passes, &mut arrays, &rows)?;
        }
        self.advance(&self.after, &arrays, &mut rows).map_err(|e| e.located(place))?;
        self.deliver(batch, &arrays, rows).map(Some)
    }

    /// Leaves the rows that pass: in the arrays that are delivered or computed with from here on, and in the columns
    /// that are computed already.
    fn filtered(&self, passes: &BooleanBuffer, arrays: &mut [ArrayRef], rows: &Rows) -> Result<Rows> {
        let mask = BooleanArray::new(passes.clone(), None);
        let filter = FilterBuilder::new(&mask).optimize().build();
        let mut wanted: Vec<usize> = self.after.inputs.iter().map(|input| input.position).collect();
        wanted.extend(self.output.iter().filter_map(|output| match output {
            Output::Read(position) => Some(*position),
            Output::Derived(_) => None,
        }));
        wanted.sort_unstable();
        wanted.dedup();
        for position in wanted {
            arrays[position] = filter.filter(&arrays[position]).map_err(|e| mismatched(&e))?;
        }
        let positions: Vec<u32> = passes.set_indices().map(|row| row as u32).collect();
        let mut kept = Rows { count: positions.len(), ..Rows::default() };
        if self.needs_columns() {
            let columns = rows.columns.iter().map(|(name, column)| (name.clone(), column.take(&positions)));
            kept.columns = columns.collect();
        }
        Ok(kept)
    }

    /// Whether what the filter was computed with is needed behind it.
    fn needs_columns(&self) -> bool {
        !self.after.derived.is_empty() || self.output.iter().any(|o| matches!(o, Output::Derived(_)))
    }

    /// Takes inputs from the arrays and derives columns.
    fn advance(&self, step: &Step, arrays: &[ArrayRef], rows: &mut Rows) -> std::result::Result<(), Wrong> {
        for input in &step.inputs {
            let (kind, column) =
                from_arrow(&arrays[input.position]).map_err(|e| Wrong::Other(e.in_column(&input.name)))?;
            let column =
                cast(&column, &kind, &input.kind, false).map_err(|f| Wrong::of(f, Some(&input.name), ""))?;
            rows.columns.insert(input.name.clone(), column);
        }
        for &index in &step.derived {
            let Derived { name, node, text } = &self.program.derived[index];
            let column = node.evaluate(rows).map_err(|failure| Wrong::of(failure, Some(name), text))?;
            rows.columns.insert(name.clone(), column);
        }
        Ok(())
    }

    fn deliver(&self, batch: &RecordBatch, arrays: &[ArrayRef], mut rows: Rows) -> Result<RecordBatch> {
        let mut fields: Vec<FieldRef> = Vec::with_capacity(self.output.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.output.len());
        for output in &self.output {
            match *output {
                Output::Read(position) => {
                    fields.push(Arc::clone(&batch.schema_ref().fields()[position]));
                    columns.push(Arc::clone(&arrays[position]));
                }
                Output::Derived(index) => {
                    let Derived { name, node, .. } = &self.program.derived[index];
                    let column = rows.columns.get_mut(name).map(|column| column.clone().expanded(rows.count));
                    let column = column.ok_or_else(|| {
                        Error::new(ErrorKind::Column, "it was not computed").in_column(name)
                    })?;
                    fields.push(Arc::new(Field::new(name, node.kind.arrow(), true)));
                    columns.push(to_arrow(&node.kind, column));
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.count));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|e| mismatched(&e))
    }
}

/// What stops a batch: a row, which gets its number where it is known, or something else.
enum Wrong {
    Row(Failure, Option<String>),
    Other(Error),
}

impl Wrong {
    /// What fails in the expression `text`, or in reading a column.
    fn of(failure: Failure, column: Option<&str>, text: &str) -> Self {
        let context = if text.is_empty() { String::new() } else { format!(", in {:?}", Text(text).shown(0)) };
        let message = format!("{}{context}", failure.message);
        Self::Row(Failure { message, ..failure }, column.map(str::to_owned))
    }

    fn located(self, place: impl Fn(&Failure) -> Option<u64>) -> Error {
        match self {
            Self::Other(error) => error,
            Self::Row(failure, column) => {
                let mut error = Error::new(ErrorKind::Expression, &failure.message);
                if let Some(row) = place(&failure) {
                    error = error.at(Place::Row(row + 1));
                }
                match column {
                    Some(column) => error.in_column(column),
                    None => error,
                }
            }
        }
    }
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
            let mut next = match &partition.numbers {
                RowNumbers::Run(rows) => Some(rows.start),
                _ => None,
            };
            let apply = move |batch: Result<RecordBatch>| {
                let outcome = batch.and_then(|batch| {
                    let first = next;
                    next = next.map(|next| next + batch.num_rows() as u64);
                    plan.apply(&batch, first)
                });
                let named = |e: Error| if path.is_empty() { e } else { e.at_path(Path::new(path.as_ref())) };
                outcome.map_err(named).transpose()
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
