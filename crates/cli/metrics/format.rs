//! Prometheus' text exposition format: what is known, as samples.

use std::fmt::Write;

/// All metrics that there are, in the order of the file. All are gauges: every run begins anew.
const METRICS: [(&str, &str); 24] = [
    ("streamreg_run_info", "The command and the version of the program; always 1."),
    ("streamreg_running", "Whether the run is under way."),
    ("streamreg_success", "Whether the last run ended with exit code 0; absent while one is under way."),
    ("streamreg_exit_code", "Exit code of the last run; absent while one is under way."),
    ("streamreg_start_timestamp_seconds", "When the last run began, in seconds since 1970."),
    (LAST_SUCCESS, "When a run last ended with exit code 0, in seconds since 1970."),
    ("streamreg_duration_seconds", "How long the run has taken."),
    ("streamreg_phase_seconds", "How long the run has read, solved, and done anything else."),
    ("streamreg_passes", "Passes over the data, or files of an update."),
    ("streamreg_rows_processed", "Rows that came by in all passes."),
    ("streamreg_bytes_read", "Bytes read of the files in all passes."),
    ("streamreg_rows_read", "Rows of the files, after a filter."),
    ("streamreg_rows_used", "Rows that were used."),
    ("streamreg_rows_filtered", "Rows that did not pass the filter."),
    ("streamreg_rows_dropped", "Rows that could not be used, by column and reason."),
    ("streamreg_rows_without_prediction", "Rows whose prediction is empty."),
    ("streamreg_nobs", "Observations of the fit."),
    ("streamreg_r_squared", "R squared of the fit, or of predictions on the rows of an evaluation."),
    ("streamreg_sigma", "Residual standard error."),
    ("streamreg_condition_number", "Condition number of the scaled columns."),
    ("streamreg_digits", "Correct digits of the coefficients that the arithmetic leaves."),
    ("streamreg_rmse", "Root of the mean squared error of predictions."),
    ("streamreg_mae", "Mean absolute error of predictions."),
    ("streamreg_bias", "Mean of prediction minus response."),
];

/// The one that outlives a run.
pub(super) const LAST_SUCCESS: &str = "streamreg_last_success_timestamp_seconds";

/// What every file of ours begins with.
pub(super) const BEGINNING: &str = "# HELP streamreg_";

/// A value, and what it is of beside the run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Sample {
    pub(crate) fn new(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value }
    }

    #[must_use]
    pub(crate) fn of(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

/// The file: every metric that has a sample, with its help and its type, each sample with the labels of the run.
pub(super) fn render(run: &[(&'static str, String)], samples: &[Sample]) -> String {
    let mut out = String::new();
    for (name, help) in METRICS {
        let mut own = samples.iter().filter(|sample| sample.name == name).peekable();
        if own.peek().is_none() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for sample in own {
            let labels = run.iter().chain(&sample.labels);
            let labels: Vec<String> =
                labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let _ = writeln!(out, "{name}{{{}}} {}", labels.join(","), number(sample.value));
        }
    }
    out
}

/// The value of a label between its quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        v => v.to_string(),
    }
}

/// The time of the last success that an earlier file tells.
pub(super) fn last_success(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(&format!("{LAST_SUCCESS}{{")))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn labels_and_numbers_are_escaped() {
        let sample = Sample::new("streamreg_rows_dropped", 3.0).of("column", "a\"b\\c\nd");
        let text = render(&[("run", "x".into())], &[sample]);
        let last = text.lines().last().unwrap();
        assert_eq!(last, r#"streamreg_rows_dropped{run="x",column="a\"b\\c\nd"} 3"#);
        assert_eq!([f64::NAN, f64::INFINITY, -1e300].map(number)[..2], ["NaN", "+Inf"]);
        assert_eq!(number(1e-7).parse::<f64>().unwrap(), 1e-7);
        let text = render(&[("run", "a b".into())], &[Sample::new(LAST_SUCCESS, 12.5)]);
        assert_eq!(last_success(&text), Some(12.5));
    }
}
