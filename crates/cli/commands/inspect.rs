//! `streamreg inspect`

use anyhow::Result;

use crate::exit::Exit;
use crate::options::{InspectArgs, PlainFormat};
use crate::report;

pub(crate) fn run(args: &InspectArgs) -> Result<Exit> {
    let dataset = args.input.dataset()?;
    let inspection = streamreg::inspect(&args.input.files, args.verify, &dataset, &args.run.execution()?)?;
    let text = match args.format {
        PlainFormat::Json => report::json(&inspection)?,
        PlainFormat::Table => report::inspection(&inspection),
    };
    report::print(&text)?;
    Ok(Exit::code(0))
}
