//! A pass over a file: chunks are cut under a lock, in order, and parsed wherever they are wanted.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::chunk::{Chunk, Chunker};
use super::input::Input;
use super::layout::Layout;
use super::rows::{Plan, Rows};
use crate::error::{Error, Result};
use crate::source::{Partition, RowNumbers, Scan};
use crate::storage::ahead::ReadAhead;

/// One pass.
pub(super) struct CsvScan {
    queue: Mutex<Queue>,
    plan: Arc<Plan>,
}

struct Queue {
    chunker: Chunker,
    /// Records in the chunks so far; `None` where nobody wants to know.
    records: Option<u64>,
    /// Index of the next partition; `None` after an error or the end.
    next: Option<usize>,
}

impl CsvScan {
    /// Starts at the first record behind the header; bytes read are added to `count`.
    pub(super) fn start(
        input: &Input,
        layout: &Layout,
        plan: Plan,
        chunk_bytes: usize,
        (count, ahead): (&Arc<AtomicU64>, &ReadAhead),
        row_numbers: bool,
    ) -> Result<Self> {
        let reader = input.reader(layout.data_start, count, ahead)?;
        let chunker = Chunker::new(reader, Vec::new(), layout.delimiter, chunk_bytes, layout.data_line);
        let queue = Queue { chunker, records: row_numbers.then_some(0), next: Some(0) };
        Ok(Self { queue: Mutex::new(queue), plan: Arc::new(plan) })
    }

    fn partition(&self, index: usize, numbers: RowNumbers, chunk: Chunk) -> Partition {
        let rows = Rows::new(Arc::clone(&self.plan), chunk);
        Partition { path: Arc::clone(&self.plan.path), ..Partition::new(index, rows).numbered(numbers) }
    }
}

impl Queue {
    fn next_chunk(&mut self, plan: &Plan) -> Option<Result<(usize, RowNumbers, Chunk)>> {
        let index = self.next.take()?;
        match self.chunker.next() {
            Ok(Some(chunk)) => {
                self.next = Some(index + 1);
                let numbers = self.records.as_mut().map_or(RowNumbers::Unknown, |records| {
                    let first = *records;
                    *records += chunk.text(plan.delimiter).of_fields(plan.fields).count_records();
                    RowNumbers::Run(first..*records)
                });
                Some(Ok((index, numbers, chunk)))
            }
            Ok(None) => None,
            Err(e) => Some(Err(e)),
        }
    }
}

impl Scan for CsvScan {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let chunk = self.queue.lock().unwrap_or_else(PoisonError::into_inner).next_chunk(&self.plan)?;
        let at_path = |e: Error| e.at_path(self.plan.path.as_ref().as_ref());
        Some(chunk.map(|(index, numbers, chunk)| self.partition(index, numbers, chunk)).map_err(at_path))
    }
}
