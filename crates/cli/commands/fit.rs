//! `streamreg fit`

use std::io::Write;

use anyhow::Result;
use streamreg::{Dataset, FitReport, refuse_input_as_output, same_file, write_atomically};

use crate::args::FitArgs;
use crate::exit::{CONDITION, Exit};
use crate::{report, settings};

/// Digits below which no result passes for one.
const HOPELESS_DIGITS: f64 = 2.0;

/// Warnings that `--strict` does not let pass.
const STRICT_WARNINGS: [&str; 3] = ["few_digits", "undecided", "perfect_fit"];

pub(crate) fn run(args: &FitArgs) -> Result<Exit> {
    let regression = settings::regression(args)?;
    if args.output.as_ref().zip(args.save_model.as_ref()).is_some_and(|(a, b)| same_file(a, b)) {
        return Err(settings::usage("--output and --save-model name the same file"));
    }
    let dataset =
        Dataset::open(&args.input.files, &settings::dataset(&args.input)?).map_err(streamreg::Error::from)?;
    for output in args.output.iter().chain(&args.save_model) {
        refuse_input_as_output(&dataset, output)?;
    }
    let fitted = regression.fit_source(&dataset)?;
    let text = report::fit(&fitted, args.format)?;
    match &args.output {
        Some(path) => write_atomically(path, |file| file.write_all(text.as_bytes()))?,
        None => report::print(&text)?,
    }
    if let Some(path) = &args.save_model {
        fitted.model().save(path)?;
    }
    Ok(verdict(&fitted, args.strict))
}

/// The exit code for a fit that succeeded as a computation.
fn verdict(fitted: &FitReport, strict: bool) -> Exit {
    if fitted.solver.digits < HOPELESS_DIGITS {
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
