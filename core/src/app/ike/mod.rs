//! IKE, version 1 (ISAKMP, RFC 2408 and 2409) and version 2 (RFC 7296): each message is a transaction of its own
//! direction.
//!
//! In: datagrams. Out: transactions that keep their message as it came, bounded by [`MOST`]; fields are found in it when
//! rules or records ask ([`message`]). Of version 1 a record also shows what both sides have said so far, so flows keep
//! that, bounded. Keywords, events and record as in Suricata 8 (rules/ike-keywords, output/eve/eve-json-format).

mod log;
mod message;
mod names;
#[cfg(test)]
mod tests;
mod weak;

use self::message::{Header, Payload, Payloads, proposals};
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::plain::{be32, yes_if};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_UDP,
    Outcome, Probe, ProtoDef, Recognise, TxView, Verdict, buffer_at, event_at, int_at,
};
use crate::Dir;
use crate::Dir::{ToClient, ToServer};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};

/// Longest message kept, bytes: no datagram is longer.
const MOST: usize = 64 << 10;
/// Bytes kept of a key exchange, of a nonce and of proposals that later records show.
const KEPT: usize = 4 << 10;
/// Payloads of a message that are looked at.
const PAYLOADS_MAX: usize = 256;

/// Directions of a buffer: clients name themselves and their vendors, servers themselves.
const TS: u8 = ToServer.bit();
const TC: u8 = ToClient.bit();

const fn buffer(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind }
}

const B_INIT: u8 = buffer_at(BUFFERS, "ike.init_spi");
const B_RESP: u8 = buffer_at(BUFFERS, "ike.resp_spi");
const B_VENDOR: u8 = buffer_at(BUFFERS, "ike.vendor");
const B_KEY: u8 = buffer_at(BUFFERS, "ike.key_exchange_payload");

static BUFFERS: &[BufferDef] = &[
    buffer("ike.init_spi", TS, BufferKind::Single),
    buffer("ike.resp_spi", TC, BufferKind::Single),
    buffer("ike.vendor", TS, BufferKind::Multi),
    buffer("ike.key_exchange_payload", TS | TC, BufferKind::Single),
    buffer("ike.nonce_payload", TS | TC, BufferKind::Single),
];

const fn int(name: &'static str) -> IntDef {
    IntDef { name, aliases: &[], dirs: TS | TC, progress: 0, multi: false, values: &[] }
}

const fn chosen(name: &'static str) -> IntDef {
    IntDef { dirs: TC, ..int(name) }
}

const I_EXCHANGE: u8 = int_at(INTS, "ike.exchtype");
const I_KEY: u8 = int_at(INTS, "ike.key_exchange_payload_length");
const I_NONCE: u8 = int_at(INTS, "ike.nonce_payload_length");

static INTS: &[IntDef] = &[
    int("ike.exchtype"),
    int("ike.key_exchange_payload_length"),
    int("ike.nonce_payload_length"),
    chosen("ike.chosen_sa_attribute=alg_enc"),
    chosen("ike.chosen_sa_attribute=alg_hash"),
    chosen("ike.chosen_sa_attribute=alg_auth"),
    chosen("ike.chosen_sa_attribute=alg_dh"),
    chosen("ike.chosen_sa_attribute=alg_prf"),
    chosen("ike.chosen_sa_attribute=sa_group_type"),
    chosen("ike.chosen_sa_attribute=sa_life_type"),
    chosen("ike.chosen_sa_attribute=sa_life_duration"),
    chosen("ike.chosen_sa_attribute=sa_key_length"),
    chosen("ike.chosen_sa_attribute=sa_field_size"),
];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const EV_NO_ENC: u8 = event_at(EVENTS, "no_encryption");
const EV_WEAK_ENC: u8 = event_at(EVENTS, "weak_crypto_enc");
const EV_WEAK_PRF: u8 = event_at(EVENTS, "weak_crypto_prf");
const EV_WEAK_DH: u8 = event_at(EVENTS, "weak_crypto_dh");
const EV_WEAK_AUTH: u8 = event_at(EVENTS, "weak_crypto_auth");
const EV_NO_DH: u8 = event_at(EVENTS, "weak_crypto_no_dh");
const EV_NO_AUTH: u8 = event_at(EVENTS, "weak_crypto_no_auth");
const EV_INVALID: u8 = event_at(EVENTS, "invalid_proposal");
const EV_UNKNOWN: u8 = event_at(EVENTS, "unknown_proposal");
const EV_MULTIPLE: u8 = event_at(EVENTS, "multiple_server_proposal");

static EVENTS: &[&str] = &[
    "malformed_data",
    "no_encryption",
    "weak_crypto_enc",
    "weak_crypto_prf",
    "weak_crypto_dh",
    "weak_crypto_auth",
    "weak_crypto_no_dh",
    "weak_crypto_no_auth",
    "invalid_proposal",
    "unknown_proposal",
    "multiple_server_proposal",
];

/// `ike`.
pub static IKE: ProtoDef = ProtoDef {
    name: "ike",
    over: OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        probes: &[Probe { over: OVER_UDP, ports: &[500, 4500], probe: probe_ike, dirs: 3, min_bytes: 0 }],
        ..Recognise::NONE
    },
    parser: Some(make::<Ike>),
    record: "ike",
    ..ProtoDef::NONE
};

fn probe_ike(b: &[u8], dir: Dir) -> Verdict {
    if b.len() < 28 {
        return Verdict::No;
    }
    let (Some(version), Some(kind), Some(len)) = (b.get(17), b.get(18), be32(b, 24)) else {
        return Verdict::No;
    };
    let is = match (version >> 4, version & 15) {
        (1, _) => true,
        (2, 0) => (34..=37).contains(kind) && len as usize == b.len(),
        _ => false,
    };
    if !is {
        return yes_if(false);
    }
    let opening = b.get(8..16) == Some(&[0; 8]);
    if opening && dir == ToClient { Verdict::Reversed } else { Verdict::Yes }
}

/// Payloads of version 1 and 2 that are of interest by themselves.
const SA: [u8; 2] = [1, 33];
const KEY: [u8; 2] = [4, 34];
const NONCE: [u8; 2] = [10, 40];
const VENDOR: u8 = 13;
const NOTIFY: u8 = 41;

/// Tags of what a record of version 1 shows of the sides: plus 1 for the server's.
const T_KEY: u8 = 2;
const T_NONCE: u8 = 4;
const T_SA: u8 = 6;

/// One message, and what the flow's sides had said up to it.
#[derive(Debug, Default)]
pub struct Own {
    header: Header,
    bytes: PBuf,
    sides: Entries,
    doi: Option<u32>,
    /// It goes to the client.
    answer: bool,
}

/// What the flow keeps: of version 1, of client and server.
#[derive(Debug, Default)]
pub struct State {
    keys: [PBuf; 2],
    nonces: [PBuf; 2],
    /// What the client proposed.
    sa: PBuf,
    doi: Option<u32>,
}

impl State {
    fn forget(&mut self, pool: &mut BytePool) {
        for b in self.keys.iter_mut().chain(&mut self.nonces).chain([&mut self.sa]) {
            b.free(pool);
        }
        self.doi = None;
    }
}

/// The parser.
pub struct Ike;

type Flow<'a> = Transactions<'a, Own>;

fn keep(to: &mut PBuf, bytes: &[u8], pool: &mut BytePool) {
    to.truncate(0);
    // Without room there is nothing to show.
    let _full = to.extend(pool, bytes.get(..KEPT).unwrap_or(bytes));
}

impl Ike {
    /// Looks at the payloads of a message: events, a bit each.
    fn payloads(s: &mut State, h: &Header, msg: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> u128 {
        if h.major == 1 && h.is_encrypted() {
            return 0;
        }
        let d = dir.ix();
        let mut events = 0;
        let mut all = Payloads::of(msg, h);
        for p in all.by_ref().take(PAYLOADS_MAX) {
            match (h.major, p.kind) {
                (2, k) if k == SA[1] && h.exchange == 34 => events |= weak::judge(p.body, dir == ToClient),
                (1, k) if k == SA[0] => {
                    s.doi = message::doi(p.body);
                    if dir == ToServer {
                        keep(&mut s.sa, p.body, cx.pool);
                    } else if chosen_transforms(p.body) > 1 {
                        events |= 1 << EV_MULTIPLE;
                    }
                }
                (1, k) if k == KEY[0] => keep(&mut s.keys[d], p.body, cx.pool),
                (1, k) if k == NONCE[0] => keep(&mut s.nonces[d], p.body, cx.pool),
                _ => {}
            }
        }
        if all.is_broken() {
            events |= 1 << EV_MALFORMED;
        }
        events
    }

    /// What both sides have said, for the record of this message.
    fn sides(s: &State, own: &mut Own, pool: &mut BytePool) {
        own.doi = s.doi;
        for d in 0..2 {
            for (tag, buf) in [(T_KEY, &s.keys[d]), (T_NONCE, &s.nonces[d])] {
                if !buf.is_empty() {
                    own.sides.push_from(pool, tag + d as u8, buf, KEPT);
                }
            }
        }
        if !s.sa.is_empty() {
            own.sides.push_from(pool, T_SA, &s.sa, KEPT);
        }
    }
}

fn chosen_transforms(sa: &[u8]) -> usize {
    proposals(sa, true).map(|p| p.transforms(true).count()).sum()
}

impl Own {
    /// The payloads that can be read.
    fn payloads<'a>(&self, pool: &'a BytePool) -> impl Iterator<Item = Payload<'a>> + use<'a> {
        let msg = self.bytes.get(pool);
        let hidden = self.header.major == 1 && self.header.is_encrypted();
        Payloads::of(if hidden { &[] } else { msg }, &self.header).take(PAYLOADS_MAX)
    }

    /// The first payload of one of these types, the version's own.
    fn first<'a>(&self, pool: &'a BytePool, kinds: [u8; 2]) -> Option<&'a [u8]> {
        let kind = kinds[usize::from(self.header.major == 2)];
        let body = self.payloads(pool).find(|p| p.kind == kind)?.body;
        // Version 2 puts the group before the key (RFC 7296 3.4).
        if kind == KEY[1] { body.get(4..) } else { Some(body) }
    }

    /// An attribute of what the server chose; in version 2 the transform of that kind.
    fn chosen(&self, pool: &BytePool, name: &str) -> Option<u64> {
        if !self.answer {
            return None;
        }
        let v1 = self.header.major == 1;
        let sa = self.first(pool, SA)?;
        let mut transforms = proposals(sa, v1).next()?.transforms(v1);
        if v1 {
            let kind = names::ATTRIBUTES.iter().find(|a| a.1 == name)?.0;
            return transforms.next()?.attributes().find(|a| a.kind == kind)?.value.map(u64::from);
        }
        let kind = match name {
            "alg_enc" => 1,
            "alg_prf" => 2,
            "alg_auth" => 3,
            "alg_dh" => 4,
            _ => return None,
        };
        transforms.find(|t| t.kind == kind).map(|t| u64::from(t.id))
    }
}

/// Lower-case hexadecimal digits of `bytes`, as rules write them.
fn hex<'a>(bytes: &[u8], out: &'a mut Scratch) -> &'a [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.clear();
    for b in bytes {
        let digit = |n: u8| DIGITS.get(usize::from(n)).copied().unwrap_or(b'0');
        out.extend(&[digit(b >> 4), digit(b & 15)]);
    }
    out.as_slice()
}

impl Protocol for Ike {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Ike
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        if input.data.is_empty() {
            return all;
        }
        let header = Header::read(input.data);
        let events = match &header {
            Some(h) if matches!(h.major, 1 | 2) => {
                // A client that begins anew.
                if h.major == 1 && input.dir == ToServer && h.responder == [0; 8] && h.id == 0 {
                    s.forget(cx.pool);
                }
                Self::payloads(s, h, input.data, input.dir, cx)
            }
            // Of no version that there is: what else goes through the port (ESP in UDP, RFC 3948).
            Some(_) => return all,
            None => 1 << EV_MALFORMED,
        };
        let Some(tx) = flow.open(cx.now) else { return all };
        let t = flow.get(tx);
        t.own.header = header.unwrap_or_default();
        t.own.answer = input.dir == ToClient;
        if cx.shown {
            // Without room the message has no fields.
            let _full = t.own.bytes.extend(cx.pool, input.data.get(..MOST).unwrap_or(input.data));
            if t.own.header.major == 1 && !t.own.header.is_encrypted() {
                Self::sides(s, &mut t.own, cx.pool);
            }
        }
        t.common.advance_both(1);
        t.common.settle(input.dir.flip());
        for ev in (0..EVENTS.len() as u8).filter(|ev| events >> ev & 1 == 1) {
            t.common.raise(ev, input.dir);
        }
        all
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.bytes.free(pool);
        own.sides.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.forget(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, index, pool, scratch, dir } = at;
        let own = &tx.own;
        if own.answer != (dir == ToClient) || own.header.major == 0 {
            return Buffer::Absent;
        }
        if local == B_VENDOR {
            let mut all = own.payloads(pool).filter(|p| own.header.major == 1 && p.kind == VENDOR);
            return match all.nth(index as usize) {
                Some(p) => Buffer::whole(hex(p.body, scratch)),
                None => Buffer::Absent,
            };
        }
        if index > 0 {
            return Buffer::Absent;
        }
        let found = match local {
            B_INIT => return Buffer::whole(hex(&own.header.initiator, scratch)),
            B_RESP => return Buffer::whole(hex(&own.header.responder, scratch)),
            B_KEY => own.first(pool, KEY),
            _ => own.first(pool, NONCE),
        };
        found.map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if own.answer != (at.dir == ToClient) || own.header.major == 0 {
            return None;
        }
        let len = |kinds| own.first(at.pool, kinds).map(|b| b.len() as u64);
        match at.local {
            I_EXCHANGE => Some(u64::from(own.header.exchange)),
            I_KEY => len(KEY),
            I_NONCE => len(NONCE),
            n => own.chosen(at.pool, INTS.get(usize::from(n))?.name.split_once('=')?.1),
        }
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        // Nothing is there to show of what has no header.
        if tx.own.header.major == 0 { 0 } else { LOG_WHOLE }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        self.log_due(tx)
    }
}
