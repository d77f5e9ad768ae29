//! Reading ahead: while threads compute, others read what will be wanted next.
//!
//! A scan has one [`ReadAhead`]. Whoever reads a part of a file tells its streams ([`Opener::streams`]) and takes run after
//! run; what is not there yet it reads itself, so nobody waits while nothing happens. The system reads ahead in each of the streams,
//! and bytes stay on the processor that needs them. Where threads wait all the same, as the system does too little, a few more
//! start. They read in the order in which runs will be wanted, at most [`READ_AHEAD_BYTES`] for each part that is at work: first
//! for those, then for the parts that come next.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::access::Access;
use super::buffers::Buffers;
use super::in_order::InOrder;
use super::memory::available_memory;
use super::shared_file::SharedFile;
pub(crate) use super::stream::{Extent, Measure, Run, StreamPlace};
use super::stream::{Outcome, Stream, Task};

/// Bytes that are read ahead for every thread that computes.
pub const READ_AHEAD_BYTES: u64 = 8 << 20;

/// Threads that read: enough to keep a disk busy. They mostly wait.
const THREADS: usize = 4;

/// Bytes of a read at most, unless a piece has more.
const MOST_READ: u64 = 1 << 20;

/// Bytes of a read at least, where they are there. As long as all is cached these are read: they are still in the caches of the
/// processor when they are used.
const LEAST_READ: u64 = 64 << 10;

/// Longer pieces are not read before they are wanted.
const LONGEST_AHEAD: u64 = READ_AHEAD_BYTES / 2;

/// Others begin to read ahead when threads spend this part of so long a time with waiting. The system reads ahead by itself, and
/// with less copying.
const WAITING: f64 = 0.5;
const WATCHED: Duration = Duration::from_millis(200);

/// So many reads in a row that found all they wanted in the cache: reading ahead has no use.
const ALL_CACHED: usize = 64;

/// What is read ahead for a scan. Threads end with it.
pub(crate) struct ReadAhead {
    shared: Arc<Shared>,
}

struct Shared {
    access: Access,
    buffers: Arc<Buffers>,
    /// Files that were opened for single streams, and are open still, to count them.
    files: Mutex<Vec<Weak<File>>>,
    state: Mutex<State>,
    /// A run was read or taken, or there is something to do.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// In the order in which they will be wanted.
    parts: Vec<Part>,
    /// What finds the streams of later parts.
    later: VecDeque<Later>,
    next_id: u64,
    /// Whether reads have to wait for the disk.
    cold: bool,
    /// Since when reads are watched, and how long they waited.
    since: Option<Instant>,
    waiting: Duration,
    /// Reads in a row that did not, of those who read ahead.
    cached: usize,
    threads: Vec<JoinHandle<()>>,
    ended: bool,
}

/// Tells the streams of a part, on a thread that reads.
type Later = Box<dyn FnOnce() + Send>;

/// A part of a file that one thread works through.
struct Part {
    id: u64,
    measure: Measure,
    streams: Vec<Stream>,
    /// Bytes of a read.
    read: usize,
    /// Whether somebody works on it.
    active: bool,
    /// Bytes read, or being read, that nobody has taken.
    held: u64,
}

/// The streams of a part; what was read of them is let go with it.
pub(crate) struct Streams {
    shared: Arc<Shared>,
    id: u64,
    /// Where streams begin, in order.
    places: Vec<(u64, usize)>,
}

enum Work {
    Read { id: u64, stream: usize, task: Task, held: u64 },
    Later(Later),
}

impl ReadAhead {
    /// For a scan that reads `bytes` in all. If they are more than half of the memory that could be had, they are read past the
    /// system's cache.
    pub(crate) fn new(bytes: u64) -> Self {
        // Asking the system takes a while.
        let large = bytes > MOST_UNASKED && available_memory().is_some_and(|available| bytes > available / 2);
        Self::with(large)
    }

    fn with(uncached: bool) -> Self {
        let shared = Shared {
            access: Access { uncached },
            buffers: Arc::default(),
            files: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
    }

    /// A file that is read from the byte at `at` on to its end.
    pub(crate) fn in_order(&self, file: File, at: u64) -> InOrder {
        InOrder::new(file, at, self.shared.access)
    }

    /// A file that several threads read.
    pub(crate) fn shared(&self, file: File) -> SharedFile {
        SharedFile::new(file, self.shared.access)
    }

    /// Nobody needs the bytes at `place` any more.
    pub(crate) fn let_go(&self, file: &File, place: Range<u64>) {
        self.shared.access.let_go(file, place);
    }

    /// What begins parts, and does not keep the threads alive.
    pub(crate) fn opener(&self) -> Opener {
        Opener { shared: Arc::clone(&self.shared) }
    }

    /// Lets a thread that reads call `later`, which tells what comes next. It is dropped where reading ahead has no use.
    pub(crate) fn prepare(&self, later: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        if !state.cold {
            let late = std::mem::take(&mut state.later);
            drop(state);
            return drop(late);
        }
        state.later.push_back(Box::new(later));
        self.shared.changed.notify_all();
    }
}

/// Files of single streams that may be open: macOS gives a process 256, Linux a thousand.
const MOST_FILES: usize = 128;

/// Bytes of a scan that find room in any machine.
const MOST_UNASKED: u64 = 64 << 20;

/// Begins parts of the scan of a [`ReadAhead`].
#[derive(Clone)]
pub(crate) struct Opener {
    shared: Arc<Shared>,
}

impl Opener {
    /// A file of its own for a stream, unless there are too many.
    pub(crate) fn own_file(&self, open: impl FnOnce() -> Option<File>) -> Option<Arc<File>> {
        let mut files = self.shared.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| file.strong_count() > 0);
        if files.len() >= MOST_FILES {
            return None;
        }
        let file = Arc::new(open()?);
        files.push(Arc::downgrade(&file));
        Some(file)
    }

    /// Begins a part whose streams lie at `places`; `active` if somebody works on it already.
    pub(crate) fn streams(&self, places: Vec<StreamPlace>, measure: Measure, active: bool) -> Streams {
        let mut starts: Vec<(u64, usize)> =
            places.iter().enumerate().map(|(index, stream)| (stream.place.start, index)).collect();
        starts.sort_unstable();
        let read = (READ_AHEAD_BYTES / places.len().max(1) as u64).clamp(LEAST_READ, MOST_READ) as usize;
        let mut state = self.shared.lock();
        let id = state.next_id;
        state.next_id += 1;
        let streams = places.into_iter().map(Stream::new).collect();
        state.parts.push(Part { id, measure, streams, read, active, held: 0 });
        Streams { shared: Arc::clone(&self.shared), id, places: starts }
    }
}

impl fmt::Debug for ReadAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAhead").field("uncached", &self.shared.access.uncached).finish_non_exhaustive()
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let (later, threads) = (std::mem::take(&mut state.later), std::mem::take(&mut state.threads));
        drop(state);
        self.shared.changed.notify_all();
        drop(later);
        // A thread that reads never has the last of these.
        threads.into_iter().for_each(|thread| _ = thread.join());
    }
}

impl Streams {
    /// The stream that has the byte at `at`, if any has.
    pub(crate) fn at(&self, at: u64) -> Option<usize> {
        let before = self.places.partition_point(|(start, _)| *start <= at);
        let (_, stream) = self.places[..before].last()?;
        Some(*stream)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Somebody works on the part from now on.
    pub(crate) fn activate(&self) {
        let mut state = self.shared.lock();
        if let Some(part) = state.part(self.id) {
            part.active = true;
        }
        self.shared.changed.notify_all();
    }

    /// The next run of a stream; `None` at its end and where it cannot be read.
    pub(crate) fn next(&self, stream: usize) -> Option<Run> {
        let mut state = self.shared.lock();
        let task = loop {
            let cold = state.cold;
            let part = state.part(self.id)?;
            let found = part.streams.get_mut(stream)?;
            if let Some(run) = found.ready.pop_front() {
                part.held = part.held.saturating_sub(run.bytes.len() as u64);
                if cold {
                    self.shared.changed.notify_all();
                }
                return Some(run);
            }
            if found.ended {
                return None;
            }
            if !found.busy {
                let bytes = if cold { part.read } else { LEAST_READ as usize };
                break found.begin(part.measure, bytes, u64::MAX);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let outcome = task.run(&self.shared.access, &self.shared.buffers);
        let mut state = self.shared.lock();
        self.shared.note(&mut state, &outcome);
        let found = state.part(self.id)?.streams.get_mut(stream)?;
        found.finish(outcome, u64::MAX)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let found = state.parts.iter().position(|part| part.id == self.id);
        let part = found.map(|index| state.parts.remove(index));
        let cold = state.cold;
        drop(state);
        drop(part);
        if cold {
            self.shared.changed.notify_all();
        }
    }
}

impl State {
    fn part(&mut self, id: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.id == id)
    }

    /// What to do next, if anything is wanted.
    fn work(&mut self) -> Option<Work> {
        if !self.cold {
            return None;
        }
        let active = || self.parts.iter().filter(|part| part.active);
        let budget = READ_AHEAD_BYTES * active().count().max(1) as u64;
        let held: u64 = self.parts.iter().map(|part| part.held).sum();
        let thirsty = |part: &&Part| part.held < READ_AHEAD_BYTES && part.next_stream().is_some();
        let chosen = active().filter(thirsty).min_by_key(|part| part.held).map(|part| part.id);
        let later = || self.parts.iter().filter(|part| !part.active).find(thirsty).map(|part| part.id);
        let chosen = chosen.or_else(|| if held < budget { later() } else { None });
        match chosen.and_then(|id| self.part(id)) {
            Some(part) => part.work(),
            None if held < budget => self.later.pop_front().map(Work::Later),
            None => None,
        }
    }
}

impl Part {
    /// The stream that is wanted first, of those that can be read.
    fn next_stream(&self) -> Option<usize> {
        let open = self.streams.iter().enumerate().filter(|(_, s)| !s.busy && !s.ended && !s.long);
        let order = |(_, s): &(usize, &Stream)| (s.place.turn, s.fraction());
        let first = open.min_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        first.map(|(index, _)| index)
    }

    fn work(&mut self) -> Option<Work> {
        let stream = self.next_stream()?;
        let task = self.streams[stream].begin(self.measure, self.read, LONGEST_AHEAD);
        let held = task.want as u64;
        self.held += held;
        Some(Work::Read { id: self.id, stream, task, held })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to read ahead where most of the time is spent with waiting.
    fn note(self: &Arc<Self>, state: &mut State, outcome: &Outcome) {
        if state.cold || state.ended || !outcome.waited {
            return;
        }
        state.waiting += outcome.time;
        let since = *state.since.get_or_insert_with(Instant::now);
        let watched = since.elapsed();
        if watched < WATCHED {
            return;
        }
        let threads = state.parts.iter().filter(|part| part.active).count().max(1);
        let waiting = state.waiting.as_secs_f64() / (watched.as_secs_f64() * threads as f64);
        (state.since, state.waiting, state.cached) = (None, Duration::ZERO, 0);
        if waiting < WAITING || outcome.system_reads_ahead {
            return;
        }
        self.start(state);
    }

    /// Lets others read ahead from now on.
    fn start(self: &Arc<Self>, state: &mut State) {
        state.cold = true;
        while state.threads.len() < THREADS {
            let shared = Arc::clone(self);
            let name = format!("reads {}", state.threads.len());
            // Without such threads everybody reads on its own.
            let Ok(thread) = std::thread::Builder::new().name(name).spawn(move || shared.serve()) else {
                break;
            };
            state.threads.push(thread);
        }
        self.changed.notify_all();
    }

    /// Reads until the scan ends.
    fn serve(&self) {
        let mut state = self.lock();
        while !state.ended {
            let Some(work) = state.work() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            state = match work {
                Work::Later(later) => {
                    later();
                    self.lock()
                }
                Work::Read { id, stream, task, held } => {
                    let outcome = task.run_contained(&self.access, &self.buffers);
                    let mut state = self.lock();
                    state.cached = if outcome.waited { 0 } else { state.cached + 1 };
                    state.cold &= state.cached <= ALL_CACHED;
                    if let Some(part) = state.part(id) {
                        part.held = part.held.saturating_sub(held);
                        let run = part.streams[stream].finish(outcome, LONGEST_AHEAD);
                        part.held += run.as_ref().map_or(0, |run| run.bytes.len() as u64);
                        part.streams[stream].ready.extend(run);
                    }
                    state
                }
            };
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length of two bytes, and as many bytes.
    fn measure(bytes: &[u8]) -> Extent {
        match bytes {
            [a, b, ..] => Extent::Bytes(2 + u64::from(u16::from_le_bytes([*a, *b]))),
            _ => Extent::Unknown,
        }
    }

    /// A file of columns, one behind the other, and where they lie.
    fn columns(folder: &std::path::Path) -> (Arc<File>, Vec<u8>, Vec<Range<u64>>) {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for column in 0..5u32 {
            let start = bytes.len() as u64;
            for page in 0..200 {
                let length = 20_000 + (column * 7_919 + page * 104_729) % 40_000;
                bytes.extend((length as u16).to_le_bytes());
                bytes.extend((0..length).map(|i| (i + page + column) as u8));
            }
            places.push(start..bytes.len() as u64);
        }
        let path = folder.join("columns");
        std::fs::write(&path, &bytes).unwrap();
        (Arc::new(File::open(path).unwrap()), bytes, places)
    }

    fn streams(ahead: &ReadAhead, file: &Arc<File>, places: &[Range<u64>], active: bool) -> Streams {
        let place = |place: &Range<u64>| StreamPlace {
            place: place.clone(),
            file: Arc::clone(file),
            asks: false,
            let_go: place.clone(),
            turn: 0,
        };
        ahead.opener().streams(places.iter().map(place).collect(), measure, active)
    }

    /// Takes all runs, the streams in turn.
    fn read(streams: &Streams, places: &[Range<u64>]) -> Vec<Vec<u8>> {
        let mut read = vec![Vec::new(); places.len()];
        loop {
            let mut any = false;
            for (stream, place) in places.iter().enumerate() {
                if let Some(run) = streams.next(stream) {
                    assert_eq!(run.at, place.start + read[stream].len() as u64);
                    assert_eq!(streams.at(run.at), Some(stream));
                    read[stream].extend_from_slice(&run.bytes);
                    any = true;
                }
            }
            if !any {
                return read;
            }
        }
    }

    #[test]
    fn the_bytes_are_the_same_whoever_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let (file, bytes, places) = columns(folder.path());
        for (cold, uncached) in [(false, false), (true, false), (true, true)] {
            let ahead = ReadAhead::with(uncached);
            if cold {
                ahead.shared.start(&mut ahead.shared.lock());
                assert_eq!(ahead.shared.lock().threads.len(), THREADS);
            }
            let (first, later) =
                (streams(&ahead, &file, &places, true), streams(&ahead, &file, &places, false));
            for streams in [first, later] {
                streams.activate();
                for (column, place) in read(&streams, &places).iter().zip(&places) {
                    assert!(*column == bytes[place.start as usize..place.end as usize], "cold: {cold}");
                }
            }
            assert!(ahead.shared.lock().parts.is_empty());
        }
    }

    #[test]
    fn no_more_is_read_ahead_than_was_promised() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _, places) = columns(folder.path());
        let ahead = ReadAhead::with(false);
        let parts: Vec<Streams> = (0..6).map(|part| streams(&ahead, &file, &places, part < 2)).collect();
        ahead.shared.start(&mut ahead.shared.lock());
        let held = |state: &State| state.parts.iter().map(|part| part.held).collect::<Vec<_>>();
        let enough = |held: &[u64]| held[..2].iter().all(|&held| held >= READ_AHEAD_BYTES / 2);
        for _ in 0..1_000 {
            let held = held(&ahead.shared.lock());
            let bound = 2 * READ_AHEAD_BYTES + THREADS as u64 * 2 * MOST_READ;
            assert!(held.iter().sum::<u64>() <= bound, "{held:?}");
            if enough(&held) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(enough(&held(&ahead.shared.lock())), "nobody reads ahead");
        drop(parts);
        assert!(ahead.shared.lock().parts.is_empty());
    }

    #[test]
    fn what_prepares_is_called_only_where_it_helps() {
        let ahead = ReadAhead::with(false);
        let (told, heard) = std::sync::mpsc::channel();
        let prepare = |text: &'static str| {
            let told = told.clone();
            ahead.prepare(move || _ = told.send(text));
        };
        prepare("too early");
        ahead.shared.start(&mut ahead.shared.lock());
        prepare("in time");
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok("in time"));
        drop(ahead);
        drop(told);
        assert!(heard.recv().is_err(), "nothing else was called");
    }
}
