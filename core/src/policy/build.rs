//! From a [`Source`] to a [`Policy`]: segments become values of networks, lines become bits of sets. Called when a policy is
//! loaded; takes memory as it likes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::bits::Dim;
use super::facts::More;
use super::lists::{Lists, Service};
use super::prefix::{Networks, Prefix};
use super::source::{Line, Segment, Source};
use super::{Act, CHAIN, LineInfo, Policy, SegmentInfo};

/// Most lines and segments of a policy.
pub const MAX_LINES: usize = 65_000;
pub const MAX_SEGMENTS: usize = 65_000;

/// Why a policy cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
    #[error(
        "{network} is in segment {first} and in segment {second}; give one of them a vlan or a vni, or take it out"
    )]
    Twice {
        network: String,
        first: String,
        second: String,
        /// Where the second segment is.
        place: (u32, u32),
    },
}

/// IP protocols whose ports count, in the order of [`Policy::ports`].
const WITH_PORTS: [u8; 3] = [6, 17, 132];

/// The order in which lines are looked at.
const fn rank(a: Act) -> u8 {
    match a {
        Act::Drop | Act::Reject => 0,
        Act::Allow => 1,
        Act::Watch => 2,
    }
}

pub(super) fn policy(from: &Source) -> Result<Policy, Wrong> {
    if from.lines.len() > MAX_LINES {
        return Err(Wrong::TooMany { what: "lines", most: MAX_LINES });
    }
    if from.segments.len() > MAX_SEGMENTS {
        return Err(Wrong::TooMany { what: "segments", most: MAX_SEGMENTS });
    }
    let mut lines: Vec<&Line> = from.lines.iter().collect();
    lines.sort_by_key(|l| rank(l.act));
    let (networks, chains) = networks(&from.segments)?;
    let mut segments = alloc::vec![SegmentInfo { name: String::new(), vlans: Vec::new(), vnis: Vec::new() }];
    segments.extend(from.segments.iter().map(|s| SegmentInfo {
        name: s.name.clone(),
        vlans: s.vlans.clone(),
        vnis: s.vnis.clone(),
    }));
    let (service, ports, protos, classes) = services(&lines);
    let lists = Lists::new(&lines, segments.len(), &classes);
    Ok(Policy {
        networks,
        chains,
        from: side(&lines, segments.len(), |l| l.from.as_deref()),
        to: side(&lines, segments.len(), |l| l.to.as_deref()),
        service,
        ports,
        protos,
        lists,
        services: lines.iter().map(|l| Service::of(l)).collect(),
        anything: Dim::new(lines.len(), 0..lines.len()),
        calls: lines.iter().any(|l| l.calls.is_some()),
        lines: lines.iter().map(|l| info(l)).collect(),
        segments,
        default: from.default,
        tell_allowed: from.tell_allowed,
    })
}

fn info(l: &Line) -> LineInfo {
    LineInfo { act: l.act, more: More::of(l), name: l.name.clone(), place: l.place }
}

/// The sets of lines by segment at one end.
fn side<'l>(lines: &[&'l Line], segments: usize, of: impl Fn(&'l Line) -> Option<&'l [usize]>) -> Dim {
    let mut by: Vec<Vec<u32>> = alloc::vec![Vec::new(); segments];
    for (i, l) in lines.iter().enumerate() {
        for s in of(l).unwrap_or(&[]) {
            if let Some(list) = by.get_mut(s + 1)
                && list.last() != Some(&(i as u32))
            {
                list.push(i as u32);
            }
        }
    }
    let any = lines.iter().enumerate().filter(|(_, l)| of(l).is_none()).map(|(i, _)| i);
    let mut dim = Dim::new(lines.len(), any);
    for list in &by {
        dim.push(list);
    }
    dim
}

/// Sets of lines by class of service; the classes of ports and of protocols without ports; the lines of each class.
type Classes = (Dim, [Vec<u32>; 3], Vec<u32>, Vec<Vec<u32>>);

/// The sets of lines by service.
fn services(lines: &[&Line]) -> Classes {
    let is_any = |l: &Line| l.protos.is_empty() && l.ports.is_empty();
    let any = lines.iter().enumerate().filter(|(_, l)| is_any(l)).map(|(i, _)| i);
    let mut dim = Dim::new(lines.len(), any);
    let mut classes: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
    let mut of_class: Vec<Vec<u32>> = Vec::new();
    let mut class = |dim: &mut Dim, set: &Vec<u64>| match classes.get(set) {
        Some(c) => *c,
        None => {
            let bits = |(w, bits): (usize, &u64)| {
                let bits = *bits;
                (0..64).filter(move |b| bits >> b & 1 == 1).map(move |b| (w * 64 + b) as u32)
            };
            let lines: Vec<u32> = set.iter().enumerate().flat_map(bits).collect();
            let c = dim.push(&lines);
            of_class.push(lines);
            classes.insert(set.clone(), c);
            c
        }
    };
    let none = alloc::vec![0u64; lines.len().div_ceil(64)];
    let flip = |set: &mut Vec<u64>, line: u32| {
        if let Some(w) = set.get_mut(line as usize / 64) {
            *w ^= 1 << (line % 64);
        }
    };
    let of_proto = |l: &Line, p: u8| l.protos.is_empty() || l.protos.contains(&p);
    let ports = WITH_PORTS.map(|p| {
        // Ports at which a line begins or ends.
        let mut borders: Vec<(u32, u32)> = Vec::new();
        for (i, l) in lines.iter().enumerate().filter(|(_, l)| !is_any(l) && of_proto(l, p)) {
            let whole = [(0, u16::MAX)];
            for (a, b) in merged(if l.ports.is_empty() { &whole } else { &l.ports }) {
                borders.push((u32::from(a), i as u32));
                borders.push((u32::from(b) + 1, i as u32));
            }
        }
        borders.sort_unstable();
        let mut table = alloc::vec![0u32; 1 << 16];
        let mut active = none.clone();
        let (mut at, mut from) = (0, 0u32);
        while from < 1 << 16 {
            while let Some((_, line)) = borders.get(at).filter(|b| b.0 <= from) {
                flip(&mut active, *line);
                at += 1;
            }
            let to = borders.get(at).map_or(1 << 16, |b| b.0.min(1 << 16));
            let c = class(&mut dim, &active);
            if let Some(part) = table.get_mut(from as usize..to as usize) {
                part.fill(c);
            }
            from = to;
        }
        table
    });
    let protos = (0..=255u8)
        .map(|p| {
            let fits = |l: &Line| !is_any(l) && l.ports.is_empty() && of_proto(l, p);
            let mut set = none.clone();
            lines.iter().enumerate().filter(|(_, l)| fits(l)).for_each(|(i, _)| flip(&mut set, i as u32));
            class(&mut dim, &set)
        })
        .collect();
    (dim, ports, protos, of_class)
}

/// Ranges in order that do not touch.
fn merged(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut all: Vec<(u16, u16)> = ranges.iter().copied().filter(|r| r.0 <= r.1).collect();
    all.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::new();
    for r in all {
        match out.last_mut() {
            Some(l) if u32::from(r.0) <= u32::from(l.1) + 1 => l.1 = l.1.max(r.1),
            _ => out.push(r),
        }
    }
    out
}

/// The networks of all segments with their values: numbers of segments, or of chains.
fn networks(segments: &[Segment]) -> Result<(Networks, Vec<Vec<u16>>), Wrong> {
    let tagged =
        |n: u16| segments.get(usize::from(n) - 1).is_some_and(|s| !s.vlans.is_empty() || !s.vnis.is_empty());
    let mut all: Vec<(Prefix, u16)> = Vec::new();
    for (i, s) in segments.iter().enumerate() {
        all.extend(s.networks.iter().map(|p| (*p, i as u16 + 1)));
        if s.networks.is_empty() && tagged(i as u16 + 1) {
            all.extend(
                [false, true]
                    .into_iter()
                    .filter_map(|v6| Some((Prefix::new(Default::default(), 0, v6)?, i as u16 + 1))),
            );
        }
    }
    // Of one network the segments with a tag come first, then in the order of the file.
    all.sort_by_key(|(p, n)| (*p, !tagged(*n), *n));
    all.dedup();
    let mut values: Vec<(Prefix, u32)> = Vec::with_capacity(all.len());
    let mut chains: Vec<Vec<u16>> = Vec::new();
    // The networks that the one at hand lies in, longest last, with their chains.
    let mut outer: Vec<(Prefix, Vec<u16>)> = Vec::new();
    let mut at = 0;
    while let Some(&(p, first)) = all.get(at) {
        let end = at + all[at..].iter().take_while(|x| x.0 == p).count();
        let own: Vec<u16> = all[at..end].iter().map(|x| x.1).collect();
        at = end;
        if let [.., a, b] = own[..]
            && !tagged(a)
            && !tagged(b)
        {
            let segment = |n: u16| segments.get(usize::from(n) - 1);
            let name = |n: u16| segment(n).map_or(String::new(), |s| s.name.clone());
            let place = segment(b).map_or((0, 0), |s| s.place);
            return Err(Wrong::Twice { network: shown(&p), first: name(a), second: name(b), place });
        }
        while outer.last().is_some_and(|(o, _)| !(o.has(&p.addr, p.v6) && o.len <= p.len)) {
            outer.pop();
        }
        let mut chain = own;
        if chain.last().is_some_and(|n| tagged(*n))
            && let Some((_, more)) = outer.last()
        {
            chain.extend_from_slice(more);
        }
        if tagged(first) {
            chains.push(chain.clone());
            values.push((p, CHAIN | (chains.len() - 1) as u32));
        } else {
            values.push((p, u32::from(first)));
        }
        outer.push((p, chain));
    }
    Ok((Networks::new(values), chains))
}

fn shown(p: &Prefix) -> String {
    let a = p.addr.0;
    let ip: core::net::IpAddr = if p.v6 { a.into() } else { [a[0], a[1], a[2], a[3]].into() };
    alloc::format!("{}/{}", ip, p.len)
}
