//! Deadlines: flow numbers and times go in, due flows come out. Owns one link pair per flow.
//!
//! A hierarchical wheel of one-second ticks. A flow's packets do not move it: when its slot comes up and the
//! caller finds the deadline later, it is put back. Only an earlier deadline must be told at once.

use alloc::{vec, vec::Vec};

use crate::pool;

const NIL: u32 = u32::MAX;
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 3;
/// Farthest deadline kept exactly enough; a later one comes up early and is put back.
const FAR: u64 = (1 << (BITS * LEVELS as u32)) - (1 << (BITS * (LEVELS as u32 - 1))) - 1;

/// The wheel. Times are seconds.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Vec<u32>,
    /// Per flow: next, previous, slot (NIL: in none).
    next: Vec<u32>,
    prev: Vec<u32>,
    slot: Vec<u16>,
    /// Non-empty slots, one bit each.
    busy: [[u64; SLOTS / 64]; LEVELS],
    /// The second that comes up next; everything before was handed out.
    at: u64,
    armed: usize,
    #[cfg(test)]
    steps: u64,
}

const NONE: u16 = u16::MAX;

impl Wheel {
    /// Bytes that a flow takes.
    pub(crate) const PER_FLOW: usize = 2 * size_of::<u32>() + size_of::<u16>();

    pub(crate) fn new(flows: usize) -> Self {
        Wheel {
            heads: vec![NIL; SLOTS * LEVELS],
            next: Vec::with_capacity(flows),
            prev: Vec::with_capacity(flows),
            slot: Vec::with_capacity(flows),
            busy: [[0; SLOTS / 64]; LEVELS],
            at: 0,
            armed: 0,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Touches the memory of the first `flows`.
    pub(crate) fn warm(&mut self, flows: usize) {
        pool::touch_reserved(&mut self.next, flows, NIL);
        pool::touch_reserved(&mut self.prev, flows, NIL);
        pool::touch_reserved(&mut self.slot, flows, NONE);
    }

    /// Empties the wheel and sets it to second `now`, earlier or later.
    pub(crate) fn restart(&mut self, now: u64) {
        self.heads.fill(NIL);
        self.slot.fill(NONE);
        self.busy = [[0; SLOTS / 64]; LEVELS];
        self.armed = 0;
        self.at = now;
    }

    /// Makes a never used number known to be in no slot.
    pub(crate) fn reset(&mut self, ix: u32) {
        // Numbers come from 0 up, so this grows by one into reserved memory.
        let n = (ix as usize + 1).max(self.slot.len());
        self.next.resize(n, NIL);
        self.prev.resize(n, NIL);
        self.slot.resize(n, NONE);
        self.slot[ix as usize] = NONE;
    }

    /// Puts `ix` where it comes up at second `when`, or at once when that has passed. `now` is where an empty
    /// wheel starts.
    pub(crate) fn arm(&mut self, ix: u32, when: u64, now: u64) {
        self.disarm(ix);
        if self.armed == 0 {
            self.at = now;
        }
        let when = when.max(self.at);
        let ahead = (when - self.at).min(FAR);
        let when = self.at + ahead;
        let mut level = 0;
        while level + 1 < LEVELS
            && (when >> (BITS * level as u32)) - (self.at >> (BITS * level as u32)) >= SLOTS as u64
        {
            level += 1;
        }
        let pos = (when >> (BITS * level as u32)) as usize & (SLOTS - 1);
        let slot = level * SLOTS + pos;
        let head = self.heads[slot];
        self.next[ix as usize] = head;
        self.prev[ix as usize] = NIL;
        if head != NIL {
            self.prev[head as usize] = ix;
        }
        self.heads[slot] = ix;
        self.slot[ix as usize] = slot as u16;
        self.busy[level][pos / 64] |= 1 << (pos % 64);
        self.armed += 1;
    }

    /// Takes `ix` out.
    pub(crate) fn disarm(&mut self, ix: u32) {
        let slot = self.slot[ix as usize];
        if slot == NONE {
            return;
        }
        let (n, p) = (self.next[ix as usize], self.prev[ix as usize]);
        if p == NIL {
            self.heads[slot as usize] = n;
            if n == NIL {
                let (level, pos) = (slot as usize / SLOTS, slot as usize % SLOTS);
                self.busy[level][pos / 64] &= !(1 << (pos % 64));
            }
        } else {
            self.next[p as usize] = n;
        }
        if n != NIL {
            self.prev[n as usize] = p;
        }
        self.slot[ix as usize] = NONE;
        self.armed -= 1;
    }

    /// The next flow whose slot lies at or before second `now`, taken out; the caller looks at its true deadline
    /// and arms it again if that is later.
    pub(crate) fn due(&mut self, now: u64) -> Option<u32> {
        loop {
            if self.armed == 0 {
                self.at = self.at.max(now);
                return None;
            }
            let pos = self.at as usize & (SLOTS - 1);
            let head = self.heads[pos];
            if head != NIL && self.at <= now {
                self.disarm(head);
                return Some(head);
            }
            if self.at >= now {
                return None;
            }
            self.advance(now);
        }
    }

    /// Moves to the next second that has something to do, at most to `now`: through levels that hold nothing in one step,
    /// because clocks jump by decades.
    fn advance(&mut self, now: u64) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let mut to = now;
        for (level, busy) in self.busy.iter().enumerate() {
            let unit = self.at >> (BITS * level as u32);
            let pos = unit as usize & (SLOTS - 1);
            // The next busy slot of this round, or the start of the next round, in which the others are.
            let step = match next_bit(busy, pos + 1) {
                Some(b) => b - pos,
                None if busy.iter().any(|w| *w != 0) => SLOTS - pos,
                None => continue,
            };
            to = (unit + step as u64) << (BITS * level as u32);
            break;
        }
        self.at = to.min(now);
        if self.at & (SLOTS as u64 - 1) == 0 {
            self.cascade();
        }
    }

    /// At the start of a round: spreads what the coarser levels hold for it.
    fn cascade(&mut self) {
        for level in 1..LEVELS {
            let unit = self.at >> (BITS * level as u32);
            let pos = unit as usize & (SLOTS - 1);
            // Detach the whole slot, then arm each again with the finest time known: the slot's start.
            while self.heads[level * SLOTS + pos] != NIL {
                let ix = self.heads[level * SLOTS + pos];
                self.disarm(ix);
                let at = self.at;
                self.arm(ix, at, at);
            }
            if pos != 0 {
                break;
            }
        }
    }
}

/// The first set bit at or after `from`.
fn next_bit(words: &[u64; SLOTS / 64], from: usize) -> Option<usize> {
    let mut w = from / 64;
    let mut mask = !0u64 << (from % 64);
    while w < words.len() {
        let bits = words[w] & mask;
        if bits != 0 {
            return Some(w * 64 + bits.trailing_zeros() as usize);
        }
        w += 1;
        mask = !0;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes up, in order, when the clock goes through `times`; deadlines later than the slot are armed again.
    fn run(deadlines: &[u64], times: &[u64], first: u64) -> (Vec<(u64, u32)>, u64) {
        let mut w = Wheel::new(deadlines.len());
        let mut out = Vec::new();
        for (ix, when) in deadlines.iter().enumerate() {
            w.reset(ix as u32);
            w.arm(ix as u32, *when, first);
        }
        for now in times {
            while let Some(ix) = w.due(*now) {
                let when = deadlines[ix as usize];
                if when > *now { w.arm(ix, when, *now) } else { out.push((*now, ix)) }
            }
        }
        (out, w.steps)
    }

    #[test]
    fn a_jump_of_decades_is_few_steps() {
        let end = 1u64 << 34;
        let deadlines: Vec<u64> = (0..60).map(|i| 100 + i).chain((0..60).map(|i| end + i)).collect();
        let (out, steps) = run(&deadlines, &[1, end / 2, end - 1, end + 100], 1);
        assert_eq!(out.len(), 120);
        assert!(steps < 200_000, "{steps}");
    }

    proptest! {
        #[test]
        fn everything_comes_up_in_its_time(
            deadlines in prop::collection::vec(prop_oneof![0u64..2000, 0u64..200_000, 0u64..40_000_000], 1..40),
            steps in prop::collection::vec(prop_oneof![0u64..3, 0u64..300, 0u64..70_000, 0u64..20_000_000], 1..40),
        ) {
            let times: Vec<u64> = steps.iter().scan(0, |t, s| { *t += s; Some(*t) }).collect();
            let (mut out, _) = run(&deadlines, &times, 0);
            let mut want: Vec<(u64, u32)> = Vec::new();
            for (ix, when) in deadlines.iter().enumerate() {
                want.extend(times.iter().find(|t| **t >= *when).map(|t| (*t, ix as u32)));
            }
            out.sort_unstable();
            want.sort_unstable();
            prop_assert_eq!(out, want);
        }
    }
}
