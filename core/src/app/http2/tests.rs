use super::*;
use crate::app::bench::Bench;
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

fn frame(kind: u8, flags: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let mut f = (body.len() as u32).to_be_bytes()[1..].to_vec();
    f.extend([kind, flags]);
    f.extend(id.to_be_bytes());
    f.extend(body);
    f
}

fn client() -> Vec<u8> {
    let mut c = PREFACE.to_vec();
    c.extend(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]));
    let h = [
        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
    ];
    c.extend(frame(HEADERS, 0, 1, &h[..5]));
    c.extend(frame(CONTINUATION, 4, 1, &h[5..]));
    c.extend(frame(DATA, 8, 1, b"\x02hello\0\0"));
    c.extend(frame(DATA, 1, 1, b", world"));
    c
}

#[test]
fn a_stream_is_a_transaction() {
    let mut b = Bench::new(&HTTP2);
    b.feed(Dir::ToServer, &client());
    b.feed(Dir::ToClient, &frame(HEADERS, 5, 1, &[0x88]));
    assert_eq!(b.values(0, Dir::ToServer), [(1, b"GET".to_vec())]);
    assert_eq!(b.values(3, Dir::ToServer), [(1, b"www.example.com".to_vec())]);
    assert_eq!(b.values(6, Dir::ToClient), [(1, b"200".to_vec())]);
    for body in [B_FILE, B_REQUEST_BODY] {
        assert_eq!(b.values(body, Dir::ToServer), [(1, b"hello, world".to_vec())]);
    }
    assert_eq!(b.parser.common(b.tx(1)).steps(), [COMPLETE; 2]);
    assert_eq!(b.parser.common(b.tx(0)).steps(), [COMPLETE; 2]);
    b.close();
}

/// What is wrong with frames, header blocks and coded bodies is told, and sound ones tell nothing.
#[test]
fn events() {
    let get = [PREFACE.to_vec(), frame(HEADERS, 5, 1, &[0x82])].concat();
    let raised = |server: bool, bytes: &[u8]| {
        let mut b = Bench::new(&HTTP2);
        b.feed(Dir::ToServer, if server { &get } else { bytes });
        if server {
            b.feed(Dir::ToClient, bytes);
        }
        let all = b.live().into_iter().fold(0, |a, tx| a | b.parser.common(tx).events);
        b.close();
        let names = EVENTS.iter().enumerate().filter(|(i, _)| all >> i & 1 != 0);
        names.map(|(_, n)| *n).collect::<Vec<_>>()
    };
    let ask = |block: &[u8]| raised(false, &[PREFACE.to_vec(), frame(HEADERS, 5, 1, block)].concat());
    assert_eq!(ask(&[0x82]), [""; 0]);
    assert_eq!(ask(&[0x82, 0x41, 0x8c, 0xf1]), ["extra_header_data"]);
    assert_eq!(ask(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), ["header_integer_overflow"]);
    assert_eq!(ask(&[0x82, 0xfe]), ["invalid_header"]);
    assert_eq!(ask(&[0x82, 0x41, 0x81, 0x00]), ["invalid_frame_data"]);
    let zero = [PREFACE.to_vec(), frame(DATA, 0, 0, b"x")].concat();
    assert_eq!(raised(false, &zero), ["data_stream_zero"]);
    let answer = |coding: &[u8], range: &[u8], body: &[u8]| {
        let mut h = vec![0x88];
        for (index, value) in [(0x5a, coding), (0x5e, range)] {
            if !value.is_empty() {
                h.extend([index, value.len() as u8]);
                h.extend(value);
            }
        }
        raised(true, &[frame(HEADERS, 4, 1, &h), frame(DATA, 1, 1, body)].concat())
    };
    assert_eq!(answer(b"", b"", b"plain"), [""; 0]);
    assert_eq!(answer(b"zstd", b"", b"\x28\xb5\x2f\xfd\x00\x58\x81\x00\x00\x68\x65\x6c\x6c\x6f\x20\x68\x65\x6c\x6c\x6f\x20\x7a\x73\x74\x64"), [""; 0]);
    assert_eq!(answer(b"br", b"", b"\xff\xff\xff\xff plain"), ["failed_decompression"]);
    assert_eq!(answer(b"", b"bytes x-4/11", b"hello"), ["invalid_range"]);
    let mut many = [PREFACE.to_vec(), frame(HEADERS, 4, 1, &[0x82])].concat();
    for _ in 0..=FRAMES_MAX {
        many.extend(frame(DATA, 0, 1, b""));
    }
    assert_eq!(raised(false, &many), ["too_many_frames"]);
}

#[test]
fn bodies_of_streams_that_take_turns() {
    let mut b = Bench::new(&HTTP2);
    let mut c = PREFACE.to_vec();
    c.extend(frame(HEADERS, 5, 1, &[0x82]));
    c.extend(frame(HEADERS, 5, 3, &[0x82]));
    b.feed(Dir::ToServer, &c);
    let turns: [&[u8]; 5] = [
        &frame(HEADERS, 4, 3, &[0x88]),
        &frame(HEADERS, 4, 1, &[0x88]),
        &frame(DATA, 0, 3, b"thi"),
        &frame(DATA, 1, 1, b"first"),
        &frame(DATA, 1, 3, b"rd"),
    ];
    assert_eq!(b.feed_cut(Dir::ToClient, &turns.concat(), &[5]), 0);
    for body in [B_FILE, B_RESPONSE_BODY] {
        assert_eq!(b.values(body, Dir::ToClient), [(0, b"first".to_vec()), (1, b"third".to_vec())]);
    }
    assert_eq!(b.values(B_REQUEST_BODY, Dir::ToServer), []);
    b.close();
}

/// The request of HTTP/1 that asked for HTTP/2 is stream 1, its settings are the client's first; damaged ones harm nobody.
#[test]
fn a_request_that_asked_for_http2() {
    let field = |n: &str, v: &str| {
        let mut f = (n.len() as u16).to_le_bytes().to_vec();
        f.extend((v.len() as u16).to_le_bytes());
        f.extend([n.as_bytes(), v.as_bytes()].concat());
        f
    };
    let fields = [
        field(":method", "GET"),
        field(":path", "/a"),
        field(":authority", "h.example"),
        field("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ]
    .concat();
    for cut in 0..=fields.len() {
        let mut b = Bench::new(&HTTP2);
        let st = b.st;
        b.with(|p, cx| {
            let mut what = PBuf::from_slice(cx.pool, &fields[..cut]).unwrap();
            p.expected(st, what, 1, cx);
            what.free(cx.pool);
        });
        b.feed(Dir::ToServer, PREFACE);
        b.feed(Dir::ToClient, &frame(HEADERS, 5, 1, &[0x88]));
        if cut == fields.len() {
            assert_eq!(b.values(0, Dir::ToServer), [(0, b"GET".to_vec())]);
            assert_eq!(b.values(3, Dir::ToServer), [(0, b"h.example".to_vec())]);
            assert_eq!(b.values(6, Dir::ToClient), [(0, b"200".to_vec())]);
            assert_eq!(b.parser.common(b.tx(0)).steps(), [COMPLETE; 2]);
            let settings = &b.parser.common(b.tx(1));
            assert_eq!((settings.id, settings.steps()), (1, [COMPLETE; 2]));
        }
        b.close();
    }
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..8)) {
        let c = client();
        let mut whole = Bench::new(&HTTP2);
        whole.feed(Dir::ToServer, &c);
        let mut cut = Bench::new(&HTTP2);
        prop_assert_eq!(cut.feed_cut(Dir::ToServer, &c, &cuts), 0);
        prop_assert_eq!(cut.everything(&HTTP2), whole.everything(&HTTP2));
        cut.close();
        whole.close();
    }

    #[test]
    fn never_panics(at in 0usize..200, v in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..120)) {
        let mut c = client();
        let n = c.len();
        c[at % n] = v;
        let mut b = Bench::new(&HTTP2);
        b.feed_cut(Dir::ToServer, &c, &[30]);
        b.feed(Dir::ToClient, &noise);
        b.everything(&HTTP2);
        b.close();
    }
}

/// A coded body is seen decoded, however it was cut; one that is no such thing passes as it came.
#[test]
fn coded_bodies() {
    let page = b"the magic word is abracadabra ".repeat(50);
    let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    gzip.extend(miniz_oxide::deflate::compress_to_vec(&page, 6));
    gzip.extend([0; 8]);
    let field = |n: &str, v: &str| {
        let one = |s: &str| [&[s.len() as u8], s.as_bytes()].concat();
        [&[0][..], &one(n), &one(v)].concat()
    };
    for (body, want) in [
        (&gzip[..], &page[..]),
        (b"plain text, whatever the head says", b"plain text, whatever the head says"),
    ] {
        for cut in [1, 7, 10_000] {
            let mut b = Bench::new(&HTTP2);
            b.feed(Dir::ToServer, &[PREFACE, &frame(HEADERS, 5, 1, &[0x82])].concat());
            let head = [&[0x88][..], &field("content-encoding", "gzip")].concat();
            b.feed(Dir::ToClient, &frame(HEADERS, 4, 1, &head));
            for part in body.chunks(cut) {
                b.feed(Dir::ToClient, &frame(DATA, 0, 1, part));
            }
            b.feed(Dir::ToClient, &frame(DATA, 1, 1, b""));
            assert_eq!(b.values(B_FILE, Dir::ToClient), [(0, want.to_vec())]);
            b.close();
        }
    }
}

/// A field that is not indexed.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |s: &str| match s.len() {
        n @ 0..127 => [&[n as u8], s.as_bytes()].concat(),
        n => [
            &[127, (n - 127) as u8 | 0x80, ((n - 127) >> 7) as u8 | 0x80, ((n - 127) >> 14) as u8],
            s.as_bytes(),
        ]
        .concat(),
    };
    [&[0][..], &text(name), &text(value)].concat()
}

fn get(id: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, 5, id, &[&[0x82, 0x86][..], &literal(":path", path)].concat())
}

const B_URI: u8 = 1;

fn roomy() -> Bench {
    let cfg = AppConfig { max_states: 4, max_txs: 20_000, max_files: 64, ..AppConfig::default() };
    Bench::of(HTTP2.parser.unwrap()(&cfg), cfg)
}

#[test]
fn frames_that_open_no_stream() {
    let mut b = roomy();
    let mut c = PREFACE.to_vec();
    for i in 0..4200 {
        c.extend(frame(PRIORITY, 0, 2 * i + 1001, &[0, 0, 0, 0, 16]));
    }
    c.extend(frame(WINDOW_UPDATE, 0, 3, &[0, 0, 16, 0]));
    c.extend(frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]));
    c.extend(get(200_001, "/evil"));
    b.feed(Dir::ToServer, &c);
    assert_eq!(b.values(B_URI, Dir::ToServer), [(4202, b"/evil".to_vec())]);
    // All but the request are over at once.
    let open = b.live().into_iter().filter(|tx| !b.parser.common(*tx).both_reached(COMPLETE)).count();
    assert_eq!(open, 1);
    b.close();
}

/// However many streams wait, the next one is read, and the oldest goes.
#[test]
fn too_many_streams() {
    let mut b = roomy();
    let mut c = PREFACE.to_vec();
    (0..4200).for_each(|i| c.extend(get(2 * i + 1, "/a")));
    c.extend(get(20_001, "/evil"));
    b.feed(Dir::ToServer, &c);
    assert_eq!(b.values(B_URI, Dir::ToServer).last(), Some(&(4200, b"/evil".to_vec())));
    assert_eq!((b.events(0), b.events(4200)), (1 << EV_STREAMS, 0));
    assert!(b.parser.common(b.tx(104)).both_reached(COMPLETE));
    assert!(!b.parser.common(b.tx(105)).both_reached(COMPLETE));
    // An answer to one that had to go is nobody's, but the table of its direction follows it.
    b.feed(Dir::ToClient, &frame(HEADERS, 5, 1, b"\x88\x40\x01x\x01y"));
    b.feed(Dir::ToClient, &frame(HEADERS, 5, 20_001, b"\x89\xbe"));
    assert_eq!(b.values(B_NAMES, Dir::ToClient), [(4200, b":status".to_vec()), (4200, b"x".to_vec())]);
    b.close();
}

#[test]
fn frames_after_the_end_of_a_stream() {
    let mut b = Bench::new(&HTTP2);
    b.feed(Dir::ToServer, &[PREFACE, &get(1, "/a")].concat());
    b.feed(Dir::ToClient, &frame(HEADERS, 5, 1, &[0x88]));
    for kind in [WINDOW_UPDATE, PRIORITY, RST_STREAM, DATA, 99] {
        b.feed(Dir::ToServer, &frame(kind, 0, 1, &[0, 0, 16, 0, 1]));
    }
    b.feed(Dir::ToClient, &frame(DATA, 1, 1, b"late"));
    assert_eq!(b.live().len(), 1);
    // A request in the place of one that is over is a request.
    b.feed(Dir::ToServer, &get(1, "/evil"));
    assert_eq!(b.values(B_URI, Dir::ToServer), [(0, b"/a".to_vec()), (1, b"/evil".to_vec())]);
    assert_eq!(b.events(1), 1 << EV_REUSE);
    b.close();
}

/// What is cut or left out is told, and what is asked for is there whatever came before it.
#[test]
fn fields_beyond_the_limits() {
    let long = "x".repeat(9000);
    let head = |fields: &[(&str, &str)]| {
        let block: Vec<u8> = fields.iter().flat_map(|(n, v)| literal(n, v)).collect();
        let mut all = Vec::new();
        let last = block.len().div_ceil(16_000) - 1;
        for (i, part) in block.chunks(16_000).enumerate() {
            let kind = if i == 0 { HEADERS } else { CONTINUATION };
            let flags = u8::from(i == 0) | if i == last { 4 } else { 0 };
            all.extend(frame(kind, flags, 1, part));
        }
        all
    };
    let mut b = Bench::new(&HTTP2);
    let path = alloc::format!("/{}", "y".repeat(30_000));
    let crowd = [("a", &long[..8000]), ("b", &long[..8000]), ("c", &long[..8000]), ("d", &long[..8000])];
    let asked = [(":path", &path[..]), (":method", "GET"), (":authority", "h")];
    b.feed(Dir::ToServer, &[PREFACE, &head(&[&asked[..], &crowd[..2]].concat())].concat());
    assert_eq!(
        (b.events(0), b.values(B_URI, Dir::ToServer)),
        (0, alloc::vec![(0, path.clone().into_bytes())])
    );
    b.feed(Dir::ToClient, &head(&[&crowd[..], &[(":status", "200")]].concat()));
    assert_eq!(b.values(6, Dir::ToClient), [(0, b"200".to_vec())]);
    assert_eq!(b.events(0), 1 << EV_LIMIT);
    b.close();
    for (fields, told) in [
        (&[("a", &long[..8000])][..], false),
        (&[("a", &long[..])], true),
        (&[crowd[0], crowd[1], crowd[2], crowd[3], ("e", "evil")], false),
        (&[crowd[0], crowd[1], crowd[2], crowd[3], ("e", &long[..1000])], true),
    ] {
        let mut b = Bench::new(&HTTP2);
        b.feed(Dir::ToServer, &[PREFACE, &head(fields)].concat());
        assert_eq!(b.events(0) & 1 << EV_LIMIT != 0, told);
        b.close();
    }
}

/// A query in a path or a body, and its answer (RFC 8484), are parts of the stream; what is longer than a message is told.
#[test]
fn dns_inside_streams() {
    use crate::app::shown::{events, ints, record, values};
    // One question for `a.b`; the answer says 1.2.3.4.
    let query = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01a\x01b\0\0\x01\0\x01";
    let mut answer = query.to_vec();
    (answer[2], answer[7]) = (0x81, 1);
    answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04");
    let kind = literal("content-type", "application/dns-message");
    let asked = [&[0x82][..], &literal(":path", "/dns-query?dns=AAABAAABAAAAAAAAAWEBYgAAAQAB")].concat();
    let posted = [&[0x83][..], &literal(":path", "/q"), &kind].concat();
    let told = [&[0x88][..], &kind].concat();
    let mut b = Bench::new(&HTTP2);
    let client = [
        PREFACE.to_vec(),
        frame(HEADERS, 5, 1, &asked),
        frame(HEADERS, 4, 3, &posted),
        frame(DATA, 0, 3, &query[..9]),
        frame(DATA, 1, 3, &query[9..]),
        frame(HEADERS, 5, 5, &[0x82]),
        frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]),
    ];
    b.feed(Dir::ToServer, &client.concat());
    for id in [1, 3] {
        b.feed(Dir::ToClient, &[frame(HEADERS, 4, id, &told), frame(DATA, 1, id, &answer)].concat());
    }
    b.feed(Dir::ToClient, &frame(HEADERS, 4, 5, &told));
    for _ in 0..5 {
        b.feed(Dir::ToClient, &frame(DATA, 0, 5, &[7; 16_000]));
    }
    for tx in [0, 1] {
        let text = record(&b, &HTTP2, tx);
        assert!(text.starts_with("version=3 type=response"), "{text}");
        assert!(text.contains("rdata=1.2.3.4") && text.contains("} http{ version=2"), "{text}");
        assert_eq!(ints(&b, &HTTP2, tx, "dns.rrtype", Dir::ToClient), [1, 1]);
        assert_eq!(events(&b, &HTTP2, tx), [""; 0]);
    }
    let both = [(0, "a.b".into()), (1, "a.b".into())];
    assert_eq!(values(&mut b, &HTTP2, "dns.query", Dir::ToServer), both);
    assert_eq!(values(&mut b, &HTTP2, "dns.answers.rrname", Dir::ToClient), both);
    assert_eq!(events(&b, &HTTP2, 2), ["dns_response_too_long"]);
    assert!(record(&b, &HTTP2, 2).starts_with("version=2"));
    b.close();
    // Switched off it is HTTP/2.
    let mut cfg = Bench::new(&HTTP2).cfg;
    cfg.disabled.push("doh2".into());
    let mut b = Bench::of(HTTP2.parser.unwrap()(&cfg), cfg);
    b.feed(Dir::ToServer, &client[..5].concat());
    assert!((0..2).all(|tx| record(&b, &HTTP2, tx).starts_with("version=2")));
    b.close();
}
