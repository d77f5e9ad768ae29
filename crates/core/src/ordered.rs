//! Partitions in parallel, results in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};

/// Works on partitions with `threads` threads and hands the results to `sink` in the order of the
/// partitions, one at a time.
///
/// `next` gives out partitions with their positions 0, 1, 2, ...; it is called from any thread, and the
/// positions must come in this order. `work` runs in parallel. At most two results a thread wait for
/// their turn, so memory stays bounded even when one partition takes long.
///
/// # Errors
/// The error of the earliest partition that failed. By then `sink` has seen all partitions before it.
pub fn in_order<I, T, E>(
    threads: usize,
    next: impl Fn() -> Option<Result<(usize, I), E>> + Sync,
    work: impl Fn(I) -> Result<T, E> + Sync,
    sink: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<(), E>
where
    T: Send,
    E: From<Error> + Send,
{
    let threads = threads.max(1);
    let queue = Queue::new(2 * threads, sink);
    let worker = || {
        while queue.wait_for_room() {
            match next() {
                None => return,
                Some(Err(error)) => queue.fail(usize::MAX, error),
                Some(Ok((index, partition))) => match work(partition) {
                    Ok(result) => queue.submit(index, result),
                    Err(error) => queue.fail(index, error),
                },
            }
        }
    };
    if threads == 1 {
        worker();
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool =
            pool.map_err(|e| Error::new(ErrorKind::Threads, format!("cannot start {threads} threads: {e}")))?;
        pool.broadcast(|_| worker());
    }
    queue.into_result()
}

struct Queue<S, T, E> {
    state: Mutex<State<S, T, E>>,
    changed: Condvar,
    room: usize,
}

struct State<S, T, E> {
    sink: S,
    next: usize,
    waiting: BTreeMap<usize, T>,
    /// The earliest failure; no partition is started after one.
    failure: Option<(usize, E)>,
}

impl<S: FnMut(T) -> Result<(), E>, T, E> Queue<S, T, E> {
    fn new(room: usize, sink: S) -> Self {
        let state = State { sink, next: 0, waiting: BTreeMap::new(), failure: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), room }
    }

    fn lock(&self) -> MutexGuard<'_, State<S, T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until few results are waiting; false after a failure. The result that the others wait for is
    /// always being worked on, so this ends.
    fn wait_for_room(&self) -> bool {
        let full = |s: &mut State<S, T, E>| s.failure.is_none() && s.waiting.len() >= self.room;
        let state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        state.failure.is_none()
    }

    fn submit(&self, index: usize, result: T) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.waiting.insert(index, result);
        while let Some(result) = state.waiting.remove(&state.next) {
            let failed = state.failure.as_ref().is_some_and(|(earliest, _)| *earliest <= state.next);
            if !failed && let Err(error) = (state.sink)(result) {
                state.failure = Some((state.next, error));
            }
            state.next += 1;
        }
        drop(guard);
        self.changed.notify_all();
    }

    fn fail(&self, index: usize, error: E) {
        let mut state = self.lock();
        if state.failure.as_ref().is_none_or(|(earliest, _)| index < *earliest) {
            state.failure = Some((index, error));
        }
        drop(state);
        self.changed.notify_all();
    }

    fn into_result(self) -> Result<(), E> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failure.map_or(Ok(()), |(_, error)| Err(error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn run(threads: usize, fail_at: &[usize]) -> (Result<(), Error>, Vec<usize>) {
        let next = AtomicUsize::new(0);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < 100).map(|i| Ok((i, i)));
        let mut seen = Vec::new();
        let work = |i: usize| {
            if fail_at.contains(&i) { Err(Error::new(ErrorKind::Batch, i.to_string())) } else { Ok(i) }
        };
        let outcome = in_order(threads, take, work, |i| {
            seen.push(i);
            Ok(())
        });
        (outcome, seen)
    }

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 7] {
            let (outcome, seen) = run(threads, &[]);
            assert!(outcome.is_ok());
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_earliest_failure_wins() {
        for threads in [1, 2, 7] {
            for _ in 0..20 {
                let (outcome, seen) = run(threads, &[31, 32, 33, 60]);
                assert_eq!(outcome.unwrap_err().to_string(), "31");
                assert_eq!(seen, (0..31).collect::<Vec<_>>());
            }
        }
    }
}
