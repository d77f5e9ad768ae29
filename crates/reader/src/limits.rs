//! What a file may ask of us. Each limit is far above what real files need and far below what would
//! hurt the machine; a file beyond one is refused with [`crate::ErrorKind::Limit`] before anything is
//! allocated for it.

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
