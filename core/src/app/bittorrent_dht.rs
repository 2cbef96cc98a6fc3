//! BitTorrent's distributed hash table (BEP 5, BEP 32): each message is a transaction of its own direction.
//!
//! In: datagrams. Out: transactions that keep their message as it came; its fields are found in it when a record asks.
//! Record and event as in Suricata 8.

use super::hosted::{Protocol, Transactions, make};
use super::plain::start;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, LOG_REQUEST, LOG_RESPONSE, OVER_UDP, Outcome, ProtoDef,
    Recognise, TxView, event_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Longest message kept, bytes.
const MOST: usize = 16 << 10;
/// Lists and dictionaries inside each other.
const DEPTH_MAX: u8 = 8;
/// Nodes and peers that a record shows.
const LIST_MAX: usize = 64;

/// How messages begin: a query, an answer, an answer with the asker's address, an error.
const BEGINNINGS: &[&[u8]] = &[b"d1:ad", b"d1:rd", b"d2:ip", b"d1:el"];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_packet");

static EVENTS: &[&str] = &["malformed_packet"];

/// `bittorrent-dht`.
pub static BITTORRENT_DHT: ProtoDef = ProtoDef {
    name: "bittorrent-dht",
    over: OVER_UDP,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[
            start(b"d1:ad2:id20:", ToServer, OVER_UDP),
            start(b"d1:ad2:id20:", ToClient, OVER_UDP),
            start(b"d1:rd2:id20:", ToServer, OVER_UDP),
            start(b"d1:rd2:id20:", ToClient, OVER_UDP),
            start(b"d2:ip", ToServer, OVER_UDP),
            start(b"d2:ip", ToClient, OVER_UDP),
            start(b"d1:el", ToServer, OVER_UDP),
            start(b"d1:el", ToClient, OVER_UDP),
        ],
        ..Recognise::NONE
    },
    parser: Some(make::<Dht>),
    record: "bittorrent_dht",
    by_message: true,
    ..ProtoDef::NONE
};

/// A value (BEP 3, bencoding). Lists and dictionaries are what lies between their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Text(&'a [u8]),
    Number(i64),
    List(&'a [u8]),
    Dict(&'a [u8]),
}

/// The decimal number before `end`, and what follows that.
fn number(b: &[u8], end: u8) -> Option<(i64, &[u8])> {
    let at = b.iter().take(20).position(|c| *c == end)?;
    let n = core::str::from_utf8(b.get(..at)?).ok()?.parse().ok()?;
    Some((n, b.get(at + 1..)?))
}

/// The value that `b` begins with, and what follows it. Each byte is read once for each list around it.
fn value(b: &[u8], depth: u8) -> Option<(Value<'_>, &[u8])> {
    match b.first()? {
        b'i' => {
            let (n, rest) = number(b.get(1..)?, b'e')?;
            Some((Value::Number(n), rest))
        }
        b'0'..=b'9' => {
            let (n, rest) = number(b, b':')?;
            let (text, rest) = rest.split_at_checked(usize::try_from(n).ok()?)?;
            Some((Value::Text(text), rest))
        }
        kind @ (b'l' | b'd') if depth < DEPTH_MAX => {
            let inside = b.get(1..)?;
            let mut rest = inside;
            while *rest.first()? != b'e' {
                rest = value(rest, depth + 1)?.1;
            }
            let inside = inside.get(..inside.len() - rest.len())?;
            let all = if *kind == b'l' { Value::List(inside) } else { Value::Dict(inside) };
            Some((all, rest.get(1..)?))
        }
        _ => None,
    }
}

/// The values inside a list.
fn items(mut inside: &[u8]) -> impl Iterator<Item = Value<'_>> {
    core::iter::from_fn(move || {
        let (v, rest) = value(inside, 1)?;
        inside = rest;
        Some(v)
    })
}

/// The value of a key of a dictionary.
fn get<'a>(dict: &'a [u8], key: &[u8]) -> Option<Value<'a>> {
    let mut rest = dict;
    while let Some((Value::Text(k), after)) = value(rest, 1) {
        let (v, next) = value(after, 1)?;
        if k == key {
            return Some(v);
        }
        rest = next;
    }
    None
}

fn text<'a>(dict: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    match get(dict, key) {
        Some(Value::Text(t)) => Some(t),
        _ => None,
    }
}

/// A message: the inside of its dictionary. `None`: it is none.
fn message(b: &[u8]) -> Option<&[u8]> {
    match value(b, 0) {
        Some((Value::Dict(inside), [])) => Some(inside),
        _ => None,
    }
}

/// Whether a message has all that its kind needs (BEP 5, "KRPC Protocol").
fn is_sound(dict: &[u8]) -> bool {
    let has = |d: &[u8], keys: &[&[u8]]| keys.iter().all(|k| text(d, k).is_some());
    let body = match text(dict, b"y") {
        Some(b"q") => match (text(dict, b"q"), get(dict, b"a")) {
            (Some(q), Some(Value::Dict(a))) => match q {
                b"ping" => has(a, &[b"id"]),
                b"find_node" => has(a, &[b"id", b"target"]),
                b"get_peers" => has(a, &[b"id", b"info_hash"]),
                b"announce_peer" => {
                    has(a, &[b"id", b"info_hash", b"token"])
                        && matches!(get(a, b"port"), Some(Value::Number(_)))
                }
                _ => true,
            },
            _ => false,
        },
        Some(b"r") => matches!(get(dict, b"r"), Some(Value::Dict(r)) if has(r, &[b"id"])),
        Some(b"e") => matches!(get(dict, b"e"), Some(Value::List(_))),
        _ => false,
    };
    body && has(dict, &[b"t"])
}

/// One message.
#[derive(Debug, Default)]
pub struct Own {
    bytes: PBuf,
    dir: Dir,
}

/// The parser.
pub struct Dht;

impl Protocol for Dht {
    type State = ();
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Dht
    }

    fn parse(
        &mut self,
        (): &mut (),
        flow: &mut Transactions<'_, Own>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        // On the same ports other things are said (uTP); those are no messages.
        if !BEGINNINGS.iter().any(|b| input.data.len() > b.len() && input.data.starts_with(b)) {
            return all;
        }
        let sound = message(input.data).is_some_and(is_sound);
        let Some(tx) = flow.open(cx.now) else { return all };
        let t = flow.get(tx);
        t.own.dir = input.dir;
        if cx.shown && input.data.len() <= MOST {
            // Without room the message has no fields.
            let _full = t.own.bytes.extend(cx.pool, input.data);
        }
        t.common.advance_both(1);
        t.common.settle(input.dir.flip());
        if !sound {
            t.common.raise(EV_MALFORMED, input.dir);
        }
        all
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.bytes.free(pool);
    }

    fn buffer<'a>(&'a self, _: &'a Tx<Own>, _: BufferAt<'a>) -> Buffer<'a> {
        Buffer::Absent
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        if let Some(dict) = message(tx.own.bytes.get(view.pool)) {
            log(dict, out);
        } else {
            out.str("transaction_id", "");
        }
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        match tx.own.dir {
            ToServer => LOG_REQUEST,
            ToClient => LOG_RESPONSE,
        }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        self.log_due(tx)
    }
}

fn log(dict: &[u8], out: &mut dyn Fields) {
    out.hex("transaction_id", text(dict, b"t").unwrap_or(&[]));
    if let Some(version) = text(dict, b"v") {
        out.hex("client_version", version);
    }
    if let Some(q) = text(dict, b"q") {
        out.bytes("request_type", q);
    }
    if let Some(Value::Dict(a)) = get(dict, b"a") {
        out.begin_object("request");
        for key in ["id", "target", "info_hash", "token"] {
            if let Some(t) = text(a, key.as_bytes()) {
                out.hex(key, t);
            }
        }
        for key in ["implied_port", "port"] {
            if let Some(Value::Number(n)) = get(a, key.as_bytes()) {
                out.i64(key, n);
            }
        }
        out.end_object();
    }
    if let Some(Value::Dict(r)) = get(dict, b"r") {
        response(r, out);
    }
    if let Some(Value::List(e)) = get(dict, b"e") {
        out.begin_object("error");
        let mut all = items(e);
        if let Some(Value::Number(n)) = all.next() {
            out.i64("num", n);
        }
        if let Some(Value::Text(t)) = all.next() {
            out.bytes("msg", t);
        }
        out.end_object();
    }
}

fn response(r: &[u8], out: &mut dyn Fields) {
    out.begin_object("response");
    out.hex("id", text(r, b"id").unwrap_or(&[]));
    nodes(r, "nodes", 26, out);
    nodes(r, "nodes6", 38, out);
    if let Some(Value::List(l)) = get(r, b"values") {
        out.begin_array("values");
        for v in items(l).take(LIST_MAX) {
            if let Value::Text(
                peer @ ([_, _, _, _, _, _] | [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]),
            ) = v
            {
                out.begin_object("");
                address(peer, out);
                out.end_object();
            }
        }
        out.end_array();
    }
    if let Some(token) = text(r, b"token") {
        out.hex("token", token);
    }
    out.end_object();
}

/// Nodes of `size` bytes each: an id, an address and a port.
fn nodes(r: &[u8], key: &str, size: usize, out: &mut dyn Fields) {
    let Some(all) = text(r, key.as_bytes()).filter(|n| !n.is_empty() && n.len().is_multiple_of(size)) else {
        return;
    };
    out.begin_array(key);
    for node in all.chunks_exact(size).take(LIST_MAX) {
        let (id, at) = node.split_at_checked(20).unwrap_or((node, &[]));
        out.begin_object("");
        out.hex("id", id);
        address(at, out);
        out.end_object();
    }
    out.end_array();
}

/// An address and the port behind it.
fn address(at: &[u8], out: &mut dyn Fields) {
    let Some((ip, [a, b])) = at.split_last_chunk::<2>() else { return };
    if let [a, b, c, d] = ip {
        out.fmt("ip", format_args!("{a}.{b}.{c}.{d}"));
    } else if let Some(ip) = ip.first_chunk::<16>() {
        let g = |i: usize| u16::from_be_bytes([ip[2 * i], ip[2 * i + 1]]);
        let (a, b, c, d) = (g(0), g(1), g(2), g(3));
        let (e, f, h, i) = (g(4), g(5), g(6), g(7));
        out.fmt("ip", format_args!("{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{h:04x}:{i:04x}"));
    }
    out.u64("port", u64::from(u16::from_be_bytes([*a, *b])));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::bench::Bench;
    use crate::app::shown::{events, record, seen};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const PING: &[u8] = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v2:UT1:y1:qe";
    const ANNOUNCE: &[u8] =
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:\
porti6881e5:token3:aoee1:q13:announce_peer1:t2:aa1:y1:qe";
    const PEERS: &[u8] =
        b"d1:rd2:id4:abcd5:nodes26:abcdefghij0123456789\x01\x02\x03\x04\x1a\xe15:token1:x6:valuesl6:axje.u\
6:idhtnmee1:t2:aa1:y1:re";
    const ERROR: &[u8] = b"d1:eli201e5:wronge1:t2:aa1:y1:ee";

    #[test]
    fn messages() {
        let mut b = Bench::new(&BITTORRENT_DHT);
        b.datagram(ToServer, PING);
        b.datagram(ToServer, ANNOUNCE);
        b.datagram(ToClient, PEERS);
        b.datagram(ToClient, ERROR);
        assert_eq!(
            [0, 1, 2, 3].map(|i| record(&b, &BITTORRENT_DHT, i)),
            [
                "transaction_id=6161 client_version=5554 request_type=ping request{ \
                 id=6162636465666768696a30313233343536373839 }",
                "transaction_id=6161 request_type=announce_peer request{ id=6162636465666768696a30313233343536373839 \
                 info_hash=6d6e6f707172737475767778797a313233343536 token=616f65 implied_port=1 port=6881 }",
                "transaction_id=6161 response{ id=61626364 nodes[ { id=6162636465666768696a30313233343536373839 ip=1.2.3.4 \
                 port=6881 } ] values[ { ip=97.120.106.101 port=11893 } { ip=105.100.104.116 port=28269 } ] token=78 }",
                "transaction_id=6161 error{ num=201 msg=wrong }",
            ]
        );
        assert_eq!([0, 1, 2, 3].map(|i| b.events(i)), [0; 4]);
        assert_eq!(b.parser.log_due(b.tx(2)), LOG_RESPONSE);
        b.close();
    }

    #[test]
    fn what_lacks_something_is_malformed() {
        for bytes in [
            &b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe"[..],
            b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
            b"d1:rd2:id20:abcde",
            b"d1:eli2",
            b"d1:rd1:allllllllllllllllleeeeeeeeeeeeeeeee1:t1:a1:y1:re",
        ] {
            let mut b = Bench::new(&BITTORRENT_DHT);
            b.datagram(ToServer, bytes);
            assert_eq!(events(&b, &BITTORRENT_DHT, 0), ["malformed_packet"]);
            assert!(record(&b, &BITTORRENT_DHT, 0).starts_with("transaction_id="));
            b.close();
        }
    }

    #[test]
    fn what_is_no_message_has_no_transaction() {
        let mut b = Bench::new(&BITTORRENT_DHT);
        b.datagram(ToServer, PING);
        b.datagram(ToClient, b"\x41\x02 something of uTP");
        b.datagram(ToClient, b"d1:el");
        assert_eq!(b.live().len(), 1);
        b.close();
    }

    proptest! {
        #[test]
        fn never_panics(
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut b = Bench::new(&BITTORRENT_DHT);
            for bytes in [PING, ANNOUNCE, PEERS, ERROR] {
                let mut bytes: Vec<u8> = bytes.to_vec();
                for (at, v) in &changes {
                    let i = at.index(bytes.len());
                    bytes[i] = *v;
                }
                b.datagram(ToServer, &bytes);
                b.datagram(ToClient, &bytes[..cut.index(bytes.len())]);
            }
            b.datagram(ToServer, &tail);
            seen(&mut b, &BITTORRENT_DHT);
            b.close();
        }
    }
}
