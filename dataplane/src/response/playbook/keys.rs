//! What a playbook counts by (`count`, `within`, `by`): keys go in, whether the count is reached comes out. Owns a table of
//! fixed size.
//!
//! Who gives way when it is full: a key whose events are too long ago to count; else the one with the fewest events, the
//! longest idle of those. So keys that are seen once, as a flood makes them, push out each other and not what has been counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Rate, Times};

/// Keys at once.
pub(super) const KEYS: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Keys {
    times: HashMap<Arc<str>, Times>,
    /// The same keys: by the number of their events and the last one's time; by that time alone.
    by_count: BTreeSet<(usize, u64, Arc<str>)>,
    by_time: BTreeSet<(u64, Arc<str>)>,
    /// Keys that gave way while their events still counted.
    pub evicted: u64,
}

impl Keys {
    /// Counts an event under its key; whether that is enough. Then the count begins anew.
    pub fn count(&mut self, rate: Rate, key: &str, now: u64) -> bool {
        let (key, mut times) = match self.times.remove_entry(key) {
            Some((key, times)) => {
                self.unlist(&key, &times);
                (key, times)
            }
            None => {
                self.make_room(rate, now);
                (key.into(), Times::default())
            }
        };
        if times.add(rate, now) {
            return true;
        }
        self.by_count.insert((times.at.len(), times.latest, key.clone()));
        self.by_time.insert((times.latest, key.clone()));
        self.times.insert(key, times);
        false
    }

    fn make_room(&mut self, rate: Rate, now: u64) {
        if self.times.len() < KEYS {
            return;
        }
        let over = self.by_time.first().filter(|(last, _)| now.saturating_sub(*last) > rate.within);
        let over = over.map(|(_, key)| key.clone());
        self.evicted += u64::from(over.is_none());
        let Some(key) = over.or_else(|| self.by_count.first().map(|(_, _, key)| key.clone())) else { return };
        if let Some(times) = self.times.remove(&key) {
            self.unlist(&key, &times);
        }
    }

    fn unlist(&mut self, key: &Arc<str>, times: &Times) {
        self.by_count.remove(&(times.at.len(), times.latest, key.clone()));
        self.by_time.remove(&(times.latest, key.clone()));
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert!(self.by_count.len() == self.times.len() && self.by_time.len() == self.times.len());
        self.times.len()
    }
}
