//! Orders that were seen: names of callers and numbers of orders go in, whether they are new comes out. Bounded: when it is full
//! of numbers that could still be sent again, new orders are refused rather than old ones forgotten.

use std::collections::{HashSet, VecDeque};

/// How far an order's time may be from ours, seconds.
pub const WINDOW: u64 = 60;
/// Numbers that are remembered.
const MOST: usize = 65_536;

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its time is too far from ours, or from before this run.
    Time,
    Seen,
    Full,
}

/// See the module.
#[derive(Debug)]
pub struct Nonces {
    seen: HashSet<(String, String)>,
    /// In the order in which they came, each with the second from which on it cannot come again.
    order: VecDeque<(u64, (String, String))>,
    /// Orders of an earlier second are refused: what came before this run is not known.
    since: u64,
}

impl Nonces {
    /// `now`: seconds since the epoch.
    pub fn new(now: u64) -> Nonces {
        Nonces { seen: HashSet::new(), order: VecDeque::new(), since: now }
    }

    /// Notes the order `nonce` of a caller that says it was given at `time`.
    ///
    /// # Errors
    /// Why it is not new.
    pub fn take(&mut self, caller: &str, nonce: &str, time: u64, now: u64) -> Result<(), Stale> {
        while self.order.front().is_some_and(|f| f.0 <= now) {
            if let Some((_, key)) = self.order.pop_front() {
                self.seen.remove(&key);
            }
        }
        if time.abs_diff(now) > WINDOW || time < self.since {
            return Err(Stale::Time);
        }
        let key = (caller.to_string(), nonce.to_string());
        if self.seen.contains(&key) {
            return Err(Stale::Seen);
        }
        if self.order.len() >= MOST {
            return Err(Stale::Full);
        }
        self.seen.insert(key.clone());
        // Its time may be ahead of ours by the window.
        self.order.push_back((now + 2 * WINDOW + 1, key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_counts_once() {
        let mut n = Nonces::new(1000);
        assert_eq!(n.take("a", "1", 1000, 1000), Ok(()));
        assert_eq!(n.take("a", "1", 1000, 1000), Err(Stale::Seen));
        // The time is no way around it, nor is waiting.
        assert_eq!(n.take("a", "1", 1060, 1059), Err(Stale::Seen));
        assert_eq!(n.take("a", "1", 1060, 1120), Err(Stale::Seen));
        assert_eq!(n.take("b", "1", 1120, 1120), Ok(()));
        assert_eq!(n.take("a", "2", 1000, 1061), Err(Stale::Time));
        assert_eq!(n.take("a", "3", 1300, 1200), Err(Stale::Time));
        // Before this run.
        assert_eq!(Nonces::new(1000).take("a", "1", 999, 1001), Err(Stale::Time));
        // Full: nothing is forgotten, until it may be.
        let mut n = Nonces::new(0);
        for i in 0..MOST {
            assert_eq!(n.take("a", &i.to_string(), 10, 10), Ok(()));
        }
        assert_eq!(n.take("a", "x", 10, 10), Err(Stale::Full));
        assert_eq!(n.take("a", "0", 10, 10), Err(Stale::Seen));
        assert_eq!(n.take("a", "x", 131, 131), Ok(()));
        assert_eq!(n.seen.len(), 1);
    }
}
