//! Commands on saved models, and on files alone.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use streamreg::{Interval, Unseen};

use super::choice::choice;
use super::input::InputArgs;
use super::output::PlainFormat;
use super::run::RunArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct PredictArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Output file, .parquet or .csv [default: CSV to stdout]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Input columns to copy to the output, separated by commas
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) keep: Vec<String>,

    /// Rows with a level that the model was not fitted to: stop, leave the prediction empty (null), or take them for ones of the
    /// reference level (other)
    #[arg(long, value_parser = choice::<Unseen>(), default_value_t, value_name = "HOW")]
    pub(crate) unseen: Unseen,

    /// Add the ends of an interval: of the mean response, or of a new observation
    #[arg(long, value_parser = choice::<Interval>(), value_name = "KIND")]
    pub(crate) interval: Option<Interval>,

    /// Level of the interval
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL")]
    pub(crate) conf_level: f64,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EvaluateArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Rows with a level that the model was not fitted to: stop, drop and count them (null), or take them for ones of the
    /// reference level (other)
    #[arg(long, value_parser = choice::<Unseen>(), default_value_t, value_name = "HOW")]
    pub(crate) unseen: Unseen,

    /// Use only the rows for which an SQL expression is true
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,

    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Decode everything: checks page checksums, every field and the number of rows
    #[arg(long)]
    pub(crate) verify: bool,

    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}
