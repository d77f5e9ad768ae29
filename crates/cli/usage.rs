//! Mistakes on the command line, as clap finds them, in the words of all other errors.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::USAGE;
use crate::options::Args;

/// Prints what is wrong, or the help that was asked for, and gives the exit code.
pub(crate) fn report(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    if !error.use_stderr() {
        // The reader of a pipe may have gone away.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return 0;
    }
    let own = match text.strip_prefix("error: ") {
        Some(rest) => format!("streamreg: {}", with_tip(rest, error)),
        None => text,
    };
    let _ = std::io::stderr().write_all(own.as_bytes());
    USAGE
}

/// The message with what may have been meant by an unknown command, where clap has no idea.
fn with_tip(text: &str, error: &clap::Error) -> String {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return text.to_owned();
    };
    if error.kind() != ErrorKind::InvalidSubcommand || error.get(ContextKind::SuggestedSubcommand).is_some() {
        return text.to_owned();
    }
    let program = Args::command();
    let known = program.get_subcommands().map(clap::Command::get_name);
    let tip = if name.contains(['.', '~']) || Path::new(name).exists() {
        "to fit a file: streamreg fit FILE 'y ~ x1 + x2'".to_owned()
    } else {
        streamreg::suggestion(name, known, "commands")
    };
    text.replacen("\n\n", &format!("\n\n  tip: {tip}\n\n"), 1)
}
