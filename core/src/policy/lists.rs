//! Lines that can fit a flow, without a look at the others: segments and service go in; short sorted lists of lines come out.
//! Owns the lists.
//!
//! A line names segments at both ends, at one, or at none. Lines of the first kind are found by the pair of segments, of the
//! second by the one, of the last by the class of the service. Where a flow's lists are long, [`super::bits`] is asked instead.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Place;
use super::source::Line;

/// Lines of a flow up to which they are looked at one by one.
const SHORT: usize = 64;
/// Most pairs of segments that lines may name, all together.
const PAIRS: usize = 4 << 20;
const NONE: u32 = u32::MAX;

/// What a line asks of the service, when that is little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Any,
    /// Up to two protocols (0: none further) and a range of ports (`ports`: it counts).
    Simple {
        protos: [u8; 2],
        any_proto: bool,
        ports: bool,
        lo: u16,
        hi: u16,
    },
    /// The sets are asked.
    Large,
}

impl Service {
    pub(super) fn of(l: &Line) -> Service {
        if l.protos.is_empty() && l.ports.is_empty() {
            return Service::Any;
        }
        if l.protos.len() > 2 || l.ports.len() > 1 || l.protos.contains(&0) {
            return Service::Large;
        }
        let (lo, hi) = l.ports.first().copied().unwrap_or((0, u16::MAX));
        let proto = |i: usize| l.protos.get(i).copied().unwrap_or(0);
        let protos = [proto(0), proto(1)];
        Service::Simple { protos, any_proto: l.protos.is_empty(), ports: !l.ports.is_empty(), lo, hi }
    }

    /// `None`: the sets must be asked.
    #[inline(always)]
    pub(super) fn fits(&self, at: &Place) -> Option<bool> {
        match *self {
            Service::Any => Some(true),
            Service::Large => None,
            Service::Simple { protos, any_proto, ports, lo, hi } => {
                let proto = any_proto || protos[0] == at.proto || (protos[1] != 0 && protos[1] == at.proto);
                let has = matches!(at.proto, 6 | 17 | 132) && (lo..=hi).contains(&at.port);
                Some(proto && (!ports || has))
            }
        }
    }
}

/// All lists. A list is its length and its lines.
#[derive(Debug)]
pub(super) struct Lists {
    data: Vec<u16>,
    /// Pairs of segments with the beginning of their list; open addressing.
    pairs: Vec<(u32, u32)>,
    shift: u32,
    /// By the segment at one end, the other one being any.
    from: Vec<u32>,
    to: Vec<u32>,
    /// Any segments: any service, and by class of the service.
    any: u32,
    service: Vec<u32>,
}

const fn spread(key: u32, shift: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

impl Lists {
    /// `segments`: how many there are. `classes`: for each class of services, the lines that ask for it. `None`: lines name too
    /// many pairs.
    pub(super) fn new(lines: &[&Line], segments: usize, classes: &[Vec<u32>]) -> Option<Lists> {
        let mut data = alloc::vec![0];
        let mut put = |list: &[u16]| -> u32 {
            if list.is_empty() {
                return 0;
            }
            let at = data.len() as u32;
            data.push(u16::try_from(list.len()).unwrap_or(u16::MAX));
            data.extend_from_slice(list);
            at
        };
        let mut by_pair: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
        let (mut by_from, mut by_to) = (alloc::vec![Vec::new(); segments], alloc::vec![Vec::new(); segments]);
        let (mut any, mut free, mut pairs) = (Vec::new(), alloc::vec![false; lines.len()], 0);
        let add = |list: &mut Vec<u16>, i: usize| {
            if list.last() != Some(&(i as u16)) {
                list.push(i as u16);
            }
        };
        for (i, l) in lines.iter().enumerate() {
            match (&l.from, &l.to) {
                (Some(from), Some(to)) => {
                    pairs += from.len() * to.len();
                    if pairs > PAIRS {
                        return None;
                    }
                    for (f, t) in from.iter().flat_map(|f| to.iter().map(move |t| (f, t))) {
                        add(by_pair.entry((*f as u32 + 1) << 16 | (*t as u32 + 1)).or_default(), i);
                    }
                }
                (Some(one), None) => {
                    one.iter().for_each(|s| by_from.get_mut(s + 1).into_iter().for_each(|v| add(v, i)))
                }
                (None, Some(one)) => {
                    one.iter().for_each(|s| by_to.get_mut(s + 1).into_iter().for_each(|v| add(v, i)))
                }
                (None, None) if l.protos.is_empty() && l.ports.is_empty() => any.push(i as u16),
                (None, None) => free[i] = true,
            }
        }
        let any = put(&any);
        let from = by_from.iter().map(|v| put(v)).collect();
        let to = by_to.iter().map(|v| put(v)).collect();
        let of_class = |c: &Vec<u32>| -> Vec<u16> {
            c.iter().filter(|i| free.get(**i as usize) == Some(&true)).map(|i| *i as u16).collect()
        };
        let mut known: BTreeMap<Vec<u16>, u32> = BTreeMap::new();
        let service = classes
            .iter()
            .map(|c| {
                let list = of_class(c);
                *known.entry(list).or_insert_with_key(|l| put(l))
            })
            .collect();
        let size = (by_pair.len() * 2).next_power_of_two().max(2);
        let shift = 32 - size.trailing_zeros();
        let mut pairs = alloc::vec![(NONE, 0); size];
        for (key, list) in &by_pair {
            let start = put(list);
            let mut at = spread(*key, shift);
            while pairs.get(at & (size - 1)).is_some_and(|p| p.0 != NONE) {
                at += 1;
            }
            if let Some(p) = pairs.get_mut(at & (size - 1)) {
                *p = (*key, start);
            }
        }
        Some(Lists { data, pairs, shift, from, to, any, service })
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len() * 2
            + self.pairs.len() * 8
            + (self.from.len() + self.to.len() + self.service.len()) * 4
    }

    #[inline(always)]
    fn list(&self, start: u32) -> &[u16] {
        let at = start as usize;
        let n = self.data.get(at).copied().unwrap_or(0) as usize;
        self.data.get(at + 1..at + 1 + n).unwrap_or(&[])
    }

    #[inline(always)]
    fn pair(&self, from: u16, to: u16) -> u32 {
        let key = u32::from(from) << 16 | u32::from(to);
        let mut at = spread(key, self.shift);
        while let Some((k, start)) = self.pairs.get(at & (self.pairs.len() - 1)) {
            if *k == key {
                return *start;
            }
            if *k == NONE {
                return 0;
            }
            at += 1;
        }
        0
    }

    /// Calls `f` with each line that the segments allow, in order, until it says `true`; with whether its service is known to
    /// fit. `false` when there are too many: nothing was called.
    #[inline(always)]
    pub(super) fn each(&self, at: &Place, mut f: impl FnMut(usize, bool) -> bool) -> bool {
        let of = |v: &Vec<u32>, i: usize| v.get(i).copied().unwrap_or(0);
        let mut lists = [
            self.list(self.pair(at.from, at.to)),
            self.list(of(&self.from, usize::from(at.from))),
            self.list(of(&self.to, usize::from(at.to))),
            self.list(of(&self.service, at.service as usize)),
            self.list(self.any),
        ];
        if lists.iter().map(|l| l.len()).sum::<usize>() > SHORT {
            return false;
        }
        loop {
            let mut best = (u32::MAX, 0);
            for (i, l) in lists.iter().enumerate() {
                let head = l.first().map_or(u32::MAX, |h| u32::from(*h));
                if head < best.0 {
                    best = (head, i);
                }
            }
            let (line, i) = best;
            if line == u32::MAX {
                return true;
            }
            if let Some(l) = lists.get_mut(i) {
                *l = l.get(1..).unwrap_or(&[]);
            }
            if f(line as usize, i >= 3) {
                return true;
            }
        }
    }
}
