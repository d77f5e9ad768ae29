//! The program: the command line on the arguments of the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamreg_cli::main()
}
