//! The `skep` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    skep_cli::run(std::env::args_os())
}
