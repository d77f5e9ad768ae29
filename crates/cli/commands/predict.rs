//! `streamreg predict`

use std::io::{BufWriter, IsTerminal, Write};

use anyhow::Result;
use streamreg::{Model, PredictOptions, same_file};

use crate::args::PredictArgs;
use crate::exit::Exit;
use crate::report::count;
use crate::settings;

pub(crate) fn run(args: &PredictArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    if args.output.as_ref().is_some_and(|output| same_file(output, &args.model)) {
        return Err(settings::usage("the output is the model file"));
    }
    let options = PredictOptions {
        keep: settings::names("--keep", &args.keep)?,
        unseen: settings::unseen(args.unseen),
        interval: settings::interval(args.interval, args.conf_level),
        dataset: settings::dataset(&args.input)?,
        execution: settings::execution(&args.run)?,
    };
    let summary = match &args.output {
        Some(path) => model.predict_paths(&args.input.files, path, &options)?,
        None => model.predict_stream(&args.input.files, BufWriter::new(std::io::stdout()), &options)?,
    };
    if !args.run.quiet && std::io::stderr().is_terminal() {
        let (nulls, unseen, rows) = (count(summary.nulls), count(summary.unseen), count(summary.rows));
        // A closed stderr is no reason to fail.
        if summary.nulls > 0 {
            let why = "an input is missing or unknown";
            let _ = writeln!(std::io::stderr(), "{nulls} of {rows} rows have no prediction: {why}");
        }
        if summary.unseen > 0 {
            let _ = writeln!(std::io::stderr(), "{unseen} cells have a level that the model does not know");
        }
    }
    Ok(Exit::code(0))
}
