//! What explains what.

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Contrasts, Missing, Regression};

use super::choice::choice;
use crate::text::{names, pair};

/// The columns of the model, and how they enter it.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModelArgs {
    /// The column to explain; several, separated by commas, are fitted in one pass
    #[arg(long, short, value_name = "COLUMNS", required_unless_present = "formula")]
    target: Vec<String>,

    /// The columns that explain it, separated by commas; quote a name that has a comma ("a, b"); globs are
    /// possible ('x*'); text and booleans are categories [default: all numeric and boolean columns]
    #[arg(long, short, value_name = "COLUMNS", conflicts_with = "formula")]
    features: Vec<String>,

    /// Columns to leave out, separated by commas; globs are possible
    #[arg(long, value_name = "COLUMNS")]
    exclude: Vec<String>,

    /// The model as a formula, 'y ~ a*b + C(month) + poly(x, 3) + log(z) - 1', or its right side alone beside
    /// --target; `.` stands for all other numeric and boolean columns
    #[arg(long, value_name = "FORMULA")]
    formula: Option<String>,

    /// Fit without a constant
    #[arg(long)]
    no_intercept: bool,

    /// Rows with a null or non-finite value in a used column: drop and count them, stop, or keep them with
    /// an indicator (a level of its own for categories; the mean and a 0/1 column for numbers)
    #[arg(long, value_parser = choice::<Missing>(), default_value_t, value_name = "HOW")]
    missing: Missing,

    /// Numeric columns that are categories, separated by commas
    #[arg(long, value_name = "COLUMNS", help_heading = "Categories")]
    categorical: Vec<String>,

    /// The level that the others of a category are compared with [default: the first in order]; may be
    /// repeated
    #[arg(long = "reference", value_name = "COLUMN=LEVEL", help_heading = "Categories")]
    references: Vec<String>,

    /// Coding of categories: against the reference level, or against the mean of the levels
    #[arg(long, value_parser = choice::<Contrasts>(), default_value_t, value_name = "NAME", help_heading = "Categories")]
    contrasts: Contrasts,

    /// Most levels a category may have
    #[arg(long, value_name = "N", default_value_t = streamreg::DEFAULT_MAX_LEVELS, help_heading = "Categories")]
    max_levels: usize,
}

impl ModelArgs {
    /// The regression that they describe.
    pub(super) fn regression(&self) -> Result<Regression> {
        let targets = names("--target", &self.target)?;
        let start = match &self.formula {
            Some(formula) => Regression::formula(formula).targets(targets),
            None => Regression::of_targets(targets),
        };
        let mut regression = start
            .exclude(names("--exclude", &self.exclude)?)
            .categorical(names("--categorical", &self.categorical)?)
            .intercept(!self.no_intercept)
            .missing(self.missing)
            .contrasts(self.contrasts)
            .max_levels(self.max_levels);
        if !self.features.is_empty() {
            regression = regression.features(names("--features", &self.features)?);
        }
        for text in &self.references {
            let (column, level) = pair("--reference", "COLUMN=LEVEL", text)?;
            regression = regression.reference(column, level);
        }
        Ok(regression)
    }
}
