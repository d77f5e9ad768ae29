//! `streamreg inspect`

use anyhow::Result;
use streamreg::InspectOptions;

use crate::exit::Exit;
use crate::options::{InspectArgs, PlainFormat};
use crate::text::{fitted, print};

pub(crate) fn run(args: &InspectArgs) -> Result<Exit> {
    let options = InspectOptions::new().dataset(args.input.dataset()?).execution(args.run.execution()?);
    let options = if args.verify { options.verify() } else { options };
    let inspection = streamreg::inspect(&args.input.files, &options)?;
    let text = match args.format {
        PlainFormat::Json => streamreg::json(&inspection)?,
        PlainFormat::Table => fitted(&inspection),
    };
    print(&text)?;
    Ok(Exit::code(0))
}
