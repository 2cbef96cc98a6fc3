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
