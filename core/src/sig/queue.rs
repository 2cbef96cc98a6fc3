//! Puts matches in order of their end offset.
//!
//! In: matches found by their windows, so up to one tail early. Out: the same in order. A sorted ring that stays a
//! few entries long; its room is bounded by the database (see `build::pending_bound`).
use alloc::{vec, vec::Vec};

/// Bits of a group number in a queued match.
const GROUP_BITS: u32 = 23;

/// Waiting matches, `end << GROUP_BITS | group`, ascending in `buf[head..tail]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    buf: Vec<u64>,
    head: usize,
    tail: usize,
}

impl Queue {
    /// Makes room for `n` waiting matches. Twice the room, so that moving down is paid for by what left.
    #[inline]
    pub(super) fn reserve(&mut self, n: usize) {
        if self.buf.len() < 2 * n {
            self.buf = vec![0; 2 * n];
            self.clear();
        }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.head = 0;
        self.tail = 0;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.buf.capacity() * 8
    }

    /// Inserts a match. The bound of the database guarantees room; without it the match would be lost, so the
    /// buffer grows instead.
    pub(super) fn push(&mut self, end: usize, group: u32) {
        if self.tail == self.buf.len() {
            self.buf.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
            if self.tail == self.buf.len() {
                self.buf.resize(2 * self.buf.len() + 16, 0);
            }
        }
        let v = (end as u64) << GROUP_BITS | u64::from(group);
        let mut i = self.tail;
        while i > self.head && self.buf[i - 1] > v {
            self.buf[i] = self.buf[i - 1];
            i -= 1;
        }
        self.buf[i] = v;
        self.tail += 1;
    }

    /// Takes the first match that ends at or before `upto`.
    #[inline(always)]
    pub(super) fn pop(&mut self, upto: usize) -> Option<(usize, u32)> {
        if self.head == self.tail {
            return None;
        }
        let v = self.buf[self.head];
        let end = (v >> GROUP_BITS) as usize;
        if end > upto {
            return None;
        }
        self.head += 1;
        if self.head == self.tail {
            self.clear();
        }
        Some((end, v as u32 & ((1 << GROUP_BITS) - 1)))
    }
}
