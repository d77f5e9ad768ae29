//! Which files a state has the rows of: each counts once.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use streamreg_reader::InputFile;
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::report::InputRecord;

/// Bytes at either end of a file that its digest is of. The footer of a Parquet file is among them, or most of it.
const DIGEST_BYTES: u64 = 1 << 16;

/// A file whose rows are in a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateInput {
    /// Its absolute path; links are not followed.
    pub location: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Modification time in nanoseconds since 1970-01-01 UTC, where the file system keeps one.
    pub modified: Option<u64>,
    /// Rows, where the format says so without reading the data.
    pub rows: Option<u64>,
    /// XXH3 (128 bits) of the size, the first 64 KiB and the last 64 KiB, in hexadecimal.
    pub digest: String,
}

impl From<&StateInput> for InputRecord {
    fn from(input: &StateInput) -> Self {
        Self {
            path: input.location.clone(),
            bytes: input.bytes,
            modified: input.modified.map(|nanoseconds| nanoseconds / 1_000_000_000),
            rows: input.rows,
        }
    }
}

/// Where a file is, whatever the working folder.
pub(crate) fn location(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

impl StateInput {
    pub(crate) fn of(file: &InputFile) -> Result<Self> {
        Ok(Self {
            location: location(&file.path),
            bytes: file.bytes,
            modified: nanoseconds(file),
            rows: file.rows,
            digest: digest(&file.path, file.bytes)
                .map_err(|e| Error::from(streamreg_reader::Error::io(&file.path, e)))?,
        })
    }

    /// Whether nothing says that the file changed: neither its size nor its time.
    pub(super) fn is_as_it_was(&self, found: &InputFile) -> bool {
        self.bytes == found.bytes && self.modified.is_some() && self.modified == nanoseconds(found)
    }

    /// Whether the bytes are the same, as far as the digest tells.
    pub(crate) fn has_bytes_of(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.digest == other.digest
    }

    /// Whether the bytes are surely the same: the digest is of all of them, or neither time nor digest says otherwise.
    pub(crate) fn is_surely(&self, other: &Self) -> bool {
        let in_time = self.modified.is_some() && self.modified == other.modified;
        self.has_bytes_of(other) && (in_time || self.bytes <= 2 * DIGEST_BYTES)
    }
}

/// When a file was modified, in nanoseconds since 1970.
fn nanoseconds(file: &InputFile) -> Option<u64> {
    let since = file.modified?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

fn digest(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut content = bytes.to_le_bytes().to_vec();
    let both = bytes <= 2 * DIGEST_BYTES;
    let first = if both { bytes } else { DIGEST_BYTES };
    (&mut file).take(first).read_to_end(&mut content)?;
    if !both {
        file.seek(SeekFrom::Start(bytes - DIGEST_BYTES))?;
        file.take(DIGEST_BYTES).read_to_end(&mut content)?;
    }
    Ok(format!("{:032x}", XxHash3_128::oneshot(&content)))
}

/// The manifest of files, sorted.
///
/// # Errors
/// When a file cannot be read, and when one is there twice.
pub(super) fn of(files: &[InputFile]) -> Result<Vec<StateInput>> {
    let mut inputs = files.iter().map(StateInput::of).collect::<Result<Vec<_>>>()?;
    inputs.sort();
    let twice = inputs.windows(2).find(|pair| pair[0].location == pair[1].location);
    match twice {
        Some(pair) => Err(Error::data(format!(
            "{}: the file is named twice; a state counts each once",
            pair[0].location
        ))),
        None => Ok(inputs),
    }
}

/// Adds files to a manifest, of which it is known that they have no row at all, or not.
///
/// # Errors
/// When a file is in both, under one name or two.
pub(super) fn join(inputs: &mut Vec<StateInput>, more: &[StateInput], without_rows: bool) -> Result<()> {
    for new in more {
        refuse_known(inputs, new, without_rows)?;
    }
    inputs.extend_from_slice(more);
    inputs.sort();
    Ok(())
}

/// Refuses a file that a manifest has, or whose bytes it has under another name.
fn refuse_known(inputs: &[StateInput], new: &StateInput, without_rows: bool) -> Result<()> {
    if inputs.iter().any(|known| known.location == new.location) {
        return Err(Error::data(format!("{}: both states have the rows of this file", new.location)));
    }
    // Files without rows may well be alike.
    let alike = |known: &&StateInput| known.has_bytes_of(new) && new.rows != Some(0) && !without_rows;
    match inputs.iter().find(alike) {
        Some(known) => Err(Error::data(format!(
            "{}: the file has the same bytes as {}, whose rows the state has already",
            new.location, known.location
        ))),
        None => Ok(()),
    }
}

/// Takes files out of a manifest.
///
/// # Errors
/// When it does not have one, or has another of that name.
pub(super) fn take_out(inputs: &mut Vec<StateInput>, part: &[StateInput]) -> Result<()> {
    for gone in part {
        let at = inputs.iter().position(|known| known.location == gone.location);
        let at =
            at.ok_or_else(|| Error::data(format!("{}: the state does not have this file", gone.location)))?;
        if !inputs[at].has_bytes_of(gone) {
            let message = format!("{}: the state has another version of this file", gone.location);
            return Err(Error::data(message));
        }
        inputs.remove(at);
    }
    Ok(())
}

/// Puts what is known of a file now in the place of what was.
pub(super) fn refresh(inputs: &mut [StateInput], now: StateInput) {
    inputs.iter_mut().filter(|input| input.location == now.location).for_each(|input| *input = now.clone());
}

/// In words, what tells one manifest from another one.
pub(super) fn difference(a: &[StateInput], b: &[StateInput]) -> Option<String> {
    let lacks =
        |of: &[StateInput], input: &StateInput| !of.iter().any(|other| other.location == input.location);
    let gone = a.iter().find(|input| lacks(b, input)).map(|input| format!("without {}", input.location));
    let new = || b.iter().find(|input| lacks(a, input)).map(|input| format!("with {}", input.location));
    let changed = || {
        let pair = a.iter().zip(b).find(|(a, b)| a != b)?;
        Some(format!("{} changed", pair.1.location))
    };
    gone.or_else(new).or_else(changed)
}
