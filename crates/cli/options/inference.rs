//! Standard errors and tests.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Regression, Vcov};

use crate::text::{names, usage};

/// What standard errors rest on, and joint tests.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Standard errors")]
pub(crate) struct InferenceArgs {
    /// Robust standard errors: hc0 to hc3, hac:L
    #[arg(
        long,
        value_name = "KIND",
        long_help = "How the covariance of the coefficients is estimated: iid; hc0, hc1, hc2 or hc3, robust to unequal \
        variances; hac:L, robust to correlation with the L rows before as well (rows must be in the order of \
        time); cr0, cr1 or cr3 with --cluster. All but iid read the data twice. Of quantiles iid and hc1 (Powell's \
        kernel), of Huber's loss iid (H1), hc0 and hc1 [default: iid; cr1 with \
        --cluster; hc1 with probability weights]"
    )]
    vcov: Option<String>,

    /// Robust to correlation within groups of rows
    #[arg(
        long,
        value_name = "COLUMNS",
        long_help = "Rows with the same value of this column may be correlated; two columns, separated by a comma, cluster in \
        two ways."
    )]
    cluster: Vec<String>,

    /// Joint F test: 'C(month)', 'x1 = x2, 2*x3 = 1'
    #[arg(
        long = "test",
        value_name = "RESTRICTIONS",
        allow_hyphen_values = true,
        long_help = "Test that all coefficients of a term are 0, such as those of all levels of 'C(month)', or linear \
        restrictions on the coefficients jointly: 'x1 = x2, 2*x3 + \"a b\" = 1', named as in the result. By F with the covariance \
        of the fit. May be repeated."
    )]
    tests: Vec<String>,

    /// Small-sample corrections, separated by commas
    #[arg(
        long,
        value_name = "WORDS",
        hide_short_help = true,
        long_help = "Small-sample corrections of hac, cr1 and cr3, separated by commas: none (no factor at all), each (of two \
        ways each with its own factor, not that of the fewest clusters), nested (dummies nested in clusters do \
        not count), jackknife-mean (cr3 about the mean of the jackknife)"
    )]
    ssc: Option<String>,

    /// Write the covariance of the coefficients to a .csv or .parquet file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) vcov_out: Option<PathBuf>,
}

impl InferenceArgs {
    /// Whether restrictions are tested.
    pub(super) fn has_tests(&self) -> bool {
        !self.tests.is_empty()
    }

    pub(super) fn apply(&self, mut regression: Regression) -> Result<Regression> {
        if let Some(text) = &self.vcov {
            let kind: Vcov = text.to_ascii_lowercase().parse().map_err(|e| usage(format!("--vcov: {e}")))?;
            regression = regression.vcov(kind);
        }
        if let Some(text) = &self.ssc {
            regression = regression.ssc(text.parse().map_err(|e| usage(format!("--ssc: {e}")))?);
        }
        for text in &self.tests {
            regression = regression.test(text);
        }
        let clusters = names("--cluster", &self.cluster)?;
        Ok(regression.cluster(clusters).complete_covariance(self.vcov_out.is_some()))
    }
}
