//! The files that `streamreg fit` writes.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use streamreg::{FitReport, Regression, Source, TracePoint, same_file, save_models, write_atomically};

use crate::exit::Exit;
use crate::learning_curve::learning_curve;
use crate::options::{Curve, FitArgs, points};
use crate::text::usage;

/// The files to be written, each by its flag; none twice.
pub(super) fn named(args: &FitArgs) -> Result<Vec<(&str, &PathBuf)>> {
    let flags = [
        ("--output", &args.output.output),
        ("--save-model", &args.output.save_model),
        ("--save-state", &args.output.save_state),
        ("--vcov-out", &args.inference.vcov_out),
        ("--folds-out", &args.penalty.folds_out),
        ("--trace", &args.iterative.trace),
        ("--plot", &args.iterative.plot),
    ];
    let endings: [(&str, &Option<PathBuf>, &[&str]); 3] = [
        ("--vcov-out", &args.inference.vcov_out, &[".parquet", ".csv"]),
        ("--folds-out", &args.penalty.folds_out, &[".parquet", ".csv"]),
        ("--plot", &args.iterative.plot, &[".svg"]),
    ];
    for (flag, path, endings) in endings {
        let name = path.as_ref().map(|path| path.to_string_lossy().to_ascii_lowercase());
        if name.is_some_and(|name| !endings.iter().any(|ending| name.ends_with(ending))) {
            return Err(usage(format!("{flag} takes a file that ends in {}", endings.join(" or "))));
        }
    }
    if args.output.output.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(usage("the result goes to stdout without --output: drop `-o -`"));
    }
    let named: Vec<(&str, &PathBuf)> =
        flags.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?))).collect();
    for (index, (flag, path)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..index].iter().find(|(_, before)| same_file(before, path)) {
            return Err(usage(format!("{other} and {flag} name the same file")));
        }
    }
    Ok(named)
}

/// Refuses the output that is of one fit.
pub(super) fn refuse_covariance(args: &FitArgs, why: &str) -> Result<()> {
    match args.inference.vcov_out {
        Some(_) => Err(usage(format!("--vcov-out {why}"))),
        None => Ok(()),
    }
}

/// Writes every file that was asked for, and gives the first error; the others are told.
pub(super) fn write(
    args: &FitArgs,
    (regression, source): (&Regression, &dyn Source),
    curve: &Curve,
    fitted: &[FitReport],
    text: &str,
) -> Result<()> {
    let mut outcomes: Vec<Result<()>> = vec![write_curve(args, curve, fitted.first())];
    if let Some(path) = &args.output.output {
        outcomes.push(write_atomically(path, |file| file.write_all(text.as_bytes())).map_err(Into::into));
    }
    if let Some(path) = &args.output.save_model {
        outcomes.push(save_models(fitted, path).map_err(Into::into));
    }
    if let Some(path) = &args.penalty.folds_out {
        outcomes.push(regression.write_folds(source, path).map_err(Into::into));
    }
    if let (Some(path), [only]) = (&args.inference.vcov_out, fitted) {
        outcomes.push(only.save_covariance(path).map_err(Into::into));
    }
    let mut errors = outcomes.into_iter().filter_map(Result::err);
    let first = errors.next();
    errors.for_each(|error| {
        Exit::from_error(&error).report();
    });
    first.map_or(Ok(()), Err)
}

/// Writes the learning curve, as numbers and as a picture, where that was asked for.
pub(super) fn write_curve(args: &FitArgs, curve: &Curve, fitted: Option<&FitReport>) -> Result<()> {
    let steps = points(curve);
    if steps.is_empty() && fitted.is_none() {
        // What fails before its first step leaves the files as they were.
        return Ok(());
    }
    if let Some(path) = &args.iterative.trace {
        write_atomically(path, |file| write_trace(&steps, file))?;
    }
    if let Some(path) = &args.iterative.plot {
        let drawing = learning_curve(&steps, &plot_title(args, fitted))?;
        write_atomically(path, |file| file.write_all(drawing.as_bytes()))?;
    }
    Ok(())
}

/// A JSON object a line.
fn write_trace(points: &[TracePoint], file: &mut dyn Write) -> std::io::Result<()> {
    for point in points {
        serde_json::to_writer(&mut *file, point)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// What a learning curve is of.
fn plot_title(args: &FitArgs, fitted: Option<&FitReport>) -> String {
    let descent = fitted.and_then(|fit| fit.descent().map(|descent| (fit, descent)));
    match descent {
        Some((fit, descent)) => {
            let step =
                descent.step.map_or(String::new(), |step| format!(", step {}", streamreg::short(step)));
            format!("{}, learning rate {}{step}", fit.solver.used, descent.learning_rate.name())
        }
        None => format!("{}, diverged", args.iterative.rate_text()),
    }
}
