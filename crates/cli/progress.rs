//! Progress on stderr.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle as BarStyle};
use streamreg::{Progress, ProgressFn};

use crate::log;
use crate::text::stderr_width;

/// Nothing is drawn of work that is done within this time.
const PATIENCE: Duration = Duration::from_millis(400);

/// Terminals narrower than this have no room for rows per second.
const NARROW: usize = 80;

/// When the work began, and the pass: milliseconds after that.
struct Clock {
    start: Instant,
    pass: AtomicU64,
}

impl Clock {
    /// Seconds of this pass.
    fn seconds(&self) -> f64 {
        let pass = Duration::from_millis(self.pass.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(pass).as_secs_f64().max(1e-3)
    }
}

/// A bar with rows, rows per second and the time left; without a known total, a spinner.
pub(crate) fn bar() -> ProgressFn {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let [with_total, without] = if stderr_width().unwrap_or(NARROW) < NARROW {
        [
            "{prefix}{percent}% {wide_bar} {left} left{msg}",
            "{prefix}[{elapsed}] {spinner} {human_pos} rows{msg}",
        ]
    } else {
        [
            "{prefix}[{elapsed}] {wide_bar} {human_pos}/{human_len} rows, {rate}, {left} left{msg}",
            "{prefix}[{elapsed}] {spinner} {human_pos} rows, {rate}{msg}",
        ]
    };
    let clock = Arc::new(Clock { start: Instant::now(), pass: AtomicU64::new(0) });
    // The bar appears when a pass is under way, so that times are those of the clock. Writing to a string cannot fail.
    let style = |template: &str| {
        // The templates are constants; should one be wrong, the default style still shows progress.
        let style = BarStyle::with_template(template).unwrap_or_else(|_| BarStyle::default_bar());
        let [rate, left, elapsed] = std::array::from_fn(|_| Arc::clone(&clock));
        let rate = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}/s", HumanCount((state.pos() as f64 / rate.seconds()) as u64));
        };
        let left = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let rest = state.len().unwrap_or(0).saturating_sub(state.pos()) as f64;
            let _ = write!(out, "{:.0}s", rest * left.seconds() / (state.pos() as f64).max(1.0));
        };
        let elapsed = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}s", elapsed.start.elapsed().as_secs());
        };
        style.with_key("rate", rate).with_key("left", left).with_key("elapsed", elapsed)
    };
    let (with_total, without) = (style(with_total), style(without));
    let (pass, drawn) = (AtomicU64::new(0), AtomicU64::new(0));
    Arc::new(move |progress: Progress| {
        let number = progress.pass as u64;
        if pass.swap(number, Ordering::Relaxed) != number {
            clock.pass.store(clock.start.elapsed().as_millis() as u64, Ordering::Relaxed);
        }
        if clock.start.elapsed() < PATIENCE {
            return;
        }
        if drawn.swap(number, Ordering::Relaxed) != number {
            bar.set_style(if progress.total.is_some() { with_total.clone() } else { without.clone() });
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            if number > 1 {
                bar.set_prefix(format!("pass {number} "));
            }
            bar.reset();
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
            let seconds = now as f64 / 1e3;
            let Progress { pass, rows, total, loss, .. } = progress;
            if log::is_json() {
                let fields = [
                    ("pass", pass.into()),
                    ("rows", rows.into()),
                    ("total", total.into()),
                    ("seconds", seconds.into()),
                    ("loss", loss.into()),
                ];
                return log::event("progress", &fields);
            }
            let total = total.map_or("null".to_owned(), |t| t.to_string());
            let loss = loss.map_or(String::new(), |loss| format!(r#","loss":{loss}"#));
            log::write(&format!(
                "{{\"pass\":{pass},\"rows\":{rows},\"total\":{total},\"seconds\":{seconds}{loss}}}\n"
            ));
        }
    })
}
