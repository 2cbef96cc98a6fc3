//! The state machine of a TCP session: which packets belong, what they change, which events they raise.
//!
//! In: a packet's TCP fields and the session. Out: the session's new state, events, and whether the payload may be
//! taken. Everything is written once for both directions: `me` is the sender's side, `peer` the other; the window
//! and the acknowledgment in a packet speak of the peer's bytes.

use super::checks::Verdict;
use super::segment::{ACK, FIN, RST, SYN, Seg, WSCALE_MAX, geq, gt, leq, lt};
use super::session::{Session, Side, StreamOut, TcpState, df, outflag, sf};
use super::{Ev, ExceptionPolicy, StreamConfig};
use crate::Dir;
use crate::event::DropReason;
use crate::packet::Addr;
use crate::pool::BytePool;

/// [`Machine::handled`]: the packet passed the state's checks and its data may be taken; or only its
/// acknowledgment counts.
pub(super) const TAKE: u8 = 1;
pub(super) const NO_DATA: u8 = 2;

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
#[inline(never)]
pub(super) fn opens(cfg: &StreamConfig, seg: &Seg, out: &mut StreamOut) -> Opening {
    if seg.any(RST) {
        out.events.set(Ev::RstButNoSession);
        return Opening::Refused;
    }
    let middle = seg.any(FIN | ACK);
    if !middle {
        return if seg.any(SYN) { Opening::Session } else { Opening::None };
    }
    out.exception = cfg.midstream_policy;
    out.exception_reason = Some(DropReason::StreamMidstream);
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
    /// The peer probed a closed window just before.
    pub(super) probed: bool,
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

    pub(super) fn take(&mut self) {
        self.handled |= TAKE;
    }

    pub(super) fn set_state(&mut self, s: TcpState) {
        if s != self.ssn.state {
            self.ssn.before = self.ssn.state;
            self.ssn.state = s;
        }
    }

    /// The peer's bytes are acknowledged up to `ack`.
    pub(super) fn update_ack(&mut self, seg: &Seg, ack: u32) {
        let peer = self.peer(seg);
        if gt(ack, peer.last_ack) {
            peer.last_ack = ack;
            peer.sack.prune(ack);
        }
    }

    pub(super) fn update_my_ack(&mut self, seg: &Seg, ack: u32) {
        let me = self.me(seg);
        if gt(ack, me.last_ack) {
            me.last_ack = ack;
            me.sack.prune(ack);
        }
    }

    pub(super) fn update_next_seq(&mut self, seg: &Seg, seq: u32) {
        let one_sided = self.flag(sf::ASYNC);
        let me = self.me(seg);
        me.next_seq = seq;
        // With one side only, nobody else acknowledges.
        if one_sided && gt(me.next_seq, me.last_ack) {
            me.last_ack = me.next_seq;
        }
    }

    pub(super) fn update_window(&mut self, seg: &Seg) {
        let peer = self.peer(seg);
        peer.window = u32::from(seg.window) << peer.wscale;
    }

    pub(super) fn update_next_win(&mut self, seg: &Seg) {
        let peer = self.peer(seg);
        let win = peer.last_ack.wrapping_add(peer.window).wrapping_add(peer.sack.size());
        if gt(win, peer.next_win) {
            peer.next_win = win;
        }
    }

    pub(super) fn update_sack(&mut self, seg: &Seg) {
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
    #[inline(never)]
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

    pub(super) fn one_sided(&mut self) {
        if self.cfg.async_oneside {
            self.ssn.flags |= sf::ASYNC;
        }
    }

    pub(super) fn syn(&mut self, seg: &Seg) {
        self.set_state(TcpState::SynSent);
        self.one_sided();
        let (client, server) = self.pair();
        client.set_isn(seg.seq);
        client.next_seq = seg.seq.wrapping_add(1);
        client.last_ack = client.next_seq;
        client.flags |= if seg.signed { df::SIGNED } else { 0 };
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

    pub(super) fn pair(&mut self) -> (&mut Side, &mut Side) {
        let [client, server] = &mut self.ssn.sides;
        (client, server)
    }

    /// A session met at a packet with data: its sender is taken for the client.
    pub(super) fn pick_up(&mut self, seg: &Seg, state: TcpState) {
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
    pub(super) fn pick_up_syn_ack(&mut self, seg: &Seg) {
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
    pub(super) fn after_rst(&mut self, seg: &Seg) {
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

    #[inline]
    pub(super) fn dispatch(&mut self, seg: &Seg, state: TcpState) -> Step {
        if state == TcpState::Established { self.established(seg) } else { self.dispatch_other(seg, state) }
    }

    #[inline(never)]
    fn dispatch_other(&mut self, seg: &Seg, state: TcpState) -> Step {
        match state {
            TcpState::SynSent => self.syn_sent(seg),
            TcpState::SynRecv => self.syn_recv(seg),
            TcpState::Established => self.established(seg),
            TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::Closing
            | TcpState::CloseWait
            | TcpState::LastAck
            | TcpState::TimeWait => self.after_fin(seg, state),
            TcpState::Closed => self.closed(seg),
            TcpState::None => Ok(()),
        }
    }

    /// After a RST that the receiver may not have accepted, the sender's packets are judged by the state before.
    pub(super) fn closed(&mut self, seg: &Seg) -> Step {
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

    pub(super) fn timestamps_valid(&mut self, seg: &Seg) -> Step {
        if self.flag(sf::TIMESTAMP) { self.check_timestamp(seg) } else { Ok(()) }
    }

    pub(super) fn timestamps_used(&mut self, seg: &Seg) {
        if self.flag(sf::TIMESTAMP) {
            self.use_timestamp(seg);
        }
    }

    /// A RST of this side closes the session. One that is signed where the connection is not (or the other way round) is
    /// dropped by its receiver, who is not known to look: if its sender goes on, the session does, too.
    pub(super) fn closed_by(&mut self, seg: &Seg) {
        if seg.signed != (self.me(seg).flags & df::SIGNED != 0) {
            self.peer(seg).flags |= df::RST_RECEIVED;
        }
        self.close_by_rst();
    }

    pub(super) fn close_by_rst(&mut self) {
        self.ssn.flags |= sf::BY_RST;
        self.out.flags |= outflag::RESET;
        self.set_state(TcpState::Closed);
    }

    pub(super) fn ack_valid(&mut self, seg: &Seg, ev: Ev) -> Step {
        if self.check_ack(seg) { Ok(()) } else { self.refuse(ev) }
    }

    /// Data retransmitted, with its event.
    pub(super) fn retransmitted(&mut self, seg: &Seg) -> bool {
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

    pub(super) fn established(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            self.check_rst(seg)?;
            self.closed_by(seg);
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
    pub(super) fn data(&mut self, seg: &Seg) -> Step {
        if self.probed && seg.ack == self.peer(seg).next_seq.wrapping_add(1) {
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
    pub(super) fn rst_acks(&mut self, seg: &Seg) {
        if seg.any(ACK) && self.check_ack(seg) {
            self.update_ack(seg, seg.ack);
        }
        self.update_my_ack(seg, seg.seq);
        self.timestamps_used(seg);
        self.take();
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
