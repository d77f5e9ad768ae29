//! Consecutive pieces of a file, such as the pages of a column chunk, read several or one at a time.
//!
//! How long a piece is stands in its first bytes. So a read asks for as much as the last piece had and a little more; what it gets
//! of the next one is kept and put in front of the next read. Pieces are never cut.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::access::{Access, ask, system_reads_ahead};
use super::buffers::Buffers;
use crate::contain::contain;

/// Least bytes of a read, but where a stream has fewer.
const LEAST_BYTES: usize = 4 << 10;

/// How far ahead the system is asked, where it is not left to read ahead.
const ASKED_AHEAD: u64 = 4 << 20;

/// After so many bytes the system is told to let them go.
const LET_GO_BYTES: u64 = 32 << 20;

/// What the first bytes of a piece say about its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// It has so many bytes.
    Bytes(u64),
    /// More of it must be seen.
    Unknown,
    /// This is no piece.
    Broken,
}

/// Tells how long a piece is.
pub(crate) type Measure = fn(&[u8]) -> Extent;

/// Where a stream lies, and when it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct StreamPlace {
    pub(crate) place: Range<u64>,
    /// The file. The system reads ahead where a file is read in order: so a long stream has one of its own.
    pub(crate) file: Arc<File>,
    /// Whether what is behind its end is of no use: then the system is not left to read ahead in the file, but asked.
    pub(crate) asks: bool,
    /// What need not stay in the system's cache when the end is reached.
    pub(crate) let_go: Range<u64>,
    /// Streams of a lower turn are wanted first, those of the same side by side.
    pub(crate) turn: usize,
}

/// Whole pieces.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) at: u64,
    pub(crate) bytes: Bytes,
}

impl Run {
    pub(crate) fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// A stream and how far it was read.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) place: StreamPlace,
    /// Where the first piece begins that is not read.
    next: u64,
    /// What was read of it.
    rest: Vec<u8>,
    /// Bytes of the piece before; 0 at first.
    last: u64,
    /// Runs that nobody has taken.
    pub(super) ready: VecDeque<Run>,
    /// Whether somebody reads it.
    pub(super) busy: bool,
    /// Whether nothing more is read: at its end, or where something is wrong.
    pub(super) ended: bool,
    /// Whether its next piece is too long to be read before it is wanted.
    pub(super) long: bool,
}

/// What is read next of a stream.
pub(super) struct Task {
    place: StreamPlace,
    measure: Measure,
    at: u64,
    rest: Vec<u8>,
    /// Bytes to read, those of `rest` included.
    pub(super) want: usize,
    /// Longer pieces are left for later.
    longest: u64,
}

/// What came of it.
pub(super) struct Outcome {
    run: Option<Run>,
    next: u64,
    rest: Vec<u8>,
    last: u64,
    /// Whether the disk had to be waited for, and how long that took.
    pub(super) waited: bool,
    pub(super) time: Duration,
    /// Whether the system reads so far ahead that nobody else need do it.
    pub(super) system_reads_ahead: bool,
}

impl Stream {
    pub(super) fn new(place: StreamPlace) -> Self {
        Self {
            next: place.place.start,
            ended: place.place.is_empty(),
            place,
            rest: Vec::new(),
            last: 0,
            ready: VecDeque::new(),
            busy: false,
            long: false,
        }
    }

    /// How much of it was read, of 1.
    pub(super) fn fraction(&self) -> f64 {
        let Range { start, end } = self.place.place;
        (self.next - start) as f64 / (end - start).max(1) as f64
    }

    /// The next read, of about `bytes` or of one piece. Only one may be under way.
    pub(super) fn begin(&mut self, measure: Measure, bytes: usize, longest: u64) -> Task {
        self.busy = true;
        let left = usize::try_from(self.place.place.end - self.next).unwrap_or(usize::MAX);
        // As many of such pieces as find room, and a little more: pieces differ.
        let pieces = (bytes as u64).checked_div(self.last).map_or(bytes as u64, |n| n.max(1) * self.last);
        let want = usize::try_from(pieces + pieces / 32).unwrap_or(usize::MAX);
        let want = want.max(LEAST_BYTES).max(self.rest.len() + 1).min(left);
        Task {
            place: self.place.clone(),
            measure,
            at: self.next,
            rest: std::mem::take(&mut self.rest),
            want,
            longest,
        }
    }

    /// Takes in what a read brought; the run is still to be handed out.
    pub(super) fn finish(&mut self, outcome: Outcome, longest: u64) -> Option<Run> {
        self.busy = false;
        self.next = outcome.next;
        self.rest = outcome.rest;
        self.last = outcome.last;
        self.long = outcome.run.is_none() && self.last > longest;
        self.ended = self.next >= self.place.place.end || (outcome.run.is_none() && !self.long);
        outcome.run
    }
}

impl Task {
    /// As [`Task::run`]; a panic ends the stream, as others may wait for it.
    pub(super) fn run_contained(self, access: &Access, buffers: &Arc<Buffers>) -> Outcome {
        let at = self.at;
        contain(|| Ok(self.run(access, buffers))).unwrap_or_else(|_| Outcome {
            run: None,
            next: at,
            rest: Vec::new(),
            last: 0,
            waited: false,
            time: Duration::ZERO,
            system_reads_ahead: false,
        })
    }

    /// Reads. What is wrong ends the stream: whoever wants the bytes reads them on its own, and is told.
    pub(super) fn run(self, access: &Access, buffers: &Arc<Buffers>) -> Outcome {
        let room = usize::try_from(self.place.place.end - self.at).unwrap_or(usize::MAX);
        let (mut filled, mut want) = (self.rest.len(), self.want);
        let (mut waited, mut time) = (false, Duration::ZERO);
        self.ask();
        let mut buffer = buffers.take(want.max(filled));
        buffer.as_mut_slice()[..filled].copy_from_slice(&self.rest);
        let (whole, last, length) = loop {
            if want > filled {
                buffer.resize(want);
                let place = self.at + filled as u64;
                match access.read(&self.place.file, &mut buffer.as_mut_slice()[filled..], place) {
                    Ok(found) if found.bytes == want - filled => {
                        waited |= found.waited;
                        time += found.time;
                    }
                    _ => break (0, 0, 0),
                }
                filled = want;
            }
            let (whole, last, next) = whole_pieces(self.measure, &buffer.as_ref()[..filled]);
            want = match next {
                _ if whole > 0 => break (whole, last, 0),
                Extent::Bytes(length) if length > room as u64 => break (0, 0, 0),
                Extent::Bytes(length) if length > self.longest => break (0, length, filled),
                Extent::Bytes(length) => length as usize,
                Extent::Unknown if filled < room => (2 * filled.max(LEAST_BYTES)).min(room),
                Extent::Unknown | Extent::Broken => break (0, 0, 0),
            };
        };
        let rest = buffer.as_ref()[whole..if whole > 0 { filled } else { length }].to_vec();
        let run = (whole > 0).then(|| {
            buffer.resize(whole);
            Run { at: self.at, bytes: buffer.into_bytes() }
        });
        self.let_go(access, self.at + filled as u64);
        let system_reads_ahead = waited && system_reads_ahead(&self.place.file);
        Outcome { run, next: self.at + whole as u64, rest, last, waited, time, system_reads_ahead }
    }
}

impl Task {
    /// Asks for as much as is read now, so far ahead that it is there when it is wanted.
    fn ask(&self) {
        if self.place.asks {
            let Range { start, end } = self.place.place;
            let behind = self.at + self.want as u64;
            let from = if self.at == start { start } else { self.at + ASKED_AHEAD };
            ask(&self.place.file, from.min(end)..(behind + ASKED_AHEAD).min(end));
        }
    }

    /// What was read up to `end` need not be kept. Of a long stream that is told now and then, and not of the bytes behind which the
    /// system reads at the moment: that would make it wait.
    fn let_go(&self, access: &Access, end: u64) {
        let start = self.place.let_go.start.min(self.place.place.start);
        let told = |at: u64| (at - self.place.place.start) / LET_GO_BYTES;
        if end == self.place.place.end {
            access.let_go(&self.place.file, self.place.let_go.clone());
        } else if told(end) > told(self.at) {
            access.let_go(&self.place.file, start..end - LET_GO_BYTES / 2);
        }
    }
}

/// Where the last whole piece of `bytes` ends, how long it is, and what is known of the one behind it.
fn whole_pieces(measure: Measure, bytes: &[u8]) -> (usize, u64, Extent) {
    let (mut end, mut last) = (0, 0);
    loop {
        match measure(&bytes[end..]) {
            Extent::Bytes(length) if length > 0 && length <= (bytes.len() - end) as u64 => {
                end += length as usize;
                last = length;
            }
            next => return (end, last, next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length of two bytes, and as many bytes.
    fn measure(bytes: &[u8]) -> Extent {
        match bytes {
            [0xff, 0xff, ..] => Extent::Broken,
            [a, b, ..] => Extent::Bytes(2 + u64::from(u16::from_le_bytes([*a, *b]))),
            _ => Extent::Unknown,
        }
    }

    fn pieces(lengths: &[u16]) -> Vec<u8> {
        let piece =
            |&length: &u16| [&length.to_le_bytes()[..], &vec![length as u8; usize::from(length)]].concat();
        lengths.iter().flat_map(piece).collect()
    }

    fn read(bytes: &[u8], place: Range<u64>, size: usize, longest: u64) -> (Vec<Run>, Stream) {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let (file, buffers) = (Arc::new(file), Arc::new(Buffers::default()));
        let asks = size > 1_000;
        let mut stream = Stream::new(StreamPlace { let_go: place.clone(), place, file, asks, turn: 0 });
        let mut runs = Vec::new();
        while !stream.ended && !stream.long {
            let task = stream.begin(measure, size, longest);
            runs.extend(stream.finish(task.run(&Access { uncached: true }, &buffers), longest));
        }
        (runs, stream)
    }

    #[test]
    fn runs_are_whole_pieces_and_leave_out_nothing() {
        let lengths: Vec<u16> = (0..200).map(|i| [3, 900, 30_000, 0, 5_000, 5_001][i % 6]).collect();
        let bytes = pieces(&lengths);
        for size in [1, 1_000, 40_000, 1 << 20] {
            let (runs, stream) = read(&bytes, 0..bytes.len() as u64, size, u64::MAX);
            let read: Vec<u8> = runs.iter().flat_map(|run| run.bytes.to_vec()).collect();
            assert!(read == bytes, "in runs of {size}");
            assert!(runs.windows(2).all(|pair| pair[0].end() == pair[1].at));
            assert!(stream.ended);
            for run in runs {
                assert_eq!(whole_pieces(measure, &run.bytes).0, run.bytes.len());
            }
        }
    }

    #[test]
    fn what_is_wrong_ends_a_stream() {
        let mut bytes = pieces(&[10, 20_000, 30]);
        let good = bytes.len();
        bytes.extend([0xff; 50]);
        let (runs, _) = read(&bytes, 0..bytes.len() as u64, 1_000, u64::MAX);
        assert_eq!(runs.iter().map(|run| run.bytes.len()).sum::<usize>(), good);
        // The file ends before the stream does, or a piece behind the stream.
        for end in [good as u64 + 100, good as u64 - 1] {
            let (runs, stream) = read(&bytes[..good], 0..end, 1_000, u64::MAX);
            assert!(runs.iter().map(|run| run.bytes.len()).sum::<usize>() < good);
            assert!(stream.ended);
        }
    }

    #[test]
    fn a_long_piece_waits_until_it_is_wanted() {
        let bytes = pieces(&[10, 50_000, 30]);
        let (runs, stream) = read(&bytes, 0..bytes.len() as u64, 1_000, 10_000);
        assert_eq!(runs.len(), 1);
        assert!(stream.long && !stream.ended);
    }
}
