//! Which rows, what they weigh, and what is computed of them.

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Regression, WeightType};

use super::choice::choice;
use crate::text::{names, pair};

/// What `--where` takes.
const WHERE: &str =
    "Use only the rows for which an SQL expression is true, such as \"year >= 2000 and carrier <> 'UA'\"";

/// What `--with` takes.
const WITH: &str = "Add a column computed by an SQL expression of a row, such as \"speed = distance / air_time\"; may be repeated";

/// Which rows, and what is computed of them: for commands that have no other options of rows. Options that may be absent as a whole
/// cannot contain others, so [`RowArgs`] has the same two.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Rows")]
pub(crate) struct SelectionArgs {
    /// Only rows for which an SQL condition is true
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true, long_help = WHERE)]
    pub(crate) filter: Option<String>,

    /// Add a column computed by an SQL expression
    #[arg(long = "with", value_name = "NAME=SQL", long_help = WITH)]
    with: Vec<String>,
}

impl SelectionArgs {
    /// The computed columns: name and expression.
    pub(crate) fn with(&self) -> Result<Vec<(String, String)>> {
        computed(&self.with)
    }
}

/// Computed columns: name and expression.
fn computed(texts: &[String]) -> Result<Vec<(String, String)>> {
    let owned = |(name, sql): (&str, &str)| (name.to_owned(), sql.to_owned());
    texts.iter().map(|text| pair("--with", "NAME=SQL", text).map(owned)).collect()
}

/// Which rows, and what they weigh.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Rows")]
pub(crate) struct RowArgs {
    /// Only rows for which an SQL condition is true
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true, long_help = WHERE)]
    filter: Option<String>,

    /// Add a column computed by an SQL expression
    #[arg(long = "with", value_name = "NAME=SQL", long_help = WITH)]
    with: Vec<String>,

    /// Column of weights; needs --weight-type
    #[arg(long, value_name = "COLUMN", requires = "weight_type")]
    weights: Option<String>,

    /// frequency, analytic or probability
    #[arg(
        long,
        value_parser = choice::<WeightType>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "MEANING",
        requires = "weights",
        long_help = "What a weight w means. frequency: the row counts as w identical rows. analytic: the variance of the row \
        is proportional to 1/w. probability: the row was drawn with a probability proportional to 1/w, and \
        standard errors are robust, hc1 unless --vcov says otherwise"
    )]
    weight_type: Option<WeightType>,

    /// One fit for every group of rows, in one pass
    #[arg(
        long,
        value_name = "COLUMNS",
        long_help = "Fit every group of rows that share the values of these columns, separated by commas, in one pass"
    )]
    pub(crate) by: Vec<String>,

    /// Fit the result of an SQL query over the files
    #[arg(long, value_name = "SQL", hide_short_help = true, conflicts_with_all = ["delimiter", "no_header", "nulls", "types", "decimal", "thousands", "date_formats", "union_by_name"], long_help = "Fit the result of an SQL query, in which every FILE is a table: named after the file up to its first dot, or by NAME=FILE. Needs a program built with the cargo feature polars")]
    pub(crate) query: Option<String>,
}

impl RowArgs {
    pub(super) fn apply(&self, regression: Regression) -> Result<Regression> {
        let mut regression = regression.by(names("--by", &self.by)?);
        for (column, expression) in computed(&self.with)? {
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
