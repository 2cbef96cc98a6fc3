//! Which transaction is the open stream with a number: stream numbers of one flow go in, slab indices come out.
//!
//! A peer opens thousands of streams and names any of them in a frame of 13 bytes, so a walk of the live transactions
//! for every frame is quadratic. Owns a table in the byte pool: open addressing, at most half full, under a secret,
//! because the peer chooses the numbers.

use crate::app::TxIdx;
use crate::pool::{BytePool, PBuf};

/// Bytes of an entry: number, index. Streams that clients may open begin at 1, so 0 marks a free place.
const ENTRY: usize = 8;
/// Places of the first table.
const FIRST: usize = 8;

/// The open streams of one flow.
#[derive(Debug, Default)]
pub struct Streams {
    table: PBuf,
    len: usize,
}

impl Streams {
    /// Open streams.
    pub fn len(&self) -> usize {
        self.len
    }

    fn places(&self) -> usize {
        self.table.len() / ENTRY
    }

    fn start(&self, id: u32, secret: u64) -> usize {
        let m = u128::from(secret ^ u64::from(id)) * u128::from(secret.rotate_left(29) | 1);
        ((m as u64) ^ (m >> 64) as u64) as usize & self.places().wrapping_sub(1)
    }

    fn entry(table: &[u8], at: usize) -> (u32, TxIdx) {
        match table.get(at * ENTRY..).and_then(|t| t.first_chunk::<ENTRY>()) {
            Some([a, b, c, d, e, f, g, h]) => {
                (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes([*e, *f, *g, *h]))
            }
            None => (0, 0),
        }
    }

    fn set(table: &mut [u8], at: usize, (id, tx): (u32, TxIdx)) {
        if let Some(to) = table.get_mut(at * ENTRY..(at + 1) * ENTRY) {
            to[..4].copy_from_slice(&id.to_le_bytes());
            to[4..].copy_from_slice(&tx.to_le_bytes());
        }
    }

    /// Its place, or the free place where it would be.
    fn place(&self, pool: &BytePool, id: u32, secret: u64) -> usize {
        let (table, mask) = (self.table.get(pool), self.places().wrapping_sub(1));
        let mut at = self.start(id, secret);
        loop {
            match Self::entry(table, at).0 {
                0 => return at,
                e if e == id => return at,
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The transaction of an open stream.
    pub fn get(&self, pool: &BytePool, id: u32, secret: u64) -> Option<TxIdx> {
        if self.len == 0 || id == 0 {
            return None;
        }
        let (found, tx) = Self::entry(self.table.get(pool), self.place(pool, id, secret));
        (found == id).then_some(tx)
    }

    /// Notes a stream that is not open yet. `false` if the pool is full.
    pub fn insert(&mut self, pool: &mut BytePool, id: u32, tx: TxIdx, secret: u64) -> bool {
        if (self.len + 1) * 2 > self.places() && !self.grow(pool, secret) {
            return false;
        }
        let at = self.place(pool, id, secret);
        Self::set(self.table.get_mut(pool), at, (id, tx));
        self.len += 1;
        true
    }

    fn grow(&mut self, pool: &mut BytePool, secret: u64) -> bool {
        let places = (self.places() * 2).max(FIRST);
        let mut fresh = PBuf::new();
        if fresh.resize(pool, places * ENTRY).is_err() {
            return false;
        }
        let mut old = core::mem::replace(&mut self.table, fresh);
        for i in 0..old.len() / ENTRY {
            let e = Self::entry(old.get(pool), i);
            if e.0 != 0 {
                let at = self.place(pool, e.0, secret);
                Self::set(self.table.get_mut(pool), at, e);
            }
        }
        old.free(pool);
        true
    }

    /// Forgets a stream. What was put behind it for want of its place moves up, so no place is ever dead.
    pub fn remove(&mut self, pool: &mut BytePool, id: u32, secret: u64) {
        if self.len == 0 || id == 0 {
            return;
        }
        let mask = self.places().wrapping_sub(1);
        let mut hole = self.place(pool, id, secret);
        if Self::entry(self.table.get(pool), hole).0 != id {
            return;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let e = Self::entry(self.table.get(pool), at);
            if e.0 == 0 {
                break;
            }
            // It may move if its first choice is not between the hole and its place.
            let first = self.start(e.0, secret);
            if at.wrapping_sub(first) & mask >= at.wrapping_sub(hole) & mask {
                Self::set(self.table.get_mut(pool), hole, e);
                hole = at;
            }
        }
        Self::set(self.table.get_mut(pool), hole, (0, 0));
        self.len -= 1;
        // The smallest one stays: many a client has one stream open at a time.
        if self.len == 0 && self.places() > FIRST {
            self.table.free(pool);
        }
    }

    /// Gives the memory back.
    pub fn free(&mut self, pool: &mut BytePool) {
        self.table.free(pool);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_map(ops in prop::collection::vec((0u8..3, 1u32..60), 0..300), secret: u64) {
            let mut pool = BytePool::new(1 << 14);
            let (mut s, mut want) = (Streams::default(), BTreeMap::new());
            for (n, (op, id)) in ops.into_iter().enumerate() {
                match op {
                    0 | 1 if !want.contains_key(&id) => {
                        prop_assert!(s.insert(&mut pool, id, n as u32, secret));
                        want.insert(id, n as u32);
                    }
                    2 => {
                        s.remove(&mut pool, id, secret);
                        want.remove(&id);
                    }
                    _ => {}
                }
                prop_assert_eq!(s.len(), want.len());
                for id in 1..60 {
                    prop_assert_eq!(s.get(&pool, id, secret), want.get(&id).copied());
                }
            }
            s.free(&mut pool);
            prop_assert_eq!(pool.in_use(), 0);
        }
    }

    #[test]
    fn a_full_pool_refuses() {
        let mut pool = BytePool::new(1 << 10);
        let mut s = Streams::default();
        let kept = (1..1000u32).take_while(|i| s.insert(&mut pool, *i, *i, 7)).count() as u32;
        assert!(kept > 8 && kept < 999);
        assert!((1..=kept).all(|i| s.get(&pool, i, 7) == Some(i)));
    }
}
