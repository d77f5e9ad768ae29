//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Model};

use crate::args::{EvaluateArgs, PlainFormat};
use crate::exit::Exit;
use crate::{report, settings};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let options = EvaluateOptions {
        unseen: settings::unseen(args.unseen),
        filter: args.filter.clone(),
        dataset: settings::dataset(&args.input)?,
        execution: settings::execution(&args.run)?,
    };
    let evaluation = model.evaluate_paths(&args.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => report::json(&evaluation)?,
        PlainFormat::Table => report::evaluation(&evaluation),
    };
    report::print(&text)?;
    Ok(Exit::code(0))
}
