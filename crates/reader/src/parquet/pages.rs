//! Pages of a file: reads them by position, checks and decompresses each before the decoder sees it.
//!
//! The decoder is told that nothing is compressed. What it takes for the file is this one, in which every page stands
//! where it stood, with a header that says less (`PageHeader::for_decoder`) and content that was looked at
//! (`content.rs`).

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::at_hand::Runs;
use super::chunk::{Announced, Chunk, Stored, check_page, damaged, outside, uncompressed_pieces};
use super::codec::Decompressor;
use super::content::Values;
use super::located::{NOT_A_HEADER, check_limit, header_at};
use super::page_header::{PageHeader, PageKind};
use super::seen::Seen;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_HEADER_BYTES, check_memory};
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

/// A page that was decompressed and checked.
pub(super) struct Page {
    pub(super) header: PageHeader,
    pub(super) content: Content,
    /// Bytes of no meaning at the front.
    pub(super) front: usize,
    /// Where in the content its values are.
    pub(super) values: Values,
}

/// The content of a page.
pub(super) enum Content {
    Whole(Bytes),
    /// One behind the other; of plain pages alone.
    Pieces(Vec<Bytes>),
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
        let (bytes, _) = progress.decode(at, &header, Stored { bytes: page, from: 0 }, &self.buffers, &[])?;
        Ok(bytes)
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
        let stored = Stored { bytes, from: header.header_bytes };
        let (bytes, _) = progress.decode(at, &header, stored, &self.buffers, &header.for_decoder())?;
        Ok(bytes)
    }

    /// The page at `at`, for those who use its values without the decoder. The content of a compressed page stands behind `pad` bytes
    /// of no meaning, fewer than 16.
    ///
    /// # Errors
    /// What the decoder would have been told.
    pub(super) fn page(&self, at: u64, pad: usize) -> Result<Page> {
        let mut progress = self.progress();
        let at_hand = progress.runs.from(at).and_then(|bytes| PageHeader::parse(&bytes).ok());
        let malformed = |message: String| Error::new(ErrorKind::Malformed, message);
        let chunk = progress.chunk(at).ok_or_else(|| outside(at))?;
        let header = at_hand.map_or_else(|| header_at(&self.file, at, chunk.end), Ok);
        let header = header.map_err(|e| malformed(e.to_string()))?;
        check_limit(&header)?;
        chunk.meet(&header, at).map_err(malformed)?;
        let front = &[0; 16][..if chunk.is_compressed(&header) { pad } else { 0 }];
        let (start, length) =
            (at + header.header_bytes as u64, header.compressed_bytes.unsigned_abs() as usize);
        let bytes = match progress.runs.take(start, length) {
            Some(bytes) => bytes,
            None => self.read(start, length)?,
        };
        self.seen.count(&header);
        if let Some(chunk) = progress.chunk(at)
            && let Some((pieces, values)) = uncompressed_pieces(chunk, &header, &bytes)
        {
            progress.hold(at, &header)?;
            return Ok(Page { header, content: Content::Pieces(pieces), front: 0, values });
        }
        let stored = Stored { bytes, from: 0 };
        let (bytes, values) = progress.decode(at, &header, stored, &self.buffers, front)?;
        let values = Values { at: values.at + front.len(), ..values };
        Ok(Page { header, content: Content::Whole(bytes), front: front.len(), values })
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

impl Progress {
    /// The content of the page at `at`, decompressed and checked, behind `front`; and where its values are in the content.
    fn decode(
        &mut self,
        at: u64,
        header: &PageHeader,
        stored: Stored,
        buffers: &Arc<Buffers>,
        front: &[u8],
    ) -> Result<(Bytes, Values)> {
        self.hold(at, header)?;
        let (chunk, decompressor) = self.chunk_and_decompressor(at)?;
        check_page((chunk, decompressor), header, stored, buffers, front)
            .map_err(|fault| chunk.place(damaged(at, &fault)))
    }

    /// Takes note that the page at `at` is held in the place of the one before.
    fn hold(&mut self, at: u64, header: &PageHeader) -> Result<()> {
        let held = self.held;
        let (chunk, _) = self.chunk_and_decompressor(at)?;
        let kept = usize::from(!matches!(header.page, PageKind::Dictionary { .. }));
        let bytes = u64::from(header.uncompressed_bytes.unsigned_abs());
        let others = held.saturating_sub(chunk.held[kept]);
        check_memory(others, bytes).map_err(|e| chunk.place(e))?;
        chunk.held[kept] = bytes;
        self.held = others + bytes;
        Ok(())
    }
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
