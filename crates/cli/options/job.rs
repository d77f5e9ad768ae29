//! Job files.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::run::RunArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct JobArgs {
    /// TOML file with the steps
    #[arg(value_name = "JOB")]
    pub(crate) job: PathBuf,

    /// Show what would be done, and stop
    #[arg(
        long,
        help_heading = "Run",
        long_help = "Check the file and show what every step would do: its command line, the files that it would read, their rows, and \
        the memory that it would take. Nothing is read but what says so, and nothing is written"
    )]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}
