//! `streamreg merge`, `subtract`, `update`, `solve`

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use streamreg::{
    Format, Precision, Regression, Solver, Source, State, render, same_file, save_models, update_state,
    write_atomically, write_groups, write_groups_file,
};

use super::fit::verdict;
use crate::conditions::{Condition, Subject, judged, of_fits, of_rows};
use crate::exit::Exit;
use crate::log::tell;
use crate::metrics;
use crate::options::{MergeArgs, SolveArgs, SubtractArgs, UpdateArgs};
use crate::streams::{print, stdout};
use crate::text::usage;

pub(crate) fn merge(args: &MergeArgs) -> Result<Exit> {
    let mut paths = args.states.iter();
    let Some(first) = paths.next() else { return Err(usage("there is no state to merge")) };
    let named = |path: &Path, error: streamreg::Error| error.in_file(path);
    let mut all = State::load(first)?;
    for path in paths {
        all = all.merge(State::load(path)?).map_err(|e| named(path, e))?;
    }
    if all.precision() == Precision::Float {
        let order = "warning: the sums are in float64 (--precision float): another order of the states may change their last digits";
        tell(vec![order.to_owned()], None);
    }
    all.save(&args.output)?;
    print(&line(&args.output, &all))?;
    Ok(Exit::code(0))
}

pub(crate) fn subtract(args: &SubtractArgs) -> Result<Exit> {
    let rest = State::load(&args.state)?.subtract(State::load(&args.part)?);
    let rest = rest.map_err(|e| e.in_file(&args.part))?;
    rest.save(&args.output)?;
    print(&line(&args.output, &rest))?;
    Ok(Exit::code(0))
}

/// What a state has, in a line.
pub(super) fn line(path: &Path, state: &State) -> String {
    let (rows, files) = (state.ledger().rows_used, state.inputs().len());
    format!("{}: {} of {}\n", path.display(), plural(rows, "row"), plural(files as u64, "file"))
}

fn plural(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", streamreg::count(count))
}

pub(crate) fn update(args: &UpdateArgs) -> Result<Exit> {
    let conditions = args.conditions.of(Subject::Fit)?;
    if args.dry_run && !conditions.is_empty() {
        return Err(usage("--fail-if and --assert would have no effect: --dry-run reads nothing"));
    }
    print(&updated(args)?)?;
    if args.dry_run || (conditions.is_empty() && args.metrics.metrics_file.is_none()) {
        return Ok(Exit::code(0));
    }
    judge_state(&args.state, &conditions)
}

/// Updates a state, or looks at what is new; what to print of it.
pub(super) fn updated(args: &UpdateArgs) -> Result<String> {
    if args.input.format.union_by_name {
        return Err(usage(
            "--union-by-name would have no effect: an update reads file by file, and each must have the columns of the model",
        ));
    }
    let (dataset, execution) = (args.input.dataset()?, args.run.execution()?);
    let mut options = args.options();
    options.checkpoint = args.checkpoint.checkpoint()?.map(|checkpoint| (checkpoint, args.input.reading()));
    let summary = update_state(&args.state, &args.input.files, &dataset, &execution, &options)?;
    crate::signals::end_at_once();
    let mut text = String::new();
    let would = |done: &str, planned: &str| if args.dry_run { planned.to_owned() } else { done.to_owned() };
    for path in &summary.added {
        text.push_str(&format!("{} {}\n", would("added", "would add"), path.display()));
    }
    for path in &summary.replaced {
        text.push_str(&format!("{} {}\n", would("replaced", "would replace"), path.display()));
    }
    summary.removed.iter().for_each(|gone| text.push_str(&format!("took out {gone}\n")));
    let read = if args.dry_run { summary.bytes } else { summary.reading.bytes };
    text.push_str(&format!(
        "{}: {} of {}; {} known already, {} bytes {}\n",
        args.state.display(),
        plural(summary.rows_used, "row"),
        plural(summary.files as u64, "file"),
        plural(summary.known as u64, "file"),
        streamreg::count(read),
        would("read", "to read"),
    ));
    if !args.run.quiet {
        let gone = summary
            .vanished
            .iter()
            .map(|gone| format!("warning: {gone}: the state has this file, and it is gone"));
        tell(gone.take(10).collect(), None);
    }
    Ok(text)
}

/// What an updated state breaks. The state is saved by then, so that no row counts twice or is lost. It is solved where a condition
/// is of a fit; metrics have what there is.
fn judge_state(path: &Path, conditions: &[Condition]) -> Result<Exit> {
    let state = State::load(path)?;
    let ledger = state.ledger().clone();
    let of_fit = conditions.iter().any(Condition::is_of_fit);
    if !state.spec().by.is_empty() {
        if of_fit {
            return Err(usage(
                "a condition of a fit takes one fit, and the state has many groups: ask for dropped or rows",
            ));
        }
        metrics::rows(&ledger);
        return Ok(judged(Exit::code(0), &of_rows(conditions, &ledger)));
    }
    let regression = Regression::of_state(state);
    match regression.no_rows().and_then(|none| regression.fit_targets(&none)) {
        Ok(fitted) => {
            metrics::fits(&fitted);
            Ok(judged(Exit::code(0), &of_fits(conditions, &fitted)))
        }
        Err(error) if of_fit => Err(error.into()),
        Err(_) => {
            metrics::rows(&ledger);
            Ok(judged(Exit::code(0), &of_rows(conditions, &ledger)))
        }
    }
}

pub(crate) fn solve(args: &SolveArgs) -> Result<Exit> {
    let options = args.output.render()?;
    for (flag, given) in [("--save-state", &args.output.save_state), ("--like", &args.output.like)] {
        if given.is_some() {
            return Err(usage(format!("{flag} is for fit: a state is there already")));
        }
    }
    if args.penalty.folds_out.is_some() {
        return Err(usage(
            "--folds-out is for fit, with --cv-group: a state has no rows that could be listed",
        ));
    }
    if !matches!(args.solving.solver, Solver::Auto | Solver::Cholesky) {
        return Err(usage(format!(
            "the solver {} needs rows: sums are solved by auto or cholesky",
            args.solving.solver
        )));
    }
    if args.penalty.seed_of_steps().is_some() {
        return Err(usage("--seed would have no effect: nothing is drawn at random"));
    }
    if args.output.output.is_none() {
        stdout()?;
    }
    let outputs = [&args.output.output, &args.output.save_model, &args.inference.vcov_out];
    if outputs.into_iter().flatten().any(|output| same_file(output, &args.state)) {
        return Err(usage("the output is the state itself"));
    }
    let regression = args.regression(State::load(&args.state)?)?;
    let (regression, source) = rows(args, regression)?;
    let (spec, _) = regression.spec(regression.schema(source.as_ref())?.as_ref())?;
    let conditions = args.conditions.of(if spec.by.is_empty() { Subject::Fit } else { Subject::Groups })?;
    if !spec.by.is_empty() {
        return solve_groups(args, &regression, source.as_ref(), &conditions);
    }
    let fitted = regression.fit_targets(source.as_ref())?;
    metrics::fits(&fitted);
    let text = render(&fitted, &options)?;
    if let Some(path) = &args.output.output {
        write_atomically(path, |file| file.write_all(text.as_bytes()))?;
    }
    if let Some(path) = &args.output.save_model {
        save_models(&fitted, path)?;
    }
    if let Some(path) = &args.inference.vcov_out {
        match fitted.as_slice() {
            [only] => only.save_covariance(path)?,
            _ => return Err(usage("--vcov-out takes one target; solve them one by one")),
        }
    }
    let printed = if args.output.output.is_none() { print(&text) } else { Ok(()) };
    let verdicts = fitted.iter().map(|f| verdict(f, args.solving.strict));
    let verdict = verdicts.into_iter().find(|e| !e.is_success()).unwrap_or(Exit::code(0));
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        tell(fitted.iter().flat_map(streamreg::FitReport::notices).collect(), verdict.message());
    }
    printed?;
    Ok(judged(verdict, &of_fits(&conditions, &fitted)))
}

/// The rows of the state, where they are given; else none.
fn rows(args: &SolveArgs, regression: Regression) -> Result<(Regression, Box<dyn Source>)> {
    let none = regression.no_rows()?;
    if args.data.is_empty() {
        if args.format.is_given() {
            return Err(usage(
                "how files are read would have no effect: --data gives the files of the state",
            ));
        }
        return Ok((regression, Box::new(none)));
    }
    if !regression.needs_rows(none.schema())? {
        return Err(usage("--data would have no effect: these standard errors need no rows"));
    }
    let source = regression.clone().dataset_options(args.format.dataset()?).open(&args.data)?;
    regression.check_rows_of_state(source.as_ref())?;
    Ok((regression.with_rows_of_state(), source))
}

fn solve_groups(
    args: &SolveArgs,
    regression: &Regression,
    source: &dyn Source,
    conditions: &[Condition],
) -> Result<Exit> {
    let options = args.output.render()?;
    if args.inference.vcov_out.is_some() {
        return Err(usage("--vcov-out takes one fit, and the state has many groups"));
    }
    let models = args.output.save_model.as_deref();
    let summary = match &args.output.output {
        Some(path) => write_groups_file(regression, source, &options, path, models)?,
        None => {
            let mut out = std::io::BufWriter::new(stdout()?);
            let summary = write_groups(regression, source, &options, &mut out, models)?;
            out.flush()?;
            summary
        }
    };
    metrics::groups(&summary);
    if !args.run.quiet && matches!(options.format, Format::Tidy | Format::Glance) {
        tell(summary.notices(), None);
    }
    Ok(judged(Exit::code(0), &of_rows(conditions, &summary.ledger)))
}
