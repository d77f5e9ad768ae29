//! NDJSON files: an object of JSON on every line. polars reads them.
//!
//! The columns and their types are those of the first 10,000 lines. A later value of another type is an
//! error. A key that first occurs later is no column; a key that a line lacks is null.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use polars::prelude as pl;
use polars::prelude::{DslPlan, LazyFileListReader, LazyFrame, LazyJsonLineReader, PlRefPath, PolarsResult};

use super::bridge::polars_type;
use super::lazy::LazyFrameSource;
use super::{quiet, words};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{InputFile, Scan, ScanRequest, Source, Summary};

/// Lines that settle the types of the columns.
const SAMPLE_LINES: usize = 10_000;

/// One NDJSON file.
pub(crate) struct NdJsonFile {
    file: InputFile,
    source: LazyFrameSource,
}

impl NdJsonFile {
    /// Opens a file and settles the types of its columns; those of `types` are known.
    pub(crate) fn open(path: &Path, types: &[(String, DataType)]) -> Result<Self> {
        let open = || {
            let file = InputFile::of(path)?;
            let query = quiet(|| scan(path, types).map_err(|e| unreadable(&e)))?;
            let source = LazyFrameSource::named(query, &path.to_string_lossy())?;
            Ok(Self { file, source })
        };
        open().map_err(|e: Error| e.at_path(path))
    }

    /// Columns of which the sample has no value.
    pub(crate) fn blank_columns(&self) -> impl Iterator<Item = &str> {
        let fields = self.source.schema().fields().iter();
        fields.filter(|field| field.data_type() == &DataType::Null).map(|field| field.name().as_str())
    }
}

fn unreadable(error: &pl::PolarsError) -> Error {
    Error::new(ErrorKind::Malformed, words(error))
}

fn scan(path: &Path, types: &[(String, DataType)]) -> PolarsResult<LazyFrame> {
    let known = types.iter().filter_map(|(name, kind)| Some((name.as_str().into(), polars_type(kind)?)));
    let known: pl::Schema = known.collect();
    // An absolute path can be neither an address (`https:`) nor relative to anything.
    let path = PlRefPath::try_from_path(&std::path::absolute(path)?)?;
    let mut query = LazyJsonLineReader::new(path)
        .with_infer_schema_length(NonZeroUsize::new(SAMPLE_LINES))
        .with_schema_overwrite((!known.is_empty()).then(|| Arc::new(known)))
        .low_memory(true)
        .finish()?;
    // The path is one file, whatever its name looks like.
    if let DslPlan::Scan { unified_scan_args, .. } = &mut query.logical_plan {
        unified_scan_args.glob = false;
    }
    Ok(query)
}

impl Source for NdJsonFile {
    fn schema(&self) -> &SchemaRef {
        self.source.schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        self.file.verify_unchanged()?;
        self.source.scan(request).map_err(|e| e.at_path(&self.file.path))
    }

    fn inputs(&self) -> Vec<InputFile> {
        vec![self.file.clone()]
    }

    fn summary(&self) -> Summary {
        self.source.summary()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.file.verify_unchanged()
    }
}
