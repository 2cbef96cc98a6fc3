//! The header fields kept of a message: their text, and an index into it.

use super::header::odd;
use crate::pool::{BytePool, PBuf};

/// Where a kept field lies in the text of its table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    start: u32,
    name: u32,
    value: u32,
    pub odd: u16,
}

const ENTRY: usize = 14;
/// Bytes reserved for the index and the text of a message with its first field.
const FIRST_INDEX: usize = 256;
const FIRST_TEXT: usize = 512;

impl Entry {
    fn bytes(&self) -> [u8; ENTRY] {
        let mut b = [0; ENTRY];
        b[0..4].copy_from_slice(&self.start.to_le_bytes());
        b[4..8].copy_from_slice(&self.name.to_le_bytes());
        b[8..12].copy_from_slice(&self.value.to_le_bytes());
        b[12..14].copy_from_slice(&self.odd.to_le_bytes());
        b
    }
}

/// Most bytes of fields kept per message.
const MAX_TEXT: usize = 512 << 10;

/// The fields of one message in order: `Name: value\r\n` one after the other, with an index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    text: PBuf,
    index: PBuf,
    pub count: u32,
    /// Repetitions beyond the second occurrence, of all fields together.
    pub repetitions: u16,
    pub has_cookie: bool,
    /// Bits of [`mark`] of the names kept: most look-ups for a name that is not there end here.
    marks: u64,
}

/// A bit that names equal but for case share.
fn mark(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    1 << (usize::from(first).wrapping_add(name.len().wrapping_mul(7)) & 63)
}

impl Table {
    pub fn free(&mut self, pool: &mut BytePool) {
        self.text.free(pool);
        self.index.free(pool);
        *self = Table::default();
    }

    pub fn entry(&self, pool: &BytePool, i: u32) -> Option<Entry> {
        let at = i as usize * ENTRY;
        let b = self.index.get(pool).get(at..at + ENTRY)?;
        let n = |o: usize| u32::from_le_bytes([b[o], b[o + 1], b[o + 2], b[o + 3]]);
        Some(Entry { start: n(0), name: n(4), value: n(8), odd: u16::from_le_bytes([b[12], b[13]]) })
    }

    fn set_entry(&mut self, pool: &mut BytePool, i: u32, e: Entry) {
        let at = i as usize * ENTRY;
        if let Some(b) = self.index.get_mut(pool).get_mut(at..at + ENTRY) {
            b.copy_from_slice(&e.bytes());
        }
    }

    fn part<'p>(&self, pool: &'p BytePool, start: u32, len: u32) -> &'p [u8] {
        self.text.get(pool).get(start as usize..(start + len) as usize).unwrap_or(&[])
    }

    pub fn name<'p>(&self, pool: &'p BytePool, e: Entry) -> &'p [u8] {
        self.part(pool, e.start, e.name)
    }

    pub fn value<'p>(&self, pool: &'p BytePool, e: Entry) -> &'p [u8] {
        self.part(pool, e.start + e.name + 2, e.value)
    }

    /// `Name: value` of field `i`.
    pub fn field<'p>(&self, pool: &'p BytePool, i: u32) -> Option<&'p [u8]> {
        let e = self.entry(pool, i)?;
        Some(self.part(pool, e.start, e.name + 2 + e.value))
    }

    /// All fields, `Name: value\r\n` each.
    pub fn text<'p>(&self, pool: &'p BytePool) -> &'p [u8] {
        self.text.get(pool)
    }

    /// All entries in order.
    pub fn entries<'p>(&self, pool: &'p BytePool) -> impl Iterator<Item = Entry> + use<'p> {
        let t = *self;
        (0..self.count).map_while(move |i| t.entry(pool, i))
    }

    /// Number of the first field whose name, of one of the lengths that `fits` takes, is the `same`.
    #[inline]
    fn position(
        &self,
        pool: &BytePool,
        fits: impl Fn(usize, u16) -> bool,
        same: impl Fn(&[u8]) -> bool,
    ) -> Option<u32> {
        let text = self.text.get(pool);
        self.index
            .get(pool)
            .as_chunks::<ENTRY>()
            .0
            .iter()
            .take(self.count as usize)
            .position(|b| {
                let n = |o: usize| u32::from_le_bytes([b[o], b[o + 1], b[o + 2], b[o + 3]]) as usize;
                let (start, len) = (n(0), n(4));
                fits(len, u16::from_le_bytes([b[12], b[13]]))
                    && text.get(start..start + len).is_some_and(&same)
            })
            .map(|i| i as u32)
    }

    /// Value and oddities of the field of that (lower-case) name; case and NUL bytes do not matter.
    pub fn get<'p>(&self, pool: &'p BytePool, lower: &[u8]) -> Option<(&'p [u8], u16)> {
        if self.marks & mark(lower) == 0 {
            return None;
        }
        let fits = |len, odd| len == lower.len() || (len > lower.len() && odd & odd::NAME_NUL != 0);
        let i = self.position(pool, fits, |n| super::text::eq_lenient(n, lower))?;
        let e = self.entry(pool, i)?;
        Some((self.value(pool, e), e.odd))
    }

    /// Number of the field of exactly that name but for case.
    pub fn find(&self, pool: &BytePool, name: &[u8]) -> Option<u32> {
        if self.marks & mark(name) == 0 {
            return None;
        }
        self.position(pool, |len, _| len == name.len(), |n| n.eq_ignore_ascii_case(name))
    }

    /// Adds a field. `false` when no room is left.
    pub fn push(&mut self, pool: &mut BytePool, name: &[u8], value: &[u8], mut flags: u16) -> bool {
        let start = self.text.len();
        let need = name.len() + value.len() + 4;
        if start + need > MAX_TEXT {
            return false;
        }
        if name.eq_ignore_ascii_case(b"cookie") || name.eq_ignore_ascii_case(b"set-cookie") {
            flags |= odd::COOKIE;
            self.has_cookie = true;
        }
        if name.contains(&0) {
            flags |= odd::NAME_NUL;
            self.marks = u64::MAX;
        }
        self.marks |= mark(name);
        // Most messages fit into what the first field reserves.
        let (index, text) = ((self.count as usize + 1) * ENTRY, start + need);
        if self.index.reserve(pool, index.max(FIRST_INDEX)).is_err()
            && self.index.reserve(pool, index).is_err()
            || self.text.reserve(pool, text.max(FIRST_TEXT)).is_err()
                && self.text.reserve(pool, text).is_err()
        {
            return false;
        }
        let e = Entry { start: start as u32, name: name.len() as u32, value: value.len() as u32, odd: flags };
        self.count += 1;
        [name, b": ", value, b"\r\n"].iter().all(|p| self.text.extend(pool, p).is_ok())
            && self.index.extend(pool, &e.bytes()).is_ok()
    }

    /// Appends `, value` to field `i` and marks it as repeated.
    pub fn merge(&mut self, pool: &mut BytePool, i: u32, value: &[u8]) -> bool {
        let Some(mut e) = self.entry(pool, i) else { return false };
        let (old, add) = (self.text.len(), value.len() + 2);
        if old + add > MAX_TEXT || self.text.resize(pool, old + add).is_err() {
            return false;
        }
        let at = (e.start + e.name + 2 + e.value) as usize;
        let t = self.text.get_mut(pool);
        t.copy_within(at..old, at + add);
        t[at..at + 2].copy_from_slice(b", ");
        t[at + 2..at + add].copy_from_slice(value);
        e.value += add as u32;
        e.odd |= odd::REPEATED;
        self.set_entry(pool, i, e);
        for j in i + 1..self.count {
            if let Some(mut l) = self.entry(pool, j) {
                l.start += add as u32;
                self.set_entry(pool, j, l);
            }
        }
        true
    }

    /// Marks field `i` as repeated without taking the new value.
    pub fn mark_repeated(&mut self, pool: &mut BytePool, i: u32) {
        if let Some(mut e) = self.entry(pool, i) {
            e.odd |= odd::REPEATED;
            self.set_entry(pool, i, e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_merges_repeated_fields() {
        let mut p = BytePool::new(1 << 16);
        let mut t = Table::default();
        assert!(t.push(&mut p, b"A", b"1", 0));
        assert!(t.push(&mut p, b"Cookie", b"c", 0));
        assert!(t.push(&mut p, b"B", b"2", 0));
        assert!(t.merge(&mut p, 0, b"3"));
        assert_eq!(t.text(&p), b"A: 1, 3\r\nCookie: c\r\nB: 2\r\n");
        assert_eq!(t.get(&p, b"b"), Some((&b"2"[..], 0)));
        assert_eq!(t.field(&p, 0), Some(&b"A: 1, 3"[..]));
        assert!(t.has_cookie);
        t.free(&mut p);
        assert_eq!(p.in_use(), 0);
    }
}
