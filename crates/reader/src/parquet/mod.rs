//! Parquet files, decoded page by page.
//!
//! A partition is a run of small row groups, one row group, or a range of rows of a large one; the
//! decoder holds one page and one dictionary a column, so memory does not depend on the size of a row
//! group. Ranges inside a row group start at pages found by walking the page headers, with or without an
//! offset index in the file.

mod at_hand;
mod batches;
mod chunk;
mod codec;
mod column_wise;
mod content;
mod declared;
mod delta;
mod footer;
mod hints;
mod in_place;
mod located;
mod page_header;
mod pages;
mod pieces;
mod prune;
mod runs;
mod seen;
mod thrift;
mod types;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use self::batches::{PieceBatches, Plan, Shared};
pub use self::column_wise::reads_column_wise;
use self::declared::check_declared;
use self::footer::{check_metadata, check_names, read_footer, without_codecs};
use self::hints::is_ordered;
use self::in_place::candidates;
use self::located::{LocatedPages, decode_bytes};
use self::pieces::{LEAST_RANGE_ROWS, Piece, first_rows, pieces, ranges};
pub use self::pieces::{MIN_PARTITION_ROWS, RANGE_ROWS};
use self::types::{arrow_metadata, with_dictionaries};
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Result};
use crate::source::{
    Checksums, InputFile, Partition, ReadCounts, RowNumbers, Scan, ScanRequest, Source, Summary,
    first_dictionary,
};
use crate::storage;
use crate::storage::ahead::ReadAhead;

/// An open Parquet file.
pub struct ParquetFile {
    shared: Arc<Shared>,
}

impl ParquetFile {
    /// Opens a file and checks that its footer makes sense.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Malformed`], [`ErrorKind::Limit`], [`ErrorKind::Unsupported`] for
    /// what the footer says.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_inner(path).map_err(|e| e.at_path(path))
    }

    fn open_inner(path: &Path) -> Result<Self> {
        let file = storage::open(path)?;
        let meta = file.metadata().map_err(|e| Error::io(path, e))?;
        let footer = read_footer(&file, meta.len())?;
        check_declared(&footer)?;
        let metadata = contain(|| {
            ParquetMetaDataReader::decode_metadata(&footer)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a readable Parquet footer: {e}")))
        })?;
        drop(footer);
        check_metadata(&metadata, meta.len())?;
        let (metadata, codecs) = without_codecs(metadata)?;
        let located = Arc::new(LocatedPages::new(&metadata, |rows| {
            ranges(rows.unsigned_abs(), LEAST_RANGE_ROWS).len() > 1
        }));
        let metadata = metadata.into_builder().set_page_index(Some(Arc::clone(&located) as _)).build();
        let reader = contain(|| {
            arrow_metadata(Arc::new(metadata))
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a valid Parquet schema: {e}")))
        })?;
        let positions = check_names(reader.schema())?;
        let rows = reader.metadata().file_metadata().num_rows();
        let shared = Shared {
            file: InputFile::found(path, &meta).with_rows(rows.unsigned_abs()),
            name: path.to_string_lossy().into(),
            reader,
            codecs,
            located,
            seen: Arc::default(),
            positions,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file's metadata: row groups, sizes, statistics.
    pub fn metadata(&self) -> &ParquetMetaData {
        self.shared.reader.metadata()
    }

    /// Rows, as the footer says.
    pub fn rows(&self) -> u64 {
        self.metadata().file_metadata().num_rows().unsigned_abs()
    }

    /// Index and rows of the row groups in which `request` may find rows; counts the others.
    fn row_groups(&self, request: &ScanRequest, parquet_roots: &[usize]) -> Vec<(usize, u64)> {
        let shared = &self.shared;
        let groups = self.metadata().row_groups().iter().map(|g| g.num_rows().unsigned_abs()).enumerate();
        let Some(predicate) = &request.prune else { return groups.collect() };
        let may_pass = prune::may_pass(&shared.reader, &shared.positions, parquet_roots, predicate);
        let (wanted, others): (Vec<_>, Vec<_>) = groups.partition(|(index, _)| may_pass[*index]);
        others.into_iter().for_each(|(_, rows)| shared.seen.count_skipped(rows));
        wanted
    }

    /// The view of the file that decodes what `request` wants.
    fn reader_for(&self, request: &ScanRequest, parquet_roots: &[usize]) -> Result<ArrowReaderMetadata> {
        let shared = &self.shared;
        // A column that is also wanted as the file has it is decoded once, as text.
        let names = request.dictionaries.iter().filter(|name| !request.verbatim.contains(name));
        let fields: Vec<usize> = names.filter_map(|name| shared.positions.get(name)).collect();
        contain(|| {
            with_dictionaries(&shared.reader, parquet_roots, &fields)
                .map_err(|e| Error::new(ErrorKind::Malformed, format!("not a valid Parquet schema: {e}")))
        })
        .map_err(|e| e.at_path(&shared.file.path))
    }
}

impl Source for ParquetFile {
    fn schema(&self) -> &SchemaRef {
        self.shared.reader.schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let shared = Arc::clone(&self.shared);
        let schema = shared.reader.schema();
        let wanted = request.columns.iter().chain(&request.verbatim);
        let find = |name: &String| shared.positions.find(schema, name);
        let wanted: Vec<usize> =
            wanted.map(find).collect::<Result<_>>().map_err(|e| e.at_path(&shared.file.path))?;
        let mut roots = wanted.clone();
        roots.sort_unstable();
        roots.dedup();
        // The decoder keeps the file's order; `order` restores the one that was asked for.
        let order = wanted.iter().filter_map(|w| roots.binary_search(w).ok()).collect();
        let descr = shared.reader.parquet_schema();
        let parquet_roots = shared.parquet_roots();
        let mask = ProjectionMask::roots(descr, roots.iter().map(|&i| parquet_roots[i]));
        let leaves: Vec<usize> = (0..descr.num_columns()).filter(|&leaf| mask.leaf_included(leaf)).collect();
        let flat = leaves.iter().all(|&leaf| descr.column(leaf).max_rep_level() == 0);
        let groups = self.row_groups(request, &parquet_roots);
        let pieces = if flat {
            pieces(groups.into_iter(), request.partition_rows.unwrap_or(RANGE_ROWS))
        } else {
            // Values of repeated columns are not rows, so their row groups cannot be cut.
            let whole = |(i, rows)| Piece { row_groups: i..i + 1, rows: None, count: rows };
            groups.into_iter().map(whole).collect()
        };
        let reader = self.reader_for(request, &parquet_roots)?;
        let ahead = request.ahead(|| self.bytes_to_read(request));
        let plan = Arc::new(Plan {
            in_place: candidates(&reader, &roots, &parquet_roots),
            reader,
            mask,
            leaves,
            order,
            roots,
            batch_rows: request.batch_rows.max(1),
            opener: ahead.opener(),
            buffers: Arc::clone(ahead.buffers()),
        });
        let first_rows = first_rows(self.metadata().row_groups().iter().map(|g| g.num_rows().unsigned_abs()));
        request.order.of(Box::new(ParquetScan {
            shared,
            plan,
            pieces,
            first_rows,
            next: AtomicUsize::new(0),
            _ahead: ahead,
        }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.shared.file.clone()]
    }

    fn summary(&self) -> Summary {
        let metadata = self.metadata();
        let groups = metadata.row_groups();
        let columns = self.schema().fields().len();
        let mut summary = Summary {
            rows: Some(self.rows()),
            row_groups: Some(groups.len()),
            largest_row_group: groups.iter().map(|g| g.num_rows().unsigned_abs()).max(),
            null_counts: vec![Some(0); columns],
            decode_bytes: vec![0; columns],
            partition_bytes: 0,
        };
        let largest = groups.iter().max_by_key(|g| g.num_rows());
        let file = self.shared.file.open_unchanged();
        let descr = self.shared.reader.parquet_schema();
        let fields: HashMap<usize, usize> =
            self.shared.parquet_roots().into_iter().enumerate().map(|(field, root)| (root, field)).collect();
        let leaves =
            (0..descr.num_columns()).map(|leaf| (leaf, fields.get(&descr.get_column_root_idx(leaf))));
        for (leaf, root) in leaves.filter_map(|(leaf, root)| Some((leaf, *root?))) {
            for chunk in groups.iter().map(|g| g.column(leaf)) {
                let nulls = chunk.statistics().and_then(|s| s.null_count_opt());
                summary.null_counts[root] = summary.null_counts[root].zip(nulls).map(|(a, b)| a + b);
            }
            if let (Some(group), Ok(file)) = (largest, &file) {
                summary.decode_bytes[root] += decode_bytes(file, group.column(leaf));
            }
        }
        summary
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        match is_ordered(self.metadata().file_metadata(), column) {
            true => Ok(Some(first_dictionary(self, column)?.unwrap_or_default())),
            false => Ok(None),
        }
    }

    fn bytes_to_read(&self, request: &ScanRequest) -> u64 {
        let shared = &self.shared;
        let names = request.columns.iter().chain(&request.verbatim);
        let roots = shared.parquet_roots();
        let roots: HashSet<usize> =
            names.filter_map(|name| Some(roots[shared.positions.get(name)?])).collect();
        let descr = shared.reader.parquet_schema();
        let leaves: Vec<usize> = (0..descr.num_columns())
            .filter(|&leaf| roots.contains(&descr.get_column_root_idx(leaf)))
            .collect();
        let groups = self.metadata().row_groups().iter();
        groups.map(|group| leaves.iter().map(|&leaf| group.column(leaf).byte_range().1).sum::<u64>()).sum()
    }

    fn checksums(&self) -> Checksums {
        self.shared.seen.checksums()
    }

    fn counts(&self) -> ReadCounts {
        self.shared.seen.counts()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.shared.file.verify_unchanged()
    }
}

struct ParquetScan {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    pieces: Vec<Piece>,
    /// The number of rows before every row group.
    first_rows: Vec<u64>,
    next: AtomicUsize,
    /// Reads for the partitions as long as there are more of them.
    _ahead: Arc<ReadAhead>,
}

impl Scan for ParquetScan {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces.get(index)?.clone();
        let numbers = RowNumbers::Run(piece.numbers(&self.first_rows));
        let (batches, prepare) = PieceBatches::new(Arc::clone(&self.shared), Arc::clone(&self.plan), piece);
        let path = Arc::clone(&self.shared.name);
        let partition = Partition::new(index, batches).numbered(numbers);
        Some(Ok(Partition { path, prepare: Some(prepare), ..partition }))
    }
}
