//! A pass that was killed goes on where it was: what it came to is saved now and then.

use std::fs::{File, TryLockError};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use streamreg_core::{Accumulator, Folded, Levels, RowLedger, Statistics, Unseen};
use streamreg_reader::Source;
use twox_hash::XxHash3_128;

use super::{State, manifest, siblings};
use crate::error::{Error, Result};
use crate::output::sweep;
use crate::pass::{Execution, Pass, Scope, SourceRows, Stopped, Stops};

/// Called when the work stops because a flag is set: with whether anything is saved to go on from.
type StoppedFn = Arc<dyn Fn(bool) + Send + Sync>;

/// Where a pass saves what it came to, and how often. The same command goes on from there, and comes to the same bits as one
/// that was not disturbed.
#[derive(Clone)]
pub struct Checkpoint {
    folder: PathBuf,
    /// Name of the file in it.
    name: String,
    every: Duration,
    stop: Option<Arc<AtomicBool>>,
    stopped: Option<StoppedFn>,
    /// Keeps other processes off the folder, once it is begun.
    lock: Arc<Mutex<Option<File>>>,
}

/// The file of a checkpoint's folder that is locked.
const LOCK: &str = ".lock";

/// How often a lock is tried, where each time its last owner is just removing it.
const ATTEMPTS: usize = 100;

/// How far a pass has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Version of the program: another one may cut files in another way.
    program: String,
    /// How the files are read.
    reading: String,
    /// Parts of the files whose rows are in the sums.
    partitions: usize,
    /// Rows of theirs that did not pass the filter.
    rows_filtered: u64,
}

impl Checkpoint {
    /// Saves to a folder, which is made if there is none, about once in a while.
    pub fn new(folder: impl Into<PathBuf>, every: Duration) -> Self {
        let (folder, name) = (folder.into(), "checkpoint.sreg".into());
        Self { folder, name, every, stop: None, stopped: None, lock: Arc::default() }
    }

    /// The same for the pass over one file of many, in a file of its own.
    pub(super) fn of_file(&self, location: &str) -> Self {
        let name = format!("file-{:032x}.sreg", XxHash3_128::oneshot(location.as_bytes()));
        Self { name, ..self.clone() }
    }

    /// Saves and ends the pass, with [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted), soon after a flag is set;
    /// `stopped` is called once all is saved, with whether there is anything to go on from.
    #[must_use]
    pub fn stop(mut self, flag: Arc<AtomicBool>, stopped: Arc<dyn Fn(bool) + Send + Sync>) -> Self {
        (self.stop, self.stopped) = (Some(flag), Some(stopped));
        self
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Takes the folder for this process, until [`Checkpoint::finish`] or its end, and removes what a killed one left half-written
    /// there.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) while another process has the folder.
    pub(super) fn begin(&self) -> Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            *lock = Some(lock_folder(&self.folder)?);
            sweep(&self.folder);
        }
        Ok(())
    }

    /// Removes what was saved, once the result is in its place.
    ///
    /// # Errors
    /// When the file cannot be removed, or another process has the folder.
    pub fn finish(&self) -> Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        self.begin()?;
        self.forget()?;
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Before others can take it.
        let _ = std::fs::remove_file(self.folder.join(LOCK));
        *lock = None;
        // Only a folder that has nothing else goes, too.
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }

    /// Removes what was saved of a pass that is over.
    pub(super) fn forget(&self) -> Result<()> {
        match std::fs::remove_file(self.path()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::output(&self.path(), e)),
            _ => Ok(()),
        }
    }

    /// Whether it is time to save again.
    pub(super) fn is_due(&self, last: Instant) -> bool {
        last.elapsed() >= self.every
    }

    /// What stops the work once it is set.
    pub(crate) fn flag(&self) -> Option<&Arc<AtomicBool>> {
        self.stop.as_ref()
    }

    /// Tells that the work has stopped, and whether anything is saved.
    pub(crate) fn tell_stopped(&self, saved: bool) {
        self.stopped.iter().for_each(|stopped| stopped(saved));
    }

    fn stops(&self) -> bool {
        self.stop.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Runs the pass of `part`, a state without rows whose files are known: from where it was, if it was begun.
    pub(super) fn sum(
        &self,
        part: &mut State,
        source: &dyn Source,
        (execution, reading): (&Execution, &str),
    ) -> Result<()> {
        self.begin()?;
        let begun = self.begun(part, reading)?;
        let (partitions, rows_filtered) = begun.as_ref().map_or((0, 0), |p| (p.partitions, p.rows_filtered));
        let design = part.design.clone();
        let levels = Levels { sets: part.sets.clone(), unseen: Unseen::default(), ..Levels::default() };
        let ids = part.row_ids()?;
        let sums = std::mem::take(&mut part.sums);
        let first = siblings(&sums, &design).into_states();
        let mut ledger = std::mem::replace(&mut part.ledger, RowLedger::none(&design));
        ledger.rows_filtered = 0;
        let pass = Pass::only();
        let scope = Scope { design: &design, levels: &levels, ids: ids.as_ref(), execution, pass };
        let last = Mutex::new(Instant::now());
        let due = || last.lock().map_or(true, |last| self.is_due(*last));
        let pause = || self.stops() || due();
        let stops = Stops { before: (Folded::of(sums), ledger), partitions, rows_filtered, pause: &pause };
        let rows = SourceRows(source);
        let (sums, ledger) = rows.accumulate_with_stops(
            &scope,
            stops,
            || siblings(&first, &design),
            |stopped| {
                self.save(part, stopped, (execution, reading))?;
                if let Ok(mut last) = last.lock() {
                    *last = Instant::now();
                }
                if self.stops() {
                    self.tell_stopped(true);
                    return Err(Error::interrupted());
                }
                Ok(())
            },
        )?;
        (part.sums, part.ledger) = (sums.into_states(), ledger);
        Ok(())
    }

    /// Saves what a pass has come to.
    fn save(
        &self,
        part: &mut State,
        stopped: Stopped<'_, Folded<Statistics>>,
        (execution, reading): (&Execution, &str),
    ) -> Result<()> {
        let Stopped { total, ledger, partitions, rows_filtered } = stopped;
        let threads = execution.resolved_threads()?;
        total.complete(threads).map_err(|_| Error::data("the sums have another form than their model"))?;
        std::mem::swap(total.states_mut(), &mut part.sums);
        part.ledger.clone_from(ledger);
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let progress = Progress { program, reading: reading.to_owned(), partitions, rows_filtered };
        let saved = part.save_with(&self.path(), Some(progress));
        std::mem::swap(total.states_mut(), &mut part.sums);
        total.states_mut().iter_mut().for_each(Statistics::reopen);
        saved
    }

    /// Takes over what was saved, if there is anything; it must be of the same pass.
    fn begun(&self, part: &mut State, reading: &str) -> Result<Option<Progress>> {
        let path = self.path();
        if !path.exists() {
            part.sums.iter_mut().for_each(Statistics::reopen);
            return Ok(None);
        }
        let (saved, progress) = State::load_with(&path).map_err(|e| e.with_help(BEGIN_ANEW))?;
        let progress = progress.ok_or_else(|| other(&path, "a state, and no checkpoint"))?;
        if let Some(what) = saved.difference(part) {
            return Err(other(&path, &format!("of another command: {what}")));
        }
        if progress.reading != reading {
            return Err(other(&path, "of a command that reads files in another way"));
        }
        if progress.program != env!("CARGO_PKG_VERSION") {
            return Err(other(&path, &format!("of version {} of the program", progress.program)));
        }
        if let Some(what) = manifest::difference(&saved.inputs, &part.inputs) {
            return Err(other(&path, &format!("of other files: {what}")));
        }
        *part = saved;
        part.sums.iter_mut().for_each(Statistics::reopen);
        Ok(Some(progress))
    }
}

/// The way out where a checkpoint is of no use.
const BEGIN_ANEW: &str = "remove the checkpoint, or name another folder, to begin anew";

/// The error for a checkpoint that does not go with the command.
pub(super) fn other(path: &Path, what: &str) -> Error {
    Error::data(format!("{}: the checkpoint is {what}", path.display())).with_help(BEGIN_ANEW)
}

/// Makes a folder, if there is none, and takes it for this process.
fn lock_folder(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    for _ in 0..ATTEMPTS {
        std::fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
        let file = match File::options().create(true).append(true).open(&path) {
            // Its last owner has just removed the folder.
            Err(e) if e.kind() == IoErrorKind::NotFound => continue,
            opened => opened.map_err(|e| Error::output(&path, e))?,
        };
        match file.try_lock() {
            Ok(()) if is_there(&file) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another process has its checkpoint in this folder; name another one";
                return Err(Error::locked(format!("{}: {message}", folder.display())));
            }
            Err(TryLockError::Error(e)) => return Err(Error::output(&path, e)),
        }
    }
    Err(Error::locked(format!("{}: other processes come and go in this folder", folder.display())))
}

/// Whether a file has not been removed since it was opened.
#[cfg(unix)]
fn is_there(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    file.metadata().map_or(true, |found| found.nlink() > 0)
}

/// Elsewhere a file that is open is not removed.
#[cfg(not(unix))]
fn is_there(_: &File) -> bool {
    true
}
