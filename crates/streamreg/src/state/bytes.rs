//! States as bytes, for those who send them.

use std::io::Write;

use super::State;
use crate::error::{Error, Result};

impl State {
    /// The bytes of the state file: the same sums make the same bytes.
    ///
    /// # Errors
    /// When the system has no room for a temporary file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().map_err(unsaved)?;
        let path = folder.path().join("state.sreg");
        self.save(&path)?;
        std::fs::read(&path).map_err(unsaved)
    }

    /// Reads a state from the bytes of its file.
    ///
    /// # Errors
    /// As [`State::load`]; when the system has no room for a temporary file.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        let mut file = tempfile::NamedTempFile::new().map_err(unsaved)?;
        file.write_all(bytes.as_ref()).and_then(|()| file.flush()).map_err(unsaved)?;
        Self::load(file.path())
    }
}

fn unsaved(error: std::io::Error) -> Error {
    Error::output(&std::env::temp_dir(), error)
}
