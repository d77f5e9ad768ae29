//! How the work is done, whatever is computed.

use std::io::IsTerminal;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use streamreg::{Execution, ProgressFn};

use crate::progress::{bar, json_lines};
use crate::text::usage;

/// How the work is done; nothing here changes a result.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Threads [default: all processors]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) threads: Option<usize>,

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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    #[default]
    Auto,
    Json,
    None,
}

impl RunArgs {
    /// Threads and progress.
    pub(crate) fn execution(&self) -> Result<Execution> {
        if self.quiet && self.progress == ProgressStyle::Json {
            return Err(usage("--quiet and --progress json contradict each other"));
        }
        let mut execution = Execution::default();
        execution.threads = self.threads;
        execution.progress = self.reporter();
        Ok(execution)
    }

    /// What shall be told of the progress, if anything.
    fn reporter(&self) -> Option<ProgressFn> {
        match self.progress {
            _ if self.quiet => None,
            ProgressStyle::None => None,
            ProgressStyle::Json => Some(json_lines()),
            ProgressStyle::Auto => std::io::stderr().is_terminal().then(bar),
        }
    }
}
