//! The accumulator contract, and the pass that feeds accumulators from many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::design::Design;
use crate::error::{Error, ErrorKind};
use crate::levels::Encoder;
use crate::pass::ordered::in_order;
use crate::rows::block::{BlockError, DesignBlock};
use crate::rows::cutter::{BlockCutter, Levels};
use crate::rows::missing::{RowLedger, Tally};
use crate::rows::row_ids::AssignedBatch;

/// Sufficient statistics that grow with rows and merge.
pub trait Accumulator: Send + Sized {
    /// Number of variables, the response included.
    fn variables(&self) -> usize;

    /// Takes in a block of rows with as many columns as there are variables.
    ///
    /// # Errors
    /// [`BlockError`] for a block of the wrong shape, a bad weight, or a row that takes part with a NaN
    /// or an infinity; the state is then unchanged.
    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError>;

    /// Takes in the rows that `other` has seen. The order of merging decides the last bits.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when `other` has another number of variables.
    fn merge(&mut self, other: Self) -> Result<(), BlockError>;

    /// Told the ids of the rows that come next (folds, or keys), before they come, by a pass that has them.
    fn assign(&mut self, _ids: &[u32]) {}

    /// Takes in rows that [`Accumulator::update`] has kept back, at the end of a partition.
    ///
    /// # Errors
    /// As [`Accumulator::update`], for rows that were kept back.
    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    /// Frees what only [`Accumulator::update`] needs, and prepares for being merged into another.
    fn finish(&mut self) {}

    /// Told once all rows were merged into this one, before it is read: what is left to do may take so many threads.
    ///
    /// # Errors
    /// As [`Accumulator::merge`].
    fn complete(&mut self, _threads: usize) -> Result<(), BlockError> {
        Ok(())
    }
}

/// Whether there is memory for so many more bytes; in words, why not.
pub type MemoryCheck<'a> = dyn Fn(u64) -> Result<(), String> + Sync + 'a;

/// How a pass runs, apart from what it computes.
pub struct PassControl<'a> {
    /// Threads to use, at least one.
    pub threads: usize,
    /// Told the number of rows after every batch, from any thread.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
    /// Set from outside to end the pass early, with [`ErrorKind::Interrupted`].
    pub interrupt: Option<&'a AtomicBool>,
    /// Asked before every batch, from any thread, whether there is memory to go on, and for so many bytes that will be taken at
    /// once: in words, why not. Then the pass ends with [`ErrorKind::Memory`].
    pub memory: Option<&'a MemoryCheck<'a>>,
}

impl Default for PassControl<'_> {
    fn default() -> Self {
        Self { threads: 1, progress: None, interrupt: None, memory: None }
    }
}

impl PassControl<'_> {
    /// Reports the rows of a batch as done, with which lists will grow by `growth` bytes at once.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] once the interrupt flag is set; [`ErrorKind::Memory`] where there is no memory to go on.
    pub fn checkpoint(&self, rows: usize, growth: u64) -> Result<(), Error> {
        if self.interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Error::interrupted());
        }
        if let Some(progress) = self.progress {
            progress(rows as u64);
        }
        self.memory.map_or(Ok(()), |memory| memory(growth)).map_err(|why| Error::new(ErrorKind::Memory, why))
    }
}

/// Runs one pass: every partition that `next` hands out gets an accumulator of its own, and these are
/// merged in the order of the partitions, so the result has the same bits for any number of threads.
///
/// A batch may come as an [`AssignedBatch`], with the ids of its rows. `levels` number the cells of the design's
/// categories. `make` gives an empty accumulator. For `next` see
/// [`in_order`].
///
/// # Errors
/// The error of the earliest partition that failed.
pub fn accumulate<A, B, T, E>(
    design: &Design,
    levels: &Levels,
    control: &PassControl<'_>,
    make: impl Fn() -> A + Sync,
    next: impl Fn() -> Option<Result<(usize, B), E>> + Sync,
) -> Result<(A, RowLedger), E>
where
    A: Accumulator,
    B: Iterator<Item = Result<T, E>>,
    T: Into<AssignedBatch>,
    E: From<Error> + Send,
{
    let (mut total, mut ledger) = (make(), RowLedger::none(design));
    accumulate_into(design, levels, control, (&mut total, &mut ledger), make, next)?;
    total.complete(control.threads).map_err(merging)?;
    Ok((total, ledger))
}

/// The same for some of the partitions, which `next` hands out from position 0 on; they are merged into what those before them
/// came to, and their rows are counted in `ledger`. After the last of them comes [`Accumulator::complete`].
///
/// # Errors
/// As [`accumulate`].
pub fn accumulate_into<A, B, T, E>(
    design: &Design,
    levels: &Levels,
    control: &PassControl<'_>,
    (total, ledger): (&mut A, &mut RowLedger),
    make: impl Fn() -> A + Sync,
    next: impl Fn() -> Option<Result<(usize, B), E>> + Sync,
) -> Result<(), E>
where
    A: Accumulator,
    B: Iterator<Item = Result<T, E>>,
    T: Into<AssignedBatch>,
    E: From<Error> + Send,
{
    let mut tally = std::mem::take(&mut ledger.tally);
    let encoders = Mutex::new(Vec::new());
    let done = in_order(
        control.threads,
        || next().map(|partition| partition.map_err(Failure::Outer)),
        |batches| {
            let mut accumulator = make();
            let tally = consume(design, levels, &encoders, control, batches, &mut accumulator)?;
            Ok((accumulator, tally))
        },
        |(accumulator, part)| {
            total.merge(accumulator).map_err(merging)?;
            tally.merge(&part);
            Ok(())
        },
    );
    match done {
        Ok(()) => {
            *ledger = tally.into_ledger(design);
            Ok(())
        }
        Err(Failure::Outer(error)) => Err(error),
        // All partitions before the one that failed are merged: their rows come before its own.
        Err(Failure::Own(error)) => Err(error.after_rows(tally.rows_read).into()),
    }
}

/// The error of states that do not belong together.
fn merging(_: BlockError) -> Error {
    Error::new(ErrorKind::Batch, "partitions have different variables")
}

/// Why a partition failed: for a reason of this crate, whose row is still relative, or of the caller's.
enum Failure<E> {
    Own(Error),
    Outer(E),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// Encoders that are free: what they know of the levels is of use to the next partition.
type Encoders = Mutex<Vec<Vec<Encoder>>>;

/// Feeds the batches of one partition to its accumulator.
fn consume<A: Accumulator, T: Into<AssignedBatch>, E>(
    design: &Design,
    levels: &Levels,
    encoders: &Encoders,
    control: &PassControl<'_>,
    batches: impl Iterator<Item = Result<T, E>>,
    accumulator: &mut A,
) -> Result<Tally, Failure<E>> {
    let free = || encoders.lock().unwrap_or_else(PoisonError::into_inner);
    let known = free().pop();
    let mut cutter = BlockCutter::with_encoders(design, levels, known.unwrap_or_else(|| levels.encoders()));
    for batch in batches {
        let AssignedBatch { batch, ids } = batch.map_err(Failure::Outer)?.into();
        // Other threads bring levels, too.
        control.checkpoint(batch.num_rows(), cutter.growth(batch.num_rows() * control.threads))?;
        if let Some(ids) = ids {
            accumulator.assign(&ids);
        }
        cutter.push(&batch, &mut |block: &DesignBlock<'_>| accumulator.update(block))?;
    }
    cutter.flush(&mut |block: &DesignBlock<'_>| accumulator.update(block))?;
    accumulator.flush().map_err(|refused| cutter.refusal(refused))?;
    accumulator.finish();
    let (tally, known) = cutter.into_parts();
    free().push(known);
    Ok(tally)
}
