//! What was promised while others flood: known attacks before and after still alert, everybody gets their records,
//! memory stays what it was, and wrong times end nothing.

mod common;

use std::collections::BTreeMap;

use common::traffic::dns;
use common::wire::{ACK, PSH, SYN, Wire};
use common::{config, engine, frames, rules, settings};
use tidegate_core::engine::{Config, Engine, Frame, MemoryPlan, Stats};
use tidegate_core::event::{Event, EventSink, Verdict};

const MIB: u64 = 1 << 20;
const S: u64 = 1_000_000_000;

const RULES: &str = r#"
alert http any any -> any any (msg:"before"; flow:established,to_server; http.uri; content:"/before-known"; sid:1;)
alert http any any -> any any (msg:"after"; flow:established,to_server; http.uri; content:"/after-known"; sid:2;)
alert udp any any -> any any (msg:"udp"; content:"UDP-known-attack"; sid:3;)
"#;

/// Alerts by rule, records by protocol.
#[derive(Default)]
struct Seen {
    alerts: BTreeMap<u32, usize>,
    records: BTreeMap<&'static str, usize>,
    flows: usize,
}

impl EventSink for Seen {
    fn event(&mut self, e: Event<'_>) {
        match e {
            Event::Alert(a) => *self.alerts.entry(a.rule.sid).or_default() += 1,
            Event::Tx(t) => *self.records.entry(t.tx.proto.name()).or_default() += 1,
            Event::Flow(_) => self.flows += 1,
            _ => {}
        }
    }
}

fn feed(e: &mut Engine, frames: &[Frame<'_>], sink: &mut dyn EventSink) {
    let mut verdicts = [Verdict::Forward; 32];
    for b in frames.chunks(32) {
        e.process(b, &mut verdicts, sink);
    }
}

/// A request whose second half comes after `flood`, then attacks that begin after it.
fn around(flood: impl FnOnce(&mut Wire)) -> Wire {
    let mut w = Wire::new();
    let mut t = w.tcp((1, 1111), (250, 80));
    t.send(0, b"GET /before-kn");
    let seq = t.seq;
    flood(&mut w);
    let first = w.frames.len();
    {
        let mut t = w.tcp((1, 1111), (250, 80));
        t.seq = seq;
        t.send(0, b"own HTTP/1.1\r\nHost: h\r\n\r\n");
        t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    // The handshake was there before.
    w.frames.drain(first..first + 3);
    w.talk(
        (2, 2222),
        (250, 80),
        &[
            (0, b"GET /after-known HTTP/1.1\r\nHost: h\r\n\r\n"),
            (1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ],
    );
    let attack = [&[b'-'; 1200][..], b"UDP-known-attack"].concat();
    w.udp_in_fragments((3, 3333), (251, 9999), &attack, 600, false);
    w
}

fn run(c: Config, w: &Wire) -> (Seen, Stats) {
    let mut e = engine(c, &rules(RULES, &settings()));
    let mut seen = Seen::default();
    feed(&mut e, &frames(&w.frames), &mut seen);
    e.finish(&mut seen);
    let s = e.stats();
    assert_eq!(s.pools.map(|p| p.0), [0, 0], "memory of ended flows is not given back");
    assert_eq!(s.record_pages.1 - s.record_pages.0, kept(&s), "records of ended flows are not given back");
    (seen, s)
}

/// Pages that kinds of records keep although none of them is left: one each at most.
fn kept(s: &Stats) -> u64 {
    let n = s.record_pages.1 - s.record_pages.0;
    assert!(n <= 24, "{n} pages");
    n
}

fn all_alert(seen: &Seen, s: &Stats) {
    assert_eq!(seen.alerts.keys().copied().collect::<Vec<_>>(), [1, 2, 3], "{s:#?}");
}

#[test]
fn every_flow_of_a_flood_gets_its_record() {
    // Far more flows than there are places in 8 MiB.
    let w = around(|w| {
        for n in 0..20_000u32 {
            let query = dns(n as u16, "flood.example", 1, None);
            w.udp(((n % 200) as u8 + 10, 1024 + (n / 200) as u16), (251, 53), &query);
        }
    });
    let (seen, s) = run(config(8 * MIB), &w);
    assert_eq!(seen.records["dns"], 20_000);
    assert_eq!(s.records_refused, 0);
    all_alert(&seen, &s);
}

#[test]
fn states_of_closed_and_idle_flows_are_given_back_first() {
    let mut c = config(64 * MIB);
    // Many flows, few records: states run out before places do.
    c.app.records = 512 << 10;
    let w = around(|w| {
        for n in 0..6000u32 {
            let client = ((n % 200) as u8 + 10, 1024 + (n / 200) as u16);
            let mut t = w.tcp(client, (250, 80));
            t.send(0, b"GET /ordinary HTTP/1.1\r\nHost: h\r\n\r\n");
        }
    });
    let (seen, s) = run(c, &w);
    // Each request is reported, though most of their states had to go before an answer came.
    assert_eq!(
        seen.records["http"], 6002,
        "{} evicted, {} refused, pools {:?}, flows evicted {}",
        s.states_evicted, s.records_refused, s.pool_refused, s.flow.evicted
    );
    assert!(s.states_evicted > 3000, "{} given up", s.states_evicted);
    assert_eq!(s.records_refused, 0);
    assert_eq!(seen.alerts.get(&2), Some(&1));
}

#[test]
fn holes_give_way() {
    let junk = [b'j'; 1400];
    let w = around(|w| {
        for n in 0..3000u32 {
            let mut t = w.tcp(((n % 200) as u8 + 10, 1024 + (n / 200) as u16), (250, 80));
            t.segment_at(0, 100, ACK | PSH, &junk);
            t.segment_at(0, 2100, ACK | PSH, &junk);
        }
    });
    let mut c = config(64 * MIB);
    c.memory.stream = 1 << 20;
    let (seen, s) = run(c, &w);
    assert!(s.stream.evicted > 1000, "{s:#?}");
    all_alert(&seen, &s);
}

#[test]
fn half_open_flows_give_way() {
    let w = around(|w| {
        for n in 0..12_000u32 {
            let mut t = w.tcp(((n % 200) as u8 + 10, 1024 + (n / 200) as u16), (250, 80));
            t.segment(0, ACK | PSH, b"POST /");
        }
    });
    let (seen, s) = run(config(8 * MIB), &w);
    assert!(s.flow.evicted > 5000, "{s:#?}");
    all_alert(&seen, &s);
}

#[test]
fn memory_is_what_was_asked_for_whatever_else_is_set() {
    for m in [MemoryPlan::LEAST, 16 * MIB, 256 * MIB] {
        let c = config(m);
        let plan = MemoryPlan::new(m).unwrap();
        assert_eq!((c.flow.max_flows, c.stream.max_sessions), (plan.flows, plan.flows));
        assert_eq!((c.memory.stream, c.memory.app, c.app.records), (plan.stream, plan.app, plan.records));
    }
}

/// Times that a wrong clock, a resumed machine or a damaged record gives, before an ordinary session whose caller
/// ticks with the time of each packet.
#[test]
fn wrong_times_end_nothing() {
    let base = Wire::new().now;
    for wrong in [base + 31 * S, base + 7200 * S, base - 7200 * S, u64::MAX, 0] {
        for at in [0, 1] {
            let mut w = Wire::new();
            for n in 0..8u16 {
                w.udp((n as u8, 5000), (9, 9), b"hello");
            }
            w.talk(
                (2, 2222),
                (250, 80),
                &[(0, b"GET /after-known HTTP/1.1\r\nHost: h\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")],
            );
            // The first packet ever, or a later one.
            w.frames[at * 4].ts = wrong;
            let mut e = engine(config(16 * MIB), &rules(RULES, &settings()));
            let mut seen = Seen::default();
            for f in frames(&w.frames) {
                e.process(&[f], &mut [Verdict::Forward], &mut seen);
                e.tick(f.ts, &mut seen);
            }
            assert_eq!(seen.alerts.get(&2), Some(&1), "{wrong} at {at}");
            assert!(seen.flows <= 4, "{} flows ended early for {wrong} at {at}", seen.flows);
            let c = e.stats().clock;
            assert!(c.ahead + c.behind > 0, "far off times are counted");
            e.finish(&mut seen);
            assert_eq!(seen.flows, 9);
        }
    }
}

#[test]
fn a_step_of_the_clock_is_followed() {
    for step in [40 * S as i64, 86_400 * S as i64, -86_400 * S as i64] {
        let mut w = Wire::new();
        for n in 0..100u16 {
            w.udp((1, 1000 + n), (9, 9), b"before");
        }
        w.now = w.now.wrapping_add_signed(step);
        for n in 0..100u16 {
            w.udp((2, 1000 + n), (9, 9), b"after");
            w.now += S;
        }
        let mut e = engine(config(16 * MIB), &rules(RULES, &settings()));
        let mut seen = Seen::default();
        for f in frames(&w.frames) {
            e.process(&[f], &mut [Verdict::Forward], &mut seen);
            e.tick(f.ts, &mut seen);
        }
        let c = e.stats().clock;
        assert_eq!((c.steps, c.steps_back), if step > 0 { (1, 0) } else { (0, 1) });
        // Flows of the time after the step end as they should.
        assert!(seen.flows > 60, "{} flows ended after a step of {step}", seen.flows);
    }
}

/// Without ticks, as in captures: an idle flow ends when its time is over and not only after thousands of packets, whatever
/// kind of packets comes meanwhile.
#[test]
fn idle_flows_end_by_time() {
    for answered in [false, true] {
        let mut w = Wire::new();
        w.udp((1, 1000), (9, 9), b"once");
        for _ in 0..60 {
            w.now += S;
            w.udp((2, 2000), (9, 9), b"again");
            if answered {
                w.udp((9, 9), (2, 2000), b"yes");
            }
        }
        let mut e = engine(config(16 * MIB), &rules("", &settings()));
        let mut seen = Seen::default();
        feed(&mut e, &frames(&w.frames), &mut seen);
        assert_eq!(seen.flows, 1, "the first is idle for a minute, the second is not");
    }
}

/// Two captures put behind each other in turns, a day apart: the flows of neither end by the other's time.
#[test]
fn a_clock_that_jumps_to_and_fro_keeps_flows() {
    let mut w = Wire::new();
    let base = w.now;
    for turn in 0..40u64 {
        for n in 0..6 {
            let day = turn % 2;
            w.now = base + day * 86_400 * S + turn / 2 * 20 * S + n * S / 1000;
            w.udp((day as u8 + 1, 1000), (9, 9), b"on and on");
        }
    }
    let mut e = engine(config(16 * MIB), &rules("", &settings()));
    let mut seen = Seen::default();
    feed(&mut e, &frames(&w.frames), &mut seen);
    assert_eq!(seen.flows, 0, "no flow was idle for longer than 20 s");
    e.finish(&mut seen);
    assert_eq!(seen.flows, 2);
}

#[test]
fn a_missing_first_byte_hides_no_protocol() {
    for missing in [1, 300] {
        let mut w = Wire::new();
        let mut t = w.tcp((2, 2222), (250, 80));
        t.seq[0] = t.seq[0].wrapping_add(missing);
        t.send(0, b"GET /after-known HTTP/1.1\r\nHost: h\r\n\r\n");
        t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        t.close();
        let mut e = engine(config(16 * MIB), &rules(RULES, &settings()));
        let mut seen = Seen::default();
        feed(&mut e, &frames(&w.frames), &mut seen);
        e.finish(&mut seen);
        assert_eq!(seen.alerts.get(&2), Some(&1), "{missing} bytes");
    }
}

#[test]
fn a_wrong_sequence_number_first_blinds_nobody() {
    // A SYN that does not reach the server, or that somebody else sent.
    for bogus in [1, 3] {
        let mut w = Wire::new();
        let mut t = w.tcp((2, 2222), (250, 80));
        for i in 0..bogus {
            t.segment_at(0, 7_000_000 * (i + 1), SYN, &[]);
        }
        let bogus: Vec<_> = w.frames.drain(3..).collect();
        w.frames.clear();
        for b in bogus {
            w.raw(b.data);
        }
        w.talk(
            (2, 2222),
            (250, 80),
            &[(0, b"GET /after-known HTTP/1.1\r\nHost: h\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")],
        );
        let mut e = engine(config(16 * MIB), &rules(RULES, &settings()));
        let mut seen = Seen::default();
        feed(&mut e, &frames(&w.frames), &mut seen);
        assert_eq!(seen.alerts.get(&2), Some(&1));
    }
}

/// Bodies that stop in the middle hold their decoders; they give way to bodies that come, and a client that holds many of
/// them gives way before others.
#[test]
fn idle_compressed_bodies_blind_nobody() {
    let text = "alert http any any -> any any (msg:\"x\"; flow:to_client; file.data; content:\"after-the-flood\"; sid:1;)\n\
                alert http any any -> any any (msg:\"y\"; flow:to_client; file.data; content:\"around-the-flood\"; sid:2;)\n";
    let rules = rules(text, &settings());
    let gzip = |text: &str| {
        // Nothing in it is short for what repeats, so the first half decodes to the first half.
        let noise: String = (0..2000u32)
            .map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
            .collect();
        common::traffic::gzip(format!("{noise}{text}").as_bytes())
    };
    let head = |body: &[u8]| {
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes()
    };
    for (one, most) in [(true, 256 * MIB), (false, 256 * MIB), (true, 16 * MIB)] {
        let mut w = Wire::new();
        let body = gzip("around-the-flood");
        let get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut t = w.tcp((2, 2000), (250, 80));
        t.send(0, get);
        t.send(1, &[&head(&body)[..], &body[..100]].concat());
        let seq = t.seq;
        for i in 0..600u16 {
            let client = if one { 3 } else { (i % 240 + 3) as u8 };
            let mut t = w.tcp((client, 10_000 + i), (251, 80));
            t.send(0, get);
            t.send(1, &[&head(&body)[..], &body[..100]].concat());
        }
        let first = w.frames.len();
        {
            let mut t = w.tcp((2, 2000), (250, 80));
            t.seq = seq;
            t.send(1, &body[100..]);
        }
        w.frames.drain(first..first + 3);
        let body = gzip("after-the-flood");
        w.talk((2, 2222), (250, 80), &[(0, get), (1, &[head(&body), body].concat())]);
        let mut e = engine(config(most), &rules);
        let mut seen = Seen::default();
        feed(&mut e, &frames(&w.frames), &mut seen);
        e.finish(&mut seen);
        let s = e.stats();
        assert_eq!(seen.alerts.get(&1), Some(&1), "{one} {most}");
        // From many addresses, the one that rests longest gives way.
        assert_eq!(seen.alerts.contains_key(&2), one, "{one} {most}");
        assert!(
            s.decoders_evicted > 300 && s.decoders_refused == 0,
            "{} {}",
            s.decoders_evicted,
            s.decoders_refused
        );
    }
}

/// What expands without measure is decoded as far as the bytes that came pay for, over bodies and layers together; and it
/// takes nothing from another client.
#[test]
fn bodies_that_expand_pay_for_it_together() {
    let text = "alert http any any -> any any (msg:\"x\"; flow:to_client; file.data; content:\"after-the-flood\"; sid:1;)\n\
                alert http any any -> any any (msg:\"y\"; app-layer-event:http.compression_bomb; threshold:type limit, track by_src, count 1, seconds 60; sid:2;)\n";
    let rules = rules(text, &settings());
    let gzip = |data: &[u8]| common::traffic::gzip(data);
    let answer = |codings: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {codings}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let nested = answer("gzip, gzip", &gzip(&gzip(&vec![b'x'; 1 << 20])));
    let said = 400u64;
    let mut w = Wire::new();
    let mut t = w.tcp((3, 2000), (250, 80));
    for _ in 0..said {
        t.send(0, get);
        t.send(1, &nested);
    }
    let after: String = (0..100_000u32)
        .map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    let plain = answer("gzip", &gzip(format!("{after}after-the-flood").as_bytes()));
    w.talk((2, 2222), (250, 80), &[(0, &get[..]), (1, &plain[..])]);
    let mut e = engine(config(256 * MIB), &rules);
    let mut seen = Seen::default();
    feed(&mut e, &frames(&w.frames), &mut seen);
    let s = e.stats();
    e.finish(&mut seen);
    let wire = said * (get.len() + nested.len()) as u64;
    // A megabyte each, as far as 64 for a byte and the client's stock go, which time refilled little.
    let paid = (wire * 64 + (9 << 20)) / (1 << 20);
    assert!(s.decoded_outgrown >= said - paid, "{} of {said}, {paid} paid for", s.decoded_outgrown);
    assert!(s.decoded_outgrown < said, "some were decoded");
    assert_eq!((seen.alerts.get(&1), seen.alerts.contains_key(&2)), (Some(&1), true));
}

/// Far more calls of a model at once than there is memory for, each with a prompt that goes on: requests after them are
/// inspected, and so is a call. `tests/floods.py` does it with a hundred thousand.
#[test]
fn a_flood_of_calls_starves_nobody() {
    let text = format!(
        "{RULES}alert ai any any -> any any (msg:\"call\"; ai.prompt; content:\"prompt-after\"; sid:4;)\n"
    );
    let head = |n: usize| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {n}\r\n\r\n"
        )
        .into_bytes()
    };
    let begun =
        [&head(9000)[..], br#"{"model":"m","messages":[{"role":"user","content":"prompt-of-many "#].concat();
    let mut w = around(|w| {
        for n in 0..8000u32 {
            let client = ((n % 200) as u8 + 10, 1024 + (n / 200) as u16);
            w.tcp(client, (250, 80)).send(0, &begun);
        }
    });
    let body = br#"{"model":"m","messages":[{"role":"user","content":"prompt-after"}]}"#;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    w.talk((4, 4444), (250, 80), &[(0, &[&head(body.len())[..], body].concat()), (1, answer)]);
    let mut c = config(8 * MIB);
    c.app.ai_risk = true;
    let mut e = engine(c, &rules(&text, &settings()));
    let mut seen = Seen::default();
    feed(&mut e, &frames(&w.frames), &mut seen);
    let s = e.stats();
    // The request that rested all the while gives way, as it would to any flows.
    for sid in [2, 3, 4] {
        assert_eq!(seen.alerts.get(&sid), Some(&1), "rule {sid}: {:?} {s:#?}", seen.alerts);
    }
    assert!(s.states_evicted > 1000, "{} calls gave way", s.states_evicted);
    e.finish(&mut seen);
    assert_eq!(e.stats().pools.map(|p| p.0), [0, 0], "memory of ended flows is not given back");
}

/// An announced flow that finds no room for its state gives back what the announcement carried.
#[test]
fn an_announced_flow_without_room_keeps_nothing() {
    let mut w = Wire::new();
    let (client, server) = ((1, 20_000), (2, 21));
    let mut control = w.tcp(client, server);
    control.send(1, b"220 ftp\r\n");
    control.send(0, b"USER a\r\n");
    control.send(1, b"230 in\r\n");
    let mut seq = control.seq;
    for n in 0..2u16 {
        let mut control = w.tcp(client, server);
        // The handshake was there before.
        let at = control.wire.frames.len() - 3;
        control.wire.frames.truncate(at);
        control.seq = seq;
        control.send(0, b"PASV\r\n");
        control.send(1, format!("227 Entering Passive Mode (10,1,0,2,200,{n})\r\n").as_bytes());
        control.send(0, b"RETR secret.txt\r\n");
        control.send(1, b"150 here\r\n");
        seq = control.seq;
        w.tcp((1, 30_000 + n), (2, 200 * 256 + n)).send(1, b"the secret");
    }
    let mut c = config(8 * MIB);
    // The second one has no place.
    c.app.max_states = 1;
    let mut e = engine(c, &rules("", &settings()));
    let mut seen = Seen::default();
    feed(&mut e, &frames(&w.frames), &mut seen);
    e.finish(&mut seen);
    assert_eq!(seen.records.get("ftp-data"), Some(&1), "{:?}", seen.records);
    assert_eq!(e.stats().pools.map(|p| p.0), [0, 0]);
}
