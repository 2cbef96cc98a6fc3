//! Block lists in hardware: each network is two rules of every port, one for packets from it and one for packets to it.
//!
//! In: lists, left by the manager in [`super::NewList`]. Out: rules, and counters. Owns the rules for networks: all of a
//! network's or none. A new list changes what differs only. When hardware is full the narrower networks are left out until
//! the next list; software has the whole list anyway.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{FlowOffload, NewList, Refused, Side};
use crate::live::blocklist::{BlockList, Network};

/// Networks put in or taken out between two looks at what workers ask.
const STEP: usize = 256;
/// Networks whose counters are asked for in one sweep.
const ASKED: usize = 8192;

/// Counters of networks in hardware.
#[derive(Debug, Default)]
pub struct Counters {
    /// Networks whose rules are all there.
    pub in_hardware: AtomicU64,
    /// Those of them that are not counted, in part at least.
    pub uncounted: AtomicU64,
    pub made: AtomicU64,
    pub removed: AtomicU64,
    pub full: AtomicU64,
    pub unsupported: AtomicU64,
    pub packets: AtomicU64,
    pub bytes: AtomicU64,
}

/// The manager's side: where it leaves lists and looks at counters.
#[derive(Clone, Debug)]
pub struct BlocksOffload {
    pub lists: NewList,
    pub counters: Arc<Counters>,
}

/// A network's rules, and what they had counted when they were asked last.
#[derive(Debug)]
struct Entry {
    rules: Vec<(u32, (u64, u64))>,
    counted: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Blocks {
    new: NewList,
    counters: Arc<Counters>,
    held: HashMap<Network, Entry>,
    /// What is to be taken out and, after that, to be put in, the last first.
    gone: Vec<Network>,
    todo: Vec<Network>,
    /// Networks in turn to be asked for their counters.
    asked: Vec<Network>,
}

fn add(c: &AtomicU64, n: u64) {
    c.fetch_add(n, Ordering::Relaxed);
}

impl Blocks {
    pub fn new(new: NewList, counters: Arc<Counters>) -> Blocks {
        Blocks { new, counters, held: HashMap::new(), gone: Vec::new(), todo: Vec::new(), asked: Vec::new() }
    }

    /// Does a part of what is to be done; whether there was anything.
    pub fn step(&mut self, hw: &mut dyn FlowOffload) -> bool {
        if let Some(list) = self.new.take() {
            self.plan(&list);
        }
        let mut any = false;
        for _ in 0..STEP {
            if let Some(n) = self.gone.pop() {
                self.remove(hw, &n);
            } else if let Some(n) = self.todo.pop() {
                self.insert(hw, n);
            } else {
                break;
            }
            any = true;
        }
        any
    }

    fn plan(&mut self, list: &BlockList) {
        let wanted = list.networks();
        let set: HashSet<Network> = wanted.iter().copied().collect();
        self.gone = self.held.keys().filter(|n| !set.contains(n)).copied().collect();
        // Popped from the end: the widest first.
        self.todo = wanted.into_iter().filter(|n| !self.held.contains_key(n)).rev().collect();
    }

    fn insert(&mut self, hw: &mut dyn FlowOffload, network: Network) {
        let mut rules = Vec::new();
        for port in hw.ports() {
            for side in [Side::Src, Side::Dst] {
                match hw.block(&network, side, port) {
                    Ok(r) => rules.push((r, (0, 0))),
                    Err(why) => {
                        rules.into_iter().for_each(|(r, _)| hw.remove(r));
                        if why == Refused::Full {
                            // The rest would meet the same.
                            add(&self.counters.full, 1 + self.todo.len() as u64);
                            self.todo.clear();
                        } else {
                            add(&self.counters.unsupported, 1);
                        }
                        return;
                    }
                }
            }
        }
        let counted = rules.iter().all(|(r, _)| hw.count(*r).is_some());
        add(&self.counters.uncounted, u64::from(!counted));
        add(&self.counters.made, rules.len() as u64);
        add(&self.counters.in_hardware, 1);
        self.held.insert(network, Entry { rules, counted });
    }

    fn fold(&mut self, hw: &mut dyn FlowOffload, network: &Network) {
        let Some(e) = self.held.get_mut(network) else { return };
        for (rule, told) in &mut e.rules {
            if let Some(now) = hw.count(*rule) {
                add(&self.counters.packets, now.0.saturating_sub(told.0));
                add(&self.counters.bytes, now.1.saturating_sub(told.1));
                *told = now;
            }
        }
    }

    fn remove(&mut self, hw: &mut dyn FlowOffload, network: &Network) {
        self.fold(hw, network);
        let Some(e) = self.held.remove(network) else { return };
        add(&self.counters.removed, e.rules.len() as u64);
        e.rules.into_iter().for_each(|(r, _)| hw.remove(r));
        self.counters.in_hardware.fetch_sub(1, Ordering::Relaxed);
        self.counters.uncounted.fetch_sub(u64::from(!e.counted), Ordering::Relaxed);
    }

    /// Asks some networks' rules what met them.
    pub fn sweep(&mut self, hw: &mut dyn FlowOffload) {
        if self.asked.is_empty() {
            self.asked.extend(self.held.keys());
        }
        for _ in 0..ASKED {
            let Some(n) = self.asked.pop() else { break };
            self.fold(hw, &n);
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self, hw: &mut dyn FlowOffload) {
        self.todo.clear();
        self.gone = self.held.keys().copied().collect();
        while self.step(hw) {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use super::*;

    fn list(all: &[&str]) -> Arc<BlockList> {
        let all: Vec<Network> = all.iter().map(|n| Network::parse(n).unwrap()).collect();
        Arc::new(BlockList::new(&all))
    }

    fn hardware(room: usize) -> (Blocks, Fake) {
        let fake = Fake::default();
        fake.0.lock().unwrap().room = room;
        (Blocks::new(NewList::default(), Arc::default()), fake)
    }

    fn work(b: &mut Blocks, hw: &mut Fake) {
        while b.step(hw) {}
    }

    fn get(c: &AtomicU64) -> u64 {
        c.load(Ordering::Relaxed)
    }

    /// Every network of hardware has all its rules, and the counters say what is there.
    fn sound(b: &Blocks, hw: &Fake) {
        let s = hw.0.lock().unwrap();
        assert_eq!(s.blocks.len() as u64, 4 * get(&b.counters.in_hardware));
        assert_eq!(get(&b.counters.made) - get(&b.counters.removed), s.blocks.len() as u64);
        assert_eq!(b.held.len() as u64, get(&b.counters.in_hardware));
        for n in b.held.keys() {
            let mut kinds: Vec<_> =
                s.blocks.values().filter(|r| r.0 == *n).map(|r| (r.2, r.1 == Side::Dst)).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, [(0, false), (0, true), (1, false), (1, true)]);
        }
    }

    #[test]
    fn a_new_list_changes_what_differs() {
        let (mut b, mut hw) = hardware(1000);
        b.new.set(list(&["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]));
        work(&mut b, &mut hw);
        sound(&b, &hw);
        assert_eq!(get(&b.counters.in_hardware), 3);
        b.new.set(list(&["10.0.0.0/8", "198.51.100.0/24"]));
        work(&mut b, &mut hw);
        sound(&b, &hw);
        assert_eq!((get(&b.counters.made), get(&b.counters.removed)), (16, 8));
        b.new.set(list(&[]));
        work(&mut b, &mut hw);
        assert!(hw.0.lock().unwrap().blocks.is_empty());
        sound(&b, &hw);
        assert!(!b.step(&mut hw), "nothing is left to do");
    }

    #[test]
    fn full_hardware_keeps_the_widest() {
        // Nine rules: two networks and a quarter.
        let (mut b, mut hw) = hardware(9);
        b.new.set(list(&["192.0.2.1", "10.0.0.0/8", "198.51.100.0/24", "203.0.113.7"]));
        work(&mut b, &mut hw);
        sound(&b, &hw);
        let mut held: Vec<String> = b.held.keys().map(Network::to_string).collect();
        held.sort();
        assert_eq!(held, ["10.0.0.0/8", "198.51.100.0/24"]);
        assert_eq!(get(&b.counters.full), 2);
        b.clear(&mut hw);
        assert!(hw.0.lock().unwrap().blocks.is_empty() && get(&b.counters.in_hardware) == 0);
    }

    #[test]
    fn what_is_not_understood_is_left_out_alone() {
        let (mut b, mut hw) = hardware(1000);
        hw.0.lock().unwrap().v4_only = true;
        b.new.set(list(&["2001:db8::/32", "10.0.0.0/8", "2001:dba::/32"]));
        work(&mut b, &mut hw);
        sound(&b, &hw);
        assert_eq!((get(&b.counters.in_hardware), get(&b.counters.unsupported)), (1, 2));
    }

    #[test]
    fn packets_are_counted_once() {
        let (mut b, mut hw) = hardware(1000);
        b.new.set(list(&["10.0.0.0/8", "11.0.0.0/9"]));
        work(&mut b, &mut hw);
        let meet = |hw: &Fake| {
            hw.0.lock().unwrap().blocks.values_mut().for_each(|r| {
                r.3.0 += 2;
                r.3.1 += 200;
            })
        };
        meet(&hw);
        b.sweep(&mut hw);
        b.sweep(&mut hw);
        assert_eq!((get(&b.counters.packets), get(&b.counters.bytes)), (16, 1600));
        meet(&hw);
        b.new.set(list(&[]));
        work(&mut b, &mut hw);
        assert_eq!((get(&b.counters.packets), get(&b.counters.bytes)), (32, 3200), "the last ones, too");
    }
}
