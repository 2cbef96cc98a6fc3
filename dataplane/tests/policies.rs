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
