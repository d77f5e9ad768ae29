//! States as bytes, for those who send them.

use std::io::Write;

use super::State;
use super::header::Header;
use crate::error::{Error, Result};

impl State {
    /// The bytes of the state file: the same sums make the same bytes.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let written = self.write(&Header::of(self, None), &mut bytes);
        written.map_err(|e| Error::data(format!("the state cannot be made bytes: {e}")))?;
        Ok(bytes)
    }

    /// Reads a state from the bytes of its file.
    ///
    /// # Errors
    /// As [`State::load`]; when the system has no room for a temporary file.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        let unsaved = |error: std::io::Error| Error::output(&std::env::temp_dir(), error);
        let mut file = tempfile::NamedTempFile::new().map_err(unsaved)?;
        file.write_all(bytes.as_ref()).and_then(|()| file.flush()).map_err(unsaved)?;
        Self::load(file.path()).map_err(|error| {
            // Nobody knows the name of the file.
            let message = error.to_string();
            let named = format!("{}: ", file.path().display());
            Error::new(
                error.kind(),
                format!("the state: {}", message.strip_prefix(&named).unwrap_or(&message)),
            )
        })
    }
}
