//! A file whose ranges several threads read, one behind the other.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::access::{Access, ask};
use super::in_order::{ASKED_BYTES, ASKED_TIMES, LET_GO_BYTES};

/// Reads ranges, and tells the system what comes behind them when it was slow.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: File,
    access: Access,
    /// The system was asked for what stands before.
    asked: AtomicU64,
    /// How often it will be asked, unless reads wait again.
    times: AtomicU32,
}

impl SharedFile {
    pub(super) fn new(file: File, access: Access) -> Self {
        Self { file, access, asked: AtomicU64::new(0), times: AtomicU32::new(0) }
    }

    /// Fills `buffer` with the bytes from `at` on, as far as the file goes; how many there are.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.ask_behind(at + buffer.len() as u64);
        let found = self.access.read(&self.file, buffer, at)?;
        if found.waited {
            self.times.store(ASKED_TIMES, Ordering::Relaxed);
        }
        Ok(found.bytes)
    }

    /// Asks for what stands behind `end`, if that is of use. Threads that do it at the same time ask for different bytes.
    fn ask_behind(&self, end: u64) {
        let left =
            self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_sub(1));
        if left.is_ok() {
            let until = end + ASKED_BYTES;
            let from = self.asked.fetch_max(until, Ordering::Relaxed).max(end);
            ask(&self.file, from..until);
        }
    }

    /// Nobody needs the bytes before `end` any more, and those long before it were let go already.
    pub(crate) fn let_go(&self, end: u64) {
        // What ended in the middle of a block is let go now.
        self.access.let_go(&self.file, end.saturating_sub(2 * LET_GO_BYTES)..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_whatever_was_asked_for() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        for uncached in [false, true] {
            let file = SharedFile::new(file.try_clone().unwrap(), Access { uncached });
            file.times.store(2, Ordering::Relaxed);
            for (at, length) in
                [(0, 1_000_000), (1_000_000, 70_000), (77, 5), (2_999_990, 100), (3_000_000, 1)]
            {
                let mut buffer = vec![0; length];
                let count = file.read(&mut buffer, at as u64).unwrap();
                assert!(buffer[..count] == bytes[at..(at + length).min(bytes.len())], "{at}");
                file.let_go(at as u64);
            }
        }
    }
}
