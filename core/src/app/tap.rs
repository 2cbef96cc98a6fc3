//! The bytes of files on their way out of the engine, to whoever stores them.
//!
//! In: what parsers append to files. Out: the same, in order, to the engine's sink at the next report of the flow. Owns the
//! bytes between the two, which lie in the pool of messages; a file of which some found no room is not stored.

use crate::pool::{BytePool, PBuf};

/// Bytes waiting to go out.
#[derive(Debug, Default)]
pub struct Tap {
    on: bool,
    /// Pieces, each behind the number of its file (eight bytes) and its length (four).
    pieces: PBuf,
    /// Number of the last file; numbers are not used again.
    last: u64,
}

const HEAD: usize = 12;

impl Tap {
    pub fn new(on: bool) -> Self {
        Tap { on, ..Tap::default() }
    }

    /// A number for a new file.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub const fn is_on(&self) -> bool {
        self.on
    }

    pub const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes a file's next bytes. `false`: there was no room.
    pub fn push(&mut self, pool: &mut BytePool, file: u64, bytes: &[u8]) -> bool {
        if !self.on || bytes.is_empty() {
            return true;
        }
        let from = self.pieces.len();
        let len = bytes.len() as u32;
        let done = self
            .pieces
            .extend(pool, &file.to_le_bytes())
            .and_then(|()| self.pieces.extend(pool, &len.to_le_bytes()))
            .and_then(|()| self.pieces.extend(pool, bytes));
        if done.is_err() {
            self.pieces.truncate(from);
        }
        done.is_ok()
    }

    /// Gives away what waits: the number of a file, and bytes of it.
    pub fn drain(&mut self, pool: &mut BytePool, mut to: impl FnMut(u64, &[u8])) {
        let mut rest = self.pieces.get(pool);
        while let Some((head, tail)) = rest.split_at_checked(HEAD) {
            let (file, len) = head.split_at(8);
            let number = |b: &[u8]| b.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
            let Some((bytes, next)) = tail.split_at_checked(number(len) as usize) else { break };
            to(number(file), bytes);
            rest = next;
        }
        self.pieces.free(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut pool = BytePool::new(1 << 16);
        let mut tap = Tap::new(true);
        let (a, b) = (tap.number(), tap.number());
        for (file, bytes) in [(a, &b"one"[..]), (b, b"two"), (a, b""), (a, b"three")] {
            assert!(tap.push(&mut pool, file, bytes));
        }
        let mut out = alloc::vec::Vec::new();
        tap.drain(&mut pool, |file, bytes| out.push((file, bytes.to_vec())));
        assert_eq!(out, [(a, b"one".to_vec()), (b, b"two".to_vec()), (a, b"three".to_vec())]);
        assert!(tap.is_empty() && pool.in_use() == 0);
        // Without room the piece is left out whole.
        let big = alloc::vec![0; 1 << 17];
        assert!(tap.push(&mut pool, a, b"x") && !tap.push(&mut pool, b, &big));
        let mut n = 0;
        tap.drain(&mut pool, |file, bytes| n += file as usize + bytes.len());
        assert_eq!(n, a as usize + 1);
    }
}
