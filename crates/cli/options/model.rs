//! What explains what.

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Contrasts, Missing, Regression};

use super::choice::choice;
use crate::text::{names, pair};

/// The columns of the model, and how they enter it.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// The model as a formula, 'y ~ a*b + log(z)'
    #[arg(
        long,
        value_name = "FORMULA",
        allow_hyphen_values = true,
        hide_short_help = true,
        long_help = "The model as a formula, 'y ~ a*b + C(month) + poly(x, 3) + log(z) - 1', or its right side alone beside \
        --target; `.` stands for all other numeric and boolean columns. The same as a formula among the files."
    )]
    pub(super) formula: Option<String>,

    /// Column to explain, instead of a formula
    #[arg(
        long,
        short,
        value_name = "COLUMNS",
        long_help = "The column to explain, instead of a formula; several, separated by commas, are fitted in one pass"
    )]
    target: Vec<String>,

    /// Columns that explain it [default: numeric]
    #[arg(
        long,
        short,
        value_name = "COLUMNS",
        conflicts_with = "formula",
        long_help = "The columns that explain the target, separated by commas. Globs are possible ('x*'); a name with a comma \
        is quoted ('\"a, b\"'). Text and booleans are categories [default: all numeric and boolean columns]"
    )]
    features: Vec<String>,

    /// Columns to leave out; globs are possible
    #[arg(
        long,
        value_name = "COLUMNS",
        long_help = "Columns to leave out, separated by commas; globs are possible"
    )]
    exclude: Vec<String>,

    /// Numeric columns that are categories
    #[arg(
        long,
        value_name = "COLUMNS",
        long_help = "Numeric columns that are categories, separated by commas; text and booleans are categories in any case"
    )]
    categorical: Vec<String>,

    /// The level that the others of a category are compared with
    #[arg(
        long = "reference",
        value_name = "COLUMN=LEVEL",
        hide_short_help = true,
        long_help = "The level that the others of a category are compared with [default: the first in order]; the column may stand \
        in C(), as in the formula; may be repeated"
    )]
    references: Vec<String>,

    /// Coding of categories: treatment or sum
    #[arg(
        long,
        value_parser = choice::<Contrasts>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "NAME",
        hide_short_help = true,
        long_help = "Coding of categories: against the reference level (treatment), or against the mean of the levels (sum) \
        [default: treatment]"
    )]
    contrasts: Option<Contrasts>,

    /// Most levels that a category may have
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        long_help = "Most levels that a category may have; more are an error, since such a column is likely an identifier \
        [default: 100000]"
    )]
    max_levels: Option<usize>,

    /// Fit without a constant
    #[arg(long, hide_short_help = true)]
    no_intercept: bool,

    /// Rows with missing values: drop, error, indicator
    #[arg(
        long,
        value_parser = choice::<Missing>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "HOW",
        hide_short_help = true,
        long_help = "Rows with a null or non-finite value in a used column: drop and count them (drop), stop (error), or keep \
        them (indicator): a missing category is a level of its own, a missing number the mean of the others with \
        a 0/1 column beside it [default: drop]"
    )]
    missing: Option<Missing>,
}

impl ModelArgs {
    /// Whether features are named.
    pub(super) fn has_features(&self) -> bool {
        !self.features.is_empty()
    }

    /// Whether anything is explained.
    pub(super) fn is_asked(&self) -> bool {
        self.formula.is_some() || !self.target.is_empty()
    }

    /// The regression that they describe.
    pub(super) fn regression(&self) -> Result<Regression> {
        let targets = names("--target", &self.target)?;
        let start = match &self.formula {
            Some(formula) => Regression::formula(formula).targets(targets),
            None => Regression::of_targets(targets),
        };
        let mut regression = start
            .categorical(names("--categorical", &self.categorical)?)
            .intercept(!self.no_intercept)
            .missing(self.missing.unwrap_or_default());
        if !self.exclude.is_empty() {
            regression = regression.exclude(names("--exclude", &self.exclude)?);
        }
        if let Some(contrasts) = self.contrasts {
            regression = regression.contrasts(contrasts);
        }
        if let Some(levels) = self.max_levels {
            regression = regression.max_levels(levels);
        }
        if !self.features.is_empty() {
            regression = regression.features(names("--features", &self.features)?);
        }
        for text in &self.references {
            let (column, level) = pair("--reference", "COLUMN=LEVEL", text)?;
            regression = regression.reference(in_category(column), level);
        }
        Ok(regression)
    }
}

/// The column of `C(column)`, as a formula may have it; else the name as it is.
fn in_category(name: &str) -> &str {
    let inside = name.strip_prefix("C(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
    let bare = inside.unwrap_or(name);
    bare.strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
        .filter(|_| inside.is_some())
        .unwrap_or(bare)
}
