//! Which rows, what they weigh, and what is computed of them.

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Regression, WeightType};

use super::choice::choice;
use crate::text::{names, pair};

/// Which rows, and what they weigh.
#[derive(Debug, ClapArgs)]
pub(crate) struct RowArgs {
    /// Fit the result of an SQL query, in which every FILE is a table: named as the file is up to its first point, or
    /// NAME=FILE. Needs a program built with the cargo feature polars
    #[arg(long, value_name = "SQL", help_heading = "Rows", conflicts_with_all = ["delimiter", "no_header", "nulls", "types"])]
    pub(crate) query: Option<String>,

    /// Use only the rows for which an SQL expression is true, such as "year >= 2000 and carrier <> 'UA'"
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true, help_heading = "Rows")]
    filter: Option<String>,

    /// Add a column computed by an SQL expression; may be repeated
    #[arg(long = "with", value_name = "NAME=SQL", help_heading = "Rows")]
    with: Vec<String>,

    /// The column with the weights of the rows; --weight-type says what they mean
    #[arg(long, value_name = "COLUMN", requires = "weight_type", help_heading = "Rows")]
    weights: Option<String>,

    /// What a weight means: the row stands for so many equal rows (frequency), its variance is inversely
    /// proportional to it (analytic), or its probability to be drawn is (probability: standard errors are then
    /// robust, hc1 unless --vcov says otherwise)
    #[arg(long, value_parser = choice::<WeightType>(), value_name = "MEANING", requires = "weights", help_heading = "Rows")]
    weight_type: Option<WeightType>,

    /// Fit every group of rows that share the values of these columns, separated by commas, in one pass
    #[arg(long, value_name = "COLUMNS", help_heading = "Rows")]
    pub(crate) by: Vec<String>,
}

impl RowArgs {
    pub(super) fn apply(&self, regression: Regression) -> Result<Regression> {
        let mut regression = regression.by(names("--by", &self.by)?);
        for text in &self.with {
            let (column, expression) = pair("--with", "NAME=SQL", text)?;
            regression = regression.with(column, expression);
        }
        if let Some(filter) = &self.filter {
            regression = regression.filter(filter);
        }
        if let Some((column, kind)) = self.weights.as_ref().zip(self.weight_type) {
            regression = regression.weights(column, kind);
        }
        Ok(regression)
    }
}
