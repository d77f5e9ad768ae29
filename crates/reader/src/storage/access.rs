//! Reads at a position, and what the system's cache has to do with them.
//!
//! The system reads ahead by itself where a file is read in order. A data set that does not fit into memory would push out of the
//! cache what others need, and be gone before it is read again: of such a one the system is told what it can let go. (Linux also
//! has reads past the cache, `RWF_DONTCACHE`. They let go of whole blocks of up to megabytes when a part of one was read, so pages
//! that begin and end anywhere are read several times: twice the time where it was measured.)

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the files of a scan are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// Whether what was read should not stay in the cache.
    pub(super) uncached: bool,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes read: fewer than wanted only at the end of the file.
    pub(super) bytes: usize,
    /// Whether it seems to have waited for the disk.
    pub(super) waited: bool,
    /// How long it took.
    pub(super) time: Duration,
}

/// What a read takes that does not wait, at most: per call, and per kilobyte.
const CALL: Duration = Duration::from_micros(100);
const KILOBYTE: Duration = Duration::from_nanos(500);

impl Access {
    /// Fills `buffer` with the bytes from `at` on, as far as the file goes.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn read(self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<Found> {
        timed(|| fill(file, buffer, at))
    }

    /// Reads some bytes from `at` on; none only at the end of the file.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn read_some(self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<Found> {
        timed(|| read_at(file, buffer, at))
    }

    /// Nobody needs the bytes at `place` any more.
    pub(super) fn let_go(self, file: &File, place: std::ops::Range<u64>) {
        if self.uncached {
            let_go(file, place);
        }
    }
}

/// Tells the system that these bytes need not stay in its cache. Whether it takes the advice changes no result.
#[cfg(target_os = "linux")]
pub(crate) fn let_go(file: &File, place: std::ops::Range<u64>) {
    if let Some(length) = std::num::NonZeroU64::new(place.end.saturating_sub(place.start)) {
        let _ = rustix::fs::fadvise(file, place.start, Some(length), rustix::fs::Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn let_go(_: &File, _: std::ops::Range<u64>) {}

/// Tells the system that these bytes will be wanted soon.
#[cfg(target_os = "linux")]
pub(crate) fn ask(file: &File, place: std::ops::Range<u64>) {
    // It does no more at a time than a request may have.
    for at in place.clone().step_by(ASKED) {
        let length = std::num::NonZeroU64::new((place.end - at).min(ASKED as u64));
        let _ = rustix::fs::fadvise(file, at, length, rustix::fs::Advice::WillNeed);
    }
}

/// Bytes of a request.
#[cfg(target_os = "linux")]
const ASKED: usize = 1 << 20;

#[cfg(not(target_os = "linux"))]
pub(crate) fn ask(_: &File, _: std::ops::Range<u64>) {}

/// Tells the system that only small parts of the file are read, here and there.
pub(crate) fn reads_here_and_there(_file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(_file, 0, None, rustix::fs::Advice::Random);
}

/// Whether the system reads the files of the device far enough ahead by itself.
pub(super) fn system_reads_ahead(_file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        static DEVICES: Mutex<Vec<(u64, bool)>> = Mutex::new(Vec::new());
        let Ok(device) = _file.metadata().map(|found| found.dev()) else { return false };
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, enough)) = devices.iter().find(|(known, _)| *known == device) {
            return *enough;
        }
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
        let kilobytes = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let enough = kilobytes.is_some_and(|kilobytes| kilobytes >= ENOUGH_KILOBYTES);
        devices.push((device, enough));
        enough
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// What the system must read ahead in each file so that a few threads keep a disk busy.
#[cfg(target_os = "linux")]
const ENOUGH_KILOBYTES: u64 = 2048;

fn timed(read: impl FnOnce() -> io::Result<usize>) -> io::Result<Found> {
    let start = Instant::now();
    let bytes = read()?;
    let time = start.elapsed();
    Ok(Found { bytes, waited: time > CALL + KILOBYTE * (bytes >> 10) as u32, time })
}

/// Fills `buffer` with the bytes from `at` on; fewer only at the end of the file.
///
/// # Errors
/// Those of the system.
pub(super) fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_at(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, at);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_the_same_whatever_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        for access in [Access { uncached: false }, Access { uncached: true }] {
            for (at, length) in [(0, 0), (0, 100_000), (4_095, 8_194), (99_990, 100), (100_000, 10)] {
                let mut buffer = vec![1; length];
                let found = access.read(&file, &mut buffer, at as u64).unwrap();
                assert_eq!(
                    buffer[..found.bytes],
                    bytes[at..(at + length).min(100_000)],
                    "{access:?} at {at}"
                );
                access.let_go(&file, 0..at as u64);
            }
        }
        assert_eq!(fill(&file, &mut [0; 8], 99_996).unwrap(), 4);
    }
}
