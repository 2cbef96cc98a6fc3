//! Response: what is blocked or marked for a time. Targets with an expiry and a reason go in; what meets a packet, a name, a
//! model or a tool comes out. Owns immutable tables that all engines share; `engine/response.rs` is the station.
//!
//! Tables are bounded ([`MOST`]), and nothing of the allow list ([`Never`]) gets into them. An entry that is over is not found
//! any more, whether or not somebody takes it out.
//!
//! * [`target`]: the forms in which targets are compared; [`mod@never`]: the allow list.

pub mod never;
pub mod target;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

pub use self::never::Never;
pub use self::target::{Kind, Net, Target, Tuple};
use crate::flow::Key;
use crate::packet::Addr;

/// Most blocks and marks at once.
pub const MOST: usize = 4096;
/// Longest reason, bytes.
pub const LONGEST_REASON: usize = 256;

/// What happens to what a target meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Its packets are dropped.
    Block,
    /// Its flows are told, and go on.
    Mark,
}

impl Effect {
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Block => "block",
            Effect::Mark => "mark",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Given by the caller, unlike any other's.
    pub id: u32,
    pub target: Target,
    pub effect: Effect,
    /// When it is over, ns since the epoch.
    pub until: u64,
    /// Why it is there, at most [`LONGEST_REASON`] bytes.
    pub reason: String,
}

/// Why an entry is not in the tables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} may never be blocked")]
    Never(String),
    #[error("there are {MOST} blocks already")]
    Full,
}

/// What a look found: numbers of entries ([`Blocks::get`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    pub block: Option<u16>,
    pub mark: Option<u16>,
}

impl Met {
    /// What either of two looks found, the first one's first.
    #[must_use]
    pub fn or(self, o: Met) -> Met {
        Met { block: self.block.or(o.block), mark: self.mark.or(o.mark) }
    }

    pub const fn is_nothing(&self) -> bool {
        self.block.is_none() && self.mark.is_none()
    }
}

/// Tables of what is blocked. Immutable.
#[derive(Debug, Default)]
pub struct Blocks {
    entries: Vec<Block>,
    /// Sorted, each with its entry.
    nets: Vec<(Net, u16)>,
    /// Families and lengths that there are in `nets`, longest first.
    lengths: Vec<(bool, u8)>,
    flows: Vec<(Tuple, u16)>,
    domains: Vec<(Vec<u8>, u16)>,
    models: Vec<(Vec<u8>, u16)>,
    tools: Vec<(Vec<u8>, u16)>,
}

/// Entries under `key` in a sorted table.
fn under<K: Ord, Q: Ord + ?Sized>(
    all: &[(K, u16)],
    key: &Q,
    of: impl Fn(&K) -> &Q,
) -> impl Iterator<Item = u16> {
    let first = all.partition_point(|(k, _)| of(k) < key);
    let last = all.partition_point(|(k, _)| of(k) <= key);
    all.get(first..last).unwrap_or(&[]).iter().map(|(_, n)| *n)
}

/// A name in lower case, the last 255 bytes of a longer one.
fn lower<'a>(name: &[u8], room: &'a mut [u8; 255]) -> &'a [u8] {
    let name = name.get(name.len().saturating_sub(room.len())..).unwrap_or(name);
    room.iter_mut().zip(name).for_each(|(a, b)| *a = b.to_ascii_lowercase());
    room.get(..name.len()).unwrap_or(&[])
}

impl Blocks {
    /// Tables of `entries`, without those that `never` has or that are too many; these come out with the reason.
    pub fn new(entries: Vec<Block>, never: &Never) -> (Blocks, Vec<(Block, Refused)>) {
        let mut out = Blocks::default();
        let mut refused = Vec::new();
        for b in entries {
            let why = match never.forbids(&b.target) {
                // To be looked at closely does no harm.
                Some(entry) if b.effect == Effect::Block => Some(Refused::Never(entry)),
                _ if out.entries.len() >= MOST => Some(Refused::Full),
                _ => None,
            };
            match why {
                Some(why) => refused.push((b, why)),
                None => out.add(b),
            }
        }
        out.nets.sort_unstable();
        out.flows.sort_unstable();
        [&mut out.domains, &mut out.models, &mut out.tools].into_iter().for_each(|t| t.sort_unstable());
        out.lengths = out.nets.iter().rev().map(|(n, _)| n.family()).collect();
        out.lengths.dedup();
        (out, refused)
    }

    fn add(&mut self, b: Block) {
        let n = self.entries.len() as u16;
        match &b.target {
            Target::Net(net) => self.nets.push((*net, n)),
            Target::Flow(t) => self.flows.push((*t, n)),
            Target::Domain(d) => self.domains.push((d.as_bytes().to_vec(), n)),
            Target::Model(m) => self.models.push((m.as_bytes().to_vec(), n)),
            Target::Tool(t) => self.tools.push((t.as_bytes().to_vec(), n)),
        }
        self.entries.push(b);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> &[Block] {
        &self.entries
    }

    pub fn get(&self, n: u16) -> Option<&Block> {
        self.entries.get(usize::from(n))
    }

    /// The number of an entry that is not over, by its id.
    pub fn by_id(&self, id: u32, now: u64) -> Option<u16> {
        self.entries.iter().position(|b| b.id == id && b.until > now).map(|n| n as u16)
    }

    /// When the next entry that is not over will be.
    pub fn next_end(&self, now: u64) -> u64 {
        self.entries.iter().map(|b| b.until).filter(|u| *u > now).min().unwrap_or(u64::MAX)
    }

    /// Some entry is asked for by name, so transactions must be looked at.
    pub fn asks_names(&self) -> bool {
        !(self.domains.is_empty() && self.models.is_empty() && self.tools.is_empty())
    }

    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Host | Kind::Network => !self.nets.is_empty(),
            Kind::Flow => !self.flows.is_empty(),
            Kind::Domain => !self.domains.is_empty(),
            Kind::Model => !self.models.is_empty(),
            Kind::Tool => !self.tools.is_empty(),
        }
    }

    fn met(&self, all: impl Iterator<Item = u16>, now: u64) -> Met {
        let mut met = Met::default();
        for n in all {
            let Some(b) = self.get(n).filter(|b| b.until > now) else { continue };
            let slot = if b.effect == Effect::Block { &mut met.block } else { &mut met.mark };
            slot.get_or_insert(n);
        }
        met
    }

    /// What an address meets, the longest network first.
    pub fn address(&self, a: &Addr, v6: bool, now: u64) -> Met {
        if self.nets.is_empty() {
            return Met::default();
        }
        let host = Net::of(a, v6);
        let own = self.lengths.iter().filter(|l| l.0 == host.family().0);
        let all = own.flat_map(|l| {
            let net = host.within(l.1);
            let first = self.nets.partition_point(|(n, _)| *n < net);
            let rest = self.nets.get(first..).unwrap_or(&[]);
            rest.iter().take_while(move |(n, _)| *n == net).map(|(_, n)| *n)
        });
        self.met(all, now)
    }

    /// What the ends of a flow meet, and the flow itself.
    pub fn flow(&self, k: &Key, now: u64) -> Met {
        let ends = self.address(&k.src, k.v6, now).or(self.address(&k.dst, k.v6, now));
        if self.flows.is_empty() {
            return ends;
        }
        let ports = matches!(k.proto, 6 | 17 | 132);
        let port = |p: u16| if ports { p } else { 0 };
        let of = |a: &Addr, p: u16| (Net::of(a, k.v6), port(p));
        let t = Tuple::of(of(&k.src, k.sp), of(&k.dst, k.dp), k.proto);
        ends.or(self.met(under(&self.flows, &t, |k| k), now))
    }

    /// What a domain meets, itself or by one above it, the nearest first.
    pub fn domain(&self, name: &[u8], now: u64) -> Met {
        let mut room = [0; 255];
        let mut rest = lower(name, &mut room);
        while let Some(less) = rest.strip_suffix(b".") {
            rest = less;
        }
        let mut met = Met::default();
        if self.domains.is_empty() {
            return met;
        }
        loop {
            met = met.or(self.met(under(&self.domains, rest, |k| k.as_slice()), now));
            let Some(dot) = rest.iter().position(|b| *b == b'.') else { return met };
            rest = rest.get(dot + 1..).unwrap_or(&[]);
        }
    }

    /// What the name of a model or of a tool meets.
    pub fn named(&self, kind: Kind, name: &[u8], now: u64) -> Met {
        let all = match kind {
            Kind::Model => &self.models,
            Kind::Tool => &self.tools,
            _ => return Met::default(),
        };
        let mut room = [0; 255];
        self.met(under(all, lower(name.trim_ascii(), &mut room), |k| k.as_slice()), now)
    }
}
