//! The handshake: from the first SYN to the established session, with three ways, four ways, fast open, or one side
//! only.
//!
//! SYNs and SYN/ACKs beside the ones a session follows are remembered until a later packet tells which were meant.
//! They lie in the session's queue, a block of the pool that lives only while a handshake is ambiguous.

use super::Ev;
use super::segment::{ACK, FIN, RST, SYN, Seg, WSCALE_MAX, gt, leq};
use super::session::{TcpState, df, outflag, sf};
use super::state::{Machine, NO_DATA, Step, TAKE};
use crate::Dir;

/// What matters of a SYN or SYN/ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) window: u16,
    pub(super) wscale: Option<u8>,
    pub(super) sack: bool,
    pub(super) ts: Option<u32>,
    /// Seconds.
    pub(super) now: u32,
}

const LEN: usize = 24;

impl Queued {
    pub(super) fn of(seg: &Seg) -> Queued {
        Queued {
            seq: seg.seq,
            ack: seg.ack,
            window: seg.window,
            wscale: seg.wscale,
            sack: seg.sack_ok,
            ts: seg.ts.map(|t| t.0),
            now: seg.now,
        }
    }

    /// Equal but for the time.
    pub(super) fn same_syn(&self, o: &Queued) -> bool {
        self.seq == o.seq
            && self.window == o.window
            && self.wscale == o.wscale
            && self.sack == o.sack
            && self.ts == o.ts
    }

    fn encode(&self) -> [u8; LEN] {
        let mut b = [0; LEN];
        b[..4].copy_from_slice(&self.seq.to_le_bytes());
        b[4..8].copy_from_slice(&self.ack.to_le_bytes());
        b[8..12].copy_from_slice(&self.ts.unwrap_or(0).to_le_bytes());
        b[12..16].copy_from_slice(&self.now.to_le_bytes());
        b[16..18].copy_from_slice(&self.window.to_le_bytes());
        b[18] = self.wscale.unwrap_or(u8::MAX);
        b[19] = u8::from(self.sack);
        b[20] = u8::from(self.ts.is_some());
        b
    }

    fn decode(b: &[u8]) -> Queued {
        let word =
            |i: usize| b.get(i..).and_then(|r| r.first_chunk::<4>()).map_or(0, |w| u32::from_le_bytes(*w));
        let byte = |i: usize| b.get(i).copied().unwrap_or(0);
        Queued {
            seq: word(0),
            ack: word(4),
            ts: (byte(20) != 0).then(|| word(8)),
            now: word(12),
            window: word(16) as u16,
            wscale: (byte(18) != u8::MAX).then(|| byte(18)),
            sack: byte(19) != 0,
        }
    }
}

/// Most SYNs remembered (Suricata `max-syn-queued`).
const MAX_SYNS: usize = 10;

impl Machine<'_> {
    fn find(&self, fits: impl Fn(&Queued) -> bool) -> Option<Queued> {
        self.ssn.queue.get(self.pool).chunks_exact(LEN).rev().map(Queued::decode).find(fits)
    }

    /// The SYN that the session follows now.
    pub(super) fn syn_used(&self) -> Queued {
        let [client, server] = &self.ssn.sides;
        Queued {
            seq: client.isn,
            ack: 0,
            window: server.window as u16,
            wscale: (self.ssn.flags & sf::SERVER_WSCALE != 0).then_some(server.wscale),
            sack: self.ssn.flags & sf::CLIENT_SACK_OK != 0,
            ts: (client.flags & df::TIMESTAMP != 0).then_some(client.last_ts),
            now: client.last_pkt_ts,
        }
    }

    /// Keeps a SYN for the case that the answer is to it.
    pub(super) fn remember_syn(&mut self, q: &Queued) {
        if self.find(|o| o.ts == q.ts && o.seq == q.seq).is_some() {
            return;
        }
        if self.ssn.queue.len() / LEN >= MAX_SYNS {
            self.raise(Ev::Whs3SynFlood);
            return;
        }
        // A full pool costs the memory of this SYN only.
        let _ = self.ssn.queue.extend(self.pool, &q.encode());
    }

    /// The remembered SYN that an answer acknowledges and whose timestamp it echoes.
    pub(super) fn queued_syn(&self, ack: u32, echo: Option<u32>) -> Option<Queued> {
        self.find(|o| o.seq.wrapping_add(1) == ack && o.ts == echo)
    }

    /// The session follows the remembered SYN that is acknowledged by `ack`, or that data from `ack` on follows: a SYN
    /// with another number may have been sent before to blind whoever believes the first. Whether there is one.
    fn follow_syn(&mut self, ack: u32) -> bool {
        let Some(q) = self.find(|o| o.seq.wrapping_add(1) == ack) else { return false };
        self.use_syn(&q);
        true
    }

    /// The session follows that SYN.
    pub(super) fn use_syn(&mut self, q: &Queued) {
        let flags = &mut self.ssn.flags;
        let [client, server] = &mut self.ssn.sides;
        if client.isn != q.seq {
            // What another SYN brought with it was not for this connection.
            client.data.free(self.pool);
            client.data = Default::default();
            (client.app, client.raw) = (0, 0);
            client.set_isn(q.seq);
            client.next_seq = q.seq.wrapping_add(1);
            client.last_ack = client.next_seq;
            client.flags &= !df::TIMESTAMP;
            client.last_ts = 0;
        }
        if let Some(ts) = q.ts {
            client.last_pkt_ts = q.now;
            client.last_ts = ts;
            client.flags |= df::TIMESTAMP;
        }
        match q.wscale {
            Some(w) => {
                *flags |= sf::SERVER_WSCALE;
                server.wscale = w;
            }
            None => {
                *flags &= !sf::SERVER_WSCALE;
                server.wscale = 0;
            }
        }
        server.window = u32::from(q.window);
        if q.sack {
            *flags |= sf::CLIENT_SACK_OK;
        } else {
            *flags &= !sf::CLIENT_SACK_OK;
        }
    }

    /// Keeps a SYN/ACK with another sequence number than the one followed.
    pub(super) fn remember_syn_ack(&mut self, q: &Queued) -> Step {
        if self.find(|o| Queued { now: q.now, ..*o } == *q).is_some() {
            return Ok(());
        }
        if self.ssn.queue.len() / LEN >= self.cfg.max_synack_queued {
            return self.refuse(Ev::Whs3SynackFlood);
        }
        if self.ssn.queue.extend(self.pool, &q.encode()).is_err() {
            return Err(());
        }
        Ok(())
    }

    /// The remembered SYN/ACK that an acknowledgment answers.
    pub(super) fn queued_syn_ack(&self, seg: &Seg) -> Option<Queued> {
        self.find(|o| o.seq == seg.ack.wrapping_sub(1) && o.ack == seg.seq)
    }

    /// Whether the answer to a SYN echoes the SYN's timestamp, as far as it has one.
    pub(super) fn syn_answer_timestamp(&self, seg: &Seg) -> bool {
        let Some((_, echo)) = seg.ts else { return true };
        if seg.dir == crate::Dir::ToServer || echo == 0 {
            return true;
        }
        // Whoever sent none ignores those of the answer (RFC 7323, 3.2).
        let client = &self.ssn.sides[0];
        client.flags & df::TIMESTAMP == 0 || client.last_ts == 0 || echo == client.last_ts
    }

    pub(super) fn syn_sent(&mut self, seg: &Seg) -> Step {
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

    pub(super) fn syn_ack(&mut self, seg: &Seg) -> Step {
        let client = self.ssn.sides[0];
        let own = seg.ack == client.isn.wrapping_add(1) || seg.ack == client.next_seq;
        if !own && self.follow_syn(seg.ack) {
            self.ssn.flags &= !sf::FAST_OPEN;
        }
        let client = self.ssn.sides[0];
        if !(seg.fast_open || self.flag(sf::FAST_OPEN)) {
            if seg.ack != client.isn.wrapping_add(1) {
                return self.refuse(Ev::Whs3SynackWithWrongAck);
            }
        } else {
            if seg.ack == client.next_seq {
                // The server took the data of the SYN.
            } else if seg.ack == client.isn.wrapping_add(1) {
                self.ssn.sides[0].next_seq = client.isn.wrapping_add(1);
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
            match self.queued_syn(seg.ack, wanted) {
                Some(q) => self.use_syn(&q),
                None => return self.refuse(Ev::PktInvalidTimestamp),
            }
        }
        self.ssn.queue.free(self.pool);
        self.use_syn_ack(&Queued::of(seg));
        self.me(seg).flags |= if seg.signed { df::SIGNED } else { 0 };
        Ok(())
    }

    /// The session follows a SYN/ACK.
    pub(super) fn use_syn_ack(&mut self, q: &Queued) {
        self.ssn.flags &= !sf::FOUR_WAY;
        self.answered(q, Dir::ToClient);
    }

    /// A SYN/ACK in that direction is accepted.
    fn answered(&mut self, q: &Queued, dir: Dir) {
        self.set_state(TcpState::SynRecv);
        let mut flags = self.ssn.flags;
        let (client, server) = self.pair();
        let (from, to) = if dir == Dir::ToClient { (server, client) } else { (client, server) };
        from.set_isn(q.seq);
        from.next_seq = q.seq.wrapping_add(1);
        to.window = u32::from(q.window);
        match q.ts {
            Some(ts) if to.flags & df::TIMESTAMP != 0 => {
                from.last_ts = ts;
                from.last_pkt_ts = q.now;
                if ts == 0 {
                    from.flags |= df::ZERO_TIMESTAMP;
                }
                flags |= sf::TIMESTAMP;
            }
            _ => {
                to.last_ts = 0;
                from.last_ts = 0;
                to.flags &= !df::ZERO_TIMESTAMP;
            }
        }
        to.last_ack = q.ack;
        from.last_ack = from.isn.wrapping_add(1);
        to.wscale = match q.wscale {
            Some(w) if flags & sf::SERVER_WSCALE != 0 => w,
            _ => 0,
        };
        flags &= !sf::SACK_OK;
        if flags & sf::CLIENT_SACK_OK != 0 && q.sack {
            flags |= sf::SACK_OK;
        }
        from.next_win = from.last_ack.wrapping_add(from.window);
        to.next_win = to.last_ack.wrapping_add(to.window);
        self.ssn.flags = flags;
    }

    /// Both ends sent a SYN; this SYN/ACK comes from the one that was first.
    pub(super) fn four_way_syn_ack(&mut self, seg: &Seg) -> Step {
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
        self.answered(&Queued::of(seg), seg.dir);
        Ok(())
    }

    /// A further SYN before any answer.
    pub(super) fn syn_again(&mut self, seg: &Seg) {
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
    pub(super) fn one_sided_ack(&mut self, seg: &Seg) -> Step {
        if seg.seq != self.ssn.sides[0].next_seq && !self.follow_syn(seg.seq) {
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

    pub(super) fn syn_recv(&mut self, seg: &Seg) -> Step {
        if seg.any(RST) {
            self.check_rst(seg)?;
            use super::policy::OsPolicy::{Linux, OldLinux, Solaris};
            // These answer a handshake with a wrong acknowledgment by nothing: the RST concerns no connection.
            let stray = self.flag(sf::EVASION) && matches!(self.me(seg).os, Linux | OldLinux | Solaris);
            if !stray {
                self.closed_by(seg);
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
    pub(super) fn handshake_ack(&mut self, seg: &Seg) -> Step {
        if !self.ssn.queue.is_empty()
            && let Some(q) = self.queued_syn_ack(seg)
        {
            self.use_syn_ack(&q);
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
    pub(super) fn handshake_take(&mut self, seg: &Seg, dir: Dir) {
        self.handled |= if seg.dir == dir { TAKE } else { TAKE | NO_DATA };
    }

    pub(super) fn handshake_update_server(&mut self, seg: &Seg) {
        let server = &mut self.ssn.sides[1];
        if gt(seg.ack, server.last_ack) {
            server.last_ack = seg.ack;
        }
        server.window = u32::from(seg.window) << server.wscale;
        server.next_win = server.last_ack.wrapping_add(server.window);
    }

    pub(super) fn assume_scaling(&mut self) {
        for side in &mut self.ssn.sides {
            side.wscale = WSCALE_MAX;
        }
        self.ssn.flags |= sf::SACK_OK;
    }

    pub(super) fn handshake_done(&mut self, seg: &Seg) {
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

    pub(super) fn handshake_one_sided(&mut self, seg: &Seg) {
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
}
