//! Reads at a position, and what the system's cache has to do with them.
//!
//! A read says whether the bytes were in the cache: only those that were not are worth reading ahead. Data sets that do not fit
//! into memory are read past the cache where the system lets us: they would push out what others need, and would be gone before
//! they are read again.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// How the files of a scan are read.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Whether what is read should not stay in the cache.
    uncached: bool,
    /// Whether the system refused to read past its cache: then it is told afterwards that it can let go.
    refused: AtomicBool,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes read: fewer than wanted only at the end of the file.
    pub(super) bytes: usize,
    /// Whether it had to wait for the disk, or may have had to.
    pub(super) waited: bool,
}

impl Access {
    pub(super) fn new(uncached: bool) -> Self {
        Self { uncached, refused: AtomicBool::new(false) }
    }

    pub(super) fn is_uncached(&self) -> bool {
        self.uncached
    }

    /// Fills `buffer` with the bytes from `at` on, as far as the file goes.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn read(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<Found> {
        let cached = cached_at(file, buffer, at);
        if cached == buffer.len() {
            return Ok(Found { bytes: cached, waited: false });
        }
        let (rest, at) = (&mut buffer[cached..], at + cached as u64);
        let bytes = if self.uncached { self.past_cache(file, rest, at)? } else { read_at(file, rest, at)? };
        Ok(Found { bytes: cached + bytes, waited: true })
    }

    fn past_cache(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if !self.refused.load(Ordering::Relaxed) {
            match uncached_at(file, buffer, at) {
                Some(outcome) => return outcome,
                None => self.refused.store(true, Ordering::Relaxed),
            }
        }
        let bytes = read_at(file, buffer, at)?;
        let_go(file, at, bytes);
        Ok(bytes)
    }
}

/// Calls `read` with what is left of `buffer` until that is full or the file ends.
fn fill(
    buffer: &mut [u8],
    at: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Fills `buffer` with the bytes from `at` on; fewer only at the end of the file.
///
/// # Errors
/// Those of the system.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return fill(buffer, at, |rest, at| std::os::unix::fs::FileExt::read_at(file, rest, at));
    #[cfg(windows)]
    return fill(buffer, at, |rest, at| std::os::windows::fs::FileExt::seek_read(file, rest, at));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, IoSliceMut};

    use rustix::fs::Advice;
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// `RWF_DONTCACHE`, since Linux 6.14.
    const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

    fn read(file: &File, buffer: &mut [u8], at: u64, flags: ReadWriteFlags) -> io::Result<usize> {
        Ok(preadv2(file, &mut [IoSliceMut::new(buffer)], at, flags)?)
    }

    /// Bytes from `at` on that need no waiting.
    pub(in super::super) fn cached_at(file: &File, buffer: &mut [u8], at: u64) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            match read(file, &mut buffer[filled..], at + filled as u64, ReadWriteFlags::NOWAIT) {
                Ok(count) if count > 0 => filled += count,
                // The end of the file, the end of what is cached, or a file system that cannot tell.
                _ => break,
            }
        }
        filled
    }

    /// Bytes from `at` on that do not stay in the cache; `None` where the system has no such reads.
    pub(in super::super) fn uncached_at(
        file: &File,
        buffer: &mut [u8],
        at: u64,
    ) -> Option<io::Result<usize>> {
        let outcome = super::fill(buffer, at, |rest, at| read(file, rest, at, DONT_CACHE));
        let refused = [Errno::OPNOTSUPP, Errno::INVAL, Errno::NOSYS].map(Errno::raw_os_error);
        match &outcome {
            Err(e) if e.raw_os_error().is_some_and(|code| refused.contains(&code)) => None,
            _ => Some(outcome),
        }
    }

    /// Tells the system that nobody needs these bytes any more.
    pub(in super::super) fn let_go(file: &File, at: u64, bytes: usize) {
        // Advice: whether it is taken changes nothing but the cache.
        let length = std::num::NonZeroU64::new(bytes as u64);
        if length.is_some() {
            let _ = rustix::fs::fadvise(file, at, length, Advice::DontNeed);
        }
    }
}

#[cfg(target_os = "linux")]
use linux::{cached_at, let_go, uncached_at};

#[cfg(not(target_os = "linux"))]
fn cached_at(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

#[cfg(not(target_os = "linux"))]
fn uncached_at(_: &File, _: &mut [u8], _: u64) -> Option<io::Result<usize>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn let_go(_: &File, _: u64, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_reads_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let refused = Access { uncached: true, refused: AtomicBool::new(true) };
        for access in [Access::new(false), Access::new(true), refused] {
            for (at, length) in [(0, 0), (0, 100_000), (4_095, 8_194), (99_990, 100), (100_000, 10)] {
                let mut buffer = vec![1; length];
                let found = access.read(&file, &mut buffer, at as u64).unwrap();
                assert_eq!(
                    buffer[..found.bytes],
                    bytes[at..(at + length).min(100_000)],
                    "{access:?} at {at}"
                );
            }
        }
        assert_eq!(read_at(&file, &mut [0; 8], 99_996).unwrap(), 4);
    }
}
