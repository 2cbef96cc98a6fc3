//! A table of fixed size whose entries have a few places each. Memory that no entry has needed is not touched.

use alloc::vec::Vec;

/// Entries by hash, `WAYS` places for each.
pub(super) struct Table<T, const WAYS: usize> {
    /// Number of the entry of each place, plus one; 0: none.
    places: Vec<u32>,
    /// As many as there are places, at most.
    entries: Vec<T>,
    evicted: u64,
}

/// Where an entry is.
pub(super) enum Found {
    Here(usize),
    /// Not there: room for it, free or of the entry that is given up for it.
    Room(Room),
}

/// A place to be filled by [`Table::put`].
pub(super) struct Room {
    place: usize,
    /// The entry that goes.
    pub old: Option<usize>,
}

impl<T, const WAYS: usize> Table<T, WAYS> {
    /// As many as `bytes` have room for, but one group of places at least.
    pub fn new(bytes: usize) -> Self {
        let n = (bytes / (size_of::<T>() + 4) / WAYS).max(1) * WAYS;
        Table { places: alloc::vec![0; n], entries: Vec::with_capacity(n), evicted: 0 }
    }

    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Looks for the entry that `is` knows; `last` says when one was used, so that the one idle for longest gives way.
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool, last: impl Fn(&T) -> u64) -> Found {
        let from = (hash % (self.places.len() / WAYS) as u64) as usize * WAYS;
        let mut room = Room { place: from, old: None };
        let mut oldest = u64::MAX;
        for place in from..from + WAYS {
            let entry = self.places[place].checked_sub(1).map(|i| i as usize);
            match entry.and_then(|i| Some((i, self.entries.get(i)?))) {
                Some((i, e)) if is(e) => return Found::Here(i),
                Some((i, e)) if last(e) < oldest => {
                    oldest = last(e);
                    room = Room { place, old: Some(i) };
                }
                Some(_) => {}
                // Places are filled from the front: what follows is free, too.
                None => return Found::Room(Room { place, old: None }),
            }
        }
        Found::Room(room)
    }

    /// Puts an entry into its room; its number.
    pub fn put(&mut self, room: &Room, entry: T) -> usize {
        match room.old {
            Some(i) => {
                self.evicted += 1;
                self.entries[i] = entry;
                i
            }
            None => {
                self.entries.push(entry);
                self.places[room.place] = self.entries.len() as u32;
                self.entries.len() - 1
            }
        }
    }

    pub fn at(&mut self, i: usize) -> &mut T {
        &mut self.entries[i]
    }

    /// All entries, in the order in which they came.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }
}
