//! The program: [`streamreg_cli::run`] on the arguments of the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamreg_cli::main()
}
