//! Mistakes on the command line, as clap finds them, in the words of all other errors.

use std::ffi::OsStr;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::{Exit, USAGE};
use crate::log;
use crate::options::{Mistake, blame, program};
use crate::streams::print;

/// Prints what is wrong, or the help that was asked for, and gives the exit code.
pub(crate) fn report(mistake: &Mistake, command: Option<&OsStr>) -> u8 {
    let error = &mistake.error;
    let text = printable_lines(&error.render().to_string());
    if !error.use_stderr() {
        return match print(&text) {
            Ok(()) => 0,
            Err(error) => Exit::from_error(&error).report(),
        };
    }
    let own = match text.strip_prefix("error: ") {
        Some(rest) => {
            let rest = with_tip(&with_options(rest, error, command), error);
            let blamed = blame(&rest, &mistake.taken);
            let rest = blamed.map(|tip| with_line(&rest, &tip)).unwrap_or(rest);
            if log::is_json() {
                return Exit::with_message(USAGE, in_a_line(&rest)).report();
            }
            format!("streamreg: {rest}")
        }
        None if log::is_json() => return Exit::with_message(USAGE, "there is no command").report(),
        None => text,
    };
    log::write(&own);
    USAGE
}

/// What is wrong and the tips, without the usage.
fn in_a_line(text: &str) -> String {
    let line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n");
    let first = line(parts.next().unwrap_or_default());
    let tips = parts.filter_map(|part| part.trim_start().strip_prefix("tip: ").map(line));
    std::iter::once(first).chain(tips).collect::<Vec<_>>().join("; ")
}

/// The text, in which an argument may be repeated, safe for a terminal.
fn printable_lines(text: &str) -> String {
    text.split('\n').map(streamreg::printable).collect::<Vec<_>>().join("\n")
}

/// The message with the options that may have been meant, where clap has no idea. What begins with a hyphen is never meant as
/// the name of a file.
fn with_options(text: &str, error: &clap::Error, command: Option<&OsStr>) -> String {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidArg) else { return text.to_owned() };
    if error.kind() != ErrorKind::UnknownArgument || error.get(ContextKind::SuggestedArg).is_some() {
        return text.to_owned();
    }
    let lines = text.lines().filter(|line| !line.contains("as a value, use '--"));
    let text = lines.collect::<Vec<_>>().join("\n").replacen("\n\n\n", "\n\n", 1) + "\n";
    let program = program();
    let command = command.and_then(|name| program.find_subcommand(name)).unwrap_or(&program);
    let written = name.trim_start_matches('-');
    let near = command.get_arguments().filter_map(|arg| arg.get_long());
    let tip = match written {
        "robust" => "robust standard errors are --vcov hc1, or --cluster COLUMN".to_owned(),
        _ => streamreg::suggestion(written, near, "options"),
    };
    if !tip.starts_with("did you mean") && written != "robust" {
        return text;
    }
    with_line(&text, &tip)
}

/// The message with what may have been meant by an unknown command, where clap has no idea.
fn with_tip(text: &str, error: &clap::Error) -> String {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return text.to_owned();
    };
    if error.kind() != ErrorKind::InvalidSubcommand || error.get(ContextKind::SuggestedSubcommand).is_some() {
        return text.to_owned();
    }
    let program = program();
    let known = program.get_subcommands().map(clap::Command::get_name);
    let tip = if name.contains(['.', '~']) || Path::new(name).exists() {
        "to fit a file: streamreg fit FILE 'y ~ x1 + x2'".to_owned()
    } else {
        streamreg::suggestion(name, known, "commands")
    };
    with_line(text, &tip)
}

/// The message with a tip behind its first sentence.
fn with_line(text: &str, tip: &str) -> String {
    text.replacen("\n\n", &format!("\n\n  tip: {tip}\n\n"), 1)
}
