//! Two models or states side by side.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::run::LogArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct CompareArgs {
    /// A model, or a state
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The model or state that is compared with it
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// Exit with code 7 if a coefficient moved further, in standard errors
    #[arg(
        long,
        value_name = "Z",
        help_heading = "Conditions",
        long_help = "Exit with code 7 if a coefficient moved by more standard errors of the difference than this. A term that is in one of \
        the two only, or has no standard error, is told of on stderr and does not count"
    )]
    pub(crate) max_shift: Option<f64>,

    /// Form of the result: table, json or csv
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "FORM",
        help_heading = "Output"
    )]
    pub(crate) format: ComparisonFormat,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComparisonFormat {
    #[default]
    Table,
    Json,
    Csv,
}
