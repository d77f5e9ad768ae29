//! Signals that end the program.
//!
//! Whatever a command is at, reading, solving or writing, a thread of its own waits for signals, removes the temporary files of
//! outputs, and ends the process: nothing has to be asked on the way, so nothing is slow to stop, and files that stand under
//! their names are complete.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::exit::{INTERRUPTED, kind};
use crate::log;
use crate::metrics;

/// How long a stderr that takes nothing may delay the end.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long metrics may delay the end.
const METRICS_WITHIN: Duration = Duration::from_millis(500);

/// What a signal sets where something is to be saved first, and what tells that it is saved.
type Saving = (Arc<AtomicBool>, mpsc::Receiver<bool>);
static SAVING: Mutex<Option<Saving>> = Mutex::new(None);

/// How long saving may delay the end: less than what schedulers give before they kill.
const SAVES_WITHIN: Duration = Duration::from_secs(8);

fn saving() -> MutexGuard<'static, Option<Saving>> {
    SAVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal sets the flag that this gives, and waits for a while until the function is called, with whether anything
/// is saved. It does not return; a second signal ends the process at once.
pub(crate) fn save_first() -> (Arc<AtomicBool>, Arc<dyn Fn(bool) + Send + Sync>) {
    let flag = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    *saving() = Some((Arc::clone(&flag), told));
    let stopped = move |saved: bool| {
        let _ = tell.send(saved);
        loop {
            std::thread::park();
        }
    };
    (flag, Arc::new(stopped))
}

/// From now on a signal ends the process at once again.
pub(crate) fn end_at_once() {
    *saving() = None;
}

/// Lets whoever saves do so, until it is done or takes too long, or `again` says that there was another signal. Whether it is
/// saved.
fn wait_until_saved(mut again: impl FnMut() -> bool) -> bool {
    let Some((flag, told)) = saving().take() else { return false };
    flag.store(true, Ordering::Relaxed);
    let start = Instant::now();
    while start.elapsed() < SAVES_WITHIN && !again() {
        match told.recv_timeout(Duration::from_millis(50)) {
            Ok(saved) => return saved,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return false,
        }
    }
    false
}

/// Removes what is half-written and says why the program ends.
fn abandon(why: &str, code: i32) {
    let (written, wait) = mpsc::channel();
    let metrics = move || {
        metrics::ended_by_signal(u8::try_from(code).unwrap_or(INTERRUPTED));
        let _ = written.send(());
    };
    // Somebody may be at work on the same file, and a disk may be slow.
    if std::thread::Builder::new().spawn(metrics).is_ok() {
        let _ = wait.recv_timeout(METRICS_WITHIN);
    }
    streamreg::abandon_outputs();
    // A bar may stand in the last line of a terminal.
    let clear = if std::io::stderr().is_terminal() { "\r\u{1b}[K" } else { "" };
    let line = if log::is_json() {
        let fields =
            [("kind", kind(INTERRUPTED).into()), ("exit_code", code.into()), ("message", why.into())];
        log::line("error", &fields) + "\n"
    } else {
        format!("{clear}{}\n", log::told(why))
    };
    let (done, wait) = mpsc::channel();
    let write = move || {
        let _ = std::io::stderr().write_all(line.as_bytes());
        let _ = done.send(());
    };
    // Somebody may hold stderr and wait for its reader, who may never come; without a thread to be had there is no message.
    if std::thread::Builder::new().spawn(write).is_ok() {
        let _ = wait.recv_timeout(PATIENCE);
    }
}

/// From now on signals end the process in this way.
///
/// # Errors
/// When the system refuses a thread or a handler.
#[cfg(unix)]
pub(crate) fn watch() -> Result<()> {
    use anyhow::Context;
    use signal_hook::consts::{
        SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ,
    };
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::{exit, signal_name};

    // A file that may not grow further is an error of whoever writes it, not the end of the process without a word.
    let flag = std::sync::Arc::default();
    signal_hook::flag::register(SIGXFSZ, flag).context("cannot catch SIGXFSZ")?;
    let ignored = ignored();
    let ending = [SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU];
    let ending = ending.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = Signals::new(ending).context("cannot catch signals")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            let name = signal_name(signal).unwrap_or("a signal");
            let saved = wait_until_saved(|| signals.pending().next().is_some());
            let why = if signal == SIGINT { "interrupted".to_owned() } else { format!("ended by {name}") };
            let more = if saved { "; the same command goes on from the checkpoint" } else { "" };
            abandon(&format!("{why}{more}"), 128 + signal);
            // Neither handlers nor buffers: another thread may hold them, and wait for the reader of a pipe.
            exit(128 + signal);
        }
    };
    let started = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    started.map(drop).context("cannot start a thread")
}

/// Signals that whoever started the program wants ignored, a bit each. Only Linux tells; elsewhere the one that `nohup` ignores
/// is left alone.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(1 << (signal_hook::consts::SIGHUP - 1))
}

/// From now on Ctrl-C ends the process in this way.
///
/// # Errors
/// When the system refuses a handler.
#[cfg(not(unix))]
pub(crate) fn watch() -> Result<()> {
    use anyhow::Context;

    let end = || {
        let saved = wait_until_saved(|| false);
        let more = if saved { "; the same command goes on from the checkpoint" } else { "" };
        abandon(&format!("interrupted{more}"), INTERRUPTED.into());
        std::process::exit(INTERRUPTED.into());
    };
    ctrlc::set_handler(end).context("cannot catch Ctrl-C")
}
