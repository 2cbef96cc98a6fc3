//! From a candidate to its matches: the windows in one hash table, and the comparison in full.
//!
//! In: lists of candidates (where a window of some class may end). Out: patterns that match there, and their ends.
//! Two passes over a list, neither of which branches on what it finds as long as a window belongs to one pattern:
//! [`Verifier::narrow`] keeps the candidates whose slot has their tag, [`Verifier::verify`] compares eight bytes of
//! the pattern and then the rest. A slot is 8 bytes, what is known of a pattern 32 bytes in one cache line.
use super::{Work, rank::FOLD, simd::probe};
use alloc::{boxed::Box, vec, vec::Vec};

/// Multiplier of [`hash`].
pub(super) const MUL: u32 = 0x9E37_79B1;

/// Spreads a key; tables take its top bits.
#[inline(always)]
pub(super) fn hash(key: u32) -> u32 {
    key.wrapping_mul(MUL)
}

/// Classes of windows: of 1, 2, 3 and 4 bytes looked for at every position, and of 4 bytes looked for at every
/// `stride`-th, of which a pattern has `stride`. Those of 1 byte are matches and never get here.
pub(super) const CLASSES: usize = 5;
/// The class of the last kind.
pub(super) const STRIDED: u32 = 4;

/// Bytes of a window of class `c`.
#[inline(always)]
pub(super) fn width(c: u32) -> u32 {
    (c + 1).min(4)
}

/// What a candidate in a list says of its class, above the 16 bits of its position: by how much a word of four bytes
/// is shifted to the window, and what tells keys of strided windows from others.
#[inline(always)]
pub(super) fn code(c: u32) -> u32 {
    (8 * (4 - width(c))) << 16 | if c == STRIDED { 0x20 << 24 } else { 0 }
}

/// The key of the window at the end of the four bytes `word`, of the class of `code`. Folding sets bit 5 of every
/// byte, so that of a strided window is free to be cleared.
#[inline(always)]
pub(super) fn key_of(word: u32, code: u32) -> u32 {
    ((word | FOLD) >> (code >> 16 & 31)) ^ code >> 24
}

/// One window of a pattern, for building.
pub(super) struct Window {
    pub class: u32,
    /// The folded bytes, the first lowest.
    pub key: u32,
    /// The pattern, and the bytes from its start to the end of the window and from there to its own end.
    pub pat: u32,
    pub pre: u16,
    pub tail: u16,
}

impl Window {
    fn full_key(&self) -> u32 {
        self.key ^ code(self.class) >> 24
    }
}

/// A pattern.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// Eight bytes of it, and what to set in the input before comparing: 0x20 under the letters of a caseless
    /// pattern, all bits of bytes before a shorter pattern.
    pub head: u64,
    pub mask: u64,
    /// Where it is in the arena, when longer than eight bytes.
    pub at: u32,
    /// Where its ids start.
    pub ids: u32,
    pub len: u16,
    /// Where `head` is in it; negative when it is shorter.
    pub head_at: i16,
    /// 1 when it is caseless.
    pub caseless: u32,
}

/// Slots and references are `pattern << 32 | pre << 16 | low`. In a slot `low` is the tags of one or two keys, which
/// are odd, so that a free slot (0) is none's; [`ANY`] when it has windows of more keys. In a reference it is 1 for
/// the last of its slot.
const ANY: u16 = 0xffff;

/// What is kept of a key's hash beside its top bits.
#[inline(always)]
fn tag(hash: u32) -> u16 {
    u16::from((hash >> 8) as u8 | 1)
}

/// Set in the pattern of a slot: several windows, the pattern is the first reference to them.
const SEVERAL: u32 = 1 << 31;

/// Bits of a pattern in a hit.
pub(super) const PAT_BITS: u32 = 23;

/// All windows of a database.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    slots: Box<[u64]>,
    shift: u32,
    refs: Box<[u64]>,
    pub entries: Box<[Entry]>,
    arena: Box<[u8]>,
    keys: u32,
}

#[inline(always)]
fn load8(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..at.checked_add(8)?).and_then(|s| s.try_into().ok()).map(u64::from_le_bytes)
}

#[inline(always)]
fn load4(b: &[u8], at: usize) -> Option<u32> {
    b.get(at..at.checked_add(4)?).and_then(|s| s.try_into().ok()).map(u32::from_le_bytes)
}

/// 0x20 in every byte of `p` that is a lower-case letter.
#[inline(always)]
fn letters(p: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = p & (0x7f * EACH);
    let from_a = low + (0x80 - b'a' as u64) * EACH;
    let past_z = low + (0x7f - b'z' as u64) * EACH;
    (from_a & !past_z & !p & (0x80 * EACH)) >> 2
}

/// Whether a window of hash `h` may be one of its slot's.
#[inline(always)]
pub(super) fn kept(slot: u64, h: u32) -> bool {
    let tag = tag(h);
    (slot as u8 == tag as u8) | ((slot >> 8) as u8 == tag as u8) | (slot as u16 == ANY)
}

/// What a scan has reported already: patterns whose mark is `epoch` need not be looked at again.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub marks: &'a [u16],
    pub epoch: u16,
}

/// The input of a scan: its first `len` bytes are; at least eight are there.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub bytes: &'a [u8],
    pub len: usize,
}

impl Entry {
    /// Whether it may be in the text with a window that starts `pre` bytes after its own start ending at `end`, by
    /// its length and its head, and where it ends then. Without a branch.
    #[inline(always)]
    fn head_fits(&self, text: Text<'_>, end: usize, pre: usize) -> (bool, usize) {
        let start = end.wrapping_sub(pre);
        let stop = start.wrapping_add(usize::from(self.len));
        let at = start.wrapping_add_signed(isize::from(self.head_at)) as isize;
        // Only the head of a pattern of less than eight bytes lies before the text: zeros are shifted in there. Where
        // the pattern does not fit, anything is read.
        let from = at.clamp(0, text.bytes.len() as isize - 8);
        let word = load8(text.bytes, from as usize).unwrap_or_default();
        let word = word.wrapping_shl(8 * (from - at).max(0) as u32);
        ((pre <= end) & (stop <= text.len) & (word | self.mask == self.head), stop)
    }
}

impl Verifier {
    /// The table of `windows`, whose patterns are `entries`.
    pub(super) fn new(mut windows: Vec<Window>, entries: Vec<Entry>, arena: Vec<u8>) -> Verifier {
        if windows.is_empty() {
            return Verifier { entries: entries.into(), arena: arena.into(), ..Verifier::default() };
        }
        windows.sort_by_key(|w| (w.full_key(), w.tail, w.pat));
        let keys = 1 + windows.windows(2).filter(|w| w[0].full_key() != w[1].full_key()).count();
        let bits = (keys + keys / 2).next_power_of_two().trailing_zeros().max(1);
        let shift = 32 - bits;
        windows.sort_by_key(|w| (hash(w.full_key()) >> shift, w.full_key(), w.tail, w.pat));
        let mut slots = vec![0u64; 1 << bits].into_boxed_slice();
        let mut refs = Vec::new();
        let mut rest = &windows[..];
        while let Some(w) = rest.first() {
            let slot = hash(w.full_key()) >> shift;
            let n = rest.iter().take_while(|o| hash(o.full_key()) >> shift == slot).count();
            let (these, others) = rest.split_at(n);
            rest = others;
            // Sorted by key: the first and the last are all keys there are when there are two or one.
            let (low, high) = (w.full_key(), these.last().map_or(0, Window::full_key));
            let few = these.iter().all(|o| o.full_key() == low || o.full_key() == high);
            let tag = u64::from(if few { tag(hash(low)) | tag(hash(high)) << 8 } else { ANY });
            let of = |o: &Window| u64::from(o.pat) << 32 | u64::from(o.pre) << 16;
            slots[slot as usize] = if n == 1 {
                of(w) | tag
            } else {
                let first = refs.len() as u64;
                refs.extend(these.iter().map(of));
                *refs.last_mut().unwrap() |= 1;
                (u64::from(SEVERAL) | first) << 32 | tag
            };
        }
        Verifier { slots, shift, refs: refs.into(), entries: entries.into(), arena: arena.into(), keys: keys as u32 }
    }

    /// Different windows.
    pub(super) fn keys(&self) -> usize {
        self.keys as usize
    }

    pub(super) fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.slots)
            + core::mem::size_of_val(&*self.refs)
            + core::mem::size_of_val(&*self.entries)
            + self.arena.len()
    }

    /// The slot of the candidate `item` whose last four bytes are `word`, its position in the place of the tag, and
    /// whether it is to be kept.
    #[inline(always)]
    fn slot(&self, word: u32, item: u32) -> (u64, bool) {
        let h = hash(key_of(word, item));
        let slot = self.slots.get((h >> self.shift) as usize).copied().unwrap_or_default();
        let kept = kept(slot, h);
        (slot & !0xffff | u64::from(item & 0xffff), kept)
    }

    /// The candidates of class `c` that end in the first three bytes of the text, where no filter looks; as
    /// [`Verifier::narrow`] with `base` 0.
    #[inline(always)]
    pub(super) fn first(&self, text: Text<'_>, c: u32, out: &mut [u64], mut n: usize) -> usize {
        let word = load4(text.bytes, 0).unwrap_or_default();
        for end in width(c)..=3.min(text.len as u32) {
            let (slot, kept) = self.slot(word << (32 - 8 * end), code(c) | end);
            if let Some(o) = out.get_mut(n) {
                *o = slot;
            }
            n += usize::from(kept);
        }
        n
    }

    /// Writes to `out[n..]` those of `items` (`code | position`, a window may end at `base + position`) whose slots
    /// say that they may be; returns the new `n`. `out` has room for all.
    pub(super) fn narrow(&self, text: Text<'_>, base: usize, items: &[u32], out: &mut [u64], n: usize) -> usize {
        probe::narrow(&self.slots, self.shift, text.bytes, base, items, out, n)
    }

    /// Compares what is left of a pattern longer than eight bytes.
    #[inline(always)]
    fn rest_fits(&self, e: &Entry, text: Text<'_>, stop: usize) -> bool {
        let len = usize::from(e.len);
        let Some(pat) = self.arena.get(e.at as usize..).and_then(|a| a.get(..len)) else { return false };
        let Some(text) = text.bytes.get(stop.wrapping_sub(len)..).and_then(|t| t.get(..len)) else { return false };
        if e.caseless == 0 {
            return pat == text;
        }
        let mut i = 0;
        loop {
            let (Some(t), Some(p)) = (load8(text, i), load8(pat, i)) else { return false };
            if t | letters(p) != p {
                return false;
            }
            if i + 8 >= len {
                return true;
            }
            // The last step overlaps the one before.
            i = (i + 8).min(len - 8);
        }
    }

    /// Appends to `hits` (filled up to `n`) the matches of all `alive`, as `end << PAT_BITS | pattern` in no order, and
    /// returns the new `n`; nothing when there is no room for all. `rest` has room for as many as `alive`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn verify(
        &self,
        text: Text<'_>,
        base: usize,
        alive: &[u64],
        seen: Option<Seen<'_>>,
        rest: &mut [u64],
        hits: &mut [u64],
        n: usize,
        work: &mut Work,
    ) -> Option<usize> {
        match seen {
            None => self.verify_for(text, base, alive, |_| true, rest, hits, n, work),
            Some(s) => {
                let new = |pat: u32| s.marks.get(pat as usize).is_some_and(|&m| m != s.epoch);
                self.verify_for(text, base, alive, new, rest, hits, n, work)
            }
        }
    }

    /// Every turn compares one pattern of each survivor; those whose slots have more go to the next turn.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn verify_for(
        &self,
        text: Text<'_>,
        base: usize,
        alive: &[u64],
        new: impl Fn(u32) -> bool,
        rest: &mut [u64],
        hits: &mut [u64],
        mut n: usize,
        work: &mut Work,
    ) -> Option<usize> {
        let old = n;
        let rest = rest.get_mut(..alive.len())?;
        let mut left = 0;
        for (i, &a) in alive.iter().enumerate() {
            n = self.compare(text, base, a, &new, hits, n, old, work)?;
            // Branch-free: `left <= i`.
            rest[left.min(i)] = a;
            left += usize::from(self.more(a));
        }
        work.compared += alive.len() as u64;
        while left > 0 {
            let mut kept = 0;
            for i in 0..left {
                let a = rest[i] + (1 << 32);
                n = self.compare(text, base, a, &new, hits, n, old, work)?;
                rest[kept.min(i)] = a;
                kept += usize::from(self.more(a));
            }
            work.compared += left as u64;
            left = kept;
        }
        Some(self.full(text, hits, old, n, work))
    }

    /// The reference that a survivor of a slot of several stands for; any, for one that has its pattern itself.
    #[inline(always)]
    fn reference(&self, a: u64) -> u64 {
        let several = (a >> 63) as usize;
        let at = (a >> 32) as usize & !(SEVERAL as usize) & 0usize.wrapping_sub(several);
        self.refs.get(at).copied().unwrap_or(1)
    }

    /// Whether there is a further reference.
    #[inline(always)]
    fn more(&self, a: u64) -> bool {
        (a >> 63 != 0) & (self.reference(a) & 1 == 0)
    }

    /// Compares the head of one pattern of a survivor; appends it to `hits` if it fits.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn compare(
        &self,
        text: Text<'_>,
        base: usize,
        a: u64,
        new: &impl Fn(u32) -> bool,
        hits: &mut [u64],
        mut n: usize,
        old: usize,
        work: &mut Work,
    ) -> Option<usize> {
        let end = base + usize::from(a as u16);
        let several = 0u64.wrapping_sub(a >> 63);
        let what = a & !several | self.reference(a) & several;
        let pat = (what >> 32) as u32;
        let e = self.entries.get(pat as usize)?;
        let (fits, stop) = e.head_fits(text, end, usize::from((what >> 16) as u16));
        if n >= hits.len() {
            n = self.full(text, hits, old, n, work);
        }
        *hits.get_mut(n)? = (stop as u64) << PAT_BITS | u64::from(pat);
        Some(n + usize::from(fits & new(pat)))
    }

    /// Of `hits[old..n]`, compared by their heads, keeps those that fit in full; returns the new `n`.
    fn full(&self, text: Text<'_>, hits: &mut [u64], old: usize, n: usize, work: &mut Work) -> usize {
        let mut kept = old;
        for i in old..n {
            let h = hits[i];
            let Some(e) = self.entries.get((h & ((1 << PAT_BITS) - 1)) as usize) else { break };
            let fits = e.len <= 8 || {
                work.full += 1;
                self.rest_fits(e, text, (h >> PAT_BITS) as usize)
            };
            hits[kept] = h;
            kept += usize::from(fits);
        }
        kept
    }
}

/// The word of 64 positions that a survivor is in; those before the first count as its.
#[inline(always)]
pub(super) fn word_of(alive: u64) -> usize {
    usize::from(alive as u16).saturating_sub(super::simd::HEAD + 1) / 64
}
