//! Work without the interpreter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::data::Raised;
use crate::error::exception;

/// How often Python is asked whether there was a signal.
const EVERY: Duration = Duration::from_millis(50);

/// Does some work in a thread of its own, with a flag that ends it early: signals are seen meanwhile, and Ctrl-C sets the flag.
pub(crate) fn work<T: Send>(
    py: Python<'_>,
    raised: &Raised,
    job: impl FnOnce(Arc<AtomicBool>) -> streamreg::Result<T> + Send,
) -> PyResult<T> {
    let flag = Arc::clone(&raised.stop);
    let (done, wait) = mpsc::channel();
    let (wait, mut signal) = (std::sync::Mutex::new(wait), None);
    let outcome = std::thread::scope(|scope| {
        let of_job = Arc::clone(&flag);
        scope.spawn(move || {
            let _ = done.send(job(of_job));
        });
        loop {
            let next = py.detach(|| {
                let wait = wait.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                wait.recv_timeout(EVERY)
            });
            match next {
                Ok(outcome) => return Some(outcome),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(raised) = py.check_signals() {
                flag.store(true, Ordering::Relaxed);
                signal = Some(raised);
            }
        }
    });
    match (outcome, signal) {
        (_, Some(signal)) => Err(signal),
        (Some(outcome), None) => outcome.map_err(|error| exception(py, &error)),
        (None, None) => Err(pyo3::exceptions::PyRuntimeError::new_err(
            "internal error: this is a bug in streamreg; please report it with the lines above",
        )),
    }
}
