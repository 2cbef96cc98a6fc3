//! One prefilter: the fast patterns of a group for one buffer. Bytes in, rule numbers out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::sig::anchored::{Anchored, Placed};
use crate::sig::{Builder, Database, Scratch};

/// Patterns that can only matter this near the start of a value have a database of their own, so that the rest of
/// the value is not searched for them.
const HEAD: u32 = 256;

/// A pattern database with the rules behind each pattern.
#[derive(Debug)]
pub struct Mpm {
    /// Patterns that can stand at one place only.
    placed: Anchored,
    /// Patterns that must end within the first `head_end` bytes.
    head: Option<Database<'static>>,
    head_end: u32,
    rest: Option<Database<'static>>,
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
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &MpmBuilder) {
        for ((bytes, nocase), list) in &other.pats {
            self.pats.entry((bytes.clone(), *nocase)).or_default().extend(list);
        }
    }

    pub fn build(self) -> Mpm {
        let (mut head, mut rest) = (Builder::new(), Builder::new());
        let (mut start, mut rules) = (Vec::new(), Vec::new());
        let (mut max_len, mut min_len, mut head_end) = (0, usize::MAX, 0);
        let mut placed = Vec::new();
        for (i, ((bytes, nocase), list)) in self.pats.into_iter().enumerate() {
            start.push(rules.len() as u32);
            let last = list.iter().map(|w| w.hi).max().unwrap_or(0);
            rules.extend(list);
            max_len = max_len.max(bytes.len());
            min_len = min_len.min(bytes.len());
            let same = list_place(&rules[start[i] as usize..], bytes.len());
            if let Some(at) = same {
                placed.push(Placed { at, bytes, caseless: nocase, id: i as u32 });
                continue;
            }
            // One search is cheaper than two: only what would be found too often elsewhere is kept apart.
            let db = if last <= HEAD && bytes.len() < 4 {
                head_end = head_end.max(last);
                &mut head
            } else {
                &mut rest
            };
            // Contents are 1 to 255 bytes, checked by the rule parser; the matcher takes up to 4096.
            let added = db.add(&bytes, nocase, i as u32);
            debug_assert!(added.is_ok());
        }
        start.push(rules.len() as u32);
        let built = |b: Builder| (!b.is_empty()).then(|| b.build());
        let placed = Anchored::new(placed);
        Mpm { placed, head: built(head), head_end, rest: built(rest), start, rules, max_len, min_len }
    }
}

/// Where a pattern of `len` bytes starts if all its rules want it at one place.
fn list_place(rules: &[Wanted], len: usize) -> Option<u32> {
    let end = rules.first()?.hi;
    rules.iter().all(|w| (w.lo, w.hi) == (end, end)).then(|| end.checked_sub(len as u32)).flatten()
}

impl Mpm {
    fn databases(&self) -> impl Iterator<Item = &Database<'static>> {
        self.head.iter().chain(&self.rest)
    }

    /// Longest pattern, bytes: how much a scan of a growing value must look back.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    pub fn patterns(&self) -> usize {
        self.start.len() - 1
    }

    pub fn memory_bytes(&self) -> usize {
        let dbs: usize = self.databases().map(Database::memory_bytes).sum();
        dbs + self.placed.memory_bytes() + self.rules.len() * 12 + self.start.len() * 4
    }

    pub fn prepare(&self, scratch: &mut Scratch) {
        self.databases().for_each(|d| d.prepare(scratch));
    }

    /// Calls `found` with each rule whose pattern occurs in `hay` and the end of that occurrence; `offset` is that
    /// of `hay[0]` in the whole value. A rule may be named more than once.
    #[inline]
    pub fn scan(&self, hay: &[u8], offset: u64, scratch: &mut Scratch, mut found: impl FnMut(u32, u64)) {
        if hay.len() < self.min_len {
            return;
        }
        let mut hit = |pat: u32, end: usize| {
            let (s, e) = (self.start[pat as usize] as usize, self.start[pat as usize + 1] as usize);
            let at = offset + end as u64;
            let end = u32::try_from(at).unwrap_or(u32::MAX);
            for w in &self.rules[s..e] {
                if end >= w.lo && end <= w.hi {
                    found(w.sig, at);
                }
            }
            true
        };
        self.placed.scan(hay, offset, |pat, end| {
            hit(pat, end);
        });
        if let Some(db) = &self.head
            && offset < u64::from(self.head_end)
        {
            let n = hay.len().min((u64::from(self.head_end) - offset) as usize);
            db.scan(&hay[..n], scratch, &mut hit);
        }
        if let Some(db) = &self.rest {
            db.scan(hay, scratch, &mut hit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every pattern inside its bounds is found, cut at any place, and nothing else.
        #[test]
        fn equals_naive(
            hay in proptest::collection::vec(0u8..3, 0..600),
            pats in proptest::collection::vec((proptest::collection::vec(0u8..3, 1..5), 0u32..400, 0u32..400), 1..12),
            cut in 0usize..600,
        ) {
            let mut b = MpmBuilder::default();
            for (i, (p, lo, len)) in pats.iter().enumerate() {
                b.add(p, false, Wanted { sig: i as u32, lo: *lo, hi: lo + len });
            }
            let m = b.build();
            let mut scratch = Scratch::new();
            m.prepare(&mut scratch);
            let mut naive: Vec<(u32, u64)> = Vec::new();
            for (i, (p, lo, len)) in pats.iter().enumerate() {
                for at in 0..hay.len() {
                    let end = (at + p.len()) as u32;
                    if hay[at..].starts_with(p) && end >= *lo && end <= lo + len {
                        naive.push((i as u32, u64::from(end)));
                    }
                }
            }
            let cut = cut.min(hay.len());
            let mut got = Vec::new();
            m.scan(&hay[..cut], 0, &mut scratch, |s, e| got.push((s, e)));
            let back = cut.saturating_sub(m.max_len() - 1);
            m.scan(&hay[back..], back as u64, &mut scratch, |s, e| if e > cut as u64 { got.push((s, e)) });
            got.sort_unstable();
            naive.sort_unstable();
            prop_assert_eq!(got, naive);
        }
    }
}
