//! The memory that a pass may take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use streamreg_reader::memory_taken;

use crate::render::number;

/// How often it is looked at: what grows by gigabytes a second is met some megabytes later.
const EVERY: Duration = Duration::from_millis(10);

/// What is taken at once is looked at in any case if it is so many bytes.
const MUCH: u64 = 1 << 20;

/// Looks at the memory of the process while a pass runs.
pub(crate) struct MemoryWatch {
    limit: u64,
    start: Instant,
    /// When it was last looked at, in milliseconds from the start.
    looked: AtomicU64,
}

impl MemoryWatch {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, start: Instant::now(), looked: AtomicU64::new(0) }
    }

    /// Whether the process is within its limit, with so many bytes that it is about to take; in words, that it is not.
    pub(crate) fn check(&self, more: u64) -> Result<(), String> {
        let now = self.start.elapsed().as_millis() as u64;
        if more < MUCH && now < self.looked.load(Ordering::Relaxed) + EVERY.as_millis() as u64 {
            return Ok(());
        }
        self.looked.store(now, Ordering::Relaxed);
        self.look(more)
    }

    /// The same, whenever it was asked before.
    pub(crate) fn look(&self, more: u64) -> Result<(), String> {
        let Some(taken) = memory_taken() else { return Ok(()) };
        if taken.private.saturating_add(more) > self.limit {
            return Err(format!("the memory limit of {} is reached", number::bytes(self.limit)));
        }
        if taken.left <= more {
            return Err("the limit of the process (ulimit) is reached".to_owned());
        }
        Ok(())
    }
}
