//! Standard errors and tests.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{Regression, Vcov};

use crate::text::{names, usage};

/// What standard errors rest on, and joint tests.
#[derive(Debug, ClapArgs)]
pub(crate) struct InferenceArgs {
    /// Covariance of the coefficients: iid; robust to unequal variances (hc0, hc1, hc2, hc3), to them and correlation
    /// with L rows before (hac:L, rows in the order of time), or to correlation within clusters (cr0, cr1, cr3); all
    /// but iid read the data twice [default: iid; cr1 with --cluster; hc1 with probability weights]
    #[arg(long, value_name = "KIND", help_heading = "Inference")]
    vcov: Option<String>,

    /// Rows with the same value of this column are correlated; two columns, separated by a comma, for two ways
    #[arg(long, value_name = "COLUMNS", help_heading = "Inference")]
    cluster: Vec<String>,

    /// Small-sample choices for hac, cr1 and cr3, separated by commas: no factor at all (none); of two ways each with
    /// its own factor instead of one for the fewest clusters (each); dummies nested in clusters do not count (nested);
    /// cr3 about the mean of the jackknife (jackknife-mean)
    #[arg(long, value_name = "WORDS", help_heading = "Inference")]
    ssc: Option<String>,

    /// Test restrictions on the coefficients jointly (F with the covariance of the fit): 'x1 = x2, 2*x3 + "a b" = 1',
    /// terms named as in the result; may be repeated
    #[arg(
        long = "test",
        value_name = "RESTRICTIONS",
        allow_hyphen_values = true,
        help_heading = "Inference"
    )]
    tests: Vec<String>,

    /// Write the covariance of the coefficients to a file, .csv or .parquet
    #[arg(long, value_name = "FILE", help_heading = "Inference")]
    pub(crate) vcov_out: Option<PathBuf>,
}

impl InferenceArgs {
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
