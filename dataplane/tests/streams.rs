//! Bytes of streams that come without packets: they lead to what packets with these bytes lead to, and to nothing that
//! only packets can have.

mod common;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use common::wire::Wire;
use common::{all_rules, config, engine, frames, rules, run, settings, traffic};
use tidegate_core::engine::{Engine, FeedError, StreamId, Tuple};
use tidegate_core::event::{Event, EventSink, Fields, Nest, NoSink, Value, Verdict};
use tidegate_core::flow::FlowView;
use tidegate_core::{Dir, Secret};
use tidegate_dataplane::config::engine::Mode;

const SECOND: u64 = 1_000_000_000;
/// When made traffic begins.
const START: u64 = 1_767_603_600 * SECOND;

/// A record's fields as text.
#[derive(Default)]
struct Text(String);

impl Fields for Text {
    fn value(&mut self, key: &str, value: Value<'_>) {
        // Who needed how long depends on when bytes come.
        if !key.ends_with("_ms") && !key.ends_with("_us") {
            let _ = match value {
                Value::Bytes(b) => write!(self.0, " {key}={}", b.escape_ascii()),
                other => write!(self.0, " {key}={other:?}"),
            };
        }
    }
    fn open(&mut self, key: &str, _: Nest) {
        let _ = write!(self.0, " {key}{{");
    }
    fn close(&mut self, _: Nest) {
        self.0.push('}');
    }
}

/// What is told of flows, with the client's port; of each event the tag.
#[derive(Default)]
struct Told {
    lines: Vec<String>,
    tags: Vec<Vec<u8>>,
    flows: Vec<(u64, u64)>,
}

impl EventSink for Told {
    fn event(&mut self, event: Event<'_>) {
        let mut note = |f: Option<FlowView<'_>>, line: String| {
            if let Some(f) = f {
                self.lines.push(format!("{} {line}", f.key().sp));
                self.tags.push(f.extra.tag.to_vec());
            }
        };
        match event {
            Event::Alert(a) => note(a.flow, format!("alert {}", a.rule.sid)),
            Event::Tx(t) => {
                let mut text = Text::default();
                t.tx.log(t.dir, &mut text);
                note(Some(t.flow), format!("{} {:?}{}", t.tx.record(), t.dir, text.0));
            }
            Event::File(r) => note(Some(r.flow), format!("file {:?} {}", r.dir, r.file.size())),
            Event::Flow(f) => {
                self.flows.push((f.bytes(Dir::ToServer), f.bytes(Dir::ToClient)));
                note(Some(f), format!("flow {}", f.extra.app.name()));
            }
            _ => {}
        }
    }
}

fn at(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, host)), port)
}

fn ends(port: u16) -> Tuple {
    Tuple { client: at(1, port), server: at(2, 80) }
}

fn dir(from: usize) -> Dir {
    if from == 0 { Dir::ToServer } else { Dir::ToClient }
}

/// Feeds conversations, each piece cut into parts of `cut` bytes.
fn fed(e: &mut Engine, w: &Wire, cut: usize, told: &mut Told) {
    for (i, (client, server, lines)) in w.talks.iter().enumerate() {
        let ends = Tuple { client: at(client.0, client.1), server: at(server.0, server.1) };
        let ts = START + i as u64 * SECOND;
        let id = e.open_stream(&ends, b"pid 4711", ts, told).expect("room");
        for (from, data) in lines {
            for part in data.chunks(cut) {
                assert!(e.feed(id, dir(*from), part, ts, told).is_ok());
            }
        }
        e.close_stream(id, ts, told).expect("it is open");
        assert_eq!(e.close_stream(id, ts, told), Err(FeedError::Closed));
    }
}

/// The plain conversations of all protocols.
fn conversations() -> Wire {
    let all = traffic::everything().talks;
    let mut w = Wire::new();
    let mut seen = std::collections::BTreeSet::new();
    for (client, server, lines) in all {
        let lines: Vec<(usize, &[u8])> = lines.iter().map(|l| (l.0, &l.1[..])).collect();
        if seen.insert((client, server)) {
            w.talk(client, server, &lines);
        }
    }
    w
}

#[test]
fn streams_give_what_packets_give() {
    let (w, r) = (conversations(), all_rules());
    let sorted = |mut t: Told| {
        // Rules on packets are not asked of what had none.
        t.lines.retain(|l| !l.contains(" alert "));
        t.lines.sort();
        t.lines
    };
    let mut packets = Told::default();
    run(&mut engine(config(64 << 20), &r), &frames(&w.frames), 32, &mut packets);
    let packets = sorted(packets);
    assert!(packets.len() > 100, "{}", packets.len());
    for cut in [1400, 7, 100_000] {
        let mut told = Told::default();
        fed(&mut engine(config(64 << 20), &r), &w, cut, &mut told);
        assert!(told.tags.iter().all(|t| t == b"pid 4711"), "every event has the tag");
        let told = sorted(told);
        for (a, b) in packets.iter().zip(&told) {
            assert_eq!(a, b, "cut into {cut}");
        }
        assert_eq!(packets.len(), told.len());
    }
}

const GET: &[u8] = b"GET /secret HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

fn alerts(text: &str) -> Vec<String> {
    let r = rules(text, &settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    let mut w = Wire::new();
    w.talk((1, 4000), (2, 80), &[(0, GET), (1, OK)]);
    let mut told = Told::default();
    fed(&mut engine(config(16 << 20), &r), &w, 1 << 20, &mut told);
    told.lines.retain(|l| l.contains("alert"));
    told.lines
}

#[test]
fn rules_on_streams_protocols_and_ends_are_asked_and_those_on_packets_are_not() {
    for rule in [
        "http any any -> any any (http.uri; content:\"/secret\"; sid:1;)",
        "http any any -> any any (file.data; content:\"evil\"; sid:1;)",
        "tcp any any -> any any (flow:established,to_server; content:\"/secret\"; sid:1;)",
        "tcp any any -> any any (flow:to_client; content:\"evil\"; sid:1;)",
        "ip 10.1.0.1 any -> any any (sid:1;)",
        "tcp any any -> any 80 (pcre:\"/sec.et/\"; sid:1;)",
    ] {
        assert_eq!(alerts(&format!("alert {rule}")), ["4000 alert 1"], "{rule}");
    }
    for rule in [
        "tcp any any -> any any (flags:S; sid:1;)",
        "tcp any any -> any any (dsize:>0; sid:1;)",
        "tcp any any -> any any (ttl:0; sid:1;)",
        "tcp any any -> any any (window:65535; sid:1;)",
        "tcp any any -> any any (seq:1; sid:1;)",
        "tcp-pkt any any -> any any (content:\"evil\"; sid:1;)",
    ] {
        assert_eq!(alerts(&format!("alert {rule}")), [""; 0], "{rule}");
    }
}

#[test]
fn packets_between_the_same_ends_are_another_flow() {
    let r = rules("", &settings());
    let mut e = engine(config(16 << 20), &r);
    let mut told = Told::default();
    let mut w = Wire::new();
    w.talk((1, 4000), (2, 80), &[(0, b"\x16\x03\x01 not in the clear"), (1, b"nor is this")]);
    let id = e.open_stream(&ends(4000), b"", START, &mut told).unwrap();
    let taken = e.open_stream(&ends(4000), b"", START, &mut told);
    assert_eq!(taken, Err(FeedError::Taken));
    for (frame, part) in
        frames(&w.frames).iter().zip([&GET[..10], &GET[10..]].into_iter().chain([&[][..]; 99]))
    {
        e.process(std::slice::from_ref(frame), &mut [Verdict::Forward], &mut told);
        e.feed(id, Dir::ToServer, part, frame.ts, &mut told).unwrap();
    }
    e.feed(id, Dir::ToClient, OK, w.now, &mut told).unwrap();
    e.close_stream(id, w.now, &mut told).unwrap();
    e.finish(&mut told);
    assert_eq!(told.lines.iter().filter(|l| l.contains(" http ")).count(), 1, "{:?}", told.lines);
    assert_eq!(told.lines.iter().filter(|l| l.contains(" flow ")).count(), 2, "{:?}", told.lines);
}

#[test]
fn a_stream_goes_on_after_its_flow_was_idle() {
    let r = rules("alert http any any -> any any (http.uri; content:\"/secret\"; sid:1;)", &settings());
    let mut e = engine(config(16 << 20), &r);
    let mut told = Told::default();
    let id = e.open_stream(&ends(4000), b"t", START, &mut told).unwrap();
    for hour in 0..3 {
        let ts = START + hour * 3600 * SECOND;
        e.feed(id, Dir::ToServer, GET, ts, &mut told).unwrap();
        e.feed(id, Dir::ToClient, OK, ts, &mut told).unwrap();
    }
    e.close_stream(id, START + 3 * 3600 * SECOND, &mut told).unwrap();
    for what in ["alert 1", "flow http", "file ToClient 4"] {
        assert_eq!(told.lines.iter().filter(|l| l.contains(what)).count(), 3, "{what}: {:#?}", told.lines);
    }
    assert!(told.tags.iter().all(|t| t == b"t"));
}

#[test]
fn wrong_calls_are_refused() {
    let r = rules("", &settings());
    let mut e = engine(config(4 << 20), &r);
    let v6 = Tuple { client: "[::1]:1".parse().unwrap(), ..ends(1) };
    assert_eq!(e.open_stream(&v6, b"", START, &mut NoSink), Err(FeedError::Families));
    assert_eq!(e.open_stream(&ends(1), &[b'x'; 257], START, &mut NoSink), Err(FeedError::Tag { len: 257 }));
    assert_eq!(
        e.feed(StreamId::from_bits(0), Dir::ToServer, b"x", START, &mut NoSink),
        Err(FeedError::Closed)
    );
    let (open, most) = e.streams_open();
    assert_eq!(open, 0);
    let ids: Vec<StreamId> =
        (0..most).map(|i| e.open_stream(&ends(i as u16), b"", START, &mut NoSink).expect("room")).collect();
    let full = e.open_stream(&ends(60_000), b"", START, &mut NoSink);
    assert_eq!(full, Err(FeedError::Full { most }));
    assert_eq!(e.stats().streams_refused, 1);
    e.close_stream(ids[3], START, &mut NoSink).unwrap();
    let new = e.open_stream(&ends(60_000), b"", START, &mut NoSink).expect("room again");
    assert_ne!(new, ids[3], "numbers are not given out again");
    assert_eq!(StreamId::from_bits(new.to_bits()), new);
    assert_eq!(e.feed(ids[3], Dir::ToServer, b"x", START, &mut NoSink), Err(FeedError::Closed));
}

#[test]
fn inline_verdicts_say_what_becomes_of_the_bytes() {
    let r = rules("drop http any any -> any any (http.uri; content:\"/secret\"; sid:1;)", &settings());
    let mode = Mode { ips: true, ignore_checksums: true, memory: 16 << 20, secret: Secret::fixed(1) };
    let mut e = Engine::new(settings().engine(mode).expect("enough"), r.rules.clone());
    let id = e.open_stream(&ends(4000), b"", START, &mut NoSink).unwrap();
    assert_eq!(
        e.feed(id, Dir::ToServer, b"GET / HTTP/1.1\r\n\r\n", START, &mut NoSink),
        Ok(Verdict::Forward)
    );
    assert_eq!(e.feed(id, Dir::ToServer, GET, START, &mut NoSink), Ok(Verdict::Drop));
    assert_eq!(
        e.feed(id, Dir::ToServer, b"more", START, &mut NoSink),
        Ok(Verdict::Drop),
        "the flow is dropped"
    );
}
