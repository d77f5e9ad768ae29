//! Columns of numbers without nulls: their values are used where they lie in the decompressed pages, or are copied once.
//!
//! Whatever is not as it should be is left to the decoder, which begins again: so nothing here says what is wrong with a file.
//! Pages pass the same checks and limits (`pages.rs`), and are shared with the arrays made of them: their memory is used again when
//! the last array is dropped.

mod column;
mod indices;
mod types;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader};
use parquet::basic::Encoding;
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use self::column::{ChunkPages, Column, not_in_place};
use super::column_wise::malformed;
use super::located::LocatedPages;
use super::pages::Reading;
use super::pieces::Piece;
use super::seen::Seen;
use crate::error::Result;
use crate::storage::buffers::Buffers;

/// A column of a type that can be used in place.
pub(super) struct Candidate {
    pub(super) leaf: usize,
    /// Its place in a batch.
    position: usize,
    kind: DataType,
    /// Bytes of a value in its pages.
    width: usize,
    /// Whether some page was not as it should be.
    odd: AtomicBool,
}

/// The candidates among the fields `roots`, which are in order; `parquet_roots` has the column of the file's schema for every field.
pub(super) fn candidates(
    reader: &ArrowReaderMetadata,
    roots: &[usize],
    parquet_roots: &[usize],
) -> Vec<Candidate> {
    let descr = reader.parquet_schema();
    let candidate = |(position, &field): (usize, &usize)| {
        let root = *parquet_roots.get(field)?;
        let kind = reader.schema().fields().get(field)?.data_type();
        let leaf = (0..descr.num_columns()).find(|&leaf| descr.get_column_root_idx(leaf) == root)?;
        let column = descr.column(leaf);
        let is_flat = descr.root_schema().get_fields().get(root)?.is_primitive()
            && column.max_rep_level() == 0
            && column.max_def_level() <= 1;
        let width = types::width(kind, column.physical_type()).filter(|_| is_flat)?;
        Some(Candidate { leaf, position, kind: kind.clone(), width, odd: AtomicBool::new(false) })
    };
    roots.iter().enumerate().filter_map(candidate).collect()
}

impl Candidate {
    /// Whether the footer says nothing about the chunk that speaks against it.
    pub(super) fn suits(&self, group: &RowGroupMetaData) -> bool {
        let chunk = group.column(self.leaf);
        let known = |encoding| {
            matches!(
                encoding,
                Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
            )
        };
        !self.odd.load(Ordering::Relaxed)
            && chunk.num_values() == group.num_rows()
            && chunk.statistics().and_then(|s| s.null_count_opt()).is_none_or(|nulls| nulls == 0)
            && chunk.encodings().all(known)
    }
}

/// Where the pages of a piece are.
pub(super) struct Place<'p> {
    pub(super) piece: &'p Piece,
    pub(super) groups: &'p [&'p RowGroupMetaData],
    pub(super) located: &'p LocatedPages,
}

impl Place<'_> {
    /// The pages of a column chunk that the piece wants.
    fn chunk(&self, index: usize, group: &RowGroupMetaData, leaf: usize) -> Option<ChunkPages> {
        let chunk: &ColumnChunkMetaData = group.column(leaf);
        let (start, _) = chunk.byte_range();
        let Some(rows) = &self.piece.rows else {
            return Some(ChunkPages {
                at: start,
                first: None,
                skip: 0,
                rows: group.num_rows().unsigned_abs(),
            });
        };
        let pages = self.located.offset_index(index, leaf)?.page_locations();
        let page = pages.iter().rfind(|page| page.first_row_index.unsigned_abs() <= rows.start)?;
        let (first, before) = (page.offset.unsigned_abs(), page.first_row_index.unsigned_abs());
        // The dictionary stands before the first page.
        let has_dictionary = pages.first()?.offset.unsigned_abs() > start;
        Some(ChunkPages {
            at: if has_dictionary { start } else { first },
            first: has_dictionary.then_some(first),
            skip: rows.start - before,
            rows: rows.end - rows.start,
        })
    }
}

/// The batches of a piece, some columns of which are used in place; the decoder has the others.
pub(super) struct InPlace {
    columns: Vec<(usize, Column)>,
    others: Option<ParquetRecordBatchReader>,
    schema: SchemaRef,
    reading: Arc<Reading>,
    buffers: Arc<Buffers>,
    /// What is read here counts unless the decoder begins again.
    seen: Option<Arc<Seen>>,
    total: Arc<Seen>,
}

/// What columns are used in place.
pub(super) struct Chosen<'c> {
    pub(super) candidates: Vec<&'c Candidate>,
    /// All fields of a batch.
    pub(super) fields: Vec<usize>,
}

impl InPlace {
    /// Begins with a piece. `others` decodes what is not chosen, and reads with `reading`, which counts in `seen`.
    ///
    /// # Errors
    /// Pages of a column were not located.
    pub(super) fn new(
        chosen: &Chosen<'_>,
        place: &Place<'_>,
        (schema, others): (&Schema, Option<ParquetRecordBatchReader>),
        reading: Arc<Reading>,
        buffers: Arc<Buffers>,
        (seen, total): (Arc<Seen>, Arc<Seen>),
    ) -> Result<Self> {
        let column = |candidate: &&Candidate| {
            let indices = place.piece.row_groups.clone().zip(place.groups);
            let chunks = indices.map(|(index, group)| place.chunk(index, group, candidate.leaf));
            let column = Column::new(candidate.kind.clone(), candidate.width, chunks.collect::<Option<_>>()?);
            Some((candidate.position, column))
        };
        let columns: Option<Vec<_>> = chosen.candidates.iter().map(column).collect();
        let fields: Vec<_> = chosen.fields.iter().map(|&field| Arc::clone(&schema.fields()[field])).collect();
        Ok(Self {
            columns: columns.ok_or_else(|| not_in_place("pages were not located"))?,
            others,
            schema: Arc::new(Schema::new(fields)),
            reading,
            buffers,
            seen: Some(seen),
            total,
        })
    }

    /// The next batch, of `rows` rows.
    ///
    /// # Errors
    /// Something is wrong, or not in place: then the decoder has to begin again.
    pub(super) fn next(&mut self, rows: usize, candidates: &[Candidate]) -> Result<RecordBatch> {
        let others = match &mut self.others {
            Some(others) => Some(others.next().ok_or_else(|| not_in_place("rows are missing"))?),
            None => None,
        };
        let others = others.transpose().map_err(malformed)?;
        let mut rest = others.iter().flat_map(|batch| batch.columns());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (position, column) in &mut self.columns {
            arrays.extend(rest.by_ref().take(*position - arrays.len()).cloned());
            let array = column.take(rows, &self.reading, &self.buffers);
            arrays.push(array.inspect_err(|_| note_odd(candidates, *position))?);
        }
        arrays.extend(rest.cloned());
        // What is put together is checked: every array must have as many rows.
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(malformed)
    }

    /// Checks, after all rows, that the chunks have no more.
    ///
    /// # Errors
    /// As [`Reading::finish`].
    pub(super) fn finish(&self) -> Result<()> {
        self.reading.finish()
    }

    /// The decoder begins again: what was read so far does not count.
    pub(super) fn give_up(&mut self) {
        self.seen = None;
    }
}

/// The next pieces leave the column to the decoder from the beginning.
fn note_odd(candidates: &[Candidate], position: usize) {
    let found = candidates.iter().filter(|candidate| candidate.position == position);
    found.for_each(|candidate| candidate.odd.store(true, Ordering::Relaxed));
}

impl Drop for InPlace {
    fn drop(&mut self) {
        if let Some(seen) = &self.seen {
            self.total.add(seen);
        }
    }
}
