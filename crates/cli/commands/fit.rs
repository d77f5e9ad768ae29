//! `streamreg fit`

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;
use streamreg::{
    FitReport, Format, Regression, Source, TracePoint, refuse_input_as_output, render, same_file,
    write_atomically, write_groups, write_groups_file,
};

use crate::exit::{CONDITION, Exit, NOT_CONVERGED, told};
use crate::learning_curve::learning_curve;
use crate::options::{Curve, FitArgs, points};
use crate::text::{print, usage};

/// Below this many digits the fit is refused.
const HOPELESS_DIGITS: f64 = 2.0;

/// Warnings that `--strict` does not let pass.
const STRICT_WARNINGS: [&str; 4] = ["few_digits", "undecided", "perfect_fit", "residuals_differ"];

pub(crate) fn run(args: &FitArgs) -> Result<Exit> {
    let (regression, curve) = args.regression()?;
    let outputs = outputs(args)?;
    args.output.render()?;
    let source = open(args, &regression)?;
    for (_, output) in outputs {
        refuse_input_as_output(source.as_ref(), output)?;
    }
    if !args.rows.by.is_empty() {
        refuse_models(args, "takes one fit, and --by makes many")?;
        return run_groups(args, &regression, source.as_ref());
    }
    let fitted = regression.fit_targets(source.as_ref());
    // What led to a divergence is worth seeing, too.
    write_curve(args, &curve, fitted.as_ref().ok().and_then(|fits| fits.first()))?;
    let fitted = fitted?;
    if fitted.len() > 1 {
        refuse_models(args, "takes one target; fit them one by one")?;
    }
    let options = args.output.render()?;
    let text = render(&fitted, &options)?;
    // One output that cannot be written takes none of the others along; who reads the pipe may be gone.
    let written = write_files(args, &regression, source.as_ref(), &fitted, &text);
    let printed = if args.output.output.is_none() { print(&text) } else { Ok(()) };
    written?;
    printed?;
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        // These forms have no room for what the others say below the table.
        let mut notices: Vec<String> = Vec::new();
        for notice in fitted.iter().flat_map(FitReport::notices) {
            // Several targets share their rows and most of their columns.
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        tell(&notices);
    }
    let verdicts = fitted.iter().map(|f| verdict(f, args.solving.strict));
    Ok(verdicts.into_iter().find(|e| !e.is_success()).unwrap_or(Exit::code(0)))
}

/// Writes every file that was asked for, and gives the first error.
fn write_files(
    args: &FitArgs,
    regression: &Regression,
    source: &dyn Source,
    fitted: &[FitReport],
    text: &str,
) -> Result<()> {
    let mut outcomes: Vec<Result<()>> = Vec::new();
    if let Some(path) = &args.output.output {
        outcomes.push(write_atomically(path, |file| file.write_all(text.as_bytes())).map_err(Into::into));
    }
    if let (Some(path), [only]) = (&args.output.save_model, fitted) {
        outcomes.push(only.model().and_then(|model| model.save(path)).map_err(Into::into));
    }
    if let Some(path) = &args.penalty.folds_out {
        outcomes.push(regression.write_folds(source, path).map_err(Into::into));
    }
    if let (Some(path), [only]) = (&args.inference.vcov_out, fitted) {
        outcomes.push(only.save_covariance(path).map_err(Into::into));
    }
    outcomes.into_iter().collect()
}

/// Lines on stderr; a closed one is no reason to fail.
fn tell(notices: &[String]) {
    for notice in notices {
        let notice = notice.replacen("Warning: ", "warning: ", 1);
        let _ = writeln!(std::io::stderr(), "{}", told(&notice));
    }
}

/// Refuses the outputs that are of one fit.
fn refuse_models(args: &FitArgs, why: &str) -> Result<()> {
    let asked = [("--save-model", &args.output.save_model), ("--vcov-out", &args.inference.vcov_out)];
    match asked.into_iter().find(|(_, path)| path.is_some()) {
        Some((flag, _)) => Err(usage(format!("{flag} {why}"))),
        None => Ok(()),
    }
}

/// Writes the learning curve, as numbers and as a picture, where that was asked for.
fn write_curve(args: &FitArgs, curve: &Curve, fitted: Option<&FitReport>) -> Result<()> {
    let steps = points(curve);
    if fitted.is_none() && steps.is_empty() {
        // Nothing was learnt: what stands in the files may be of another fit.
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

/// The files, or what a query makes of them.
fn open(args: &FitArgs, regression: &Regression) -> Result<Box<dyn Source>> {
    match &args.rows.query {
        None => Ok(regression.open(&args.input.files)?),
        Some(sql) => query(sql, &args.input.files),
    }
}

#[cfg(feature = "polars")]
fn query(sql: &str, files: &[PathBuf]) -> Result<Box<dyn Source>> {
    let source = streamreg_polars::query(sql, files).map_err(streamreg::Error::from)?;
    Ok(Box::new(source))
}

#[cfg(not(feature = "polars"))]
fn query(_: &str, _: &[PathBuf]) -> Result<Box<dyn Source>> {
    Err(usage(
        "--query needs polars: build the program with `cargo install --path . --locked --features polars`",
    ))
}

/// The files to be written, each by its flag; none twice.
fn outputs(args: &FitArgs) -> Result<Vec<(&str, &PathBuf)>> {
    let flags = [
        ("--output", &args.output.output),
        ("--save-model", &args.output.save_model),
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
        return Err(usage("without --output the result goes to stdout: leave `-o -` away"));
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

/// The exit code for a fit that succeeded as a computation.
fn verdict(fitted: &FitReport, strict: bool) -> Exit {
    if let Some(warning) = fitted.warnings.iter().find(|w| w.code == "not_converged") {
        return Exit::with_message(NOT_CONVERGED, &warning.message);
    }
    if fitted.solver.digits.is_some_and(|digits| digits < HOPELESS_DIGITS) {
        let message = "the design is so ill-conditioned that fewer than 2 digits of the coefficients survive";
        return Exit::with_message(CONDITION, message);
    }
    if strict && !fitted.aliased.is_empty() {
        return Exit::with_message(CONDITION, "columns depend on others (--strict)");
    }
    match fitted.warnings.iter().find(|w| STRICT_WARNINGS.contains(&w.code.as_str())) {
        Some(warning) if strict => Exit::with_message(CONDITION, format!("{} (--strict)", warning.message)),
        _ => Exit::code(0),
    }
}

/// Groups are written as they come: there may be more than memory holds as text.
fn run_groups(args: &FitArgs, regression: &Regression, source: &dyn Source) -> Result<Exit> {
    let options = args.output.render()?;
    let summary = match &args.output.output {
        Some(path) => write_groups_file(regression, source, &options, path)?,
        None => {
            let mut out = BufWriter::new(std::io::stdout());
            let summary = write_groups(regression, source, &options, &mut out)?;
            out.flush()?;
            summary
        }
    };
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        tell(&summary.notices());
    }
    if args.solving.strict && summary.remarkable > 0 {
        let fits = if summary.remarkable == 1 { "fit has" } else { "fits have" };
        let message = format!("{} {fits} a status other than ok (--strict)", summary.remarkable);
        return Ok(Exit::with_message(CONDITION, message));
    }
    Ok(Exit::code(0))
}
