//! `sensor_status`: what a running sensor says of itself, by its control socket. Only questions that change nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Args, Context, Tool};
use crate::mcp::quote::visible;

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

fn call(c: &mut Context, arguments: &Value) -> Result<Value, String> {
    let args = Args::new(arguments, &["prefix"])?;
    let prefix = args.text("prefix")?.unwrap_or("");
    let path = c.sources.control.as_ref().ok_or("the server was started without --control")?;
    let reply = ask(path, b"{\"command\":\"stats\"}\n").map_err(|e| format!("{}: {e}", path.display()))?;
    if reply["return"] != "OK" {
        let why = visible(reply["message"].as_str().unwrap_or("no reason given"), 300);
        return Err(format!("the sensor refused: {why}"));
    }
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
