//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Model, Models};

use crate::conditions::{Subject, judged, of_evaluation};
use crate::exit::Exit;
use crate::metrics;
use crate::options::{EvaluateArgs, PlainFormat};
use crate::streams::{print, stdout};
use crate::text::{fitted, names};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Exit> {
    let execution = args.run.execution()?;
    let models = Models::load_within(&args.model, &execution)?;
    let mut options = EvaluateOptions::new()
        .unseen(args.unseen)
        .by(names("--by", &args.by)?)
        .dataset(args.input.dataset()?)
        .execution(execution);
    options.with = args.selection.with()?;
    options.filter.clone_from(&args.selection.filter);
    let conditions = args.conditions.of(Subject::Evaluation)?;
    stdout()?;
    let evaluations = models.evaluate_paths(&args.input.files, &options)?;
    let only = models.only().map(Model::response);
    metrics::evaluations(&evaluations, only.as_deref());
    let text = match (args.format, evaluations.as_slice()) {
        (PlainFormat::Json, [only]) => streamreg::json(only)?,
        (PlainFormat::Json, all) => streamreg::json(&all)?,
        (PlainFormat::Table, all) => all.iter().map(fitted).collect::<Vec<_>>().join("\n"),
    };
    print(&text)?;
    let broken = evaluations.iter().flat_map(|evaluation| of_evaluation(&conditions, evaluation));
    Ok(judged(Exit::code(0), &broken.collect::<Vec<_>>()))
}
