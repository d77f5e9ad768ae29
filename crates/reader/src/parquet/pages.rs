//! Pages of a file: reads them by position, checks and decompresses each before the decoder sees it.
//!
//! The decoder is told that nothing is compressed. What it takes for the file is this one, in which every page stands
//! where it stood, with a header that says less (`PageHeader::for_decoder`) and content that was looked at
//! (`content.rs`).

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;

use super::at_hand::Runs;
use super::codec::Decompressor;
use super::content::Shape;
use super::located::{NOT_A_HEADER, check_limit, header_at};
use super::page_header::{DataPage, PageHeader, PageKind, Version};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_HEADER_BYTES, check_memory};
use crate::source::{Checksums, ReadCounts};
use crate::storage::ahead::Streams;
use crate::storage::buffers::Buffers;
use crate::storage::read_exact_at;

/// How the decoder walks through a column chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// From header to header: whole row groups.
    Sequential,
    /// By page locations, header and page in one piece: ranges of rows.
    Located,
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
        self.protected.fetch_add(u64::from(header.checksum.is_some()), Ordering::Relaxed);
        self.bytes.fetch_add(header.stored_bytes(), Ordering::Relaxed);
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

/// A column chunk whose pages are read, and how far they were.
pub(super) struct Chunk {
    row_group: usize,
    column: ColumnDescPtr,
    shape: Shape,
    codec: Compression,
    start: u64,
    end: u64,
    /// Values that the footer declares, nulls included.
    values: i64,
    /// Values of the pages met so far.
    met: i64,
    /// Where the page behind these begins.
    next: u64,
    /// Bytes of its dictionary and of its last page, decompressed, which the decoder holds.
    held: [u64; 2],
    /// Pages whose headers the decoder has read and whose content it may ask for.
    announced: Vec<Announced>,
}

/// A page whose header was read.
#[derive(Clone, Copy)]
struct Announced {
    header: PageHeader,
    /// Where the header begins in the file.
    at: u64,
    /// Where the decoder takes the content to begin.
    content_at: u64,
}

impl Chunk {
    /// The chunk of `codec` that the footer describes. `chunk` is what the decoder takes it for.
    pub(super) fn new(row_group: usize, chunk: &ColumnChunkMetaData, codec: Compression) -> Self {
        let (start, length) = chunk.byte_range();
        Self {
            row_group,
            column: chunk.column_descr_ptr(),
            shape: Shape::of(chunk.column_descr()),
            codec,
            start,
            end: start + length,
            values: chunk.num_values(),
            met: 0,
            next: start,
            held: [0; 2],
            announced: Vec::new(),
        }
    }

    /// Says where an error is.
    fn place(&self, error: Error) -> Error {
        error.in_column(self.column.path().string()).at(Place::RowGroup(self.row_group))
    }

    /// Takes note of the page at `at`: pages follow one another, the dictionary first.
    fn meet(&mut self, header: &PageHeader, at: u64) -> std::result::Result<(), String> {
        let after = at + header.stored_bytes();
        if after > self.end {
            return Err(format!("the page at byte {at} runs beyond its column chunk"));
        }
        if at < self.next {
            return Ok(());
        }
        match header.page {
            PageKind::Dictionary { .. } if at != self.start => {
                return Err(format!("the dictionary at byte {at} is not the first page of its column chunk"));
            }
            PageKind::Data(page) => self.met += i64::from(page.values),
            PageKind::Dictionary { .. } | PageKind::Index => {}
        }
        self.next = after;
        if self.met > self.values {
            return Err(format!("the footer declares {} values, the pages have more", self.values));
        }
        Ok(())
    }
}

/// A file that hands out pages of some column chunks by position.
pub(super) struct PageFile(Arc<Reading>);

/// What its readers share.
pub(super) struct Reading {
    file: Arc<File>,
    bytes: u64,
    walk: Walk,
    seen: Arc<Seen>,
    buffers: Arc<Buffers>,
    progress: Mutex<Progress>,
}

/// One decoder at a time reads, so nobody waits for this.
struct Progress {
    /// In the order of their places.
    chunks: Vec<Chunk>,
    runs: Runs,
    decompressor: Decompressor,
    /// Bytes that the decoder holds, of all chunks.
    held: u64,
    failure: Option<Error>,
}

impl PageFile {
    /// The pages of `chunks`, which do not overlap, in a file of so many bytes; and what tells of the reading. What is not in
    /// `streams` is read as it is wanted.
    pub(super) fn new(
        (file, bytes): (Arc<File>, u64),
        walk: Walk,
        seen: Arc<Seen>,
        mut chunks: Vec<Chunk>,
        (streams, buffers): (Option<Streams>, Arc<Buffers>),
    ) -> (Self, Arc<Reading>) {
        chunks.sort_by_key(|chunk| chunk.start);
        let (runs, decompressor) = (Runs::new(streams), Decompressor::default());
        let progress = Mutex::new(Progress { chunks, runs, decompressor, held: 0, failure: None });
        let reading = Arc::new(Reading { file, bytes, walk, seen, buffers, progress });
        (Self(Arc::clone(&reading)), reading)
    }
}

impl Length for PageFile {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for PageFile {
    type T = HeaderReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<HeaderReader> {
        Ok(HeaderReader { reading: Arc::clone(&self.0), at: start, header: None, used: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut progress = self.0.progress();
        // The decoder goes by places as soon as some pass located the pages of the row group, also where it reads all of it.
        let announced = progress.announced(start);
        let outcome = match announced {
            Some(page) => self.0.announced_page(&mut progress, page),
            None => self.0.located_page(&mut progress, start, length),
        };
        outcome.map_err(|e| ParquetError::General(progress.fail(e)))
    }
}

impl Reading {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        // A panic of the decoder ends the reading; what was learnt before stays true.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that ended the reading, if it was found here.
    pub(super) fn failure(&self) -> Option<Error> {
        self.progress().failure.take()
    }

    /// Reads the header at `at`; the decoder gets another one for the same page.
    fn header(&self, at: u64) -> std::result::Result<Vec<u8>, String> {
        let mut progress = self.progress();
        let at_hand = progress.runs.from(at).and_then(|bytes| PageHeader::parse(&bytes).ok());
        let Some(chunk) = progress.chunk(at) else { return Err(progress.fail(outside(at))) };
        let outcome = at_hand
            .map_or_else(|| header_at(&self.file, at, chunk.end), Ok)
            .map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
            .and_then(|header| {
                check_limit(&header)?;
                chunk.meet(&header, at).map_err(|message| Error::new(ErrorKind::Malformed, message))?;
                Ok(header)
            })
            .map_err(|e| chunk.place(e));
        match outcome {
            Ok(header) => {
                let bytes = header.for_decoder();
                let content_at = at + bytes.len() as u64;
                chunk.announced.retain(|page| matches!(page.header.page, PageKind::Dictionary { .. }));
                chunk.announced.push(Announced { header, at, content_at });
                Ok(bytes)
            }
            Err(error) => Err(progress.fail(error)),
        }
    }

    /// The content of a page whose header the decoder has read.
    fn announced_page(&self, progress: &mut Progress, page: Announced) -> Result<Bytes> {
        let Announced { header, at, .. } = page;
        let (start, length) =
            (at + header.header_bytes as u64, header.compressed_bytes.unsigned_abs() as usize);
        let page = match progress.runs.take(start, length) {
            Some(page) => page,
            None => self.read(start, length)?,
        };
        self.seen.count(&header);
        progress.decode(at, &header, Stored { bytes: page, from: 0 }, &self.buffers, None)
    }

    /// A header and the content behind it: what stands in `length` bytes from `at` on.
    fn located_page(&self, progress: &mut Progress, at: u64, length: usize) -> Result<Bytes> {
        let (chunk, _) = progress.chunk_and_decompressor(at)?;
        if at.checked_add(length as u64).is_none_or(|end| end > chunk.end) {
            return Err(outside(at));
        }
        let at_hand = progress.runs.from(at).and_then(|_| progress.runs.take(at, length));
        let mut bytes = match at_hand {
            Some(bytes) => bytes,
            None => self.read(at, length)?,
        };
        let chunk = progress.chunk(at).ok_or_else(|| outside(at))?;
        let header = PageHeader::parse(&bytes)
            .map_err(|_| chunk.place(Error::new(ErrorKind::Malformed, NOT_A_HEADER)))?;
        check_limit(&header).map_err(|e| chunk.place(e))?;
        if header.stored_bytes() > length as u64 {
            return Err(chunk.place(damaged(at, "it is longer than its place")));
        }
        self.seen.count(&header);
        bytes.truncate(header.stored_bytes() as usize);
        let front = Some(header.for_decoder());
        progress.decode(at, &header, Stored { bytes, from: header.header_bytes }, &self.buffers, front)
    }

    fn read(&self, at: u64, length: usize) -> Result<Bytes> {
        let inside = at.checked_add(length as u64).is_some_and(|end| end <= self.bytes);
        if !inside || length as u64 > MAX_PAGE_BYTES + MAX_PAGE_HEADER_BYTES as u64 {
            return Err(outside(at));
        }
        let mut buffer = self.buffers.take(length);
        read_exact_at(&self.file, buffer.as_mut_slice(), at).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                let message = format!("the file ends inside the page at byte {at}");
                Error::new(ErrorKind::Malformed, message)
            }
            _ => Error::new(ErrorKind::Io, e.to_string()).caused_by(e),
        })?;
        Ok(buffer.into_bytes())
    }

    /// Checks, after all rows, that the chunks have no values beside those that were read.
    ///
    /// # Errors
    /// Pages or other bytes behind the last value that the footer declares.
    pub(super) fn finish(&self) -> Result<()> {
        if self.walk == Walk::Located {
            return Ok(());
        }
        for chunk in self.progress().chunks.iter_mut().filter(|chunk| chunk.next > chunk.start) {
            while chunk.next < chunk.end {
                let at = chunk.next;
                let after = header_at(&self.file, at, chunk.end).map_err(|e| e.to_string());
                let met = after.and_then(|header| chunk.meet(&header, at));
                met.map_err(|message| chunk.place(Error::new(ErrorKind::Malformed, message)))?;
            }
            if chunk.met != chunk.values {
                let message =
                    format!("the footer declares {} values, the pages have {}", chunk.values, chunk.met);
                return Err(chunk.place(Error::new(ErrorKind::Malformed, message)));
            }
        }
        Ok(())
    }
}

impl Progress {
    /// The page whose header was read and whose content begins here.
    fn announced(&self, content_at: u64) -> Option<Announced> {
        let before = self.chunks.partition_point(|chunk| chunk.start <= content_at);
        // The content of a page may be empty, and its place the end of its chunk, where another begins.
        let near = self.chunks[before.saturating_sub(2)..before].iter().flat_map(|chunk| &chunk.announced);
        near.copied().find(|page| page.content_at == content_at)
    }

    /// Keeps an error for the one who knows the file; the decoder is told its message.
    fn fail(&mut self, error: Error) -> String {
        let message = error.to_string();
        self.failure.get_or_insert(error);
        message
    }

    /// The chunk that has the byte at `at`.
    fn chunk(&mut self, at: u64) -> Option<&mut Chunk> {
        let before = self.chunks.partition_point(|chunk| chunk.start <= at);
        self.chunks[..before].last_mut().filter(|chunk| at < chunk.end)
    }

    fn chunk_and_decompressor(&mut self, at: u64) -> Result<(&mut Chunk, &mut Decompressor)> {
        let before = self.chunks.partition_point(|chunk| chunk.start <= at);
        // The content of a page may be empty, and its place the end of its chunk.
        let chunk = self.chunks[..before].last_mut().filter(|chunk| at <= chunk.end);
        Ok((chunk.ok_or_else(|| outside(at))?, &mut self.decompressor))
    }
}

/// A page as it stands in the file, from some byte on.
struct Stored {
    bytes: Bytes,
    from: usize,
}

impl Progress {
    /// The content of the page at `at`, decompressed and checked, behind `front`.
    fn decode(
        &mut self,
        at: u64,
        header: &PageHeader,
        stored: Stored,
        buffers: &Arc<Buffers>,
        front: Option<Vec<u8>>,
    ) -> Result<Bytes> {
        let held = self.held;
        let (chunk, decompressor) = self.chunk_and_decompressor(at)?;
        let kept = usize::from(!matches!(header.page, PageKind::Dictionary { .. }));
        let bytes = u64::from(header.uncompressed_bytes.unsigned_abs());
        let others = held.saturating_sub(chunk.held[kept]);
        check_memory(others, bytes).map_err(|e| chunk.place(e))?;
        chunk.held[kept] = bytes;
        let content = check_page((chunk, decompressor), header, stored, buffers, &front.unwrap_or_default())
            .map_err(|fault| chunk.place(damaged(at, &fault)));
        self.held = others + bytes;
        content
    }
}

fn outside(at: u64) -> Error {
    Error::new(ErrorKind::Malformed, format!("there is no page at byte {at}, where one should be"))
}

fn damaged(at: u64, fault: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("the page at byte {at} is damaged: {fault}"))
}

/// The content of a page, decompressed and checked, behind `front`. `page` is what stands in the file.
fn check_page(
    (chunk, decompressor): (&Chunk, &mut Decompressor),
    header: &PageHeader,
    page: Stored,
    buffers: &Arc<Buffers>,
    front: &[u8],
) -> std::result::Result<Bytes, String> {
    let stored = &page.bytes[page.from..];
    if header.checksum.is_some_and(|checksum| checksum != crc32fast::hash(stored)) {
        return Err("its checksum is not the one in its header".into());
    }
    let (levels, compressed) = match header.page {
        PageKind::Data(DataPage {
            version: Version::V2 { definition_bytes, repetition_bytes, is_compressed, .. },
            ..
        }) => (
            u64::from(definition_bytes.unsigned_abs()) + u64::from(repetition_bytes.unsigned_abs()),
            is_compressed,
        ),
        _ => (0, true),
    };
    let size = header.uncompressed_bytes.unsigned_abs() as usize;
    let levels = usize::try_from(levels).unwrap_or(usize::MAX);
    if levels > size || levels > stored.len() {
        return Err("its levels are longer than the page".into());
    }
    let is_plain = chunk.codec == Compression::UNCOMPRESSED || !compressed;
    if is_plain && stored.len() != size {
        return Err(format!("it has {} bytes, its header declares {size}", stored.len()));
    }
    let output = if is_plain && front.is_empty() {
        page.bytes.slice(page.from..)
    } else {
        let mut output = buffers.take(front.len() + size);
        let (before, content) = output.as_mut_slice().split_at_mut(front.len());
        before.copy_from_slice(front);
        let same = if is_plain { size } else { levels };
        content[..same].copy_from_slice(&stored[..same]);
        // Nothing may have been compressed to something.
        if same < size {
            decompressor.decompress(chunk.codec, &stored[same..], &mut content[same..])?;
        }
        output.into_bytes()
    };
    let content = &output[front.len()..];
    match &header.page {
        PageKind::Data(page) => chunk.shape.check_page(page, content)?,
        PageKind::Dictionary { values, encoding } => {
            chunk.shape.check_dictionary(*values, *encoding, content)?;
        }
        PageKind::Index => {}
    }
    Ok(output)
}

/// Reads one page header. Only its first read touches the file: the decoder also opens a reader where it
/// knows the header already.
pub(super) struct HeaderReader {
    reading: Arc<Reading>,
    at: u64,
    header: Option<Vec<u8>>,
    used: usize,
}

impl Read for HeaderReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let header = match &mut self.header {
            Some(header) => header,
            none => none.insert(self.reading.header(self.at).map_err(io::Error::other)?),
        };
        let count = out.len().min(header.len() - self.used);
        out[..count].copy_from_slice(&header[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}
