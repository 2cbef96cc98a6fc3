//! What matched on one packet, until it is put in order: matches go in, decisions come out.
//!
//! Order is that of the rule set (pass before drop before alert); thresholds, suppression and rate filters are
//! asked in that order too, a pass rule ends the list, and no more than `packet-alert-max` alerts leave.

use alloc::vec::Vec;

use super::header::both_ways;
use super::ruleset::{RuleSet, Sig, SigIx};
use super::threshold::{Counted, Fate, Thresholds};
use crate::app::TxRef;
use crate::event::Action;
use crate::packet::Packet;

/// A rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub sig: SigIx,
    pub tx: Option<TxRef>,
    pub in_stream: bool,
    /// `tx` is a frame.
    pub frame: bool,
}

/// A match after thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub hit: Hit,
    pub action: Action,
    /// Write an alert (otherwise only act).
    pub alert: bool,
}

/// The matches of the packet at hand.
#[derive(Debug)]
pub struct Queue {
    /// Of fixed size from construction on.
    hits: Vec<Hit>,
    room: usize,
    /// Matches that found no room.
    pub overflow: u64,
    /// Most alerts of one packet.
    max: usize,
}

/// Least room for matches of one packet before ordering; there is room for all alerts that may leave, too.
const ROOM: usize = 512;

impl Queue {
    /// `max`: most alerts of one packet; 0 means the default, 15.
    pub fn new(max: usize) -> Self {
        let max = if max == 0 { 15 } else { max };
        let room = ROOM.max(max);
        Queue { hits: Vec::with_capacity(room), room, overflow: 0, max }
    }

    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.hits.capacity()
    }

    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    pub fn push(&mut self, hit: Hit) {
        if self.hits.len() < self.room {
            self.hits.push(hit);
        } else {
            self.overflow += 1;
        }
    }

    /// Forgets the matches that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Hit) -> bool) {
        self.hits.retain(|h| keep(h));
    }

    /// Calls `out` with each decision in order and empties the queue.
    pub fn settle(
        &mut self,
        rules: &RuleSet,
        thresholds: &mut Thresholds,
        pkt: &Packet<'_>,
        flow: u64,
        mut out: impl FnMut(Decision),
    ) {
        if self.hits.is_empty() {
            return;
        }
        self.hits.sort_unstable_by_key(|h| (h.sig, h.tx.map_or(0, |t| t.id + 1)));
        self.hits.dedup();
        let mut alerts = 0;
        'hits: for &hit in &self.hits {
            let Some(sig) = rules.sigs.get(hit.sig as usize) else { continue };
            for _ in 0..1 + u8::from(both_ways(sig, pkt)) {
                let Some(mut d) = decision(rules, sig, hit, thresholds, (pkt, flow)) else { continue };
                if d.alert {
                    if alerts < self.max {
                        alerts += 1;
                    } else {
                        // Nobody is told, but what the rule does is done.
                        self.overflow += 1;
                        d.alert = false;
                        if d.action == Action::Alert {
                            continue;
                        }
                    }
                }
                out(d);
                if d.action == Action::Pass {
                    break 'hits;
                }
            }
        }
        self.hits.clear();
    }
}

/// What becomes of a match by the rule's suppression, threshold and rate filter. `None`: nothing.
fn decision(
    rules: &RuleSet,
    sig: &Sig,
    hit: Hit,
    thresholds: &mut Thresholds,
    (pkt, flow): (&Packet<'_>, u64),
) -> Option<Decision> {
    let mut d = Decision { hit, action: sig.action, alert: !sig.noalert };
    let mut fate = Fate::Alert;
    let (rule, rev) = rules.meta(hit.sig).map_or_else(Default::default, |m| (m.id(), m.rev));
    let of = |slot| Counted { rule, rev, slot };
    for s in &sig.suppress {
        if thresholds.count(s, of(0), pkt, flow) == Fate::Silent {
            fate = Fate::Silent;
        }
    }
    if let (Some(t), Fate::Alert) = (&sig.threshold, fate) {
        fate = thresholds.count(t, of(1), pkt, flow);
    }
    if let (Some(t), Fate::Alert) = (&sig.rate_filter, fate) {
        fate = thresholds.count(t, of(2), pkt, flow);
    }
    match fate {
        Fate::Alert => {}
        Fate::Silent => d.alert = false,
        Fate::Nothing => return None,
        Fate::Changed(a) => {
            d.action = a;
            d.alert &= a != Action::Pass;
        }
    }
    Some(d)
}
