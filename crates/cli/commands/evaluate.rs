//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Model};

use crate::exit::Exit;
use crate::options::{EvaluateArgs, PlainFormat};
use crate::report;

pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let options = EvaluateOptions {
        unseen: args.unseen,
        filter: args.filter.clone(),
        dataset: args.input.dataset()?,
        execution: args.run.execution()?,
    };
    let evaluation = model.evaluate_paths(&args.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => report::json(&evaluation)?,
        PlainFormat::Table => report::evaluation(&evaluation),
    };
    report::print(&text)?;
    Ok(Exit::code(0))
}
