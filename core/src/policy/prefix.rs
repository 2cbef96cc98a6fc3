//! Longest-prefix tables of both families: prefixes with values go in; the value of the longest prefix of an address comes
//! out. Owns its arrays, which never change.
//!
//! Of both families a table of the leading 16 bits. Below it IPv4 has blocks of 256 entries for the next eight bits, and runs of
//! equal values for the last eight: a look-up reads two to four lines, of which the first is in a cache. IPv6 has nodes of six bits. A node is two bitmaps
//! and two numbers: which of its 64 slots have a node below, which begin a run of equal values, and where both lie. Also used by
//! `intel` for addresses and networks.

use alloc::vec::Vec;

use crate::packet::Addr;

/// A network: the leading `len` bits of `addr` (the first 4 bytes of it for IPv4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    pub v6: bool,
    pub addr: Addr,
    /// 0 to 32, or to 128.
    pub len: u8,
}

impl Prefix {
    /// The network with the bits behind `len` cleared; `None` when `len` is too long for the family.
    pub fn new(addr: Addr, len: u8, v6: bool) -> Option<Prefix> {
        if len > if v6 { 128 } else { 32 } {
            return None;
        }
        let key = key6(&addr) & mask(len);
        let mut bytes = key.to_be_bytes();
        if !v6 {
            bytes[4..].fill(0);
        }
        Some(Prefix { v6, addr: Addr(bytes), len })
    }

    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
    pub fn parse(text: &str) -> Option<Prefix> {
        let (addr, len) = match text.split_once('/') {
            Some((a, l)) => (a, Some(l.parse::<u8>().ok()?)),
            None => (text, None),
        };
        match addr.parse::<core::net::IpAddr>().ok()? {
            core::net::IpAddr::V4(a) => Prefix::new(Addr::v4(a.octets()), len.unwrap_or(32), false),
            core::net::IpAddr::V6(a) => Prefix::new(Addr(a.octets()), len.unwrap_or(128), true),
        }
    }

    /// Whether the address lies in it.
    pub fn has(&self, addr: &Addr, v6: bool) -> bool {
        v6 == self.v6 && (key6(addr) ^ key6(&self.addr)) & mask(self.len) == 0
    }

    const fn key(&self) -> u128 {
        key6(&self.addr)
    }
}

const fn key6(a: &Addr) -> u128 {
    u128::from_be_bytes(a.0)
}

const fn mask(len: u8) -> u128 {
    match len {
        0 => 0,
        1..=127 => !(u128::MAX >> len),
        _ => u128::MAX,
    }
}

/// Bits that the first table takes.
const DIRECT: u32 = 16;
/// Bits that a node takes.
const STRIDE: u32 = 6;
/// Entry of the first table: a value, not a node.
const VALUE: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Slots with a node below, which lie one behind the other from `nodes` on.
    below: u64,
    /// Slots at which a run of equal values begins; the values lie from `values` on.
    runs: u64,
    nodes: u32,
    values: u32,
}

/// The table of one family.
#[derive(Debug)]
struct Trie {
    direct: Vec<u32>,
    nodes: Vec<Node>,
    values: Vec<u32>,
}

/// The last eight bits of IPv4: places at which a run of equal values begins; the values lie from `values` on.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    runs: [u64; 4],
    values: u32,
}

/// The table of IPv4.
#[derive(Debug)]
struct Blocks {
    direct: Vec<u32>,
    /// Values, or places in `leaves`.
    blocks: Vec<[u32; 256]>,
    leaves: Vec<Leaf>,
    values: Vec<u32>,
}

impl Blocks {
    /// As [`Trie::new`].
    fn new(all: &[(u128, u8, u32)]) -> Blocks {
        let mut t = Blocks { direct: Vec::new(), blocks: Vec::new(), leaves: Vec::new(), values: Vec::new() };
        if all.is_empty() {
            return t;
        }
        t.direct = alloc::vec![VALUE; 1 << DIRECT];
        let v4 = |key: u128| (key >> 96) as u32;
        let mut at = 0;
        // A shorter prefix comes before those in it, which write over it or below it.
        while let Some(&(key, len, value)) = all.get(at) {
            let key = v4(key);
            let many = |upto: u8| 1usize << (upto - len.min(upto));
            let (first, mid) = ((key >> 16) as usize, (key >> 8 & 255) as usize);
            at += 1;
            if len <= 16 {
                if let Some(range) = t.direct.get_mut(first..first + many(16)) {
                    range.fill(VALUE | value);
                }
                continue;
            }
            let block = t.below(first);
            let Some(block) = t.blocks.get_mut(block) else { continue };
            if len <= 24 {
                if let Some(range) = block.get_mut(mid..mid + many(24)) {
                    range.fill(VALUE | value);
                }
                continue;
            }
            // All that is longer in these 24 bits comes behind it.
            let end = at + all[at..].iter().take_while(|p| v4(p.0) >> 8 == key >> 8).count();
            if let Some(entry) = block.get_mut(mid) {
                *entry = leaf(&mut t.leaves, &mut t.values, *entry & !VALUE, &all[at - 1..end]);
            }
            at = end;
        }
        t
    }

    /// The block below an entry of the first table; made with the entry's value.
    fn below(&mut self, at: usize) -> usize {
        let new = self.blocks.len();
        let Some(entry) = self.direct.get_mut(at) else { return 0 };
        if *entry & VALUE == 0 {
            return *entry as usize;
        }
        let value = core::mem::replace(entry, new as u32);
        self.blocks.push([value; 256]);
        new
    }

    #[inline(always)]
    fn find(&self, a: [u8; 4]) -> u32 {
        let Some(&entry) = self.direct.get(usize::from(u16::from_be_bytes([a[0], a[1]]))) else { return 0 };
        if entry & VALUE != 0 {
            return entry & !VALUE;
        }
        let Some(&entry) = self.blocks.get(entry as usize).and_then(|b| b.get(usize::from(a[2]))) else {
            return 0;
        };
        if entry & VALUE != 0 {
            return entry & !VALUE;
        }
        let Some(leaf) = self.leaves.get(entry as usize) else { return 0 };
        let (word, bit) = (usize::from(a[3] / 64), u32::from(a[3] % 64));
        let mut n = 0;
        for (i, w) in leaf.runs.iter().enumerate() {
            n += match i.cmp(&word) {
                core::cmp::Ordering::Less => w.count_ones(),
                core::cmp::Ordering::Equal => (w & up_to(bit)).count_ones(),
                core::cmp::Ordering::Greater => 0,
            };
        }
        self.values.get((leaf.values + n) as usize - 1).copied().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let leaves = size_of_val(self.leaves.as_slice()) + self.values.len() * 4;
        self.direct.len() * 4 + self.blocks.len() * 1024 + leaves
    }
}

/// Makes a leaf of the prefixes in 24 bits; its place.
fn leaf(leaves: &mut Vec<Leaf>, values: &mut Vec<u32>, outer: u32, all: &[(u128, u8, u32)]) -> u32 {
    let mut value = [outer; 256];
    for &(key, len, v) in all {
        let at = (key >> 96) as usize & 255;
        if let Some(range) = value.get_mut(at..at + (1 << (32 - u32::from(len.clamp(24, 32))))) {
            range.fill(v);
        }
    }
    let mut l = Leaf { runs: [0; 4], values: values.len() as u32 };
    let mut last = None;
    for (i, v) in value.iter().enumerate() {
        if last != Some(*v) {
            if let Some(w) = l.runs.get_mut(i / 64) {
                *w |= 1 << (i % 64);
            }
            values.push(*v);
            last = Some(*v);
        }
    }
    leaves.push(l);
    (leaves.len() - 1) as u32
}

/// Bits at or below `v`.
#[inline(always)]
const fn up_to(v: u32) -> u64 {
    (2u64 << v).wrapping_sub(1)
}

impl Trie {
    /// `all`: keys, lengths and values, sorted by key and length, each network once.
    fn new(all: &[(u128, u8, u32)]) -> Trie {
        if all.is_empty() {
            return Trie { direct: Vec::new(), nodes: Vec::new(), values: Vec::new() };
        }
        let mut t = Trie { direct: alloc::vec![VALUE; 1 << DIRECT], nodes: Vec::new(), values: Vec::new() };
        let slot = |key: u128| (key >> (128 - DIRECT)) as usize;
        // A shorter prefix comes before those in it, which write over it.
        for &(key, len, value) in all.iter().filter(|p| u32::from(p.1) <= DIRECT) {
            let n = 1usize << (DIRECT - u32::from(len));
            if let Some(range) = t.direct.get_mut(slot(key)..slot(key) + n) {
                range.fill(VALUE | value);
            }
        }
        let mut at = 0;
        while let Some(&(key, ..)) = all.get(at) {
            let end = at + all[at..].partition_point(|p| slot(p.0) == slot(key));
            let deep: Vec<_> = all[at..end].iter().filter(|p| u32::from(p.1) > DIRECT).copied().collect();
            if !deep.is_empty() {
                let n = t.nodes.len();
                t.nodes.push(Node::default());
                let outer = t.direct[slot(key)] & !VALUE;
                t.fill(n, DIRECT, outer, &deep);
                t.direct[slot(key)] = n as u32;
            }
            at = end;
        }
        t
    }

    /// Makes node `n`, whose slots are the six bits behind the first `off`, of the prefixes in it.
    fn fill(&mut self, n: usize, off: u32, outer: u32, all: &[(u128, u8, u32)]) {
        let slot = |key: u128| ((key << off) >> (128 - STRIDE)) as usize & 63;
        let mut value = [outer; 64];
        let ends = |len: u8| u32::from(len) <= off + STRIDE;
        for &(key, len, v) in all.iter().filter(|p| ends(p.1)) {
            let many = 1usize << (off + STRIDE - u32::from(len));
            value[slot(key)..(slot(key) + many).min(64)].fill(v);
        }
        let deep: Vec<_> = all.iter().filter(|p| !ends(p.1)).copied().collect();
        let mut node =
            Node { nodes: self.nodes.len() as u32, values: self.values.len() as u32, ..Node::default() };
        for p in &deep {
            node.below |= 1 << slot(p.0);
        }
        let mut last = None;
        for (i, v) in value.iter().enumerate().filter(|(i, _)| node.below >> i & 1 == 0) {
            if last != Some(*v) {
                node.runs |= 1 << i;
                self.values.push(*v);
                last = Some(*v);
            }
        }
        let first = self.nodes.len();
        self.nodes.resize(first + node.below.count_ones() as usize, Node::default());
        self.nodes[n] = node;
        let (mut at, mut child) = (0, first);
        while let Some(&(key, ..)) = deep.get(at) {
            let end = at + deep[at..].partition_point(|p| slot(p.0) == slot(key));
            self.fill(child, off + STRIDE, value[slot(key)], &deep[at..end]);
            (at, child) = (end, child + 1);
        }
    }

    #[inline(always)]
    fn find(&self, key: u128) -> u32 {
        let Some(&entry) = self.direct.get((key >> (128 - DIRECT)) as usize) else { return 0 };
        if entry & VALUE != 0 {
            return entry & !VALUE;
        }
        let (mut at, mut off) = (entry as usize, DIRECT);
        while let Some(n) = self.nodes.get(at) {
            let v = ((key << off) >> (128 - STRIDE)) as u32 & 63;
            if n.below >> v & 1 == 0 {
                let i = n.values + (n.runs & up_to(v)).count_ones();
                return self.values.get((i as usize).wrapping_sub(1)).copied().unwrap_or(0);
            }
            at = (n.nodes + (n.below & up_to(v)).count_ones() - 1) as usize;
            off += STRIDE;
        }
        0
    }

    fn bytes(&self) -> usize {
        self.direct.len() * 4 + size_of_val(self.nodes.as_slice()) + self.values.len() * 4
    }
}

/// Values of networks of both families; 0 is that of addresses in none.
#[derive(Debug)]
pub struct Networks {
    v4: Blocks,
    v6: Trie,
}

impl Networks {
    /// Each network with its value, below 2^31, in any order. Of equal networks the last one counts.
    pub fn new(all: impl IntoIterator<Item = (Prefix, u32)>) -> Networks {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (p, value) in all {
            let to = if p.v6 { &mut v6 } else { &mut v4 };
            to.push((p.key(), p.len, value & !VALUE));
        }
        let [v4, v6] = [v4, v6].map(|mut list| {
            list.sort_by_key(|p| (p.0, p.1));
            list.reverse();
            list.dedup_by_key(|p| (p.0, p.1));
            list.reverse();
            list
        });
        Networks { v4: Blocks::new(&v4), v6: Trie::new(&v6) }
    }

    /// The value of the longest network that the address lies in; 0 when it lies in none. Bounded: at most 20
    /// steps.
    #[inline]
    pub fn find(&self, addr: &Addr, v6: bool) -> u32 {
        let a = &addr.0;
        if v6 { self.v6.find(key6(addr)) } else { self.v4.find([a[0], a[1], a[2], a[3]]) }
    }

    /// Bytes of its arrays.
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn naive(all: &[(Prefix, u32)], a: &Addr, v6: bool) -> u32 {
        let mut best: Option<(u8, u32)> = None;
        for (p, v) in all {
            if p.has(a, v6) && best.is_none_or(|b| p.len >= b.0) {
                best = Some((p.len, *v));
            }
        }
        best.map_or(0, |b| b.1)
    }

    #[test]
    fn equal_with_a_walk_over_all_prefixes() {
        let mut seed = 7u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..60 {
            let mut all = vec![];
            for _ in 0..1 + next() % 120 {
                let v6 = next() % 2 == 0;
                let mut a = [0u8; 16];
                a.iter_mut().for_each(|b| *b = (next() % if round % 2 == 0 { 3 } else { 256 }) as u8);
                let len = (next() % if v6 { 129 } else { 33 }) as u8;
                all.push((Prefix::new(Addr(a), len, v6).unwrap(), 1 + (next() % 9) as u32));
            }
            let t = Networks::new(all.iter().copied());
            for _ in 0..400 {
                let v6 = next() % 2 == 0;
                let mut a = [0u8; 16];
                a.iter_mut().for_each(|b| *b = (next() % 3) as u8);
                if next() % 2 == 0 {
                    a = all[next() as usize % all.len()].0.addr.0;
                    let i = next() as usize % 16;
                    a[i] ^= 1 << (next() % 8);
                }
                if !v6 {
                    a[4..].fill(0);
                }
                assert_eq!(t.find(&Addr(a), v6), naive(&all, &Addr(a), v6), "{a:?} in {all:?}");
            }
        }
        assert_eq!(Networks::new([]).find(&Addr([9; 16]), true), 0);
    }

    #[test]
    fn networks_are_read() {
        let p = Prefix::parse("10.1.2.3/8").unwrap();
        assert_eq!((p.addr, p.len, p.v6), (Addr::v4([10, 0, 0, 0]), 8, false));
        assert_eq!(Prefix::parse("::1").unwrap().len, 128);
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "x", "10.0.0.0/-1"] {
            assert!(Prefix::parse(wrong).is_none(), "{wrong}");
        }
    }
}
