//! `streamreg evaluate`

use anyhow::Result;
use streamreg::{EvaluateOptions, Model};

use crate::conditions::{Subject, judged, of_evaluation};
use crate::exit::Exit;
use crate::metrics;
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
    options.filter.clone_from(&args.filter);
    let conditions = args.conditions.of(Subject::Evaluation)?;
    stdout()?;
    let evaluation = model.evaluate_paths(&args.input.files, &options)?;
    metrics::evaluation(&evaluation, &model.response());
    let text = match args.format {
        PlainFormat::Json => streamreg::json(&evaluation)?,
        PlainFormat::Table => fitted(&evaluation),
    };
    print(&text)?;
    Ok(judged(Exit::code(0), &of_evaluation(&conditions, &evaluation)))
}
