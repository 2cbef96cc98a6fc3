//! `sensor_status`, `sensor_flows`: what a running sensor says of itself, by its control socket. Only questions that change nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Args, Context, Tool};
use crate::mcp::quote::{BRIEF, visible};

/// How long the sensor may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest reply, bytes.
const LONGEST: u64 = 4 << 20;
/// Counters of an answer.
const COUNTERS: usize = 400;

pub const TOOL: Tool = Tool {
    name: "sensor_status",
    title: "The running sensor",
    description: "Counters of the running sensor whose names begin with `prefix` (decoder, flow, dataplane, policy, intel, incident, …), \
                  zeros left out.",
    arguments: || {
        (
            json!({"prefix": {"type": "string", "description": "Beginning of counters' names; all when it is left out"}}),
            &[],
        )
    },
    call,
    live: true,
};

pub const FLOWS: Tool = Tool {
    name: "sensor_flows",
    title: "Flows that are open now",
    description: "Flows in the running sensor's tables now, which have no flow event yet; of one host when `host` is given.",
    arguments: || {
        (
            json!({"host": {"type": "string", "description": "Address of an end"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}}),
            &[],
        )
    },
    call: flows,
    live: true,
};

/// Flows that are asked for, among which those of a host are looked for.
const OPEN: usize = 10_000;

fn flows(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["host", "limit"])?;
    let limit = args.limit(50, 200)?;
    let host =
        args.text("host")?.map(|t| t.parse::<IpAddr>().map_err(|_| "`host` is an address".to_string()));
    let host = host.transpose()?;
    let reply = command(c, &json!({"command": "flows", "max": OPEN}))?;
    let has = |f: &&Value| {
        let end = |key: &str| f[key].as_str().and_then(|a| a.parse::<IpAddr>().ok());
        host.is_none_or(|h| end("src_ip") == Some(h) || end("dest_ip") == Some(h))
    };
    let all: Vec<&Value> = reply["flows"].as_array().into_iter().flatten().filter(has).collect();
    c.quoter.begin(BRIEF);
    let shown: Vec<Value> = all.iter().take(limit).map(|f| c.quoter.flow(f)).collect();
    Ok(json!({"open": reply["live"], "fit": all.len(), "looked_at": OPEN, "flows": shown}))
}

/// What the sensor answers to a command that changes nothing.
fn command(c: &Context, command: &Value) -> Result<Value, String> {
    let path = c.sources.control.as_ref().ok_or("the server was started without --control")?;
    let reply =
        ask(path, format!("{command}\n").as_bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
    if reply["return"] != "OK" {
        let why = visible(reply["message"].as_str().unwrap_or("no reason given"), 300);
        return Err(format!("the sensor refused: {why}"));
    }
    Ok(reply)
}

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["prefix"])?;
    let prefix = args.text("prefix")?.unwrap_or("");
    let reply = command(c, &json!({"command": "stats"}))?;
    let (mut all, mut counters) = (0, serde_json::Map::new());
    flat(&reply["counters"], "", &mut |name, n| {
        if name.starts_with(prefix) && n != 0 {
            all += 1;
            if counters.len() < COUNTERS {
                counters.insert(name.to_string(), n.into());
            }
        }
    });
    let mut out = json!({"counters": counters});
    if all > COUNTERS {
        out["more"] = format!("{} more; ask with a longer `prefix`", all - COUNTERS).into();
    }
    Ok(out)
}

/// Numbers of an object by their dotted names.
fn flat(v: &Value, name: &str, f: &mut dyn FnMut(&str, u64)) {
    match v {
        Value::Object(m) => m.iter().for_each(|(k, v)| {
            let inner = if name.is_empty() { k.clone() } else { format!("{name}.{k}") };
            flat(v, &inner, f);
        }),
        v => v.as_u64().into_iter().for_each(|n| f(name, n)),
    }
}

#[cfg(unix)]
fn ask(path: &std::path::Path, command: &[u8]) -> std::io::Result<Value> {
    let mut s = std::os::unix::net::UnixStream::connect(path)?;
    s.set_read_timeout(Some(PATIENCE))?;
    s.set_write_timeout(Some(PATIENCE))?;
    s.write_all(command)?;
    let mut line = Vec::new();
    BufReader::new(s).take(LONGEST).read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).map_err(|_| std::io::Error::other("no reply that can be read"))
}

#[cfg(not(unix))]
fn ask(_: &std::path::Path, _: &[u8]) -> std::io::Result<Value> {
    Err(std::io::ErrorKind::Unsupported.into())
}
