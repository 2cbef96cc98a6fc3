//! One packet through the stations: flow, stream, application, detection, verdict.

use super::Engine;
use super::flows::gone;
use super::transactions::{Ends, TxInspection};
use crate::Dir;
use crate::app::Encrypted;
use crate::detect::context::Raw;
use crate::detect::{FlowCx, PacketCx};
use crate::event::{AnomalyKind, DropReason, Event, EventSink, PacketSeen, StreamSeen, Verdict};
use crate::fault::Station;
use crate::flow::{FlowIx, Found, Hashed, State, exception_target, flag};
use crate::packet::{EventSet, L3, L4, Packet, PacketBuf, Source};
use crate::stream::{ExceptionPolicy, StreamOut, TcpState, outflag};

/// Bits of `Hot::flags` that are the engine's: end of data was told to the parser, per direction.
pub(super) const EOF_TOLD: u32 = 1 << flag::ENGINE_SHIFT;
/// Raw reassembly was switched off because no rule reads it.
const RAW_SET: u32 = 1 << (flag::ENGINE_SHIFT + 2);
/// The parser was fed since rules last ran on the flow's transactions, per direction.
const TX_CHANGED: u32 = 1 << (flag::ENGINE_SHIFT + 3);
/// The parser was fed since transactions were last reported, or one of them waits for its inspection only.
pub(super) const TX_DUE: u32 = 1 << (flag::ENGINE_SHIFT + 5);
/// A UDP flow: no parser waits for what comes in the direction, per direction.
pub(super) const UDP_DONE: u32 = 1 << (flag::ENGINE_SHIFT + 6);
/// The flow was passed by a rule, and its transactions were gone through since.
pub(super) const PASS_SEEN: u32 = 1 << (flag::ENGINE_SHIFT + 8);
/// Both directions ended, and the records of all transactions were written since.
pub(super) const ENDED: u32 = 1 << (flag::ENGINE_SHIFT + 9);
/// What feeding a parser sets.
pub(super) const TX_FED: u32 = TX_CHANGED | TX_CHANGED << 1 | TX_DUE;

/// Deepest nesting of fragments inside reassembled datagrams.
const MAX_DEPTH: u8 = 2;

/// What the stations before detection found out about a packet.
#[derive(Clone, Copy, Default)]
pub(super) struct PacketFacts<'a> {
    /// For a packet out of a tunnel: the outermost packet of its frame.
    pub root: Option<&'a Packet<'a>>,
    pub established: bool,
    pub first: bool,
    /// The protocol of the packet's direction was found.
    pub found: bool,
    pub in_stream: bool,
    pub pseudo: bool,
    /// A made-up packet with nothing left to look at but transactions: rules on packets are not asked.
    pub only_txs: bool,
    pub stream_events: EventSet,
    pub app_events: u8,
    /// Directions whose payload is encrypted from the next packet on (bits of [`Dir::bit`]).
    pub hidden: u8,
    /// A parser failed, and that decides the packet.
    pub app_error: Option<Verdict>,
}

impl Engine {
    /// Runs one decoded packet and says what becomes of it.
    pub(super) fn packet(
        &mut self,
        pkt: &Packet<'_>,
        hashed: &Hashed,
        root: Option<&Packet<'_>>,
        sink: &mut dyn EventSink,
        depth: u8,
    ) -> Verdict {
        let fed = pkt.source == Source::Stream;
        if !fed {
            self.stats.packet(pkt);
        }
        self.advance(pkt, sink);
        if self.pressed {
            self.relieve(sink);
        }
        if !pkt.events.is_empty() {
            self.decode_anomalies(pkt, sink);
        }
        if self.responding.is_on()
            && pkt.has_ip()
            && (pkt.frag.is_some() || pkt.invalid || !hashed.is_tracked())
            && let Some(v) = self.respond_alone(pkt, sink)
        {
            return v;
        }
        if pkt.frag.is_some() && !pkt.invalid {
            return self.fragment(pkt, root, sink, depth);
        }
        if !pkt.has_ip() || pkt.invalid || !hashed.is_tracked() {
            if pkt.l3 == L3::Arp && !pkt.invalid {
                sink.arp(pkt);
            }
            if let Some(v) = self.alone(pkt, sink) {
                return v;
            }
            return self.without_flow(pkt, root, sink);
        }
        self.faults.here(Station::Flow);
        let (ix, dir, new) = match self.flows.lookup_or_insert(pkt, hashed, &self.streams) {
            Found::Flow { ix, dir, new: false } => (ix, dir, false),
            found => match self.new_flow(pkt, hashed, found, sink) {
                Some(found) => found,
                None => return self.refused_flow(pkt, root, sink),
            },
        };
        let established = self.flows.update(ix, pkt, dir);
        if new && self.watch.is_on() {
            self.watch_ends(ix, (pkt, dir), sink);
        }
        let first = new || self.flows.hot(ix).pkts[dir.ix()] == 1;
        if self.tell_packets {
            let cold = self.flows.cold(ix);
            let flags = self.flows.hot(ix).flags;
            sink.packet(&PacketSeen { packet: pkt, place: ix.0 as usize, cold, dir, new, flags });
        }
        self.with_flow(
            ix,
            pkt,
            dir,
            PacketFacts { root, established, first, pseudo: fed, ..PacketFacts::default() },
            sink,
        )
    }

    /// A packet whose flow found no room.
    #[cold]
    fn refused_flow(
        &mut self,
        pkt: &Packet<'_>,
        root: Option<&Packet<'_>>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let stopped = if self.responding.is_on() { self.respond_alone(pkt, sink) } else { None };
        let decided = stopped.or_else(|| self.alone(pkt, sink));
        let decided = decided.or_else(|| self.no_room(pkt, DropReason::FlowMemcap, sink));
        decided.unwrap_or_else(|| self.without_flow(pkt, root, sink))
    }

    /// What the exception policy of memory decides on a packet that has no flow; `None`: it goes on.
    #[cold]
    fn no_room(&mut self, pkt: &Packet<'_>, why: DropReason, sink: &mut dyn EventSink) -> Option<Verdict> {
        let (target, policy) = match why {
            DropReason::DefragMemcap => (exception_target::DEFRAG_MEMCAP, self.defrag_memcap),
            _ => (exception_target::FLOW_MEMCAP, self.flow_memcap),
        };
        self.stats.exceptions[usize::from(target)][policy as usize] += 1;
        let verdict = match policy {
            ExceptionPolicy::Ignore => return None,
            // Let through without a look, the packet alone.
            ExceptionPolicy::PassPacket | ExceptionPolicy::PassFlow | ExceptionPolicy::Bypass => {
                return Some(Verdict::Forward);
            }
            ExceptionPolicy::DropPacket | ExceptionPolicy::DropFlow => Verdict::Drop,
            ExceptionPolicy::Reject => Verdict::Reject { to_src: true, to_dst: true },
        };
        // Where nothing can be dropped, it is looked at as it is.
        self.ips.then(|| self.dropped(pkt, Dir::ToServer, None, why, verdict, sink))
    }

    /// What a policy says of a packet that has no flow.
    #[inline]
    fn alone(&mut self, pkt: &Packet<'_>, sink: &mut dyn EventSink) -> Option<Verdict> {
        let policed = self.policing.generation != 0 && pkt.has_ip() && !pkt.invalid;
        if policed { self.police_alone(pkt, sink) } else { None }
    }

    /// The packet's flow is not simply there: it is new, or others must end before it can be. `None`: there is none.
    #[inline(never)]
    fn new_flow(
        &mut self,
        pkt: &Packet<'_>,
        hashed: &Hashed,
        mut found: Found,
        sink: &mut dyn EventSink,
    ) -> Option<(FlowIx, Dir, bool)> {
        loop {
            match found {
                Found::Flow { ix, dir, new } => {
                    if new {
                        self.fresh_state(ix);
                    }
                    return Some((ix, dir, new));
                }
                Found::Ended(ix) => self.end_flow(ix, sink),
                Found::NotTracked | Found::Full => return None,
            }
            found = self.flows.lookup_or_insert(pkt, hashed, &self.streams);
        }
    }

    #[inline(never)]
    fn without_flow(
        &mut self,
        pkt: &Packet<'_>,
        root: Option<&Packet<'_>>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        if self.no_rules {
            return Verdict::Forward;
        }
        let cx = PacketCx { no_payload: pkt.carrier, ..PacketCx::of(pkt, Dir::ToServer) };
        self.detect.packet(&cx, None, &mut self.app_pool);
        self.settle(pkt, root, Dir::ToServer, None, sink)
    }

    /// A fragment: it is inspected as it is, and may complete a datagram, which then is a packet of its own.
    #[inline(never)]
    fn fragment(
        &mut self,
        pkt: &Packet<'_>,
        root: Option<&Packet<'_>>,
        sink: &mut dyn EventSink,
        depth: u8,
    ) -> Verdict {
        let mut events = EventSet::default();
        let policy = self.streams.config().os_of(&pkt.dst, pkt.is_ipv6());
        let (refused, full) = (self.defrag.stats().overlaps_refused, self.defrag.stats().max_frags_reached);
        let done = if depth < MAX_DEPTH { self.defrag.insert(pkt, policy, &mut events) } else { None };
        let refused = self.defrag.stats().overlaps_refused > refused;
        if self.defrag.stats().max_frags_reached > full
            && let Some(v) = self.no_room(pkt, DropReason::DefragMemcap, sink)
        {
            return v;
        }
        let verdict = if events.is_empty() {
            self.without_flow(pkt, root, sink)
        } else {
            let mut marked = pkt.clone();
            marked.events = events;
            marked.repeated = EventSet::default();
            self.decode_anomalies(&marked, sink);
            for e in events.iter() {
                self.stats.events[usize::from(e)] += 1;
            }
            for (a, b) in marked.events.0.iter_mut().zip(pkt.events.0) {
                *a |= b;
            }
            self.without_flow(&marked, root, sink)
        };
        if refused && self.ips {
            // The receiver would put together what was not inspected.
            return self.dropped(pkt, Dir::ToServer, None, DropReason::DefragError, Verdict::Drop, sink);
        }
        let Some(d) = done else { return verdict };
        let mut bytes = core::mem::take(&mut self.whole[usize::from(depth)]);
        bytes.clear();
        let from = self.defrag.datagram(&d);
        let fits = from.len() <= bytes.capacity();
        if fits {
            bytes.extend_from_slice(from);
        }
        let (l3_off, link) = (d.l3_off(), d.link());
        self.defrag.release(d);
        let mut worst = verdict;
        if fits {
            let mut buf =
                core::mem::replace(&mut self.inner[usize::from(depth)], PacketBuf::new(0)).recycle();
            self.decoder.decode_ip(&bytes, l3_off, link, pkt, &mut buf);
            for p in buf.iter().rev() {
                let h = self.flows.hash(p);
                worst = super::stronger(worst, self.packet(p, &h, root.or(Some(pkt)), sink, depth + 1));
            }
            self.inner[usize::from(depth)] = buf.recycle();
        }
        self.whole[usize::from(depth)] = bytes;
        worst
    }

    #[inline(never)]
    fn decode_anomalies(&mut self, pkt: &Packet<'_>, sink: &mut dyn EventSink) {
        for e in pkt.anomalies() {
            let name = crate::packet::events::name(e);
            self.anomaly(AnomalyKind::Decode, name, "", Some(pkt), Dir::ToServer, None, None, sink);
        }
    }

    /// The packet's flow is known: stream, application layer, detection.
    pub(super) fn with_flow(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        mut dir: Dir,
        mut seen: PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        if self.flows.hot(ix).policy != self.policing.generation {
            let stopped = self.respond(ix, (pkt, dir), sink);
            if let Some(v) = stopped.or_else(|| self.police(ix, (pkt, dir), sink)) {
                return v;
            }
        }
        let flags = self.flows.hot(ix).flags;
        if flags & flag::DROP != 0 {
            self.count_response(ix);
            return self.dropped(pkt, dir, ix, DropReason::FlowDrop, Verdict::Drop, sink);
        }
        if self.flows.hot(ix).state == State::Bypassed {
            self.stats.local_bypassed.0 += 1;
            self.stats.local_bypassed.1 += pkt.data.len() as u64;
            return Verdict::Bypass;
        }
        let pending = &mut self.state[ix.0 as usize].found;
        if *pending & dir.bit() != 0 {
            *pending &= !dir.bit();
            seen.found = true;
        }
        let mut out = StreamOut::default();
        match pkt.l4 {
            L4::Tcp => {
                self.faults.here(Station::Stream);
                let before = self.tcp_state(ix);
                out = self.streams.packet(&mut self.flows, ix, pkt, dir, &mut self.stream_pool);
                if out.has(outflag::SWAPPED) {
                    self.turned(ix);
                    dir = out.dir;
                }
                seen.in_stream = out.has(outflag::ADDED);
                seen.established = out.has(outflag::ESTABLISHED);
                seen.stream_events = stream_set(&out);
                self.stream_setup(ix);
                if !out.events.is_empty() {
                    self.stream_anomalies(ix, pkt, dir, &out, sink);
                }
                if self.tell_streams {
                    self.tell_stream(ix, (pkt, dir), before, seen.stream_events, sink);
                }
                if let Some(v) = self.exception(ix, &out) {
                    let why = out.exception_reason.unwrap_or(DropReason::StreamMidstream);
                    return self.decided(pkt, dir, ix, why, v, sink);
                }
                for d in [dir.flip(), dir] {
                    if out.update & d.bit() != 0 {
                        self.feed_tcp(ix, (d, false), (pkt, dir), &mut seen, sink);
                    }
                }
            }
            L4::Udp if pkt.payload.len > 0 && flags & (UDP_DONE << dir.ix()) == 0 => {
                dir = self.feed_udp(ix, pkt, dir, &mut seen, sink);
            }
            L4::Udp if pkt.payload.len == 0 => self.state[ix.0 as usize].app.said_nothing(),
            _ => {}
        }
        if let Some(v) = seen.app_error {
            return self.decided(pkt, dir, ix, DropReason::AppLayerError, v, sink);
        }
        let mut verdict = Verdict::Forward;
        let hot = self.flows.hot(ix);
        let dropped = hot.flags & flag::WOULD_DROP;
        let open = hot.policy != self.policing.generation;
        if open && let Some(v) = self.police_more(ix, (pkt, dir), sink) {
            verdict = v;
        } else if (flags & flag::UNSEEN) | dropped == 0 && !self.no_rules {
            verdict = self.inspect_and_settle(ix, pkt, dir, &seen, false, sink);
        }
        let flags = self.flows.hot(ix).flags;
        let both = EOF_TOLD | EOF_TOLD << 1;
        // With the end of the second direction everything has been said that records tell.
        let ends = if flags & both == both && flags & ENDED == 0 { Ends::Bytes } else { Ends::Nothing };
        if flags & TX_DUE != 0 || ends == Ends::Bytes {
            self.transactions(ix, pkt, dir, ends, sink);
        }
        if open && let Some(v) = self.policing.take_verdict() {
            verdict = super::stronger(verdict, v);
        }
        if let Some(v) = self.responding.take_verdict() {
            verdict = super::stronger(verdict, v);
        }
        if let Some(why) = out.drop
            && self.ips
            && !gone(&verdict)
        {
            verdict = self.dropped(pkt, dir, ix, why, Verdict::Drop, sink);
        }
        if self.state[ix.0 as usize].app.is_opaque() {
            self.blind(ix, seen.hidden);
        }
        if self.bypass_encrypted && !gone(&verdict) {
            self.bypass_if_encrypted(ix);
        }
        verdict
    }

    /// From the next packet on nobody looks at the payload of an encrypted flow in the directions `hidden`, and in those
    /// that the other side has answered since.
    fn blind(&mut self, ix: FlowIx, mut hidden: u8) {
        let hot = self.flows.hot(ix);
        let (flags, tcp) = (hot.flags, hot.tcp);
        if flags & flag::NO_PAYLOAD_INSPECT == flag::NO_PAYLOAD_INSPECT {
            return;
        }
        for d in Dir::BOTH {
            let new = self.streams.app_ready(tcp, d, &self.stream_pool, false);
            if !new.data.is_empty() || new.gap > 0 {
                hidden |= d.flip().bit();
            }
        }
        for d in Dir::BOTH.into_iter().filter(|d| hidden & d.bit() != 0) {
            self.flows.hot_mut(ix).flags |= flag::NO_PAYLOAD_TO_SERVER << d.ix();
            self.streams.raw_disable(tcp, d, &mut self.stream_pool);
        }
        if self.flows.hot(ix).flags & flag::NO_PAYLOAD_INSPECT == flag::NO_PAYLOAD_INSPECT {
            self.streams.stop(tcp, &mut self.stream_pool);
        }
    }

    /// Where the configuration says so, nobody looks at an encrypted flow any more.
    fn bypass_if_encrypted(&mut self, ix: FlowIx) {
        let app = &self.state[ix.0 as usize].app;
        if app.is_opaque() && self.app.config().encrypted(app.proto) == Encrypted::Bypass {
            self.flows.set_state(ix, State::Bypassed);
        }
    }

    /// Once a session: no bytes are kept for directions that neither rules nor parsers read.
    fn stream_setup(&mut self, ix: FlowIx) {
        let hot = self.flows.hot_mut(ix);
        if hot.flags & RAW_SET == 0 && hot.tcp != u32::MAX {
            hot.flags |= RAW_SET;
            let tcp = hot.tcp;
            self.raw_setup(tcp);
        }
    }

    #[inline(never)]
    fn raw_setup(&mut self, tcp: u32) {
        for d in Dir::BOTH {
            if !self.raw_wanted[d.ix()] {
                self.streams.raw_disable(tcp, d, &mut self.stream_pool);
            }
            if self.app_off {
                self.streams.app_disable(tcp, d, &mut self.stream_pool);
            }
        }
    }

    #[inline(never)]
    fn stream_anomalies(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        out: &StreamOut,
        sink: &mut dyn EventSink,
    ) {
        for e in stream_set(out).iter() {
            self.stats.stream_events[usize::from(e)] += 1;
            let name = crate::stream::events::name(e);
            self.anomaly(AnomalyKind::Stream, name, "", Some(pkt), dir, Some(ix), None, sink);
        }
    }

    fn tcp_state(&self, ix: FlowIx) -> Option<TcpState> {
        if !self.tell_streams {
            return None;
        }
        Some(self.streams.session(self.flows.hot(ix).tcp)?.state())
    }

    #[cold]
    fn tell_stream(
        &self,
        ix: FlowIx,
        (packet, dir): (&Packet<'_>, Dir),
        before: Option<TcpState>,
        events: EventSet,
        sink: &mut dyn EventSink,
    ) {
        let Some(state) = self.tcp_state(ix) else { return };
        let changed = before != Some(state);
        self.view(ix).with(|flow| {
            sink.event(Event::Stream(&StreamSeen { packet, flow, dir, state, changed, events }));
        });
    }

    /// Applies an exception policy that the stream station asks for; `Some` when the packet is decided by it.
    fn exception(&mut self, ix: FlowIx, out: &StreamOut) -> Option<Verdict> {
        match out.exception_reason {
            None => None,
            Some(reason) => self.apply_exception(ix, out.exception, reason),
        }
    }

    /// What an exception policy decided on a packet.
    #[cold]
    fn decided(
        &mut self,
        pkt: &Packet<'_>,
        dir: Dir,
        ix: FlowIx,
        why: DropReason,
        v: Verdict,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        if gone(&v) { self.dropped(pkt, dir, ix, why, v, sink) } else { v }
    }

    #[cold]
    pub(super) fn apply_exception(
        &mut self,
        ix: FlowIx,
        policy: ExceptionPolicy,
        reason: DropReason,
    ) -> Option<Verdict> {
        let target = match reason {
            DropReason::StreamMidstream => exception_target::MIDSTREAM,
            DropReason::AppLayerError => exception_target::APP_ERROR,
            _ => exception_target::REASSEMBLY,
        };
        self.stats.exceptions[usize::from(target)][policy as usize] += 1;
        self.flows.cold_mut(ix).exception = (target, policy as u8);
        let hot = self.flows.hot_mut(ix);
        hot.flags |= flag::EXCEPTION;
        match policy {
            ExceptionPolicy::Ignore => None,
            ExceptionPolicy::PassPacket => Some(Verdict::Forward),
            ExceptionPolicy::PassFlow => {
                hot.flags |= flag::PASS | flag::NO_PAYLOAD_INSPECT;
                None
            }
            ExceptionPolicy::Bypass => {
                hot.flags |= flag::PASS;
                self.flows.set_state(ix, State::Bypassed);
                Some(Verdict::Bypass)
            }
            ExceptionPolicy::DropPacket => self.ips.then_some(Verdict::Drop),
            ExceptionPolicy::DropFlow => {
                if !self.ips {
                    return None;
                }
                hot.flags |= flag::DROP;
                Some(Verdict::Drop)
            }
            ExceptionPolicy::Reject => {
                if self.ips {
                    hot.flags |= flag::DROP;
                    return Some(Verdict::Reject { to_src: true, to_dst: true });
                }
                None
            }
        }
    }

    /// Rules on the packet, on raw stream bytes of its direction, and on that direction's transactions.
    fn inspect(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        seen: &PacketFacts<'_>,
        flush: bool,
    ) -> bool {
        if self.no_rules {
            return false;
        }
        if self.state[ix.0 as usize].detect.generation != self.detect.generation() {
            self.renew(ix);
        }
        let hot = self.flows.hot(ix);
        let tcp = hot.tcp;
        let chunk = if tcp != u32::MAX && self.raw_wanted[dir.ix()] {
            self.streams.raw_ready(tcp, dir, &self.stream_pool, flush)
        } else {
            crate::stream::RawChunk::default()
        };
        let raw = (chunk.due && chunk.data.len() > chunk.new_from).then_some(Raw {
            data: chunk.data,
            offset: chunk.start_offset,
            // Inline nothing waits for more bytes, so what came before is looked at again beside what is new.
            new_from: if self.streams.is_inline() { 0 } else { chunk.new_from },
        });
        let consumed = raw.is_some();
        let cx = PacketCx {
            pkt,
            dir,
            has_flow: true,
            pseudo: seen.pseudo,
            established: seen.established,
            first: seen.first,
            found: seen.found,
            in_stream: seen.in_stream,
            no_payload: pkt.carrier || hot.flags & flag::NO_PAYLOAD_TO_SERVER << dir.ix() != 0,
            no_patterns: hot.flags & flag::NO_PAYLOAD_INSPECT != 0,
            stream_events: seen.stream_events,
            app_events: seen.app_events,
            stream_size: self.streams.session(tcp).map(|s| Dir::BOTH.map(|d| s.seen(d))),
            raw,
            flow_id: self.flows.cold(ix).id,
        };
        let st = &mut self.state[ix.0 as usize];
        let start = self.flows.cold(ix).start;
        let mut fcx = FlowCx::of(hot, start, &st.app, &mut st.detect);
        if !seen.only_txs {
            self.detect.packet(&cx, Some(&mut fcx), &mut self.app_pool);
        }
        let changed = TX_CHANGED << dir.ix();
        if hot.flags & changed != 0 {
            let mut run = TxInspection {
                detect: &mut self.detect,
                app: &mut self.app,
                pool: &mut self.app_pool,
                visits: &mut self.stats.tx_visits,
            };
            if let Some(due) = run.all(st, (hot, start), &cx) {
                let hot = self.flows.hot_mut(ix);
                hot.flags = hot.flags & !changed | due;
            }
        }
        consumed
    }

    /// Rules on the packet and what follows from them. The inspected stream bytes stay until alerts have been
    /// written, which show them.
    pub(super) fn inspect_and_settle(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        seen: &PacketFacts<'_>,
        flush: bool,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let consumed = self.inspect(ix, pkt, dir, seen, flush);
        let verdict = self.settle(pkt, seen.root, dir, Some(ix), sink);
        if consumed {
            let tcp = self.flows.hot(ix).tcp;
            self.streams.raw_consume(tcp, dir, &mut self.stream_pool, flush);
        }
        if self.state[ix.0 as usize].detect.bypass && !gone(&verdict) {
            return self.bypass_by_rule(ix);
        }
        verdict
    }

    /// A rule with `bypass` matched: the rest of the flow goes on unseen.
    #[cold]
    fn bypass_by_rule(&mut self, ix: FlowIx) -> Verdict {
        self.state[ix.0 as usize].detect.bypass = false;
        self.flows.hot_mut(ix).flags |= flag::PASS;
        self.flows.set_state(ix, State::Bypassed);
        Verdict::Bypass
    }
}

/// The stream events of a packet in the form that rules test.
fn stream_set(out: &StreamOut) -> EventSet {
    let v = out.events.0;
    EventSet([v as u64, (v >> 64) as u64, 0, 0])
}
