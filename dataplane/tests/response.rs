//! What is blocked in whole engines: when packets are dropped, when they go on again, and what is told.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::traffic::dns;
use common::wire::{Packet, Wire};
use common::{frames, settings};
use tidegate_core::Secret;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::detect::Rules;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, ResponseRecord, Verdict};
use tidegate_core::response::{Block, Blocks, Effect, Kind, Never, Target};
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::policy::tree::Node;
use tidegate_dataplane::response::playbook;

const SECOND: u64 = 1_000_000_000;

fn engine(ips: bool, rules: Rules) -> Engine {
    let mode = Mode { ips, ignore_checksums: true, memory: 16 << 20, secret: Secret::fixed(1) };
    Engine::new(settings().engine(mode).expect("enough"), rules)
}

fn inline() -> Engine {
    engine(true, Rules::default())
}

/// Entries that are over when the wire's clock has gone on for so many seconds.
fn tables(entries: &[(Effect, Kind, &str, u64)]) -> Option<Arc<Blocks>> {
    let entry = |(i, (effect, kind, text, secs)): (usize, &(Effect, Kind, &str, u64))| Block {
        id: i as u32 + 1,
        target: Target::parse(*kind, text).unwrap(),
        effect: *effect,
        until: Wire::new().now + secs * SECOND,
        reason: "test".into(),
    };
    let (blocks, refused) = Blocks::new(entries.iter().enumerate().map(entry).collect(), &Never::default());
    assert!(refused.is_empty());
    Some(Arc::new(blocks))
}

fn block(kind: Kind, text: &str) -> Option<Arc<Blocks>> {
    tables(&[(Effect::Block, kind, text, 3600)])
}

/// What was told: id, name, how much was met, whether packets are dropped; and reasons of drops.
#[derive(Default)]
struct Told {
    met: Vec<(u32, String, u64, bool)>,
    drops: Vec<&'static str>,
}

impl EventSink for Told {
    fn event(&mut self, e: Event<'_>) {
        if let Event::Drop(d) = e {
            self.drops.push(d.reason.name());
        }
    }

    fn response(&mut self, r: &ResponseRecord<'_>) {
        let name = String::from_utf8_lossy(r.name).into_owned();
        self.met.push((r.block.id, name, r.met, r.enforced));
    }
}

/// Frames through an engine, one by one: those that were stopped.
fn feed(e: &mut Engine, frames: &[Frame<'_>], told: &mut Told) -> Vec<usize> {
    let mut v = vec![Verdict::Forward; frames.len()];
    for (f, v) in frames.chunks(1).zip(v.chunks_mut(1)) {
        e.process(f, v, told);
    }
    let gone = |v: &Verdict| !matches!(v, Verdict::Forward | Verdict::Bypass);
    v.iter().enumerate().filter(|(_, v)| gone(v)).map(|(i, _)| i).collect()
}

fn stopped(blocks: Option<Arc<Blocks>>, packets: &[Packet]) -> (Vec<usize>, Told) {
    let (mut e, mut told) = (inline(), Told::default());
    assert!(e.set_blocks(blocks).is_none());
    let gone = feed(&mut e, &frames(packets), &mut told);
    (gone, told)
}

/// Datagrams between hosts 1, 2 and 3.
fn datagrams() -> Wire {
    let mut w = Wire::new();
    w.udp((1, 4000), (3, 9), b"x");
    w.udp((3, 9), (1, 4000), b"y");
    w.udp((2, 4000), (3, 9), b"x");
    w.udp((3, 9), (2, 4000), b"y");
    w
}

#[test]
fn hosts_networks_and_flows_are_stopped_either_way() {
    let w = datagrams();
    for (kind, text, gone) in [
        (Kind::Host, "10.1.0.1", vec![0, 1]),
        (Kind::Host, "::ffff:10.1.0.1", vec![0, 1]),
        (Kind::Network, "10.1.0.2/31", vec![0, 1, 2, 3]),
        (Kind::Network, "10.2.0.0/16", vec![]),
        (Kind::Flow, "10.1.0.3:9 10.1.0.2:4000 udp", vec![2, 3]),
        (Kind::Flow, "10.1.0.3:9 10.1.0.2:4000 tcp", vec![]),
    ] {
        let (v, told) = stopped(block(kind, text), &w.frames);
        assert_eq!(v, gone, "{text}");
        assert_eq!(told.met.len(), usize::from(!gone.is_empty()), "once a second");
        assert!(told.met.iter().all(|m| m.0 == 1 && m.3));
        assert_eq!(told.drops.len(), gone.len());
    }
    // Fragments, of which no flow is known.
    let mut w = Wire::new();
    w.udp_in_fragments((1, 4000), (3, 9), &[7; 64], 16, false);
    w.icmp(1, 3, 8, 0, &[0; 8]);
    let (v, told) = stopped(block(Kind::Host, "10.1.0.1"), &w.frames);
    assert_eq!(v.len(), w.frames.len(), "{:?}", told.drops);
}

#[test]
fn living_flows_are_met_and_come_back() {
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 80));
    for _ in 0..3 {
        t.send(0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let f = frames(&w.frames);
    let (before, rest) = f.split_at(5);
    for rules in [Rules::default(), with_rule()] {
        let (mut e, mut told) = (engine(true, rules), Told::default());
        assert_eq!(feed(&mut e, before, &mut told), Vec::<usize>::new());
        let _ = e.set_blocks(block(Kind::Host, "10.1.0.3"));
        assert_eq!(feed(&mut e, &rest[..2], &mut told), [0, 1]);
        assert_eq!(told.drops, ["response", "flow drop"]);
        // Undone.
        assert!(e.set_blocks(None).is_some());
        assert_eq!(feed(&mut e, &rest[2..], &mut told), Vec::<usize>::new());
        let c = e.stats().response;
        assert_eq!((c.stopped, c.packets, c.entries), (1, 2, 0));
    }
}

fn with_rule() -> Rules {
    common::rules(
        "alert ip any any -> any any (msg:\"x\"; content:\"nothing of the kind\"; sid:1;)\n",
        &settings(),
    )
    .rules
}

/// An end undoes itself, with the packets' time or with a tick.
#[test]
fn what_is_over_is_undone() {
    let at = |secs: u64| Wire::new().now + secs * SECOND;
    for tick in [false, true] {
        let mut w = datagrams();
        w.now = at(9);
        w.udp((1, 4000), (3, 9), b"x");
        w.now = at(11);
        w.udp((1, 4000), (3, 9), b"x");
        w.udp((2, 4000), (3, 9), b"x");
        let (mut e, mut told) = (inline(), Told::default());
        let _ = e.set_blocks(tables(&[
            (Effect::Block, Kind::Host, "10.1.0.1", 10),
            (Effect::Block, Kind::Host, "10.1.0.2", 20),
        ]));
        let f = frames(&w.frames);
        assert_eq!(feed(&mut e, &f[..5], &mut told), [0, 1, 2, 3, 4]);
        if tick {
            e.tick(at(11), &mut told);
        }
        assert_eq!(feed(&mut e, &f[5..], &mut told), [1]);
    }
}

#[test]
fn domains_are_stopped_where_they_are_asked_for() {
    // A question of a resolver's port is dropped, and others on it go on.
    let mut w = Wire::new();
    w.udp((1, 4000), (3, 53), &dns(1, "www.evil.example", 1, None));
    w.udp((1, 4000), (3, 53), &dns(2, "good.example", 1, None));
    w.udp((1, 4000), (3, 53), &dns(3, "EVIL.example", 1, None));
    let (v, told) = stopped(block(Kind::Domain, "evil.example"), &w.frames);
    assert_eq!(v, [0, 2]);
    assert_eq!(told.met, [(1, "www.evil.example".to_string(), 1, true)]);
    // A hello, and all that follows.
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 443));
    t.send(0, &common::traffic::client_hello());
    t.send(1, b"whatever");
    for (name, gone) in [("example.com", vec![3, 4, 5, 6]), ("example.org", vec![])] {
        let (v, told) = stopped(block(Kind::Domain, name), &w.frames);
        assert_eq!(v, gone);
        assert!(gone.is_empty() || told.met[0].1 == "secret.example.com");
    }
    // Tables that come later find the name of a living connection.
    let f = frames(&w.frames);
    let (mut e, mut told) = (engine(true, with_rule()), Told::default());
    let _ = e.set_blocks(block(Kind::Domain, "other.example"));
    assert_eq!(feed(&mut e, &f[..4], &mut told), Vec::<usize>::new());
    let _ = e.set_blocks(block(Kind::Domain, "example.com"));
    assert_eq!(feed(&mut e, &f[4..6], &mut told), [0, 1]);
    // It stays so with others beside it, and ends with it.
    let both = tables(&[
        (Effect::Block, Kind::Domain, "example.com", 3600),
        (Effect::Block, Kind::Host, "10.9.9.9", 3600),
    ]);
    let _ = e.set_blocks(both);
    assert_eq!(feed(&mut e, &f[6..], &mut told), [0]);
    // A host of HTTP, with its port.
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 80));
    t.send(0, b"GET / HTTP/1.1\r\nHost: Evil.Example:80\r\n\r\n");
    let (v, _) = stopped(block(Kind::Domain, "evil.example"), &w.frames);
    assert_eq!(v, [3, 4]);
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn models_and_tools_are_stopped_when_they_are_called() {
    let chat = |model: &str| {
        post(
            "/v1/chat/completions",
            &format!("{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"),
        )
    };
    let tool = |name: &str| {
        post(
            "/mcp",
            &format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\",\"arguments\":{{}}}}}}"
            ),
        )
    };
    for (kind, bad, good) in
        [(Kind::Model, chat("Shadow-70B"), chat("llama-3")), (Kind::Tool, tool("shadow-70b"), tool("search"))]
    {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (3, 8000));
        t.send(0, &good);
        t.send(1, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        t.send(0, &bad);
        t.send(0, b"more");
        let (v, told) = stopped(block(kind, "shadow-70b"), &w.frames);
        assert_eq!(v, [7, 8, 9, 10], "{kind:?} {:?}", told.met);
        assert!(told.met[0].1.eq_ignore_ascii_case("shadow-70b"));
    }
}

#[test]
fn marks_are_told_and_stop_nothing() {
    let w = datagrams();
    let (v, told) = {
        let (mut e, mut told) = (inline(), Told::default());
        let _ = e.set_blocks(tables(&[(Effect::Mark, Kind::Host, "10.1.0.3", 3600)]));
        (feed(&mut e, &frames(&w.frames), &mut told), told)
    };
    assert_eq!((v, told.met), (vec![], vec![(1, String::new(), 1, false)]));
    // Where nothing can be dropped, what is blocked is told only.
    let (mut e, mut told) = (engine(false, Rules::default()), Told::default());
    let _ = e.set_blocks(block(Kind::Host, "10.1.0.1"));
    assert_eq!(feed(&mut e, &frames(&w.frames), &mut told), Vec::<usize>::new());
    assert_eq!((told.met.len(), told.met[0].3, told.drops.len()), (1, false, 0));
}

/// A blocked host that floods is told once a second, with how much it was.
#[test]
fn a_flood_is_told_once_a_second() {
    let mut w = Wire::new();
    let start = w.now;
    for i in 0..3000u32 {
        w.udp((1, 1000 + i as u16), (3, 9), b"x");
        w.now = start + u64::from(i) * SECOND / 1000;
    }
    let (v, told) = stopped(block(Kind::Host, "10.1.0.1"), &w.frames);
    assert_eq!(v.len(), 3000);
    assert!((3..=4).contains(&told.met.len()), "{:?}", told.met);
    assert!(told.met[1].2 > 900, "{:?}", told.met);
}

/// All paths of a value.
fn paths(value: &serde_json::Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => members.iter().for_each(|(k, v)| {
            paths(v, &format!("{path}.{k}"), out);
        }),
        serde_json::Value::Array(items) => items.iter().for_each(|v| paths(v, path, out)),
        _ => drop(out.insert(path.to_string())),
    }
}

/// Paths of the records of these packets that a playbook refuses, and how many there are.
fn refused_by_playbooks(packets: &[Packet]) -> (Vec<String>, usize) {
    let rules = common::rules("alert ip any any -> any any (sid:1;)\n", &settings());
    let events = common::eve(&rules, &frames(packets), 64);
    let records: Vec<&str> = PROTOCOLS.iter().map(|d| d.record).filter(|r| !r.is_empty()).collect();
    let mut all = BTreeSet::new();
    for line in events.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        for (name, value) in event.as_object().unwrap() {
            if records.contains(&name.as_str()) {
                paths(value, name, &mut all);
            }
        }
    }
    let many = all.len();
    let refused = |path: &String| {
        let text =
            format!("[{{name: x, when: {{event: alert, \"{path}\": a}}, do: [{{block: src_ip, for: 1m}}]}}]");
        playbook::read(&Node::parse(&text).unwrap(), &Never::default()).is_err()
    };
    (all.into_iter().filter(refused).collect(), many)
}

/// Playbooks know every field that records have.
#[test]
fn playbooks_know_the_fields_of_records() {
    let mut w = common::traffic::everything();
    common::sessions::sessions(&mut w, 50_000);
    let (refused, many) = refused_by_playbooks(&w.frames);
    assert!(refused.is_empty(), "{refused:?}");
    assert!(many > 250, "{many}");
}

#[test]
#[ignore = "needs ../shared"]
fn shared_captures_have_fields_that_playbooks_know() {
    let (mut seen, mut all) = (0, BTreeSet::new());
    for path in common::captures(&common::shared(), 1 << 20) {
        let packets: Vec<Packet> = common::read(&path).into_iter().map(|p| p.0).collect();
        let (refused, many) = refused_by_playbooks(&packets);
        all.extend(refused);
        seen += many;
    }
    assert!(all.is_empty(), "{all:?}");
    assert!(seen > 1000, "{seen}");
}
