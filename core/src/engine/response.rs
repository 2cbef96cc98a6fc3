//! The station of response: flows that meet other tables than before, and the names that their transactions bring, go in; drops
//! and records of what was met come out. Owns the tables in force and what each entry met.
//!
//! It shares the number in a flow's hot line with policy (`Hot::policy`): other tables have another number, so that living flows
//! are looked up anew by their next packet, and an entry's end is a change of number as well. Names are asked where
//! transactions are reported, as intelligence does.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Engine;
use crate::Dir;
use crate::app::{AppProto, Buffer, BufferAt, TxRef, TxView};
use crate::event::{DropReason, EventSink, ResponseRecord, Verdict};
use crate::flow::{FlowIx, Key, flag};
use crate::packet::Packet;
use crate::policy::Know;
use crate::pool::Scratch;
use crate::response::{Blocks, Effect, Kind, MOST, Met};

const SECOND: u64 = 1_000_000_000;
/// Room for a name that is put together (DNS).
const SCRATCH: usize = 1024;

/// Values of a buffer that are looked at.
const VALUES: u32 = 16;

/// Buffers that are looked at, and what they name.
const NAMES: [(&str, Kind); 7] = [
    ("dns.query", Kind::Domain),
    ("mdns.query", Kind::Domain),
    ("http.host", Kind::Domain),
    ("tls.sni", Kind::Domain),
    ("quic.sni", Kind::Domain),
    ("ai.model", Kind::Model),
    ("mcp.tool", Kind::Tool),
];

/// What happened, since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseCounters {
    /// Flows, and packets without a flow, that an entry stopped.
    pub stopped: u64,
    /// Packets dropped.
    pub packets: u64,
    /// Flows that a mark met.
    pub marked: u64,
    /// Records that were not told, because the same entry was told in the same second.
    pub untold: u64,
    /// Entries in force.
    pub entries: u64,
}

/// What an entry met.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    id: u32,
    /// Second in which it was told last, plus 1.
    told: u32,
    /// Flows and packets since.
    met: u64,
}

/// The tables in force.
#[derive(Debug)]
pub(super) struct Responding {
    blocks: Option<Arc<Blocks>>,
    /// By number of the entry; taken at construction.
    tallies: Vec<Tally>,
    scratch: Scratch,
    next_end: u64,
    verdict: Option<Verdict>,
    counters: ResponseCounters,
}

/// The flow was dropped here ([`flag::DROP`]).
const DROPPED: u8 = 1;
/// It was dropped for a name, which does not come again.
const BY_NAME: u8 = 1 << 1;

/// What is known of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowResponse {
    /// The entry that stopped it.
    id: u32,
    /// The tables that it was looked up in.
    generation: u16,
    bits: u8,
}

/// What an entry met.
#[derive(Clone, Copy)]
struct Case<'a> {
    pkt: &'a Packet<'a>,
    dir: Dir,
    ix: Option<FlowIx>,
    /// The name, when it was one.
    name: &'a [u8],
    /// A datagram is dropped, and its flow goes on.
    alone: bool,
}

impl Responding {
    /// Bytes taken at construction.
    pub(super) const BYTES: u64 = (MOST * size_of::<Tally>() + SCRATCH) as u64;

    pub(super) fn new() -> Responding {
        Responding {
            blocks: None,
            tallies: alloc::vec![Tally::default(); MOST],
            scratch: Scratch::new(SCRATCH),
            next_end: u64::MAX,
            verdict: None,
            counters: ResponseCounters::default(),
        }
    }

    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.blocks.is_some()
    }

    pub(super) fn asks_names(&self) -> bool {
        self.blocks.as_ref().is_some_and(|b| b.asks_names())
    }

    pub(super) fn counters(&self) -> ResponseCounters {
        ResponseCounters { entries: self.blocks.as_ref().map_or(0, |b| b.len() as u64), ..self.counters }
    }

    /// What was decided on transactions since it was asked last.
    #[inline]
    pub(super) fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    /// Whether an entry is over since the last look.
    #[inline]
    pub(super) fn is_over(&mut self, now: u64) -> bool {
        if now < self.next_end {
            return false;
        }
        self.next_end = self.blocks.as_ref().map_or(u64::MAX, |b| b.next_end(now));
        true
    }
}

/// A name of a transaction, when it is whole.
fn name<'a>(t: &TxView<'a>, buffer: &str, index: u32, scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    let local = t.proto.def().buffers.iter().position(|b| b.name == buffer)? as u8;
    let at = BufferAt { local, dir: Dir::ToServer, index, pool: t.pool, scratch };
    match t.parser.buffer(t.state, t.tx, at) {
        Buffer::Data { bytes, end: true, .. } => Some(bytes),
        _ => None,
    }
}

/// A host without the port behind it.
fn host(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|b| *b == b':') {
        Some(at) if name.get(at + 1..).is_some_and(|p| p.iter().all(u8::is_ascii_digit)) => {
            name.get(..at).unwrap_or(name)
        }
        _ => name,
    }
}

/// A datagram answers for itself: its flow may have others that are nobody's concern.
fn is_alone(proto: AppProto, pkt: &Packet<'_>) -> bool {
    matches!(proto.name(), "dns" | "mdns") && pkt.proto == 17
}

impl Engine {
    /// Takes other tables of what is blocked, between two batches; living flows meet them with their next packet. Gives back the
    /// old ones: their last owner frees them.
    #[must_use = "the last owner of tables frees them, which takes time"]
    pub fn set_blocks(&mut self, blocks: Option<Arc<Blocks>>) -> Option<Arc<Blocks>> {
        let blocks = blocks.filter(|b| !b.is_empty());
        let now = self.clock.now();
        self.responding.next_end = blocks.as_ref().map_or(u64::MAX, |b| b.next_end(now));
        let old = core::mem::replace(&mut self.responding.blocks, blocks);
        let shown = self.shown || self.responding.asks_names();
        self.app.set_ruled(shown);
        self.renumber();
        old
    }

    /// What is blocked now.
    pub fn blocks(&self) -> Option<&Arc<Blocks>> {
        self.responding.blocks.as_ref()
    }

    /// Living flows are decided anew by their next packet.
    pub(super) fn renumber(&mut self) {
        if self.policing.renumber(self.responding.is_on()) {
            self.flows.forget_policy();
            for s in &mut self.state {
                s.policy.forget();
                s.response.generation = 0;
            }
        }
    }

    /// The flow was not looked up in the tables in force. The packet's verdict, when it is decided here.
    #[inline(never)]
    pub(super) fn respond(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let generation = self.policing.generation;
        let r = &mut self.state.get_mut(ix.0 as usize)?.response;
        if r.generation == generation && generation != 0 {
            return None;
        }
        let was = core::mem::replace(r, FlowResponse { generation, ..FlowResponse::default() });
        if was.bits & DROPPED != 0 {
            self.flows.hot_mut(ix).flags &= !flag::DROP;
        }
        let blocks = self.responding.blocks.clone()?;
        let now = self.clock.now();
        let key = *self.flows.key(ix);
        let mut met = blocks.flow(&key, now);
        if met.block.is_none() && was.bits & BY_NAME != 0 {
            met.block = blocks.by_id(was.id, now);
            if met.block.is_some()
                && let Some(st) = self.state.get_mut(ix.0 as usize)
            {
                st.response.bits |= BY_NAME;
            }
        }
        let mut room = Scratch::new(0);
        let (mut kept, mut n) = ([0; 255], 0);
        if met.block.is_none()
            && blocks.has(Kind::Domain)
            && let Know::Is(sni) = self.flow_facts(ix, &mut room).sni
        {
            let named = blocks.domain(sni, now);
            if !named.is_nothing() {
                n = sni.len().min(kept.len());
                kept.iter_mut().zip(sni).for_each(|(a, b)| *a = *b);
            }
            met = met.or(named);
        }
        if met.is_nothing() {
            return None;
        }
        let name = kept.get(..n).unwrap_or(&[]);
        self.meet(&blocks, met, &Case { pkt, dir, ix: Some(ix), name, alone: false }, sink)
    }

    /// A packet without a flow, or a fragment.
    #[inline(never)]
    pub(super) fn respond_alone(&mut self, pkt: &Packet<'_>, sink: &mut dyn EventSink) -> Option<Verdict> {
        let blocks = self.responding.blocks.clone()?;
        let now = self.clock.now();
        let key = Key { src: pkt.src, dst: pkt.dst, v6: pkt.is_ipv6(), proto: pkt.proto, ..Key::default() };
        let met = blocks.address(&key.src, key.v6, now).or(blocks.address(&key.dst, key.v6, now));
        let case = Case { pkt, dir: Dir::ToServer, ix: None, name: &[], alone: true };
        if met.is_nothing() { None } else { self.meet(&blocks, met, &case, sink) }
    }

    /// A transaction was written to: what it names is looked up.
    #[inline(never)]
    pub(super) fn respond_tx(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        tx: TxRef,
        sink: &mut dyn EventSink,
    ) {
        let Some(blocks) = self.responding.blocks.clone().filter(|b| b.asks_names()) else { return };
        if self.state.get(ix.0 as usize).is_none_or(|s| s.response.bits & DROPPED != 0) {
            return;
        }
        let now = self.clock.now();
        for (buffer, kind) in NAMES.into_iter().filter(|n| blocks.has(n.1)) {
            for index in 0..VALUES {
                let mut kept = [0; 255];
                let Some((met, n)) = self.look_name(&blocks, (ix, tx), (buffer, kind, index), now, &mut kept)
                else {
                    break;
                };
                if met.is_nothing() {
                    continue;
                }
                let name = kept.get(..n).unwrap_or(&[]);
                let case = Case { pkt, dir, ix: Some(ix), name, alone: is_alone(tx.proto, pkt) };
                if let Some(v) = self.meet(&blocks, met, &case, sink) {
                    self.responding.verdict = Some(v);
                    return;
                }
            }
        }
    }

    /// Looks one value of a transaction up, which is copied to `kept` when something is met: what, and how long it is. `None`: there is no
    /// such value, or not yet.
    fn look_name(
        &mut self,
        blocks: &Blocks,
        (ix, tx): (FlowIx, TxRef),
        (buffer, kind, index): (&str, Kind, u32),
        now: u64,
        kept: &mut [u8; 255],
    ) -> Option<(Met, usize)> {
        let mut scratch = core::mem::replace(&mut self.responding.scratch, Scratch::new(0));
        scratch.clear();
        let view = self.tx_view(ix, tx);
        let looked = view.as_ref().and_then(|v| name(v, buffer, index, &mut scratch)).map(|value| {
            let value = if kind == Kind::Domain { host(value) } else { value };
            let met =
                if kind == Kind::Domain { blocks.domain(value, now) } else { blocks.named(kind, value, now) };
            if !met.is_nothing() {
                kept.iter_mut().zip(value).for_each(|(a, b)| *a = *b);
            }
            (met, value.len().min(kept.len()))
        });
        self.responding.scratch = scratch;
        looked
    }

    /// Does what the entries say that were met.
    fn meet(
        &mut self,
        blocks: &Blocks,
        met: Met,
        case: &Case<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        if let Some(n) = met.mark {
            self.responding.counters.marked += 1;
            self.tell_response(blocks, n, case, sink);
        }
        let n = met.block?;
        self.responding.counters.stopped += u64::from(self.ips);
        self.tell_response(blocks, n, case, sink);
        if !self.ips {
            return None;
        }
        if let (Some(ix), false) = (case.ix, case.alone) {
            let hot = self.flows.hot_mut(ix);
            let fresh = hot.flags & flag::DROP == 0;
            hot.flags |= flag::DROP;
            if let Some(st) = self.state.get_mut(ix.0 as usize) {
                st.response.id = blocks.get(n).map_or(0, |b| b.id);
                st.response.bits |= if fresh { DROPPED } else { 0 };
                st.response.bits |= if case.name.is_empty() { 0 } else { BY_NAME };
            }
        }
        self.responding.counters.packets += 1;
        Some(self.dropped(case.pkt, case.dir, case.ix, DropReason::Response, Verdict::Drop, sink))
    }

    /// A packet of a flow that was dropped before.
    #[inline]
    pub(super) fn count_response(&mut self, ix: FlowIx) {
        let ours = self.state.get(ix.0 as usize).is_some_and(|s| s.response.bits & DROPPED != 0);
        self.responding.counters.packets += u64::from(ours);
    }

    /// Tells what an entry met: once a second, with how much it was since.
    #[cold]
    fn tell_response(&mut self, blocks: &Blocks, n: u16, case: &Case<'_>, sink: &mut dyn EventSink) {
        let (Some(block), Some(t)) = (blocks.get(n), self.responding.tallies.get_mut(usize::from(n))) else {
            return;
        };
        if t.id != block.id {
            *t = Tally { id: block.id, ..Tally::default() };
        }
        t.met += 1;
        let second = (self.clock.now() / SECOND) as u32;
        if t.told == second.wrapping_add(1) {
            self.responding.counters.untold += 1;
            return;
        }
        t.told = second.wrapping_add(1);
        let met = core::mem::take(&mut t.met);
        let record = ResponseRecord {
            packet: case.pkt,
            dir: case.dir,
            flow: None,
            block,
            name: case.name,
            met,
            enforced: self.ips && block.effect == Effect::Block,
        };
        match case.ix {
            Some(ix) => {
                self.view(ix).with(|flow| sink.response(&ResponseRecord { flow: Some(flow), ..record }));
            }
            None => sink.response(&record),
        }
    }
}
