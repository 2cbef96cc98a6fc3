//! Segments that a careful sender never sends, made to hide a request: what the server reads must be seen.

mod common;

use common::wire::{ACK, PSH, Wire};
use common::{config, engine, frames, rules, run, settings};
use tidegate_core::event::{Event, EventSink};

#[derive(Default)]
struct Sids(Vec<u32>);

/// Counts records of files.
#[derive(Default)]
struct Files(u64);

impl EventSink for Files {
    fn event(&mut self, event: Event<'_>) {
        self.0 += u64::from(matches!(event, Event::File(_)));
    }
}

/// A mail of thousands of attachments has as many records as its transaction may have files, each of them once.
#[test]
fn a_mail_of_attachments_is_bounded() {
    let mut mail = b"From: a@b\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n".to_vec();
    for i in 0..3000 {
        mail.extend(format!("--x\r\nContent-Disposition: attachment; filename=\"{i}\"\r\n\r\nz\r\n").bytes());
    }
    mail.extend(b"--x--\r\n.\r\n");
    let mut w = Wire::new();
    w.talk(
        (1, 40_000),
        (2, 25),
        &[
            (1, b"220 hello\r\n"),
            (0, b"EHLO a\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"MAIL FROM:<a@b>\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"RCPT TO:<c@d>\r\n"),
            (1, b"250 ok\r\n"),
            (0, b"DATA\r\n"),
            (1, b"354 go\r\n"),
            (0, &mail),
            (1, b"250 ok\r\n"),
        ],
    );
    let mut files = Files::default();
    run(&mut engine(config(64 << 20), &rules("", &settings())), &frames(&w.frames), 32, &mut files);
    assert!(files.0 > 100 && files.0 <= 512, "{} records of files", files.0);
}

impl EventSink for Sids {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            self.0.push(a.rule.sid);
        }
    }
}

const REQUEST: &[u8] = b"GET /evil/attack.php HTTP/1.1\r\nHost: h\r\n\r\n";

/// Alerts on a request before whose bytes, after the first `sent` of them, a segment of `junk` bytes comes that begins
/// `back` bytes before the next one.
fn with_junk(sent: usize, back: u32, junk: usize) -> Vec<u32> {
    let r = rules(
        "alert http any any -> any any (flow:established,to_server; http.uri; content:\"/evil/attack.php\"; sid:1;)",
        &settings(),
    );
    let mut w = Wire::new();
    let mut t = w.tcp((1, 40_000), (2, 80));
    if sent > 0 {
        t.send(0, &REQUEST[..sent]);
    }
    t.segment_at(0, 0u32.wrapping_sub(back), ACK | PSH, &vec![b'Z'; junk]);
    t.send(0, &REQUEST[sent..]);
    t.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    t.close();
    let mut sids = Sids::default();
    run(&mut engine(config(16 << 20), &r), &frames(&w.frames), 32, &mut sids);
    sids.0
}

/// The tail of a segment that begins before the stream is nobody's data. Suricata 7 and 8 see the request too.
#[test]
fn segments_from_before_the_start_hide_nothing() {
    for (sent, back, junk) in [(0, 31, 50), (0, 501, 520), (10, 11, 30), (10, 40, 60), (10, 2000, 2030)] {
        assert_eq!(with_junk(sent, back, junk), [1], "{sent} bytes sent, {back} back, {junk} of junk");
    }
}

/// Bytes after a hole that the client acknowledged are the last ones too: the end of the stream must not wait for more.
#[test]
fn what_follows_a_hole_is_read_to_its_end() {
    let r = rules(
        "alert http any any -> any any (flow:established,to_client; file.data; content:\"body-attack-marker\"; sid:1;)",
        &settings(),
    );
    for hole in [1, 300, 2000] {
        let mut w = Wire::new();
        let mut t = w.tcp((1, 40_000), (2, 80));
        t.send(0, b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
        let body = b"\r\n\r\n<html>xx body-attack-marker yy</html>";
        t.segment_at(1, hole, ACK | PSH, body);
        t.acknowledged(1, hole as usize + body.len());
        t.close();
        let mut sids = Sids::default();
        run(&mut engine(config(16 << 20), &r), &frames(&w.frames), 32, &mut sids);
        assert_eq!(sids.0, [1], "a hole of {hole} bytes");
    }
}

/// Alerts of `rules` on a stream that the client sends in these segments.
fn on_stream(text: &str, segments: &[&[u8]], inline: bool) -> Vec<u32> {
    let r = rules(text, &settings());
    let mut w = Wire::new();
    let mut t = w.tcp((1, 40_000), (2, 9000));
    for s in segments {
        t.send(0, s);
    }
    t.close();
    let mut c = config(16 << 20);
    c.ips = inline;
    c.stream.inline = inline;
    let mut sids = Sids::default();
    run(&mut engine(c, &r), &frames(&w.frames), 32, &mut sids);
    sids.0
}

/// However often one rule's pattern comes, the others have their turn.
#[test]
fn a_pattern_that_repeats_hides_no_other() {
    let text = "alert tcp any any -> any any (content:\"AAAA\"; fast_pattern; content:\"nope\"; sid:1;)\n\
        alert tcp any any -> any any (content:\"evil\"; sid:2;)";
    for n in [4, 9, 1000] {
        let data = [&vec![b'A'; n][..], b"evil.xx"].concat();
        assert_eq!(on_stream(text, &[&data], false), [2], "{n} bytes");
        let (a, b) = data.split_at(n + 2);
        assert_eq!(on_stream(text, &[a, b], false), [2], "{n} bytes in two segments");
    }
}

/// Rules that wait for more bytes leave room for others.
#[test]
fn rules_that_wait_hide_no_other() {
    let mut text: String = (1..=40)
        .map(|i| {
            format!(
                "alert tcp any any -> any any (content:\"WAIT\"; fast_pattern; content:\"never\"; sid:{i};)\n"
            )
        })
        .collect();
    text += "alert tcp any any -> any any (content:\"FIRST\"; fast_pattern; content:\"SECOND\"; sid:99;)";
    assert_eq!(on_stream(&text, &[b"WAIT FIRST ", b"more ", b"SECOND"], true), [99]);
}

/// What `backoff` keeps for each flow gives way to what other thresholds count.
#[test]
fn backoff_of_many_flows_hides_no_threshold() {
    let r = rules(
        "alert udp any any -> any any (content:\"noise\"; noalert; threshold:type backoff,track by_flow,count 1,multiplier 10; sid:1;)\n\
         alert udp any any -> any any (content:\"brute\"; threshold:type threshold,track by_src,count 3,seconds 600; sid:2;)",
        &settings(),
    );
    let mut c = config(16 << 20);
    c.detect.threshold_slots = 64;
    let mut e = engine(c, &r);
    let mut sids = Sids::default();
    let mut w = Wire::new();
    for round in 0..3u16 {
        w.udp((9, 7), (2, 9), b"brute");
        for i in 0..2000 {
            w.udp((1, 10_000 + round * 2000 + i), (2, 9), b"noise");
        }
    }
    run(&mut e, &frames(&w.frames), 32, &mut sids);
    assert_eq!(sids.0, [2]);
}

/// Alerts on what the client sends after `before` in one go: the server acknowledges all of it at once.
fn at_once(text: &str, port: u16, before: &[(usize, &[u8])], bytes: &[u8], inline: bool) -> Vec<u32> {
    let r = rules(text, &settings());
    let mut w = Wire::new();
    let mut t = w.tcp((1, 40_000), (2, port));
    for (from, data) in before {
        t.send(*from, data);
    }
    for (i, part) in bytes.chunks(1400).enumerate() {
        t.segment_at(0, 1400 * i as u32, ACK | PSH, part);
    }
    t.acknowledged(0, bytes.len());
    t.close();
    let mut c = config(64 << 20);
    c.ips = inline;
    c.stream.inline = inline;
    let mut sids = Sids::default();
    run(&mut engine(c, &r), &frames(&w.frames), 32, &mut sids);
    sids.0
}

/// More messages in one go than a flow may have at a time are looked at in rounds.
#[test]
fn thousands_of_messages_at_once_hide_none() {
    let upgrade: &[(usize, &[u8])] = &[
        (0, b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"),
        (1, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
    ];
    let mut frames = [0x82, 0x80, 0, 0, 0, 0].repeat(5000);
    frames.extend(b"\x82\x84\0\0\0\0evil");
    let rule = "alert websocket any any -> any any (websocket.payload; content:\"evil\"; sid:1;)";
    let mut pings = b"PING\r\n".repeat(5000);
    pings.extend(b"GET evil\r\n");
    let redis = "alert redis any any -> any any (redis.key; content:\"evil\"; sid:1;)";
    let hello: &[(usize, &[u8])] = &[(0, b"*1\r\n$4\r\nPING\r\n"), (1, b"+PONG\r\n")];
    for inline in [false, true] {
        assert_eq!(at_once(rule, 80, upgrade, &frames, inline), [1], "frames, inline {inline}");
        let quiet = [hello, &[(0, b"CLIENT REPLY OFF\r\n")]].concat();
        assert_eq!(at_once(redis, 6379, &quiet, &pings, inline), [1], "commands, inline {inline}");
    }
}

/// Streams that were only named, and streams that nobody answers, leave the next request in sight.
#[test]
fn streams_of_http2_hide_no_request() {
    let frame = |kind: u8, flags: u8, id: u32, body: &[u8]| {
        [&(body.len() as u32).to_be_bytes()[1..], &[kind, flags], &id.to_be_bytes(), body].concat()
    };
    let get = |id: u32, path: &str| {
        frame(1, 5, id, &[&[0x82, 0x86, 4, path.len() as u8], path.as_bytes()].concat())
    };
    let rule = "alert http2 any any -> any any (http.uri; content:\"/evil\"; sid:1;)";
    let mut start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    start.extend(frame(4, 0, 0, &[]));
    let before: &[(usize, &[u8])] = &[(0, &start), (1, &frame(4, 0, 0, &[]))];
    let named =
        |n: u32| (0..n).flat_map(|i| frame(2, 0, 2 * i + 1001, &[0, 0, 0, 0, 16])).collect::<Vec<u8>>();
    let asked = |n: u32| (0..n).flat_map(|i| get(2 * i + 1, "/a")).collect::<Vec<u8>>();
    for many in [named(10), named(4200), asked(10), asked(4200)] {
        let bytes = [&many[..], &get(200_001, "/evil")].concat();
        assert_eq!(at_once(rule, 8080, before, &bytes, false), [1], "{} bytes before", many.len());
    }
}
