//! A list of small tagged values in one pool buffer: what parsers keep of a transaction whose fields come in any
//! order and number (mail headers, recipients, replies).

use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// The list. Each entry is its tag, its length as two bytes, and its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries {
    buf: PBuf,
}

/// Most bytes one list may take.
const MAX: usize = 32 << 10;
/// Tag of a value that another one took the place of.
const DEAD: u8 = u8::MAX;

/// Counts work for tests that hold it bounded: bytes read, copied and walked over, each about the same.
#[cfg(test)]
pub(crate) mod work {
    std::thread_local! {
        static DONE: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
    }

    pub(crate) fn add(n: usize) {
        DONE.set(DONE.get() + n as u64);
    }

    /// What was done since the last time.
    pub(crate) fn take() -> u64 {
        DONE.take()
    }
}

impl Entries {
    /// Appends a value; what does not fit (a full pool, a list beyond 32 KiB, a value beyond 64 KiB) is left out.
    pub fn push(&mut self, pool: &mut BytePool, tag: u8, value: &[u8]) -> bool {
        self.push_parts(pool, tag, [value.get(..usize::from(u16::MAX)).unwrap_or(value)])
    }

    /// As [`Entries::push`], of a value in pieces, which are no longer than 64 KiB together.
    pub fn push_parts<const N: usize>(&mut self, pool: &mut BytePool, tag: u8, parts: [&[u8]; N]) -> bool {
        self.push_within(MAX, pool, tag, parts)
    }

    /// As [`Entries::push_parts`], for a list of at most `most` bytes.
    pub fn push_within<const N: usize>(
        &mut self,
        most: usize,
        pool: &mut BytePool,
        tag: u8,
        parts: [&[u8]; N],
    ) -> bool {
        let len = parts.iter().fold(0, |n, p| n + p.len());
        if self.buf.len() + 3 + len > most {
            return false;
        }
        let n = (len as u16).to_le_bytes();
        let from = self.buf.len();
        if self.buf.stretch(pool, from + 3 + len).is_err() {
            return false;
        }
        let mut rest = self.buf.get_mut(pool).get_mut(from..).unwrap_or(&mut []);
        for part in [&[tag, n[0], n[1]][..]].iter().chain(&parts) {
            let Some((to, more)) = rest.split_at_mut_checked(part.len()) else { break };
            to.copy_from_slice(part);
            rest = more;
        }
        true
    }

    /// As [`Entries::push`], of the first `most` bytes of a value that lies in the same pool.
    pub fn push_from(&mut self, pool: &mut BytePool, tag: u8, value: &PBuf, most: usize) -> bool {
        let len = value.len().min(most).min(usize::from(u16::MAX));
        let from = self.buf.len();
        if from + 3 + len > MAX {
            return false;
        }
        let n = (len as u16).to_le_bytes();
        let done = self
            .buf
            .extend(pool, &[tag, n[0], n[1]])
            .and_then(|()| self.buf.stretch(pool, from + 3 + len))
            .is_ok();
        if done {
            pool.copy_between(value, 0, &self.buf, from + 3, len);
        } else {
            self.buf.truncate(from);
        }
        done
    }

    /// All values with their tags, in order.
    pub fn tagged<'a>(&self, pool: &'a BytePool) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.buf.get(pool);
        core::iter::from_fn(move || {
            #[cfg(test)]
            work::add(1);
            let [t, a, b, tail @ ..] = rest else { return None };
            let (value, next) = tail.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))?;
            rest = next;
            Some((*t, value))
        })
    }

    /// The values with that tag, in order.
    pub fn all<'a>(&self, pool: &'a BytePool, tag: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.tagged(pool).filter_map(move |(t, value)| (t == tag).then_some(value))
    }

    /// Bytes of the list: where the next value will be.
    pub fn end(&self) -> usize {
        self.buf.len()
    }

    /// The value at a place that [`Entries::end`] told before it was pushed.
    pub fn at<'a>(&self, pool: &'a BytePool, place: usize) -> Option<&'a [u8]> {
        let [_, a, b, tail @ ..] = self.buf.get(pool).get(place..)? else { return None };
        tail.get(..usize::from(u16::from_le_bytes([*a, *b])))
    }

    /// Writes over the value at a place, if it is as long; else the old one is dead.
    pub fn replace(&mut self, pool: &mut BytePool, place: usize, value: &[u8]) -> bool {
        let Some([tag, a, b, tail @ ..]) = self.buf.get_mut(pool).get_mut(place..) else { return false };
        let len = usize::from(u16::from_le_bytes([*a, *b]));
        match tail.get_mut(..len) {
            Some(old) if len == value.len() => {
                old.copy_from_slice(value);
                true
            }
            _ => {
                *tag = DEAD;
                false
            }
        }
    }

    /// Takes dead values out; tells the tags of those that stay and where they are now.
    pub fn pack(&mut self, pool: &mut BytePool, mut stays: impl FnMut(u8, usize)) {
        let all = self.buf.get_mut(pool);
        let (mut from, mut to) = (0, 0);
        while let Some([tag, a, b, ..]) = all.get(from..) {
            let (tag, end) = (*tag, from + 3 + usize::from(u16::from_le_bytes([*a, *b])));
            if end > all.len() {
                break;
            }
            #[cfg(test)]
            work::add(1 + (end - from) / 16);
            if tag != DEAD {
                all.copy_within(from..end, to);
                stays(tag, to);
                to += end - from;
            }
            from = end;
        }
        self.buf.truncate(to);
    }

    /// The value with that tag and that place among its like.
    pub fn nth<'a>(&self, pool: &'a BytePool, tag: u8, n: u32) -> Option<&'a [u8]> {
        self.all(pool, tag).nth(n as usize)
    }

    /// Writes the first 64 values with that tag as the array `key`; nothing if there are none. Every record of a
    /// transaction repeats them.
    pub fn log(&self, pool: &BytePool, tag: u8, key: &str, out: &mut dyn Fields) {
        let mut values = self.all(pool, tag).take(64).peekable();
        if values.peek().is_none() {
            return;
        }
        out.begin_array(key);
        for v in values {
            out.bytes("", v);
        }
        out.end_array();
    }

    /// Gives the memory back.
    pub fn free(&mut self, pool: &mut BytePool) {
        self.buf.free(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_values_make_room() {
        let (mut pool, mut e) = (BytePool::new(1 << 20), Entries::default());
        let mut places = [0; 3];
        for (tag, value) in [(0, &b"one"[..]), (1, b"two"), (2, b"three")] {
            places[usize::from(tag)] = e.end();
            e.push(&mut pool, tag, value);
        }
        assert!(e.replace(&mut pool, places[1], b"TWO"));
        assert!(!e.replace(&mut pool, places[0], b"longer"));
        assert_eq!(e.all(&pool, 0).next(), None);
        e.pack(&mut pool, |tag, place| places[usize::from(tag)] = place);
        assert_eq!(
            (e.at(&pool, places[1]), e.at(&pool, places[2])),
            (Some(&b"TWO"[..]), Some(&b"three"[..]))
        );
        assert_eq!(e.end(), 3 + 3 + 3 + 5);
        e.free(&mut pool);
    }
}
