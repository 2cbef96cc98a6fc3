//! Recognition of protocols by content: the first bytes of a direction go in, a protocol comes out.
//!
//! Two ways, as in Suricata's protocol detection: literal patterns at the start of the bytes (confirmed by a
//! function where a protocol has one), then probing functions of the protocols registered for the flow's ports
//! and of the protocol already found in the other direction. Owns tables built once from
//! [`PROTOCOLS`] and the configuration; the state of a flow is its [`Progress`].

use alloc::vec::Vec;

use super::registry::PROTOCOLS;
use super::{AppConfig, AppProto, OVER_TCP, OVER_UDP, Pattern, Probe, Seen, Verdict};
use crate::Dir;

/// Bytes after which a probing function that still cannot say is taken to have said no.
const PROBE_DEPTH: usize = 16;

/// What detection has tried so far, per direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Probing functions that said no: bit per slot of the recogniser's probe table.
    no: [u64; 2],
    /// The patterns cannot match any more, or did.
    pub patterns_done: [bool; 2],
    /// No probing function is left.
    pub probes_done: [bool; 2],
}

impl Progress {
    /// With the directions exchanged.
    #[must_use]
    pub fn swapped(mut self) -> Self {
        self.no.swap(0, 1);
        self.patterns_done.swap(0, 1);
        self.probes_done.swap(0, 1);
        self
    }

    /// Nothing that follows in this direction can change the answer.
    pub fn done(&self, dir: Dir) -> bool {
        self.patterns_done[dir.ix()] && self.probes_done[dir.ix()]
    }
}

/// A protocol was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub proto: AppProto,
    /// The bytes travel against the flow's direction.
    pub reversed: bool,
}

#[derive(Debug)]
struct Literal {
    proto: AppProto,
    pattern: &'static Pattern,
}

/// Patterns of one carrier and direction.
#[derive(Debug, Default)]
struct Literals {
    list: Vec<Literal>,
    /// Numbers in `list` that bytes beginning with `b` can match: `at[b]..at[b + 1]` of `by_first`, in the list's order.
    by_first: Vec<u16>,
    at: Vec<u32>,
    /// Largest depth of the list: with that many bytes and no match there will be none.
    depth: usize,
}

#[derive(Debug)]
struct Slot {
    proto: AppProto,
    probe: &'static Probe,
    ports: Vec<u16>,
}

/// Probing functions of one carrier; sets of them are bits by position.
#[derive(Debug, Default)]
struct Slots {
    list: Vec<Slot>,
    /// Those for every port, and those for one: sorted.
    any: u64,
    by_port: Vec<(u16, u64)>,
    /// By number of the protocol.
    of_proto: Vec<u64>,
}

impl Slots {
    fn index(&mut self) {
        self.of_proto = alloc::vec![0; 256];
        for (i, s) in self.list.iter().enumerate() {
            let bit = 1u64 << i;
            self.of_proto[usize::from(s.proto.0)] |= bit;
            if s.ports.is_empty() {
                self.any |= bit;
            }
            for &p in &s.ports {
                match self.by_port.iter_mut().find(|e| e.0 == p) {
                    Some(e) => e.1 |= bit,
                    None => self.by_port.push((p, bit)),
                }
            }
        }
        self.by_port.sort_unstable();
    }

    /// Those registered for `port` by name.
    fn at_port(&self, port: u16) -> u64 {
        self.by_port.binary_search_by_key(&port, |e| e.0).map_or(0, |i| self.by_port[i].1)
    }
}

/// The numbers of the bits set, ascending.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let i = set.trailing_zeros() as usize;
        set &= set - 1;
        Some(i)
    })
}

/// The tables.
#[derive(Debug)]
pub struct Recogniser {
    /// `[carrier][direction]`; carrier 0 TCP, 1 UDP.
    literals: [[Literals; 2]; 2],
    slots: [Slots; 2],
    midstream: bool,
}

impl Recogniser {
    /// Builds the tables for the protocols that `cfg` leaves on.
    pub fn new(cfg: &AppConfig) -> Self {
        let mut r =
            Recogniser { literals: Default::default(), slots: Default::default(), midstream: cfg.midstream };
        for (i, def) in PROTOCOLS.iter().enumerate() {
            if cfg.disabled.iter().any(|n| n == def.name) {
                continue;
            }
            let proto = AppProto(i as u8 + AppProto::FIRST);
            let off = |over: u8| {
                cfg.disabled_over.iter().any(|(n, tcp)| n == def.name && *tcp == (over == OVER_TCP))
            };
            for pattern in def.recognise.patterns {
                for (c, over) in [OVER_TCP, OVER_UDP].into_iter().enumerate() {
                    if pattern.over & over != 0 && !off(over) {
                        let l = &mut r.literals[c][pattern.dir.ix()];
                        l.depth = l.depth.max(usize::from(pattern.depth));
                        l.list.push(Literal { proto, pattern });
                    }
                }
            }
            for probe in def.recognise.probes {
                for (c, over) in [OVER_TCP, OVER_UDP].into_iter().enumerate() {
                    if probe.over & over == 0 || off(over) || r.slots[c].list.len() >= 64 {
                        continue;
                    }
                    let own =
                        cfg.ports.iter().find(|(n, tcp, _)| n == def.name && *tcp == (over == OVER_TCP));
                    let ports = own.map_or_else(|| probe.ports.to_vec(), |(_, _, p)| p.clone());
                    r.slots[c].list.push(Slot { proto, probe, ports });
                }
            }
        }
        r.literals.iter_mut().flatten().for_each(Literals::index);
        r.slots.iter_mut().for_each(Slots::index);
        r
    }

    /// Looks at the first bytes of `dir`. `other` is what was found in the other direction, `ports` those of
    /// client and server. Remembers in `progress` what need not be tried again.
    pub fn look(
        &self,
        over: u8,
        bytes: &[u8],
        dir: Dir,
        ports: [u16; 2],
        other: AppProto,
        progress: &mut Progress,
    ) -> Option<Found> {
        let c = usize::from(over != OVER_TCP);
        let mut by_pattern = None;
        if !progress.patterns_done[dir.ix()] {
            by_pattern = self.look_patterns(c, bytes, dir, ports, other, progress);
            if let Some(found) = by_pattern {
                // The other side gave up on its ports, which it may try again with this answer.
                let o = dir.flip().ix();
                if progress.probes_done[o] && other == AppProto::UNKNOWN {
                    progress.probes_done[o] = false;
                    progress.no[o] = 0;
                }
                // Two bytes are all that names DCERPC over UDP: a probe by port is worth more.
                if !(c == 1 && found.proto.name() == "dcerpc") {
                    return by_pattern;
                }
            }
        }
        if !progress.probes_done[dir.ix()]
            && let Some(found) = self.look_probes(c, bytes, dir, ports, other, progress)
        {
            return Some(found);
        }
        by_pattern
    }

    fn look_patterns(
        &self,
        c: usize,
        bytes: &[u8],
        dir: Dir,
        ports: [u16; 2],
        other: AppProto,
        progress: &mut Progress,
    ) -> Option<Found> {
        let (found, exhausted) = self.literals[c][dir.ix()].find(bytes, dir, ports, other);
        if found.is_some() {
            progress.patterns_done[dir.ix()] = true;
            return found;
        }
        if !self.midstream {
            progress.patterns_done[dir.ix()] = exhausted;
            return None;
        }
        let (found, other_exhausted) = self.literals[c][dir.flip().ix()].find(bytes, dir, ports, other);
        progress.patterns_done[dir.ix()] = found.is_some() || (exhausted && other_exhausted);
        found
    }

    fn look_probes(
        &self,
        c: usize,
        bytes: &[u8],
        dir: Dir,
        ports: [u16; 2],
        other: AppProto,
        progress: &mut Progress,
    ) -> Option<Found> {
        let slots = &self.slots[c];
        let [of_client, of_server] = ports.map(|p| slots.at_port(p));
        // First the protocol of the other direction, then those of the server's port.
        let first = slots.of_proto.get(usize::from(other.0)).copied().unwrap_or(0);
        let asked = first | slots.any | of_server;
        for i in bits(first).chain(bits(asked & !first)) {
            if let Some(f) = slots.list[i].ask(i, bytes, dir, other, &mut progress.no[dir.ix()]) {
                return Some(f);
            }
        }
        let needed = slots.any | of_server | of_client;
        if asked != 0 && needed & !progress.no[dir.ix()] == 0 {
            progress.probes_done[dir.ix()] = true;
        }
        let mut again = 0u64;
        if self.midstream {
            // The flow may have been picked up the wrong way round: ask those of the client's port as well.
            let mut scratch = 0u64;
            again = (slots.any | of_client) & !asked;
            for i in bits(again) {
                if let Some(f) = slots.list[i].ask(i, bytes, dir, other, &mut scratch) {
                    return Some(f);
                }
            }
        }
        if asked | again == 0 {
            progress.probes_done[dir.ix()] = true;
        }
        None
    }
}

impl Slot {
    fn ask(&self, bit: usize, bytes: &[u8], dir: Dir, other: AppProto, no: &mut u64) -> Option<Found> {
        if bytes.len() < usize::from(self.probe.min_bytes) || *no >> bit & 1 == 1 {
            return None;
        }
        // A probe that cannot judge this direction never says no to it: the answer must come from the other.
        let verdict =
            if self.probe.dirs & dir.bit() == 0 { Verdict::Unsure } else { (self.probe.probe)(bytes, dir) };
        match verdict {
            Verdict::Yes => Some(Found { proto: self.proto, reversed: false }),
            Verdict::Reversed => Some(Found { proto: self.proto, reversed: true }),
            Verdict::No => {
                *no |= 1 << bit;
                None
            }
            Verdict::Likely if other == self.proto || other == AppProto::UNKNOWN => {
                Some(Found { proto: self.proto, reversed: false })
            }
            Verdict::Unsure | Verdict::Likely => {
                if bytes.len() > PROBE_DEPTH {
                    *no |= 1 << bit;
                }
                None
            }
        }
    }
}

impl Literals {
    fn index(&mut self) {
        for b in 0..=255u8 {
            self.at.push(self.by_first.len() as u32);
            for (i, l) in self.list.iter().enumerate() {
                if l.may_begin(b) {
                    self.by_first.push(i as u16);
                }
            }
        }
        self.at.push(self.by_first.len() as u32);
    }

    /// The literals that bytes beginning as these do can match.
    fn candidates(&self, bytes: &[u8]) -> &[u16] {
        let Some(&b) = bytes.first() else { return &[] };
        match self.at.get(usize::from(b)..usize::from(b) + 2) {
            Some(&[from, to]) => self.by_first.get(from as usize..to as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The first pattern that lies in its window and is confirmed; and whether more bytes cannot change a `None`.
    fn find(&self, bytes: &[u8], dir: Dir, ports: [u16; 2], other: AppProto) -> (Option<Found>, bool) {
        let mut waits = false;
        for &i in self.candidates(bytes) {
            let l = &self.list[usize::from(i)];
            if !l.seen(bytes) {
                continue;
            }
            let reversed = l.pattern.dir != dir;
            match l.proto.def().recognise.confirm {
                None => return (Some(Found { proto: l.proto, reversed }), true),
                Some(confirm) => match confirm(bytes, &Seen { dir, ports, other, pattern: l.pattern }) {
                    Verdict::Yes => return (Some(Found { proto: l.proto, reversed: false }), true),
                    Verdict::Reversed => return (Some(Found { proto: l.proto, reversed: true }), true),
                    Verdict::Likely if other == l.proto || other == AppProto::UNKNOWN => {
                        return (Some(Found { proto: l.proto, reversed: false }), true);
                    }
                    Verdict::Unsure => waits = true,
                    Verdict::No | Verdict::Likely => {}
                },
            }
        }
        (None, bytes.len() >= self.depth && !waits)
    }
}

impl Literal {
    /// Whether it can match bytes that begin with `b`.
    fn may_begin(&self, b: u8) -> bool {
        let p = self.pattern;
        let Some(&first) = p.bytes.first() else { return false };
        p.offset > 0
            || usize::from(p.depth) > p.bytes.len()
            || first == b
            || (p.caseless && first.eq_ignore_ascii_case(&b))
    }

    fn seen(&self, bytes: &[u8]) -> bool {
        let p = self.pattern;
        let (from, to) = (usize::from(p.offset), usize::from(p.depth));
        let Some(window) = bytes.get(from..to) else { return false };
        if p.bytes.is_empty() || window.len() < p.bytes.len() {
            return false;
        }
        if p.caseless {
            window.windows(p.bytes.len()).any(|w| w.eq_ignore_ascii_case(p.bytes))
        } else {
            window.windows(p.bytes.len()).any(|w| w == p.bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    /// A protocol that is off over one carrier is found over the other alone.
    #[test]
    fn carriers_are_switched_off_one_by_one() {
        let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01";
        let mut over_tcp = alloc::vec![0, query.len() as u8];
        over_tcp.extend_from_slice(query);
        for off in [None, Some(true), Some(false)] {
            let mut cfg = AppConfig::default();
            cfg.disabled_over.extend(off.map(|tcp| ("dns".to_string(), tcp)));
            let r = Recogniser::new(&cfg);
            for (over, bytes) in [(OVER_TCP, &over_tcp[..]), (OVER_UDP, &query[..])] {
                let mut progress = Progress::default();
                let found = r.look(over, bytes, Dir::ToServer, [40000, 53], AppProto::UNKNOWN, &mut progress);
                let is_off = off.is_some_and(|tcp| tcp == (over == OVER_TCP));
                assert_eq!(found.map(|f| f.proto.name()), (!is_off).then_some("dns"), "{off:?} {over}");
            }
        }
    }
}
