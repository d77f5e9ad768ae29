//! `streamreg inspect`

use anyhow::Result;

use crate::args::{InspectArgs, PlainFormat};
use crate::exit::Exit;
use crate::{report, settings};

pub(crate) fn run(args: &InspectArgs) -> Result<Exit> {
    let dataset = settings::dataset(&args.input)?;
    let inspection =
        streamreg::inspect(&args.input.files, args.verify, &dataset, &settings::execution(&args.run)?)?;
    let text = match args.format {
        PlainFormat::Json => report::json(&inspection)?,
        PlainFormat::Table => report::inspection(&inspection),
    };
    report::print(&text)?;
    Ok(Exit::code(0))
}
