//! `streamreg inspect`

use anyhow::Result;
use streamreg::{InspectOptions, Model};

use crate::exit::Exit;
use crate::options::{InspectArgs, PlainFormat, ProgressStyle};
use crate::streams::{print, stdout};
use crate::text::{fitted, usage};

pub(crate) fn run(args: InspectArgs) -> Result<Exit> {
    let (args, fit) = args.into_parts()?;
    if fit.run.progress == ProgressStyle::Json && !args.verify {
        return Err(usage("--progress json would have no effect: only --verify reads the data"));
    }
    let mut options = InspectOptions::new().dataset(fit.input.dataset()?).execution(fit.run.execution()?);
    if args.verify {
        options = options.verify();
    }
    if let Some(model) = &args.for_model {
        options = options.model(Model::load(model)?);
    }
    if args.asks {
        options = options.fit(fit.regression()?.0);
    }
    stdout()?;
    let inspection = streamreg::inspect(&fit.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => streamreg::json(&inspection)?,
        PlainFormat::Table => fitted(&inspection),
    };
    print(&text)?;
    Ok(Exit::code(0))
}
