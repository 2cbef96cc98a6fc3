//! Bursts without rules: nothing looks at most packets beyond their flow's counters, so their heads are enough.
//!
//! In: frames. Out: verdicts, and through [`Engine::packet`] all that the general way gives: a frame that has no plain
//! head, a new flow, TCP and whatever a parser waits for take that way, one by one and in order.

use super::packet::{TX_DUE, UDP_DONE};
use super::sweep::{SWEEP_NS, SWEEP_PKTS};
use super::{AHEAD, BURST, Engine, Frame};
use crate::Dir;
use crate::event::{EventSink, PacketSeen, Verdict};
use crate::flow::{Hashed, State, flag};
use crate::packet::Head;

const ETHERNET: u16 = 1;
const SYN: u8 = 2;

impl Engine {
    /// The burst's decoding, hashing and fetching, then its frames. `false` when too few have plain heads: nothing
    /// was done.
    pub(super) fn lean_burst(
        &mut self,
        frames: &[Frame<'_>],
        verdicts: &mut [Verdict],
        sink: &mut dyn EventSink,
    ) -> bool {
        let mut heads = [Head::default(); BURST];
        let mut hashes = [Hashed::NONE; BURST];
        let mut plain = 0u32;
        for (i, (f, (head, hash))) in frames.iter().zip(heads.iter_mut().zip(&mut hashes)).enumerate() {
            if f.link != ETHERNET || f.is_more() {
                continue;
            }
            if self.decoder.head_into(f.data, head) {
                *hash = self.flows.hash_head(head);
                self.flows.prefetch(hash);
                plain |= 1 << (i & 31);
            }
        }
        if (plain.count_ones() as usize) < frames.len() - frames.len() / 4 {
            return false;
        }
        for h in hashes.iter_mut().filter(|h| h.is_tracked()) {
            self.flows.prefetch_hot(h);
        }
        for (i, (f, slot)) in frames.iter().zip(verdicts).enumerate() {
            if let Some(h) = hashes.get(i + AHEAD) {
                self.prefetch_unless_idle(h, sink);
            }
            let (Some(head), Some(hash)) = (heads.get(i), hashes.get(i)) else { break };
            if plain >> (i & 31) & 1 == 0 {
                self.burst(core::slice::from_ref(f), core::slice::from_mut(slot), sink);
                continue;
            }
            self.stats.frames += 1;
            self.stats.bytes += f.data.len() as u64;
            self.stats.max_len = self.stats.max_len.max(f.data.len() as u32);
            *slot = match self.counted(head, hash, f, sink) {
                Some(v) => v,
                None => {
                    let mut p = head.packet(f.data, f.ts, f.index);
                    f.sums.apply(&mut p);
                    self.packet(&p, hash, None, sink, 0)
                }
            };
            self.count_verdict(*slot);
        }
        true
    }

    /// Asks for the session and the state of a packet's flow, if anybody will look at them.
    #[inline]
    fn prefetch_unless_idle(&self, h: &Hashed, sink: &mut dyn EventSink) {
        if let Some((ix, _)) = self.flows.peek(h) {
            if self.flows.hot(ix).flags & (UDP_DONE | UDP_DONE << 1) == 0 {
                self.prefetch_behind(Some(h), sink);
            } else if self.tell_packets {
                sink.packet_soon(ix.0 as usize);
            }
        }
    }

    /// Counts a packet of a known flow that nobody looks at, and says what becomes of it; `None`, and nothing done,
    /// when there is more to it.
    #[inline]
    fn counted(
        &mut self,
        head: &Head,
        hash: &Hashed,
        f: &Frame<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let (ix, dir) = self.flows.known(hash, head, f.ts)?;
        let hot = self.flows.hot(ix);
        let seen = if dir == Dir::ToServer { flag::TO_SERVER_SEEN } else { flag::TO_CLIENT_SEEN };
        if hot.flags & (seen | flag::DROP) != seen || hot.policy != self.policing.generation {
            return None;
        }
        let verdict = if hot.state == State::Bypassed {
            // A SYN may open another connection on its ports.
            if head.tcp_flags & SYN != 0 {
                return None;
            }
            Verdict::Bypass
        } else {
            let idle = head.payload_len() == 0 || hot.flags & (UDP_DONE << dir.ix()) != 0;
            if head.proto != 17 || !idle || hot.flags & TX_DUE != 0 {
                return None;
            }
            Verdict::Forward
        };
        let now = self.clock.now();
        if self.since_sweep + 1 >= SWEEP_PKTS && now / 1_000_000_000 != self.last_tick / 1_000_000_000
            || f.ts.saturating_sub(self.last_tick) >= SWEEP_NS
        {
            return None;
        }
        self.see(f.ts);
        self.since_sweep += 1;
        self.passed += 1;
        self.stats.head(head);
        if verdict == Verdict::Bypass {
            self.stats.local_bypassed.0 += 1;
            self.stats.local_bypassed.1 += f.data.len() as u64;
        }
        self.flows.count(ix, dir, f.ts, f.data.len(), head.ttl);
        if self.tell_packets {
            let packet = &head.packet(f.data, f.ts, f.index);
            let cold = self.flows.cold(ix);
            let flags = self.flows.hot(ix).flags;
            sink.packet(&PacketSeen { packet, place: ix.0 as usize, cold, dir, new: false, flags });
        }
        Some(verdict)
    }
}
