//! Meanings that made conversations show: what files are, numbers of DCERPC, protocols of both directions, and what is done
//! with packets where rules drop.

mod common;

use common::alone::{counts, talk};
use common::wire::{ACK, Wire};
use common::{engine, frames, rules, run, settings};
use tidegate_core::Secret;
use tidegate_core::app::TxView;
use tidegate_core::event::{DropReason, Event, EventSink};
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};

/// What an engine said, as far as tests here ask.
#[derive(Default)]
struct Said {
    alerts: Vec<u32>,
    drops: Vec<(DropReason, Option<u32>)>,
    /// What streams showed with alerts.
    streams: Vec<Vec<u8>>,
    records: Vec<(String, usize)>,
    packets: usize,
}

impl EventSink for Said {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(a) => {
                self.alerts.push(a.rule.sid);
                self.streams.push(a.stream_data.to_vec());
            }
            Event::Drop(d) => self.drops.push((d.reason, d.rule.map(|r| r.sid))),
            Event::Tx(t) => self.records.push((record(&t.tx), self.packets)),
            Event::Stream(_) => self.packets += 1,
            _ => {}
        }
    }
}

fn record(t: &TxView<'_>) -> String {
    t.record().to_string()
}

fn said(wire: &Wire, text: &str, set: &[&str], ips: bool) -> Said {
    let set: Vec<String> = set.iter().map(|s| s.to_string()).collect();
    let settings = Settings::load(None, &Overrides { ips, set: &set }).unwrap();
    let rules = rules(text, &settings);
    assert_eq!(rules.refused, Vec::<String>::new());
    let mode = Mode { ips, ignore_checksums: true, memory: 8 << 20, secret: Secret::fixed(1) };
    let mut config = settings.engine(mode).unwrap();
    config.stream.inline = ips;
    config.tell_streams = true;
    let mut said = Said::default();
    run(&mut engine(config, &rules), &frames(&wire.frames), 32, &mut said);
    said
}

#[test]
fn what_files_are() {
    let pdf = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n%PDF-1.4\n%abc\n\n";
    let wire = talk(80, &[(0, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), (1, pdf)]);
    counts(
        &wire,
        &[
            ("http any any -> any any (filemagic:\"pdf document\"; sid:1;)", 1),
            ("tcp any any -> any any (filemagic:!\"PNG\"; sid:1;)", 1),
            ("http any any -> any any (filemagic:\"PNG\"; sid:1;)", 0),
            ("http any any -> any any (file.magic; content:\"version 1.4\"; endswith; sid:1;)", 1),
            (
                "http any any -> any any (http.stat_code; content:\"200\"; file.magic; content:\"PDF\"; sid:1;)",
                1,
            ),
        ],
    );
}

/// A call whose header says that the low byte of numbers comes first.
#[test]
fn numbers_in_the_order_of_a_message() {
    let pdu = |drep: u8| {
        let le = drep == 0x10;
        let n = |v: u16| if le { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut p = vec![5, 0, 0, 3, drep, 0, 0, 0];
        p.extend(n(30));
        p.extend([0, 0, 1, 0, 0, 0]);
        if !le {
            p[12..16].copy_from_slice(&[0, 0, 0, 1]);
        }
        p.extend([0, 0, 0, 0]);
        p.extend([0, 0]);
        p.extend(n(7));
        p.extend(b"ab");
        p.extend(n(46));
        p.extend([0, 0]);
        p
    };
    let rule =
        "tcp any any -> any any (dce_stub_data; content:\"ab\"; byte_test:2,=,46,0,relative,dce; sid:1;)";
    for drep in [0x10, 0] {
        counts(&talk(135, &[(0, &pdu(drep))]), &[(rule, 1)]);
    }
}

#[test]
fn protocols_of_either_direction() {
    let wire = talk(80, &[(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), (1, b"SSH-2.0-OpenSSH_9.0\r\n")]);
    let rule = |m: &str| {
        format!(
            "alert tcp any any -> any any (flow:to_client; app-layer-protocol:http,to_server; app-layer-protocol:ssh,{m}; sid:1;)"
        )
    };
    assert_eq!(said(&wire, &rule("to_client"), &[], false).alerts, [1]);
    assert_eq!(rules(&rule("to_server"), &settings()).refused.len(), 1);
}

/// A rule on the packets of a direction drops these; what answers them goes on.
#[test]
fn a_direction_makes_no_flow() {
    let mut wire = Wire::new();
    for _ in 0..3 {
        wire.udp((1, 4000), (2, 4001), b"there");
        wire.udp((2, 4001), (1, 4000), b"back");
    }
    let s = said(&wire, "drop udp any any -> any any (flow:to_server; sid:1;)", &[], true);
    assert_eq!(s.alerts, [1, 1, 1]);
    assert_eq!(s.drops, [(DropReason::Rules, Some(1)); 3]);
    let s = said(&wire, "drop udp any any -> any any (sid:1;)", &[], true);
    assert_eq!((s.alerts, s.drops.len()), (vec![1], 6));
}

/// An alert on a stream with a hole shows both sides of it.
#[test]
fn bytes_around_a_hole() {
    let mut wire = Wire::new();
    let mut t = wire.tcp((1, 40_000), (2, 9999));
    t.segment(0, ACK, b"before");
    t.segment_at(0, 10, ACK, b"behind");
    t.close();
    let s = said(&wire, "alert tcp-stream any any -> any any (content:\"behind\"; sid:1;)", &[], false);
    assert_eq!(s.streams, [b"before[4 bytes missing]behind".to_vec()]);
}

/// Each packet of a TCP session is told of where that is asked for.
#[test]
fn packets_of_sessions() {
    let wire = talk(9999, &[(0, b"a"), (1, b"b")]);
    assert_eq!(said(&wire, "", &[], false).packets, wire.frames.len());
}

/// The record of an SSH session waits for fingerprints that are asked for.
#[test]
fn records_wait_for_fingerprints() {
    let kex = {
        let mut body = vec![4u8, 20];
        body.extend([7; 16]);
        for list in ["a", "ssh-rsa", "b", "b", "c", "c", "none", "none", "", ""] {
            body.extend((list.len() as u32).to_be_bytes());
            body.extend(list.as_bytes());
        }
        body.extend([0; 9]);
        [(body.len() as u32).to_be_bytes().to_vec(), body].concat()
    };
    let lines: &[(usize, &[u8])] =
        &[(0, b"SSH-2.0-a\r\n"), (1, b"SSH-2.0-b\r\n"), (0, &kex), (1, &kex), (0, b"more")];
    let at = |hassh: &str| {
        let set = format!("app-layer.protocols.ssh.hassh={hassh}");
        said(&talk(22, lines), "", &[&set], false).records.first().map(|r| r.1)
    };
    let (early, late) = (at("no").unwrap(), at("yes").unwrap());
    assert!(early < late, "{early} {late}");
}

/// A server that does not take the data of a SYN gets them again; the session goes on.
#[test]
fn data_of_a_syn_that_were_ignored_come_again() {
    let mut wire = Wire::new();
    let request = b"GET /fast HTTP/1.1\r\nHost: h\r\n\r\n";
    wire.fast_open((1, 40_000), (2, 80), request, b"HTTP/1.1 204 Gone by\r\n\r\n");
    let rule = "alert http any any -> any any (flow:established,to_server; http.uri; content:\"/fast\"; sid:1;)\n\
        alert http any any -> any any (http.stat_code; content:\"204\"; sid:2;)";
    assert_eq!(said(&wire, rule, &["stream.inline=yes"], true).alerts.last(), Some(&2));
}
