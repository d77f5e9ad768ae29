//! `streamreg-data-gen`: seeded regression data of any size with known coefficients.
//!
//! One run writes `y = b0 + x1 b1 + ... + xp bp + e` to a Parquet or CSV file, and the numbers it was made
//! from to `<file>.truth.json`, so that a fit of the file can be checked against the truth.
//!
//! - `args`: the flags, and the checked [`args::Options`] they resolve to
//! - `design`: the random design ([`design::Design`]) and its rows in blocks ([`design::Blocks`])
//! - `writer`: one [`writer::BlockWriter`] per format
//! - `output`: temporary files that take their final name only when complete
//! - `truth`: the JSON beside the data

mod args;
mod design;
mod output;
#[cfg(test)]
mod tests;
mod truth;
mod writer;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use crate::args::{Args, Options};
use crate::design::{Blocks, Design};
use crate::output::{Target, sync_directory};
use crate::truth::Truth;

fn main() -> ExitCode {
    let prepared = Args::parse().resolve().and_then(|options| {
        let design = Design::new(&options.design)?;
        Ok((options, design))
    });
    let (options, design) = match prepared {
        Ok(prepared) => prepared,
        // Flags that disagree with each other are usage errors as much as flags that do not parse.
        Err(error) => Args::command().error(ErrorKind::ValueValidation, format!("{error:#}")).exit(),
    };
    match interruptible().and_then(|stop| run(&options, &design, &stop)) {
        Ok(line) => finish(&line),
        Err(error) => fail(&error),
    }
}

/// Prints the result. A closed standard output loses the line, not the file, so it is not an error.
fn finish(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::SUCCESS
}

/// Prints the error. When standard error is closed the exit code still tells.
fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

/// A flag that Ctrl-C, SIGTERM or SIGHUP sets, so that the run can end itself and remove its temporary files.
fn interruptible() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("could not catch Ctrl-C")?;
    Ok(stop)
}

/// Writes the data and its truth; returns the line that says what was written.
fn run(options: &Options, design: &Design, stop: &AtomicBool) -> anyhow::Result<String> {
    let data = Target::new(&options.out, options.force)?;
    let truth = Target::new(&truth::path_beside(&options.out), options.force)?;

    let data_file = data.create()?;
    let mut writer = writer::open(data_file.handle()?, design, &options.format)?;
    let progress = progress_bar(options);
    for block in Blocks::new(design, options.rows) {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted; nothing was written to {}", options.out.display());
        }
        let rows = block.rows() as u64;
        writer.write(block).with_context(|| data_file.failure())?;
        progress.inc(rows);
    }
    writer.finish().with_context(|| data_file.failure())?;
    let bytes = data_file.sync()?;
    progress.finish_and_clear();

    let mut truth_file = truth.create()?;
    truth_file.write_all(&Truth::new(options, design).to_json()?)?;
    truth_file.sync()?;
    // In this order a crash can leave data without its truth, never data beside the truth of other data.
    truth.remove_old()?;
    data_file.rename_to(&data)?;
    truth_file.rename_to(&truth)?;
    sync_directory(&options.out)?;

    let columns = design.features() + 1;
    let (rows, out) = (options.rows, options.out.display());
    Ok(format!("wrote {rows} rows, {columns} columns, {bytes} bytes to {out}"))
}

/// Rows done, rows a second and the time left; hidden unless a person is watching standard error.
fn progress_bar(options: &Options) -> ProgressBar {
    if options.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{wide_bar} {percent}%  {human_pos}/{human_len} rows  {rows_per_second} rows/s  {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    // indicatif's own rate has four decimals.
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
    };
    ProgressBar::new(options.rows).with_style(style.with_key("rows_per_second", rate))
}
