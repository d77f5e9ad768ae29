//! `streamreg predict`

use std::io::{BufWriter, Write};

use anyhow::Result;
use streamreg::{Model, PredictOptions, PredictSummary, Unseen, count, same_file};

use crate::exit::{Exit, told};
use crate::options::PredictArgs;
use crate::streams::stdout;
use crate::text::{names, usage};

pub(crate) fn run(args: &PredictArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    if args.output.as_ref().is_some_and(|output| same_file(output, &args.model)) {
        return Err(usage("the output is the model file"));
    }
    let mut options = PredictOptions::new()
        .keep(names("--keep", &args.keep)?)
        .columns(args.statistics()?)
        .unseen(args.unseen)
        .dataset(args.input.dataset()?)
        .execution(args.run.execution()?);
    options.interval = args.interval.map(|kind| (kind, args.conf_level.unwrap_or(model.conf_level())));
    let summary = match &args.output {
        Some(path) => model.predict_paths(&args.input.files, path, &options)?,
        None => model.predict_stream(&args.input.files, BufWriter::new(stdout()?), &options)?,
    };
    let warnings = summary.warnings.iter().map(|warning| format!("Warning: {}", warning.message));
    for notice in warnings.chain(notice(&summary, args.unseen)).filter(|_| !args.run.quiet) {
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{}", told(&notice));
    }
    Ok(Exit::code(0))
}

/// What is remarkable about the predictions, in a line.
fn notice(summary: &PredictSummary, unseen: Unseen) -> Option<String> {
    let mut parts = Vec::new();
    if summary.nulls > 0 {
        let (nulls, rows) = (count(summary.nulls), count(summary.rows));
        parts.push(format!("{nulls} of {rows} rows have no prediction: an input is missing or unknown"));
    }
    if summary.unseen > 0 {
        let cells = if summary.unseen == 1 { "cell has" } else { "cells have" };
        let taken = if unseen == Unseen::Other { ", taken for the reference level" } else { "" };
        let unseen = count(summary.unseen);
        parts.push(format!("{unseen} {cells} a level that the model does not know{taken}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
