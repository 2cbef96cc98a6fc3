//! Rules reach the packets they are for, whichever group their header puts them into: any port, the server's port, the
//! client's port alone, the flow's application protocol.

mod common;

use std::collections::BTreeSet;

use common::wire::Wire;
use common::{config, engine, frames, rules, run, settings, traffic};
use tidegate_core::event::{Event, EventSink};

/// Rule and the client's port of the flow it alerted on.
#[derive(Default)]
struct Alerts(BTreeSet<(u32, u16)>);

impl EventSink for Alerts {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            let port = a.packet.sp.max(a.packet.dp);
            self.0.insert((a.rule.sid, port));
        }
    }
}

const RULES: &str = r#"
alert http any any -> any any (content:"needle-a"; flow:to_server; sid:1;)
alert tcp any any -> any any (content:"needle-a"; sid:2;)
alert tcp any 41000 -> any any (content:"needle-a"; sid:3;)
alert tcp any any -> any 40000 (content:"needle-b"; sid:4;)
alert tcp any 41000 -> any 9000 (content:"needle-a"; sid:5;)
alert ftp any any -> any any (content:"needle-a"; sid:6;)
alert ip any any -> any any (ip_proto:17; content:"needle-a"; sid:7;)
alert tcp any any -> any any (content:"GET"; startswith; content:"needle-a"; distance:2; within:8; sid:8;)
alert tcp any any -> any any (content:"GET"; startswith; content:"needle-a"; distance:3; within:8; sid:9;)
alert dns any any -> any any (content:"needle-d"; sid:10;)
alert tcp any 41001 -> any any (content:"needle-a"; sid:11;)
alert udp any 42000 -> any any (content:"needle-a"; sid:12;)
"#;

#[test]
fn every_group_is_asked_by_its_packets() {
    let rules = rules(RULES, &settings());
    assert_eq!(rules.refused, Vec::<String>::new());
    let mut wire = Wire::new();
    wire.talk(
        (1, 40_000),
        (2, 80),
        &[
            (0, b"GET /needle-a HTTP/1.1\r\nHost: x\r\n\r\n"),
            (1, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nneedle-b"),
        ],
    );
    wire.talk((1, 41_000), (2, 9_000), &[(0, b"say needle-a there")]);
    wire.udp((1, 42_000), (2, 9_001), b"needle-a");
    wire.udp((1, 43_000), (2, 53), &traffic::dns(7, "needle-d.example", 1, None));
    let mut dns = wire.tcp((1, 44_000), (2, 53));
    let message = traffic::dns(8, "needle-d.example", 1, None);
    dns.send(0, &[&(message.len() as u16).to_be_bytes()[..], &message].concat());
    dns.close();
    let wanted = BTreeSet::from([
        (1, 40_000),
        (2, 40_000),
        (2, 41_000),
        (3, 41_000),
        (4, 40_000),
        (5, 41_000),
        (7, 42_000),
        (8, 40_000),
        (10, 43_000),
        (10, 44_000),
        (12, 42_000),
    ]);
    for batch in [1, 32] {
        let mut alerts = Alerts::default();
        run(&mut engine(config(8 << 20), &rules), &frames(&wire.frames), batch, &mut alerts);
        assert_eq!(alerts.0, wanted, "batches of {batch}");
    }
}
