//! What watches over a run: metrics, and conditions on its result.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::conditions::{Condition, Subject, parse};
use crate::text::usage;

/// Where metrics of the run go.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Run")]
pub(crate) struct MetricsArgs {
    /// Write metrics of the run for Prometheus
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        long_help = "Write metrics of the run in Prometheus' text format, as its node exporter collects them: while it runs and at its \
        end, also when it fails. docs/jobs.md lists them"
    )]
    pub(crate) metrics_file: Option<PathBuf>,

    /// Seconds between two writes of the metrics [default: 30]
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "metrics_file",
        hide_short_help = true,
        long_help = "Seconds between two writes of --metrics-file; fractions are possible [default: 30]"
    )]
    metrics_every: Option<f64>,
}

impl MetricsArgs {
    /// The time between two writes.
    pub(crate) fn every(&self) -> Result<Duration> {
        let seconds = self.metrics_every.unwrap_or(30.0);
        let wrong = || usage(format!("--metrics-every takes seconds, more than 0.01, not {seconds}"));
        let every = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        if every < Duration::from_millis(10) { Err(wrong()) } else { Ok(every) }
    }
}

/// Conditions on the result.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct ConditionArgs {
    /// Exit with code 7 if this holds: 'dropped > 5%'
    #[arg(
        long,
        value_name = "CONDITION",
        allow_hyphen_values = true,
        hide_short_help = true,
        long_help = "Exit with code 7 if a condition holds: a quantity, one of < <= > >= = !=, and a number. Quantities are dropped (rows, \
        or a share of them: 5%) and rows; of a fit r.squared, adj.r.squared, sigma, nobs, df.residual, rank, condition, digits and the \
        others of --format glance, estimate(TERM), std.error(TERM), p.value(TERM); of evaluate r.squared, rmse, mse, mae, bias. One that is \
        not known fails, too. Results and states are written all the same. May be repeated"
    )]
    fail_if: Vec<String>,

    /// Exit with code 7 unless this holds: 'r.squared > 0.8'
    #[arg(
        long,
        value_name = "CONDITION",
        allow_hyphen_values = true,
        hide_short_help = true,
        long_help = "Exit with code 7 unless a condition holds, as for --fail-if. May be repeated"
    )]
    assert: Vec<String>,
}

impl ConditionArgs {
    /// What they say of a subject.
    pub(crate) fn of(&self, subject: Subject) -> Result<Vec<Condition>> {
        parse(&self.fail_if, &self.assert, subject)
    }
}
