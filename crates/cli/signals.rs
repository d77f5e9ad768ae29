//! Signals that end the program.
//!
//! Whatever a command is at, reading, solving or writing, a thread of its own waits for signals, removes the temporary files of
//! outputs, and ends the process: nothing has to be asked on the way, so nothing is slow to stop, and files that stand under
//! their names are complete.

use std::io::{IsTerminal, Write};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;

use crate::exit::told;

/// How long a stderr that takes nothing may delay the end.
const PATIENCE: Duration = Duration::from_millis(200);

/// Removes what is half-written and says why the program ends.
fn abandon(why: &str) {
    streamreg::abandon_outputs();
    // A bar may stand in the last line of a terminal.
    let clear = if std::io::stderr().is_terminal() { "\r\u{1b}[K" } else { "" };
    let line = format!("{clear}{}\n", told(why));
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
            abandon(&if signal == SIGINT { "interrupted".to_owned() } else { format!("ended by {name}") });
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
        abandon("interrupted");
        std::process::exit(crate::exit::INTERRUPTED.into());
    };
    ctrlc::set_handler(end).context("cannot catch Ctrl-C")
}
