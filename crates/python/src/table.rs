//! Results as Arrow tables, which every library of data frames takes.

use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    NullArray, RecordBatch, RecordBatchIterator, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::IntoPyObjectExt;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// A table of columns, in memory. pyarrow.table(t), polars.DataFrame(t) and pandas.DataFrame.from_arrow(t) take it without a copy.
#[pyclass(frozen, module = "streamreg")]
pub(crate) struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Columns that have no place in it, and what is raised where they are named.
    unread: Vec<(String, Py<PyAny>)>,
}

impl Table {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches, unread: Vec::new() }
    }

    pub(crate) fn of(columns: Vec<(String, ArrayRef)>) -> PyResult<Self> {
        let field = |(name, column): &(String, ArrayRef)| {
            // Dictionaries are of categories with an order.
            let ordered = matches!(column.data_type(), DataType::Dictionary(..));
            Field::new(name, column.data_type().clone(), true).with_dict_is_ordered(ordered)
        };
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::new(schema), columns);
        let batch = batch.map_err(|e: ArrowError| PyValueError::new_err(e.to_string()))?;
        Ok(Self::new(batch.schema(), vec![batch]))
    }
}

#[pymethods]
impl Table {
    /// Arrow's stream interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Whoever asks for other types casts: the interface allows that.
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, SchemaRef::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Columns of the caller that are not in it, with the exception for those who name them.
    #[getter(_streamreg_unread)]
    fn unread(&self, py: Python<'_>) -> Vec<(String, Py<PyAny>)> {
        self.unread.iter().map(|(name, error)| (name.clone(), error.clone_ref(py))).collect()
    }

    /// A column as a list: numbers, booleans and texts, None where there is no value.
    fn column(&self, py: Python<'_>, name: &str) -> PyResult<Vec<Py<PyAny>>> {
        let unknown = || PyValueError::new_err(format!("there is no column {name:?}"));
        let index = self.schema.index_of(name).map_err(|_| unknown())?;
        let mut values = Vec::with_capacity(self.__len__());
        for batch in &self.batches {
            values.extend(cells(py, batch.column(index))?);
        }
        Ok(values)
    }

    fn __repr__(&self) -> String {
        format!("<streamreg.Table: {} rows of {}>", self.__len__(), self.columns().join(", "))
    }
}

fn cells(py: Python<'_>, column: &ArrayRef) -> PyResult<Vec<Py<PyAny>>> {
    fn each<'py, T: IntoPyObjectExt<'py>>(
        py: Python<'py>,
        values: impl Iterator<Item = Option<T>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        values.map(|value| value.map_or_else(|| Ok(py.None()), |value| value.into_py_any(py))).collect()
    }
    let any = column.as_any();
    if let Some(numbers) = any.downcast_ref::<Float64Array>() {
        return each(py, numbers.iter());
    }
    if let Some(numbers) = any.downcast_ref::<Int64Array>() {
        return each(py, numbers.iter());
    }
    if let Some(truths) = any.downcast_ref::<BooleanArray>() {
        return each(py, truths.iter());
    }
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return each(py, texts.iter());
    }
    if any.is::<NullArray>() {
        return Ok((0..column.len()).map(|_| py.None()).collect());
    }
    let message =
        format!("columns of {} are for Arrow libraries: polars.DataFrame(table)", column.data_type());
    Err(PyTypeError::new_err(message))
}

/// A table of arrays: buffers of numbers (numpy), lists of numbers, booleans or texts, and ordered categories, of the same length. Columns of other
/// things are those that it does not read, with those that come with their exception: it is raised where they are named.
#[pyfunction]
#[pyo3(signature = (columns, unread=Vec::new()))]
pub(crate) fn table_of(
    py: Python<'_>,
    columns: Vec<(String, Bound<'_, PyAny>)>,
    mut unread: Vec<(String, Py<PyAny>)>,
) -> PyResult<Table> {
    let mut read: Vec<(String, ArrayRef)> = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        match array(&values) {
            Ok(column) => read.push((name, column)),
            Err(error) => {
                let error = PyTypeError::new_err(format!("column {name:?}: {}", error.value(py)));
                unread.push((name, error.into_value(py).into_any()));
            }
        }
    }
    match (read.first(), unread.first()) {
        (None, Some((_, error))) => return Err(PyErr::from_value(error.bind(py).clone())),
        (Some((first, column)), _) => {
            if let Some((name, other)) = read.iter().find(|(_, other)| other.len() != column.len()) {
                let (one, two) = (column.len(), other.len());
                let message = format!("columns {first:?} and {name:?} have {one} and {two} rows");
                return Err(PyValueError::new_err(message));
            }
        }
        (None, None) => {}
    }
    Ok(Table { unread, ..Table::of(read)? })
}

fn array(values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    if let (Some(codes), Some(levels)) = (values.getattr_opt("codes")?, values.getattr_opt("levels")?) {
        let (codes, levels): (Vec<Option<i32>>, Vec<String>) = (codes.extract()?, levels.extract()?);
        let levels = Arc::new(StringArray::from(levels));
        let array = DictionaryArray::<Int32Type>::try_new(Int32Array::from(codes), levels);
        return Ok(Arc::new(array.map_err(|e| PyValueError::new_err(e.to_string()))?));
    }
    if let Ok(numbers) = numbers::<f64>(values) {
        // NaN is a missing value, as pandas has it.
        let missing = numbers.iter().any(|x| x.is_nan());
        return Ok(match missing {
            true => {
                Arc::new(Float64Array::from_iter(numbers.into_iter().map(|x| (!x.is_nan()).then_some(x))))
            }
            false => Arc::new(Float64Array::from(numbers)),
        });
    }
    if let Ok(numbers) = numbers::<i64>(values) {
        return Ok(Arc::new(Int64Array::from(numbers)));
    }
    if let Ok(numbers) = numbers::<f32>(values) {
        let number = |x: f32| (!x.is_nan()).then_some(x);
        return Ok(Arc::new(Float32Array::from_iter(numbers.into_iter().map(number))));
    }
    if let Ok(numbers) = numbers::<i32>(values) {
        return Ok(Arc::new(Int32Array::from(numbers)));
    }
    if let Ok(length) = values.len()
        && values.try_iter()?.all(|value| value.is_ok_and(|value| value.is_none()))
    {
        // Any type would be a guess.
        return Ok(Arc::new(NullArray::new(length)));
    }
    if let Ok(truths) = values.extract::<Vec<Option<bool>>>() {
        return Ok(Arc::new(BooleanArray::from(truths)));
    }
    if let Ok(numbers) = values.extract::<Vec<Option<i64>>>() {
        return Ok(Arc::new(Int64Array::from(numbers)));
    }
    if let Ok(numbers) = values.extract::<Vec<Option<f64>>>() {
        let numbers = numbers.into_iter().map(|x| x.filter(|x| !x.is_nan()));
        return Ok(Arc::new(Float64Array::from_iter(numbers)));
    }
    match texts(values) {
        Ok(texts) => Ok(Arc::new(StringArray::from(texts))),
        Err(_) => Err(PyTypeError::new_err(
            "expected an array or list of numbers, booleans or texts; other types come through pyarrow, polars or pandas",
        )),
    }
}

/// A list of texts, in which None and NaN stand for no value.
fn texts(values: &Bound<'_, PyAny>) -> PyResult<Vec<Option<String>>> {
    let text = |value: PyResult<Bound<'_, PyAny>>| {
        let value = value?;
        let missing = value.is_none() || value.extract::<f64>().is_ok_and(f64::is_nan);
        if missing { Ok(None) } else { value.extract().map(Some) }
    };
    values.try_iter()?.map(text).collect()
}

/// The numbers of a buffer with one dimension.
fn numbers<T: Element>(values: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    let buffer = PyBuffer::<T>::get(values)?;
    if buffer.dimensions() != 1 {
        let message = format!("expected one dimension, not {}", buffer.dimensions());
        return Err(PyValueError::new_err(message));
    }
    buffer.to_vec(values.py())
}
