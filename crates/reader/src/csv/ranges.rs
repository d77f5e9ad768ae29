//! Ranges of a plain file, read side by side as long as there is no quote.
//!
//! Without quotes a chunk ends behind the last line end that it can have, which is looked up under a lock; the chunk itself is
//! read outside of it. Any range may turn out to have a quote, which can put line ends further on into a field. So a range is
//! handed out only when all before it are known to have none, and from the first one with a quote on the file is read in
//! order, by a [`Chunker`](super::chunk::Chunker), which cuts at the same places. So is what is out of the ordinary: a line
//! longer than [`LOOK_BACK`], an error, a file that got shorter.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use memchr::{memchr, memrchr};

use super::chunk::Chunk;
use crate::source::RowNumbers;
use crate::storage::buffers::{Buffer, Buffers};
use crate::storage::shared_file::SharedFile;

/// The last line end of a range is looked for in so many bytes: first in few, then in more.
const LOOK_BACK: [usize; 2] = [4 << 10, 64 << 10];

/// How far a file was handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Where the next chunk starts.
    pub(super) byte: u64,
    /// Its line and its number.
    pub(super) line: u64,
    pub(super) index: usize,
    /// Records before it; `None` where nobody wants to know.
    pub(super) records: Option<u64>,
}

impl Position {
    /// The numbers of the rows of the next chunk, and steps over it.
    pub(super) fn pass(&mut self, chunk: &Chunk, count: impl FnOnce() -> u64) -> (usize, RowNumbers) {
        let index = self.index;
        self.byte += chunk.len() as u64;
        self.line += chunk.lines as u64;
        self.index += 1;
        let numbers = self.records.as_mut().map_or(RowNumbers::Unknown, |records| {
            let first = *records;
            *records += count();
            RowNumbers::Run(first..*records)
        });
        (index, numbers)
    }
}

/// A file that is read side by side.
pub(super) struct Ranges {
    file: SharedFile,
    buffers: Arc<Buffers>,
    /// Counts the bytes of chunks.
    count: Arc<AtomicU64>,
    /// Bytes of the file.
    bytes: u64,
    chunk_bytes: usize,
    state: Mutex<State>,
    /// A range was handed out, or there will be no more.
    turn: Condvar,
}

struct State {
    /// All before it was handed out.
    position: Position,
    /// The next range to be read.
    start: u64,
    next: usize,
    /// Whether the file is read in order from the position on.
    stopped: bool,
}

/// What is known of a range that was read.
struct Found {
    bytes: Buffer,
    lines: usize,
}

impl Ranges {
    pub(super) fn new(
        (file, buffers): (SharedFile, Arc<Buffers>),
        count: &Arc<AtomicU64>,
        bytes: u64,
        chunk_bytes: usize,
        position: Position,
    ) -> Self {
        let state = State { position, start: position.byte, next: position.index, stopped: false };
        let (state, turn) = (Mutex::new(state), Condvar::new());
        Self { file, buffers, count: Arc::clone(count), bytes, chunk_bytes, state, turn }
    }

    /// The next chunk, its number and those of its rows, which `records` counts. `None` if what follows is read in order,
    /// from [`Ranges::position`] on.
    pub(super) fn take(&self, records: impl Fn(&Chunk) -> u64) -> Option<(usize, RowNumbers, Chunk)> {
        let (index, place, counts) = self.begin()?;
        let found = self.read(&place);
        let mut chunk = found.map(|found| Chunk::new(found.bytes, found.lines));
        let counted = chunk.as_ref().filter(|_| counts).map_or(0, records);
        let mut state = self.wait_for(index, self.lock());
        if state.stopped {
            return None;
        }
        state.stopped = chunk.is_none();
        let taken = chunk.take().map(|mut chunk| {
            chunk.starts_at(state.position.line);
            let (index, numbers) = state.position.pass(&chunk, || counted);
            (index, numbers, chunk)
        });
        drop(state);
        self.turn.notify_all();
        if taken.is_some() {
            self.count.fetch_add(place.end - place.start, Ordering::Relaxed);
            self.file.let_go(place.end);
        }
        taken
    }

    /// Where the file has to be read in order.
    pub(super) fn position(&self) -> Position {
        self.lock().position
    }

    /// Decides what the next range is; its number, its place, and whether its records are to be counted.
    fn begin(&self) -> Option<(usize, Range<u64>, bool)> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        let (index, start) = (state.next, state.start);
        let end = self.end(start).filter(|end| *end > start);
        let Some(end) = end else {
            // Those before may be read still.
            self.wait_for(index, state).stopped = true;
            self.turn.notify_all();
            return None;
        };
        state.start = end;
        state.next += 1;
        Some((index, start..end, state.position.records.is_some()))
    }

    /// Where a chunk without quotes ends that starts at `start`, if that is easily told.
    fn end(&self, start: u64) -> Option<u64> {
        let most = start + self.chunk_bytes as u64;
        if most >= self.bytes {
            return Some(self.bytes);
        }
        LOOK_BACK.iter().find_map(|&bytes| {
            let mut tail = vec![0; bytes.min(self.chunk_bytes)];
            let from = most - tail.len() as u64;
            let read = self.file.read(&mut tail, from).ok()?;
            let line_end = memrchr(b'\n', tail.get(..read)?)?;
            Some(from + line_end as u64 + 1)
        })
    }

    /// Reads a range; `None` if there is a quote in it, or not all of it can be read.
    fn read(&self, place: &Range<u64>) -> Option<Found> {
        let length = usize::try_from(place.end - place.start).ok()?;
        // All are of one size, so that any will do again; as long as those of reading in order, with the byte behind them.
        let mut bytes = self.buffers.take(self.chunk_bytes + 1);
        bytes.resize(length);
        let read = self.file.read(bytes.as_mut_slice(), place.start).ok()?;
        let text = bytes.as_ref();
        if read < length || memchr(b'"', text).is_some() {
            return None;
        }
        let lines = memchr::memchr_iter(b'\n', text).count();
        Some(Found { bytes, lines })
    }

    /// Waits until all ranges before one were handed out, or none will be any more.
    fn wait_for<'a>(&self, index: usize, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.position.index < index && !state.stopped {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use std::io::Write;

    use super::*;
    use crate::storage::ahead::ReadAhead;

    /// The texts of the ranges, and where reading in order begins.
    fn taken(text: &str, chunk_bytes: usize) -> (Vec<String>, Position) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let ahead = ReadAhead::new(0);
        let position = Position { byte: 0, line: 1, index: 0, records: Some(0) };
        let count = Arc::default();
        let file = (ahead.shared(file), Arc::clone(ahead.buffers()));
        let ranges = Ranges::new(file, &count, text.len() as u64, chunk_bytes, position);
        let mut texts = Vec::new();
        while let Some((index, numbers, chunk)) = ranges.take(|chunk| chunk.lines as u64) {
            assert_eq!(index, texts.len());
            let before = texts.iter().map(|text: &String| text.lines().count()).sum::<usize>() as u64;
            assert_eq!(numbers, RowNumbers::Run(before..before + chunk.lines as u64));
            assert_eq!(chunk.first_line(), before + 1);
            texts.push(String::from_utf8(chunk.bytes().to_vec()).unwrap());
        }
        assert_eq!(count.load(Ordering::Relaxed), ranges.position().byte);
        (texts, ranges.position())
    }

    #[test]
    fn ranges_end_behind_lines_and_before_quotes() {
        let (texts, position) = taken("12\n345\n6\n7890\n12\n", 8);
        assert_eq!(texts, ["12\n345\n", "6\n7890\n", "12\n"]);
        assert_eq!((position.byte, position.line, position.index), (17, 6, 3));
        let (texts, position) = taken("12\n345\n6\n\"890\n12\n", 8);
        assert_eq!(texts, ["12\n345\n"]);
        assert_eq!((position.byte, position.line, position.records), (7, 3, Some(2)));
        let (texts, position) = taken("12\n345\n6789012345\n1\n", 8);
        assert_eq!(
            (texts, position.byte),
            (vec!["12\n345\n".to_owned()], 7),
            "a line is longer than a range"
        );
    }
}
