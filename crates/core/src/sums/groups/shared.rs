//! Tables that all threads of a pass add to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Summed;
use super::index::{SHARD_BITS, SHARDS, shard_of};
use super::rows::{RowSlice, Rows};
use super::shard::Shard;
use crate::rows::block::BlockError;

/// Rows and records on their way into the shards.
#[derive(Debug)]
pub(super) struct Part {
    /// By shard; those of one stand in the order in which they were read.
    rows: Rows,
    /// Where the rows of each shard begin.
    starts: Vec<u32>,
    /// Sums of rows that came before these.
    records: Shard,
    /// The positions of the records of each shard.
    of_shard: Vec<Vec<u32>>,
}

impl Part {
    pub(super) fn new(rows: &Rows, records: Shard) -> Self {
        let mut of_shard = vec![Vec::new(); if records.len() > 0 { SHARDS } else { 0 }];
        for record in 0..records.len() {
            of_shard[shard_of(records.codes(record))].push(record as u32);
        }
        let (rows, starts) = rows.by_shard();
        Self { rows, starts, records, of_shard }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0 && self.records.len() == 0
    }

    fn rows(&self, shard: usize) -> RowSlice<'_> {
        self.rows.slice(self.starts[shard] as usize..self.starts[shard + 1] as usize)
    }

    fn records(&self, shard: usize) -> &[u32] {
        self.of_shard.get(shard).map_or(&[], Vec::as_slice)
    }

    /// Bytes of what goes to a shard.
    fn bytes(&self, shard: usize) -> usize {
        let record = self.records.bytes() / self.records.len().max(1);
        self.rows(shard).len() * self.rows.row_bytes() + self.records(shard).len() * record
    }
}

/// Records in shards, by their keys: each is added to by one thread at a time, and others have others.
///
/// Parts wait until there are many, so that most records meet several of their rows at a time. Then whoever brings a
/// part adds what waits to all shards that no other thread is at. A shard takes its parts in the order in which they
/// came: in float64 they must come in that of the partitions, and so no bit depends on who adds them, or when.
#[derive(Debug)]
pub(super) struct Shared {
    slots: Vec<Slot>,
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Bytes of the records.
    kept: AtomicUsize,
    /// Bytes that may wait where there are few records.
    room: usize,
}

#[derive(Debug)]
struct Slot {
    inbox: Mutex<Vec<Arc<Part>>>,
    shard: Mutex<Shard>,
}

/// Where the records take more, this share of them may wait besides.
const SHARE: usize = 4;

impl Shared {
    pub(super) fn new(summed: &Summed, room: usize) -> Self {
        let slot = || Slot { inbox: Mutex::default(), shard: Mutex::new(Shard::new(summed, SHARD_BITS)) };
        let slots = (0..SHARDS).map(|_| slot()).collect();
        Self { slots, waiting: AtomicUsize::new(0), kept: AtomicUsize::new(0), room }
    }

    /// Takes in a part, to be added later.
    pub(super) fn push(&self, part: &Arc<Part>) {
        for (shard, slot) in self.slots.iter().enumerate() {
            let bytes = part.bytes(shard);
            if bytes > 0 {
                self.waiting.fetch_add(bytes, Ordering::Relaxed);
                lock(&slot.inbox).push(Arc::clone(part));
            }
        }
    }

    /// Adds what waits, if it is much, to all shards that no other thread is at.
    ///
    /// # Errors
    /// [`BlockError::Shape`] for parts of another kind.
    pub(super) fn relieve(&self) -> Result<(), BlockError> {
        let most = self.room.max(self.kept.load(Ordering::Relaxed) / SHARE);
        if self.waiting.load(Ordering::Relaxed) <= most {
            return Ok(());
        }
        let free = |at: usize| match self.slots[at].shard.try_lock() {
            Ok(mut shard) => self.settle(at, &mut shard),
            Err(_) => Ok(()),
        };
        (0..SHARDS).try_for_each(free)
    }

    /// Adds all that waits, with the help of some threads.
    ///
    /// # Errors
    /// As [`Shared::relieve`].
    pub(super) fn settle_all(&self, threads: usize) -> Result<(), BlockError> {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = self.slots.get(at) else { return Ok(()) };
                self.settle(at, &mut lock(&slot.shard))?;
            }
        };
        std::thread::scope(|scope| {
            // Without more threads this one does everything.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..threads.min(SHARDS)).filter_map(spawn).collect();
            let done = helpers.into_iter().map(|helper| helper.join().unwrap_or(Err(BlockError::Shape)));
            done.fold(work(), |all, done| all.and(done))
        })
    }

    /// Adds what waits for a shard.
    fn settle(&self, at: usize, shard: &mut Shard) -> Result<(), BlockError> {
        let parts = std::mem::take(&mut *lock(&self.slots[at].inbox));
        if parts.is_empty() {
            return Ok(());
        }
        let before = shard.bytes();
        // Rows of several parts are added at once.
        for run in parts.chunk_by(|_, part| part.records(at).is_empty()) {
            let records = run[0].records(at).iter().map(|&record| record as usize);
            shard.merge(&run[0].records, records)?;
            shard.add(&run.iter().map(|part| part.rows(at)).collect::<Vec<_>>());
        }
        shard.release();
        self.kept.fetch_add(shard.bytes().saturating_sub(before), Ordering::Relaxed);
        let bytes: usize = parts.iter().map(|part| part.bytes(at)).sum();
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The shards, which leaves none.
    pub(super) fn take(&self, summed: &Summed) -> Vec<Shard> {
        let take = |slot: &Slot| std::mem::replace(&mut *lock(&slot.shard), Shard::new(summed, SHARD_BITS));
        self.kept.store(0, Ordering::Relaxed);
        self.slots.iter().map(take).collect()
    }
}

impl Shared {
    /// Gives back the shards that [`Shared::take`] gave, if there are any.
    pub(super) fn put_back(&self, shards: Vec<Shard>) {
        self.kept.store(shards.iter().map(Shard::bytes).sum(), Ordering::Relaxed);
        for (slot, shard) in self.slots.iter().zip(shards) {
            *lock(&slot.shard) = shard;
        }
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        let slot = |slot: &Slot| {
            let shard = lock(&slot.shard);
            Slot { inbox: Mutex::new(lock(&slot.inbox).clone()), shard: Mutex::new(shard.clone()) }
        };
        Self {
            slots: self.slots.iter().map(slot).collect(),
            waiting: AtomicUsize::new(self.waiting.load(Ordering::Relaxed)),
            kept: AtomicUsize::new(self.kept.load(Ordering::Relaxed)),
            room: self.room,
        }
    }
}

/// A thread that panicked ends the pass, so what it left behind is not looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::design::{Design, TableSpec};
    use crate::model::spec::{ModelSpec, Precision};

    #[test]
    fn what_waits_is_bounded() {
        let schema = Schema::new(["y", "x"].map(|name| Field::new(name, DataType::Float64, false)).to_vec());
        let design = Design::new(&ModelSpec::of_columns("y", ["x"]), &schema).unwrap();
        let spec = TableSpec { key: vec![0], variables: vec![0], slopes: 0, weighted: false };
        let summed = Summed::new(&spec, &design.with_precision(Precision::Exact));
        let room = 1 << 16;
        let shared = Shared::new(&summed, room);
        let (codes, x): (Vec<u32>, Vec<f64>) = (0..1_000).map(|i| (i * 7 % 500, f64::from(i))).unzip();
        let used: Vec<usize> = (0..1_000).collect();
        for part in 1..=50 {
            let mut rows = Rows::default();
            rows.extend(&used, &[&codes], &[&x]);
            shared.push(&Arc::new(Part::new(&rows, Shard::new(&summed, 0))));
            shared.relieve().unwrap();
            assert!(shared.waiting.load(Ordering::Relaxed) <= room, "part {part}");
        }
        shared.settle_all(3).unwrap();
        assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
        let shards = shared.take(&summed);
        assert_eq!(shards.iter().map(Shard::len).sum::<usize>(), 500);
        assert!(
            shards
                .iter()
                .flat_map(|shard| (0..shard.len()).map(|at| shard.rows(at)))
                .all(|rows| rows == 100.0)
        );
    }
}
