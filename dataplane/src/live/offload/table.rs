//! Flows in hardware: what workers ask becomes rules, and what rules count becomes what workers are told.
//!
//! In: [`Ask`]s, and what hardware says of its rules. Out: rules, [`Order::Fold`]s into mailboxes. Owns the hardware's rules for
//! flows: both directions of one or none.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Ask, Asks, Counters, Direction, Fate, FlowOffload, Refused};
use crate::live::now_ns;
use crate::live::worker::{Mailbox, Order};

/// A flow in hardware.
#[derive(Debug)]
struct Entry {
    token: u64,
    rules: [Option<u32>; 2],
    /// What was folded already, per direction.
    told: [(u64, u64); 2],
}

pub(super) struct Table {
    pub hw: Box<dyn FlowOffload>,
    workers: Vec<(Asks, Arc<Mailbox>)>,
    counters: Arc<Counters>,
    age_s: u32,
    /// By worker and flow.
    flows: HashMap<(usize, u64), Entry>,
    tokens: HashMap<u64, (usize, u64)>,
    next: u64,
}

impl Table {
    pub fn new(
        hw: Box<dyn FlowOffload>,
        workers: Vec<(Asks, Arc<Mailbox>)>,
        counters: Arc<Counters>,
        age_s: u32,
    ) -> Table {
        Table { hw, workers, counters, age_s, flows: HashMap::new(), tokens: HashMap::new(), next: 1 }
    }

    /// Does what workers ask; whether there was anything.
    pub fn serve(&mut self) -> bool {
        let mut any = false;
        for w in 0..self.workers.len() {
            let asks = self.workers[w].0.clone();
            while let Some(a) = asks.pop() {
                any = true;
                match a {
                    Ask::Flow { id, fate, directions } => self.insert(w, id, fate, &directions),
                    Ask::Ended(id) => self.remove((w, id)),
                    Ask::Clear => self.clear(Some(w)),
                }
            }
        }
        any
    }

    fn insert(&mut self, w: usize, id: u64, fate: Fate, directions: &[Direction; 2]) {
        if self.flows.contains_key(&(w, id)) {
            return;
        }
        let token = self.next;
        self.next += 1;
        let mut e = Entry { token, rules: [None; 2], told: [(0, 0); 2] };
        for (d, slot) in directions.iter().zip(&mut e.rules) {
            match self.hw.insert(d, fate, self.age_s, token) {
                Ok(rule) => {
                    *slot = Some(rule);
                    self.counters.made.fetch_add(1, Ordering::Relaxed);
                    self.counters.rules.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    let c =
                        if why == Refused::Full { &self.counters.full } else { &self.counters.unsupported };
                    c.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
        // Half a flow in hardware would be half a flow in the record: both directions or none.
        if e.rules.iter().any(Option::is_none) {
            for r in e.rules.into_iter().flatten() {
                self.take(r);
            }
            return;
        }
        self.tokens.insert(token, (w, id));
        self.flows.insert((w, id), e);
    }

    fn take(&mut self, rule: u32) {
        self.hw.remove(rule);
        self.counters.removed.fetch_add(1, Ordering::Relaxed);
        self.counters.rules.fetch_sub(1, Ordering::Relaxed);
    }

    /// Folds what a flow's rules counted since they were asked last.
    fn fold(&mut self, at: (usize, u64)) {
        let Some(e) = self.flows.get_mut(&at) else { return };
        let (mut pkts, mut bytes, mut now) = ([0; 2], [0; 2], e.told);
        for d in 0..2 {
            if let Some((p, b)) = e.rules[d].and_then(|r| self.hw.count(r)) {
                pkts[d] = p.saturating_sub(e.told[d].0);
                bytes[d] = b.saturating_sub(e.told[d].1);
                now[d] = (p, b);
            }
        }
        if pkts == [0; 2] {
            return;
        }
        // A full mailbox is tried again at the next sweep: nothing is noted as told until it is.
        let order = Order::Fold { id: at.1, pkts, bytes, last: now_ns() };
        if self.workers[at.0].1.orders.push(order).is_ok() {
            e.told = now;
            self.counters.packets.fetch_add(pkts[0] + pkts[1], Ordering::Relaxed);
            self.counters.bytes.fetch_add(bytes[0] + bytes[1], Ordering::Relaxed);
        }
    }

    fn remove(&mut self, at: (usize, u64)) {
        // The mailbox may be full for a moment.
        for _ in 0..50 {
            self.fold(at);
            if !self.workers[at.0].1.orders.is_full() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(e) = self.flows.remove(&at) {
            self.tokens.remove(&e.token);
            for r in e.rules.into_iter().flatten() {
                self.take(r);
            }
        }
    }

    /// Removes all rules, or those of one worker.
    pub fn clear(&mut self, worker: Option<usize>) {
        let all: Vec<_> = self.flows.keys().filter(|k| worker.is_none_or(|w| w == k.0)).copied().collect();
        for at in all {
            self.remove(at);
        }
    }

    /// Asks all counters, and which rules have aged.
    pub fn sweep(&mut self) {
        let mut old = Vec::new();
        self.hw.aged(&mut |token| old.push(token));
        for token in old {
            if let Some(&at) = self.tokens.get(&token) {
                self.counters.aged.fetch_add(1, Ordering::Relaxed);
                self.remove(at);
            }
        }
        let all: Vec<_> = self.flows.keys().copied().collect();
        for at in all {
            self.fold(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, key};
    use super::super::{Asks, directions};
    use super::*;
    use crossbeam_queue::ArrayQueue;

    fn table(room: usize) -> (Table, Fake, Arc<Mailbox>) {
        let fake = Fake::default();
        fake.0.lock().unwrap().room = room;
        let mail = Arc::new(Mailbox::default());
        let asks: Asks = Arc::new(ArrayQueue::new(16));
        let t = Table::new(Box::new(fake.clone()), vec![(asks, mail.clone())], Arc::default(), 10);
        (t, fake, mail)
    }

    #[test]
    fn both_directions_or_none() {
        let (mut t, fake, _) = table(3);
        let d = |n| directions(&key(n), 0, Some(1)).unwrap();
        t.insert(0, 1, Fate::Block, &d(1));
        t.insert(0, 2, Fate::Block, &d(2));
        assert_eq!(fake.0.lock().unwrap().rules.len(), 2, "the second flow had room for one direction only");
        assert_eq!(t.counters.full.load(Ordering::Relaxed), 1);
        t.insert(0, 1, Fate::Block, &d(1));
        assert_eq!(fake.0.lock().unwrap().rules.len(), 2, "it is there already");
        t.remove((0, 1));
        t.remove((0, 1));
        assert!(fake.0.lock().unwrap().rules.is_empty() && t.flows.is_empty() && t.tokens.is_empty());
        assert_eq!(t.counters.rules.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn counters_are_folded_once() {
        let (mut t, fake, mail) = table(10);
        t.insert(0, 7, Fate::Bypass, &directions(&key(1), 0, None).unwrap());
        for r in fake.0.lock().unwrap().rules.values_mut() {
            r.2 = (5, 500);
        }
        t.sweep();
        t.sweep();
        let Some(Order::Fold { id: 7, pkts: [5, 5], bytes: [500, 500], .. }) = mail.orders.pop() else {
            panic!("what was counted is told")
        };
        assert!(mail.orders.is_empty(), "and only once");
        fake.0.lock().unwrap().old.push(1);
        t.sweep();
        assert!(t.flows.is_empty(), "aged");
        t.insert(0, 8, Fate::Bypass, &directions(&key(2), 0, None).unwrap());
        t.clear(Some(1));
        assert_eq!(t.flows.len(), 1);
        t.clear(Some(0));
        assert!(t.flows.is_empty() && fake.0.lock().unwrap().rules.is_empty());
    }
}
