//! The command line: parse, run, report, exit code.
//!
//! A library, so that other front ends can have the same commands: [`run`] takes arguments and gives an exit code.

mod commands;
mod conditions;
mod exit;
mod job;
mod learning_curve;
mod log;
mod metrics;
mod options;
mod progress;
mod reference;
mod signals;
mod streams;
mod text;
mod usage;

use std::backtrace::Backtrace;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Once;
use std::time::Instant;

use clap::Parser;

use crate::exit::{Exit, INTERNAL};
pub use crate::options::front::{FitOption, OptionValue, fit_of_options, fit_options};
use crate::options::{Args, Command, Parsed, Taken};

/// Runs the program with the arguments of the process, its name first; signals end it.
pub fn main() -> ExitCode {
    ExitCode::from(run_as_program(std::env::args_os()))
}

/// [`run`] for a process that does nothing else: signals end it.
pub fn run_as_program<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> u8 {
    match signals::watch() {
        Ok(()) => run(arguments),
        Err(error) => Exit::from_error(&error).report(),
    }
}

/// Runs a command and gives its exit code; results go to stdout, everything else to stderr. The first of `arguments` is the
/// name of the program. What signals do is left to the caller: [`main`] lets them end the process.
pub fn run<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> u8 {
    quiet_panics();
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    log::begin(&arguments);
    let parsed = match options::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(mistake) => return usage::report(&mistake, arguments.get(1).map(OsString::as_os_str)),
    };
    let command = &parsed.args.command;
    if command.works() && !command.run().is_some_and(|run| run.quiet) {
        // Once, whatever the number of steps.
        log::tell(options::unknown(), None);
    }
    complete(parsed).report()
}

/// Runs a command to its end, of which everything is told but why it failed.
pub(crate) fn complete(parsed: Parsed) -> Exit {
    let Parsed { args, taken } = parsed;
    let (start, works) = (Instant::now(), args.command.works());
    let exit = guarded(|| execute(args, &taken));
    let exit = metrics::finish(exit);
    if works && exit.is_success() {
        log::event("done", &[("exit_code", 0.into()), ("seconds", start.elapsed().as_secs_f64().into())]);
    }
    exit
}

/// The end of some work. A panic that nobody contained has printed its message; what remains is to say whose fault it is.
fn guarded(work: impl FnOnce() -> Exit) -> Exit {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "internal error: this is a bug in streamreg; please report it with the line above";
        Exit::with_message(INTERNAL, message)
    })
}

/// Whether a command line is valid, as far as that can be told without files; the message says why it is not. The first of
/// `arguments` is the name of the program.
///
/// # Errors
/// The message that the program would print.
pub fn check<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<(), String> {
    Args::try_parse_from(arguments).map(drop).map_err(|error| error.to_string())
}

/// All commands and their options in Markdown, for the reference in `docs/guide`.
pub fn reference() -> String {
    reference::markdown()
}

fn execute(args: Args, taken: &[Taken]) -> Exit {
    let command = &args.command;
    let works = command.works();
    if works {
        let fields = [("version", env!("CARGO_PKG_VERSION").into()), ("command", command.name().into())];
        log::event("start", &fields);
    }
    let result = watched(&args.command).and_then(|()| dispatch(args.command));
    let exit = result.unwrap_or_else(|error| Exit::from_error(&error));
    exit.blaming(|message| options::blame(message, taken))
}

/// Begins to record metrics, where that is asked for.
fn watched(command: &Command) -> anyhow::Result<()> {
    let Some((options, path)) = command.metrics().and_then(|own| Some((own, own.metrics_file.as_ref()?)))
    else {
        return Ok(());
    };
    if let Some(output) = command.outputs().into_iter().find(|output| streamreg::same_file(output, path)) {
        let message = format!("--metrics-file and another option name the same file, {}", output.display());
        return Err(text::usage(message));
    }
    metrics::begin(path, options.every()?, command.name())
}

fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Fit(mut fit) => fit.take_formula().and_then(|()| commands::fit::run(&fit)),
        Command::Predict(predict) => commands::predict::run(&predict),
        Command::Evaluate(evaluate) => commands::evaluate::run(&evaluate),
        Command::Merge(merge) => commands::state::merge(&merge),
        Command::Subtract(subtract) => commands::state::subtract(&subtract),
        Command::Update(update) => commands::state::update(&update),
        Command::Solve(solve) => commands::state::solve(&solve),
        Command::Run(job) => commands::job::run(&job),
        Command::Inspect(inspect) => commands::inspect::run(*inspect),
        Command::Completions(shell) => commands::shell::completions(&shell),
        Command::Man(page) => commands::shell::man(&page),
        Command::Compare(compare) => commands::compare::run(&compare),
    }
}

/// Damaged files can make a decoder panic. The library turns that into an error with the file's name, so the panic's own words
/// stay off stderr. Of a bug there is one line; the backtrace is for those who ask for it.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        let backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
        std::panic::set_hook(Box::new(move |panic| {
            if streamreg::is_containing() {
                return;
            }
            if backtrace && !log::is_json() {
                return default(panic);
            }
            let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let what =
                text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
            if log::is_json() {
                let trace = backtrace.then(|| Backtrace::force_capture().to_string());
                let fields = [("message", what.into()), ("place", place.into()), ("backtrace", trace.into())];
                return log::event("panic", &fields);
            }
            let place = place.map_or(String::new(), |place| format!(" at {place}"));
            log::write(&format!("streamreg: panic{place}: {}\n", streamreg::printable(what)));
        }));
    });
}

/// The Rust code of README and guide is compiled and run with the doc tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/guide/library.md")]
    struct Library;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

    use std::process::Command;

    use serde_json::Value;

    use super::*;

    /// Set for the process that panics.
    const CHILD: &str = "PANICS";

    /// Panics as a bug would, in a process of its own, which is this test once more.
    #[test]
    fn panics_are_events() {
        if std::env::var_os(CHILD).is_some() {
            log::begin(&["streamreg", "--log-format", "json"].map(OsString::from));
            quiet_panics();
            let code = guarded(|| panic!("a \"bug\"")).report();
            std::process::exit(code.into());
        }
        let this = std::env::current_exe().unwrap();
        let test = ["tests::panics_are_events", "--exact", "--nocapture", "--test-threads=1"];
        let output =
            Command::new(this).args(test).env(CHILD, "1").env_remove("RUST_BACKTRACE").output().unwrap();
        assert_eq!(output.status.code(), Some(70));
        let text = String::from_utf8(output.stderr).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [panic, error] = events.as_slice() else { panic!("{text}") };
        assert_eq!((&panic["event"], &panic["message"]), (&"panic".into(), &"a \"bug\"".into()));
        assert!(panic["place"].as_str().unwrap().contains("lib.rs:"), "{panic}");
        assert_eq!((&error["event"], &error["kind"]), (&"error".into(), &"internal".into()));
        assert_eq!(error["exit_code"], 70);
    }
}
