//! Cuts text into chunks that end on record edges.
//!
//! This runs under the lock of a scan, so it does no more than it must: read, find the last line end
//! that is not in quotes, count lines. Without a quote in the chunk that is two searches at the speed
//! of memory. (Large CSV files without quotes are read outside of the lock: `ranges.rs`.)

use memchr::{memchr, memchr_iter, memrchr};

use super::field::Text;
use super::input::Reader;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::MAX_RECORD_BYTES;
use crate::storage::buffers::Buffer;

/// A run of whole records.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Buffer,
    first_line: u64,
    /// Line ends in it; there is at most one record more.
    pub(super) lines: usize,
}

impl Chunk {
    /// Bytes with so many line ends, for now from line 1 on.
    pub(super) fn new(bytes: Buffer, lines: usize) -> Self {
        Self { bytes, first_line: 1, lines }
    }

    /// The first line has this number.
    pub(super) fn starts_at(&mut self, line: u64) {
        self.first_line = line;
    }

    /// The text, with what is needed to take it apart.
    pub(super) fn text(&self, delimiter: u8) -> Text<'_> {
        Text { bytes: self.bytes(), first_line: self.first_line, delimiter, single: false }
    }

    /// The text as it is.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The number of its first line in the file.
    pub(crate) fn first_line(&self) -> u64 {
        self.first_line
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }
}

/// Reads a text chunk by chunk.
pub(crate) struct Chunker {
    reader: Reader,
    delimiter: u8,
    /// Whether line ends in quotes are text.
    quotes: bool,
    chunk_bytes: usize,
    /// Line number of the next chunk.
    line: u64,
    /// Bytes read beyond the last chunk.
    rest: Vec<u8>,
    /// Whether the reader has no more.
    exhausted: bool,
}

impl Chunker {
    /// Starts at a record edge, at line `line`; `rest` is text that was read already.
    pub(super) fn new(reader: Reader, rest: Vec<u8>, delimiter: u8, chunk_bytes: usize, line: u64) -> Self {
        Self { reader, delimiter, quotes: true, chunk_bytes, line, rest, exhausted: false }
    }

    /// Starts at the first line of a text in which quotes mean nothing.
    pub(crate) fn without_quotes(reader: Reader, chunk_bytes: usize) -> Self {
        Self { quotes: false, ..Self::new(reader, Vec::new(), b' ', chunk_bytes, 1) }
    }

    /// The next chunk, or `None` at the end of the text: up to the last record edge within `chunk_bytes`,
    /// or to the first one if it lies behind them. The end of the text is an edge.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>> {
        let mut window = self.chunk_bytes;
        let mut bytes = self.reader.buffer(self.rest.len().max(window + 1));
        let mut filled = self.rest.len();
        bytes.as_mut_slice()[..filled].copy_from_slice(&self.rest);
        self.rest.clear();
        let mut edges = Edges::new(self.delimiter, self.quotes);
        loop {
            filled = self.fill(&mut bytes, filled, window)?;
            let text = &bytes.as_ref()[..filled];
            let at_end = filled <= window;
            if text.is_empty() {
                return Ok(None);
            }
            let extended = window > self.chunk_bytes;
            edges.scan(text.get(..window).unwrap_or(text), at_end, extended);
            // The last record need not have a line end, unless it follows the first edge searched for.
            let end_is_edge = at_end && edges.quote.is_none() && !(extended && edges.edge > 0);
            let end = if end_is_edge { filled } else { edges.edge };
            if end > 0 {
                self.rest.extend_from_slice(&text[end..]);
                bytes.resize(end);
                return Ok(Some(self.chunk(bytes)));
            }
            if at_end || window >= MAX_RECORD_BYTES {
                return Err(self.no_edge(text, &edges, at_end));
            }
            window = (window + self.chunk_bytes).min(MAX_RECORD_BYTES);
        }
    }

    /// Reads until there is more than `window`, or the text ends; how much there is.
    fn fill(&mut self, bytes: &mut Buffer, filled: usize, window: usize) -> Result<usize> {
        if self.exhausted || filled > window {
            return Ok(filled);
        }
        bytes.resize(window + 1);
        let missing = &mut bytes.as_mut_slice()[filled..];
        let read = self.reader.read(missing)?;
        self.exhausted = read < missing.len();
        Ok(filled + read)
    }

    /// The next chunk has these bytes.
    fn chunk(&mut self, bytes: Buffer) -> Chunk {
        let lines = memchr_iter(b'\n', bytes.as_ref()).count();
        let first_line = self.line;
        self.line += lines as u64;
        Chunk { bytes, first_line, lines }
    }

    /// The error for a record that does not end.
    fn no_edge(&self, bytes: &[u8], edges: &Edges, at_end: bool) -> Error {
        let text = Text { bytes, first_line: self.line, delimiter: self.delimiter, single: false };
        match edges.quote {
            Some(quote) if at_end => text.unclosed(quote),
            quote => {
                let limit = MAX_RECORD_BYTES >> 20;
                let line = text.line(quote.unwrap_or(0));
                let help = match quote {
                    Some(_) => "a quoted field opens here and is not closed",
                    None => "are the line ends something else than LF or CR LF?",
                };
                Error::new(ErrorKind::Limit, format!("a record is longer than {limit} MiB"))
                    .at(Place::Line(line))
                    .with_help(help)
            }
        }
    }
}

/// A search for line ends outside of quotes that goes on when there is more text.
struct Edges {
    delimiter: u8,
    quotes: bool,
    /// How far the text was searched.
    at: usize,
    /// Where the quoted field opened that is not closed yet.
    quote: Option<usize>,
    /// Behind the last line end found, 0 before there is one.
    edge: usize,
}

impl Edges {
    fn new(delimiter: u8, quotes: bool) -> Self {
        Self { delimiter, quotes, at: 0, quote: None, edge: 0 }
    }

    /// Searches all of `bytes`, which is the text of the last call and more; with `first`, only up to the
    /// first edge from where the search stands.
    fn scan(&mut self, bytes: &[u8], at_end: bool, first: bool) {
        while self.at < bytes.len() {
            if self.quote.is_some() {
                if !self.close(bytes, at_end) {
                    return;
                }
                continue;
            }
            let quote = if self.quotes { memchr(b'"', &bytes[self.at..]) } else { None };
            let quote = quote.map_or(bytes.len(), |i| self.at + i);
            let plain = &bytes[self.at..quote];
            let line_end = if first { memchr(b'\n', plain) } else { memrchr(b'\n', plain) };
            if let Some(i) = line_end {
                self.edge = self.at + i + 1;
                if first {
                    return;
                }
            }
            self.open(bytes, quote);
        }
    }

    /// Steps over the quote at `at`, or to the end of `bytes`. Only at the start of a field does a quote
    /// mean anything.
    fn open(&mut self, bytes: &[u8], at: usize) {
        let starts = at.checked_sub(1).is_none_or(|i| bytes[i] == self.delimiter || bytes[i] == b'\n');
        self.quote = (at < bytes.len() && starts).then_some(at);
        self.at = bytes.len().min(at + 1);
    }

    /// Steps over the next quote within quotes; whether there was one and it could be told from the first
    /// half of an escaped one.
    fn close(&mut self, bytes: &[u8], at_end: bool) -> bool {
        let Some(at) = memchr(b'"', &bytes[self.at..]).map(|i| self.at + i) else {
            self.at = bytes.len();
            return false;
        };
        match bytes.get(at + 1) {
            Some(b'"') => self.at = at + 2,
            None if !at_end => {
                self.at = at;
                return false;
            }
            _ => {
                self.quote = None;
                self.at = at + 1;
            }
        }
        true
    }
}
