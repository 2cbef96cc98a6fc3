//! Transactions of one protocol: a slab of them, chained per flow in order of their number.
//!
//! In: requests for new ones. Out: slab indices. Owns the transactions of all flows of one parser.

use super::{TxCommon, TxIdx};
use crate::pool::{BytePool, Slab};

const NIL: u32 = u32::MAX;

/// A transaction: what every protocol has, and what this one has.
#[derive(Debug)]
pub struct Tx<T> {
    pub common: TxCommon,
    pub own: T,
    next: u32,
}

impl<T: Default> Default for Tx<T> {
    fn default() -> Self {
        Tx { common: TxCommon::default(), own: T::default(), next: NIL }
    }
}

/// The transactions of one flow.
#[derive(Clone, Copy, Debug)]
pub struct TxList {
    head: u32,
    tail: u32,
    created: u64,
}

impl Default for TxList {
    fn default() -> Self {
        TxList { head: NIL, tail: NIL, created: 0 }
    }
}

impl TxList {
    /// Index of the youngest live transaction.
    pub fn last(&self) -> Option<TxIdx> {
        (self.tail != NIL).then_some(self.tail)
    }
    /// Index of the oldest live transaction.
    pub fn first(&self) -> Option<TxIdx> {
        (self.head != NIL).then_some(self.head)
    }
    /// Transactions created so far.
    pub fn created(&self) -> u64 {
        self.created
    }
}

/// All transactions of one protocol in one engine.
#[derive(Debug)]
pub struct Txs<T> {
    slab: Slab<Tx<T>>,
}

impl<T: Default> Txs<T> {
    /// Reserves `cap` transactions.
    pub fn new(cap: usize) -> Self {
        Txs { slab: Slab::new(cap) }
    }

    /// Appends a transaction to a flow, or `None` when all are taken. It is dirty in both directions.
    pub fn open(&mut self, list: &mut TxList, now: u64) -> Option<TxIdx> {
        let i = self.slab.alloc()?;
        self.slab.get_mut(i).common = TxCommon::new(list.created, now);
        list.created += 1;
        if list.tail == NIL {
            list.head = i;
        } else {
            self.slab.get_mut(list.tail).next = i;
        }
        list.tail = i;
        Some(i)
    }

    /// Index of transaction number `id`.
    pub fn find(&self, list: &TxList, id: u64) -> Option<TxIdx> {
        let mut i = list.head;
        while i != NIL {
            let t = self.slab.get(i);
            if t.common.id == id {
                return Some(i);
            }
            i = t.next;
        }
        None
    }

    /// Lowest live number and one past the highest ever created.
    pub fn bounds(&self, list: &TxList) -> (u64, u64) {
        let low = list.first().map_or(list.created, |i| self.slab.get(i).common.id);
        (low, list.created)
    }

    /// The live transactions, oldest first.
    pub fn iter(&self, list: &TxList) -> impl Iterator<Item = TxIdx> + '_ {
        let mut i = list.head;
        core::iter::from_fn(move || {
            let now = (i != NIL).then_some(i)?;
            i = self.slab.get(i).next;
            Some(now)
        })
    }

    pub fn get(&self, i: TxIdx) -> &Tx<T> {
        self.slab.get(i)
    }

    pub fn get_mut(&mut self, i: TxIdx) -> &mut Tx<T> {
        self.slab.get_mut(i)
    }

    /// Takes transaction `id` out; the caller frees what its own part holds.
    pub fn remove(&mut self, list: &mut TxList, id: u64, pool: &mut BytePool) -> Option<T> {
        let (mut prev, mut i) = (NIL, list.head);
        while i != NIL && self.slab.get(i).common.id != id {
            prev = i;
            i = self.slab.get(i).next;
        }
        if i == NIL {
            return None;
        }
        let next = self.slab.get(i).next;
        if prev == NIL {
            list.head = next;
        } else {
            self.slab.get_mut(prev).next = next;
        }
        if list.tail == i {
            list.tail = prev;
        }
        let t = self.slab.get_mut(i);
        t.common.release(pool);
        let own = core::mem::take(&mut t.own);
        self.slab.free(i);
        Some(own)
    }

    /// Live transactions of all flows.
    pub fn used(&self) -> usize {
        self.slab.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_when_others_go() {
        let mut pool = BytePool::new(1 << 12);
        let mut txs: Txs<u8> = Txs::new(3);
        let mut list = TxList::default();
        for n in 0..3 {
            let i = txs.open(&mut list, 0).unwrap();
            txs.get_mut(i).own = n;
        }
        assert!(txs.open(&mut list, 0).is_none());
        assert_eq!(txs.bounds(&list), (0, 3));
        assert_eq!(txs.remove(&mut list, 1, &mut pool), Some(1));
        assert_eq!(txs.find(&list, 1), None);
        assert_eq!(txs.remove(&mut list, 2, &mut pool), Some(2));
        assert_eq!(list.last(), list.first());
        let i = txs.open(&mut list, 0).unwrap();
        assert_eq!(txs.get(i).common.id, 3);
        assert_eq!(txs.iter(&list).count(), 2);
        assert_eq!(txs.remove(&mut list, 0, &mut pool), Some(0));
        assert_eq!(txs.remove(&mut list, 3, &mut pool), Some(0));
        assert_eq!(txs.bounds(&list), (4, 4));
        assert_eq!(txs.used(), 0);
    }
}
