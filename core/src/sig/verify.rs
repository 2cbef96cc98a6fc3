//! From a candidate to its matches: the windows in one hash table, and the comparison in full.
//!
//! In: lists of candidates (where a window of some class may end). Out: patterns that match there, and their ends.
//! Two passes over a list, neither of which branches on what it finds as long as a window belongs to one pattern:
//! [`Verifier::narrow`] keeps the candidates whose slot has their tag, [`Verifier::verify`] compares eight bytes of
//! the pattern and then the rest. A slot is 8 bytes, what is known of a pattern 32 bytes in one cache line.
use super::{
    Work,
    rank::FOLD,
    simd::probe::{self, Tables},
};
use alloc::{borrow::Cow, vec, vec::Vec};

/// Multiplier of [`hash`].
pub(super) const MUL: u32 = 0x9E37_79B1;

/// Spreads a key; tables take its top bits.
#[inline(always)]
pub(super) fn hash(key: u32) -> u32 {
    key.wrapping_mul(MUL)
}

/// Classes of windows: of 1, 2, 3 and 4 bytes looked for at every position, and of 4 to 8 bytes looked for as
/// [`Sampling`] says. Those of 1 byte are matches and never get here.
pub(super) const CLASSES: usize = 5;
/// The class of the last kind.
pub(super) const STRIDED: u32 = 4;

/// How windows of the last class are looked for: at every `every`-th position (none, if 0), of which a pattern has as
/// many, each `width` bytes long, 4 to 8. Their place is where their first four bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampling {
    pub every: u8,
    pub width: u8,
}

impl Sampling {
    pub(super) const NONE: Sampling = Sampling { every: 0, width: 4 };

    pub(super) fn new(every: u8, width: u8) -> Sampling {
        Sampling { every, width }
    }

    /// Whether a pattern of `len` bytes has such windows.
    pub(super) fn takes(self, len: usize) -> bool {
        self.every > 0 && len + 1 >= usize::from(self.every) + usize::from(self.width)
    }

    /// How many bytes they have beyond four.
    pub(super) fn more(self) -> usize {
        usize::from(self.width.saturating_sub(4))
    }
}

/// The folded last four bytes of a window of more than four, mixed into the key that its first four give.
#[inline(always)]
pub(super) fn mixed(last: u32) -> u32 {
    (last | FOLD).wrapping_mul(MORE)
}

/// Multiplier of [`mixed`].
pub(super) const MORE: u32 = 0x85EB_CA6B;

/// Bytes of a window of class `c`, of the last one those that its place is told by.
#[inline(always)]
pub(super) fn width(c: u32) -> u32 {
    (c + 1).min(4)
}

/// Bits of a position in a list; above it are three of the class.
pub(super) const POSITION: u32 = (1 << CLASS_AT) - 1;
pub(super) const CLASS_AT: u32 = 13;

/// What a candidate in a list says of its class beside its position: its number, and above 16 bits by how much a word
/// of four bytes is shifted to the window, and what tells keys of strided windows from others.
#[inline(always)]
pub(super) fn code(c: u32) -> u32 {
    c << CLASS_AT | (8 * (4 - width(c))) << 16 | if c == STRIDED { 0x20 << 24 } else { 0 }
}

/// The key of the window at the end of the four bytes `word`, of the class of `code`. Folding sets bit 5 of every
/// byte, so that of a strided window is free to be cleared.
#[inline(always)]
pub(super) fn key_of(word: u32, code: u32) -> u32 {
    ((word | FOLD) >> (code >> 16 & 31)) ^ code >> 24
}

/// All bits for the code of the last class, none for others.
#[inline(always)]
pub(super) fn strided(code: u32) -> u32 {
    ((code << 2) as i32 >> 31) as u32
}

/// One window of a pattern, for building.
pub(super) struct Window {
    pub class: u32,
    /// The folded bytes, the first lowest; of more than four [`mixed`].
    pub key: u32,
    /// The pattern, and the bytes from its start to the place of the window and from there to its own end.
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
    /// Where it is in the arena, when longer than eight bytes; in a family of runs, where the ids of the first start.
    pub at: u32,
    /// Where its ids start.
    pub ids: u32,
    pub len: u16,
    /// Where `head` is in it; negative when it is shorter.
    pub head_at: i16,
    /// [`CASELESS`], [`RUN`], and the class of its windows from bit `CLASS_AT` on: slots are shared by classes.
    pub flags: u16,
    /// How many patterns of its family follow it. A family is one byte repeated, by length: where a long
    /// one ends all shorter ones do, so that one look at the input and one hit do for all.
    pub run: u16,
}

/// The pattern is caseless.
pub(super) const CASELESS: u16 = 1;
/// The pattern is of a family of runs.
pub(super) const RUN: u16 = 2;

/// Slots and references are `pattern << 32 | way << 16 | low`, where `way` (signed) leads from the end of the window to
/// the head of the pattern. In a slot `low` is the tags of one or two keys, which
/// are odd, so that a free slot (0) is none's; [`ANY`] when it has windows of more keys. In a reference it is 1 for
/// the last of its slot. The way of a slot that leads to references is 0, or [`SPLIT`].
pub(super) const ANY: u16 = 0xffff;

/// Set in a slot of several windows of two keys: the first reference is that of the key of the first tag, the only one;
/// those of the other follow.
const SPLIT: u64 = 1 << 16;

/// What is kept of a key's hash beside its top bits.
#[inline(always)]
pub(super) fn tag(hash: u32) -> u16 {
    u16::from((hash >> 8) as u8 | 1)
}

/// Set in a reference that is none: further patterns with the window are in a table by the hash of four bytes at a
/// distance from it, `(log << TABLE | first) << 32 | distance << 16 | JUMP`. The table is of references to lists, as
/// slots are, from `first` on, and has `1 << log` of them.
pub(super) const JUMP: u64 = 2;
const TABLE: u32 = 27;
/// A list of more references than this ends in a table where one can be made.
const LIST: usize = 8;
/// A table after a table, at most: patterns that are suffixes of each other need as many.
const TABLES: usize = 1024;

/// The number in a table of `1 << log` of the four bytes `word`.
#[inline(always)]
fn place(word: u32, log: u32) -> usize {
    (u64::from(hash((word | FOLD) ^ 0x5bd1_e995)) >> (32 - log)) as usize
}

/// Set in the pattern of a slot: several windows, the pattern is the first reference to them.
pub(super) const SEVERAL: u32 = 1 << 31;

/// Bits of a pattern in a hit.
pub(super) const PAT_BITS: u32 = 23;

/// All windows of a database.
#[derive(Debug, Default)]
pub(super) struct Verifier<'a> {
    pub slots: Cow<'a, [u64]>,
    shift: u32,
    pub refs: Cow<'a, [u64]>,
    pub entries: Cow<'a, [Entry]>,
    pub arena: Cow<'a, [u8]>,
    keys: u32,
    /// See [`Sampling::more`].
    more: usize,
    /// Whether there are tables among the references.
    jumps: bool,
    /// Of many windows: a bit for each by its hash, asked before the slots, because neither the bitmap of the filter nor
    /// the first-level caches can hold what tells them apart.
    sieve: Sieve,
}

/// A bitmap over the top bits of hashes; empty when it is not asked.
#[derive(Debug, Default)]
struct Sieve {
    bits: Vec<u64>,
    shift: u32,
}

impl Sieve {
    /// Windows from which on there is one: those that fill an eighth of the largest bitmap of a filter.
    const MANY: usize = 1 << 16;

    fn new(windows: &[Window], keys: usize) -> Sieve {
        if keys < Self::MANY {
            return Sieve::default();
        }
        // One in 16 to 32 passes in vain, at most 8 MiB.
        let log = (keys * 16).next_power_of_two().trailing_zeros().min(26);
        let mut s = Sieve { bits: vec![0; 1 << (log - 6)], shift: 32 - log };
        for w in windows {
            let h = hash(w.full_key()) >> s.shift;
            s.bits[(h >> 6) as usize] |= 1 << (h & 63);
        }
        s
    }

    #[inline(always)]
    fn has(&self, h: u32) -> bool {
        let h = h >> self.shift;
        self.bits.get((h >> 6) as usize).is_some_and(|w| w >> (h & 63) & 1 == 1)
    }
}

/// The lists of references of a database that is built.
struct Lists<'a> {
    entries: &'a [Entry],
    arena: &'a [u8],
    refs: Vec<u64>,
    jumps: bool,
}

impl Lists<'_> {
    fn of(&self, w: &Window) -> u64 {
        let head_at = self.entries.get(w.pat as usize).map_or(0, |e| e.head_at);
        u64::from(w.pat) << 32 | u64::from(head_at.wrapping_sub(w.pre as i16) as u16) << 16
    }

    /// The four bytes of the pattern of `w` that end at `d` from the end of the window; none when they are not all its.
    fn word(&self, w: &Window, d: i32) -> Option<u32> {
        if d > i32::from(w.tail) {
            return None;
        }
        let at = usize::try_from(i32::from(w.pre) + d - 4).ok()?;
        let e = self.entries.get(w.pat as usize)?;
        let len = usize::from(e.len);
        let head = e.head.to_le_bytes();
        let bytes = if e.flags & RUN != 0 {
            return Some(u32::from_le_bytes([head[7]; 4]));
        } else if len <= 8 {
            head.get(8 - len..)?
        } else {
            self.arena.get(e.at as usize..)?.get(..len)?
        };
        load4(bytes, at)
    }

    /// The distance at which the bytes of the patterns of `these` split them best for a table of `1 << log`: at most
    /// [`LIST`] do not reach there. None when there is no such one.
    fn split(&self, these: &[&Window], log: u32, counts: &mut Vec<u32>) -> Option<i32> {
        // As far as all but `LIST` reach.
        let reach = |of: &dyn Fn(&Window) -> i32| {
            let mut all: Vec<i32> = these.iter().map(|w| of(w)).collect();
            all.sort_unstable();
            all.get(LIST).copied().unwrap_or_default()
        };
        let (before, behind) = (reach(&|w| i32::from(w.pre)) - 4, reach(&|w| i32::from(w.tail)));
        let (mut best, mut at) = (these.len() - LIST / 2 + 1, None);
        let near = before.min(48);
        for d in (-near..=behind).chain((before > near).then_some(-before)) {
            counts.clear();
            counts.resize(1 << log, 0);
            let (mut short, mut most) = (0, 0);
            for w in these {
                match self.word(w, d).and_then(|word| counts.get_mut(place(word, log))) {
                    Some(c) => {
                        *c += 1;
                        most = most.max(*c as usize);
                    }
                    None => short += 1,
                }
            }
            if short <= LIST && most < best {
                (best, at) = (most, Some(d));
                if most <= LIST / 2 {
                    break;
                }
            }
        }
        at
    }

    /// Appends a list of `these`, and the tables that it needs; returns where it starts.
    fn put(&mut self, these: &[&Window], depth: usize, counts: &mut Vec<u32>) -> u64 {
        let first = self.refs.len();
        let log = these.len().next_power_of_two().trailing_zeros().min(18);
        let split = (these.len() > LIST && depth < TABLES).then(|| self.split(these, log, counts)).flatten();
        let Some(d) = split else {
            for w in these {
                self.refs.push(self.of(w));
            }
            if let Some(last) = self.refs.last_mut() {
                *last |= 1;
            }
            return first as u64;
        };
        let mut far = Vec::new();
        for w in these {
            match self.word(w, d) {
                Some(word) => far.push((place(word, log), *w)),
                None => self.refs.push(self.of(w)),
            }
        }
        far.sort_by_key(|f| f.0);
        self.jumps = true;
        let table = self.refs.len() + 1;
        self.refs
            .push((u64::from(log) << TABLE | table as u64) << 32 | u64::from(d as i16 as u16) << 16 | JUMP);
        self.refs.resize(table + (1 << log), 0);
        for same in far.chunk_by(|a, b| a.0 == b.0) {
            let these: Vec<&Window> = same.iter().map(|f| f.1).collect();
            let list = self.put(&these, depth + 1, counts);
            self.refs[table + same[0].0] = (u64::from(SEVERAL) | list) << 32;
        }
        first as u64
    }
}

#[inline(always)]
pub(super) fn load8(b: &[u8], at: usize) -> Option<u64> {
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

/// What the slot of the candidate `item` of hash `h` says, its position and class in the place of the tags, and whether
/// it may be a window of the slot's.
#[inline(always)]
pub(super) fn survivor(slot: u64, h: u32, item: u32) -> (u64, bool) {
    let tag = tag(h) as u8;
    let second = (slot >> 8) as u8 == tag;
    let kept = (slot as u8 == tag) | second | (slot as u16 == ANY);
    // Of two keys the references of the one that it is.
    let on = slot >> 63 & slot >> 16 & u64::from(second);
    ((slot & !0xffff | u64::from(item as u16)) + (on << 32), kept)
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
    /// Whether it is at `start` in the text, of which its head is compared, and where it ends then.
    #[inline(always)]
    fn head_fits(&self, text: Text<'_>, start: isize) -> (bool, usize) {
        let stop = start.wrapping_add_unsigned(usize::from(self.len)) as usize;
        let at = start.wrapping_add(isize::from(self.head_at));
        // Only the head of a pattern of less than eight bytes lies before the text: zeros are shifted in there. Where
        // the pattern does not fit, anything is read.
        let from = at.clamp(0, text.bytes.len() as isize - 8);
        let word = load8(text.bytes, from as usize).unwrap_or_default();
        let word = word.wrapping_shl(8 * (from - at).max(0) as u32);
        ((start >= 0) & (stop <= text.len) & (word | self.mask == self.head), stop)
    }
}

impl Verifier<'_> {
    /// The table of `windows`, whose patterns are `entries`.
    pub(super) fn new(
        mut windows: Vec<Window>,
        entries: Vec<Entry>,
        arena: Vec<u8>,
        more: usize,
    ) -> Verifier<'static> {
        if windows.is_empty() {
            return Verifier { entries: entries.into(), arena: arena.into(), ..Verifier::default() };
        }
        windows.sort_by_key(|w| (w.full_key(), w.tail, w.pat));
        let keys = 1 + windows.windows(2).filter(|w| w[0].full_key() != w[1].full_key()).count();
        let bits = (keys + keys / 2).next_power_of_two().trailing_zeros().max(1);
        let shift = 32 - bits;
        let sieve = Sieve::new(&windows, keys);
        windows.sort_by_key(|w| (hash(w.full_key()) >> shift, w.full_key(), w.tail, w.pat));
        let mut slots = vec![0u64; 1 << bits];
        let mut lists = Lists { entries: &entries, arena: &arena, refs: Vec::new(), jumps: false };
        let mut counts = Vec::new();
        let mut rest = &windows[..];
        while let Some(w) = rest.first() {
            let slot = hash(w.full_key()) >> shift;
            let n = rest.iter().take_while(|o| hash(o.full_key()) >> shift == slot).count();
            let (these, others) = rest.split_at(n);
            rest = others;
            // Sorted by key: the first and the last are all keys there are when there are two or one.
            let (low, high) = (w.full_key(), these.last().map_or(0, Window::full_key));
            let few = these.iter().all(|o| o.full_key() == low || o.full_key() == high);
            let these: Vec<&Window> = these.iter().collect();
            slots[slot as usize] = if !few {
                (u64::from(SEVERAL) | lists.put(&these, 0, &mut counts)) << 32 | u64::from(ANY)
            } else {
                let (a, b) = these.split_at(these.partition_point(|o| o.full_key() == low));
                // The key with one window first.
                let (a, b) = if b.len() == 1 { (b, a) } else { (a, b) };
                let of = |w: &[&Window]| w.first().map_or(0, |w| tag(hash(w.full_key())));
                let tags = u64::from(of(a) | if b.is_empty() { of(a) } else { of(b) } << 8);
                if n == 1 {
                    lists.of(w) | tags
                } else if a.len() == 1 && !b.is_empty() && of(a) != of(b) {
                    let first = lists.put(a, 0, &mut counts);
                    lists.put(b, 0, &mut counts);
                    (u64::from(SEVERAL) | first) << 32 | SPLIT | tags
                } else {
                    (u64::from(SEVERAL) | lists.put(&these, 0, &mut counts)) << 32 | tags
                }
            };
        }
        let Lists { mut refs, jumps, .. } = lists;
        // There is always one to read.
        if refs.is_empty() {
            refs.push(1);
        }
        Verifier {
            slots: slots.into(),
            shift,
            refs: refs.into(),
            entries: entries.into(),
            arena: arena.into(),
            keys: keys as u32,
            more,
            jumps,
            sieve,
        }
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
            + core::mem::size_of_val(&*self.sieve.bits)
    }

    /// The slot of the candidate `item` whose last four bytes are `word`, its position in the place of the tag, and
    /// whether it is to be kept.
    #[inline(always)]
    fn slot(&self, word: u32, item: u32) -> (u64, bool) {
        let h = hash(key_of(word, item));
        let slot = self.slots.get((h >> self.shift) as usize).copied().unwrap_or_default();
        survivor(slot, h, item)
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
    pub(super) fn narrow(
        &self,
        text: Text<'_>,
        base: usize,
        items: &[u32],
        out: &mut [u64],
        n: usize,
    ) -> usize {
        let narrow = if self.more == 0 { probe::narrow::<false> } else { probe::narrow::<true> };
        narrow(&self.slots, self.shift, self.more, text.bytes, base, items, out, n)
    }

    /// Keeps of `items` those that may be windows, where there are so many windows that asking pays; returns how many.
    /// The arguments are those of [`Verifier::narrow`].
    #[inline(always)]
    pub(super) fn sift(&self, text: Text<'_>, base: usize, items: &mut [u32]) -> usize {
        if self.sieve.bits.is_empty() { items.len() } else { self.sifted(text, base, items) }
    }

    #[inline(never)]
    fn sifted(&self, text: Text<'_>, base: usize, items: &mut [u32]) -> usize {
        let mut n = 0;
        for i in 0..items.len() {
            let item = items[i];
            let end = base + (item & POSITION) as usize;
            // What is not in the text is left to `narrow`.
            let mut kept = true;
            if let Some(word) = end.checked_sub(4).and_then(|at| load4(text.bytes, at)) {
                let far = (end - 4 + self.more).min(text.bytes.len().saturating_sub(4));
                let last = load4(text.bytes, far).unwrap_or_default();
                let wide = if self.more == 0 { 0 } else { mixed(last) & strided(item) };
                kept = self.sieve.has(hash(key_of(word, item) ^ wide));
            }
            items[n] = item;
            n += usize::from(kept);
        }
        n
    }

    /// Survivors that are led to a table are led on to the list in it, or go; returns how many of the first `n` of
    /// `alive` stay.
    #[inline(always)]
    fn settle(&self, text: Text<'_>, base: usize, alive: &mut [u64], n: usize, work: &mut Work) -> usize {
        if self.jumps { self.follow(text, base, alive, n, work) } else { n }
    }

    #[cold]
    #[inline(never)]
    fn follow(&self, text: Text<'_>, base: usize, alive: &mut [u64], n: usize, work: &mut Work) -> usize {
        let mut kept = 0;
        for i in 0..n {
            let Some(&(mut a)) = alive.get(i) else { break };
            let stays = loop {
                let at = ((a >> 32) as u32 & !SEVERAL) as usize;
                let r = if a >> 63 == 0 { 0 } else { self.refs.get(at).copied().unwrap_or_default() };
                if r & JUMP == 0 {
                    break true;
                }
                work.compared += 1;
                let end =
                    (base + (a & u64::from(POSITION)) as usize) as isize + isize::from((r >> 16) as i16);
                let Some(word) = usize::try_from(end - 4).ok().and_then(|at| load4(text.bytes, at)) else {
                    break false;
                };
                let (log, first) = ((r >> 32 >> TABLE) as u32, (r >> 32) as usize & ((1 << TABLE) - 1));
                match self.refs.get(first + place(word, log)) {
                    Some(&list) if list != 0 => a = list | a & 0xffff_ffff,
                    _ => break false,
                }
            };
            if let (true, Some(to)) = (stays, alive.get_mut(kept)) {
                *to = a;
                kept += 1;
            }
        }
        kept
    }

    /// Compares what is left of a pattern longer than eight bytes.
    #[inline(always)]
    fn rest_fits(&self, e: &Entry, text: Text<'_>, stop: usize) -> bool {
        let len = usize::from(e.len);
        let Some(pat) = self.arena.get(e.at as usize..).and_then(|a| a.get(..len)) else { return false };
        let Some(text) = text.bytes.get(stop.wrapping_sub(len)..).and_then(|t| t.get(..len)) else {
            return false;
        };
        if e.flags & CASELESS == 0 {
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
    /// returns the new `n`; nothing when there is no room for all. Three times as many as `alive` fit `room`.
    ///
    /// Every turn compares the head of one pattern of each survivor; those whose slots have more go to the next turn.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn verify(
        &self,
        text: Text<'_>,
        base: usize,
        alive: &[u64],
        seen: Option<Seen<'_>>,
        room: &mut [u64],
        hits: &mut [u64],
        mut n: usize,
        work: &mut Work,
    ) -> Option<usize> {
        let (passed, room) = room.split_at_mut_checked(alive.len())?;
        let (mut now, mut next) = room.split_at_mut_checked(alive.len())?;
        let t = Tables { refs: &self.refs, entries: &self.entries };
        let (mut p, mut left) = match seen {
            None => probe::heads(t, text, base, alive, |_| true, next, passed),
            Some(s) => probe::heads(t, text, base, alive, |pat| s.wants(pat), next, passed),
        };
        work.compared += alive.len() as u64;
        loop {
            n = self.full(text, passed.get(..p)?, seen, hits, n, work)?;
            if left == 0 {
                return Some(n);
            }
            core::mem::swap(&mut now, &mut next);
            left = self.settle(text, base, now, left, work);
            let alive = now.get(..left)?;
            work.compared += left as u64;
            (p, left) = match seen {
                None => probe::heads(t, text, base, alive, |_| true, next, passed),
                Some(s) => probe::heads(t, text, base, alive, |pat| s.wants(pat), next, passed),
            };
        }
    }

    /// Appends to `hits` those of `passed`, `head + BIAS << PAT_BITS | pattern`, that fit in full.
    fn full(
        &self,
        text: Text<'_>,
        passed: &[u64],
        seen: Option<Seen<'_>>,
        hits: &mut [u64],
        mut n: usize,
        work: &mut Work,
    ) -> Option<usize> {
        // The last run looked at: its byte, its end and how long it is.
        let mut run = (0u8, 0usize, 0usize);
        for &p in passed {
            let mut pat = (p & ((1 << PAT_BITS) - 1)) as u32;
            let e = self.entries.get(pat as usize)?;
            let start = (p >> PAT_BITS) as isize - BIAS - isize::from(e.head_at);
            let (mut fits, stop) = e.head_fits(text, start);
            if e.flags & RUN != 0 && fits {
                let family = self.entries.get(pat as usize..=pat as usize + usize::from(e.run))?;
                let most = family.last().map_or(0, |e| usize::from(e.len));
                let byte = (e.head >> 56) as u8;
                let long = match run {
                    (b, end, n) if b == byte && end + 1 == stop && n >= usize::from(e.len) => {
                        (n + 1).min(most)
                    }
                    _ => run_before(text.bytes.get(..stop)?, byte, most),
                };
                run = (byte, stop, long);
                let fit = family.iter().take_while(|e| usize::from(e.len) <= long).count();
                fits = fit > 0;
                pat += fit.saturating_sub(1) as u32;
                fits &= seen.is_none_or(|s| s.wants(pat));
            } else if e.len > 8 && fits {
                work.full += 1;
                fits = self.rest_fits(e, text, stop);
            }
            *hits.get_mut(n)? = (stop as u64) << PAT_BITS | u64::from(pat);
            n += usize::from(fits);
        }
        Some(n)
    }
}

/// How many bytes `b` end `text`, up to `most`.
fn run_before(text: &[u8], b: u8, most: usize) -> usize {
    let text = text.get(text.len().saturating_sub(most)..).unwrap_or_default();
    let (head, words) = text.as_rchunks::<8>();
    let all = u64::from_le_bytes([b; 8]);
    match words.iter().rev().position(|w| u64::from_le_bytes(*w) != all) {
        Some(n) => {
            let w = words
                .len()
                .checked_sub(n + 1)
                .and_then(|i| words.get(i))
                .map_or(0, |w| u64::from_le_bytes(*w));
            8 * n + ((w ^ all).leading_zeros() / 8) as usize
        }
        None => 8 * words.len() + head.iter().rev().take_while(|&&x| x == b).count(),
    }
}

/// Added to the position of a head, which may lie before the text.
pub(super) const BIAS: isize = 1 << 14;

impl Seen<'_> {
    /// Whether the pattern is still to be reported.
    #[inline(always)]
    fn wants(&self, pat: u32) -> bool {
        self.marks.get(pat as usize).is_some_and(|&m| m != self.epoch)
    }
}

/// The word of 64 positions that a survivor is in; those before the first count as its.
#[inline(always)]
pub(super) fn word_of(alive: u64) -> usize {
    (alive as usize & POSITION as usize).saturating_sub(super::simd::HEAD + 1) / 64
}
