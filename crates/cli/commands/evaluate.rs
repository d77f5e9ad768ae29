//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Model};

use crate::exit::Exit;
use crate::options::{EvaluateArgs, PlainFormat};
use crate::streams::{print, stdout};
use crate::text::{fitted, names};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let model = Model::load(&args.model)?;
    let mut options = EvaluateOptions::new()
        .unseen(args.unseen)
        .by(names("--by", &args.by)?)
        .dataset(args.input.dataset()?)
        .execution(args.run.execution()?);
    options.with = args.selection.with()?;
    options.filter.clone_from(&args.selection.filter);
    stdout()?;
    let evaluation = model.evaluate_paths(&args.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => streamreg::json(&evaluation)?,
        PlainFormat::Table => fitted(&evaluation),
    };
    print(&text)?;
    Ok(Exit::code(0))
}
