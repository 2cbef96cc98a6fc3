//! The state machine of a TCP session: which packets belong, what they change, which events they raise.
//!
//! In: a packet's TCP fields and the session. Out: the session's new state, events, and whether the payload may be
//! taken. Everything is written once for both directions: `me` is the sender's side, `peer` the other; the window
//! and the acknowledgment in a packet speak of the peer's bytes.

use super::checks::Verdict;
use super::session::{Session, Side, StreamOut, TcpState, df, outflag, sf};
use super::{Ev, ExceptionPolicy, StreamConfig};
use crate::Dir;
use crate::event::DropReason;
use crate::packet::{Addr, Packet};
use crate::pool::BytePool;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;
pub(super) const URG: u8 = 32;

/// Greatest window scale (RFC 7323), assumed for sessions picked up in the middle.
const WSCALE_MAX: u8 = 14;

/// [`Machine::handled`]: the packet passed the state's checks and its data may be taken; or only its
/// acknowledgment counts.
pub(super) const TAKE: u8 = 1;
pub(super) const NO_DATA: u8 = 2;

/// `a` before `b` in sequence space.
pub(super) const fn lt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
pub(super) const fn leq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) <= 0
}
pub(super) const fn gt(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}
pub(super) const fn geq(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) >= 0
}

/// The fields of a packet that the machine looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seg {
    pub(super) dir: Dir,
    pub(super) flags: u8,
    pub(super) seq: u32,
    /// `seq` plus the payload's length.
    pub(super) end: u32,
    pub(super) ack: u32,
    pub(super) len: u32,
    pub(super) window: u16,
    pub(super) wscale: Option<u8>,
    pub(super) ts: Option<(u32, u32)>,
    pub(super) sack_ok: bool,
    pub(super) fast_open: bool,
    /// Packet time, seconds.
    pub(super) now: u32,
    pub(super) sack: SackBlocks,
}

/// The SACK blocks of one packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SackBlocks {
    pub(super) blocks: [(u32, u32); 4],
    pub(super) n: u8,
}

impl Seg {
    pub(super) fn new(pkt: &Packet<'_>, dir: Dir, len: u32) -> Seg {
        let t = &pkt.tcp;
        let mut sack = SackBlocks::default();
        for (i, b) in t.sack.of(pkt.data).chunks_exact(8).take(4).enumerate() {
            if let (Some(l), Some(r)) = (b.first_chunk::<4>(), b.last_chunk::<4>()) {
                sack.blocks[i] = (u32::from_be_bytes(*l), u32::from_be_bytes(*r));
                sack.n = i as u8 + 1;
            }
        }
        Seg {
            dir,
            flags: t.flags,
            seq: t.seq,
            end: t.seq.wrapping_add(len),
            ack: t.ack,
            len,
            window: t.window,
            wscale: t.wscale.map(|w| w.min(WSCALE_MAX)),
            ts: t.timestamp,
            sack_ok: t.sack_permitted,
            fast_open: t.fast_open.is_some(),
            now: (pkt.ts / 1_000_000_000) as u32,
            sack,
        }
    }

    pub(super) const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    pub(super) const fn any(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// What the peer has acknowledged beyond its cumulative acknowledgment: disjoint, sorted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sack {
    ranges: [(u32, u32); 4],
    n: u8,
}

impl Sack {
    /// Bytes covered.
    pub(super) fn size(&self) -> u32 {
        self.ranges[..usize::from(self.n)].iter().fold(0, |s, r| s.wrapping_add(r.1.wrapping_sub(r.0)))
    }

    /// Drops what lies before `ack`.
    pub(super) fn prune(&mut self, ack: u32) {
        if self.n == 0 {
            return;
        }
        let old = *self;
        self.n = 0;
        for &(l, r) in &old.ranges[..usize::from(old.n)] {
            if gt(r, ack) {
                self.ranges[usize::from(self.n)] = (if lt(l, ack) { ack } else { l }, r);
                self.n += 1;
            }
        }
    }

    /// Adds a range; with four held, one that touches none of them is forgotten.
    pub(super) fn add(&mut self, mut l: u32, mut r: u32) {
        let old = *self;
        let mut kept = [(0u32, 0u32); 5];
        let mut n = 0;
        for &(a, b) in &old.ranges[..usize::from(old.n)] {
            if lt(b, l) || gt(a, r) {
                kept[n] = (a, b);
                n += 1;
            } else {
                l = if lt(a, l) { a } else { l };
                r = if gt(b, r) { b } else { r };
            }
        }
        let at = kept[..n].iter().position(|k| gt(k.0, l)).unwrap_or(n);
        kept.copy_within(at..n, at + 1);
        kept[at] = (l, r);
        n += 1;
        self.n = n.min(4) as u8;
        self.ranges.copy_from_slice(&kept[..4]);
    }

    /// Whether all of `blocks` is known already.
    pub(super) fn knows(&self, blocks: &SackBlocks, ack: u32) -> bool {
        blocks.blocks[..usize::from(blocks.n)].iter().all(|&(l, r)| {
            leq(r, ack) || self.ranges[..usize::from(self.n)].iter().any(|&(a, b)| leq(a, l) && geq(b, r))
        })
    }
}

/// What a packet without a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Session,
    None,
    Refused,
}

/// The flow state that a session's state means, where it changes one.
pub(super) const fn flow_state(s: TcpState) -> Option<crate::flow::State> {
    match s {
        TcpState::Established
        | TcpState::FinWait1
        | TcpState::FinWait2
        | TcpState::Closing
        | TcpState::CloseWait => Some(crate::flow::State::Established),
        TcpState::LastAck | TcpState::TimeWait | TcpState::Closed => Some(crate::flow::State::Closed),
        _ => None,
    }
}

/// Whether a packet may begin a session.
pub(super) fn opens(cfg: &StreamConfig, seg: &Seg, out: &mut StreamOut) -> Opening {
    if seg.any(RST) {
        out.events.set(Ev::RstButNoSession);
        return Opening::Refused;
    }
    let middle = seg.any(FIN) || (seg.any(ACK) && !(seg.any(SYN) && !seg.any(ACK)));
    if !middle {
        return if seg.any(SYN) { Opening::Session } else { Opening::None };
    }
    if cfg.midstream_policy != ExceptionPolicy::Ignore {
        out.exception = cfg.midstream_policy;
        out.exception_reason = Some(DropReason::StreamMidstream);
    }
    let permitted = matches!(cfg.midstream_policy, ExceptionPolicy::Ignore | ExceptionPolicy::PassFlow);
    if seg.any(FIN) {
        if !cfg.midstream || seg.len == 0 || !permitted {
            out.events.set(Ev::FinButNoSession);
            return Opening::Refused;
        }
        return Opening::Session;
    }
    let wanted = cfg.midstream || (seg.has(SYN | ACK) && cfg.async_oneside);
    if wanted && permitted { Opening::Session } else { Opening::None }
}

/// One packet's run through a session.
pub(super) struct Machine<'a> {
    pub(super) cfg: &'a StreamConfig,
    pub(super) ssn: &'a mut Session,
    pub(super) out: &'a mut StreamOut,
    pub(super) pool: &'a mut BytePool,
    /// [`TAKE`], [`NO_DATA`], or nothing.
    pub(super) handled: u8,
    /// The host that receives the packet.
    pub(super) to: Addr,
    pub(super) v6: bool,
}

/// Result of a step: `Err` refuses the packet.
pub(super) type Step = Result<(), ()>;

impl Machine<'_> {
    pub(super) fn me(&mut self, seg: &Seg) -> &mut Side {
        &mut self.ssn.sides[seg.dir.ix()]
    }

    pub(super) fn peer(&mut self, seg: &Seg) -> &mut Side {
        &mut self.ssn.sides[seg.dir.flip().ix()]
    }

    pub(super) fn flag(&self, f: u16) -> bool {
        self.ssn.flags & f != 0
    }

    pub(super) fn raise(&mut self, ev: Ev) {
        self.out.events.set(ev);
    }

    pub(super) fn refuse(&mut self, ev: Ev) -> Step {
        self.raise(ev);
        Err(())
    }

    fn take(&mut self) {
        self.handled |= TAKE;
    }

    fn set_state(&mut self, s: TcpState) {
        if s != self.ssn.state {
            self.ssn.before = self.ssn.state;
            self.ssn.state = s;
        }
    }

    /// The peer's bytes are acknowledged up to `ack`.
    fn update_ack(&mut self, seg: &Seg, ack: u32) {
        let peer = self.peer(seg);
        if gt(ack, peer.last_ack) {
            peer.last_ack = ack;
            peer.sack.prune(ack);
        }
    }

    fn update_my_ack(&mut self, seg: &Seg, ack: u32) {
        let me = self.me(seg);
        if gt(ack, me.last_ack) {
            me.last_ack = ack;
            me.sack.prune(ack);
        }
    }

    fn update_next_seq(&mut self, seg: &Seg, seq: u32) {
        let one_sided = self.flag(sf::ASYNC);
        let me = self.me(seg);
        me.next_seq = seq;
        // With one side only, nobody else acknowledges.
        if one_sided && gt(me.next_seq, me.last_ack) {
            me.last_ack = me.next_seq;
        }
    }

    fn update_window(&mut self, seg: &Seg) {
        let peer = self.peer(seg);
        peer.window = u32::from(seg.window) << peer.wscale;
    }

    fn update_next_win(&mut self, seg: &Seg) {
        let peer = self.peer(seg);
        let win = peer.last_ack.wrapping_add(peer.window).wrapping_add(peer.sack.size());
        if gt(win, peer.next_win) {
            peer.next_win = win;
        }
    }

    fn update_sack(&mut self, seg: &Seg) {
        if seg.sack.n == 0 {
            return;
        }
        let peer = self.peer(seg);
        for &(l, r) in &seg.sack.blocks[..usize::from(seg.sack.n)] {
            if lt(l, r) && gt(r, peer.last_ack) && leq(r, peer.next_win) {
                let l = if lt(l, peer.last_ack) { peer.last_ack } else { l };
                peer.sack.add(l, r);
            }
        }
    }

    /// The packet that begins the session.
    pub(super) fn first(&mut self, seg: &Seg) -> bool {
        if seg.any(FIN) {
            self.pick_up(seg, TcpState::FinWait1);
        } else if seg.has(SYN | ACK) {
            self.pick_up_syn_ack(seg);
        } else if seg.any(SYN) {
            self.syn(seg);
        } else {
            self.pick_up(seg, TcpState::Established);
        }
        true
    }

    fn one_sided(&mut self) {
        if self.cfg.async_oneside {
            self.ssn.flags |= sf::ASYNC;
        }
    }

    fn syn(&mut self, seg: &Seg) {
        self.set_state(TcpState::SynSent);
        self.one_sided();
        let (client, server) = self.pair();
        client.set_isn(seg.seq);
        client.next_seq = seg.seq.wrapping_add(1);
        client.last_ack = client.next_seq;
        if let Some((val, _)) = seg.ts {
            client.last_ts = val;
            client.flags |= df::TIMESTAMP | if val == 0 { df::ZERO_TIMESTAMP } else { 0 };
            client.last_pkt_ts = seg.now;
        }
        server.window = u32::from(seg.window);
        if let Some(w) = seg.wscale {
            server.wscale = w;
            self.ssn.flags |= sf::SERVER_WSCALE;
        }
        if seg.sack_ok {
            self.ssn.flags |= sf::CLIENT_SACK_OK;
        }
        if seg.fast_open {
            self.ssn.flags |= sf::FAST_OPEN;
            if seg.len > 0 {
                let next = self.ssn.sides[0].next_seq.wrapping_add(seg.len);
                self.update_next_seq(seg, next);
                self.take();
            }
        }
    }

    fn pair(&mut self) -> (&mut Side, &mut Side) {
        let [client, server] = &mut self.ssn.sides;
        (client, server)
    }

    /// A session met at a packet with data: its sender is taken for the client.
    fn pick_up(&mut self, seg: &Seg, state: TcpState) {
        self.set_state(state);
        self.ssn.flags = sf::MIDSTREAM | sf::MIDSTREAM_EST | sf::SACK_OK;
        self.one_sided();
        let fin = u32::from(state == TcpState::FinWait1);
        let (client, server) = self.pair();
        client.wscale = WSCALE_MAX;
        server.wscale = WSCALE_MAX;
        client.set_isn(seg.seq.wrapping_sub(1));
        client.next_seq = seg.end.wrapping_add(fin);
        client.window = u32::from(seg.window) << WSCALE_MAX;
        client.last_ack = seg.seq;
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.set_isn(seg.ack.wrapping_sub(1));
        server.next_seq = seg.ack;
        server.last_ack = seg.ack;
        server.next_win = seg.ack;
        if let Some((val, echo)) = seg.ts {
            both_timestamps(client, server, val, echo, seg.now);
            self.ssn.flags |= sf::TIMESTAMP;
        }
        self.take();
    }

    /// A session met at its SYN/ACK: the flow is turned around, its sender is the server.
    fn pick_up_syn_ack(&mut self, seg: &Seg) {
        self.out.flags |= outflag::SWAPPED;
        self.out.dir = seg.dir.flip();
        self.ssn.sides.swap(0, 1);
        self.set_state(TcpState::SynRecv);
        self.ssn.flags |= sf::MIDSTREAM | sf::MIDSTREAM_SYNACK;
        self.one_sided();
        let (client, server) = self.pair();
        server.set_isn(seg.seq);
        server.next_seq = seg.seq.wrapping_add(1);
        server.window = u32::from(seg.window);
        client.set_isn(seg.ack.wrapping_sub(1));
        client.next_seq = seg.ack;
        client.last_ack = seg.ack;
        server.last_ack = seg.seq;
        server.next_win = server.last_ack.wrapping_add(server.window);
        if let Some(w) = seg.wscale {
            client.wscale = w;
            server.wscale = WSCALE_MAX;
        }
        if let Some((val, echo)) = seg.ts {
            both_timestamps(server, client, val, echo, seg.now);
            self.ssn.flags |= sf::TIMESTAMP;
        }
        if seg.sack_ok {
            self.ssn.flags |= sf::SACK_OK;
        }
    }

    /// A packet of a session that exists.
    pub(super) fn next(&mut self, seg: &Seg) -> bool {
        let ok = match self.shortcut(seg) {
            Verdict::Skip => true,
            Verdict::Go => self.dispatch(seg, self.ssn.state).is_ok(),
        };
        if ok {
            self.after_rst(seg);
        }
        ok
    }

    /// A sender that goes on after the RST it is said to have received never got it.
    fn after_rst(&mut self, seg: &Seg) {
        if seg.any(RST) {
            return;
        }
        let peer = self.peer(seg);
        if peer.flags & df::RST_RECEIVED != 0 {
            peer.flags &= !df::RST_RECEIVED;
            self.ssn.flags &= !sf::BY_RST;
            self.raise(Ev::SuspectedRstInject);
        }
    }

    fn dispatch(&mut self, seg: &Seg, state: TcpState) -> Step {
        match state {
            TcpState::SynSent => self.syn_sent(seg),
            TcpState::SynRecv => self.syn_recv(seg),
            TcpState::Established => self.established(seg),
            TcpState::FinWait1 => self.fin_wait1(seg),
            TcpState::FinWait2 => self.fin_wait2(seg),
            TcpState::Closing => self.closing(seg),
            TcpState::CloseWait => self.close_wait(seg),
            TcpState::LastAck => self.last_ack(seg),
            TcpState::TimeWait => self.time_wait(seg),
            TcpState::Closed => self.closed(seg),
            TcpState::None => Ok(()),
        }
    }

    /// After a RST that the receiver may not have accepted, the sender's packets are judged by the state before.
    fn closed(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return Ok(());
        }
        if self.me(seg).flags & df::RST_RECEIVED == 0 && self.peer(seg).flags & df::RST_RECEIVED != 0 {
            let before = self.ssn.before;
            if before != TcpState::Closed {
                self.dispatch(seg, before)?;
                if self.ssn.state == TcpState::Closed {
                    self.ssn.state = before;
                }
            }
        }
        Ok(())
    }

    fn timestamps_valid(&mut self, seg: &Seg) -> Step {
        if self.flag(sf::TIMESTAMP) { self.check_timestamp(seg) } else { Ok(()) }
    }

    fn timestamps_used(&mut self, seg: &Seg) {
        if self.flag(sf::TIMESTAMP) {
            self.use_timestamp(seg);
        }
    }

    fn close_by_rst(&mut self) {
        self.ssn.flags |= sf::BY_RST;
        self.out.flags |= outflag::RESET;
        self.set_state(TcpState::Closed);
    }

    fn ack_valid(&mut self, seg: &Seg, ev: Ev) -> Step {
        if self.check_ack(seg) { Ok(()) } else { self.refuse(ev) }
    }

    /// Data retransmitted, with its event.
    fn retransmitted(&mut self, seg: &Seg) -> bool {
        let me = self.me(seg);
        let again = seg.len > 0
            && ((lt(seg.seq, me.last_ack) && gt(seg.end, me.last_ack))
                || leq(seg.end, me.last_ack)
                || leq(seg.end, me.next_seq));
        if again {
            self.raise(Ev::PktRetransmission);
            self.out.flags |= outflag::RETRANSMISSION;
        }
        again
    }

    fn syn_sent(&mut self, seg: &Seg) -> Step {
        if seg.has(SYN | ACK) {
            return if seg.dir == Dir::ToClient { self.syn_ack(seg) } else { self.four_way_syn_ack(seg) };
        }
        if !self.syn_answer_timestamp(seg) {
            return self.refuse(Ev::PktInvalidTimestamp);
        }
        if seg.any(RST) {
            self.check_rst(seg)?;
            let isn = self.ssn.sides[0].isn;
            if seg.dir == Dir::ToServer {
                if seg.seq == isn && seg.window == 0 && seg.ack == isn.wrapping_add(1) {
                    self.ssn.sides[1].flags |= df::RST_RECEIVED;
                    self.close_by_rst();
                    self.ssn.queue.free(self.pool);
                }
            } else {
                self.ssn.sides[0].flags |= df::RST_RECEIVED;
                self.close_by_rst();
                self.ssn.queue.free(self.pool);
            }
        } else if seg.any(FIN) {
            // Nothing to end yet.
        } else if seg.any(SYN) {
            self.syn_again(seg);
        } else if seg.any(ACK) && self.cfg.async_oneside {
            return self.one_sided_ack(seg);
        }
        Ok(())
    }

    fn syn_ack(&mut self, seg: &Seg) -> Step {
        let client = self.ssn.sides[0];
        if !(seg.fast_open || self.flag(sf::FAST_OPEN)) {
            if seg.ack != client.isn.wrapping_add(1) {
                return self.refuse(Ev::Whs3SynackWithWrongAck);
            }
        } else {
            if seg.ack == client.next_seq {
                // The server took the data of the SYN.
            } else if seg.ack == client.isn.wrapping_add(1) {
                self.ssn.sides[0].next_seq = client.isn;
                self.raise(Ev::Whs3SynackTfoDataIgnored);
                self.ssn.flags |= sf::FAST_OPEN_IGNORED;
            } else {
                return self.refuse(Ev::Whs3SynackWithWrongAck);
            }
            self.ssn.flags |= sf::FAST_OPEN;
            self.set_state(TcpState::Established);
        }
        if !self.syn_answer_timestamp(seg) {
            // It may answer an earlier SYN of the same connection.
            let wanted = seg.ts.map(|t| t.1);
            match self.queued_syn(wanted) {
                Some(q) => self.use_syn(&q),
                None => return self.refuse(Ev::PktInvalidTimestamp),
            }
        }
        self.ssn.queue.free(self.pool);
        self.use_syn_ack(&Queued::of(seg));
        Ok(())
    }

    /// The session follows a SYN/ACK.
    fn use_syn_ack(&mut self, q: &Queued) {
        self.set_state(TcpState::SynRecv);
        let flags = self.ssn.flags;
        let (client, server) = self.pair();
        server.set_isn(q.seq);
        server.next_seq = q.seq.wrapping_add(1);
        client.window = u32::from(q.window);
        let mut set = flags & !sf::FOUR_WAY;
        if let (Some(ts), true) = (q.ts, client.flags & df::TIMESTAMP != 0) {
            server.last_ts = ts;
            server.last_pkt_ts = q.now;
            if ts == 0 {
                server.flags |= df::ZERO_TIMESTAMP;
            }
            set |= sf::TIMESTAMP;
        } else {
            client.last_ts = 0;
            server.last_ts = 0;
            client.flags &= !df::ZERO_TIMESTAMP;
        }
        client.last_ack = q.ack;
        server.last_ack = server.isn.wrapping_add(1);
        client.wscale = match q.wscale {
            Some(w) if flags & sf::SERVER_WSCALE != 0 => w,
            _ => 0,
        };
        if flags & sf::CLIENT_SACK_OK != 0 && q.sack {
            set |= sf::SACK_OK;
        } else {
            set &= !sf::SACK_OK;
        }
        server.next_win = server.last_ack.wrapping_add(server.window);
        client.next_win = client.last_ack.wrapping_add(client.window);
        self.ssn.flags = set;
    }

    /// Both ends sent a SYN; this SYN/ACK comes from the one that was first.
    fn four_way_syn_ack(&mut self, seg: &Seg) -> Step {
        if !self.flag(sf::FOUR_WAY) {
            return self.refuse(Ev::Whs3SynackInWrongDirection);
        }
        let [client, server] = self.ssn.sides;
        if seg.ack != server.isn.wrapping_add(1) {
            return self.refuse(Ev::Whs4SynackWithWrongAck);
        }
        if seg.seq != client.isn {
            return self.refuse(Ev::Whs4SynackWithWrongSyn);
        }
        self.set_state(TcpState::SynRecv);
        let mut flags = self.ssn.flags;
        let (client, server) = self.pair();
        client.set_isn(seg.seq);
        client.next_seq = seg.seq.wrapping_add(1);
        server.window = u32::from(seg.window);
        match seg.ts {
            Some((val, _)) if server.flags & df::TIMESTAMP != 0 => {
                client.last_ts = val;
                client.last_pkt_ts = seg.now;
                if val == 0 {
                    client.flags |= df::ZERO_TIMESTAMP;
                }
                flags |= sf::TIMESTAMP;
            }
            _ => {
                server.last_ts = 0;
                client.last_ts = 0;
                server.flags &= !df::ZERO_TIMESTAMP;
            }
        }
        server.last_ack = seg.ack;
        client.last_ack = client.isn.wrapping_add(1);
        server.wscale = match seg.wscale {
            Some(w) if flags & sf::SERVER_WSCALE != 0 => w,
            _ => 0,
        };
        if flags & sf::CLIENT_SACK_OK != 0 && seg.sack_ok {
            flags |= sf::SACK_OK;
        }
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.next_win = server.last_ack.wrapping_add(server.window);
        self.ssn.flags = flags;
        Ok(())
    }

    /// A further SYN before any answer.
    fn syn_again(&mut self, seg: &Seg) {
        if seg.dir == Dir::ToServer {
            let now = Queued::of(seg);
            let had = self.syn_used();
            if !had.same_syn(&now) {
                self.remember_syn(&had);
            }
            self.use_syn(&now);
            return;
        }
        let mut flags = self.ssn.flags | sf::FOUR_WAY;
        let (_, server) = self.pair();
        server.set_isn(seg.seq);
        server.next_seq = seg.seq.wrapping_add(1);
        if let Some((val, _)) = seg.ts {
            server.last_ts = val;
            server.last_pkt_ts = seg.now;
            server.flags |= df::TIMESTAMP | if val == 0 { df::ZERO_TIMESTAMP } else { 0 };
        }
        server.window = u32::from(seg.window);
        match seg.wscale {
            Some(w) => {
                server.wscale = w;
                flags |= sf::SERVER_WSCALE;
            }
            None => {
                server.wscale = 0;
                flags &= !sf::SERVER_WSCALE;
            }
        }
        flags = if seg.sack_ok { flags | sf::CLIENT_SACK_OK } else { flags & !sf::CLIENT_SACK_OK };
        self.ssn.flags = flags;
    }

    /// The SYN's sender goes on without an answer seen: only one side passes here.
    fn one_sided_ack(&mut self, seg: &Seg) -> Step {
        if seg.seq != self.ssn.sides[0].next_seq {
            return self.refuse(Ev::Whs3AsyncWrongSeq);
        }
        self.ssn.flags |= sf::ASYNC;
        self.set_state(TcpState::Established);
        self.ssn.queue.free(self.pool);
        let mut flags = self.ssn.flags;
        let (client, server) = self.pair();
        client.window = u32::from(seg.window);
        client.last_ack = seg.seq;
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.set_isn(seg.ack.wrapping_sub(1));
        server.next_seq = seg.ack;
        server.last_ack = server.next_seq;
        server.next_win = server.last_ack;
        if flags & sf::SERVER_WSCALE != 0 {
            client.wscale = WSCALE_MAX;
        }
        if seg.ts.is_some() && client.flags & df::TIMESTAMP != 0 {
            flags |= sf::TIMESTAMP;
            client.flags &= !df::TIMESTAMP;
            client.last_pkt_ts = seg.now;
        } else {
            client.last_ts = 0;
            client.flags &= !df::ZERO_TIMESTAMP;
        }
        if flags & sf::CLIENT_SACK_OK != 0 {
            flags |= sf::SACK_OK;
        }
        self.ssn.flags = flags;
        self.take();
        Ok(())
    }

    fn syn_recv(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            self.check_rst(seg)?;
            use super::policy::OsPolicy::{Linux, OldLinux, Solaris};
            // These answer a handshake with a wrong acknowledgment by nothing: the RST concerns no connection.
            let stray = self.flag(sf::EVASION) && matches!(self.me(seg).os, Linux | OldLinux | Solaris);
            if !stray {
                self.close_by_rst();
                self.timestamps_used(seg);
            }
            return Ok(());
        }
        if seg.any(FIN) {
            self.timestamps_valid(seg)?;
            return self.fin(seg);
        }
        if seg.has(SYN | ACK) {
            if seg.dir == Dir::ToServer {
                return self.refuse(Ev::Whs3SynackToserverOnSynRecv);
            }
            if seg.ack != self.ssn.sides[0].last_ack {
                return self.refuse(Ev::Whs3SynackResendWithDiffAck);
            }
            if seg.seq != self.ssn.sides[1].isn {
                self.remember_syn_ack(&Queued::of(seg))?;
            }
            return Ok(());
        }
        if seg.any(SYN) {
            if seg.dir == Dir::ToClient {
                return self.refuse(Ev::Whs3SynToclientOnSynRecv);
            }
            if seg.seq != self.ssn.sides[0].isn {
                return self.refuse(Ev::Whs3SynResendDiffSeqOnSynRecv);
            }
            return Ok(());
        }
        if seg.any(ACK) { self.handshake_ack(seg) } else { Ok(()) }
    }

    /// The acknowledgment that completes the handshake, or what stands for it when that was missed.
    fn handshake_ack(&mut self, seg: &Seg) -> Step {
        if !self.ssn.queue.is_empty() {
            if let Some(q) = self.queued_syn_ack(seg) {
                self.use_syn_ack(&q);
            }
        }
        self.timestamps_valid(seg)?;
        if self.flag(sf::FOUR_WAY) && seg.dir == Dir::ToClient {
            if seg.seq != self.ssn.sides[1].next_seq {
                return self.refuse(Ev::Whs4WrongSeq);
            }
            self.ack_valid(seg, Ev::Whs4InvalidAck)?;
            self.timestamps_used(seg);
            self.update_ack(seg, seg.ack);
            let next = self.ssn.sides[1].next_seq.wrapping_add(seg.len);
            self.update_next_seq(seg, next);
            self.update_window(seg);
            let client = &mut self.ssn.sides[0];
            client.next_win = client.last_ack.wrapping_add(client.window);
            self.set_state(TcpState::Established);
            self.take();
            return Ok(());
        }
        let mut missed = false;
        if seg.dir == Dir::ToClient && !self.flag(sf::MIDSTREAM_SYNACK | sf::FAST_OPEN) {
            if self.cfg.inline {
                let [client, server] = &self.ssn.sides;
                let inject = seg.len > 0 && seg.ack == client.last_ack && seg.seq == server.next_seq;
                return self.refuse(if inject { Ev::Whs3AckDataInject } else { Ev::Whs3AckInWrongDir });
            }
            missed = true;
        }
        let [client, server] = self.ssn.sides;
        if seg.seq == client.next_seq && seg.ack == server.next_seq {
            self.handshake_done(seg);
        } else if self.cfg.async_oneside && seg.seq == server.next_seq {
            self.handshake_one_sided(seg);
        } else if seg.seq == client.next_seq {
            self.ssn.flags |= sf::EVASION;
            return self.refuse(Ev::Whs3RightSeqWrongAckEvasion);
        } else if seg.dir == Dir::ToClient
            && !self.cfg.inline
            && gt(seg.seq, client.next_seq)
            && gt(seg.ack, client.last_ack)
        {
            // More from the server, acknowledging what was not seen here.
            self.timestamps_used(seg);
            self.update_ack(seg, seg.ack);
            let (client, server) = self.pair();
            server.next_seq = seg.end;
            client.window = u32::from(seg.window) << client.wscale;
            client.next_win = client.last_ack.wrapping_add(client.window);
            server.next_win = server.last_ack.wrapping_add(server.window);
            self.set_state(TcpState::Established);
            self.handshake_take(seg, Dir::ToClient);
        } else if gt(seg.seq, client.next_seq) && leq(seg.seq, client.next_win) && seg.ack == server.next_seq
        {
            // The acknowledgment itself was missed, and some data.
            self.timestamps_used(seg);
            self.ssn.sides[0].next_seq = seg.end;
            self.handshake_update_server(seg);
            if self.flag(sf::MIDSTREAM) {
                self.ssn.sides[0].window = u32::from(seg.window);
                self.assume_scaling();
            }
            self.set_state(TcpState::Established);
            self.handshake_take(seg, Dir::ToServer);
        } else if (missed || self.flag(sf::FAST_OPEN))
            && seg.ack == client.last_ack
            && seg.seq == server.next_seq
        {
            let one_sided = self.flag(sf::ASYNC);
            let server = &mut self.ssn.sides[1];
            server.next_seq = seg.end;
            if one_sided && gt(server.next_seq, server.last_ack) {
                server.last_ack = server.next_seq;
            }
            server.window = u32::from(seg.window) << server.wscale;
            server.next_win = server.last_ack.wrapping_add(server.window);
            self.set_state(TcpState::Established);
            self.handshake_take(seg, Dir::ToClient);
        } else {
            return self.refuse(Ev::Whs3WrongSeqWrongAck);
        }
        Ok(())
    }

    /// Takes the data if the packet travels the way the accepted case means.
    fn handshake_take(&mut self, seg: &Seg, dir: Dir) {
        self.handled |= if seg.dir == dir { TAKE } else { TAKE | NO_DATA };
    }

    fn handshake_update_server(&mut self, seg: &Seg) {
        let server = &mut self.ssn.sides[1];
        if gt(seg.ack, server.last_ack) {
            server.last_ack = seg.ack;
        }
        server.window = u32::from(seg.window) << server.wscale;
        server.next_win = server.last_ack.wrapping_add(server.window);
    }

    fn assume_scaling(&mut self) {
        for side in &mut self.ssn.sides {
            side.wscale = WSCALE_MAX;
        }
        self.ssn.flags |= sf::SACK_OK;
    }

    fn handshake_done(&mut self, seg: &Seg) {
        self.timestamps_used(seg);
        let one_sided = self.flag(sf::ASYNC);
        self.handshake_update_server(seg);
        let client = &mut self.ssn.sides[0];
        client.next_seq = client.next_seq.wrapping_add(seg.len);
        if one_sided && gt(client.next_seq, client.last_ack) {
            client.last_ack = client.next_seq;
        }
        if self.flag(sf::MIDSTREAM) {
            let client = &mut self.ssn.sides[0];
            client.window = u32::from(seg.window) << client.wscale;
            client.next_win = client.last_ack.wrapping_add(client.window);
            if !self.flag(sf::MIDSTREAM_SYNACK) {
                self.assume_scaling();
            }
        }
        self.set_state(TcpState::Established);
        if seg.len > 0 {
            self.out.flags |= outflag::ESTABLISHED;
        }
        self.handshake_take(seg, Dir::ToServer);
    }

    fn handshake_one_sided(&mut self, seg: &Seg) {
        self.ssn.flags |= sf::ASYNC;
        let (client, server) = self.pair();
        server.next_seq = server.next_seq.wrapping_add(seg.len);
        server.last_ack = seg.seq;
        client.window = u32::from(seg.window) << client.wscale;
        client.last_ack = seg.ack;
        self.timestamps_used(seg);
        if self.flag(sf::MIDSTREAM) {
            let server = &mut self.ssn.sides[1];
            server.window = u32::from(seg.window);
            server.next_win = server.last_ack.wrapping_add(server.window);
            self.assume_scaling();
        }
        self.set_state(TcpState::Established);
        self.handshake_take(seg, Dir::ToClient);
    }

    fn established(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            self.check_rst(seg)?;
            self.close_by_rst();
            let extra = u32::from(seg.dir == Dir::ToClient);
            let (me, peer) = (seg.dir.ix(), seg.dir.flip().ix());
            self.ssn.sides[peer].next_seq = seg.ack;
            self.ssn.sides[me].next_seq = seg.end.wrapping_add(extra);
            let side = &mut self.ssn.sides[me];
            side.window = u32::from(seg.window) << side.wscale;
            self.rst_acks(seg);
            return Ok(());
        }
        if seg.any(FIN) {
            self.timestamps_valid(seg)?;
            return self.fin(seg);
        }
        if seg.has(SYN | ACK) {
            if seg.dir == Dir::ToServer {
                return self.refuse(Ev::EstSynackToserver);
            }
            if seg.ack != self.ssn.sides[0].last_ack {
                return self.refuse(Ev::EstSynackResendWithDiffAck);
            }
            if seg.seq != self.ssn.sides[1].isn {
                return self.refuse(Ev::EstSynackResendWithDiffSeq);
            }
            if self.flag(sf::CONFIRMED) {
                return self.refuse(Ev::EstSynackResend);
            }
            return Ok(());
        }
        if seg.any(SYN) {
            let ev = if seg.dir == Dir::ToClient {
                Ev::EstSynToclient
            } else if seg.seq != self.ssn.sides[0].isn {
                Ev::EstSynResendDiffSeq
            } else {
                Ev::EstSynResend
            };
            return self.refuse(ev);
        }
        if seg.any(ACK) {
            self.timestamps_valid(seg)?;
            if seg.dir == Dir::ToClient {
                self.ssn.flags |= sf::CONFIRMED;
            }
            // What the window refuses is no reason to drop the packet.
            let _ = self.data(seg);
        }
        Ok(())
    }

    /// The heart: an acknowledgment, with or without data, on an established session.
    fn data(&mut self, seg: &Seg) -> Step {
        let probed = if seg.dir == Dir::ToServer { sf::ZWP_CLIENT } else { sf::ZWP_SERVER };
        if self.flag(probed) && seg.ack == self.peer(seg).next_seq.wrapping_add(1) {
            self.raise(Ev::EstAckZwpData);
        } else {
            self.ack_valid(seg, Ev::EstInvalidAck)?;
        }
        if seg.dir == Dir::ToClient
            && self.ssn.flags & (sf::MIDSTREAM | sf::MIDSTREAM_EST) == sf::MIDSTREAM | sf::MIDSTREAM_EST
        {
            let server = &mut self.ssn.sides[1];
            server.window = u32::from(seg.window) << server.wscale;
            server.next_win = server.last_ack.wrapping_add(server.window);
            self.ssn.flags &= !sf::MIDSTREAM_EST;
        }
        let flags = self.ssn.flags;
        let oneside = self.cfg.async_oneside && flags & sf::MIDSTREAM != 0 && seg.dir == Dir::ToServer;
        let me = self.me(seg);
        let keep_alive = seg.len <= 1 && seg.seq == me.next_seq.wrapping_sub(1);
        if !keep_alive && lt(seg.end, me.last_ack) {
            if flags & sf::ASYNC != 0 {
                if seg.dir == Dir::ToClient {
                    me.last_ack = seg.seq;
                }
            } else if oneside && (me.next_seq == seg.seq || me.last_ack == me.isn.wrapping_add(1)) {
                self.update_my_ack(seg, seg.seq);
                self.ssn.flags |= sf::ASYNC;
            } else if gt(me.last_ack, me.next_seq) && gt(seg.end, me.next_seq) {
                // Acknowledged before it was seen here: still news.
            } else {
                return self.refuse(Ev::EstPktBeforeLastAck);
            }
        }
        let me = self.me(seg);
        if seg.len == 1 && seg.seq == me.next_seq && me.window == 0 {
            self.ssn.flags |= if seg.dir == Dir::ToServer { sf::ZWP_SERVER } else { sf::ZWP_CLIENT };
            self.take();
            return Ok(());
        }
        if geq(seg.end, me.next_seq) {
            self.update_next_seq(seg, seg.end);
        }
        if gt(seg.end, self.me(seg).next_win) && !self.flag(sf::MIDSTREAM | sf::ASYNC) {
            return self.refuse(Ev::EstPacketOutOfWindow);
        }
        self.update_window(seg);
        self.update_ack(seg, seg.ack);
        self.timestamps_used(seg);
        self.update_sack(seg);
        self.update_next_win(seg);
        self.take();
        Ok(())
    }

    /// A valid RST settles both directions.
    fn rst_acks(&mut self, seg: &Seg) {
        if seg.any(ACK) && self.check_ack(seg) {
            self.update_ack(seg, seg.ack);
        }
        self.update_my_ack(seg, seg.seq);
        self.timestamps_used(seg);
        self.take();
    }

    fn rst_while_closing(&mut self, seg: &Seg) -> Step {
        self.check_rst(seg)?;
        self.close_by_rst();
        self.rst_acks(seg);
        Ok(())
    }

    /// The first FIN.
    fn fin(&mut self, seg: &Seg) -> Step {
        self.ack_valid(seg, Ev::FinInvalidAck)?;
        let me = *self.me(seg);
        if lt(seg.seq, me.last_ack) || gt(seg.end, me.next_win) {
            return self.refuse(Ev::FinOutOfWindow);
        }
        if seg.dir == Dir::ToServer {
            if seg.any(SYN) {
                return self.refuse(Ev::FinSyn);
            }
            self.set_state(TcpState::CloseWait);
            self.me(seg).next_seq = seg.end;
        } else {
            self.set_state(TcpState::FinWait1);
            self.me(seg).next_seq = seg.end.wrapping_add(1);
        }
        self.update_window(seg);
        self.timestamps_used(seg);
        self.catch_up(seg, 0);
        if seg.any(ACK) {
            self.update_ack(seg, seg.ack);
        }
        self.take();
        Ok(())
    }

    /// The peer acknowledges more than was seen from this side's peer: follow it.
    fn catch_up(&mut self, seg: &Seg, less: u32) {
        let peer = self.peer(seg);
        if lt(peer.next_seq.wrapping_sub(less), seg.ack) {
            peer.next_seq = seg.ack;
        }
    }

    fn fin_wait1(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(FIN) {
            return self.fin_wait1_fin(seg);
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        let again = self.retransmitted(seg);
        self.ack_valid(seg, Ev::Fin1InvalidAck)?;
        let (me, peer) = (*self.me(seg), *self.peer(seg));
        let in_window = leq(seg.end, me.next_win) || self.flag(sf::MIDSTREAM | sf::ASYNC);
        let to_server = seg.dir == Dir::ToServer;
        // Towards the server only the acknowledgment of the FIN moves things on.
        if !again && (!to_server || seg.ack == peer.next_seq) {
            if !in_window {
                return self.refuse(Ev::Fin1AckWrongSeq);
            }
            let expected = if to_server { me.next_seq } else { me.next_seq.wrapping_sub(1) };
            if seg.seq == expected {
                self.set_state(TcpState::FinWait2);
            }
            self.update_window(seg);
        }
        self.timestamps_used(seg);
        self.catch_up(seg, 1);
        let expected = if to_server { me.next_seq } else { me.next_seq.wrapping_sub(1) };
        if seg.seq == expected {
            self.update_next_seq(seg, seg.end);
        }
        self.update_ack(seg, seg.ack);
        self.update_sack(seg);
        self.update_next_win(seg);
        self.take();
        Ok(())
    }

    fn fin_wait1_fin(&mut self, seg: &Seg) -> Step {
        self.timestamps_valid(seg)?;
        let acks = seg.any(ACK);
        let to_server = seg.dir == Dir::ToServer;
        let mut again = self.retransmitted(seg);
        let (me, peer) = (*self.me(seg), *self.peer(seg));
        if !again {
            if acks && !to_server && seg.seq == me.next_seq.wrapping_sub(1) && seg.ack == peer.last_ack {
                again = true;
                self.out.flags |= outflag::RETRANSMISSION;
            } else if lt(seg.seq, me.next_seq.wrapping_sub(1))
                || gt(seg.seq, me.last_ack.wrapping_add(me.window))
            {
                return self.refuse(Ev::Fin1FinWrongSeq);
            }
        }
        self.ack_valid(seg, Ev::Fin1InvalidAck)?;
        if !again {
            self.set_state(if acks { TcpState::TimeWait } else { TcpState::Closing });
            self.update_window(seg);
        }
        self.timestamps_used(seg);
        if !(acks && !to_server && again) {
            self.catch_up(seg, 1);
            let expected = if acks && to_server { me.next_seq } else { me.next_seq.wrapping_sub(1) };
            if seg.seq == expected {
                self.update_next_seq(seg, seg.end);
            }
            if acks {
                self.update_ack(seg, seg.ack);
            }
        }
        self.take();
        Ok(())
    }

    fn fin_wait2(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(FIN) {
            self.timestamps_valid(seg)?;
            let (me, peer) = (*self.me(seg), *self.peer(seg));
            let mut again = seg.seq == me.next_seq.wrapping_sub(1) && seg.ack == peer.last_ack;
            if again {
                self.out.flags |= outflag::RETRANSMISSION;
            } else {
                again = self.retransmitted(seg);
                if !again && (lt(seg.seq, me.next_seq) || gt(seg.seq, me.last_ack.wrapping_add(me.window))) {
                    return self.refuse(Ev::Fin2FinWrongSeq);
                }
            }
            self.ack_valid(seg, Ev::Fin2InvalidAck)?;
            if !again {
                self.set_state(TcpState::TimeWait);
                if seg.dir == Dir::ToServer && seg.seq == me.next_seq {
                    self.update_next_seq(seg, seg.end);
                }
                self.update_window(seg);
            }
            self.timestamps_used(seg);
            self.catch_up(seg, 0);
            if seg.any(ACK) {
                self.update_ack(seg, seg.ack);
            }
            self.take();
            return Ok(());
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        let again = self.retransmitted(seg);
        self.ack_valid(seg, Ev::Fin2InvalidAck)?;
        if !again {
            if gt(seg.end, self.me(seg).next_win) && !self.flag(sf::MIDSTREAM | sf::ASYNC) {
                return self.refuse(Ev::Fin2AckWrongSeq);
            }
            self.update_window(seg);
        }
        self.timestamps_used(seg);
        if self.me(seg).next_seq == seg.seq {
            self.update_next_seq(seg, seg.end);
        }
        self.update_ack(seg, seg.ack);
        self.update_sack(seg);
        self.update_next_win(seg);
        self.take();
        Ok(())
    }

    fn closing(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        let again = self.retransmitted(seg);
        if seg.seq != self.me(seg).next_seq {
            return self.refuse(Ev::ClosingAckWrongSeq);
        }
        self.ack_valid(seg, Ev::ClosingInvalidAck)?;
        if !again {
            self.set_state(TcpState::TimeWait);
            self.update_window(seg);
        }
        self.finish(seg)
    }

    /// The common end of the closing states.
    fn finish(&mut self, seg: &Seg) -> Step {
        self.timestamps_used(seg);
        self.catch_up(seg, 0);
        if seg.any(ACK) {
            self.update_ack(seg, seg.ack);
        }
        self.take();
        Ok(())
    }

    fn close_wait(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(FIN) {
            self.timestamps_valid(seg)?;
            let again = self.retransmitted(seg);
            let me = *self.me(seg);
            if !again && (lt(seg.seq, me.next_seq) || gt(seg.seq, me.last_ack.wrapping_add(me.window))) {
                return self.refuse(Ev::ClosewaitFinOutOfWindow);
            }
            self.ack_valid(seg, Ev::ClosewaitInvalidAck)?;
            if !again {
                // The client's FIN was the first; the server's is awaited.
                if seg.dir == Dir::ToClient {
                    self.set_state(TcpState::LastAck);
                }
                self.update_window(seg);
            }
            return self.finish(seg);
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        let again = self.retransmitted(seg);
        let me = *self.me(seg);
        if seg.len > 0 && leq(seg.end, me.last_ack) {
            return self.refuse(Ev::ClosewaitPktBeforeLastAck);
        }
        if gt(seg.seq, me.last_ack.wrapping_add(me.window)) {
            return self.refuse(Ev::ClosewaitAckOutOfWindow);
        }
        self.ack_valid(seg, Ev::ClosewaitInvalidAck)?;
        if !again {
            self.update_window(seg);
        }
        self.timestamps_used(seg);
        self.catch_up(seg, 0);
        if seg.seq == me.next_seq {
            self.update_next_seq(seg, seg.end);
        }
        self.update_ack(seg, seg.ack);
        self.take();
        Ok(())
    }

    fn last_ack(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(FIN) {
            return Ok(());
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        if seg.dir == Dir::ToClient {
            return Ok(());
        }
        let again = self.retransmitted(seg);
        self.ack_valid(seg, Ev::LastackInvalidAck)?;
        if !again {
            let next = self.me(seg).next_seq;
            if lt(seg.seq, next) {
                // An older one.
            } else if seg.seq != next && seg.seq != next.wrapping_add(1) {
                return self.refuse(Ev::LastackAckWrongSeq);
            } else {
                self.set_state(TcpState::Closed);
            }
            self.update_window(seg);
        }
        self.finish(seg)
    }

    fn time_wait(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            return self.rst_while_closing(seg);
        }
        if seg.any(FIN) {
            return Ok(());
        }
        if seg.any(SYN) {
            return self.refuse(Ev::ShutdownSynResend);
        }
        if !seg.any(ACK) {
            return Ok(());
        }
        self.timestamps_valid(seg)?;
        let again = self.retransmitted(seg);
        if !again {
            let me = *self.me(seg);
            let other = if seg.dir == Dir::ToServer { 1 } else { u32::MAX };
            if seg.seq != me.next_seq && seg.seq != me.next_seq.wrapping_add(other) {
                if seg.dir == Dir::ToClient && seg.len > 0 && seg.seq == me.last_ack {
                    return Ok(());
                }
                return self.refuse(Ev::TimewaitAckWrongSeq);
            }
        }
        self.ack_valid(seg, Ev::TimewaitInvalidAck)?;
        if !again {
            self.set_state(TcpState::Closed);
            self.update_window(seg);
        }
        self.finish(seg)
    }
}

fn both_timestamps(sender: &mut Side, other: &mut Side, val: u32, echo: u32, now: u32) {
    sender.last_ts = val;
    other.last_ts = echo;
    sender.last_pkt_ts = now;
    for side in [sender, other] {
        if side.last_ts == 0 {
            side.flags |= df::ZERO_TIMESTAMP;
        }
    }
}

pub(super) use super::handshake::Queued;
