//! Files that take their final name only when they are complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// Where a file will be, checked to be free (or free to replace).
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    replace: bool,
}

impl Target {
    /// Checks before the work that there is a directory, and nothing in it that would be overwritten.
    pub(crate) fn new(path: &Path, replace: bool) -> anyhow::Result<Self> {
        let target = Self { path: path.to_owned(), replace };
        ensure!(
            directory(path).is_dir(),
            "--out: the directory {} does not exist; expected a file in an existing one",
            directory(path).display()
        );
        ensure!(!path.is_dir(), "--out: {} is a directory; expected a file name", path.display());
        target.check_free()?;
        Ok(target)
    }

    /// Opens the temporary file that [`TempFile::rename_to`] moves here.
    pub(crate) fn create(&self) -> anyhow::Result<TempFile> {
        // In the same directory, as a rename across file systems would be a copy.
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let path = directory(&self.path).join(name);
        let file = File::create_new(&path).with_context(|| format!("could not create {}", path.display()))?;
        Ok(TempFile { path, file, target: self.path.clone() })
    }

    /// Removes what is to be replaced.
    pub(crate) fn remove_old(&self) -> anyhow::Result<()> {
        self.check_free()?;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not replace {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    fn check_free(&self) -> anyhow::Result<()> {
        // `exists` would call a dangling link free.
        if !self.replace && self.path.symlink_metadata().is_ok() {
            bail!("{} exists; give --force to replace it, or another --out", self.path.display());
        }
        Ok(())
    }
}

/// A file under a temporary name, removed when dropped before [`TempFile::rename_to`].
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
    file: File,
    target: PathBuf,
}

impl TempFile {
    /// Another handle on the file, for a writer to own.
    pub(crate) fn handle(&self) -> anyhow::Result<File> {
        self.file.try_clone().with_context(|| self.failure())
    }

    /// Writes all bytes.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| self.failure())
    }

    /// Brings the bytes to the disk; returns how many they are.
    pub(crate) fn sync(&self) -> anyhow::Result<u64> {
        self.file.sync_all().with_context(|| self.failure())?;
        Ok(self.file.metadata().with_context(|| self.failure())?.len())
    }

    /// Gives the file its final name.
    pub(crate) fn rename_to(self, target: &Target) -> anyhow::Result<()> {
        target.check_free()?;
        fs::rename(&self.path, &target.path).with_context(|| self.failure())
    }

    /// What an error while writing is an error of.
    pub(crate) fn failure(&self) -> String {
        format!("could not write {}", self.target.display())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; and nothing better to do about any other failure.
        let _ = fs::remove_file(&self.path);
    }
}

/// Brings the renames in the directory of `path` to the disk.
pub(crate) fn sync_directory(path: &Path) -> anyhow::Result<()> {
    // Elsewhere a directory does not open as a file.
    if cfg!(unix) {
        let directory = directory(path);
        let synced = File::open(directory).and_then(|handle| handle.sync_all());
        synced.with_context(|| format!("could not sync the directory {}", directory.display()))?;
    }
    Ok(())
}

/// The directory a path is in; a bare file name is in the current one.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
