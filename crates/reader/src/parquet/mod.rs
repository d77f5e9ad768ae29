//! Parquet files, decoded page by page.
//!
//! A partition is a run of small row groups, one row group, or a range of rows of a large one; the
//! decoder holds one page and one dictionary a column, so memory does not depend on the size of a row
//! group. Ranges inside a row group start at pages found by walking the page headers, with or without an
//! offset index in the file.

mod codec;
mod column_wise;
mod content;
mod declared;
mod delta;
mod footer;
mod hints;
mod located;
mod page_header;
mod pages;
mod pieces;
mod prune;
mod runs;
mod thrift;
mod types;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy, RowSelector,
};
use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};

use self::column_wise::ColumnWise;
pub use self::column_wise::reads_column_wise;
use self::declared::check_declared;
use self::footer::{check_metadata, check_names, read_footer, without_codecs};
use self::hints::is_ordered;
use self::located::{LocatedPages, decode_bytes, locate_pages};
use self::pages::{Chunk, PageFile, Reading, Seen, Walk};
use self::pieces::{LEAST_RANGE_ROWS, Piece, first_rows, pieces, ranges};
pub use self::pieces::{MIN_PARTITION_ROWS, RANGE_ROWS};
use self::types::{arrow_metadata, with_dictionaries};
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::source::{
    Checksums, InputFile, Partition, ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary,
    first_dictionary, names::Names,
};
use crate::storage;

/// An open Parquet file.
pub struct ParquetFile {
    shared: Arc<Shared>,
}

struct Shared {
    file: InputFile,
    name: Arc<str>,
    reader: ArrowReaderMetadata,
    /// How the pages of each column chunk are compressed, by row group.
    codecs: Vec<Vec<Compression>>,
    located: Arc<LocatedPages>,
    seen: Arc<Seen>,
    positions: Names,
}

impl ParquetFile {
    /// Opens a file and checks that its footer makes sense.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Malformed`], [`ErrorKind::Limit`], [`ErrorKind::Unsupported`] for
    /// what the footer says.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_inner(path).map_err(|e| e.at_path(path))
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let file = storage::open(path)?;
        let meta = file.metadata().map_err(|e| Error::io(path, e))?;
        let footer = read_footer(&file, meta.len())?;
        check_declared(&footer)?;
        let metadata = contain(|| {
            ParquetMetaDataReader::decode_metadata(&footer)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a readable Parquet footer: {e}")))
        })?;
        drop(footer);
        check_metadata(&metadata, meta.len())?;
        let (metadata, codecs) = without_codecs(metadata)?;
        let located = Arc::new(LocatedPages::new(&metadata, |rows| {
            ranges(rows.unsigned_abs(), LEAST_RANGE_ROWS).len() > 1
        }));
        let metadata = metadata.into_builder().set_page_index(Some(Arc::clone(&located) as _)).build();
        let reader = contain(|| {
            arrow_metadata(Arc::new(metadata))
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a valid Parquet schema: {e}")))
        })?;
        let positions = check_names(reader.schema())?;
        let rows = reader.metadata().file_metadata().num_rows();
        let shared = Shared {
            file: InputFile::found(path, &meta).with_rows(rows.unsigned_abs()),
            name: path.to_string_lossy().into(),
            reader,
            codecs,
            located,
            seen: Arc::default(),
            positions,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file's metadata: row groups, sizes, statistics.
    pub fn metadata(&self) -> &ParquetMetaData {
        self.shared.reader.metadata()
    }

    /// Rows, as the footer says.
    pub fn rows(&self) -> u64 {
        self.metadata().file_metadata().num_rows().unsigned_abs()
    }

    /// Index and rows of the row groups in which `request` may find rows; counts the others.
    fn row_groups(&self, request: &ScanRequest, parquet_roots: &[usize]) -> Vec<(usize, u64)> {
        let shared = &self.shared;
        let groups = self.metadata().row_groups().iter().map(|g| g.num_rows().unsigned_abs()).enumerate();
        let Some(predicate) = &request.prune else { return groups.collect() };
        let may_pass = prune::may_pass(&shared.reader, &shared.positions, parquet_roots, predicate);
        let (wanted, others): (Vec<_>, Vec<_>) = groups.partition(|(index, _)| may_pass[*index]);
        others.into_iter().for_each(|(_, rows)| shared.seen.count_skipped(rows));
        wanted
    }

    /// The view of the file that decodes what `request` wants.
    fn reader_for(&self, request: &ScanRequest, parquet_roots: &[usize]) -> Result<ArrowReaderMetadata> {
        let shared = &self.shared;
        // A column that is also wanted as the file has it is decoded once, as text.
        let names = request.dictionaries.iter().filter(|name| !request.verbatim.contains(name));
        let fields: Vec<usize> = names.filter_map(|name| shared.positions.get(name)).collect();
        contain(|| {
            with_dictionaries(&shared.reader, parquet_roots, &fields)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a valid Parquet schema: {e}")))
        })
        .map_err(|e| e.at_path(&shared.file.path))
    }
}

impl Source for ParquetFile {
    fn schema(&self) -> &SchemaRef {
        self.shared.reader.schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let shared = Arc::clone(&self.shared);
        let schema = shared.reader.schema();
        let wanted = request.columns.iter().chain(&request.verbatim);
        let find = |name: &String| shared.positions.find(schema, name);
        let wanted: Vec<usize> =
            wanted.map(find).collect::<Result<_>>().map_err(|e| e.at_path(&shared.file.path))?;
        let mut roots = wanted.clone();
        roots.sort_unstable();
        roots.dedup();
        // The decoder keeps the file's order; `order` restores the one that was asked for.
        let order = wanted.iter().filter_map(|w| roots.binary_search(w).ok()).collect();
        let descr = shared.reader.parquet_schema();
        let parquet_roots = shared.parquet_roots();
        let mask = ProjectionMask::roots(descr, roots.iter().map(|&i| parquet_roots[i]));
        let leaves: Vec<usize> = (0..descr.num_columns()).filter(|&leaf| mask.leaf_included(leaf)).collect();
        let flat = leaves.iter().all(|&leaf| descr.column(leaf).max_rep_level() == 0);
        let groups = self.row_groups(request, &parquet_roots);
        let pieces = if flat {
            pieces(groups.into_iter(), request.partition_rows.unwrap_or(RANGE_ROWS))
        } else {
            // Values of repeated columns are not rows, so their row groups cannot be cut.
            let whole = |(i, rows)| Piece { row_groups: i..i + 1, rows: None, count: rows };
            groups.into_iter().map(whole).collect()
        };
        let reader = self.reader_for(request, &parquet_roots)?;
        let plan = Arc::new(Plan { reader, mask, leaves, order, batch_rows: request.batch_rows.max(1) });
        let first_rows = first_rows(self.metadata().row_groups().iter().map(|g| g.num_rows().unsigned_abs()));
        request.order.of(Box::new(ParquetScan {
            shared,
            plan,
            pieces,
            first_rows,
            next: AtomicUsize::new(0),
        }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.shared.file.clone()]
    }

    fn summary(&self) -> Summary {
        let metadata = self.metadata();
        let groups = metadata.row_groups();
        let columns = self.schema().fields().len();
        let mut summary = Summary {
            rows: Some(self.rows()),
            row_groups: Some(groups.len()),
            largest_row_group: groups.iter().map(|g| g.num_rows().unsigned_abs()).max(),
            null_counts: vec![Some(0); columns],
            decode_bytes: vec![0; columns],
            partition_bytes: 0,
        };
        let largest = groups.iter().max_by_key(|g| g.num_rows());
        let file = self.shared.file.open_unchanged();
        let descr = self.shared.reader.parquet_schema();
        let fields: HashMap<usize, usize> =
            self.shared.parquet_roots().into_iter().enumerate().map(|(field, root)| (root, field)).collect();
        let leaves =
            (0..descr.num_columns()).map(|leaf| (leaf, fields.get(&descr.get_column_root_idx(leaf))));
        for (leaf, root) in leaves.filter_map(|(leaf, root)| Some((leaf, *root?))) {
            for chunk in groups.iter().map(|g| g.column(leaf)) {
                let nulls = chunk.statistics().and_then(|s| s.null_count_opt());
                summary.null_counts[root] = summary.null_counts[root].zip(nulls).map(|(a, b)| a + b);
            }
            if let (Some(group), Ok(file)) = (largest, &file) {
                summary.decode_bytes[root] += decode_bytes(file, group.column(leaf));
            }
        }
        summary
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        match is_ordered(self.metadata().file_metadata(), column) {
            true => Ok(Some(first_dictionary(self, column)?.unwrap_or_default())),
            false => Ok(None),
        }
    }

    fn checksums(&self) -> Checksums {
        self.shared.seen.checksums()
    }

    fn counts(&self) -> ReadCounts {
        self.shared.seen.counts()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.shared.file.verify_unchanged()
    }
}

/// What every partition of a scan decodes.
struct Plan {
    reader: ArrowReaderMetadata,
    mask: ProjectionMask,
    leaves: Vec<usize>,
    order: Vec<usize>,
    batch_rows: usize,
}

struct ParquetScan {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    pieces: Vec<Piece>,
    /// The number of rows before every row group.
    first_rows: Vec<u64>,
    next: AtomicUsize,
}

impl Scan for ParquetScan {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces.get(index)?.clone();
        let numbers = RowNumbers::Run(piece.numbers(&self.first_rows));
        let batches = PieceBatches {
            shared: Arc::clone(&self.shared),
            plan: Arc::clone(&self.plan),
            left: piece.count,
            piece,
            state: State::Closed,
            readings: Mutex::default(),
        };
        let path = Arc::clone(&self.shared.name);
        Some(Ok(Partition { index, path, numbers, batches: Box::new(batches) }))
    }
}

/// The record batches of one piece. The file is opened at the first one, on the thread that decodes.
struct PieceBatches {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    piece: Piece,
    left: u64,
    state: State,
    /// What the decoders of the piece read, and what was found wrong with it.
    readings: Mutex<Vec<Arc<Reading>>>,
}

/// Batches as the decoder gives them.
type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send>;

enum State {
    Closed,
    Open(Batches),
    Done,
}

impl Shared {
    /// For every field of the Arrow schema the column of the Parquet schema's root. Groups without
    /// children have no field.
    fn parquet_roots(&self) -> Vec<usize> {
        let roots = self.reader.parquet_schema().root_schema().get_fields().iter().enumerate();
        let with_field = roots.filter(|(_, root)| self.positions.contains(root.name()));
        with_field.map(|(index, _)| index).collect()
    }
}

/// An error of the decoder.
fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Malformed, error.to_string()).caused_by(error)
}

impl PieceBatches {
    fn open(&self) -> Result<Batches> {
        let shared = &self.shared;
        let file = Arc::new(shared.file.open_unchanged()?);
        let walk = if self.piece.rows.is_some() { Walk::Located } else { Walk::Sequential };
        if walk == Walk::Located {
            self.locate(&file)?;
        }
        // Of a row group in ranges, the first range counts.
        if self.piece.rows.as_ref().is_none_or(|rows| rows.start == 0) {
            shared.seen.count_row_groups(self.piece.row_groups.len());
        }
        let reader = |mask| self.reader(&file, walk, mask);
        if !self.is_column_wise(&file) {
            return Ok(Box::new(reader(self.plan.mask.clone())?));
        }
        let descr = shared.reader.parquet_schema();
        let mut roots: Vec<usize> =
            self.plan.leaves.iter().map(|&leaf| descr.get_column_root_idx(leaf)).collect();
        roots.dedup();
        let masks = roots.into_iter().map(|root| ProjectionMask::roots(descr, [root]));
        Ok(Box::new(ColumnWise::read(masks.map(reader))?))
    }

    /// Whether a page of every column would be far more than the rows of the piece.
    fn is_column_wise(&self, file: &File) -> bool {
        let group = self.shared.reader.metadata().row_group(self.piece.row_groups.start);
        let flat = |leaf: &usize| self.shared.reader.parquet_schema().column(*leaf).max_rep_level() == 0;
        if !self.plan.leaves.iter().all(flat) {
            return false;
        }
        let chunks = || self.plan.leaves.iter().map(|&leaf| group.column(leaf));
        let whole = |chunk: &ColumnChunkMetaData| chunk.uncompressed_size().unsigned_abs();
        let share = |chunk: &ColumnChunkMetaData| {
            let rows = whole(chunk) as f64 * self.piece.count as f64 / group.num_rows().max(1) as f64;
            (rows as u64).max(8 * self.piece.count)
        };
        let rows: u64 = chunks().map(share).sum();
        // Pages are no larger than what they are in, so most files need no look.
        if !reads_column_wise(chunks().map(whole).sum(), 0, rows) {
            return false;
        }
        let pages: Vec<u64> = chunks().map(|chunk| decode_bytes(file, chunk)).collect();
        reads_column_wise(pages.iter().sum(), pages.iter().copied().max().unwrap_or(0), rows)
    }

    fn reader(&self, file: &Arc<File>, walk: Walk, mask: ProjectionMask) -> Result<ParquetRecordBatchReader> {
        let shared = &self.shared;
        let (seen, chunks) = (Arc::clone(&shared.seen), self.chunks(&mask));
        // Each decoder has a reading of its own: what it has let go of does not count for the others.
        let (pages, reading) = PageFile::new(Arc::clone(file), shared.file.bytes, walk, seen, chunks);
        self.readings().push(reading);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(pages, self.plan.reader.clone())
            .with_projection(mask)
            .with_row_groups(self.piece.row_groups.clone().collect())
            .with_batch_size(self.plan.batch_rows);
        if let Some(rows) = &self.piece.rows {
            let (skip, take) = (rows.start as usize, (rows.end - rows.start) as usize);
            let selection = RowSelection::from(vec![RowSelector::skip(skip), RowSelector::select(take)]);
            builder = builder
                .with_row_selection(selection)
                .with_row_selection_policy(RowSelectionPolicy::Selectors);
        }
        builder.build().map_err(malformed)
    }

    fn readings(&self) -> MutexGuard<'_, Vec<Arc<Reading>>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The column chunks that a decoder of `mask` reads.
    fn chunks(&self, mask: &ProjectionMask) -> Vec<Chunk> {
        let groups = self.piece.row_groups.clone().map(|index| {
            (index, self.shared.reader.metadata().row_group(index), self.shared.codecs.get(index))
        });
        let chunk = |index, group: &RowGroupMetaData, codecs: Option<&Vec<Compression>>, leaf| {
            let codec = codecs.and_then(|codecs| codecs.get(leaf)).copied();
            Chunk::new(index, group.column(leaf), codec.unwrap_or(Compression::UNCOMPRESSED))
        };
        groups
            .flat_map(|(index, group, codecs)| {
                let leaves = self.plan.leaves.iter().filter(|&&leaf| mask.leaf_included(leaf));
                leaves.map(move |&leaf| chunk(index, group, codecs, leaf))
            })
            .collect()
    }

    fn locate(&self, file: &File) -> Result<()> {
        let index = self.piece.row_groups.start;
        let group = self.shared.reader.metadata().row_group(index);
        for &leaf in &self.plan.leaves {
            let chunk = group.column(leaf);
            let find = || locate_pages(file, chunk, group.num_rows());
            self.shared
                .located
                .locate(index, leaf, find)
                .map_err(|e| e.in_column(chunk.column_path().string()))?;
        }
        Ok(())
    }

    /// One step: opens the reader if need be, decodes a batch, counts its rows.
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        if matches!(self.state, State::Closed) {
            self.state = State::Open(self.open()?);
        }
        let State::Open(reader) = &mut self.state else { return Ok(None) };
        let Some(batch) = reader.next() else {
            if self.left != 0 {
                let message = format!("{} of {} rows are missing", self.left, self.piece.count);
                return Err(Error::new(ErrorKind::Malformed, message));
            }
            self.readings().iter().try_for_each(|reading| reading.finish())?;
            return Ok(None);
        };
        let batch = batch.map_err(malformed)?;
        self.left = self.left.checked_sub(batch.num_rows() as u64).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("more rows than the {} declared", self.piece.count))
        })?;
        let batch = batch.project(&self.plan.order);
        batch.map(Some).map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
    }
}

impl Iterator for PieceBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = contain(|| self.step());
        if !matches!(outcome, Ok(Some(_))) {
            self.state = State::Done;
        }
        let place = Place::RowGroup(self.piece.row_groups.start);
        // What was found in a page says more than what the decoder makes of it.
        let found = |e| {
            let readings = self.readings();
            let wrong = readings.iter().find_map(|reading| reading.failure());
            wrong.or_else(|| readings.iter().find_map(|reading| reading.finish().err())).unwrap_or(e)
        };
        outcome.map_err(found).map_err(|e| e.at_path(&self.shared.file.path).at(place)).transpose()
    }
}
