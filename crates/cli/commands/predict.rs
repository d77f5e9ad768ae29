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
        interval: settings::interval(args.interval, args.conf_level),
        dataset: settings::dataset(&args.input)?,
        execution: settings::execution(&args.run)?,
    };
    let summary = match &args.output {
        Some(path) => model.predict_paths(&args.input.files, path, &options)?,
        None => model.predict_stream(&args.input.files, BufWriter::new(std::io::stdout()), &options)?,
    };
    if summary.nulls > 0 && !args.run.quiet && std::io::stderr().is_terminal() {
        let (nulls, rows) = (count(summary.nulls), count(summary.rows));
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{nulls} of {rows} rows have no prediction: an input is missing");
    }
    Ok(Exit::code(0))
}
