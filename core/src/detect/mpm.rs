//! One prefilter: the fast patterns of a group for one buffer. Bytes in, rule numbers out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::sig::{Builder, Database, Scratch};

/// A pattern database with the rules behind each pattern.
#[derive(Debug)]
pub struct Mpm {
    db: Database,
    /// Per pattern: its rules are `rules[start[i]..start[i + 1]]`.
    start: Vec<u32>,
    rules: Vec<Wanted>,
    max_len: usize,
    min_len: usize,
}

/// A rule behind a pattern, with where the pattern may end for the rule to be worth evaluating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wanted {
    pub sig: u32,
    /// Inclusive range of end offsets in the whole value.
    pub lo: u32,
    pub hi: u32,
}

/// Collects patterns before the database is built.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct MpmBuilder {
    pats: BTreeMap<(Vec<u8>, bool), Vec<Wanted>>,
}

impl MpmBuilder {
    pub fn add(&mut self, bytes: &[u8], nocase: bool, w: Wanted) {
        let nocase = nocase && bytes.iter().any(u8::is_ascii_alphabetic);
        let key = if nocase { bytes.to_ascii_lowercase() } else { bytes.to_vec() };
        let list = self.pats.entry((key, nocase)).or_default();
        if list.last() != Some(&w) {
            list.push(w);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pats.is_empty()
    }

    pub fn build(self) -> Mpm {
        let mut b = Builder::new();
        let (mut start, mut rules) = (Vec::new(), Vec::new());
        let (mut max_len, mut min_len) = (0, usize::MAX);
        for (i, ((bytes, nocase), list)) in self.pats.into_iter().enumerate() {
            start.push(rules.len() as u32);
            rules.extend(list);
            max_len = max_len.max(bytes.len());
            min_len = min_len.min(bytes.len());
            // Contents are 1 to 255 bytes, checked by the rule parser; the matcher takes up to 4096.
            let added = b.add(&bytes, nocase, i as u32);
            debug_assert!(added.is_ok());
        }
        start.push(rules.len() as u32);
        Mpm { db: b.build(), start, rules, max_len, min_len }
    }
}

impl Mpm {
    /// Longest pattern, bytes: how much a scan of a growing value must look back.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    pub fn patterns(&self) -> usize {
        self.start.len() - 1
    }

    pub fn memory_bytes(&self) -> usize {
        self.db.memory_bytes() + self.rules.len() * 12 + self.start.len() * 4
    }

    pub fn describe(&self) -> alloc::string::String {
        self.db.describe()
    }

    pub fn prepare(&self, scratch: &mut Scratch) {
        self.db.prepare(scratch);
    }

    /// Calls `found` with each rule whose pattern occurs in `hay` and the end of that occurrence; `offset` is that
    /// of `hay[0]` in the whole value. A rule may be named more than once.
    #[inline]
    pub fn scan(&self, hay: &[u8], offset: u64, scratch: &mut Scratch, mut found: impl FnMut(u32, u64)) {
        if hay.len() < self.min_len {
            return;
        }
        self.db.scan(hay, scratch, |pat, end| {
            let (s, e) = (self.start[pat as usize] as usize, self.start[pat as usize + 1] as usize);
            let at = offset + end as u64;
            let end = u32::try_from(at).unwrap_or(u32::MAX);
            for w in &self.rules[s..e] {
                if end >= w.lo && end <= w.hi {
                    found(w.sig, at);
                }
            }
            true
        });
    }
}
