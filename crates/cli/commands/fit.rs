//! `streamreg fit`

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use streamreg::{
    Checkpoint, ErrorKind, FitReport, Format, GroupSummary, Regression, RenderOptions, Source, State,
    refuse_input_as_output, render, write_groups, write_groups_file,
};

use super::outputs;
use crate::conditions::{Subject, judged, of_fits, of_rows};
use crate::exit::{CONDITION, Exit, NOT_CONVERGED};
use crate::log::tell;
use crate::metrics;
use crate::options::FitArgs;
use crate::streams::{print, stdout};

/// Below this many digits the fit is refused.
const HOPELESS_DIGITS: f64 = 2.0;

/// Warnings that `--strict` does not let pass.
const STRICT_WARNINGS: [&str; 4] = ["few_digits", "undecided", "perfect_fit", "residuals_differ"];

pub(crate) fn run(args: &FitArgs) -> Result<Exit> {
    let (regression, curve) = args.regression()?;
    let outputs = outputs::named(args)?;
    let options = args.output.render()?;
    let conditions =
        args.conditions.of(if args.rows.by.is_empty() { Subject::Fit } else { Subject::Groups })?;
    if args.output.output.is_none() {
        // Better known before everything is read.
        stdout()?;
    }
    let source = open(args, &regression)?;
    for (_, output) in outputs {
        refuse_input_as_output(source.as_ref(), output)?;
    }
    if !args.rows.by.is_empty() {
        outputs::refuse_covariance(args, "takes one fit, and --by makes many")?;
        let (regression, summed) = summed(args, regression, source.as_ref())?;
        let (exit, summary) = run_groups(args, &regression, source.as_ref(), &options)?;
        save_state(args, &summed)?;
        return Ok(judged(exit, &of_rows(&conditions, &summary.ledger)));
    }
    let (spec, _) = regression.spec(regression.schema(source.as_ref())?.as_ref())?;
    if spec.responses.len() > 1 {
        outputs::refuse_covariance(args, "takes one target; fit them one by one")?;
    }
    let (regression, summed) = summed(args, regression, source.as_ref())?;
    let fitted = regression.fit_targets(source.as_ref());
    crate::signals::end_at_once();
    let fitted = match fitted {
        Ok(fitted) => fitted,
        Err(error) => {
            if error.kind() == ErrorKind::NotConverged {
                // What led to a divergence is worth seeing, too; the error to report is the divergence.
                if let Err(unwritten) = outputs::write_curve(args, &curve, None) {
                    Exit::from_error(&unwritten).report();
                }
            }
            return Err(error.into());
        }
    };
    metrics::fits(&fitted);
    let text = render(&fitted, &options)?;
    // One output that cannot be written takes none of the others along; who reads the pipe may be gone.
    let written = outputs::write(args, (&regression, source.as_ref()), &curve, &fitted, &text);
    let printed = if args.output.output.is_none() { print(&text) } else { Ok(()) };
    let verdicts = fitted.iter().map(|f| verdict(f, args.solving.strict));
    let verdict = verdicts.into_iter().find(|e| !e.is_success()).unwrap_or(Exit::code(0));
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        // These forms have no room for what the others say below the table.
        let notices = fitted.iter().flat_map(FitReport::notices).collect();
        tell(notices, verdict.message());
    }
    written?;
    save_state(args, &summed)?;
    printed?;
    Ok(judged(verdict, &of_fits(&conditions, &fitted)))
}

/// What a fit starts from with --save-state or --checkpoint.
#[derive(Default)]
struct Summed {
    state: Option<Arc<State>>,
    checkpoint: Option<Checkpoint>,
}

/// With --save-state or --checkpoint the rows are summed first, and the fit starts from these sums.
fn summed(args: &FitArgs, regression: Regression, source: &dyn Source) -> Result<(Regression, Summed)> {
    let checkpoint = args.checkpoint.checkpoint()?;
    if args.output.save_state.is_none() && checkpoint.is_none() {
        return Ok((regression, Summed::default()));
    }
    if args.rows.query.is_some() {
        return Err(crate::text::usage(
            "a state says what was read of which files, and of a query it cannot: drop --query, or --save-state and --checkpoint",
        ));
    }
    let like = args.output.like.as_ref().map(State::load).transpose()?;
    let reading = args.input.reading();
    if let Some(checkpoint) = checkpoint.as_ref().filter(|_| args.output.save_state.is_none())
        && regression.is_iterative(source)?
    {
        let regression = regression.checkpoint(checkpoint.clone(), reading);
        return Ok((regression, Summed { state: None, checkpoint: Some(checkpoint.clone()) }));
    }
    let begun = checkpoint.as_ref().map(|checkpoint| (checkpoint, reading.as_str()));
    let state = Arc::new(regression.sum_source_with(source, like.as_ref(), begun)?);
    crate::signals::end_at_once();
    let regression = regression.starting_from(Arc::clone(&state)).of_its_model().with_rows_of_state();
    Ok((regression, Summed { state: Some(state), checkpoint }))
}

/// Saves the state, if that is asked for; then nothing needs the checkpoint any more.
fn save_state(args: &FitArgs, summed: &Summed) -> Result<()> {
    if let (Some(path), Some(state)) = (&args.output.save_state, &summed.state) {
        state.save(path)?;
    }
    Ok(summed.checkpoint.as_ref().map_or(Ok(()), Checkpoint::finish)?)
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
    Err(crate::text::usage(
        "--query needs polars: build the program with `cargo install --path . --locked --features polars`",
    ))
}

/// The exit code for a fit that succeeded as a computation.
pub(super) fn verdict(fitted: &FitReport, strict: bool) -> Exit {
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
fn run_groups(
    args: &FitArgs,
    regression: &Regression,
    source: &dyn Source,
    options: &RenderOptions,
) -> Result<(Exit, GroupSummary)> {
    let models = args.output.save_model.as_deref();
    let summary = match &args.output.output {
        Some(path) => write_groups_file(regression, source, options, path, models)?,
        None => {
            let mut out = BufWriter::new(stdout()?);
            let summary = write_groups(regression, source, options, &mut out, models)?;
            out.flush().context("the output: cannot write")?;
            summary
        }
    };
    metrics::groups(&summary);
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        tell(summary.notices(), None);
    }
    if args.solving.strict && summary.not_ok > 0 {
        let fits = if summary.not_ok == 1 { "fit has" } else { "fits have" };
        let message = format!("{} {fits} a status other than ok (--strict)", summary.not_ok);
        return Ok((Exit::with_message(CONDITION, message), summary));
    }
    Ok((Exit::code(0), summary))
}
