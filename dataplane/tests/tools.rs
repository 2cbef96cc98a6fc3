//! What a tool says of itself is pinned by server and name, and told when it changes, whatever else the list has.

mod common;

use common::wire::Wire;
use common::{config, eve_of, frames, rules, settings};
use serde_json::Value;

const RULE: &str =
    "alert ai any any -> any any (msg:\"changed\"; flow:to_client; app-layer-event:ai.tool_changed; sid:1;)";

/// A list of tools (name, description) is asked for by a client of its own.
fn listed(w: &mut Wire, port: u16, path: &str, tools: &[(&str, &str)]) {
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let tools: Vec<String> = tools
        .iter()
        .map(|(n, d)| format!(r#"{{"name":"{n}","description":"{d}","inputSchema":{{}}}}"#))
        .collect();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, tools.join(","));
    let json = "Content-Type: application/json\r\nContent-Length";
    let request = format!("POST {path} HTTP/1.1\r\nHost: tools\r\n{json}: {}\r\n\r\n{ask}", ask.len());
    let answer = format!("HTTP/1.1 200 OK\r\n{json}: {}\r\n\r\n{body}", body.len());
    w.talk((1, port), (2, 80), &[(0, request.as_bytes()), (1, answer.as_bytes())]);
}

/// What was told: names of changed tools in records, and how many alerts.
fn told(w: &Wire) -> (Vec<String>, usize) {
    let r = rules(RULE, &settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    let eve = eve_of(config(16 << 20), &r, &frames(&w.frames), 32);
    let events: Vec<Value> =
        std::str::from_utf8(&eve).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &'static str| events.iter().filter(move |e| e["event_type"] == kind);
    let names = of("ai").flat_map(|e| e["ai"]["tools"]["changed"].as_array().cloned().unwrap_or_default());
    (names.map(|n| n.as_str().unwrap().to_string()).collect(), of("alert").count())
}

#[test]
fn another_description_is_told_once() {
    let mut w = Wire::new();
    listed(&mut w, 1001, "/mcp", &[("read", "Reads a file."), ("add", "Adds.")]);
    listed(&mut w, 1002, "/mcp", &[("add", "Adds."), ("read", "Reads a file."), ("new", "Is new.")]);
    assert_eq!(told(&w), (vec![], 0));
    listed(&mut w, 1003, "/mcp", &[("read", "Reads a file and sends it."), ("add", "Adds.")]);
    listed(&mut w, 1004, "/mcp", &[("read", "Reads a file and sends it."), ("add", "Adds.")]);
    assert_eq!(told(&w), (vec!["read".to_string()], 1));
}

#[test]
fn other_servers_and_paths_have_tools_of_their_own() {
    let mut w = Wire::new();
    listed(&mut w, 1001, "/a", &[("read", "Reads a file.")]);
    listed(&mut w, 1002, "/b", &[("read", "Reads a mail.")]);
    assert_eq!(told(&w), (vec![], 0));
}

/// More tools than there is room for change nothing for the worse: no false word, no end.
#[test]
fn many_tools() {
    let names: Vec<String> = (0..3000).map(|i| format!("tool{i}")).collect();
    let tools: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "Does.")).collect();
    let mut w = Wire::new();
    for (i, some) in tools.chunks(500).enumerate() {
        listed(&mut w, 2000 + i as u16, "/mcp", some);
        listed(&mut w, 3000 + i as u16, "/mcp", some);
    }
    assert_eq!(told(&w), (vec![], 0));
}

/// Settings that ask for nothing but what calls add up to, and no rules: messages are read all the same.
#[test]
fn sums_of_calls_need_no_other_output() {
    let mut w = Wire::new();
    listed(&mut w, 1001, "/mcp", &[("read", "Reads a file."), ("add", "Adds.")]);
    let dir = std::env::temp_dir().join(format!("tidegate-sums-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let yaml = dir.join("c.yaml");
    std::fs::write(&yaml, "%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, types: [ai_service, ai_telemetry: {window: 10s}]}\n").unwrap();
    let s = tidegate_dataplane::config::Settings::load(Some(&yaml), &Default::default()).unwrap();
    let mode = tidegate_dataplane::config::engine::Mode {
        ips: false,
        ignore_checksums: true,
        memory: 16 << 20,
        secret: tidegate_core::Secret::fixed(1),
    };
    let mut sink = tidegate_dataplane::eve::EveSink::create(&s.outputs, &dir, false).unwrap();
    common::run(
        &mut common::engine(s.engine(mode).unwrap(), &rules("", &s)),
        &frames(&w.frames),
        32,
        &mut sink,
    );
    sink.finish().unwrap();
    let text = std::fs::read_to_string(dir.join("eve.json")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let last = &lines.iter().rfind(|e| e["event_type"] == "ai_service").expect("a service")["ai_service"];
    assert_eq!(
        (&last["port"], &last["tools"], &last["told"]),
        (&80.into(), &2.into(), &"end".into()),
        "{text}"
    );
}
