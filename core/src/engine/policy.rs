//! The station of policy: a flow's first packet, and what its parsers find out later, go in; decisions, their events and
//! verdicts come out. Owns the tables in force, and in each flow's state what is known of its place in them.
//!
//! A flow that is decided has the number of the tables in its hot line, which is all that its packets look at. Other flows
//! are decided at their first packet, again when their protocol is known, and where lines ask for calls of AI services, at
//! each call. Other tables have another number, so that living flows meet them with their next packet.

use alloc::sync::Arc;

use super::Engine;
use super::packet::TX_FED;
use crate::Dir;
use crate::app::{AppProto, Buffer, BufferAt, TxRef, TxView};
use crate::event::{DropReason, EventSink, PolicyRecord, Verdict};
use crate::flow::{FlowIx, flag};
use crate::packet::{L4, Packet};
use crate::policy::{
    Act, CALLERS, Call, Decision, Ends, Facts, HELLOS, Know, Outcome, Place, Policy, app_bit,
};
use crate::pool::Scratch;

const SYN: u8 = 2;
const ACK: u8 = 16;

/// Calls of a flow among which that of a message is looked for; of one that is not found there it is not one.
const CALLS_LOOKED: usize = 256;

/// What happened, since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounters {
    /// Decisions on flows, calls and packets without a flow, by what was done.
    pub allowed: u64,
    pub watched: u64,
    pub dropped: u64,
    pub rejected: u64,
    /// Decisions that changed with other tables.
    pub changed: u64,
    /// Bytes of the tables in force.
    pub bytes: u64,
}

/// The tables in force.
#[derive(Debug)]
pub(super) struct Policing {
    tables: Option<Arc<Policy>>,
    /// Number of the tables, those of response included; 0: there are none.
    pub(super) generation: u16,
    /// Generations so far.
    count: u16,
    /// What a decision on a transaction says of the packet at hand.
    verdict: Option<Verdict>,
    counters: PolicyCounters,
}

/// Each call is decided.
const CALLS: u8 = 1;
/// [`flag::DROP`] was set here.
const DROPPED: u8 = 1 << 1;
/// The flow was met in its middle, and its client is most likely the server.
const TURNED: u8 = 1 << 2;

/// What is known of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowPolicy {
    /// The segments of its ends.
    segments: (u16, u16),
    /// The tables that they are of.
    generation: u16,
    act: Option<Act>,
    /// Bits: [`CALLS`], [`DROPPED`], [`TURNED`].
    bits: u8,
}

impl Policing {
    pub(super) fn new(tables: Option<Arc<Policy>>) -> Policing {
        let generation = u16::from(tables.is_some());
        let counters = PolicyCounters::default();
        Policing { tables, generation, count: generation, verdict: None, counters }
    }

    /// Takes other tables and gives back the old ones; [`Policing::renumber`] comes next.
    pub(super) fn swap(&mut self, tables: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
        core::mem::replace(&mut self.tables, tables)
    }

    /// Living flows meet tables that changed, those of policy or, when there are some (`response`), those of response. Whether
    /// the numbers begin anew.
    pub(super) fn renumber(&mut self, response: bool) -> bool {
        let on = response || self.tables.is_some();
        let anew = on && self.count == u16::MAX;
        if on {
            self.count = if anew { 1 } else { self.count + 1 };
        }
        self.generation = if on { self.count } else { 0 };
        anew
    }

    pub(super) fn tables(&self) -> Option<&Arc<Policy>> {
        self.tables.as_ref()
    }

    pub(super) fn counters(&self) -> PolicyCounters {
        let bytes = self.tables.as_ref().map_or(0, |t| t.bytes() as u64);
        PolicyCounters { bytes, ..self.counters }
    }

    /// What was decided on transactions since it was asked last.
    #[inline]
    pub(super) fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    fn count(&mut self, act: Act) {
        let n = match act {
            Act::Allow => &mut self.counters.allowed,
            Act::Watch => &mut self.counters.watched,
            Act::Drop => &mut self.counters.dropped,
            Act::Reject => &mut self.counters.rejected,
        };
        *n += 1;
    }
}

/// What a decision is about.
#[derive(Clone, Copy)]
struct Case<'a> {
    pkt: &'a Packet<'a>,
    dir: Dir,
    ix: Option<FlowIx>,
    tx: Option<TxRef>,
    place: Place,
    ts: u64,
}

impl FlowPolicy {
    /// It is decided anew by whatever tables come.
    pub(super) fn forget(&mut self) {
        self.generation = 0;
    }
}

const fn verdict_of(act: Act) -> Verdict {
    match act {
        Act::Reject => Verdict::Reject { to_src: true, to_dst: true },
        _ => Verdict::Drop,
    }
}

/// A value of a transaction by the name of its buffer.
fn value<'a>(t: &TxView<'a>, name: &str, scratch: &'a mut Scratch) -> Know<&'a [u8]> {
    let Some(local) = t.proto.def().buffers.iter().position(|b| b.name == name) else { return Know::Absent };
    scratch.clear();
    let at = BufferAt { local: local as u8, dir: Dir::ToServer, index: 0, pool: t.pool, scratch };
    match t.parser.buffer(t.state, t.tx, at) {
        Buffer::NotYet => Know::Later,
        Buffer::Absent => Know::Absent,
        Buffer::Data { bytes, .. } => Know::Is(bytes),
    }
}

/// Whether a packet keeps neighbours on a link together: neighbour discovery (RFC 4861, hop limit 255) and reports of listeners
/// (RFC 3810, hop limit 1), which switches look for. No router passes it on, and nothing goes without it.
fn is_neighbourly(p: &Packet<'_>) -> bool {
    let hops = match p.icmp.kind {
        133..=137 => 255,
        130..=132 | 143 => 1,
        _ => return false,
    };
    p.l4 == L4::Icmpv6 && p.ttl == hops
}

/// The ends of the packet that an ICMP error speaks of, and the other port: who may speak may hear why it does not work.
fn quoted(p: &Packet<'_>, ends: &Ends) -> Option<(Ends, u16)> {
    let error = match p.l4 {
        L4::Icmpv4 => matches!(p.icmp.kind, 3 | 4 | 5 | 11 | 12),
        L4::Icmpv6 => matches!(p.icmp.kind, 1..=4),
        _ => false,
    };
    let e = p.icmp.embedded.filter(|e| error && e.v6 == ends.v6)?;
    Some((Ends { src: e.src, dst: e.dst, proto: e.proto, port: e.dp, ..*ends }, e.sp))
}

/// Places for values that are put together; those that are asked for here are stored as they are.
fn room() -> [Scratch; 6] {
    [(); 6].map(|()| Scratch::new(0))
}

fn is_call(p: AppProto) -> bool {
    p.name() == "ai"
}

/// The call of a transaction of the AI layer.
fn call_of<'a>(t: &TxView<'a>, room: &'a mut [Scratch; 6]) -> Know<Call<'a>> {
    let [a, b, c, d, e, _] = room;
    let call = Call {
        provider: value(t, "ai.provider", a),
        operation: value(t, "ai.operation", b),
        model: value(t, "ai.model", c),
        tool: value(t, "mcp.tool", d),
        credential: value(t, "ai.credential", e),
    };
    // What turned out to be none has nothing.
    if call.provider == Know::Absent && call.operation == Know::Absent {
        Know::Absent
    } else {
        Know::Is(call)
    }
}

impl Engine {
    /// The flow is not decided by the tables in force: it is new, the tables are, or more must be known. The packet's verdict,
    /// when it is decided here.
    #[inline(never)]
    pub(super) fn police(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let generation = self.policing.generation;
        let Some(tables) = self.policing.tables().cloned() else {
            self.unpolice(ix);
            self.flows.hot_mut(ix).policy = generation;
            return None;
        };
        if self.state.get(ix.0 as usize)?.policy.generation == generation {
            return None;
        }
        if is_neighbourly(pkt) {
            self.flows.hot_mut(ix).policy = generation;
            return None;
        }
        let key = *self.flows.key(ix);
        let (hot, start) = (self.flows.hot(ix), self.flows.cold(ix).start);
        // Met in its middle, a connection may have any end as its client.
        let new = hot.pkts[0].saturating_add(hot.pkts[1]) == 1;
        let mut unsure = new && pkt.l4 == L4::Tcp && pkt.tcp.flags & (SYN | ACK) != SYN;
        let mut ends = Ends {
            src: key.src,
            dst: key.dst,
            v6: key.v6,
            proto: key.proto,
            port: key.dp,
            vlan: (key.vlans > 0).then_some(key.vlan[0]),
            vni: pkt.vni,
            ts: start,
        };
        let mut other_port = key.sp;
        if let Some((quoted, port)) = quoted(pkt, &ends) {
            (ends, other_port, unsure) = (quoted, port, true);
        }
        let (mut place, mut turned) = (tables.place(&ends), 0);
        let mut room = Scratch::new(0);
        let facts = self.flow_facts(ix, &mut room);
        let mut outcome = tables.decide_at(place, start, &facts);
        if unsure && matches!(outcome, Outcome::Final(d) if d.act.denies()) {
            let back = tables.place(&Ends { src: ends.dst, dst: ends.src, port: other_port, ..ends });
            let other = tables.decide_at(back, start, &facts);
            if !matches!(other, Outcome::Final(d) if d.act.denies()) {
                (place, outcome, turned) = (back, other, TURNED);
            }
        }
        let st = self.state.get_mut(ix.0 as usize)?;
        if st.policy.bits & DROPPED != 0 && !st.app.is_undecided() && matches!(outcome, Outcome::Open { .. })
        {
            // What it was dropped for was read, and does not come again: a name, a call.
            st.policy.generation = generation;
            self.flows.hot_mut(ix).policy = generation;
            return None;
        }
        self.unpolice(ix);
        let st = self.state.get_mut(ix.0 as usize)?;
        st.policy.segments = (place.from, place.to);
        st.policy.bits |= turned;
        st.policy.generation = generation;
        let case = Case { pkt, dir, ix: Some(ix), tx: None, place, ts: start };
        self.police_by(&tables, outcome, &case, sink)
    }

    /// Bytes of the flow were read since: what they brought may decide it.
    #[inline(never)]
    pub(super) fn police_more(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let known = self.state.get(ix.0 as usize)?.policy.generation;
        if known != self.policing.generation {
            // Client and server were mistaken for each other.
            return self.police(ix, (pkt, dir), sink);
        }
        if self.flows.hot(ix).flags & TX_FED == 0 {
            return None;
        }
        let tables = self.policing.tables().cloned()?;
        let case = self.case(&tables, ix, (pkt, dir), None)?;
        let outcome = tables.decide_at(case.place, case.ts, &self.flow_facts(ix, &mut Scratch::new(0)));
        self.police_by(&tables, outcome, &case, sink)
    }

    /// Client and server were mistaken for each other.
    pub(super) fn turned(&mut self, ix: FlowIx) {
        if let Some(st) = self.state.get_mut(ix.0 as usize) {
            st.app.swap();
            st.policy.generation = 0;
        }
        self.turn_unsealing(ix);
    }

    /// Forgets what earlier tables decided.
    fn unpolice(&mut self, ix: FlowIx) {
        let hot = self.flows.hot_mut(ix);
        hot.policy = 0;
        let Some(st) = self.state.get_mut(ix.0 as usize) else { return };
        if st.policy.bits & DROPPED != 0 {
            hot.flags &= !flag::DROP;
        }
        st.policy.bits = 0;
        st.policy.generation = 0;
    }

    /// A decision about a flow whose segments are known.
    fn case<'a>(
        &self,
        tables: &Policy,
        ix: FlowIx,
        (pkt, dir): (&'a Packet<'a>, Dir),
        tx: Option<TxRef>,
    ) -> Option<Case<'a>> {
        let p = self.state.get(ix.0 as usize)?.policy;
        let key = self.flows.key(ix);
        let port = if p.bits & TURNED == 0 { key.dp } else { key.sp };
        let place = tables.place_of(p.segments, key.proto, port);
        Some(Case { pkt, dir, ix: Some(ix), tx, place, ts: self.flows.cold(ix).start })
    }

    fn police_by(
        &mut self,
        tables: &Arc<Policy>,
        outcome: Outcome,
        case: &Case<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let ix = case.ix?;
        let st = self.state.get_mut(ix.0 as usize)?;
        st.policy.bits &= !CALLS;
        match outcome {
            Outcome::Open { call } => {
                st.policy.bits |= if call { CALLS } else { 0 };
                self.flows.hot_mut(ix).policy = 0;
                None
            }
            Outcome::Final(d) => {
                self.flows.hot_mut(ix).policy = self.policing.generation;
                self.obey(tables, d, case, sink)
            }
        }
    }

    /// Does what was decided: tells it, and drops the flow.
    fn obey(
        &mut self,
        tables: &Arc<Policy>,
        d: Decision,
        case: &Case<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let mut same = false;
        if let (Some(ix), None) = (case.ix, case.tx)
            && let Some(st) = self.state.get_mut(ix.0 as usize)
        {
            let p = &mut st.policy;
            // Other tables that say the same of a living flow are not told again.
            same = p.act == Some(d.act);
            self.policing.counters.changed += u64::from(p.act.is_some() && !same);
            p.act = Some(d.act);
        }
        if !same {
            self.policing.count(d.act);
            if d.act != Act::Allow || tables.tells_allowed() {
                self.tell_policy(tables, d, case, sink);
            }
        }
        if !d.act.denies() || !self.ips {
            return None;
        }
        if let Some(ix) = case.ix {
            let hot = self.flows.hot_mut(ix);
            let fresh = hot.flags & flag::DROP == 0;
            hot.flags |= flag::DROP;
            hot.policy = self.policing.generation;
            if let Some(st) = self.state.get_mut(ix.0 as usize) {
                st.policy.bits |= if fresh { DROPPED } else { 0 };
            }
        }
        Some(self.dropped(case.pkt, case.dir, case.ix, DropReason::Policy, verdict_of(d.act), sink))
    }

    #[cold]
    fn tell_policy(&self, tables: &Policy, d: Decision, case: &Case<'_>, sink: &mut dyn EventSink) {
        let (mut rooms, mut one) = (room(), Scratch::new(0));
        let view = match (case.ix, case.tx) {
            (Some(ix), Some(tx)) => self.tx_view(ix, tx),
            _ => None,
        };
        let base = case.ix.map_or(Facts::default(), |ix| self.flow_facts(ix, &mut one));
        let facts = match view {
            Some(v) if is_call(v.proto) => Facts { call: call_of(&v, &mut rooms), ..base },
            Some(_) => Facts { call: Know::Absent, ..base },
            None => base,
        };
        let nearest = if d.act.denies() { tables.nearest(case.place, case.ts, &facts) } else { None };
        let record = PolicyRecord {
            packet: case.pkt,
            dir: case.dir,
            flow: None,
            tx: view,
            policy: tables,
            decision: d,
            place: case.place,
            nearest,
            facts,
            enforced: self.ips,
        };
        match case.ix {
            Some(ix) => {
                self.view(ix).with(|flow| sink.policy(&PolicyRecord { flow: Some(flow), ..record }));
            }
            None => sink.policy(&record),
        }
    }

    /// What is known of a flow as a whole.
    pub(super) fn flow_facts<'a>(&'a self, ix: FlowIx, room: &'a mut Scratch) -> Facts<'a> {
        let Some(st) = self.state.get(ix.0 as usize) else { return Facts::default() };
        let proto = self.flows.hot(ix).proto;
        if matches!(proto, 6 | 17) && st.app.is_undecided() {
            return Facts::default();
        }
        let app = st.app.proto;
        let call = if CALLERS.contains(&app.name()) { Know::Later } else { Know::Absent };
        let sni = match HELLOS.iter().find(|h| h.0 == app.name()) {
            None => Know::Absent,
            Some((_, name)) => self.first_value(ix, app, name, room),
        };
        Facts { app: Know::Is(app_bit(app)), sni, call }
    }

    /// A value of the flow's first living transaction.
    fn first_value<'a>(
        &'a self,
        ix: FlowIx,
        app: AppProto,
        name: &str,
        room: &'a mut Scratch,
    ) -> Know<&'a [u8]> {
        let Some(st) = self.state.get(ix.0 as usize) else { return Know::Absent };
        let Some(layer) = self.app.layers(&st.app).find(|l| l.proto == app) else { return Know::Later };
        let first = self.app.parser_of(app).and_then(|p| p.next_tx(layer.state, None));
        let view = first.and_then(|idx| self.tx_view(ix, TxRef { proto: app, idx, id: 0 }));
        view.map_or(Know::Later, |v| value(&v, name, room))
    }

    /// A transaction of a flow in which each call is decided was written to.
    #[inline(never)]
    pub(super) fn police_tx(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        tx: TxRef,
        sink: &mut dyn EventSink,
    ) {
        let Some(tables) = self.policing.tables().cloned() else { return };
        let Some(case) = self.case(&tables, ix, (pkt, dir), Some(tx)) else { return };
        let calls = self.state.get(ix.0 as usize).is_some_and(|st| st.policy.bits & CALLS != 0);
        let Some(view) = self.tx_view(ix, tx) else { return };
        if !calls || view.common().policed {
            return;
        }
        let (mut rooms, mut one) = (room(), Scratch::new(0));
        let asked = view.common().progress(Dir::ToServer) >= view.parser.complete_progress(Dir::ToServer);
        let call = if is_call(tx.proto) {
            call_of(&view, &mut rooms)
        } else if asked
            && matches!(tx.proto.name(), "http" | "http2")
            && !self.has_call(ix, view.common().shown_id)
        {
            Know::Absent
        } else {
            return;
        };
        let facts = Facts { call, ..self.flow_facts(ix, &mut one) };
        let outcome = tables.decide_at(case.place, case.ts, &facts);
        self.police_call(&tables, outcome, &case, sink);
    }

    fn police_call(
        &mut self,
        tables: &Arc<Policy>,
        outcome: Outcome,
        case: &Case<'_>,
        sink: &mut dyn EventSink,
    ) {
        let (Outcome::Final(d), Some(tx)) = (outcome, case.tx) else { return };
        if let Some(p) = self.app.parser_of_mut(tx.proto) {
            p.common_mut(tx.idx).policed = true;
        }
        if let Some(v) = self.obey(tables, d, case, sink) {
            self.policing.verdict = Some(v);
        }
    }

    /// Whether the message of that number is a call.
    fn has_call(&self, ix: FlowIx, shown: u64) -> bool {
        let Some(st) = self.state.get(ix.0 as usize) else { return false };
        let Some(layer) = self.app.layers(&st.app).find(|l| is_call(l.proto)) else { return false };
        let Some(parser) = self.app.parser_of(layer.proto) else { return false };
        let mut at = parser.next_tx(layer.state, None);
        for _ in 0..CALLS_LOOKED {
            let Some(i) = at else { return false };
            if parser.common(i).shown_id == shown {
                return true;
            }
            at = parser.next_tx(layer.state, at);
        }
        false
    }

    /// A packet that belongs to no flow: it may go when it might go either way.
    #[inline(never)]
    pub(super) fn police_alone(&mut self, pkt: &Packet<'_>, sink: &mut dyn EventSink) -> Option<Verdict> {
        let tables = self.policing.tables().cloned()?;
        if is_neighbourly(pkt) {
            return None;
        }
        let ends = Ends::of(pkt);
        let (ends, port) = quoted(pkt, &ends).unwrap_or((ends, pkt.sp));
        let facts = Facts { app: Know::Absent, sni: Know::Absent, call: Know::Absent };
        match tables.decide_unsure(&ends, port, &facts) {
            Outcome::Final(d) if d.act.denies() => {
                let case = Case {
                    pkt,
                    dir: Dir::ToServer,
                    ix: None,
                    tx: None,
                    place: tables.place(&ends),
                    ts: ends.ts,
                };
                self.obey(&tables, d, &case, sink)
            }
            _ => None,
        }
    }
}
