//! One worker's ports: receive, inspect, send or free.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidegate_core::engine::Frame;
use tidegate_core::event::Verdict;

use super::out::{Way, flush};
use super::spread::{hand_over, lane_by, lane_of};
use crate::dpdk::{Burst, IndexField, MAX_BURST, Mbuf, Pool, Receiver, RxQueue, Sender, Timestamps};
use crate::live::now_ns;
use crate::live::offload::Client;
use crate::live::reject::Rejecter;
use crate::live::worker::{Worker, add};

/// Room for frames in several pieces of one burst. Longer ones are not inspected.
pub(super) const LINEAR: usize = 1 << 20;
/// Polls without a packet before a lane rests.
const PATIENT_POLLS: u32 = 2000;

/// What packets' times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// There are none, or they cannot be understood: the wall clock counts.
    Clock,
    Micros,
    Nanos,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) rx: RxQueue,
    /// Packets are for all lanes.
    pub(super) spread: bool,
    /// An empty poll is the end.
    pub(super) finite: bool,
    pub(super) ended: bool,
    pub(super) count: u64,
    pub(super) full_at: u32,
}

/// One worker's ports.
#[derive(Debug)]
pub struct Lane {
    pub(super) inputs: Vec<Input>,
    /// By number of the port.
    pub(super) ways: Vec<Way>,
    pub(super) ring: Option<Receiver>,
    /// By lane; its own is `None`.
    pub(super) others: Vec<Option<Sender>>,
    pub(super) waiting: Vec<Burst>,
    /// Ports' hashes say which lane a packet belongs to.
    pub(super) by_hash: bool,
    /// Of the hash by which lanes spread packets themselves; the same for all lanes.
    pub(super) key: RandomState,
    /// Inputs of all lanes that have not ended.
    pub(super) reading: Arc<AtomicUsize>,
    pub(super) times: Option<Timestamps>,
    pub(super) index: Option<IndexField>,
    pub(super) pool: Pool,
    pub(super) linear: Vec<u8>,
    pub(super) answer: Vec<u8>,
    pub(super) rejecter: Rejecter,
    pub(super) inline: bool,
    pub(super) fail_open: bool,
    pub(super) link: u16,
    pub(super) busy: bool,
    pub(super) replay: bool,
    /// Hardware may take flows.
    pub offload: Option<Client>,
}

impl Lane {
    /// Runs until the worker is told to stop, or until captures end.
    pub fn run(&mut self, w: &mut Worker) {
        let mut burst = Burst::new();
        let mut quiet = 0u32;
        while !w.stopping() {
            let now = now_ns();
            let mut got = 0;
            for i in 0..self.inputs.len() {
                let input = &mut self.inputs[i];
                if input.ended {
                    continue;
                }
                let n = input.rx.receive(&mut burst);
                if n == 0 {
                    if input.finite {
                        input.ended = true;
                        self.pass_on(w, true);
                        self.reading.fetch_sub(1, Ordering::Release);
                    }
                    continue;
                }
                got += n;
                let crowded = self.inline
                    && self.fail_open
                    && n == MAX_BURST
                    && input.rx.waiting().is_some_and(|q| q >= input.full_at);
                self.number(i, &mut burst);
                if self.inputs[i].spread {
                    self.spread(&mut burst, w);
                }
                self.handle(&mut burst, w, now, crowded);
            }
            // Asked before the ring: what was sent before the last input ended is seen.
            let over = self.reading.load(Ordering::Acquire) == 0;
            if let Some(r) = &mut self.ring {
                let n = r.receive(&mut burst);
                got += n;
                self.handle(&mut burst, w, now, false);
            }
            self.pass_on(w, false);
            self.send_all(w);
            w.between(now);
            if let Some(o) = &mut self.offload {
                if !w.sink.ended.is_empty() {
                    o.ended(&mut w.sink.ended);
                }
                if std::mem::take(&mut w.clear_offload) {
                    o.clear();
                }
            } else {
                w.sink.ended.clear();
            }
            if got > 0 {
                quiet = 0;
                continue;
            }
            if over {
                break;
            }
            add(&w.counters.idle, 1);
            quiet += 1;
            if !self.busy && quiet > PATIENT_POLLS {
                // The longer nothing came, the longer the rest, up to what a full queue can bear.
                let us = u64::from((quiet - PATIENT_POLLS).min(100));
                std::thread::sleep(Duration::from_micros(us));
            } else {
                std::hint::spin_loop();
            }
        }
        self.pass_on(w, true);
        self.send_all(w);
        w.finish();
    }

    /// Numbers the packets of captures, for `pcap_cnt`.
    fn number(&mut self, input: usize, b: &mut Burst) {
        let input = &mut self.inputs[input];
        if let Some(field) = self.index {
            for m in b.packets_mut() {
                input.count += 1;
                field.set(m, input.count);
            }
        }
    }

    /// Sorts a burst by lanes; this one's packets stay.
    fn spread(&mut self, b: &mut Burst, w: &mut Worker) {
        let lanes = self.others.len();
        let mut mine = Burst::new();
        let waiting = &mut self.waiting;
        let others = &self.others;
        let (replay, by_hash, key) = (self.replay, self.by_hash, &self.key);
        let mut hashed = 0;
        b.drain(|_, m| {
            let to = match m.rss_hash().filter(|_| by_hash) {
                Some(hash) => {
                    hashed += 1;
                    lane_by(hash, lanes)
                }
                None => lane_of(m.head(), lanes, key),
            };
            let Some(sender) = others.get(to).and_then(|o| o.as_ref()) else {
                // At most as many as came in.
                let _ = mine.push(m);
                return;
            };
            if waiting[to].is_full() {
                hand_over(sender, &mut waiting[to], w, replay);
            }
            if waiting[to].push(m).is_err() {
                add(&w.counters.shed_ring, 1);
            }
        });
        add(&w.counters.spread_by_hash, hashed);
        *b = mine;
    }

    /// Passes on what waits for other lanes. `all`: whatever it takes, as far as time is not ours to lose.
    fn pass_on(&mut self, w: &mut Worker, all: bool) {
        for (to, burst) in self.waiting.iter_mut().enumerate() {
            if burst.is_empty() {
                continue;
            }
            if let Some(s) = &self.others[to] {
                hand_over(s, burst, w, self.replay || all && !w.stopping());
            }
        }
    }

    /// Inspects a burst and sees it off.
    fn handle(&mut self, b: &mut Burst, w: &mut Worker, now: u64, crowded: bool) {
        let n = b.len();
        if n == 0 {
            return;
        }
        for m in b.packets_mut() {
            if m.stripped_vlan().is_some() {
                // Without room for the tag the frame is inspected as if it had had none.
                m.restore_vlan();
            }
        }
        let mut verdicts = [Verdict::Forward; MAX_BURST];
        let mut bytes = 0;
        if crowded {
            add(&w.counters.overloads, 1);
            bytes = b.packets().iter().map(|m| m.len() as u64).sum();
            w.shed(b.packets().iter().map(|m| (m.head(), self.link)), n, &mut verdicts);
        } else {
            self.linear.clear();
            let mut spans = [(0usize, 0usize); MAX_BURST];
            for (m, s) in b.packets().iter().zip(&mut spans) {
                if m.segments() > 1 {
                    let at = self.linear.len();
                    if m.copy_to(&mut self.linear) {
                        *s = (at, self.linear.len() - at);
                        add(&w.counters.linearized, 1);
                    } else {
                        add(&w.counters.too_long, 1);
                    }
                }
            }
            let mut frames = [Frame { ts: now, link: self.link, ..Frame::default() }; MAX_BURST];
            for ((f, m), &(at, len)) in frames.iter_mut().zip(b.packets()).zip(&spans) {
                // A frame too long to put together is inspected as far as its first piece goes.
                f.data = if len > 0 { &self.linear[at..at + len] } else { m.head() };
                f.sums = m.sums();
                bytes += m.len() as u64;
                let way = self.ways.get(usize::from(m.port()));
                if let (Some(way), Some(times)) = (way, self.times) {
                    if way.unit != Unit::Clock
                        && let Some(t) = times.of(m)
                    {
                        f.ts = time(t, way.unit, now);
                    }
                    if way.replay
                        && let Some(i) = self.index
                    {
                        f.index = i.get(m);
                    }
                }
            }
            w.inspect(&frames[..n], &mut verdicts[..n]);
            if let Some(o) = &mut self.offload {
                for (i, v) in verdicts[..n].iter().enumerate().filter(|(_, v)| **v != Verdict::Forward) {
                    let port = b.packets()[i].port();
                    let peer = self.ways.get(usize::from(port)).and_then(|x| x.peer);
                    if let Some(e) = w.engine().filter(|_| !w.last_was_policy && !w.was_listed(i)) {
                        o.look(e, &frames[i], *v, port, peer.map(|p| p as u16));
                    }
                }
            }
        }
        add(&w.counters.received, n as u64);
        add(&w.counters.received_bytes, bytes);
        if self.inline {
            self.see_off(b, &verdicts, w);
        } else {
            let gone =
                verdicts[..n].iter().filter(|v| matches!(v, Verdict::Drop | Verdict::Reject { .. })).count();
            add(&w.counters.dropped, gone as u64);
            b.free();
        }
    }

    /// Sends or frees by verdict.
    fn see_off(&mut self, b: &mut Burst, verdicts: &[Verdict; MAX_BURST], w: &mut Worker) {
        // The policy's drops are counted where they were decided.
        let by_policy = w.last_was_policy;
        let mut taken = std::mem::take(b);
        taken.drain(|i, m| {
            let port = usize::from(m.port());
            let to = self.ways.get(port).and_then(|x| x.peer);
            match verdicts[i] {
                Verdict::Forward => self.forward(m, to, w),
                Verdict::Bypass => {
                    add(&w.counters.bypassed, 1);
                    self.forward(m, to, w);
                }
                Verdict::Drop => {
                    if !by_policy || w.was_listed(i) {
                        add(&w.counters.dropped, 1);
                    }
                }
                Verdict::Reject { to_src, to_dst } => {
                    add(&w.counters.dropped, 1);
                    add(&w.counters.rejected, 1);
                    for (wanted, back) in [(to_src, true), (to_dst, false)] {
                        if wanted && self.rejecter.answer(m.head(), back, &mut self.answer) {
                            let way = if back { Some(port) } else { to };
                            if let Some(a) = self.pool.packet(&self.answer) {
                                self.queue(a, way, w);
                                add(&w.counters.answers, 1);
                            }
                        }
                    }
                }
            }
        });
    }

    fn forward(&mut self, m: Mbuf, to: Option<usize>, w: &mut Worker) {
        let bytes = m.len() as u64;
        if self.queue(m, to, w) {
            add(&w.counters.forwarded, 1);
            add(&w.counters.forwarded_bytes, bytes);
        }
    }

    /// Puts a packet into the burst of a port; `false` when it has none (it is freed).
    fn queue(&mut self, m: Mbuf, to: Option<usize>, w: &mut Worker) -> bool {
        let Some(way) = to.and_then(|t| self.ways.get_mut(t)) else { return false };
        if way.burst.is_full() {
            flush(way, w);
        }
        way.burst.push(m).is_ok()
    }

    fn send_all(&mut self, w: &mut Worker) {
        for way in self.ways.iter_mut().filter(|x| !x.burst.is_empty()) {
            flush(way, w);
        }
    }
}

/// Nanoseconds since the epoch from a port's own time.
fn time(t: u64, unit: Unit, now: u64) -> u64 {
    const DAY: u64 = 86_400_000_000_000;
    match unit {
        Unit::Micros => t.wrapping_mul(1000),
        // A port whose clock is not set counts from where it likes.
        Unit::Nanos if now.abs_diff(t) < DAY => t,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_clocks_are_not_believed() {
        let now = 1_700_000_000_000_000_000;
        assert_eq!(time(1_600_000_000_000_000, Unit::Micros, now), 1_600_000_000_000_000_000);
        assert_eq!(time(now - 5, Unit::Nanos, now), now - 5);
        assert_eq!(time(12345, Unit::Nanos, now), now);
    }
}
