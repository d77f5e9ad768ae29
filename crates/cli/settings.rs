//! From what was typed to what the library takes: everything checked, nothing left as text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use streamreg::{
    Collinear, ColumnType, Contrasts, CsvOptions, DatasetOptions, Execution, Interval, Missing, Precision,
    Regression, Solver, Unseen, Vcov, WeightType,
};

use crate::args::{
    CollinearArg, ContrastsArg, FitArgs, InputArgs, IntervalArg, MissingArg, PrecisionArg, SolverArg,
    UnseenArg, WeightArg,
};
use crate::descent::{Curve, descent};
use crate::exit::INTERRUPTED;
use crate::penalty::penalization;
use crate::progress::{self, RunArgs};
use crate::text::{names, pair, usage};

/// The regression that the arguments describe.
pub(crate) fn regression(args: &FitArgs) -> Result<(Regression, Curve)> {
    let targets = names("--target", &args.target)?;
    let start = match &args.formula {
        Some(formula) => Regression::formula(formula).targets(targets),
        None => Regression::of_targets(targets),
    };
    let regression = start
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
    let mut regression = columns(regression, args)?;
    if let Some(penalization) = penalization(&args.penalty)? {
        regression = regression.penalized(penalization);
    }
    if let Some((column, kind)) = args.weights.as_ref().zip(args.weight_type) {
        regression = regression.weights(column, weight_type(kind));
    }
    let iterates = args.solver.is_iterative() || args.descent.is_asked();
    let seed = args.penalty.seed.filter(|_| args.penalty.cv.is_none());
    if seed.is_some() && !iterates {
        return Err(usage("--seed is that of --cv, or of an iterative --solver"));
    }
    descent(inference(regression, args)?, &args.descent, iterates.then_some(seed.unwrap_or(0)))
}

/// The columns of the model, the rows, and what is computed.
fn columns(mut regression: Regression, args: &FitArgs) -> Result<Regression> {
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
    Ok(regression)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn delimiters() {
        assert_eq!(delimiter(";").unwrap(), b';');
        assert_eq!(delimiter("\\t").unwrap(), b'\t');
        assert!(delimiter("ab").is_err());
        assert!(delimiter("\"").is_err());
    }
}
