//! Files that appear under their names only when they are complete.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use super::place::{Place, check_writable, folder, keep_permissions, open_stream};
use crate::error::{Error, Result};

/// Temporary files of outputs that are being written. Whoever makes, completes or removes one holds the lock, so that none is
/// forgotten, and none completed behind the back of [`abandon_outputs`].
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files of all outputs that are being written, for a program that ends at once because of a signal. From
/// then on no output of this process is completed: a thread that is about to do so waits for the end of the process.
pub fn abandon_outputs() {
    let mut files = unfinished();
    for path in files.drain(..) {
        // What cannot be removed cannot be helped: the process is about to end.
        let _ = std::fs::remove_file(path);
    }
    // The lock is never given back.
    std::mem::forget(files);
}

/// A temporary file, which is removed unless it is renamed.
pub(crate) struct Unfinished(Option<NamedTempFile>);

impl Unfinished {
    fn create(folder: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        // The usual permissions of a new file, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut files = unfinished();
        let temporary = builder.prefix(".streamreg-").tempfile_in(folder)?;
        files.push(temporary.path().to_path_buf());
        Ok(Self(Some(temporary)))
    }

    /// Another handle of the file.
    fn reopen(&self) -> io::Result<File> {
        self.0.as_ref().map_or_else(|| Err(io::ErrorKind::NotFound.into()), NamedTempFile::reopen)
    }

    /// Gives the file its name.
    fn persist(mut self, path: &Path) -> io::Result<()> {
        let mut files = unfinished();
        let Some(temporary) = self.0.take() else { return Ok(()) };
        files.retain(|known| known != temporary.path());
        temporary.persist(path).map(drop).map_err(|e| e.error)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(temporary) = self.0.take() else { return };
        let mut files = unfinished();
        files.retain(|known| known != temporary.path());
        drop(temporary);
    }
}

/// A file that appears under its name only when it is complete. A stream is written to as it is.
pub(crate) struct AtomicFile {
    pub(super) path: PathBuf,
    pub(super) unfinished: Option<Unfinished>,
    pub(super) writer: BufWriter<File>,
}

impl AtomicFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::output(path, e);
        let path = match Place::of(path)? {
            Place::File(path) => path,
            Place::Stream(path) => {
                let file = open_stream(&path).map_err(failed)?;
                return Ok(Self { path, unfinished: None, writer: BufWriter::new(file) });
            }
        };
        check_writable(&path).map_err(failed)?;
        let unfinished = Unfinished::create(folder(&path)).map_err(failed)?;
        let writer = BufWriter::with_capacity(1 << 16, unfinished.reopen().map_err(failed)?);
        Ok(Self { path, unfinished: Some(unfinished), writer })
    }

    /// Completes the file: before this, nothing stands under its name.
    pub(super) fn commit(self) -> Result<()> {
        let failed = |e: io::Error| Error::output(&self.path, e);
        let file = self.writer.into_inner().map_err(|e| failed(e.into_error()))?;
        if let Some(unfinished) = self.unfinished {
            keep_permissions(&file, &self.path).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            unfinished.persist(&self.path).map_err(failed)?;
            sync_folder(&self.path);
        }
        Ok(())
    }
}

/// Has the system write down that a file has its name, so that a loss of power does not take it back. Not every file system can,
/// and the file is complete in any case.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder(path)) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = path;
}
