//! `streamreg completions` and `streamreg man`: what shells and `man` read about the program.

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::exit::Exit;
use crate::options::{Args, CompletionsArgs, ManArgs};
use crate::text::{print, usage};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "streamreg", &mut script);
    print(&String::from_utf8(script).context("the completions are no text")?)?;
    Ok(Exit::code(0))
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit> {
    let mut program = Args::command();
    program.build();
    let page = match &args.command {
        None => program,
        Some(name) => {
            let known: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
            let unknown = || {
                usage(format!(
                    "there is no command {name:?}: {}",
                    streamreg::suggestion(name, known, "commands")
                ))
            };
            program.find_subcommand(name).cloned().ok_or_else(unknown)?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    print(&String::from_utf8(text).context("the manual page is no text")?)?;
    Ok(Exit::code(0))
}
