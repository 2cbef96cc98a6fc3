//! Bytes that a parser passes over: the rest of a message of which it has seen enough.
//!
//! In: how many, then what arrives or is missing of them. Out: how much of that is passed over. Owns the two numbers, one per
//! direction.

use crate::Dir;

/// What is still to be passed over, per direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skip([u64; 2]);

impl Skip {
    /// The next `n` bytes of the direction say nothing more.
    pub fn over(&mut self, dir: Dir, n: usize) {
        self.0[dir.ix()] = n as u64;
    }

    /// How many of the `have` bytes that arrived are passed over; those behind them are the next message.
    pub fn take(&mut self, dir: Dir, have: usize) -> usize {
        let left = &mut self.0[dir.ix()];
        let n = (*left).min(have as u64);
        *left -= n;
        n as usize
    }

    /// Bytes are missing. Whether they were all to be passed over: if not, the place in the protocol is lost.
    pub fn gap(&mut self, dir: Dir, n: u32) -> bool {
        let left = &mut self.0[dir.ix()];
        let within = u64::from(n) <= *left;
        *left = left.saturating_sub(u64::from(n));
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_passes_over_what_it_was_told() {
        let mut s = Skip::default();
        let (a, b) = (Dir::ToServer, Dir::ToClient);
        assert_eq!((s.take(a, 10), s.gap(a, 1), s.gap(a, 0)), (0, false, true));
        s.over(a, 10);
        assert_eq!((s.take(a, 4), s.take(b, 4), s.gap(a, 5)), (4, 0, true));
        assert_eq!((s.take(a, 9), s.take(a, 9)), (1, 0));
        s.over(b, 3);
        assert!(!s.gap(b, 4));
        assert_eq!(s.take(b, 1), 0);
    }
}
