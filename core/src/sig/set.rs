//! Literals and regular expressions in one database.
//!
//! In: literals and regexes, each with the caller's id. Out: `(id, end offset)` in order of end offsets: every
//! occurrence of a literal, and every offset at which a match of a regex ends. A layer over the literal
//! [`Database`]: it holds the literals and, for regexes that cannot match without some literal, that literal as a
//! trigger. A scan first asks which triggers are there; the automata of those regexes, and of the few without one,
//! then run in step with the scan of the literals. A regex whose trigger is missing costs nothing.
use super::regex::{Automata, Flags, States};
use super::{Builder, Database, PatternError, Scratch, regex};
use alloc::{boxed::Box, vec, vec::Vec};

/// Why a pattern was refused: the builder is unchanged and can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {index}: {why}")]
pub struct BadPattern {
    /// How many patterns were offered before it, the refused ones counted.
    pub index: usize,
    pub why: Why,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("{0}")]
    Literal(PatternError),
    /// Tells the place in the pattern.
    #[error("{0}")]
    Regex(regex::Error),
}

/// Collects the patterns of a [`Set`].
#[derive(Debug, Default)]
pub struct SetBuilder {
    literals: Builder,
    automata: Automata,
    /// The ids of the regexes.
    ids: Vec<u32>,
    offered: usize,
}

impl SetBuilder {
    #[must_use]
    pub fn new() -> Self {
        SetBuilder::default()
    }

    /// Adds a literal: see [`Builder::add`].
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn add(&mut self, bytes: &[u8], caseless: bool, id: u32) -> Result<(), BadPattern> {
        let index = self.offered;
        self.offered += 1;
        self.literals.add(bytes, caseless, id).map_err(|e| BadPattern { index, why: Why::Literal(e) })
    }

    /// Adds a regex, without slashes and letters around it. Case, dots and lines are as `flags` tell; greed has no
    /// meaning, since every end is reported.
    ///
    /// # Errors
    /// What does not parse, and what an automaton cannot decide, with the place.
    pub fn add_regex(&mut self, pattern: &[u8], flags: Flags, id: u32) -> Result<(), BadPattern> {
        let index = self.offered;
        self.offered += 1;
        self.automata.add(pattern, flags).map_err(|e| BadPattern { index, why: Why::Regex(e) })?;
        self.ids.push(id);
        Ok(())
    }

    /// The immutable set.
    #[must_use]
    pub fn build(self) -> Set {
        let mut triggers = Builder::new();
        let mut always = Vec::new();
        for one in 0..self.automata.len() as u32 {
            // A single byte is nearly always there: asking is no gain. A trigger is searched for by its last bytes
            // only when it is longer than a pattern may be.
            let lit = self.automata.required_literal(one).filter(|l| l.0.len() > 1);
            let added = lit.is_some_and(|(b, fold)| {
                let tail = &b[b.len().saturating_sub(super::MAX_PATTERN)..];
                triggers.add(tail, fold, one).is_ok()
            });
            if !added {
                always.push(one);
            }
        }
        let mut distinct = self.ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let dense = self.ids.iter().map(|id| distinct.partition_point(|x| x < id) as u32).collect();
        Set {
            literals: self.literals.build(),
            triggers: triggers.build(),
            automata: self.automata,
            ids: self.ids.into(),
            dense,
            distinct: distinct.len(),
            always: always.into(),
        }
    }
}

/// Literals and regexes compiled for searching. Immutable; share it between threads freely.
#[derive(Debug)]
pub struct Set {
    literals: Database<'static>,
    /// By number of the regex.
    triggers: Database<'static>,
    automata: Automata,
    ids: Box<[u32]>,
    /// Per regex the rank of its id among the different ones.
    dense: Box<[u32]>,
    distinct: usize,
    /// Regexes without a trigger.
    always: Box<[u32]>,
}

/// What a scan of a [`Set`] writes to; one per thread.
#[derive(Debug, Default)]
pub struct SetScratch {
    literals: Scratch,
    states: States,
    /// Regexes that may match.
    active: Vec<u32>,
    /// Per different id of a regex: reported.
    seen: Vec<bool>,
}

impl SetScratch {
    /// A scratch that fits `set`. Scans with it take no memory.
    #[must_use]
    pub fn for_set(set: &Set) -> Self {
        let mut s = SetScratch::default();
        set.prepare(&mut s);
        s
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.literals.memory_bytes()
            + self.states.memory_bytes()
            + 4 * self.active.capacity()
            + self.seen.capacity()
    }

    /// Steps of automata taken by all scans so far.
    pub fn work(&self) -> u64 {
        self.states.work()
    }
}

impl Set {
    /// The literals alone, for streams.
    pub fn literals(&self) -> &Database<'static> {
        &self.literals
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.literals.memory_bytes()
            + self.triggers.memory_bytes()
            + self.automata.memory_bytes()
            + 4 * (self.ids.len() + self.dense.len() + self.always.len())
    }

    /// What it holds and how it is searched, in one line for people.
    #[must_use]
    pub fn describe(&self) -> alloc::string::String {
        alloc::format!(
            "{}; {} regexes, {} of them always run; {} bytes",
            self.literals.describe(),
            self.ids.len(),
            self.always.len(),
            self.memory_bytes()
        )
    }

    /// Grows `scratch` to what scans of this set need.
    pub fn prepare(&self, scratch: &mut SetScratch) {
        self.literals.prepare(&mut scratch.literals);
        self.triggers.prepare(&mut scratch.literals);
        self.automata.prepare(&mut scratch.states);
        scratch.active.reserve(self.ids.len().saturating_sub(scratch.active.len()));
        if scratch.seen.len() < self.distinct {
            scratch.seen = vec![false; self.distinct];
        }
    }

    /// Reports every match as `(id, end offset)`, in order of end offsets, until `on_match` says `false`. A regex
    /// reports each end once; so do equal ids only if their matches differ.
    pub fn scan(&self, hay: &[u8], scratch: &mut SetScratch, mut on_match: impl FnMut(u32, usize) -> bool) {
        self.find_active(hay, scratch);
        let SetScratch { literals, states, active, .. } = scratch;
        if active.is_empty() {
            return self.literals.scan(hay, literals, on_match);
        }
        self.automata.begin(states);
        let mut go = true;
        self.literals.scan(hay, literals, |id, end| {
            go = self.regexes(hay, end, active, states, &mut on_match) && on_match(id, end);
            go
        });
        if go {
            self.regexes(hay, hay.len(), active, states, &mut on_match);
        }
    }

    /// Reports each id of a literal at most once and each id of a regex at most once, a regex with its first end,
    /// until `on_match` says `false`. Regexes come after the literals.
    pub fn scan_once(
        &self,
        hay: &[u8],
        scratch: &mut SetScratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        self.find_active(hay, scratch);
        let SetScratch { literals, states, active, seen } = scratch;
        let mut go = true;
        self.literals.scan_once(hay, literals, |id, end| {
            go = on_match(id, end);
            go
        });
        if !go || active.is_empty() {
            return;
        }
        let mut left = active.len();
        for &one in &*active {
            if let Some(s) = self.dense.get(one as usize).and_then(|&d| seen.get_mut(d as usize)) {
                *s = false;
            }
        }
        self.automata.ends(active, hay, states, |one, end| {
            let one = one as usize;
            let Some(s) = self.dense.get(one).and_then(|&d| seen.get_mut(d as usize)) else { return true };
            if core::mem::replace(s, true) {
                return true;
            }
            left -= 1;
            self.ids.get(one).is_none_or(|&id| on_match(id, end)) && left > 0
        });
    }

    fn find_active(&self, hay: &[u8], scratch: &mut SetScratch) {
        self.prepare(scratch);
        scratch.active.clear();
        scratch.active.extend_from_slice(&self.always);
        let SetScratch { literals, active, .. } = scratch;
        self.triggers.scan_once(hay, literals, |one, _| {
            active.push(one);
            true
        });
    }

    fn regexes(
        &self,
        hay: &[u8],
        upto: usize,
        active: &[u32],
        states: &mut States,
        on_match: &mut impl FnMut(u32, usize) -> bool,
    ) -> bool {
        let mut on = |one: u32, end| self.ids.get(one as usize).is_none_or(|&id| on_match(id, end));
        self.automata.advance(active, hay, upto, states, &mut on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn set(lits: &[(&[u8], u32)], regexes: &[(&[u8], u32)]) -> Set {
        let mut b = SetBuilder::new();
        for (l, id) in lits {
            b.add(l, true, *id).unwrap();
        }
        for (r, id) in regexes {
            b.add_regex(r, Flags::default(), *id).unwrap();
        }
        b.build()
    }

    fn all(s: &Set, hay: &[u8]) -> Vec<(usize, u32)> {
        let mut out = Vec::new();
        let mut scratch = SetScratch::for_set(s);
        s.scan(hay, &mut scratch, |id, end| {
            out.push((end, id));
            true
        });
        assert!(out.is_sorted_by_key(|m| m.0), "{out:?}");
        let mut once = BTreeSet::new();
        s.scan_once(hay, &mut scratch, |id, end| {
            assert!(once.insert(id), "{id} twice");
            assert!(out.contains(&(end, id)));
            true
        });
        assert_eq!(once, out.iter().map(|m| m.1).collect());
        let mut n = 0;
        s.scan(hay, &mut scratch, |_, _| {
            n += 1;
            false
        });
        assert_eq!(n, usize::from(!out.is_empty()));
        out.sort_unstable();
        out
    }

    #[test]
    fn literals_and_regexes_in_order() {
        let s = set(&[(b"ab", 1), (b"c", 2)], &[(b"ab+", 3), (b"x\\d{2,3}", 4), (b"^a", 5), (b"c$", 6)]);
        assert_eq!(
            all(&s, b"abbc x1234 c"),
            [(1, 5), (2, 1), (2, 3), (3, 3), (4, 2), (8, 4), (9, 4), (12, 2), (12, 6)]
        );
        assert_eq!(all(&s, b""), []);
    }

    #[test]
    fn bad_ones_are_told_and_left_out() {
        let mut b = SetBuilder::new();
        b.add(b"one", false, 1).unwrap();
        let e = b.add(b"", false, 2).unwrap_err();
        assert_eq!((e.index, e.why), (1, Why::Literal(PatternError::Empty)));
        let e = b.add_regex(b"ab(c", Flags::default(), 3).unwrap_err();
        assert_eq!((e.index, matches!(e.why, Why::Regex(e) if e.at == 4)), (2, true));
        assert_eq!(b.add_regex(b"(a)\\1", Flags::default(), 3).unwrap_err().index, 3);
        b.add_regex(b"t.o", Flags::default(), 4).unwrap();
        assert_eq!(all(&b.build(), b"one two"), [(3, 1), (7, 4)]);
    }

    #[test]
    fn without_its_trigger_a_regex_costs_nothing() {
        let s = set(&[], &[(b"(?:\\w+\\s)*needle.*x", 1)]);
        let mut scratch = SetScratch::for_set(&s);
        s.scan(&b"some words and more of them x ".repeat(50), &mut scratch, |_, _| true);
        assert_eq!(scratch.work(), 0);
        assert_eq!(all(&s, b"a needle x x"), [(10, 1), (12, 1)]);
    }
}
