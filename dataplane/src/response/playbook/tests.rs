//! Playbooks against events, files that are wrong, and the allow list against every playbook.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_core::response::{Kind, Target};

use super::*;
use crate::response::{Caller, Desk, Role, Setup, order::Order};

const SECOND: u64 = 1_000_000_000;

fn setup(text: &str) -> Setup {
    Setup::parse(text, Path::new("r.yaml")).unwrap()
}

fn books(text: &str) -> Playbooks {
    Playbooks::new(setup(text).playbooks)
}

fn alert(sid: u32, src: &str) -> Value {
    json!({"event_type": "alert", "src_ip": src, "src_port": 4000, "dest_ip": "10.0.0.9", "dest_port": 443, "proto": "TCP",
        "alert": {"signature_id": sid, "signature": "An attack", "severity": 1, "category": "Attempted Information Leak"},
        "tls": {"sni": "Evil.Example"}, "dns": {"queries": [{"rrname": "a.example"}, {"rrname": "b.example"}]}})
}

fn block(text: &str, span: u64) -> Todo {
    let kind = if text.parse::<std::net::IpAddr>().is_ok() { Kind::Host } else { Kind::Domain };
    Todo::Set { effect: Effect::Block, target: Target::parse(kind, text).unwrap(), span: span * SECOND }
}

#[test]
fn conditions_fit_or_do_not() {
    let fits = |when: &str| {
        let text = format!(
            "playbooks: [{{name: x, when: {{event: alert, {when}}}, do: {{block: src_ip, for: 1m}}}}]"
        );
        books(&text).see(&alert(7, "10.0.0.5"), SECOND).len() == 1
    };
    for when in [
        "signature_id: 7",
        "alert.signature_id: [1, 5-9]",
        "src_ip: 10.0.0.0/8, dest_port: 443",
        "src_ip: \"::ffff:10.0.0.5\"",
        "signature: \"an *\", severity: 1-2",
        "signature_id: \"?\"",
        "tls.sni: \"*.EXAMPLE\"",
        "dns.queries.rrname: b.example",
        "proto: tcp",
    ] {
        assert!(fits(when), "{when}");
    }
    for when in [
        "signature_id: 8",
        "src_ip: 10.1.0.0/16",
        "src_ip: \"::/0\"",
        "signature: an",
        "tls.sni: example",
        "tls.version: \"*\"",
        "dns.queries: x",
        "src_port: [1, 2]",
        "signature_id: 7, dest_port: 80",
    ] {
        assert!(!fits(when), "{when}");
    }
}

#[test]
fn subjects_come_from_the_event() {
    let run = |subject: &str, event: &Value| {
        let text =
            format!("playbooks: [{{name: x, when: {{event: alert}}, do: {{block: {subject}, for: 1m}}}}]");
        books(&text).see(event, SECOND).remove(0).todo.remove(0)
    };
    let e = alert(1, "2001:db8::5");
    let target = |t: &Todo| match t {
        Todo::Set { target, .. } => format!("{} {}", target.kind().name(), target.text()),
        other => format!("{other:?}"),
    };
    assert_eq!(target(&run("dest_ip", &e)), "host 10.0.0.9");
    assert_eq!(target(&run("tls.sni", &e)), "domain evil.example");
    assert_eq!(target(&run("dns.queries.rrname", &e)), "domain a.example");
    assert_eq!(target(&run("{model: GPT}", &e)), "model gpt");
    assert_eq!(target(&run("flow", &alert(1, "10.0.0.5"))), "flow 10.0.0.5:4000 10.0.0.9:443 tcp");
    assert_eq!(run("http.hostname", &e), Todo::Missing { action: 0 });
}

#[test]
fn counts_limits_and_what_holds_already() {
    let mut b = books(
        "playbooks:\n  - name: x\n    when: {event: alert, count: 3, within: 10s, by: [src_ip, dest_port]}\n    \
         do: {block: src_ip, for: 100s}\n    limit: {runs: 2, within: 1m}\n",
    );
    let mut see = |src: &str, at: u64| b.see(&alert(1, src), at * SECOND);
    // Two in time are not three, nor is one that came too long ago.
    assert!(
        see("10.0.0.1", 100).is_empty() && see("10.0.0.1", 105).is_empty() && see("10.0.0.1", 111).is_empty()
    );
    assert!(see("10.0.0.2", 111).is_empty(), "others count apart");
    assert_eq!(see("10.0.0.1", 112)[0].todo, [block("10.0.0.1", 100)]);
    // It holds: nothing to do, and nothing of the limit is used.
    for at in 113..150 {
        assert!(see("10.0.0.1", at).is_empty());
    }
    // Half of its time is over: it is done again, for longer.
    let again: Vec<Run> = (163..166).flat_map(|at| see("10.0.0.1", at)).collect();
    assert_eq!((again.len(), again[0].limited), (1, false));
    let mut three = |src: &str, at: u64| (0..3).flat_map(|_| see(src, at)).next().map(|r| r.limited);
    assert_eq!(three("10.0.0.3", 166), Some(true), "two in a minute: at 112 and 165");
    assert_eq!(three("10.0.0.3", 175), Some(false));
    assert_eq!(three("10.0.0.4", 176), Some(true));
    assert_eq!(three("10.0.0.4", 226), Some(false));
}

/// Events of several flows, workers and files do not come in the order of time.
#[test]
fn an_earlier_event_does_not_act_again() {
    let mut b = books("playbooks: [{name: x, when: {event: alert}, do: {block: src_ip, for: 100s}}]");
    let mut see = |at: u64| b.see(&alert(1, "10.0.0.1"), at * SECOND).len();
    assert_eq!(see(1000), 1);
    for at in [999, 1000, 951, 1, 0] {
        assert_eq!(see(at), 0, "{at}");
    }
    assert_eq!((see(1049), see(1050)), (0, 1));
}

#[test]
fn decisions_of_policies_are_events_too() {
    let mut b = books(
        "playbooks:\n  - {name: x, when: {event: policy, action: [drop, reject], from: apps}, do: {block: policy.model, for: 1m}}\n",
    );
    let event = |action: &str| json!({"event_type": "policy", "src_ip": "10.0.0.5", "policy": {"action": action, "from": "apps", "model": "Shadow"}});
    assert!(b.see(&event("watch"), SECOND).is_empty() && b.see(&alert(1, "10.0.0.5"), SECOND).is_empty());
    let target = Target::parse(Kind::Model, "shadow").unwrap();
    let todo = Todo::Set { effect: Effect::Block, target, span: 60 * SECOND };
    assert_eq!(b.see(&event("drop"), SECOND)[0].todo, [todo]);
}

#[test]
fn memory_of_playbooks_is_bounded() {
    let mut b = books(
        "playbooks:\n  - {name: x, when: {event: alert, count: 2, within: 10s}, do: {block: src_ip, for: 1h}}\n  \
         - {name: y, when: {event: alert}, do: {block: src_ip, for: 1h}, limit: {runs: 10000, within: 1s}}\n",
    );
    for i in 0..keys::KEYS as u32 + 200 {
        b.see(&alert(1, &std::net::Ipv4Addr::from(i).to_string()), u64::from(i) * SECOND / 1000);
    }
    assert!(
        b.memory
            .iter()
            .all(|m| m.counts.len() <= keys::KEYS && m.acted.len() <= ACTED && m.runs.at.len() <= 10_000)
    );
}

/// A flood of addresses seen once pushes out none that is nearly there, and what gave way is counted.
#[test]
fn keys_that_were_counted_more_do_not_give_way_to_keys_seen_once() {
    let mut b = books(
        "playbooks: [{name: x, when: {event: alert, count: 5, within: 1h}, do: {block: src_ip, for: 1h}}]",
    );
    let mut see = |src: &str, at: u64| b.see(&alert(1, src), at * SECOND).len();
    assert_eq!((0..4).map(|at| see("192.0.2.1", at)).sum::<usize>(), 0);
    for i in 0..3 * keys::KEYS as u32 {
        assert_eq!(see(&std::net::Ipv4Addr::from(0x0a00_0000 + i).to_string(), 10 + u64::from(i) / 10), 0);
    }
    assert_eq!(see("192.0.2.1", 2000), 1, "the fifth");
    assert_eq!(b.keys_evicted(), 2 * keys::KEYS as u64 + 1);
    // What is too long ago to count gives way first, whatever it had, and is not missed.
    let before = b.keys_evicted();
    for i in 0..keys::KEYS as u32 {
        b.see(&alert(1, &std::net::Ipv4Addr::from(0x0b00_0000 + i).to_string()), 9000 * SECOND);
    }
    assert_eq!(b.keys_evicted(), before);
}

#[test]
fn words_from_the_traffic_stay_words() {
    let mut e = alert(1, "10.0.0.5");
    e["tls"]["sni"] = json!("a; rm -rf / \n$(x) {src_ip}");
    assert_eq!(fit::fill("{tls.sni}!{alert.severity}", &e), "a; rm -rf / $(x) {src_ip}!1");
    e["tls"]["sni"] = json!("x".repeat(1000));
    assert_eq!(fit::fill("{tls.sni}{nothing.there}", &e).len(), 256);
    let s = setup(
        "playbooks: [{name: x, when: {event: alert}, do: {command: [/bin/true, \"{src_ip} {signature}\"]}}]",
    );
    let mut b = Playbooks::new(s.playbooks);
    let Todo::Send { words, .. } = b.see(&e, SECOND).remove(0).todo.remove(0) else { panic!() };
    assert_eq!(words, ["/bin/true", "10.0.0.5 An attack"]);
}

/// Files that are wrong, where, and what is said of them.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let wrong = |book: &str| {
        let text = format!("never: {{addresses: 10.0.0.1}}\nplaybooks:\n  - {book}\n");
        Setup::parse(&text, Path::new("r.yaml")).unwrap_err().to_string()
    };
    let with = |when: &str, what: &str| wrong(&format!("{{name: x, when: {{{when}}}, do: {what}}}"));
    let doing = |what: &str| with("event: alert", what);
    for (said, expected) in [
        (
            wrong("{when: {event: alert}, do: {block: src_ip, for: 1m}}"),
            "r.yaml:3:5: the playbook has no `name`",
        ),
        (wrong("{name: x, do: {block: src_ip, for: 1m}}"), "r.yaml:3:5: the playbook has no `when`"),
        (
            wrong("{name: x, when: {event: alert}}"),
            "r.yaml:3:5: the playbook has no `do`, so it has no effect",
        ),
        (wrong("{name: x, wen: 1}"), "r.yaml:3:15: `wen` is not known here; expected one of name, when"),
        (with("signature_id: 1", "{}"), "r.yaml:3:21: `event` is missing"),
        (
            with("event: flow", "{}"),
            "r.yaml:3:29: `flow` is not a kind of event that playbooks see: alert or policy",
        ),
        (
            with("event: alert, http.hostnam: x", "{}"),
            "r.yaml:3:36: `http.hostnam` is not known; expected http with one of accept, ",
        ),
        (
            with("event: alert, ai.request.modle: x", "{}"),
            "r.yaml:3:36: `ai.request.modle` is not known; expected ai.request with one of collection, ",
        ),
        (with("event: alert, dns.query.rrname: x", "{}"), "r.yaml:3:36: `dns.query.rrname` is not known"),
        (with("event: alert, intel.kind: x", "{}"), "r.yaml:3:36: `intel.kind` is not known; expected intel"),
        (with("event: alert, alert.category.x: x", "{}"), "r.yaml:3:36: `alert.category.x` is not known"),
        (
            with("event: alert, http2.url: x", "{}"),
            "r.yaml:3:36: `http2.url` is not known here; expected one of src_ip",
        ),
        (
            with("event: policy, http.hostname: x", "{}"),
            "r.yaml:3:37: `http.hostname` is not in an event of the kind policy",
        ),
        (with("event: alert, sid: 1", "{}"), "r.yaml:3:36: `sid` is not known here; expected one of src_ip"),
        (
            with("event: alert, alert.sid: 1", "{}"),
            "r.yaml:3:36: `alert.sid` is not known; expected alert with one of action",
        ),
        (
            with("event: alert, policy.action: drop", "{}"),
            "r.yaml:3:36: `policy.action` is not in an event of the kind alert",
        ),
        (
            with("event: alert, dest_port: 70000", "{}"),
            "r.yaml:3:47: `70000` is not a number from 0 to 65535",
        ),
        (with("event: alert, dest_port: [1, 2o]", "{}"), "r.yaml:3:51: `2o` is not a number from 0 to 65535"),
        (
            with("event: alert, signature_id: x", "{}"),
            "r.yaml:3:50: `x` is not a number from 0 to 4294967295",
        ),
        (with("event: alert, severity: high", "{}"), "r.yaml:3:46: `high` is not a number from 0 to 255"),
        (with("event: alert, app_proto: htttp", "{}"), "r.yaml:3:47: `htttp` is not one of http, dns, "),
        (
            with("event: alert, direction: toserver", "{}"),
            "r.yaml:3:47: `toserver` is not one of to_server, to_client",
        ),
        (with("event: alert, proto: 6", "{}"), "r.yaml:3:43: `6` is not one of HOPOPT, ICMP, "),
        (with("event: alert, proto: [tcp, tpc]", "{}"), "r.yaml:3:49: `tpc` is not one of HOPOPT, ICMP, "),
        (with("event: alert, action: drop", "{}"), "r.yaml:3:44: `drop` is not one of allowed, blocked"),
        (
            with("event: policy, action: deny", "{}"),
            "r.yaml:3:45: `deny` is not one of allow, watch, drop, reject",
        ),
        (with("event: policy, enforced: maybe", "{}"), "r.yaml:3:47: `maybe` is not one of true, false"),
        (with("event: policy, operation: chatt", "{}"), "r.yaml:3:48: `chatt` is not one of "),
        (with("event: policy, credential: key", "{}"), "r.yaml:3:49: `key` is not one of bearer, basic, "),
        (
            doing("{webhook: \"http://x/{nosuch}\"}"),
            "r.yaml:3:51: `http://x/{nosuch}`: an address takes no fields",
        ),
        (doing("{webhook: \"http://300.1.1.1/\"}"), "r.yaml:3:51: `300.1.1.1` with port 80 is no host"),
        (doing("{nats: \"0.0.0.0:4222\", subject: x}"), "r.yaml:3:48: `0.0.0.0:4222` is not an address"),
        (
            doing("{command: [/bin/nosuch, x]}"),
            "r.yaml:3:52: /bin/nosuch: No such file or directory (os error 2); expected a program that can be started",
        ),
        (doing("{command: [/etc/passwd]}"), "r.yaml:3:52: /etc/passwd: it is no program"),
        (doing("{block: {model: \"llama-*\"}, for: 1m}"), "r.yaml:3:57: `llama-*` is a pattern"),
        (with("event: alert, src_ip: ten", "{}"), "r.yaml:3:44: `ten` is not an address or a network"),
        (with("event: alert, severity: 3-1", "{}"), "r.yaml:3:46: `3-1` has no number in it"),
        (
            with("event: alert, severity: []", "{}"),
            "r.yaml:3:46: a list is not a value: nothing would ever fit",
        ),
        (with("event: alert, count: 3", "{}"), "r.yaml:3:21: `count` and `within` go together"),
        (
            with("event: alert, count: 1, within: 1m", "{}"),
            "r.yaml:3:43: `1` is not a number from 2 to 10000",
        ),
        (doing("[]"), "r.yaml:3:41: a list is not a list of 1 to 16 things to do"),
        (doing("{blok: src_ip}"), "r.yaml:3:42: `blok` is not known here; expected one of block, mark"),
        (doing("{block: src_ip}"), "r.yaml:3:41: `for` is missing"),
        (doing("{block: src_ip, for: 15}"), "r.yaml:3:62: `15` is not a time from 1s to 30d"),
        (doing("{block: src_ip, mark: src_ip, for: 1m}"), "r.yaml:3:57: `mark` is another thing to do"),
        (
            doing("{block: src_ip, for: 1m, timeout: 1s}"),
            "r.yaml:3:66: `timeout` is not known here; expected one of block, for",
        ),
        (doing("{block: src_port, for: 1m}"), "r.yaml:3:49: `src_port` is not one of flow, src_ip"),
        (
            doing("{block: {host: 10.0.0.1}, for: 1m}"),
            "r.yaml:3:56: 10.0.0.1 is on the allow list, so this has no effect",
        ),
        (doing("{block: {network: 0.0.0.0/0}, for: 1m}"), "r.yaml:3:59: 10.0.0.1 is on the allow list"),
        (doing("{capture: tls.sni, for: 1m}"), "r.yaml:3:51: `tls.sni` is not a host"),
        (doing("{capture: src_ip, for: 2h}"), "r.yaml:3:64: `2h` is not a time from 1s to 1h"),
        (doing("{webhook: \"https://x\"}"), "r.yaml:3:51: https is not spoken here"),
        (
            doing("{command: [reboot]}"),
            "r.yaml:3:51: a list is not a list of words, the first of which is a program",
        ),
        (doing("{command: [/bin/true, \"{sid}\"]}"), "r.yaml:3:63: `sid` is not known here"),
        (doing("{command: [/bin/true, \"{src_ip\"]}"), "r.yaml:3:63: a `{` has no `}`"),
        (doing("{command: [/bin/true], timeout: 2m}"), "r.yaml:3:73: `2m` is not a time from 1s to 60s"),
        (doing("{nats: localhost, subject: x}"), "r.yaml:3:48: `localhost` is not an address with a port"),
        (doing("{nats: \"127.0.0.1:4222\"}"), "r.yaml:3:41: `subject` is missing"),
    ] {
        assert!(said.starts_with(expected), "{said}\n  instead of {expected}");
    }
    let twice = "playbooks:\n  - &a {name: x}\n";
    assert!(
        Setup::parse(twice, Path::new("r.yaml")).unwrap_err().to_string().starts_with("r.yaml:2:5: anchors")
    );
    let e = setup("playbooks: [{name: x, when: {event: alert}, do: {block: src_ip, for: 1m}}]")
        .effects(false)
        .unwrap_err();
    assert!(e.contains("only watched"), "{e}");
}

fn word(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever playbooks there are, whatever events come, and whoever orders: the desk blocks nothing of the allow list.
    #[test]
    fn no_playbook_and_no_order_blocks_what_the_allow_list_has(
        subjects in prop::collection::vec(word(&["src_ip", "dest_ip", "flow", "tls.sni", "dns.queries.rrname", "ai.request.model", "ai.mcp.tool"]), 1..5),
        events in prop::collection::vec((
            word(&["10.0.0.1", "10.0.0.2", "10.0.1.7", "::ffff:10.0.0.1", "2001:db8::1", "2001:DB8:0::1", "2001:db9::1"]),
            word(&["10.0.0.1", "10.0.0.9", "2001:db8::2", "::ffff:10.0.0.9"]),
            word(&["good.example", "GOOD.Example.", "www.good.example", "example", "example.", "evil.example", "xgood.example"]),
            word(&["GPT-4", "gpt-4", "llama", " Llama "]),
        ), 1..12),
        orders in prop::collection::vec((
            word(&["host", "network", "domain", "model", "tool", "flow"]),
            word(&["10.0.0.1", "10.0.0.0/30", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "2001:db8::/31", "2001:db8::1/128", "com", "example.", "Good.Example", "gpt-4", "GPT-4 ", "10.0.0.1:1 10.0.0.9:2 tcp", "[::ffff:10.0.0.1]:1 [::ffff:10.0.0.9]:2 udp", "10.9.9.9"]),
        ), 0..8),
    ) {
        let listed = "never: {addresses: [10.0.0.1, \"2001:db8::/32\"], domains: [good.example], models: [\"gpt-*\"], tools: [GPT-4]}\n";
        let mut text = String::from(listed) + "playbooks:\n";
        for (i, s) in subjects.iter().enumerate() {
            text += &format!("  - {{name: p{i}, when: {{event: alert}}, do: {{block: {s}, for: 1h}}}}\n");
        }
        let s = setup(&text);
        let never = s.never.clone();
        let desk = Desk::new(s.never, true, SECOND);
        let mut books = Playbooks::new(s.playbooks);
        let who = Caller { name: "x".into(), role: Role::Admin };
        for (i, (src, dst, name, model)) in events.iter().enumerate() {
            let event = json!({"event_type": "alert", "src_ip": src, "dest_ip": dst, "src_port": 1, "dest_port": 2, "proto": "TCP",
                "tls": {"sni": name}, "dns": {"queries": [{"rrname": name}]},
                "ai": {"request": {"model": model}, "mcp": {"tool": model}}});
            for run in books.see(&event, (i as u64 + 2) * SECOND) {
                for t in run.todo {
                    let Todo::Set { effect, target, span } = t else { continue };
                    let order = Order::Set { effect, target, span, reason: String::new() };
                    let _ = desk.order(&who, "playbook", &order, (i as u64 + 2) * SECOND);
                }
            }
        }
        for (kind, target) in &orders {
            let members = [("kind", *kind), ("target", *target), ("for", "1h")].map(|(a, b)| (a.to_string(), b.to_string()));
            if let Ok(order) = crate::response::order::read("block", &members) {
                let _ = desk.order(&who, "test", &order, 20 * SECOND);
            }
        }
        for e in desk.entries() {
            prop_assert_eq!(never.forbids(&e.block.target), None, "{}", e.block.target.text());
            let text = format!("{} {}", e.block.target.kind().name(), e.block.target.text());
            prop_assert!(!["host 10.0.0.1", "host 2001:db8::1", "domain good.example", "domain www.good.example", "domain example", "model gpt-4", "tool gpt-4", "network 0.0.0.0/0", "network ::/0"].contains(&&*text), "{}", text);
        }
        // Nor was all of it refused.
        if events.iter().any(|e| e.0 == "10.0.1.7") && subjects.contains(&"src_ip") {
            prop_assert!(desk.entries().iter().any(|e| e.block.target.text() == "10.0.1.7"));
        }
    }
}

/// A UDP packet of 10.0.0.`host` with a text.
fn packet(host: u8, text: &[u8]) -> Vec<u8> {
    let len = (28 + text.len()) as u8;
    let mut f = vec![0u8; 12];
    f.extend([8, 0, 0x45, 0, 0, len, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 0, 200]);
    f.extend([0, 7, 0, 7, 0, len - 20, 0, 0]);
    f.extend(text);
    f
}

/// The whole way: a worker's alert, the responder's thread, the desk, the worker's next packet; and a capture beside it.
#[test]
fn from_an_alert_to_a_dropped_packet() {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use tidegate_core::engine::Frame;
    use tidegate_core::event::Verdict;

    use crate::config::engine::Mode;
    use crate::config::{Overrides, Settings};
    use crate::live::chunk::Channel;
    use crate::live::sink::{LiveSink, OwnLines};
    use crate::live::worker::{Fail, Worker};
    use crate::live::{manager, now_ns};
    use crate::response::tap::{Shared, Tap};

    let folder = std::env::temp_dir().join(format!("tidegate-responder-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut setup = setup(
        "never: {addresses: 10.0.0.200}\nplaybooks:\n  - name: x\n    when: {event: alert, signature_id: 1}\n    \
         do: [{capture: src_ip, for: 1s}, {block: dest_ip, for: 1h}, {block: src_ip, for: 1h}]\n",
    );
    let settings = Settings::load(None, &Overrides { set: &[], ips: true }).unwrap();
    let mode = Mode { ips: true, ignore_checksums: true, memory: 16 << 20, secret: crate::secret::CAPTURES };
    let rule = "alert udp any any -> any any (msg:\"x\"; content:\"attack\"; sid:1;)\n";
    let source = crate::load::Source::Text { name: "t".into(), text: rule.into() };
    let rules = crate::load::load_sources(&[source], &settings, None).unwrap().rules;
    let shared = Arc::new(Shared::new(true));
    let mut sink = LiveSink::new(&settings.outputs, true, Arc::new(Channel::new()), false);
    sink.tap = Tap::new(&setup.playbooks, shared.clone(), true);
    let mut w = Worker::new(0, manager::engine(&settings, mode, &rules), sink, Fail::Closed, true, false);
    let lines = OwnLines::new(&settings.outputs, true, Arc::new(Channel::new()));
    let desk = setup.desk(true, lines, vec![w.mail.clone()]).unwrap();
    let mut responder = setup.start(&desk, shared, folder.clone(), vec![w.mail.clone()]).unwrap().unwrap();
    let pass = |w: &mut Worker, host: u8, text: &[u8]| {
        w.between(now_ns());
        let mut verdict = [Verdict::Forward];
        let data = packet(host, text);
        w.inspect(&[Frame { data: &data, ts: now_ns(), link: 1, ..Frame::default() }], &mut verdict);
        verdict[0]
    };
    assert_eq!(pass(&mut w, 1, b"hello"), Verdict::Forward);
    assert_eq!(pass(&mut w, 1, b"attack"), Verdict::Forward);
    let until = Instant::now() + Duration::from_secs(20);
    while pass(&mut w, 1, b"hello") == Verdict::Forward {
        assert!(Instant::now() < until, "nothing was blocked");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        pass(&mut w, 2, b"hello"),
        Verdict::Forward,
        "the end on the allow list goes on speaking to others"
    );
    let kept: Vec<String> = desk.entries().iter().map(|e| e.block.target.text()).collect();
    assert_eq!(kept, ["10.0.0.1"]);
    assert_eq!(desk.counts().never, 1);
    responder.finish();
    // A file of pcap with what came of the host since.
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    assert!(bytes.len() > 24 + 16 && bytes[..4] == 0xa1b2_c3d4u32.to_le_bytes(), "{} bytes", bytes.len());
    std::fs::remove_dir_all(&folder).unwrap();
}
