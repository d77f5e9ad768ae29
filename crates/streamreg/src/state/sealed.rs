//! Values as bytes: a line that says what they are, the values in CBOR (RFC 8949), one after the other, and the XXH3 digest
//! (128 bits) of all that.

use serde::Serialize;
use twox_hash::XxHash3_128;

/// Bytes of the digest at the end.
const DIGEST_BYTES: usize = 16;

/// Values under way to bytes.
pub(super) struct Sealing(Vec<u8>);

/// Why a value has no bytes.
pub(super) type Unwritten = ciborium::ser::Error<std::io::Error>;

impl Sealing {
    /// Those that `first_line` tells.
    pub(super) fn new(first_line: &[u8]) -> Self {
        Self(first_line.to_vec())
    }

    /// Adds a value.
    pub(super) fn add(&mut self, value: &impl Serialize) -> Result<(), Unwritten> {
        ciborium::into_writer(value, &mut self.0)
    }

    /// Adds the bytes of values.
    pub(super) fn add_bytes(&mut self, values: &[u8]) {
        self.0.extend_from_slice(values);
    }

    /// The bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let digest = digest_of(&self.0);
        self.0.extend(digest);
        self.0
    }
}

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They begin otherwise.
    Others,
    /// They are not what they were.
    Damaged,
}

/// The values that are sealed in `bytes` under `first_line`.
pub(super) fn opened<'b>(bytes: &'b [u8], first_line: &[u8]) -> Result<&'b [u8], Unreadable> {
    let rest = bytes.strip_prefix(first_line).ok_or(Unreadable::Others)?;
    let length = rest.len().wrapping_sub(DIGEST_BYTES);
    let (values, digest) = rest.split_at_checked(length).ok_or(Unreadable::Damaged)?;
    if digest == digest_of(&bytes[..bytes.len() - DIGEST_BYTES]) {
        Ok(values)
    } else {
        Err(Unreadable::Damaged)
    }
}

/// The digest of the bytes before it.
fn digest_of(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    XxHash3_128::oneshot(bytes).to_le_bytes()
}
