//! From what a user names to files: paths, directories, globs.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;
use walkdir::WalkDir;

use super::hive::is_key;
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

/// What stands above the files that one argument names: a directory, the folder of a pattern above its first wildcard, or the
/// folder of a file.
pub(super) fn root(argument: &Path) -> PathBuf {
    if argument.is_dir() {
        argument.to_path_buf()
    } else if is_pattern(argument) {
        glob_base(argument)
    } else {
        argument.parent().unwrap_or(Path::new("")).to_path_buf()
    }
}

/// Whether an argument that is no directory is a pattern.
fn is_pattern(argument: &Path) -> bool {
    !argument.exists() && argument.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// The path of a file below a root; with the folders of keys that are part of the root, and what is below them.
pub(super) fn below(root: &Path, file: &Path) -> PathBuf {
    let plain = |component: &Component<'_>| *component != Component::CurDir;
    let components: Vec<Component<'_>> = file.components().filter(plain).collect();
    let folders = &components[..components.len().saturating_sub(1)];
    let first_key = folders.iter().position(|component| is_key(component.as_os_str()));
    let start = root.components().filter(plain).count().min(first_key.unwrap_or(usize::MAX));
    // What leads up again would lead out of the folder below which this path is put.
    let up = folders.iter().rposition(|component| *component == Component::ParentDir);
    components[start.max(up.map_or(0, |up| up + 1)).min(folders.len())..].iter().collect()
}

/// Whether a file that is put at `path` is one of those that an argument names, as far as its name tells.
pub(super) fn would_name(argument: &Path, path: &Path) -> bool {
    if argument.is_dir() {
        let real = |path: &Path| {
            let known = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
            known.and_then(|(above, real)| Some(real.join(path.strip_prefix(above).ok()?)))
        };
        let inside = real(argument).zip(real(&std::path::absolute(path).unwrap_or_else(|_| path.into())));
        let below = inside.and_then(|(root, path)| path.strip_prefix(&root).ok().map(Path::to_path_buf));
        return below.is_some_and(|below| below.components().all(|part| is_visible(part.as_os_str(), true)));
    }
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let matches = || GlobBuilder::new(&argument.to_string_lossy()).literal_separator(true).build();
    is_pattern(argument) && matches().is_ok_and(|glob| glob.compile_matcher().is_match(&plain))
}

/// Whether a walk looks at a file or folder of this name. Hidden ones, and those that begin with an underscore (`_SUCCESS`), are
/// passed over, but not the folders of keys (`_year=2024`).
fn is_visible(name: &OsStr, is_folder: bool) -> bool {
    let name = name.to_string_lossy();
    let is_key = is_folder && name.contains('=');
    !(name.starts_with('.') || (name.starts_with('_') && !is_key))
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

/// Appends the matching files below `base` in the order of their paths.
fn walk(
    base: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
    mut wanted: impl FnMut(&Path) -> bool,
) -> Result<()> {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || is_visible(entry.file_name(), entry.file_type().is_dir())
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

/// The name of a data file without the endings that say what it is.
pub fn data_stem(name: &str) -> &str {
    let cut = |name: &'_ str, endings: &[&str]| {
        let lower = name.to_ascii_lowercase();
        endings.iter().find(|ending| lower.ends_with(**ending)).map_or(name.len(), |e| name.len() - e.len())
    };
    // Lower case in ASCII has the same bytes in the same places.
    let plain = &name[..cut(name, &COMPRESSED)];
    let stem = &plain[..cut(plain, &EXTENSIONS.concat())];
    if stem.is_empty() || stem.len() == plain.len() { name } else { stem }
}

/// Whether a path ends as those of delimited text do, compressed or not.
pub(super) fn is_delimited_name(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let stem = COMPRESSED.iter().find_map(|c| name.strip_suffix(c)).unwrap_or(&name);
    ends_with_any(stem, CSV)
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
    fn files_keep_their_folders() {
        for (root, file, expected) in [
            ("data", "data/a.csv", "a.csv"),
            ("data", "data/x/a.csv", "x/a.csv"),
            ("./data/", "data/x/a.csv", "x/a.csv"),
            ("", "a.csv", "a.csv"),
            (".", "x/a.csv", "x/a.csv"),
            ("/data/x", "/data/x/a.csv", "a.csv"),
            ("data/day=1", "data/day=1/a.csv", "day=1/a.csv"),
            ("data/day=1/raw", "data/day=1/raw/a.csv", "day=1/raw/a.csv"),
            ("..", "../a=b.csv", "a=b.csv"),
            ("data/day=1/../x", "data/day=1/../x/a.csv", "x/a.csv"),
        ] {
            assert_eq!(below(Path::new(root), Path::new(file)), Path::new(expected), "{root} {file}");
        }
    }

    #[test]
    fn stems() {
        for (name, stem) in [
            ("a.parquet", "a"),
            ("a.CSV", "a"),
            ("a.csv.gz", "a"),
            ("part-0.snappy.parquet", "part-0.snappy"),
            ("000000_0", "000000_0"),
            ("notes.txt.gz", "notes.txt.gz"),
            (".csv", ".csv"),
        ] {
            assert_eq!(data_stem(name), stem);
        }
    }

    #[test]
    fn data_names() {
        for name in ["a.parquet", "b.CSV", "c.csv.gz", "d.tsv.zst", "e.jsonl.gz", "f.svm.zst"] {
            assert!(is_data_name(Path::new(name)), "{name}");
        }
        assert!(!is_data_name(Path::new("notes.txt")));
    }
}
