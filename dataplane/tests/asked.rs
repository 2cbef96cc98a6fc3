//! On which packets rules without content are asked: once a direction, on every packet, and never on packets that
//! nobody sent. The numbers are those of Suricata 7 and 8.

mod common;

use common::wire::Wire;
use common::{config, engine, frames, rules, settings};
use tidegate_core::event::{Event, EventSink, Verdict};

struct Sids {
    tagged: bool,
    sids: Vec<u32>,
}

impl EventSink for Sids {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event
            && a.tagged == self.tagged
        {
            self.sids.push(a.rule.sid);
        }
    }
}

/// The packets (from 1; 0: at the end, without one) on which `rule` alerts in `w`.
fn packets(rule: &str, w: &Wire) -> Vec<usize> {
    noted(&format!("alert {rule}"), w, false)
}

/// The same for any rules; with `tagged` the packets that are logged because of a tag.
fn noted(text: &str, w: &Wire, tagged: bool) -> Vec<usize> {
    let r = rules(text, &settings());
    let mut e = engine(config(16 << 20), &r);
    let (mut sink, mut on) = (Sids { tagged, sids: Vec::new() }, Vec::new());
    for (i, frame) in frames(&w.frames).iter().enumerate() {
        e.process(std::slice::from_ref(frame), &mut [Verdict::Forward], &mut sink);
        on.extend(sink.sids.drain(..).map(|_| i + 1));
    }
    while e.finish_some(32, &mut sink) {}
    on.extend(sink.sids.drain(..).map(|_| 0));
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

/// A session that is open at the end gets a packet for each direction. It answers what excludes an address, and no
/// condition on a packet or a flow.
#[test]
fn the_end_of_an_open_flow_answers_few_rules() {
    let mut w = Wire::new();
    let mut t = w.tcp((1, 40_000), (2, 80));
    t.send(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(packets("tcp !198.51.100.9 any -> any any (sid:1;)", &w), [1, 2, 3, 4, 5, 0, 0]);
    for rule in [
        "tcp any any -> any any (flow:established; sid:1;)",
        "tcp any any -> any any (flow:to_server; sid:1;)",
        "ip any any -> any any (ttl:>0; sid:1;)",
        "ip any any -> any any (flow.pkts:either,>0; sid:1;)",
    ] {
        assert!(!packets(rule, &w).contains(&0), "{rule}");
    }
}

/// A `<>` rule is two rules: where both ways hold it alerts twice, but not when both sides are written alike.
#[test]
fn both_ways_are_two_rules() {
    let mut w = Wire::new();
    w.udp((1, 5353), (2, 5353), b"ask");
    assert_eq!(packets("udp any 5353 <> any any (content:\"ask\"; sid:1;)", &w), [1, 1]);
    assert_eq!(packets("udp any any <> any any (content:\"ask\"; sid:1;)", &w), [1]);
    assert_eq!(packets("udp any 5353 <> any 53 (content:\"ask\"; sid:1;)", &w), [0usize; 0]);
}

/// A tag shows the packets after the one that set it, which counts, beside what alerts on them.
#[test]
fn tags_show_what_follows() {
    let w = session();
    let get = |tag: &str| {
        let text = format!(
            "alert tcp any any -> any 80 (dsize:>0; tag:session,{tag}; sid:1;)\nalert tcp any any -> any any (ttl:>0; sid:2;)"
        );
        noted(&text, &w, true)
    };
    assert_eq!(get("3,packets"), [5, 6]);
    assert_eq!(get("60,seconds"), [5, 6, 7, 8, 9, 10]);
    // The request's packet and the answer to it; the next one would be more.
    let of = |i: usize| frames(&w.frames)[i].data.len();
    assert_eq!(get(&format!("{},bytes", of(3) + of(4) + of(5) - 1)), [5]);
}

/// Seconds of a flow's age are those of the clock.
#[test]
fn age_is_in_seconds_of_the_clock() {
    let w = session();
    assert_eq!(packets("tcp any any -> any any (flow.age:<3600; flow:to_client; sid:1;)", &w), [2, 5, 6, 9]);
}

/// Nothing is known of the direction of packets without a flow: they count as the client's, and have no state.
#[test]
fn packets_without_a_flow() {
    let mut w = Wire::new();
    let p = common::wire::ipv4(103, common::wire::v4(1), common::wire::v4(2), 7, 0, b"\x23\0\0\0abcd");
    w.ip_packet(&p);
    w.ip_packet(&p);
    assert_eq!(packets("ip any any -> any any (flow:to_server; sid:1;)", &w), [1, 2]);
    for flow in ["to_client", "stateless", "established", "no_frag"] {
        assert_eq!(
            packets(&format!("ip any any -> any any (flow:{flow}; sid:1;)"), &w),
            [0usize; 0],
            "{flow}"
        );
    }
}
