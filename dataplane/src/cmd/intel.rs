//! `tidegate intel check`: what files of intelligence have. Files come in, a report goes to standard output.

use std::process::ExitCode;

use super::{IntelArgs, IntelCommand, WRONG_INPUT};

pub fn main(args: &IntelArgs) -> ExitCode {
    let IntelCommand::Check { files } = &args.what;
    match crate::intel::load(files) {
        Ok(l) => {
            // A closed pipe (`| head`) is no error.
            let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), l.report().as_bytes());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}
