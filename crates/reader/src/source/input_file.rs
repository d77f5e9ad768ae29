//! The files behind a source, which must stay what they were.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};
use crate::storage;

/// A file as it was when the source was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputFile {
    /// Path as it was given or found.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the last modification, where the file system keeps one.
    pub modified: Option<SystemTime>,
    /// What else tells it from a file that took its place.
    identity: Identity,
    /// Rows, where the format says so without reading the data.
    pub rows: Option<u64>,
}

/// What a file system knows of a file beside its size and time: the device, the number of the file there, and the time
/// at which anything of it changed, which no program can set back. Zeros where there is no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    changed: (i64, i64),
}

impl Identity {
    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: found.dev(), number: found.ino(), changed: (found.ctime(), found.ctime_nsec()) }
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self::default()
    }

    fn is_other_file(self, other: Self) -> bool {
        (self.device, self.number) != (other.device, other.number)
    }
}

impl InputFile {
    /// The file as it is now.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where the system does not find it.
    pub fn of(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        Ok(Self::found(path, &found))
    }

    /// The file of which the system says this.
    pub(crate) fn found(path: &Path, found: &Metadata) -> Self {
        let modified = found.modified().ok();
        let identity = Identity::of(found);
        Self { path: path.to_path_buf(), bytes: found.len(), modified, identity, rows: None }
    }

    /// The same file, of which the format says that it has so many rows.
    pub(crate) fn with_rows(mut self, rows: u64) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Opens the file again; what is opened must be what was found first.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], [`ErrorKind::Io`].
    pub(crate) fn open_unchanged(&self) -> Result<File> {
        let file = storage::open(&self.path)?;
        let now = file.metadata().map_err(|e| Error::io(&self.path, e))?;
        self.check_unchanged(&now)?;
        Ok(file)
    }

    /// Fails when the file is no longer the one that was opened.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], [`ErrorKind::Io`].
    pub fn verify_unchanged(&self) -> Result<()> {
        self.check_unchanged(&std::fs::metadata(&self.path).map_err(|e| Error::io(&self.path, e))?)
    }

    fn check_unchanged(&self, now: &Metadata) -> Result<()> {
        let path = &self.path;
        let now = Self { rows: self.rows, ..Self::found(path, now) };
        if now == *self {
            return Ok(());
        }
        let message = if now.bytes != self.bytes {
            format!("the file changed from {} to {} bytes after it was opened", self.bytes, now.bytes)
        } else if now.identity.is_other_file(self.identity) {
            "another file took the place of this one after it was opened".to_string()
        } else {
            "the file was modified after it was opened".to_string()
        };
        Err(Error::new(ErrorKind::Changed, message).at_path(path))
    }
}
