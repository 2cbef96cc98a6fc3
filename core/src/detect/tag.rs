//! Tags: packets that follow an alert are logged too, of its flow or of one of its hosts (keyword page "tag").
//!
//! In: a rule that matched, then packets. Out: which packets are to be logged, and for which rule. A flow's tag lies with what
//! detection keeps of the flow; those of hosts lie in a table here, which pushes out what ends first.

use super::FlowDetect;
use super::queue::Hit;
use super::ruleset::SigIx;
use super::state::{HostKey, HostTable, named};
use crate::keyed::Secret;
use crate::packet::{Addr, Packet, Source};
use crate::rules::ir::{self, RuleId, Track};

/// Packets that a tag without a number lasts.
const DEFAULT_PACKETS: u32 = 256;
/// Later matches of its rule with which a tag begins anew.
const MOST_MATCHES: u8 = 10;
/// How long a host's tag waits for its next packet, ns.
const IDLE: u64 = 600_000_000_000;
/// Tags of one host.
const PER_HOST: usize = 4;

/// Hosts that can have tags, where the table of hosts has `slots` places.
pub const fn host_tags(slots: usize) -> usize {
    let n = slots / 32;
    if n < 64 { 64 } else { n }
}

/// A tag in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tag {
    metric: Metric,
    /// Packets, bytes or seconds.
    limit: u32,
    /// Packets or bytes so far; for seconds the one in which it began.
    used: u32,
    matches: u8,
    /// Set by the packet at hand, which its alert shows.
    fresh: bool,
    /// The rule that set it: its place in the rule set, and the number that outlives the set.
    sig: SigIx,
    rule: RuleId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Metric {
    #[default]
    Packets,
    Bytes,
    Seconds,
}

/// Packet time in seconds.
const fn seconds(ns: u64) -> u32 {
    (ns / 1_000_000_000) as u32
}

impl Tag {
    fn new(t: &ir::Tag, hit: Hit, rule: RuleId, now: u64) -> Tag {
        let metric = match t.metric {
            ir::TagMetric::Packets => Metric::Packets,
            ir::TagMetric::Bytes => Metric::Bytes,
            ir::TagMetric::Seconds => Metric::Seconds,
        };
        let limit = if t.count == 0 { DEFAULT_PACKETS } else { t.count };
        let used = if metric == Metric::Seconds { seconds(now) } else { 0 };
        Tag { metric, limit, used, matches: 1, fresh: true, sig: hit.sig, rule }
    }

    /// Its rule matched again.
    fn again(&mut self, now: u64) {
        if self.matches < MOST_MATCHES {
            self.matches += 1;
            self.used = if self.metric == Metric::Seconds { seconds(now) } else { 0 };
        }
    }

    /// Counts a packet. Whether the tag goes on; with `Some(true)` the packet is logged.
    fn count(&mut self, pkt: &Packet<'_>) -> Option<bool> {
        let used = match self.metric {
            Metric::Packets => {
                self.used = self.used.saturating_add(1);
                self.used
            }
            Metric::Bytes => {
                self.used = self.used.saturating_add(pkt.data.len() as u32);
                self.used
            }
            Metric::Seconds => seconds(pkt.ts).saturating_sub(self.used),
        };
        if core::mem::take(&mut self.fresh) {
            return Some(false);
        }
        (used <= self.limit).then_some(true)
    }

    /// The same tag for another rule set, if its rule is there.
    pub(super) fn renewed(self, find: impl Fn(RuleId) -> Option<SigIx>) -> Option<Tag> {
        Some(Tag { sig: find(self.rule)?, ..self })
    }
}

/// The tags of one host; a place without matches is free.
type Tags = [Tag; PER_HOST];

/// The tags of hosts.
#[derive(Debug)]
pub struct HostTags {
    table: HostTable<Tags>,
    /// Packet time when the last of them ends: from then on no packet asks for its hosts.
    until: u64,
}

impl HostTags {
    pub fn new(slots: usize, secret: Secret) -> Self {
        HostTags { table: HostTable::new(slots, secret.key(*b"tags    ")), until: 0 }
    }

    /// Bytes of a table for `slots` hosts.
    pub const fn bytes(slots: usize) -> usize {
        HostTable::<Tags>::bytes(slots)
    }

    pub(super) fn warm(&mut self) {
        self.table.warm();
    }

    fn key(host: Addr) -> HostKey {
        HostKey::new(named("tag"), Track::Src, host, Addr::default())
    }

    fn keep(&mut self, host: Addr, tags: Tags, now: u64) {
        let end = now.saturating_add(IDLE);
        self.until = self.until.max(end);
        self.table.set(Self::key(host), tags, end, now);
    }

    /// A rule with such a tag matched a packet.
    pub(super) fn set(&mut self, t: &ir::Tag, (hit, rule): (Hit, RuleId), pkt: &Packet<'_>) {
        let host = if t.host == Some(Track::Dst) { pkt.dst } else { pkt.src };
        let now = pkt.ts;
        let mut tags = self.table.get(&Self::key(host), now).map_or(Tags::default(), |t| *t);
        if let Some(tag) = tags.iter_mut().find(|tag| tag.matches > 0 && tag.rule == rule) {
            tag.again(now);
        } else if let Some(free) = tags.iter_mut().find(|tag| tag.matches == 0) {
            *free = Tag::new(t, hit, rule, now);
        }
        self.keep(host, tags, now);
    }

    /// Whether a packet from or to a host is logged, and for which rule; counts it.
    pub(super) fn logs(
        &mut self,
        pkt: &Packet<'_>,
        find: impl Fn(SigIx, RuleId) -> Option<SigIx>,
    ) -> Option<SigIx> {
        let now = pkt.ts;
        if now >= self.until || pkt.source == Source::FlowEnd {
            return None;
        }
        let mut logged = None;
        for (i, host) in [pkt.src, pkt.dst].into_iter().enumerate() {
            if i > 0 && pkt.src == pkt.dst {
                break;
            }
            let Some(mut tags) = self.table.get(&Self::key(host), now).map(|t| *t) else { continue };
            for tag in tags.iter_mut().filter(|tag| tag.matches > 0) {
                match tag.count(pkt) {
                    Some(shown) => logged = logged.or(find(tag.sig, tag.rule).filter(|_| shown)),
                    None => *tag = Tag::default(),
                }
            }
            if tags.iter().all(|tag| tag.matches == 0) {
                self.table.remove(&Self::key(host));
            } else {
                self.keep(host, tags, now);
            }
        }
        logged
    }
}

/// A rule with a tag of the flow matched. Of several rules' tags the flow has the first until that ends.
pub(super) fn set(d: &mut FlowDetect, t: &ir::Tag, (hit, rule): (Hit, RuleId), now: u64) {
    match &mut d.tag {
        Some(tag) if tag.rule == rule => tag.again(now),
        Some(_) => {}
        None => d.tag = Some(Tag::new(t, hit, rule, now)),
    }
}

/// Whether a packet is logged because of its flow's tag, and for which rule; counts it. The packet that set the tag counts,
/// and is shown by its alert.
pub(super) fn logs(d: &mut FlowDetect, pkt: &Packet<'_>) -> Option<SigIx> {
    if pkt.source == Source::FlowEnd {
        return None;
    }
    let tag = d.tag.as_mut()?;
    match tag.count(pkt) {
        Some(shown) => Some(tag.sig).filter(|_| shown),
        None => {
            d.tag = None;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: u8, to: u8, ts: u64) -> Packet<'static> {
        static BYTES: [u8; 100] = [0; 100];
        let addr = |n| Addr::v4([10, 0, 0, n]);
        Packet { src: addr(from), dst: addr(to), ..Packet::new(&BYTES, 1, ts, 1) }
    }

    fn tag(host: Option<Track>, count: u32, metric: ir::TagMetric) -> ir::Tag {
        ir::Tag { host, count, metric }
    }

    const RULE: RuleId = RuleId { gid: 1, sid: 7 };

    fn hit() -> Hit {
        Hit { sig: 3, tx: None, in_stream: false, frame: false }
    }

    #[test]
    fn a_flow_is_logged_for_as_long_as_its_tag_says() {
        // Five packets with the one that set it; 500 bytes of 100 each; a second to the end of the tenth.
        for (count, metric, shown) in
            [(5, ir::TagMetric::Packets, 4), (500, ir::TagMetric::Bytes, 4), (10, ir::TagMetric::Seconds, 10)]
        {
            let mut d = FlowDetect::default();
            set(&mut d, &tag(None, count, metric), (hit(), RULE), 0);
            let logged = (0..20).filter(|n| logs(&mut d, &packet(1, 2, n * 1_000_000_000)).is_some()).count();
            assert_eq!(logged, shown, "{metric:?}");
            assert!(d.tag.is_none());
        }
    }

    #[test]
    fn later_matches_begin_anew_ten_times() {
        let mut d = FlowDetect::default();
        let t = tag(None, 2, ir::TagMetric::Packets);
        let mut logged = 0;
        for n in 0..40 {
            if d.tag.is_some() || n == 0 {
                set(&mut d, &t, (hit(), RULE), n);
            }
            logged += u32::from(logs(&mut d, &packet(1, 2, n)).is_some());
        }
        assert_eq!((logged, d.tag.is_none()), (10, true));
    }

    #[test]
    fn a_hosts_packets_of_all_its_flows() {
        let mut tags = HostTags::new(64, Secret::fixed(1));
        let found = |sig, _| Some(sig);
        assert_eq!(tags.logs(&packet(1, 2, 0), found), None);
        tags.set(&tag(Some(Track::Src), 4, ir::TagMetric::Packets), (hit(), RULE), &packet(1, 2, 0));
        let seen: alloc::vec::Vec<bool> = [(1, 2), (2, 1), (3, 2), (3, 1), (1, 3), (1, 3)]
            .iter()
            .map(|(a, b)| tags.logs(&packet(*a, *b, 1), found).is_some())
            .collect();
        assert_eq!(seen, [false, true, false, true, true, false]);
        // Ten minutes without a packet end a tag, and with the last of them the table is not asked any more.
        tags.set(&tag(Some(Track::Src), 4, ir::TagMetric::Packets), (hit(), RULE), &packet(1, 2, 5));
        assert_eq!(tags.until, 5 + IDLE);
        assert_eq!(tags.logs(&packet(1, 2, 5 + IDLE), found), None);
        // Four rules' tags of one host; a fifth finds no place.
        let other = |sid| (hit(), RuleId { gid: 1, sid });
        for sid in 1..=5 {
            tags.set(&tag(Some(Track::Src), 9, ir::TagMetric::Packets), other(sid), &packet(1, 2, 5 + IDLE));
        }
        let of = tags.table.get(&HostTags::key(Addr::v4([10, 0, 0, 1])), 5 + IDLE).unwrap();
        assert_eq!(of.map(|t| t.rule.sid), [1, 2, 3, 4]);
        // Many hosts push each other out; the table does not grow.
        for n in 0..200 {
            tags.set(
                &tag(Some(Track::Dst), 4, ir::TagMetric::Packets),
                (hit(), RULE),
                &packet(1, n, 6 + IDLE),
            );
        }
        assert!(tags.table.evicted > 0);
    }
}
