//! Literals that can stand at one place only: no search, one lookup for each such place.
//!
//! In: patterns with the offset where each must start; then bytes and where they lie in the whole value. Out: the
//! ids of the patterns that stand there. Owns its tables, allocates only when it is built.
//!
//! Most contents of rules on raw payload are tied to its start (`offset`, `depth`, `startswith`): 560 of 930 in the
//! groups of the open rules, at about a dozen places. A search for them would cost something for every byte and
//! clutter the tables of the patterns that may lie anywhere. Patterns of one place and one width (1, 2, 3, 4 to 7, 8
//! and more bytes) share a row; its hash is asked for the folded bytes there, and what is found is compared in full.
use alloc::{boxed::Box, vec::Vec};

/// A pattern that must start at `at`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// Offset in the whole value.
    pub at: u32,
    /// One byte or more; in lower case when `caseless`.
    pub bytes: Vec<u8>,
    /// ASCII letters match in either case.
    pub caseless: bool,
    /// The caller's number.
    pub id: u32,
}

/// The patterns of one place and width: `slots[first..=first + mask]` is their hash.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The bytes of the eight at the place that are the key.
    key: u64,
    at: u32,
    width: u32,
    /// `bits[bits..=bits + bit_words]`, one bit in eight set: most lookups end there, in a few lines that stay cached.
    bits: u32,
    bit_words: u32,
    first: u32,
    mask: u32,
}

/// The low half of a key's hash and the first entry with it; `NONE` when free.
#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    entry: u32,
}

const NONE: u32 = u32::MAX;

/// A pattern: `arena[at..at + len]`, and the next with the same key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u32,
    len: u32,
    caseless: bool,
    id: u32,
    next: u32,
}

/// An immutable set of [`Placed`] patterns.
#[derive(Debug, Default)]
pub struct Anchored {
    rows: Box<[Row]>,
    slots: Box<[Slot]>,
    bits: Box<[u64]>,
    entries: Box<[Entry]>,
    arena: Box<[u8]>,
    shortest: usize,
    /// The last place.
    reach: u32,
}

/// Key bytes of a pattern.
fn width(len: usize) -> u32 {
    match len {
        0..=3 => len as u32,
        4..=7 => 4,
        _ => 8,
    }
}

/// Bit 5 in every byte: with it set case does not count, and what else it blurs the comparison tells apart.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// The first eight bytes of `b`, zeros for those it has not.
#[inline(always)]
fn eight(b: &[u8]) -> u64 {
    match b.first_chunk::<8>() {
        Some(b) => u64::from_le_bytes(*b),
        None => padded(b),
    }
}

#[cold]
fn padded(b: &[u8]) -> u64 {
    b.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b))
}

#[inline(always)]
fn hash(key: u64) -> (u32, u32) {
    let h = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let h = h ^ h >> 32;
    ((h >> 40) as u32, h as u32)
}

impl Anchored {
    /// Builds the tables; the same patterns in any order give the same tables.
    #[must_use]
    pub fn new(mut patterns: Vec<Placed>) -> Anchored {
        patterns.sort_by(|a, b| (a.at, width(a.bytes.len()), a).cmp(&(b.at, width(b.bytes.len()), b)));
        patterns.dedup();
        patterns.retain(|p| !p.bytes.is_empty());
        let mut out = Anchored {
            shortest: patterns.iter().map(|p| p.bytes.len()).min().unwrap_or(usize::MAX),
            ..Anchored::default()
        };
        let (mut rows, mut slots) = (Vec::new(), Vec::new());
        let (mut entries, mut arena, mut bits) = (Vec::new(), Vec::new(), Vec::new());
        for row in patterns.chunk_by(|a, b| (a.at, width(a.bytes.len())) == (b.at, width(b.bytes.len()))) {
            let (at, width) = (row[0].at, width(row[0].bytes.len()));
            let key = u64::MAX >> (64 - 8 * width);
            let size = (row.len() * 2).next_power_of_two();
            let first = slots.len();
            slots.resize(first + size, Slot { tag: 0, entry: NONE });
            let table: &mut [Slot] = &mut slots[first..];
            let bit_words = (row.len() * 8).next_power_of_two().div_ceil(64);
            let first_bits = bits.len();
            bits.resize(first_bits + bit_words, 0u64);
            for p in row {
                let (place, tag) = hash((eight(&p.bytes) | FOLD) & key);
                bits[first_bits + (tag as usize >> 6 & (bit_words - 1))] |= 1 << (tag & 63);
                let mut i = place as usize & (size - 1);
                // Half of the slots stay free, so the walk ends.
                while table[i].entry != NONE && table[i].tag != tag {
                    i = (i + 1) & (size - 1);
                }
                entries.push(Entry {
                    at: arena.len() as u32,
                    len: p.bytes.len() as u32,
                    caseless: p.caseless,
                    id: p.id,
                    next: table[i].entry,
                });
                table[i] = Slot { tag, entry: entries.len() as u32 - 1 };
                arena.extend_from_slice(&p.bytes);
            }
            out.reach = at;
            rows.push(Row {
                key,
                at,
                width,
                bits: first_bits as u32,
                bit_words: bit_words as u32 - 1,
                first: first as u32,
                mask: size as u32 - 1,
            });
        }
        out.rows = rows.into();
        out.slots = slots.into();
        out.bits = bits.into();
        out.entries = entries.into();
        out.arena = arena.into();
        out
    }

    /// Patterns in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the shortest pattern, bytes.
    #[must_use]
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.rows)
            + core::mem::size_of_val(&*self.slots)
            + core::mem::size_of_val(&*self.bits)
            + core::mem::size_of_val(&*self.entries)
            + self.arena.len()
    }

    /// Calls `on_match(id, end in hay)` for every pattern that stands at its place in `hay`, whose first byte is at
    /// `offset` of the whole value. Patterns that only partly lie in `hay` are not found.
    #[inline]
    pub fn scan(&self, hay: &[u8], offset: u64, mut on_match: impl FnMut(u32, usize)) {
        // What lies before `hay` was looked at when it came.
        let Some(reach) = u64::from(self.reach).checked_sub(offset) else { return };
        let past = reach >= hay.len() as u64;
        let before = offset as u32;
        for row in &*self.rows {
            let Some(at) = row.at.checked_sub(before) else { continue };
            let at = at as usize;
            if past && at + row.width as usize > hay.len() {
                // Rows are in order of their place: one behind cannot fit either, a narrower one here may.
                if at >= hay.len() {
                    return;
                }
                continue;
            }
            let Some(here) = hay.get(at..) else { return };
            let (place, tag) = hash((eight(here) | FOLD) & row.key);
            let word = self.bits.get((row.bits + (tag >> 6 & row.bit_words)) as usize);
            if word.is_none_or(|w| w >> (tag & 63) & 1 == 0) {
                continue;
            }
            let mut i = place & row.mask;
            while let Some(s) = self.slots.get((row.first + i) as usize) {
                if s.entry == NONE {
                    break;
                }
                if s.tag == tag {
                    self.compare(here, at, s.entry, &mut on_match);
                    break;
                }
                i = (i + 1) & row.mask;
            }
        }
    }

    fn compare(&self, here: &[u8], at: usize, mut entry: u32, on_match: &mut impl FnMut(u32, usize)) {
        while let Some(e) = self.entries.get(entry as usize) {
            let pat = self.arena.get(e.at as usize..(e.at + e.len) as usize).unwrap_or_default();
            if let Some(text) = here.get(..pat.len())
                && (text == pat || (e.caseless && text.eq_ignore_ascii_case(pat)))
            {
                on_match(e.id, at + pat.len());
            }
            entry = e.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn places_and_case() {
        let p = |at, b: &[u8], caseless, id| Placed { at, bytes: b.to_vec(), caseless, id };
        let a = Anchored::new(vec![
            p(0, b"GET ", false, 1),
            p(0, b"get /index", true, 2),
            p(0, b"GE", false, 3),
            p(4, b"/", false, 4),
            p(5, b"index", false, 5),
        ]);
        let run = |hay: &[u8], offset| {
            let mut v = Vec::new();
            a.scan(hay, offset, |id, end| v.push((id, end)));
            v.sort_unstable();
            v
        };
        assert_eq!(run(b"GET /Index", 0), [(1, 4), (2, 10), (3, 2), (4, 5)]);
        assert_eq!(run(b"get /index", 0), [(2, 10), (4, 5), (5, 10)]);
        assert_eq!(run(b"/index", 4), [(4, 1), (5, 6)]);
        assert_eq!(run(b"GET /index", 100), []);
        assert_eq!(run(b"", 0), []);
        assert_eq!((a.len(), a.shortest()), (5, 1));
    }

    proptest! {
        #[test]
        fn equals_naive(
            hay in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'A'), Just(b'b'), Just(0u8)], 0..40),
            pats in proptest::collection::vec(
                (0u32..30, proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0u8), Just(b' ')], 1..12), any::<bool>()),
                0..40,
            ),
            offset in 0u64..20,
        ) {
            let placed: Vec<Placed> = pats.iter().enumerate()
                .map(|(i, (at, bytes, caseless))| Placed { at: *at, bytes: bytes.clone(), caseless: *caseless, id: i as u32 })
                .collect();
            let mut naive = Vec::new();
            for p in &placed {
                let Some(at) = u64::from(p.at).checked_sub(offset) else { continue };
                let Some(text) = hay.get(at as usize..at as usize + p.bytes.len()) else { continue };
                if text == p.bytes || (p.caseless && text.eq_ignore_ascii_case(&p.bytes)) {
                    naive.push((p.id, at as usize + p.bytes.len()));
                }
            }
            let mut got = Vec::new();
            Anchored::new(placed).scan(&hay, offset, |id, end| got.push((id, end)));
            got.sort_unstable();
            naive.sort_unstable();
            prop_assert_eq!(got, naive);
        }
    }
}
