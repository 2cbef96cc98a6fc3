//! Time moves on: when idle flows are looked for.
//!
//! In: times of packets and ticks. Out: flows and datagrams that were idle for too long, ended. Owns nothing; the rule for
//! the engine's time is that of [`super::clock`], the rule for users in `docs/time.md`.

use super::clock::{self, Moved};
use super::{Engine, stats};
use crate::event::{Event, EventSink};
use crate::packet::Packet;

/// Packets, and time in ns, between two looks for idle flows when the caller does not tick.
pub(super) const SWEEP_PKTS: u32 = 8192;
pub(super) const SWEEP_NS: u64 = clock::NEAR;
/// Packets after a time that was far off in which only their number counts.
const STEADY: u64 = 32;

impl Engine {
    /// Lets time pass without packets: flows and fragments that are idle too long end.
    #[inline(never)]
    pub fn tick(&mut self, now: u64, sink: &mut dyn EventSink) {
        self.see(now);
        self.sweep(sink);
    }

    /// Ends the flows and datagrams that are idle for too long by the engine's time.
    fn sweep(&mut self, sink: &mut dyn EventSink) {
        let now = self.clock.now();
        self.last_tick = now;
        let pressure = stats::pressure(self.pools(), self.app.records().0);
        self.stats.pressure_max = self.stats.pressure_max.max(pressure);
        self.since_sweep = 0;
        self.defrag.tick(now);
        self.ledger.tick(now, &mut |s| sink.event(Event::Summary(&s)));
        while let Some(ix) = self.flows.next_expired(now) {
            self.end_flow(ix, sink);
        }
    }

    /// The engine's time follows `t` by the rule of [`clock`].
    #[inline]
    pub(super) fn see(&mut self, t: u64) {
        match self.clock.see(t) {
            Moved::Near => {}
            moved => {
                self.unsteady_at = self.passed;
                self.reorder |= moved == Moved::Back;
            }
        }
        self.flows.set_now(self.clock.now());
        if self.responding.is_over(self.clock.now()) {
            self.renumber();
        }
        if self.reorder {
            self.reorder();
        }
    }

    #[cold]
    fn reorder(&mut self) {
        let since = self.passed.saturating_sub(self.reordered_at);
        if self.flows.len() > 1024 && since < u64::from(SWEEP_PKTS) {
            return;
        }
        self.reorder = false;
        self.reordered_at = self.passed;
        self.flows.reorder();
    }

    /// Packet time moves on: expiry runs when the second changes.
    pub(super) fn advance(&mut self, pkt: &Packet<'_>, sink: &mut dyn EventSink) {
        self.see(pkt.ts);
        // A packet finds its own flow's end by itself.
        self.since_sweep += 1;
        self.passed += 1;
        if self.sweep_is_due() {
            self.sweep(sink);
        }
    }

    /// Idle flows are looked for now and then only, so that a capture whose clock jumps to and fro keeps its flows, as
    /// with Suricata's slow flow manager.
    fn sweep_is_due(&self) -> bool {
        let (now, last) = (self.clock.now(), self.last_tick);
        now.abs_diff(last) >= SWEEP_NS && self.passed.wrapping_sub(self.unsteady_at) >= STEADY
            || self.since_sweep >= SWEEP_PKTS && now / 1_000_000_000 != last / 1_000_000_000
    }
}
