//! Bytes of files: where every format opens and reads them.
//!
//! Rows come at the speed of the disk only if it is never idle: what will be wanted next is asked for while threads compute
//! (`ahead.rs`), into memory that is used again (`buffers.rs`). Data that would push everything else out of the system's cache
//! are read past it (`access.rs`, `memory.rs`).

mod access;
pub(crate) mod ahead;
pub(crate) mod buffers;
pub(crate) mod in_order;
pub(crate) mod memory;
pub(crate) mod shared_file;
mod stream;

pub(crate) use self::access::{ask, let_go, reads_here_and_there};
use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a file for reading.
///
/// # Errors
/// An error of the kind `Io` that names the file.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| Error::io(path, e))
}

/// Fills `buffer` with the bytes from `at` on, whatever others read meanwhile.
///
/// # Errors
/// Those of the system, and one for a file that ends before.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    match access::fill(file, buffer, at)? {
        count if count == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
