//! `streamreg predict`

use std::io::BufWriter;

use anyhow::Result;
use streamreg::{
    FolderSummary, Model, Models, PredictOptions, PredictSummary, count, same_file, save_rows, table_of_rows,
};

use crate::exit::Exit;
use crate::log::warn;
use crate::metrics;
use crate::options::PredictArgs;
use crate::streams::{print, stdout};
use crate::text::{names, stdout_width, usage};

pub(crate) fn run(args: &PredictArgs) -> Result<Exit> {
    let execution = args.run.execution()?;
    let model = Models::load_within(&args.model, &execution)?;
    if args.output.as_ref().is_some_and(|output| same_file(output, &args.model)) {
        return Err(usage("the output is the model file"));
    }
    let mut options = PredictOptions::new()
        .keep(names("--keep", &args.keep)?)
        .columns(args.statistics()?)
        .unseen(args.unseen)
        .dataset(args.input.dataset()?)
        .execution(execution);
    options.with = args.selection.with()?;
    options.filter.clone_from(&args.selection.filter);
    options.interval = args.interval.map(|kind| (kind, args.conf_level.unwrap_or(model.conf_level())));
    let points = args.points()?;
    if !points.is_empty() {
        let Some(model) = model.only() else {
            return Err(usage("--at takes one model, and the file has many: give the values in a file"));
        };
        return at(args, model, &points, &options);
    }
    if let Some(folder) = &args.output_dir {
        let summary = model.predict_folder(&args.input.files, folder, args.folder(), &options)?;
        metrics::predictions(&summary.predictions);
        tell(args, &summary.predictions);
        tell_skipped(args, &summary);
        return Ok(Exit::code(0));
    }
    let summary = match &args.output {
        Some(path) => model.predict_paths(&args.input.files, path, &options)?,
        None => model.predict_stream(&args.input.files, BufWriter::new(stdout()?), &options)?,
    };
    metrics::predictions(&summary);
    tell(args, &summary);
    Ok(Exit::code(0))
}

/// Predictions for values of the command line.
fn at(
    args: &PredictArgs,
    model: &Model,
    points: &[Vec<(String, String)>],
    options: &PredictOptions,
) -> Result<Exit> {
    if !options.keep.is_empty() {
        return Err(usage("the option keep would have no effect: what --at gives is copied in any case"));
    }
    let (rows, summary) = model.predict_at(points, options)?;
    match &args.output {
        Some(path) => save_rows(&rows, path)?,
        None => {
            let given = points.first().map_or(0, Vec::len);
            print(&table_of_rows(&rows, given, stdout_width())?)?;
        }
    }
    tell(args, &summary);
    Ok(Exit::code(0))
}

/// Says on stderr what is remarkable.
fn tell(args: &PredictArgs, summary: &PredictSummary) {
    let warnings = summary.warnings.iter().map(|warning| format!("Warning: {}", warning.message));
    for notice in warnings.chain(summary.notice(args.unseen)).filter(|_| !args.run.quiet) {
        warn(&notice);
    }
}

/// Says on stderr how many outputs were there already.
fn tell_skipped(args: &PredictArgs, summary: &FolderSummary) {
    let (skipped, all) = (summary.skipped as u64, (summary.skipped + summary.written) as u64);
    if skipped > 0 && !args.run.quiet {
        let notice = format!(
            "{} of {} outputs are up to date (--force writes them again)",
            count(skipped),
            count(all)
        );
        warn(&notice);
    }
}
