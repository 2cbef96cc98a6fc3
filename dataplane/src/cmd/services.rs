//! `tidegate services`: the AI services that captures or events show.
//!
//! In: captures, which go through an engine without rules, or files of events with `ai_service` records. Out: a table, or a line of
//! JSON each: the last that is known of every address and port.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use tidegate_core::detect::Rules;
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink};

use super::terminal::printable;
use super::{ServicesArgs, WRONG_INPUT, answer, replay};
use crate::capture;
use crate::config::eve::EveSettings;
use crate::config::{Overrides, Settings};
use crate::eve::EveLine;
use crate::mcp::is_events;

/// Exit code when a service answers somebody outside without a credential.
const EXPOSED: u8 = 3;

/// What is known, by address and port.
#[derive(Default)]
struct Known(BTreeMap<(String, u64), Value>);

impl Known {
    /// Takes an `ai_service` object; a later one has the sums of those before it.
    fn add(&mut self, service: &Value) {
        let address = service["address"].as_str().unwrap_or_default().to_string();
        self.0.insert((address, service["port"].as_u64().unwrap_or(0)), service.clone());
    }
}

/// Takes services out of what an engine says.
struct Collect<'a> {
    lines: EveLine,
    known: &'a mut Known,
}

impl EventSink for Collect<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Summary(_) = event
            && let Ok(v) = serde_json::from_slice::<Value>(self.lines.write(&event, false))
        {
            self.known.add(&v["ai_service"]);
        }
    }
}

pub(super) fn main(args: &ServicesArgs) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("tidegate: {e}");
            ExitCode::from(WRONG_INPUT)
        }
    }
}

fn run(args: &ServicesArgs) -> Result<ExitCode, String> {
    let settings =
        Settings::load(args.config.as_deref(), &Overrides::default()).map_err(|e| e.to_string())?;
    let (mut known, mut failed) = (Known::default(), false);
    let only = EveSettings { services: true, ..EveSettings::empty("") };
    let mut sink = Collect { lines: EveLine::new(only, false), known: &mut known };
    let mut engine = engine(&settings)?;
    for given in &args.files {
        let files = capture::list(given, false).map_err(|e| e.to_string())?;
        if files.is_empty() {
            eprintln!("tidegate: {}: there are no files in it", given.display());
            failed = true;
        }
        for file in files {
            let text = is_text(&file);
            let read = text.and_then(|text| {
                if text {
                    is_events(&file).and_then(|()| events(&file, sink.known)).map(|whole| failed |= !whole)
                } else {
                    replay::read(&file, &mut engine, &mut sink)
                }
            });
            if let Err(e) = read {
                eprintln!("tidegate: {e}");
                failed = true;
            }
        }
    }
    engine.finish(&mut sink);
    // That there are none is no answer when not all was read.
    if !(failed && known.0.is_empty()) {
        answer::wrote(tell(args, &known))?;
    }
    if failed {
        return Ok(ExitCode::from(WRONG_INPUT));
    }
    let outside = known.0.values().any(|s| s["exposed"]["to"] == "outside");
    Ok(if outside { ExitCode::from(EXPOSED) } else { ExitCode::SUCCESS })
}

/// Files of events begin with a brace, or are empty as long as there are no events; captures do not.
fn is_text(path: &Path) -> Result<bool, String> {
    let mut first = [0];
    let mut f = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let n = f.read(&mut first).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(n == 0 || first[0] == b'{')
}

/// Whether all lines could be read; others are told.
fn events(path: &Path, known: &mut Known) -> Result<bool, String> {
    let mut whole = true;
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = BufReader::new(std::fs::File::open(path).map_err(fail)?);
    let mut line = Vec::new();
    for n in 1.. {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            break;
        }
        if !line.windows(12).any(|w| w == b"\"ai_service\"") {
            continue;
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(v) if v["event_type"] == "ai_service" => known.add(&v["ai_service"]),
            Ok(_) => {}
            // The last line of a sensor that runs may not be whole.
            Err(_) if line.last() != Some(&b'\n') => {}
            Err(e) => {
                eprintln!("{}:{n}: {e}", path.display());
                whole = false;
            }
        }
    }
    Ok(whole)
}

/// An engine that looks for services only; all captures go through it, one after the other.
fn engine(settings: &Settings) -> Result<Engine, String> {
    let mut config = replay::config(settings)?;
    (config.ledger.services, config.ledger.telemetry, config.app.shown) = (true, None, true);
    Ok(Engine::new(config, Rules::default()))
}

fn tell(args: &ServicesArgs, known: &Known) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        for s in known.0.values() {
            writeln!(out, "{s}")?;
        }
        return out.flush();
    }
    if known.0.is_empty() {
        return writeln!(out, "No AI services.");
    }
    let list = |v: &Value| {
        let items = v.as_array().into_iter().flatten().filter_map(Value::as_str);
        printable(&items.collect::<Vec<_>>().join(", "))
    };
    let colour = out.is_terminal();
    for ((address, port), s) in &known.0 {
        let address = printable(address);
        let at =
            if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let software = s["server"].as_str().map(|v| format!(" ({})", printable(v))).unwrap_or_default();
        writeln!(out, "{at}  {}{software}", list(&s["providers"]))?;
        if !list(&s["models"]).is_empty() {
            let more = if s["more_models"] == true { ", …" } else { "" };
            writeln!(out, "    models      {}{more}", list(&s["models"]))?;
        }
        let does = s["operations"].as_object().into_iter().flatten();
        let does: Vec<String> = does.map(|(k, v)| format!("{} {v}", printable(k))).collect();
        let tools = s["tools"].as_u64().map(|n| format!(", {n} tools")).unwrap_or_default();
        writeln!(out, "    does        {}{tools}", does.join(", "))?;
        let seen = |k: &str| printable(s[k].as_str().unwrap_or("?"));
        writeln!(
            out,
            "    calls       {} by {} clients, {} answered, {} denied; {} to {}",
            s["calls"],
            s["clients"],
            s["answered"],
            s["denied"],
            seen("since"),
            seen("last")
        )?;
        if !list(&s["credentials"]).is_empty() {
            writeln!(out, "    credentials {}", list(&s["credentials"]))?;
        }
        if let Some(to) = s["exposed"]["to"].as_str() {
            let (red, plain) = if colour && to == "outside" { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            let who = printable(s["exposed"]["client"].as_str().unwrap_or("?"));
            let proof = printable(s["exposed"]["proof"].as_str().unwrap_or(""));
            writeln!(out, "    {red}exposed{plain}     to clients {to}: {proof} (to {who})")?;
        }
    }
    Ok(())
}
