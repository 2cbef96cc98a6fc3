//! On which packets rules without content are asked: once a direction, on every packet, and never on packets that
//! nobody sent. The numbers are those of Suricata 7 and 8.

mod common;

use common::wire::Wire;
use common::{config, engine, frames, rules, settings};
use tidegate_core::event::{Event, EventSink, Verdict};

#[derive(Default)]
struct Sids(Vec<u32>);

impl EventSink for Sids {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            self.0.push(a.rule.sid);
        }
    }
}

/// The packets (from 1; 0: at the end, without one) on which `rule` alerts in `w`.
fn packets(rule: &str, w: &Wire) -> Vec<usize> {
    let r = rules(&format!("alert {rule}"), &settings());
    let mut e = engine(config(16 << 20), &r);
    let (mut sink, mut on) = (Sids::default(), Vec::new());
    for (i, frame) in frames(&w.frames).iter().enumerate() {
        e.process(std::slice::from_ref(frame), &mut [Verdict::Forward], &mut sink);
        on.extend(sink.0.drain(..).map(|_| i + 1));
    }
    while e.finish_some(32, &mut sink) {}
    on.extend(sink.0.drain(..).map(|_| 0));
    on
}

/// SYN, SYN-ACK, ACK, request, ACK, response, ACK, FIN, FIN, ACK.
fn session() -> Wire {
    let mut w = Wire::new();
    w.talk(
        (1, 40_000),
        (2, 80),
        &[(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
    );
    assert_eq!(w.frames.len(), 10);
    w
}

#[test]
fn addresses_ports_and_protocols_are_asked_once_a_direction() {
    let w = session();
    for (rule, expected) in [
        ("tcp any any -> any any (sid:1;)", &[1, 2][..]),
        ("tcp any any -> any 80 (sid:1;)", &[1]),
        ("tcp any 80 -> any any (sid:1;)", &[2]),
        ("tcp any any -> any !22 (sid:1;)", &[1, 2]),
        ("tcp any 1024: -> any :1023 (sid:1;)", &[1]),
        ("ip any any -> any any (ip_proto:6; sid:1;)", &[1, 2]),
        ("tcp any any -> any 80 (flowbits:set,a; sid:1;)", &[1]),
        ("tcp any any -> any any (xbits:isnotset,a,track ip_src; sid:1;)", &[1, 2]),
        ("tcp any any -> any 80 (threshold:type threshold,track by_src,count 3,seconds 60; sid:1;)", &[]),
    ] {
        assert_eq!(packets(rule, &w), expected, "{rule}");
    }
}

#[test]
fn a_listed_host_that_answers_is_seen() {
    let mut w = Wire::new();
    w.udp((1, 5000), (2, 9999), b"ask");
    w.udp((2, 9999), (1, 5000), b"answer");
    w.udp((1, 5000), (2, 9999), b"ask");
    w.udp((2, 9999), (1, 5000), b"answer");
    assert_eq!(packets("udp any 9999 -> any any (sid:1;)", &w), [2]);
    assert_eq!(packets("ip any any -> any any (sid:1;)", &w), [1, 2]);
}

#[test]
fn a_negated_address_is_asked_of_every_packet() {
    let w = session();
    let all: Vec<usize> = (1..=10).collect();
    for rule in [
        "ip !198.51.100.9 any -> any any (sid:1;)",
        "tcp any any -> !198.51.100.9 any (sid:1;)",
        "ip [0.0.0.0/0,!198.51.100.9] any -> any any (sid:1;)",
    ] {
        assert_eq!(packets(rule, &w), all, "{rule}");
    }
}

/// Both sides closed, everything was acknowledged: nothing is left that would need another look.
#[test]
fn a_flow_that_ended_gets_no_packet_that_nobody_sent() {
    let w = session();
    for (rule, expected) in [
        ("tcp any any -> any any (flow:established; sid:1;)", &[4, 5, 6, 7, 8, 9, 10][..]),
        ("tcp any any -> any any (flow:to_client; sid:1;)", &[2, 5, 6, 9]),
        ("tcp any any -> any any (flow:established; stream_size:server,>,20; sid:1;)", &[6, 7, 8, 9, 10]),
    ] {
        assert_eq!(packets(rule, &w), expected, "{rule}");
    }
    assert!(!packets("http any any -> any any (sid:1;)", &w).contains(&0));
}
