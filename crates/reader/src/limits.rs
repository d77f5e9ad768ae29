//! What a file may ask of us. Each limit is far above what real files need and far below what would
//! hurt the machine; a file beyond one is refused with [`crate::ErrorKind::Limit`] before anything is
//! allocated for it.

use crate::error::{Error, ErrorKind, Result};
use crate::storage::memory::available_memory;

/// Largest Parquet footer, in bytes.
pub(crate) const MAX_FOOTER_BYTES: u64 = 256 << 20;

/// Largest Parquet page, in bytes, compressed or not.
pub(crate) const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Largest Parquet page header, in bytes (statistics of long strings stand there).
pub(crate) const MAX_PAGE_HEADER_BYTES: usize = 1 << 20;

/// Largest record batch of an Arrow IPC file, in bytes as it is stored. It is read as a whole.
pub(crate) const MAX_IPC_BATCH_BYTES: u64 = 4 << 30;

/// Largest buffer of a record batch, in bytes after decompression.
pub(crate) const MAX_IPC_BUFFER_BYTES: i64 = 1 << 30;

/// Most rows of a Parquet file: a million million. Ranges of rows are planned before they are read.
pub(crate) const MAX_ROWS: i64 = 1 << 40;

/// Longest CSV record, in bytes.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;

/// Most columns of one file.
pub(crate) const MAX_COLUMNS: usize = 200_000;

/// Deepest schema of a Parquet file: groups in groups.
pub(crate) const MAX_SCHEMA_DEPTH: usize = 64;

/// Most pairs of keys and values in a Parquet footer.
pub(crate) const MAX_KEY_VALUES: usize = 1 << 16;

/// Deepest nesting of arrays and objects in a line of NDJSON.
pub(crate) const MAX_JSON_DEPTH: usize = 100;

/// Bytes that may be held without a look at how much memory there is.
const UNASKED_BYTES: u64 = 1 << 30;

/// Checks that `more` bytes fit into memory, beside `held` that the same thread holds of the file. A small file can decompress to
/// more than any machine has; only a reader that would hold gigabytes asks the system.
pub(crate) fn check_memory(held: u64, more: u64) -> Result<()> {
    if held.saturating_add(more) <= UNASKED_BYTES {
        return Ok(());
    }
    // Every thread may hold half of what the others leave, so that they never hold all of it together.
    match available_memory() {
        Some(available) if held.saturating_add(more) > available / 2 => {
            let message = format!(
                "it decompresses to {more} bytes, to be held beside {held}: more than half of the memory that is left, \
                 {available} bytes"
            );
            Err(Error::new(ErrorKind::Limit, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_asked_for_only_where_it_matters() {
        check_memory(0, 0).unwrap();
        check_memory(1 << 29, 1 << 29).unwrap();
        let all = check_memory(1 << 30, u64::MAX);
        if available_memory().is_some() {
            assert_eq!(all.unwrap_err().kind(), ErrorKind::Limit);
        }
    }
}
