//! `replace`: which bytes of which packets a rule has replaced where packets can be dropped, and that it is named elsewhere.

mod common;

use common::wire::Wire;
use tidegate_core::engine::Engine;
use tidegate_core::event::{Event, EventSink};
use tidegate_core::packet::Packet;

/// What was replaced: number of the frame, the payload then, alerts.
#[derive(Default)]
struct Seen {
    replaced: Vec<(u64, Vec<u8>)>,
    alerts: Vec<u32>,
}

impl EventSink for Seen {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            self.alerts.push(a.rule.sid);
        }
    }

    fn replace(&mut self, packet: &Packet<'_>, at: usize, bytes: &[u8]) {
        let mut data = packet.data.to_vec();
        data[at..at + bytes.len()].copy_from_slice(bytes);
        let p = packet.payload;
        self.replaced.push((packet.index, data[p.off as usize..(p.off + p.len) as usize].to_vec()));
    }
}

fn run(rules: &str, w: &Wire, ips: bool) -> Seen {
    let r = common::rules(rules, &common::settings());
    assert!(r.refused.is_empty(), "{:?}", r.refused);
    let mut all = Vec::new();
    for batch in [1, 64] {
        let config = tidegate_core::engine::Config { ips, ..common::config(16 << 20) };
        let mut engine: Engine = common::engine(config, &r);
        let mut seen = Seen::default();
        common::run(&mut engine, &common::frames(&w.frames), batch, &mut seen);
        all.push(seen);
    }
    assert_eq!(all[0].replaced, all[1].replaced);
    all.remove(0)
}

fn datagrams(texts: &[&str]) -> Wire {
    let mut w = Wire::new();
    texts.iter().for_each(|t| w.udp((1, 4000), (2, 9000), t.as_bytes()));
    w
}

#[test]
fn contents_of_packets_are_replaced_where_packets_can_be_dropped() {
    let rule = r#"alert udp any any -> any any (content:"secret"; replace:"******"; sid:1;)"#;
    let w = datagrams(&["a secret b", "nothing", "secret"]);
    let seen = run(rule, &w, true);
    assert_eq!(seen.replaced, [(1, b"a ****** b".to_vec()), (3, b"******".to_vec())]);
    assert_eq!(seen.alerts, [1, 1]);
    let ids = run(rule, &w, false);
    assert!(ids.replaced.is_empty() && ids.alerts == [1, 1]);
}

#[test]
fn only_what_a_matching_rule_found_is_replaced() {
    let rules = r#"alert udp any any -> any any (content:"one"; replace:"ONE"; content:"two"; distance:1; replace:"TWO"; sid:1;)
alert udp any any -> any any (content:"one"; replace:"xxx"; content:"nowhere"; sid:2;)
drop udp any any -> any any (content:"gone"; replace:"kept"; sid:3;)
alert udp any any -> any any (content:"one"; offset:20; replace:"far"; noalert; sid:4;)"#;
    let w = datagrams(&["one one two", "one", "gone", "one..................one"]);
    let seen = run(rules, &w, true);
    let of = |n: u64| seen.replaced.iter().filter(|r| r.0 == n).map(|r| r.1.clone()).collect::<Vec<_>>();
    assert_eq!(of(1), [b"one one TWO".to_vec(), b"ONE one two".to_vec()]);
    assert!(of(2).is_empty() && of(3).is_empty(), "{:?}", seen.replaced);
    assert_eq!(of(4), [b"one..................far".to_vec()]);
}

#[test]
fn segments_are_looked_at_one_by_one() {
    let rule = r#"alert tcp any any -> any any (content:"secret"; replace:"SECRET"; sid:1;)"#;
    let mut w = Wire::new();
    w.talk((1, 4000), (2, 5000), &[(0, b"the secret"), (1, b"sec"), (1, b"ret")]);
    let seen = run(rule, &w, true);
    let texts: Vec<_> = seen.replaced.iter().map(|r| String::from_utf8_lossy(&r.1).into_owned()).collect();
    assert_eq!(texts, ["the SECRET"]);
}

#[test]
fn what_cannot_be_replaced_is_refused() {
    for (rule, word) in [
        ("alert udp any any -> any any (content:\"abc\"; replace:\"ab\"; sid:1;)", "as long as"),
        ("alert udp any any -> any any (content:!\"abc\"; replace:\"abd\"; sid:1;)", "as long as"),
        (
            "alert udp any any -> any any (content:\"abc\"; replace:\"abd\"; replace:\"abe\"; sid:1;)",
            "more than one",
        ),
        (
            "alert http any any -> any any (http.uri; content:\"a\"; pkt_data; content:\"abc\"; replace:\"abd\"; sid:1;)",
            "single packets",
        ),
        (
            "alert tcp any any -> any any (flow:only_stream; content:\"abc\"; replace:\"abd\"; sid:1;)",
            "single packets",
        ),
    ] {
        let r = common::rules(rule, &common::settings());
        assert!(r.refused.len() == 1 && r.refused[0].contains(word), "{rule}: {:?}", r.refused);
    }
}
