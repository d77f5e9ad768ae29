//! The command line: parse, run, report, exit code.
//!
//! A library, so that other front ends can have the same commands: [`run`] takes arguments and gives an exit code.

mod commands;
mod exit;
mod options;
mod progress;
mod report;
mod text;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Once;

use clap::Parser;

use crate::exit::{Exit, INTERNAL};
use crate::options::{Args, Command};

/// Runs the program with the arguments of the process, its name first.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// Runs a command and gives its exit code; results go to stdout, everything else to stderr. The first of `arguments` is the
/// name of the program. `--help`, `--version` and arguments that are not valid end the process, as clap has it.
pub fn run<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> u8 {
    quiet_contained_panics();
    let args = Args::parse_from(arguments);
    // A panic that nobody contained has printed its message; what remains is to say whose fault it is.
    let outcome = catch_unwind(AssertUnwindSafe(|| execute(args)));
    let exit = outcome
        .unwrap_or_else(|_| Exit::with_message(INTERNAL, "internal error: this is a bug in streamreg"));
    exit.report()
}

fn execute(args: Args) -> Exit {
    let result = match args.command {
        Command::Fit(fit) => commands::fit::run(&fit),
        Command::Predict(predict) => commands::predict::run(&predict),
        Command::Evaluate(evaluate) => commands::evaluate::run(&evaluate),
        Command::Inspect(inspect) => commands::inspect::run(&inspect),
    };
    result.unwrap_or_else(|error| Exit::from_error(&error))
}

/// Damaged files can make a decoder panic. The library turns that into an error with the file's name, so
/// the panic's own words stay off stderr.
fn quiet_contained_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !streamreg::is_containing() {
                default(panic);
            }
        }));
    });
}
