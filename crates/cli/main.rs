//! The command line: parse, run, report, exit code.

mod args;
mod commands;
mod descent;
mod exit;
mod penalty;
mod progress;
mod report;
mod settings;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::{Exit, INTERNAL};

fn main() -> ExitCode {
    quiet_contained_panics();
    let args = Args::parse();
    // A panic that nobody contained has printed its message; what remains is to say whose fault it is.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(args)));
    let exit = outcome
        .unwrap_or_else(|_| Exit::with_message(INTERNAL, "internal error: this is a bug in streamreg"));
    exit.report()
}

fn run(args: Args) -> Exit {
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
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !streamreg::is_containing() {
            default(panic);
        }
    }));
}
