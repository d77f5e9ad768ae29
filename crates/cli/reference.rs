//! The reference of commands and options, as Markdown.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::options;

/// All commands with their options, under the headings of `--help`.
pub(crate) fn markdown() -> String {
    let mut program = options::program();
    program.build();
    let mut out = String::from(
        "# Commands and options\n\nMade from the program's own help. `streamreg COMMAND -h` shows the common options of a command, `--help` all.\n\
        Every option has an environment variable: `--save-model` is `STREAMREG_SAVE_MODEL` ([rules](../jobs.md)).\n",
    );
    let fit = program.find_subcommand("fit");
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        // `inspect` takes what `fit` takes, which is told once.
        let other = fit.filter(|_| command.get_name() == "inspect");
        // Writing to a string cannot fail.
        let _ = of_command(command, other, &mut out);
    }
    out
}

/// Headings of options that every command has for itself.
const OWN: [&str; 4] = ["Arguments", "Input", "Output", "Run"];

fn of_command(command: &Command, other: Option<&Command>, out: &mut String) -> std::fmt::Result {
    let of_other = |arg: &Arg| {
        !OWN.contains(&heading(arg))
            && other.is_some_and(|other| other.get_arguments().any(|theirs| theirs.get_id() == arg.get_id()))
    };
    let shown = |arg: &&Arg| !is_help(arg) && !of_other(arg);
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    writeln!(out, "\n## streamreg {}\n\n{}", command.get_name(), sentence(&about.unwrap_or_default()))?;
    let usage = command.clone().render_usage().to_string();
    writeln!(out, "\n    {}", usage.trim_start_matches("Usage: "))?;
    let mut headings: Vec<&str> = Vec::new();
    for arg in command.get_arguments().filter(shown) {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for wanted in headings {
        writeln!(out, "\n### {wanted}\n\n| option | what it does |\n|---|---|")?;
        for arg in command.get_arguments().filter(shown).filter(|arg| heading(arg) == wanted) {
            let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
            writeln!(out, "| `{}` | {} |", spelling(arg), sentence(&help).replace('|', "\\|"))?;
        }
    }
    if let Some(other) = other {
        writeln!(out, "\nThe other options are those of `streamreg {}`.", other.get_name())?;
    }
    Ok(())
}

fn is_help(arg: &Arg) -> bool {
    arg.get_id() == "help"
}

fn heading(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or(if arg.is_positional() { "Arguments" } else { "Options" })
}

/// `-o, --output FILE`.
fn spelling(arg: &Arg) -> String {
    let names = arg.get_short().map(|c| format!("-{c}")).into_iter();
    let names = names.chain(arg.get_long().map(|long| format!("--{long}"))).collect::<Vec<_>>().join(", ");
    let takes = arg.get_action().takes_values();
    let value =
        arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect::<Vec<_>>();
    let value = if takes { value.join(" ") } else { String::new() };
    // A bar would end the cell of a table.
    format!("{names} {value}").trim().replace('|', "\\|")
}

/// One line.
fn sentence(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
