//! DCERPC (C706): interfaces that were bound, operations that are called, with the data of calls and answers.
//!
//! In: a stream of PDUs (version 5), datagrams (version 4), or PDUs that SMB carries in named pipes ([`Pdu`], [`Bound`],
//! [`Call`]). Out: a transaction a call, a bind or an alteration of contexts. Owns the interfaces that a connection bound.

mod call;
mod pdu;
#[cfg(test)]
mod tests;

use super::counted::{self, Head, Part, Reader};
use super::frames::Notes;
use super::hosted::{Protocol, Transactions, make};
use super::plain::DCERPC_BEGINS;
use super::txs::{Tx, TxHandle};
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP, OVER_UDP,
    Outcome, ProtoDef, TxIdx, TxView, buffer_at, frame,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::BytePool;
use pdu::Datagram;

pub(super) use call::{Bound, Call, uuid};
pub(super) use pdu::{HEAD, Pdu, REQUEST};

/// The interface of a call: UUID as its text has it, version, and whether rules without `any_frag` mean it.
pub(super) const INTERFACE: BufferDef = BufferDef {
    name: "dcerpc.iface",
    aliases: &[],
    modifiers: &[],
    dirs: 3,
    progress: 0,
    kind: BufferKind::Single,
};

/// The data of a call, or of its answer, of all fragments.
pub(super) const STUB_DATA: BufferDef =
    BufferDef { name: "dcerpc.stub_data", aliases: &["dce_stub_data"], ..INTERFACE };

pub(super) const OPERATION: IntDef =
    IntDef { name: "dcerpc.opnum", aliases: &[], dirs: 3, progress: 0, multi: false, values: &[] };

static BUFFERS: &[BufferDef] = &[
    INTERFACE,
    STUB_DATA,
    frame("frame:dcerpc.pdu"),
    frame("frame:dcerpc.hdr"),
    frame("frame:dcerpc.data"),
    frame("frame:dcerpc.stream"),
];
/// A PDU; after it its header, and what follows that.
const F_PDU: u8 = buffer_at(BUFFERS, "frame:dcerpc.pdu");
/// Header of a datagram (C706 12.5.1)
const DATAGRAM_HEAD: usize = 80;
const B_STUB: u8 = buffer_at(BUFFERS, "dcerpc.stub_data");

pub static DCERPC: ProtoDef = ProtoDef {
    name: "dcerpc",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: &[OPERATION],
    recognise: DCERPC_BEGINS,
    parser: Some(make::<Dcerpc>),
    record: "dcerpc",
    ..ProtoDef::NONE
};

/// Calls that wait for their answers.
const PENDING: usize = 256;

/// One call.
#[derive(Debug, Default)]
pub struct Exchange {
    call: Call,
    /// Over UDP: activity and number of the call in it.
    activity: Option<([u8; 16], u32)>,
}

/// The PDU of a direction whose data are coming.
#[derive(Clone, Copy, Debug, Default)]
struct Coming {
    left: usize,
    call: TxHandle,
    last: bool,
    /// The beginning of a PDU is looked for.
    lost: bool,
}

#[derive(Debug, Default)]
pub struct State {
    bound: Bound,
    pending: usize,
    coming: [Coming; 2],
    /// An answer whose request was not seen: known to be lost when the client's next PDU is there.
    orphan: TxHandle,
}

pub struct Dcerpc;

type Flow<'a> = Transactions<'a, Exchange>;

impl State {
    /// A new transaction; the one that has waited longest waits no longer when there are too many.
    fn open(&mut self, flow: &mut Flow<'_>, now: u64) -> Option<TxIdx> {
        if self.pending >= PENDING
            && let Some(old) = flow.waiting(|_| true)
        {
            self.finish(flow, old);
        }
        let tx = flow.open(now)?;
        self.pending += 1;
        flow.wait(tx);
        Some(tx)
    }

    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        flow.answered(tx);
        self.pending = self.pending.saturating_sub(1);
        let c = &mut flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
    }

    /// The request of an answer is not looked for any longer.
    fn give_up(&mut self, flow: &mut Flow<'_>) {
        if let Some(tx) = flow.resolve(core::mem::take(&mut self.orphan)) {
            self.finish(flow, tx);
        }
    }

    /// A direction of a call has come to its end.
    fn ended(&mut self, flow: &mut Flow<'_>, tx: TxIdx, dir: Dir) {
        if dir == Dir::ToClient && flow.peek(tx).own.call.request.is_none() {
            self.give_up(flow);
            self.orphan = flow.handle(tx);
            let c = &mut flow.get(tx).common;
            c.advance(dir, 1);
            c.touch(dir);
        } else if dir == Dir::ToClient {
            self.finish(flow, tx);
        } else {
            let c = &mut flow.get(tx).common;
            c.advance(dir, 1);
            c.touch(dir);
        }
    }

    fn pdu(&mut self, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let d = dir.ix();
        self.coming[d].call = TxHandle::default();
        if dir == Dir::ToServer {
            self.give_up(flow);
        }
        let Some(pdu) = Pdu::read(b) else { return };
        let asks = dir == Dir::ToServer && pdu.is_request();
        let answers = dir == Dir::ToClient && pdu.is_answer();
        if !asks && !answers {
            return;
        }
        let mine = |t: &Tx<Exchange>| t.own.call.id == pdu.call && !t.own.call.whole[d];
        let Some(tx) = flow.waiting(mine).or_else(|| self.open(flow, cx.now)) else { return };
        let call = &mut flow.get(tx).own.call;
        if asks {
            call.asked(pdu, b, &mut self.bound, cx.pool);
        } else {
            call.answered(pdu, b, &mut self.bound, cx.pool);
        }
        let last = call.whole[d];
        if self.coming[d].left > 0 && pdu.has_data() {
            // Its data are still to come.
            call.whole[d] = false;
            self.coming[d].call = flow.handle(tx);
            self.coming[d].last = last;
        } else if last {
            self.ended(flow, tx, dir);
        }
    }

    fn data(&mut self, flow: &mut Flow<'_>, part: Part<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        let (bytes, end) = match part {
            Part::Rest { bytes, end } => (bytes, end),
            Part::Gap { end, .. } => (&[][..], end),
            Part::First { .. } => return,
        };
        let d = dir.ix();
        let Some(tx) = flow.resolve(self.coming[d].call) else { return };
        let call = &mut flow.get(tx).own.call;
        call.data(dir, bytes, cx.wanted.has(B_STUB), cx.pool);
        if end && self.coming[d].last {
            call.whole[d] = true;
            self.ended(flow, tx, dir);
        }
    }

    fn datagram(&mut self, flow: &mut Flow<'_>, b: &[u8], cx: &mut AppCx<'_>) {
        let Some(g) = Datagram::read(b) else { return };
        let asks = g.kind == REQUEST;
        if !matches!(g.kind, 0 | 2 | 3) {
            return;
        }
        // Both ways may have the same ends: the kind says who speaks.
        let dir = if asks { Dir::ToServer } else { Dir::ToClient };
        let d = dir.ix();
        let key = Some((g.activity, g.seq));
        let found = flow.waiting(|t| t.own.activity == key && !t.own.call.whole[d]);
        let Some(tx) = found.or_else(|| self.open(flow, cx.now)) else { return };
        let own = &mut flow.get(tx).own;
        own.activity = key;
        own.call.minor = g.minor;
        if asks {
            own.call.request = Some(g.kind);
            own.call.opnum = Some(g.opnum);
            own.call.calls_interface(&g.interface, g.version, true);
        } else {
            own.call.answer = Some(g.kind);
        }
        own.call.data(dir, g.data, cx.wanted.has(B_STUB), cx.pool);
        own.call.fragment(dir, g.last);
        if g.last {
            self.ended(flow, tx, dir);
        }
    }
}

impl Reader<Exchange> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.coming[dir.ix()].left
    }

    fn head(&mut self, rest: &[u8], dir: Dir) -> Head {
        let lost = &mut self.coming[dir.ix()].lost;
        if *lost {
            // After a gap the next bytes that look like a PDU are one.
            let at = rest.iter().position(|b| *b == 5).unwrap_or(rest.len());
            if at > 0 {
                return Head::Skip(at);
            }
            if rest.len() < HEAD {
                return Head::More(HEAD);
            }
            match Pdu::read(rest).filter(|_| rest[4] & 0xee == 0 && rest[5] <= 3) {
                None => return Head::Skip(1),
                Some(_) => *lost = false,
            }
        }
        if rest.len() < HEAD {
            return Head::More(HEAD);
        }
        match Pdu::read(rest) {
            Some(p) => Head::Record { whole: p.len, first: p.first(false) },
            None => Head::Broken,
        }
    }

    fn frames(rest: &[u8], whole: usize, notes: &mut Notes) {
        notes.parts(F_PDU, rest, (whole, HEAD));
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        match part {
            Part::First { bytes, .. } => self.pdu(flow, bytes, dir, cx),
            _ => self.data(flow, part, dir, cx),
        }
    }

    fn lost(&mut self, dir: Dir) -> bool {
        self.coming[dir.ix()].lost = true;
        true
    }
}

impl Protocol for Dcerpc {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Dcerpc
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            return counted::read(s, flow, input, cx);
        }
        if cx.frames.wanted() && input.data.len() >= DATAGRAM_HEAD {
            cx.frames.parts(F_PDU, input.data, (input.data.len(), DATAGRAM_HEAD));
        }
        s.datagram(flow, input.data, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.call.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let call = &tx.own.call;
        match at.local {
            _ if at.index > 0 => Buffer::Absent,
            B_STUB => call.stub(at.dir, at.pool),
            _ => call.interface().map_or(Buffer::Absent, Buffer::whole),
        }
    }

    fn int(&self, tx: &Tx<Exchange>, _: IntAt<'_>) -> Option<u64> {
        tx.own.call.opnum.map(u64::from)
    }

    fn little(&self, tx: &Tx<Exchange>, dir: Dir) -> bool {
        tx.own.call.little[dir.ix()]
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let own = &tx.own;
        own.call.log(false, view.pool, out);
        match own.activity {
            Some((activity, seq)) => {
                uuid("activityuuid", &activity, out);
                out.u64("seqnum", u64::from(seq));
                out.fmt("rpc_version", format_args!("4.{}", own.call.minor));
            }
            None => {
                out.u64("call_id", u64::from(own.call.id));
                out.fmt("rpc_version", format_args!("5.{}", own.call.minor));
            }
        }
    }
}
