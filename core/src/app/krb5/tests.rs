//! Messages made by hand.

use super::*;
use crate::app::bench::Bench;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

fn tlv(id: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let mut v = alloc::vec![id];
    if body.len() < 0x80 {
        v.push(body.len() as u8);
    } else {
        v.extend([0x82, (body.len() >> 8) as u8, body.len() as u8]);
    }
    v.extend(body);
    v
}

fn int(tag: u8, n: u8) -> Vec<u8> {
    tlv(0xa0 | tag, &[alloc::vec![2, 1, n]])
}

fn text(s: &str) -> Vec<u8> {
    tlv(0x1b, &[s.as_bytes().to_vec()])
}

fn principal(tag: u8, parts: &[&str]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = parts.iter().map(|p| text(p)).collect();
    tlv(0xa0 | tag, &[tlv(0x30, &[int(0, 1), tlv(0xa1, &[tlv(0x30, &list)])])])
}

fn enc(tag: u8, n: u8) -> Vec<u8> {
    tlv(0xa0 | tag, &[tlv(0x30, &[int(0, n), tlv(0xa2, &[tlv(4, &[alloc::vec![9; 8]])])])])
}

fn as_req() -> Vec<u8> {
    let body = tlv(
        0x30,
        &[
            tlv(0xa0, &[alloc::vec![3, 5, 0, 0, 0, 0, 0]]),
            principal(1, &["bob"]),
            tlv(0xa2, &[text("LAB")]),
            principal(3, &["krbtgt", "LAB"]),
        ],
    );
    tlv(0x6a, &[tlv(0x30, &[int(1, 5), int(2, 10), tlv(0xa4, &[body])])])
}

fn as_rep(etype: u8, ticket: u8) -> Vec<u8> {
    let t = tlv(
        0x61,
        &[tlv(
            0x30,
            &[int(0, 5), tlv(0xa1, &[text("LAB")]), principal(2, &["krbtgt", "LAB"]), enc(3, ticket)],
        )],
    );
    let body = [
        int(0, 5),
        int(1, 11),
        tlv(0xa3, &[text("LAB")]),
        principal(4, &["bob"]),
        tlv(0xa5, &[t]),
        enc(6, etype),
    ];
    tlv(0x6b, &[tlv(0x30, &body)])
}

fn error() -> Vec<u8> {
    let body = [
        int(0, 5),
        int(1, 30),
        int(5, 0),
        int(6, 25),
        tlv(0xa9, &[text("LAB")]),
        principal(10, &["krbtgt", "LAB"]),
    ];
    tlv(0x7e, &[tlv(0x30, &body)])
}

fn record(m: &[u8]) -> Vec<u8> {
    [&(m.len() as u32).to_be_bytes()[..], m].concat()
}

#[test]
fn messages_are_told() {
    let mut b = Bench::new(&KRB5);
    b.datagram(Dir::ToServer, &as_req());
    b.datagram(Dir::ToClient, &error());
    b.datagram(Dir::ToClient, &as_rep(18, 23));
    let all = shown::records(&b, &KRB5);
    assert_eq!(
        all[0],
        "msg_type=KRB_AS_REQ cname=<empty> realm=<empty> sname=<empty> encryption=<none> weak_encryption=false "
    );
    assert_eq!(
        all[1],
        "msg_type=KRB_ERROR failed_request=KRB_AS_REQ error_code=KDC_ERR_PREAUTH_REQUIRED cname=<empty> \
         realm=<empty> sname=krbtgt/LAB encryption=<none> weak_encryption=false "
    );
    assert_eq!(
        all[2],
        "msg_type=KRB_AS_REP cname=bob realm=LAB sname=krbtgt/LAB encryption=AES256_CTS_HMAC_SHA1_96 \
         weak_encryption=false ticket_encryption=RC4_HMAC ticket_weak_encryption=true "
    );
    assert_eq!(b.values(CNAME, Dir::ToClient), [(2, b"bob".to_vec())]);
    assert_eq!(b.values(SNAME, Dir::ToClient).len(), 4);
    let get = |id, local, dir| b.parser.int(b.st, b.tx(id), IntAt { local, dir, index: 0, pool: &b.pool });
    assert_eq!((get(0, I_KIND, Dir::ToServer), get(1, I_ERROR, Dir::ToClient)), (Some(10), Some(25)));
    assert_eq!((get(2, 2, Dir::ToClient), get(2, 2, Dir::ToServer)), (Some(23), None));
    b.close();
}

#[test]
fn events() {
    let mut b = Bench::new(&KRB5);
    b.feed(Dir::ToServer, &record(&as_req()));
    b.feed(Dir::ToClient, &record(&as_rep(23, 18)));
    assert_eq!((b.events(0), b.events(1)), (0, 1 << EV_WEAK));
    b.feed(Dir::ToClient, &record(b"\x6b\x03\x30\x01\0"));
    assert_eq!(b.events(1), 1 << EV_WEAK | 1 << EV_MALFORMED);
    b.close();
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..60, 1..6), at in 0usize..400, byte: u8) {
        let whole = [usize::MAX >> 1];
        let mut stream = [record(&as_rep(17, 17)), record(&error())].concat();
        let seen = |stream: &[u8], cuts: &[usize]| {
            let mut b = Bench::new(&KRB5);
            let _left = b.feed_cut(Dir::ToClient, stream, cuts);
            let all = (b.everything(&KRB5), shown::records(&b, &KRB5));
            b.close();
            all
        };
        prop_assert_eq!(seen(&stream, &cuts), seen(&stream, &whole));
        let n = stream.len();
        stream[at % n] = byte;
        prop_assert_eq!(seen(&stream, &cuts), seen(&stream, &whole));
    }
}
