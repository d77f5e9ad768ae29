//! Where an output goes.

use std::fs::{File, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Links that are followed, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Standard output and error.
const NAMES: [&str; 2] = ["/dev/stdout", "/dev/stderr"];

/// Folders that have open streams by their numbers.
const FOLDERS: [&str; 2] = ["/dev/fd", "/proc/self/fd"];

/// Where an output goes.
pub(super) enum Place {
    /// An open stream, a device or a pipe, which is written to as it is: nothing can be renamed over it without destroying it.
    Stream(PathBuf),
    /// A file, or none yet; it is no symbolic link.
    File(PathBuf),
}

impl Place {
    /// Follows symbolic links, which stay what they are: what they lead to is replaced.
    ///
    /// # Errors
    /// For links that lead nowhere or in a circle, and for what the system refuses.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let refused = |why: &str| Err(Error::invalid_request(format!("{}: {why}", path.display())));
        let mut at = path.to_path_buf();
        for links in 0..MOST_LINKS {
            if is_stream(&at) {
                return Ok(Self::Stream(at));
            }
            match std::fs::symlink_metadata(&at) {
                Ok(found) if found.is_symlink() => {
                    let target = std::fs::read_link(&at).map_err(|e| Error::output(path, e))?;
                    at = folder(&at).join(target);
                }
                Ok(found) if found.is_file() || found.is_dir() => return Ok(Self::File(at)),
                Ok(_) => return Ok(Self::Stream(at)),
                Err(e) if e.kind() == io::ErrorKind::NotFound && links > 0 => {
                    let target = at.display();
                    return refused(&format!(
                        "the output is a symbolic link to {target}, which does not exist"
                    ));
                }
                // Whoever creates it will say what is wrong, if there is anything.
                Err(_) => return Ok(Self::File(at)),
            }
        }
        refused("the output is a symbolic link that leads in a circle")
    }
}

/// The folder that a path is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a path is that of an open stream, such as `/dev/stdout`. It may lead to a file that others write to as well, which is
/// gone on with, not replaced.
fn is_stream(path: &Path) -> bool {
    NAMES.iter().any(|name| path == Path::new(name)) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// What an open stream, a device or a pipe is written through.
pub(super) fn open_stream(path: &Path) -> io::Result<File> {
    match standard_stream(path) {
        Some(stream) => stream,
        None => File::options().append(true).open(path),
    }
}

/// Another handle of the standard stream that a path names. To open the path would not do: what it leads to would have a place of
/// writing of its own, and those who write before and behind would write over each other.
#[cfg(unix)]
fn standard_stream(path: &Path) -> Option<io::Result<File>> {
    use std::os::fd::AsFd;

    let named = |number: char, name: &str| {
        let numbered = |folder: &&str| Path::new(folder).join(number.to_string()) == path;
        path == Path::new(name) || FOLDERS.iter().any(numbered)
    };
    if named('1', NAMES[0]) {
        Some(io::stdout().as_fd().try_clone_to_owned().map(File::from))
    } else if named('2', NAMES[1]) {
        Some(io::stderr().as_fd().try_clone_to_owned().map(File::from))
    } else {
        None
    }
}

#[cfg(not(unix))]
fn standard_stream(_: &Path) -> Option<io::Result<File>> {
    None
}

/// Checks that a file that is there may be written: a rename would replace one that is read-only, too.
pub(super) fn check_writable(path: &Path) -> io::Result<()> {
    match File::options().append(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Gives `new` the permissions of the file at `path`, if there is one, and its owner and group as far as the system allows.
pub(super) fn keep_permissions(new: &File, path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(old) => new.set_permissions(permissions(new, &old)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(unix)]
fn permissions(new: &File, old: &std::fs::Metadata) -> Permissions {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let mode = old.mode() & 0o777;
    // To give files away is for root; a group can be had by its members.
    let kept_owner = fchown(new, Some(old.uid()), None).is_ok();
    let kept_group = fchown(new, None, Some(old.gid())).is_ok();
    // Another group gets no more than all others have, and a new owner no less than to read and write.
    let group = if kept_group { mode } else { (mode & !0o070) | ((mode & 0o007) << 3) };
    Permissions::from_mode(if kept_owner { group } else { group | 0o600 })
}

#[cfg(not(unix))]
fn permissions(_: &File, old: &std::fs::Metadata) -> Permissions {
    old.permissions()
}
