//! Parquet files, decoded page by page.
//!
//! A partition is a run of small row groups, one row group, or a range of rows of a large one; the
//! decoder holds one page and one dictionary a column, so memory does not depend on the size of a row
//! group. Ranges inside a row group start at pages found by walking the page headers, with or without an
//! offset index in the file.

mod page_header;
mod pages;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelectionPolicy, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use self::pages::{LocatedPages, PageFile, PagesSeen, Walk, decode_bytes, locate_pages, read_exact_at};
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::{MAX_COLUMNS, MAX_FOOTER_BYTES};
use crate::source::{Checksums, InputFile, Partition, Scan, ScanRequest, Source, Summary, position};

/// Row groups of more than one and a half times as many rows are read in ranges of this many.
/// With the usual pages of 2^17 eight-byte values the cuts fall between pages.
pub const RANGE_ROWS: u64 = 1 << 20;

/// Consecutive row groups are joined into one partition until it has this many rows.
pub const MIN_PARTITION_ROWS: u64 = 1 << 15;

/// An open Parquet file.
pub struct ParquetFile {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    name: Arc<str>,
    bytes: u64,
    modified: Option<SystemTime>,
    reader: ArrowReaderMetadata,
    located: Arc<LocatedPages>,
    seen: Arc<PagesSeen>,
}

/// A partition's place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    row_groups: Range<usize>,
    /// A range of rows, where the piece is part of a single row group.
    rows: Option<Range<u64>>,
    count: u64,
}

impl ParquetFile {
    /// Opens a file and checks that its footer makes sense.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Malformed`], [`ErrorKind::Limit`], [`ErrorKind::Unsupported`] for
    /// what the footer says; [`ErrorKind::Column`] when two columns share a name.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_inner(path).map_err(|e| e.at_path(path))
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let meta = file.metadata().map_err(|e| Error::io(path, e))?;
        check_ends(&file, meta.len()).map_err(|e| e.at_path(path))?;
        let metadata = contain(|| {
            ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Skip)
                .parse_and_finish(&file)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a readable Parquet footer: {e}")))
        })?;
        check_metadata(&metadata, meta.len())?;
        let located = Arc::new(LocatedPages::new(&metadata, |rows| ranges(rows.unsigned_abs()).len() > 1));
        let metadata = metadata.into_builder().set_page_index(Some(Arc::clone(&located) as _)).build();
        // The Arrow schema that some writers embed is an untrusted copy; the Parquet types say enough.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader = contain(|| {
            ArrowReaderMetadata::try_new(Arc::new(metadata), options)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a valid Parquet schema: {e}")))
        })?;
        check_names(reader.schema())?;
        let shared = Shared {
            path: path.to_path_buf(),
            name: path.to_string_lossy().into(),
            bytes: meta.len(),
            modified: meta.modified().ok(),
            reader,
            located,
            seen: Arc::default(),
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
}

/// Checks the magic bytes at both ends and the length of the footer between them.
fn check_ends(file: &File, bytes: u64) -> Result<()> {
    let malformed = |message: &str| Err(Error::new(ErrorKind::Malformed, message));
    if bytes < 12 {
        return malformed("too short for a Parquet file, which has at least 12 bytes");
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    let read = read_exact_at(file, &mut head, 0).and_then(|()| read_exact_at(file, &mut tail, bytes - 8));
    read.map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
    if &tail[4..] == b"PARE" || &head == b"PARE" {
        return Err(Error::new(ErrorKind::Unsupported, "the file is encrypted; decrypt it first"));
    }
    if &head != b"PAR1" || &tail[4..] != b"PAR1" {
        return malformed(
            "not a Parquet file: it must begin and end with PAR1 (cut short while it was written?)",
        );
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if footer > bytes - 12 {
        return malformed("the footer is longer than the file");
    }
    if footer > MAX_FOOTER_BYTES {
        let message = format!("a footer of {footer} bytes is beyond the limit of {MAX_FOOTER_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// Checks that counts agree and that every column chunk lies inside the file.
fn check_metadata(metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    let malformed = |message: String| Err(Error::new(ErrorKind::Malformed, message));
    let declared = metadata.file_metadata().num_rows();
    let mut rows = 0i64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let Some(sum) = Some(group.num_rows()).filter(|&n| n >= 0).and_then(|n| rows.checked_add(n)) else {
            return malformed(format!("row group {index} declares {} rows", group.num_rows()));
        };
        rows = sum;
        check_row_group(group, bytes).map_err(|e| e.at(Place::RowGroup(index)))?;
    }
    if rows != declared {
        return malformed(format!("the footer declares {declared} rows, its row groups have {rows}"));
    }
    let columns = metadata.file_metadata().schema_descr().num_columns();
    if columns > MAX_COLUMNS {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("{columns} columns are beyond the limit of {MAX_COLUMNS}"),
        ));
    }
    Ok(())
}

fn check_row_group(group: &RowGroupMetaData, bytes: u64) -> Result<()> {
    for chunk in group.columns() {
        let name = || chunk.column_path().string();
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size());
        let inside = start >= 0 && chunk.compressed_size() >= 0 && end.is_some_and(|end| end as u64 <= bytes);
        if !inside || chunk.data_page_offset() < 0 || chunk.file_path().is_some() {
            return Err(
                Error::new(ErrorKind::Malformed, "the column's pages lie outside the file").in_column(name())
            );
        }
        let flat = chunk.column_descr().max_rep_level() == 0;
        if flat && chunk.num_values() != group.num_rows() {
            let message =
                format!("{} values in a row group of {} rows", chunk.num_values(), group.num_rows());
            return Err(Error::new(ErrorKind::Malformed, message).in_column(name()));
        }
    }
    Ok(())
}

fn check_names(schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(Error::new(ErrorKind::Malformed, "the file has no columns"));
    }
    let mut seen = std::collections::HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            return Err(Error::new(ErrorKind::Column, "two columns have this name").in_column(field.name()));
        }
    }
    Ok(())
}

/// The ranges that a row group of `rows` rows is read in: one, unless it is large.
fn ranges(rows: u64) -> Vec<Range<u64>> {
    let count = ((rows + RANGE_ROWS / 2) / RANGE_ROWS).max(1);
    (0..count).map(|i| i * RANGE_ROWS..if i + 1 == count { rows } else { (i + 1) * RANGE_ROWS }).collect()
}

/// Cuts a file into partitions, by the sizes of its row groups alone.
fn pieces(group_rows: impl Iterator<Item = u64>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, rows) in group_rows.enumerate() {
        let cuts = ranges(rows);
        if cuts.len() > 1 {
            pieces.extend(cuts.into_iter().map(|r| Piece {
                row_groups: index..index + 1,
                count: r.end - r.start,
                rows: Some(r),
            }));
            continue;
        }
        match pieces.last_mut() {
            Some(last) if last.rows.is_none() && last.count < MIN_PARTITION_ROWS => {
                last.row_groups.end = index + 1;
                last.count += rows;
            }
            _ => pieces.push(Piece { row_groups: index..index + 1, rows: None, count: rows }),
        }
    }
    pieces
}

impl Source for ParquetFile {
    fn schema(&self) -> &SchemaRef {
        self.shared.reader.schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let shared = Arc::clone(&self.shared);
        let schema = shared.reader.schema();
        let wanted = request.columns.iter().chain(&request.verbatim);
        let wanted: Vec<usize> = wanted
            .map(|n| position(schema, n))
            .collect::<Result<_>>()
            .map_err(|e| e.at_path(&shared.path))?;
        let mut roots = wanted.clone();
        roots.sort_unstable();
        roots.dedup();
        // The decoder keeps the file's order; `order` restores the one that was asked for.
        let order = wanted.iter().filter_map(|w| roots.binary_search(w).ok()).collect();
        let descr = shared.reader.parquet_schema();
        let mask = ProjectionMask::roots(descr, roots.iter().copied());
        let leaves: Vec<usize> = (0..descr.num_columns()).filter(|&leaf| mask.leaf_included(leaf)).collect();
        let flat = leaves.iter().all(|&leaf| descr.column(leaf).max_rep_level() == 0);
        let groups = shared.reader.metadata().row_groups().iter().map(|g| g.num_rows().unsigned_abs());
        let pieces = if flat {
            pieces(groups)
        } else {
            // Values of repeated columns are not rows, so their row groups cannot be cut.
            let whole = |(i, rows)| Piece { row_groups: i..i + 1, rows: None, count: rows };
            groups.enumerate().map(whole).collect()
        };
        let plan = Arc::new(Plan { mask, leaves, order, batch_rows: request.batch_rows.max(1) });
        Ok(Box::new(ParquetScan { shared, plan, pieces, next: AtomicUsize::new(0) }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        let s = &self.shared;
        vec![InputFile {
            path: s.path.clone(),
            bytes: s.bytes,
            modified: s.modified,
            rows: Some(self.rows()),
        }]
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
        let file = self.shared.open_unchanged();
        let descr = self.shared.reader.parquet_schema();
        for (leaf, root) in (0..descr.num_columns()).map(|leaf| (leaf, descr.get_column_root_idx(leaf))) {
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

    fn checksums(&self) -> Checksums {
        self.shared.seen.checksums()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.shared.open_unchanged().map(drop)
    }
}

/// What every partition of a scan decodes.
struct Plan {
    mask: ProjectionMask,
    leaves: Vec<usize>,
    order: Vec<usize>,
    batch_rows: usize,
}

struct ParquetScan {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    pieces: Vec<Piece>,
    next: AtomicUsize,
}

impl Scan for ParquetScan {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces.get(index)?.clone();
        let batches = PieceBatches {
            shared: Arc::clone(&self.shared),
            plan: Arc::clone(&self.plan),
            left: piece.count,
            piece,
            state: State::Closed,
        };
        Some(Ok(Partition { index, path: Arc::clone(&self.shared.name), batches: Box::new(batches) }))
    }
}

/// The record batches of one piece. The file is opened at the first one, on the thread that decodes.
struct PieceBatches {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    piece: Piece,
    left: u64,
    state: State,
}

enum State {
    Closed,
    Open(Box<ParquetRecordBatchReader>),
    Done,
}

impl Shared {
    /// Opens the file again; it must still be the one that was opened first.
    fn open_unchanged(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let now = file.metadata().map_err(|e| Error::io(&self.path, e))?;
        if now.len() != self.bytes || now.modified().ok() != self.modified {
            let message = "the file changed while it was read";
            return Err(Error::new(ErrorKind::Changed, message).at_path(&self.path));
        }
        Ok(file)
    }
}

impl PieceBatches {
    fn open(&self) -> Result<Box<ParquetRecordBatchReader>> {
        let shared = &self.shared;
        let file = Arc::new(shared.open_unchanged()?);
        let walk = if self.piece.rows.is_some() { Walk::Located } else { Walk::Sequential };
        if walk == Walk::Located {
            self.locate(&file)?;
        }
        let pages = PageFile::new(file, shared.bytes, walk, Arc::clone(&shared.seen));
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(pages, shared.reader.clone())
            .with_projection(self.plan.mask.clone())
            .with_row_groups(self.piece.row_groups.clone().collect())
            .with_batch_size(self.plan.batch_rows);
        if let Some(rows) = &self.piece.rows {
            let (skip, take) = (rows.start as usize, (rows.end - rows.start) as usize);
            let selection = RowSelection::from(vec![RowSelector::skip(skip), RowSelector::select(take)]);
            builder = builder
                .with_row_selection(selection)
                .with_row_selection_policy(RowSelectionPolicy::Selectors);
        }
        let reader =
            builder.build().map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()).caused_by(e))?;
        Ok(Box::new(reader))
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
            return Ok(None);
        };
        let batch = batch.map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()).caused_by(e))?;
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
        outcome.map_err(|e| e.at_path(&self.shared.path).at(place)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_row_groups_are_cut_and_small_ones_joined() {
        let sizes = [10, 20, 40_000, 5, 3 * RANGE_ROWS + 7, 100];
        let pieces = pieces(sizes.into_iter());
        let counts: Vec<_> = pieces.iter().map(|p| (p.row_groups.clone(), p.count)).collect();
        assert_eq!(
            counts,
            [
                (0..3, 40_030),
                (3..4, 5),
                (4..5, RANGE_ROWS),
                (4..5, RANGE_ROWS),
                (4..5, RANGE_ROWS + 7),
                (5..6, 100)
            ]
        );
        assert_eq!(pieces.iter().map(|p| p.count).sum::<u64>(), sizes.iter().sum::<u64>());
    }

    #[test]
    fn ranges_cover_every_row_once() {
        for rows in [0, 1, RANGE_ROWS, RANGE_ROWS * 3 / 2 - 1, RANGE_ROWS * 3 / 2, 10 * RANGE_ROWS + 1] {
            let cuts = ranges(rows);
            assert_eq!(cuts.first().map(|r| r.start), Some(0));
            assert_eq!(cuts.last().map(|r| r.end), Some(rows));
            assert!(cuts.windows(2).all(|w| w[0].end == w[1].start), "{rows}: {cuts:?}");
        }
    }
}
