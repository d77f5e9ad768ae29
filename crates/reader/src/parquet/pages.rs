//! Pages of a file: reads them by position, refuses those beyond the limits, finds where they begin.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::page_header::{HeaderError, PageHeader};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_HEADER_BYTES};
use crate::source::{Checksums, ReadCounts};
use crate::storage::read_exact_at;

/// Bytes read for a header at first; statistics of long strings may need more.
const HEADER_GUESS: usize = 256;

/// How the decoder walks through a column chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// From header to header: whole row groups.
    Sequential,
    /// By page locations, header and page in one piece: ranges of rows.
    Located,
}

/// A file that hands out pages by position and checks each header before the decoder acts on it.
pub(super) struct PageFile {
    file: Arc<File>,
    bytes: u64,
    walk: Walk,
    seen: Arc<Seen>,
}

/// Counts of what was read: how much a verification is worth, how much a scan could pass over.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pages: AtomicU64,
    protected: AtomicU64,
    bytes: AtomicU64,
    row_groups: AtomicU64,
    row_groups_skipped: AtomicU64,
    rows_skipped: AtomicU64,
}

impl Seen {
    fn count(&self, header: &PageHeader) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.protected.fetch_add(u64::from(header.has_checksum), Ordering::Relaxed);
    }

    fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_row_groups(&self, row_groups: usize) {
        self.row_groups.fetch_add(row_groups as u64, Ordering::Relaxed);
    }

    /// A row group of `rows` rows is not read.
    pub(super) fn count_skipped(&self, rows: u64) {
        self.row_groups_skipped.fetch_add(1, Ordering::Relaxed);
        self.rows_skipped.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> ReadCounts {
        ReadCounts {
            bytes: self.bytes.load(Ordering::Relaxed),
            row_groups: self.row_groups.load(Ordering::Relaxed),
            row_groups_skipped: self.row_groups_skipped.load(Ordering::Relaxed),
            rows_skipped: self.rows_skipped.load(Ordering::Relaxed),
            ..ReadCounts::default()
        }
    }

    pub(super) fn checksums(&self) -> Checksums {
        let (pages, protected) = (self.pages.load(Ordering::Relaxed), self.protected.load(Ordering::Relaxed));
        Checksums { pages, protected }
    }
}

impl PageFile {
    pub(super) fn new(file: Arc<File>, bytes: u64, walk: Walk, seen: Arc<Seen>) -> Self {
        Self { file, bytes, walk, seen }
    }
}

impl Length for PageFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for PageFile {
    type T = HeaderReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<HeaderReader> {
        Ok(HeaderReader {
            file: Arc::clone(&self.file),
            seen: Arc::clone(&self.seen),
            end: self.bytes,
            at: start,
            buffer: Vec::new(),
            used: 0,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let inside = start.checked_add(length as u64).is_some_and(|end| end <= self.bytes);
        if !inside || length as u64 > MAX_PAGE_BYTES + MAX_PAGE_HEADER_BYTES as u64 {
            return Err(ParquetError::General(format!(
                "a page of {length} bytes at {start} does not fit the file or the limit of {MAX_PAGE_BYTES}"
            )));
        }
        // Reading up to a limit fills fresh memory without clearing it first. The position is the file's
        // own: one decoder uses it, one page at a time.
        let mut buffer = Vec::with_capacity(length);
        (&*self.file).seek(SeekFrom::Start(start))?;
        (&*self.file).take(length as u64).read_to_end(&mut buffer)?;
        if buffer.len() < length {
            return Err(ParquetError::EOF(format!("the file ends inside the page at {start}")));
        }
        if self.walk == Walk::Located {
            let header =
                PageHeader::parse(&buffer).map_err(|_| ParquetError::General(NOT_A_HEADER.into()))?;
            check_limit(&header)?;
            self.seen.count(&header);
        }
        self.seen.count_bytes(length);
        Ok(buffer.into())
    }
}

const NOT_A_HEADER: &str = "there is no valid page header where a page should begin";

fn check_limit(header: &PageHeader) -> io::Result<()> {
    let largest = u64::from(header.compressed_bytes.max(header.uncompressed_bytes).unsigned_abs());
    if largest > MAX_PAGE_BYTES {
        return Err(io::Error::other(format!(
            "a page of {largest} bytes is beyond the limit of {MAX_PAGE_BYTES}"
        )));
    }
    Ok(())
}

/// Reads one page header. Only its first read touches the file: the decoder also opens a reader where it
/// knows the header already.
pub(super) struct HeaderReader {
    file: Arc<File>,
    seen: Arc<Seen>,
    end: u64,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for HeaderReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let (header, bytes) = header_at(&self.file, self.at, self.end)?;
            check_limit(&header)?;
            self.seen.count(&header);
            self.seen.count_bytes(bytes.len());
            self.buffer = bytes;
        }
        let count = out.len().min(self.buffer.len() - self.used);
        out[..count].copy_from_slice(&self.buffer[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

/// The page header at `at`, with the bytes it was read from.
fn header_at(file: &File, at: u64, end: u64) -> io::Result<(PageHeader, Vec<u8>)> {
    let mut want = HEADER_GUESS;
    loop {
        let length = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(want);
        let mut bytes = vec![0; length];
        read_exact_at(file, &mut bytes, at)?;
        match PageHeader::parse(&bytes) {
            Ok(header) => {
                bytes.truncate(header.header_bytes);
                return Ok((header, bytes));
            }
            Err(HeaderError::Incomplete) if length == want && want < MAX_PAGE_HEADER_BYTES => want *= 8,
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, NOT_A_HEADER)),
        }
    }
}

/// Where the data pages of a flat column chunk of `rows` rows begin, found by walking its headers.
///
/// The file's own offset index is not used: the walk costs one small read a page, serves files without
/// an index as well, and cannot be led astray by a wrong one.
pub(super) fn locate_pages(
    file: &File,
    chunk: &ColumnChunkMetaData,
    rows: i64,
) -> Result<OffsetIndexMetaData> {
    let malformed = |message: String| Error::new(ErrorKind::Malformed, message);
    let (start, length) = chunk.byte_range();
    let (mut at, end) = (start, start + length);
    let mut index = OffsetIndexBuilder::new();
    let mut seen = 0i64;
    while at < end && seen < rows {
        let (header, _) = header_at(file, at, end).map_err(|e| malformed(e.to_string()))?;
        check_limit(&header).map_err(|e| Error::new(ErrorKind::Limit, e.to_string()))?;
        let size = header.header_bytes as u64 + u64::from(header.compressed_bytes.unsigned_abs());
        if size > end - at {
            return Err(malformed(format!("the page at byte {at} runs beyond its column chunk")));
        }
        if let Some(values) = header.values.filter(|&v| v > 0) {
            let size =
                i32::try_from(size).map_err(|_| malformed(format!("the page at byte {at} is too large")))?;
            index.append_offset_and_size(at as i64, size);
            index.append_row_count(i64::from(values));
            seen += i64::from(values);
        }
        at += size;
    }
    if seen != rows {
        return Err(malformed(format!("the row group has {rows} rows, its pages have {seen}")));
    }
    Ok(index.build())
}

/// Bytes that decoding a column chunk holds: its dictionary, and its first data page, which the others are mostly like. A
/// compressed page is let go once it is decompressed, so that of all columns only one has both.
pub(super) fn decode_bytes(file: &File, chunk: &ColumnChunkMetaData) -> u64 {
    let (start, length) = chunk.byte_range();
    let (mut at, end, mut held) = (start, start + length, 0);
    while at < end {
        let Ok((header, _)) = header_at(file, at, end) else { break };
        let compressed = u64::from(header.compressed_bytes.unsigned_abs());
        let uncompressed = u64::from(header.uncompressed_bytes.unsigned_abs());
        held += uncompressed;
        if header.values.is_some() {
            return held;
        }
        at += header.header_bytes as u64 + compressed;
    }
    held
}

/// Page locations of the row groups that are read in ranges, each found when first needed.
#[derive(Debug)]
pub(super) struct LocatedPages {
    /// One slot a column for every row group that is cut, none for the others.
    row_groups: Vec<Vec<OnceLock<OffsetIndexMetaData>>>,
}

impl LocatedPages {
    /// Slots for the row groups of `metadata` that `is_cut` names by their number of rows.
    pub(super) fn new(metadata: &ParquetMetaData, is_cut: impl Fn(i64) -> bool) -> Self {
        let slots = |columns: usize| (0..columns).map(|_| OnceLock::new()).collect();
        let row_groups = metadata.row_groups().iter();
        Self {
            row_groups: row_groups
                .map(|rg| if is_cut(rg.num_rows()) { slots(rg.num_columns()) } else { Vec::new() })
                .collect(),
        }
    }

    /// Sees to it that the pages of one column chunk are located.
    pub(super) fn locate(
        &self,
        row_group: usize,
        column: usize,
        find: impl FnOnce() -> Result<OffsetIndexMetaData>,
    ) -> Result<()> {
        let slot = self.row_groups.get(row_group).and_then(|columns| columns.get(column));
        if let Some(slot) = slot.filter(|slot| slot.get().is_none()) {
            // Two threads may both walk the chunk; they find the same pages.
            let _ = slot.set(find()?);
        }
        Ok(())
    }
}

impl PageIndexProvider for LocatedPages {
    fn has_offset_indexes(&self) -> bool {
        true
    }

    fn has_column_indexes(&self) -> bool {
        false
    }

    fn column_index(&self, _: usize, _: usize) -> Option<&ColumnIndexMetaData> {
        None
    }

    fn offset_index(&self, row_group: usize, column: usize) -> Option<&OffsetIndexMetaData> {
        self.row_groups.get(row_group)?.get(column)?.get()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
