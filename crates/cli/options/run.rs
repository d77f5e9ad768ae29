//! How the work is done, whatever is computed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use streamreg::{Checkpoint, Execution, ProgressFn, memory_allowance};

use crate::metrics;
use crate::progress::{bar, json_lines};
use crate::text::{size, usage};

/// What goes to stderr.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Run")]
pub(crate) struct LogArgs {
    /// What goes to stderr: text or json
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "FORM",
        hide_short_help = true,
        long_help = "What goes to stderr, errors included: text, or one JSON object a line (json), whose events docs/jobs.md lists \
        [default: text]"
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How the work is done; nothing here changes a result.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Threads [default: all processors]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) threads: Option<usize>,

    /// Memory that the program may take, such as 2GB
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = size,
        hide_short_help = true,
        long_help = "Memory that the program may take, such as 512MB or 2GiB. Fewer threads are used where all would take more; what \
        would take more with one thread is refused before it is read, and what outgrows the limit on the way ends, both with \
        exit code 6 [default: 80 % of the memory of the machine, or of the limit of the container or of ulimit]"
    )]
    memory_limit: Option<u64>,

    /// Progress on stderr: auto, json or none
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "HOW",
        hide_short_help = true,
        long_help = "Progress on stderr: a bar if it is a terminal (auto), one JSON object per second (json), or none [default: \
        auto]"
    )]
    pub(crate) progress: ProgressStyle,

    /// Neither progress nor notices
    #[arg(
        long,
        short,
        hide_short_help = true,
        long_help = "Neither progress nor notices, such as that of rows without a prediction"
    )]
    pub(crate) quiet: bool,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    #[default]
    Auto,
    Json,
    None,
}

/// Where a long pass saves what it came to.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Run")]
pub(crate) struct CheckpointArgs {
    /// Save what a pass came to, to go on after a kill
    #[arg(
        long = "checkpoint",
        value_name = "FOLDER",
        hide_short_help = true,
        long_help = "Save to a folder, now and then, what the pass over the data came to. After a kill, a loss of power or a full disk the \
        same command goes on from there, and comes to the same bits. Sums are those of a state: exact unless --precision float. \
        What was saved is removed once the result is written"
    )]
    folder: Option<PathBuf>,

    /// Seconds between two checkpoints [default: 60]
    #[arg(
        long = "checkpoint-every",
        value_name = "SECONDS",
        requires = "folder",
        hide_short_help = true,
        long_help = "Seconds between two checkpoints; fractions are possible [default: 60]"
    )]
    every: Option<f64>,
}

impl CheckpointArgs {
    /// What they ask for; from now on SIGINT and SIGTERM save before they end the process.
    pub(crate) fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let seconds = self.every.unwrap_or(60.0);
        let every = Duration::try_from_secs_f64(seconds);
        let every = every.map_err(|_| usage(format!("--checkpoint-every takes seconds, not {seconds}")))?;
        let (flag, stopped) = crate::signals::save_first();
        Ok(Some(Checkpoint::new(folder, every).stop(flag, stopped)))
    }
}

impl RunArgs {
    /// What is given, by the names of the options, with the values of those that take one.
    pub(crate) fn given(&self) -> Vec<(&'static str, Option<String>)> {
        let progress = match self.progress {
            ProgressStyle::Auto => None,
            ProgressStyle::Json => Some("json"),
            ProgressStyle::None => Some("none"),
        };
        let values = [
            ("threads", self.threads.map(|threads| threads.to_string())),
            ("memory-limit", self.memory_limit.map(|bytes| format!("{bytes}B"))),
            ("progress", progress.map(str::to_owned)),
            ("log-format", (self.log.log_format == LogFormat::Json).then(|| "json".to_owned())),
        ];
        let quiet = self.quiet.then_some(("quiet", None));
        values.into_iter().filter(|(_, value)| value.is_some()).chain(quiet).collect()
    }

    /// Threads and progress.
    pub(crate) fn execution(&self) -> Result<Execution> {
        if self.quiet && self.progress == ProgressStyle::Json {
            return Err(usage("--quiet and --progress json contradict each other"));
        }
        let mut execution = Execution::default();
        execution.threads = self.threads;
        execution.memory_limit = self.memory_limit.or_else(memory_allowance);
        execution.progress = metrics::counted(self.reporter());
        Ok(execution)
    }

    /// What shall be told of the progress, if anything.
    fn reporter(&self) -> Option<ProgressFn> {
        match self.progress {
            _ if self.quiet => None,
            ProgressStyle::None => None,
            ProgressStyle::Json => Some(json_lines()),
            ProgressStyle::Auto => {
                (std::io::stderr().is_terminal() && self.log.log_format == LogFormat::Text).then(bar)
            }
        }
    }
}
