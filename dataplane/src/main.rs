//! The `tidegate` command.
#![forbid(unsafe_code)]

mod cmd;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cmd::Cli::parse().command {
        cmd::Command::Run(args) => cmd::run::main(&args),
        cmd::Command::Rules(args) => cmd::rules::main(&args),
    }
}
