//! Policies in whole engines: what is decided when, what becomes of the packets, and what is told.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::traffic::dns;
use common::wire::{ACK, PSH, Packet, Wire};
use common::{frames, settings};
use tidegate_core::Secret;
use tidegate_core::detect::Rules;
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink, PolicyRecord, Verdict};
use tidegate_core::policy::{Know, Policy};
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::policy;

const FORWARD: Verdict = Verdict::Forward;

fn compiled(text: &str) -> Arc<Policy> {
    let path = Path::new("test.yaml");
    policy::compile(&policy::parse(text, path).unwrap(), path).unwrap()
}

fn inline(ips: bool, policy: Option<Arc<Policy>>) -> Engine {
    let mode = Mode { ips, ignore_checksums: true, memory: 16 << 20, secret: Secret::fixed(1) };
    Engine::new(settings().engine(mode).expect("enough"), Rules::default().with_policy(policy))
}

/// What was told: action, name of the line or `default`, the condition that stood against the nearest line, the model.
#[derive(Default)]
struct Told(Vec<String>);

impl EventSink for Told {
    fn event(&mut self, _: Event<'_>) {}

    fn policy(&mut self, r: &PolicyRecord<'_>) {
        let name = r.decision.line.and_then(|n| r.policy.line(n)).map_or("default", |l| l.0);
        let mut t = format!("{} {name}", r.decision.act.name());
        if let Some(m) = r.nearest.filter(|_| r.decision.line.is_none()) {
            t += &format!(" not {}", m.not.name());
        }
        if let Know::Is(c) = r.facts.call
            && let Know::Is(m) = c.model
        {
            t += &format!(" model {}", String::from_utf8_lossy(m));
        }
        self.0.push(t);
    }
}

/// Packets through an engine, one by one: their verdicts, and what was told.
fn feed(e: &mut Engine, packets: &[Packet]) -> (Vec<Verdict>, Vec<String>) {
    let (mut v, mut told) = (vec![FORWARD; packets.len()], Told::default());
    for (f, v) in frames(packets).chunks(1).zip(v.chunks_mut(1)) {
        e.process(f, v, &mut told);
    }
    (v, told.0)
}

fn stopped(v: &[Verdict]) -> Vec<usize> {
    let gone = |v: &Verdict| !matches!(v, Verdict::Forward | Verdict::Bypass);
    v.iter().enumerate().filter(|(_, v)| gone(v)).map(|(i, _)| i).collect()
}

/// Hosts 1 and 2 are clients, 3 is a server, 9 is a stranger.
const SEGMENTS: &str = "segments:\n  clients: {addresses: [10.1.0.1, 10.1.0.2, \"2001:db8::1\"]}\n  servers: {addresses: 10.1.0.3}\n";

fn with(lines: &str) -> Arc<Policy> {
    compiled(&format!("{SEGMENTS}{lines}"))
}

fn chat(model: &str, key: Option<&str>) -> Vec<u8> {
    let body =
        format!("{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}");
    let key = key.map_or(String::new(), |k| format!("Authorization: Bearer {k}\r\n"));
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: models\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

#[test]
fn what_the_first_packet_says() {
    let p = with(
        "allow:\n  - {name: names, from: clients, to: servers, proto: udp, port: 53}\n  - {name: web, from: clients, to: servers, port: 80, proto: tcp}\nwatch:\n  - {name: odd, from: clients, to: servers, port: 9000-9100}\ndeny:\n  - {name: never, from: any, to: clients, with: reject}\n",
    );
    let mut w = Wire::new();
    w.udp((1, 4000), (3, 53), &dns(1, "a.example", 1, None));
    w.udp((3, 53), (1, 4000), &dns(1, "a.example", 1, Some(&[1, 2, 3, 4])));
    w.udp((1, 4000), (3, 54), b"x");
    w.udp((1, 4001), (3, 9050), b"x");
    w.udp((9, 4001), (3, 53), b"x");
    w.udp((2, 4001), (1, 53), b"x");
    w.udp((2, 4001), (1, 53), b"x");
    let (v, told) = feed(&mut inline(true, Some(p.clone())), &w.frames);
    assert_eq!(stopped(&v), [2, 4, 5, 6]);
    assert_eq!(v[5], Verdict::Reject { to_src: true, to_dst: true });
    assert_eq!(told, ["drop default not port", "watch odd", "drop default", "reject never"]);
    // Where nothing can be dropped the same is told.
    let (v, same) = feed(&mut inline(false, Some(p)), &w.frames);
    assert_eq!((stopped(&v), same), (vec![], told));
}

#[test]
fn a_connection_met_in_its_middle_may_go_either_way() {
    let p = with("allow:\n  - {from: clients, to: servers, port: 80}\n");
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 80));
    t.send(1, b"late");
    // The connection's first packet is never seen.
    let (v, told) = feed(&mut inline(true, Some(p.clone())), &w.frames[1..]);
    assert_eq!((stopped(&v), told), (vec![], vec![]));
    // A server opens no connection to a client.
    let mut w = Wire::new();
    w.tcp((3, 80), (1, 4000));
    let (v, _) = feed(&mut inline(true, Some(p)), &w.frames);
    assert_eq!(v[0], Verdict::Drop);
}

#[test]
fn protocols_are_decided_when_they_are_known() {
    let p = with("allow:\n  - {name: web, from: clients, to: servers, app: [http, http2]}\n");
    let mut w = Wire::new();
    w.talk((1, 4000), (3, 8000), &[(0, common::traffic::GET), (1, ANSWER)]);
    let good = w.frames.len();
    let mut t = w.tcp((1, 4001), (3, 8000));
    t.send(0, b"SSH-2.0-OpenSSH_9.6\r\n");
    t.send(0, b"more of it");
    let (v, told) = feed(&mut inline(true, Some(p)), &w.frames);
    // The handshake goes on; the packet that says SSH does not.
    assert_eq!(stopped(&v).first(), Some(&(good + 3)), "{v:?}");
    assert_eq!(told, ["drop default not app"]);
}

#[test]
fn each_call_is_decided() {
    let p = with(
        "allow:\n  - {name: llama, from: clients, to: servers, ai: {operation: chat, models: \"llama-*\"}, credential: required}\ntell: all\n",
    );
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 8000));
    t.send(0, &chat("llama-3", Some("k")));
    t.send(1, ANSWER);
    t.send(0, &chat("llama-2", Some("k")));
    t.send(1, ANSWER);
    let good = t.wire.frames.len();
    t.send(0, &chat("gpt", Some("k")));
    t.send(1, ANSWER);
    let (v, told) = feed(&mut inline(true, Some(p.clone())), &w.frames);
    assert_eq!(stopped(&v), (good..w.frames.len()).collect::<Vec<_>>());
    assert_eq!(
        told,
        ["allow llama model llama-3", "allow llama model llama-2", "drop default not ai.models model gpt"]
    );
    for (request, why) in [
        (chat("llama-3", None), "drop default not credential model llama-3"),
        (b"GET /secret HTTP/1.1\r\nHost: models\r\n\r\n".to_vec(), "drop default not ai"),
    ] {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (3, 8000));
        t.send(0, &request);
        let (v, told) = feed(&mut inline(true, Some(p.clone())), &w.frames);
        assert_eq!((stopped(&v), told), (vec![3, 4], vec![why.to_string()]));
    }
}

/// A server that reads a body in UTF-16 or UTF-32 as JSON gets no model that lines deny.
#[test]
fn calls_in_other_encodings_are_decided() {
    let p = with("deny:\n  - {ai: {models: gpt-4}}\ndefault: allow\n");
    let text = "{\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    let wide = |four: bool, big: bool| -> Vec<u8> {
        let one = |c: u8| match (four, big) {
            (false, false) => vec![c, 0],
            (false, true) => vec![0, c],
            (true, false) => vec![c, 0, 0, 0],
            (true, true) => vec![0, 0, 0, c],
        };
        text.bytes().flat_map(one).collect()
    };
    let bodies = [
        text.as_bytes().to_vec(),
        wide(false, false),
        wide(false, true),
        wide(true, false),
        wide(true, true),
        [&[0xff, 0xfe][..], &wide(false, false)].concat(),
        [&[0xfe, 0xff][..], &wide(false, true)].concat(),
    ];
    for body in bodies {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        for cut in [1, 3, usize::MAX] {
            let mut w = Wire::new();
            let mut t = w.tcp((1, 4000), (3, 8000));
            t.send(0, head.as_bytes());
            body.chunks(cut.min(body.len())).for_each(|part| t.send(0, part));
            let (_, told) = feed(&mut inline(true, Some(p.clone())), &w.frames);
            assert_eq!(told.len(), 1, "{body:?} {told:?}");
            assert!(told[0].starts_with("drop") && told[0].ends_with("model gpt-4"), "{told:?}");
        }
    }
}

#[test]
fn tools_are_decided() {
    let p = with("allow:\n  - {from: clients, to: servers, ai: {tools: [read_*]}}\n");
    let call = |tool: &str| {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{{}}}}}}"
        );
        format!("POST /mcp HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    for (tool, gone) in [("read_file", vec![]), ("run_shell", vec![3, 4])] {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (3, 8000));
        t.send(0, &call(tool));
        let (v, told) = feed(&mut inline(true, Some(p.clone())), &w.frames);
        assert_eq!(stopped(&v), gone, "{told:?}");
    }
}

#[test]
fn other_tables_meet_living_flows() {
    let allow = with("allow:\n  - {name: a, from: clients, to: servers}\n");
    let deny = with("deny:\n  - {name: d, from: clients, to: servers}\ndefault: allow\n");
    let mut w = Wire::new();
    for _ in 0..6 {
        w.udp((1, 4000), (3, 7000), b"x");
    }
    let mut e = inline(true, Some(allow.clone()));
    let mut all = Vec::new();
    for (i, p) in w.frames.chunks(1).enumerate() {
        let next = match i {
            2 => Some(Some(deny.clone())),
            3 => Some(Some(allow.clone())),
            4 => Some(Some(deny.clone())),
            5 => Some(None),
            _ => None,
        };
        if let Some(p) = next {
            drop(e.swap_rules(Rules::default().with_policy(p)));
        }
        let (v, told) = feed(&mut e, p);
        all.push((stopped(&v).len(), told.join(",")));
    }
    let told: Vec<_> = all.iter().map(|(n, t)| (*n, t.as_str())).collect();
    assert_eq!(told, [(0, ""), (0, ""), (1, "drop d"), (0, ""), (1, "drop d"), (0, "")]);
    assert_eq!(e.stats().flows_active, 1);
}

#[test]
fn what_was_dropped_for_a_call_stays_dropped() {
    let only = |m: &str| {
        with(&format!("allow:\n  - {{name: a, from: clients, to: servers, ai: {{models: \"{m}\"}}}}\n"))
    };
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 8000));
    t.send(0, &chat("gpt", None));
    let before = t.wire.frames.len();
    t.send(0, &chat("gpt", None));
    let mut e = inline(true, Some(only("llama-*")));
    let (v, told) = feed(&mut e, &w.frames[..before]);
    assert_eq!((stopped(&v).len(), told.len()), (2, 1));
    // The other tables would let it call, but the request that was read would reach the server undecided.
    drop(e.swap_rules(Rules::default().with_policy(Some(only("gpt")))));
    let (v, _) = feed(&mut e, &w.frames[before..]);
    assert_eq!(stopped(&v), [0, 1]);
}

#[test]
fn neighbours_may_find_each_other() {
    let mut w = Wire::new();
    for (kind, hops) in [(135u8, 255u8), (143, 1), (135, 64), (128, 255)] {
        let mut p = vec![0x60, 0, 0, 0, 0, 24, 58, hops];
        let mut addr = [0u8; 16];
        (addr[0], addr[1]) = (0xfe, 0x80);
        p.extend(addr);
        addr[15] = kind ^ hops;
        p.extend(addr);
        p.extend([&[kind, 0, 0, 0][..], &[0; 20]].concat());
        w.ethernet(0x86dd, &p);
    }
    let (v, _) = feed(&mut inline(true, Some(with("default: deny"))), &w.frames);
    assert_eq!(stopped(&v), [2, 3]);
}

#[test]
fn names_in_hellos_are_decided() {
    for (name, gone) in [("*.example.com", vec![]), ("*.example.org", vec![3, 4])] {
        let p = with(&format!("allow:\n  - {{from: clients, to: servers, app: tls, sni: [\"{name}\"]}}\n"));
        let mut w = Wire::new();
        let mut t = w.tcp((1, 4000), (3, 443));
        t.send(0, &common::traffic::client_hello());
        let (v, told) = feed(&mut inline(true, Some(p)), &w.frames);
        assert_eq!(stopped(&v), gone, "{told:?}");
    }
}

#[test]
fn errors_about_what_is_allowed_are_allowed() {
    let p = with("allow:\n  - {from: clients, to: servers, port: 80}\n");
    let mut w = Wire::new();
    for (client, server) in [(1, 3), (9, 3)] {
        let inner = common::wire::ipv4(
            6,
            common::wire::v4(client),
            common::wire::v4(server),
            5,
            0,
            &[0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0],
        );
        // Time exceeded, by a router in between.
        w.icmp(200, client, 11, 0, &[&[0; 4][..], &inner].concat());
    }
    let (v, _) = feed(&mut inline(true, Some(p)), &w.frames);
    assert_eq!(stopped(&v), [1]);
}

#[test]
fn the_same_whatever_the_batch_and_with_rules() {
    let p = compiled(
        "segments: {a: {addresses: [10.1.0.0/30, \"2001:db8::/32\"]}, b: {addresses: 0.0.0.0/0}}\nallow:\n  \
         - {name: known, from: any, to: any, app: [http, dns, tls, smtp, unknown]}\nwatch:\n  - {from: a, to: b, app: mqtt}\n\
         deny:\n  - {from: any, to: any, app: ssh}\ntell: all\n",
    );
    let w = common::traffic::everything();
    let all = frames(&w.frames);
    let run = |rules: Rules, batch: usize| {
        let mode = Mode { ips: true, ignore_checksums: true, memory: 16 << 20, secret: Secret::fixed(1) };
        let mut e = Engine::new(settings().engine(mode).unwrap(), rules.with_policy(Some(p.clone())));
        let (mut v, mut told) = (vec![FORWARD; all.len()], Told::default());
        for (f, v) in all.chunks(batch).zip(v.chunks_mut(batch)) {
            e.process(f, v, &mut told);
        }
        e.finish(&mut told);
        (v, told.0)
    };
    let none =
        common::rules("alert tcp 203.0.113.77 1 -> 203.0.113.78 2 (msg:\"nobody\"; sid:1;)\n", &settings());
    let first = run(Rules::default(), 1);
    assert!(first.1.len() > 50 && !stopped(&first.0).is_empty(), "{:?}", first.1);
    for batch in [7, 32, 256] {
        assert_eq!(run(Rules::default(), batch), first, "batches of {batch}");
    }
    // With rules packets take the general way.
    assert_eq!(run(none.rules.clone(), 32), first);
}

#[test]
fn packets_without_a_flow_are_decided() {
    let p = with("allow:\n  - {from: clients, to: servers, proto: gre}\n");
    let mut w = Wire::new();
    for (a, b) in [(1, 3), (3, 1), (9, 3)] {
        w.ip_packet(&common::wire::ipv4(
            47,
            common::wire::v4(a),
            common::wire::v4(b),
            7,
            0,
            &[0, 0, 0x12, 0x34],
        ));
    }
    let (v, told) = feed(&mut inline(true, Some(p)), &w.frames);
    assert_eq!((stopped(&v), told), (vec![2], vec!["drop default".to_string()]));
}

#[test]
fn a_turned_connection_is_decided_anew() {
    // The answer to a handshake comes first: the one who sent it is the server.
    let p = with("allow:\n  - {name: right, from: clients, to: servers, port: 80}\ntell: all\n");
    let mut w = Wire::new();
    let mut t = w.tcp((1, 4000), (3, 80));
    t.segment(0, PSH | ACK, b"GET / HTTP/1.1\r\n\r\n");
    let (v, told) = feed(&mut inline(true, Some(p)), &w.frames[1..]);
    assert_eq!(stopped(&v), [] as [usize; 0]);
    assert_eq!(told, ["allow right"]);
}
