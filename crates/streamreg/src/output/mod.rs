//! Results go to a file whole or not at all.

mod place;
mod table;
mod unfinished;
mod whole;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use streamreg_reader::Source;

use self::place::Place;
pub(crate) use self::place::folder;
pub use self::table::RowsForm;
pub(crate) use self::table::{TableWriter, csv_field};
pub use self::unfinished::abandon_outputs;
pub(crate) use self::unfinished::sweep;
use self::whole::AtomicFile;
use crate::error::{Error, Result};

/// Writes `path` through a temporary file beside it, which is synced and then renamed.
///
/// # Errors
/// When any step fails; the file at `path` is then the old one, if there was one.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    write_whole(path, |file| write(file).map_err(|e| Error::output(path, e)))
}

/// Writes a record batch to a .csv or .parquet file, whole or not at all.
///
/// # Errors
/// For another ending, and when the file cannot be written.
pub fn save_rows(rows: &RecordBatch, path: &Path) -> Result<()> {
    let mut writer = TableWriter::file(path, &rows.schema())?;
    writer.write(rows)?;
    writer.finish()
}

/// [`write_atomically`] for writers whose errors are those of this crate.
pub(crate) fn write_whole<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T>,
) -> Result<T> {
    let mut target = AtomicFile::create(path)?;
    let made = write(&mut target.writer)?;
    target.commit()?;
    Ok(made)
}

/// Whether two paths lead to one file, or would once it is written.
pub fn same_file(a: &Path, b: &Path) -> bool {
    real_path(a) == real_path(b)
}

/// Where a path leads, or will lead once something is written there.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let joined =
        || folder(path).canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
    path.canonicalize().ok().or_else(joined).unwrap_or_else(|| path.to_path_buf())
}

/// Checks that `output` is none of the files that `source` reads, and that it can be written: that there is its folder, that
/// links lead somewhere, and that nobody has made it read-only.
///
/// # Errors
/// [`ErrorKind::Request`](crate::ErrorKind::Request); [`ErrorKind::Output`](crate::ErrorKind::Output) for what the system refuses.
pub fn refuse_input_as_output(source: &dyn Source, output: &Path) -> Result<()> {
    let refused = |why: String| Err(Error::invalid_request(format!("{}: {why}", output.display())));
    if source.inputs().iter().any(|input| same_file(&input.path, output)) {
        return refused("the output is one of the inputs".to_owned());
    }
    let Place::File(path) = Place::of(output)? else { return Ok(()) };
    if path.is_dir() {
        return refused("the output is a folder".to_owned());
    }
    let folder = folder(&path);
    if !folder.is_dir() {
        return refused(format!("there is no folder {}", folder.display()));
    }
    place::check_writable(&path).map_err(|e| Error::output(output, e))
}
