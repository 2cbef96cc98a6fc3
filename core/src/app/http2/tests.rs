use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;
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
