//! `tidegate mcp`: a server of the Model Context Protocol on standard input and output.
//!
//! In: messages on standard input, or on a port of loopback. Out: answers; words for people go to standard error.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::{McpArgs, WRONG_INPUT, answer, replay};
use crate::config::{Overrides, Settings};
use crate::mcp::{Server, Sources, http, is_events};

pub(super) fn main(args: &McpArgs) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

fn run(args: &McpArgs) -> Result<(), String> {
    let settings =
        Settings::load(args.config.as_deref(), &Overrides::default()).map_err(|e| e.to_string())?;
    // Events may come later into a folder; what was named by hand is there.
    args.events.iter().try_for_each(|f| is_events(f))?;
    args.capture.iter().try_for_each(|f| replay::open(f).map(drop))?;
    for f in &args.rules {
        std::fs::metadata(f).map_err(|e| format!("{}: {e}", f.display()))?;
    }
    let mut server = Server::new(Sources {
        events: args.events.clone(),
        captures: args.capture.clone(),
        rules: args.rules.clone(),
        control: args.control.clone(),
        home: settings.home(),
    });
    if let (Some(at), Some(file)) = (args.http, &args.token_file) {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let token = http::token(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let listener = http::bind(at)?;
        eprintln!("tidegate: http://{}/mcp", listener.local_addr().map_err(|e| e.to_string())?);
        http::serve(&listener, server, &token);
    }
    if let Some(file) = &args.ask {
        return ask(&mut server, file);
    }
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // A client may be gone.
    answer::wrote(server.serve(&mut input, &mut output))
}

/// Answers the questions of a file for people.
fn ask(server: &mut Server, file: &Path) -> Result<(), String> {
    let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut out = std::io::stdout().lock();
    for reply in text.split(|&b| b == b'\n').filter_map(|l| server.message(l)) {
        let (result, why) = (&reply["result"], &reply["result"]["content"][0]["text"]);
        let said = match (&reply["error"]["message"], result["isError"] == true) {
            (Value::String(e), _) => writeln!(out, "error: {e}"),
            (_, true) => writeln!(out, "error: {}", why.as_str().unwrap_or_default()),
            _ => {
                let value = result.get("structuredContent").unwrap_or(result);
                writeln!(out, "{value:#}")
            }
        };
        if said.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            return Ok(());
        }
        answer::wrote(said)?;
    }
    Ok(())
}
