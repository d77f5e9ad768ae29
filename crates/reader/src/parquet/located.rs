//! Where pages begin: found by walking the headers of a column chunk.

use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use super::page_header::PageHeader;
use super::thrift::ThriftError;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_HEADER_BYTES};
use crate::storage::ahead::Extent;
use crate::storage::{ask, let_go, read_exact_at};

/// Bytes read for a header at first; statistics of long strings may need more.
const HEADER_GUESS: usize = 256;

/// A header that takes longer had to be waited for.
const SLOW: Duration = Duration::from_micros(50);

/// Headers that are asked for beforehand.
const ASKED_HEADERS: u64 = 16;

/// With so many headers that had to be waited for, a chunk was not in the cache.
const COLD_HEADERS: u64 = 8;

pub(super) const NOT_A_HEADER: &str = "there is no valid page header where a page should begin";

pub(super) fn check_limit(header: &PageHeader) -> Result<()> {
    let largest = u64::from(header.compressed_bytes.max(header.uncompressed_bytes).unsigned_abs());
    if largest > MAX_PAGE_BYTES {
        let message = format!("a page of {largest} bytes is beyond the limit of {MAX_PAGE_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// The page header at `at`, which ends before `end`.
pub(super) fn header_at(file: &File, at: u64, end: u64) -> io::Result<PageHeader> {
    let mut want = HEADER_GUESS;
    loop {
        let length = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(want);
        let mut bytes = vec![0; length];
        read_exact_at(file, &mut bytes, at)?;
        match PageHeader::parse(&bytes) {
            Ok(header) => return Ok(header),
            Err(ThriftError::Incomplete) if length == want && want < MAX_PAGE_HEADER_BYTES => want *= 8,
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, NOT_A_HEADER)),
        }
    }
}

/// How long the page is, header included, that begins with `bytes`. Pages beyond the limits are not read.
pub(super) fn page_extent(bytes: &[u8]) -> Extent {
    match PageHeader::parse(bytes) {
        Ok(header) if check_limit(&header).is_ok() => Extent::Bytes(header.stored_bytes()),
        Err(ThriftError::Incomplete) if bytes.len() < MAX_PAGE_HEADER_BYTES => Extent::Unknown,
        _ => Extent::Broken,
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
    let (mut seen, mut headers, mut slow) = (0i64, 0, 0);
    while at < end && seen < rows {
        let start = Instant::now();
        let header = header_at(file, at, end).map_err(|e| malformed(e.to_string()))?;
        check_limit(&header)?;
        let size = header.stored_bytes();
        headers += 1;
        if start.elapsed() > SLOW {
            slow += 1;
            // Pages are mostly of one size: the headers of the next ones are asked for together.
            for page in 1..=ASKED_HEADERS {
                let next = at + page * size;
                ask(file, next..(next + HEADER_GUESS as u64).min(end));
            }
        }
        if size > end - at {
            return Err(malformed(format!("the page at byte {at} runs beyond its column chunk")));
        }
        if let Some(values) = header.values().filter(|&v| v > 0) {
            let size =
                i32::try_from(size).map_err(|_| malformed(format!("the page at byte {at} is too large")))?;
            index.append_offset_and_size(at as i64, size);
            index.append_row_count(i64::from(values));
            seen += i64::from(values);
        }
        at += size;
    }
    if slow >= COLD_HEADERS && slow * (1 + ASKED_HEADERS) * 2 >= headers {
        // What lies in the cache here and there would break up what the system reads ahead.
        let_go(file, chunk.byte_range().0..end);
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
        let Ok(header) = header_at(file, at, end) else { break };
        let uncompressed = u64::from(header.uncompressed_bytes.unsigned_abs());
        held += uncompressed;
        if header.values().is_some() {
            return held;
        }
        at += header.stored_bytes();
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
