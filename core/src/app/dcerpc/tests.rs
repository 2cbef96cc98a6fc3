//! PDUs made by hand.

use super::pdu::{BIND, BIND_ACK, RESPONSE};
use super::*;
use crate::app::bench::Bench;
use crate::app::entries::work;
use crate::app::shown;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A little-endian PDU.
fn pdu(kind: u8, flags: u8, call: u32, body: &[u8]) -> Vec<u8> {
    let mut p = alloc::vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    p.extend(((HEAD + body.len()) as u16).to_le_bytes());
    p.extend([0, 0]);
    p.extend(call.to_le_bytes());
    p.extend(body);
    p
}

/// SRVSVC as it is on the wire, and as its text has it.
const WIRE: [u8; 16] =
    [0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88];

fn bind(kind: u8, flags: u8, call: u32) -> Vec<u8> {
    let mut body = alloc::vec![0; 8];
    body.extend([2, 0, 0, 0]);
    for context in [7, 8] {
        body.extend([context, 0, 1, 0]);
        body.extend(WIRE);
        body.extend([3, 0, 1, 0]);
        body.extend([0; 20]);
    }
    pdu(kind, flags, call, &body)
}

/// The first context is accepted, the second is not.
fn bind_ack(call: u32) -> Vec<u8> {
    let mut body = alloc::vec![0; 8];
    body.extend([4, 0]);
    body.extend(b"135\0");
    body.extend([0, 0]);
    body.extend([2, 0, 0, 0]);
    for result in [0, 2] {
        body.extend([result, 0, 1, 0]);
        body.extend([0; 20]);
    }
    pdu(BIND_ACK, 3, call, &body)
}

fn request(context: u8, flags: u8, call: u32, stub: &[u8]) -> Vec<u8> {
    pdu(REQUEST, flags, call, &[&[0, 0, 0, 0, context, 0, 15, 0][..], stub].concat())
}

fn conversation() -> [Vec<u8>; 2] {
    let client =
        [bind(BIND, 3, 1), request(7, 1, 2, b"abcd"), request(7, 2, 2, b"efgh"), request(8, 3, 3, b"xy")];
    let server = [bind_ack(1), pdu(RESPONSE, 3, 2, b"........answer"), pdu(3, 3, 3, &[0; 16])];
    [client.concat(), server.concat()]
}

fn record(b: &Bench, id: u64) -> alloc::string::String {
    shown::record_of(b, &DCERPC, id, Dir::ToServer)
}

#[test]
fn a_conversation_is_told() {
    let [client, server] = conversation();
    let mut b = Bench::new(&DCERPC);
    b.feed(Dir::ToServer, &client[..bind(BIND, 3, 1).len()]);
    b.feed(Dir::ToClient, &server[..bind_ack(1).len()]);
    b.feed(Dir::ToServer, &client[bind(BIND, 3, 1).len()..]);
    b.feed(Dir::ToClient, &server[bind_ack(1).len()..]);
    let uuid = "uuid=4b324fc8-1670-01d3-1278-5a47bf6ee188 version=3.1 ";
    assert_eq!(
        record(&b, 0),
        alloc::format!(
            "request=BIND response=BINDACK interfaces[ {{ {uuid}ack_result=0 }} {{ {uuid}ack_result=2 }} ] \
             call_id=1 rpc_version=5.0 "
        )
    );
    assert_eq!(
        record(&b, 1),
        alloc::format!(
            "request=REQUEST response=RESPONSE req{{ opnum=15 frag_cnt=2 stub_data_size=8 }} \
             interfaces[ {{ {uuid}ack_result=0 }} ] res{{ frag_cnt=1 stub_data_size=14 }} \
             call_id=2 rpc_version=5.0 "
        )
    );
    // Only the accepted context has an interface for rules; data of both directions are whole.
    let iface: Vec<u64> = b.values(0, Dir::ToServer).iter().map(|v| v.0).collect();
    assert_eq!(iface, [1]);
    assert_eq!(b.values(B_STUB, Dir::ToServer), [(1, b"abcdefgh".to_vec()), (2, b"xy".to_vec())]);
    assert_eq!(b.values(B_STUB, Dir::ToClient), [(1, b"........answer".to_vec())]);
    assert!(record(&b, 2).contains("response=FAULT"));
    b.close();
}

#[test]
fn a_lost_request_is_said() {
    let mut b = Bench::new(&DCERPC);
    b.feed(Dir::ToServer, &bind(BIND, 3, 1));
    b.feed(Dir::ToClient, &bind_ack(1));
    b.give(Input { dir: Dir::ToServer, data: b"", gap: 100, eof: false, datagram: false });
    b.feed(Dir::ToClient, &pdu(15, 3, 2, &[0; 20]));
    assert!(record(&b, 1).starts_with("request=REQUEST_LOST response=ALTER_CONTEXT_RESP "));
    assert!(!b.parser.common(b.tx(1)).both_reached(1));
    // What follows the gap is found, and says that the request was lost.
    b.feed(Dir::ToServer, &[&b"\x05zzz"[..], &request(7, 3, 3, b"q")].concat());
    assert!(b.parser.common(b.tx(1)).both_reached(1));
    assert!(record(&b, 2).starts_with("request=REQUEST response=UNREPLIED "));
    assert!(record(&b, 0).starts_with("request=BIND"));
    b.close();
}

#[test]
fn calls_in_datagrams() {
    let mut b = Bench::new(&DCERPC);
    let mut m = alloc::vec![4, 0, 0, 0, 0x10, 0, 0, 0];
    m.extend([0; 16]);
    m.extend(WIRE);
    m.extend(WIRE);
    m.extend([0, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 26, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]);
    m.extend(b"ab");
    b.datagram(Dir::ToServer, &m);
    m[1] = 2;
    b.datagram(Dir::ToClient, &m);
    assert_eq!(
        record(&b, 0),
        "request=REQUEST response=RESPONSE req{ opnum=26 frag_cnt=1 stub_data_size=2 } \
         res{ frag_cnt=1 stub_data_size=2 } activityuuid=4b324fc8-1670-01d3-1278-5a47bf6ee188 \
         seqnum=9 rpc_version=4.0 "
    );
    assert_eq!(b.values(0, Dir::ToServer).len(), 1);
    b.close();
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..40, 1..6), at in 0usize..400, byte: u8) {
        let [client, server] = conversation();
        let seen = |c: &[usize], s: &[usize], client: &[u8]| {
            let mut b = Bench::new(&DCERPC);
            b.feed_cut(Dir::ToServer, client, c);
            b.feed_cut(Dir::ToClient, &server, s);
            let all = b.everything(&DCERPC);
            let ids: Vec<u64> = b.live().iter().map(|t| b.parser.common(*t).id).collect();
            let told: Vec<_> = ids.iter().map(|t| record(&b, *t)).collect();
            b.close();
            (all, told)
        };
        let whole = [usize::MAX >> 1];
        prop_assert_eq!(seen(&cuts, &cuts, &client), seen(&whole, &whole, &client));
        // Whatever a byte is, nothing panics.
        let mut mutated = client.clone();
        let n = mutated.len();
        mutated[at % n] = byte;
        prop_assert_eq!(seen(&cuts, &whole, &mutated), seen(&whole, &whole, &mutated));
    }
}

/// Calls without answers cost by their number, not by that of those that were given up before.
#[test]
fn many_calls_without_answers() {
    let cost = |n: u32| {
        let cfg = AppConfig { max_states: 4, max_txs: 80_000, records: 64 << 20, ..AppConfig::default() };
        let mut b = Bench::of(DCERPC.parser.unwrap()(&cfg), cfg);
        let calls: Vec<u8> = (0..n).flat_map(|i| pdu(REQUEST, 3, i, &[0; 8])).collect();
        work::take();
        b.feed(Dir::ToServer, &calls);
        let did = work::take();
        assert_eq!(b.live().len(), n as usize);
        // The oldest that still waits is found, and one that was given up is not.
        b.feed(Dir::ToClient, &pdu(2, 3, n - 256, &[0; 8]));
        let done = b.live().iter().filter(|t| b.parser.common(**t).both_reached(1)).count();
        assert_eq!(done, n as usize - 255);
        b.close();
        did
    };
    let (few, many) = (cost(2000), cost(20_000));
    assert!(few >= 2000 - 256 && many < few * 10 * 2, "{few} {many}");
}
