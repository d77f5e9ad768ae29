//! Rows from Python.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions, RecordBatchReader, StructArray};
use arrow_pyarrow::FromPyArrow;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use streamreg::{Batches, Regression, Source};

type Batch = std::result::Result<RecordBatch, ArrowError>;

/// What a fit reads.
#[derive(FromPyObject)]
pub(crate) enum Data {
    /// Paths, folders, globs.
    Files(Vec<PathBuf>),
    /// Anything else, as the package says.
    #[pyo3(transparent)]
    Arrow(Arrow),
}

/// Arrow data of Python: an object, and how often it can be read.
#[derive(FromPyObject)]
pub(crate) struct Arrow {
    #[pyo3(attribute("data"))]
    object: Py<PyAny>,
    /// `table`: all in memory; `again`: a function that makes it anew; `once`: a stream.
    #[pyo3(attribute("kind"))]
    kind: String,
}

/// An exception that was raised while rows were read, in place of the error that came of it; and what stops the work.
#[derive(Clone, Default)]
pub(crate) struct Raised {
    raised: Arc<Mutex<Option<PyErr>>>,
    /// What is raised where a column is named that Arrow has no place for.
    unread: Arc<Mutex<HashMap<String, PyErr>>>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Raised {
    /// Keeps an exception of a function that is told of the work, which ends.
    pub(crate) fn stop_with(&self, py: Python<'_>, raised: PyErr) {
        self.keep(py, raised);
        self.stop.store(true, Ordering::Relaxed);
    }

    fn keep(&self, py: Python<'_>, raised: PyErr) -> ArrowError {
        let message = raised.to_string();
        let mut kept = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(raised.clone_ref(py));
        ArrowError::ExternalError(message.into())
    }

    /// What was raised, or what the work came to without it.
    pub(crate) fn or<T>(&self, done: PyResult<T>) -> PyResult<T> {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        raised.map_or(done, Err).map_err(|error| {
            Python::attach(|py| {
                let message = error.value(py).to_string();
                let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
                let own = unread.iter().find(|(name, _)| message.starts_with(&format!("column {name:?}: ")));
                own.map_or(error, |(_, own)| own.clone_ref(py))
            })
        })
    }

    /// Refuses to copy columns that could not be read; `*` stands for all.
    pub(crate) fn refuse_copies(&self, py: Python<'_>, columns: &[String]) -> PyResult<()> {
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let all = columns.iter().any(|column| column == "*");
        match unread.iter().find(|(name, _)| all || columns.contains(name)) {
            Some((_, error)) => Err(error.clone_ref(py)),
            None => Ok(()),
        }
    }
}

impl Data {
    /// The rows as a source. Of rows that come once the first ones are kept, to be looked at beforehand.
    pub(crate) fn source(
        self,
        py: Python<'_>,
        regression: &Regression,
        raised: &Raised,
    ) -> PyResult<Box<dyn Source>> {
        let Arrow { object, kind } = match self {
            Self::Files(files) => return crate::work::work(py, raised, |_| regression.open(&files)),
            Self::Arrow(arrow) => arrow,
        };
        Ok(Box::new(match kind.as_str() {
            "table" => {
                let (schema, batches) = in_memory(object.bind(py), raised)?;
                Batches::new(schema, batches)
            }
            "again" => {
                let (schema, first) = stream(&object.bind(py).call0()?, raised)?;
                let (first, of_passes) = (Mutex::new(Some(first)), raised.clone());
                let make = move || -> Box<dyn Iterator<Item = Batch> + Send> {
                    if let Some(first) = first.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        return first;
                    }
                    Python::attach(|py| {
                        match object.bind(py).call0().and_then(|own| stream(&own, &of_passes)) {
                            Ok((_, batches)) => batches,
                            Err(error) => Box::new(std::iter::once(Err(of_passes.keep(py, error)))),
                        }
                    })
                };
                Batches::from_fn(schema, make)
            }
            _ => {
                let (schema, batches) = stream(object.bind(py), raised)?;
                once(schema, batches)
            }
        }))
    }

    /// The same for sums, which are those of a part of the rows: that it has no row, or a column no value, says nothing of others.
    pub(crate) fn part(
        self,
        py: Python<'_>,
        regression: &Regression,
        raised: &Raised,
    ) -> PyResult<Box<dyn Source>> {
        if let Self::Arrow(Arrow { kind, object }) = &self
            && kind == "table"
        {
            let (schema, batches) = in_memory(object.bind(py), raised)?;
            return Ok(Box::new(Batches::from_fn(schema, move || {
                batches.clone().into_iter().map(Batch::Ok)
            })));
        }
        self.source(py, regression, raised)
    }
}

/// Rows that may be looked at before they are read.
const LOOKED_AT: usize = 1 << 16;

/// Rows that come once, and those of them that were taken by whoever looked at the first ones.
struct Coming {
    rest: Box<dyn Iterator<Item = Batch> + Send>,
    taken: Vec<RecordBatch>,
    /// How many these are.
    rows: usize,
    /// Whether others were taken after them: then there is no way back.
    gone: bool,
}

impl Coming {
    fn next(&mut self) -> Option<Batch> {
        let next = self.rest.next()?;
        if let Ok(batch) = &next {
            if self.rows < LOOKED_AT {
                self.rows += batch.num_rows();
                self.taken.push(batch.clone());
            } else {
                (self.taken, self.gone) = (Vec::new(), true);
            }
        }
        Some(next)
    }
}

/// What is wrong with rows, in its own words.
#[derive(Debug)]
struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// A source of rows that come once.
fn once(schema: SchemaRef, batches: Box<dyn Iterator<Item = Batch> + Send>) -> Batches {
    let coming = Arc::new(Mutex::new(Coming { rest: batches, taken: Vec::new(), rows: 0, gone: false }));
    Batches::from_fn(schema, move || {
        let coming = Arc::clone(&coming);
        let (mut known, gone) = {
            let coming = coming.lock().unwrap_or_else(PoisonError::into_inner);
            (coming.taken.clone().into_iter(), coming.gone)
        };
        let message = "the rows come once, and this needs them again: give a frame, files, or a function that gives the batches";
        let mut refused = gone.then(|| Wrong(message.to_owned()));
        std::iter::from_fn(move || {
            if let Some(error) = refused.take() {
                return Some(Err(error));
            }
            let next = || coming.lock().unwrap_or_else(PoisonError::into_inner).next();
            known.next().map(Ok).or_else(next).map(|batch| batch.map_err(|error| Wrong(error.to_string())))
        })
    })
    .once()
}

/// All batches of an object.
fn in_memory(object: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let (schema, batches) = stream(object, raised)?;
    let batches = object.py().detach(|| batches.collect::<std::result::Result<Vec<_>, _>>());
    Ok((schema, raised.or(batches.map_err(|e| PyTypeError::new_err(e.to_string())))?))
}

/// The batches of an object with Arrow's stream interface, or of an iterator over such objects.
fn stream(
    object: &Bound<'_, PyAny>,
    raised: &Raised,
) -> PyResult<(SchemaRef, Box<dyn Iterator<Item = Batch> + Send>)> {
    if object.hasattr("__arrow_c_stream__")? {
        let rows = Stream::of(object, raised)?;
        return Ok((Arc::clone(&rows.schema), Box::new(rows)));
    }
    let mut each = Each { objects: object.try_iter()?.unbind(), batches: None, raised: raised.clone() };
    let first = each.next_object(object.py())?;
    let Some(schema) = first else {
        return Err(PyValueError::new_err("there is no batch: the iterator is empty"));
    };
    Ok((schema, Box::new(each)))
}

/// The batches of one object. Columns that it says Arrow has no place for stand behind the others, without a value and of a type
/// that no model takes; columns without any value are of Arrow's type for them.
struct Stream {
    reader: RecordBatchStreamReader,
    schema: SchemaRef,
    /// Whether its rows are none: they tell types and categories.
    empty: bool,
}

impl Stream {
    fn of(object: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Self> {
        let reader = RecordBatchStreamReader::from_pyarrow_bound(object).map_err(|error| {
            let message =
                format!("{}; give the columns that are needed, and no others", error.value(object.py()));
            match error.is_instance_of::<PyValueError>(object.py()) {
                true => PyTypeError::new_err(message),
                false => error,
            }
        })?;
        let unread: Vec<(String, Option<Py<PyAny>>)> = match object.getattr_opt("_streamreg_unread")? {
            Some(unread) => unread.extract()?,
            None => Vec::new(),
        };
        let mut schema = reader.schema();
        if !unread.is_empty() {
            let mut fields = schema.fields().to_vec();
            let mut known = raised.unread.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, error) in unread {
                let kind = if error.is_some() { DataType::Struct(Fields::empty()) } else { DataType::Null };
                fields.push(Arc::new(Field::new(&name, kind, true)));
                if let Some(error) = error {
                    known.insert(name, PyErr::from_value(error.into_bound(object.py())));
                }
            }
            schema = Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()));
        }
        let empty = match object.getattr_opt("_streamreg_no_rows")? {
            Some(empty) => empty.extract().unwrap_or(false),
            None => false,
        };
        Ok(Self { reader, schema, empty })
    }
}

impl Iterator for Stream {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let next = self.reader.next()?;
        Some(next.and_then(|batch| {
            let batch = if self.empty { batch.slice(0, 0) } else { batch };
            let more = self.schema.fields().iter().skip(batch.num_columns());
            let rows = batch.num_rows();
            let more = more.map(|field| match field.data_type() {
                DataType::Null => Arc::new(NullArray::new(rows)) as ArrayRef,
                _ => Arc::new(StructArray::new_empty_fields(rows, None)),
            });
            let columns = batch.columns().iter().cloned().chain(more).collect();
            let rows = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
        }))
    }
}

/// The batches of Python's iterators.
struct Each {
    objects: Py<PyIterator>,
    /// Those of the object at hand.
    batches: Option<Stream>,
    raised: Raised,
}

impl Each {
    /// Goes to the next object; its schema.
    fn next_object(&mut self, py: Python<'_>) -> PyResult<Option<SchemaRef>> {
        let mut objects = self.objects.bind(py).clone();
        let Some(object) = objects.next().transpose()? else { return Ok(None) };
        if !object.hasattr("__arrow_c_stream__")? {
            let what = object.get_type().name()?;
            let message = format!(
                "a batch must have Arrow's stream interface (__arrow_c_stream__), and {what} has not"
            );
            return Err(PyTypeError::new_err(message));
        }
        let batches = Stream::of(&object, &self.raised)?;
        let schema = Arc::clone(&batches.schema);
        self.batches = Some(batches);
        Ok(Some(schema))
    }
}

impl Iterator for Each {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        loop {
            if self.raised.stop.load(Ordering::Relaxed) {
                return Some(Err(ArrowError::ExternalError("interrupted".into())));
            }
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            let next = Python::attach(|py| self.next_object(py).map_err(|error| self.raised.keep(py, error)));
            match next {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
