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

/// Thousands of rules of ports alone cost a new flow next to nothing, whichever side they name and however.
#[test]
fn rules_of_ports_alone_are_found_by_port() {
    let mut text = String::new();
    for port in 0..6000u32 {
        let (sid, port) = (port + 1, port + 1000);
        let header = match port % 6 {
            0 => format!("tcp any any -> any {port}"),
            1 => format!("udp any any -> any {port}"),
            2 => format!("tcp any {port} -> any any"),
            3 => format!("udp any {port} <> any any"),
            4 => format!("ip any any -> any [{port},{}]", port + 10_000),
            _ => format!("tcp any [1:65000,!{port}] -> any {port}"),
        };
        text += &format!("alert {header} (msg:\"x\"; sid:{sid};)\n");
    }
    let rules = rules(&text, &settings());
    assert!(rules.refused.is_empty());
    let mut wire = Wire::new();
    for n in 0..100u16 {
        wire.udp((1, 2000 + n), (2, 1000 + 7 * n), b"x");
        wire.tcp((1, 4000 + n), (2, 1000 + 7 * n)).close();
    }
    let mut alerts = Alerts::default();
    let mut e = engine(config(64 << 20), &rules);
    run(&mut e, &frames(&wire.frames), 32, &mut alerts);
    assert!(alerts.0.len() > 100);
    let (asked, flows) = (e.stats().detect.candidates, e.stats().flow.total);
    assert_eq!(flows, 200);
    assert!(asked <= 10 * flows, "{asked} rules asked for {flows} flows");
}

/// A rule of ports and a protocol alerts on exactly the packets that its header is about.
#[test]
fn rules_of_ports_alone_alert_where_their_header_fits() {
    let mut x = 9u64;
    let mut random = |n: u64| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) % n
    };
    for round in 0..20 {
        // Protocol (0: any), ranges of both sides, both ways.
        type Range = Option<(u16, u16)>;
        let mut specs: Vec<(u8, Range, Range, bool)> = Vec::new();
        let mut text = String::new();
        for sid in 1..=60 {
            let mut range = || match random(4) {
                0 => None,
                1 => Some((1000, 1000 + random(30) as u16)),
                2 => Some((1000 + random(5) as u16, 60_000)),
                _ => {
                    let p = 1000 + random(12) as u16;
                    Some((p, p))
                }
            };
            let (sp, dp) = (range(), range());
            let (proto, both) = ([0, 6, 17][random(3) as usize], random(3) == 0);
            let ports = |r: Range| r.map_or("any".to_string(), |(a, b)| format!("{a}:{b}"));
            let name = match proto {
                0 => "ip",
                6 => "tcp",
                _ => "udp",
            };
            let way = if both { "<>" } else { "->" };
            text +=
                &format!("alert {name} any {} {way} any {} (msg:\"x\"; sid:{sid};)\n", ports(sp), ports(dp));
            specs.push((proto, sp, dp, both));
        }
        let rules = rules(&text, &settings());
        assert!(rules.refused.is_empty(), "{:?}", rules.refused);
        for n in 0..40 {
            let (sp, dp) = (1000 + random(14) as u16, 1000 + random(14) as u16);
            let mut wire = Wire::new();
            let proto = if n % 2 == 0 { 17 } else { 6 };
            if proto == 17 {
                wire.udp((1, sp), (2, dp), b"x");
            } else {
                wire.tcp((1, sp), (2, dp));
                wire.frames.truncate(1);
            }
            let mut alerts = Alerts::default();
            let mut c = config(8 << 20);
            c.detect.packet_alert_max = 100;
            run(&mut engine(c, &rules), &frames(&wire.frames), 32, &mut alerts);
            let got: BTreeSet<u32> = alerts.0.iter().map(|a| a.0).collect();
            let has = |r: Range, p: u16| r.is_none_or(|(a, b)| (a..=b).contains(&p));
            let fits = |(p, a, b, both): (u8, Range, Range, bool)| {
                (p == 0 || p == proto) && ((has(a, sp) && has(b, dp)) || (both && has(a, dp) && has(b, sp)))
            };
            let want: BTreeSet<u32> =
                (1..).zip(&specs).filter(|(_, s)| fits(**s)).map(|(sid, _)| sid).collect();
            assert_eq!(got, want, "round {round}: {sp} -> {dp}, {proto}\n{text}");
        }
    }
}
