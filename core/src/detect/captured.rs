//! What groups of regexes captured (`pcre` with `flow:`, `pkt:` and `alert:` names): kept while a rule is evaluated, and for the
//! packet's alerts when it matched. Likewise where contents stand that are to be replaced (`replace`).
//!
//! In: captures of the rule at hand; whether it matched. Out: values for variables of the flow, variables of the packet,
//! values for the rule's alert. Owns a few values of fixed size; longer ones are cut.

use alloc::vec::Vec;

use super::ruleset::SigIx;

/// Most bytes of a value.
pub const LONGEST: usize = 256;
/// Most values of one rule, and of a packet's rules.
const OF_RULE: usize = 8;
const OF_PACKET: usize = 32;

/// Where a captured value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flow,
    Packet,
    Alert,
}

/// A group's destination: its kind and the number of the name, in [`super::ruleset::Names::flowvars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub group: u8,
    pub kind: Kind,
    pub name: u16,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    kind: Kind,
    name: u16,
    len: u16,
    bytes: [u8; LONGEST],
}

impl Value {
    const NONE: Value = Value { kind: Kind::Flow, name: 0, len: 0, bytes: [0; LONGEST] };

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// A content that was found: the number of what replaces it, and where it stands in the packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Replaced {
    pub with: u16,
    pub at: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Captured {
    replaced: [Replaced; OF_RULE],
    places: usize,
    kept_places: Vec<(SigIx, Replaced)>,
    /// Of the rule at hand.
    values: [Value; OF_RULE],
    count: usize,
    /// Of rules that matched on the packet at hand: for the packet and for alerts.
    kept: Vec<(SigIx, Value)>,
}

impl Default for Captured {
    fn default() -> Self {
        Captured {
            replaced: [Replaced::default(); OF_RULE],
            places: 0,
            kept_places: Vec::with_capacity(OF_PACKET),
            values: [Value::NONE; OF_RULE],
            count: 0,
            kept: Vec::with_capacity(OF_PACKET),
        }
    }
}

impl Captured {
    /// Another rule begins.
    pub fn begin(&mut self) {
        (self.count, self.places) = (0, 0);
    }

    /// How much there is, for [`Captured::back`].
    pub fn mark(&self) -> (usize, usize) {
        (self.count, self.places)
    }

    /// Forgets what came since the mark: the conditions did not hold.
    pub fn back(&mut self, mark: (usize, usize)) {
        self.count = self.count.min(mark.0);
        self.places = self.places.min(mark.1);
    }

    /// A content that is to be replaced stands there.
    pub fn place(&mut self, with: u16, at: usize) {
        if let Some(r) = self.replaced.get_mut(self.places) {
            *r = Replaced { with, at: u32::try_from(at).unwrap_or(u32::MAX) };
            self.places += 1;
        }
    }

    /// The rule matched on the packet's own payload: its places are kept.
    pub fn keep_places(&mut self, sig: SigIx) {
        for r in self.replaced.iter().take(self.places) {
            if self.kept_places.len() < self.kept_places.capacity() {
                self.kept_places.push((sig, *r));
            }
        }
    }

    /// The contents of a rule that are to be replaced in the packet.
    pub fn places_of(&self, sig: SigIx) -> impl Iterator<Item = Replaced> {
        self.kept_places.iter().filter(move |(s, _)| *s == sig).map(|(_, r)| *r)
    }

    /// Whether there are any.
    pub fn has_places(&self) -> bool {
        !self.kept_places.is_empty()
    }

    /// A regex matched in `subject`; `caps` are the ends of its groups.
    pub fn add(&mut self, targets: &[Target], subject: &[u8], caps: &[usize]) {
        for t in targets {
            let g = usize::from(t.group) * 2;
            let ends = caps.get(g).copied().zip(caps.get(g + 1).copied());
            let Some(found) = ends.and_then(|(from, to)| subject.get(from..to)) else { continue };
            let Some(v) = self.values.get_mut(self.count) else { return };
            let n = found.len().min(LONGEST);
            (v.kind, v.name, v.len) = (t.kind, t.name, n as u16);
            v.bytes[..n].copy_from_slice(&found[..n]);
            self.count += 1;
        }
    }

    /// The rule matched: calls `flow` with what goes into variables of the flow, and keeps the rest for the packet.
    pub fn matched(&mut self, sig: SigIx, mut flow: impl FnMut(u16, &[u8])) {
        for v in self.values.iter().take(self.count) {
            if v.kind == Kind::Flow {
                flow(v.name, v.bytes());
            } else if self.kept.len() < self.kept.capacity() {
                self.kept.push((sig, *v));
            }
        }
    }

    /// The packet's alerts are told.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.kept_places.clear();
    }

    /// The values that belong to a rule's alert, by the number of their name.
    pub fn of_alert(&self, sig: SigIx) -> impl Iterator<Item = (u16, &[u8])> {
        let mine = self.kept.iter().filter(move |(s, v)| *s == sig && v.kind == Kind::Alert);
        mine.map(|(_, v)| (v.name, v.bytes()))
    }

    /// The packet's variables, by the number of their name.
    pub fn of_packet(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.kept.iter().filter(|(_, v)| v.kind == Kind::Packet).map(|(_, v)| (v.name, v.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn values_come_with_the_match_or_not_at_all() {
        let mut c = Captured::default();
        let to = |group, kind| Target { group, kind, name: u16::from(group) };
        let targets = [to(1, Kind::Flow), to(2, Kind::Packet), to(3, Kind::Alert), to(9, Kind::Flow)];
        let caps = [0, 6, 0, 1, 2, 4, 4, 6, usize::MAX, usize::MAX];
        c.add(&targets, b"abcdef", &caps);
        let mark = c.mark();
        c.add(&targets, b"xxxxxx", &caps);
        c.back(mark);
        let mut flow = vec![];
        c.matched(7, |n, v| flow.push((n, v.to_vec())));
        assert_eq!(flow, [(1, b"a".to_vec())]);
        assert_eq!(c.of_packet().collect::<Vec<_>>(), [(2, &b"cd"[..])]);
        assert_eq!(c.of_alert(7).collect::<Vec<_>>(), [(3, &b"ef"[..])]);
        assert_eq!(c.of_alert(8).count(), 0);
        c.begin();
        c.clear();
        c.matched(7, |_, _| panic!("nothing was captured"));
        assert_eq!(c.of_packet().count(), 0);
        // Longer values are cut, more than there is room for are left out.
        let long = [b'y'; 300];
        (0..20).for_each(|_| c.add(&[to(0, Kind::Packet)], &long, &[0, 300]));
        c.matched(1, |_, _| {});
        assert_eq!(c.of_packet().map(|v| v.1.len()).collect::<Vec<_>>(), [LONGEST; OF_RULE]);
    }
}
