//! Files that appear under their names only when they are complete.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::place::{Place, check_writable, folder, keep_permissions, open_stream};
use super::unfinished::Unfinished;
use crate::error::{Error, Result};

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
