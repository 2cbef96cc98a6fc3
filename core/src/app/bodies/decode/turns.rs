//! Who gives way when decoders of one kind are all taken.
//!
//! In: which slots are taken, by whom, and when they work. Out: the slots in the order in which they are to be given up.
//! Owns two lists through the slots: of all, and of each of [`HOSTS`] groups of clients, both in the order of last use.
//!
//! A client that holds more than an eighth of the slots (but always one) gives up its own, the longest idle first, the
//! client with the most before others. If there is no such client, then the longest idle slot of all gives way. So a
//! flood from one address costs others nothing, and one from many addresses costs those that rest longer than the
//! flood's own.

use alloc::vec;
use alloc::vec::Vec;

const NIL: u32 = u32::MAX;
/// Groups of clients, by keyed hash. Clients that share one share what they may hold.
const HOSTS: usize = 256;

/// A list's ends.
#[derive(Clone, Copy, Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
    count: u32,
}

impl Ends {
    const EMPTY: Ends = Ends { oldest: NIL, newest: NIL, count: 0 };
}

/// Places of a slot in its two lists: [`ALL`] and [`HOST`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    newer: [u32; 2],
    older: [u32; 2],
    host: u8,
    /// The chain that holds the slot.
    chain: u32,
}

const ALL: usize = 0;
const HOST: usize = 1;

#[derive(Debug)]
pub(super) struct Turns {
    slots: Vec<Turn>,
    all: Ends,
    hosts: Vec<Ends>,
    /// Most slots that a client may hold when others want some.
    share: u32,
}

impl Turns {
    pub(super) fn new(slots: usize) -> Self {
        let none = Turn { newer: [NIL; 2], older: [NIL; 2], host: 0, chain: NIL };
        Turns {
            slots: vec![none; slots],
            all: Ends::EMPTY,
            hosts: vec![Ends::EMPTY; HOSTS],
            share: (slots as u32 / 8).max(1),
        }
    }

    /// Bytes that a table takes beside its slots.
    pub(super) const FIXED: usize = HOSTS * size_of::<Ends>();

    fn ends(&mut self, list: usize, host: u8) -> &mut Ends {
        if list == ALL { &mut self.all } else { &mut self.hosts[usize::from(host)] }
    }

    /// `slot` was taken by `chain` for a client of group `host`.
    pub(super) fn take(&mut self, slot: u32, chain: u32, host: u8) {
        self.slots[slot as usize] = Turn { newer: [NIL; 2], older: [NIL; 2], host, chain };
        self.push(slot);
    }

    /// `slot` works.
    pub(super) fn touch(&mut self, slot: u32) {
        if self.all.newest != slot {
            self.give(slot);
            self.push(slot);
        }
    }

    fn push(&mut self, slot: u32) {
        let host = self.slots[slot as usize].host;
        for list in [ALL, HOST] {
            let e = self.ends(list, host);
            let before = core::mem::replace(&mut e.newest, slot);
            e.count += 1;
            if before == NIL {
                e.oldest = slot;
            } else {
                self.slots[before as usize].newer[list] = slot;
            }
            let t = &mut self.slots[slot as usize];
            (t.older[list], t.newer[list]) = (before, NIL);
        }
    }

    /// `slot` is free again.
    pub(super) fn give(&mut self, slot: u32) {
        let Turn { newer, older, host, .. } = self.slots[slot as usize];
        for list in [ALL, HOST] {
            let e = self.ends(list, host);
            e.count -= 1;
            if older[list] == NIL {
                e.oldest = newer[list];
            }
            if newer[list] == NIL {
                e.newest = older[list];
            }
            if older[list] != NIL {
                self.slots[older[list] as usize].newer[list] = newer[list];
            }
            if newer[list] != NIL {
                self.slots[newer[list] as usize].older[list] = older[list];
            }
        }
    }

    /// The chain that gives way, never `own`. Looks at every group, and at as many slots as `own` holds and one more.
    pub(super) fn victim(&self, own: u32) -> Option<u32> {
        let most = self.hosts.iter().max_by_key(|e| e.count).filter(|e| e.count > self.share);
        let of_host = most.and_then(|e| self.first(e.oldest, HOST, own));
        of_host.or_else(|| self.first(self.all.oldest, ALL, own))
    }

    fn first(&self, mut slot: u32, list: usize, own: u32) -> Option<u32> {
        while slot != NIL {
            let t = &self.slots[slot as usize];
            if t.chain != own {
                return Some(t.chain);
            }
            slot = t.newer[list];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The lists equal what a plain list of (slot, host) in order of use says.
        #[test]
        fn the_lists_are_in_order_of_use(ops in proptest::collection::vec((0u8..3, 0u32..16, 0u8..4), 0..200)) {
            let mut t = Turns::new(16);
            let mut plain: Vec<(u32, u8)> = Vec::new();
            for (op, slot, host) in ops {
                let at = plain.iter().position(|p| p.0 == slot);
                match (op, at) {
                    (0, None) => {
                        t.take(slot, slot, host);
                        plain.push((slot, host));
                    }
                    (1, Some(i)) => {
                        t.touch(slot);
                        let p = plain.remove(i);
                        plain.push(p);
                    }
                    (2, Some(i)) => {
                        t.give(slot);
                        plain.remove(i);
                    }
                    _ => {}
                }
                let held = |h: u8| plain.iter().filter(|p| p.1 == h).count();
                let most = (0..4).max_by_key(|&h| held(h)).filter(|&h| held(h) > 2);
                let expected = match most {
                    Some(m) => plain.iter().find(|p| p.1 == m),
                    None => plain.first(),
                };
                prop_assert_eq!(t.victim(NIL), expected.map(|p| p.0));
                let first = plain.first().map_or(NIL, |p| p.0);
                let other = t.victim(first);
                prop_assert!(other != Some(first));
                prop_assert_eq!(other.is_some(), plain.len() > 1);
            }
        }
    }
}
