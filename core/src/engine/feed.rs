//! Bytes of a flow on their way to its parsers: datagrams, and streams as far as they are in order.
//!
//! In: a packet whose flow and session are up to date. Out: what parsers made of the bytes, and what that means for the packet.
//! Owns nothing.

use super::Engine;
use super::packet::{EOF_TOLD, PacketFacts, TX_DUE, TX_FED, UDP_DONE};
use super::transactions::Ends;
use crate::Dir;
use crate::app::{AppProto, Fed, FlowFacts, Input, OVER_TCP, OVER_UDP};
use crate::event::{AnomalyKind, DropReason, EventSink};
use crate::fault::Station;
use crate::flow::{FlowIx, flag};
use crate::packet::{L4, Packet};
use crate::stream::{Ev, ExceptionPolicy};

/// Rounds of feeding one direction for one packet; each round consumes something, so this only bounds hostile
/// ping-pong between directions.
const MAX_ROUNDS: u32 = 4096;

/// Whose turn it is while a direction is fed.
struct Turn {
    d: Dir,
    /// The flow ends: nothing is held back.
    flush: bool,
    other: Other,
}

/// Whether the bytes of the other direction, which came first, were given to the parser before those at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Other {
    Untried,
    Now,
    Done,
}

/// One input as it was given to the parser.
#[derive(Clone, Copy)]
struct Given {
    d: Dir,
    /// The session that it was read of, when it was protected.
    sealed: Option<u32>,
    gap: u32,
    len: usize,
    eof: bool,
    /// It is the other direction's, out of its turn.
    aside: bool,
}

/// What comes after one input.
enum Round {
    Again,
    /// Nothing was taken.
    Over,
    /// There is not enough yet, or nothing more is wanted.
    Wait,
}
impl Engine {
    pub(super) fn facts(&self, ix: FlowIx, over: u8) -> FlowFacts {
        let k = self.flows.key(ix);
        let tcp = self.streams.session(self.flows.hot(ix).tcp);
        FlowFacts {
            over,
            ports: [k.sp, k.dp],
            addrs: [k.src, k.dst],
            midstream: tcp.is_some_and(|s| s.is_midstream()),
            id: self.flows.cold(ix).id,
        }
    }

    #[inline(never)]
    pub(super) fn feed_udp(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        mut dir: Dir,
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) -> Dir {
        for _ in 0..2 {
            let app = &self.state[ix.0 as usize].app;
            if app.is_off() || app.is_opaque() {
                break;
            }
            let facts = self.facts(ix, OVER_UDP);
            let input = Input { dir, data: pkt.payload(), gap: 0, eof: false, datagram: true };
            let st = &mut self.state[ix.0 as usize];
            self.faults.here(Station::App);
            let before = [st.app.proto_ts, st.app.proto_tc];
            let fed = self.app.feed(&mut st.app, &facts, input, &mut self.app_pool, pkt.ts);
            note_found(st, before, Some(dir), seen);
            let hot = self.flows.hot_mut(ix);
            hot.flags = hot.flags & !(UDP_DONE | UDP_DONE << 1) | TX_FED;
            if fed.reverse {
                self.flows.swap(ix);
                self.turned(ix);
                dir = dir.flip();
                continue;
            }
            self.fed(ix, pkt, dir, &fed, seen, sink);
            break;
        }
        let app = &self.state[ix.0 as usize].app;
        if self.app.is_deaf(app, dir) {
            let none = self.app.parser(app).is_none();
            let hot = self.flows.hot_mut(ix);
            hot.flags |= UDP_DONE << dir.ix();
            if none {
                // Without a parser there are no transactions.
                hot.flags &= !TX_DUE;
            }
        }
        dir
    }

    /// Gives the parser what it has not had of direction `d`. `flush`: the flow ends, nothing is held back.
    #[inline(never)]
    pub(super) fn feed_tcp(
        &mut self,
        ix: FlowIx,
        (d, flush): (Dir, bool),
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        let tcp = self.flows.hot(ix).tcp;
        if tcp == u32::MAX {
            return;
        }
        let mut turn = Turn { d, flush, other: Other::Untried };
        for _ in 0..MAX_ROUNDS {
            let state = &self.state[ix.0 as usize];
            if state.app.is_off() || state.app.is_opaque() {
                break;
            }
            match self.feed_once(ix, &mut turn, (pkt, dir), seen, sink) {
                Round::Again => {}
                Round::Over => break,
                Round::Wait => return,
            }
        }
        if self.state[ix.0 as usize].app.is_off() {
            for x in Dir::BOTH {
                self.streams.app_disable(tcp, x, &mut self.stream_pool);
            }
            self.end_unsealing(ix);
        }
    }

    /// One input for the parser. When it waits, the end comes again with what was left.
    fn feed_once(
        &mut self,
        ix: FlowIx,
        turn: &mut Turn,
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) -> Round {
        let tcp = self.flows.hot(ix).tcp;
        // The other direction gets one input without its end or its holes, then it is this direction's turn again.
        let aside = turn.other == Other::Now;
        let d = if aside { turn.d.flip() } else { turn.d };
        if aside {
            turn.other = Other::Done;
        }
        if let Some(id) = self.state[ix.0 as usize].unseal.id() {
            self.unseal((ix, id), (d, turn.flush), (pkt, dir), seen, sink);
        }
        let (need, sealed) = {
            let st = &self.state[ix.0 as usize];
            (st.need[d.ix()] as usize, st.unseal.id())
        };
        let chunk = match sealed {
            Some(id) => self.unseal.ready(id, d),
            None => self.streams.app_ready(tcp, d, &self.stream_pool, turn.flush),
        };
        let told = EOF_TOLD << d.ix();
        let eof = !aside && chunk.eof && self.flows.hot(ix).flags & told == 0;
        let (gap, len) = (chunk.gap, chunk.data.len());
        if aside && (len == 0 || gap > 0) {
            return Round::Again;
        }
        if !aside && gap == 0 && !eof && (len == 0 || len < need) {
            return Round::Wait;
        }
        if gap > 0 {
            seen.stream_events.set(Ev::ReassemblySeqGap as u8);
        }
        let eof = eof && gap == 0;
        let facts = self.facts(ix, OVER_TCP);
        let input = Input { dir: d, data: chunk.data, gap, eof, datagram: false };
        let st = &mut self.state[ix.0 as usize];
        self.faults.here(Station::App);
        let before = [st.app.proto_ts, st.app.proto_tc];
        let fed = self.app.feed(&mut st.app, &facts, input, &mut self.app_pool, pkt.ts);
        note_found(st, before, None, seen);
        self.flows.hot_mut(ix).flags |= TX_FED;
        if aside && (fed.reverse || fed.other_first) {
            return Round::Again;
        }
        if fed.reverse {
            self.flows.swap(ix);
            self.streams.swap(tcp);
            self.turned(ix);
            turn.d = d.flip();
            return Round::Again;
        }
        if fed.other_first {
            if turn.other == Other::Done {
                return Round::Wait;
            }
            turn.other = Other::Now;
            return Round::Again;
        }
        let given = Given { d, sealed, gap, len, eof, aside };
        self.took(ix, (given, &fed), (pkt, dir), seen, sink)
    }

    /// What the parser took of an input is given back to where it came from, and what that means for the flow is done.
    fn took(
        &mut self,
        ix: FlowIx,
        (given, fed): (Given, &Fed),
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) -> Round {
        let Given { d, sealed, gap, len, eof, aside } = given;
        let tcp = self.flows.hot(ix).tcp;
        self.fed(ix, pkt, dir, fed, seen, sink);
        if self.app.files_mut().began_to_read() {
            self.streams.deepen(tcp, d);
        }
        let took = gap as usize + fed.consumed.min(len);
        match sealed {
            Some(id) => self.unseal.consume(id, d, took),
            None => self.streams.app_consume(tcp, d, took, &mut self.stream_pool),
        }
        if self.unseal.is_on() {
            self.seek_keys(ix);
        }
        if fed.opaque {
            let apart = self.state[ix.0 as usize].app.proto.def().hides_apart;
            if !apart {
                // What came in the clear is still looked at.
                self.raw_due(tcp, Dir::ToServer.bit() | Dir::ToClient.bit());
            }
            seen.hidden |= if apart { d.flip().bit() } else { d.bit() | d.flip().bit() };
            self.streams.app_disable(tcp, d, &mut self.stream_pool);
            return if aside { Round::Again } else { Round::Wait };
        }
        if fed.full {
            self.make_room(ix, (pkt, dir), seen, sink);
        }
        if aside {
            return Round::Again;
        }
        let st = &mut self.state[ix.0 as usize];
        st.need[d.ix()] = if fed.consumed < len { u32::try_from(fed.need).unwrap_or(u32::MAX) } else { 0 };
        if fed.consumed > 0 && st.app.proto.is_known() {
            self.raw_due(tcp, fed.due);
        }
        if eof && !fed.full {
            self.flows.hot_mut(ix).flags |= EOF_TOLD << d.ix();
        }
        if fed.change {
            self.finish_protocol(ix, (pkt, dir), seen, sink);
            self.transactions(ix, pkt, dir, Ends::Protocol, sink);
        }
        if took == 0 { Round::Over } else { Round::Again }
    }

    /// Rules look at the raw bytes of these directions with the next packet.
    fn raw_due(&mut self, tcp: u32, due: u8) {
        for x in Dir::BOTH.into_iter().filter(|x| due & x.bit() != 0) {
            self.streams.raw_trigger(tcp, x);
        }
    }

    /// The parser has brought many transactions and waits: rules look at them, and those that are done go.
    #[cold]
    fn make_room(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        self.inspect_txs(ix, pkt, dir, seen, sink);
        let mut other = self.stand_in(ix, dir.flip());
        other.ts = pkt.ts;
        self.inspect_txs(ix, &other, dir.flip(), seen, sink);
        self.transactions(ix, pkt, dir, Ends::Nothing, sink);
    }

    /// What the old protocol left is inspected before the new one's parser takes the state's place: on packets that stand
    /// for both directions, as at the end of a flow; inline on the packet at hand, which can still be kept back.
    pub(super) fn finish_protocol(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        seen: &PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        if self.ips {
            for x in [dir, dir.flip()] {
                self.inspect_txs(ix, pkt, x, seen, sink);
            }
            return;
        }
        if self.no_rules || self.flows.hot(ix).flags & flag::UNSEEN != 0 {
            return;
        }
        let facts = PacketFacts {
            established: seen.established,
            pseudo: true,
            in_stream: true,
            ..PacketFacts::default()
        };
        for x in Dir::BOTH {
            if self.flows.hot(ix).flags & flag::WOULD_DROP != 0 {
                return;
            }
            let mut p = self.stand_in(ix, x);
            p.ts = pkt.ts;
            self.inspect_and_settle(ix, &p, x, &facts, true, sink);
        }
    }

    /// Notes what feeding brought to light.
    pub(super) fn fed(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        fed: &Fed,
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        if fed.opened {
            self.holders.add(&mut self.state, ix.0);
        }
        self.pressed |=
            self.app.is_tight(fed.opened) || self.app_pool.in_use() > self.app_pool.capacity() / 16 * 15;
        if fed.parse_failed {
            if let Some(p) = self.state[ix.0 as usize].app.proto.index() {
                self.stats.app_errors[usize::from(pkt.l4 == L4::Udp)][p] += 1;
            }
            if self.app_error != ExceptionPolicy::Ignore {
                seen.app_error = self.apply_exception(ix, self.app_error, DropReason::AppLayerError);
            }
        }
        if fed.decided {
            // A policy meets another protocol.
            self.flows.hot_mut(ix).policy = 0;
        }
        if fed.decided
            && let Some(p) = self.state[ix.0 as usize].app.proto.index()
        {
            self.stats.app_flows[p] += 1;
        }
        if fed.events & !self.state[ix.0 as usize].app_events != 0 {
            self.layer_anomalies(ix, pkt, dir, fed, seen, sink);
        }
    }

    #[cold]
    fn layer_anomalies(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        fed: &Fed,
        seen: &mut PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        let fresh = fed.events & !self.state[ix.0 as usize].app_events;
        if fresh != 0 {
            self.state[ix.0 as usize].app_events |= fresh;
            seen.app_events |= fresh;
            for (i, name) in crate::app::layer::LAYER_EVENTS.iter().enumerate() {
                if fresh >> i & 1 == 1 {
                    self.anomaly(
                        AnomalyKind::AppLayer,
                        name,
                        "proto_detect",
                        Some(pkt),
                        dir,
                        Some(ix),
                        None,
                        sink,
                    );
                }
            }
        }
    }
}

/// Notes the directions whose protocol feeding found: for the next packet of each, and of a datagram (`dir`) for the packet
/// at hand as well.
fn note_found(
    st: &mut super::FlowState,
    before: [AppProto; 2],
    dir: Option<Dir>,
    seen: &mut PacketFacts<'_>,
) {
    let after = [st.app.proto_ts, st.app.proto_tc];
    if after == before {
        return;
    }
    for d in Dir::BOTH {
        if after[d.ix()] != before[d.ix()] && after[d.ix()] != AppProto::UNKNOWN {
            seen.found |= dir == Some(d);
            st.found |= d.bit();
        }
    }
}
