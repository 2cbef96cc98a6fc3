//! The `tidegate` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate_dataplane::cmd::main(std::env::args_os())
}
