//! From what a user names to files: paths, directories, globs.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use walkdir::WalkDir;

use crate::error::{Error, ErrorKind, Result};
use crate::storage;

/// Endings of Parquet files.
pub(super) const PARQUET: &[&str] = &[".parquet", ".parq", ".pq"];

/// Endings of delimited text.
const CSV: &[&str] = &[".csv", ".tsv", ".tab"];

/// Endings of files with an object of JSON on every line, which may be followed by one of a compression.
pub(super) const NDJSON: &[&str] = &[".ndjson", ".jsonl"];

/// Endings of libsvm files, which may be followed by one of a compression.
pub(super) const LIBSVM: &[&str] = &[".libsvm", ".svmlight", ".svm"];

/// Endings of Arrow IPC files.
pub(super) const IPC: &[&str] = &[".arrow", ".ipc", ".feather"];

/// File name endings that are read when a directory is given.
const EXTENSIONS: &[&[&str]] = &[PARQUET, CSV, IPC, LIBSVM, NDJSON];

/// Endings of compressed text, behind one of the above.
const COMPRESSED: [&str; 2] = [".gz", ".zst"];

/// Appends the files that one argument names. Files of a folder that are not read go to `passed_over`.
pub(super) fn expand(
    argument: &Path,
    found: &mut Vec<PathBuf>,
    passed_over: &mut Vec<PathBuf>,
) -> Result<()> {
    let text = argument.to_string_lossy();
    if argument.is_dir() {
        let before = found.len();
        let mut others = Vec::new();
        walk(argument, usize::MAX, found, |path| {
            // Hive, Impala and Trino give their files no ending.
            let wanted = is_data_name(path) || is_data(path);
            others.extend((!wanted).then(|| path.to_path_buf()));
            wanted
        })?;
        if found.len() == before {
            let message =
                format!("the directory has no file that ends in {}", EXTENSIONS.concat().join(", "));
            let error = Error::new(ErrorKind::Io, message).at_path(argument);
            return Err(match others.first() {
                Some(other) => error.with_help(format!("{} is none", other.display())),
                None => error,
            });
        }
        passed_over.append(&mut others);
    } else if argument.exists() || !text.contains(['*', '?', '[', '{']) {
        found.push(argument.to_path_buf());
    } else {
        let glob = GlobBuilder::new(&text)
            .literal_separator(true)
            .build()
            .map_err(|e| {
                Error::new(ErrorKind::Request, format!("not a valid pattern: {}", e.kind())).at_path(argument)
            })?
            .compile_matcher();
        let before = found.len();
        let base = glob_base(argument);
        walk(&base, glob_depth(argument), found, |path| glob.is_match(path))?;
        if found.len() == before {
            return Err(Error::new(ErrorKind::Io, "no file matches the pattern").at_path(argument));
        }
    }
    Ok(())
}

/// The folder of a pattern above its first wildcard.
fn glob_base(pattern: &Path) -> PathBuf {
    let plain = |c: &Component<'_>| !c.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let base: PathBuf = pattern.components().take_while(plain).collect();
    if base.as_os_str().is_empty() { PathBuf::from(".") } else { base }
}

/// How far below its base a pattern can match.
fn glob_depth(pattern: &Path) -> usize {
    let wild = |c: &Component<'_>| c.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let below = pattern.components().skip_while(|c| !wild(c));
    if pattern.to_string_lossy().contains("**") { usize::MAX } else { below.count() }
}

/// Appends the matching files below `base` in the order of their paths. Hidden files and folders, and
/// those that begin with an underscore (`_SUCCESS`), are passed over, but not the folders of keys (`_year=2024`).
fn walk(
    base: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
    mut wanted: impl FnMut(&Path) -> bool,
) -> Result<()> {
    let visible = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_key = entry.file_type().is_dir() && name.contains('=');
        entry.depth() == 0 || !(name.starts_with('.') || (name.starts_with('_') && !is_key))
    };
    for entry in WalkDir::new(base)
        .max_depth(depth)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(visible)
    {
        // A link back up leads to files that were found already.
        if entry.as_ref().is_err_and(|e| e.loop_ancestor().is_some()) {
            continue;
        }
        let entry = entry.map_err(|e| Error::new(ErrorKind::Io, e.to_string()).at_path(base))?;
        let path = entry.path();
        // The walk below "." prefixes every path with it; patterns and people do not.
        let path = path.strip_prefix(".").unwrap_or(path);
        if entry.file_type().is_file() && wanted(path) {
            found.push(path.to_path_buf());
        }
    }
    Ok(())
}

/// The first bytes of a file, which tell formats apart.
pub(super) fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    storage::open(path)?.take(16).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    Ok(bytes)
}

/// Whether a file without an ending that says so is one of Parquet or Arrow.
fn is_data(path: &Path) -> bool {
    first_bytes(path).is_ok_and(|bytes| bytes.starts_with(b"PAR1") || bytes.starts_with(b"ARROW1"))
}

/// Whether a name in lower case has one of these endings.
pub(super) fn ends_with_any(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Whether a path ends as those of data files do.
pub fn is_data_name(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let stem = COMPRESSED.iter().find_map(|c| name.strip_suffix(c));
    // Only text is compressed as a whole.
    ends_with_any(&name, &EXTENSIONS.concat())
        || stem.is_some_and(|stem| ends_with_any(stem, &[CSV, LIBSVM, NDJSON].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_names() {
        for name in ["a.parquet", "b.CSV", "c.csv.gz", "d.tsv.zst", "e.jsonl.gz", "f.svm.zst"] {
            assert!(is_data_name(Path::new(name)), "{name}");
        }
        assert!(!is_data_name(Path::new("notes.txt")));
    }
}
