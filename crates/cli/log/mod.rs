//! What goes to stderr: text for people, or one JSON object a line under `--log-format json`.

mod time;

use std::ffi::OsString;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

pub(crate) use self::time::{now, unix_seconds};
use crate::text::stderr_width;

/// Whether stderr takes JSON.
static JSON: AtomicBool = AtomicBool::new(false);

const FLAG: &str = "--log-format";
const VARIABLE: &str = "STREAMREG_LOG_FORMAT";

/// Settles the form of what goes to stderr. A command line that cannot be read is told of in the same form, so the flag is looked
/// for among the words as they are.
pub(crate) fn begin(arguments: &[OsString]) {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let after = |at: usize| words.get(at + 1).map(ToString::to_string);
    let typed = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(FLAG)? {
        "" => after(at),
        rest => rest.strip_prefix('=').map(str::to_owned),
    });
    let format = typed.or_else(|| std::env::var(VARIABLE).ok());
    JSON.store(format.is_some_and(|format| format == "json"), Ordering::Relaxed);
}

/// Whether stderr takes JSON.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// A message as it stands on stderr: behind the name of the program, in lines that fit a terminal.
pub(crate) fn told(message: &str) -> String {
    let line = format!("streamreg: {}", streamreg::printable(message));
    streamreg::wrapped(&line, stderr_width())
}

/// An event as a JSON object, without the end of the line: when, what, and the fields that are not null.
pub(crate) fn line(event: &str, fields: &[(&str, Value)]) -> String {
    let own = [("time", Value::from(now())), ("event", Value::from(event))];
    let known = own.iter().chain(fields).filter(|(_, value)| !value.is_null());
    let fields: Vec<String> = known.map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// Tells of an event, where stderr takes JSON.
pub(crate) fn event(event: &str, fields: &[(&str, Value)]) {
    if is_json() {
        write(&(line(event, fields) + "\n"));
    }
}

/// A text for stderr as it is. Nothing can be done about a closed one.
pub(crate) fn write(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Warnings and notices, each once, without that of the verdict, which comes last.
pub(crate) fn tell(notices: Vec<String>, verdict: Option<&str>) {
    let mut told_already: Vec<String> = Vec::new();
    for notice in notices {
        let repeats = verdict.is_some_and(|verdict| notice.ends_with(verdict));
        // Several targets share their rows and most of their columns.
        if !repeats && !told_already.contains(&notice) {
            warn(&notice.replacen("Warning: ", "warning: ", 1));
            told_already.push(notice);
        }
    }
}

/// One warning or notice.
pub(crate) fn warn(notice: &str) {
    if is_json() {
        let bare = ["warning: ", "Warning: "].iter().find_map(|prefix| notice.strip_prefix(prefix));
        event("warning", &[("message", bare.unwrap_or(notice).into())]);
    } else {
        write(&(told(notice) + "\n"));
    }
}
