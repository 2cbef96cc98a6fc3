//! `threshold`, `detection_filter`, `rate_filter` and `suppress`: a match goes in, what becomes of it comes out.
//!
//! Meanings: Suricata 8 "Thresholding Keywords" and "Global Thresholds". Owns a table of fixed size.

use super::state::{HostKey, HostTable};
use crate::event::Action;
use crate::packet::Packet;
use crate::rules::ir::{AddrSet, RuleId, Threshold, ThresholdKind, Track};

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Alert and act.
    Alert,
    /// Act (drop…) without an alert.
    Silent,
    /// As if it had not matched.
    Nothing,
    /// Alert, with this action instead of the rule's own.
    Changed(Action),
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    start: u64,
    count: u32,
    /// `backoff`: count at which the next alert is due. `rate_filter`: end of the changed action, ns.
    next: u64,
}

/// Whose matches are counted. A rule counts on when rules are exchanged, unless it comes with another revision.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub rule: RuleId,
    pub rev: u32,
    /// Tells several thresholds of one rule apart.
    pub slot: u32,
}

/// Counters of all thresholds of one worker.
#[derive(Debug)]
pub struct Thresholds {
    table: HostTable<Entry>,
}

const SEC: u64 = 1_000_000_000;

impl Thresholds {
    /// Bytes of a table of `slots`.
    pub const fn bytes(slots: usize) -> usize {
        HostTable::<Entry>::bytes(slots)
    }

    pub(super) fn warm(&mut self) {
        self.table.warm();
    }

    /// Thresholds pushed out before their time.
    pub fn evicted(&self) -> u64 {
        self.table.evicted
    }

    pub fn new(slots: usize, key: [u64; 2]) -> Self {
        Thresholds { table: HostTable::new(slots, key) }
    }

    /// Counts a match of a rule and says what becomes of it. `flow` identifies the flow for `track by_flow`.
    pub fn count(&mut self, t: &Threshold, of: Counted, pkt: &Packet<'_>, flow: u64) -> Fate {
        if t.kind == ThresholdKind::Suppress {
            return if suppressed(t, pkt) { Fate::Silent } else { Fate::Alert };
        }
        if t.track == Track::Flow && flow == 0 {
            // There is nothing to count by.
            return Fate::Nothing;
        }
        let key = key(t, of, pkt, flow);
        let now = pkt.ts;
        let window = u64::from(t.seconds) * SEC;
        // Backoff has no window; what it counted stays until the table needs the place, for which it is the first to go.
        let backoff = t.kind == ThresholdKind::Backoff;
        let keep = match t.kind {
            ThresholdKind::Backoff => 0,
            ThresholdKind::RateFilter => window.max(u64::from(t.timeout) * SEC) + SEC,
            _ => window + SEC,
        };
        // What a `threshold` counted is reset by the first match after its window, not forgotten.
        let stays = backoff || t.kind == ThresholdKind::Threshold;
        let mut e = self.table.get(&key, if stays { 0 } else { now }).copied().unwrap_or(Entry {
            start: now,
            count: 0,
            next: 0,
        });
        let fresh = e.count == 0 && e.next == 0;
        let inside = now.saturating_sub(e.start) <= window;
        if !inside && !backoff {
            e.start = now;
            e.count = 0;
        }
        e.count = e.count.saturating_add(1);
        let fate = e.fate(t, now, fresh, !inside);
        self.table.set(key, e, now.saturating_add(keep), now);
        fate
    }
}

impl Entry {
    /// What becomes of the match that was just counted. `fresh`: it is the first; `reset`: the first of another window.
    fn fate(&mut self, t: &Threshold, now: u64, fresh: bool, reset: bool) -> Fate {
        match t.kind {
            ThresholdKind::Limit => {
                if self.count <= t.count {
                    Fate::Alert
                } else {
                    Fate::Silent
                }
            }
            ThresholdKind::Threshold => {
                // A match that begins another window only counts, even where one is enough.
                let again = core::mem::replace(&mut self.next, 1) != 0 && reset;
                if self.count >= t.count && !again {
                    self.count = 0;
                    Fate::Alert
                } else {
                    Fate::Nothing
                }
            }
            ThresholdKind::Both => match self.count.cmp(&t.count) {
                core::cmp::Ordering::Equal => Fate::Alert,
                core::cmp::Ordering::Greater => Fate::Silent,
                core::cmp::Ordering::Less => Fate::Nothing,
            },
            ThresholdKind::DetectionFilter => {
                if self.count > t.count {
                    Fate::Alert
                } else {
                    Fate::Nothing
                }
            }
            ThresholdKind::Backoff => {
                if fresh {
                    self.next = u64::from(t.count);
                }
                if u64::from(self.count) == self.next {
                    self.next = self.next.saturating_mul(u64::from(t.multiplier.max(1)));
                    Fate::Alert
                } else {
                    Fate::Silent
                }
            }
            ThresholdKind::RateFilter => {
                let changed = t.new_action.unwrap_or_default();
                if self.next != 0 && (t.timeout == 0 || now < self.next) {
                    Fate::Changed(changed)
                } else {
                    self.next = 0;
                    if self.count > t.count {
                        self.next = now.saturating_add(u64::from(t.timeout) * SEC);
                        Fate::Changed(changed)
                    } else {
                        Fate::Alert
                    }
                }
            }
            ThresholdKind::Suppress => Fate::Alert,
        }
    }
}

/// Under which key a threshold counts.
fn key(t: &Threshold, of: Counted, pkt: &Packet<'_>, flow: u64) -> HostKey {
    let what = u64::from(of.rule.gid) << 32 | u64::from(of.rule.sid);
    let mut key = HostKey::new(what, t.track, pkt.src, pkt.dst);
    key.part = of.rev.rotate_left(2) ^ of.slot;
    if t.track == Track::Flow {
        key.a.0[..8].copy_from_slice(&flow.to_le_bytes());
        key.a.0[8..].fill(0xff);
        key.b = key.a;
    }
    key
}

/// Whether a packet's addresses are those that a `suppress` names.
fn suppressed(t: &Threshold, pkt: &Packet<'_>) -> bool {
    let Some(set) = &t.addrs else { return true };
    let has = |set: &AddrSet, a: &crate::packet::Addr| {
        if pkt.is_ipv6() {
            set.has_v6(u128::from_be_bytes(a.0))
        } else {
            set.has_v4(u32::from_be_bytes([a.0[0], a.0[1], a.0[2], a.0[3]]))
        }
    };
    match t.track {
        Track::Src => has(set, &pkt.src),
        Track::Dst => has(set, &pkt.dst),
        _ => has(set, &pkt.src) || has(set, &pkt.dst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: ThresholdKind, count: u32, seconds: u32, times: &[u64]) -> alloc::vec::Vec<Fate> {
        let t = Threshold {
            kind,
            track: Track::Src,
            count,
            seconds,
            multiplier: 10,
            new_action: Some(Action::Drop),
            timeout: 5,
            addrs: None,
        };
        let mut table = Thresholds::new(1024, [7, 7]);
        let of = Counted { rule: RuleId { gid: 1, sid: 1 }, rev: 1, slot: 0 };
        times.iter().map(|s| table.count(&t, of, &Packet::new(&[], 1, s * SEC, 1), 0)).collect()
    }

    #[test]
    fn each_kind_over_time() {
        use Fate::*;
        assert_eq!(run(ThresholdKind::Limit, 1, 10, &[0, 1, 2, 20]), [Alert, Silent, Silent, Alert]);
        assert_eq!(run(ThresholdKind::Threshold, 2, 10, &[0, 1, 2, 3]), [Nothing, Alert, Nothing, Alert]);
        assert_eq!(run(ThresholdKind::Both, 2, 10, &[0, 1, 2, 30]), [Nothing, Alert, Silent, Nothing]);
        assert_eq!(
            run(ThresholdKind::DetectionFilter, 2, 10, &[0, 1, 2, 3]),
            [Nothing, Nothing, Alert, Alert]
        );
        assert_eq!(
            run(ThresholdKind::RateFilter, 1, 10, &[0, 1, 2, 30]),
            [Alert, Changed(Action::Drop), Changed(Action::Drop), Alert]
        );
        let b = run(ThresholdKind::Backoff, 1, 0, &(0..10).collect::<alloc::vec::Vec<_>>());
        assert_eq!(b.iter().filter(|f| **f == Alert).count(), 2);
    }
}
