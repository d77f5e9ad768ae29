//! Bringing a state up to date: files that it does not have are read, and no others.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Instant;

use streamreg_reader::{DatasetOptions, InputFile, Listing, ReadCounts, Source};

use super::State;
use super::checkpoint::Checkpoint;
use super::manifest::{self, StateInput, location};
use super::parts::Parts;
use crate::error::{Error, Result};
use crate::output::{folder, sweep};
use crate::pass::Execution;

/// How a state is brought up to date.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct UpdateOptions {
    /// Whether a file that changed is read again, in place of what the state has of it. That takes [`UpdateOptions::keep_parts`],
    /// now and before.
    pub replace: bool,
    /// Whether the sums of every file are kept in a folder beside the state, so that they can be taken out again.
    pub keep_parts: bool,
    /// How many files the state keeps, the last ones in the order of their paths; others are taken out. That takes
    /// [`UpdateOptions::keep_parts`], now and before.
    pub window: Option<usize>,
    /// Whether it is an error that a file of the state is gone.
    pub require_all: bool,
    /// Whether it is an error that another process is at work on the state; else this one waits.
    pub no_wait: bool,
    /// Whether nothing is read or written: what would be done is told.
    pub dry_run: bool,
    /// Where a pass that is killed can go on, and what tells how files are read: [`State::sum_with`]. The state is then saved
    /// after a file, too, whenever as much time has passed.
    pub checkpoint: Option<(Checkpoint, String)>,
}

impl UpdateOptions {
    fn check(&self) -> Result<()> {
        if (self.replace || self.window.is_some()) && !self.keep_parts {
            let flag = if self.replace { "--replace" } else { "--window" };
            let message =
                format!("{flag} takes sums out again: they must be kept file by file (--keep-parts)");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }
}

/// What an update did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpdateSummary {
    /// Files whose rows were added.
    pub added: Vec<PathBuf>,
    /// Files that had changed, and were read again.
    pub replaced: Vec<PathBuf>,
    /// Files that were taken out, by their locations.
    pub removed: Vec<String>,
    /// Files that the state had already.
    pub known: usize,
    /// Files of the state that are gone, by their locations.
    pub vanished: Vec<String>,
    /// Files in the state now.
    pub files: usize,
    /// Rows in it.
    pub rows_used: u64,
    /// What was read.
    pub reading: ReadCounts,
    /// Bytes of the files to read.
    pub bytes: u64,
}

impl UpdateSummary {
    /// Names the files that will be read, and their bytes.
    fn plan(&mut self, listing: &Listing, work: &Work, options: &UpdateOptions) -> Result<()> {
        if let Some(gone) = self.vanished.first().filter(|_| options.require_all) {
            let message = format!("{gone}: the state has this file, and it is gone (--require-all)");
            return Err(Error::data(message));
        }
        let name = |at: &usize| listing.files()[*at].clone();
        self.added = work.new.iter().map(name).collect();
        self.replaced = work.changed.iter().map(name).collect();
        for path in self.added.iter().chain(&self.replaced) {
            self.bytes += InputFile::of(path)?.bytes;
        }
        Ok(())
    }
}

/// What is to be done about the files of a listing, by their positions.
#[derive(Default)]
struct Work {
    new: Vec<usize>,
    changed: Vec<usize>,
    /// Whose time changed, and nothing else.
    touched: Vec<StateInput>,
}

/// Adds to the state at `path` the rows of all files that it does not have: every file counts once, however often this is done.
/// The state is replaced as a whole, or stays what it was. While this runs no other process can do the same.
///
/// # Errors
/// When a file of the state changed, and is not to be replaced; when a file cannot be read, or is of another form; when the
/// state cannot be read or written.
pub fn update_state<P: AsRef<Path>>(
    path: &Path,
    paths: &[P],
    dataset: &DatasetOptions,
    execution: &Execution,
    options: &UpdateOptions,
) -> Result<UpdateSummary> {
    let _lock = lock(path, options.no_wait)?;
    let mut state = State::load(path)?;
    let listing = Listing::of(paths, dataset)?;
    let parts = Parts::beside(path);
    options.check()?;
    let work = work(&state, &listing, options)?;
    let mut summary = UpdateSummary {
        known: listing.files().len() - work.new.len() - work.changed.len(),
        vanished: vanished(&state),
        ..UpdateSummary::default()
    };
    summary.plan(&listing, &work, options)?;
    if options.dry_run {
        (summary.files, summary.rows_used) = (state.inputs.len(), state.ledger.rows_used);
        return Ok(summary);
    }
    begin(path, options)?;
    let mut gone = Vec::new();
    let mut saved = Instant::now();
    let context = (execution, options, &parts);
    for at in work.changed {
        let old = state.input(&location(&listing.files()[at]))?.clone();
        state = state.subtract(parts.load(&old)?)?;
        gone.push(old);
        state = add(state, &listing, at, context, &mut summary)?;
    }
    for at in work.new {
        state = add(state, &listing, at, context, &mut summary)?;
        if options.checkpoint.as_ref().is_some_and(|(checkpoint, _)| checkpoint.is_due(saved)) {
            state.save(path)?;
            saved = Instant::now();
        }
    }
    if let Some(window) = options.window {
        state = last_files(state, window, &parts, (&mut gone, &mut summary))?;
    }
    let touched = !work.touched.is_empty();
    for input in work.touched {
        manifest::refresh(&mut state.inputs, input);
    }
    (summary.files, summary.rows_used) = (state.inputs.len(), state.ledger.rows_used);
    if touched || !(summary.added.is_empty() && summary.replaced.is_empty() && summary.removed.is_empty()) {
        state.save(path)?;
    }
    if let Some((checkpoint, _)) = &options.checkpoint {
        checkpoint.finish()?;
    }
    // Only now nothing needs them any more.
    gone.iter().for_each(|input| parts.forget(input));
    Ok(summary)
}

/// Removes what killed processes left, and takes the folder of the checkpoint.
fn begin(path: &Path, options: &UpdateOptions) -> Result<()> {
    // Where nothing is new no output is begun, which would do so.
    sweep(folder(path));
    options.checkpoint.as_ref().map_or(Ok(()), |(checkpoint, _)| checkpoint.begin())
}

/// The state without all but the last files.
fn last_files(
    mut state: State,
    window: usize,
    parts: &Parts,
    (gone, summary): (&mut Vec<StateInput>, &mut UpdateSummary),
) -> Result<State> {
    while state.inputs.len() > window {
        let oldest = state.inputs[0].clone();
        state = state.subtract(parts.load(&oldest)?)?;
        summary.removed.push(oldest.location.clone());
        gone.push(oldest);
    }
    Ok(state)
}

/// The state with the rows of one file more.
fn add(
    state: State,
    listing: &Listing,
    at: usize,
    (execution, options, parts): (&Execution, &UpdateOptions, &Parts),
    summary: &mut UpdateSummary,
) -> Result<State> {
    let source = listing.open(&[at])?;
    let place = location(&listing.files()[at]);
    let checkpoint =
        options.checkpoint.as_ref().map(|(checkpoint, reading)| (checkpoint.of_file(&place), reading));
    let begun = checkpoint.as_ref().map(|(checkpoint, reading)| (checkpoint, reading.as_str()));
    let part = state.sum_with(&source, execution, begun)?;
    summary.reading = summary.reading + source.counts();
    if options.keep_parts {
        parts.save(&part)?;
    }
    let state = state.merge(part)?;
    if let Some((checkpoint, _)) = checkpoint {
        checkpoint.forget()?;
    }
    Ok(state)
}

/// Which files of a listing are new, and which changed.
fn work(state: &State, listing: &Listing, options: &UpdateOptions) -> Result<Work> {
    let mut work = Work::default();
    for (at, path) in listing.files().iter().enumerate() {
        let found = InputFile::of(path)?;
        let place = location(path);
        let Ok(known) = state.input(&place) else {
            work.new.push(at);
            continue;
        };
        if known.is_as_it_was(&found) {
            continue;
        }
        let now = StateInput { rows: known.rows, ..StateInput::of(&found)? };
        if now.has_bytes_of(known) {
            work.touched.push(now);
        } else if options.replace {
            work.changed.push(at);
        } else {
            let message = format!(
                "{place}: the file changed since the state took its rows; --replace takes the new ones, if the parts of the state \
                 were kept"
            );
            return Err(Error::data(message));
        }
    }
    Ok(work)
}

/// Files of a state that are no more, by their locations.
fn vanished(state: &State) -> Vec<String> {
    let gone = |input: &&StateInput| !Path::new(&input.location).exists();
    state.inputs.iter().filter(gone).map(|input| input.location.clone()).collect()
}

/// Keeps other processes off a state, until the lock is dropped. The system drops it with the process, however that ends.
fn lock(path: &Path, no_wait: bool) -> Result<File> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.lock"));
    if !path.is_file() {
        return Err(Error::data(format!("{}: there is no such state file", path.display())));
    }
    let failed = |e: std::io::Error| Error::output(&beside, e);
    let file = File::options().create(true).append(true).open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) if no_wait => {
            Err(Error::locked(format!("{}: another process is at work on this state", path.display())))
        }
        Err(TryLockError::WouldBlock) => file.lock().map_err(failed).map(|()| file),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}
