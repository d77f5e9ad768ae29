//! Job files: steps in TOML, whose keys are the long options of the commands.
//!
//! A step becomes the argument list that would be typed, so that a job can do what the command line can, and nothing else. Options
//! stand in sections named after the headings of `--help`; a section outside of the steps has options for all of them.

mod options;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Command, CommandFactory};
use streamreg::same_file;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use self::options::{Options, Place};
use crate::options::{Args, Mistake, Parsed, blame, parse};
use crate::text::usage;

/// Commands that a step may be.
const COMMANDS: [&str; 9] =
    ["fit", "merge", "subtract", "update", "solve", "predict", "evaluate", "compare", "inspect"];

/// Keys of a step that are no options.
const COMMAND: &str = "command";
const NAME: &str = "name";
const CREATES: &str = "creates";
const FORMULA: &str = "formula";

/// A file of steps.
pub(crate) struct Job {
    pub(crate) steps: Vec<Step>,
}

/// A command with its arguments.
pub(crate) struct Step {
    /// Its place from 1 on, and its name if it has one.
    pub(crate) title: String,
    /// The name of the program, the command, options, files.
    pub(crate) arguments: Vec<OsString>,
    /// A file without which the step is run, and with which it is not.
    pub(crate) creates: Option<PathBuf>,
}

impl Step {
    /// The step as it would be typed in a shell.
    pub(crate) fn typed(&self) -> String {
        let quoted = |argument: &OsString| {
            let text = argument.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=%+@".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                text.into_owned()
            } else {
                format!("'{}'", text.replace('\'', "'\\''"))
            }
        };
        self.arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// What its options say of these flags.
    fn files_of(&self, flags: &[&str]) -> Vec<PathBuf> {
        let texts = self.arguments.iter().map(|argument| argument.to_string_lossy());
        let out =
            |text: Cow<'_, str>| flags.iter().find_map(|flag| text.strip_prefix(flag)).map(PathBuf::from);
        texts.filter_map(out).collect()
    }

    /// The files that it makes, and that of its metrics.
    fn outputs(&self) -> Vec<PathBuf> {
        self.files_of(&["--output=", "--save-state=", "--save-model=", "--metrics-file="])
    }

    /// The files that its options and arguments say it writes.
    pub(crate) fn writes(&self) -> Vec<PathBuf> {
        let files = self.arguments.iter().skip_while(|argument| *argument != "--").skip(1);
        let updated = files.take(usize::from(self.arguments[1] == "update")).map(PathBuf::from);
        let made = self.files_of(&["--output=", "--output-dir=", "--save-state=", "--save-model="]);
        made.into_iter().chain(updated).collect()
    }

    /// Its arguments, as the program takes them.
    ///
    /// # Errors
    /// When they are not valid.
    pub(crate) fn parsed(&self) -> Result<Parsed> {
        parse(&self.arguments).map_err(|Mistake { error, taken }| {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
            let blamed = blame(&first, &taken).map_or(String::new(), |blamed| format!("; {blamed}"));
            usage(format!("{}: {first}{blamed}", self.title))
        })
    }
}

/// Options that stand above those of a file: their names, and the values of those that take one.
pub(crate) type Given = Vec<(&'static str, Option<String>)>;

impl Job {
    /// Reads and checks a job file. What `given` and the environment set is not taken from the file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key, a value or a step that is not valid; with the line.
    pub(crate) fn load(path: &Path, given: &Given) -> Result<Self> {
        let failed = |e: std::io::Error| {
            anyhow::Error::new(streamreg::Error::invalid_data(format!("{}: {e}", path.display())))
        };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let reader = Reader { path, text: &text, program: Args::command(), given };
        let steps = reader.job()?;
        reader.check_outputs(&steps)?;
        Ok(Self { steps })
    }
}

/// A job file on its way to steps.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    program: Command,
    given: &'a Given,
}

type Table<'t> = DeTable<'t>;
type Key<'t> = Spanned<Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    fn job(&self) -> Result<Vec<Step>> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.wrong(error.span().unwrap_or(0..0), error.message()))?;
        let table = table.into_inner();
        let mut steps: Option<&DeArray<'_>> = None;
        let mut defaults = Vec::new();
        for (key, value) in table.iter() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("step", DeValue::Array(array)) => steps = Some(array),
                ("step", _) => return Err(self.wrong(key.span(), "steps are tables, each under [[step]]")),
                (_, DeValue::Table(section)) => defaults.push((key, section)),
                (name, _) => {
                    let message = format!(
                        "there is no key {name:?} outside of steps: only [[step]], and sections such as [run]"
                    );
                    return Err(self.wrong(key.span(), message));
                }
            }
        }
        let Some(steps) = steps.filter(|steps| !steps.is_empty()) else {
            return Err(self.wrong(0..0, "there is no [[step]]"));
        };
        let mut used = HashSet::new();
        let made = steps.iter().enumerate().map(|(index, step)| match step.get_ref() {
            DeValue::Table(table) => self.step(index + 1, step.span(), table, (&defaults, &mut used)),
            _ => Err(self.wrong(step.span(), "a step is a table")),
        });
        let made = made.collect::<Result<Vec<Step>>>()?;
        let keys =
            defaults.iter().flat_map(|(section, table)| table.iter().map(move |(key, _)| (section, key)));
        match keys.into_iter().find(|(_, key)| !used.contains(&key.span().start)) {
            Some((section, key)) => {
                let message =
                    format!("no step takes the option {:?} in [{}]", key.get_ref(), section.get_ref());
                Err(self.wrong(key.span(), message))
            }
            None => Ok(made),
        }
    }

    /// Refuses outputs that would take the place of the job file, or of what another step writes.
    fn check_outputs(&self, steps: &[Step]) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut taken: Vec<(PathBuf, &Step)> = Vec::new();
        for step in steps {
            for output in step.outputs() {
                let place = folder.join(&output);
                let refuse = |why: String| {
                    let path = self.path.display();
                    Err(usage(format!("{path}: {}: {}: {why}", step.title, output.display())))
                };
                if same_file(&place, self.path) {
                    return refuse("the step would write over the job file".to_owned());
                }
                if let Some((_, other)) = taken.iter().find(|(known, _)| same_file(known, &place)) {
                    return refuse(format!(
                        "{} writes this file, too: give each a file of its own",
                        other.title
                    ));
                }
                taken.push((place, step));
            }
        }
        Ok(())
    }

    fn step(
        &self,
        number: usize,
        span: Range<usize>,
        table: &Table<'_>,
        (defaults, used): (&[(&Key<'_>, &Table<'_>)], &mut HashSet<usize>),
    ) -> Result<Step> {
        let text = |key: &str| self.text_of(table, key);
        let Some(name) = text(COMMAND)? else {
            return Err(self.wrong(span, format!("a step has a command: one of {}", COMMANDS.join(", "))));
        };
        let command = self.program.find_subcommand(name).filter(|_| COMMANDS.contains(&name));
        let Some(command) = command else {
            let near = streamreg::suggestion(name, COMMANDS, "commands");
            return Err(self.wrong(span, format!("there is no command {name:?} for a step; {near}")));
        };
        let mut title = format!("step {number} ({name})");
        if let Some(own) = text(NAME)? {
            title = format!("step {number} ({own})");
        }
        let mut options = Options::new(command, self.given);
        for (section, table) in defaults {
            used.extend(self.section(&mut options, section, table, true)?);
        }
        let mut files = Vec::new();
        for (key, value) in table.iter() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (COMMAND | NAME | CREATES, _) => {}
                (FORMULA, _) if name == "fit" => {}
                (_, DeValue::Table(section)) => {
                    self.section(&mut options, key, section, false)?;
                }
                (positional, _) => {
                    let place = options.place(positional);
                    if place != Some(Place::Positional) {
                        return Err(self.misplaced(&options, key, place));
                    }
                    files.push((options.position(positional), self.texts(key, value)?));
                }
            }
        }
        files.sort_by_key(|(position, _)| *position);
        let mut arguments: Vec<OsString> = vec!["streamreg".into(), name.into()];
        arguments.extend(options.into_arguments().into_iter().map(OsString::from));
        let formula = if name == "fit" { text(FORMULA)? } else { None };
        let files = files.into_iter().flat_map(|(_, texts)| texts).chain(formula.map(str::to_owned));
        arguments.push("--".into());
        arguments.extend(files.map(OsString::from));
        let creates = text(CREATES)?.map(PathBuf::from);
        let step = Step { title, arguments, creates };
        step.parsed().map_err(|error| self.wrong(span, error.to_string()))?;
        Ok(step)
    }

    /// Takes the options of a section, and gives the places of their keys. Options for all steps are for those that have them.
    fn section(
        &self,
        options: &mut Options<'_>,
        name: &Key<'_>,
        table: &Table<'_>,
        for_all: bool,
    ) -> Result<Vec<usize>> {
        let section = name.get_ref().as_ref();
        let known = options.has_section(section);
        if !known && !for_all {
            let message = format!(
                "there is no section [step.{section}]; {}",
                streamreg::suggestion(section, options.sections().iter().map(String::as_str), "sections")
            );
            return Err(self.wrong(name.span(), message));
        }
        let mut taken = Vec::new();
        for (key, value) in table.iter().filter(|_| known) {
            let option = key.get_ref().as_ref();
            match options.place(option) {
                Some(Place::Section(own)) if own == section => {
                    options.set(option, value.get_ref()).map_err(|why| self.wrong(value.span(), why))?;
                    taken.push(key.span().start);
                }
                None if for_all && options.elsewhere(&self.program, COMMANDS, section, option) => {}
                place => return Err(self.misplaced(options, key, place)),
            }
        }
        Ok(taken)
    }

    /// A key that is not where it belongs, or unknown.
    fn misplaced(&self, options: &Options<'_>, key: &Key<'_>, place: Option<Place>) -> anyhow::Error {
        let name = key.get_ref();
        let message = match place {
            Some(Place::Section(section)) => {
                format!("the option {name:?} stands in the section [step.{section}]")
            }
            Some(Place::Positional) => format!("{name:?} stands in [[step]] itself, not in a section"),
            None => {
                let known = options.names();
                let near = streamreg::suggestion(name, known.iter().map(String::as_str), "keys");
                format!("{} has no option {name:?}; {near}", options.command())
            }
        };
        self.wrong(key.span(), message)
    }

    /// A key of a step that has one text.
    fn text_of<'t>(&self, table: &'t Table<'_>, key: &str) -> Result<Option<&'t str>> {
        let Some(value) = table.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some(text.as_ref())),
            _ => Err(self.wrong(value.span(), format!("{key} is a text in quotes"))),
        }
    }

    /// A text, or several.
    fn texts(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Vec<String>> {
        let wrong =
            || self.wrong(value.span(), format!("{} is a text in quotes, or a list of them", key.get_ref()));
        let text = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|v| text(v.get_ref()).ok_or_else(wrong)).collect(),
            one => Ok(vec![text(one).ok_or_else(wrong)?]),
        }
    }

    /// An error at a place of the file.
    fn wrong(&self, span: Range<usize>, message: impl std::fmt::Display) -> anyhow::Error {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        usage(format!("{}: line {line}: {message}", self.path.display()))
    }
}
