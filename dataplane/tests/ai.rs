//! Calls of models and tools through whole engines: every carrier's are seen, floods of them cost nobody else anything,
//! and what is said in the documents is so.
mod common;

use common::traffic::everything;
use common::wire::Wire;
use common::{all_rules, config, engine, frames, rules, settings};
use std::collections::BTreeSet;
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink, Verdict};

/// Rules that alerted, and how many records there were of each kind.
#[derive(Default)]
struct Seen {
    sids: BTreeSet<u32>,
    records: std::collections::BTreeMap<&'static str, u32>,
}

impl EventSink for Seen {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(a) => {
                self.sids.insert(a.rule.sid);
            }
            Event::Tx(t) => *self.records.entry(t.tx.record()).or_default() += 1,
            _ => {}
        }
    }
}

fn run(e: &mut Engine, w: &Wire, seen: &mut Seen) {
    let mut verdicts = [Verdict::Forward; 32];
    for b in frames(&w.frames).chunks(32) {
        e.process(b, &mut verdicts, seen);
    }
}

#[test]
fn calls_are_seen_in_every_carrier() {
    let mut e = engine(config(64 << 20), &all_rules());
    let mut seen = Seen::default();
    run(&mut e, &everything(), &mut seen);
    e.finish(&mut seen);
    let missing: Vec<u32> = (89..=99).filter(|s| !seen.sids.contains(s)).collect();
    assert!(missing.is_empty(), "rules {missing:?} did not alert");
    assert!(seen.records["ai"] > 100 && seen.records["grpc"] > 10, "{:?}", seen.records);
}

/// A flood of calls that never end: the memory is the engine's, HTTP goes on being inspected, and so do other calls.
#[test]
fn a_flood_of_calls_starves_nobody() {
    let mut e = engine(
        config(24 << 20),
        &rules(
            "alert http any any -> any any (msg:\"web\"; http.uri; content:\"/after\"; sid:1;)\n\
             alert ai any any -> any any (msg:\"call\"; ai.prompt; content:\"after the flood\"; sid:2;)\n",
            &settings(),
        ),
    );
    let mut seen = Seen::default();
    let body =
        format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}", "x".repeat(1200));
    let open = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{body}"
    );
    for round in 0..40u16 {
        let mut w = Wire::new();
        for n in 0..500u16 {
            let client = ((n % 200) as u8 + 10, 1024 + round * 500 + n);
            let mut t = w.tcp(client, (250, 8000));
            t.send(0, open.as_bytes());
        }
        run(&mut e, &w, &mut seen);
    }
    assert!(e.stats().states_evicted > 0, "the flood was no flood");
    let mut w = Wire::new();
    let call = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"after the flood\"}]}";
    let call = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    w.talk((3, 60_000), (250, 8000), &[(0, call.as_bytes())]);
    w.talk((3, 60_001), (250, 80), &[(0, b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")]);
    run(&mut e, &w, &mut seen);
    e.finish(&mut seen);
    assert_eq!(seen.sids.into_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(e.stats().pools.map(|p| p.0), [0, 0], "memory of ended flows is not given back");
}

/// `docs/ai.md` names every buffer, number and event of `ai` and `grpc`, and every dialect.
#[test]
fn the_page_names_everything() {
    let page = include_str!("../../docs/ai.md");
    for p in PROTOCOLS.iter().filter(|p| p.guest.is_some()) {
        let names = p.buffers.iter().map(|b| b.name).chain(p.ints.iter().map(|i| i.name));
        for name in names.chain(p.events.iter().copied()) {
            assert!(page.contains(name), "docs/ai.md does not name {name}");
        }
    }
    let mut table = String::from("| provider | requests |\n|---|---|\n");
    for (name, paths) in tidegate_core::ai::dialects() {
        table += &format!("| `{name}` | {} |\n", paths.join(", "));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ai.md");
    let mark = "## Dialects\n\n";
    let at = page.find(mark).expect("a list of dialects") + mark.len();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{}{table}", &page[..at])).unwrap();
    } else {
        assert!(
            page[at..] == table,
            "docs/ai.md is not what the code says: UPDATE=1 cargo test -p tidegate-dataplane --test ai"
        );
    }
}

/// The rules that ship load whole, each with a comment, metadata of its family and a number of its own.
#[test]
fn rules_that_ship() {
    let mut sids = BTreeSet::new();
    for (file, text) in tidegate_core::ai::rules::ALL {
        let lines: Vec<&str> = text.lines().collect();
        for (i, l) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("alert ")) {
            assert!(i > 0 && lines[i - 1].starts_with("# "), "{file}: {l}");
            assert!(l.contains("metadata:ai_risk ") && l.contains("msg:\"TIDEGATE AI "), "{file}: {l}");
            let sid = l.split("sid:").nth(1).and_then(|s| s.split(';').next()).expect("a sid");
            assert!(sids.insert(sid.to_string()), "{file}: sid {sid} twice");
        }
        let with_home = text.replace("$HOME_NET", "any").replace("$EXTERNAL_NET", "any");
        let r = rules(&with_home, &settings());
        assert!(r.refused.is_empty(), "{file}: {:?}", r.refused);
    }
    assert!(sids.len() > 30);
}

/// What a request with that path and body alerts on.
fn asked(path: &str, body: &str) -> BTreeSet<u32> {
    let text = "alert ai any any -> any any (ai.prompt; content:\"secret wish\"; sid:1;)";
    let mut e = engine(config(16 << 20), &rules(text, &settings()));
    let mut w = Wire::new();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    w.talk((1, 50_000), (2, 8000), &[(0, request.as_bytes())]);
    let mut seen = Seen::default();
    run(&mut e, &w, &mut seen);
    e.finish(&mut seen);
    seen.sids
}

#[test]
fn what_servers_read_is_read() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"my secret wish"}]}"#;
    let not_json = r#"{"x":NaN,"y":[Infinity,-Infinity],"model":"m","messages":[{"role":"user","content":"my secret wish"}]}"#;
    for (path, body) in
        [("/v1/chat/completions", body), ("/v1/chat/%63ompletions", body), ("/v1/chat/completions", not_json)]
    {
        assert_eq!(asked(path, body), BTreeSet::from([1]), "{path} {body}");
    }
    assert!(asked("/v1/chat/%zzompletions%", body).is_empty());
}
