//! DCERPC (C706, connection-oriented): interfaces that were bound, operations that are called.
//!
//! In: a stream of PDUs, or those that SMB carries in named pipes ([`Pdu`], [`Bound`]). Out: a transaction a call. Owns the
//! interfaces that a connection bound.

use super::hosted::{Protocol, Transactions, make};
use super::plain::DCERPC_BEGINS;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, OVER_UDP,
    Outcome, ProtoDef, TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;

/// The interface of a call: UUID as its text has it, version, and whether the call's first fragment was seen.
pub(super) const INTERFACE: BufferDef = BufferDef {
    name: "dcerpc.iface",
    aliases: &[],
    modifiers: &[],
    dirs: 3,
    progress: 0,
    kind: BufferKind::Single,
};

pub(super) const OPERATION: IntDef =
    IntDef { name: "dcerpc.opnum", aliases: &[], dirs: 3, progress: 0, multi: false, values: &[] };

pub static DCERPC: ProtoDef = ProtoDef {
    name: "dcerpc",
    over: OVER_TCP | OVER_UDP,
    buffers: &[INTERFACE],
    ints: &[OPERATION],
    recognise: DCERPC_BEGINS,
    parser: Some(make::<Dcerpc>),
    ..ProtoDef::NONE
};

/// Bytes of a PDU's common header.
const HEAD: usize = 16;
/// Interfaces that a connection may bind.
const CONTEXTS: usize = 16;
/// Calls that wait for their answers.
const PENDING: usize = 256;

const REQUEST: u8 = 0;
const BIND: u8 = 11;
const ALTER: u8 = 14;

/// One PDU's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pdu {
    pub(super) kind: u8,
    first: bool,
    little: bool,
    pub(super) len: usize,
    pub(super) call: u32,
}

impl Pdu {
    /// The header of a version 5 PDU. `None`: it is none.
    pub(super) fn read(b: &[u8]) -> Option<Pdu> {
        let h = b.first_chunk::<HEAD>()?;
        if h[0] != 5 || h[1] > 1 || h[2] > 19 {
            return None;
        }
        let little = h[4] & 0x10 != 0;
        let (len, call) = ([h[8], h[9]], [h[12], h[13], h[14], h[15]]);
        let (len, call) = if little {
            (u16::from_le_bytes(len), u32::from_le_bytes(call))
        } else {
            (u16::from_be_bytes(len), u32::from_be_bytes(call))
        };
        let len = usize::from(len);
        (len >= HEAD).then_some(Pdu { kind: h[2], first: h[3] & 1 != 0, little, len, call })
    }

    fn u16(self, b: &[u8], at: usize) -> Option<u16> {
        let v = *b.get(at..)?.first_chunk::<2>()?;
        Some(if self.little { u16::from_le_bytes(v) } else { u16::from_be_bytes(v) })
    }

    pub(super) fn is_request(self) -> bool {
        matches!(self.kind, REQUEST | BIND | ALTER)
    }

    /// It answers a call: a response or a fault.
    pub(super) fn is_answer(self) -> bool {
        matches!(self.kind, 2 | 3 | 12 | 13 | 15)
    }
}

/// An interface with its number in the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    id: u16,
    uuid: [u8; 16],
    version: u16,
}

/// What a connection bound.
#[derive(Debug, Default)]
pub(super) struct Bound {
    list: [Context; CONTEXTS],
    len: usize,
}

/// What rules ask of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    pub(super) opnum: Option<u16>,
    /// UUID, version (little-endian), 1 for a first fragment.
    iface: [u8; 19],
    known: bool,
}

impl Call {
    pub(super) fn interface(&self) -> Option<&[u8]> {
        self.known.then_some(&self.iface[..])
    }
}

impl Bound {
    /// Notes what a bind asks for; what a request calls.
    pub(super) fn request(&mut self, pdu: Pdu, b: &[u8]) -> Call {
        match pdu.kind {
            REQUEST => self.call(pdu, b).unwrap_or_default(),
            BIND | ALTER => {
                let _short = self.bind(pdu, b);
                Call::default()
            }
            _ => Call::default(),
        }
    }

    fn call(&self, pdu: Pdu, b: &[u8]) -> Option<Call> {
        let (context, opnum) = (pdu.u16(b, 20)?, pdu.u16(b, 22)?);
        let mut call = Call { opnum: Some(opnum), ..Call::default() };
        if let Some(c) = self.list.iter().take(self.len).find(|c| c.id == context) {
            call.known = true;
            call.iface[..16].copy_from_slice(&c.uuid);
            call.iface[16..18].copy_from_slice(&c.version.to_le_bytes());
            call.iface[18] = u8::from(pdu.first);
        }
        Some(call)
    }

    fn bind(&mut self, pdu: Pdu, b: &[u8]) -> Option<()> {
        let n = *b.get(24)?;
        let mut at = 28;
        for _ in 0..n {
            let id = pdu.u16(b, at)?;
            let syntaxes = usize::from(*b.get(at + 2)?);
            let uuid = text_order(b.get(at + 4..)?.first_chunk::<16>()?, pdu.little);
            let version = pdu.u16(b, at + 20)?;
            let place = self.list.iter().take(self.len).position(|c| c.id == id).unwrap_or(self.len);
            if let Some(slot) = self.list.get_mut(place) {
                *slot = Context { id, uuid, version };
                self.len = self.len.max(place + 1);
            }
            at += 24 + 20 * syntaxes;
        }
        Some(())
    }
}

/// A UUID as its text has it: on the wire the first three parts have the sender's byte order.
fn text_order(wire: &[u8; 16], little: bool) -> [u8; 16] {
    let mut u = *wire;
    if little {
        u[..4].reverse();
        u[4..6].reverse();
        u[6..8].reverse();
    }
    u
}

/// One call.
#[derive(Debug, Default)]
pub struct Exchange {
    id: u32,
    call: Call,
}

#[derive(Debug, Default)]
pub struct State {
    bound: Bound,
    pending: usize,
    /// Bytes of a PDU too long to be kept that are still to come.
    skip: [usize; 2],
}

pub struct Dcerpc;

impl Dcerpc {
    fn pdu(s: &mut State, flow: &mut Transactions<'_, Exchange>, pdu: Pdu, b: &[u8], dir: Dir, now: u64) {
        if dir == Dir::ToServer && pdu.is_request() {
            let call = s.bound.request(pdu, b);
            if s.pending >= PENDING
                && let Some(old) = flow.waiting(|_| true)
            {
                finish(s, flow, old);
            }
            let Some(tx) = flow.open(now) else { return };
            s.pending += 1;
            flow.wait(tx);
            let t = flow.get(tx);
            (t.own.id, t.own.call) = (pdu.call, call);
            t.common.advance(Dir::ToServer, 1);
        } else if dir == Dir::ToClient
            && pdu.is_answer()
            && let Some(tx) = flow.waiting(|t| t.own.id == pdu.call)
        {
            finish(s, flow, tx);
        }
    }
}

fn finish(s: &mut State, flow: &mut Transactions<'_, Exchange>, tx: TxIdx) {
    flow.answered(tx);
    s.pending = s.pending.saturating_sub(1);
    flow.get(tx).common.advance_both(1);
}

impl Protocol for Dcerpc {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Dcerpc
    }

    fn parse(
        &mut self,
        s: &mut State,
        flow: &mut Transactions<'_, Exchange>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        let all = Outcome::Consumed { bytes: input.data.len(), need: 0 };
        if input.datagram {
            // Over UDP it is version 4, whose headers are others.
            return all;
        }
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let d = input.dir.ix();
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if s.skip[d] > 0 {
                let n = s.skip[d].min(rest.len());
                s.skip[d] -= n;
                at += n;
                continue;
            }
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            if rest.len() < HEAD {
                return Outcome::Consumed { bytes: at, need: HEAD };
            }
            let Some(pdu) = Pdu::read(rest) else { return Outcome::Failed };
            // All that is read of a request lies in its first bytes.
            let need = if pdu.kind == REQUEST { pdu.len.min(24) } else { pdu.len };
            if rest.len() < need {
                return Outcome::Consumed { bytes: at, need };
            }
            Self::pdu(s, flow, pdu, rest.get(..need).unwrap_or(rest), input.dir, cx.now);
            at += need;
            s.skip[d] = pdu.len - need;
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(_: &mut Exchange, _: &mut BytePool) {}

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        tx.own.call.interface().filter(|_| at.index == 0).map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Exchange>, _: IntAt<'_>) -> Option<u64> {
        tx.own.call.opnum.map(u64::from)
    }

    fn log(&self, _: &Tx<Exchange>, _: &TxView<'_>, _: Dir, _: &mut dyn Fields) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian PDU.
    fn pdu(kind: u8, call: u32, body: &[u8]) -> alloc::vec::Vec<u8> {
        let mut p = alloc::vec![5, 0, kind, 3, 0x10, 0, 0, 0];
        p.extend(((HEAD + body.len()) as u16).to_le_bytes());
        p.extend([0, 0]);
        p.extend(call.to_le_bytes());
        p.extend(body);
        p
    }

    #[test]
    fn a_call_has_the_interface_of_its_context() {
        let uuid =
            [0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88];
        let mut body = alloc::vec![0; 8];
        body.extend([1, 0, 0, 0, 7, 0, 1, 0]);
        body.extend(uuid);
        body.extend([3, 0, 0, 0]);
        body.extend([0; 20]);
        let bind = pdu(BIND, 1, &body);
        let mut bound = Bound::default();
        bound.request(Pdu::read(&bind).unwrap(), &bind);
        let request = pdu(REQUEST, 2, &[0, 0, 0, 0, 7, 0, 15, 0]);
        let call = bound.request(Pdu::read(&request).unwrap(), &request);
        let iface = call.interface().unwrap();
        assert_eq!(
            (call.opnum, &iface[..4], &iface[16..]),
            (Some(15), &[0x4b, 0x32, 0x4f, 0xc8][..], &[3, 0, 1][..])
        );
        // Another context is another interface, which nobody bound.
        let other = pdu(REQUEST, 3, &[0, 0, 0, 0, 8, 0, 1, 0]);
        assert!(bound.request(Pdu::read(&other).unwrap(), &other).interface().is_none());
        for n in 0..bind.len() {
            let _never_panics = Pdu::read(&bind[..n]).map(|p| bound.request(p, &bind[..n]));
        }
    }

    /// Calls without answers cost by their number, not by that of those that were given up before.
    #[test]
    fn many_calls_without_answers() {
        let time = |n: u32| {
            let cfg = AppConfig { max_states: 4, max_txs: 80_000, ..AppConfig::default() };
            let mut b = crate::app::bench::Bench::of(DCERPC.parser.unwrap()(&cfg), cfg);
            let calls: alloc::vec::Vec<u8> = (0..n).flat_map(|i| pdu(REQUEST, i, &[0; 8])).collect();
            let from = std::time::Instant::now();
            b.feed(Dir::ToServer, &calls);
            let took = from.elapsed();
            assert_eq!(b.live().len(), n as usize);
            // The oldest that still waits is found, and one that was given up is not.
            b.feed(Dir::ToClient, &pdu(2, n - 256, &[]));
            b.feed(Dir::ToClient, &pdu(2, 0, &[]));
            let done = b.live().iter().filter(|t| b.parser.common(**t).both_reached(1)).count();
            assert_eq!(done, n as usize - 255);
            b.close();
            took
        };
        let (few, many) = (time(2000), time(20_000));
        assert!(many < few * 10 * 5, "{few:?} {many:?}");
    }
}
