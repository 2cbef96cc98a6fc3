//! `tidegate intel check`: what files of intelligence have. Files come in, a report goes to standard output.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{IntelArgs, IntelCommand, answer};

pub fn main(args: &IntelArgs) -> ExitCode {
    let IntelCommand::Check { files } = &args.what;
    answer::end(check(files))
}

/// What `run` would refuse is an error here as well, beside the report that says why.
fn check(files: &[PathBuf]) -> Result<(String, ExitCode), String> {
    let loaded = crate::intel::load(files)?;
    let report = loaded.report();
    match loaded.of_use(files) {
        Ok(_) => Ok((report, ExitCode::SUCCESS)),
        Err(e) => answer::say(&report).and(Err(e.into())),
    }
}
