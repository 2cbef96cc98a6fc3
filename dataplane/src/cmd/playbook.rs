//! `tidegate playbook` and `tidegate response`: files of response are checked, and asked what they would have done. Files come
//! in, text goes to standard output.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tidegate_core::response::{Effect, Never};

use super::{PARTLY, answer};
use crate::response::playbook::run::describe;
use crate::response::playbook::{Action, Playbook, Playbooks, Run, Todo};
use crate::response::{Role, Setup, tokens};

/// Options of `tidegate playbook`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tidegate playbook check response.yaml\n  \
    tidegate playbook test response.yaml --events out/eve.json    what would have been done, line by line\n\n\
    Exit codes: 0 fine, 1 wrong input, 2 wrong usage, 3 some events could not be read (the rest is judged).")]
pub struct PlaybookArgs {
    #[command(subcommand)]
    pub what: PlaybookCommand,
}

#[derive(Debug, Subcommand)]
pub enum PlaybookCommand {
    /// Say what a file of response has, or what is wrong with it
    Check {
        /// The file that `run --response` takes
        file: PathBuf,
    },
    /// Say what would have been done on recorded events
    Test {
        /// The file that `run --response` takes
        file: PathBuf,
        /// Events (eve.json)
        #[arg(long, value_name = "FILE")]
        events: PathBuf,
    },
}

/// Options of `tidegate response`.
#[derive(Debug, Args)]
pub struct ResponseArgs {
    #[command(subcommand)]
    pub what: ResponseCommand,
}

#[derive(Debug, Subcommand)]
pub enum ResponseCommand {
    /// Make a token: it is printed, and its line for the file of tokens goes to standard error
    Token {
        /// Whose it is
        name: String,
        /// viewer, responder or admin
        #[arg(value_parser = ["viewer", "responder", "admin"])]
        role: String,
    },
}

pub fn main(args: &PlaybookArgs) -> ExitCode {
    let done = match &args.what {
        PlaybookCommand::Check { file } => check(file).map(|t| (t, true)),
        PlaybookCommand::Test { file, events } => test(file, events),
    };
    let code = |all| if all { ExitCode::SUCCESS } else { ExitCode::from(PARTLY) };
    answer::end(done.map(|(text, all)| (text, code(all))))
}

pub fn response(args: &ResponseArgs) -> ExitCode {
    let ResponseCommand::Token { name, role } = &args.what;
    let role = Role::ALL.into_iter().find(|r| r.name() == role).unwrap_or(Role::Viewer);
    let made = tokens::make(name, role).and_then(|(token, line)| {
        // A line for a token that nobody got is of no use.
        answer::say(&format!("{token}\n"))?;
        eprintln!("{line}");
        Ok((String::new(), ExitCode::SUCCESS))
    });
    answer::end(made)
}

fn check(file: &Path) -> Result<String, String> {
    let s = Setup::load(file)?;
    let mut t = String::new();
    let mut line = |name: &str, text: String| t.push_str(&format!("{name:<11}{text}\n"));
    line("never", format!("{} entries that nothing may block", s.never.len()));
    let path = |p: &Option<PathBuf>| p.as_ref().map_or("none".into(), |p| p.display().to_string());
    line("state", path(&s.state));
    line("audit", path(&s.audit));
    line(
        "orders",
        s.http.as_ref().map_or("control socket only".into(), |(at, _)| format!("http://{at}/v1/orders")),
    );
    line("playbooks", s.playbooks.len().to_string());
    for p in &s.playbooks {
        let names: Vec<&str> = p.actions.iter().map(Action::name).collect();
        let dry = if p.dry_run { " (dry run)" } else { "" };
        line("", format!("line {} ({}): on {}: {}{dry}", p.line, p.name, p.event.name(), names.join(", ")));
    }
    Ok(t)
}

/// ns since the epoch of a time as events have it.
fn time(text: &str) -> Option<u64> {
    let t = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?.to_timestamp().ok()?;
    u64::try_from(t.as_nanosecond()).ok()
}

fn test(file: &Path, events: &Path) -> Result<(String, bool), String> {
    let s = Setup::load(file)?;
    crate::mcp::is_events(events)?;
    let from = std::fs::File::open(events).map_err(|e| format!("{}: {e}", events.display()))?;
    let mut books = Playbooks::new(s.playbooks.clone());
    let (mut out, mut seen, mut bad, mut runs) = (String::new(), 0u64, 0u64, 0u64);
    for (n, line) in std::io::BufReader::new(from).split(b'\n').enumerate() {
        let line = line.map_err(|e| format!("{}: {e}", events.display()))?;
        if line.is_empty() {
            continue;
        }
        let event = serde_json::from_slice::<serde_json::Value>(&line).ok();
        let at = event.as_ref().and_then(|e| e["timestamp"].as_str()).and_then(time);
        let (Some(event), Some(at)) = (event, at) else {
            bad += 1;
            eprintln!("{}:{}: not an event with a timestamp", events.display(), n + 1);
            continue;
        };
        seen += 1;
        for r in books.see(&event, at) {
            runs += 1;
            say(&mut out, (n + 1, event["timestamp"].as_str().unwrap_or("")), &s.playbooks, &r, &s.never);
        }
    }
    out.push_str(&format!("{seen} events, {runs} times something would have been done\n"));
    match books.keys_evicted() {
        0 => {}
        n => out
            .push_str(&format!("{n} keys (by) gave way to others: more at a time than a playbook counts\n")),
    }
    Ok((out, bad == 0))
}

/// What one run would have done.
fn say(out: &mut String, (line, at): (usize, &str), all: &[Playbook], r: &Run, never: &Never) {
    let Some(p) = all.get(r.playbook) else { return };
    let dry = if p.dry_run { " (dry run)" } else { "" };
    out.push_str(&format!("event {line} at {at}: {}{dry}\n", p.name));
    if r.limited {
        out.push_str("  nothing: it ran too often (limit)\n");
        return;
    }
    for t in &r.todo {
        let what = describe(t, &p.actions);
        let more = match t {
            Todo::Set { effect: Effect::Block, target, .. } => {
                never.forbids(target).map(|e| format!(": refused, {e} is on the allow list"))
            }
            Todo::Missing { .. } => Some(": the event does not have it".into()),
            _ => None,
        };
        out.push_str(&format!("  {what}{}\n", more.unwrap_or_default()));
    }
}
