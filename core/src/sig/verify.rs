//! From a candidate to its matches: the windows in a hash, and the comparison in full.
//!
//! In: the input and the end of a window in it. Out: groups (equal patterns) that match there, and their ends.
//! Per class of windows there is one open-addressed table of 8-byte slots; a slot leads to the 32-byte entries of
//! its key, adjacent, in order of their tails.
use super::rank::FOLD;
use alloc::{boxed::Box, vec, vec::Vec};

/// Multiplier of [`hash`].
pub(super) const MUL: u32 = 0x9E37_79B1;

/// Spreads a key; tables take its top bits.
#[inline(always)]
pub(super) fn hash(key: u32) -> u32 {
    key.wrapping_mul(MUL)
}

/// Classes of windows: of 1, 2, 3 and 4 bytes looked for at every position, and of 4 bytes looked for at every
/// second or fourth, of which a pattern has two or four.
pub(super) const CLASSES: usize = 5;
/// The class of the last kind.
pub(super) const STRIDED: u32 = 4;

/// Bytes of a window of class `c`.
#[inline(always)]
pub(super) fn width(c: u32) -> u32 {
    (c + 1).min(4)
}

/// The folded window of `w` bytes that ends at `end`, in the top bytes of a little-endian word with zeros below.
#[inline(always)]
pub(super) fn key_of(word: u32, w: u32) -> u32 {
    word >> (8 * (4 - w))
}

/// The four folded bytes before `end`, the last in the top byte; zeros stand for bytes before the input.
#[inline(always)]
pub(super) fn word_before(hay: &[u8], end: usize) -> u32 {
    match end.checked_sub(4).and_then(|at| hay.get(at..end)) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) | FOLD,
        _ => {
            let mut word = 0;
            for &b in hay.get(..end).unwrap_or_default() {
                word = word >> 8 | u32::from(b | 0x20) << 24;
            }
            word
        }
    }
}

/// One window of one group of equal patterns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Eight bytes of the pattern round its window (all of a shorter one, zero-filled), and what to set in the
    /// input before comparing: 0x20 under the letters of a caseless pattern.
    pub head: u64,
    pub head_mask: u64,
    /// Where the pattern is in the arena; its mask follows when `MASKED`.
    pub at: u32,
    /// Where the ids of the pattern start.
    pub ids: u32,
    pub len: u16,
    /// Bytes from the start of the pattern to the end of its window.
    pub pre: u16,
    /// Where `head` is in the pattern.
    pub head_at: u16,
    pub flags: u16,
}

/// The last entry of its key.
pub(super) const LAST: u16 = 1;
/// The pattern is caseless: its mask is in the arena after its bytes.
pub(super) const MASKED: u16 = 2;

/// A key (never 0: folding sets a bit in every byte) and its first entry; key 0 when free.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u32,
    /// `MORE` when a key that belongs here or before lies after.
    first: u32,
}

const MORE: u32 = 1 << 31;

/// The windows of one class.
#[derive(Debug, Default)]
pub(super) struct Class {
    slots: Box<[Slot]>,
    shift: u32,
    keys: u32,
}

impl Class {
    /// `keys`: different keys with the index of their first entry.
    fn new(keys: &[(u32, u32)]) -> Class {
        if keys.is_empty() {
            return Class::default();
        }
        let bits = (keys.len() * 2).next_power_of_two().trailing_zeros().max(1);
        let shift = 32 - bits;
        let mut slots = vec![Slot { key: 0, first: 0 }; 1 << bits].into_boxed_slice();
        for &(key, first) in keys {
            let mut i = (hash(key) >> shift) as usize;
            while slots[i].key != 0 {
                slots[i].first |= MORE;
                i = (i + 1) & (slots.len() - 1);
            }
            slots[i] = Slot { key, first };
        }
        Class { slots, shift, keys: keys.len() as u32 }
    }

    #[inline(always)]
    fn find(&self, key: u32) -> Option<usize> {
        let mut i = (hash(key) >> self.shift) as usize;
        // The table is at most half full, and a free slot has no `MORE`, so the walk ends.
        loop {
            let s = self.slots.get(i)?;
            if s.key == key {
                return Some((s.first & !MORE) as usize);
            }
            if s.first & MORE == 0 {
                return None;
            }
            i = (i + 1) & (self.slots.len() - 1);
        }
    }
}

/// All windows of a database.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    classes: [Class; CLASSES],
    /// Bit `c` for each class in use.
    used: u32,
    entries: Box<[Entry]>,
    arena: Box<[u8]>,
}

#[inline(always)]
fn load8(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..at.checked_add(8)?).and_then(|s| s.try_into().ok()).map(u64::from_le_bytes)
}

/// The 1 to 8 bytes of `b` in one word, the first lowest.
#[inline(always)]
pub(super) fn word_of(b: &[u8]) -> u64 {
    if let Ok(a) = b.try_into() {
        return u64::from_le_bytes(a);
    }
    if let (Some(lo), Some(hi)) = (b.first_chunk::<4>(), b.last_chunk::<4>()) {
        let n = b.len() as u32 & 7;
        return u64::from(u32::from_le_bytes(*lo))
            | u64::from(u32::from_le_bytes(*hi)) << (8 * n.saturating_sub(4));
    }
    match *b {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        _ => 0,
    }
}

impl Entry {
    /// The offset where this entry's pattern ends if it is in `hay` with its window ending at `end`.
    #[inline(always)]
    fn matches(&self, arena: &[u8], hay: &[u8], end: usize) -> Option<usize> {
        let start = end.checked_sub(usize::from(self.pre))?;
        let len = usize::from(self.len);
        let text = hay.get(start..start + len)?;
        if len <= 8 {
            return (word_of(text) | self.head_mask == self.head).then_some(start + len);
        }
        if load8(text, usize::from(self.head_at))? | self.head_mask != self.head {
            return None;
        }
        self.rest(arena, text).then_some(start + len)
    }

    /// Whether a pattern longer than 8 bytes is compared beyond its first eight.
    fn head_fits(&self, hay: &[u8], end: usize) -> bool {
        let at = (end + usize::from(self.head_at)).checked_sub(usize::from(self.pre));
        at.and_then(|at| load8(hay, at)).is_some_and(|t| t | self.head_mask == self.head)
    }

    /// Compares all of a pattern longer than 8 bytes.
    fn rest(&self, arena: &[u8], text: &[u8]) -> bool {
        let at = self.at as usize;
        let len = text.len();
        let Some(pat) = arena.get(at..at + len) else { return false };
        if self.flags & MASKED == 0 {
            return pat == text;
        }
        let Some(mask) = arena.get(at + len..at + 2 * len) else { return false };
        let mut i = 0;
        loop {
            let (Some(t), Some(m), Some(p)) = (load8(text, i), load8(mask, i), load8(pat, i)) else {
                return false;
            };
            if t | m != p {
                return false;
            }
            if i + 8 >= len {
                return true;
            }
            // The last step overlaps the one before.
            i = (i + 8).min(len - 8);
        }
    }
}

impl Verifier {
    /// `windows`: `(class, key, entry)`. Orders the entries and marks the last of each key.
    pub(super) fn new(mut windows: Vec<(u32, u32, Entry)>, arena: Vec<u8>) -> Verifier {
        windows.sort_by_key(|(c, key, e)| (*c, *key, e.len - e.pre, e.ids));
        let mut entries: Vec<Entry> = Vec::with_capacity(windows.len());
        let mut keys: [Vec<(u32, u32)>; CLASSES] = Default::default();
        for (i, &(c, key, mut e)) in windows.iter().enumerate() {
            let same = |j: Option<&(u32, u32, Entry)>| j.is_some_and(|o| (o.0, o.1) == (c, key));
            if i == 0 || !same(windows.get(i - 1)) {
                keys[c as usize].push((key, i as u32));
            }
            if !same(windows.get(i + 1)) {
                e.flags |= LAST;
            }
            entries.push(e);
        }
        let classes = keys.each_ref().map(|k| Class::new(k));
        let used: u32 = (0..CLASSES).filter(|&i| classes[i].keys > 0).map(|i| 1 << i).sum();
        Verifier { classes, used, entries: entries.into(), arena: arena.into() }
    }

    /// Different windows.
    pub(super) fn keys(&self) -> usize {
        self.classes.iter().map(|c| c.keys as usize).sum()
    }

    /// All `(class, key)`, in no special order.
    pub(super) fn all_keys(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..CLASSES).flat_map(move |i| {
            self.classes[i].slots.iter().filter(|s| s.key != 0).map(move |s| (i as u32, s.key))
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.classes.iter().map(|c| core::mem::size_of_val(&*c.slots)).sum::<usize>()
            + core::mem::size_of_val(&*self.entries)
            + self.arena.len()
    }

    /// Bit `c` for each class in use.
    #[inline]
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// Of the candidates `mask` (bit `i`: a window of class `c`, of two bytes or more, may end at `end + i`), those
    /// whose bytes are likely to be a window of the class: all that are, and few others. Has no branch on the
    /// outcome, so candidates in vain cost little.
    #[inline(always)]
    pub(super) fn refine(&self, hay: &[u8], end: usize, c: u32, mut mask: u64) -> u64 {
        let Some(class) = self.classes.get(c as usize) else { return 0 };
        let narrow = 8 * (4 - width(c));
        let mut kept = 0;
        while mask != 0 {
            let at = mask.trailing_zeros();
            mask &= mask - 1;
            let Some(word) = hay.get(end + at as usize - 4..).and_then(|h| h.first_chunk::<4>()) else {
                break;
            };
            let key = (u32::from_le_bytes(*word) | FOLD) >> narrow;
            let Some(s) = class.slots.get((hash(key) >> class.shift) as usize) else { break };
            kept |= u64::from((s.key == key) | (s.first & MORE != 0)) << at;
        }
        kept
    }

    /// Counts what [`Verifier::candidate`] would do.
    pub(super) fn count(&self, hay: &[u8], end: usize, classes: u32, work: &mut super::Work) {
        let word = word_before(hay, end);
        for c in (0..CLASSES as u32).filter(|&c| classes >> c & 1 != 0 && end >= width(c) as usize) {
            let Some(first) = self.classes[c as usize].find(key_of(word, width(c))) else { continue };
            for e in &self.entries[first..] {
                work.compared += 1;
                work.matches += u64::from(e.matches(&self.arena, hay, end).is_some());
                work.full += u64::from(e.len > 8 && e.head_fits(hay, end));
                if e.flags & LAST != 0 {
                    break;
                }
            }
        }
    }

    /// Calls `hit(ids, end of the match)` for every match whose window is of one of `classes` (a subset of
    /// [`Verifier::used`]) and ends at `end`; stops when it says `false` and says so.
    #[inline(always)]
    pub(super) fn candidate(
        &self,
        hay: &[u8],
        end: usize,
        classes: u32,
        mut hit: impl FnMut(u32, usize) -> bool,
    ) -> bool {
        let word = word_before(hay, end);
        let mut left = classes;
        while left != 0 {
            let c = left.trailing_zeros();
            left &= left - 1;
            if end < width(c) as usize {
                break;
            }
            let Some(first) = self.classes.get(c as usize).and_then(|t| t.find(key_of(word, width(c))))
            else {
                continue;
            };
            for e in self.entries.get(first..).unwrap_or_default() {
                if let Some(at) = e.matches(&self.arena, hay, end)
                    && !hit(e.ids, at)
                {
                    return false;
                }
                if e.flags & LAST != 0 {
                    break;
                }
            }
        }
        true
    }
}
