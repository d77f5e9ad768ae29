//! A pass over a file: chunks are cut in order, and parsed wherever they are wanted.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::chunk::{Chunk, Chunker};
use super::input::Input;
use super::layout::Layout;
use super::ranges::{Position, Ranges};
use super::rows::{Plan, Rows};
use crate::error::{Error, Result};
use crate::source::{Partition, RowNumbers, Scan};
use crate::storage::ahead::ReadAhead;

/// One pass.
pub(super) struct CsvScan<'a> {
    /// A large plain file is read side by side, as far as that goes.
    ranges: Option<Ranges>,
    queue: Mutex<Queue<'a>>,
    plan: Arc<Plan>,
}

/// What is read in order, under a lock.
struct Queue<'a> {
    input: &'a Input,
    count: Arc<AtomicU64>,
    ahead: Arc<ReadAhead>,
    chunk_bytes: usize,
    /// From here on, unless the file is read side by side first.
    position: Position,
    /// `None` before the first chunk is wanted.
    chunker: Option<Chunker>,
    /// After an error or the end.
    ended: bool,
}

impl<'a> CsvScan<'a> {
    /// Starts at the first record behind the header; bytes read are added to `count`.
    pub(super) fn start(
        input: &'a Input,
        layout: &Layout,
        plan: Plan,
        chunk_bytes: usize,
        (count, ahead): (&Arc<AtomicU64>, Arc<ReadAhead>),
        row_numbers: bool,
    ) -> Result<Self> {
        let records = row_numbers.then_some(0);
        let position = Position { byte: layout.data_start, line: layout.data_line, index: 0, records };
        // What is one chunk needs no second way to be read.
        let large = input.file().bytes.saturating_sub(position.byte) > chunk_bytes as u64;
        let file = if large { input.shared(&ahead)? } else { None };
        let ranges = file.map(|file| Ranges::new(file, count, input.file().bytes, chunk_bytes, position));
        let count = Arc::clone(count);
        let queue = Queue { input, count, ahead, chunk_bytes, position, chunker: None, ended: false };
        Ok(Self { ranges, queue: Mutex::new(queue), plan: Arc::new(plan) })
    }

    fn next_chunk(&self) -> Option<Result<(usize, RowNumbers, Chunk)>> {
        let records = |chunk: &Chunk| self.plan.count_records(chunk);
        if let Some(taken) = self.ranges.as_ref().and_then(|ranges| ranges.take(records)) {
            return Some(Ok(taken));
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.ended {
            return None;
        }
        let next = queue.next_chunk(self.ranges.as_ref(), &self.plan);
        queue.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    fn partition(&self, index: usize, numbers: RowNumbers, chunk: Chunk) -> Partition {
        let rows = Rows::new(Arc::clone(&self.plan), chunk);
        Partition { path: Arc::clone(&self.plan.path), ..Partition::new(index, rows).numbered(numbers) }
    }
}

impl Queue<'_> {
    fn next_chunk(
        &mut self,
        ranges: Option<&Ranges>,
        plan: &Plan,
    ) -> Result<Option<(usize, RowNumbers, Chunk)>> {
        let chunker = match &mut self.chunker {
            Some(chunker) => chunker,
            None => {
                self.position = ranges.map_or(self.position, Ranges::position);
                let reader = self.input.reader(self.position.byte, &self.count, &self.ahead)?;
                let line = self.position.line;
                let chunker = Chunker::new(reader, Vec::new(), plan.delimiter, self.chunk_bytes, line);
                self.chunker.insert(chunker)
            }
        };
        let Some(chunk) = chunker.next()? else { return Ok(None) };
        let (index, numbers) = self.position.pass(&chunk, || plan.count_records(&chunk));
        Ok(Some((index, numbers, chunk)))
    }
}

impl Scan for CsvScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let at_path = |e: Error| e.at_path(self.plan.path.as_ref().as_ref());
        let chunk = self.next_chunk()?;
        Some(chunk.map(|(index, numbers, chunk)| self.partition(index, numbers, chunk)).map_err(at_path))
    }
}
