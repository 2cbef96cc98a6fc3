//! What rules mean: on which packets of small made conversations they alert.

mod common;

use common::alone::alerts;
use common::wire::Wire;
use common::{frames, rules, settings};

fn compare(wire: &Wire, table: &[(&str, &[u64])]) {
    let wrong: Vec<_> = table
        .iter()
        .map(|(rule, want)| (rule, want.to_vec(), alerts(wire, rule)))
        .filter(|t| t.1 != t.2)
        .collect();
    assert!(wrong.is_empty(), "rule, expected, seen: {wrong:#?}");
}

const CLIENT: (u8, u16) = (1, 40_000);
const SERVER: (u8, u16) = (2, 80);

/// SYN, SYN-ACK, ACK, request, ACK, response, ACK, two FINs, ACK: packets 1 to 10.
fn web(request: &[u8], response: &[u8]) -> Wire {
    let mut wire = Wire::new();
    let mut t = wire.tcp(CLIENT, SERVER);
    t.send(0, request);
    t.send(1, response);
    t.close();
    wire
}

fn get() -> Wire {
    web(
        b"GET /a.bin HTTP/1.1\r\nHost: h.example\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    )
}

const ALL: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// Addresses and ports alone are asked once for each direction; with a negated address for every packet.
#[test]
fn rules_of_addresses_and_ports() {
    compare(
        &get(),
        &[
            ("tcp any any -> any 80 (sid:1;)", &[1]),
            ("tcp any 80 -> any any (sid:1;)", &[2]),
            ("tcp any any -> any !22 (sid:1;)", &[1, 2]),
            ("tcp any 1024: -> any :1023 (sid:1;)", &[1]),
            ("ip any any -> 10.1.0.2 any (ip_proto:6; sid:1;)", &[1]),
            ("tcp any any -> any 80 (flowbits:set,a; sid:1;)", &[1]),
            ("tcp any any -> any 80 (threshold:type threshold,track by_src,count 3,seconds 60; sid:1;)", &[]),
            ("ip !10.1.0.9 any -> any any (sid:1;)", ALL),
            ("tcp any any -> !10.1.0.9 any (sid:1;)", ALL),
            ("ip [10.0.0.0/8,!10.1.0.9] any -> any any (sid:1;)", ALL),
        ],
    );
}

/// What is asked of flows and packets belongs to packets: at the end of a flow there is none.
#[test]
fn rules_about_the_flow_alert_on_packets_only() {
    compare(
        &get(),
        &[
            ("tcp any any -> any any (flow:established; sid:1;)", &[4, 5, 6, 7, 8, 9, 10]),
            ("tcp any any -> any any (flow:to_client; sid:1;)", &[2, 5, 6, 9]),
            ("http any any -> any any (sid:1;)", &[5, 6, 7, 8, 9, 10]),
        ],
    );
}

/// Bytes of a stream are looked at once, as they come up; packets without payload have none.
#[test]
fn bytes_of_streams_alert_once() {
    compare(
        &get(),
        &[
            // The request is whole when it is acknowledged; the client's next packet has it.
            ("tcp any any -> any 80 (content:\"a.bin\"; sid:1;)", &[7]),
            ("tcp any any -> any any (content:\"hello\"; sid:1;)", &[9]),
            // Packets without payload have nothing that could be missing.
            ("tcp any any -> any any (content:!\"nothing\"; dsize:>0; sid:1;)", &[4, 6]),
            ("tcp-pkt any any -> any any (content:\"a.bin\"; sid:1;)", &[4]),
        ],
    );
}

/// `filestore` waits for a file, as other keywords of files do.
#[test]
fn filestore_is_about_files() {
    compare(
        &get(),
        &[
            ("http any any -> any any (filestore; sid:1;)", &[9]),
            ("http any any -> any any (filesize:11; sid:1;)", &[9]),
            ("http any any -> any any (filesize:12; sid:1;)", &[]),
        ],
    );
}

/// A range that ends before it begins, or beyond the whole, is told; a right one is not.
#[test]
fn ranges_that_cannot_be() {
    let rule = "http any any -> any any (app-layer-event:http.range_invalid; sid:1;)";
    for (range, is) in [
        ("bytes 500-100/200", true),
        ("bytes 0-200/200", true),
        ("bytes -/", true),
        ("bytes 0-1/200", false),
        ("bytes 0-1/*", false),
    ] {
        let response = format!("HTTP/1.1 206 P\r\nContent-Range: {range}\r\nContent-Length: 2\r\n\r\nab");
        let wire = web(b"GET /x.bin HTTP/1.1\r\nHost: h\r\n\r\n", response.as_bytes());
        assert_eq!(!alerts(&wire, rule).is_empty(), is, "{range}");
    }
}

/// Parts of a file make it whole, in whatever order and over whatever flows they come; what lies over a seam is found then.
#[test]
fn ranges_that_make_a_file() {
    let rule = "http any any -> any any (file.data; content:\"hello world\"; startswith; sid:1;)";
    let parts = [(0, &b"hello"[..]), (5, b" wor"), (9, b"ld, all")];
    for (order, host, found) in [
        ([0, 1, 2], "h", true),
        ([2, 0, 1], "h", true),
        ([1, 2, 0], "h", true),
        ([0, 1, 1], "h", false),
        ([0, 1, 2], "", false),
    ] {
        for flows in [1, 3] {
            let mut wire = Wire::new();
            let mut turns = Vec::new();
            for (n, part) in order.iter().enumerate() {
                let (at, bytes) = parts[*part];
                // Another host has another file of that name.
                let host = if host.is_empty() { format!("h{n}") } else { host.into() };
                let last = at + bytes.len() - 1;
                let head = format!(
                    "HTTP/1.1 206 P\r\nContent-Range: bytes {at}-{last}/16\r\nContent-Length: {}\r\n\r\n",
                    bytes.len()
                );
                turns.push((0, format!("GET /x.bin HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()));
                turns.push((1, [head.as_bytes(), bytes].concat()));
            }
            for (n, some) in turns.chunks(if flows == 1 { 6 } else { 2 }).enumerate() {
                let said: Vec<(usize, &[u8])> = some.iter().map(|(side, b)| (*side, &b[..])).collect();
                wire.talk((1, 40_000 + n as u16), SERVER, &said);
            }
            assert_eq!(alerts(&wire, rule).len(), usize::from(found), "{order:?} {host} {flows}");
        }
    }
}

/// An answer that goes to the port of DNS: who sends it is the server, and it is read as DNS.
#[test]
fn an_answer_to_the_port_of_a_server() {
    let message = |flags: [u8; 2]| {
        [&[0x6f, 0xf1][..], &flags, &[0, 1, 0, 0, 0, 0, 0, 0], b"\x01a\x02io\0\0\x01\0\x01"].concat()
    };
    for (flags, rules) in [
        ([0x80, 0], &["dns any any -> any any (flow:to_client; sid:1;)"][..]),
        ([0xc8, 0], &["dns any any -> any any (app-layer-event:dns.invalid_opcode; sid:1;)"]),
        ([0, 0], &["dns any any -> any any (flow:to_server; dns.query; content:\"a.io\"; sid:1;)"]),
    ] {
        let mut wire = Wire::new();
        wire.udp((1, 5000), (2, 53), &message(flags));
        for rule in rules {
            assert_eq!(alerts(&wire, rule), [1], "{rule}");
        }
    }
}

/// Each file of an upload is a value of its own.
#[test]
fn files_of_an_upload() {
    let part = |name: &str, body: &str| {
        format!("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{body}\r\n")
    };
    let body = part("a", "one") + &part("b", "two") + &part("c", "three") + "--X--\r\n";
    let head = format!(
        "POST /u HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let wire = web((head + &body).as_bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for (rule, found) in [
        ("file.data; content:\"one\"; startswith; endswith;", true),
        ("file.data; content:\"two\"; startswith; endswith;", true),
        ("file.data; content:\"three\"; bsize:5;", true),
        ("file.data; content:\"onet\";", false),
        ("file.data; content:\"one\"; content:\"two\";", false),
    ] {
        let rule = format!("http any any -> any any (flow:to_server; {rule} sid:1;)");
        assert_eq!(!alerts(&wire, &rule).is_empty(), found, "{rule}");
    }
}

/// An answer without a status line is a file, what stands before one is none.
#[test]
fn an_answer_without_a_status_line() {
    let rule = "http any any -> any any (file.data; content:\"evil\"; filesize:25; sid:1;)";
    for (answer, found) in [
        (&b"<html>evilpayload</html>\n"[..], true),
        (b"<html>evilpayload</html>\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ] {
        let wire = web(b"GET /x.bin HTTP/1.1\r\nHost: a.example\r\n\r\n", answer);
        assert_eq!(!alerts(&wire, rule).is_empty(), found);
    }
}

/// A packet without ports, a fragment or one of ICMP, is none of a rule that names ports; fragments are of their protocol.
#[test]
fn ports_and_fragments() {
    let mut wire = Wire::new();
    wire.udp_in_fragments((1, 5000), (2, 9999), &[7; 40], 16, false);
    compare(
        &wire,
        &[
            ("udp any any -> any any (ttl:>0; sid:1;)", &[1, 2, 3, 3]),
            ("udp any any -> any any (flow:to_server; ttl:>0; sid:1;)", &[1, 2, 3, 3]),
            ("udp any any -> any 9999 (ttl:>0; sid:1;)", &[3]),
            ("ip any any -> any !80 (ttl:>0; sid:1;)", &[3]),
            ("tcp any any -> any any (ttl:>0; sid:1;)", &[]),
        ],
    );
    let mut wire = Wire::new();
    wire.icmp(1, 2, 8, 0, &[0, 1, 0, 1, 1, 2, 3, 4]);
    compare(
        &wire,
        &[
            ("ip any any -> any !80 (ttl:>0; sid:1;)", &[]),
            ("ip any any -> any !80 (sid:1;)", &[]),
            ("ip any any -> any any (ttl:>0; sid:1;)", &[1]),
        ],
    );
}

/// "Not between" is said of empty packets, too; "not" a size is not. A checksum of 0 is neither right nor wrong.
#[test]
fn sizes_checksums_and_offsets() {
    let mut wire = Wire::new();
    wire.udp((1, 5000), (2, 9999), b"");
    compare(
        &wire,
        &[
            ("udp any any -> any any (dsize:!38-42; sid:1;)", &[1]),
            ("udp any any -> any any (dsize:!5; sid:1;)", &[]),
            ("udp any any -> any any (dsize:0; sid:1;)", &[1]),
            ("udp any any -> any any (fragoffset:0; sid:1;)", &[1]),
        ],
    );
    // The same without a checksum.
    let plain =
        common::wire::ipv4(17, [10, 1, 0, 1], [10, 1, 0, 2], 1, 0, &common::wire::datagram(5000, 9999, b"x"));
    let mut wire = Wire::new();
    wire.ip_packet(&plain);
    compare(
        &wire,
        &[
            ("udp any any -> any any (udpv4-csum:valid; sid:1;)", &[]),
            ("udp any any -> any any (udpv4-csum:invalid; sid:1;)", &[]),
            ("udp any any -> any any (dsize:1; sid:1;)", &[1]),
        ],
    );
    let mut wire = Wire::new();
    wire.v6 = true;
    wire.udp((1, 5000), (2, 9999), b"x");
    compare(
        &wire,
        &[
            ("ip any any -> any any (fragoffset:0; sid:1;)", &[]),
            ("ip any any -> any any (dsize:1; sid:1;)", &[1]),
        ],
    );
}

/// A hook to a state alone is told of each time that something came in it; of an answer not before there is one.
#[test]
fn hooks_to_a_state() {
    let mut wire = Wire::new();
    let mut t = wire.tcp(CLIENT, (2, 25));
    for (from, line) in
        [(1, "220 x"), (0, "EHLO a"), (1, "250 x"), (0, "MAIL FROM:<a@b>"), (1, "250 x"), (0, "RSET")]
    {
        t.send(from, format!("{line}\r\n").as_bytes());
    }
    compare(
        &wire,
        &[
            // The commands are acknowledged by packets 7, 11 and 15; the last has no packet of the client's behind it.
            ("smtp:request_started any any -> any any (sid:1;)", &[9, 13, 0]),
            ("smtp:response_started any any -> any any (sid:1;)", &[11, 15]),
        ],
    );
}

/// DHCP is believed by its ports: a message with another cookie has its events.
#[test]
fn dhcp_without_its_cookie() {
    let mut wire = Wire::new();
    wire.udp((1, 68), (2, 67), &[&[1, 1, 6, 0][..], &[0; 236]].concat());
    compare(&wire, &[("dhcp any any -> any any (app-layer-event:dhcp.truncated_options; sid:1;)", &[1])]);
}

/// Events as Suricata's own rules write them.
#[test]
fn names_of_events() {
    compare(
        &get(),
        &[
            ("tcp any any -> any any (stream-event:est_synack_resend_with_different_ack; sid:1;)", &[]),
            ("tcp any any -> any any (stream-event:3whs_synack_resend_with_different_ack; sid:1;)", &[]),
            ("ntp any any -> any any (app-layer-event:ntp.malformed_data; sid:1;)", &[]),
        ],
    );
}

/// Bytes that come again with other content are told when a rule asks.
#[test]
fn an_answer_that_comes_twice_and_differs() {
    let rule = "tcp any any -> any any (stream-event:reassembly_overlap_different_data; sid:1;)";
    for (second, times) in [(&b"HTTP/1.1 200 OK\r\n\r\n"[..], 1), (b"HTTP/1.1 302 No\r\n\r\n", 0)] {
        let mut wire = Wire::new();
        let mut t = wire.tcp(CLIENT, SERVER);
        t.send(0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        t.segment(1, 0x18, b"HTTP/1.1 302 No\r\n\r\n");
        t.segment(1, 0x18, second);
        t.acknowledged(1, second.len());
        t.close();
        assert_eq!(alerts(&wire, rule).len(), times);
    }
}

/// Public rules that Suricata reads with something left over.
#[test]
fn forms_of_public_rules() {
    let text = "alert ip any any -> any any (fragbits:M+D; sid:1;)\n\
                alert tcp any any -> any 88 (content:\"a\"; xbits: set, Bit.A, track ip_src, expire: 10; sid:2;)\n\
                alert tcp any any -> any any (flow:stateless; prefilter; sid:3;)\n\
                alert doh2 any any -> any any (flow:established; dns.query; content:\"a\"; sid:4;)\n\
                alert doh2 any any -> any any (http.uri; content:\"a\"; sid:5;)\n\
                alert http any any -> any any (http.response_body; content:\"a\"; pcre:\"/a.c/Q\"; sid:6;)\n";
    assert_eq!(rules(text, &settings()).refused, Vec::<String>::new());
}

/// `stats.detect` counts what was written and what limits held back.
#[test]
fn alerts_are_counted() {
    use tidegate_core::event::NoSink;
    let r = rules(
        "alert tcp any any -> any any (flow:established; threshold:type limit,track by_src,count 1,seconds 600; sid:1;)",
        &settings(),
    );
    let wire = get();
    let mut e = common::engine(common::config(16 << 20), &r);
    common::run(&mut e, &frames(&wire.frames), 32, &mut NoSink);
    let all = tidegate_dataplane::counters::named(&e.stats(), &Default::default(), false, false);
    let of = |name: &str| all.iter().find(|c| c.0 == name).map(|c| c.1);
    // Four packets of the client and three of the server; one of each is told.
    assert_eq!((of("detect.alert"), of("detect.alerts_suppressed")), (Some(2), Some(5)));
}
