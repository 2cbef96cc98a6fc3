use super::*;
use crate::Dir::ToServer;
use crate::app::bench::Bench;
use crate::app::shown::{cut_is_whole, mutated, record, record_with};
use alloc::vec::Vec;
use proptest::prelude::*;

fn tpkt(body: &[u8]) -> Vec<u8> {
    let mut v = alloc::vec![3, 0];
    v.extend((body.len() as u16 + 4).to_be_bytes());
    v.extend(body);
    v
}

fn request(rest: &[u8]) -> Vec<u8> {
    tpkt(&[&[6 + rest.len() as u8, 0xe0, 0, 0, 0, 0, 0][..], rest].concat())
}

fn response(rest: &[u8]) -> Vec<u8> {
    tpkt(&[&[6 + rest.len() as u8, 0xd0, 0, 0, 0x12, 0x34, 0][..], rest].concat())
}

fn wide(text: &str, bytes: usize) -> Vec<u8> {
    let mut v: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    v.resize(bytes, 0);
    v
}

fn block(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(body.len() as u16 + 4).to_le_bytes(), body].concat()
}

fn connect() -> Vec<u8> {
    let core = [
        &b"\x04\x00\x08\x00\x80\x04\x60\x03\x01\xca\x03\xaa\x09\x04\0\0\x28\x0a\0\0"[..],
        &wide("DESK", 32),
        b"\x04\0\0\0\0\0\0\0\x0c\0\0\0",
        &[0; 64],
        b"\x01\xca\x01\0\0\0\0\0\x0f\0\x07\0\x01\0",
        &wide("id-1", 64),
    ]
    .concat();
    let net = [&b"\x02\0\0\0"[..], b"rdpdr\0\0\0\0\0\0\0", b"cliprdr\0\0\0\0\0"].concat();
    let blocks = [block(0xc001, &core), block(0xc002, &[0; 8]), block(0xc003, &net)].concat();
    let len = (0x8000 | blocks.len() as u16).to_be_bytes();
    tpkt(&[&b"\x02\xf0\x80\x7f\x65\x82\x01\x00 tags Duca"[..], &len, &blocks].concat())
}

fn standard() -> Vec<(Dir, Vec<u8>)> {
    alloc::vec![
        (ToServer, request(b"Cookie: mstshash=eltons\r\n\x01\0\x08\0\x03\0\0\0")),
        (ToClient, response(b"\x02\0\x08\0\0\0\0\0")),
        (ToServer, connect()),
        (ToClient, tpkt(b"\x02\xf0\x80\x7f\x66\x00")),
        (ToServer, b"\x03\0\0\x0c anything".to_vec()),
    ]
}

#[test]
fn a_connection_without_tls() {
    let mut b = Bench::new(&RDP);
    for (dir, bytes) in standard() {
        b.feed(dir, &bytes);
    }
    assert_eq!(
        [0, 1, 2, 3].map(|i| record(&b, &RDP, i)),
        [
            "tx_id=0 event_type=initial_request cookie=eltons",
            "tx_id=1 event_type=initial_response",
            "tx_id=2 event_type=connect_request client{ version=v5 desktop_width=1152 desktop_height=864 color_depth=15 \
             keyboard_layout=en-US build=Windows XP client_name=DESK keyboard_type=enhanced function_keys=12 product_id=1 \
             capabilities[ support_errinfo_pdf ] id=id-1 } channels[ rdpdr cliprdr ]",
            "tx_id=3 event_type=connect_response",
        ]
    );
    assert_eq!(b.live().len(), 4);
    b.close();
}

/// A TLS record of the handshake with one message.
fn tls(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut v = alloc::vec![0x16, 3, 3];
    v.extend((body.len() as u16 + 4).to_be_bytes());
    v.extend([kind, 0]);
    v.extend((body.len() as u16).to_be_bytes());
    v.extend(body);
    v
}

fn encrypted() -> Vec<(Dir, Vec<u8>)> {
    alloc::vec![
        (ToServer, request(b"\x01\0\x08\0\x03\0\0\0")),
        (ToClient, response(b"\x02\x01\x08\0\x02\0\0\0")),
        (ToServer, tls(1, b"hello")),
        (ToClient, [tls(2, b"hello"), tls(11, b"\0\0\x05\0\0\x02xx")].concat()),
        (ToServer, b"\x17\x03\x03\0\x01x".to_vec()),
    ]
}

#[test]
fn a_connection_with_tls() {
    let mut b = Bench::new(&RDP);
    for (dir, bytes) in encrypted() {
        b.feed(dir, &bytes);
    }
    assert_eq!(
        record_with(&b, &RDP, 1, &["extended"], None),
        "tx_id=1 event_type=initial_response server_supports[ extended_client_data ] protocol=hybrid"
    );
    assert_eq!(record(&b, &RDP, 2), "tx_id=2 event_type=tls_handshake");
    assert_eq!(b.live().len(), 3);
    b.close();
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..8), with in any::<bool>()) {
        let all = if with { encrypted() } else { standard() };
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        cut_is_whole(&RDP, &turns, &cuts);
    }

    #[test]
    fn never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        gap in 0u32..3,
        with in any::<bool>(),
    ) {
        let all = if with { encrypted() } else { standard() };
        let turns: Vec<(Dir, &[u8])> = all.iter().map(|(d, t)| (*d, &t[..])).collect();
        mutated(&RDP, &turns, &changes, gap, &tail);
    }
}
