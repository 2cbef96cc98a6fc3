use super::*;
use crate::app::bench::Bench;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A query for google.com MX, and a response with a compressed answer.
const QUERY_MX: &[u8] =
    b"\x10\x32\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06google\x03com\x00\x00\x0f\x00\x01";
const ANSWER_MX: &[u8] =
    b"\xf7\x6f\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x06google\x03com\x00\x00\x0f\x00\x01\
\xc0\x0c\x00\x0f\x00\x01\x00\x00\x02\x28\x00\x0a\x00\x28\x05smtp4\xc0\x0c\
\xc0\x0c\x00\x01\x00\x01\x00\x00\x02\x28\x00\x04\x08\x08\x04\x04";

/// The values of a buffer.
fn names(b: &mut Bench, local: u8, dir: Dir) -> Vec<Vec<u8>> {
    b.values(local, dir).into_iter().map(|v| v.1).collect()
}

#[test]
fn request_and_response_are_two_transactions() {
    let mut b = Bench::new(&DNS);
    b.datagram(Dir::ToServer, QUERY_MX);
    b.datagram(Dir::ToClient, ANSWER_MX);
    assert_eq!((b.live().len(), b.parser.tx_count(b.st)), (2, 2));
    assert_eq!(names(&mut b, QUERY, Dir::ToServer), [b"google.com".to_vec()]);
    assert_eq!(names(&mut b, ANSWERS, Dir::ToClient), [b"google.com".to_vec(), b"google.com".to_vec()]);
    let any = names(&mut b, RESPONSE, Dir::ToClient);
    assert!(any.contains(&b"smtp4.google.com".to_vec()));
    let tx = b.tx(1);
    assert_eq!(
        b.parser.int(b.st, tx, IntAt { local: 2, dir: Dir::ToClient, index: 0, pool: &b.pool }),
        Some(15)
    );
    assert_eq!(
        b.parser.int(b.st, tx, IntAt { local: 2, dir: Dir::ToClient, index: 2, pool: &b.pool }),
        Some(1)
    );
    assert_eq!(b.parser.int(b.st, tx, IntAt { local: 2, dir: Dir::ToClient, index: 3, pool: &b.pool }), None);
    b.close();
}

/// Updates (RFC 2136) say by records without data what must not be there and what goes.
#[test]
fn updates_have_records_without_data() {
    let mut m = b"\x00\x01\x28\x00\x00\x01\x00\x02\x00\x00\x00\x00\x01a\x00\x00\x06\x00\x01".to_vec();
    m.extend(b"\x01b\xc0\x0c\x00\x05\x00\xfe\x00\x00\x00\x00\x00\x00");
    m.extend(b"\x01b\xc0\x0c\x00\x01\x00\xff\x00\x00\x00\x00\x00\x00");
    let c = message::check(&m, |_| {}).unwrap();
    assert_eq!(c.found, [1, 2, 0, 0]);
}

#[test]
fn a_name_that_refers_to_itself_ends() {
    let mut m = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\xc0\x0c\x00\x01\x00\x01".to_vec();
    let c = message::check(&m, |_| {}).unwrap();
    assert_eq!(c.names & message::LABELS, message::LABELS);
    m[12..14].copy_from_slice(b"\xc0\x0c");
    assert!(message::check(&m[..18], |_| {}).is_some_and(|c| c.names & message::LOOPS != 0));
}

#[test]
fn opcode_and_wrong_direction_are_noted() {
    let mut b = Bench::new(&DNS);
    let mut q = QUERY_MX.to_vec();
    q[2] = 0x48;
    b.datagram(Dir::ToServer, &q);
    assert_eq!(b.events(0), 1 << EV_OPCODE);
    b.datagram(Dir::ToClient, QUERY_MX);
    assert_eq!(b.events(1), 1 << EV_NOT_RESPONSE);
}

fn tcp(messages: &[&[u8]]) -> Vec<u8> {
    let mut v = Vec::new();
    for m in messages {
        v.extend_from_slice(&(m.len() as u16).to_be_bytes());
        v.extend_from_slice(m);
    }
    v
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(cuts in proptest::collection::vec(1usize..40, 1..12)) {
        let whole = tcp(&[ANSWER_MX, ANSWER_MX, ANSWER_MX]);
        let mut one = Bench::new(&DNS);
        one.feed(Dir::ToClient, &whole);
        let want = names(&mut one, RESPONSE, Dir::ToClient);
        prop_assert_eq!(want.len(), 15);
        let mut many = Bench::new(&DNS);
        prop_assert_eq!(many.feed_cut(Dir::ToClient, &whole, &cuts), 0);
        prop_assert_eq!(names(&mut many, RESPONSE, Dir::ToClient), want);
    }

    #[test]
    fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), plain in any::<bool>(), at in 0usize..60, v in any::<u8>()) {
        if !plain {
            bytes = ANSWER_MX.to_vec();
            let n = bytes.len();
            bytes[at % n] = v;
        }
        let mut b = Bench::new(&DNS);
        b.datagram(Dir::ToClient, &bytes);
        b.datagram(Dir::ToServer, &bytes);
        b.feed(Dir::ToServer, &bytes);
        for dir in Dir::BOTH {
            for local in 0..6 {
                names(&mut b, local, dir);
            }
        }
        b.close();
    }
}

/// Multicast messages have a record of another form; of an answer rules see every name, of a question none.
#[test]
fn records_of_multicast() {
    use crate::app::shown::record;
    let mut b = Bench::new(&MDNS);
    let question = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01";
    let mut answer =
        b"\0\0\x84\0\0\0\0\x02\0\0\0\0\x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01\0\0\0\x78\0\x04\x01p\xc0\x0c"
            .to_vec();
    answer.extend(b"\xc0\x27\0\x10\0\x01\0\0\0\x78\0\x08\x03a=1\x03b=2");
    b.datagram(Dir::ToServer, question);
    b.datagram(Dir::ToServer, &answer);
    assert_eq!(record(&b, &MDNS, 0), "type=request queries[ { rrname=_ipp._tcp.local rrtype=ptr } ]");
    assert_eq!(
        record(&b, &MDNS, 1),
        "type=response flags[ aa ] answers[ { rrname=_ipp._tcp.local ptr=p._ipp._tcp.local } { \
         rrname=p._ipp._tcp.local txt[ a=1 b=2 ] } ]"
    );
    let local = buffer_at(MDNS_BUFFERS, "mdns.response.rrname");
    let named: Vec<u64> = b.values(local, Dir::ToServer).into_iter().map(|v| v.0).collect();
    assert!(!named.is_empty() && named.iter().all(|id| *id == 1), "{named:?}");
    b.close();
}

/// Over TCP a message that ends before its records do is DNS by its header, as it comes behind another; one that has what no
/// message has is not.
#[test]
fn a_stream_begins_with_what_is_cut() {
    let query = b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
    assert_eq!(query.len(), 31);
    let judged = |change: &[(usize, u8)], dir| {
        let mut q = query.to_vec();
        for (at, v) in change {
            q[*at] = *v;
        }
        (probe_tcp(&q, dir), probe_udp(&q[2..], dir))
    };
    assert_eq!(judged(&[], Dir::ToServer), (Verdict::Yes, Verdict::Yes));
    // Two questions are announced, one is there; the name goes on behind the end; a label of a kind that there is none of.
    assert_eq!(judged(&[(7, 2)], Dir::ToServer), (Verdict::Yes, Verdict::No));
    assert_eq!(judged(&[(14, 0x3f)], Dir::ToServer), (Verdict::Yes, Verdict::No));
    assert_eq!(judged(&[(14, 0x83)], Dir::ToServer), (Verdict::No, Verdict::No));
    assert_eq!(judged(&[(7, 2), (4, 0x81)], Dir::ToClient), (Verdict::Yes, Verdict::No));
}
