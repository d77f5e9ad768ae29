//! The states of single files, kept beside the state of all: so that a file can be taken out again.

use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use super::{State, StateInput};
use crate::error::{Error, Result};

/// The folder with the states of the files of a state: `all.sreg.parts` beside `all.sreg`.
pub(super) struct Parts(PathBuf);

impl Parts {
    pub(super) fn beside(state: &Path) -> Self {
        let mut name = state.file_name().unwrap_or_default().to_os_string();
        name.push(".parts");
        Self(state.with_file_name(name))
    }

    /// The file for a version of an input: an older one stays until nothing needs it.
    fn of(&self, input: &StateInput) -> PathBuf {
        let name = format!("{}\n{}", input.location, input.digest);
        self.0.join(format!("{:032x}.sreg", XxHash3_128::oneshot(name.as_bytes())))
    }

    /// Keeps the state of one file.
    pub(super) fn save(&self, part: &State) -> Result<()> {
        let [input] = part.inputs() else { return Err(Error::data("a part is of one file")) };
        std::fs::create_dir_all(&self.0).map_err(|e| Error::output(&self.0, e))?;
        part.save(self.of(input))
    }

    /// The state of a file.
    ///
    /// # Errors
    /// When it was not kept.
    pub(super) fn load(&self, input: &StateInput) -> Result<State> {
        let path = self.of(input);
        if !path.is_file() {
            return Err(Error::data(format!(
                "{}: its sums cannot be taken out of the state: they were not kept when it was read (--keep-parts)",
                input.location
            )));
        }
        State::load(path)
    }

    /// Removes the state of a file, which nothing needs any more.
    pub(super) fn forget(&self, input: &StateInput) {
        // What stays does no harm.
        let _ = std::fs::remove_file(self.of(input));
    }
}
