//! The drive: an engine finds candidates, the verifier says what matches there, two report modes.
use super::{
    Database, Scratch,
    queue::Queue,
    simd::{HEAD, Level, WORDS, gram::Gram, teddy::Teddy, words},
    verify::{Verifier, hash, key_of},
};
use alloc::{boxed::Box, string::String, vec, vec::Vec};

/// How candidates are found.
pub(super) enum Engine {
    /// No patterns.
    Empty,
    /// One exact pattern.
    Single(memchr::memmem::Finder<'static>),
    /// Byte by byte, on any machine: the oracle of the others.
    Scalar(Scalar),
    /// All windows in buckets.
    Buckets(Teddy, Level),
    /// Windows of four bytes hashed, shorter ones (if there are) in buckets.
    Grams(Gram, Option<Teddy>, Level),
}

/// Windows go into buckets while fewer than this share of positions is expected to pass them in vain.
const BUCKETS_PASS: f32 = 1.0 / 100.0;
/// More windows than this are hashed whatever their buckets would let pass.
const BUCKETS_MOST: usize = 400;

/// A bitmap over the last byte of windows, then one over the hash of each width.
#[derive(Debug)]
pub(super) struct Scalar {
    /// Per byte: bit `w - 1` when a window of width `w` may end with it.
    last: Box<[u8; 256]>,
    /// Per width: bits by hash, and the shift that gives the bit.
    bits: [(Box<[u64]>, u32); 4],
}

impl Scalar {
    fn new(v: &Verifier) -> Scalar {
        let mut last = Box::new([0u8; 256]);
        let mut n = [0usize; 4];
        for (w, _) in v.all_keys() {
            n[w as usize - 1] += 1;
        }
        let mut bits = n.map(|n| {
            // One bit in 16 set, or fewer.
            let log = (n * 16).next_power_of_two().trailing_zeros().clamp(6, 22);
            (vec![0u64; if n == 0 { 0 } else { 1 << (log - 6) }].into_boxed_slice(), 32 - log)
        });
        for (w, key) in v.all_keys() {
            let top = (key >> (8 * (w - 1))) as u8;
            last[usize::from(top)] |= 1 << (w - 1);
            last[usize::from(top & !0x20)] |= 1 << (w - 1);
            let (map, shift) = &mut bits[w as usize - 1];
            let h = hash(key) >> *shift;
            map[(h >> 6) as usize] |= 1 << (h & 63);
        }
        Scalar { last, bits }
    }

    #[inline(always)]
    fn run(&self, hay: &[u8], mut candidate: impl FnMut(usize) -> bool) {
        let mut word = 0u32;
        for (i, &b) in hay.iter().enumerate() {
            word = word >> 8 | u32::from(b | 0x20) << 24;
            let mut m = self.last[usize::from(b)];
            while m != 0 {
                let w = m.trailing_zeros();
                m &= m - 1;
                let (map, shift) = &self.bits[w as usize];
                let h = hash(key_of(word, w + 1)) >> shift;
                if map.get((h >> 6) as usize).is_some_and(|x| x >> (h & 63) & 1 != 0) {
                    if !candidate(i + 1) {
                        return;
                    }
                    break;
                }
            }
        }
    }
}

impl Engine {
    pub(super) fn choose(v: &Verifier, single: Option<&[u8]>, level: Level) -> Engine {
        if v.keys() == 0 {
            return Engine::Empty;
        }
        if level == Level::Scalar {
            return match single {
                Some(p) => Engine::Single(memchr::memmem::Finder::new(p).into_owned()),
                None => Engine::Scalar(Scalar::new(v)),
            };
        }
        let keys: Vec<(u32, u32)> = v.all_keys().collect();
        let short: Vec<(u32, u32)> = keys.iter().copied().filter(|k| k.0 < 4).collect();
        let long = keys.len() - short.len();
        if long == 0 {
            return Engine::Buckets(Teddy::new(&keys, level), level);
        }
        if long <= BUCKETS_MOST {
            let t = Teddy::new(&keys, level);
            // What windows of less than four bytes let pass does not depend on where the others go.
            if long <= 8 || t.long_expect < BUCKETS_PASS {
                return Engine::Buckets(t, level);
            }
        }
        let grams = Gram::new(keys.iter().filter(|k| k.0 == 4).map(|k| k.1), long, level);
        Engine::Grams(grams, (!short.is_empty()).then(|| Teddy::new(&short, level)), level)
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Engine::Empty => "empty".into(),
            Engine::Single(f) => {
                alloc::format!("single: memmem, one exact pattern of {} bytes", f.needle().len())
            }
            Engine::Scalar(_) => "scalar: last byte and hashed windows".into(),
            Engine::Buckets(t, l) => {
                let ppm = (t.expect * 1e6) as u32;
                alloc::format!(
                    "buckets: {} on {}, {ppm} ppm of positions expected to pass",
                    t.buckets(),
                    l.name()
                )
            }
            Engine::Grams(g, t, l) => alloc::format!(
                "grams: windows of 4 bytes in a bitmap of {} bytes, {} buckets for shorter ones, on {}",
                g.memory_bytes(),
                t.as_ref().map_or(0, Teddy::buckets),
                l.name()
            ),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Engine::Empty => 0,
            Engine::Single(f) => f.needle().len(),
            Engine::Scalar(s) => {
                256 + s.bits.iter().map(|(b, _)| core::mem::size_of_val(&**b)).sum::<usize>()
            }
            Engine::Buckets(t, _) => t.memory_bytes(),
            Engine::Grams(g, t, _) => g.memory_bytes() + t.as_ref().map_or(0, Teddy::memory_bytes),
        }
    }
}

/// What a scan of one input costs, counted rather than timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Positions that passed the filter, each of them a lookup for every window width it may have.
    pub candidates: u64,
    /// Windows compared because their four bytes (or fewer) were there.
    pub compared: u64,
    /// Of these, in full rather than by 8 bytes.
    pub full: u64,
    /// Matches, equal patterns counted once.
    pub matches: u64,
}

impl Database {
    /// Counts the work of [`Database::scan`] on `hay`, for tests and tuning.
    #[must_use]
    pub fn work(&self, hay: &[u8]) -> Work {
        let mut work = Work::default();
        self.candidates(hay, |end, widths| {
            work.candidates += 1;
            self.verify.count(hay, end, widths, &mut work);
            true
        });
        work
    }

    /// Calls `candidate(end, widths)` for window ends in ascending order until it says `false`. `Single` never gets
    /// here.
    #[inline(always)]
    fn candidates(&self, hay: &[u8], mut candidate: impl FnMut(usize, u32) -> bool) {
        let used = self.verify.used();
        let short = used & 0b111;
        match &self.engine {
            Engine::Empty | Engine::Single(_) => {}
            Engine::Scalar(s) => s.run(hay, |end| candidate(end, used)),
            Engine::Buckets(t, _) => {
                if short != 0 && !(1..=hay.len().min(HEAD)).all(|end| candidate(end, short)) {
                    return;
                }
                let mut masks = [0u64; WORDS];
                let mut first = 0;
                while first < words(hay.len()) {
                    let n = t.fill(hay, first, &mut masks);
                    for (i, &m) in masks.iter().enumerate().take(n) {
                        let mut m = m;
                        while m != 0 {
                            let end = HEAD + 64 * (first + i) + m.trailing_zeros() as usize + 1;
                            m &= m - 1;
                            if !candidate(end, used) {
                                return;
                            }
                        }
                    }
                    first += n.max(1);
                }
            }
            Engine::Grams(g, t, _) => {
                if short != 0 && !(1..=hay.len().min(HEAD)).all(|end| candidate(end, short)) {
                    return;
                }
                let mut masks = [0u64; WORDS];
                let mut shorts = [0u64; WORDS];
                let mut first = 0;
                while first < words(hay.len()) {
                    let n = g.fill(hay, first, &mut masks);
                    if let Some(t) = t {
                        t.fill(hay, first, &mut shorts);
                    }
                    for (i, (&l, &s)) in masks.iter().zip(&shorts).enumerate().take(n) {
                        let mut m = l | s;
                        while m != 0 {
                            let at = m.trailing_zeros();
                            m &= m - 1;
                            let widths = ((l >> at & 1) as u32 * 8) | ((s >> at & 1) as u32 * short);
                            if !candidate(HEAD + 64 * (first + i) + at as usize + 1, widths) {
                                return;
                            }
                        }
                    }
                    first += n.max(1);
                }
            }
        }
    }

    /// Reports all ids of a group.
    #[inline(always)]
    fn emit(&self, group: u32, end: usize, on_match: &mut impl FnMut(u32, usize) -> bool) -> bool {
        let g = group as usize;
        let (Some(&a), Some(&b)) = (self.group_ids.get(g), self.group_ids.get(g + 1)) else { return true };
        self.ids.get(a as usize..b as usize).unwrap_or_default().iter().all(|r| on_match(r.id, end))
    }

    pub(super) fn scan_all(
        &self,
        hay: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            let mut from = 0;
            while let Some(at) = hay.get(from..).and_then(|h| f.find(h)) {
                if !self.emit(0, from + at + f.needle().len(), &mut on_match) {
                    return;
                }
                from += at + 1;
            }
            return;
        }
        if self.pending == 0 {
            self.candidates(hay, |end, w| {
                self.verify.candidate(hay, end, w, |g, at| self.emit(g, at, &mut on_match))
            });
            return;
        }
        let queue: &mut Queue = &mut scratch.queue;
        queue.reserve(self.pending as usize);
        queue.clear();
        let mut go = true;
        self.candidates(hay, |end, w| {
            // What a candidate gives ends at it or later, so all that ends by here is in order now.
            while let Some((at, g)) = queue.pop(end) {
                go = go && self.emit(g, at, &mut on_match);
            }
            go = go
                && self.verify.candidate(hay, end, w, |g, at| {
                    if at == end {
                        self.emit(g, at, &mut on_match)
                    } else {
                        queue.push(at, g);
                        true
                    }
                });
            go
        });
        while let Some((at, g)) = queue.pop(usize::MAX) {
            go = go && self.emit(g, at, &mut on_match);
        }
    }

    pub(super) fn scan_each(
        &self,
        hay: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            if let Some(at) = f.find(hay) {
                self.emit(0, at + f.needle().len(), &mut on_match);
            }
            return;
        }
        let ids = self.distinct as usize;
        if scratch.seen.len() < ids {
            scratch.seen.resize(ids, 0);
        }
        let epoch = scratch.next_epoch();
        let Some(seen) = scratch.seen.get_mut(..ids) else { return };
        let mut left = ids;
        self.candidates(hay, |end, w| {
            self.verify.candidate(hay, end, w, |g, at| {
                let g = g as usize;
                let (Some(&a), Some(&b)) = (self.group_ids.get(g), self.group_ids.get(g + 1)) else {
                    return true;
                };
                for r in self.ids.get(a as usize..b as usize).unwrap_or_default() {
                    let Some(s) = seen.get_mut(r.dense as usize) else { continue };
                    if *s != epoch {
                        *s = epoch;
                        left -= 1;
                        if !on_match(r.id, at) {
                            return false;
                        }
                    }
                }
                left != 0
            })
        });
    }
}
