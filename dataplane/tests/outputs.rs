//! Outputs of records other than the event log, on a capture: what they write of an alert, and what is said of their settings.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(unix)]
use std::sync::Arc;

use common::wire::{Wire, pcap};
#[cfg(unix)]
use tidegate_core::event::EventSink;
#[cfg(unix)]
use tidegate_dataplane::{
    config::{Overrides, Settings},
    eve::{EveSink, logs::KINDS},
    live::{chunk::Channel, sink::LiveSink, writer::Writer},
};

const RULES: &str = r#"alert http any any -> any any (msg:"a user"; http.uri; pcre:"/user=(\w+)/, flow:user"; flowbits:set,seen; classtype:misc-activity; sid:1; rev:2;)
alert udp any any -> any any (msg:"of UDP"; content:"|00 01 fe|"; sid:2;)
"#;

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("tidegate-outputs-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// `tidegate run -r` on a request over HTTP and a datagram; what it said.
fn run(dir: &Path, outputs: &str) -> String {
    let mut w = Wire::new();
    let request = b"GET /a?user=root HTTP/1.1\r\nHost: one.example\r\n\r\n";
    w.talk((1, 4000), (2, 80), &[(0, request), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]);
    w.udp((7, 5000), (8, 5001), b"\x00\x01\xfeand twenty more bytes");
    let at = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    };
    let classes = "config classification: misc-activity,Misc activity,3\n";
    let yaml =
        format!("classification-file: {}\noutputs:\n{outputs}", at("classes", classes.as_bytes()).display());
    let o = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "-q", "-k", "none", "-r"])
        .arg(at("in.pcap", &pcap(&w.frames)))
        .arg("-S")
        .arg(at("r.rules", RULES.as_bytes()))
        .arg("-c")
        .arg(at("c.yaml", yaml.as_bytes()))
        .arg("-l")
        .arg(dir.join("out"))
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&o.stderr).into_owned();
    assert!(o.status.success(), "{said}");
    said
}

const DATAGRAM: &str = "\
TIME:              01/05/2026-09:00:00.021700
PCAP PKT NUM:      11
PKT SRC:           wire/pcap
SRC IP:            10.1.0.7
DST IP:            10.1.0.8
PROTO:             17
SRC PORT:          5000
DST PORT:          5001
FLOW:              to_server: TRUE, to_client: FALSE
FLOW Start TS:     01/05/2026-09:00:00.021700
FLOW PKTS TODST:   1
FLOW PKTS TOSRC:   0
FLOW Total Bytes:  66
FLOW ACTION:       DROP: FALSE
FLOW NOINSPECTION: PACKET: FALSE, PAYLOAD: FALSE
FLOW APP_LAYER:    DETECTED: FALSE, PROTO failed
PACKET LEN:        66
PACKET:
 0000  02 00 00 00 00 01 02 00  00 00 00 02 08 00 45 00   ........ ......E.
 0010  00 34 00 16 40 00 40 11  26 93 0A 01 00 07 0A 01   .4..@.@. &.......
 0020  00 08 13 88 13 89 00 20  F9 37 00 01 FE 61 6E 64   .......  .7...and
 0030  20 74 77 65 6E 74 79 20  6D 6F 72 65 20 62 79 74    twenty  more byt
 0040  65 73                                              es
ALERT CNT:           1
ALERT MSG [00]:      of UDP
ALERT GID [00]:      1
ALERT SID [00]:      2
ALERT REV [00]:      0
ALERT CLASS [00]:    <none>
ALERT PRIO [00]:     3
ALERT FOUND IN [00]: PACKET
ALERT IN TX [00]:    N/A
PAYLOAD LEN:         24
PAYLOAD:
 0000  00 01 FE 61 6E 64 20 74  77 65 6E 74 79 20 6D 6F   ...and t wenty mo
 0010  72 65 20 62 79 74 65 73                            re bytes
";

/// A block has the packet, its flow, what rules noted, the rule and the bytes.
#[test]
fn alerts_are_told_with_all_that_is_known_of_them() {
    let dir = folder("debug");
    let said =
        run(&dir, "  - fast: {enabled: yes}\n  - alert-debug: {enabled: yes, append: no, nosuch: 1}\n");
    assert!(said.contains("outputs.1.alert-debug.nosuch (") && !said.contains("append"), "{said}");
    let text = std::fs::read_to_string(dir.join("out/alert-debug.log")).unwrap();
    let fast = std::fs::read_to_string(dir.join("out/fast.log")).unwrap();
    let blocks: Vec<&str> = text.split("+================\n").collect();
    assert_eq!((blocks.len(), blocks[0], fast.lines().count()), (3, "", 2), "{text}");
    assert_eq!(blocks[2], DATAGRAM);
    for line in [
        "TCP SEQ:           31676129\n",
        "FLOW PKTS TODST:   4\n",
        "FLOW APP_LAYER:    DETECTED: TRUE, PROTO http\nFLOWBIT:           seen\nFLOWVAR:           user=root\nPACKET LEN:",
        "ALERT CLASS [00]:    Misc activity\n",
        "ALERT FOUND IN [00]: STATE\nALERT IN TX [00]:    0\n",
    ] {
        assert!(blocks[1].contains(line), "{line}{}", blocks[1]);
    }
    assert!(fast.starts_with("01/05/2026-09:00:00.001020  [**] [1:1:2] a user [**] ["), "{fast}");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// As other outputs, it is off without `enabled: yes`, there is one, and its file is its own.
#[test]
fn settings_of_an_output_are_refused_as_those_of_others() {
    let dir = folder("settings");
    let fails = |outputs: &str| {
        let yaml = dir.join("c.yaml");
        std::fs::write(&yaml, format!("outputs: {outputs}\n")).unwrap();
        let o = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["run", "-T", "--strict", "-c"])
            .arg(&yaml)
            .arg("-l")
            .arg(dir.join("out"))
            .output()
            .unwrap();
        assert!(!o.status.success(), "{outputs}");
        String::from_utf8_lossy(&o.stderr).into_owned()
    };
    for (outputs, why) in [
        ("[alert-debug]", "outputs.0.alert-debug ("),
        ("[alert-debug: yes]", "outputs.0.alert-debug"),
        ("[alert-debug: {enabled: perhaps}]", "`perhaps` is neither yes nor no"),
        ("[alert-debug: {append: perhaps}]", "`perhaps` is neither yes nor no"),
        ("[alert-debug: {enabled: yes}, alert-debug: {enabled: yes}]", "a second `alert-debug`"),
        (
            "[fast: {enabled: yes, filename: x}, alert-debug: {enabled: yes, filename: x}]",
            "fast (x) and alert-debug (x) are one file",
        ),
    ] {
        let said = fails(outputs);
        assert!(said.contains(why), "{outputs}: {said}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Every output writes the same of a capture and of live traffic, whatever it is.
#[cfg(unix)]
#[test]
fn captures_and_live_traffic_give_the_same_records() {
    let dir = folder("same");
    let mut w = Wire::new();
    for i in 0..20 {
        w.talk((1, 4000 + i), (2, 80), &[(0, b"GET /a?user=x HTTP/1.1\r\nHost: h\r\n\r\n")]);
        w.udp((7, 5000 + i), (8, 5001), b"\x00\x01\xfeand more");
    }
    let once = KINDS.iter().filter(|k| !k.several && !["pcap-log", "file-store"].contains(&k.name));
    let mut yaml =
        String::from("outputs:\n  - eve-log: {types: [alert, flow, http, files, anomaly, drop]}\n");
    once.for_each(|k| yaml += &format!("  - {}: {{enabled: yes}}\n", k.name));
    let outputs = Settings::parse(&yaml, &Overrides::default()).unwrap().outputs;
    let rules = common::rules(&RULES.replace("classtype:misc-activity; ", ""), &common::settings());
    assert!(rules.refused.is_empty(), "{:?}", rules.refused);
    let frames = common::frames(&w.frames);
    let run = |sink: &mut dyn EventSink| {
        common::run(&mut common::engine(common::config(16 << 20), &rules), &frames, 32, sink)
    };

    let mut captured = EveSink::create(&outputs, &dir.join("captured"), false).unwrap();
    run(&mut captured);
    captured.finish().unwrap();
    let channel = Arc::new(Channel::new());
    let writer = Writer::start(&outputs, &dir.join("live"), false, vec![channel.clone()]).unwrap();
    let mut live = LiveSink::new(&outputs, false, channel, true);
    run(&mut live);
    live.flush();
    writer.finish().unwrap();

    assert!(outputs.logs().count() >= 3);
    for log in outputs.logs() {
        let [a, b] =
            ["captured", "live"].map(|d| std::fs::read_to_string(dir.join(d).join(log.file())).unwrap());
        assert!(!a.is_empty() && a == b, "{}\n{a}\n---\n{b}", log.name());
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
