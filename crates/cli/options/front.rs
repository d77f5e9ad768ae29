//! The options of a fit for front ends of other languages: the same names, values, defaults and mistakes.

use std::ffi::OsString;

use clap::{ArgAction, CommandFactory, Parser};
use streamreg::{Error, Regression, Result};

use super::{Args, Command};

/// Options that say where a result goes, or how a process tells of itself: front ends have other ways.
const OF_THE_TERMINAL: [(&str, &str); 20] = [
    ("assert", "look at the fit"),
    ("checkpoint", "the command line has it"),
    ("checkpoint-every", "the command line has it"),
    ("fail-if", "look at the fit"),
    ("folds-out", "the command line has it"),
    ("format", "the fit has what all forms show"),
    ("like", "a state can be copied without rows"),
    ("log-format", "warnings are those of the language"),
    ("metrics-every", "the command line has it"),
    ("metrics-file", "the command line has it"),
    ("output", "the fit is an object"),
    ("plot", "the command line has it"),
    ("progress", "it is an argument of its own"),
    ("query", "give the rows that the query makes"),
    ("quiet", "warnings are those of the language"),
    ("save-model", "save the fit"),
    ("save-state", "make a state"),
    ("strict", "the fit has its warnings, and the columns that depend on others"),
    ("trace", "the command line has it"),
    ("vcov-out", "the fit has the covariance"),
];

/// Options whose values are lists of names.
const OF_NAMES: [&str; 5] = ["by", "categorical", "cluster", "exclude", "features"];

/// The value of an option, as it would be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// A switch that is on.
    On,
    /// A text, as it is.
    Text(String),
    /// Several texts: one after the other where the option may be repeated, else names in a list.
    Several(Vec<String>),
}

/// An option of a fit that front ends have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FitOption {
    /// Its name, without hyphens before it.
    pub name: String,
    /// What it does, in a line.
    pub help: String,
    /// Why front ends do not have it, if they do not.
    pub elsewhere: Option<&'static str>,
}

/// All options of `streamreg fit`.
pub fn fit_options() -> Vec<FitOption> {
    let program = Args::command();
    let fit = program.find_subcommand("fit");
    let options = fit.into_iter().flat_map(clap::Command::get_arguments);
    let option = |arg: &clap::Arg| {
        let name = arg.get_long().filter(|name| *name != "help")?.to_owned();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let elsewhere = OF_THE_TERMINAL.iter().find(|(other, _)| *other == name).map(|(_, why)| *why);
        Some(FitOption { name, help, elsewhere })
    };
    options.filter_map(option).collect()
}

/// The regression that options describe, as `streamreg fit` reads them. Variables of the environment are those of the command line.
///
/// # Errors
/// For a mistake in them, in the words of the command line.
pub fn fit_of_options(given: &[(String, OptionValue)]) -> Result<Regression> {
    let program = Args::command();
    let repeats = |name: &str| {
        let fit = program.find_subcommand("fit");
        let mut options = fit.into_iter().flat_map(clap::Command::get_arguments);
        options.any(|arg| arg.get_long() == Some(name) && matches!(arg.get_action(), ArgAction::Append))
    };
    // No form of a result leaves anything out here; the file stands for the rows.
    let mut arguments: Vec<OsString> = ["streamreg", "fit", "--format=json"].map(Into::into).into();
    for (name, value) in given {
        if let Some((_, way)) = OF_THE_TERMINAL.iter().find(|(other, _)| other == name) {
            return Err(Error::invalid_request(format!(
                "the option {name} is one of the command line: {way}"
            )));
        }
        match value {
            OptionValue::On => arguments.push(format!("--{name}").into()),
            OptionValue::Text(text) => arguments.push(format!("--{name}={text}").into()),
            OptionValue::Several(texts) if repeats(name) && !OF_NAMES.contains(&name.as_str()) => {
                arguments.extend(texts.iter().map(|text| OsString::from(format!("--{name}={text}"))));
            }
            OptionValue::Several(texts) => {
                let names = texts.iter().map(|text| listed(text)).collect::<Vec<_>>().join(",");
                arguments.push(format!("--{name}={names}").into());
            }
        }
    }
    arguments.extend(["--", "FILE"].map(OsString::from));
    let args = Args::try_parse_from(&arguments).map_err(|mistake| {
        let text = mistake.to_string();
        let first = text.strip_prefix("error: ").unwrap_or(&text).split("\n\n").next().unwrap_or_default();
        Error::invalid_request(first.split_whitespace().collect::<Vec<_>>().join(" "))
    })?;
    let Command::Fit(fit) = args.command else {
        return Err(Error::invalid_request("these are no options of a fit"));
    };
    let regression = fit.regression().map_err(|error| match error.downcast::<Error>() {
        Ok(own) => own,
        Err(other) => Error::invalid_request(format!("{other:#}")),
    })?;
    Ok(regression.0)
}

/// A name as it stands in a list of names.
fn listed(name: &str) -> String {
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}
