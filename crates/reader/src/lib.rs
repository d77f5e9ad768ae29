//! Streams Parquet, CSV and other data sets as Arrow record batches, in memory that depends neither on the
//! number of rows nor on the size of a row group.
//!
//! A [`Source`] is a data set. [`Source::scan`] starts a pass over it and gives a [`Scan`], a queue of
//! [`Partition`]s that any number of threads may take from; a partition is an iterator of record batches.
//! Partitions are cut by the content of the files alone, which is what makes every result independent
//! of the number of threads.
//!
//! | module | what it knows |
//! |---|---|
//! | `source` | the contract: [`Source`], [`Scan`], [`Partition`] |
//! | [`parquet`] | page-wise decoding of row groups, whole or in ranges of rows |
//! | [`csv`] | byte ranges cut on record edges, parsed in parallel |
//! | [`ipc`] | Arrow IPC files, record batch by record batch |
//! | `dataset` | paths, directories, globs, hive keys; one schema for many files |
//! | [`rows`] | derived columns and filters: SQL expressions of a row |
//! | `predicate` | row groups and files in which no row can pass a filter |
//! | `storage` | bytes of files |
//! | `limits` | what a file may ask of us |
//! | `error` | one error type: kind, file, place, column |
//!
//! Start at [`Dataset::open`].

pub mod contain;
pub mod csv;
mod dataset;
mod error;
pub mod ipc;
pub mod libsvm;
mod limits;
mod lines;
pub mod ndjson;
pub mod parquet;
mod predicate;
pub mod rows;
mod source;
mod storage;

pub use dataset::{Dataset, DatasetOptions, Listing};
#[doc(hidden)]
pub use dataset::{data_stem, is_data_name};
pub use error::{Error, ErrorKind, Place, Result};
pub use predicate::{Bounds, Comparison, Predicate, Value};
pub use source::batches::Batches;
#[doc(hidden)]
pub use source::batches::{BATCH_PARTITION_ROWS, Cutter};
#[doc(hidden)]
pub use source::nearest::suggestion;
pub use source::{
    Checksums, DEFAULT_BATCH_ROWS, Doubt, InputFile, NoPartitions, PART_OF, Partition, PartitionOrder,
    ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary, position,
};
#[doc(hidden)]
pub use storage::ahead::READ_AHEAD_BYTES;
pub use storage::memory::{MemoryTaken, memory_allowance, memory_taken};
