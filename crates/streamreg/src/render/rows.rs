//! Rows of predictions for people.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use streamreg_core::cell_text;

use super::columns::aligned;
use super::number::optional;
use super::printable::printable;
use crate::error::{Error, Result};

/// The rows of a batch as an aligned table, no wider than `width` columns if it can be; the numbers of the last columns, behind the
/// `given` ones, are shortened.
///
/// # Errors
/// For values that have no text, such as lists.
pub fn table_of_rows(batch: &RecordBatch, given: usize, width: Option<usize>) -> Result<String> {
    let mut rows: Vec<Vec<String>> =
        vec![batch.schema().fields().iter().map(|f| printable(f.name())).collect()];
    for row in 0..batch.num_rows() {
        let cell = |(at, array): (usize, &arrow_array::ArrayRef)| match array
            .as_primitive_opt::<Float64Type>()
        {
            Some(numbers) if at >= given => Ok(optional(numbers.is_valid(row).then(|| numbers.value(row)))),
            _ => cell_text(array.as_ref(), row).map(|text| printable(&text)).map_err(Error::from),
        };
        rows.push(batch.columns().iter().enumerate().map(cell).collect::<Result<_>>()?);
    }
    Ok(aligned(&rows, width))
}
