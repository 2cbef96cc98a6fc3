//! The end of a session: FINs, RSTs and the states between them and the closed one.

use super::Ev;
use super::segment::{ACK, FIN, RST, SYN, Seg, gt, leq, lt};
use super::session::{TcpState, outflag, sf};
use super::state::{Machine, Step};
use crate::Dir;

impl Machine<'_> {
    /// A packet after the first FIN.
    pub(super) fn after_fin(&mut self, seg: &Seg, state: TcpState) -> Step {
        if seg.any(RST) {
            self.check_rst(seg)?;
            self.closed_by(seg);
            self.rst_acks(seg);
            return Ok(());
        }
        if seg.any(FIN) {
            match state {
                TcpState::FinWait1 => return self.fin_wait1_fin(seg),
                TcpState::FinWait2 => return self.fin_wait2_fin(seg),
                TcpState::CloseWait => return self.close_wait_fin(seg),
                TcpState::LastAck | TcpState::TimeWait => return Ok(()),
                _ => {}
            }
        }
        if !self.acknowledges(seg)? || (state == TcpState::LastAck && seg.dir == Dir::ToClient) {
            return Ok(());
        }
        let again = self.retransmitted(seg);
        match state {
            TcpState::FinWait1 => self.fin_wait1(seg, again),
            TcpState::FinWait2 => self.fin_wait2(seg, again),
            TcpState::Closing => self.closing(seg, again),
            TcpState::CloseWait => self.close_wait(seg, again),
            TcpState::LastAck => self.last_ack(seg, again),
            _ => self.time_wait(seg, again),
        }
    }

    /// The first FIN.
    pub(super) fn fin(&mut self, seg: &Seg) -> Step {
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
        self.finish(seg)
    }

    /// The peer acknowledges more than was seen from this side's peer: follow it.
    fn catch_up(&mut self, seg: &Seg, less: u32) {
        let peer = self.peer(seg);
        if lt(peer.next_seq.wrapping_sub(less), seg.ack) {
            peer.next_seq = seg.ack;
        }
    }

    fn fin_wait1(&mut self, seg: &Seg, again: bool) -> Step {
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

    fn fin_wait2_fin(&mut self, seg: &Seg) -> Step {
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
        self.finish(seg)
    }

    fn fin_wait2(&mut self, seg: &Seg, again: bool) -> Step {
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

    fn closing(&mut self, seg: &Seg, again: bool) -> Step {
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

    /// Whether a packet without RST and FIN acknowledges something, in time.
    fn acknowledges(&mut self, seg: &Seg) -> Result<bool, ()> {
        if seg.any(SYN) {
            self.refuse(Ev::ShutdownSynResend)?;
        }
        if seg.any(ACK) {
            self.timestamps_valid(seg)?;
        }
        Ok(seg.any(ACK))
    }

    /// The common end of the closing states.
    pub(super) fn finish(&mut self, seg: &Seg) -> Step {
        self.timestamps_used(seg);
        self.catch_up(seg, 0);
        if seg.any(ACK) {
            self.update_ack(seg, seg.ack);
        }
        self.take();
        Ok(())
    }

    fn close_wait_fin(&mut self, seg: &Seg) -> Step {
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
        self.finish(seg)
    }

    fn close_wait(&mut self, seg: &Seg, again: bool) -> Step {
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

    fn last_ack(&mut self, seg: &Seg, again: bool) -> Step {
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

    fn time_wait(&mut self, seg: &Seg, again: bool) -> Step {
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
