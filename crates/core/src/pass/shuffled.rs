//! Rows for work that is done in order: partitions are read in parallel, their rows mixed, and everybody sees the same
//! batches whatever the number of threads.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::design::Design;
use crate::error::{Error, ErrorKind};
use crate::iterative::{Keys, RowBlock, RowBuilder, Shuffle, Standardizer};
use crate::pass::accumulate::PassControl;
use crate::rows::cutter::{BlockCutter, Levels};
use crate::rows::missing::{RowLedger, Tally};
use crate::rows::row_ids::AssignedBatch;

/// Partitions whose rows are mixed. Part of the definition of results, so it does not depend on the processors. More would
/// keep more pages at work than the caches of two cores hold: with four an epoch takes a quarter longer there.
pub(crate) const LANES: usize = 2;

/// Blocks of rows that wait in a lane.
const WAITING: usize = 2;

/// What a lane tells.
enum Message<E> {
    Rows(RowBlock),
    /// The end of a partition.
    End(Tally),
    Failed(E),
}

/// Reads the partitions that `next` hands out and gives groups of blocks of standardised rows to `sink`, one group after
/// the other: a block from each of up to `LANES` partitions, whose rows are shuffled within the block, as `seed` says.
///
/// Partitions go to lanes by their order alone: the first ones in turn, later ones to the lane whose partition has ended.
/// So groups are the same for any number of threads. Every lane has a thread that reads ahead, a prefetcher; of all
/// threads, that of `sink` included, `control.threads` work at a time.
///
/// # Errors
/// That of `sink`, or the first that the partitions met have; rows to blame are not known in the whole data.
pub fn shuffled_pass<B, T, E>(
    design: &Design,
    levels: &Levels,
    standardizer: &Standardizer,
    control: &PassControl<'_>,
    seed: u64,
    next: impl FnMut() -> Option<Result<(usize, B), E>>,
    sink: impl FnMut(&[RowBlock]) -> Result<(), E>,
) -> Result<RowLedger, E>
where
    B: Iterator<Item = Result<T, E>> + Send,
    T: Into<AssignedBatch>,
    E: From<Error> + Send,
{
    let (tokens, taken) = bounded(control.threads.max(1));
    (0..control.threads.max(1)).for_each(|_| _ = tokens.send(()));
    let (recycle, spare) = unbounded();
    let prefetcher = Prefetcher {
        design,
        levels,
        standardizer,
        control,
        seed,
        tokens: &tokens,
        taken: &taken,
        spare: &spare,
    };
    let tally = std::thread::scope(|scope| {
        let mut lanes = Vec::with_capacity(LANES);
        for number in 0..LANES {
            let (tasks, todo) = unbounded::<(usize, B)>();
            let (out, rows) = bounded::<Message<E>>(WAITING);
            let prefetcher = &prefetcher;
            let worker = move || prefetcher.run(&todo, &out);
            let started =
                std::thread::Builder::new().name(format!("lane {number}")).spawn_scoped(scope, worker);
            started.map_err(|e| Error::new(ErrorKind::Threads, format!("cannot start a thread: {e}")))?;
            lanes.push(Feeder { tasks: Some(tasks), rows, pending: 0 });
        }
        Mixer { lanes, next, design }.run(&prefetcher, sink, &recycle)
    })?;
    Ok(tally.into_ledger(design))
}

/// What the threads of the lanes share: each reads ahead.
struct Prefetcher<'a> {
    design: &'a Design,
    levels: &'a Levels,
    standardizer: &'a Standardizer,
    control: &'a PassControl<'a>,
    seed: u64,
    tokens: &'a Sender<()>,
    taken: &'a Receiver<()>,
    /// Blocks that nobody needs any more.
    spare: &'a Receiver<RowBlock>,
}

/// The right to work, given back when it is dropped.
struct Token<'a>(&'a Sender<()>);

impl Drop for Token<'_> {
    fn drop(&mut self) {
        // There is always room for what was taken out.
        let _ = self.0.try_send(());
    }
}

impl Prefetcher<'_> {
    fn token(&self) -> Token<'_> {
        // The sender lives as long as the lane, so waiting cannot fail.
        let _ = self.taken.recv();
        Token(self.tokens)
    }

    fn run<B, T, E>(&self, todo: &Receiver<(usize, B)>, out: &Sender<Message<E>>)
    where
        B: Iterator<Item = Result<T, E>>,
        T: Into<AssignedBatch>,
        E: From<Error>,
    {
        for (position, batches) in todo {
            let message = match self.partition(position, batches, out) {
                Ok(Some(tally)) => Message::End(tally),
                Ok(None) => return,
                Err(error) => Message::Failed(error),
            };
            if out.send(message).is_err() {
                return;
            }
        }
    }

    /// Reads one partition. `None` when nobody listens any more.
    fn partition<B, T, E>(
        &self,
        position: usize,
        mut batches: B,
        out: &Sender<Message<E>>,
    ) -> Result<Option<Tally>, E>
    where
        B: Iterator<Item = Result<T, E>>,
        T: Into<AssignedBatch>,
        E: From<Error>,
    {
        let mut cutter = BlockCutter::new(self.design, self.levels);
        let seed = Shuffle::new(self.seed ^ (position as u64) << 20).next();
        let mut builder = RowBuilder::shuffled(self.standardizer, seed);
        let (mut keys, mut ready) = (Keys::default(), Vec::new());
        loop {
            let token = self.token();
            let batch = batches.next().transpose()?.map(Into::into);
            if let Some(AssignedBatch { ids: Some(assigned), .. }) = &batch {
                keys.assign(assigned);
            }
            let mut take = |rows: RowBlock| {
                ready.push(rows);
                self.spare.try_recv().ok()
            };
            let mut sink = |block: &crate::rows::block::DesignBlock<'_>| {
                block.check(self.design.variables())?;
                block.check_finite()?;
                builder.append(block, keys.peek(block.rows), &mut take);
                keys.advance(block.rows);
                Ok(())
            };
            let ended = batch.is_none();
            match batch {
                Some(AssignedBatch { batch, .. }) => {
                    self.control.checkpoint(batch.num_rows(), 0)?;
                    cutter.push(&batch, &mut sink)?;
                }
                None => cutter.flush(&mut sink)?,
            }
            if ended {
                builder.finish(&mut take);
            }
            drop(token);
            for rows in ready.drain(..) {
                if out.send(Message::Rows(rows)).is_err() {
                    return Ok(None);
                }
            }
            if ended {
                return Ok(Some(cutter.into_parts().0));
            }
        }
    }
}

/// The consumer's side of a lane.
struct Feeder<B, E> {
    /// Closed once there are no more partitions.
    tasks: Option<Sender<(usize, B)>>,
    rows: Receiver<Message<E>>,
    /// Partitions that were handed over and have not ended.
    pending: usize,
}

struct Mixer<'d, B, E, N> {
    lanes: Vec<Feeder<B, E>>,
    next: N,
    design: &'d Design,
}

impl<B, E, N> Mixer<'_, B, E, N>
where
    N: FnMut() -> Option<Result<(usize, B), E>>,
    E: From<Error>,
{
    fn run(
        mut self,
        prefetcher: &Prefetcher<'_>,
        mut sink: impl FnMut(&[RowBlock]) -> Result<(), E>,
        recycle: &Sender<RowBlock>,
    ) -> Result<Tally, E> {
        let mut tally = Tally::new(self.design);
        // Every lane has a partition in work and one that waits.
        for _ in 0..2 {
            for number in 0..LANES {
                self.assign(number)?;
            }
        }
        let mut group = Vec::with_capacity(LANES);
        loop {
            for number in 0..LANES {
                if let Some(rows) = self.take(number, &mut tally)? {
                    group.push(rows);
                }
            }
            if group.is_empty() {
                return Ok(tally);
            }
            let token = prefetcher.token();
            sink(&group)?;
            drop(token);
            group.drain(..).for_each(|rows| _ = recycle.send(rows));
        }
    }

    /// Gives the next partition to a lane, if there is one.
    fn assign(&mut self, number: usize) -> Result<(), E> {
        let lane = &mut self.lanes[number];
        let Some(tasks) = &lane.tasks else { return Ok(()) };
        match (self.next)().transpose()? {
            Some(partition) => {
                lane.pending += 1;
                // A lane that is gone has said why, or panicked.
                let _ = tasks.send(partition);
            }
            None => self.lanes.iter_mut().for_each(|lane| lane.tasks = None),
        }
        Ok(())
    }

    /// The next block of a lane, if there is one left.
    fn take(&mut self, number: usize, tally: &mut Tally) -> Result<Option<RowBlock>, E> {
        while self.lanes[number].pending > 0 {
            match self.lanes[number].rows.recv() {
                Ok(Message::Rows(rows)) => return Ok(Some(rows)),
                Ok(Message::End(part)) => {
                    tally.merge(&part);
                    self.lanes[number].pending -= 1;
                    self.assign(number)?;
                }
                Ok(Message::Failed(error)) => return Err(error),
                // The lane panicked, which the scope passes on.
                Err(_) => return Err(Error::new(ErrorKind::Batch, "a thread that reads has ended").into()),
            }
        }
        Ok(None)
    }
}
