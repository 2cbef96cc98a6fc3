//! Rules of addresses, ports and a protocol alone, which are asked once for each direction of a flow.
//!
//! In: the rules when they are compiled, then packets. Out: the rules whose protocol and ports may fit, few of many
//! thousands. Owns lists of rule numbers by port. Addresses, and whatever else a rule asks for, the caller checks.

use alloc::vec::Vec;

use super::ruleset::{PortTable, ProtoTest, Sig, SigIx};
use crate::packet::Packet;

/// A rule that wants so many ports is in the list of those without: it would be in nearly every list.
const WIDE: u32 = 8192;

/// Rules by one port of a packet.
#[derive(Debug, Default)]
struct ByPort {
    ports: PortTable,
    lists: Vec<Vec<SigIx>>,
}

/// Rules of one protocol.
#[derive(Debug, Default)]
struct Lists {
    /// Of any port, or many.
    any: Vec<SigIx>,
    /// By the port that a packet goes to, and by the one that it comes from.
    to: ByPort,
    from: ByPort,
}

/// All of them: over TCP, over UDP, others.
#[derive(Debug, Default)]
pub(crate) struct Once {
    by: [Lists; 3],
    len: usize,
}

fn class(proto: u8) -> usize {
    match proto {
        6 => 0,
        17 => 1,
        _ => 2,
    }
}

fn may(test: ProtoTest, class: usize) -> bool {
    match test {
        ProtoTest::Any => true,
        ProtoTest::Number(n) => self::class(n) == class,
        ProtoTest::Icmp => class == 2,
    }
}

type Ranges = Vec<(u16, u16)>;

/// Ports without which a rule cannot fit: where a packet goes to, and where it comes from.
fn ports(s: &Sig) -> (Option<Ranges>, Option<Ranges>) {
    let narrow = |p: &Option<alloc::sync::Arc<crate::rules::ir::PortSet>>| {
        let ranges = &p.as_ref()?.0;
        let wide = ranges.iter().map(|r| u32::from(r.1) - u32::from(r.0) + 1).sum::<u32>() > WIDE;
        (!wide).then(|| ranges.clone())
    };
    match (s.bidir, narrow(&s.dp), narrow(&s.sp)) {
        (false, Some(to), _) => (Some(to), None),
        (false, None, from) => (None, from),
        // Either way round, a packet goes to one of them.
        (true, Some(a), Some(b)) => (Some([a, b].concat()), None),
        (true, Some(p), None) | (true, None, Some(p)) => (Some(p.clone()), Some(p)),
        (true, None, None) => (None, None),
    }
}

impl Once {
    pub(crate) fn new(rules: &[SigIx], sigs: &[Sig]) -> Once {
        let of = |class: usize| {
            let mut l = Lists::default();
            let (mut to, mut from) = (Vec::new(), Vec::new());
            for &ix in rules {
                let Some(s) = sigs.get(ix as usize).filter(|s| may(s.proto, class)) else { continue };
                match ports(s) {
                    (None, None) => l.any.push(ix),
                    (a, b) => {
                        to.extend(a.map(|r| (ix, r)));
                        from.extend(b.map(|r| (ix, r)));
                    }
                }
            }
            let by = |rules: &[(SigIx, Ranges)]| {
                if rules.is_empty() {
                    return ByPort::default();
                }
                let (ports, lists) = PortTable::split(&[], rules, |list| list.to_vec());
                ByPort { ports, lists }
            };
            (l.to, l.from) = (by(&to), by(&from));
            l
        };
        Once { by: [of(0), of(1), of(2)], len: rules.len() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Fills `out` with the rules to ask of a packet, in order of their numbers.
    pub(super) fn candidates(&self, p: &Packet<'_>, out: &mut Vec<SigIx>) {
        out.clear();
        let l = &self.by[class(p.proto)];
        out.extend(&l.any);
        for (by, port) in [(&l.to, p.dp), (&l.from, p.sp)] {
            if let Some(list) = by.ports.get(port).and_then(|n| by.lists.get(usize::from(n))) {
                out.extend(list);
            }
        }
        if out.len() > l.any.len() {
            out.sort_unstable();
            out.dedup();
        }
    }
}
