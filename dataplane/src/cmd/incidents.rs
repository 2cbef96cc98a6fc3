//! `tidegate incidents`: stories in files of events.
//!
//! In: output folders and files of events. Out: a story each as text, or a line of JSON.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::{IncidentsArgs, PARTLY, WRONG_INPUT, answer};
use crate::config::{Overrides, Settings};
use crate::mcp::{Order, Sources, Store, incidents_of, is_events, visible};

pub(super) fn main(args: &IncidentsArgs) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(PARTLY),
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

/// Whether all could be read.
fn run(args: &IncidentsArgs) -> Result<bool, String> {
    let settings =
        Settings::load(args.config.as_deref(), &Overrides::default()).map_err(|e| e.to_string())?;
    args.events.iter().try_for_each(|f| is_events(f))?;
    let sources = Sources { events: args.events.clone(), home: settings.home(), ..Sources::default() };
    let stories = incidents_of(sources)?;
    answer::wrote(tell(args, &stories))?;
    left_out(&Store::new(args.events.clone()))
}

/// Tells what of the files is no event; whether there is nothing of that kind.
fn left_out(store: &Store) -> Result<bool, String> {
    let mut unread = 0;
    let ended = store.scan(Order::Oldest, None, u64::MAX, &mut |_, line| {
        unread += u64::from(!line.trim_ascii().is_empty() && serde_json::from_slice::<Value>(line).is_err());
        true
    })?;
    let not_read = store.files()?.not_read;
    not_read.iter().for_each(|n| eprintln!("tidegate: {n}"));
    let unread = unread + ended.too_long;
    if unread > 0 {
        eprintln!("tidegate: {unread} lines are no events and were left out");
    }
    Ok(unread == 0 && not_read.is_empty())
}

fn tell(args: &IncidentsArgs, stories: &[Value]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if stories.is_empty() && !args.json {
        return writeln!(out, "No incidents.");
    }
    for i in stories {
        if args.json {
            writeln!(out, "{i}")?;
        } else {
            story(&mut out, i)?;
        }
    }
    Ok(())
}

/// A list of words on one line.
fn words(v: &Value) -> String {
    v.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn story(out: &mut impl Write, i: &Value) -> std::io::Result<()> {
    let text = |v: &Value| visible(v.as_str().unwrap_or_default(), 200);
    writeln!(out, "{}  {}", text(&i["id"]), text(&i["title"]))?;
    for (name, key) in [("attack", "attack"), ("atlas", "atlas")] {
        if i[key].is_array() {
            writeln!(out, "    {name:<8} {}", words(&i[key]))?;
        }
    }
    for step in i["chain"].as_array().into_iter().flatten() {
        let time = step["time"].as_str().and_then(|t| t.get(11..19)).unwrap_or_default();
        let count = step["count"].as_u64().map(|n| format!(" ({n} times)")).unwrap_or_default();
        let peer = step["peer"].as_str().map(|p| format!("  {p}")).unwrap_or_default();
        writeln!(out, "    {time} {}{count}{peer}", text(&step["what"]))?;
    }
    for q in i["ask"].as_array().into_iter().flatten() {
        writeln!(out, "    ask      {}", text(&q["question"]))?;
    }
    Ok(())
}
