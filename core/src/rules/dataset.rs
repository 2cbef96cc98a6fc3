//! Datasets: files of values in, sets that the hot path can ask and change out.
//!
//! [`SetStore`] is filled while rules are read: one entry per name, shared by all rules. [`HashSet`] is what the
//! engine makes of an entry: memory of a fixed size, no allocation afterwards, the newest value refused when full.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::ir::DatasetType;
use super::sets::{Range, addr_range};

/// How a dataset's file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A value a line, base64 for strings; `value,reputation` for `datarep`.
    #[default]
    Csv,
    /// One JSON array of objects.
    Json,
    /// A JSON object a line.
    NdJson,
}

/// Where a JSON dataset has its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonKeys {
    /// Name of the context in the alert.
    pub context: String,
    /// Path to the value in each object, dots between keys.
    pub value: String,
    /// Path to the array of objects; empty when the file is the array.
    pub array: String,
    /// Leave the value out of the context.
    pub remove: bool,
}

/// A value of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Bytes as [`key`] makes them.
    pub key: Vec<u8>,
    pub reputation: u16,
    /// JSON of the entry, for the alert.
    pub context: Option<Box<str>>,
}

/// A set as its file and the rules describe it.
#[derive(Debug, Clone)]
pub struct LoadedSet {
    pub name: String,
    pub kind: DatasetType,
    /// For `datarep`.
    pub reputation: bool,
    pub entries: Vec<Entry>,
    /// File to write the set to at the end, as written in the rule.
    pub save: Option<String>,
    /// Bytes; 0 for the default.
    pub memcap: u64,
    /// Expected number of values; 0 for the default.
    pub hashsize: u32,
}

/// How a set is to be read.
#[derive(Debug)]
pub struct Source<'a> {
    pub kind: DatasetType,
    pub reputation: bool,
    pub format: Format,
    pub json: &'a JsonKeys,
    pub save: Option<&'a str>,
    pub memcap: u64,
    pub hashsize: u32,
}

/// All sets of a rule set, by name.
#[derive(Debug, Default)]
pub struct SetStore {
    sets: Vec<LoadedSet>,
    names: BTreeMap<String, usize>,
}

impl SetStore {
    pub fn get(&self, name: &str) -> Option<&LoadedSet> {
        self.names.get(name).and_then(|&i| self.sets.get(i))
    }
    /// Position of a set in [`SetStore::all`].
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
    /// Gives the files that sets are saved to other names, as where they lie is the caller's to know.
    pub fn place_saves(&mut self, mut place: impl FnMut(&str) -> String) {
        for s in &mut self.sets {
            if let Some(f) = &mut s.save {
                *f = place(f);
            }
        }
    }

    pub fn all(&self) -> &[LoadedSet] {
        &self.sets
    }

    /// Adds a set with the contents of its file. An error names the line.
    pub fn add(&mut self, name: &str, src: &Source<'_>, data: &[u8]) -> Result<(), String> {
        let entries = match src.format {
            Format::Csv => parse_lines(src.kind, src.reputation, data)?,
            Format::Json => super::json::entries(src.kind, src.json, data, false)?,
            Format::NdJson => super::json::entries(src.kind, src.json, data, true)?,
        };
        self.names.insert(name.to_string(), self.sets.len());
        self.sets.push(LoadedSet {
            name: name.to_string(),
            kind: src.kind,
            reputation: src.reputation,
            entries,
            save: src.save.map(ToString::to_string),
            memcap: src.memcap,
            hashsize: src.hashsize,
        });
        Ok(())
    }
}

/// Reads the lines of a dataset file: a value each, or `value,reputation`.
pub fn parse_lines(kind: DatasetType, reputation: bool, data: &[u8]) -> Result<Vec<Entry>, String> {
    let mut out = Vec::new();
    for (n, line) in data.split(|c| *c == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| format!("line {}: {what}", n + 1);
        let (value, rep) = match memchr::memchr(b',', line) {
            Some(c) => (line.get(..c).unwrap_or(&[]), line.get(c + 1..)),
            None => (line, None),
        };
        let rep = match (reputation, rep) {
            (true, Some(r)) => core::str::from_utf8(r)
                .ok()
                .and_then(|r| r.trim().parse().ok())
                .ok_or_else(|| wrong("the reputation is not a number"))?,
            (true, None) => return Err(wrong("no reputation")),
            (false, _) => 0,
        };
        let key = match kind {
            DatasetType::String => base64(value.trim_ascii()).ok_or_else(|| wrong("not base64"))?,
            _ => key(kind, value.trim_ascii()).ok_or_else(|| wrong("not a value of the set's type"))?,
        };
        out.push(Entry { key, reputation: rep, context: None });
    }
    Ok(out)
}

/// The key of a value written as text: strings as they are, digests as bytes, `ipv4` as 4 bytes, `ip` as 16 bytes
/// (IPv4 mapped to `::ffff:a.b.c.d`).
pub fn key(kind: DatasetType, text: &[u8]) -> Option<Vec<u8>> {
    let addr = || addr_range(core::str::from_utf8(text).ok()?);
    match kind {
        DatasetType::String => Some(text.to_vec()),
        DatasetType::Md5 => unhex(text).filter(|d| d.len() == 16),
        DatasetType::Sha256 => unhex(text).filter(|d| d.len() == 32),
        DatasetType::Ipv4 => match addr()? {
            Range::V4(a, b) if a == b => Some(a.to_be_bytes().to_vec()),
            _ => None,
        },
        DatasetType::Ip => match addr()? {
            Range::V4(a, b) if a == b => Some(mapped(a.to_be_bytes()).to_vec()),
            Range::V6(a, b) if a == b => Some(a.to_be_bytes().to_vec()),
            _ => None,
        },
    }
}

/// `::ffff:a.b.c.d`.
pub const fn mapped(a: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a[0], a[1], a[2], a[3]]
}

/// Hexadecimal digits to bytes.
pub fn unhex(t: &[u8]) -> Option<Vec<u8>> {
    if !t.len().is_multiple_of(2) {
        return None;
    }
    t.chunks_exact(2)
        .map(|p| {
            let d = |i: usize| p.get(i).and_then(|c| (*c as char).to_digit(16));
            Some((d(0)? << 4 | d(1)?) as u8)
        })
        .collect()
}

/// Base64 with or without padding.
pub fn base64(t: &[u8]) -> Option<Vec<u8>> {
    let t = t.strip_suffix(b"==").or_else(|| t.strip_suffix(b"=")).unwrap_or(t);
    if t.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(t.len() / 4 * 3 + 2);
    let (mut acc, mut bits) = (0u32, 0);
    for &c in t {
        let v = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        acc = acc << 6 | u32::from(v);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((acc >> bits) as u8);
            acc &= (1 << bits) - 1;
        }
    }
    Some(out)
}

/// No further block, slot or entry.
const NONE: u32 = u32::MAX;
/// Bytes of a value kept in one block.
const BLOCK: usize = 32;

#[derive(Clone, Copy)]
struct Block {
    bytes: [u8; BLOCK],
    next: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    first: u32,
    len: u32,
    /// Next entry of the bucket, or of the free list.
    next: u32,
    reputation: u16,
    /// Position in the list of contexts.
    context: u32,
}

/// A set of byte strings in memory of a fixed size.
///
/// Bytes per value: 32 for the slot, 36 for each 32 bytes of it, 4 for the bucket.
pub struct HashSet {
    buckets: Box<[u32]>,
    slots: Box<[Slot]>,
    blocks: Box<[Block]>,
    free_slot: u32,
    free_block: u32,
    len: usize,
    contexts: Vec<Box<str>>,
    seed: u64,
    /// Values that did not fit.
    pub refused: u64,
}

/// What a set knows of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub reputation: u16,
    pub context: Option<&'a str>,
}

impl HashSet {
    /// Values beside those it begins with that a set keeps when no `memcap` says otherwise.
    pub const DEFAULT_VALUES: usize = 64 << 10;
    /// Most values that a set is made for, whatever its settings say.
    const MOST_VALUES: usize = 1 << 24;

    /// A set with the entries of `set` and room for others: [`HashSet::DEFAULT_VALUES`], more when `hashsize` (which
    /// counts buckets, as in Suricata) is larger, and what fits into `memcap` when that is given. Sets
    /// that no rule changes (`fixed`) get no spare room. `seed` is the engine's secret.
    pub fn new(set: &LoadedSet, fixed: bool, seed: u64) -> HashSet {
        let have = set.entries.len();
        let spare =
            if fixed { 0 } else { (set.hashsize as usize).clamp(Self::DEFAULT_VALUES, Self::MOST_VALUES) };
        let size = match set.kind {
            // Strings: room for two blocks each on average.
            DatasetType::String => 2 * BLOCK,
            _ => BLOCK,
        };
        let per_value = 36 + size / BLOCK * 36;
        let values = if fixed || set.memcap == 0 {
            have.saturating_add(spare).max(1)
        } else {
            (set.memcap as usize / per_value).min(Self::MOST_VALUES).max(have).max(1)
        };
        let need: usize = set.entries.iter().map(|e| e.key.len().div_ceil(BLOCK).max(1)).sum();
        let blocks = need + (values - have.min(values)) * (size / BLOCK) + 1;
        let mut out = HashSet {
            buckets: vec![NONE; values.next_power_of_two()].into_boxed_slice(),
            slots: (0..values)
                .map(|i| Slot {
                    hash: 0,
                    first: NONE,
                    len: 0,
                    next: if i + 1 == values { NONE } else { i as u32 + 1 },
                    reputation: 0,
                    context: NONE,
                })
                .collect(),
            blocks: (0..blocks)
                .map(|i| Block { bytes: [0; BLOCK], next: if i + 1 == blocks { NONE } else { i as u32 + 1 } })
                .collect(),
            free_slot: 0,
            free_block: 0,
            len: 0,
            contexts: Vec::new(),
            seed,
            refused: 0,
        };
        for e in &set.entries {
            let context = match &e.context {
                Some(c) => {
                    out.contexts.push(c.clone());
                    out.contexts.len() as u32 - 1
                }
                None => NONE,
            };
            out.put(&e.key, e.reputation, context);
        }
        out
    }

    pub const fn len(&self) -> usize {
        self.len
    }
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes this set holds.
    pub fn memory(&self) -> usize {
        self.buckets.len() * 4 + self.slots.len() * size_of::<Slot>() + self.blocks.len() * size_of::<Block>()
    }

    /// A seeded 64-bit hash: multiply and fold over 8 bytes at a time.
    fn hash(&self, key: &[u8]) -> u64 {
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        let fold = |a: u64, b: u64| {
            let m = u128::from(a) * u128::from(b);
            (m as u64) ^ (m >> 64) as u64
        };
        let mut h = self.seed ^ (key.len() as u64).wrapping_mul(K);
        for c in key.chunks(8) {
            let mut w = [0u8; 8];
            w[..c.len()].copy_from_slice(c);
            h = fold(h ^ u64::from_le_bytes(w), K ^ self.seed.rotate_left(32));
        }
        fold(h, K)
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn same(&self, slot: &Slot, hash: u64, key: &[u8]) -> bool {
        if slot.hash != hash || slot.len as usize != key.len() {
            return false;
        }
        let mut at = slot.first;
        key.chunks(BLOCK).all(|part| match self.blocks.get(at as usize) {
            Some(b) => {
                at = b.next;
                b.bytes.get(..part.len()) == Some(part)
            }
            None => false,
        })
    }

    fn find(&self, key: &[u8]) -> Option<&Slot> {
        let hash = self.hash(key);
        let mut at = *self.buckets.get(self.bucket(hash))?;
        while let Some(s) = self.slots.get(at as usize) {
            if self.same(s, hash, key) {
                return Some(s);
            }
            at = s.next;
        }
        None
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Reputation and context of a value.
    pub fn get(&self, key: &[u8]) -> Option<Found<'_>> {
        let s = self.find(key)?;
        let context = self.contexts.get(s.context as usize).map(|c| &**c);
        Some(Found { reputation: s.reputation, context })
    }

    /// Adds a value; `true` when it is new and fitted.
    pub fn insert(&mut self, key: &[u8]) -> bool {
        self.put(key, 0, NONE)
    }

    fn put(&mut self, key: &[u8], reputation: u16, context: u32) -> bool {
        if self.contains(key) {
            return false;
        }
        let at = self.free_slot;
        let Some(slot) = self.slots.get(at as usize) else {
            self.refused += 1;
            return false;
        };
        let next_free = slot.next;
        // Take the blocks first: all of them, or none.
        let (first, mut last) = (self.free_block, NONE);
        let mut cur = self.free_block;
        for part in key.chunks(BLOCK) {
            let Some(b) = self.blocks.get_mut(cur as usize) else {
                self.refused += 1;
                return false;
            };
            b.bytes[..part.len()].copy_from_slice(part);
            last = cur;
            cur = b.next;
        }
        let first = if key.is_empty() { NONE } else { first };
        if let Some(b) = self.blocks.get_mut(last as usize) {
            b.next = NONE;
        }
        self.free_block = cur;
        self.free_slot = next_free;
        let hash = self.hash(key);
        let bucket = self.bucket(hash);
        let next = self.buckets.get(bucket).copied().unwrap_or(NONE);
        if let Some(s) = self.slots.get_mut(at as usize) {
            *s = Slot { hash, first, len: key.len() as u32, next, reputation, context };
        }
        if let Some(b) = self.buckets.get_mut(bucket) {
            *b = at;
        }
        self.len += 1;
        true
    }

    /// Takes a value out; `true` when it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let bucket = self.bucket(hash);
        let (mut before, mut at) = (NONE, self.buckets.get(bucket).copied().unwrap_or(NONE));
        loop {
            let Some(&s) = self.slots.get(at as usize) else { return false };
            if !self.same(&s, hash, key) {
                before = at;
                at = s.next;
                continue;
            }
            match self.slots.get_mut(before as usize) {
                Some(b) => b.next = s.next,
                None => self.buckets[bucket] = s.next,
            }
            self.free_chain(s.first);
            if let Some(slot) = self.slots.get_mut(at as usize) {
                slot.next = self.free_slot;
            }
            self.free_slot = at;
            self.len -= 1;
            return true;
        }
    }

    fn free_chain(&mut self, first: u32) {
        let mut at = first;
        while let Some(b) = self.blocks.get_mut(at as usize) {
            let next = b.next;
            b.next = self.free_block;
            self.free_block = at;
            at = next;
        }
    }

    /// Calls `f` with every value (for saving a set); `buf` is the caller's, reused for each.
    pub fn for_each(&self, buf: &mut Vec<u8>, mut f: impl FnMut(&[u8])) {
        for &head in &self.buckets {
            let mut at = head;
            while let Some(s) = self.slots.get(at as usize) {
                buf.clear();
                let mut b = s.first;
                while let Some(block) = self.blocks.get(b as usize) {
                    let left = (s.len as usize - buf.len()).min(BLOCK);
                    buf.extend_from_slice(&block.bytes[..left]);
                    b = block.next;
                }
                f(buf);
                at = s.next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    fn empty(kind: DatasetType, values: usize) -> HashSet {
        let per_value = if kind == DatasetType::String { 108 } else { 72 };
        made(kind, 0, (values * per_value) as u64)
    }

    fn made(kind: DatasetType, hashsize: u32, memcap: u64) -> HashSet {
        let set = LoadedSet {
            name: "x".into(),
            kind,
            reputation: false,
            entries: Vec::new(),
            save: None,
            memcap,
            hashsize,
        };
        HashSet::new(&set, false, 7)
    }

    #[test]
    fn files() {
        let e = parse_lines(DatasetType::String, false, b"dGVzdA==\n\nYWJj\r\n").unwrap();
        assert_eq!((e[0].key.as_slice(), e[1].key.as_slice()), (&b"test"[..], &b"abc"[..]));
        let e = parse_lines(DatasetType::String, true, b"dGVzdA==,300\n").unwrap();
        assert_eq!((e[0].key.as_slice(), e[0].reputation), (&b"test"[..], 300));
        let e = parse_lines(DatasetType::Ip, false, b"10.0.0.1\nfe80::1\n").unwrap();
        assert_eq!(e[0].key, mapped([10, 0, 0, 1]));
        assert!(parse_lines(DatasetType::Md5, false, b"zz").is_err());
        assert!(parse_lines(DatasetType::String, true, b"dGVzdA==").is_err());
    }

    /// `hashsize` counts buckets and bounds nothing.
    #[test]
    fn a_set_learns_what_its_memory_allows() {
        for (hashsize, memcap) in [(0, 0), (16, 0), (0, 4 << 20)] {
            let mut s = made(DatasetType::String, hashsize, memcap);
            assert!((0..10_000).all(|i| s.insert(alloc::format!("name-{i}.example").as_bytes())));
            assert_eq!((s.len(), s.refused), (10_000, 0));
        }
    }

    #[test]
    fn full_set_refuses() {
        let mut s = empty(DatasetType::Md5, 2);
        assert!(s.insert(&[1; 16]) && s.insert(&[2; 16]) && !s.insert(&[3; 16]));
        assert_eq!((s.len(), s.refused), (2, 1));
        assert!(s.remove(&[1; 16]) && s.insert(&[3; 16]));
    }

    proptest! {
        #[test]
        fn equals_a_set(ops in prop::collection::vec((any::<bool>(), prop::collection::vec(0u8..4, 0..70)), 0..80)) {
            let mut s = empty(DatasetType::String, 256);
            let mut want = BTreeSet::new();
            for (add, k) in ops {
                if add {
                    prop_assert_eq!(s.insert(&k), want.insert(k.clone()));
                } else {
                    prop_assert_eq!(s.remove(&k), want.remove(&k));
                }
                prop_assert_eq!(s.contains(&k), want.contains(&k));
                prop_assert_eq!(s.len(), want.len());
            }
            let mut got = BTreeSet::new();
            s.for_each(&mut Vec::new(), |v| { got.insert(v.to_vec()); });
            prop_assert_eq!(got, want);
        }
    }
}
