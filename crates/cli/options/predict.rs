//! Commands on saved models, and on files alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Choice, FolderOptions, Interval, RowStatistic, RowsForm, Unseen};

use super::choice::choice;
use super::input::InputArgs;
use super::observe::{ConditionArgs, MetricsArgs};
use super::output::PlainFormat;
use super::rows::SelectionArgs;
use super::run::RunArgs;
use crate::text::{assignments, names, usage};

#[derive(Debug, ClapArgs)]
#[command(mut_arg("files", |files| files.required(false).required_unless_present("points")))]
#[command(mut_arg("filter", |filter| filter.conflicts_with("points")), mut_arg("with", |with| with.conflicts_with("points")))]
pub(crate) struct PredictArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Predict for values given here: x=1,g=b or x=1:10
    #[arg(
        long = "at",
        id = "points",
        value_name = "VALUES",
        allow_hyphen_values = true,
        conflicts_with = "files",
        help_heading = "Rows",
        long_help = "Predict for values given here instead of those of a file: NAME=VALUE for every column of the model, separated by \
        commas (what has a comma is quoted), levels by their names; NA or nothing is a missing value. A number may be a range, from:to \
        or from:to:step; ranges are combined. May be repeated. The result is a table, or the file that --output names"
    )]
    points: Vec<String>,

    /// Output file, .parquet or .csv [default: CSV to stdout]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Folder for one output file per input file
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["output", "points"],
        help_heading = "Output",
        long_help = "Write one file per input file below a folder, at its path below what was named, with the folders of Hive keys. \
        Outputs that were made from the same model, options and input are passed over. After a kill or an error the same command goes \
        on with the file that it was at"
    )]
    pub(crate) output_dir: Option<PathBuf>,

    /// Form of the files: parquet or csv
    #[arg(
        long,
        value_parser = choice::<RowsForm>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "FORM",
        requires = "output_dir",
        conflicts_with = "output",
        help_heading = "Output",
        long_help = "Form of the files in --output-dir: parquet or csv [default: parquet]"
    )]
    format: Option<RowsForm>,

    /// Write outputs that are up to date, too
    #[arg(long, requires = "output_dir", conflicts_with = "output", help_heading = "Output")]
    force: bool,

    /// Input columns to copy to the output
    #[arg(
        long,
        value_name = "COLUMNS",
        help_heading = "Output",
        long_help = "Input columns to copy to the output, in front of the predictions, separated by commas; '*' stands for all"
    )]
    pub(crate) keep: Vec<String>,

    /// What to write of every row: fitted,resid,hat,se, ...
    #[arg(
        long,
        value_name = "NAMES",
        help_heading = "Output",
        long_help = "What to write of every row in place of the column `prediction`, separated by commas, as columns with the \
        names of broom's augment: fitted, se.fit (or se), resid (response minus fitted value), hat (leverage), sigma (the residual \
        standard error without the row), cooksd (Cook's distance), std.resid (the residual over its standard error), or all. hat, \
        sigma, cooksd and std.resid are for the rows of the fit; with weights they need the column of the weights, and residuals \
        need the response"
    )]
    columns: Vec<String>,

    /// Unknown levels: error, null or other
    #[arg(
        long,
        value_parser = choice::<Unseen>(), ignore_case = true,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "HOW",
        help_heading = "Rows",
        long_help = "Rows with a level that the model was not fitted to: stop (error), leave the prediction empty (null), or \
        take them for rows of the reference level (other) [default: error]"
    )]
    pub(crate) unseen: Unseen,

    /// Add an interval: confidence or prediction
    #[arg(
        long,
        value_parser = choice::<Interval>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "KIND",
        help_heading = "Output",
        long_help = "Add the ends of an interval: of the mean response (confidence), or of a new observation (prediction)"
    )]
    pub(crate) interval: Option<Interval>,

    /// Level of the interval [default: that of the fit]
    #[arg(long, value_name = "LEVEL", requires = "interval", help_heading = "Output")]
    pub(crate) conf_level: Option<f64>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

impl PredictArgs {
    /// How the files of a folder are written.
    pub(crate) fn folder(&self) -> FolderOptions {
        let mut options = FolderOptions::default();
        options.form = self.format.unwrap_or_default();
        options.force = self.force;
        options
    }

    /// The points to predict for; none where there are files.
    pub(crate) fn points(&self) -> Result<Vec<Vec<(String, String)>>> {
        self.points.iter().map(|text| assignments("--at", text)).collect()
    }

    /// What to write of every row; nothing where it was not asked for.
    pub(crate) fn statistics(&self) -> Result<Vec<RowStatistic>> {
        let mut statistics = Vec::new();
        for name in names("--columns", &self.columns)? {
            let word = name.to_ascii_lowercase();
            let word = word.strip_prefix('.').unwrap_or(&word);
            match word {
                "all" => statistics.extend(RowStatistic::ALL),
                "se" => statistics.push(RowStatistic::SeFit),
                word => {
                    statistics.push(word.parse().map_err(|e| usage(format!("--columns: {e} (or se, all)")))?);
                }
            }
        }
        Ok(statistics)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EvaluateArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Unknown levels: error, null or other
    #[arg(
        long,
        value_parser = choice::<Unseen>(), ignore_case = true,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "HOW",
        help_heading = "Rows",
        long_help = "Rows with a level that the model was not fitted to: stop (error), drop and count them (null), or take \
        them for rows of the reference level (other) [default: error]"
    )]
    pub(crate) unseen: Unseen,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Measures for every group of rows, too
    #[arg(
        long,
        value_name = "COLUMNS",
        help_heading = "Rows",
        long_help = "Give the measures for every group of rows that share the values of these columns, separated by commas, too"
    )]
    pub(crate) by: Vec<String>,

    /// Form of the result: table or json
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "FORM",
        help_heading = "Output"
    )]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,
}
