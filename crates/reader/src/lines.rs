//! Text formats with a row a line: cut under a lock, parsed on the thread that asks for the rows.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;

use crate::csv::chunk::{Chunk, Chunker};
use crate::error::{Place, Result};
use crate::source::{Partition, RowNumbers, Scan};

/// What a format makes of lines.
pub(crate) trait LineFormat: Send + Sync {
    /// Whether a line is a row.
    fn is_row(line: &[u8]) -> bool;

    /// The file, for errors.
    fn path(&self) -> &Arc<str>;

    /// The next batch; `None` where no row is left.
    fn batch(&self, lines: &mut Lines) -> Result<Option<RecordBatch>>;
}

/// The lines of a text, without their ends.
pub(crate) fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// The lines of a chunk that are still to be read.
pub(crate) struct Lines {
    chunk: Chunk,
    at: usize,
    /// Number of the line at `at`.
    number: u64,
}

impl Lines {
    /// Hands the next line to `read`, whose errors get its number; `None` at the end of the chunk.
    pub(crate) fn next<T>(&mut self, read: impl FnOnce(&[u8]) -> Result<T>) -> Option<Result<T>> {
        let rest = &self.chunk.bytes()[self.at..];
        let line = split(rest).next().filter(|_| !rest.is_empty())?;
        self.at += line.len() + usize::from(rest.len() > line.len());
        self.number += 1;
        Some(read(line).map_err(|e| e.at(Place::Line(self.number - 1))))
    }
}

/// A pass over a file of lines: a partition a chunk.
pub(crate) struct LineScan<F> {
    queue: Mutex<Queue>,
    format: Arc<F>,
}

struct Queue {
    chunker: Chunker,
    /// Rows in the chunks so far; `None` where nobody wants to know.
    rows: Option<u64>,
    next: Option<usize>,
}

impl<F: LineFormat> LineScan<F> {
    /// Reads what `chunker` cuts; counts rows if that is wanted.
    pub(crate) fn new(chunker: Chunker, counts: bool, format: F) -> Self {
        let queue = Queue { chunker, rows: counts.then_some(0), next: Some(0) };
        Self { queue: Mutex::new(queue), format: Arc::new(format) }
    }
}

impl Queue {
    fn next_chunk(&mut self, is_row: impl Fn(&[u8]) -> bool) -> Option<Result<(usize, RowNumbers, Chunk)>> {
        let index = self.next.take()?;
        let chunk = match self.chunker.next().transpose()? {
            Ok(chunk) => chunk,
            Err(e) => return Some(Err(e)),
        };
        self.next = Some(index + 1);
        let numbers = self.rows.as_mut().map_or(RowNumbers::Unknown, |rows| {
            let first = *rows;
            *rows += split(chunk.bytes()).filter(|line| is_row(line)).count() as u64;
            RowNumbers::Run(first..*rows)
        });
        Some(Ok((index, numbers, chunk)))
    }
}

impl<F: LineFormat + 'static> Scan for LineScan<F> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let chunk = self.queue.lock().unwrap_or_else(PoisonError::into_inner).next_chunk(F::is_row)?;
        let partition = |(index, numbers, chunk): (usize, RowNumbers, Chunk)| {
            let lines = Lines { number: chunk.first_line(), chunk, at: 0 };
            let batches = Batches { format: Arc::clone(&self.format), lines, failed: false };
            Partition {
                path: Arc::clone(self.format.path()),
                ..Partition::new(index, batches).numbered(numbers)
            }
        };
        Some(chunk.map(partition).map_err(|e| e.at_path(Path::new(self.format.path().as_ref()))))
    }
}

/// The batches of a chunk.
struct Batches<F> {
    format: Arc<F>,
    lines: Lines,
    failed: bool,
}

impl<F: LineFormat> Iterator for Batches<F> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let outcome = self.format.batch(&mut self.lines);
        self.failed = outcome.is_err();
        outcome.map_err(|e| e.at_path(Path::new(self.format.path().as_ref()))).transpose()
    }
}
