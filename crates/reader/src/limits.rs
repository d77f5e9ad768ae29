//! What a file may ask of us. Each limit is far above what real files need and far below what would
//! hurt the machine; a file beyond one is refused with [`crate::ErrorKind::Limit`] before anything is
//! allocated for it.

/// Largest Parquet footer, in bytes.
pub const MAX_FOOTER_BYTES: u64 = 256 << 20;

/// Largest Parquet page, in bytes, compressed or not.
pub const MAX_PAGE_BYTES: u64 = 256 << 20;

/// Largest Parquet page header, in bytes (statistics of long strings stand there).
pub const MAX_PAGE_HEADER_BYTES: usize = 1 << 20;

/// Most rows of a Parquet file: a million million. Ranges of rows are planned before they are read.
pub const MAX_ROWS: i64 = 1 << 40;

/// Longest CSV record, in bytes.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Most columns of one file.
pub const MAX_COLUMNS: usize = 200_000;
