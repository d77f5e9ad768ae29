//! What is read.

use std::path::Path;

use streamreg_reader::{Dataset, DatasetOptions, Source};

use crate::error::Result;

/// Opens files: paths, directories, glob patterns.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Box<dyn Source>> {
    Ok(Box::new(Dataset::open(paths, options)?))
}
