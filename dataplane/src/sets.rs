//! Datasets and reputation lists of rules while engines run: numbers of the rule set go in, answers come out.
//!
//! All engines of a rule set share one copy. What a file brought is immutable and read without a lock; what rules or
//! callers add and take out meanwhile lies beside it behind a lock that nobody holds for longer than one look-up.
//! Memory is taken here and never grows: when the room for additions is full the newest value is refused and counted.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tidegate_core::Secret;
use tidegate_core::detect::inspect::Sets;
use tidegate_core::detect::{RuleSet, Rules};
use tidegate_core::rules::dataset::Entry;
use tidegate_core::rules::ir::{DatasetOp, DatasetType};
use tidegate_core::rules::{HashSet, LoadedSet, SetStore};

use crate::secret;

/// What was added to a set and taken out of it since it was read.
struct Changes {
    /// Values in either of the two: while there are none, no lock is asked for.
    count: AtomicUsize,
    refused: AtomicU64,
    /// Digest of the values that were saved last, 0 before: that file is no other source.
    saved: AtomicU64,
    /// Digests of those values, in ascending order: one of them that its file has no more was taken out by somebody.
    written: RwLock<Vec<u64>>,
    sets: RwLock<Changed>,
}

struct Changed {
    added: HashSet,
    removed: HashSet,
}

impl Changes {
    fn new(set: &LoadedSet, fixed: bool, key: u64) -> Changes {
        let empty = |hashsize| LoadedSet { entries: Vec::new(), hashsize, ..set.clone() };
        let gone = u32::try_from(set.entries.len()).unwrap_or(u32::MAX).clamp(1, 1 << 16);
        let sets = Changed {
            added: HashSet::new(&empty(set.hashsize), fixed, key),
            removed: HashSet::new(&empty(gone), fixed, key),
        };
        let zero = || AtomicU64::new(0);
        Changes {
            count: AtomicUsize::new(0),
            refused: zero(),
            saved: zero(),
            written: RwLock::default(),
            sets: RwLock::new(sets),
        }
    }
}

/// One set by name.
pub struct Dataset {
    name: String,
    kind: DatasetType,
    /// Digests of what it was read from, to know it again: how it is described, and its values.
    source: (u64, u64),
    base: Arc<HashSet>,
    changes: Arc<Changes>,
}

/// Why a value could not be added to a set or taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No rule names a set of that name.
    #[error("there is no such dataset")]
    NoSet,
    /// The room for changes is used up (`hashsize` of the dataset sets it).
    #[error("the dataset is full: a larger hashsize makes room")]
    Full,
}

fn digest(of: &impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    of.hash(&mut h);
    h.finish()
}

/// Digest of the values of a file; never 0.
fn values(entries: &[Entry]) -> u64 {
    let all: Vec<_> = entries.iter().map(|e| (&e.key, e.reputation, &e.context)).collect();
    digest(&all).max(1)
}

impl Dataset {
    fn new(set: &LoadedSet, fixed: bool, secret: Secret) -> Dataset {
        let key = secret.word(*b"datasets");
        Dataset {
            name: set.name.clone(),
            kind: set.kind,
            source: (
                digest(&(set.kind as u8, set.reputation, set.memcap, set.hashsize)),
                values(&set.entries),
            ),
            base: Arc::new(HashSet::new(set, true, key)),
            changes: Arc::new(Changes::new(set, fixed, key)),
        }
    }

    /// The same set as it was read, without changes. `fixed`: it never gets any.
    fn pristine(&self, empty: &LoadedSet, secret: Secret) -> Dataset {
        let key = secret.word(*b"datasets");
        Dataset {
            name: self.name.clone(),
            base: self.base.clone(),
            changes: Arc::new(Changes::new(empty, false, key)),
            ..*self
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> DatasetType {
        self.kind
    }

    /// Values that were refused because there was no room.
    pub fn refused(&self) -> u64 {
        self.changes.refused.load(Ordering::Relaxed)
    }

    /// Notes what its file has from now on, as it is read again.
    pub(crate) fn was_saved(&self, entries: &[Entry]) {
        self.changes.saved.store(values(entries), Ordering::Relaxed);
        let mut all: Vec<u64> = entries.iter().map(|e| digest(&e.key.as_slice())).collect();
        all.sort_unstable();
        *self.changes.written.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Whether it was made of what `fresh` was read from, or wrote that itself.
    fn is_source_of(&self, fresh: &Dataset) -> bool {
        let values = [self.source.1, self.changes.saved.load(Ordering::Relaxed)];
        self.name == fresh.name && self.source.0 == fresh.source.0 && values.contains(&fresh.source.1)
    }

    /// Takes what `old`, of another state of the file, learned and forgot.
    fn learn_from(&self, old: &Dataset) {
        let written = old.changes.written.read().unwrap_or_else(PoisonError::into_inner);
        let (mut buf, c) = (Vec::new(), old.changes.sets.read().unwrap_or_else(PoisonError::into_inner));
        // What there is no room for is counted in `refused`.
        c.added.for_each(&mut buf, |v| {
            if written.binary_search(&digest(&v)).is_err() {
                let _ = self.add(v);
            }
        });
        c.removed.for_each(&mut buf, |v| _ = self.remove(v));
    }

    /// Whether the set has the value, in the form that [`tidegate_core::rules::dataset::key`] makes of text.
    pub fn contains(&self, value: &[u8]) -> bool {
        if self.changes.count.load(Ordering::Acquire) == 0 {
            return self.base.contains(value);
        }
        let c = self.changes.sets.read().unwrap_or_else(PoisonError::into_inner);
        c.added.contains(value) || (self.base.contains(value) && !c.removed.contains(value))
    }

    /// Adds a value; whether it is new. An error if there is no room.
    pub fn add(&self, value: &[u8]) -> Result<bool, ChangeError> {
        if self.contains(value) {
            return Ok(false);
        }
        self.change(|base, c| if base { c.removed.remove(value) } else { c.added.insert(value) }, value)
    }

    /// Takes a value out; whether it was there. An error if there is no room to note that.
    pub fn remove(&self, value: &[u8]) -> Result<bool, ChangeError> {
        if !self.contains(value) {
            return Ok(false);
        }
        self.change(|base, c| if base { c.removed.insert(value) } else { c.added.remove(value) }, value)
    }

    fn change(&self, f: impl FnOnce(bool, &mut Changed) -> bool, value: &[u8]) -> Result<bool, ChangeError> {
        let mut c = self.changes.sets.write().unwrap_or_else(PoisonError::into_inner);
        let before = (c.added.refused, c.removed.refused);
        let done = f(self.base.contains(value), &mut c);
        let full = (c.added.refused, c.removed.refused) != before;
        self.changes.count.store(c.added.len() + c.removed.len(), Ordering::Release);
        drop(c);
        if full {
            self.changes.refused.fetch_add(1, Ordering::Relaxed);
            return Err(ChangeError::Full);
        }
        // Another thread may have been faster.
        Ok(done)
    }

    /// Every value, in no order.
    pub fn for_each(&self, mut f: impl FnMut(&[u8])) {
        let c = self.changes.sets.read().unwrap_or_else(PoisonError::into_inner);
        let mut buf = Vec::new();
        self.base.for_each(&mut buf, |v| {
            if !c.removed.contains(v) {
                f(v);
            }
        });
        c.added.for_each(&mut buf, f);
    }
}

impl std::fmt::Debug for Datasets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(Dataset::name)).finish()
    }
}

/// The sets that a rule set names, in the order of its numbers.
pub struct Datasets {
    sets: Vec<Option<Dataset>>,
    reputations: Vec<Option<Dataset>>,
    /// The sets as they are described, without their values.
    described: Vec<Option<LoadedSet>>,
    secret: Secret,
}

impl Default for Datasets {
    /// No sets.
    fn default() -> Self {
        let (sets, reputations, described) = (Vec::new(), Vec::new(), Vec::new());
        Datasets { sets, reputations, described, secret: secret::CAPTURES }
    }
}

impl Datasets {
    /// Values that were refused because there was no room, of all sets since they were made.
    pub fn refused(&self) -> u64 {
        self.sets.iter().flatten().map(Dataset::refused).sum()
    }

    /// Takes the memory of every set that `rules` name. A set that `before` has too, read from the same values or
    /// from those that it saved, goes on with what was added to it and taken out of it. So does one that is saved and whose
    /// file somebody changed meanwhile: what is learned is in memory until then. Others begin anew with what their file has.
    pub fn new(rules: &RuleSet, store: &SetStore, secret: Secret, before: Option<&Datasets>) -> Datasets {
        let kept = |fresh: Dataset, saved: bool| {
            let old = before.into_iter().flat_map(|b| b.sets.iter().flatten());
            let Some(old) = old.into_iter().find(|o| o.name == fresh.name && o.source.0 == fresh.source.0)
            else {
                return fresh;
            };
            if old.is_source_of(&fresh) {
                return Dataset { base: old.base.clone(), changes: old.changes.clone(), ..fresh };
            }
            if saved {
                fresh.learn_from(old);
            }
            fresh
        };
        let of = |name: &str| store.get(name);
        Datasets {
            sets: rules
                .datasets()
                .iter()
                .map(|d| of(&d.name).map(|s| kept(Dataset::new(s, false, secret), s.save.is_some())))
                .collect(),
            reputations: rules
                .datareps()
                .iter()
                .map(|d| of(&d.name).map(|s| Dataset::new(s, true, secret)))
                .collect(),
            described: rules
                .datasets()
                .iter()
                .map(|d| of(&d.name).map(|s| LoadedSet { entries: Vec::new(), ..s.clone() }))
                .collect(),
            secret,
        }
    }

    /// The same sets as they were read: for a run that must not see what another one added.
    pub fn fresh(&self) -> Datasets {
        let pristine = |(d, s): (&Option<Dataset>, &Option<LoadedSet>)| {
            d.as_ref().zip(s.as_ref()).map(|(d, s)| d.pristine(s, self.secret))
        };
        let shared = |d: &Dataset| Dataset {
            name: d.name.clone(),
            base: d.base.clone(),
            changes: d.changes.clone(),
            ..*d
        };
        Datasets {
            sets: self.sets.iter().zip(&self.described).map(pristine).collect(),
            reputations: self.reputations.iter().map(|d| d.as_ref().map(shared)).collect(),
            described: self.described.clone(),
            secret: self.secret,
        }
    }

    /// Whether any rule uses a set.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.reputations.is_empty()
    }

    /// The set of that name.
    pub fn get(&self, name: &str) -> Option<&Dataset> {
        self.all().find(|d| d.name == name)
    }

    /// Every set that rules look into or change.
    pub fn all(&self) -> impl Iterator<Item = &Dataset> {
        self.sets.iter().flatten()
    }

    /// Sets that are written back, with their files.
    pub fn saved(&self) -> impl Iterator<Item = (&Dataset, &str)> {
        self.sets.iter().zip(&self.described).filter_map(|(d, s)| {
            let d = d.as_ref()?;
            s.as_ref()?.save.as_deref().map(|f| (d, f))
        })
    }

    /// Rules with these sets, as engines take them.
    pub fn rules(self: &Arc<Self>, set: Arc<RuleSet>) -> Rules {
        Rules::new(set, self.clone())
    }
}

/// A value as its set keeps it: sets of both address families keep IPv4 addresses in the IPv6 form.
fn key<'v>(kind: DatasetType, value: &'v [u8], room: &'v mut [u8; 16]) -> &'v [u8] {
    match (kind, value) {
        (DatasetType::Ip, [a, b, c, d]) => {
            *room = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, *a, *b, *c, *d];
            room
        }
        _ => value,
    }
}

impl Sets for Datasets {
    fn dataset(&self, set: u16, op: DatasetOp, value: &[u8]) -> bool {
        let Some(Some(s)) = self.sets.get(usize::from(set)) else {
            return op == DatasetOp::IsNotSet;
        };
        let mut room = [0; 16];
        let value = key(s.kind, value, &mut room);
        match op {
            DatasetOp::IsSet => s.contains(value),
            DatasetOp::IsNotSet => !s.contains(value),
            DatasetOp::Set => s.add(value) == Ok(true),
            DatasetOp::Unset => s.remove(value) == Ok(true),
        }
    }

    fn reputation(&self, set: u16, value: &[u8]) -> Option<u16> {
        let s = self.reputations.get(usize::from(set))?.as_ref()?;
        let mut room = [0; 16];
        s.base.get(key(s.kind, value, &mut room)).map(|f| f.reputation)
    }

    fn context(&self, set: u16, value: &[u8], f: &mut dyn FnMut(&str)) {
        let Some(Some(s)) = self.sets.get(usize::from(set)) else { return };
        let mut room = [0; 16];
        if let Some(text) = s.base.get(key(s.kind, value, &mut room)).and_then(|found| found.context) {
            f(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn loaded(values: &[&[u8]]) -> LoadedSet {
        let entry = |v: &&[u8]| Entry { key: v.to_vec(), reputation: 0, context: None };
        LoadedSet {
            name: "s".into(),
            kind: DatasetType::String,
            reputation: false,
            entries: values.iter().map(entry).collect(),
            save: None,
            memcap: 0,
            hashsize: 64,
        }
    }

    proptest! {
        #[test]
        fn equals_a_set(ops in prop::collection::vec((any::<bool>(), 0u8..30), 0..100)) {
            let names: Vec<Vec<u8>> = (0..10u8).map(|n| vec![n; 3]).collect();
            let base: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            let d = Dataset::new(&loaded(&base), false, Secret::fixed(1));
            let mut want: BTreeSet<Vec<u8>> = names.iter().cloned().collect();
            for (add, n) in ops {
                let v = vec![n; 3];
                if add {
                    prop_assert_eq!(d.add(&v), Ok(want.insert(v)));
                } else {
                    prop_assert_eq!(d.remove(&v), Ok(want.remove(&v)));
                }
                for n in 0..30 {
                    prop_assert_eq!(d.contains(&[n; 3]), want.contains(&vec![n; 3]));
                }
            }
            let mut got = BTreeSet::new();
            d.for_each(|v| { got.insert(v.to_vec()); });
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn a_full_set_says_so() {
        let d = Dataset::new(&LoadedSet { memcap: 3 * 72, ..loaded(&[b"a"]) }, false, Secret::fixed(1));
        assert_eq!((d.add(b"b"), d.add(b"c"), d.add(b"d")), (Ok(true), Ok(true), Err(ChangeError::Full)));
        assert_eq!((d.refused(), d.contains(b"d")), (1, false));
    }
}
