//! Partitions in parallel, results in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};

/// More threads than this are not started: they would only wait for each other.
const MAX_THREADS: usize = 256;

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
    let threads = threads.clamp(1, MAX_THREADS);
    let queue = Queue::new(2 * threads, sink);
    let worker = || {
        let _guard = AbortOnPanic(&queue);
        while queue.wait_for_room() {
            match next() {
                None => return queue.leave(),
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

/// The error for a source that leaves out a position.
fn never_came<E: From<Error>>(position: usize) -> E {
    Error::new(ErrorKind::Batch, format!("partition {position} never came, but later ones did")).into()
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
    /// Workers that are on their way to a result.
    busy: usize,
    /// Whether a worker panicked; the others must not wait for its result.
    aborted: bool,
}

/// Wakes the waiting workers when the one that holds it panics.
struct AbortOnPanic<'q, S, T, E>(&'q Queue<S, T, E>);

impl<S, T, E> Drop for AbortOnPanic<'_, S, T, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).aborted = true;
            self.0.changed.notify_all();
        }
    }
}

impl<S: FnMut(T) -> Result<(), E>, T, E: From<Error>> Queue<S, T, E> {
    fn new(room: usize, sink: S) -> Self {
        let state = State { sink, next: 0, waiting: BTreeMap::new(), failure: None, busy: 0, aborted: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), room }
    }

    fn lock(&self) -> MutexGuard<'_, State<S, T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until few results are waiting, then counts the caller as busy; false after a failure. The
    /// result that the others wait for is always being worked on, unless its partition never came.
    fn wait_for_room(&self) -> bool {
        let full = |s: &mut State<S, T, E>| {
            s.failure.is_none() && !s.aborted && s.busy > 0 && s.waiting.len() >= self.room
        };
        let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.waiting.len() >= self.room && state.failure.is_none() {
            let position = state.next;
            state.failure = Some((position, never_came(position)));
        }
        let go = state.failure.is_none() && !state.aborted;
        state.busy += usize::from(go);
        go
    }

    /// The caller found no further partition.
    fn leave(&self) {
        self.lock().busy -= 1;
        self.changed.notify_all();
    }

    fn submit(&self, index: usize, result: T) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.busy -= 1;
        if index < state.next || state.waiting.insert(index, result).is_some() {
            let message = format!("partition {index} came twice");
            state.failure.get_or_insert((index, Error::new(ErrorKind::Batch, message).into()));
        }
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
        state.busy -= 1;
        if state.failure.as_ref().is_none_or(|(earliest, _)| index < *earliest) {
            state.failure = Some((index, error));
        }
        drop(state);
        self.changed.notify_all();
    }

    fn into_result(self) -> Result<(), E> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.failure {
            Some((_, error)) => Err(error),
            None if state.waiting.is_empty() => Ok(()),
            None => Err(never_came(state.next)),
        }
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
    fn a_panic_does_not_leave_the_others_waiting() {
        for threads in [2, 4] {
            let next = AtomicUsize::new(0);
            let take = || {
                Some(Ok(next.fetch_add(1, Ordering::Relaxed))).map(|i: Result<_, Error>| i.map(|i| (i, i)))
            };
            let work = |i: usize| if i == 3 { panic!("a test's own panic") } else { Ok::<_, Error>(i) };
            let run = || in_order(threads, take, work, |_| Ok(()));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        }
    }

    #[test]
    fn positions_must_have_no_gaps_and_no_repeats() {
        for positions in [vec![0, 2, 3], vec![0, 1, 1, 2]] {
            let next = AtomicUsize::new(0);
            let take =
                || positions.get(next.fetch_add(1, Ordering::Relaxed)).map(|&i| Ok::<_, Error>((i, ())));
            assert!(in_order(1, take, Ok, |()| Ok(())).is_err(), "{positions:?}");
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
