//! The end of a flow: what is still held is inspected, reported and given back.

use super::Engine;
use super::packet::{PacketFacts, TX_FED};
use super::transactions::Ends;
use crate::Dir;
use crate::app::{Layer, Queue};
use crate::event::{Event, EventSink, Verdict};
use crate::flow::{FlowIx, State, flag};
use crate::packet::{L3, L4, Packet, Source};
use crate::stream::TcpState;

/// LINKTYPE_RAW: packets that begin with an IP header.
const LINK_RAW: u16 = 101;

/// Flows that give up their parser at once, and how many are looked at for each.
const GIVE_UP: usize = 2;
const LOOK: usize = 16;

/// Most blocks of one direction that are inspected at a flow's end; what is behind them goes unseen.
const MAX_BLOCKS: usize = 4096;

/// Whether a verdict keeps the frame from going on.
pub(super) const fn gone(v: &Verdict) -> bool {
    matches!(v, Verdict::Drop | Verdict::Reject { .. })
}

impl Engine {
    /// A packet without bytes that stands for a direction of a flow at its end.
    pub(super) fn stand_in(&self, ix: FlowIx, dir: Dir) -> Packet<'static> {
        let k = self.flows.key(ix);
        let mut p = Packet::new(&[], LINK_RAW, self.flows.hot(ix).last, 0);
        p.source = Source::FlowEnd;
        p.l3 = if k.v6 { L3::Ipv6 } else { L3::Ipv4 };
        p.l4 = match k.proto {
            6 => L4::Tcp,
            17 => L4::Udp,
            _ => L4::None,
        };
        p.proto = k.proto;
        p.recursion = k.recursion;
        p.vlan = k.vlan;
        p.vlans = k.vlans;
        (p.src, p.dst, p.sp, p.dp) = match dir {
            Dir::ToServer => (k.src, k.dst, k.sp, k.dp),
            Dir::ToClient => (k.dst, k.src, k.dp, k.sp),
        };
        p
    }

    /// Finishes a flow: the rest of its streams goes to the parsers and the rules, its transactions, files and its own
    /// record go to the sink, its memory goes back.
    #[inline(never)]
    pub(super) fn end_flow(&mut self, ix: FlowIx, sink: &mut dyn EventSink) {
        if self.state.len() > ix.0 as usize {
            self.flush(ix, sink);
        }
        let view = self.view(ix);
        view.with(|flow| sink.event(Event::Flow(flow)));
        let facts = self.facts(ix, 0);
        let now = self.flows.hot(ix).last;
        self.end_unsealing(ix);
        self.holders.remove(&mut self.state, ix.0);
        if let Some(st) = self.state.get_mut(ix.0 as usize) {
            self.app.end(&mut st.app, &facts, &mut self.app_pool, now);
            st.detect.release(&mut self.app_pool);
            self.plain.flow_ended(core::mem::take(&mut st.plain));
        }
        let tcp = self.flows.hot(ix).tcp;
        if tcp != u32::MAX {
            self.streams.remove(tcp, &mut self.stream_pool);
        }
        self.flows.remove(ix);
    }

    /// Makes room for parsers: a few flows give up what theirs hold, closed and new ones before established ones, those
    /// that were idle longest first. What they have is inspected and reported before; they go on without a parser.
    #[cold]
    #[inline(never)]
    pub(super) fn relieve(&mut self, sink: &mut dyn EventSink) {
        self.pressed = false;
        for _ in 0..GIVE_UP {
            let Some(ix) = self.idlest() else { return };
            self.flush(ix, sink);
            let facts = self.facts(ix, 0);
            let now = self.flows.hot(ix).last;
            if let Some(st) = self.state.get_mut(ix.0 as usize) {
                self.app.end(&mut st.app, &facts, &mut self.app_pool, now);
            }
            self.end_unsealing(ix);
            let hot = self.flows.hot_mut(ix);
            hot.flags &= !TX_FED;
            let tcp = hot.tcp;
            for d in Dir::BOTH {
                self.streams.app_disable(tcp, d, &mut self.stream_pool);
            }
            self.stats.states_evicted += 1;
        }
    }

    /// Of the first few flows with a parser the one to give it up; the others go to the end.
    fn idlest(&mut self) -> Option<FlowIx> {
        let mut best: Option<((u8, u64), u32)> = None;
        for _ in 0..LOOK {
            let Some(ix) = self.holders.first().filter(|ix| best.is_none_or(|b| b.1 != *ix)) else { break };
            self.holders.remove(&mut self.state, ix);
            let hot = self.flows.hot(FlowIx(ix));
            let rank = (hot.worth(), hot.last);
            let keep = match best {
                Some(b) if b.0 <= rank => ix,
                _ => match best.replace((rank, ix)) {
                    Some(b) => b.1,
                    None => continue,
                },
            };
            self.holders.add(&mut self.state, keep);
            if rank.0 == 0 {
                // Closed, or not established, and among the oldest.
                break;
            }
        }
        best.map(|b| FlowIx(b.1))
    }

    fn flush(&mut self, ix: FlowIx, sink: &mut dyn EventSink) {
        let hot = *self.flows.hot(ix);
        let has_app = self.app.layers(&self.state[ix.0 as usize].app).next().is_some();
        if hot.tcp == u32::MAX && !has_app {
            return;
        }
        let live = hot.state != State::Bypassed && hot.flags & flag::DROP == 0;
        let established = self.streams.session(hot.tcp).is_none_or(|s| s.is_established());
        let mut seen = PacketFacts { established, pseudo: true, in_stream: true, ..PacketFacts::default() };
        self.end_encrypted(ix);
        let left = Dir::BOTH.map(|d| self.is_left(ix, d));
        // What is said of transactions is said on the packet that brings the last bytes.
        let answered =
            !self.streams.app_ready(hot.tcp, Dir::ToClient, &self.stream_pool, true).data.is_empty();
        if live {
            for d in Dir::BOTH {
                let p = self.stand_in(ix, d);
                if hot.tcp != u32::MAX {
                    self.feed_tcp(ix, (d, true), (&p, d), &mut seen, sink);
                }
                if self.flows.hot(ix).flags & flag::UNSEEN == 0 {
                    seen.only_txs = !left[d.ix()];
                    self.inspect_and_settle(ix, &p, d, &seen, true, sink);
                    // Each block between holes is inspected apart.
                    for _ in 0..MAX_BLOCKS {
                        let more = self.streams.raw_ready(hot.tcp, d, &self.stream_pool, true);
                        if !self.raw_wanted[d.ix()] || more.data.len() == more.new_from {
                            break;
                        }
                        self.inspect_and_settle(ix, &p, d, &seen, true, sink);
                    }
                }
            }
            // The server's last bytes may have brought something that is the client's, too.
            let silent = flag::UNSEEN | flag::WOULD_DROP | flag::DROP;
            if self.flows.hot(ix).flags & silent == 0 && self.raised(ix, Dir::ToServer) {
                let p = self.stand_in(ix, Dir::ToServer);
                self.inspect_txs(ix, &p, Dir::ToServer, &seen, sink);
            }
        }
        self.state[ix.0 as usize].app.conclude();
        let dir = if live && answered { Dir::ToClient } else { Dir::ToServer };
        let p = self.stand_in(ix, dir);
        self.transactions(ix, &p, dir, Ends::Flow, sink);
        // There is no packet to be dropped.
        let _ = self.policing.take_verdict();
    }

    /// Whether a transaction has an event of that direction that nobody was told of.
    fn raised(&self, ix: FlowIx, d: Dir) -> bool {
        self.app.layers(&self.state[ix.0 as usize].app).any(|l| {
            let Some(p) = self.app.parser_of(l.proto) else { return false };
            let mut at = p.next_tx(l.state, None);
            while let Some(tx) = at {
                let c = p.common(tx);
                if c.events & !c.events_reported != 0 && c.event_dirs & d.bit() != 0 && c.is_dirty(d) {
                    return true;
                }
                at = p.next_tx(l.state, at);
            }
            false
        })
    }

    /// What an encrypted session was is whole when its flow ends: nothing of it was read any more.
    fn end_encrypted(&mut self, ix: FlowIx) {
        let app = self.state[ix.0 as usize].app;
        if !app.is_opaque() {
            return;
        }
        let owner = self.app.owner(&app);
        for layer in self.app.layers(&app).filter(|l| l.proto == owner) {
            let Some(parser) = self.app.parser_of_mut(layer.proto) else { continue };
            let mut at = parser.next_tx(layer.state, None);
            while let Some(tx) = at {
                let end = parser.complete_progress(Dir::ToServer);
                parser.common_mut(tx).advance_both(end);
                Dir::BOTH.into_iter().for_each(|d| parser.requeue(layer.state, tx, Queue::Inspect(d)));
                at = parser.next_tx(layer.state, at);
            }
            self.flows.hot_mut(ix).flags |= TX_FED;
        }
    }

    /// Whether a direction of a flow that ends has something that no packet's inspection saw: bytes that wait, a
    /// transaction that goes on, or a TCP session that is open. As in Suricata only then rules on packets are asked once
    /// more, with a packet that is made up.
    fn is_left(&self, ix: FlowIx, d: Dir) -> bool {
        let tcp = self.flows.hot(ix).tcp;
        let Some(session) = self.streams.session(tcp) else { return false };
        let raw = || {
            let chunk = self.streams.raw_ready(tcp, d, &self.stream_pool, true);
            self.raw_wanted[d.ix()] && chunk.data.len() > chunk.new_from
        };
        let live = || {
            let Some(st) = self.state.get(ix.0 as usize) else { return false };
            let living =
                |l: Layer| self.app.parser_of(l.proto).is_some_and(|p| p.next_tx(l.state, None).is_some());
            self.app.layers(&st.app).any(living)
        };
        (session.is_established() && session.state() != TcpState::Closed)
            || !self.streams.app_ready(tcp, d, &self.stream_pool, true).data.is_empty()
            || raw()
            || live()
    }
}
