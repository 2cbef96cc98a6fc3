//! RDP as a connection begins (X.224 in TPKT, RFC 1006 and MS-RDPBCGR 1.3.1.1): each message of the beginning is a
//! transaction of its own direction.
//!
//! In: the bytes of a connection. Out: transactions of the negotiation, of the exchange of settings, and, where both
//! agreed on TLS, of the server's certificates; what follows is encrypted or pictures, which nothing here reads. As in
//! Suricata 8 the flow stays RDP.

mod client;
mod log;
mod names;
#[cfg(test)]
mod tests;

use super::hosted::{Protocol, Transactions, make};
use super::octets::Octets;
use super::plain::{be16, yes_if};
use super::tls::x509;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, LOG_WHOLE, OVER_TCP, Outcome, Probe, ProtoDef, Recognise,
    TxView, Verdict,
};
use crate::Dir;
use crate::Dir::ToClient;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Messages of a beginning: no more are looked at.
const MESSAGES_MAX: u8 = 32;
/// Bytes of a TPKT header.
const TPKT: usize = 4;
/// Bytes of a TLS handshake in which certificates are looked for, and certificates of it.
const HANDSHAKE_MAX: usize = 64 << 10;
const CERTS_MAX: usize = 16;

/// `rdp`.
pub static RDP: ProtoDef = ProtoDef {
    name: "rdp",
    over: OVER_TCP,
    recognise: Recognise {
        probes: &[Probe { over: OVER_TCP, ports: &[3389], probe: probe_rdp, dirs: 3, min_bytes: 0 }],
        ..Recognise::NONE
    },
    due: is_due,
    parser: Some(make::<Rdp>),
    record: "rdp",
    ..ProtoDef::NONE
};

/// Raw bytes of messages are looked at when they are whole; encrypted ones wait until there are many.
fn is_due(b: &[u8], dir: Dir) -> bool {
    matches!((b.first(), dir), (Some(3), _) | (Some(0x16), ToClient))
}

fn probe_rdp(b: &[u8], _: Dir) -> Verdict {
    match b {
        [] => Verdict::Unsure,
        [3, 0, ..] => match be16(b, 2) {
            Some(n) => yes_if(n >= 7 && b.len() >= 7),
            None => Verdict::Unsure,
        },
        _ => Verdict::No,
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Request,
    Response,
    ConnectRequest,
    ConnectResponse,
    Tls,
}

/// One message. What is kept: the cookie of a request; the settings of a client as they came; serial numbers of
/// certificates, each behind its length.
#[derive(Debug, Default)]
pub struct Own {
    kind: Kind,
    bytes: PBuf,
    negotiation: Option<Negotiation>,
}

/// RDP_NEG_REQ, RDP_NEG_RSP, RDP_NEG_FAILURE (MS-RDPBCGR 2.2.1.1.1, 2.2.1.2.1, 2.2.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Negotiation {
    kind: u8,
    flags: u8,
    value: u32,
}

impl Negotiation {
    fn read(o: &mut Octets<'_>) -> Option<Negotiation> {
        let (kind, flags) = (o.u8()?, o.u8()?);
        if o.le16()? != 8 || !(1..=3).contains(&kind) {
            return None;
        }
        Some(Negotiation { kind, flags, value: o.le32()? })
    }
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    /// Both agreed on TLS.
    tls: bool,
    /// Nothing more is read.
    over: bool,
    /// Messages so far.
    count: u8,
    /// Handshake bytes of the server, without the heads of their records.
    handshake: PBuf,
}

/// The parser.
pub struct Rdp;

type Flow<'a> = Transactions<'a, Own>;

/// How far reading came.
enum Step {
    Used(usize),
    Need(usize),
    Failed,
}

/// A message in its own direction.
fn open<'f>(flow: &'f mut Flow<'_>, kind: Kind, dir: Dir, now: u64) -> Option<&'f mut Tx<Own>> {
    let tx = flow.open(now)?;
    let t = flow.get(tx);
    t.own.kind = kind;
    t.common.advance_both(1);
    t.common.settle(dir.flip());
    Some(t)
}

impl State {
    /// A TPKT packet.
    fn packet(&mut self, flow: &mut Flow<'_>, rest: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> Step {
        let Some(len) = be16(rest, 2).map(usize::from) else { return Step::Need(TPKT) };
        if rest.first() != Some(&3) || len < TPKT + 3 {
            return Step::Failed;
        }
        let Some(packet) = rest.get(..len) else { return Step::Need(len) };
        self.count += 1;
        self.over = self.count >= MESSAGES_MAX;
        let mut o = Octets(packet.get(TPKT..).unwrap_or(&[]));
        let (_, code) = (o.u8(), o.u8().unwrap_or(0));
        match code {
            // Connection request and confirm: two references and a class follow (X.224 13.3).
            0xe0 | 0xd0 => {
                let _ = o.take(5);
                self.negotiate(flow, o, code == 0xe0, dir, cx);
            }
            0xf0 => {
                let _ = o.take(1);
                self.data(flow, o.0, dir, cx);
            }
            _ => {}
        }
        Step::Used(len)
    }

    fn negotiate(
        &mut self,
        flow: &mut Flow<'_>,
        mut o: Octets<'_>,
        request: bool,
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) {
        let kind = if request { Kind::Request } else { Kind::Response };
        let Some(t) = open(flow, kind, dir, cx.now) else { return };
        // A cookie or a routing token is a line of text.
        if request && let Some(n) = o.0.windows(2).position(|w| w == b"\r\n") {
            let line = o.take(n).unwrap_or(&[]);
            let _ = o.take(2);
            if let Some(name) = line.strip_prefix(b"Cookie: mstshash=").filter(|_| cx.shown) {
                // Without room there is no cookie to show.
                let _full = t.own.bytes.extend(cx.pool, name);
            }
        }
        t.own.negotiation = Negotiation::read(&mut o);
        if let Some(Negotiation { kind: 2, value, .. }) = t.own.negotiation {
            self.tls = value != 0;
        }
    }

    /// Messages of MCS (T.125): only the exchange of settings is read.
    fn data(&mut self, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        match b {
            [0x7f, 0x65, ..] => {
                if let Some(t) = open(flow, Kind::ConnectRequest, dir, cx.now).filter(|_| cx.shown) {
                    // Without room there are no settings to show.
                    let _full = t.own.bytes.extend(cx.pool, client::settings(b));
                }
            }
            [0x7f, 0x66, ..] => {
                open(flow, Kind::ConnectResponse, dir, cx.now);
                self.over = true;
            }
            _ => {}
        }
    }

    /// A TLS record: the server's certificates are looked for.
    fn record(&mut self, flow: &mut Flow<'_>, rest: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> Step {
        let (Some(kind), Some(len)) = (rest.first(), be16(rest, 3)) else { return Step::Need(5) };
        let len = 5 + usize::from(len);
        if !(0x14..=0x17).contains(kind) {
            return Step::Failed;
        }
        let Some(record) = rest.get(..len) else { return Step::Need(len) };
        if dir == ToClient {
            // What is not of the handshake, or more than is worth it, ends the search.
            let fits = self.handshake.len() + len <= HANDSHAKE_MAX;
            self.over = *kind != 0x16 || !fits;
            if !self.over && self.handshake.extend(cx.pool, record.get(5..).unwrap_or(&[])).is_ok() {
                self.certificates(flow, cx);
            }
            if self.over {
                self.handshake.free(cx.pool);
            }
        }
        Step::Used(len)
    }

    /// Looks for whole handshake messages (RFC 5246 7.4), each of which is taken out.
    fn certificates(&mut self, flow: &mut Flow<'_>, cx: &mut AppCx<'_>) {
        let mut o = Octets(self.handshake.get(cx.pool));
        let mut done = 0;
        while let Some((kind, body)) = handshake_message(&mut o) {
            if kind == CERTIFICATE {
                let (serials, n) = serials(body);
                self.over = true;
                if let Some(t) = open(flow, Kind::Tls, ToClient, cx.now).filter(|_| cx.shown) {
                    // Without room there are none to show.
                    let _full = t.own.bytes.extend(cx.pool, serials.get(..n).unwrap_or(&[]));
                }
                return;
            }
            done += 4 + body.len();
        }
        self.handshake.drain_front(cx.pool, done);
    }
}

/// Type of a handshake message with certificates.
const CERTIFICATE: u8 = 11;

fn handshake_message<'a>(o: &mut Octets<'a>) -> Option<(u8, &'a [u8])> {
    let mut ahead = *o;
    let kind = ahead.u8()?;
    let body = sized24(&mut ahead)?;
    *o = ahead;
    Some((kind, body))
}

/// Bytes behind their length in three bytes.
fn sized24<'a>(o: &mut Octets<'a>) -> Option<&'a [u8]> {
    let len = u32::from(o.u8()?) << 16 | u32::from(o.u16()?);
    o.take(len as usize)
}

/// Serial numbers of a list of certificates, each behind its length; how many bytes they are.
fn serials(message: &[u8]) -> ([u8; CERTS_MAX * 33], usize) {
    let (mut all, mut n) = ([0u8; CERTS_MAX * 33], 0);
    let mut o = Octets(message.get(3..).unwrap_or(&[]));
    while let Some(cert) = sized24(&mut o) {
        let Ok(cert) = x509::parse(cert) else { continue };
        let serial = cert.serial.get(..32).unwrap_or(cert.serial);
        let Some(to) = all.get_mut(n..n + 1 + serial.len()) else { break };
        if let Some((len, bytes)) = to.split_first_mut() {
            *len = serial.len() as u8;
            bytes.copy_from_slice(serial);
        }
        n += 1 + serial.len();
    }
    (all, n)
}

impl Protocol for Rdp {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Rdp
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        cx.due = if is_due(input.data, input.dir) { input.dir.bit() } else { 0 };
        if s.over {
            return Outcome::Consumed { bytes: input.data.len(), need: 0 };
        }
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if s.over {
                return Outcome::Consumed { bytes: input.data.len(), need: 0 };
            }
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let step =
                if s.tls { s.record(flow, rest, input.dir, cx) } else { s.packet(flow, rest, input.dir, cx) };
            match step {
                Step::Used(n) => at += n,
                Step::Need(need) => return Outcome::Consumed { bytes: at, need },
                Step::Failed => return Outcome::Failed,
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.bytes.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.handshake.free(cx.pool);
    }

    fn buffer<'a>(&'a self, _: &'a Tx<Own>, _: BufferAt<'a>) -> Buffer<'a> {
        Buffer::Absent
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        out.u64("tx_id", tx.common.id);
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, _: &Tx<Own>) -> u8 {
        LOG_WHOLE
    }
}
