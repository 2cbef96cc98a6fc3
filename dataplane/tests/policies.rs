//! Settings that decide over packets when something goes wrong.

mod common;

use common::wire::Wire;
use common::{engine, frames, rules, run, traffic};
use tidegate_core::Secret;
use tidegate_core::event::{DropReason, Event, EventSink};
use tidegate_core::flow::{State, exception_target, flag};
use tidegate_core::stream::ExceptionPolicy;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};

/// What became of the flow.
#[derive(Default)]
struct Story {
    drops: Vec<DropReason>,
    alerts: usize,
    /// Exception policy of the flow and whether it was bypassed.
    flow: Option<(Option<(u8, u8)>, bool)>,
}

impl EventSink for Story {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(_) => self.alerts += 1,
            Event::Drop(d) => self.drops.push(d.reason),
            Event::Flow(f) => {
                let policy = f.has(flag::EXCEPTION).then_some(f.cold.exception);
                self.flow = Some((policy, f.hot.state == State::Bypassed));
            }
            _ => {}
        }
    }
}

/// DNS over TCP whose second message is none, then more.
fn broken_dns(policy: &str, ips: bool) -> Story {
    let over = Overrides { ips, set: &[format!("app-layer.error-policy={policy}")] };
    let settings = Settings::load(None, &over).unwrap();
    let rules = rules(r#"alert tcp any any -> any 53 (msg:"late"; content:"late"; sid:1;)"#, &settings);
    assert_eq!(rules.refused, Vec::<String>::new());
    let mut config = settings
        .engine(Mode { ips, ignore_checksums: true, memory: 8 << 20, secret: Secret::fixed(1) })
        .unwrap();
    config.stream.inline = ips;
    let message = |m: &[u8]| [&(m.len() as u16).to_be_bytes()[..], m].concat();
    let mut wire = Wire::new();
    let mut tcp = wire.tcp((1, 33_333), (2, 53));
    tcp.send(0, &message(&traffic::dns(7, "a.example", 1, None)));
    tcp.send(0, &message(&[0xff; 40]));
    tcp.send(0, b"late");
    tcp.send(0, b"later");
    tcp.close();
    let mut story = Story::default();
    run(&mut engine(config, &rules), &frames(&wire.frames), 32, &mut story);
    story
}

#[test]
fn a_failing_parser_ends_the_flow_by_policy() {
    let ignored = broken_dns("ignore", true);
    assert_eq!((ignored.drops.len(), ignored.flow), (0, Some((None, false))));
    assert!(ignored.alerts > 0);

    let dropped = broken_dns("drop-flow", true);
    assert_eq!(dropped.drops.first(), Some(&DropReason::AppLayerError));
    assert!(dropped.drops.len() > 2 && dropped.drops[1..].iter().all(|d| *d == DropReason::FlowDrop));
    let policy = (exception_target::APP_ERROR, ExceptionPolicy::DropFlow as u8);
    assert_eq!((dropped.alerts, dropped.flow), (0, Some((Some(policy), false))));

    let packet = broken_dns("drop-packet", true);
    assert_eq!(packet.drops, [DropReason::AppLayerError]);

    let passed = broken_dns("pass-flow", false);
    assert_eq!((passed.drops.len(), passed.alerts), (0, 0));

    let bypassed = broken_dns("bypass", false);
    assert_eq!((bypassed.alerts, bypassed.flow.map(|f| f.1)), (0, Some(true)));
}

/// A parser that gives up in one direction only counts and has its policy applied, once a flow.
#[test]
fn a_parser_that_fails_in_one_direction_counts_and_has_its_policy() {
    let story = |policy: &str, both: bool| {
        let over = Overrides { ips: true, set: &[format!("app-layer.error-policy={policy}")] };
        let settings = Settings::load(None, &over).unwrap();
        let rules = rules(r#"alert tcp any any -> any 80 (msg:"late"; content:"late"; sid:1;)"#, &settings);
        let mut config = settings
            .engine(Mode { ips: true, ignore_checksums: true, memory: 8 << 20, secret: Secret::fixed(1) })
            .unwrap();
        config.stream.inline = true;
        let mut wire = Wire::new();
        let mut tcp = wire.tcp((1, 33_333), (2, 80));
        tcp.send(0, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
        tcp.send(0, b"late");
        if both {
            tcp.send(1, &[b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 100_000][..]].concat());
        }
        tcp.close();
        let (mut seen, mut engine) = (Story::default(), engine(config, &rules));
        run(&mut engine, &frames(&wire.frames), 32, &mut seen);
        let http = tidegate_core::app::AppProto::by_name("http").and_then(|p| p.index()).expect("http");
        (seen, engine.stats().app_errors[0][http])
    };
    for both in [false, true] {
        let (s, errors) = story("ignore", both);
        assert_eq!((s.drops.len(), errors), (0, 1));
        assert!(s.alerts > 0);
    }
    let (s, errors) = story("drop-flow", false);
    assert_eq!((s.drops.first(), errors), (Some(&DropReason::AppLayerError), 1));
    assert_eq!(s.alerts, 0);
}

/// Inline, a fragment that overlaps more than is looked into stays, with its anomaly; watching, it goes on.
#[test]
fn fragments_that_overlap_too_much_stay() {
    use common::wire::{ipv4, v4};
    let mut wire = Wire::new();
    for i in 0..1200u16 {
        let body = vec![1; 8 * usize::from(i) + 8];
        wire.ip_packet(&ipv4(17, v4(1), v4(2), 7, 0x2000 | (1200 - i), &body));
    }
    let set = ["host-os-policy.bsd-right=[0.0.0.0/0]".to_string()];
    for ips in [true, false] {
        let settings = Settings::load(None, &Overrides { ips, set: &set }).unwrap();
        let rules = rules(
            r#"alert ip any any -> any any (msg:"x"; decode-event:ipv4.frag_ignored; sid:1;)"#,
            &settings,
        );
        let config = settings
            .engine(Mode { ips, ignore_checksums: true, memory: 512 << 20, secret: Secret::fixed(1) })
            .unwrap();
        let (mut seen, mut engine) = (Story::default(), engine(config, &rules));
        run(&mut engine, &frames(&wire.frames), 32, &mut seen);
        let refused = engine.stats().defrag.overlaps_refused;
        assert!(refused > 500 && seen.alerts as u64 >= refused, "{refused} {}", seen.alerts);
        let stays = if ips { refused } else { 0 };
        assert_eq!(seen.drops.len() as u64, stays);
        assert!(seen.drops.iter().all(|d| *d == DropReason::DefragError));
    }
}

/// A flow of one conversation under rules, in a network that can drop or not.
fn told(lines: &[(usize, &[u8])], port: u16, text: &str, ips: bool) -> (Story, Vec<String>) {
    struct Both(Story, Vec<String>);
    impl EventSink for Both {
        fn event(&mut self, event: Event<'_>) {
            if let Event::Flow(f) = event {
                let marks = f.hot.flags & (flag::DROP | flag::WOULD_DROP);
                self.1.push(format!("{} {} {marks}", f.extra.app.name(), f.extra.app_orig.name()));
            }
            self.0.event(event);
        }
    }
    let settings = Settings::load(None, &Overrides { ips, set: &[] }).unwrap();
    let rules = rules(text, &settings);
    assert_eq!(rules.refused, Vec::<String>::new());
    let mode = Mode { ips, ignore_checksums: true, memory: 8 << 20, secret: Secret::fixed(1) };
    let mut wire = Wire::new();
    wire.talk((1, 33_333), (2, port), lines);
    let mut sink = Both(Story::default(), Vec::new());
    run(&mut engine(settings.engine(mode).unwrap(), &rules), &frames(&wire.frames), 32, &mut sink);
    (sink.0, sink.1)
}

const UPGRADE: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n";

/// Where nothing can be dropped, a drop rule alerts once and its flow is not inspected any more; its protocols are still read.
#[test]
fn a_drop_rule_where_nothing_can_be_dropped() {
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let lines: [(usize, &[u8]); 4] =
        [(0, UPGRADE), (1, SWITCH), (0, &preface), (1, &[0, 0, 0, 4, 0, 0, 0, 0, 0])];
    let (story, flows) = told(&lines, 80, r#"drop http any any -> any any (msg:"h"; sid:1;)"#, false);
    assert_eq!((story.alerts, story.drops.len()), (1, 0));
    assert_eq!(flows, [format!("http2 http {}", flag::WOULD_DROP)]);
    let (story, flows) = told(&lines, 80, r#"drop http any any -> any any (msg:"h"; sid:1;)"#, true);
    assert!(story.alerts == 1 && !story.drops.is_empty(), "{}", story.alerts);
    assert!(flows[0].ends_with(&format!(" {}", flag::DROP)), "{flows:?}");
    // The request is stream 1 of the protocol that it asked for.
    let text = r#"alert http2 any any -> any any (msg:"a"; http.uri; content:"/a"; bsize:2; http.host; content:"h"; sid:1;)"#;
    assert_eq!(told(&lines, 80, text, false).0.alerts, 1);
}

/// A protocol that came of a change and asks for another with its first bytes does not get it.
#[test]
fn a_change_within_a_change_fails() {
    let lines: [(usize, &[u8]); 5] = [
        (1, b"220 mail\r\n"),
        (0, b"EHLO c\r\nSTARTTLS\r\n"),
        (1, b"250 ok\r\n220 go on\r\n"),
        (1, SWITCH),
        (1, b"\0"),
    ];
    let text =
        r#"alert http any any -> any any (msg:"c"; app-layer-event:http.failed_protocol_change; sid:1;)"#;
    let (story, flows) = told(&lines, 25, text, false);
    assert!(story.alerts > 0, "{flows:?}");
    assert!(flows[0].starts_with("http "), "{flows:?}");
    let plain: [(usize, &[u8]); 2] = [(0, UPGRADE), (1, SWITCH)];
    assert_eq!(told(&plain, 80, text, false).0.alerts, 0);
}
