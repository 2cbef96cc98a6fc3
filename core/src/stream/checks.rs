//! Checks that packets pass before or within the state machine: acknowledgments, timestamps (PAWS, RFC 7323), RSTs by
//! the receiving host's policy, keep-alives, window updates.

use super::policy::OsPolicy;
use super::segment::{ACK, FIN, RST, SYN, Seg, geq, gt, leq, lt};
use super::session::{TcpState, df, outflag, sf};
use super::state::{Machine, Step};
use super::{Ev, StreamConfig};
use crate::Dir;

/// Seconds after which an old timestamp no longer refuses anything (RFC 7323, section 5.5).
const PAWS_IDLE: u32 = 24 * 24 * 3600;

/// Whether a packet goes on to the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    Skip,
}

impl Machine<'_> {
    /// Packets that change nothing and need no further look.
    pub(super) fn shortcut(&mut self, seg: &Seg) -> Verdict {
        let (me, peer) = (&self.ssn.sides[seg.dir.ix()], &self.ssn.sides[seg.dir.flip().ix()]);
        let (next_seq, last_ack) = (me.next_seq, me.last_ack);
        let base_seq = if me.is_stopped() { None } else { Some(me.base_seq()) };
        let (peer_ack, peer_next, peer_window) = (peer.last_ack, peer.next_seq, peer.window);
        let peer_flags = peer.flags;
        let window = u32::from(seg.window) << peer.wscale;
        let control = seg.any(SYN | FIN | RST);
        if seg.len <= 1 && !control && seg.ack == peer_ack && seg.seq == next_seq.wrapping_sub(1) {
            self.me(seg).flags |= df::KEEP_ALIVE;
            self.out.flags |= outflag::KEEP_ALIVE;
            return Verdict::Skip;
        }
        self.me(seg).flags &= !df::KEEP_ALIVE;
        let plain = seg.len == 0 && !control && seg.window != 0;
        let exact = seg.ack == peer_ack && seg.seq == next_seq;
        if plain && window == peer_window && peer_flags & df::KEEP_ALIVE != 0 && exact {
            self.peer(seg).flags &= !df::KEEP_ALIVE;
            self.out.flags |= outflag::KEEP_ALIVE;
            return Verdict::Skip;
        }
        let probed = if seg.dir == Dir::ToClient { sf::ZWP_SERVER } else { sf::ZWP_CLIENT };
        self.probed = self.flag(probed);
        if self.probed {
            self.ssn.flags &= !probed;
            let pure = seg.len == 0 && seg.flags & (ACK | SYN | FIN | RST) == ACK;
            if self.ssn.state >= TcpState::Established && pure && seg.window == 0 && peer_window == 0 && exact
            {
                return Verdict::Skip;
            }
        }
        if self.ssn.state >= TcpState::Established {
            let shutdown =
                matches!(self.ssn.state, TcpState::TimeWait | TcpState::CloseWait | TcpState::LastAck)
                    && seg.flags == ACK
                    && seg.len == 0
                    && seg.seq == next_seq.wrapping_add(1)
                    && seg.ack == peer_next.wrapping_add(1);
            let update = plain && window != peer_window && exact;
            if !shutdown && !update {
                if self.bad_window_update(seg, window) {
                    self.raise(Ev::PktBadWindowUpdate);
                    return Verdict::Skip;
                }
                let pure = seg.len == 0 && seg.flags & (ACK | SYN | FIN | RST) == ACK;
                if pure
                    && seg.seq == next_seq
                    && lt(seg.ack, peer_ack)
                    && (seg.sack.n == 0 || self.peer(seg).sack.knows(&seg.sack, peer_ack))
                {
                    return Verdict::Skip;
                }
            }
        }
        if seg.len > 0 {
            let before_base = base_seq.is_some_and(|base| leq(seg.end, base));
            // Data of a SYN that were ignored are sent again.
            let ignored = self.flag(sf::FAST_OPEN_IGNORED) && self.ssn.state == TcpState::SynRecv;
            if !ignored && (before_base || leq(seg.end, last_ack)) {
                self.raise(Ev::PktSpuriousRetransmission);
                self.out.flags |= outflag::RETRANSMISSION;
                if before_base {
                    return Verdict::Skip;
                }
            }
        }
        Verdict::Go
    }

    /// A packet beyond what is expected that shrinks the window by more than it carries would shut out what is
    /// expected.
    fn bad_window_update(&self, seg: &Seg, window: u32) -> bool {
        let me = &self.ssn.sides[seg.dir.ix()];
        let peer = &self.ssn.sides[seg.dir.flip().ix()];
        if self.ssn.state == TcpState::Closed || seg.any(SYN | FIN | RST) || window >= peer.window {
            return false;
        }
        let shrink = peer.window - window;
        if shrink <= seg.len || !gt(seg.ack, peer.next_seq) || !gt(seg.seq, me.next_seq) {
            return false;
        }
        let acked = seg.ack.wrapping_sub(peer.last_ack);
        // A little more than acknowledged is common while the window is large.
        shrink > if window > 1024 { acked.saturating_add(32) } else { acked }
    }

    /// Whether the acknowledgment lies in what the peer may have sent; raises the event if not.
    pub(super) fn check_ack(&mut self, seg: &Seg) -> bool {
        if !seg.any(ACK) {
            return true;
        }
        let peer = &self.ssn.sides[seg.dir.flip().ix()];
        let ok = if geq(seg.ack, peer.last_ack) {
            seg.ack == peer.last_ack
                || leq(seg.ack, peer.next_win)
                || self.flag(sf::ASYNC)
                || (self.ssn.state == TcpState::SynSent
                    && seg.dir == Dir::ToClient
                    && seg.any(RST)
                    && seg.ack == peer.isn.wrapping_add(1))
        } else {
            // Before the handshake no window is known, and nothing older can be acknowledged.
            (peer.window == 0 && self.ssn.state != TcpState::SynSent)
                || geq(seg.ack, peer.last_ack.wrapping_sub(peer.window))
        };
        if !ok {
            self.raise(Ev::PktInvalidAck);
        }
        ok
    }

    fn know_os(&mut self, seg: &Seg) -> OsPolicy {
        let (cfg, to, v6): (&StreamConfig, _, _) = (self.cfg, self.to, self.v6);
        let me = self.me(seg);
        if me.flags & df::OS_KNOWN == 0 {
            me.set_os(cfg, &to, v6);
        }
        me.os
    }

    /// Whether a RST is one that its receiver accepts.
    pub(super) fn check_rst(&mut self, seg: &Seg) -> Step {
        if self.flag(sf::TIMESTAMP) {
            self.check_timestamp(seg)?;
        }
        if seg.len > 0 {
            self.raise(Ev::RstWithData);
        }
        let os = self.know_os(seg);
        if seg.any(ACK) && seg.ack != 0 && !self.check_ack(seg) {
            return self.refuse(Ev::RstInvalidAck);
        }
        let me = &self.ssn.sides[seg.dir.ix()];
        let ok = if self.flag(sf::ASYNC) {
            geq(seg.seq, me.next_seq)
        } else {
            match os {
                OsPolicy::Hpux11 => geq(seg.seq, me.next_seq),
                OsPolicy::OldLinux | OsPolicy::Linux | OsPolicy::Solaris => {
                    geq(seg.end, me.last_ack) && lt(seg.seq, me.next_seq.wrapping_add(me.window))
                }
                _ => seg.seq == me.next_seq,
            }
        };
        if ok { Ok(()) } else { Err(()) }
    }

    /// Refuses a packet with a timestamp older than the newest in order.
    pub(super) fn check_timestamp(&mut self, seg: &Seg) -> Step {
        let Some((val, _)) = seg.ts else { return Ok(()) };
        if self.timestamp_fits(seg, val).is_some() { Ok(()) } else { self.refuse(Ev::PktInvalidTimestamp) }
    }

    /// Takes the timestamp of an accepted packet.
    pub(super) fn use_timestamp(&mut self, seg: &Seg) {
        let os = self.know_os(seg);
        let Some((val, _)) = seg.ts else {
            if os == OsPolicy::Solaris {
                self.ssn.flags &= !sf::TIMESTAMP;
            }
            return;
        };
        let fits = self.timestamp_fits(seg, val);
        let midstream = self.flag(sf::MIDSTREAM);
        let in_order = self.me(seg).next_seq == seg.seq;
        if self.me(seg).flags & df::ZERO_TIMESTAMP != 0 {
            match os {
                OsPolicy::Linux | OsPolicy::Windows2k3 => self.ssn.flags &= !sf::TIMESTAMP,
                OsPolicy::OldLinux | OsPolicy::Windows | OsPolicy::Vista => {
                    let me = self.me(seg);
                    me.flags &= !df::ZERO_TIMESTAMP;
                    if in_order {
                        me.last_ts = val;
                    }
                }
                _ => {}
            }
        }
        match fits {
            None => self.raise(Ev::PktInvalidTimestamp),
            Some(false) => {}
            Some(true) => {
                let me = self.me(seg);
                if me.last_pkt_ts == 0 && midstream {
                    me.last_pkt_ts = seg.now;
                }
                if in_order {
                    me.last_ts = val;
                }
                me.last_pkt_ts = seg.now;
            }
        }
    }

    /// `None`: too old, or not allowed; `Some(false)`: nothing to compare with; `Some(true)`: newer.
    fn timestamp_fits(&mut self, seg: &Seg, val: u32) -> Option<bool> {
        let os = self.know_os(seg);
        let liberal = os == OsPolicy::Linux || self.cfg.liberal_timestamps;
        let midstream = self.flag(sf::MIDSTREAM);
        let me = self.me(seg);
        let in_order = me.next_seq == seg.seq;
        let mut check = true;
        if me.flags & df::ZERO_TIMESTAMP != 0 {
            match os {
                OsPolicy::Linux | OsPolicy::Windows2k3 => check = false,
                OsPolicy::OldLinux | OsPolicy::Windows | OsPolicy::Vista if in_order => check = false,
                _ => {}
            }
        }
        if os == OsPolicy::Hpux11 && !in_order {
            check = false;
        }
        use OsPolicy::{OldLinux, Solaris, Vista, Windows, Windows2k3};
        if val == 0 && !matches!(os, OldLinux | Windows | Windows2k3 | Vista | Solaris) {
            return None;
        }
        if !check {
            return Some(false);
        }
        let newer = val.wrapping_sub(me.last_ts).wrapping_add(u32::from(liberal)) as i32;
        let seen = if me.last_pkt_ts == 0 && midstream { seg.now } else { me.last_pkt_ts };
        let idle = seg.now > seen.saturating_add(PAWS_IDLE);
        let refuse = newer < 0 || (me.last_ts != 0 && idle);
        (!refuse || (in_order && idle)).then_some(true)
    }
}
