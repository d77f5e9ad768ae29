//! Options by environment variables. Every option has one, whatever the command: `--save-model` is `STREAMREG_SAVE_MODEL`. What is
//! typed comes first.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::Args;

/// What the names of all variables begin with.
const PREFIX: &str = "STREAMREG_";

/// What `--help` says of them.
const HELP: &str = "\
Environment:
  Every option has a variable: --conf-level 0.9 is STREAMREG_CONF_LEVEL=0.9, --quiet is
  STREAMREG_QUIET=1. What is typed comes first. Empty variables, and switches that are 0,
  count as not set; of an option that may be repeated, a variable has one value.";

/// Options that a command has and always refuses, or that can say nothing new: their variables are meant for other commands.
const REFUSED: [(&str, &str); 5] = [
    ("update", "union_by_name"),
    ("solve", "save_state"),
    ("solve", "like"),
    ("solve", "folds_out"),
    ("solve", "seed"),
];

/// Headings of options that `inspect` has for itself; the others are those of a fit.
const OF_INSPECT: [&str; 3] = ["Input", "Output", "Run"];

/// A command line, with what the environment adds to it.
pub(crate) struct Parsed {
    pub(crate) args: Args,
    pub(crate) taken: Vec<Taken>,
}

/// An option whose value is that of its variable.
#[derive(Debug)]
pub(crate) struct Taken {
    long: String,
    variable: String,
}

/// A command line that is wrong.
pub(crate) struct Mistake {
    pub(crate) error: clap::Error,
    /// Variables without which it would be right, or wrong in another way.
    pub(crate) taken: Vec<Taken>,
}

/// The program and all of its commands, as helps and manual pages show them.
pub(crate) fn program() -> Command {
    Args::command().mut_subcommands(|command| {
        if !command.get_arguments().any(is_option) {
            return command;
        }
        let before = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
        let text = before.map_or(HELP.to_owned(), |before| format!("{before}\n\n{HELP}"));
        command.after_long_help(text)
    })
}

/// Whether an argument is an option that may have a variable.
fn is_option(arg: &Arg) -> bool {
    !matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version
    ) && arg.get_long().is_some()
}

/// The variable of an option.
fn variable(long: &str) -> String {
    format!("{PREFIX}{}", long.to_uppercase().replace('-', "_"))
}

/// What the environment says of an option. Nothing where it is empty; a switch that is off is not there either, as if nobody had
/// typed it.
fn value(arg: &Arg) -> Option<OsString> {
    let value = std::env::var_os(variable(arg.get_long()?)).filter(|value| !value.is_empty())?;
    let off = ["0", "n", "no", "f", "false", "off"];
    let is_off = value.to_str().is_some_and(|text| off.contains(&text.to_lowercase().as_str()));
    Some(value).filter(|_| arg.get_action().takes_values() || !is_off)
}

/// Whether the environment sets an option.
pub(crate) fn stands_above(arg: &Arg) -> bool {
    is_option(arg) && value(arg).is_some()
}

/// Reads a command line, the name of the program first.
///
/// # Errors
/// When it is wrong.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Parsed, Mistake> {
    let all = |command: &str, arg: &Arg| !REFUSED.contains(&(command, arg.get_id().as_str()));
    let with_all = parse_with(arguments, &all);
    if arguments.get(1).is_some_and(|name| name == "inspect") {
        // Without a fit there is nothing that its options could say, and no progress where nothing is read.
        let of_inspect =
            |_: &str, arg: &Arg| OF_INSPECT.contains(&arg.get_help_heading().unwrap_or_default());
        let quiet = |command: &str, arg: &Arg| of_inspect(command, arg) && arg.get_id() != "progress";
        let inspect = |parsed: &Parsed| match &parsed.args.command {
            super::Command::Inspect(inspect) => (inspect.asks(), inspect.verify),
            _ => (true, true),
        };
        match with_all.as_ref().map(inspect) {
            Ok((true, _)) => {}
            Ok((false, true)) => return parse_with(arguments, &of_inspect).map_err(Mistake::typed),
            Ok((false, false)) => return parse_with(arguments, &quiet).map_err(Mistake::typed),
            Err(_) => match parse_with(arguments, &quiet) {
                // No fit is asked about, so it was options of one that were wrong.
                Ok(own) if !inspect(&own).0 => return Ok(own),
                _ => {}
            },
        }
    }
    with_all.map_err(|error| {
        let without = parse_with(arguments, &|_: &str, _: &Arg| false);
        let innocent = without.is_err_and(|other| other.to_string() == error.to_string());
        Mistake { taken: if innocent { Vec::new() } else { candidates(arguments) }, error }
    })
}

impl Mistake {
    fn typed(error: clap::Error) -> Self {
        Self { error, taken: Vec::new() }
    }
}

/// Reads a command line, and of the environment what `takes` lets through.
fn parse_with(arguments: &[OsString], takes: &dyn Fn(&str, &Arg) -> bool) -> Result<Parsed, clap::Error> {
    let with_variables = |command: Command| {
        let name = command.get_name().to_owned();
        command.mut_args(|arg| {
            if !is_option(&arg) || !takes(&name, &arg) || value(&arg).is_none() {
                return arg;
            }
            let variable = arg.get_long().map(variable).unwrap_or_default();
            let switch = matches!(arg.get_action(), ArgAction::SetTrue);
            let arg = arg.env(variable).hide_env(true);
            if switch { arg.value_parser(BoolishValueParser::new()) } else { arg }
        })
    };
    let program = program().mut_subcommands(with_variables);
    let matches = program.clone().try_get_matches_from(arguments)?;
    let taken = match matches.subcommand() {
        Some((name, own)) => taken(&program, name, own),
        None => Vec::new(),
    };
    Ok(Parsed { args: Args::from_arg_matches(&matches)?, taken })
}

/// The options of a command whose values came from the environment.
fn taken(program: &Command, name: &str, matches: &ArgMatches) -> Vec<Taken> {
    let Some(command) = program.find_subcommand(name) else { return Vec::new() };
    let from_there =
        |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable);
    command.get_arguments().filter(|arg| is_option(arg)).filter(from_there).filter_map(Taken::of).collect()
}

/// The options of the command for which there are variables, and which are not typed.
fn candidates(arguments: &[OsString]) -> Vec<Taken> {
    let program = program();
    let name = arguments.get(1).and_then(|name| name.to_str()).unwrap_or_default();
    let Some(command) = program.find_subcommand(name) else { return Vec::new() };
    let is_typed = |arg: &Arg| {
        let typed = |word: &OsStr| {
            let word = word.to_string_lossy();
            let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
            word == long
                || word.starts_with(&format!("{long}="))
                || arg.get_short().is_some_and(|short| word.starts_with(&format!("-{short}")))
        };
        arguments.iter().any(|word| typed(word))
    };
    let set = |arg: &&Arg| is_option(arg) && value(arg).is_some() && !is_typed(arg);
    command.get_arguments().filter(set).filter_map(Taken::of).collect()
}

impl Taken {
    fn of(arg: &Arg) -> Option<Self> {
        let long = arg.get_long()?;
        Some(Self { long: long.to_owned(), variable: variable(long) })
    }

    /// The variable.
    pub(crate) fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether a message speaks of the option.
    fn is_in(&self, message: &str) -> bool {
        [format!("--{}", self.long), format!("option {}", self.long)].iter().any(|name| {
            let ends =
                |at: usize| message[at..].chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '-');
            message.match_indices(name.as_str()).any(|(at, _)| ends(at + name.len()))
        })
    }
}

/// Which variables a message about a mistake is about, in words: those of options that it names, else all that are set.
pub(crate) fn blame(message: &str, taken: &[Taken]) -> Option<String> {
    let named: Vec<&Taken> = taken.iter().filter(|taken| taken.is_in(message)).collect();
    let blamed = if named.is_empty() { taken.iter().collect() } else { named };
    let names: Vec<&str> = blamed.iter().map(|taken| taken.variable.as_str()).collect();
    (!names.is_empty()).then(|| format!("set by the environment: {}", names.join(", ")))
}

/// A warning for every variable that looks like one of ours and is none.
pub(crate) fn unknown() -> Vec<String> {
    let program = program();
    let options = program.get_subcommands().flat_map(Command::get_arguments).filter(|arg| is_option(arg));
    let known: BTreeSet<String> = options.filter_map(Arg::get_long).map(variable).collect();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect();
    unknown.sort();
    let warning = |name: &String| {
        // What all names begin with would make them all alike.
        let ends = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
        let end = name.strip_prefix(PREFIX).unwrap_or_default();
        let meant = streamreg::suggestion(end, ends, "options").replace('"', "");
        let meant = match meant.strip_prefix("did you mean ") {
            Some(near) => format!("did you mean {}", named(near)),
            None => "--help has the options".to_owned(),
        };
        format!("warning: the environment variable {name} is that of no option; {meant}")
    };
    unknown.iter().map(warning).collect()
}

/// `A or B?` as names of variables.
fn named(ends: &str) -> String {
    ends.split(" or ").map(|end| format!("{PREFIX}{end}")).collect::<Vec<_>>().join(" or ")
}
