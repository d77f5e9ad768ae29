//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Models};

use crate::exit::Exit;
use crate::options::{EvaluateArgs, PlainFormat};
use crate::streams::{print, stdout};
use crate::text::{fitted, names};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let models = Models::load(&args.model)?;
    let mut options = EvaluateOptions::new()
        .unseen(args.unseen)
        .by(names("--by", &args.by)?)
        .dataset(args.input.dataset()?)
        .execution(args.run.execution()?);
    options.with = args.selection.with()?;
    options.filter.clone_from(&args.selection.filter);
    stdout()?;
    let evaluations = models.evaluate_paths(&args.input.files, &options)?;
    let text = match (args.format, evaluations.as_slice()) {
        (PlainFormat::Json, [only]) => streamreg::json(only)?,
        (PlainFormat::Json, all) => streamreg::json(&all)?,
        (PlainFormat::Table, all) => all.iter().map(fitted).collect::<Vec<_>>().join("\n"),
    };
    print(&text)?;
    Ok(Exit::code(0))
}
