//! Progress on stderr.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle as BarStyle};
use streamreg::{Progress, ProgressFn};

use crate::text::stderr_width;

/// Nothing is drawn of work that is done within this time.
const PATIENCE: Duration = Duration::from_millis(400);

/// Terminals narrower than this have no room for rows per second.
const NARROW: usize = 80;

/// A bar with rows, rows per second and the time left; without a known total, a spinner.
pub(crate) fn bar() -> ProgressFn {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let width = stderr_width().unwrap_or(NARROW);
    let [with_total, without] = if width < NARROW {
        [
            "{prefix}{percent}% {wide_bar} {eta} left{msg}",
            "{prefix}[{elapsed}] {spinner} {human_pos} rows{msg}",
        ]
    } else {
        [
            "{prefix}[{elapsed}] {wide_bar} {human_pos}/{human_len} rows, {rate}, {eta} left{msg}",
            "{prefix}[{elapsed}] {spinner} {human_pos} rows, {rate}{msg}",
        ]
    };
    // The templates are constants; should one be wrong, the default style still shows progress.
    let style = |template: &str| {
        let style = BarStyle::with_template(template).unwrap_or_else(|_| BarStyle::default_bar());
        style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
        })
    };
    let (with_total, without) = (style(with_total), style(without));
    let (start, pass) = (Instant::now(), AtomicU64::new(0));
    Arc::new(move |progress: Progress| {
        if start.elapsed() < PATIENCE {
            return;
        }
        if pass.swap(progress.pass as u64, Ordering::Relaxed) != progress.pass as u64 {
            bar.set_style(if progress.total.is_some() { with_total.clone() } else { without.clone() });
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.reset();
            if progress.pass > 1 {
                bar.set_prefix(format!("pass {} ", progress.pass));
            }
        }
        if let Some(loss) = progress.loss {
            bar.set_message(format!(", loss {}", streamreg::short(loss)));
        }
        bar.set_position(progress.rows);
        if progress.done {
            bar.finish_and_clear();
        }
    })
}

/// One JSON object a line, about once a second.
pub(crate) fn json_lines() -> ProgressFn {
    let start = Instant::now();
    let last = AtomicU64::new(0);
    Arc::new(move |progress: Progress| {
        let now = start.elapsed().as_millis() as u64;
        let before = last.load(Ordering::Relaxed);
        let done = progress.done;
        let due = now >= before + 1000
            && last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if due || done {
            let total = progress.total.map_or("null".to_owned(), |t| t.to_string());
            let seconds = now as f64 / 1e3;
            let Progress { pass, rows, .. } = progress;
            let loss = progress.loss.map_or(String::new(), |loss| format!(r#","loss":{loss}"#));
            // A closed stderr is no reason to stop.
            let _ = writeln!(
                std::io::stderr(),
                r#"{{"pass":{pass},"rows":{rows},"total":{total},"seconds":{seconds}{loss}}}"#
            );
        }
    })
}
