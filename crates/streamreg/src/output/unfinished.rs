//! Temporary files of outputs that are being written, and what killed processes left of them.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// What the name of a temporary file begins with, before random letters.
const PREFIX: &str = ".streamreg-";

/// What it ends with.
const SUFFIX: &str = ".tmp";

/// How many random letters and digits stand between.
const LETTERS: usize = 6;

/// How often a new name is tried, where each time another process takes the file for one that was left behind.
const ATTEMPTS: usize = 100;

/// Outputs of this process.
#[derive(Default)]
struct Outputs {
    /// Temporary files of those that are being written.
    unfinished: Vec<PathBuf>,
    /// Folders that have been swept.
    swept: Option<HashSet<PathBuf>>,
}

/// Whoever makes, completes or removes a temporary file holds the lock, so that none is forgotten, and none completed behind the
/// back of [`abandon_outputs`].
static OUTPUTS: Mutex<Outputs> = Mutex::new(Outputs { unfinished: Vec::new(), swept: None });

fn outputs() -> MutexGuard<'static, Outputs> {
    OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files of all outputs that are being written, for a program that ends at once because of a signal. From
/// then on no output of this process is completed: a thread that is about to do so waits for the end of the process.
pub fn abandon_outputs() {
    let mut outputs = outputs();
    for path in outputs.unfinished.drain(..) {
        // What cannot be removed cannot be helped: the process is about to end.
        let _ = std::fs::remove_file(path);
    }
    // The lock is never given back.
    std::mem::forget(outputs);
}

/// A temporary file, which is removed unless it is renamed. It is locked as long as it is one: the system gives up the lock of a
/// process that is killed, so that others can tell what nobody will complete.
pub(crate) struct Unfinished(Option<NamedTempFile>);

impl Unfinished {
    /// A new file in a folder, from which those of killed processes are removed.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let known = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        // Once is enough: killed is who was at work before.
        let is_new = outputs().swept.get_or_insert_default().insert(known);
        if is_new {
            sweep(folder);
        }
        let mut outputs = outputs();
        for _ in 0..ATTEMPTS {
            let temporary = new_file(folder)?;
            if !locked(temporary.as_file()) {
                continue;
            }
            outputs.unfinished.push(temporary.path().to_path_buf());
            return Ok(Self(Some(temporary)));
        }
        Err(io::Error::other("other processes remove every temporary file"))
    }

    /// Another handle of the file.
    pub(super) fn reopen(&self) -> io::Result<File> {
        self.0.as_ref().map_or_else(|| Err(io::ErrorKind::NotFound.into()), NamedTempFile::reopen)
    }

    /// Gives the file its name.
    pub(super) fn persist(mut self, path: &Path) -> io::Result<()> {
        let mut outputs = outputs();
        let Some(temporary) = self.0.take() else { return Ok(()) };
        outputs.unfinished.retain(|known| known != temporary.path());
        temporary.persist(path).map(drop).map_err(|e| e.error)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(temporary) = self.0.take() else { return };
        let mut outputs = outputs();
        outputs.unfinished.retain(|known| known != temporary.path());
        drop(temporary);
    }
}

fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // The usual permissions of a new file, not those of a secret.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(LETTERS).tempfile_in(folder)
}

/// Locks a new file, and tells whether it is still there: before it was locked, another process may have taken it for one that was
/// left behind. Where files cannot be locked, nobody removes any.
#[cfg(unix)]
fn locked(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
        && file.metadata().map_or(true, |found| found.nlink() > 0)
}

/// Elsewhere a lock would keep the file's own writer off it.
#[cfg(not(unix))]
fn locked(_: &File) -> bool {
    true
}

/// Removes from a folder the temporary files of processes that were killed: those with such a name that nobody has locked. What
/// cannot be told, or not be removed, stays.
#[cfg(unix)]
pub(crate) fn sweep(folder: &Path) {
    if is_shared(folder) {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // No link is followed.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_temporary(&entry.file_name().to_string_lossy()) {
            continue;
        }
        // The lock is held until the file is gone, so that whoever has just made it knows.
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn sweep(_: &Path) {}

/// Whether a name is one that temporary files of this program have.
#[cfg(unix)]
fn is_temporary(name: &str) -> bool {
    let letters = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    letters.is_some_and(|letters| {
        letters.len() == LETTERS && letters.bytes().all(|letter| letter.is_ascii_alphanumeric())
    })
}

/// Whether other machines may write to a folder, whose locks this one need not see.
#[cfg(target_os = "linux")]
fn is_shared(folder: &Path) -> bool {
    /// NFS, SMB (three), FUSE, 9P, Ceph, Lustre, GPFS, OCFS2, GFS2, AFS, Coda, BeeGFS: as statfs(2) and its authors number them.
    const SHARED: [u64; 14] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x0bd0_0bd0,
        0x4750_4653,
        0x7461_636f,
        0x0116_1970,
        0x5346_414f,
        0x7375_7245,
        0x1983_0326,
    ];
    // The number is signed on some processors and has 32 bits on others.
    rustix::fs::statfs(folder).map_or(true, |found| SHARED.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_shared(_: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn only_what_nobody_writes_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let others =
            [".streamreg-abcdef", ".streamreg-configs.tmp", ".streamreg-a_cdef.tmp", "streamreg-abcdef.tmp"];
        for name in others.into_iter().chain([".streamreg-A1b2C3.tmp", ".streamreg-locked.tmp"]) {
            std::fs::write(path(name), "half").unwrap();
        }
        std::fs::write(path("target"), "whole").unwrap();
        std::os::unix::fs::symlink(path("target"), path(".streamreg-linked.tmp")).unwrap();
        std::fs::create_dir(path(".streamreg-folder.tmp")).unwrap();
        let living = File::open(path(".streamreg-locked.tmp")).unwrap();
        living.lock().unwrap();
        let own = Unfinished::create(folder.path()).unwrap();
        sweep(folder.path());
        let is_there = |name: &str| path(name).symlink_metadata().is_ok();
        assert!(!is_there(".streamreg-A1b2C3.tmp"));
        let more = [".streamreg-locked.tmp", ".streamreg-linked.tmp", ".streamreg-folder.tmp", "target"];
        for name in others.into_iter().chain(more) {
            assert!(is_there(name), "{name}");
        }
        own.persist(&path("done")).unwrap();
        drop(living);
        sweep(folder.path());
        assert!(is_there("done") && !is_there(".streamreg-locked.tmp"));
    }
}
