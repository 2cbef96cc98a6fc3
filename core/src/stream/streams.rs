//! All sessions of an engine: packets go in, readable bytes come out to parsers and raw inspection.

use super::buffer::{Limits, Range, Refused};
use super::segment::{self, Seg};
use super::session::{AppChunk, RawChunk, Session, Side, StreamOut, TcpState, df, outflag, sf};
use super::state::{self, Machine};
use super::{Ev, StreamConfig, UrgentPolicy};
use crate::Dir;
use crate::event::DropReason;
use crate::flow::{FlowIx, FlowTable};
use crate::packet::{Checksum, Packet, checksum};
use crate::pool::{BytePool, Scratch, Slab};

/// Counts since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    pub sessions: u64,
    pub midstream: u64,
    pub session_memcap: u64,
    pub reassembly_memcap: u64,
    pub gaps: u64,
    pub overlaps: u64,
    pub overlaps_different: u64,
    pub invalid_checksum: u64,
    pub urgent_oob: u64,
    pub depth_reached: u64,
    /// Directions whose bytes were given up to make room for those of others.
    pub evicted: u64,
}

/// Frames after which `checksum_auto` decides, and how many of them there must be for a wrong one; both are Suricata's.
const SAMPLE: u64 = 1000;
const WRONG_OF: u64 = 10;

/// All sessions of one engine. Their bytes lie in a pool that the caller gives to each call; it must always be
/// the same, and another than the one parsers write to (they read stream bytes while they write).
pub struct Streams {
    cfg: StreamConfig,
    sessions: Slab<Session>,
    counters: StreamCounters,
    /// Where [`Streams::relieve`] looks next.
    hand: u32,
    /// Frames among which `checksum_auto` counts wrong checksums have gone by.
    sampled: bool,
    /// `check_overlap_different_data` as configured; see [`Streams::compare_overlaps`].
    compare: bool,
}

impl Streams {
    /// Takes the memory of `cfg.max_sessions` sessions.
    pub fn new(cfg: StreamConfig) -> Self {
        Streams {
            sessions: Slab::new(cfg.max_sessions),
            compare: cfg.check_overlap_different_data,
            cfg,
            counters: StreamCounters::default(),
            hand: 0,
            sampled: false,
        }
    }

    /// Whether bytes that come twice are compared: costs, so it is on while a rule asks for the event, or by configuration.
    pub(crate) fn compare_overlaps(&mut self, compare: bool) {
        self.cfg.check_overlap_different_data = compare || self.compare;
    }

    /// Whether every packet is decided over before the next.
    pub(crate) fn is_inline(&self) -> bool {
        self.cfg.inline
    }

    /// Touches the memory of the first `sessions`; see [`Slab::warm`].
    pub(crate) fn warm(&mut self, sessions: usize) {
        self.sessions.warm(sessions);
    }

    pub fn config(&self) -> &StreamConfig {
        &self.cfg
    }

    pub fn counters(&self) -> StreamCounters {
        self.counters
    }

    /// Live sessions.
    pub fn len(&self) -> usize {
        self.sessions.used()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Session number `ix` (`Hot::tcp`).
    pub fn session(&self, ix: u32) -> Option<&Session> {
        if ix == u32::MAX { None } else { Some(self.sessions.get(ix)) }
    }

    /// Asks for the lines of a session that every packet touches.
    #[inline]
    pub(crate) fn prefetch(&self, ix: u32) {
        if let Some(s) = self.sessions.peek(ix) {
            // Where fields lie is the compiler's choice: some of these are the same line.
            crate::flow::prefetch(&s.state);
            for side in &s.sides {
                crate::flow::prefetch(&side.data);
                crate::flow::prefetch(&side.next_seq);
                crate::flow::prefetch(&side.app);
            }
        }
    }

    fn side_mut(&mut self, ix: u32, dir: Dir) -> Option<&mut Side> {
        if ix == u32::MAX { None } else { Some(&mut self.sessions.get_mut(ix).sides[dir.ix()]) }
    }

    /// Whether `pkt`, travelling in `dir`, opens a new connection on the ports of session `ix`.
    pub fn is_reuse(&self, ix: u32, pkt: &Packet<'_>, dir: Dir) -> bool {
        let flags = pkt.tcp.flags;
        if flags & (segment::RST | segment::FIN) != 0 || flags & segment::SYN == 0 {
            return false;
        }
        let syn_ack = flags & segment::ACK != 0;
        if syn_ack && !self.cfg.midstream && !self.cfg.async_oneside {
            return false;
        }
        let Some(s) = self.session(ix) else {
            // A flow without a session began in the middle; a SYN starts afresh, a SYN/ACK belongs to it.
            return !(syn_ack && dir == Dir::ToClient);
        };
        let from_opener = if syn_ack { dir == Dir::ToClient } else { dir == Dir::ToServer };
        if from_opener {
            if !syn_ack && s.flags & sf::FAST_OPEN_IGNORED != 0 {
                return true;
            }
            if s.sides[dir.ix()].isn == pkt.tcp.seq {
                return false;
            }
        }
        s.state >= TcpState::LastAck || s.state == TcpState::None
    }

    /// Whether a packet's checksum keeps it out of the stream.
    #[inline]
    fn wrong_sum(&mut self, pkt: &Packet<'_>) -> bool {
        if self.cfg.checksum_auto && !self.sampled && pkt.index >= SAMPLE {
            self.judge(pkt.index);
        }
        if !self.cfg.checksum_validation {
            return false;
        }
        let compute = self.cfg.checksum_compute || self.cfg.checksum_auto;
        let sum = if compute { checksum::verify_l4(pkt) } else { pkt.l4_sum };
        sum == Checksum::Bad
    }

    /// Whether checksums of this capture mean anything, as Suricata's `auto` decides.
    #[cold]
    fn judge(&mut self, frames: u64) {
        self.sampled = true;
        let wrong = self.counters.invalid_checksum;
        if wrong > 0 && frames / wrong < WRONG_OF {
            self.cfg.checksum_validation = false;
        }
    }

    /// Runs one TCP packet through its flow's session. The flow was already updated for the packet
    /// ([`FlowTable::update`]).
    pub fn packet(
        &mut self,
        flows: &mut FlowTable,
        flow: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        pool: &mut BytePool,
    ) -> StreamOut {
        let mut out = StreamOut { dir, ..StreamOut::default() };
        let t = &pkt.tcp;
        let hot = flows.hot_mut(flow);
        let mut ix = hot.tcp;
        if hot.state == crate::flow::State::Established {
            out.flags |= outflag::ESTABLISHED;
        }
        if self.wrong_sum(pkt) {
            self.counters.invalid_checksum += 1;
            return out;
        }
        hot.tcp_flags[dir.ix()] |= t.flags;
        if t.flags & segment::ACK == 0 && t.ack != 0 {
            out.events.set(Ev::PktBrokenAck);
        }
        if t.flags & segment::URG != 0 && self.cfg.inline && self.cfg.urgent == UrgentPolicy::Drop {
            out.drop = Some(DropReason::StreamUrgent);
            return out;
        }
        let payload = pkt.payload();
        let seg = Seg::new(pkt, dir, payload.len() as u32);
        let fresh = ix == u32::MAX;
        if fresh {
            match state::opens(&self.cfg, &seg, &mut out) {
                state::Opening::Refused => {
                    self.refuse(&mut out);
                    return out;
                }
                state::Opening::None => {
                    out.flags |= outflag::NO_SESSION;
                    return out;
                }
                state::Opening::Session => {}
            }
            let Some(new) = self.sessions.alloc() else {
                self.counters.session_memcap += 1;
                out.flags |= outflag::NO_SESSION;
                out.exception = self.cfg.memcap_policy;
                out.exception_reason = Some(DropReason::StreamReassembly);
                return out;
            };
            ix = new;
            flows.hot_mut(flow).tcp = ix;
            self.counters.sessions += 1;
            out.flags |= outflag::NEW;
        }
        let ssn = self.sessions.get_mut(ix);
        ssn.sides[dir.ix()].tcp_flags |= t.flags;
        if ssn.flags & sf::ASYNC != 0 && ssn.sides[0].tcp_flags != 0 && ssn.sides[1].tcp_flags != 0 {
            ssn.flags &= !sf::ASYNC;
        }
        if ssn.state >= TcpState::Established {
            out.flags |= outflag::ESTABLISHED;
        }
        let was = ssn.state;
        let mut m = Machine {
            cfg: &self.cfg,
            ssn,
            out: &mut out,
            pool,
            handled: 0,
            probed: false,
            to: pkt.dst,
            v6: pkt.is_ipv6(),
        };
        let ok = if fresh { m.first(&seg) } else { m.next(&seg) };
        let handled = m.handled;
        let dir = out.dir;
        if dir != seg.dir {
            flows.swap(flow);
        }
        if fresh && self.sessions.get(ix).flags & sf::MIDSTREAM != 0 {
            self.counters.midstream += 1;
        }
        if handled != 0 {
            self.take_data(ix, pkt, dir, payload, handled, pool, &mut out);
        }
        let ssn = self.sessions.get_mut(ix);
        if ssn.state != was {
            if let Some(state) = state::flow_state(ssn.state) {
                flows.set_state(flow, state);
            }
            if ssn.state == TcpState::Closed {
                out.flags |= outflag::CLOSED;
            }
        }
        if ssn.sides[dir.ix()].flags & df::DEPTH != 0 {
            out.flags |= outflag::DEPTH;
        }
        if !ok {
            self.refuse(&mut out);
        }
        out
    }

    #[cold]
    fn refuse(&self, out: &mut StreamOut) {
        out.flags |= outflag::REFUSED;
        if self.cfg.inline && self.cfg.drop_invalid {
            out.drop = Some(DropReason::StreamError);
        }
    }

    /// Puts the payload into its direction and notes which directions may be read.
    #[allow(clippy::too_many_arguments)]
    fn take_data(
        &mut self,
        ix: u32,
        pkt: &Packet<'_>,
        dir: Dir,
        payload: &[u8],
        handled: u8,
        pool: &mut BytePool,
        out: &mut StreamOut,
    ) {
        let ssn = self.sessions.get_mut(ix);
        let t = &pkt.tcp;
        let (same, opposite) = (dir.bit(), dir.flip().bit());
        out.update |= if self.cfg.inline || t.flags & segment::RST != 0 {
            same
        } else if t.flags & segment::FIN != 0 && ssn.state > TcpState::TimeWait {
            if t.flags & segment::ACK != 0 { same | opposite } else { same }
        } else if ssn.state == TcpState::Closed {
            same | opposite
        } else {
            opposite
        };
        let syn_data = t.flags & segment::SYN != 0;
        let seq = if syn_data { t.seq.wrapping_add(1) } else { t.seq };
        let side = &mut ssn.sides[dir.ix()];
        // The anchor of offsets moves along, well before 2^31 bytes have passed.
        if seq.wrapping_sub(side.seq_base) > 1 << 29 && seq.wrapping_sub(side.seq_base) < 1 << 30 {
            side.seq_base = side.seq_base.wrapping_add(1 << 28);
            side.seq_off += 1 << 28;
        }
        // What a RST carries explains it to a person; no receiver takes it for data.
        if payload.is_empty()
            || side.is_stopped()
            || handled & state::NO_DATA != 0
            || t.flags & segment::RST != 0
        {
            return;
        }
        let depth_before = side.flags & df::DEPTH;
        let mut inserted = self.insert(ix, pkt, dir, seq, payload, pool, out);
        for _ in 0..RELIEFS {
            if inserted != Err(Refused::Memory) || !self.relieve(ix, dir, pool) {
                break;
            }
            inserted = self.insert(ix, pkt, dir, seq, payload, pool, out);
        }
        if let Err(why) = inserted {
            match why {
                Refused::Before => out.events.set(Ev::ReassemblySegmentBeforeBaseSeq),
                Refused::Memory => {
                    self.counters.reassembly_memcap += 1;
                    out.events.set(Ev::ReassemblyInsertMemcap);
                    out.exception = self.cfg.reassembly_memcap_policy;
                    out.exception_reason = Some(DropReason::StreamReassembly);
                }
                Refused::Limit => out.events.set(Ev::ReassemblyInsertLimit),
            }
        }
        if depth_before == 0 && self.sessions.get(ix).sides[dir.ix()].flags & df::DEPTH != 0 {
            self.counters.depth_reached += 1;
            out.events.set(Ev::ReassemblyDepthReached);
            out.update |= same;
        }
    }

    /// Makes room in a full pool: bytes beyond holes give way first, the packet's own flow's when it holds more than
    /// its share, then those of others; then all bytes of flows that are not established or are closed. Whether
    /// anything was given up.
    #[cold]
    fn relieve(&mut self, ix: u32, dir: Dir, pool: &mut BytePool) -> bool {
        let own = &mut self.sessions.get_mut(ix).sides[dir.ix()].data;
        if own.held() > pool.capacity() / SHARE && own.drop_beyond(pool) {
            self.counters.evicted += 1;
            return true;
        }
        let mut idle = None;
        for _ in 0..LOOK {
            self.hand = if self.sessions.peek(self.hand + 1).is_some() { self.hand + 1 } else { 0 };
            if self.hand == ix || self.sessions.peek(self.hand).is_none() {
                continue;
            }
            // A session that was given back holds nothing.
            let s = self.sessions.get_mut(self.hand);
            let [a, b] = &mut s.sides;
            if a.data.drop_beyond(pool) | b.data.drop_beyond(pool) {
                self.counters.evicted += 1;
                return true;
            }
            let waits = s.sides.iter().any(|side| side.data.held() > 0);
            if waits && idle.is_none() && !(TcpState::Established..TcpState::Closed).contains(&s.state) {
                idle = Some(self.hand);
            }
        }
        let Some(found) = idle else { return false };
        for side in &mut self.sessions.get_mut(found).sides {
            side.data.free(pool);
        }
        self.counters.evicted += 1;
        true
    }

    /// Adds the payload, less urgent bytes, up to the depth.
    #[allow(clippy::too_many_arguments)]
    fn insert(
        &mut self,
        ix: u32,
        pkt: &Packet<'_>,
        dir: Dir,
        seq: u32,
        payload: &[u8],
        pool: &mut BytePool,
        out: &mut StreamOut,
    ) -> Result<(), Refused> {
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        if pkt.tcp.flags & segment::URG == 0 {
            return add(&self.cfg, &mut self.counters, side, pkt, seq, payload, pool, out);
        }
        self.insert_urgent(ix, pkt, dir, seq, payload, pool, out)
    }

    #[cold]
    #[allow(clippy::too_many_arguments)]
    fn insert_urgent(
        &mut self,
        ix: u32,
        pkt: &Packet<'_>,
        dir: Dir,
        seq: u32,
        payload: &[u8],
        pool: &mut BytePool,
        out: &mut StreamOut,
    ) -> Result<(), Refused> {
        let cfg = &self.cfg;
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        let urgent = usize::from(pkt.tcp.urgent);
        if urgent > 0 && urgent <= payload.len() {
            let new = side.offset(seq).is_some_and(|o| o + urgent as u64 > side.data.right());
            let oob = cfg.urgent == UrgentPolicy::Oob && side.urgent < cfg.urgent_limit;
            if cfg.urgent == UrgentPolicy::Oob && !oob {
                out.events.set(Ev::ReassemblyUrgentOobLimitReached);
            }
            if oob || cfg.urgent == UrgentPolicy::Gap {
                let (before, after) = (&payload[..urgent - 1], &payload[urgent..]);
                if !before.is_empty() {
                    add(cfg, &mut self.counters, side, pkt, seq, before, pool, out)?;
                }
                if oob && new {
                    side.urgent += 1;
                    self.counters.urgent_oob += 1;
                }
                if !after.is_empty() {
                    add(
                        cfg,
                        &mut self.counters,
                        side,
                        pkt,
                        seq.wrapping_add(urgent as u32),
                        after,
                        pool,
                        out,
                    )?;
                }
                return Ok(());
            }
        }
        add(cfg, &mut self.counters, side, pkt, seq, payload, pool, out)
    }

    /// The bytes in direction `dir` that a parser has not consumed: acknowledged ones (all of them in inline mode
    /// or with `flush`). Ask again after [`Streams::app_consume`] until nothing comes.
    pub fn app_ready<'p>(&self, ix: u32, dir: Dir, pool: &'p BytePool, flush: bool) -> AppChunk<'p> {
        let Some(ssn) = self.session(ix) else { return AppChunk::default() };
        let side = &ssn.sides[dir.ix()];
        if side.flags & (df::APP_OFF | df::STOPPED) != 0 {
            return AppChunk::default();
        }
        let ended = flush || ssn.state == TcpState::Closed;
        let all = self.cfg.inline || (flush && (ssn.state < TcpState::Closed || ssn.flags & sf::BY_RST != 0));
        let acked = side.acked();
        // The acknowledgment of a FIN counts one that is no byte.
        let fin = u64::from(ssn.state >= TcpState::FinWait1);
        let limit = if all { u64::MAX } else { acked };
        let depth = side.flags & df::DEPTH != 0;
        match side.data.block(pool, side.app) {
            Some(b) if b.start <= side.app => {
                let end = b.end.min(limit).max(side.app);
                let data = side.data.slice(pool, Range { start: side.app, end });
                let last = end == limit || end == b.end && side.data.block(pool, end).is_none();
                AppChunk { data, gap: 0, eof: (ended || depth) && last }
            }
            Some(b) if acked.saturating_sub(fin) > side.app => {
                let end = if all { b.start } else { b.start.min(acked) };
                AppChunk { data: &[], gap: u32::try_from(end - side.app).unwrap_or(u32::MAX), eof: false }
            }
            _ => AppChunk { data: &[], gap: 0, eof: ended },
        }
    }

    /// The parser is done with `n` bytes (data or gap).
    pub fn app_consume(&mut self, ix: u32, dir: Dir, n: usize, pool: &mut BytePool) {
        if ix == u32::MAX || n == 0 {
            return;
        }
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        let in_block = side.data.block(pool, side.app).is_some_and(|b| b.start <= side.app);
        if !in_block {
            side.flags |= df::GAP;
            self.counters.gaps += 1;
        }
        side.app += n as u64;
        side.tidy(&self.cfg, pool);
    }

    /// Something passes in that direction that has to be read to its end, however deep in the stream that is.
    pub fn deepen(&mut self, ix: u32, dir: Dir) {
        if let Some(side) = self.side_mut(ix, dir) {
            side.flags |= df::DEEP;
        }
    }

    /// No parser will read that side any more.
    pub fn app_disable(&mut self, ix: u32, dir: Dir, pool: &mut BytePool) {
        self.switch_off(ix, dir, df::APP_OFF, pool);
    }

    /// No rule will read raw bytes of that side any more.
    pub fn raw_disable(&mut self, ix: u32, dir: Dir, pool: &mut BytePool) {
        self.switch_off(ix, dir, df::RAW_OFF, pool);
    }

    fn switch_off(&mut self, ix: u32, dir: Dir, what: u16, pool: &mut BytePool) {
        if ix == u32::MAX {
            return;
        }
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        side.flags |= what;
        side.tidy(&self.cfg, pool);
    }

    /// The window of bytes for raw inspection in direction `dir`: new acknowledged bytes (all of them in inline mode
    /// or with `flush`) behind the retained tail. Ask again after [`Streams::raw_consume`] while new bytes come:
    /// holes part windows.
    pub fn raw_ready<'p>(&self, ix: u32, dir: Dir, pool: &'p BytePool, flush: bool) -> RawChunk<'p> {
        let Some(ssn) = self.session(ix) else { return RawChunk::default() };
        let side = &ssn.sides[dir.ix()];
        if side.flags & (df::RAW_OFF | df::STOPPED) != 0 {
            return RawChunk::default();
        }
        let limit = if flush || self.cfg.inline { u64::MAX } else { side.acked() };
        let Some(r) = raw_window(side, pool, limit) else { return RawChunk::default() };
        let tail = u64::from(self.cfg.raw_tail);
        let start = r.0.saturating_sub(tail).max(r.2);
        let chunk = u64::from(self.cfg.chunk[dir.ix()]);
        let due = flush
            || self.cfg.inline
            || side.flags & (df::DEPTH | df::RAW_NOW) != 0
            || ssn.state > TcpState::TimeWait
            || limit.min(side.data.right()).saturating_sub(side.raw) >= chunk;
        RawChunk {
            data: side.data.slice(pool, Range { start, end: r.1 }),
            start_offset: start,
            new_from: (r.0 - start) as usize,
            due,
        }
    }

    /// Writes what is kept of a direction that has holes, with a word for what is missing. `false`: it has none.
    pub fn raw_text(&self, ix: u32, dir: Dir, pool: &BytePool, out: &mut Scratch) -> bool {
        let Some(side) = self.session(ix).map(|s| &s.sides[dir.ix()]) else { return false };
        if side.flags & (df::RAW_OFF | df::STOPPED) != 0 || !side.data.has_hole() {
            return false;
        }
        side.data.text(pool, side.data.right(), out);
        true
    }

    /// The window last given was inspected.
    pub fn raw_consume(&mut self, ix: u32, dir: Dir, pool: &mut BytePool, flush: bool) {
        let (cfg, inline) = (&self.cfg, self.cfg.inline);
        if ix == u32::MAX {
            return;
        }
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        let limit = if flush || inline { u64::MAX } else { side.acked() };
        if let Some((_, end, _)) = raw_window(side, pool, limit) {
            side.raw = end;
            side.tidy(cfg, pool);
        }
        side.flags &= !df::RAW_NOW;
    }

    /// Raw bytes up to the parser's progress need no inspection (no rule asked for them).
    pub fn raw_skip(&mut self, ix: u32, dir: Dir, pool: &mut BytePool) {
        if ix == u32::MAX {
            return;
        }
        let cfg = &self.cfg;
        let side = &mut self.sessions.get_mut(ix).sides[dir.ix()];
        let to = if side.flags & df::APP_OFF != 0 { side.data.right() } else { side.app };
        side.raw = side.raw.max(to);
        side.flags &= !df::RAW_NOW;
        side.tidy(cfg, pool);
    }

    /// Asks that new raw bytes be inspected however few they are (a parser finished a transaction).
    pub fn raw_trigger(&mut self, ix: u32, dir: Dir) {
        if let Some(side) = self.side_mut(ix, dir) {
            side.flags |= df::RAW_NOW;
        }
    }

    /// Exchanges client and server of a session, when the parser's recognition turned its flow around
    /// ([`FlowTable::swap`] is the caller's).
    pub fn swap(&mut self, ix: u32) {
        if ix != u32::MAX {
            self.sessions.get_mut(ix).sides.swap(0, 1);
        }
    }

    /// Stops all reassembly of a session: bypassed or wholly encrypted.
    pub fn stop(&mut self, ix: u32, pool: &mut BytePool) {
        if ix == u32::MAX {
            return;
        }
        for side in &mut self.sessions.get_mut(ix).sides {
            side.flags |= df::STOPPED | df::APP_OFF | df::RAW_OFF;
            side.data.free(pool);
        }
    }

    /// Gives a session and its bytes back. Call before [`FlowTable::remove`].
    pub fn remove(&mut self, ix: u32, pool: &mut BytePool) {
        if ix == u32::MAX {
            return;
        }
        let ssn = self.sessions.get_mut(ix);
        for side in &mut ssn.sides {
            side.data.free(pool);
        }
        ssn.queue.free(pool);
        self.sessions.free(ix);
    }
}

/// Sessions looked at for bytes to give up, and how often for one packet.
const LOOK: usize = 32;
const RELIEFS: usize = 4;
/// A direction may hold one part in as many of the pool before it gives way itself.
const SHARE: usize = 64;

/// New bytes for raw inspection: their start and end, and the start of the block they lie in.
fn raw_window(side: &Side, pool: &BytePool, limit: u64) -> Option<(u64, u64, u64)> {
    let b = side.data.block(pool, side.raw)?;
    let start = b.start.max(side.raw);
    let end = b.end.min(limit);
    (end > start).then_some((start, end, b.start))
}

/// Adds one piece of payload to a direction.
#[allow(clippy::too_many_arguments)]
fn add(
    cfg: &StreamConfig,
    counters: &mut StreamCounters,
    side: &mut Side,
    pkt: &Packet<'_>,
    seq: u32,
    payload: &[u8],
    pool: &mut BytePool,
    out: &mut StreamOut,
) -> Result<(), Refused> {
    let (at, payload) = match side.offset(seq) {
        Some(at) => (at, payload),
        None => {
            // Starts before the stream does. A sender has nothing to say there, so whoever sends it wants its tail to be
            // taken for data; only the byte of the SYN may be sent again, as long as there is nothing behind it.
            let syn_only = seq == side.isn && side.seq_off == 0 && side.data.right() == 0;
            match payload.get(1..) {
                Some(rest) if !rest.is_empty() && syn_only => (0, rest),
                _ => return Err(Refused::Before),
            }
        }
    };
    let mut data = payload;
    if cfg.depth > 0 && side.flags & df::DEEP == 0 {
        let room = cfg.depth.saturating_sub(at);
        if (data.len() as u64) > room {
            side.flags |= df::DEPTH;
            data = &data[..room as usize];
        }
        if data.is_empty() {
            return Ok(());
        }
    }
    if side.flags & df::OS_KNOWN == 0 {
        side.set_os(cfg, &pkt.dst, pkt.is_ipv6());
    }
    let settled = if cfg.inline { 0 } else { side.acked() };
    let limits = Limits {
        window: cfg.max_window as usize,
        blocks: cfg.max_regions.max(1).saturating_mul(32),
        policy: side.os,
        keep_old: cfg.inline,
        compare: cfg.check_overlap_different_data,
    };
    let added = side.data.add(pool, at, data, settled, &limits)?;
    out.flags |= outflag::ADDED;
    if added.overlap {
        counters.overlaps += 1;
    }
    if added.different {
        counters.overlaps_different += 1;
        out.events.set(Ev::ReassemblyOverlapDifferentData);
    }
    Ok(())
}
