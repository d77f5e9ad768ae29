//! Where the result goes, and in which form.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use streamreg::{Format, Regression, RenderOptions};

use super::choice::choice;
use super::inference::InferenceArgs;
use super::penalty::PenaltyArgs;
use crate::text::{stdout_width, usage};

/// Where the result goes.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write the result to a file
    #[arg(
        long,
        short,
        value_name = "FILE",
        long_help = "Write the result to a file instead of stdout: whole or not at all, and never over an input. The ending \
        decides the form: .json, .csv (tidy), .md (markdown), .txt (table); --format overrules it."
    )]
    pub(crate) output: Option<PathBuf>,

    /// Form: table, json, tidy, glance or markdown
    #[arg(
        long,
        value_parser = choice::<Format>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "FORM",
        long_help = "Form of the result. table is for people, json has everything, tidy (one line per coefficient) and glance (one \
        line per fit) are CSV with the column names of R's broom, markdown is for reports [default: by the ending \
        of --output, else table]"
    )]
    format: Option<Format>,

    /// Standardised coefficients, beside the others
    #[arg(
        long,
        hide_short_help = true,
        long_help = "Give every coefficient in units of standard deviations as well: its estimate times sd(x) / sd(y), as R's lm.beta. \
        The fit does not change"
    )]
    standardized: bool,

    /// Save the model for predict and evaluate
    #[arg(long, value_name = "FILE")]
    pub(crate) save_model: Option<PathBuf>,

    /// Save the sums, to be merged, updated and solved later
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        long_help = "Save a state: the sums of everything read, which `streamreg merge`, `subtract`, `update` and `solve` take. Sums are \
        exact unless --precision float. It has no rows, but sums over few of them: see docs/state.md"
    )]
    pub(crate) save_state: Option<PathBuf>,

    /// Make the state of --save-state like another one
    #[arg(
        long,
        value_name = "STATE",
        requires = "save_state",
        hide_short_help = true,
        long_help = "Make the state of --save-state like another one, so that they can be merged: of its model, with the numbers that \
        polynomials and missing values are computed about, and its order of levels"
    )]
    pub(crate) like: Option<PathBuf>,

    /// Level of the confidence intervals, which tidy, json and markdown have [default: 0.95]
    #[arg(long, value_name = "LEVEL", hide_short_help = true)]
    conf_level: Option<f64>,
}

impl OutputArgs {
    pub(super) fn apply(&self, regression: Regression) -> Result<Regression> {
        let regression = if self.standardized { regression.standardized() } else { regression };
        let Some(level) = self.conf_level else { return Ok(regression) };
        if !(level > 0.0 && level < 1.0) {
            return Err(usage(format!("the confidence level must lie between 0 and 1, not {level}")));
        }
        let format = self.render()?.format;
        // A saved model keeps the level.
        if matches!(format, Format::Table | Format::Glance) && self.save_model.is_none() {
            return Err(usage(format!(
                "the option conf-level would have no effect: the form {format} shows no intervals; tidy, json and markdown do"
            )));
        }
        Ok(regression.conf_level(level))
    }

    /// Refuses what the form of the result has no place for.
    pub(super) fn refuse_unshown(&self, inference: &InferenceArgs, penalty: &PenaltyArgs) -> Result<()> {
        let format = self.render()?.format;
        let unshown = [
            ("test", inference.has_tests(), "table, json and markdown do"),
            ("lambdas", penalty.has_path_alone(), "json does"),
        ];
        if format == Format::Glance && self.standardized {
            let message =
                "the option standardized would have no effect: the form glance shows no coefficients";
            return Err(usage(message));
        }
        if format == Format::Tidy && penalty.has_test_error() {
            let message = "the option cv would have no effect: the form tidy does not show the error of rows held out; table, json, \
                           glance and markdown do";
            return Err(usage(message));
        }
        let asked = unshown.into_iter().find(|(_, asked, _)| *asked);
        match asked.filter(|_| matches!(format, Format::Tidy | Format::Glance)) {
            Some((option, _, others)) => Err(usage(format!(
                "the option {option} would have no effect: the form {format} does not show it; {others}"
            ))),
            None => Ok(()),
        }
    }

    /// The form of the result, and how wide its lines may be.
    pub(crate) fn render(&self) -> Result<RenderOptions> {
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => Format::of_path(path).map_err(|e| usage(e.to_string()))?,
            (None, None) => Format::Table,
        };
        let options = RenderOptions::new(format);
        Ok(match stdout_width().filter(|_| self.output.is_none()) {
            Some(width) => options.width(width),
            None => options,
        })
    }
}

/// Forms of results that are no fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    #[default]
    Table,
    Json,
}
