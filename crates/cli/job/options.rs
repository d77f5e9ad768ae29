//! The options of a command, as keys of sections.

use clap::{Arg, ArgAction, Command};
use toml::de::DeValue;

use super::Given;
use crate::options::stands_above;

/// Where a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a section.
    Section(String),
    /// In the step itself.
    Positional,
}

/// What the options of one step are set to.
pub(super) struct Options<'c> {
    command: &'c Command,
    given: &'c Given,
    /// By name; those of the step come in place of those for all steps.
    set: Vec<(String, Vec<String>)>,
}

/// The section that the options under a heading of the help stand in.
fn section_of(arg: &Arg) -> Option<String> {
    let heading = if arg.is_positional() { None } else { Some(arg.get_help_heading().unwrap_or("Output")) };
    heading.map(|heading| heading.to_ascii_lowercase().replace(' ', "-"))
}

/// A key of an argument: its long name, or what a positional one is called.
fn key_of(arg: &Arg) -> Option<String> {
    match (arg.is_positional(), arg.get_long()) {
        (true, _) => Some(arg.get_id().to_string()),
        (false, long) => long.map(str::to_owned).filter(|long| !["help", "version"].contains(&long.as_str())),
    }
}

impl<'c> Options<'c> {
    pub(super) fn new(command: &'c Command, given: &'c Given) -> Self {
        Self { command, given, set: Vec::new() }
    }

    pub(super) fn command(&self) -> &str {
        self.command.get_name()
    }

    fn find(&self, key: &str) -> Option<&'c Arg> {
        self.command.get_arguments().find(|arg| key_of(arg).as_deref() == Some(key))
    }

    /// Where a key stands, if there is one.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.find(key).map(|arg| section_of(arg).map_or(Place::Positional, Place::Section))
    }

    /// The place of a positional argument among them.
    pub(super) fn position(&self, key: &str) -> usize {
        self.command.get_positionals().position(|arg| arg.get_id() == key).unwrap_or(0)
    }

    /// The sections that there are.
    pub(super) fn sections(&self) -> Vec<String> {
        let mut sections: Vec<String> = self.command.get_arguments().filter_map(section_of).collect();
        sections.dedup();
        sections
    }

    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections().iter().any(|known| known == section)
    }

    /// Whether another command has the option, in the same section.
    pub(super) fn elsewhere<'n>(
        &self,
        program: &Command,
        commands: impl IntoIterator<Item = &'n str>,
        section: &str,
        key: &str,
    ) -> bool {
        let mut found = commands.into_iter().filter_map(|name| program.find_subcommand(name));
        found.any(|command| {
            let other = Options::new(command, self.given);
            other.place(key) == Some(Place::Section(section.to_owned()))
        })
    }

    /// All keys.
    pub(super) fn names(&self) -> Vec<String> {
        self.command.get_arguments().filter_map(key_of).collect()
    }

    /// Sets an option, in place of what was set before; in words, why the value is none for it.
    pub(super) fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), String> {
        let Some(arg) = self.find(key) else { return Ok(()) };
        let arguments = arguments(key, arg, value)?;
        if self.given.iter().any(|(name, _)| *name == key) || stands_above(arg) {
            // What is typed, and what the environment says, stands above the file.
            return Ok(());
        }
        self.set.retain(|(known, _)| known != key);
        self.set.push((key.to_owned(), arguments));
        Ok(())
    }

    /// Options as they would be typed, with those that are given for the whole job.
    pub(super) fn into_arguments(self) -> Vec<String> {
        let has = |name: &str| self.find(name).is_some();
        let given = self.given.iter().filter(|(name, _)| has(name)).map(|(name, value)| match value {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        });
        let given: Vec<String> = given.collect();
        self.set.into_iter().flat_map(|(_, arguments)| arguments).chain(given).collect()
    }
}

/// An option with a value, as it would be typed.
fn arguments(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let switch = !arg.get_action().takes_values();
    let many = matches!(arg.get_action(), ArgAction::Append);
    match value {
        DeValue::Boolean(on) if switch => Ok(if *on { vec![format!("--{key}")] } else { Vec::new() }),
        _ if switch => Err(format!("{key} is true or false")),
        DeValue::Array(values) if many => {
            let one = |value: &toml::Spanned<DeValue<'_>>| {
                Ok(format!("--{key}={}", text(key, arg, value.get_ref())?))
            };
            values.iter().map(one).collect()
        }
        DeValue::Array(_) => Err(format!("{key} takes one value, not a list")),
        // A list in one text stays what it is on the command line.
        DeValue::String(text) => Ok(vec![format!("--{key}={text}")]),
        one => Ok(vec![format!("--{key}={}", text(key, arg, one)?)]),
    }
}

/// A value as it would be typed; a name of a list in quotes, if it has a comma.
fn text(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    let names = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "COLUMNS"));
    match value {
        DeValue::String(text) if names && text.contains([',', '"']) => {
            Ok(format!("\"{}\"", text.replace('"', "\"\"")))
        }
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Datetime(date) => Ok(date.to_string()),
        _ => Err(format!("{key} takes a number or a text in quotes")),
    }
}
