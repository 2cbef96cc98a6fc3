//! A list of texts that arrive in pieces: the words of a command, the strings of a reply.
//!
//! In: pieces. Out: the texts, each up to a limit. Owns one buffer of the pool; whoever holds the list frees it.

use crate::pool::{BytePool, PBuf};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub words: u16,
    /// Bytes of one, and of all together.
    pub each: usize,
    pub all: usize,
}

/// The list: for each text its length as two bytes, then its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    buf: PBuf,
    count: u16,
    /// Where the last text begins (its length).
    last: u32,
    /// Text is being added; `false`: what comes finds no room.
    open: bool,
}

impl Words {
    /// The next text begins.
    pub fn begin(&mut self, pool: &mut BytePool, room: Room) {
        self.open = self.count < room.words && self.buf.len() + 2 <= room.all;
        if self.open {
            let at = self.buf.len() as u32;
            self.open = self.buf.extend(pool, &[0, 0]).is_ok();
            if self.open {
                self.last = at;
                self.count += 1;
            } else {
                self.buf.truncate(at as usize);
            }
        }
    }

    /// More of the text begun last.
    pub fn add(&mut self, pool: &mut BytePool, bytes: &[u8], room: Room) {
        if !self.open {
            return;
        }
        let at = self.last as usize;
        let have = self.buf.len().saturating_sub(at + 2);
        let fits = room.each.min(usize::from(u16::MAX)).saturating_sub(have);
        let fits = fits.min(room.all.saturating_sub(self.buf.len()));
        let Some(bytes) = bytes.get(..bytes.len().min(fits)) else { return };
        if self.buf.extend(pool, bytes).is_err() {
            self.open = false;
            return;
        }
        let n = ((have + bytes.len()) as u16).to_le_bytes();
        if let Some(to) = self.buf.get_mut(pool).get_mut(at..at + 2) {
            to.copy_from_slice(&n);
        }
    }

    /// A whole text.
    pub fn push(&mut self, pool: &mut BytePool, bytes: &[u8], room: Room) {
        self.begin(pool, room);
        self.add(pool, bytes, room);
    }

    /// Writes the first text in capitals.
    pub fn raise_first(&mut self, pool: &mut BytePool) {
        let all = self.buf.get_mut(pool);
        let [a, b, rest @ ..] = all else { return };
        let n = usize::from(u16::from_le_bytes([*a, *b]));
        if let Some(first) = rest.get_mut(..n) {
            first.make_ascii_uppercase();
        }
    }

    /// How many are kept.
    pub fn len(&self) -> u16 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn all<'a>(&self, pool: &'a BytePool) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.buf.get(pool);
        core::iter::from_fn(move || {
            let [a, b, tail @ ..] = rest else { return None };
            let (text, next) = tail.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))?;
            rest = next;
            Some(text)
        })
    }

    pub fn nth<'a>(&self, pool: &'a BytePool, n: usize) -> Option<&'a [u8]> {
        self.all(pool).nth(n)
    }

    /// The first; empty when there is none.
    pub fn first<'a>(&self, pool: &'a BytePool) -> &'a [u8] {
        self.nth(pool, 0).unwrap_or(&[])
    }

    pub fn free(&mut self, pool: &mut BytePool) {
        self.buf.free(pool);
        *self = Words::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn texts_in_pieces_up_to_their_limits() {
        let room = Room { words: 3, each: 5, all: 16 };
        let mut pool = BytePool::new(1 << 12);
        let mut w = Words::default();
        w.begin(&mut pool, room);
        w.add(&mut pool, b"ab", room);
        w.add(&mut pool, b"cdef", room);
        w.push(&mut pool, b"", room);
        w.push(&mut pool, b"xyzxyz", room);
        w.push(&mut pool, b"never", room);
        w.raise_first(&mut pool);
        let all: Vec<&[u8]> = w.all(&pool).collect();
        assert_eq!(all, [&b"ABCDE"[..], b"", b"xyzxy"]);
        w.free(&mut pool);
        assert_eq!(pool.in_use(), 0);
    }
}
