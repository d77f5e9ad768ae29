//! `--metrics-file`: what a run is at and came to, for Prometheus. Commands add what they know; a thread writes the file now and
//! then, and the end of the process, whatever it is, writes it for the last time.

mod format;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use streamreg::{
    Evaluation, FitReport, GroupSummary, MissingReason, PredictSummary, Progress, ProgressFn, RowLedger,
    Timings, write_atomically,
};

pub(crate) use self::format::Sample;
use self::format::{BEGINNING, LAST_SUCCESS, last_success, render};
use crate::exit::Exit;
use crate::log::{unix_seconds, warn};
use crate::text::usage;

/// The run whose metrics are written, if any are.
static CURRENT: Mutex<Option<Recorder>> = Mutex::new(None);

/// Held while the file is written: nobody who tells of progress waits for a disk.
static WRITING: Mutex<()> = Mutex::new(());

fn current() -> MutexGuard<'static, Option<Recorder>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the run.
struct Recorder {
    path: PathBuf,
    /// Labels of all samples.
    run: Vec<(&'static str, String)>,
    began: f64,
    start: Instant,
    last_success: Option<f64>,
    reading: Reading,
    /// Seconds of solving, where a command tells.
    solved: Option<f64>,
    samples: Vec<Sample>,
    /// Ends the thread that writes: dropping it does.
    _stop: mpsc::Sender<()>,
}

/// What the passes say of themselves. A pass tells of its own rows and bytes alone.
#[derive(Default)]
struct Reading {
    passes: u64,
    rows: u64,
    bytes: u64,
    seconds: f64,
    /// When the pass that is under way began, and its rows and bytes.
    now: Option<(Instant, u64, u64)>,
}

impl Reading {
    fn see(&mut self, progress: Progress) {
        let (since, ..) = *self.now.get_or_insert_with(|| {
            self.passes += 1;
            (Instant::now(), 0, 0)
        });
        // Threads may come in any order.
        let before = self.now.map_or((0, 0), |(_, rows, bytes)| (rows, bytes));
        let (rows, bytes) = (progress.rows.max(before.0), progress.bytes.max(before.1));
        if progress.done {
            self.rows += rows;
            self.bytes += bytes;
            self.seconds += since.elapsed().as_secs_f64();
            self.now = None;
        } else {
            self.now = Some((since, rows, bytes));
        }
    }

    /// Rows, bytes and seconds so far.
    fn so_far(&self) -> (u64, u64, f64) {
        let (rows, bytes, seconds) =
            self.now.map_or((0, 0, 0.0), |(since, rows, bytes)| (rows, bytes, since.elapsed().as_secs_f64()));
        (self.rows + rows, self.bytes + bytes, self.seconds + seconds)
    }
}

/// Begins to record a run, and to write what is known of it every so often.
///
/// # Errors
/// When there is a file at `path` that is none of ours, or nothing can be written there.
pub(crate) fn begin(path: &Path, every: Duration, command: &str) -> Result<()> {
    let before = if path.is_file() { std::fs::read_to_string(path).ok() } else { None };
    let foreign =
        path.is_file() && !before.as_ref().is_some_and(|text| text.is_empty() || text.starts_with(BEGINNING));
    if foreign {
        let path = path.display();
        return Err(usage(format!(
            "--metrics-file {path}: the file is there, and is none of metrics of streamreg"
        )));
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (stop, stopped) = mpsc::channel();
    *current() = Some(Recorder {
        path: path.to_path_buf(),
        run: vec![("run", stem), ("command", command.to_owned())],
        began: unix_seconds(),
        start: Instant::now(),
        last_success: before.as_deref().and_then(last_success),
        reading: Reading::default(),
        solved: None,
        samples: Vec::new(),
        _stop: stop,
    });
    let first = write(None);
    if first.is_err() {
        *current() = None;
        return first;
    }
    let thread = std::thread::Builder::new().name("metrics".to_owned());
    let _: JoinHandle<()> = thread.spawn(move || keep_writing(&stopped, every))?;
    Ok(())
}

fn keep_writing(stopped: &mpsc::Receiver<()>, every: Duration) {
    let mut told = false;
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
        if let Err(error) = write(None) {
            if !told {
                warn(&format!("warning: the metrics could not be written: {error}"));
            }
            told = true;
        }
    }
}

/// Writes what is known, and how the run ended if it did; nothing comes after that.
fn write(code: Option<u8>) -> Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (text, path) = {
        let mut current = current();
        let Some(recorder) = current.as_ref() else { return Ok(()) };
        let known = (recorder.text(code), recorder.path.clone());
        if code.is_some() {
            *current = None;
        }
        known
    };
    Ok(write_atomically(&path, |file| file.write_all(text.as_bytes()))?)
}

/// Writes how the run ended. An end that is well, and cannot be written down, is none.
pub(crate) fn finish(exit: Exit) -> Exit {
    match write(Some(exit.exit_code())) {
        Ok(()) => exit,
        Err(error) if exit.is_success() => Exit::from_error(&error),
        Err(error) => {
            warn(&format!("warning: the metrics could not be written: {error}"));
            exit
        }
    }
}

/// Writes that a signal ended the run, as far as that can be done.
pub(crate) fn ended_by_signal(code: u8) {
    let _ = write(Some(code));
}

/// Tells the recorder of progress, too; without one, nothing changes.
pub(crate) fn counted(others: Option<ProgressFn>) -> Option<ProgressFn> {
    if current().is_none() {
        return others;
    }
    Some(Arc::new(move |progress: Progress| {
        if let Some(recorder) = current().as_mut() {
            recorder.reading.see(progress);
        }
        if let Some(others) = &others {
            others(progress);
        }
    }))
}

/// Adds what a command knows.
fn add(samples: impl IntoIterator<Item = Sample>) {
    if let Some(recorder) = current().as_mut() {
        recorder.samples.extend(samples);
    }
}

fn time_of(timings: &Timings) {
    if let Some(recorder) = current().as_mut() {
        recorder.solved = Some(timings.solve_seconds);
    }
}

/// What became of the rows.
pub(crate) fn rows(ledger: &RowLedger) {
    let counts = [
        ("streamreg_rows_read", ledger.rows_read),
        ("streamreg_rows_used", ledger.rows_used),
        ("streamreg_rows_filtered", ledger.rows_filtered),
    ];
    add(counts.map(|(name, rows)| Sample::new(name, rows as f64)));
    add(ledger.dropped.iter().map(|dropped| {
        let sample = Sample::new("streamreg_rows_dropped", dropped.rows as f64);
        sample.of("column", &dropped.column).of("reason", reason(dropped.reason))
    }));
}

fn reason(reason: MissingReason) -> &'static str {
    match reason {
        MissingReason::Null => "null",
        MissingReason::NonFinite => "non_finite",
        MissingReason::ZeroWeight => "zero_weight",
        MissingReason::UnseenLevel => "unseen_level",
        _ => "other",
    }
}

/// What is known of fits to the same rows.
pub(crate) fn fits(fitted: &[FitReport]) {
    let Some(first) = fitted.first() else { return };
    rows(&first.ledger);
    time_of(&first.timings);
    for fit in fitted {
        let known = [
            ("streamreg_nobs", Some(fit.glance.nobs as f64)),
            ("streamreg_r_squared", fit.glance.r_squared),
            ("streamreg_sigma", fit.glance.sigma),
            ("streamreg_condition_number", fit.condition_number),
            ("streamreg_digits", fit.solver.digits),
        ];
        let sample = |(name, value): (&'static str, Option<f64>)| {
            Some(Sample::new(name, value?).of("response", &fit.response))
        };
        add(known.into_iter().filter_map(sample));
    }
}

/// What is known of the fits of groups, which are too many to tell of each.
pub(crate) fn groups(summary: &GroupSummary) {
    rows(&summary.ledger);
    time_of(&summary.timings);
}

/// What is known of evaluations, one a target; `only` is the only one. Rows are those of the first.
pub(crate) fn evaluations(evaluations: &[Evaluation], only: Option<&str>) {
    evaluations.iter().take(1).for_each(|evaluation| rows(&evaluation.ledger));
    for evaluation in evaluations {
        let measures = &evaluation.measures;
        let known = [
            ("streamreg_r_squared", measures.r_squared),
            ("streamreg_rmse", Some(measures.rmse)),
            ("streamreg_mae", Some(measures.mae)),
            ("streamreg_bias", Some(measures.bias)),
        ];
        let response = evaluation.response.as_deref().or(only).unwrap_or_default();
        let sample = |(name, value): (&'static str, Option<f64>)| {
            Some(Sample::new(name, value?).of("response", response))
        };
        add(known.into_iter().filter_map(sample));
    }
}

pub(crate) fn predictions(summary: &PredictSummary) {
    add([
        Sample::new("streamreg_rows_read", summary.rows as f64),
        Sample::new("streamreg_rows_without_prediction", summary.nulls as f64),
    ]);
}

impl Recorder {
    fn text(&self, code: Option<u8>) -> String {
        let total = self.start.elapsed().as_secs_f64();
        let (rows, bytes, reading) = self.reading.so_far();
        let solving = self.solved.unwrap_or(0.0);
        let phases = [("read", reading), ("solve", solving), ("other", (total - reading - solving).max(0.0))];
        let success = code.map(|code| code == 0);
        let last = if success == Some(true) { Some(unix_seconds()) } else { self.last_success };
        let mut samples = vec![
            Sample::new("streamreg_run_info", 1.0).of("version", env!("CARGO_PKG_VERSION")),
            Sample::new("streamreg_running", f64::from(u8::from(code.is_none()))),
            Sample::new("streamreg_start_timestamp_seconds", self.began),
            Sample::new("streamreg_duration_seconds", total),
            Sample::new("streamreg_passes", self.reading.passes as f64),
            Sample::new("streamreg_rows_processed", rows as f64),
            Sample::new("streamreg_bytes_read", bytes as f64),
        ];
        samples.extend(
            phases.map(|(phase, seconds)| Sample::new("streamreg_phase_seconds", seconds).of("phase", phase)),
        );
        samples.extend(success.map(|success| Sample::new("streamreg_success", f64::from(u8::from(success)))));
        samples.extend(code.map(|code| Sample::new("streamreg_exit_code", f64::from(code))));
        samples.extend(last.map(|time| Sample::new(LAST_SUCCESS, time)));
        samples.extend(self.samples.iter().cloned());
        render(&self.run, &samples)
    }
}
