//! SYNs and SYN/ACKs seen beside the ones a session follows, until the handshake tells which were meant.
//!
//! In: handshake packets. Out: the remembered one that a later packet fits. They lie in the session's queue, a
//! block of the pool that lives only while a handshake is ambiguous.

use super::Ev;
use super::session::{TcpState, df, sf};
use super::state::{Machine, Seg, Step};

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

    /// Equal but for the numbers that every SYN of a connection shares.
    pub(super) fn same_syn(&self, o: &Queued) -> bool {
        self.window == o.window && self.wscale == o.wscale && self.sack == o.sack && self.ts == o.ts
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
        if self.find(|o| o.ts == q.ts).is_some() {
            return;
        }
        if self.ssn.queue.len() / LEN >= MAX_SYNS {
            self.raise(Ev::Whs3SynFlood);
            return;
        }
        // A full pool costs the memory of this SYN only.
        let _ = self.ssn.queue.extend(self.pool, &q.encode());
    }

    /// The remembered SYN whose timestamp an answer echoes.
    pub(super) fn queued_syn(&self, echo: Option<u32>) -> Option<Queued> {
        self.find(|o| o.ts == echo)
    }

    /// The session follows that SYN.
    pub(super) fn use_syn(&mut self, q: &Queued) {
        let flags = &mut self.ssn.flags;
        let [client, server] = &mut self.ssn.sides;
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
        debug_assert!(self.ssn.state <= TcpState::Established);
        let Some((_, echo)) = seg.ts else { return true };
        if seg.dir == crate::Dir::ToServer || echo == 0 {
            return true;
        }
        let client = &self.ssn.sides[0];
        if client.flags & df::TIMESTAMP != 0 {
            client.last_ts == 0 || echo == client.last_ts
        } else {
            client.last_ts != 0
        }
    }
}
