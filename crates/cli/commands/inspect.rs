//! `streamreg inspect`

use anyhow::Result;
use streamreg::InspectOptions;

use crate::exit::Exit;
use crate::options::{InspectArgs, PlainFormat, ProgressStyle};
use crate::streams::{print, stdout};
use crate::text::{fitted, usage};

pub(crate) fn run(args: &InspectArgs) -> Result<Exit> {
    if args.run.progress == ProgressStyle::Json && !args.verify {
        return Err(usage("--progress json would have no effect: only --verify reads the data"));
    }
    let options = InspectOptions::new().dataset(args.input.dataset()?).execution(args.run.execution()?);
    let options = if args.verify { options.verify() } else { options };
    stdout()?;
    let inspection = streamreg::inspect(&args.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => streamreg::json(&inspection)?,
        PlainFormat::Table => fitted(&inspection),
    };
    print(&text)?;
    Ok(Exit::code(0))
}
