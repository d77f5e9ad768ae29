//! A file that is read from some byte to its end.

use std::fs::File;
use std::io::{self, Read};

use super::access::{Access, ask};

/// Bytes that the system is asked for beforehand.
pub(super) const ASKED_BYTES: u64 = 8 << 20;

/// After so many bytes the system is told to let them go.
pub(super) const LET_GO_BYTES: u64 = 8 << 20;

/// How often the system is asked after a read that had to wait.
pub(super) const ASKED_TIMES: u32 = 8;

/// Reads a file in order, and tells the system what comes next when it was slow.
#[derive(Debug)]
pub(crate) struct InOrder {
    file: File,
    access: Access,
    at: u64,
    /// The system was asked for what stands before.
    asked: u64,
    /// How often it will be asked, unless reads wait again.
    times: u32,
    /// What stands before need not be kept.
    let_go: u64,
}

impl InOrder {
    /// From the byte at `at` on.
    pub(super) fn new(file: File, at: u64, access: Access) -> Self {
        Self { file, access, at, asked: at, times: 0, let_go: at }
    }
}

impl Read for InOrder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let found = self.access.read_some(&self.file, buffer, self.at)?;
        self.at += found.bytes as u64;
        if found.waited {
            self.times = ASKED_TIMES;
        }
        if self.times > 0 && self.at + ASKED_BYTES / 2 > self.asked {
            let from = self.asked.max(self.at);
            self.times -= 1;
            self.asked = self.at + ASKED_BYTES;
            ask(&self.file, from..self.asked);
        }
        if self.at - self.let_go > LET_GO_BYTES || found.bytes == 0 {
            // What ends in the middle of a block is let go the next time.
            self.access.let_go(&self.file, self.let_go.saturating_sub(LET_GO_BYTES)..self.at);
            self.let_go = self.at;
        }
        Ok(found.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_once_and_in_order() {
        let bytes: Vec<u8> = (0..10_000_000u32).map(|i| (i % 253) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        for (at, uncached) in [(0, true), (77, false), (9_999_999, true), (10_000_000, true)] {
            let file = file.try_clone().unwrap();
            let mut reader = InOrder { times: 3, ..InOrder::new(file, at, Access { uncached }) };
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert!(read == bytes[at as usize..], "from {at}");
        }
    }
}
