//! `streamreg completions` and `streamreg man`: what shells and `man` read about the program.

use anyhow::{Context, Result};

use crate::exit::Exit;
use crate::options::{CompletionsArgs, ManArgs, program};
use crate::streams::print;
use crate::text::usage;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program(), "streamreg", &mut script);
    print(&String::from_utf8(script).context("the completions are no text")?)?;
    Ok(Exit::code(0))
}

/// Examples and exit codes, each line as it is: filled lines would break commands.
fn verbatim(text: &str) -> String {
    let mut out = String::new();
    for part in text.split("\n\n") {
        let (title, lines) = part.split_once(":\n").unwrap_or(("Notes", part));
        let escape = |line: &str| line.replace('\\', "\\e").replace('\'', "\\(aq").replace('-', "\\-");
        let lines: String = lines.lines().map(|line| format!("\\&{}\n", escape(line))).collect();
        out.push_str(&format!(".SH {}\n.nf\n{lines}.fi\n", title.to_uppercase()));
    }
    out
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit> {
    let mut program = program();
    program.build();
    let page = match &args.command {
        None => program,
        Some(name) => {
            let unknown = || usage(format!("there is no command {name:?}"));
            program.find_subcommand(name).cloned().ok_or_else(unknown)?
        }
    };
    let mut text = Vec::new();
    let extra = page.get_after_long_help().map(ToString::to_string);
    // A page shows long helps alone for options that `-h` leaves out.
    let page = page.mut_args(|arg| match (arg.get_long_help(), arg.get_help().cloned()) {
        (None, Some(help)) => arg.long_help(help),
        _ => arg,
    });
    let page = clap_mangen::Man::new(page);
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if args.command.is_none() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(extra) = extra {
        text.extend_from_slice(verbatim(&extra).as_bytes());
    }
    print(&String::from_utf8(text).context("the manual page is no text")?)?;
    Ok(Exit::code(0))
}
