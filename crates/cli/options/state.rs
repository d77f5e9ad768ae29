//! Commands on states: the sums of a model over some files.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Regression, State, UpdateOptions};

use super::inference::InferenceArgs;
use super::input::{FormatArgs, InputArgs};
use super::observe::{ConditionArgs, MetricsArgs};
use super::output::OutputArgs;
use super::penalty::PenaltyArgs;
use super::run::{CheckpointArgs, LogArgs, RunArgs};
use super::solving::SolvingArgs;
use crate::text::names;

#[derive(Debug, ClapArgs)]
pub(crate) struct MergeArgs {
    /// States of one model over different files
    #[arg(required = true, num_args = 2.., value_name = "STATE")]
    pub(crate) states: Vec<PathBuf>,

    /// State of all files
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SubtractArgs {
    /// State to take files out of
    #[arg(value_name = "STATE")]
    pub(crate) state: PathBuf,

    /// State of the files to take out
    #[arg(value_name = "PART")]
    pub(crate) part: PathBuf,

    /// State of the other files
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UpdateArgs {
    /// State file, as fit --save-state writes it
    pub(crate) state: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Read files that changed again, in place of what they were
    #[arg(
        long,
        requires = "keep_parts",
        help_heading = "Files",
        long_help = "Read files that changed again, in place of what the state has of them. That takes --keep-parts, now and when they \
        were first read. Without it a file that changed is an error"
    )]
    replace: bool,

    /// Keep the sums of every file beside the state
    #[arg(
        long,
        help_heading = "Files",
        long_help = "Keep the sums of every file in the folder STATE.parts, so that the file can be taken out again by --replace and \
        --window"
    )]
    keep_parts: bool,

    /// Keep the last files only
    #[arg(
        long,
        value_name = "FILES",
        requires = "keep_parts",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Files",
        long_help = "Keep so many files in the state: the last ones in the order of their paths. Others are taken out, which takes \
        --keep-parts, now and when they were read"
    )]
    window: Option<u32>,

    /// Fail if a file of the state is gone
    #[arg(long, help_heading = "Files")]
    require_all: bool,

    /// Fail if another process is at work on the state
    #[arg(
        long,
        help_heading = "Files",
        long_help = "Fail, with exit code 75, if another process is at work on the state, instead of waiting for it"
    )]
    no_wait: bool,

    /// Tell what would be read, and stop
    #[arg(long, help_heading = "Files")]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,
}

impl UpdateArgs {
    pub(crate) fn options(&self) -> UpdateOptions {
        let mut options = UpdateOptions::default();
        options.replace = self.replace;
        options.keep_parts = self.keep_parts;
        options.window = self.window.map(|files| files as usize);
        options.require_all = self.require_all;
        options.no_wait = self.no_wait;
        options.dry_run = self.dry_run;
        options
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SolveArgs {
    /// State file, as fit --save-state writes it
    pub(crate) state: PathBuf,

    /// Another model of the state's columns, 'y ~ x1 + x2'
    #[arg(
        value_name = "FORMULA",
        allow_hyphen_values = true,
        conflicts_with = "features",
        help_heading = "Model",
        long_help = "Another model of the same columns, 'y ~ x1 + x2', whose sums are among those of the state [default: the state's \
        model]"
    )]
    formula: Option<String>,

    /// Column to explain [default: that of the state]
    #[arg(long, short, value_name = "COLUMNS", help_heading = "Model")]
    target: Vec<String>,

    /// Columns that explain it [default: those of the state]
    #[arg(long, short, value_name = "COLUMNS", help_heading = "Model")]
    features: Vec<String>,

    /// Columns to leave out; globs are possible
    #[arg(long, value_name = "COLUMNS", help_heading = "Model")]
    exclude: Vec<String>,

    /// Fit without a constant
    #[arg(long, help_heading = "Model")]
    no_intercept: bool,

    /// The files of the state, for standard errors that need rows
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Model",
        long_help = "The files of the state, for standard errors that need their rows (--vcov hc1, --cluster g); may be repeated. They must be \
        those of the state, unchanged"
    )]
    pub(crate) data: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,

    #[command(flatten)]
    pub(crate) solving: SolvingArgs,

    #[command(flatten)]
    pub(crate) inference: InferenceArgs,

    #[command(flatten)]
    pub(crate) penalty: PenaltyArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,
}

impl SolveArgs {
    /// The regression that they describe, from the sums of a state.
    pub(crate) fn regression(&self, state: State) -> Result<Regression> {
        self.output.refuse_unshown(&self.inference, &self.penalty)?;
        let targets = names("--target", &self.target)?;
        let mut regression = match &self.formula {
            Some(formula) => Regression::formula(formula).targets(targets),
            None => Regression::of_targets(targets),
        };
        if !self.features.is_empty() {
            regression = regression.features(names("--features", &self.features)?);
        }
        if !self.exclude.is_empty() {
            regression = regression.exclude(names("--exclude", &self.exclude)?);
        }
        let regression = self.solving.apply(regression.intercept(!self.no_intercept));
        let regression = self.output.apply(regression.execution(self.run.execution()?))?;
        let regression = self.inference.apply(self.penalty.apply(regression)?)?;
        Ok(regression.starting_from(state.into()))
    }
}
