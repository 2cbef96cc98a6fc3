//! `tidegate intel check`: what files of intelligence have. Files come in, a report goes to standard output.

use std::process::ExitCode;

use super::{IntelArgs, IntelCommand, answer};

pub fn main(args: &IntelArgs) -> ExitCode {
    let IntelCommand::Check { files } = &args.what;
    let loaded = crate::intel::load(files).map_err(|e| e.to_string());
    answer::end(loaded.map(|l| (l.report(), ExitCode::SUCCESS)))
}
