//! Datasets and reputation lists of rules while an engine runs: numbers of the rule set go in, answers come out.

use tidegate_core::Secret;
use tidegate_core::detect::RuleSet;
use tidegate_core::detect::inspect::Sets;
use tidegate_core::rules::ir::{DatasetOp, DatasetType};
use tidegate_core::rules::{HashSet, SetStore};

/// The sets of one engine.
pub struct EngineSets {
    sets: Vec<(DatasetType, Option<HashSet>)>,
    reputations: Vec<(DatasetType, Option<HashSet>)>,
}

impl EngineSets {
    /// Takes the memory of every set that `rules` name; values are hashed under `secret`.
    pub fn new(rules: &RuleSet, store: &SetStore, secret: Secret) -> EngineSets {
        let seed = secret.word(*b"datasets");
        let make = |name: &str, fixed: bool| store.get(name).map(|s| HashSet::new(s, fixed, seed));
        EngineSets {
            sets: rules.datasets().iter().map(|d| (d.kind, make(&d.name, false))).collect(),
            reputations: rules.datareps().iter().map(|d| (d.kind, make(&d.name, true))).collect(),
        }
    }

    /// Whether any rule uses a set.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.reputations.is_empty()
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

impl Sets for EngineSets {
    fn dataset(&mut self, set: u16, op: DatasetOp, value: &[u8]) -> bool {
        let Some((kind, Some(s))) = self.sets.get_mut(usize::from(set)) else {
            return op == DatasetOp::IsNotSet;
        };
        let mut room = [0; 16];
        let value = key(*kind, value, &mut room);
        match op {
            DatasetOp::IsSet => s.contains(value),
            DatasetOp::IsNotSet => !s.contains(value),
            DatasetOp::Set => s.insert(value),
            DatasetOp::Unset => s.remove(value),
        }
    }

    fn reputation(&mut self, set: u16, value: &[u8]) -> Option<u16> {
        let (kind, s) = self.reputations.get(usize::from(set))?;
        let mut room = [0; 16];
        s.as_ref()?.get(key(*kind, value, &mut room)).map(|f| f.reputation)
    }
}
