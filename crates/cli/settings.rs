//! From what was typed to what the library takes: everything checked, nothing left as text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use streamreg::{
    Collinear, ColumnType, Contrasts, CsvOptions, DatasetOptions, Execution, Interval, Missing, Precision,
    Regression, Solver, Unseen, Vcov, WeightType,
};

use crate::args::{
    CollinearArg, ContrastsArg, FitArgs, InputArgs, IntervalArg, MissingArg, PrecisionArg, RunArgs,
    SolverArg, UnseenArg, WeightArg,
};
use crate::descent::{Curve, descent};
use crate::exit::INTERRUPTED;
use crate::penalty::penalization;
use crate::progress;

/// A mistake on the command line that clap cannot see.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(streamreg::Error::invalid_request(message))
}

/// The regression that the arguments describe.
pub(crate) fn regression(args: &FitArgs) -> Result<(Regression, Curve)> {
    let targets = names("--target", &args.target)?;
    let start = match &args.formula {
        Some(formula) => Regression::formula(formula).targets(targets),
        None => Regression::of_targets(targets),
    };
    let mut regression = start
        .categorical(names("--categorical", &args.categorical)?)
        .by(names("--by", &args.by)?)
        .max_levels(args.max_levels)
        .contrasts(match args.contrasts {
            ContrastsArg::Treatment => Contrasts::Treatment,
            ContrastsArg::Sum => Contrasts::Sum,
        })
        .dataset_options(dataset(&args.input)?)
        .intercept(!args.no_intercept)
        .exclude(names("--exclude", &args.exclude)?)
        .escalate(!args.no_escalate)
        .conf_level(args.conf_level)
        .missing(match args.missing {
            MissingArg::Drop => Missing::Drop,
            MissingArg::Error => Missing::Error,
            MissingArg::Indicator => Missing::Indicator,
        })
        .solver(match args.solver {
            SolverArg::Auto => Solver::Auto,
            SolverArg::Cholesky => Solver::Cholesky,
            SolverArg::Qr => Solver::Qr,
            SolverArg::Svd => Solver::Svd,
            SolverArg::Sgd => Solver::Sgd,
            SolverArg::Gd => Solver::Gd,
            SolverArg::Cg => Solver::Cg,
        })
        .precision(match args.precision {
            PrecisionArg::Auto => Precision::Auto,
            PrecisionArg::Exact => Precision::Exact,
            PrecisionArg::Float => Precision::Float,
        })
        .collinear(match args.collinear {
            CollinearArg::Drop => Collinear::Drop,
            CollinearArg::Error => Collinear::Error,
            CollinearArg::MinNorm => Collinear::MinNorm,
        })
        .execution(execution(&args.run)?);
    if !args.features.is_empty() {
        regression = regression.features(names("--features", &args.features)?);
    }
    if let Some(tolerance) = args.rank_tol {
        regression = regression.rank_tol(tolerance);
    }
    for text in &args.references {
        let (column, level) = pair("--reference", "COLUMN=LEVEL", text)?;
        regression = regression.reference(column, level);
    }
    for text in &args.with {
        let (column, expression) = pair("--with", "NAME=SQL", text)?;
        regression = regression.with(column, expression);
    }
    if let Some(filter) = &args.filter {
        regression = regression.filter(filter);
    }
    if let Some(penalization) = penalization(&args.penalty)? {
        regression = regression.penalized(penalization);
    }
    if let Some((column, kind)) = args.weights.as_ref().zip(args.weight_type) {
        regression = regression.weights(column, weight_type(kind));
    }
    descent(inference(regression, args)?, args)
}

/// What stands before and behind the first `=`, without blanks around.
fn pair<'t>(flag: &str, form: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    let parts = text.split_once('=').map(|(a, b)| (a.trim(), b.trim()));
    parts.filter(|(a, _)| !a.is_empty()).ok_or_else(|| usage(format!("{flag} takes {form}, not {text:?}")))
}

fn weight_type(kind: WeightArg) -> WeightType {
    match kind {
        WeightArg::Frequency => WeightType::Frequency,
        WeightArg::Analytic => WeightType::Analytic,
        WeightArg::Probability => WeightType::Probability,
    }
}

/// Standard errors and tests.
fn inference(mut regression: Regression, args: &FitArgs) -> Result<Regression> {
    if let Some(text) = &args.vcov {
        let kind: Vcov = text.to_ascii_lowercase().parse().map_err(|e| usage(format!("--vcov: {e}")))?;
        regression = regression.vcov(kind);
    }
    if let Some(text) = &args.ssc {
        regression = regression.ssc(text.parse().map_err(|e| usage(format!("--ssc: {e}")))?);
    }
    for text in &args.tests {
        regression = regression.test(text);
    }
    let clusters = names("--cluster", &args.cluster)?;
    Ok(regression.cluster(clusters).complete_covariance(args.vcov_out.is_some()))
}

/// What happens to levels that a model does not know.
pub(crate) fn unseen(how: UnseenArg) -> Unseen {
    match how {
        UnseenArg::Error => Unseen::Error,
        UnseenArg::Null => Unseen::Null,
        UnseenArg::Other => Unseen::Other,
    }
}

/// How the files are read.
pub(crate) fn dataset(args: &InputArgs) -> Result<DatasetOptions> {
    let mut csv = CsvOptions { header: !args.no_header, ..CsvOptions::default() };
    if let Some(text) = &args.delimiter {
        csv.delimiter = Some(delimiter(text)?);
    }
    if !args.nulls.is_empty() {
        csv.nulls.clone_from(&args.nulls);
    }
    for text in &args.types {
        let pair = text.rsplit_once('=');
        let (column, kind) =
            pair.ok_or_else(|| usage(format!("--schema takes COLUMN=TYPE, not {text:?}")))?;
        let kind: ColumnType = kind.parse().map_err(|e| usage(format!("--schema {text}: {e}")))?;
        csv.types.push((column.to_owned(), kind));
    }
    Ok(DatasetOptions { csv })
}

fn delimiter(text: &str) -> Result<u8> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(usage(format!("--delimiter takes one ASCII character, or \\t, not {text:?}"))),
    }
}

/// Threads, progress, and the flag that Ctrl-C sets.
pub(crate) fn execution(args: &RunArgs) -> Result<Execution> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    ctrlc::set_handler(move || {
        // The first Ctrl-C lets the work clean up after itself, a second one does not wait.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot install the handler for Ctrl-C")?;
    Ok(Execution {
        threads: args.threads,
        batch_rows: None,
        progress: progress::reporter(args),
        interrupt: Some(interrupt),
    })
}

/// An interval with its level.
pub(crate) fn interval(kind: Option<IntervalArg>, level: f64) -> Option<(Interval, f64)> {
    kind.map(|kind| match kind {
        IntervalArg::Confidence => (Interval::Confidence, level),
        IntervalArg::Prediction => (Interval::Prediction, level),
    })
}

/// Splits lists of names at commas and trims them. A name in double quotes is kept as it is, commas
/// included; `""` inside is one quote.
pub(crate) fn names(flag: &str, lists: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for list in lists {
        let mut rest = list.as_str();
        loop {
            let (name, after) =
                first_name(rest).ok_or_else(|| usage(format!("{flag} {list}: a quote is not closed")))?;
            if name.is_empty() {
                return Err(usage(format!(
                    "{flag} {list:?}: a name is empty; separate names by single commas"
                )));
            }
            names.push(name);
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
    Ok(names)
}

/// The first name of a list, and what follows its comma. `None` if a quote is not closed.
fn first_name(list: &str) -> Option<(String, Option<&str>)> {
    let Some(quoted) = list.trim_start().strip_prefix('"') else {
        return Some(match list.split_once(',') {
            Some((name, after)) => (name.trim().to_owned(), Some(after)),
            None => (list.trim().to_owned(), None),
        });
    };
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            name.push('"');
            rest = more;
        } else if after.trim().is_empty() {
            return Some((name, None));
        } else {
            return after.trim_start().strip_prefix(',').map(|after| (name, Some(after)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn names_are_split_at_commas_outside_quotes() {
        let split = |list: &str| names("--features", &[list.to_owned()]).map_err(|e| e.to_string());
        assert_eq!(split("a, b c").unwrap(), ["a", "b c"]);
        assert_eq!(
            split(r#""age, years",height,"say ""hi""""#).unwrap(),
            ["age, years", "height", r#"say "hi""#]
        );
        assert!(split("a,,b").unwrap_err().contains("empty"));
        assert!(split(r#""a,b"#).unwrap_err().contains("not closed"));
    }

    #[test]
    fn delimiters() {
        assert_eq!(delimiter(";").unwrap(), b';');
        assert_eq!(delimiter("\\t").unwrap(), b'\t');
        assert!(delimiter("ab").is_err());
        assert!(delimiter("\"").is_err());
    }
}
