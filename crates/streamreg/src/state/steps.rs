//! What an iterative fit has come to, saved between its passes and in them.
//!
//! The file has two values, the command and what it came to, in the form of `sealed`.

use std::cell::Cell;
use std::io::Write;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use streamreg_core::ModelSpec;
use streamreg_reader::InputFile;

use super::checkpoint::{Checkpoint, other};
use super::header::difference_of_models;
use super::manifest::{self, StateInput};
use super::sealed::{Sealing, Unreadable, opened};
use crate::error::{Error, Result};
use crate::output::write_atomically;
use crate::request::selection::Selection;

/// How the file begins.
const FIRST_LINE: &[u8] = b"streamreg steps 1\n";

/// The command that steps are of: they are no use to another one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) spec: ModelSpec,
    pub(crate) selection: Selection,
    /// What was asked of the solver: names and values.
    pub(crate) asked: Vec<(String, String)>,
}

/// The same, with what it reads.
#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    command: Command,
    program: String,
    reading: String,
    inputs: Vec<StateInput>,
}

/// Saves the steps of a fit, and has those of the one before that was killed.
pub(crate) struct Steps<'a> {
    checkpoint: &'a Checkpoint,
    own: Reading,
    last: Cell<Instant>,
}

impl<'a> Steps<'a> {
    /// Of a command that reads `files` in the way that `reading` tells.
    ///
    /// # Errors
    /// When a file cannot be read or is there twice, or another process has the folder.
    pub(crate) fn new(
        (checkpoint, reading): (&'a Checkpoint, &str),
        command: Command,
        files: &[InputFile],
    ) -> Result<Self> {
        checkpoint.begin()?;
        let (program, reading) = (env!("CARGO_PKG_VERSION").to_owned(), reading.to_owned());
        let own = Reading { command, program, reading, inputs: manifest::of(files)? };
        Ok(Self { checkpoint, own, last: Cell::new(Instant::now()) })
    }

    /// What was saved, if anything was; it must be of the same command, which has the same files.
    ///
    /// # Errors
    /// When it is not, or is damaged.
    pub(crate) fn saved<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        let path = self.checkpoint.path();
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|e| Error::from(streamreg_reader::Error::io(&path, e)))?,
        };
        let damaged = || other(&path, "damaged");
        let mut rest = opened(&bytes, FIRST_LINE).map_err(|why| match why {
            Unreadable::Others => other(&path, "not one of an iterative fit"),
            Unreadable::Damaged => damaged(),
        })?;
        let theirs: Reading =
            ciborium::from_reader(&mut rest).map_err(|_| other(&path, "of another version"))?;
        if let Some(what) = self.difference(&theirs) {
            return Err(other(&path, &what));
        }
        ciborium::from_reader(rest).map(Some).map_err(|_| damaged())
    }

    /// In words, what is saved if it is of no use here.
    fn difference(&self, theirs: &Reading) -> Option<String> {
        let (saved, own) = (&theirs.command, &self.own.command);
        let asked = || {
            let pair = saved.asked.iter().zip(&own.asked).find(|(a, b)| a != b)?;
            Some(format!("{} differs: {} and {}", pair.0.0, pair.0.1, pair.1.1))
        };
        difference_of_models((&saved.spec, &saved.selection), (&own.spec, &own.selection))
            .or_else(asked)
            .map(|what| format!("of another command: {what}"))
            .or_else(|| {
                let differs = theirs.reading != self.own.reading;
                differs.then(|| "of a command that reads files in another way".to_owned())
            })
            .or_else(|| {
                let differs = theirs.program != self.own.program;
                differs.then(|| format!("of version {} of the program", theirs.program))
            })
            .or_else(|| {
                let what = manifest::difference(&theirs.inputs, &self.own.inputs)?;
                Some(format!("of other files: {what}"))
            })
    }

    /// Saves what the fit came to, if it is time to.
    ///
    /// # Errors
    /// When it cannot be written: then what was saved before is still there.
    pub(crate) fn save_if_due<S: Serialize>(&self, steps: &S) -> Result<()> {
        if self.checkpoint.is_due(self.last.get()) { self.save(steps) } else { Ok(()) }
    }

    /// Saves what the fit came to.
    ///
    /// # Errors
    /// As [`Steps::save_if_due`].
    pub(crate) fn save<S: Serialize>(&self, steps: &S) -> Result<()> {
        let unsaved =
            |e: &dyn std::fmt::Display| Error::data(format!("what the fit came to cannot be saved: {e}"));
        let mut sealing = Sealing::new(FIRST_LINE);
        sealing.add(&self.own).map_err(|e| unsaved(&e))?;
        sealing.add(steps).map_err(|e| unsaved(&e))?;
        let bytes = sealing.finish();
        write_atomically(&self.checkpoint.path(), |file| file.write_all(&bytes))?;
        self.last.set(Instant::now());
        Ok(())
    }

    /// The end by a signal, once all is saved that is going to be.
    pub(crate) fn stopped(&self) {
        self.checkpoint.tell_stopped(self.checkpoint.path().exists());
    }
}
