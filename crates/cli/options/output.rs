//! Where the result goes, and in which form.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::report::Format;

/// Where the result goes.
#[derive(Debug, ClapArgs)]
pub(crate) struct OutputArgs {
    /// Level of the confidence intervals
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL", help_heading = "Output")]
    pub(crate) conf_level: f64,

    /// Form of the result; tidy and glance are CSV with broom's column names
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    pub(crate) format: Format,

    /// Write the result to a file instead of stdout
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Save the fitted model for predict and evaluate
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) save_model: Option<PathBuf>,
}

/// Forms of results that are no fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    #[default]
    Table,
    Json,
}
