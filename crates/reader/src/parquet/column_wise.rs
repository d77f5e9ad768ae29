//! Pieces of files with very long pages, read one column after the other.
//!
//! A reader of all columns holds a page of each. Where a writer made pages of millions of rows, that is far more than the rows of
//! the piece: then the piece is read column by column, each page is let go when its rows are taken, and the batches are put
//! together from what was kept. They are the same batches.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, FieldRef, Schema};

use crate::error::{Error, ErrorKind};

/// Pages of fewer bytes in all are held side by side: that costs less than to go through the piece twice.
const LEAST_BYTES: u64 = 128 << 20;

/// Whether to read column by column, given the bytes of a page of every column, those of the largest of them, and those of the
/// rows of a piece.
pub fn reads_column_wise(pages: u64, largest: u64, rows: u64) -> bool {
    pages > LEAST_BYTES && pages > 2 * (largest + rows)
}

/// An error of the decoder.
pub(super) fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Malformed, error.to_string()).caused_by(error)
}

/// The batches of a piece whose columns were read one after the other.
pub(super) struct ColumnWise {
    columns: Vec<(FieldRef, VecDeque<ArrayRef>)>,
}

impl ColumnWise {
    /// Reads all columns; every reader has some of them.
    pub(super) fn read<R>(readers: impl Iterator<Item = crate::Result<R>>) -> crate::Result<Self>
    where
        R: Iterator<Item = Result<RecordBatch, ArrowError>>,
    {
        let mut columns = Vec::new();
        for reader in readers {
            let mut own: Vec<(FieldRef, VecDeque<ArrayRef>)> = Vec::new();
            for batch in reader? {
                let batch = batch.map_err(malformed)?;
                if own.is_empty() {
                    let fields = batch.schema_ref().fields().iter();
                    own = fields.map(|field| (Arc::clone(field), VecDeque::new())).collect();
                }
                own.iter_mut()
                    .zip(batch.columns())
                    .for_each(|((_, all), array)| all.push_back(Arc::clone(array)));
            }
            columns.extend(own);
        }
        Ok(Self { columns })
    }
}

impl Iterator for ColumnWise {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let fields: Vec<FieldRef> = self.columns.iter().map(|(field, _)| Arc::clone(field)).collect();
        let arrays: Vec<Option<ArrayRef>> = self.columns.iter_mut().map(|(_, all)| all.pop_front()).collect();
        if arrays.iter().all(Option::is_none) {
            return None;
        }
        let missing = || ArrowError::ParquetError("the columns have different numbers of rows".to_owned());
        let arrays: Result<Vec<ArrayRef>, ArrowError> =
            arrays.into_iter().map(|array| array.ok_or_else(missing)).collect();
        // What is put together is checked: every array must have as many rows.
        Some(arrays.and_then(|arrays| RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)))
    }
}
