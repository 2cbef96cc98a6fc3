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
        let done = self
            .buf
            .extend(pool, &[tag, n[0], n[1]])
            .and_then(|()| parts.iter().try_for_each(|p| self.buf.extend(pool, p)));
        if done.is_err() {
            self.buf.truncate(from);
        }
        done.is_ok()
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

    /// The values with that tag, in order.
    pub fn all<'a>(&self, pool: &'a BytePool, tag: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.buf.get(pool);
        core::iter::from_fn(move || {
            loop {
                let [t, a, b, tail @ ..] = rest else { return None };
                let (value, next) = tail.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))?;
                rest = next;
                if *t == tag {
                    return Some(value);
                }
            }
        })
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
