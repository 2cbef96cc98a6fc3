//! Standard output of all subcommands: text goes in, the exit code comes out. A reader that is gone (`| head`) is no error; an
//! answer that cannot be written is one, because whoever asked would take what is there for all.

use std::io::{self, Write};
use std::process::ExitCode;

use super::WRONG_INPUT;

/// What became of writing to standard output.
pub(super) fn wrote(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {e}")),
        _ => Ok(()),
    }
}

/// Writes `text` to its end.
pub(super) fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    wrote(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Ends a subcommand: writes its answer, or tells its error.
pub(super) fn end(answer: Result<(String, ExitCode), String>) -> ExitCode {
    match answer.and_then(|(text, code)| say(&text).map(|()| code)) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}
