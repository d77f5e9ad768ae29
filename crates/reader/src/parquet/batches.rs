//! The record batches of a piece: what is read for them, and the decoders that make them.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy, RowSelector,
};
use parquet::basic::Compression;
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::chunk::Chunk;
use super::column_wise::{ColumnWise, malformed, reads_column_wise};
use super::in_place::{Candidate, Chosen, InPlace, Place as PlaceOfPages};
use super::located::{LocatedPages, decode_bytes, locate_pages, page_extent};
use super::pages::{PageFile, Reading, Walk};
use super::pieces::{Piece, RANGE_ROWS};
use super::seen::Seen;
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::source::{InputFile, names::Names};
use crate::storage::ahead::{Opener, StreamPlace, Streams};
use crate::storage::buffers::Buffers;
use crate::storage::reads_here_and_there;

/// What is known of a file before any of its pages is read.
pub(super) struct Shared {
    pub(super) file: InputFile,
    pub(super) name: Arc<str>,
    pub(super) reader: ArrowReaderMetadata,
    /// How the pages of each column chunk are compressed, by row group.
    pub(super) codecs: Vec<Vec<Compression>>,
    pub(super) located: Arc<LocatedPages>,
    pub(super) seen: Arc<Seen>,
    pub(super) positions: Names,
}

impl Shared {
    /// For every field of the Arrow schema the column of the Parquet schema's root. Groups without
    /// children have no field.
    pub(super) fn parquet_roots(&self) -> Vec<usize> {
        let roots = self.reader.parquet_schema().root_schema().get_fields().iter().enumerate();
        let with_field = roots.filter(|(_, root)| self.positions.contains(root.name()));
        with_field.map(|(index, _)| index).collect()
    }
}

/// What every partition of a scan decodes.
pub(super) struct Plan {
    pub(super) reader: ArrowReaderMetadata,
    pub(super) mask: ProjectionMask,
    pub(super) leaves: Vec<usize>,
    pub(super) order: Vec<usize>,
    /// The fields that are decoded, in the order of the file.
    pub(super) roots: Vec<usize>,
    /// What of them may be used where it lies in the pages.
    pub(super) in_place: Vec<Candidate>,
    pub(super) batch_rows: usize,
    pub(super) opener: Opener,
    pub(super) buffers: Arc<Buffers>,
}

/// The record batches of one piece. The file is opened at the first one, on the thread that decodes, unless that was done ahead.
pub(super) struct PieceBatches {
    part: Arc<Part>,
    left: u64,
    state: State,
    /// What the decoders of the piece read, and what was found wrong with it.
    readings: Mutex<Vec<Arc<Reading>>>,
}

/// A piece, and what was found out about it before somebody works on it.
struct Part {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    piece: Piece,
    opened: Mutex<Opened>,
}

enum Opened {
    NotYet,
    Ahead(Input),
    /// Somebody works on it.
    Taken,
}

/// The file of a piece.
struct Input {
    file: Arc<File>,
    is_column_wise: bool,
    /// What all columns read, unless one is read after the other.
    streams: Option<Streams>,
}

/// A piece in place, and what is read for it; the streams, if it has no such columns.
type Found = std::result::Result<(InPlace, Arc<Reading>), Option<Streams>>;

/// Batches as the decoder gives them.
type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send>;

enum State {
    Closed,
    InPlace(InPlace),
    Open(Batches),
    Done,
}

impl Part {
    fn walk(&self) -> Walk {
        if self.piece.rows.is_some() { Walk::Located } else { Walk::Sequential }
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file before anybody works on the piece. Whoever does meets the same errors.
    fn open_ahead(&self) {
        let mut opened = self.opened();
        if matches!(*opened, Opened::NotYet)
            && let Ok(input) = contain(|| self.open(false))
        {
            *opened = Opened::Ahead(input);
        }
    }

    fn take(&self) -> Result<Input> {
        let opened = std::mem::replace(&mut *self.opened(), Opened::Taken);
        match opened {
            Opened::Ahead(input) => {
                input.streams.iter().for_each(Streams::activate);
                Ok(input)
            }
            Opened::NotYet | Opened::Taken => self.open(true),
        }
    }

    fn open(&self, active: bool) -> Result<Input> {
        let file = Arc::new(self.shared.file.open_unchanged()?);
        // Headers are met here and there; what is read in order has a file of its own.
        if self.walk() == Walk::Located {
            reads_here_and_there(&file);
            self.locate(&file)?;
        }
        let is_column_wise = self.is_column_wise(&file);
        let streams = if is_column_wise { None } else { self.streams(&file, &self.plan.mask, active) };
        Ok(Input { file, is_column_wise, streams })
    }

    fn locate(&self, file: &File) -> Result<()> {
        let index = self.piece.row_groups.start;
        let group = self.shared.reader.metadata().row_group(index);
        // Two threads that begin at once begin at both ends, and share the work.
        let backwards = self.piece.rows.as_ref().is_some_and(|rows| rows.start / RANGE_ROWS % 2 == 1);
        let count = self.plan.leaves.len();
        for index_of in 0..count {
            let leaf = self.plan.leaves[if backwards { count - 1 - index_of } else { index_of }];
            let chunk = group.column(leaf);
            let find = || locate_pages(file, chunk, group.num_rows());
            self.shared
                .located
                .locate(index, leaf, find)
                .map_err(|e| e.in_column(chunk.column_path().string()))?;
        }
        Ok(())
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

    /// What a decoder of `mask` reads.
    fn streams(&self, file: &Arc<File>, mask: &ProjectionMask, active: bool) -> Option<Streams> {
        let leaves = || self.plan.leaves.iter().copied().filter(|&leaf| mask.leaf_included(leaf));
        let groups = self.piece.row_groups.clone().zip(0..);
        let places = groups.flat_map(|(group, turn)| leaves().map(move |leaf| (group, leaf, turn)));
        let mut streams: Vec<StreamPlace> = Vec::new();
        let mut own_files = 0;
        let mut add = |place: Range<u64>, let_go: Range<u64>, turn, is_near_end: bool| {
            let is_long = place.end.saturating_sub(place.start) >= LONG_STREAM && own_files < MOST_FILES;
            let own = if is_long {
                self.plan.opener.own_file(|| self.shared.file.open_unchanged().ok())
            } else {
                None
            };
            own_files += usize::from(own.is_some());
            // What the system would read behind the end of the chunk is of another column, whose beginning was read long before.
            let asks = is_near_end && own.is_some();
            let file = own.unwrap_or_else(|| Arc::clone(file));
            if asks {
                reads_here_and_there(&file);
            }
            streams.push(StreamPlace { place, file, asks, let_go, turn });
        };
        for (group, leaf, turn) in places {
            let (start, length) = self.shared.reader.metadata().row_group(group).column(leaf).byte_range();
            let place = start..start + length;
            match &self.piece.rows {
                None => add(place.clone(), place, turn, false),
                Some(rows) => {
                    let pages = self.shared.located.offset_index(group, leaf)?.page_locations();
                    let row = |page: usize| pages[page].first_row_index.unsigned_abs();
                    let first = (0..pages.len()).rposition(|page| row(page) <= rows.start)?;
                    let behind = (first..pages.len()).find(|&page| row(page) >= rows.end);
                    let offset = |page: usize| pages[page].offset.unsigned_abs();
                    let end = behind.map_or(place.end, offset);
                    // The dictionary stands before the first page.
                    add(place.start..offset(0), 0..0, turn, false);
                    // Other ranges are read at the same time, and what the system reads behind the end of one is of the next.
                    let lag = if behind.is_some() { LET_GO_LAG } else { 0 };
                    let from = offset(first).saturating_sub(LET_GO_LAG).max(place.start);
                    let let_go = from..end.saturating_sub(lag).max(from);
                    add(offset(first)..end, let_go, turn + 1, place.end - end < READ_BEHIND);
                }
            }
        }
        streams.retain(|stream| !stream.place.is_empty());
        (streams.len() <= MOST_STREAMS).then(|| self.plan.opener.streams(streams, page_extent, active))
    }

    /// What a decoder of `mask` takes for the file. Each has a reading of its own: what it has let go of does not count for the
    /// others.
    fn pages(
        &self,
        file: &Arc<File>,
        mask: &ProjectionMask,
        streams: Option<Streams>,
        seen: &Arc<Seen>,
    ) -> (PageFile, Arc<Reading>) {
        let input = (Arc::clone(file), self.shared.file.bytes);
        let buffers = Arc::clone(&self.plan.buffers);
        PageFile::new(input, self.walk(), Arc::clone(seen), self.chunks(mask), (streams, buffers))
    }

    fn decoder(&self, pages: PageFile, mask: ProjectionMask) -> Result<ParquetRecordBatchReader> {
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

    /// The batches of a piece of which some columns can be used where they lie, and what is read for them.
    fn in_place(&self, file: &Arc<File>, streams: Option<Streams>) -> Result<Found> {
        let (shared, plan) = (&self.shared, &self.plan);
        let metadata = shared.reader.metadata();
        let groups: Vec<&RowGroupMetaData> =
            self.piece.row_groups.clone().map(|index| metadata.row_group(index)).collect();
        let suits = |candidate: &&Candidate| groups.iter().all(|group| candidate.suits(group));
        let candidates: Vec<&Candidate> = plan.in_place.iter().filter(suits).collect();
        if candidates.is_empty() {
            return Ok(Err(streams));
        }
        let is_chosen = |leaf: usize| candidates.iter().any(|candidate| candidate.leaf == leaf);
        let others: Vec<usize> = plan.leaves.iter().copied().filter(|&leaf| !is_chosen(leaf)).collect();
        let seen = Arc::default();
        let (pages, reading) = self.pages(file, &plan.mask, streams, &seen);
        let others = if others.is_empty() {
            None
        } else {
            let mask = ProjectionMask::leaves(shared.reader.parquet_schema(), others);
            Some(self.decoder(pages, mask)?)
        };
        let place = PlaceOfPages { piece: &self.piece, groups: &groups, located: &shared.located };
        let in_place = InPlace::new(
            &Chosen { candidates, fields: plan.roots.clone() },
            &place,
            (plan.reader.schema(), others),
            Arc::clone(&reading),
            Arc::clone(&plan.buffers),
            (seen, Arc::clone(&shared.seen)),
        )?;
        Ok(Ok((in_place, reading)))
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
}

/// Shorter streams share a file.
const LONG_STREAM: u64 = 1 << 20;

/// How far the system may read behind the end of a range: twice what it reads ahead where it reads far.
const READ_BEHIND: u64 = 16 << 20;

/// Bytes of a range that stay in the system's cache until the next ranges were read.
const LET_GO_LAG: u64 = 16 << 20;

/// Files that are opened for a piece at most.
const MOST_FILES: usize = 32;

/// Pieces of more streams are read as they are decoded.
const MOST_STREAMS: usize = 4096;

impl PieceBatches {
    /// The batches, and what opens the file ahead.
    pub(super) fn new(
        shared: Arc<Shared>,
        plan: Arc<Plan>,
        piece: Piece,
    ) -> (Self, Box<dyn FnOnce() + Send>) {
        let left = piece.count;
        let part = Arc::new(Part { shared, plan, piece, opened: Mutex::new(Opened::NotYet) });
        let ahead = Arc::downgrade(&part);
        let prepare = move || {
            if let Some(part) = ahead.upgrade() {
                part.open_ahead();
            }
        };
        (Self { part, left, state: State::Closed, readings: Mutex::default() }, Box::new(prepare))
    }

    fn open(&self) -> Result<State> {
        let part = &self.part;
        let Input { file, is_column_wise, streams } = part.take()?;
        // Of a row group in ranges, the first range counts.
        if part.piece.rows.as_ref().is_none_or(|rows| rows.start == 0) {
            part.shared.seen.count_row_groups(part.piece.row_groups.len());
        }
        if is_column_wise {
            return Ok(State::Open(self.column_wise(&file)?));
        }
        Ok(match contain(|| part.in_place(&file, streams)) {
            Ok(Ok((in_place, reading))) => {
                self.readings().push(reading);
                State::InPlace(in_place)
            }
            Ok(Err(streams)) => State::Open(self.decoded(&file, streams)?),
            Err(_) => State::Open(self.decoded(&file, None)?),
        })
    }

    /// All columns as the decoder gives them.
    fn decoded(&self, file: &Arc<File>, streams: Option<Streams>) -> Result<Batches> {
        let mask = self.part.plan.mask.clone();
        Ok(Box::new(self.reader(file, mask, streams)?))
    }

    fn column_wise(&self, file: &Arc<File>) -> Result<Batches> {
        let part = &self.part;
        let descr = part.shared.reader.parquet_schema();
        let mut roots: Vec<usize> =
            part.plan.leaves.iter().map(|&leaf| descr.get_column_root_idx(leaf)).collect();
        roots.dedup();
        let masks = roots.into_iter().map(|root| ProjectionMask::roots(descr, [root]));
        let readers = masks.map(|mask| {
            let streams = part.streams(file, &mask, true);
            self.reader(file, mask, streams)
        });
        Ok(Box::new(ColumnWise::read(readers)?))
    }

    /// A decoder of `mask`.
    fn reader(
        &self,
        file: &Arc<File>,
        mask: ProjectionMask,
        streams: Option<Streams>,
    ) -> Result<ParquetRecordBatchReader> {
        let (pages, reading) = self.part.pages(file, &mask, streams, &self.part.shared.seen);
        self.readings().push(reading);
        self.part.decoder(pages, mask)
    }

    /// The decoder in the place of columns that could not be used where they lie. It reads the piece again, and the batches that
    /// were handed out are passed over.
    fn decoded_again(&self) -> Result<Batches> {
        self.readings().clear();
        let file = Arc::new(self.part.shared.file.open_unchanged()?);
        let streams = self.part.streams(&file, &self.part.plan.mask, true);
        let handed_out = (self.part.piece.count - self.left).div_ceil(self.part.plan.batch_rows as u64);
        let mut batches = self.decoded(&file, streams)?;
        for _ in 0..handed_out {
            batches.next().transpose().map_err(malformed)?;
        }
        Ok(batches)
    }

    fn readings(&self) -> MutexGuard<'_, Vec<Arc<Reading>>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step: opens the reader if need be, decodes a batch, counts its rows.
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        if matches!(self.state, State::Closed) {
            self.state = self.open()?;
        }
        if let State::InPlace(columns) = &mut self.state {
            let rows = self.left.min(self.part.plan.batch_rows as u64) as usize;
            if rows == 0 {
                columns.finish()?;
                return Ok(None);
            }
            match contain(|| columns.next(rows, &self.part.plan.in_place)) {
                Ok(batch) => return self.counted(batch).map(Some),
                Err(_) => {
                    columns.give_up();
                    self.state = State::Closed;
                    self.state = State::Open(self.decoded_again()?);
                }
            }
        }
        let State::Open(reader) = &mut self.state else { return Ok(None) };
        let Some(batch) = reader.next() else {
            if self.left != 0 {
                let message = format!("{} of {} rows are missing", self.left, self.part.piece.count);
                return Err(Error::new(ErrorKind::Malformed, message));
            }
            self.readings().iter().try_for_each(|reading| reading.finish())?;
            return Ok(None);
        };
        let batch = batch.map_err(malformed)?;
        self.counted(batch).map(Some)
    }

    /// The columns of a batch as they were asked for.
    fn counted(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let count = self.part.piece.count;
        self.left = self.left.checked_sub(batch.num_rows() as u64).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("more rows than the {count} declared"))
        })?;
        let batch = batch.project(&self.part.plan.order);
        batch.map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
    }
}

impl Iterator for PieceBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = contain(|| self.step());
        if !matches!(outcome, Ok(Some(_))) {
            self.state = State::Done;
        }
        let place = Place::RowGroup(self.part.piece.row_groups.start);
        // What was found in a page says more than what the decoder makes of it.
        let found = |e| {
            let readings = self.readings();
            let wrong = readings.iter().find_map(|reading| reading.failure());
            wrong.or_else(|| readings.iter().find_map(|reading| reading.finish().err())).unwrap_or(e)
        };
        outcome.map_err(found).map_err(|e| e.at_path(&self.part.shared.file.path).at(place)).transpose()
    }
}
