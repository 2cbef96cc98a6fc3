//! Queue pairs of all flows of an engine: who sends requests to one, and which sequence number comes next. A sender
//! chooses its UDP port as it likes, so a flow alone does not show that somebody else speaks for it.
//!
//! In: requests of connected services. Out: what is out of order about them. Owns a table of 1,000 places in the memory
//! for records, a quarter of it when that is first needed; of two pairs in the same place the older one is forgotten.

use crate::app::AppConfig;
use crate::keyed::Sip13;
use crate::packet::Addr;
use crate::pool::Records;

/// Pairs of a quarter: two quarters fit into a page.
const PLACES: usize = 250;
const QUARTERS: usize = 4;
/// Sequence numbers have 24 bits.
const PSN: u32 = 0xff_ffff;
/// A pair that was silent for so long may be used by another peer, ns.
const STALE: u64 = 10_000_000_000;
/// Least path MTU (256 bytes): how many numbers a READ may take for its answer.
const MTU_SHIFT: u32 = 8;

/// What is out of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// Numbers that were skipped.
    pub gap: u32,
    /// Another source than before.
    pub source: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    key: u64,
    last: u64,
    source: u32,
    next: u32,
    /// How much further than `next` the next number may be.
    slack: u32,
}

#[derive(Debug)]
struct Quarter([Pair; PLACES]);

impl Default for Quarter {
    fn default() -> Self {
        Quarter([Pair::default(); PLACES])
    }
}

/// The table.
#[derive(Debug)]
pub struct Pairs {
    hash: Sip13,
    memory: Records<Quarter>,
    /// Numbers of the quarters + 1; 0: not needed yet.
    quarters: [u32; QUARTERS],
    /// Pairs that were in use and forgotten for another in the same place.
    pub(super) evicted: u64,
}

fn words(a: &Addr) -> [u64; 2] {
    let half = |at: usize| a.0.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    [half(0), half(8)]
}

impl Pairs {
    pub fn new(cfg: &AppConfig) -> Self {
        let hash = Sip13::new([cfg.seed, !cfg.seed]);
        Pairs { hash, memory: Records::new(&cfg.arena(), QUARTERS), quarters: [0; QUARTERS], evicted: 0 }
    }

    /// The place of a key.
    fn place(&mut self, key: u64) -> Option<&mut Pair> {
        let q = self.quarters.get_mut(key as usize % QUARTERS)?;
        if *q == 0 {
            *q = self.memory.alloc()? + 1;
        }
        self.memory.get_mut(*q - 1).0.get_mut((key >> 32) as usize % PLACES)
    }

    /// A request from `source` to queue pair `qp` of `to`; a READ asks for `read` bytes.
    pub fn request(
        &mut self,
        (source, to): (&Addr, &Addr),
        (qp, psn): (u32, u32),
        read: u32,
        now: u64,
    ) -> Odd {
        let [a, b] = words(to);
        // 0 is the key of no pair.
        let key = self.hash.words([a, b, u64::from(qp)]).max(1);
        let [a, b] = words(source);
        let source = self.hash.words([a, b, 0]) as u32;
        let Some(p) = self.place(key) else { return Odd::default() };
        let fresh = now.saturating_sub(p.last) < STALE;
        let (known, lost) = (p.key == key && fresh, p.key != 0 && p.key != key && fresh);
        let mut odd = Odd::default();
        if known {
            odd.source = p.source != source;
            // Behind what is expected is a repetition; so is half of all numbers.
            let ahead = psn.wrapping_sub(p.next) & PSN;
            if ahead > p.slack && ahead <= PSN / 2 {
                odd.gap = ahead;
            }
        }
        // Who sends out of order does not become the one that is expected.
        if !(known && odd.source) {
            let slack = if read > 0 { read >> MTU_SHIFT } else { 0 };
            *p = Pair { key, source, next: psn.wrapping_add(1) & PSN, slack, last: now };
            self.evicted += u64::from(lost);
        }
        odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sources() {
        let addr = |n: u8| Addr([n; 16]);
        let (a, b, evil) = (addr(1), addr(2), addr(66));
        let mut p = Pairs::new(&AppConfig::default());
        let mut at = |s: &Addr, psn, read, now| p.request((s, &b), (690, psn), read, now);
        let fine = Odd::default();
        assert_eq!(at(&a, 0xff_fffe, 0, 1), fine);
        assert_eq!(at(&a, 0xff_ffff, 0, 2), fine);
        assert_eq!(at(&a, 0, 4096, 3), fine);
        // Four packets of 1,024 bytes were the answer.
        assert_eq!(at(&a, 4, 0, 4), fine);
        assert_eq!(at(&a, 3, 0, 5), fine, "a repetition");
        assert_eq!(at(&a, 4, 0, 6), fine);
        assert_eq!(at(&a, 105, 0, 7), Odd { gap: 100, source: false });
        assert_eq!(at(&evil, 106, 0, 8), Odd { gap: 0, source: true });
        assert_eq!(at(&a, 106, 0, 9), fine);
        assert_eq!(at(&evil, 9, 0, 9 + STALE), fine, "after a long silence a pair is another's");
    }

    /// A pair in use that another one in its place pushes out is counted.
    #[test]
    fn what_is_pushed_out_counts() {
        let addr = |n: u32| {
            let mut a = Addr([0; 16]);
            a.0[..4].copy_from_slice(&n.to_be_bytes());
            a
        };
        let mut p = Pairs::new(&AppConfig::default());
        for n in 0..900 {
            p.request((&addr(1), &addr(n)), (7, 1), 0, 1);
        }
        let few = p.evicted;
        assert!(few > 0 && few < 900, "{few}");
        for n in 900..5000 {
            p.request((&addr(1), &addr(n)), (7, 1), 0, 1);
        }
        // All but those that still have a place, of 1,000.
        assert!((4000..4050).contains(&p.evicted), "{}", p.evicted);
    }
}
