//! How to run, as opposed to what to compute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use streamreg_core::{Design, PassControl};
use streamreg_reader::ScanRequest;

use super::memory::MemoryWatch;
use crate::error::{Error, ErrorKind, Result};
use crate::render::number;

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows read since the beginning of this pass.
    pub rows: u64,
    /// Bytes read of files since then, as of the last million rows or so.
    pub bytes: u64,
    /// Rows in all, where that is known.
    pub total: Option<u64>,
    /// 1 for the first pass over the data, 2 for the second.
    pub pass: usize,
    /// The mean loss that an iterative solver last knew, in the units of the data.
    pub loss: Option<f64>,
    /// Whether the pass is over, for better or worse.
    pub done: bool,
}

/// Called from any thread, about once a record batch.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// How to run, as opposed to what to compute.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Execution {
    /// Threads; all processors where absent.
    pub threads: Option<usize>,
    /// Rows of a record batch; the reader's default where absent. Never changes a result.
    pub batch_rows: Option<usize>,
    /// Bytes of memory that the process may take: with more threads than these allow fewer are used, and a pass ends with
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) once the process holds more. No limit where absent.
    pub memory_limit: Option<u64>,
    /// Told how far the work has come.
    pub progress: Option<ProgressFn>,
    /// Set from outside to stop early.
    pub interrupt: Option<Arc<AtomicBool>>,
}

/// A pass, as its progress tells of it.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// From 1 on.
    pub(crate) number: usize,
    /// What an iterative solver last knew.
    pub(crate) loss: Option<&'a LastLoss>,
}

impl Pass<'_> {
    /// The only pass.
    pub(crate) fn only() -> Self {
        Self { number: 1, loss: None }
    }
}

/// The mean loss that was last known, which one thread sets and others show.
#[derive(Default)]
pub(crate) struct LastLoss(AtomicU64);

impl LastLoss {
    pub(crate) fn set(&self, loss: f64) {
        self.0.store(loss.to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> Option<f64> {
        // Before the first one there are the bits of zero.
        let bits = self.0.load(Ordering::Relaxed);
        Some(f64::from_bits(bits)).filter(|loss| bits != 0 && loss.is_finite())
    }
}

impl Execution {
    /// Sets the number of threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the maximum rows of a record batch.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = Some(rows);
        self
    }

    /// Sets a limit for the memory of the process, in bytes.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Sets a callback that reports progress.
    #[must_use]
    pub fn progress(mut self, progress: ProgressFn) -> Self {
        self.progress = Some(progress);
        self
    }

    /// A flag that ends the work early once it is set.
    #[must_use]
    pub fn interrupt(mut self, flag: Arc<AtomicBool>) -> Self {
        self.interrupt = Some(flag);
        self
    }

    /// The number of threads to use.
    ///
    /// # Errors
    /// When zero were asked for.
    pub fn resolved_threads(&self) -> Result<usize> {
        match self.threads {
            Some(0) => Err(Error::invalid_request("at least one thread is needed, not 0")),
            Some(n) => Ok(n),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// Runs `work` with the pass control that these settings stand for; `bytes` counts what is read of files, before the pass
    /// and in it.
    pub(crate) fn control<T>(
        &self,
        pass: Pass<'_>,
        total: Option<u64>,
        bytes: &(dyn Fn() -> u64 + Sync),
        work: impl FnOnce(&PassControl<'_>) -> Result<T>,
    ) -> Result<T> {
        let (read, known, before) = (AtomicU64::new(0), AtomicU64::new(0), bytes());
        let last = AtomicU64::new(0);
        let tell = |rows: u64, done: bool| {
            if let Some(progress) = &self.progress {
                let loss = pass.loss.and_then(LastLoss::get);
                // A data set adds the bytes of its files up, which is too much work for every batch.
                let million = (rows >> 20) + 1;
                if done || known.fetch_max(million, Ordering::Relaxed) < million {
                    last.store(bytes().saturating_sub(before), Ordering::Relaxed);
                }
                let bytes = last.load(Ordering::Relaxed);
                progress(Progress { rows, bytes, total, pass: pass.number, loss, done });
            }
        };
        let report = |rows: u64| tell(read.fetch_add(rows, Ordering::Relaxed) + rows, false);
        let watch = self.memory_limit.map(MemoryWatch::new);
        let within = |more: u64| watch.as_ref().map_or(Ok(()), |watch| watch.check(more));
        let control = PassControl {
            threads: self.resolved_threads()?,
            progress: Some(&report),
            interrupt: self.interrupt.as_deref(),
            memory: Some(&within),
        };
        let outcome = work(&control);
        let rows = read.load(Ordering::Relaxed);
        tell(rows, true);
        outcome.map_err(|error| match error.kind() {
            ErrorKind::Memory => {
                Error::memory(format!("{} after {} rows", error.message(), number::count(rows)))
            }
            _ => error,
        })
    }

    /// Checks that so many bytes more stay within the memory limit.
    ///
    /// # Errors
    /// When they do not.
    pub(crate) fn check_memory(&self, more: u64) -> Result<()> {
        let watch = self.memory_limit.map(MemoryWatch::new);
        watch.map_or(Ok(()), |watch| watch.look(more)).map_err(Error::memory)
    }

    /// A scan request for the columns of a design.
    pub(crate) fn request_for(&self, design: &Design) -> ScanRequest {
        self.request(design.columns()).dictionaries(design.dictionaries())
    }

    /// A scan request for `columns`.
    pub(crate) fn request(&self, columns: &[String]) -> ScanRequest {
        let mut request = ScanRequest::new(columns);
        request.batch_rows = self.batch_rows.unwrap_or(request.batch_rows);
        request
    }
}
